"""Trees asked about many pairs of the same HCP."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nba.contracts import Design, Floats
from nba.models.forest import Forest, joined
from nba.models.shapley import LEAF, Ints64, Nodes, Trees, goes_left

# Decisions of splits are inlined below, and numba's cache looks at this file alone: when they change in
# shapley.py, a cache from before would go on with the old ones. Whoever changes one clears __pycache__.
_PIECE = 8_192
_ROWS, _REQUESTS, _LANES = 64, 128, 16
"""HCPs, and requests of one HCP, that are looked at side by side; what an unrolled loop takes at once. Inner
loops run to the end of its last turn, over what earlier ones left there, rather than finish one by one."""


class Sides(NamedTuple):
    """Which splits of a tree read the HCP's shared columns, and which a request's own ones.

    Attributes
    ----------
    first_tree : (n_forests + 1,) where each forest's trees begin
    shared_column, own_column : the columns of either kind that some split reads
    shared_at, shared_split : a tree's splits of shared columns
    own_at, own_split : a tree's splits of own columns
    open : for every pattern of decisions on shared columns, where ``Trees.margin`` has it, the bits of the
        splits of own columns that can still be met; 0 where the tree's leaf is settled
    odd : (n_nodes,) splits of categories, and those that read zeros as missing
    """

    first_tree: Ints64
    shared_column: Ints64
    own_column: Ints64
    shared_at: Ints64
    shared_split: Ints64
    own_at: Ints64
    own_split: Ints64
    open: NDArray[np.int64]
    odd: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RequestTrees:
    """Forests that read an HCP's shared columns once for all of its requests.

    Half of all trees, or more, are settled by what is known of the HCP whatever the pair is, and of the
    others one or two splits are left. A forest's margin of a request is the sum of the trees that its HCP
    settles, in their order, plus the sum of the others, in theirs: so the bits depend on that request alone.

    Attributes
    ----------
    nodes, trees : of all forests, one behind the other
    sides : what a tree reads of the HCP, and what of the request
    """

    nodes: Nodes
    trees: Trees
    sides: Sides

    @classmethod
    def of(cls, forests: Sequence[Forest], *, n_shared: int) -> RequestTrees:
        """Forests over so many shared columns, and own ones behind them."""
        forest, counts = joined(forests)
        nodes, trees = forest.paths.nodes, forest.paths.trees
        used = forest.used
        n_shared_used = int(np.searchsorted(used, n_shared))
        reads_shared = nodes.column[trees.split] < n_shared_used
        sides = Sides(
            first_tree=np.cumsum([0, *counts], dtype=np.int64),
            shared_column=used[:n_shared_used],
            own_column=used[n_shared_used:] - n_shared,
            shared_at=_starts(trees.split_at, reads_shared),
            shared_split=trees.split[reads_shared],
            own_at=_starts(trees.split_at, ~reads_shared),
            own_split=trees.split[~reads_shared],
            open=np.zeros(len(trees.margin), dtype=np.int64),
            odd=(nodes.category_at >= 0) | nodes.zero_missing,
        )
        _find_open(nodes, trees, sides)
        return cls(nodes, trees, sides)

    def added(self, design: Design, which: Ints64, weight: Floats, *, n_jobs: int) -> Floats:
        """The weighted sum of the forests of each request's pair.

        Parameters
        ----------
        which : (n_levels, K) for each pair the forests to add up; -1 is none
        weight : (n_levels, K) what each of them counts

        Returns
        -------
        (n_requests,); one request and a million have the same bits, on any threads.
        """
        out = np.zeros(len(design))
        shared, own = _floats(design.shared), _floats(design.own)
        row, pair = np.ascontiguousarray(design.row), np.ascontiguousarray(design.pair)

        def piece(lo: int) -> None:
            part = slice(lo, lo + _PIECE)
            _add(
                shared, own[part], row[part], pair[part], which, weight,
                self.nodes, self.trees, self.sides, out[part],
            )  # fmt: skip

        starts = range(0, len(out), _PIECE)
        if n_jobs == 1 or len(starts) < 2:
            for lo in starts:
                piece(lo)
        else:
            with ThreadPoolExecutor(n_jobs) as pool:
                list(pool.map(piece, starts))
        return out


def _starts(split_at: Ints64, mine: NDArray[np.bool_]) -> Ints64:
    """Where each tree's splits begin among those that are mine."""
    starts: Ints64 = np.concatenate([[0], np.cumsum(mine)])[split_at].astype(np.int64)
    return starts


def _floats(x: Floats) -> Floats:
    return np.ascontiguousarray(x if x.dtype.kind == "f" else x.astype(float))


