"""The kernel's compiled loop over HCPs, and what it keeps up."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from nba.history.through import look_through

NEVER_MET = -(2**62)
"""Stands for the moment of what has not happened; a constant, so that loops can be compiled with it."""


@njit(cache=True, nogil=True)
def sweep_rows(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    start, ts, known, rows, hcp, at, first_request, pair, spec, view, cells, weights, owns, n_values, shared,
    own,
):  # fmt: skip
    """Fill ``shared`` and ``own`` for rows that are sorted by HCP, in any order of moments."""
    most_keys, most_events, most_rows = _most(start, rows, hcp, spec)
    total, mean = np.zeros(most_keys), np.zeros(most_keys)
    latest = np.full(most_keys, NEVER_MET, dtype=np.int64)
    tally = np.zeros(most_keys, dtype=np.int64)
    met = np.zeros(max(n_values, 1), dtype=np.int64)
    in_time, when = np.empty(most_events, dtype=np.int64), np.empty(most_events, dtype=np.int64)
    in_turn, upto = np.empty(most_rows, dtype=np.int64), np.empty(most_rows, dtype=np.int64)
    r = 0
    while r < len(rows):
        h = hcp[rows[r]]
        r_end = r
        while r_end < len(rows) and hcp[rows[r_end]] == h:
            r_end += 1
        lo = start[h] if h >= 0 else 0
        hi = start[h + 1] if h >= 0 else 0
        mine, seen, by_ts, times = (
            in_turn[: r_end - r],
            upto[: r_end - r],
            in_time[: hi - lo],
            when[: hi - lo],
        )
        _line_up(rows[r:r_end], at, ts[lo:hi], known[lo:hi], mine, seen, by_ts, times)
        for m in range(len(spec)):
            op, which, ends = spec[m, 0], spec[m, 1], spec[m, 2]
            weighed = spec[m, 7]
            key = cells[which, lo:hi]
            end = cells[ends, lo:hi] if ends >= 0 else cells[0, :0]
            weight = weights[weighed, lo:hi] if weighed >= 0 else weights[0, :0]
            asked = owns[view[m]] if view[m] >= 0 else owns[0, :0]
            if op == 0:
                _count(
                    spec[m], key, ts[lo:hi], by_ts, times, mine, seen, at, first_request, pair, asked,
                    view[m] >= 0, shared, own, total,
                )  # fmt: skip
            elif op == 1:
                _recency(
                    spec[m], key, ts[lo:hi], mine, seen, at, first_request, pair, asked, view[m] >= 0, shared,
                    own, latest,
                )  # fmt: skip
            elif op == 2:
                _decayed(
                    spec[m], key, ts[lo:hi], weight, mine, seen, at, first_request, pair, asked, view[m] >= 0,
                    shared, own, total, latest,
                )  # fmt: skip
            elif op == 3:
                _streak(
                    spec[m], key, end, ts[lo:hi], known[lo:hi], mine, seen, first_request, pair, asked,
                    view[m] >= 0, shared, own, total, latest,
                )  # fmt: skip
            else:
                look_through(
                    spec[m], key, end, weight, ts[lo:hi], by_ts, times, mine, seen, at, first_request, pair,
                    asked, view[m] >= 0, shared, own, total, latest, tally, mean, met,
                )  # fmt: skip
        r = r_end


@njit(cache=True, nogil=True)
def _most(start, rows, hcp, spec):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """How many keys a measure has at the most, and how many events and rows one HCP."""
    keys, events, longest, run = 1, 1, 1, 0
    for m in range(len(spec)):
        keys = max(keys, spec[m, 4])
    for i in range(len(rows)):
        h = hcp[rows[i]]
        run = run + 1 if i > 0 and hcp[rows[i - 1]] == h else 1
        longest = max(longest, run)
        if h >= 0:
            events = max(events, start[h + 1] - start[h])
    return keys, events, longest


@njit(cache=True, nogil=True)
def _line_up(rows, at, ts, known, mine, seen, by_ts, times):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """One HCP's rows by moment, how many events each knows of, and the events in the order of time."""
    mine[:] = rows
    _sort(at, mine)
    n = 0
    for q in range(len(mine)):
        now = at[mine[q]]
        while n < len(known) and known[n] < now:
            n += 1
        seen[q] = n
    for e in range(len(ts)):
        by_ts[e] = e
    _sort(ts, by_ts)
    for j in range(len(ts)):
        times[j] = ts[by_ts[j]]


