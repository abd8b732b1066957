"""The alarm when choosing collapses."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hall import UNTIL, variant_of

from nba.contracts import DO_NOTHING, Action, Pmf, Verdict
from nba.errors import NBAWarning
from nba.policies import Greedy, InverseGap, Spread, concentration

ACTIONS = [Action("do_nothing", ""), Action("email", "A"), Action("visit", "A"), Action("email", "B")]


def pmf_of(row, n=50):
    probs = np.tile(np.array(row, dtype=float), (n, 1))
    return Pmf(probs=probs, priorities=probs, eligible=np.ones(probs.shape, dtype=bool), explore=0.0)


def test_entropy_is_that_of_the_definition():
    row = [0.1, 0.2, 0.3, 0.4]

    found = concentration(pmf_of(row), ACTIONS)

    assert found.entropy == pytest.approx(-sum(p * np.log(p) for p in row) / np.log(4))
    assert found.largest == 0.4
    assert found.top == (ACTIONS[3], pytest.approx(0.4 / 0.9))


def test_content_that_expects_less_than_one_decision_is_untouched():
    assert concentration(pmf_of([0.5, 0.01, 0.005, 0.485]), ACTIONS).untouched == ("A",)
    assert concentration(pmf_of([0.5, 0.01, 0.01, 0.48], n=60), ACTIONS).untouched == ()


def test_a_collapse_is_warned_of_and_a_spread_is_not():
    with pytest.warns(NBAWarning, match="collapsed.*entropy.*email / A gets 100%"):
        assert concentration(pmf_of([0, 1, 0, 0]), ACTIONS).warn()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not concentration(pmf_of([0.4, 0.2, 0.2, 0.2]), ACTIONS).warn()


def test_who_has_no_choice_is_no_sign_of_collapse():
    pmf = Pmf(np.array([[1.0, 0, 0, 0]]), np.zeros((1, 4)), np.array([[True, False, False, False]]), 0.0)

    found = concentration(pmf, ACTIONS)

    assert (found.entropy, found.top, found.untouched) == (1.0, None, ())


@pytest.mark.parametrize("cuts", [[], [1], [20, 21], [7, 7, 40]])
def test_parts_of_a_plan_add_up_to_the_whole(cuts):
    rng = np.random.default_rng(4)
    eligible = rng.random((60, 4)) < 0.6
    eligible[:, 0] = True
    weights = np.where(eligible, rng.random((60, 4)), 0.0)
    pmf = Pmf(weights / weights.sum(axis=1, keepdims=True), weights, eligible, 0.0)

    parts = [
        Spread.of(Pmf(*(part[lo:hi] for part in (pmf.probs, pmf.priorities, pmf.eligible)), 0.0))
        for lo, hi in zip([0, *cuts], [*cuts, 60], strict=True)
    ]
    found, whole = Spread.together(parts).concentration(ACTIONS), concentration(pmf, ACTIONS)

    assert found.entropy == pytest.approx(whole.entropy, rel=1e-12)
    assert (found.largest, found.untouched, found.hcps) == (whole.largest, whole.untouched, whole.hcps)
    assert found.top == (whole.top[0], pytest.approx(whole.top[1]))
    assert whole.hcps == int((eligible.sum(axis=1) > 1).sum())


def test_few_who_are_alike_are_no_collapse():
    found = concentration(pmf_of([0, 1, 0, 0], n=29), ACTIONS)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not found.warn(least_hcps=30)


def test_a_plan_that_puts_all_on_one_action_warns_unless_nothing_else_was_asked_for(model, territory):
    data = territory.engagement
    chosen = model.recommend(data, at=UNTIL, seed=7)
    pair = max(r.action for r in chosen if r.action != DO_NOTHING)
    one = variant_of(
        model, policy=InverseGap(gamma=1e6), worth=replace(model.worth, levers={pair.channel: 1e6}),
        guardrails=(OnlyThis(pair),),
    )  # fmt: skip

    with pytest.warns(NBAWarning, match=f"collapsed.*{pair.content}") as caught:
        plan = one.recommend(data, at=UNTIL, seed=7)
    greedy = variant_of(one, policy=Greedy()).recommend(data, at=UNTIL, seed=7)

    assert caught[0].filename == __file__
    assert plan.concentration.top[0] == pair
    assert greedy.concentration.entropy == 0.0
    assert chosen.concentration.entropy > 0.1
    assert chosen.concentration.hcps == sum(len(r.eligible) > 1 for r in chosen)


class OnlyThis:
    """Leaves one action."""

    code = "only_this"

    def __init__(self, action):
        self.action = action

    def check(self, candidates, context):
        removed = np.array([[k > 0 and a != self.action for k, a in enumerate(candidates.actions)]])
        reason = np.repeat(removed, len(candidates.hcps), axis=0).astype(np.int8)
        return Verdict(self.code, reason, ("", self.code))
