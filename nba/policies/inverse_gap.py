"""The wider an action's gap to the best, the rarer it is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nba.contracts import Bools, Floats, Scores
from nba.errors import ArgumentError
from nba.policies.registry import Described, number_between

_GAMMA_PER_SQRT_N = (
    30.0  # won the bake-off together with optimism .5; theory gives sqrt(K n) up to a constant
)


@dataclass(frozen=True)
class InverseGap(Described):
    """Inverse gap weighting (SquareCB): p = 1 / (A + gamma * gap), the rest to the best action.

    A is the number of eligible actions, and the gap of an action is how far its priority lies below the
    row's best, in units of the row's largest absolute eligible priority. So it makes no difference whether
    priorities are propensities or euros, a gap lies in [0, 2], and a row depends on nothing but itself.
    Where all priorities are 0 every action is alike.

    Parameters
    ----------
    explore : share of the probability spread evenly over the eligible on top, 0 to 1; it keeps every
        selection probability at explore / A or more
    gamma : how fast probability falls with the gap, 0 (evenly) or more. None is the schedule
        30 * sqrt(n), n the training rows of the row's eligible pairs: no data, no preference
    optimism : how many standard deviations are added to each priority before gaps are taken; takes
        priority * (1 - propensity) * spread as one, which is exact to first order where no cost is
        subtracted, and too small by the cost's share where one is

    References
    ----------
    Abe and Long (1999); Foster and Rakhlin (2020), "Beyond UCB", algorithm 1. Scaling gaps by the size of
    the best is that of Foster and Krishnamurthy (2021), "Efficient first-order contextual bandits". Their
    regret bounds are for gamma growing as sqrt(A n) with bounded rewards; the mixture with ``explore``
    costs its share of regret on top.

    Examples
    --------
    >>> scores = Scores(margin=np.zeros((1, 3)), spread=np.zeros((1, 3)), n=np.zeros(3),
    ...                 prior_only=np.zeros(3, dtype=bool))
    >>> priorities, eligible = np.array([[0.0, 0.1, 0.2]]), np.array([[True, True, True]])
    >>> InverseGap(gamma=4.0).weights(priorities, scores, eligible).round(3).tolist()
    [[0.143, 0.2, 0.657]]
    """

    explore: float = field(default=0.05, kw_only=True)
    gamma: float | None = field(default=None, kw_only=True)
    optimism: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "explore", number_between(self.explore, name="explore", low=0, high=1))
        object.__setattr__(self, "optimism", number_between(self.optimism, name="optimism", low=0))
        if self.gamma is not None:
            object.__setattr__(self, "gamma", number_between(self.gamma, name="gamma", low=0))

    def weights(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        """(n, K) inverse gap weights over the eligible of each row."""
        hopeful = self._hopeful(priorities, scores, eligible)
        rows = np.arange(len(hopeful))
        best = np.argmax(np.where(eligible, hopeful, -np.inf), axis=1)
        scale = np.max(np.abs(hopeful), axis=1)  # ineligible entries are 0 here
        behind = np.where(eligible, hopeful[rows, best][:, None] - hopeful, 0.0)
        gap = behind / np.where(scale > 0, scale, 1.0)[:, None]
        n_eligible = eligible.sum(axis=1)
        weights = np.where(eligible, 1.0 / (n_eligible[:, None] + self._gamma(scores, eligible) * gap), 0.0)
        weights[rows, best] = 0.0
        # a running sum adds in a fixed order: one row alone gives the same bits as in a batch
        weights[rows, best] = 1.0 - np.cumsum(weights, axis=1)[:, -1]
        return weights

    def _hopeful(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        known = np.where(eligible, priorities, 0.0)
        if self.optimism == 0:
            return known
        spread = np.where(eligible, scores.spread, 0.0)
        if not (np.isfinite(spread).all() and (spread >= 0).all()):
            raise ArgumentError(
                "InverseGap with optimism found spreads that are missing, infinite or negative, expected a "
                "standard deviation for every eligible action. Give Scores.spread, or set optimism=0."
            )
        deviation = np.abs(known) * (1.0 - scores.propensity) * spread
        hopeful: Floats = known + self.optimism * deviation
        return hopeful

    def _gamma(self, scores: Scores, eligible: Bools) -> Floats | float:
        """One number, or (n, 1): the schedule of each row."""
        if self.gamma is not None:
            return self.gamma
        rows = np.asarray(scores.n, dtype=np.float64)
        if not (np.isfinite(rows).all() and (rows >= 0).all()):
            raise ArgumentError(
                "InverseGap found training row counts that are missing or negative, expected Scores.n >= 0 "
                "for every action (0 for do_nothing). Give the counts, or set gamma yourself."
            )
        total = np.cumsum(np.where(eligible, rows, 0.0), axis=1)[:, -1:]
        schedule: Floats = _GAMMA_PER_SQRT_N * np.sqrt(total)
        return schedule
