"""The as-of kernel: one sweep over time-ordered events."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nba.contracts import DAY, Columns, Floats, Ints, Strings
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


@dataclass(frozen=True)
class Histories:
    """Events of many HCPs, each HCP's in the order in which they became known.

    Attributes
    ----------
    hcps : (n_hcps,) str, sorted, unique
    start : (n_hcps + 1,) where each HCP's events begin
    ts, known : (n_events,) int64 seconds: when it happened, and when we could first have known
    order : (n_events,) the position of each event in the columns it was made from
    """

    hcps: Strings
    start: NDArray[np.int64]
    ts: NDArray[np.int64]
    known: NDArray[np.int64]
    order: NDArray[np.int64]

    @classmethod
    def from_columns(cls, interactions: Columns) -> Histories:
        """Arrange interactions (canonical columns, sorted by HCP) in order of becoming known."""
        hcp = interactions["hcp_id"]
        ts = interactions["ts"]
        known = np.maximum(ts, interactions["recorded_at"])
        first = np.ones(len(hcp), dtype=bool)
        first[1:] = hcp[1:] != hcp[:-1]
        code = np.cumsum(first) - 1
        # Ties in both times keep the canonical order (by interaction id), so row order never matters.
        order = np.lexsort((ts, known, code)) if len(hcp) else np.zeros(0, dtype=np.int64)
        start = np.append(np.flatnonzero(first), len(hcp)).astype(np.int64)
        return cls(hcps=hcp[first], start=start, ts=ts[order], known=known[order], order=order)

    def find(self, hcps: Sequence[str] | Strings) -> NDArray[np.int64]:
        """Where each HCP's history is; -1 for one without any event."""
        place = {hcp: i for i, hcp in enumerate(self.hcps)}
        return np.fromiter((place.get(hcp, -1) for hcp in hcps), dtype=np.int64, count=len(hcps))


def sweep(
    histories: Histories,
    measures: Sequence[Measure],
    *,
    hcp: Ints,
    at: Ints,
    request_row: Ints | None = None,
    request_pair: Ints | None = None,
    dtype: str = "float64",
    n_jobs: int = 1,
) -> tuple[Floats, Floats]:
    """Compute every measure for every (HCP, moment) row, strictly as of the moment.

    An event counts when it happened before the moment *and* was known before it. The numbers of one row
    depend on nothing but that HCP's visible events: not on other rows, other HCPs, or threads.

    Parameters
    ----------
    hcp : (n_rows,) index into ``histories.hcps``, -1 for an HCP without events
    at : (n_rows,) int64 seconds
    request_row, request_pair : (n_requests,) rows (never decreasing) and pairs of the own views
    dtype : "float64" or "float32" of the output

    Returns
    -------
    shared : (n_rows, total keys of the measures without ``own``)
    own : (n_requests, number of measures with ``own``)
    """
    at = np.ascontiguousarray(at, dtype=np.int64)
    hcp = np.ascontiguousarray(hcp, dtype=np.int64)
    if dtype not in ("float32", "float64"):
        raise ArgumentError(f"dtype is {dtype!r}; expected 'float32' or 'float64'.")
    n_rows = len(at)
    request_row = np.zeros(0, np.int64) if request_row is None else np.asarray(request_row, dtype=np.int64)
    pair = np.zeros(0, np.int64) if request_pair is None else np.asarray(request_pair, dtype=np.int64)
    first_request = np.searchsorted(request_row, np.arange(n_rows + 1)).astype(np.int64)
    table = _table(measures, len(histories.ts))
    shared = np.empty((n_rows, table.n_shared), dtype=dtype)
    own = np.empty((len(pair), table.n_own), dtype=dtype)
    # Rows of one HCP are visited in time order; where they stand in the output is theirs to keep.
    rows = np.lexsort((at, hcp)).astype(np.int64)
    bounds = _cut(hcp[rows], n_jobs)

    def run(lo: int, hi: int) -> None:
        _sweep(
            histories.start, histories.ts, histories.known, rows[lo:hi], hcp, at, first_request, pair,
            *table.arrays, shared, own,
        )  # fmt: skip

    if len(bounds) == 2:
        run(bounds[0], bounds[1])
    else:
        with ThreadPoolExecutor(n_jobs) as pool:
            list(pool.map(run, bounds[:-1], bounds[1:]))
    return shared, own


def warm_up() -> None:
    """Compile the kernel, or load it from the cache, before the first request."""
    one = np.zeros(1, dtype=np.int64)
    histories = Histories(np.array(["a"], dtype=object), np.array([0, 1]), one, one, one)
    cells = np.zeros(1, dtype=np.int32)
    for dtype in ("float32", "float64"):
        sweep(histories, [Measure(Op.COUNT, cells, DAY, 1)], hcp=one, at=one + DAY, dtype=dtype)


@dataclass(frozen=True)
class _Table:
    arrays: tuple[NDArray[Any], ...]
    n_shared: int
    n_own: int


