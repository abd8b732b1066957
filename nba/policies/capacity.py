"""Scarce things have prices: visits, seats, samples, budgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Bools, Choice, Floats, Ints, Pmf
from nba.errors import ArgumentError, SelectionError
from nba.policies.pmf import keyed_uniforms

Choose: TypeAlias = Callable[[Floats, Bools, Ints], Floats]
"""(priorities, eligible, rows) of some HCPs to their selection probabilities, each row by itself."""

_CLOSE = 5e-3  # expected use this near a cap is on it; what is too much, the share kept takes back
_FINE = 1e-4  # of a price: where use jumps, a finer one changes nothing
_TRIALS = 24
_SWEEPS = 2
_LEVELS = 64


@dataclass(frozen=True)
class Limit:
    """So many units, for some HCPs and actions.

    Attributes
    ----------
    name : unique; receipts and prices call it so
    rows : indices of the HCPs in its scope, rising
    actions : (K,) True for the actions that use it
    units : how many there are; whole ones where every use costs 1
    costs : (K,) units that one decision uses; None is 1 each
    """

    name: str
    rows: Ints
    actions: Bools
    units: float
    costs: Floats | None = None

    @property
    def use(self) -> Floats:
        """(K,) units that each action uses, 0 where none."""
        costs = np.ones(len(self.actions)) if self.costs is None else self.costs
        used: Floats = np.where(self.actions, costs, 0.0)
        return used

    @property
    def planned(self) -> float:
        """Units that expected use may reach so that a draw can never use more than there are."""
        if self._is_unit:
            return float(np.floor(self.units / self._most))
        return max(0.0, self.units - self._most)

    @property
    def _most(self) -> float:
        return float(self.use.max(initial=0.0)) or 1.0

    @property
    def _is_unit(self) -> bool:
        used = self.use[self.use > 0]
        return bool(len(used) == 0 or (used == used[0]).all())

    @property
    def scaled(self) -> Floats:
        """(K,) use in the unit that ``planned`` counts in."""
        return self.use / self._most if self._is_unit else self.use


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
    _check_limits(limits, priorities)
    terms = _Terms.of(limits, priorities.shape[0])
    prices = _priced(limits, terms, choose, priorities, eligible)
    probs, kept, expected = _within(limits, terms, choose, priorities, eligible, prices)
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
    probs = choose(_lowered(priorities, eligible, price), eligible, rows)
    return _freed(probs, choose, priorities, eligible, rows, keep, limited)


@dataclass(frozen=True)
class _Terms:
    """HCPs by the limits that reach them: all of one pattern pay the same prices."""

    pattern: NDArray[np.int64]
    limits: tuple[tuple[int, ...], ...]
    order: NDArray[np.int64]
    start: NDArray[np.int64]

    @classmethod
    def of(cls, limits: Sequence[Limit], n: int) -> _Terms:
        reach: list[tuple[int, ...]] = [()] * n
        for r, limit in enumerate(limits):
            for i in limit.rows.tolist():
                reach[i] = (*reach[i], r)
        names = {found: p for p, found in enumerate(sorted(set(reach)))}
        pattern = np.array([names[found] for found in reach], dtype=np.int64)
        order = np.argsort(pattern, kind="stable")
        start = np.searchsorted(pattern[order], np.arange(len(names) + 1))
        return cls(pattern, tuple(names), order, start)

    def rows(self, patterns: Sequence[int]) -> NDArray[np.int64]:
        parts = [self.order[self.start[p] : self.start[p + 1]] for p in patterns]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def touching(self, limits: Sequence[int]) -> list[int]:
        wanted = set(limits)
        return [p for p, found in enumerate(self.limits) if wanted.intersection(found)]

    def table(self, by_limit: Floats) -> Floats:
        """(patterns, K) sums over each pattern's limits."""
        width = by_limit.shape[1]
        sums = [by_limit[list(found)].sum(axis=0) if found else np.zeros(width) for found in self.limits]
        return np.array(sums).reshape(len(self.limits), width)


