"""The standard rules together."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hall import UNTIL, variant_of

from nba.contracts import Scores
from nba.guardrails import (
    Access,
    Approved,
    Consent,
    ConsentCapture,
    Deepening,
    EducationalFloor,
    FrequencyCap,
    InState,
    MinimumGap,
    NoveltyFloor,
    OneProductADay,
    OnLabel,
    Paused,
    QuietHours,
    RepeatGap,
    Routing,
    check_all,
    from_dict,
    funnel,
    standard,
)
from nba.policies import (
    Budget,
    EpsilonGreedy,
    Forgetting,
    Greedy,
    Holdout,
    InverseGap,
    Limit,
    Ramp,
    Softmax,
    Split,
    Thompson,
    Uniform,
    selection_pmf,
    settle,
)
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


BITING = (
    Consent(), Approved(), OnLabel(), Routing(), Access(), Paused(), ConsentCapture(),
    FrequencyCap(2, days=7), FrequencyCap(3, days=60, channel="approved_email"), MinimumGap(3),
    MinimumGap(14, channel="rep_visit"),
    RepeatGap(90), RepeatGap(14, by="message"), OneProductADay(), EducationalFloor(0.4),
    QuietHours(start=14, end=11), InState("nurture", channel="phone"), Deepening(1.0),
    NoveltyFloor(0.6),
)  # fmt: skip
"""Every rule there is, with settings that give it work to do."""


def any_policy(rng, depth=0):
    """A policy at random, perhaps around others."""
    explore = float(rng.choice([0.0, 0.01, 0.3, 1.0]))
    plain = [
        EpsilonGreedy(explore), InverseGap(explore=explore, optimism=float(rng.choice([0, 2]))), Uniform(),
        Greedy(explore=explore), Thompson(explore=explore), Softmax(explore=explore),
    ]  # fmt: skip
    if depth == 2 or rng.random() < 0.5:
        return plain[rng.integers(len(plain))]
    inner = any_policy(rng, depth=2)
    around = [
        Ramp(inner, first=0.1), Budget(inner, give_up=0.05), Forgetting(inner, memory_rows=20),
        *([] if depth else [Split(any_policy(rng, 1), any_policy(rng, 1), share=0.4)]),
    ]  # fmt: skip
    return around[rng.integers(len(around))]


def any_limits(rng, candidates):
    """No limits, or some at random: on visits of half of the HCPs, on all visits, on emails."""
    n, channels = len(candidates.hcps), np.array([a.channel for a in candidates.actions])
    units = rng.integers(0, 5, size=3).tolist()
    every = [
        Limit("half", np.arange(n // 2), channels == "rep_visit", units[0]),
        Limit("all", np.arange(n), np.isin(channels, ["rep_visit", "msl_visit"]), units[1]),
        Limit("emails", np.arange(n), channels == "approved_email", units[2]),
    ]
    return [limit for limit in every if rng.random() < 0.4]


def check_that_what_is_removed_is_never_likely(worlds):
    bites, asked, scarce, held = np.zeros(len(BITING)), np.zeros(len(BITING)), 0, 0
    for seed in range(worlds):
        candidates, context = random_world(seed)
        rng = np.random.default_rng(seed)
        if rng.random() < 0.5:
            candidates = replace(candidates, valid_until=candidates.at + 2 * 3_600)
        some = np.flatnonzero(rng.random(len(BITING)) < rng.choice([0.2, 0.6, 1.0]))
        verdicts = check_all([BITING[i] for i in some], candidates=candidates, context=context)
        result = funnel(candidates, verdicts)
        n, k = candidates.allowed.shape
        rows = rng.integers(0, 200, size=k).astype(float)
        scores = Scores(rng.normal(-2, 1, (n, k)), rng.uniform(0.1, 2, (n, k)), rows, rows == 0)
        priorities = scores.propensity * rng.uniform(0.5, 2) - rng.uniform(0, 0.1, k)
        priorities[:, 0] = 0.0
        limits = any_limits(rng, candidates)
        holdout = rng.choice([None, Holdout(0.3), Holdout(0.4, give="random")])

        found = settle(
            any_policy(rng), priorities=priorities, scores=replace(scores, slope=np.ones((n, k))),
            eligible=result.eligible, hcps=list(candidates.hcps), seed=seed, at=candidates.at,
            holdout=holdout, limits=limits, spent=rng.random(n) < 0.2,
        )  # fmt: skip

        assert (found.pmf.probs[~candidates.allowed] == 0).all()
        for i, verdict in zip(some, verdicts, strict=True):
            assert (found.pmf.probs[~verdict.eligible] == 0).all(), (seed, verdict.rule)
            asked[i] += 1
            bites[i] += bool((candidates.allowed & ~verdict.eligible).any())
        assert result.eligible[np.arange(n), found.choice.action].all()
        np.testing.assert_allclose(found.pmf.probs.sum(axis=1), 1.0, atol=1e-9)
        for limit in limits:
            assert limit.use[found.choice.action[limit.rows]].sum() <= limit.units
        scarce += bool(limits)
        held += bool(np.char.startswith(found.arm.astype(str), "holdout").any())
    for rule, share in zip(BITING, bites / asked, strict=True):
        assert share >= 0.3, (rule, share)
    assert min(scarce, held) >= 0.3 * worlds


def test_no_ineligible_action_is_ever_likely_under_any_policy_rate_holdout_and_combination_of_rules():
    check_that_what_is_removed_is_never_likely(60)


@pytest.mark.slow
def test_no_ineligible_action_is_ever_likely_in_a_thousand_worlds():
    check_that_what_is_removed_is_never_likely(1_000)


def test_the_rules_that_bite_are_all_there_are():
    from nba import guardrails

    every = {
        kind for name in guardrails.__all__ if isinstance(kind := getattr(guardrails, name), type)
        and hasattr(kind, "check")
    }  # fmt: skip

    assert {type(rule) for rule in BITING} == every
