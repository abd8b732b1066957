"""Scarce things have prices: visits, seats, samples, budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Bools, Choice, Floats, Ints, Pmf
from nba.errors import SelectionError
from nba.policies.limit import Limit, check_limits
from nba.policies.nested import Nested
from nba.policies.pmf import keyed_uniforms
from nba.policies.prices import Choose, lowered, price_table, priced
from nba.policies.reach import Reach


@dataclass(frozen=True)
class Allotted:
    """What a capacity made of some HCPs' probabilities, and what was drawn.

    Attributes
    ----------
    pmf : the selection probabilities that were drawn from
    choice : one action an HCP
    group : (n,) name of the group each HCP was drawn in, "" where it was drawn alone
    prices : (R,) what one more unit is worth, in the unit of the priorities; 0 where there is slack
    kept : (R,) the share kept of what was still wanted at that price; below 1 where explore or a holdout
        wanted more than there is: capacity outranks them
    expected, used : (R,) units used in expectation, and by the draw
    """

    pmf: Pmf
    choice: Choice
    group: NDArray[Any]
    prices: Floats
    kept: Floats
    expected: Floats
    used: Floats


def allot(
    limits: Sequence[Limit], choose: Choose, *, priorities: Floats, eligible: Bools, hcps: Sequence[str],
    seed: int, at: int, stream: str = "",
) -> Allotted:  # fmt: skip
    """Price what is scarce, and draw one action an HCP so that no limit is ever broken.

    Each limit gets a price that makes its expected use meet it; the groups of HCPs that limits tie together
    are then rounded together: every marginal stays the logged probability, every limit holds in every draw.

    Parameters
    ----------
    limits : nested in one another or apart, as sets of (HCP, action)
    choose : probabilities of some HCPs from their priorities
    priorities, eligible : (n, K)
    hcps, seed, at, stream : key of the draws

    Raises
    ------
    ArgumentError
        If two limits cross, by their names; names repeat; or a limit has no sensible units or costs.

    Examples
    --------
    >>> from nba.policies import Greedy
    >>> everyone = np.ones((4, 2), dtype=bool)
    >>> visits = Limit("visits", rows=np.arange(4), actions=np.array([False, True]), units=1)
    >>> def greedy(priorities, eligible, rows):
    ...     return Greedy().weights(priorities, None, eligible)
    >>> found = allot([visits], greedy, priorities=np.array([[0, 1.0], [0, 4.0], [0, 2.0], [0, 3.0]]),
    ...               eligible=everyone, hcps=list("abcd"), seed=1, at=0)
    >>> found.choice.action.tolist(), found.used.tolist()
    ([0, 1, 0, 0], [1.0])
    """
    check_limits(limits, priorities)
    priorities, eligible = np.ascontiguousarray(priorities, np.float64), np.ascontiguousarray(eligible)
    reach = Reach.of([limit.rows for limit in limits], len(priorities))
    use = np.array([limit.scaled for limit in limits]).reshape(len(limits), priorities.shape[1])
    planned = np.array([limit.planned for limit in limits])
    prices = priced(reach, use, planned, choose=choose, priorities=priorities, eligible=eligible)
    probs, kept, expected = _within(limits, reach, use, choose, priorities, eligible, prices)
    pmf = Pmf(np.ascontiguousarray(probs), np.where(eligible, priorities, -np.inf), eligible, 0.0)
    choice, group, used = _drawn(limits, pmf, hcps, seed=seed, at=at, stream=stream)
    return Allotted(pmf, choice, group, prices, kept, expected, used)


def probs_at(
    limits: Sequence[Limit],
    choose: Choose,
    *,
    priorities: Floats,
    eligible: Bools,
    rows: Ints,
    prices: Floats,
    kept: Floats,
) -> Floats:
    """The probabilities of some HCPs, worked out again from prices alone: bit-equal to the batch's.

    Parameters
    ----------
    priorities, eligible : (m, K) of the asked HCPs
    rows : (m,) which they are, as ``limits`` count them
    prices, kept : (R,) from :class:`Allotted`, or from receipts
    """
    inside = np.array([np.isin(rows, limit.rows) for limit in limits]).reshape(len(limits), len(rows))
    price, keep = np.zeros(priorities.shape), np.ones(priorities.shape)
    limited = np.zeros(priorities.shape, dtype=bool)
    for r, limit in enumerate(limits):
        mine = inside[r]
        price[mine] += prices[r] * limit.scaled
        keep[mine] *= np.where(limit.use > 0, kept[r], 1.0)
        limited[mine] |= limit.use > 0
    priorities, eligible = np.ascontiguousarray(priorities, np.float64), np.ascontiguousarray(eligible)
    own = np.arange(len(rows))
    low, open_ = lowered(priorities, eligible, price, own, own)
    probs = choose(low, open_, rows)
    return _freed(probs, choose, priorities, eligible, rows, keep=keep, limited=limited, pattern=own)


def _within(
    limits: Sequence[Limit], reach: Reach, use: Floats, choose: Choose, priorities: Floats, eligible: Bools,
    prices: Floats,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """(probs, kept, expected) at these prices, with what is still too much taken back."""
    rows = np.arange(len(priorities))
    low, open_ = lowered(priorities, eligible, price_table(reach, prices, use), reach.pattern, rows)
    probs = choose(low, open_, rows)
    kept = _kept(limits, probs)
    if (kept < 1).any():
        keep, limited = _keeping(reach, kept, use > 0)
        probs = _freed(
            probs, choose, priorities, eligible, rows, keep=keep, limited=limited, pattern=reach.pattern
        )
    expected = np.array([probs[limit.rows].sum(axis=0) @ limit.use for limit in limits])
    return probs, kept, expected


def _kept(limits: Sequence[Limit], probs: Floats) -> Floats:
    """(R,) the share of what is wanted of each limit that it has room for, the smallest sets first."""
    kept, thinned = np.ones(len(limits)), probs.copy()
    for r in sorted(range(len(limits)), key=lambda r: (len(limits[r].rows) * limits[r].actions.sum(), r)):
        limit = limits[r]
        total = float(thinned[limit.rows].sum(axis=0) @ limit.scaled)
        if total > limit.planned:
            kept[r] = limit.planned / total * (1.0 - 1e-12)
            thinned[limit.rows] *= np.where(limit.use > 0, kept[r], 1.0)
    return kept


def _keeping(reach: Reach, kept: Floats, uses: Bools) -> tuple[Floats, Bools]:
    """(patterns, K) the share kept of each action, and whether anything limits it."""
    pattern, limit = reach.pairs
    keep = np.ones((len(reach.sets), uses.shape[1]))
    limited = np.zeros(keep.shape, dtype=np.bool_)
    np.multiply.at(keep, pattern, np.where(uses[limit], kept[limit, None], 1.0))
    np.logical_or.at(limited, pattern, uses[limit])
    return keep, limited


def _freed(
    probs: Floats, choose: Choose, priorities: Floats, eligible: Bools, rows: Ints, *, keep: Floats,
    limited: Bools, pattern: Ints,
) -> Floats:  # fmt: skip
    """Take back what is too much, and let the policy choose again among what is not scarce."""
    from nba.policies.compiled import thin

    if (keep >= 1).all():
        return probs
    left, lost, open_ = probs.copy(), np.empty(len(probs)), np.empty(probs.shape, dtype=np.bool_)
    thin(left, eligible, keep, limited, pattern, lost, open_)
    again = np.flatnonzero(lost > 0)
    if len(again) == len(rows):
        left += lost[:, None] * choose(priorities, open_, rows)
    elif len(again):
        left[again] += lost[again, None] * choose(priorities[again], open_[again], rows[again])
    return left


def _drawn(
    limits: Sequence[Limit], pmf: Pmf, hcps: Sequence[str], *, seed: int, at: int, stream: str
) -> tuple[Choice, NDArray[Any], Floats]:
    """Round every group of HCPs that limits tie together, then draw within what each got."""
    from nba.policies.compiled import pick

    probs = pmf.probs
    n = len(probs)
    tree = Nested.of([limit for limit in limits if _may_bind(limit, probs)], n, probs.shape[1])
    got, leaf_of, group = tree.rounded(probs, seed=seed, at=at, stream=stream)
    uniforms = keyed_uniforms(hcps, seed=seed, at=at, stream=stream)
    within = np.where(leaf_of == got[:, None], probs, 0.0)
    action, selection_prob, explored = np.empty(n, np.int64), np.empty(n), np.empty(n, np.bool_)
    pick(within, pmf.priorities, uniforms, action, selection_prob, explored)
    used = np.array([limit.use[action[limit.rows]].sum() for limit in limits])
    broken = [
        limit.name for limit, units in zip(limits, used, strict=True) if units > limit.units * (1 + 1e-9)
    ]
    if broken:
        raise SelectionError(
            f"A draw would use more than there is of {broken}. Please report this; draw again."
        )
    return Choice(action, selection_prob, uniforms, explored), group, used


def _may_bind(limit: Limit, probs: Floats) -> bool:
    """Whether some draw could use more than there is."""
    most = np.where(probs[limit.rows] > 0, limit.use, 0.0).max(axis=1, initial=0.0)
    return bool(most.sum() > limit.units)
