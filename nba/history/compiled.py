"""The kernel's compiled loops."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def sweep_rows(start, ts, known, rows, hcp, at, first_request, pair, spec, view, cells, owns, shared, own):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
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


@njit(cache=True, nogil=True, inline="always")
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


@njit(cache=True, nogil=True, inline="always")
def _value(op, total, latest, now, span):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    if op == 1:
        return (now - latest) / 86400.0 if latest > -(2**62) else np.nan
    if op == 2:
        if latest <= -(2**62):
            return 0.0
        return total * math.exp(-0.6931471805599453 * (now - latest) / span)
    return total
