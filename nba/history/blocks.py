"""What the kernel is asked for: blocks of columns, laid out as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Floats
from nba.errors import ArgumentError


class Op(IntEnum):
    """What is kept of the events in a cell.

    The first four are kept up from one moment to the next; the others go through the window
    [at - span, at - skip) at every moment, in the order of time.
    """

    COUNT = 0
    """Events with at - span <= ts < at."""
    RECENCY = 1
    """Days since the latest event; NaN before the first."""
    DECAYED = 2
    """Sum of 2 ** (-age / span), each event times its weight where there are weights."""
    STREAK = 3
    """Events of the first column since the latest event of the second."""
    SUM = 4
    """Sum of the weights in the window; an event without a weight (NaN) is left out."""
    FIRST = 5
    """Days since the first event of the window (or from it to the window's end); NaN where there is none."""
    SPREAD = 6
    """Standard deviation of the days between consecutive events of the window; NaN under three events."""
    DISTINCT = 7
    """How many values of the second column are met in the window."""
    LOGS = 8
    """Sum over values of the second column of n * log(n), n the window's events that have it."""
    SWITCHES = 9
    """How often an event's value in the second column differs from that of the event before it."""
    SLOPE = 10
    """Theil-Sen slope of the weights, per day, over the window's latest 100 weighed events."""


ON_THE_WAY = (Op.COUNT, Op.RECENCY, Op.DECAYED, Op.STREAK)
OF_TWO_COLUMNS = (Op.DISTINCT, Op.LOGS, Op.SWITCHES)
WEIGHED = (Op.SUM, Op.SLOPE)
MISSING = (Op.RECENCY, Op.FIRST, Op.SPREAD, Op.SLOPE)
"""Ops that are NaN where nothing is to be seen; the others are 0."""


@dataclass(frozen=True)
class Measure:
    """One block of columns: what is counted, per which key, over which span.

    Attributes
    ----------
    op : what is kept
    cells : (n_events,) int32 in the histories' order: the event's key, -1 where it does not count
    span : seconds: the window, the half-life of a DECAYED; ignored by RECENCY and STREAK
    n_keys : keys run from 0 to n_keys - 1
    ends : (n_events,) int32, the second column. For STREAK: the key whose streak the event ends, -1 for
        none. For DISTINCT, LOGS and SWITCHES: the event's value, numbered so that equal values of the same
        key alone share a number; -1 where it has none, and the event does not count
    own : (n_pairs,) int32 for a view of the requested pair's own key (-1: no such key); None writes all keys
    skip : seconds before the moment at which the window ends; of the ops that go through windows alone
    weights : (n_events,) float64 of SUM and SLOPE, and of DECAYED where wanted
    """

    op: Op
    cells: NDArray[np.int32]
    span: int
    n_keys: int
    ends: NDArray[np.int32] | None = None
    own: NDArray[np.int32] | None = None
    skip: int = 0
    weights: Floats | None = None


ANY_PAIR = 2**31


@dataclass(frozen=True)
class Table:
    """Measures as arrays, as the compiled loops read them.

    Attributes
    ----------
    spec : (n_measures, 8): op, row of cells, row of ends (-1: none), span, keys, first output column, skip,
        row of weights (-1: none)
    view : (n_measures,) row of views, -1 for a measure that writes all its keys
    cells : (n, n_events) keys of events
    weights : (n, n_events) weights of events
    views : (n, n_pairs) keys of pairs
    n_shared, n_own : output columns
    n_pairs : how many pairs the views know
    n_values : one more than the highest value of a second column
    """

    spec: NDArray[np.int64]
    view: NDArray[np.int64]
    cells: NDArray[np.int32]
    weights: Floats
    views: NDArray[np.int32]
    n_shared: int
    n_own: int
    n_pairs: int
    n_values: int


class _Stack:
    """Arrays side by side, each kept once however many measures share it."""

    def __init__(self) -> None:
        self.arrays: list[NDArray[Any]] = []
        self._place: dict[int, int] = {}

    def place(self, array: NDArray[Any] | None) -> int:
        if array is None:
            return -1
        if id(array) not in self._place:
            self._place[id(array)] = len(self.arrays)
            self.arrays.append(array)
        return self._place[id(array)]

    def stacked(self, width: int, name: str, *, dtype: Any = np.int32) -> NDArray[Any]:
        if any(len(array) != width for array in self.arrays):
            found = sorted({len(array) for array in self.arrays})
            raise ArgumentError(f"{name} have lengths {found}; expected {width} each.")
        if not self.arrays:
            return np.full((1, 1), -1, dtype=dtype)
        return np.stack(self.arrays).astype(dtype, copy=False)


def lay_out(measures: Sequence[Measure], n_events: int) -> Table:
    """Lay measures out as arrays."""
    cells, weights, views = _Stack(), _Stack(), _Stack()
    spec = np.zeros((len(measures), 8), dtype=np.int64)
    view = np.full(len(measures), -1, dtype=np.int64)
    n_shared = n_own = 0
    for m, measure in enumerate(measures):
        places_of = cells.place(measure.cells), cells.place(measure.ends)
        column = n_shared if measure.own is None else n_own
        rest = measure.span, measure.n_keys, column, measure.skip, weights.place(measure.weights)
        spec[m] = (measure.op, *places_of, *rest)
        view[m] = views.place(measure.own)
        n_shared += measure.n_keys if measure.own is None else 0
        n_own += measure.own is not None
    # Without own views nobody looks at the pairs: any may be asked for.
    n_pairs = len(views.arrays[0]) if views.arrays else ANY_PAIR
    table = Table(
        spec=spec,
        view=view,
        cells=cells.stacked(n_events, "Cells"),
        weights=weights.stacked(n_events, "Weights", dtype=np.float64),
        views=views.stacked(n_pairs, "Own views"),
        n_shared=n_shared,
        n_own=n_own,
        n_pairs=n_pairs,
        n_values=1 + max((int(m.ends.max(initial=-1)) for m in measures if m.ends is not None), default=-1),
    )
    _check_keys(table)
    return table


def _check_keys(table: Table) -> None:
    """Compiled code does not look where it writes: no key may lie outside its measure's keys."""
    if not len(table.spec):
        return
    op, cells, ends, span, n_keys, _, skip, weights = table.spec.T
    highest = np.append(table.cells.max(axis=1, initial=-1), -1)
    viewed = np.append(table.views.max(axis=1, initial=-1), -1)
    # A STREAK's second column holds keys; that of the others holds values, which have a place of their own.
    ended = np.where(op == Op.STREAK, highest[ends], -1)
    if (np.maximum.reduce([highest[cells], ended, viewed[table.view]]) >= n_keys).any():
        raise ArgumentError("A measure's cells, ends or own keys reach beyond its n_keys. Keys count from 0.")
    if (span[(op != Op.RECENCY) & (op != Op.STREAK)] < 1).any():
        raise ArgumentError("A COUNT or DECAYED has a span under 1 second. Give spans in seconds.")
    if ((skip < 0) | (skip > 0) & np.isin(op, ON_THE_WAY)).any():
        raise ArgumentError("skip is of the ops that go through windows alone, and 0 or more seconds.")
    if (ends[np.isin(op, OF_TWO_COLUMNS)] < 0).any() or (weights[np.isin(op, WEIGHED)] < 0).any():
        raise ArgumentError("DISTINCT, LOGS and SWITCHES need `ends`, SUM and SLOPE need `weights`.")
