"""The holdout, and champion against challenger."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from nba.contracts import DAY, Scores
from nba.errors import ArgumentError
from nba.policies import EpsilonGreedy, ExploreCap, Greedy, Holdout, InverseGap, Split, Uniform, settle
from nba.policies.arms import arms_of

HCPS = [f"h{i:05d}" for i in range(20_000)]
AT = 20_000 * DAY


def decided(policy, holdout, hcps=HCPS, at=AT, seed=1):
    n = len(hcps)
    found = settle(
        policy, holdout=holdout, hcps=hcps, at=at, seed=seed,
        priorities=np.tile([0.0, 2.0, 1.0, 9.0], (n, 1)),
        scores=Scores(np.zeros((n, 4)), np.zeros((n, 4)), np.zeros(4), np.zeros(4, bool)),
        eligible=np.tile([True, True, True, False], (n, 1)),
    )  # fmt: skip
    arms = [arm for arm, _ in arms_of(policy, holdout, hcps=hcps, at=at)]
    for arm in arms:
        assert (found.arm[arm.rows] == arm.name).all()
        assert (found.arm_prob[arm.rows] == arm.prob).all()
    return found.pmf, arms, found.choice


def test_no_policy_and_no_seed_of_a_plan_moves_the_holdout():
    holdout = Holdout(0.1)

    held = [
        {
            hcp
            for arm in decided(policy, holdout, seed=seed)[1]
            if arm.name.startswith("hold")
            for hcp in arm.rows
        }
        for policy, seed in [(Greedy(), 1), (Uniform(), 2), (Split(Greedy(), Uniform()), 3)]
    ]

    assert held[0] == held[1] == held[2]
    assert abs(len(held[0]) - 2_000) < 5 * np.sqrt(20_000 * 0.09)


def test_a_period_keeps_its_holdout_and_the_next_has_another():
    holdout = Holdout(0.5, days=30)
    start = 600 * 30 * DAY

    first, last, after = (holdout.held(HCPS, at=at) for at in (start, start + 30 * DAY - 1, start + 30 * DAY))

    assert (first == last).all()
    assert 0.45 < (first == after).mean() < 0.55


def test_the_held_get_nothing_or_any_eligible_alike():
    for give, expected in [("do_nothing", [1, 0, 0, 0]), ("random", [1 / 3, 1 / 3, 1 / 3, 0])]:
        pmf, arms, _ = decided(Greedy(), Holdout(0.2, give=give))

        rows = next(arm.rows for arm in arms if arm.name == f"holdout_{give}")
        np.testing.assert_allclose(pmf.probs[rows], np.tile(expected, (len(rows), 1)))


def test_the_probabilities_of_arm_and_action_multiply():
    split = Split(Greedy(), EpsilonGreedy(0.6), share=0.3, seed=4)
    pmf, arms, choice = decided(split, Holdout(0.25, give="random", seed=5))

    seen, expected = [], []
    for arm in arms:
        for action in range(3):
            probability = pmf.probs[arm.rows[0], action]
            if probability > 0:
                seen.append((choice.action[arm.rows] == action).sum())
                expected.append(arm.prob * probability * len(HCPS))

    assert sum(arm.prob for arm in arms) == pytest.approx(1.0)
    assert sum(expected) == pytest.approx(len(HCPS))
    assert 1e-4 < chisquare(seen, expected).pvalue < 1 - 1e-6


def test_together_the_arms_are_what_the_split_says_without_hcps():
    split = Split(Greedy(), Uniform(), share=0.3)
    pmf, arms, _ = decided(split, None)

    mixed = sum(arm.prob * pmf.probs[arm.rows[0]] for arm in arms)

    found = split.weights(
        np.array([[0.0, 2.0, 1.0, -np.inf]]),
        Scores(np.zeros((1, 4)), np.zeros((1, 4)), np.zeros(4), np.zeros(4, bool)),
        np.array([[True, True, True, False]]),
    )
    np.testing.assert_allclose(found[0], mixed)


def test_an_hcp_alone_is_in_the_arm_it_has_in_the_batch():
    pmf, _, choice = decided(Split(Greedy(), Uniform(), share=0.5), Holdout(0.3))

    for i in range(0, len(HCPS), 997):
        one, _, alone = decided(Split(Greedy(), Uniform(), share=0.5), Holdout(0.3), hcps=HCPS[i : i + 1])
        assert one.probs.tobytes() == pmf.probs[i : i + 1].tobytes()
        assert alone.action[0] == choice.action[i]


def test_settings_that_make_no_sense_are_refused():
    for make, word in [
        (lambda: Holdout(1.5), "share"),
        (lambda: Holdout(0.1, give="visit"), "give"),
        (lambda: Holdout(0.1, days=0), "days"),
        (lambda: Split(Greedy(), None), "challenger"),
    ]:
        with pytest.raises(ArgumentError, match=word):
            make()


def test_who_has_had_its_share_of_exploring_gets_the_best_and_a_random_holdout_goes_on():
    rng = np.random.default_rng(5)
    n, k = 400, 6
    hcps = [f"h{i:03d}" for i in range(n)]
    eligible = rng.random((n, k)) < 0.7
    eligible[:, 0] = True
    priorities = rng.random((n, k))
    scores = Scores(np.full((n, k), -2.0), np.full((n, k), 0.3), np.full(k, 30.0), np.zeros(k, dtype=bool))
    spent = ExploreCap(2).spent(hcps, {hcp: i % 4 for i, hcp in enumerate(hcps)})

    found = settle(
        Split(InverseGap(), Uniform(), share=0.5), priorities=priorities, scores=scores, eligible=eligible,
        hcps=hcps, seed=1, at=2, holdout=Holdout(0.2, give="random"), spent=spent,
    )  # fmt: skip

    assert spent.tolist() == [i % 4 >= 2 for i in range(n)]
    held = found.arm == "holdout_random"
    best = np.argmax(np.where(eligible, priorities, -np.inf), axis=1)
    rows = np.arange(n)
    assert (found.pmf.probs[rows, best][spent & ~held] == 1.0).all()
    assert not found.choice.explored[spent & ~held].any()
    assert found.choice.explored[~spent & ~held].any()
    even = 1 / eligible[held].sum(axis=1)
    np.testing.assert_allclose(found.choice.selection_prob[held], even)
    assert (found.choice.selection_prob == found.pmf.probs[rows, found.choice.action]).all()
    free = settle(
        Split(InverseGap(), Uniform(), share=0.5), priorities=priorities, scores=scores, eligible=eligible,
        hcps=hcps, seed=1, at=2, holdout=Holdout(0.2, give="random"),
    )  # fmt: skip
    assert (free.arm == found.arm).all()
    assert (free.pmf.probs[~spent] == found.pmf.probs[~spent]).all()


@pytest.mark.parametrize("settings", [{"picks": -1}, {"picks": 1.5}, {"picks": 1, "days": 0}])
def test_a_cap_that_makes_no_sense_is_refused(settings):
    with pytest.raises(ArgumentError):
        ExploreCap(**settings)
