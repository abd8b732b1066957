"""Walks over arrays of trees: margins and Shapley values."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nba.contracts import Floats

LEAF = -1
"""Stands for "no column" and "no child"."""
TINY = float(np.float32(1e-35))
"""Numbers up to this are zeros for LightGBM, whose trees these are."""
_WIDEST = 10
"""Splits of a tree whose every pattern of decisions is tabulated; 8 leaves have 7 splits, 128 patterns."""
_MOST_CELLS = 2**23
"""Numbers in all tables together: 64 megabytes."""

Ints64 = NDArray[np.int64]


class Nodes(NamedTuple):
    """The arrays of a forest as compiled loops take them.

    ``column`` counts used features only; ``threshold`` never parts tiny numbers from zero; ``missing_left``
    says where NaN goes, and zeros too where they are missing.
    """

    root: NDArray[np.int32]
    column: Ints64
    threshold: Floats
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    missing_left: NDArray[np.bool_]
    zero_missing: NDArray[np.bool_]
    category_at: NDArray[np.int32]
    category_bytes: NDArray[np.int32]
    categories: NDArray[np.uint8]
    value: Floats
    cover: Floats


class Trees(NamedTuple):
    """What is known of each tree beyond its nodes.

    Attributes
    ----------
    split_at : (n_trees + 1,) where a tree's splits begin in ``split``
    split : nodes that split, in order
    rank : (n_nodes,) a split's place among those of its tree
    margin_at : (n_trees,) where a tree's margins by pattern begin in ``margin``; -1 is a tree too wide
    margin : margins by pattern of decisions
    """

    split_at: Ints64
    split: Ints64
    rank: Ints64
    margin_at: Ints64
    margin: Floats


class Tables(NamedTuple):
    """What explaining needs: each leaf's way from the root, by feature.

    A leaf's *parts* are the features on its way. A part's share is the product of cover ratios of its
    splits: how much of the training rows went this way where the feature is unknown.

    Attributes
    ----------
    column_at, column : a tree's columns
    leaf_at, leaf_value : a tree's leaves
    part_at, part_slot, part_share : a leaf's parts, each with its place among the tree's columns
    step_at, step_rank, step_left : a part's splits, and which way the leaf's way went
    node_at, node, weight : Gauss-Legendre rules on (0, 1) by number of nodes
    table_at, table : contributions by column and pattern of decisions; -1 is a tree too wide
    """

    column_at: Ints64
    column: Ints64
    leaf_at: Ints64
    leaf_value: Floats
    part_at: Ints64
    part_slot: Ints64
    part_share: Floats
    step_at: Ints64
    step_rank: Ints64
    step_left: NDArray[np.bool_]
    node_at: Ints64
    node: Floats
    weight: Floats
    table_at: Ints64
    table: Floats


@dataclass(frozen=True, eq=False)
class Paths:
    """What is worked out once from the nodes of a forest.

    Contributions depend on a row only through the decisions of the splits, so those of a small tree are
    tabulated over all patterns of decisions. A tree too wide is worked out row by row by the same loop:
    the same bits.
    """

    nodes: Nodes
    trees: Trees

    @classmethod
    def of(cls, nodes: Nodes) -> Paths:
        """Number the splits and tabulate margins; the rest waits until an explanation is asked for."""
        split = np.flatnonzero(nodes.column != LEAF)
        split_at = np.searchsorted(split, np.append(nodes.root, len(nodes.column))).astype(np.int64)
        counts = np.diff(split_at)
        rank = np.zeros(len(nodes.column), dtype=np.int64)
        rank[split] = np.arange(len(split)) - np.repeat(split_at[:-1], counts)
        at, size = _places(counts, np.ones_like(counts))
        trees = Trees(split_at, split, rank, at, np.zeros(size))
        _tabulate_margins(nodes, trees)
        return cls(nodes, trees)

    @cached_property
    def tables(self) -> Tables:
        """Ways of leaves, and contributions by pattern of decisions."""
        parts, widest = _ways(self.nodes, self.trees)
        at, size = _places(np.diff(self.trees.split_at), np.diff(parts["column_at"]))
        rules = _rules(max(1, math.ceil(widest / 2)))
        tables = Tables(
            **parts, node_at=rules[0], node=rules[1], weight=rules[2], table_at=at, table=np.zeros(size)
        )
        _tabulate_contributions(self.trees, tables)
        return tables

    @cached_property
    def base(self) -> float:
        """The mean margin of the training rows."""
        total = 0.0
        tree = -1
        for i in range(len(self.nodes.column)):
            if tree + 1 < len(self.nodes.root) and i == self.nodes.root[tree + 1]:
                tree += 1
            if self.nodes.column[i] == LEAF:
                total += self.nodes.value[i] * (self.nodes.cover[i] / self.nodes.cover[self.nodes.root[tree]])
        return float(total)


def _places(splits: Ints64, columns: Ints64) -> tuple[Ints64, int]:
    """Where each tree's table begins, -1 for trees too wide or beyond the memory allowed; and the size."""
    at = np.full(len(splits), -1, dtype=np.int64)
    size = 0
    for tree, (n, m) in enumerate(zip(splits.tolist(), columns.tolist(), strict=True)):
        if n <= _WIDEST and size + m * 2**n <= _MOST_CELLS:
            at[tree] = size
            size += m * 2**n
    return at, size