@njit(cache=True, nogil=True)
def _sort(keys, order):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Sort positions by their keys in place, quickly what is nearly sorted; equal ones stay as they stand."""
    moves = 0
    for i in range(1, len(order)):
        e = order[i]
        j = i
        while j > 0 and keys[order[j - 1]] > keys[e]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = e
        moves += i - j
        if moves > 8 * len(order) + 64:
            order[:] = order[np.argsort(keys[order], kind="mergesort")]
            return


@njit(cache=True, nogil=True)
def _count(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    spec, key, ts, by_ts, times, mine, seen, at, first_request, pair, asked, is_own, shared, own, total
):  # fmt: skip
    span, n_keys, column = spec[3], spec[4], spec[5]
    entered = gone = 0  # events known are [0, entered); those of by_ts that fell out are [0, gone)
    for q in range(len(mine)):
        row = mine[q]
        begin = at[row] - span
        while gone < len(times) and times[gone] < begin:
            e = by_ts[gone]
            # One that arrives after it has fallen out never entered.
            if e < entered and key[e] >= 0:
                total[key[e]] -= 1.0
            gone += 1
        for e in range(entered, seen[q]):
            if key[e] >= 0 and ts[e] >= begin:
                total[key[e]] += 1.0
        entered = seen[q]
        if is_own:
            for i in range(first_request[row], first_request[row + 1]):
                k = asked[pair[i]]
                own[i, column] = total[k] if k >= 0 else 0.0
        else:
            for k in range(n_keys):
                shared[row, column + k] = total[k]
    _wipe(total, 0.0, key, entered, n_keys)


@njit(cache=True, nogil=True)
def _recency(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    spec, key, ts, mine, seen, at, first_request, pair, asked, is_own, shared, own, latest
):  # fmt: skip
    n_keys, column = spec[4], spec[5]
    entered = 0
    for q in range(len(mine)):
        row = mine[q]
        now = at[row]
        for e in range(entered, seen[q]):
            if key[e] >= 0 and ts[e] > latest[key[e]]:
                latest[key[e]] = ts[e]
        entered = seen[q]
        if is_own:
            for i in range(first_request[row], first_request[row + 1]):
                k = asked[pair[i]]
                own[i, column] = _days_since(latest[k], now) if k >= 0 else np.nan
        else:
            for k in range(n_keys):
                shared[row, column + k] = _days_since(latest[k], now)
    _wipe(latest, NEVER_MET, key, entered, n_keys)


@njit(cache=True, nogil=True, inline="always")
def _days_since(latest, now):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return (now - latest) / 86400.0 if latest > NEVER_MET else np.nan


@njit(cache=True, nogil=True)
def _decayed(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    spec, key, ts, weight, mine, seen, at, first_request, pair, asked, is_own, shared, own, total, latest
):  # fmt: skip
    span, n_keys, column = spec[3], spec[4], spec[5]
    entered = 0
    for q in range(len(mine)):
        row = mine[q]
        now = at[row]
        for e in range(entered, seen[q]):
            if key[e] >= 0:
                w = weight[e] if len(weight) else 1.0
                if w == w:  # NaN weighs nothing
                    _decay_in(total, latest, key[e], ts[e], span, w)
        entered = seen[q]
        if is_own:
            for i in range(first_request[row], first_request[row + 1]):
                k = asked[pair[i]]
                own[i, column] = _faded(total[k], latest[k], now, span) if k >= 0 else 0.0
        else:
            for k in range(n_keys):
                shared[row, column + k] = _faded(total[k], latest[k], now, span)
    _wipe(total, 0.0, key, entered, n_keys)
    _wipe(latest, NEVER_MET, key, entered, n_keys)


@njit(cache=True, nogil=True, inline="always")
def _decay_in(total, latest, key, t, span, weight):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add an event to a decayed total, which is kept as of its latest event.

    The total moves with events alone, never with the moments asked about: so a row's bits do not depend
    on which other rows are computed beside it.
    """
    if latest[key] <= NEVER_MET:
        total[key] = weight
        latest[key] = t
    elif t >= latest[key]:
        total[key] = total[key] * math.exp(-0.6931471805599453 * (t - latest[key]) / span) + weight
        latest[key] = t
    else:
        total[key] += weight * math.exp(-0.6931471805599453 * (latest[key] - t) / span)


@njit(cache=True, nogil=True, inline="always")
def _faded(total, latest, now, span):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    if latest <= NEVER_MET:
        return 0.0
    return total * math.exp(-0.6931471805599453 * (now - latest) / span)


@njit(cache=True, nogil=True)
def _streak(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    spec, key, end, ts, known, mine, seen, first_request, pair, asked, is_own, shared, own, total, latest
):  # fmt: skip
    n_keys, column = spec[4], spec[5]
    entered = 0
    for q in range(len(mine)):
        row = mine[q]
        for e in range(entered, seen[q]):
            t = ts[e]
            if key[e] >= 0 and t > latest[key[e]]:
                total[key[e]] += 1.0
            k = end[e] if len(end) else -1
            if k >= 0 and t > latest[k]:
                latest[k] = t
                # An ending that arrives late leaves the touches after it standing.
                total[k] = 0.0
                back = e
                while back >= 0 and known[back] > t:
                    if key[back] == k and ts[back] > t:
                        total[k] += 1.0
                    back -= 1
        entered = seen[q]
        if is_own:
            for i in range(first_request[row], first_request[row + 1]):
                k = asked[pair[i]]
                own[i, column] = total[k] if k >= 0 else 0.0
        else:
            for k in range(n_keys):
                shared[row, column + k] = total[k]
    _wipe(total, 0.0, key, entered, n_keys)
    _wipe(total, 0.0, end, min(entered, len(end)), n_keys)
    _wipe(latest, NEVER_MET, end, min(entered, len(end)), n_keys)


@njit(cache=True, nogil=True, inline="always")
def _wipe(kept, nothing, key, entered, n_keys):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Make ready for the next HCP. Keys may be many: then only what was touched is wiped."""
    if n_keys <= entered:
        kept[:n_keys] = nothing
    else:
        for e in range(entered):
            if key[e] >= 0:
                kept[key[e]] = nothing
