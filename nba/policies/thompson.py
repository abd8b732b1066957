"""Every action as often as it may well be the best."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nba.contracts import Bools, Floats, Scores
from nba.errors import ArgumentError
from nba.policies.inverse_gap import known_slope
from nba.policies.registry import Described, number_between


@dataclass(frozen=True)
class Thompson(Described):
    """Thompson sampling with its probabilities known: each action's chance of having the highest priority.

    The margin of an action is normal with its spread; its priority follows through the logistic curve, so
    no propensity is ever below 0 or above 1. The chance that it beats all others is integrated, not
    sampled: over panels that all actions of a row share, as fine as the narrowest distribution there
    needs. Exact (to 1e-6, mostly 1e-7) where the actions' errors are independent: errors that they share,
    such as the level of a channel, move their chances less than this says. What has no spread, as
    do_nothing, is an atom; atoms that are alike share.

    Parameters
    ----------
    explore : share of the probability spread evenly over the eligible on top, 0 to 1
    scale : factor on every spread, 0 or more; below 1 explores less than the posterior says

    References
    ----------
    Thompson (1933); Russo et al. (2018), "A Tutorial on Thompson Sampling". Without an ``explore`` share
    an action that is hardly ever best has hardly any support for off-policy evaluation.

    Examples
    --------
    >>> scores = Scores(margin=np.array([[-np.inf, 0.0, 0.0]]), spread=np.array([[0.0, 1.0, 1.0]]),
    ...                 n=np.zeros(3), prior_only=np.zeros(3, dtype=bool))
    >>> priorities, eligible = np.array([[0.5, 0.5, 0.5]]), np.ones((1, 3), dtype=bool)
    >>> Thompson().weights(priorities, scores, eligible).round(6).tolist()
    [[0.25, 0.375, 0.375]]
    """

    explore: float = field(default=0.05, kw_only=True)
    scale: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "explore", number_between(self.explore, name="explore", low=0, high=1))
        object.__setattr__(self, "scale", number_between(self.scale, name="scale", low=0))

    def weights(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        """(n, K) the chance of each action to be the best."""
        from nba.policies.quadrature import chances_of_the_best

        spread, slope = _known_spread(scores, eligible), known_slope(self, scores, eligible)
        weights = np.empty(priorities.shape)
        chances_of_the_best(
            np.ascontiguousarray(priorities, dtype=np.float64),
            np.ascontiguousarray(scores.margin, dtype=np.float64),
            spread, slope, np.ascontiguousarray(eligible), self.scale, weights,
        )  # fmt: skip
        return weights


def _known_spread(scores: Scores, eligible: Bools) -> Floats:
    spread = np.ascontiguousarray(scores.spread, dtype=np.float64)
    if not (np.isfinite(spread) & (spread >= 0) | ~eligible).all():
        raise ArgumentError(
            "Thompson found spreads that are missing, infinite or negative, expected a standard deviation "
            "for every eligible action. Give Scores.spread, or choose a policy that does not use it."
        )
    return spread