def _table(measures: Sequence[Measure], n_events: int) -> _Table:
    """Lay measures out as arrays; columns of cells that several measures share are kept once."""
    stored: dict[int, int] = {}
    cells: list[NDArray[np.int32]] = []

    def place(column: NDArray[np.int32] | None) -> int:
        if column is None:
            return -1
        if id(column) not in stored:
            stored[id(column)] = len(cells)
            cells.append(column)
        return stored[id(column)]

    views: dict[int, int] = {}
    owns: list[NDArray[np.int32]] = []
    spec = np.zeros((len(measures), 6), dtype=np.int64)  # op, cells, ends, span, keys, output column
    view = np.full(len(measures), -1, dtype=np.int64)
    n_shared = n_own = 0
    for m, measure in enumerate(measures):
        column = n_shared if measure.own is None else n_own
        spec[m] = (
            measure.op, place(measure.cells), place(measure.ends), measure.span, measure.n_keys, column
        )  # fmt: skip
        if measure.own is None:
            n_shared += measure.n_keys
        else:
            n_own += 1
            if id(measure.own) not in views:
                views[id(measure.own)] = len(owns)
                owns.append(measure.own)
            view[m] = views[id(measure.own)]
    stacked = np.stack(cells) if cells else np.zeros((1, n_events), np.int32)
    stacked_own = np.stack(owns) if owns else np.zeros((1, 1), np.int32)
    return _Table((spec, view, stacked, stacked_own.astype(np.int32)), n_shared, n_own)


def _cut(hcp: NDArray[np.int64], n_jobs: int) -> list[int]:
    """Cut sorted rows into a piece a thread, never inside an HCP."""
    if n_jobs <= 1 or len(hcp) < 2_000:
        return [0, len(hcp)]
    inner = [int(np.searchsorted(hcp, hcp[len(hcp) * j // n_jobs])) for j in range(1, n_jobs)]
    return sorted({0, *inner, len(hcp)})


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sweep(start, ts, known, rows, hcp, at, first_request, pair, spec, view, cells, owns, shared, own):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    n_measures = spec.shape[0]
    most_keys = 1
    for m in range(n_measures):
        most_keys = max(most_keys, spec[m, 4])
    most_events = 1
    for h in range(len(start) - 1):
        most_events = max(most_events, start[h + 1] - start[h])
    total = np.zeros(most_keys)
    latest = np.full(most_keys, -(2**62), dtype=np.int64)
    inside = np.zeros(most_events, dtype=np.bool_)
    r = 0
    while r < len(rows):
        h = hcp[rows[r]]
        r_end = r
        while r_end < len(rows) and hcp[rows[r_end]] == h:
            r_end += 1
        lo = start[h] if h >= 0 else 0
        hi = start[h + 1] if h >= 0 else 0
        by_ts = np.argsort(ts[lo:hi], kind="mergesort") + lo
        for m in range(n_measures):
            op, which, ends, span, n_keys, column = spec[m]
            seen = lo  # events known before the moment are [lo, seen)
            gone = 0  # events of by_ts that fell out of the window are [0, gone)
            for q in range(r, r_end):
                row = rows[q]
                now = at[row]
                while seen < hi and known[seen] < now:
                    key = cells[which, seen]
                    t = ts[seen]
                    if op == 0:
                        inside[seen - lo] = key >= 0 and t >= now - span
                        if inside[seen - lo]:
                            total[key] += 1.0
                    elif op == 1:
                        if key >= 0 and t > latest[key]:
                            latest[key] = t
                    elif op == 2:
                        if key >= 0:
                            _decay_in(total, latest, key, t, span)
                    else:
                        end = cells[ends, seen] if ends >= 0 else -1
                        if key >= 0 and t > latest[key]:
                            total[key] += 1.0
                        if end >= 0 and t > latest[end]:
                            latest[end] = t
                            # An ending that arrives late leaves the touches after it standing.
                            total[end] = 0.0
                            back = seen
                            while back >= lo and known[back] > t:
                                if cells[which, back] == end and ts[back] > t:
                                    total[end] += 1.0
                                back -= 1
                    seen += 1
                if op == 0:
                    while gone < hi - lo and ts[by_ts[gone]] < now - span:
                        e = by_ts[gone]
                        if e < seen and inside[e - lo]:
                            inside[e - lo] = False
                            total[cells[which, e]] -= 1.0
                        gone += 1
                if view[m] < 0:
                    for key in range(n_keys):
                        shared[row, column + key] = _value(op, total[key], latest[key], now, span)
                else:
                    for i in range(first_request[row], first_request[row + 1]):
                        key = owns[view[m], pair[i]]
                        if key >= 0:
                            own[i, column] = _value(op, total[key], latest[key], now, span)
                        else:
                            own[i, column] = np.nan if op == 1 else 0.0
            for e in range(lo, seen):  # only what was touched is wiped: keys may be many
                key = cells[which, e]
                if key >= 0:
                    total[key] = 0.0
                    latest[key] = -(2**62)
                if ends >= 0 and cells[ends, e] >= 0:
                    total[cells[ends, e]] = 0.0
                    latest[cells[ends, e]] = -(2**62)
                inside[e - lo] = False
        r = r_end


@njit(cache=True, nogil=True, inline="always")  # type: ignore[untyped-decorator]
def _decay_in(total, latest, key, t, span):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add an event to a decayed total, which is kept as of its latest event.

    The total moves with events alone, never with the moments asked about: so a row's bits do not depend
    on which other rows are computed beside it.
    """
    if latest[key] <= -(2**62):
        total[key] = 1.0
        latest[key] = t
    elif t >= latest[key]:
        total[key] = total[key] * math.exp(-0.6931471805599453 * (t - latest[key]) / span) + 1.0
        latest[key] = t
    else:
        total[key] += math.exp(-0.6931471805599453 * (latest[key] - t) / span)


@njit(cache=True, nogil=True, inline="always")  # type: ignore[untyped-decorator]
def _value(op, total, latest, now, span):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    if op == 1:
        return (now - latest) / 86400.0 if latest > -(2**62) else np.nan
    if op == 2:
        if latest <= -(2**62):
            return 0.0
        return total * math.exp(-0.6931471805599453 * (now - latest) / span)
    return total
