"""The wider an action's gap to the best, the rarer it is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nba.contracts import Bools, Floats, Scores
from nba.errors import ArgumentError
from nba.policies.registry import Described, number_between

_GAMMA_PER_SQRT_N = 30.0  # theory gives sqrt(K n) up to a constant
_GAMMA_PER_N = 0.3  # the less of both: under 10,000 rows a lead is seldom what it looks like
_NONE = np.empty((0, 0))


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
        selection probability at explore / A or more. Gaps explore by themselves, so little is needed on top
    gamma : how fast probability falls with the gap, 0 (evenly) or more. None is the schedule
        min(0.3 * n, 30 * sqrt(n)), n the training rows of the row's eligible pairs: no data, no preference,
        and under 10,000 rows a weaker one, for models fitted on few rows are led astray by what they try
    optimism : how many standard deviations are added to each priority before gaps are taken; takes
        slope * propensity * (1 - propensity) * spread as one, exact to first order. Without a slope
        |priority| / propensity stands for it, too small by the cost's share where a cost is subtracted

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

    explore: float = field(default=0.02, kw_only=True)
    gamma: float | None = field(default=None, kw_only=True)
    optimism: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "explore", number_between(self.explore, name="explore", low=0, high=1))
        object.__setattr__(self, "optimism", number_between(self.optimism, name="optimism", low=0))
        if self.gamma is not None:
            object.__setattr__(self, "gamma", number_between(self.gamma, name="gamma", low=0))

    @property
    def reads_spread(self) -> bool:
        """Only with optimism."""
        return self.optimism > 0

    def weights(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        """(n, K) inverse gap weights over the eligible of each row."""
        from nba.policies.compiled import inverse_gap

        spread, slope = known_spread(self, scores, eligible) if self.optimism else (_NONE, _NONE)
        rows = self._rows(scores) if self.gamma is None else np.zeros(priorities.shape[1])
        weights = np.empty(priorities.shape)
        inverse_gap(
            np.ascontiguousarray(priorities, np.float64), np.ascontiguousarray(scores.margin, np.float64),
            spread, slope, rows, np.ascontiguousarray(eligible), (_GAMMA_PER_N, _GAMMA_PER_SQRT_N),
            -1.0 if self.gamma is None else self.gamma, self.optimism, weights,
        )  # fmt: skip
        return weights

    def _rows(self, scores: Scores) -> Floats:
        rows = np.asarray(scores.n, dtype=np.float64)
        if not (np.isfinite(rows).all() and (rows >= 0).all()):
            raise ArgumentError(
                "InverseGap found training row counts that are missing or negative, expected Scores.n >= 0 "
                "for every action (0 for do_nothing). Give the counts, or set gamma yourself."
            )
        return rows


def known_spread(policy: object, scores: Scores, eligible: Bools) -> tuple[Floats, Floats]:
    """(spread, slope) as loops read them, the slope empty where it is not known.

    Raises
    ------
    ArgumentError
        If a spread or slope of an eligible action is missing or infinite, or a spread negative.
    """
    spread = np.ascontiguousarray(scores.spread, dtype=np.float64)
    slope = _NONE if scores.slope is None else np.ascontiguousarray(scores.slope, dtype=np.float64)
    name = type(policy).__name__
    if not (np.isfinite(spread) & (spread >= 0) | ~eligible).all():
        raise ArgumentError(
            f"{name} found spreads that are missing, infinite or negative, expected a standard deviation for "
            "every eligible action. Give Scores.spread, or choose a policy that does not use it."
        )
    if slope.size and not (np.isfinite(slope) | ~eligible).all():
        raise ArgumentError(
            f"{name} found slopes that are missing or infinite, expected a number for every eligible action. "
            "Give Scores.slope, or leave it out."
        )
    return spread, slope
