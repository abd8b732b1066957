"""The standard rules together."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hall import UNTIL, variant_of

from nba.contracts import Scores
from nba.guardrails import check_all, from_dict, funnel, standard
from nba.policies import EpsilonGreedy, Greedy, InverseGap, Uniform, selection_pmf
from nba.tables import Engagement
from nba.testing import random_world

RULES = standard()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.code}-{rule.describe().get('days', '')}")
def test_every_standard_rule_comes_back_from_its_description(rule):
    assert from_dict(json.loads(json.dumps(rule.describe()))) == rule


def test_the_country_default_reaches_consent():
    assert standard(country_default={"US": "opt_in_not_required"})[0].country_default == {
        "US": "opt_in_not_required"
    }


POLICIES = [EpsilonGreedy(1.0), EpsilonGreedy(0.3), InverseGap(explore=0.2), Uniform(), Greedy()]
RARE = {"consent_capture", "quiet_hours", "frequency_cap", "minimum_gap"}
"""Rules that are about few actions or moments: they bite in fewer worlds."""


def test_no_removed_action_ever_has_probability_under_any_policy_and_every_rule_bites():
    worlds, left = 60, 0
    bites = np.zeros(len(RULES))
    for seed in range(worlds):
        candidates, context = random_world(seed)
        rng = np.random.default_rng(seed)
        verdicts = check_all(RULES, candidates=candidates, context=context)
        some = [v for v in verdicts if rng.random() < 0.6]  # any combination of rules
        result = funnel(candidates, some)
        shape = candidates.allowed.shape
        scores = Scores(
            rng.normal(size=shape), np.ones(shape), np.ones(shape[1]), np.zeros(shape[1], dtype=bool)
        )

        pmf = selection_pmf(
            POLICIES[seed % len(POLICIES)],
            priorities=rng.normal(size=shape),
            scores=scores,
            eligible=result.eligible,
        )

        for verdict in some:
            assert (pmf.probs[~verdict.eligible] == 0).all()
        assert (pmf.probs[~candidates.allowed] == 0).all()
        assert (pmf.probs[:, 0] >= 0).all()
        left += result.left
        bites += [not verdict.eligible.all() for verdict in verdicts]
    assert left > 0
    for rule, count in zip(RULES, bites, strict=True):
        assert count >= (0.05 if rule.code in RARE else 0.3) * worlds, (rule, count)


def test_a_plan_under_the_standard_rules_is_the_same_in_a_service_as_in_the_batch(model, territory):
    data = with_states(territory.engagement)
    strict = variant_of(model, guardrails=RULES)
    plan = strict.recommend(data, at=UNTIL, seed=7)

    log, compared = data.interactions, set()
    for receipt in plan.receipts()[:12]:
        mine = log[log["hcp_id"] == receipt.hcp_id].drop(columns=["machine", "touch", "engaged"])
        records = [{k: v for k, v in row.items() if v == v} for row in mine.to_dict("records")]
        alone = strict.decide(receipt.hcp_id, history=records, at=UNTIL, seed=7, data=data)

        assert alone.receipt(receipt.hcp_id).removed == receipt.removed
        assert alone.receipt(receipt.hcp_id).eligible == receipt.eligible
        assert alone.receipt(receipt.hcp_id).facts == receipt.facts
        compared |= {code for _, code in receipt.removed}
    assert {"paused", "other_specialty"} <= compared
    assert not any(code == "no_label" for receipt in plan for _, code in receipt.removed)


def with_states(data):
    """The engagement with every third HCP paused."""
    frames = {n: f for n, f in data.tables.items() if f is not None}
    log = frames["interactions"].drop(columns=["machine", "touch", "engaged"])
    hcps = frames["hcps"]["hcp_id"].iloc[::3].tolist()
    since = pd.to_datetime(["2026-08-20T00:00Z"] * len(hcps))
    states = pd.DataFrame({"hcp_id": hcps, "state": "paused", "since": since})
    return Engagement(**(frames | {"interactions": log, "states": states}), observed_until="2026-10-01")


def test_tables_that_are_missing_are_told_in_the_first_lines():
    candidates, context = random_world(3, without=("consent", "labels", "reps", "states"))

    result = funnel(candidates, check_all(RULES, candidates=candidates, context=context))

    assert [note.split(":")[0] for note in result.notes][:4] == [
        "No consent table",
        "No labels table",
        "No reps table",
        "No states table",
    ]
