"""Prices at which expected use meets what there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from nba.contracts import Bools, Floats, Ints
from nba.policies.reach import Reach

Choose: TypeAlias = Callable[[Floats, Bools, Ints], Floats]
"""(priorities, eligible, rows) of some HCPs to their selection probabilities, each row by itself."""

_CLOSE = 5e-3  # expected use this little below a cap is on it
_OVER = 1.5e-2  # and so much above it, if that is no more than one decision: the share kept takes it back
_FINE = 1e-4  # of a price: where use jumps, a finer one changes nothing
_TRIALS = 24
_SWEEPS = 4
_LITTLE = 0.01  # units: the logarithm of no use is not looked for


def priced(
    reach: Reach, use: Floats, planned: Floats, *, choose: Choose, priorities: Floats, eligible: Bools
) -> Floats:
    """(R,) prices at which expected use meets each limit, 0 where it stays below.

    Limits that share no HCP are searched side by side, the others as they stand, in turns. Only HCPs of
    limits that are still off are asked again. A search follows the logarithm of use, nearly straight in the
    price, and ends where the price makes no more difference than one decision.

    Parameters
    ----------
    reach : which limits reach which HCP
    use : (R, K) units that each action uses
    planned : (R,) units that expected use should meet
    choose : probabilities of some HCPs from their priorities
    priorities, eligible : (n, K), C-contiguous
    """
    wanted = _Wanted(reach, use, choose, priorities, eligible)
    touched = np.flatnonzero([bool(found) for found in reach.sets])
    wanted.ask(touched)
    if (wanted.expected() <= planned).all():
        return wanted.prices
    search = _Search(wanted, planned, _ceilings(reach, use, priorities, eligible), use.max(axis=1))
    colours = _colours(reach, len(use))
    guess = _guessed(reach, use, planned, priorities, eligible)
    for sweep in range(_SWEEPS):
        off = [search.meet(colour, guess if sweep == 0 else None) for colour in colours]
        if sum(off) == 0:
            break
    return wanted.prices


@dataclass
class _Wanted:
    """What each pattern of HCPs uses at the present prices."""

    reach: Reach
    use: Floats
    choose: Choose
    priorities: Floats
    eligible: Bools
    prices: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.prices = np.zeros(len(self.use))
        self._found = np.zeros((len(self.reach.sets), self.use.shape[1]))
        self._pattern, self._limit = self.reach.pairs

    def of_limits(self, limits: Ints) -> None:
        """Ask the HCPs of these limits again."""
        reached = np.isin(self._limit, limits)
        self.ask(np.unique(self._pattern[reached]))

    def ask(self, patterns: Ints) -> None:
        table = price_table(self.reach, self.prices, self.use)
        self._found[patterns] = 0.0
        for rows, begin, of in self.reach.blocks(patterns):
            low, open_ = lowered(self.priorities, self.eligible, table, self.reach.pattern, rows)
            probs = self.choose(low, open_, rows)
            np.add.at(self._found, of, np.add.reduceat(probs, begin, axis=0))

    def expected(self) -> Floats:
        """(R,) expected use of each limit."""
        parts = (self._found[self._pattern] * self.use[self._limit]).sum(axis=1)
        total: Floats = np.bincount(self._limit, weights=parts, minlength=len(self.use)).astype(np.float64)
        return total


def price_table(reach: Reach, prices: Floats, use: Floats) -> Floats:
    """(patterns, K) what each action costs an HCP of each pattern."""
    pattern, limit = reach.pairs
    table = np.zeros((len(reach.sets), use.shape[1]))
    np.add.at(table, pattern, prices[limit, None] * use[limit])
    return table


def lowered(
    priorities: Floats, eligible: Bools, table: Floats, pattern: Ints, rows: Ints
) -> tuple[Floats, Bools]:
    """Priorities of some rows less their pattern's prices, and what is eligible there.

    Never below minus the row's largest: a price must not stretch the scale.
    """
    from nba.policies.compiled import lower

    low = np.empty((len(rows), priorities.shape[1]))
    open_ = np.empty(low.shape, dtype=np.bool_)
    lower(priorities, eligible, table, pattern, rows, low, open_)
    return low, open_


@dataclass
class _Search:
    """The search for one price per limit, for limits that share no HCP all at once."""

    wanted: _Wanted
    planned: Floats
    ceiling: Floats
    jump: Floats
    """(R,) units of the largest single use: what the last decision may move."""
    slope: Floats = field(init=False)
    """(R,) d log(use) / d price where it was last seen, nan before."""

    def __post_init__(self) -> None:
        self.slope = np.full(len(self.planned), np.nan)
        self.near = _CLOSE * self.planned + 0.02
        self.above = np.maximum(self.near, np.minimum(self.jump, _OVER * self.planned))

    def meet(self, limits: Ints, guess: Floats | None) -> int:
        """Set the prices of these limits, the others as they stand; how many were off before."""
        prices, use = self.wanted.prices, self.wanted.expected()
        room = np.maximum(self.above, self.jump) if guess is None else self.above
        over, under = use > self.planned + room, (prices > 0) & (use < self.planned - room)
        active = limits[(over | under)[limits]]
        n_off = len(active)
        low, high = np.zeros(len(prices)), self.ceiling.copy()
        at_low, at_high = np.full(len(prices), np.nan), np.full(len(prices), np.nan)
        weight, last = np.ones((2, len(prices))), np.zeros(len(prices), dtype=np.int64)
        self._note(active, use, low, high, at_low, at_high)
        for turn in range(_TRIALS):
            if not len(active):
                break
            if turn == 0 and guess is not None:
                step = guess[active]
            else:
                step = self._next(active, turn, low, high, at_low, at_high, weight)
            prices[active] = np.clip(step, 0.0, self.ceiling[active])
            self.wanted.of_limits(active)
            use = self.wanted.expected()
            self._note(active, use, low, high, at_low, at_high)
            side = np.where(use[active] > self.planned[active], 1, -1)
            # Illinois: an end that stays twice counts for half
            weight[:, active] = 1.0
            again = side == last[active]
            weight[1, active[again & (side > 0)]] = 0.5
            weight[0, active[again & (side < 0)]] = 0.5
            last[active] = side
            active = self._still(active, use, low, high, at_low, at_high)
        return n_off

    def _note(
        self, active: Ints, use: Floats, low: Floats, high: Floats, at_low: Floats, at_high: Floats
    ) -> None:
        """Keep what the present prices showed."""
        prices = self.wanted.prices
        over = active[use[active] > self.planned[active]]
        rest = active[use[active] <= self.planned[active]]
        before, now = np.where(np.isnan(at_low), at_high, at_low)[active], use[active]
        moved = prices[active] - np.where(np.isnan(at_low), high, low)[active]
        fall = np.log(now + _LITTLE) - np.log(before + _LITTLE)
        known = np.isfinite(fall) & (moved * fall < 0)
        self.slope[active[known]] = fall[known] / moved[known]
        low[over], at_low[over] = prices[over], use[over]
        high[rest], at_high[rest] = prices[rest], use[rest]

    def _next(
        self, active: Ints, turn: int, low: Floats, high: Floats, at_low: Floats, at_high: Floats,
        weight: Floats,
    ) -> Floats:  # fmt: skip
        """(active,) the prices to try now."""
        target = np.log(self.planned[active] + _LITTLE)
        above = (np.log(at_low[active] + _LITTLE) - target) * weight[0, active]
        below = (target - np.log(at_high[active] + _LITTLE)) * weight[1, active]
        lo, hi, slope = low[active], high[active], self.slope[active]
        width = hi - lo
        share = np.full(len(active), 0.5)
        if turn % 3 != 2:  # now and then half way, whatever the ends say
            share = np.clip(above / np.where(above + below > 0, above + below, 1.0), 0.02, 0.98)
        inside = lo + share * width
        little = 2.0**turn * 1e-3 * self.ceiling[active]
        up = lo + np.where(slope < 0, 1.1 * above / -slope, 0.2 * lo) + little
        down = hi - np.where(slope < 0, 1.1 * below / -slope, 0.2 * hi) - little
        no_high, no_low = np.isnan(at_high[active]), np.isnan(at_low[active])
        return np.where(no_high, np.minimum(up, hi), np.where(no_low, np.maximum(down, lo), inside))

    def _still(
        self, active: Ints, use: Floats, low: Floats, high: Floats, at_low: Floats, at_high: Floats
    ) -> Ints:
        """The limits whose price is still to be found."""
        prices, now = self.wanted.prices[active], use[active]
        over = now > self.planned[active]
        on = (now >= (self.planned - self.near)[active]) & (now <= (self.planned + self.above)[active])
        at_end = np.where(over, prices >= self.ceiling[active], prices <= 0.0)
        # between the ends lies one decision, or nothing that a price could tell apart
        one = at_low[active] - at_high[active] <= self.jump[active]
        same = high[active] - low[active] <= _FINE * high[active]
        ended = (one | same) & ~on & ~at_end
        back = active[ended & ~over & ~np.isnan(at_low[active])]
        if len(back):  # too much can be taken back, too little not be given
            self.wanted.prices[back] = low[back]
            self.wanted.of_limits(back)
        still: Ints = active[~(on | at_end | ended)]
        return still


def _ceilings(reach: Reach, use: Floats, priorities: Floats, eligible: Bools) -> Floats:
    """(R,) prices beyond which nothing changes."""
    largest = np.maximum(
        np.max(priorities, axis=1, where=eligible, initial=0.0),
        -np.min(priorities, axis=1, where=eligible, initial=0.0),
    )
    by_pattern = np.array([largest[rows].max(initial=0.0) for rows in _rows(reach)])
    pattern, limit = reach.pairs
    most = np.zeros(len(use))
    np.maximum.at(most, limit, by_pattern[pattern])
    least = np.min(np.where(use > 0, use, np.inf), axis=1, initial=np.inf)
    return np.asarray(2.0 * most / np.where(np.isfinite(least), least, 1.0))


def _rows(reach: Reach) -> list[Ints]:
    return [reach.order[lo:hi] for lo, hi in zip(reach.start[:-1], reach.start[1:], strict=True)]


def _guessed(reach: Reach, use: Floats, planned: Floats, priorities: Floats, eligible: Bools) -> Floats:
    """(R,) the price at which as many HCPs as there are units still prefer what is scarce."""
    known = np.where(eligible, priorities, -np.inf)
    guess, of_pattern = np.zeros(len(use)), _rows(reach)
    pattern, limit = reach.pairs
    for r in range(len(use)):
        scarce, mine = use[r] > 0, pattern[limit == r]
        if not (scarce.any() and len(mine)):
            continue
        rows = known[np.concatenate([of_pattern[p] for p in mine])]
        ahead = np.sort(rows[:, scarce].max(axis=1) - rows[:, ~scarce].max(axis=1))[::-1]
        each = use[r][scarce].mean()
        guess[r] = max(0.0, ahead[min(int(planned[r] / each), len(ahead) - 1)]) / each
    return guess


def _colours(reach: Reach, n_limits: int) -> list[Ints]:
    """Limits in parts within which no two reach the same HCP."""
    beside: list[set[int]] = [set() for _ in range(n_limits)]
    for found in reach.sets:
        for r in found:
            beside[r].update(found)
    colours: list[list[int]] = []
    for r in range(n_limits):
        home = next((colour for colour in colours if not beside[r].intersection(colour)), None)
        if home is None:
            colours.append([r])
        else:
            home.append(r)
    return [np.array(colour, dtype=np.int64) for colour in colours]
