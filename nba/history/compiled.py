"""The kernel's compiled loop over HCPs, and what it keeps up."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from nba.contracts import NEVER
from nba.history.through import look_through

ROWS_TOGETHER, EVENTS_TOGETHER = 512, 8_192
"""HCPs are taken a block at a time: what they read and write stays near, and a call costs nothing."""


@njit(cache=True, nogil=True)
def sweep_rows(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    start, ts, known, rows, hcp, at, first_request, pair, spec, view, cells, weights, owns, n_values, shared,
    own,
):  # fmt: skip
    """Fill ``shared`` and ``own`` for rows that are sorted by HCP, in any order of moments."""
    most_keys, most_events, most_rows = _most(start, rows, hcp, spec)
    total, mean = np.zeros(most_keys + 1), np.zeros(most_keys)  # one place more, for events without a key
    count = np.zeros(most_keys + 1, dtype=np.int32)
    latest = np.full(most_keys + 1, NEVER, dtype=np.int64)
    tally = np.zeros(most_keys, dtype=np.int64)
    met = np.zeros(max(n_values, 1), dtype=np.int64)
    by_ts = np.empty(most_events + EVENTS_TOGETHER, dtype=np.int64)
    times = np.empty(most_events + EVENTS_TOGETHER, dtype=np.int64)
    mine = np.empty(most_rows + ROWS_TOGETHER, dtype=np.int64)
    seen = np.empty(most_rows + ROWS_TOGETHER, dtype=np.int64)
    groups = np.empty((ROWS_TOGETHER + 2, 4), dtype=np.int64)
    r = 0
    while r < len(rows):
        n, r = _line_up(r, rows, hcp, at, start, ts, known, mine, seen, by_ts, times, groups)
        some = groups[: n + 1]
        for m in range(len(spec)):
            op, which, ends, weighed = spec[m, 0], spec[m, 1], spec[m, 2], spec[m, 7]
            key = cells[which]
            end = cells[ends] if ends >= 0 else cells[0, :0]
            weight = weights[weighed] if weighed >= 0 else weights[0, :0]
            asked = owns[view[m]] if view[m] >= 0 else owns[0, :0]
            is_own = view[m] >= 0
            if op == 0 and spec[m, 4] == 1 and not is_own:
                _count_all(some, spec[m], key, ts, by_ts, times, mine, seen, at, shared)
            elif op == 0:
                _count(
                    some, spec[m], key, ts, by_ts, times, mine, seen, at, first_request, pair, asked, is_own,
                    shared, own, count,
                )  # fmt: skip
            elif op == 1:
                _recency(
                    some, spec[m], key, ts, mine, seen, at, first_request, pair, asked, is_own, shared, own,
                    latest,
                )  # fmt: skip
            elif op == 2:
                _decayed(
                    some, spec[m], key, ts, weight, mine, seen, at, first_request, pair, asked, is_own,
                    shared, own, total,
                )  # fmt: skip
            elif op == 3:
                _streak(
                    some, spec[m], key, end, ts, known, mine, seen, first_request, pair, asked, is_own,
                    shared, own, total, latest,
                )  # fmt: skip
            else:
                look_through(
                    some, spec[m], key, end, weight, ts, by_ts, times, mine, seen, at, first_request, pair,
                    asked, is_own, shared, own, total, latest, tally, mean, met,
                )  # fmt: skip


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
def _line_up(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    r, rows, hcp, at, start, ts, known, mine, seen, by_ts, times, groups
):  # fmt: skip
    """Line up a block of HCPs: rows by moment, events by time, and how many events each row knows of.

    ``groups`` gets of each HCP its first row among ``mine``, its first event among ``by_ts``, and where its
    events begin and end; the last line closes the row before it. Gives how many HCPs, and where rows go on.
    """
    n = n_rows = n_events = 0
    while r < len(rows) and n_rows < ROWS_TOGETHER and n_events < EVENTS_TOGETHER:
        h = hcp[rows[r]]
        lo = start[h] if h >= 0 else 0
        hi = start[h + 1] if h >= 0 else 0
        first = n_rows
        while r < len(rows) and hcp[rows[r]] == h:
            mine[n_rows] = rows[r]
            n_rows += 1
            r += 1
        _sort(at, mine, first, n_rows)
        e = lo
        for q in range(first, n_rows):
            while e < hi and known[e] < at[mine[q]]:
                e += 1
            seen[q] = e
        groups[n, 0], groups[n, 1], groups[n, 2], groups[n, 3] = first, n_events, lo, hi
        for e in range(lo, hi):
            by_ts[n_events + e - lo] = e
        _sort(ts, by_ts, n_events, n_events + hi - lo)
        for j in range(n_events, n_events + hi - lo):
            times[j] = ts[by_ts[j]]
        n_events += hi - lo
        n += 1
    groups[n, 0], groups[n, 1] = n_rows, n_events
    return n, r


@njit(cache=True, nogil=True)
def _sort(keys, order, lo, hi):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Sort positions by their keys in place, quickly what is nearly sorted; equal ones stay as they stand."""
    moves = 0
    for i in range(lo + 1, hi):
        e = order[i]
        t = keys[e]
        j = i
        while j > lo and keys[order[j - 1]] > t:
            order[j] = order[j - 1]
            j -= 1
        order[j] = e
        moves += i - j
        if moves > 8 * (hi - lo) + 64:
            part = order[lo:hi].copy()
            order[lo:hi] = part[np.argsort(keys[part], kind="mergesort")]
            return


