"""From priorities to drawn actions: arms, prices, probabilities, draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Bools, Choice, Floats, Ints, Pmf, Policy, Scores
from nba.policies.arms import Holdout, arms_of, is_held, scores_of, without_trying
from nba.policies.capacity import allot
from nba.policies.limit import Limit
from nba.policies.pmf import draw, selection_pmf
from nba.policies.reach import Reach

Prices = tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Settled:
    """What was drawn, from what, and how it can be had again.

    Attributes
    ----------
    pmf, choice : the logged probabilities, and one action an HCP
    arm, arm_prob : (n,) the arm each HCP is in, and how likely it was to be there
    group : (n,) the capacity group it was drawn in, "" where it was drawn alone
    prices : for each HCP (name, price, share kept) of every limit in reach
    """

    pmf: Pmf
    choice: Choice
    arm: NDArray[Any]
    arm_prob: Floats
    group: NDArray[Any]
    prices: tuple[Prices, ...]

    @property
    def held(self) -> Bools:
        """(n,) whether a holdout has the HCP, so that the policy did not choose."""
        return np.array([is_held(name) for name in self.arm], dtype=np.bool_)


def settle(
    policy: Policy,
    *,
    priorities: Floats,
    scores: Scores,
    eligible: Bools,
    hcps: Sequence[str],
    seed: int,
    at: int,
    stream: str = "",
    holdout: Holdout | None = None,
    limits: Sequence[Limit] = (),
    spent: Bools | None = None,
) -> Settled:
    """Put every HCP into its arm, price what is scarce, and draw from exactly the probabilities given back.

    Without limits every row depends on itself alone.

    Parameters
    ----------
    policy : one policy, or a :class:`Split`
    priorities, scores, eligible : as in :func:`selection_pmf`
    hcps, seed, at, stream : key of the draws
    holdout, limits : none where nothing is held out or scarce
    spent : (n,) True for HCPs who get the best alone, see :class:`ExploreCap`; None is nobody

    Examples
    --------
    >>> from nba.policies import Greedy
    >>> scores = Scores(margin=np.zeros((2, 2)), spread=np.zeros((2, 2)), n=np.zeros(2),
    ...                 prior_only=np.zeros(2, dtype=bool))
    >>> visit = Limit("visit", rows=np.arange(2), actions=np.array([False, True]), units=1)
    >>> found = settle(Greedy(), priorities=np.array([[0.0, 1.0], [0.0, 3.0]]), scores=scores,
    ...                eligible=np.ones((2, 2), dtype=bool), hcps=["a", "b"], seed=1, at=0, limits=[visit])
    >>> found.choice.action.tolist(), [name for name, price, kept in found.prices[0]]
    ([0, 1], ['visit'])
    """
    arms = without_trying(arms_of(policy, holdout, hcps=hcps, at=at), spent)
    n = len(hcps)
    everybody = np.arange(n)
    which, arm, arm_prob = np.zeros(n, np.int64), np.full(n, "none", dtype=object), np.ones(n)
    for a, (part, _) in enumerate(arms):
        which[part.rows], arm[part.rows], arm_prob[part.rows] = a, part.name, part.prob

    def choose(asked: Floats, open_: Bools, rows: Ints) -> Floats:
        if len(arms) == 1:
            whole = len(rows) == n and bool((rows == everybody).all())
            known = scores if whole else scores_of(scores, rows)
            return selection_pmf(arms[0][1], priorities=asked, scores=known, eligible=open_).probs
        probs = np.zeros(asked.shape)
        for a, (_, kind) in enumerate(arms):
            mine = np.flatnonzero(which[rows] == a)
            if len(mine):
                known = scores_of(scores, rows[mine])
                one = selection_pmf(kind, priorities=asked[mine], scores=known, eligible=open_[mine])
                probs[mine] = one.probs
        return probs

    if limits:
        found = allot(
            limits,
            choose,
            priorities=priorities,
            eligible=eligible,
            hcps=hcps,
            seed=seed,
            at=at,
            stream=stream,
        )
        prices = _prices(limits, found.prices, found.kept, n)
        return Settled(found.pmf, found.choice, arm, arm_prob, found.group, prices)
    if len(arms) == 1:
        pmf = selection_pmf(arms[0][1], priorities=priorities, scores=scores, eligible=eligible)
    else:
        masked = np.where(eligible, priorities, -np.inf)
        pmf = Pmf(
            choose(np.asarray(priorities), eligible, everybody), masked, eligible, float(policy.explore)
        )
    choice = draw(pmf, hcps=hcps, seed=seed, at=at, stream=stream)
    return Settled(pmf, choice, arm, arm_prob, np.full(n, "", dtype=object), ((),) * n)


def _prices(limits: Sequence[Limit], prices: Floats, kept: Floats, n: int) -> tuple[Prices, ...]:
    reach = Reach.of([limit.rows for limit in limits], n)
    said = [(limit.name, p, k) for limit, p, k in zip(limits, prices.tolist(), kept.tolist(), strict=True)]
    by_pattern = [tuple(said[r] for r in found) for found in reach.sets]
    return tuple(by_pattern[p] for p in reach.pattern.tolist())
