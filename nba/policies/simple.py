"""Policies that need no more than the order of priorities."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nba.contracts import Bools, Floats, Scores
from nba.policies.registry import Described, number_between


class _Certain(Described):
    """Takes priorities as they are, however well they are known."""

    @property
    def reads_spread(self) -> bool:
        """No."""
        return False


@dataclass(frozen=True)
class Greedy(_Certain):
    """Chooses the eligible action of highest priority; the lowest index among equals.

    Parameters
    ----------
    explore : share of the probability spread evenly over the eligible, 0 to 1

    Examples
    --------
    >>> Greedy().explore
    0.0
    """

    explore: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "explore", number_between(self.explore, name="explore", low=0, high=1))

    def weights(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        """(n, K) one at the best eligible action of each row."""
        return _one_at_best(priorities, eligible)


@dataclass(frozen=True)
class EpsilonGreedy(_Certain):
    """Chooses the best action, or with probability ``epsilon`` any eligible one, each alike.

    ``EpsilonGreedy(1.0)`` is a randomised experiment.

    Parameters
    ----------
    epsilon : share of the probability spread evenly over the eligible, the best one included, 0 to 1

    Examples
    --------
    >>> EpsilonGreedy(0.1).explore
    0.1
    """

    epsilon: float = 0.05

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", number_between(self.epsilon, name="epsilon", low=0, high=1))

    @property
    def explore(self) -> float:
        """The share that is spread evenly: epsilon."""
        return self.epsilon

    def weights(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        """(n, K) one at the best eligible action of each row."""
        return _one_at_best(priorities, eligible)


@dataclass(frozen=True)
class Softmax(_Certain):
    """Chooses in proportion to exp(beta * priority), beta set row by row to a wanted entropy.

    A temperature in euros would mean something else for every HCP and brand; the share of the largest
    possible entropy does not. Where several actions are equally best, no beta goes below their evenness.

    Parameters
    ----------
    entropy : share of log(number of eligible), 0 (the best) to 1 (evenly)
    explore : share of the probability spread evenly over the eligible on top, 0 to 1

    Examples
    --------
    >>> scores = Scores(margin=np.zeros((1, 3)), spread=np.zeros((1, 3)), n=np.zeros(3),
    ...                 prior_only=np.zeros(3, dtype=bool))
    >>> weights = Softmax(0.5).weights(np.array([[0.0, 1.0, 2.0]]), scores, np.ones((1, 3), dtype=bool))
    >>> round(float(-(weights * np.log(weights)).sum() / np.log(3)), 6)
    0.5
    """

    entropy: float = 0.5
    explore: float = field(default=0.05, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "entropy", number_between(self.entropy, name="entropy", low=0, high=1))
        object.__setattr__(self, "explore", number_between(self.explore, name="explore", low=0, high=1))

    def weights(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        """(n, K) weights of the wanted entropy over the eligible of each row."""
        from nba.policies.compiled import softmax

        weights = np.empty(priorities.shape)
        table = np.ascontiguousarray(priorities, dtype=np.float64)
        softmax(table, np.ascontiguousarray(eligible), self.entropy, weights)
        return weights


@dataclass(frozen=True)
class Uniform(_Certain):
    """Chooses any eligible action, each alike.

    Examples
    --------
    >>> Uniform().describe()
    {'class': 'Uniform'}
    """

    @property
    def explore(self) -> float:
        """All of the probability is spread evenly."""
        return 1.0

    def weights(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        """(n, K) the same for every eligible action of a row."""
        weights: Floats = eligible / eligible.sum(axis=1)[:, None]
        return weights


def _one_at_best(priorities: Floats, eligible: Bools) -> Floats:
    best = np.argmax(np.where(eligible, priorities, -np.inf), axis=1)
    weights = np.zeros(priorities.shape)
    weights[np.arange(len(weights)), best] = 1.0
    return weights
