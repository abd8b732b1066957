"""Figures and spans of other tables, as of a moment."""

from __future__ import annotations

import numpy as np
from numba import njit

from nba.contracts import FOREVER, NEVER


@njit(cache=True, nogil=True)
def panel_sums(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    start, about, period, known, value, into, unit, at, first, last, n_keys
):
    """Sum the figures of the periods from ``first`` to ``last``, each as it was last told before a moment.

    Parameters
    ----------
    start : (n_units + 1,) where each unit's figures begin; they are in the order of about, period and known
    about, period, known, value : (n_figures,) of what, of which period, since when, how much (NaN: not told)
    into : what each thing they are about is summed into; -1 where it is left out
    unit : (n_rows,) -1 where there is none
    at : (n_rows,) the moment: what was known at it or later is not read
    first, last : (n_rows,) the periods, both inclusive

    Returns
    -------
    sums : (n_rows, n_keys)
    seen : (n_rows,) whether anything at all of the unit was known
    """
    sums = np.zeros((len(unit), n_keys))
    seen = np.zeros(len(unit), dtype=np.bool_)
    for row in range(len(unit)):
        if unit[row] < 0:
            continue
        i, end = start[unit[row]], start[unit[row] + 1]
        while i < end:
            told, after = _last_told(i, end, about, period, known, at[row])
            if told >= 0:
                seen[row] = True
                within = first[row] <= period[i] and period[i] <= last[row]
                key = into[about[i]]
                if within and key >= 0 and value[told] == value[told]:
                    sums[row, key] += value[told]
            i = after
    return sums, seen


@njit(cache=True, nogil=True, inline="always")
def _last_told(i, end, about, period, known, now):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The figure of one thing and period told last before a moment (-1: none), and where the next begin."""
    told = -1
    after = i
    while after < end and about[after] == about[i] and period[after] == period[i]:
        if known[after] < now:
            told = after
        after += 1
    return told, after


@njit(cache=True, nogil=True)
def first_told(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    start, about, period, known, value, into, unit, at, n_keys
):
    """Find the first period of which more than nothing had last been told before a moment.

    Parameters
    ----------
    start, about, period, known, value, into, unit, at : as :func:`panel_sums` takes them

    Returns
    -------
    first : (n_rows, n_keys) int64, FOREVER where there is none
    seen : (n_rows,) whether anything at all of the unit was known
    """
    found = np.full((len(unit), n_keys), FOREVER, dtype=np.int64)
    seen = np.zeros(len(unit), dtype=np.bool_)
    for row in range(len(unit)):
        if unit[row] < 0:
            continue
        i, end = start[unit[row]], start[unit[row] + 1]
        while i < end:
            told, after = _last_told(i, end, about, period, known, at[row])
            if told >= 0:
                seen[row] = True
                key = into[about[i]]
                if key >= 0 and value[told] > 0:
                    found[row, key] = min(found[row, key], period[i])
            i = after
    return found, seen


@njit(cache=True, nogil=True)
def spans_in_force(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    start, key, begin, known, end, weight, units, at, span, n_keys
):
    """Count the spans that hold at a moment, and say when the latest of them began.

    Parameters
    ----------
    start : (n_units + 1,) where each unit's spans begin
    key, begin, known, end, weight : (n_spans,) what about (-1: not counted), from when, known since when,
        until when, how much
    units : (n_rows, n_scopes) the units whose spans hold for a row; -1 where there is none
    at : (n_rows,) the moment; begin and known are strictly before it, the end is after it
    span : seconds: what began earlier is left out

    Returns
    -------
    counts, weights : (n_rows, n_keys)
    latest : (n_rows, n_keys) int64, when the latest began; NEVER where none holds
    """
    counts = np.zeros((len(units), n_keys))
    weights = np.zeros((len(units), n_keys))
    latest = np.full((len(units), n_keys), NEVER, dtype=np.int64)
    for row in range(len(units)):
        now = at[row]
        for scope in range(units.shape[1]):
            unit = units[row, scope]
            if unit < 0:
                continue
            for i in range(start[unit], start[unit + 1]):
                k = key[i]
                if k < 0 or begin[i] >= now or known[i] >= now or end[i] <= now or begin[i] < now - span:
                    continue
                counts[row, k] += 1.0
                weights[row, k] += weight[i]
                latest[row, k] = max(latest[row, k], begin[i])
    return counts, weights, latest
