"""Thompson sampling's probabilities against sampling, and against a plain integral."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

from nba.contracts import Scores
from nba.errors import ArgumentError
from nba.policies import Thompson


def world(seed, n=30, k=12, least=0.02, most=1.0):
    rng = np.random.default_rng(seed)
    margin, spread = rng.normal(-3, 1, (n, k)), rng.uniform(least, most, (n, k))
    margin[:, 0], spread[:, 0] = -np.inf, 0.0
    scores = Scores(margin, spread, np.full(k, 9.0), np.zeros(k, dtype=bool), rng.uniform(0.5, 2, (n, k)))
    cost = rng.uniform(0, 0.05, (n, k))
    priorities = scores.slope * scores.propensity - cost
    priorities[:, 0] = 0.01
    eligible = rng.random((n, k)) < 0.8
    eligible[:, 0] = True
    return priorities, scores, eligible, cost


def by_a_fine_grid(priorities, scores, eligible, cost, points=40_001):
    """One row: density times the other distribution functions, summed over a plain grid."""
    options = [k for k in np.flatnonzero(eligible) if k]
    reach = norm.ppf([1e-12, 1 - 1e-12])
    a, c = scores.slope[0], cost[0]
    low = max(
        [priorities[0]]
        + [a[k] / (1 + np.exp(-scores.margin[0, k] - reach[0] * scores.spread[0, k])) - c[k] for k in options]
    )
    high = max(
        [priorities[0]]
        + [a[k] / (1 + np.exp(-scores.margin[0, k] - reach[1] * scores.spread[0, k])) - c[k] for k in options]
    )
    x = np.linspace(low, high, points)
    below = {}
    for k in options:
        share = np.clip((x + c[k]) / a[k], 1e-300, 1 - 1e-16)
        below[k] = ndtr((np.log(share / (1 - share)) - scores.margin[0, k]) / scores.spread[0, k])
    found = np.zeros(len(priorities))
    for k in options:
        others = np.prod([below[j] for j in options if j != k] or [np.ones(points)], axis=0)
        found[k] = ((others[1:] + others[:-1]) / 2 * np.diff(below[k])).sum()
        found[k] += others[0] * below[k][0] * (low > priorities[0])
    found[0] = np.prod([below[k][0] for k in options]) if low == priorities[0] else 0.0
    return found


@pytest.mark.parametrize("seed", range(3))
def test_chances_are_those_of_a_plain_integral(seed):
    priorities, scores, eligible, cost = world(seed, least=0.1)

    found = Thompson().weights(priorities, scores, eligible)

    for i in range(len(priorities)):
        one = replace(scores, margin=scores.margin[i : i + 1], spread=scores.spread[i : i + 1])
        one = replace(one, slope=scores.slope[i : i + 1])
        expected = by_a_fine_grid(priorities[i], one, eligible[i], cost[i : i + 1])
        np.testing.assert_allclose(found[i], expected, atol=3e-6)


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_each_probability_is_the_share_of_posterior_draws_its_action_wins(scale):
    priorities, scores, eligible, cost = world(9, n=6, least=0.001)
    draws = 150_000
    rng = np.random.default_rng(1)

    found = Thompson(scale=scale).weights(priorities, scores, eligible)

    for i in range(len(priorities)):
        z = rng.normal(size=(draws, priorities.shape[1]))
        margin = scores.margin[i] + scale * scores.spread[i] * z
        drawn = scores.slope[i] / (1 + np.exp(-margin)) - cost[i]
        drawn[:, 0] = priorities[i, 0]
        drawn[:, ~eligible[i]] = -np.inf
        shares = np.bincount(drawn.argmax(axis=1), minlength=priorities.shape[1]) / draws
        np.testing.assert_allclose(found[i], shares, atol=5 * 0.5 / np.sqrt(draws))


def test_without_spread_the_best_is_certain_and_equals_share():
    table = np.array([[0.2, 0.5, 0.5], [0.7, 0.5, 0.5]])
    still = Scores(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(3), np.zeros(3, dtype=bool))

    found = Thompson().weights(table, still, np.ones((2, 3), dtype=bool))

    assert found.tolist() == [[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]]


def test_a_sharp_action_among_wide_ones_is_integrated_as_well():
    margin = np.array([[-np.inf, -2.0, -2.1, -2.0]])
    scores = Scores(margin, np.array([[0.0, 1.0, 1e-7, 1e-5]]), np.zeros(4), np.zeros(4, dtype=bool))

    found = Thompson().weights(scores.propensity, scores, np.ones((1, 4), dtype=bool))[0]

    # action 1 beats the known level of action 3 in half of the draws; action 2 is always below action 3
    np.testing.assert_allclose(found, [0.0, 0.5, 0.0, 0.5], atol=1e-5)


def test_a_negative_slope_turns_the_distribution_round():
    margin = np.array([[-np.inf, 0.0, 0.0]])
    scores = Scores(
        margin, np.array([[0.0, 1.0, 1.0]]), np.zeros(3), np.zeros(3, bool), np.array([[0, 1.0, -1.0]])
    )

    found = Thompson().weights(np.array([[-9.0, 0.5, 0.5]]), scores, np.ones((1, 3), dtype=bool))

    np.testing.assert_allclose(found, [[0.0, 0.5, 0.5]], atol=1e-6)


def test_spreads_that_are_none_are_refused(scores_of):
    bad = Scores(np.zeros((1, 2)), np.array([[0.0, np.nan]]), np.zeros(2), np.zeros(2, dtype=bool))

    with pytest.raises(ArgumentError, match="spreads"):
        Thompson().weights(np.zeros((1, 2)), bad, np.ones((1, 2), dtype=bool))