@njit(cache=True, nogil=True)
def _count(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    groups, spec, key, ts, by_ts, times, mine, seen, at, first_request, pair, asked, is_own, shared, own,
    count,
):  # fmt: skip
    """Events of a window. Those without a key (-1) go to the last place of all: no branch to guess wrong."""
    span, n_keys, column = spec[3], spec[4], spec[5]
    kept = count[: n_keys + 1]
    for g in range(len(groups) - 1):
        entered = groups[g, 2]  # events known are [lo, entered)
        gone = groups[g, 1]  # events of by_ts that fell out end here
        for q in range(groups[g, 0], groups[g + 1, 0]):
            row = mine[q]
            begin = at[row] - span
            while gone < groups[g + 1, 1] and times[gone] < begin:
                e = by_ts[gone]
                kept[key[e]] -= e < entered  # one that arrives after it has fallen out never entered
                gone += 1
            for e in range(entered, seen[q]):
                kept[key[e]] += ts[e] >= begin
            entered = seen[q]
            if is_own:
                for i in range(first_request[row], first_request[row + 1]):
                    k = asked[pair[i]]
                    own[i, column] = kept[k] if k >= 0 else 0
            else:
                for k in range(n_keys):
                    shared[row, column + k] = kept[k]
        _wipe(kept, 0, key, groups[g, 2], entered)


@njit(cache=True, nogil=True)
def _count_all(groups, spec, key, ts, by_ts, times, mine, seen, at, shared):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """As :func:`_count`, where there is one key alone: its count need not be looked up."""
    span, column = spec[3], spec[5]
    for g in range(len(groups) - 1):
        entered, gone, kept = groups[g, 2], groups[g, 1], 0
        for q in range(groups[g, 0], groups[g + 1, 0]):
            row = mine[q]
            begin = at[row] - span
            while gone < groups[g + 1, 1] and times[gone] < begin:
                e = by_ts[gone]
                kept -= (key[e] >= 0) & (e < entered)
                gone += 1
            for e in range(entered, seen[q]):
                kept += (key[e] >= 0) & (ts[e] >= begin)
            entered = seen[q]
            shared[row, column] = kept


@njit(cache=True, nogil=True)
def _recency(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    groups, spec, key, ts, mine, seen, at, first_request, pair, asked, is_own, shared, own, latest
):  # fmt: skip
    """Days since the latest event; as in :func:`_count`, events without a key go to the last place."""
    n_keys, column = spec[4], spec[5]
    kept = latest[: n_keys + 1]
    for g in range(len(groups) - 1):
        entered = groups[g, 2]
        for q in range(groups[g, 0], groups[g + 1, 0]):
            row = mine[q]
            now = at[row]
            for e in range(entered, seen[q]):
                kept[key[e]] = max(kept[key[e]], ts[e])
            entered = seen[q]
            if is_own:
                for i in range(first_request[row], first_request[row + 1]):
                    k = asked[pair[i]]
                    own[i, column] = _days_since(kept[k], now) if k >= 0 else np.nan
            else:
                for k in range(n_keys):
                    shared[row, column + k] = _days_since(kept[k], now)
        _wipe(kept, NEVER, key, groups[g, 2], entered)


@njit(cache=True, nogil=True, inline="always")
def _days_since(latest, now):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    days = (now - latest) / 86400.0
    return days if latest > NEVER else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _decayed(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    groups, spec, key, ts, weight, mine, seen, at, first_request, pair, asked, is_own, shared, own, total
):  # fmt: skip
    """Totals are kept as of one moment for all keys, which moves with events alone.

    Not with the moments asked about: a row's bits do not depend on which other rows are computed beside it.
    """
    span, n_keys, column = spec[3], spec[4], spec[5]
    rate = 0.6931471805599453 / span
    kept = total[: n_keys + 1]
    for g in range(len(groups) - 1):
        entered = groups[g, 2]
        since = ts[entered] if entered < groups[g, 3] else 0
        for q in range(groups[g, 0], groups[g + 1, 0]):
            row = mine[q]
            for e in range(entered, seen[q]):
                k, t = key[e], ts[e]
                if k >= 0:
                    w = weight[e] if len(weight) else 1.0
                    if w == w:  # NaN weighs nothing
                        if t - since > 500 * span:  # before it outgrows what a number can hold
                            for j in range(n_keys):
                                kept[j] *= math.exp(rate * (since - t))
                            since = t
                        kept[k] += w * math.exp(rate * (t - since))
            entered = seen[q]
            faded = math.exp(rate * (since - at[row]))
            if is_own:
                for i in range(first_request[row], first_request[row + 1]):
                    k = asked[pair[i]]
                    own[i, column] = kept[k] * faded if k >= 0 else 0.0
            else:
                for k in range(n_keys):
                    shared[row, column + k] = kept[k] * faded
        _wipe(kept, 0.0, key, groups[g, 2], entered)


@njit(cache=True, nogil=True)
def _streak(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    groups, spec, key, end, ts, known, mine, seen, first_request, pair, asked, is_own, shared, own, total,
    latest,
):  # fmt: skip
    n_keys, column = spec[4], spec[5]
    for g in range(len(groups) - 1):
        lo = entered = groups[g, 2]
        for q in range(groups[g, 0], groups[g + 1, 0]):
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
                    while back >= lo and known[back] > t:
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
        _wipe(total[: n_keys + 1], 0.0, key, lo, entered)
        if len(end):
            _wipe(total[: n_keys + 1], 0.0, end, lo, entered)
            _wipe(latest[: n_keys + 1], NEVER, end, lo, entered)


@njit(cache=True, nogil=True, inline="always")
def _wipe(kept, nothing, key, lo, entered):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Make ready for the next HCP. Keys may be many: then only what was touched is wiped."""
    if len(kept) <= entered - lo:
        kept[:] = nothing
    else:
        for e in range(lo, entered):
            kept[key[e]] = nothing