def _ways(nodes: Nodes, trees: Trees) -> tuple[dict[str, Any], int]:
    """Every leaf's way from the root as the arrays of `Tables`, and the most features on one way."""
    parent = np.full(len(nodes.column), LEAF, dtype=np.int64)
    parent[nodes.left[trees.split]] = trees.split
    parent[nodes.right[trees.split]] = trees.split
    lists: dict[str, list[Any]] = defaultdict(list)
    widest = 0
    for tree, (start, end) in enumerate(pairwise([*nodes.root.tolist(), len(nodes.column)])):
        own = trees.split[trees.split_at[tree] : trees.split_at[tree + 1]]
        columns = np.unique(nodes.column[own]).tolist()
        lists["column_at"].append(len(lists["column"]))
        lists["column"] += columns
        lists["leaf_at"].append(len(lists["leaf_value"]))
        for leaf in range(start, end):
            if nodes.column[leaf] == LEAF:
                lists["leaf_value"].append(nodes.value[leaf])
                widest = max(widest, _add_way(lists, leaf, nodes, trees, parent, columns))
    lists["column_at"].append(len(lists["column"]))
    lists["leaf_at"].append(len(lists["leaf_value"]))
    lists["part_at"].append(len(lists["part_slot"]))
    lists["step_at"].append(len(lists["step_rank"]))
    kinds = {"leaf_value": np.float64, "part_share": np.float64, "step_left": np.bool_}
    names = [name for name in Tables._fields if name.split("_")[0] in {"column", "leaf", "part", "step"}]
    return {name: np.array(lists[name], dtype=kinds.get(name, np.int64)) for name in names}, widest


def _add_way(
    lists: dict[str, list[Any]], leaf: int, nodes: Nodes, trees: Trees, parent: Ints64, columns: list[int]
) -> int:
    """Add one leaf's parts and steps, from the root on; gives the number of parts."""
    steps: dict[int, list[tuple[int, int]]] = defaultdict(list)
    child = leaf
    while parent[child] != LEAF:
        steps[int(nodes.column[parent[child]])].append((int(parent[child]), child))
        child = int(parent[child])
    lists["part_at"].append(len(lists["part_slot"]))
    for column in sorted(steps):
        share = 1.0
        lists["step_at"].append(len(lists["step_rank"]))
        for split, to in reversed(steps[column]):
            share *= nodes.cover[to] / nodes.cover[split]
            lists["step_rank"].append(int(trees.rank[split]))
            lists["step_left"].append(bool(nodes.left[split] == to))
        lists["part_slot"].append(columns.index(column))
        lists["part_share"].append(share)
    return len(steps)


