"""Which sets reach an HCP: few patterns, shared by many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nba.contracts import Ints

_BLOCK = 4_096  # rows looked at together: what is worked on stays close to the processor


@dataclass(frozen=True)
class Reach:
    """HCPs by the sets that reach them.

    Attributes
    ----------
    pattern : (n,) which pattern each HCP has
    sets : per pattern the sets that reach it, in the order of the sets
    order, start : HCPs by pattern: those of pattern p are ``order[start[p] : start[p + 1]]``

    Examples
    --------
    >>> reach = Reach.of([np.array([0, 1]), np.array([1, 2])], n=4)
    >>> reach.sets, reach.pattern.tolist()
    (((), (0,), (0, 1), (1,)), [1, 2, 3, 0])
    """

    pattern: Ints
    sets: tuple[tuple[int, ...], ...]
    order: Ints
    start: Ints

    @classmethod
    def of(cls, members: Sequence[Ints], n: int) -> Reach:
        """The patterns that sets of rows make among ``n`` HCPs."""
        node = np.zeros(n, dtype=np.int64)  # a tree: each set leads from what reached an HCP so far to more
        paths: list[tuple[int, ...]] = [()]
        for r, rows in enumerate(members):
            met, place = np.unique(node[rows], return_inverse=True)
            node[rows] = len(paths) + place
            paths += [(*paths[before], r) for before in met.tolist()]
        ends = np.unique(node).tolist()
        by_name = sorted(ends, key=paths.__getitem__)
        rank = np.zeros(len(paths), dtype=np.int64)
        rank[by_name] = np.arange(len(by_name))
        pattern = rank[node]
        order = np.argsort(pattern, kind="stable")
        start = np.searchsorted(pattern[order], np.arange(len(by_name) + 1))
        return cls(pattern, tuple(paths[end] for end in by_name), order, start)

    @property
    def pairs(self) -> tuple[Ints, Ints]:
        """(pattern, set) of everything that reaches something, by pattern."""
        sizes = [len(found) for found in self.sets]
        which = np.repeat(np.arange(len(sizes)), sizes)
        return which, np.array([r for found in self.sets for r in found], dtype=np.int64)

    def blocks(self, patterns: Ints) -> Iterator[tuple[Ints, Ints, Ints]]:
        """(rows, where each piece begins, pattern of each piece) of these patterns, some rows at a time.

        A pattern is cut from its own beginning, so that sums over its pieces do not depend on the others.
        """
        pieces: list[tuple[int, Ints]] = []
        size = 0
        for p in patterns.tolist():
            for lo in range(self.start[p], self.start[p + 1], _BLOCK):
                piece = self.order[lo : min(lo + _BLOCK, self.start[p + 1])]
                if pieces and size + len(piece) > _BLOCK:
                    yield _laid(pieces)
                    pieces, size = [], 0
                pieces.append((p, piece))
                size += len(piece)
        if pieces:
            yield _laid(pieces)


def _laid(pieces: list[tuple[int, Ints]]) -> tuple[Ints, Ints, Ints]:
    sizes = np.array([len(rows) for _, rows in pieces])
    begin = np.cumsum(sizes) - sizes
    return np.concatenate([rows for _, rows in pieces]), begin, np.array([p for p, _ in pieces])