def _priced(
    limits: Sequence[Limit], terms: _Terms, choose: Choose, priorities: Floats, eligible: Bools
) -> Floats:
    """(R,) prices at which expected use meets each limit, 0 where it stays below."""
    use = np.array([limit.scaled for limit in limits]).reshape(len(limits), priorities.shape[1])
    planned = np.array([limit.planned for limit in limits])
    largest = np.max(np.abs(np.where(eligible, priorities, 0.0)), axis=1)
    ceiling = np.array(
        [
            2.0 * largest[limit.rows].max(initial=0.0) / limit.scaled[limit.use > 0].min(initial=1.0)
            for limit in limits
        ]
    )
    prices = np.zeros(len(limits))
    found = np.zeros((len(terms.limits), priorities.shape[1]))

    def look(patterns: list[int]) -> None:
        rows = terms.rows(patterns)
        if not len(rows):
            return
        price = terms.table(prices[:, None] * use)[terms.pattern[rows]]
        wanted = choose(_lowered(priorities[rows], eligible[rows], price), eligible[rows], rows)
        sizes = terms.start[np.array(patterns) + 1] - terms.start[patterns]
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        found[patterns] = np.add.reduceat(wanted, starts, axis=0)

    def expected() -> Floats:
        total = np.zeros(len(limits))
        for p, reached in enumerate(terms.limits):
            for r in reached:
                total[r] += found[p] @ use[r]
        return total

    nonempty = [p for p in range(len(terms.limits)) if terms.limits[p]]
    look(nonempty)
    if (expected() <= planned).all():
        return prices
    guess = _guessed(limits, planned, priorities, eligible)
    for _ in range(_SWEEPS):
        before = prices.copy()
        for colour in _colours(terms, len(limits)):
            _bisect(colour, prices, planned, ceiling, guess, terms, look, expected)
        if np.abs(prices - before).max() <= 1e-3 * max(1e-300, prices.max()):
            break
    return prices


def _bisect(
    colour: list[int],
    prices: Floats,
    planned: Floats,
    ceiling: Floats,
    guess: Floats,
    terms: _Terms,
    look: Any,
    expected: Any,
) -> None:
    """Set the prices of limits that share no HCP, all others as they stand."""
    total = expected()
    active = [
        r for r in colour
        if total[r] > planned[r] or (prices[r] > 0 and not _on(total[r], planned[r]))
    ]  # fmt: skip
    if not active:
        return
    low, high = np.zeros(len(prices)), ceiling.copy()
    for r in active:
        if prices[r] > 0:
            guess[r] = prices[r] * (total[r] / planned[r]) ** 0.2 if planned[r] > 0 else ceiling[r]
    for turn in range(_TRIALS):
        for r in active:
            step = guess[r] if turn == 0 else _between(low[r], high[r], ceiling[r])
            prices[r] = min(step, ceiling[r])
        look(terms.touching(active))
        total = expected()
        still = []
        for r in active:
            if _on(total[r], planned[r]):
                continue
            if total[r] > planned[r]:
                low[r] = prices[r]
            else:
                high[r] = prices[r]
            if high[r] - low[r] > _FINE * high[r]:
                still.append(r)
        active = still
        if not active:
            return


def _between(low: float, high: float, ceiling: float) -> float:
    """The next price to try: near the last one until there is one on each side, then half way."""
    if high >= ceiling:
        return min(0.5 * (low + high), 1.2 * low + 1e-3 * ceiling)
    if low <= 0.0:
        return 0.8 * high if high > 1e-3 * ceiling else 0.0
    return 0.5 * (low + high)