def _rules(most: int) -> tuple[Ints64, Floats, Floats]:
    """Gauss-Legendre rules on (0, 1) of 1 to ``most`` nodes: exact up to degree 2 n - 1."""
    with threadpool_limits(1):  # the same bits whatever the machine offers
        rules = [_rule(n) for n in range(1, most + 1)]
    at = np.array([n * (n - 1) // 2 for n in range(most + 2)], dtype=np.int64)
    return at, np.concatenate([node for node, _ in rules]), np.concatenate([weight for _, weight in rules])


def _rule(n: int) -> tuple[Floats, Floats]:
    """Nodes and weights of one rule on (0, 1).

    numpy's own are good to 1e-12 at 128 nodes, and differ between its versions; two Newton steps in extended
    precision make them good to the last bits of a double.
    """
    x: Floats = np.polynomial.legendre.leggauss(n)[0].astype(np.longdouble)
    slope = x
    for _ in range(2):
        this: Floats = np.ones_like(x)
        last: Floats = np.zeros_like(x)
        for k in range(1, n + 1):
            this, last = ((2 * k - 1) * x * this - (k - 1) * last) / k, this
        slope = n * (x * this - last) / (x * x - 1)
        x = x - this / slope
    weight = 1 / ((1 - x * x) * slope * slope)
    return ((x + 1) / 2).astype(np.float64), weight.astype(np.float64)


@njit(cache=True, nogil=True, inline="always")
def _in_set(x, at, size, categories):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Whether a category goes left; negative, unseen and missing ones do not."""
    if not -1.0 < x < 8.0 * size:  # NaN too; -0.5 is category 0 for LightGBM
        return False
    c = int(x)
    return (categories[at + (c >> 3)] >> (c & 7)) & 1 == 1


@njit(cache=True, nogil=True, inline="always")
def goes_left(x, i, nodes):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Where a split sends one value; the rules are LightGBM's."""
    if nodes.category_at[i] >= 0:
        return _in_set(x, nodes.category_at[i], nodes.category_bytes[i], nodes.categories)
    if math.isnan(x) or (nodes.zero_missing[i] and -TINY <= x <= TINY):
        return nodes.missing_left[i]
    return x <= nodes.threshold[i]


@njit(cache=True, nogil=True, inline="always")
def mark(x, n, i, bit, nodes, pattern):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Set a split's bit for the rows that it sends left: no branch in the usual loop."""
    if nodes.category_at[i] >= 0 or nodes.zero_missing[i]:
        for r in range(n):
            if goes_left(x[r], i, nodes):
                pattern[r] |= bit
    else:
        threshold = nodes.threshold[i]
        if nodes.missing_left[i]:
            for r in range(n):
                pattern[r] |= np.int64(0) if x[r] > threshold else bit
        else:
            for r in range(n):
                pattern[r] |= bit if x[r] <= threshold else np.int64(0)


@njit(cache=True, nogil=True)
def _mark(columns, tree, nodes, trees, pattern):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The decisions of all splits of a small tree as bits, row by row."""
    pattern[:] = 0
    first = trees.split_at[tree]
    for s in range(first, trees.split_at[tree + 1]):
        i = trees.split[s]
        mark(columns[nodes.column[i]], len(pattern), i, np.int64(1) << (s - first), nodes, pattern)


@njit(cache=True, nogil=True)
def add_margins(columns, nodes, trees, margin):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add every tree's leaf to the margins of a few rows; ``columns`` is (n_used, n_rows)."""
    n = len(margin)
    pattern = np.empty(n, dtype=np.int64)
    for tree in range(len(nodes.root)):
        at = trees.margin_at[tree]
        if at >= 0:
            _mark(columns, tree, nodes, trees, pattern)
            for r in range(n):
                margin[r] += trees.margin[at + pattern[r]]
        else:
            for r in range(n):
                i = nodes.root[tree]
                while nodes.column[i] >= 0:
                    i = nodes.left[i] if goes_left(columns[nodes.column[i], r], i, nodes) else nodes.right[i]
                margin[r] += nodes.value[i]


@njit(cache=True, nogil=True)
def add_contributions(columns, nodes, trees, tables, added):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add every tree's contributions for a few rows to ``added`` (n_used, n_rows)."""
    n = columns.shape[1]
    pattern = np.empty(n, dtype=np.int64)
    scratch = np.empty(len(columns))
    follows, before = np.empty(len(columns)), np.empty(len(columns))
    went = np.empty(len(nodes.column), dtype=np.bool_)
    for tree in range(len(nodes.root)):
        first, last = tables.column_at[tree], tables.column_at[tree + 1]
        at = tables.table_at[tree]
        if at >= 0:
            _mark(columns, tree, nodes, trees, pattern)
            width = 1 << (trees.split_at[tree + 1] - trees.split_at[tree])
            for k in range(last - first):
                to = added[tables.column[first + k]]
                start = at + k * width
                for r in range(n):
                    to[r] += tables.table[start + pattern[r]]
        else:
            start = trees.split_at[tree]
            for r in range(n):
                for s in range(start, trees.split_at[tree + 1]):
                    i = trees.split[s]
                    went[s - start] = goes_left(columns[nodes.column[i], r], i, nodes)
                phi = scratch[: last - first]
                _explain(tree, went, tables, follows, before, phi)
                for k in range(last - first):
                    added[tables.column[first + k], r] += phi[k]


@njit(cache=True, nogil=True)
def _explain(tree, went, tables, follows, before, phi):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Shapley values of one tree given its decisions, leaf by leaf.

    A leaf with value v is v times a product over its parts j of o_j (1 where the row goes this way) if the
    feature is known and of its share z_j if not. The weights of the subsets are an integral over the chance
    t of being known, so part i gets v (o_i - z_i) times the integral over (0, 1) of the product over j != i
    of o_j t + z_j (1 - t): a polynomial, which a Gauss-Legendre rule takes exactly. All terms are positive,
    so nothing cancels on deep ways.
    """
    phi[:] = 0.0
    for leaf in range(tables.leaf_at[tree], tables.leaf_at[tree + 1]):
        first, last = tables.part_at[leaf], tables.part_at[leaf + 1]
        for p in range(first, last):
            follows[p - first] = 1.0
            for s in range(tables.step_at[p], tables.step_at[p + 1]):
                if went[tables.step_rank[s]] != tables.step_left[s]:
                    follows[p - first] = 0.0
        rule = tables.node_at[(last - first + 1) // 2]
        for q in range(rule, tables.node_at[(last - first + 1) // 2 + 1]):
            t = tables.node[q]
            product = tables.weight[q] * tables.leaf_value[leaf]
            for p in range(first, last):
                before[p - first] = product
                product *= follows[p - first] * t + tables.part_share[p] * (1.0 - t)
            product = 1.0
            for p in range(last - 1, first - 1, -1):
                share, follow = tables.part_share[p], follows[p - first]
                phi[tables.part_slot[p]] += (follow - share) * (before[p - first] * product)
                product *= follow * t + share * (1.0 - t)


@njit(cache=True, nogil=True)
def _tabulate_margins(nodes, trees):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for tree in range(len(nodes.root)):
        at = trees.margin_at[tree]
        if at >= 0:
            for pattern in range(1 << (trees.split_at[tree + 1] - trees.split_at[tree])):
                i = nodes.root[tree]
                while nodes.column[i] >= 0:
                    i = nodes.left[i] if (pattern >> trees.rank[i]) & 1 else nodes.right[i]
                trees.margin[at + pattern] = nodes.value[i]


@njit(cache=True, nogil=True)
def _tabulate_contributions(trees, tables):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    went = np.empty(64, dtype=np.bool_)
    for tree in range(len(tables.table_at)):
        at = tables.table_at[tree]
        if at < 0:
            continue
        splits = trees.split_at[tree + 1] - trees.split_at[tree]
        m = tables.column_at[tree + 1] - tables.column_at[tree]
        phi, follows, before = np.empty(m), np.empty(m), np.empty(m)
        for pattern in range(1 << splits):
            for s in range(splits):
                went[s] = (pattern >> s) & 1 == 1
            _explain(tree, went, tables, follows, before, phi)
            for k in range(m):
                tables.table[at + (k << splits) + pattern] = phi[k]
