"""Sets of (HCP, action) inside one another or apart, rounded together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Bools, Floats, Ints
from nba.errors import ArgumentError
from nba.policies.limit import Limit
from nba.policies.pmf import keyed_uniforms
from nba.policies.reach import Reach


@dataclass(frozen=True)
class Nested:
    """Sets of (HCP, action), nested or apart, each inside the smallest that holds it."""

    names: tuple[str, ...]
    rows: tuple[Ints, ...]
    actions: tuple[Bools, ...]
    parent: NDArray[np.int64]

    @classmethod
    def of(cls, limits: Sequence[Limit], n: int, n_actions: int) -> Nested:
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
        largest_first = np.lexsort((np.arange(len(size)), -size)).tolist()
        reach = Reach.of([self.rows[v] for v in largest_first], n)
        pattern, patterns = reach.pattern, [[largest_first[r] for r in found] for found in reach.sets]
        leaf = np.full((len(patterns), n_actions), -1, dtype=np.int64)
        for p, found in enumerate(patterns):
            for v in found:  # the last word is the smallest's
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

    def _components(self, patterns: Sequence[Sequence[int]]) -> list[int]:
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
