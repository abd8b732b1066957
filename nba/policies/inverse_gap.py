"""The wider an action's gap to the best, the rarer it is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nba.contracts import Bools, Floats, Scores
from nba.errors import ArgumentError
from nba.policies.registry import Described, number_between

_GAMMA_PER_SQRT_N = 30.0  # theory gives sqrt(K n) up to a constant
_GAMMA_PER_N = 1.0  # the less of both: while rows are few a lead is seldom what it looks like
_GAMMA_PER_ROWS_OF_AN_ACTION = 5.0  # but among few actions each has rows enough to be sure of sooner
_KNOWN_BEFORE = 1.0  # responses that the level of a pair without any is as well known as by
_NONE = np.empty((0, 0))


@dataclass(frozen=True)
class InverseGap(Described):
    """Inverse gap weighting (SquareCB): p = 1 / (A + gamma * gap), the rest to the best action.

    A is the number of eligible actions, and the gap of an action is how far its priority lies below the
    row's best, in units of what one outcome may stray by: the row's largest eligible slope times sqrt(r), r
    the share of the eligible pairs' training rows with a response. So it makes no difference whether
    priorities are propensities or euros, a row depends on nothing but itself, and what nobody is good for is
    tried more freely: where the best is small, so is what a trial costs. Before gaps are taken, pairs with
    few responses get the benefit of the doubt (``optimism``). Without ``Scores.responses`` none does, and
    the unit is the row's largest absolute eligible priority. Where all are 0 every action is alike.

    Parameters
    ----------
    explore : share of the probability spread evenly over the eligible on top, 0 to 1; it keeps every
        selection probability at explore / A or more. Gaps explore by themselves, so little is needed on top
    gamma : how fast probability falls with the gap, 0 (evenly) or more. None is the schedule
        min(max(1, 5 / A) * n, 30 * sqrt(n)), n the training rows of the row's eligible pairs: no data, no
        preference, and while rows are few a weaker one, for models fitted on few rows are led astray by what
        they try
    optimism : how many standard errors of its own level each pair's log-odds are raised by, 0 or more;
        a level known from m responses stands to 1 / sqrt(m + 1) in log-odds. What many responses tell of is
        raised by little, and DO_NOTHING by nothing. The longer it takes until outcomes are learned from, the
        less of it pays: until then, content that is new is lifted everywhere. A priority moves by slope times
        what its propensity does; without a slope by |priority| / propensity times that, too little where a
        cost is subtracted

    References
    ----------
    Abe and Long (1999); Foster and Rakhlin (2020), "Beyond UCB", algorithm 1. Its gamma is sqrt(A n) over the
    root of the squared error that is left, and the error of a mean grows with the variance of an outcome,
    r (1 - r) <= r: hence the unit. Scaling gaps by the best, where nothing tells r, is that of Foster and
    Krishnamurthy (2021), "Efficient first-order contextual bandits". Their regret bounds are for bounded
    rewards; the mixture with ``explore`` costs its share of regret on top. Optimism by counts is that of
    Auer, Cesa-Bianchi and Fischer (2002), "Finite-time analysis of the multiarmed bandit problem"; the
    logarithm of a rate that was counted as m has a variance of about 1 / m.

    Examples
    --------
    >>> scores = Scores(margin=np.zeros((1, 3)), spread=np.zeros((1, 3)), n=np.zeros(3),
    ...                 prior_only=np.zeros(3, dtype=bool))
    >>> priorities, eligible = np.array([[0.0, 0.1, 0.2]]), np.array([[True, True, True]])
    >>> InverseGap(gamma=4.0).weights(priorities, scores, eligible).round(3).tolist()
    [[0.143, 0.2, 0.657]]
    """

    explore: float = field(default=0.005, kw_only=True)
    gamma: float | None = field(default=None, kw_only=True)
    optimism: float = field(default=0.5, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "explore", number_between(self.explore, name="explore", low=0, high=1))
        object.__setattr__(self, "optimism", number_between(self.optimism, name="optimism", low=0))
        if self.gamma is not None:
            object.__setattr__(self, "gamma", number_between(self.gamma, name="gamma", low=0))

    @property
    def reads_spread(self) -> bool:
        """Never: doubts are counted in responses."""
        return False

    def weights(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        """(n, K) inverse gap weights over the eligible of each row."""
        from nba.policies.compiled import inverse_gap

        told = scores.responses is not None
        responses = np.empty(0) if scores.responses is None else _counts(scores.responses, name="responses")
        counting = self.gamma is None or told
        rows = _counts(scores.n, name="n") if counting else np.zeros(priorities.shape[1])
        rates = _GAMMA_PER_N, _GAMMA_PER_ROWS_OF_AN_ACTION, _GAMMA_PER_SQRT_N
        weights = np.empty(priorities.shape)
        inverse_gap(
            np.ascontiguousarray(priorities, np.float64),
            _odds_against(scores) if told else _NONE,
            known_slope(self, scores, eligible) if told else _NONE,
            rows, responses, np.exp(self.optimism / np.sqrt(responses + _KNOWN_BEFORE)),
            np.ascontiguousarray(eligible), rates, -1.0 if self.gamma is None else self.gamma, weights,
        )  # fmt: skip
        return weights


def _odds_against(scores: Scores) -> Floats:
    odds = np.negative(scores.margin, dtype=np.float64, order="C")
    with np.errstate(over="ignore"):  # what is beyond all doubt stays so
        return np.asarray(np.exp(odds, out=odds))


def _counts(counts: Floats, *, name: str) -> Floats:
    found = np.ascontiguousarray(counts, dtype=np.float64)
    if not (np.isfinite(found).all() and (found >= 0).all()):
        raise ArgumentError(
            f"InverseGap found training row counts that are missing or negative, expected Scores.{name} >= 0 "
            "for every action (0 for do_nothing). Give the counts, or set gamma yourself."
        )
    return found


def known_slope(policy: object, scores: Scores, eligible: Bools) -> Floats:
    """Slopes as loops read them, empty where they are not known.

    Raises
    ------
    ArgumentError
        If a slope of an eligible action is missing or infinite.
    """
    slope = _NONE if scores.slope is None else np.ascontiguousarray(scores.slope, dtype=np.float64)
    if slope.size and not (np.isfinite(slope) | ~eligible).all():
        raise ArgumentError(
            f"{type(policy).__name__} found slopes that are missing or infinite, expected a number for every "
            "eligible action. Give Scores.slope, or leave it out."
        )
    return slope
