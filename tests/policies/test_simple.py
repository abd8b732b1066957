"""Greedy, epsilon-greedy and uniform."""

from __future__ import annotations

import numpy as np
import pytest

from nba.errors import ArgumentError
from nba.policies import EpsilonGreedy, Greedy, Softmax, Uniform, selection_pmf

PRIORITIES = np.array([[0.0, 5.0, 3.0, 3.0], [1.0, -5.0, 1.0, 0.0]])
ELIGIBLE = np.array([[True, False, True, True], [True, True, True, True]])


def probs(policy, scores_of):
    pmf = selection_pmf(policy, priorities=PRIORITIES, scores=scores_of((2, 4)), eligible=ELIGIBLE)
    return pmf.probs.tolist()


def test_greedy_takes_the_first_of_the_best_eligible(scores_of):
    assert probs(Greedy(), scores_of) == [[0, 0, 1, 0], [1, 0, 0, 0]]


def test_epsilon_spreads_its_share_over_the_eligible_the_best_included(scores_of):
    found = probs(EpsilonGreedy(0.3), scores_of)

    np.testing.assert_allclose(found, [[0.1, 0, 0.8, 0.1], [0.775, 0.075, 0.075, 0.075]])


def test_epsilon_one_and_uniform_are_the_same_experiment(scores_of):
    assert probs(EpsilonGreedy(1.0), scores_of) == probs(Uniform(), scores_of)
    np.testing.assert_allclose(probs(Uniform(), scores_of)[0], [1 / 3, 0, 1 / 3, 1 / 3])


@pytest.mark.parametrize("share", [-0.01, 1.01, np.nan, "0.1", True])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ArgumentError, match="epsilon"):
        EpsilonGreedy(share)
    with pytest.raises(ArgumentError, match="explore"):
        Greedy(explore=share)


@pytest.mark.parametrize("entropy", [0.1, 0.5, 0.9])
def test_softmax_has_the_entropy_asked_for_in_any_unit(entropy):
    rng = np.random.default_rng(0)
    table, eligible = rng.normal(size=(200, 9)), rng.random((200, 9)) < 0.7
    eligible[:, :2] = True

    for unit in (1e-6, 1.0, 1e9):
        weights = Softmax(entropy).weights(table * unit, None, eligible)
        parts = np.where(eligible, weights * np.log(np.where(weights > 0, weights, 1)), 0)
        np.testing.assert_allclose(-parts.sum(axis=1) / np.log(eligible.sum(axis=1)), entropy, atol=1e-9)
        logs = np.log(weights[0, eligible[0]])
        line = np.polyfit(table[0, eligible[0]], logs, 1)
        np.testing.assert_allclose(np.polyval(line, table[0, eligible[0]]), logs, atol=1e-6)


def test_softmax_ends_are_the_best_and_all_alike():
    table, everything = np.array([[0.0, 3.0, 3.0, 1.0]]), np.ones((1, 4), dtype=bool)

    np.testing.assert_allclose(Softmax(0.0).weights(table, None, everything), [[0, 0.5, 0.5, 0]], atol=1e-9)
    np.testing.assert_allclose(Softmax(1.0).weights(table, None, everything), [[0.25] * 4])
