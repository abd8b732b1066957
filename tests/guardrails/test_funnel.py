"""Counts, first reasons, and nothing removed ever drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from nba.contracts import Scores, Verdict
from nba.errors import ArgumentError
from nba.guardrails import (
    Approved,
    Consent,
    FrequencyCap,
    MinimumGap,
    check_all,
    facts_of,
    funnel,
)
from nba.policies import EpsilonGreedy, draw, selection_pmf

RULES = (Consent(), Approved(), FrequencyCap(5, days=18), MinimumGap(days=2))


def test_no_removed_action_ever_has_probability_and_every_rule_bites(random_world):
    bites = np.zeros(len(RULES))
    worlds = 60
    for seed in range(worlds):
        candidates, context = random_world(seed)
        verdicts = check_all(RULES, candidates=candidates, context=context)
        result = funnel(candidates, verdicts)
        rng = np.random.default_rng(seed)
        shape = candidates.allowed.shape
        scores = Scores(np.zeros(shape), np.zeros(shape), np.zeros(shape[1]), np.zeros(shape[1], dtype=bool))

        pmf = selection_pmf(
            EpsilonGreedy(1.0), priorities=rng.normal(size=shape), scores=scores, eligible=result.eligible
        )
        choice = draw(pmf, hcps=candidates.hcps, seed=seed, at=candidates.at)

        for i, verdict in enumerate(verdicts):
            assert (pmf.probs[~verdict.eligible] == 0).all()
            assert verdict.eligible[np.arange(shape[0]), choice.action].all()
            bites[i] += (~verdict.eligible[:, 1:]).mean() >= 0.3
    assert (bites >= 0.5 * worlds).all(), bites


def test_the_first_rule_that_removes_a_candidate_gives_its_reason(random_world):
    candidates, context = random_world(1)
    candidates = replace(candidates, allowed=np.random.default_rng(1).random(candidates.allowed.shape) < 0.8)
    candidates.allowed[:, 0] = True
    verdicts = check_all(RULES, candidates=candidates, context=context)

    result = funnel(candidates, verdicts)

    tally: dict[tuple[str, str], int] = {}
    for i in range(len(candidates.hcps)):
        removed = dict(result.removed(i))
        for k in range(1, len(candidates.actions)):
            reasons = [(in_full(v), v.reasons[v.reason[i, k]]) for v in verdicts if v.reason[i, k]]
            if not candidates.allowed[i, k]:
                reasons = [("candidates", "not_a_candidate")]
            first = reasons[0] if reasons else ("", "")
            assert result.reason(i, k) == first[1]
            assert result.eligible[i, k] == (not reasons)
            assert removed.get(k, "") == ("" if first[0] == "candidates" else first[1])
            tally[first] = tally.get(first, 0) + 1
    assert {(s.rule, s.reason): s.removed for s in result.steps if s.removed} == {
        key: count for key, count in tally.items() if key != ("", "")
    }
    assert result.left == tally[("", "")] == result.eligible[:, 1:].sum()


def in_full(verdict):
    return f"{verdict.rule} ({verdict.about})" if verdict.about else verdict.rule


def test_the_frame_counts_down_to_what_is_left(random_world):
    candidates, context = random_world(2)

    result = funnel(candidates, check_all(RULES, candidates=candidates, context=context))
    frame = result.to_frame()

    assert list(frame.columns) == ["rule", "reason", "removed", "left"]
    assert frame["left"].iloc[-1] == result.left
    assert frame["rule"].drop_duplicates().tolist() == [
        "candidates",
        "consent",
        "approved",
        "frequency_cap (5 in 18 days)",
        "minimum_gap (2 days)",
    ]


def test_the_first_line_says_what_a_missing_table_did(build):
    candidates, context = build(actions=[("email", "a")], content=[{"content_id": "a"}], consent=None)

    result = funnel(candidates, [Consent().check(candidates, context)])

    assert str(result).splitlines()[0].startswith("No consent table")
    assert str(result).splitlines()[-1] == "1 of 1 HCPs are left with do_nothing only."
    assert result.abstaining == 1


def test_facts_of_two_rules_of_one_kind_are_kept_apart(build):
    candidates, context = build(actions=[("email", "a")], touches=[{"ts": 999 * 86_400}])
    verdicts = check_all(
        [FrequencyCap(3, days=7), FrequencyCap(8, days=30)], candidates=candidates, context=context
    )

    facts = facts_of(verdicts, row=0, action=1)

    assert facts == {
        "frequency_cap": {"contacts": 1, "cap": 3, "days": 7.0},
        "frequency_cap#2": {"contacts": 1, "cap": 8, "days": 30.0},
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_an_hcp_alone_gets_the_verdict_it_gets_in_a_batch(random_world, rule):
    candidates, context = random_world(3)
    batch = rule.check(candidates, context)

    for i in range(len(candidates.hcps)):
        mine = context.touches["row"] == i
        touches = {name: values[mine] for name, values in context.touches.items()}
        touches["row"] = np.zeros(mine.sum(), dtype=np.int64)
        alone = rule.check(
            replace(candidates, hcps=candidates.hcps[i : i + 1], allowed=candidates.allowed[i : i + 1]),
            replace(context, hcps={k: v[i : i + 1] for k, v in context.hcps.items()}, touches=touches),
        )

        assert (alone.reason[0] == batch.reason[i]).all()
        assert [alone.fact(0, k) for k in range(31)] == [batch.fact(i, k) for k in range(31)]


@dataclass(frozen=True)
class Broken:
    reason: np.ndarray
    code = "broken"

    def check(self, candidates, context):
        return Verdict(rule=self.code, reason=self.reason, reasons=("", "why"))


@pytest.mark.parametrize(
    ("reason", "message"),
    [([[0]], "shape"), ([[0, 2]], "from 0 to 2"), ([[0, -1]], "from -1 to 0"), ([[1, 0]], "do_nothing")],
)
def test_a_verdict_that_does_not_fit_is_refused_by_name(build, reason, message):
    candidates, context = build(actions=[("email", "a")])
    rule = Broken(np.array(reason, dtype=np.int8))

    with pytest.raises(ArgumentError, match=message):
        check_all([rule], candidates=candidates, context=context)
    with pytest.raises(ArgumentError, match="'broken'"):
        funnel(candidates, [rule.check(candidates, context)])


def test_no_hcp_gives_an_empty_funnel(build):
    candidates, context = build(actions=[("email", "a")], hcps=[], content=[{"content_id": "a"}])

    result = funnel(candidates, check_all(RULES, candidates=candidates, context=context))

    assert (result.hcps, result.left, result.abstaining) == (0, 0, 0)
