"""The kernel's compiled loops."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

MOST_SLOPED = 100
"""Points of a SLOPE: pairs grow with their square."""


@njit(cache=True, nogil=True)
def sweep_rows(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    start, ts, known, rows, hcp, at, first_request, pair, spec, view, cells, weights, owns, n_values, shared,
    own,
):  # fmt: skip
    n_measures = spec.shape[0]
    most_keys = 1
    for m in range(n_measures):
        most_keys = max(most_keys, spec[m, 4])
    most_events = 1
    for h in range(len(start) - 1):
        most_events = max(most_events, start[h + 1] - start[h])
    total = np.zeros(most_keys)
    latest = np.full(most_keys, -(2**62), dtype=np.int64)
    tally = np.zeros(most_keys, dtype=np.int64)
    mean = np.zeros(most_keys)
    met = np.zeros(max(n_values, 1), dtype=np.int64)
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
            if spec[m, 0] < 4:
                _keep_up(
                    m, r, r_end, lo, hi, by_ts, ts, known, rows, at, first_request, pair, spec, view, cells,
                    weights, owns, shared, own, total, latest, inside,
                )  # fmt: skip
            else:
                _look_through(
                    m, r, r_end, lo, hi, by_ts, ts, known, rows, at, first_request, pair, spec, view, cells,
                    weights, owns, shared, own, total, latest, tally, mean, met,
                )  # fmt: skip
        r = r_end


@njit(cache=True, nogil=True)
def _keep_up(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    m, r, r_end, lo, hi, by_ts, ts, known, rows, at, first_request, pair, spec, view, cells, weights, owns,
    shared, own, total, latest, inside,
):  # fmt: skip
    """One HCP's rows of one op that is kept up from one moment to the next."""
    op, which, ends, span, n_keys, column, _, weighed = spec[m]
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
                    weight = weights[weighed, seen] if weighed >= 0 else 1.0
                    if weight == weight:  # NaN weighs nothing
                        _decay_in(total, latest, key, t, span, weight)
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


@njit(cache=True, nogil=True)
def _look_through(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    m, r, r_end, lo, hi, by_ts, ts, known, rows, at, first_request, pair, spec, view, cells, weights, owns,
    shared, own, total, latest, tally, mean, met,
):  # fmt: skip
    """One HCP's rows of one op that goes through a window at every moment."""
    op, which, ends, span, n_keys, column, skip, weighed = spec[m]
    seen = lo
    gone = 0
    for q in range(r, r_end):
        row = rows[q]
        now = at[row]
        while seen < hi and known[seen] < now:
            seen += 1
        while gone < hi - lo and ts[by_ts[gone]] < now - span:
            gone += 1
        _gather(
            op, by_ts, gone, seen, now - skip, ts, cells, which, ends, weights, weighed, n_keys, total,
            latest, tally, mean, met,
        )  # fmt: skip
        if view[m] < 0:
            for key in range(n_keys):
                shared[row, column + key] = _gathered(op, total[key], latest[key], tally[key], now - skip)
        else:
            for i in range(first_request[row], first_request[row + 1]):
                key = owns[view[m], pair[i]]
                if key >= 0:
                    own[i, column] = _gathered(op, total[key], latest[key], tally[key], now - skip)
                else:
                    own[i, column] = np.nan if op == 5 or op == 6 or op == 10 else 0.0
        for j in range(gone, hi - lo):
            key = cells[which, by_ts[j]]
            if key >= 0:
                total[key] = 0.0
                latest[key] = -(2**62)
                tally[key] = 0
                mean[key] = 0.0


