"""What the kernel is asked for on behalf of declared measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Floats, Ints
from nba.features.beside import TableMeasure
from nba.features.declare import Declared, Fit, HistoryMeasure, Part
from nba.features.events import Events
from nba.history import Histories, Measure
from nba.history.blocks import OF_TWO_COLUMNS

A = TypeVar("A", bound=np.generic)


def is_own(measure: Declared) -> bool:
    """Whether a measure gives columns of requests rather than of rows."""
    return isinstance(measure, Fit) or (isinstance(measure, (HistoryMeasure, TableMeasure)) and measure.own)


def block_of(
    part: Part, events: Events, by: str | None, keys: Sequence[object], own: NDArray[np.int32] | None
) -> Measure:
    """The kernel's block of one part, its keys being those of ``by``."""
    cells = events.cells(by, part.of, keys)
    ends = None if part.ends is None else events.cells(by, part.ends, keys)
    if part.value is not None:
        ends = events.values(cells, part.value)
        if part.op not in OF_TWO_COLUMNS:
            cells, ends = np.where(ends >= 0, cells, np.int32(-1)), None
    weights = None if part.weight is None else events.weights(part.weight)
    return Measure(
        part.op, cells, part.span, len(keys), ends=ends, own=own, skip=part.skip, weights=weights
    )  # fmt: skip


def narrowed(
    histories: Histories, hcp: Ints, measures: list[Measure]
) -> tuple[Histories, Ints, list[Measure]]:
    """Only the stretch of histories that is asked about: a chunk must not cost what all HCPs cost."""
    met = hcp[hcp >= 0]
    lo, hi = (int(met.min()), int(met.max()) + 1) if len(met) else (0, 0)
    if hi - lo == len(histories.hcps):
        return histories, hcp, measures
    part = slice(int(histories.start[lo]), int(histories.start[hi]))
    views: dict[int, NDArray[Any]] = {}  # measures that share cells go on sharing them

    def view(cells: NDArray[A]) -> NDArray[A]:
        return views.setdefault(id(cells), cells[part])

    narrow = [
        replace(
            m,
            cells=view(m.cells),
            ends=None if m.ends is None else view(m.ends),
            weights=None if m.weights is None else view(m.weights),
        )
        for m in measures
    ]
    return histories.between(lo, hi), np.where(hcp >= 0, hcp - lo, -1), narrow


_PIECE = 4_096
"""Rows written at once: all their columns stay in a core's cache."""


class Beside:
    """Blocks of columns, put side by side without a copy in double."""

    def __init__(self, n: int, dtype: str) -> None:
        self.n, self.dtype = n, dtype
        self.blocks: list[Floats] = []

    def add(self, block: Floats) -> None:
        self.blocks.append(block)

    def together(self) -> Floats:
        if self._is_whole():
            whole: Floats = self.blocks[0].base  # type: ignore[assignment]
            return whole
        out: Floats = np.empty((self.n, sum(block.shape[1] for block in self.blocks)), dtype=self.dtype)
        for start in range(0, self.n if self.blocks else 0, _PIECE):
            rows = slice(start, start + _PIECE)
            blocks = [block[rows] for block in self.blocks] if self.n > _PIECE else self.blocks
            np.concatenate(blocks, axis=1, out=out[rows], casting="unsafe")
        return out

    def _is_whole(self) -> bool:
        """Whether the blocks stand side by side already, as the kernel wrote them."""
        whole = self.blocks[0].base if self.blocks else None
        if not isinstance(whole, np.ndarray) or any(b.base is not whole for b in self.blocks):
            return False
        if whole.dtype != self.dtype:
            return False
        edges = np.cumsum([0, *(block.shape[1] for block in self.blocks)])
        if whole.shape != (self.n, edges[-1]) or not whole.flags.c_contiguous:
            return False
        starts = [whole.ctypes.data + int(lo) * whole.itemsize for lo in edges[:-1]]
        return [block.ctypes.data for block in self.blocks] == starts
