from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest
from hall import make_model

import nba
from nba import guardrails, policies, simulate
from nba.contracts import DAY, DO_NOTHING
from nba.tables import Engagement, as_moment

AT = "2026-09-15"
NOW = as_moment(AT)
UNTIL = NOW + 7 * DAY
CAP, CAP_DAYS, GAP_DAYS = 3, 21, 4


@pytest.fixture(scope="module")
def world():
    return simulate.territory(seed=5, hcps=40, days=150, contents=20)


@pytest.fixture(scope="module")
def anything_goes(world):
    """Every eligible action has the same probability: what is chosen is bounded by the rules alone."""
    model = make_model(
        scorer=nba.SegmentBaseline(),
        policy=policies.EpsilonGreedy(1.0),
        guardrails=[guardrails.FrequencyCap(CAP, days=CAP_DAYS), guardrails.MinimumGap(GAP_DAYS)],
    )
    return model.fit(world.engagement, until=AT)


def random_tables(world, seed):
    """The territory with consent, approvals and recent touches at random."""
    rng = np.random.default_rng(seed)
    frames = {n: f for n, f in world.engagement.tables.items() if f is not None}
    log = frames["interactions"].drop(columns=["machine", "touch", "engaged"])
    kept = log[rng.random(len(log)) < rng.uniform(0.2, 1.0)]
    roots = set(kept["interaction_id"])
    kept = kept[[parent is None or parent != parent or parent in roots for parent in kept["parent_id"]]]
    consent = frames["consent"][rng.random(len(frames["consent"])) < rng.uniform(0.3, 1.0)].copy()
    consent["opt_type"] = rng.choice(
        ["opt_in", "opt_in", "opt_in", "opt_out", "opt_in_pending"], len(consent)
    )
    content = frames["content"].copy()
    content["approval_status"] = rng.choice(
        ["approved", "approved", "approved", "staged", "expired", "withdrawn"], len(content)
    )
    start = pd.to_datetime(NOW + rng.integers(-200, 10, len(content)) * DAY, unit="s", utc=True)
    content["approved_from"] = start.as_unit("s")
    end = start + pd.to_timedelta(rng.integers(20, 400, len(content)), unit="D")
    content["expiry"] = end.as_unit("s")
    changed = {"interactions": kept, "consent": consent, "content": content}
    return Engagement(**(frames | changed), observed_until="2026-10-01")


