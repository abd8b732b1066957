"""The interactions table that a company would have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nba.contracts import DAY, Bools, Floats, Ints, Strings
from nba.simulate.catalogue import (
    CHANNEL,
    CHANNELS,
    CONVERSATIONS,
    EMAILS,
    INVITATIONS,
    KINDS,
    PERSONAL,
    PRODUCTS,
    TOPICS,
)
from nba.simulate.days import reading_moments
from nba.simulate.library import moments
from nba.simulate.surface import Touches, Visits
from nba.simulate.world import World

Rows = dict[str, NDArray[Any]]


def interaction_rows(
    rng: np.random.Generator, world: World, touches: Touches, portal: Visits, *, end: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The interactions a company knows of at ``end``, and the truth of the touches among them."""
    order = np.lexsort((touches.channel, touches.hcp, touches.ts))
    touches = Touches._make(part[order] for part in touches)
    events = Events(len(touches.ts))
    _add_touches(rng, events, touches)
    _add_reading(rng, events, world, touches)
    _add_machines(rng, events, world, touches)
    _add_attendance(rng, events, touches)
    _add_portal(rng, events, portal)
    return events.tables(world, touches, portal, end)


class Events:
    """Rows in the making: each points to the touch or portal visit (``-1 - row``) it belongs to."""

    def __init__(self, touches: int) -> None:
        self.touches = touches
        self.parts: list[Rows] = []

    def add(
        self,
        outcome: str,
        *,
        of: Ints,
        ts: Ints,
        lag: Floats,
        machine: Bools | bool = False,
        duration: Floats | float = np.nan,
        reaction: Strings | None = None,
    ) -> None:
        """Add one row for each of ``of``; ``lag`` is how many seconds later it is recorded."""
        n = len(of)
        self.parts.append(
            {
                "of": of,
                "ts": ts,
                "recorded_at": ts + np.ceil(lag).astype(np.int64),
                "outcome": np.full(n, outcome, dtype=object),
                "is_machine": np.broadcast_to(machine, n),
                "duration_s": np.round(np.broadcast_to(duration, n)),
                "reaction": np.full(n, None, dtype=object) if reaction is None else reaction,
            }
        )

    def tables(
        self, world: World, touches: Touches, portal: Visits, end: int
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Put the rows in order and name them; what happens or arrives from ``end`` on is unknown."""
        rows = {name: np.concatenate([part[name] for part in self.parts]) for name in self.parts[0]}
        first = np.isin(rows["outcome"], ("sent", "held", "declined"))
        # A response is filed under its touch, so it cannot arrive before the touch has.
        arrival = np.zeros(self.touches + 1, dtype=np.int64)
        arrival[rows["of"][first]] = rows["recorded_at"][first]
        rows["recorded_at"] = np.maximum(rows["recorded_at"], arrival[np.maximum(rows["of"], -1)])
        known = (rows["ts"] < end) & (rows["recorded_at"] < end)
        order = np.flatnonzero(known)
        order = order[
            np.lexsort(
                (~first[order], rows["outcome"][order].astype(str), rows["of"][order], rows["ts"][order])
            )
        ]
        rows = {name: values[order] for name, values in rows.items()}
        return _interactions(world, touches, portal, rows, first[order])


def _interactions(
    world: World, touches: Touches, portal: Visits, rows: Rows, first: Bools
) -> tuple[pd.DataFrame, pd.DataFrame]:
    of, visit = rows["of"], -1 - rows["of"]
    inbound = of < 0
    touch = np.where(inbound, 0, of)
    visit = np.where(inbound, visit, 0)
    content = np.where(inbound, portal.content[visit] if len(portal.ts) else 0, touches.content[touch])
    hcp = np.where(inbound, portal.hcp[visit] if len(portal.ts) else 0, touches.hcp[touch])
    channel = np.where(inbound, len(CHANNELS), touches.channel[touch])
    names = np.array([f"t{row:07d}" for row in range(len(touches.ts))], dtype=object)
    nothing = np.full(len(of), None, dtype=object)
    ids = np.array([f"r{row:07d}" for row in range(len(of))], dtype=object)
    ids[first] = names[of[first]]
    parent = np.where(first | inbound, nothing, names[touch])
    person = np.isin(touches.channel[touch], CONVERSATIONS) & first
    medical = channel == CHANNEL["msl_visit"]
    territory_of = world.people["territory_id"].to_numpy(dtype=object)[hcp]
    function = np.where(medical, "medical", "commercial").astype(object)
    prefix = np.where(medical, "msl_", "rep_").astype(object)
    by_rep = person | (first & (channel == CHANNEL["approved_email"]) & ~touches.by_programme[touch])
    table = pd.DataFrame(
        {
            "interaction_id": ids,
            "hcp_id": np.array(world.hcp_ids, dtype=object)[hcp],
            "ts": moments(rows["ts"]),
            "recorded_at": moments(rows["recorded_at"]),
            "channel": np.array([*CHANNELS, "portal"], dtype=object)[channel],
            "direction": np.where(first, "outbound", "inbound").astype(object),
            "outcome": rows["outcome"],
            "content_id": np.array(world.content_ids, dtype=object)[content],
            "product_id": np.array(PRODUCTS, dtype=object)[world.library.indication[content]],
            "topic": np.array(TOPICS, dtype=object)[world.library.topic[content]],
            "parent_id": parent,
            "duration_s": rows["duration_s"],
            "reaction": rows["reaction"],
            "is_machine": rows["is_machine"],
            "user_id": np.where(by_rep, prefix + territory_of, nothing),
            "user_function": np.where(by_rep, function, nothing),
            "territory_id": territory_of,
            "selection_prob": np.where(first, touches.selection_prob[touch], np.nan),
            "source": np.where(
                inbound, "portal", np.where(touches.by_programme[touch], "programme", "field")
            ).astype(object),
        }
    )
    truth = pd.DataFrame({"interaction_id": ids[first], "true_probability": touches.truth[of[first]]})
    return table, truth.sort_values("interaction_id", ignore_index=True)


def _late(rng: np.random.Generator, n: int, *, hours: float, weeks: float) -> Floats:
    """Seconds until a row arrives: log-normal around ``hours``; a share of ``weeks`` takes days to weeks."""
    usual = hours * 3600.0 * np.exp(rng.normal(0.0, 1.0, n))
    return np.where(rng.random(n) < weeks, rng.uniform(2.0, 24.0, n) * DAY, usual)


def _soon(rng: np.random.Generator, n: int) -> Floats:
    return 1.0 + rng.exponential(120.0, n)


def _add_touches(rng: np.random.Generator, events: Events, touches: Touches) -> None:
    personal = PERSONAL[touches.channel]
    for outcome, rows in (
        ("held", np.flatnonzero(personal & touches.held)),
        ("declined", np.flatnonzero(personal & ~touches.held)),
    ):
        held, n = outcome == "held", len(rows)
        events.add(
            outcome,
            of=rows,
            ts=touches.ts[rows],
            lag=_late(rng, n, hours=8.0, weeks=0.06),
            duration=rng.gamma(4.0, 150.0, n) if held else np.nan,
            reaction=rng.choice(np.array(["pos", "neu", "neg"], dtype=object), n, p=[0.4, 0.5, 0.1])
            if held
            else None,
        )
    sent = np.flatnonzero(~personal)
    events.add("sent", of=sent, ts=touches.ts[sent], lag=_soon(rng, len(sent)))


def _add_reading(rng: np.random.Generator, events: Events, world: World, touches: Touches) -> None:
    """Opens, clicks, downloads and unsubscriptions, by people, and clicks long after the window."""
    email = np.isin(touches.channel, EMAILS)
    clicked = np.flatnonzero(email & touches.held)
    at = touches.success_ts[clicked]
    before = np.minimum(rng.integers(5, 120, len(clicked)), at - touches.ts[clicked] - 30)
    events.add("opened", of=clicked, ts=at - before, lag=_soon(rng, len(clicked)))
    events.add("clicked", of=clicked, ts=at, lag=_soon(rng, len(clicked)))
    form = np.array([kind.form for kind in KINDS], dtype=object)[world.library.kind[touches.content]]
    for outcome, forms, share in (
        ("downloaded", ("article", "slides"), 0.3),
        ("completed", ("video", "interactive"), 0.4),
    ):
        rows = clicked[np.isin(form[clicked].astype(str), forms) & (rng.random(len(clicked)) < share)]
        minutes = rng.gamma(2.0, 60.0, len(rows))
        after = touches.success_ts[rows] + 20 + minutes.astype(np.int64)
        events.add(outcome, of=rows, ts=after, lag=_soon(rng, len(rows)), duration=minutes)
    ignored = np.flatnonzero(email & ~touches.held)
    glance = 0.12 + 0.25 * -np.expm1(-world.pull[touches.hcp[ignored], touches.channel[ignored]] / 2.0)
    opened = ignored[rng.random(len(ignored)) < glance]
    sent_day = (touches.ts - world.start) // DAY
    opened_at = reading_moments(
        rng, world, touches.ts[opened], touches.hcp[opened], day=sent_day[opened], sigma=1.4, longest_days=12
    )
    events.add("opened", of=opened, ts=opened_at, lag=_soon(rng, len(opened)))
    forgotten = ignored[rng.random(len(ignored)) < 0.002]
    long_after = touches.ts[forgotten] + rng.integers(16 * DAY, 45 * DAY, len(forgotten))
    events.add("clicked", of=forgotten, ts=long_after, lag=_soon(rng, len(forgotten)))
    left = np.flatnonzero(touches.left_ts > 0)
    events.add("unsubscribed", of=left, ts=touches.left_ts[left], lag=_soon(rng, len(left)))
    push = np.flatnonzero((touches.channel == CHANNEL["push"]) & touches.held)
    events.add("opened", of=push, ts=touches.success_ts[push], lag=_soon(rng, len(push)))
    done = push[rng.random(len(push)) < 0.3]
    events.add(
        "completed", of=done, ts=touches.success_ts[done] + 90, lag=_soon(rng, len(done)), duration=90.0
    )


def _add_machines(rng: np.random.Generator, events: Events, world: World, touches: Touches) -> None:
    """Mail clients that fetch every picture, and hospitals' scanners that follow every link."""
    prefetched = rng.random(world.size) < 0.25
    flagged = rng.random(world.size) < 0.5
    accounts, names = pd.factorize(world.people["hco_id"], sort=True)
    in_hospital = (world.people["setting"] == "hospital").to_numpy()
    scanned = (rng.random(len(names)) < 0.25)[accounts] & in_hospital
    email = np.isin(touches.channel, EMAILS)
    opens = np.flatnonzero(email & prefetched[touches.hcp])
    at = touches.ts[opens] + rng.integers(0, 3, len(opens))
    events.add("opened", of=opens, ts=at, lag=_soon(rng, len(opens)), machine=flagged[touches.hcp[opens]])
    scans = np.flatnonzero(email & scanned[touches.hcp])
    scans = np.repeat(scans, rng.integers(2, 4, len(scans)))
    at = touches.ts[scans] + rng.integers(0, 3, len(scans))
    events.add("clicked", of=scans, ts=at, lag=_soon(rng, len(scans)))


def _add_attendance(rng: np.random.Generator, events: Events, touches: Touches) -> None:
    """Registrations, attendance and empty chairs; lists of events reach the tables late."""
    invited = np.isin(touches.channel, INVITATIONS)
    comes = invited & touches.held
    stays_away = invited & ~touches.held & (rng.random(len(comes)) < 0.05)
    registered = np.flatnonzero(comes | stays_away)
    wait = (touches.success_ts[registered] - touches.ts[registered]) * rng.uniform(0.02, 0.8, len(registered))
    events.add(
        "registered",
        of=registered,
        ts=touches.ts[registered] + wait.astype(np.int64),
        lag=_soon(rng, len(registered)),
    )
    for outcome, where in (("attended", comes), ("no_show", stays_away)):
        for channel, hours, weeks in (("webinar", 6.0, 0.0), ("event", 48.0, 0.15)):
            rows = np.flatnonzero(where & (touches.channel == CHANNEL[channel]))
            lag = _late(rng, len(rows), hours=hours, weeks=weeks)
            minutes = rng.uniform(20.0, 60.0, len(rows)) * 60.0 if outcome == "attended" else np.nan
            events.add(outcome, of=rows, ts=touches.success_ts[rows], lag=lag, duration=minutes)


def _add_portal(rng: np.random.Generator, events: Events, portal: Visits) -> None:
    what = rng.random(len(portal.ts))
    for outcome, low, high in (("clicked", 0.0, 0.6), ("completed", 0.6, 0.85), ("downloaded", 0.85, 1.0)):
        rows = np.flatnonzero((what >= low) & (what < high))
        dwell = rng.gamma(2.0, 80.0, len(rows))
        events.add(outcome, of=-1 - rows, ts=portal.ts[rows], lag=_soon(rng, len(rows)), duration=dwell)