@njit(cache=True, nogil=True)
def _gather(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    op, by_ts, gone, seen, until, ts, cells, which, ends, weights, weighed, n_keys, total, latest, tally,
    mean, met,
):  # fmt: skip
    """Keep what an op wants of the events of one window that were known, in the order of time.

    Every sum starts anew in each window: so a row's bits do not depend on which other rows are computed.
    """
    if op == 10:
        for key in range(n_keys):
            _slope(by_ts, gone, seen, until, ts, cells, which, weights, weighed, key, total, tally)
        return
    end = gone
    while end < len(by_ts) and ts[by_ts[end]] < until:
        end += 1
    for j in range(gone, end):
        e = by_ts[j]
        key = cells[which, e]
        if e >= seen or key < 0:
            continue
        if op == 4:
            if not math.isnan(weights[weighed, e]):
                total[key] += weights[weighed, e]
        elif op == 5:
            if tally[key] == 0:
                latest[key] = ts[e]
            tally[key] += 1
        elif op == 6:
            if tally[key] > 0:  # Welford's update: the gaps' mean, and the sum of squares about it
                gap = (ts[e] - latest[key]) / 86400.0
                off = gap - mean[key]
                mean[key] += off / tally[key]
                total[key] += off * (gap - mean[key])
            latest[key] = ts[e]
            tally[key] += 1
        elif cells[ends, e] >= 0:
            value = cells[ends, e]
            if op == 7:
                total[key] += met[value] == 0
                met[value] = 1
            elif op == 8:
                met[value] += 1
            else:
                total[key] += tally[key] > 0 and latest[key] != value
                latest[key] = value
                tally[key] += 1
    if op == 7 or op == 8:
        for j in range(gone, end):
            e = by_ts[j]
            key = cells[which, e]
            if e < seen and key >= 0 and cells[ends, e] >= 0:
                value = cells[ends, e]
                if op == 8 and met[value] > 0:
                    total[key] += met[value] * math.log(met[value])
                met[value] = 0


@njit(cache=True, nogil=True)
def _slope(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    by_ts,
    gone,
    seen,
    until,
    ts,
    cells,
    which,
    weights,
    weighed,
    key,
    total,
    tally,
):
    times, values = np.empty(MOST_SLOPED, dtype=np.int64), np.empty(MOST_SLOPED)
    n = 0
    j = len(by_ts) - 1
    while j >= gone and n < MOST_SLOPED:  # the latest come first
        e = by_ts[j]
        if e < seen and ts[e] < until and cells[which, e] == key and not math.isnan(weights[weighed, e]):
            times[n], values[n] = ts[e], weights[weighed, e]
            n += 1
        j -= 1
    slopes = np.empty(n * (n - 1) // 2)
    k = 0
    for i in range(n):
        for j in range(i):
            if times[i] != times[j]:
                slopes[k] = (values[i] - values[j]) / ((times[i] - times[j]) / 86400.0)
                k += 1
    if k:
        total[key] = np.median(slopes[:k])
        tally[key] = k


@njit(cache=True, nogil=True, inline="always")
def _decay_in(total, latest, key, t, span, weight):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add an event to a decayed total, which is kept as of its latest event.

    The total moves with events alone, never with the moments asked about: so a row's bits do not depend
    on which other rows are computed beside it.
    """
    if latest[key] <= -(2**62):
        total[key] = weight
        latest[key] = t
    elif t >= latest[key]:
        total[key] = total[key] * math.exp(-0.6931471805599453 * (t - latest[key]) / span) + weight
        latest[key] = t
    else:
        total[key] += weight * math.exp(-0.6931471805599453 * (latest[key] - t) / span)


@njit(cache=True, nogil=True, inline="always")
def _value(op, total, latest, now, span):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    if op == 1:
        return (now - latest) / 86400.0 if latest > -(2**62) else np.nan
    if op == 2:
        if latest <= -(2**62):
            return 0.0
        return total * math.exp(-0.6931471805599453 * (now - latest) / span)
    return total


@njit(cache=True, nogil=True, inline="always")
def _gathered(op, total, latest, tally, until):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    if op == 5:
        return (until - latest) / 86400.0 if tally > 0 else np.nan
    if op == 6:
        return math.sqrt(total / (tally - 2)) if tally > 2 else np.nan
    if op == 10:
        return total if tally > 0 else np.nan
    return total
