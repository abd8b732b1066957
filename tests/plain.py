"""Worlds read row by row: the slow, dumb way to know what each rule has to say."""

from __future__ import annotations

import datetime as dt
from functools import cache
from zoneinfo import ZoneInfo

from nba.contracts import DAY, NEVER


def rows_of(table):
    return [
        dict(zip(table, values, strict=True))
        for values in zip(*(v.tolist() for v in table.values()), strict=True)
    ]


class Plain:
    """One world as plain rows, with an answer for every rule."""

    def __init__(self, world):
        asked, context = world
        self.at, self.until, self.actions = asked.at, asked.valid_until, asked.actions
        self.hcps = rows_of(context.hcps)
        self.content = {row["content_id"]: row for row in rows_of(context.content)}
        self.channels = {row["channel"]: row for row in rows_of(context.channels)}
        self.touches = rows_of(context.touches)
        self.consent = None if context.consent is None else rows_of(context.consent)
        self.tables = {name: rows_of(table) for name, table in context.tables.items()}

    def answers(self, one):
        """What a rule's plain reading says of every HCP and action."""
        return [
            ["" if k == 0 else one(i, action) for k, action in enumerate(self.actions)]
            for i in range(len(self.hcps))
        ]

    def heard(self, i, *, channels=None, days=None):
        """Touches of an HCP that count."""
        found = [t for t in self.touches if t["row"] == i and (t["ts"] <= self.at or t["pending"])]
        found = [t for t in found if channels is None or t["channel"] in channels]
        return [t for t in found if days is None or t["ts"] >= self.at - days * DAY]

    def on_label(self, i, action):
        content, hcp = self.content[action.content], self.hcps[i]
        product = content["product_id"]
        if not product:
            return ""
        mine = [
            row
            for row in self.tables["labels"]
            if (row["product_id"], row["country"]) == (product, hcp["country"])
            and row["from"] <= self.at
            and row["to"] + DAY >= self.until
        ]
        if not mine:
            return "no_label"
        inside, unclear = [], False
        for row in mine:
            other = content["indication"] not in ("", row["indication"])
            if other or (row["topics"] and content["topic"] not in row["topics"]):
                continue
            if content["indication"] or row["topics"]:
                inside.append(row)
            else:
                unclear = True
        if any(not row["specialties"] or hcp["specialty"] in row["specialties"] for row in inside):
            return ""
        if inside:
            return "other_specialty"
        if unclear:
            return "label_unclear"
        return "on_request_only" if content["purpose"] == "medical" else "off_label"

    def routing(self, i, action):
        channel = self.channels[action.channel]
        purpose = self.content[action.content]["purpose"]
        if purpose == "medical" and channel["function"] == "commercial":
            return "medical_content"
        if purpose == "promotional" and channel["function"] == "medical":
            return "promotional_content"
        if not channel["personal"]:
            return ""
        return "" if self.sender(self.hcps[i]["territory_id"], channel["function"]) else "no_sender"

    @cache  # noqa: B019
    def sender(self, territory, function):
        """Asks of every hour of the window who is there: the first of the territory, or of none."""
        reps, there = self.tables["reps"], set()
        for moment in range(self.at, self.until, 3_600):
            for row in reps:
                leave = [
                    r
                    for r in reps
                    if r["user_id"] == row["user_id"] and (r["off_from"] > NEVER or r["off_to"] > NEVER)
                ]
                away = any(
                    r["off_from"] <= moment and (r["off_to"] == NEVER or moment < r["off_to"] + DAY)
                    for r in leave
                )
                in_post = row["from"] <= moment < row["to"] + DAY
                if (
                    row["territory_id"] in ("", territory)
                    and row["function"] == function
                    and in_post
                    and not away
                ):
                    there.add((row["territory_id"] != territory, row["user_id"]))
        return min(there)[1] if there else ""

    def access(self, i, action):
        hcp = self.hcps[i]
        visit, call = ("rep_visit", "msl_visit"), ("phone", "remote_call")
        if hcp["valid_from"] > self.at or hcp["valid_to"] < self.until:
            return "not_active"
        if hcp["access_level"] == "no_see" and action.channel in visit:
            return "no_see"
        if hcp["do_not_call"] and action.channel in visit + call:
            return "do_not_call"
        if hcp["access_level"] == "limited" and action.channel in visit:
            visits = self.heard(i, channels=visit)
            return "limited_access" if any(t["ts"] > self.at - 30 * DAY for t in visits) else ""
        return ""

    def paused(self, i, action):
        mine = [
            s
            for s in self.tables["states"]
            if s["hcp_id"] == self.hcps[i]["hcp_id"] and s["since"] <= self.at
        ]
        for row in mine:
            lifted = any(s["state"] == "active" and s["since"] > row["since"] for s in mine)
            if row["state"] == "paused" and row["until"] > self.at and not lifted:
                return "paused"
        return ""

    def repeat(self, i, action, *, days, by):
        def name(content_id):
            row = self.content.get(content_id)
            if by == "message":
                return row["key_message_id"] if row else ""
            return row["document_number"] if row else content_id

        mine = name(action.content)
        again = mine and any(
            name(t["content_id"]) == mine and t["ts"] > self.at - days * DAY for t in self.heard(i)
        )
        return f"{by}_repeat" if again else ""

    def floor(self, i, action, *, share, days):
        purposes = [
            self.content[t["content_id"]]["purpose"]
            for t in self.heard(i, days=days)
            if t["content_id"] in self.content
        ]
        if self.content[action.content]["purpose"] != "promotional":
            return ""
        after = [*purposes, "promotional"]
        learning = sum(p != "promotional" for p in after)
        return "educational_floor" if learning * share.denominator < share.numerator * len(after) else ""

    def product(self, i, action):
        mine = self.content[action.content]["product_id"]
        zone = ZoneInfo(self.hcps[i]["timezone"] or "UTC")

        def day(moment):
            return dt.datetime.fromtimestamp(moment, zone).date()

        for t in self.heard(i):
            row = self.content.get(t["content_id"], {"product_id": ""})
            product = t["product_id"] or row["product_id"]
            if (t["pending"] or day(t["ts"]) == day(self.at)) and product not in ("", mine) and mine:
                return "other_product_today"
        return ""

    def quiet(self, i, action, *, start, end, weekend, step=60):
        """Looks at the clock on the wall every minute."""
        zone = ZoneInfo(self.hcps[i]["timezone"] or "UTC")
        for moment in range(self.at, self.until, step):
            clock = dt.datetime.fromtimestamp(moment, zone)
            hour = clock.hour + clock.minute / 60
            inside = start <= hour < end if start < end else hour >= start or hour < end
            if not inside and not (weekend and clock.isoweekday() > 5):
                return ""
        return "quiet_hours"

    def capture(self, i, action):
        content = self.content[action.content]
        if content["content_type"] != "consent_capture":
            return ""
        said = [
            self.said(i, c, content["product_id"])
            for c, row in self.channels.items()
            if row["consent_required"]
        ]
        if any(s in ("missing", "expired") for s in said):
            return ""
        return "opted_out" if "opt_out" in said else "nothing_to_ask"

    def said(self, i, channel, product):
        def line(row):
            return (
                "" if row["channel"] == "all" else row["channel"],
                row["product_id"],
                row["purpose"],
                row["content_type"],
            )

        def about(broad, narrow):
            return all(b in ("", n) for b, n in zip(broad, narrow, strict=True))

        mine = [
            r
            for r in self.consent
            if r["hcp_id"] == self.hcps[i]["hcp_id"]
            and about(line(r), (channel, product, "", ""))
            and (r["captured_at"] < self.at or (r["opt_type"] == "opt_out" and r["captured_at"] == self.at))
        ]
        ins = [r for r in mine if r["opt_type"] == "opt_in"]
        for out in (r for r in mine if r["opt_type"] == "opt_out"):
            if not any(r["captured_at"] > out["captured_at"] and about(line(r), line(out)) for r in ins):
                return "opt_out"
        asked = [r for r in mine if r["opt_type"] != "opt_out"]
        if not asked:
            return "missing"
        latest = [r for r in asked if r["captured_at"] == max(r["captured_at"] for r in asked)]
        if any(r["opt_type"] == "opt_in_pending" for r in latest):
            return "pending"
        return "expired" if min(r["expires_at"] for r in latest) < self.until else "granted"

    def approved(self, i, action):
        hcp, mine = self.hcps[i], self.content[action.content]

        def fits(row):
            return not row["country"] or hcp["country"] in row["country"]

        def live(row):
            return row["approval_status"] == "approved" and row["approved_from"] <= self.at

        def number(version):
            return float(version)

        others = [row for row in self.content.values() if row is not mine]
        if mine["approval_status"] != "approved":
            return "not_approved"
        if mine["approved_from"] > self.at:
            return "not_yet_valid"
        if mine["expiry"] < self.until:
            return "expired"
        if not fits(mine):
            return "other_country"
        for row in filter(live, others):
            newer = number(row["version"]) > number(mine["version"]) and fits(row)
            if (newer and row["document_number"] == mine["document_number"]) or row["supersedes"] == mine[
                "content_id"
            ]:
                return "superseded"
        stamp = ("family_id", "document_number", "version", "language")
        shared = any(fits(row) and all(row[k] == mine[k] for k in stamp) for row in others)
        if shared and mine["family_id"] not in ("", mine["content_id"]):
            return "no_own_approval"
        for module in mine["module_ids"]:
            row = self.content.get(module)
            if not row or not live(row) or not fits(row) or row["expiry"] < self.until:
                return "module_not_approved"
        return "other_language" if hcp["language"] not in ("", mine["language"]) else ""
