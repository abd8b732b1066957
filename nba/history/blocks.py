"""What the kernel is asked for: blocks of columns, laid out as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from nba.errors import ArgumentError


class Op(IntEnum):
    """What is kept of the events in a cell."""

    COUNT = 0
    """Events with at - span <= ts < at."""
    RECENCY = 1
    """Days since the latest event; NaN before the first."""
    DECAYED = 2
    """Sum of 2 ** (-age / span)."""
    STREAK = 3
    """Events of the first column since the latest event of the second."""


@dataclass(frozen=True)
class Measure:
    """One block of columns: what is counted, per which key, over which span.

    Attributes
    ----------
    op : what is kept
    cells : (n_events,) int32 in the histories' order: the event's key, -1 where it does not count
    ends : (n_events,) int32, for STREAK: the key whose streak the event ends, -1 for none
    span : seconds: the window of a COUNT, the half-life of a DECAYED; ignored otherwise
    n_keys : keys run from 0 to n_keys - 1
    own : (n_pairs,) int32 for a view of the requested pair's own key (-1: no such key); None writes all keys
    """

    op: Op
    cells: NDArray[np.int32]
    span: int
    n_keys: int
    ends: NDArray[np.int32] | None = None
    own: NDArray[np.int32] | None = None


ANY_PAIR = 2**31


@dataclass(frozen=True)
class Table:
    """Measures as arrays, as the compiled loops read them.

    Attributes
    ----------
    spec : (n_measures, 6): op, row of cells, row of ends (-1: none), span, keys, first output column
    view : (n_measures,) row of views, -1 for a measure that writes all its keys
    cells : (n, n_events) keys of events
    views : (n, n_pairs) keys of pairs
    n_shared, n_own : output columns
    n_pairs : how many pairs the views know
    """

    spec: NDArray[np.int64]
    view: NDArray[np.int64]
    cells: NDArray[np.int32]
    views: NDArray[np.int32]
    n_shared: int
    n_own: int
    n_pairs: int


class _Stack:
    """Arrays side by side, each kept once however many measures share it."""

    def __init__(self) -> None:
        self.arrays: list[NDArray[np.int32]] = []
        self._place: dict[int, int] = {}

    def place(self, array: NDArray[np.int32] | None) -> int:
        if array is None:
            return -1
        if id(array) not in self._place:
            self._place[id(array)] = len(self.arrays)
            self.arrays.append(array)
        return self._place[id(array)]

    def stacked(self, width: int, name: str) -> NDArray[np.int32]:
        if any(len(array) != width for array in self.arrays):
            found = sorted({len(array) for array in self.arrays})
            raise ArgumentError(f"{name} have lengths {found}; expected {width} each.")
        if not self.arrays:
            return np.full((1, 1), -1, dtype=np.int32)
        return np.stack(self.arrays).astype(np.int32, copy=False)


def lay_out(measures: Sequence[Measure], n_events: int) -> Table:
    """Lay measures out as arrays."""
    cells, views = _Stack(), _Stack()
    spec = np.zeros((len(measures), 6), dtype=np.int64)
    view = np.full(len(measures), -1, dtype=np.int64)
    n_shared = n_own = 0
    for m, measure in enumerate(measures):
        places_of = cells.place(measure.cells), cells.place(measure.ends)
        column = n_shared if measure.own is None else n_own
        spec[m] = (measure.op, *places_of, measure.span, measure.n_keys, column)
        view[m] = views.place(measure.own)
        n_shared += measure.n_keys if measure.own is None else 0
        n_own += measure.own is not None
    # Without own views nobody looks at the pairs: any may be asked for.
    n_pairs = len(views.arrays[0]) if views.arrays else ANY_PAIR
    table = Table(
        spec=spec,
        view=view,
        cells=cells.stacked(n_events, "Cells"),
        views=views.stacked(n_pairs, "Own views"),
        n_shared=n_shared,
        n_own=n_own,
        n_pairs=n_pairs,
    )
    _check_keys(table)
    return table


def _check_keys(table: Table) -> None:
    """Compiled code does not look where it writes: no key may lie outside its measure's keys."""
    if not len(table.spec):
        return
    op, cells, ends, span, n_keys, _ = table.spec.T
    highest = np.append(table.cells.max(axis=1, initial=-1), -1)
    viewed = np.append(table.views.max(axis=1, initial=-1), -1)
    if (np.maximum.reduce([highest[cells], highest[ends], viewed[table.view]]) >= n_keys).any():
        raise ArgumentError("A measure's cells, ends or own keys reach beyond its n_keys. Keys count from 0.")
    if (span[(op == Op.COUNT) | (op == Op.DECAYED)] < 1).any():
        raise ArgumentError("A COUNT or DECAYED has a span under 1 second. Give spans in seconds.")