@njit(cache=True, nogil=True)
def _find_open(nodes, trees, sides):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Which splits of own columns each pattern of decisions on shared ones leaves within reach."""
    met = np.zeros(len(nodes.column), dtype=np.bool_)
    for tree in range(len(nodes.root)):
        at = trees.margin_at[tree]
        if at < 0:
            continue
        own = 0
        for s in range(sides.own_at[tree], sides.own_at[tree + 1]):
            own |= 1 << trees.rank[sides.own_split[s]]
        for pattern in range(1 << (trees.split_at[tree + 1] - trees.split_at[tree])):
            if pattern & own:
                continue
            met[nodes.root[tree]] = True
            for s in range(trees.split_at[tree], trees.split_at[tree + 1]):  # parents before children
                i = trees.split[s]
                bit = 1 << trees.rank[i]
                is_own = own & bit != 0
                met[nodes.left[i]] = met[i] and (is_own or pattern & bit != 0)
                met[nodes.right[i]] = met[i] and (is_own or pattern & bit == 0)
                if is_own and met[i]:
                    sides.open[at + pattern] |= bit


@njit(cache=True, nogil=True)
def _add(shared, own, row, pair, which, weight, nodes, trees, sides, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add to each request's margin what the forests of its pair say, level by level."""
    most = 0
    for f in range(len(sides.first_tree) - 1):
        most = max(most, sides.first_tree[f + 1] - sides.first_tree[f])
    scratch = (
        np.zeros((len(sides.shared_column), _ROWS)),
        np.empty((1, _ROWS), dtype=np.int64),
        np.zeros((len(sides.own_column), _REQUESTS)),
        np.empty((1, _REQUESTS), dtype=np.int64),
        np.zeros(_REQUESTS),
    )
    rest = (
        np.empty(_ROWS),
        np.empty(_ROWS, dtype=np.int64),
        np.empty((_ROWS, most), dtype=np.int64),
        np.empty((_ROWS, most), dtype=np.int64),
    )
    request = np.empty(len(row), dtype=np.int64)
    begins, of_row = np.empty(_ROWS + 1, dtype=np.int64), np.empty(_ROWS, dtype=np.int64)
    for level in range(len(which)):
        ends = _by_forest(pair, which[level], len(sides.first_tree) - 1, request)
        for f in range(len(ends)):
            first, last = sides.first_tree[f], sides.first_tree[f + 1]
            i, end = 0 if f == 0 else ends[f - 1], ends[f]
            while i < end:
                n_rows = 0
                while i < end and n_rows < _ROWS:
                    begins[n_rows], of_row[n_rows] = i, row[request[i]]
                    while i < end and row[request[i]] == of_row[n_rows]:
                        i += 1
                    n_rows += 1
                begins[n_rows] = i
                _settle(shared, of_row[:n_rows], first, last, nodes, trees, sides, scratch, rest)
                _add_rest(
                    own, pair, weight[level], request, begins[: n_rows + 1],
                    nodes, trees, sides, scratch, rest, out,
                )  # fmt: skip


@njit(cache=True, nogil=True)
def _by_forest(pair, which, n_forests, request):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Requests by forest, those of one in their order and those of none last; where each forest's end."""
    place = np.where(which >= 0, which, n_forests)  # no branch below: who has a forest cannot be foreseen
    ends = np.zeros(n_forests + 1, dtype=np.int64)
    for r in range(len(pair)):
        ends[place[pair[r]]] += 1
    total = 0
    for f in range(n_forests + 1):
        total, ends[f] = total + ends[f], total
    for r in range(len(pair)):
        f = place[pair[r]]
        request[ends[f]] = r
        ends[f] += 1
    return ends[:n_forests]


@njit(cache=True, nogil=True)
def _settle(shared, of_row, first, last, nodes, trees, sides, scratch, rest):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Sum the trees of a forest that a few HCPs' shared columns settle, and list those that they do not."""
    of_rows, pattern = scratch[0], scratch[1]
    settled, n_left, left, left_at = rest
    margin, open_splits = trees.margin, sides.open
    for c in range(len(sides.shared_column)):
        for k in range(len(of_row)):
            of_rows[c, k] = shared[of_row[k], sides.shared_column[c]]
    n = _whole(len(of_row))
    settled[:n] = 0.0
    n_left[:n] = 0
    for tree in range(first, last):
        at = trees.margin_at[tree]
        for k in range(n):
            pattern[0, k] = at
        if at < 0:
            for k in range(n):
                left[k, n_left[k]] = tree
                left_at[k, n_left[k]] = at
                n_left[k] += 1
            continue
        for s in range(sides.shared_at[tree], sides.shared_at[tree + 1]):
            i = sides.shared_split[s]
            c, bit = nodes.column[i], 1 << trees.rank[i]
            if sides.odd[i]:
                _mark_odd(of_rows, c, n, i, bit, nodes, pattern)
            else:
                _mark(of_rows, c, n, nodes.threshold[i], nodes.missing_left[i], bit, pattern)
        for k in range(n):  # which are settled cannot be foreseen, so no branch either
            known = pattern[0, k]
            leaf, is_open = margin[known], open_splits[known] != 0
            settled[k] += 0.0 if is_open else leaf
            left[k, n_left[k]] = tree
            left_at[k, n_left[k]] = known
            n_left[k] += 1 if is_open else 0