def _guessed(limits: Sequence[Limit], planned: Floats, priorities: Floats, eligible: Bools) -> Floats:
    """(R,) the price at which as many HCPs as there are units still prefer what is scarce."""
    known = np.where(eligible, priorities, -np.inf)
    guess = np.zeros(len(limits))
    for r, limit in enumerate(limits):
        mine = known[limit.rows]
        scarce = limit.use > 0
        if not (scarce.any() and len(mine)):
            continue
        ahead = np.sort(mine[:, scarce].max(axis=1) - mine[:, ~scarce].max(axis=1))[::-1]
        place = min(int(planned[r] / limit.scaled[scarce].mean()), len(ahead) - 1)
        guess[r] = max(0.0, ahead[place]) / limit.scaled[scarce].mean()
    return guess


def _on(total: float, planned: float) -> bool:
    return bool(abs(total - planned) <= _CLOSE * planned + 0.02)


def _colours(terms: _Terms, n_limits: int) -> list[list[int]]:
    """Limits in parts within which no two reach the same HCP."""
    beside: list[set[int]] = [set() for _ in range(n_limits)]
    for found in terms.limits:
        for r in found:
            beside[r].update(found)
    colours: list[list[int]] = []
    for r in range(n_limits):
        home = next((colour for colour in colours if not beside[r].intersection(colour)), None)
        if home is None:
            colours.append([r])
        else:
            home.append(r)
    return colours


def _within(
    limits: Sequence[Limit],
    terms: _Terms,
    choose: Choose,
    priorities: Floats,
    eligible: Bools,
    prices: Floats,
) -> tuple[Floats, Floats, Floats]:
    """(probs, kept, expected) at these prices, with what is still too much taken back."""
    n = len(priorities)
    rows, ones = np.arange(n), np.ones(len(limits))
    probs = probs_by(limits, terms, choose, priorities, eligible, rows, prices, ones)
    thinned, kept = probs.copy(), ones.copy()
    smallest_first = sorted(
        range(len(limits)), key=lambda r: (len(limits[r].rows) * limits[r].actions.sum(), r)
    )
    for r in smallest_first:
        limit = limits[r]
        total = float(thinned[limit.rows].sum(axis=0) @ limit.scaled)
        if total > limit.planned:
            kept[r] = limit.planned / total * (1.0 - 1e-12)
            thinned[limit.rows] *= np.where(limit.use > 0, kept[r], 1.0)
    if (kept < 1).any():
        probs = probs_by(limits, terms, choose, priorities, eligible, rows, prices, kept)
    expected = np.array([probs[limit.rows].sum(axis=0) @ limit.use for limit in limits])
    return probs, kept, expected


def probs_by(
    limits: Sequence[Limit], terms: _Terms, choose: Choose, priorities: Floats, eligible: Bools, rows: Ints,
    prices: Floats, kept: Floats,
) -> Floats:  # fmt: skip
    """As :func:`probs_at`, for a whole batch: one table of prices a pattern."""
    shape = (len(terms.limits), priorities.shape[1])
    price, keep, limited = np.zeros(shape), np.ones(shape), np.zeros(shape, dtype=bool)
    for p, found in enumerate(terms.limits):
        for r in found:
            price[p] += prices[r] * limits[r].scaled
            keep[p] *= np.where(limits[r].use > 0, kept[r], 1.0)
            limited[p] |= limits[r].use > 0
    mine = terms.pattern[rows]
    probs = choose(_lowered(priorities, eligible, price[mine]), eligible, rows)
    return _freed(probs, choose, priorities, eligible, rows, keep[mine], limited[mine])


def _lowered(priorities: Floats, eligible: Bools, price: Floats) -> Floats:
    """Priorities less prices, never below minus the row's largest: a price must not stretch the scale."""
    floor = -np.max(np.abs(np.where(eligible, priorities, 0.0)), axis=1)[:, None]
    lowered: Floats = np.where(
        price > 0, np.maximum(priorities - price, np.minimum(floor, priorities)), priorities
    )
    return lowered


