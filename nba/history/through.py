"""The compiled loops of what goes through a window."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from nba.contracts import NEVER

MOST_SLOPED = 100
"""Points of a SLOPE: pairs grow with their square."""


@njit(cache=True, nogil=True)
def look_through(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    groups, spec, key, end, weight, ts, by_ts, times, mine, seen, at, first_request, pair, asked, is_own,
    shared, own, total, latest, tally, mean, met,
):  # fmt: skip
    """A block of HCPs' rows of one op that goes through a window at every moment."""
    op, span, n_keys, column, skip = spec[0], spec[3], spec[4], spec[5], spec[6]
    for g in range(len(groups) - 1):
        gone, end_of_all = groups[g, 1], groups[g + 1, 1]
        for q in range(groups[g, 0], groups[g + 1, 0]):
            row = mine[q]
            now = at[row]
            while gone < end_of_all and times[gone] < now - span:
                gone += 1
            last = gone
            while last < end_of_all and times[last] < now - skip:
                last += 1
            _gather(
                op, by_ts, gone, last, seen[q], ts, key, end, weight, total, latest, tally, mean, met
            )  # fmt: skip
            if is_own:
                for i in range(first_request[row], first_request[row + 1]):
                    k = asked[pair[i]]
                    if k >= 0:
                        own[i, column] = _gathered(op, total[k], latest[k], tally[k], now - skip)
                    else:
                        own[i, column] = np.nan if op == 5 or op == 6 or op == 10 else 0.0
            else:
                for k in range(n_keys):
                    shared[row, column + k] = _gathered(op, total[k], latest[k], tally[k], now - skip)
            for j in range(gone, last):
                k = key[by_ts[j]]
                if k >= 0:
                    total[k] = 0.0
                    latest[k] = NEVER
                    tally[k] = 0
                    mean[k] = 0.0


@njit(cache=True, nogil=True)
def _gather(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    op, by_ts, gone, last, seen, ts, key, end, weight, total, latest, tally, mean, met
):  # fmt: skip
    """Keep what an op wants of the events of one window that were known, in the order of time.

    Every sum starts anew in each window: so a row's bits do not depend on which other rows are computed.
    """
    if op == 10:
        for j in range(gone, last):
            k = key[by_ts[j]]
            if k >= 0 and tally[k] == 0:
                _slope(by_ts, gone, last, seen, ts, key, weight, k, total, tally)
        return
    for j in range(gone, last):
        e = by_ts[j]
        k = key[e]
        if e >= seen or k < 0:
            continue
        if op == 4:
            if not math.isnan(weight[e]):
                total[k] += weight[e]
        elif op == 5:
            if tally[k] == 0:
                latest[k] = ts[e]
            tally[k] += 1
        elif op == 6:
            if tally[k] > 0:  # Welford's update: the gaps' mean, and the sum of squares about it
                gap = (ts[e] - latest[k]) / 86400.0
                off = gap - mean[k]
                mean[k] += off / tally[k]
                total[k] += off * (gap - mean[k])
            latest[k] = ts[e]
            tally[k] += 1
        elif end[e] >= 0:
            value = end[e]
            if op == 7:
                total[k] += met[value] == 0
                met[value] = 1
            elif op == 8:
                met[value] += 1
            else:
                total[k] += tally[k] > 0 and latest[k] != value
                latest[k] = value
                tally[k] += 1
    if op == 7 or op == 8:
        for j in range(gone, last):
            e = by_ts[j]
            k = key[e]
            if e < seen and k >= 0 and end[e] >= 0:
                value = end[e]
                if op == 8 and met[value] > 0:
                    total[k] += met[value] * math.log(met[value])
                met[value] = 0


@njit(cache=True, nogil=True)
def _slope(by_ts, gone, last, seen, ts, key, weight, k, total, tally):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The Theil-Sen slope of one key's weights, over the window's latest that have one."""
    times, values = np.empty(MOST_SLOPED, dtype=np.int64), np.empty(MOST_SLOPED)
    n = 0
    j = last - 1
    while j >= gone and n < MOST_SLOPED:  # the latest come first
        e = by_ts[j]
        if e < seen and key[e] == k and not math.isnan(weight[e]):
            times[n], values[n] = ts[e], weight[e]
            n += 1
        j -= 1
    slopes = np.empty(n * (n - 1) // 2)
    found = 0
    for i in range(n):
        for j in range(i):
            if times[i] != times[j]:
                slopes[found] = (values[i] - values[j]) / ((times[i] - times[j]) / 86400.0)
                found += 1
    tally[k] = found if found else -1  # looked at, and nothing to be said
    if found:
        total[k] = np.median(slopes[:found])


@njit(cache=True, nogil=True, inline="always")
def _gathered(op, total, latest, tally, until):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    if op == 5:
        return (until - latest) / 86400.0 if tally > 0 else np.nan
    if op == 6:
        return math.sqrt(total / (tally - 2)) if tally > 2 else np.nan
    if op == 10:
        return total if tally > 0 else np.nan
    return total