@njit(cache=True, nogil=True)
def _add_rest(own, pair, weight, request, begins, nodes, trees, sides, scratch, rest, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add what HCPs settle to all of their requests, and to each what its own columns leave of the rest."""
    of_rows, _, of_requests, pattern, total = scratch
    settled, n_left, left, left_at = rest
    # Arrays by their own names: a tuple of them takes longer to hand on than an inner loop to run.
    column, threshold, missing_left, odd = nodes.column, nodes.threshold, nodes.missing_left, sides.odd
    rank, margin, open_splits = trees.rank, trees.margin, sides.open
    own_at, own_split, own_column = sides.own_at, sides.own_split, sides.own_column
    n_shared = len(sides.shared_column)
    for k in range(len(begins) - 1):
        for lo in range(begins[k], begins[k + 1], _REQUESTS):
            n = min(_REQUESTS, begins[k + 1] - lo)
            turns = _whole(n)
            for r in range(n):
                total[r] = 0.0
                for c in range(len(own_column)):
                    of_requests[c, r] = own[request[lo + r], own_column[c]]
            for o in range(n_left[k]):
                tree, at = left[k, o], left_at[k, o]
                if at < 0:
                    _add_wide(of_rows, k, of_requests, n, tree, nodes, total)
                    continue
                still = open_splits[at]
                alone = still & (still - 1) == 0  # one split is left: no pattern has to be kept
                for r in range(0 if alone else turns):
                    pattern[0, r] = at
                for s in range(own_at[tree], own_at[tree + 1]):
                    i = own_split[s]
                    c, bit = column[i] - n_shared, 1 << rank[i]
                    if still & bit == 0:
                        continue
                    if alone and not odd[i]:
                        yes, no = margin[at + bit], margin[at]
                        _choose(of_requests, c, turns, threshold[i], missing_left[i], yes, no, total)
                    elif alone:
                        _choose_odd(of_requests, c, n, i, nodes, margin[at + bit], margin[at], total)
                    elif odd[i]:
                        _mark_odd(of_requests, c, n, i, bit, nodes, pattern)
                    else:
                        _mark(of_requests, c, turns, threshold[i], missing_left[i], bit, pattern)
                if not alone:
                    _gather(margin, pattern, n, total)
            for r in range(n):
                q = request[lo + r]
                out[q] += weight[pair[q]] * (settled[k] + total[r])


@njit(cache=True, nogil=True, inline="always")
def _whole(n):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return (n + _LANES - 1) // _LANES * _LANES


@njit(cache=True, nogil=True)
def _mark(x, c, n, threshold, missing_left, bit, pattern):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add a split's bit to the patterns of what it sends left: no branch in the loop."""
    if missing_left:
        for r in range(n):
            pattern[0, r] += 0 if x[c, r] > threshold else bit
    else:
        for r in range(n):
            pattern[0, r] += bit if x[c, r] <= threshold else 0


@njit(cache=True, nogil=True)
def _mark_odd(x, c, n, i, bit, nodes, pattern):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The same for splits of categories, and those that read zeros as missing."""
    for r in range(n):
        pattern[0, r] += bit if goes_left(x[c, r], i, nodes) else 0


@njit(cache=True, nogil=True)
def _choose(x, c, n, threshold, missing_left, left, right, total):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add one of two leaves."""
    if missing_left:
        for r in range(n):
            total[r] += right if x[c, r] > threshold else left
    else:
        for r in range(n):
            total[r] += left if x[c, r] <= threshold else right


@njit(cache=True, nogil=True)
def _choose_odd(x, c, n, i, nodes, left, right, total):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for r in range(n):
        total[r] += left if goes_left(x[c, r], i, nodes) else right


@njit(cache=True, nogil=True)
def _gather(margin, pattern, n, total):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for r in range(n):
        total[r] += margin[pattern[0, r]]


@njit(cache=True, nogil=True)
def _add_wide(of_rows, k, of_requests, n, tree, nodes, total):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add a tree's leaves by walking it, where its patterns are too many for a table."""
    n_shared = len(of_rows)
    for r in range(n):
        i = nodes.root[tree]
        while nodes.column[i] != LEAF:
            c = nodes.column[i]
            x = of_rows[c, k] if c < n_shared else of_requests[c - n_shared, r]
            i = nodes.left[i] if goes_left(x, i, nodes) else nodes.right[i]
        total[r] += nodes.value[i]