class Oracle:
    """Whether an action may be chosen, read from plain rows one by one."""

    def __init__(self, data):
        self.hcps = {row["hcp_id"]: row for row in data.hcps.to_dict("records")}
        self.content = {row["content_id"]: row for row in data.content.to_dict("records")}
        self.channels = {row["channel"]: row for row in data.channels.to_dict("records")}
        self.consent, self.touches = defaultdict(list), defaultdict(list)
        for row in data.consent.to_dict("records"):
            self.consent[row["hcp_id"], row["channel"]].append(row)
        touches = data.interactions[data.interactions["touch"]]
        for hcp, ts, known in zip(touches["hcp_id"], touches["ts"], touches["recorded_at"], strict=True):
            if ts.timestamp() < NOW and known.timestamp() < NOW:
                self.touches[hcp].append(ts.timestamp())

    def faults(self, hcp_id, action):
        hcp, content = self.hcps[hcp_id], self.content[action.content]
        found = []
        if (
            action.channel not in content["channels"]
            or hcp["country"] not in content["country"]
            or content["language"] != hcp["language"]
        ):
            found.append("candidates")
        found += self.consent_fault(hcp_id, action, content)
        found += self.approval_fault(hcp, content)
        touches = self.touches[hcp_id]
        if sum(ts >= NOW - CAP_DAYS * DAY for ts in touches) >= CAP:
            found.append("frequency_cap")
        if touches and NOW - max(touches) < GAP_DAYS * DAY:
            found.append("minimum_gap")
        return found

    def consent_fault(self, hcp_id, action, content):
        tags = ("product_id", "purpose", "content_type")
        about = [
            row
            for row in self.consent[hcp_id, action.channel]
            if all(missing(row.get(tag)) or row[tag] == content.get(tag) for tag in tags)
        ]
        outs = [r for r in about if r["opt_type"] == "opt_out" and r["captured_at"].timestamp() <= NOW]
        ins = [r for r in about if r["opt_type"] != "opt_out" and r["captured_at"].timestamp() < NOW]
        latest_out = max((r["captured_at"] for r in outs), default=None)
        if latest_out is not None:
            ins = [r for r in ins if r["captured_at"] > latest_out]
            if not ins:
                return ["consent"]
        if not self.channels[action.channel]["consent_required"]:
            return []
        if not ins:
            return ["consent"]
        newest = max(r["captured_at"] for r in ins)
        last = [r for r in ins if r["captured_at"] == newest]
        if any(r["opt_type"] == "opt_in_pending" for r in last):
            return ["consent"]
        ends = [r["expires_at"] for r in last if not missing(r.get("expires_at"))]
        return ["consent"] if any(end.timestamp() < UNTIL for end in ends) else []

    def approval_fault(self, hcp, content):
        def is_in_force(row):
            return row["approval_status"] == "approved" and row["approved_from"].timestamp() <= NOW

        if not is_in_force(content) or content["expiry"].timestamp() < UNTIL:
            return ["approved"]
        for other in filter(is_in_force, self.content.values()):
            if other.get("supersedes") == content["content_id"]:
                return ["approved"]
            same = (
                other["document_number"] == content["document_number"] and hcp["country"] in other["country"]
            )
            if same and float(other["version"]) > float(content["version"]):
                return ["approved"]
        return []


def missing(value):
    return value is None or value != value or value == ""


def test_no_ineligible_action_ever_has_probability_and_every_rule_bites(anything_goes, world):
    bites = Counter()
    for seed in range(12):
        data = random_tables(world, seed)
        plan = anything_goes.recommend(data, at=AT, seed=seed)
        oracle = Oracle(data)
        removed, total = Counter(), 0
        rng = np.random.default_rng(seed)
        actions = sorted({a for r in plan for a, _ in (*r.eligible, *r.removed) if a != DO_NOTHING})
        for receipt in plan:
            probs = dict(receipt.eligible)
            assert all(p > 0 for p in probs.values())
            for k in rng.permutation(len(actions))[:12]:
                action = actions[k]
                why = oracle.faults(receipt.hcp_id, action)
                assert (action in probs) == (not why), (seed, action, why)
                removed.update(set(why))
                total += 1
        for rule, count in removed.items():
            bites[rule] = max(bites[rule], count / total)

    assert {"candidates", "consent", "approved", "frequency_cap", "minimum_gap"} <= set(bites)
    assert all(share >= 0.3 for share in bites.values()), bites


def test_the_only_choice_left_is_an_abstention_with_every_removal(anything_goes, world):
    data = random_tables(world, 0)
    frames = {n: f for n, f in data.tables.items() if f is not None}
    content = frames["content"].assign(approval_status="withdrawn")
    log = frames["interactions"].drop(columns=["machine", "touch", "engaged"])
    closed = Engagement(**(frames | {"content": content, "interactions": log}), observed_until="2026-10-01")

    plan = anything_goes.recommend(closed, at=AT, seed=1)

    for receipt in plan:
        assert receipt.action == DO_NOTHING
        assert receipt.selection_prob == 1.0
        assert receipt.eligible == ((DO_NOTHING, 1.0),)
        assert receipt.removed


def test_priorities_are_the_product_of_their_terms_less_the_cost(anything_goes, world):
    plan = anything_goes.recommend(world.engagement, at=AT, seed=3)

    for receipt in plan:
        if receipt.action != DO_NOTHING:
            t = receipt.terms
            assert receipt.priority == t["propensity"] * t["value"] * t["lever"] - t["cost"]
            assert t["propensity"] == receipt.propensity