def _freed(
    probs: Floats,
    choose: Choose,
    priorities: Floats,
    eligible: Bools,
    rows: Ints,
    keep: Floats,
    limited: Bools,
) -> Floats:
    """Take back what is too much, and let the policy choose again among what is not scarce."""
    if (keep >= 1).all():
        return probs
    lost = np.cumsum(probs * (1.0 - keep), axis=1)[:, -1]
    again = np.flatnonzero(lost > 0)
    result = probs * keep
    if len(again):
        open_ = eligible[again] & ~limited[again]
        result[again] += lost[again, None] * choose(priorities[again], open_, rows[again])
    return result


def _drawn(
    limits: Sequence[Limit], pmf: Pmf, hcps: Sequence[str], *, seed: int, at: int, stream: str
) -> tuple[Choice, NDArray[Any], Floats]:
    """Round every group of HCPs that limits tie together, then draw within what each got."""
    from nba.policies.compiled import pick

    probs = pmf.probs
    n = len(probs)
    tree = _Tree.of([limit for limit in limits if _may_bind(limit, probs)], n, probs.shape[1])
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


@dataclass(frozen=True)
class _Tree:
    """Sets of (HCP, action), nested or apart, each inside the smallest that holds it."""

    names: tuple[str, ...]
    rows: tuple[Ints, ...]
    actions: tuple[Bools, ...]
    parent: NDArray[np.int64]

    @classmethod
    def of(cls, limits: Sequence[Limit], n: int, n_actions: int) -> _Tree:
        names: list[str] = []
        rows: list[Ints] = []
        actions: list[Bools] = []
        for limit in limits:
            # spend = sum over levels of (level - last level) * count at or above it, and rounding moves each
            # count by less than one: in sum by less than the largest cost
            for level in np.unique(limit.use[limit.use > 0]).tolist():
                names.append(limit.name)
                rows.append(limit.rows)
                actions.append(limit.use >= level)
        return cls(tuple(names), tuple(rows), tuple(actions), _parents(names, rows, actions, n))

    def rounded(
        self, probs: Floats, *, seed: int, at: int, stream: str
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
        """(node each HCP got, node of each cell, group of each HCP); -1 is none."""
        from nba.policies.rounding import masses, rounded

        n, n_actions = probs.shape
        group = np.full(n, "", dtype=object)
        if not self.names:
            return np.full(n, -1), np.full(probs.shape, -1), group
        size = np.array([len(r) * int(a.sum()) for r, a in zip(self.rows, self.actions, strict=True)])
        reach: list[tuple[int, ...]] = [()] * n
        for v in np.lexsort(
            (np.arange(len(size)), -size)
        ).tolist():  # largest first: the last word is the leaf's
            for i in self.rows[v].tolist():
                reach[i] = (*reach[i], v)
        patterns = {found: p for p, found in enumerate(sorted(set(reach)))}
        pattern = np.array([patterns[found] for found in reach], dtype=np.int64)
        leaf = np.full((len(patterns), n_actions), -1, dtype=np.int64)
        for found, p in patterns.items():
            for v in found:
                leaf[p, self.actions[v]] = v
        component = self._components(patterns)
        labels = sorted(set(component))
        place = {root: c for c, root in enumerate(labels)}
        n_nodes = len(self.names)
        of_pattern = np.array([place[component[found[0]]] if found else -1 for found in patterns])
        of_row = of_pattern[pattern]
        tied = np.flatnonzero(of_row >= 0)
        # a sink for each group: one group never moves another
        sink = n_nodes + of_row[tied]
        row, node, mass = masses(np.ascontiguousarray(probs[tied]), leaf, pattern[tied], sink, n_nodes)
        inflow = np.bincount(node, weights=mass, minlength=n_nodes + len(labels))[:n_nodes]
        for v in np.lexsort((np.arange(len(size)), size)).tolist():
            if self.parent[v] >= 0:
                inflow[self.parent[v]] += inflow[v]
        up = np.array(
            [self.parent[v] if self.parent[v] >= 0 else n_nodes + place[component[v]] for v in range(n_nodes)]
        )
        m = len(tied)
        tail = np.concatenate([row, m + np.arange(n_nodes)])
        head = np.concatenate([m + node, m + up])
        flow = np.concatenate([mass, inflow])
        called = [min(self.names[v] for v in range(n_nodes) if component[v] == root) for root in labels]
        keys = keyed_uniforms(called, seed=seed, at=at, stream=f"{stream}/capacity")
        seeds = (keys * 2.0**53).astype(np.uint64)
        rounded(tail, head, flow, m, m + n_nodes + len(labels), seeds, of_row[tied])
        got = np.full(n, -1, dtype=np.int64)
        chosen = flow[: len(row)] > 0.5
        got[tied[row[chosen]]] = np.where(node[chosen] < n_nodes, node[chosen], -1)
        group[tied] = np.array(called, dtype=object)[of_row[tied]]
        return got, leaf[pattern], group

    def _components(self, patterns: Any) -> list[int]:
        root = list(range(len(self.names)))

        def find(v: int) -> int:
            while root[v] != v:
                root[v] = root[root[v]]
                v = root[v]
            return v

        for found in patterns:
            for v in found[1:]:
                one, two = find(found[0]), find(v)
                root[max(one, two)] = min(one, two)
        return [find(v) for v in range(len(self.names))]


def _parents(
    names: Sequence[str], rows: Sequence[Ints], actions: Sequence[Bools], n: int
) -> NDArray[np.int64]:
    """The smallest set that holds each; refuses sets that cross."""
    from scipy import sparse

    count = len(names)
    parent = np.full(count, -1, dtype=np.int64)
    if not count:
        return parent
    sizes = np.array([len(found) for found in rows])
    which = np.repeat(np.arange(count), sizes)
    member = sparse.csr_matrix((np.ones(len(which)), (which, np.concatenate(rows))), shape=(count, n))
    both = np.asarray((member @ member.T).todense())
    able = np.array(actions, dtype=np.float64)
    shared = able @ able.T
    widths = able.sum(axis=1)
    inside = (both == sizes[:, None]) & (shared == widths[:, None])
    crossing = (both > 0) & (shared > 0) & ~inside & ~inside.T
    if crossing.any():
        one, two = np.argwhere(crossing)[0].tolist()
        raise ArgumentError(
            f"Capacities {names[one]!r} and {names[two]!r} cross: some decisions would use both, others only "
            "one of them each way. No draw keeps both exactly; nest one in the other, or make them apart."
        )
    cells = sizes * widths
    order = np.lexsort((np.arange(count), cells))  # smallest first; equals by their order
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    for v in range(count):
        over = np.flatnonzero(inside[v] & (rank > rank[v]))
        if len(over):
            parent[v] = over[np.argmin(rank[over])]
    return parent


def _check_limits(limits: Sequence[Limit], priorities: Floats) -> None:
    names = [limit.name for limit in limits]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ArgumentError(f"Capacities {repeated} are given more than once, expected each name once.")
    n, n_actions = priorities.shape
    for limit in limits:
        use = limit.use
        fits = len(limit.actions) == n_actions and (
            not len(limit.rows) or 0 <= limit.rows[0] <= limit.rows[-1] < n
        )
        if not fits or (np.diff(limit.rows) <= 0).any():
            raise ArgumentError(
                f"Capacity {limit.name!r} does not fit {n} HCPs and {n_actions} actions, expected rising "
                "rows and one flag an action. Build it from the same candidates."
            )
        if not (limit.units >= 0 and np.isfinite(use).all() and (use >= 0).all()) or use[0] > 0:
            raise ArgumentError(
                f"Capacity {limit.name!r} has units {limit.units!r} or costs that make no sense, expected "
                "0 or more and none for do_nothing. Correct the row."
            )
        if len(np.unique(use[use > 0])) > _LEVELS:
            raise ArgumentError(
                f"Capacity {limit.name!r} has more than {_LEVELS} different costs. Round them first."
            )
