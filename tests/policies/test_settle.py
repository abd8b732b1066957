"""Arms, prices and the draw together, and through the hall."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hall import UNTIL, variant_of

from nba.contracts import DO_NOTHING, Scores
from nba.policies import Greedy, Holdout, InverseGap, Limit, Split, Uniform, settle


def settled(policy, n=600, limits=(), holdout=None, **_):
    rng = np.random.default_rng(0)
    k = 5
    scores = Scores(np.full((n, k), -2.0), np.full((n, k), 0.3), np.full(k, 30.0), np.zeros(k, dtype=bool))
    eligible = rng.random((n, k)) < 0.8
    eligible[:, 0] = True
    return settle(
        policy, priorities=rng.random((n, k)), scores=scores, eligible=eligible,
        hcps=[f"h{i:04d}" for i in range(n)], seed=1, at=2, holdout=holdout, limits=limits,
    )  # fmt: skip


def test_the_held_take_no_capacity_when_they_get_nothing_and_share_it_when_random():
    visits = Limit("visits", np.arange(600), np.arange(5) == 1, 40)

    idle = settled(InverseGap(), limits=[visits], holdout=Holdout(0.3))
    random = settled(InverseGap(), limits=[visits], holdout=Holdout(0.3, give="random"))

    held = idle.arm == "holdout_do_nothing"
    assert (idle.choice.action[held] == 0).all()
    for found in (idle, random):
        assert (found.choice.action == 1).sum() <= 40
        rows = np.arange(600)
        assert (found.choice.selection_prob == found.pmf.probs[rows, found.choice.action]).all()


def test_a_split_without_limits_draws_from_each_arms_own_probabilities():
    found = settled(Split(Greedy(), Uniform(), share=0.5))

    second = found.arm == "challenger"
    assert 200 < second.sum() < 400
    assert (found.choice.selection_prob[~second] == 1).all()
    even = 1 / found.pmf.eligible[second].sum(axis=1)
    np.testing.assert_allclose(found.choice.selection_prob[second], even)


@pytest.fixture(scope="module")
def plan_of(request):
    model, simulated = request.getfixturevalue("model"), request.getfixturevalue("simulated")

    def make(**parts):
        data = simulated.engagement
        return variant_of(model, **parts).recommend(data, at=UNTIL, seed=3)

    return SimpleNamespace(make=make)


def test_a_plan_says_who_was_held_out(plan_of):
    plan = plan_of.make(holdout=Holdout(0.4, seed=2))

    held = [r for r in plan if r.holdout == "holdout_do_nothing"]
    rest = [r for r in plan if r.holdout == "none"]
    assert len(held) > 5
    assert len(rest) > 5
    assert all(r.action == DO_NOTHING and r.arm_prob == 0.4 and r.selection_prob == 1.0 for r in held)
    assert all(r.arm_prob == 0.6 for r in rest)
