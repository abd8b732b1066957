"""Time columns: read in, with every cell that is no time named."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from nba.contracts import Bools, Ints
from nba.tables.columns import Column
from nba.tables.findings import Findings, cells, check_missing
from nba.tables.moments import as_datetimes, plain_array, seconds_of_arrow, seconds_of_datetime

PLAUSIBLE = (631_152_000, 4_102_444_800)
"""Events outside 1990 to 2099 are almost always a wrong unit or a placeholder."""


def read_moment(series: pd.Series, column: Column, findings: Findings) -> pd.Series:
    """A time column in whole seconds UTC."""
    if series.dtype == np.dtype(object):
        return _moments_one_by_one(series.tolist(), column, findings)
    array = plain_array(series)
    if array is None:
        return _moments_one_by_one(series.tolist(), column, findings)
    if pa.types.is_null(array.type):
        return _as_moments(np.zeros(len(array), np.int64), np.ones(len(array), np.bool_), column, findings)
    if not pa.types.is_timestamp(array.type):
        return _moments_one_by_one(array.to_pylist(), column, findings)
    if array.type.tz is None:
        if column.kind == "day":
            return _moments_one_by_one(array.to_pylist(), column, findings)
        _refuse_naive(column, findings, ~array.is_null().to_numpy(zero_copy_only=False))
        return series
    missing = array.is_null().to_numpy(zero_copy_only=False)
    return _as_moments(seconds_of_arrow(array, missing=0), missing, column, findings)


def _moments_one_by_one(values: list[Any], column: Column, findings: Findings) -> pd.Series:
    """Sort out a column whose cells are of any type; slow, but it can say what is wrong where."""
    n = len(values)
    whole = np.zeros(n, dtype=np.int64)
    kinds = np.empty(n, dtype=object)
    offsets = set()
    for row, value in enumerate(values):
        kinds[row] = kind = _kind_of_moment(value, column)
        if kind == "aware":
            whole[row] = seconds_of_datetime(value)
            offsets.add(value.utcoffset())
        elif kind == "date":
            whole[row] = seconds_of_datetime(_midnight(value))
    if (naive := kinds == "naive").any():
        _refuse_naive(column, findings, naive)
    for kind, todo in _MOMENT_FAULTS.items():
        if (bad := kinds == kind).any():
            findings.refuse(column.name, f"{cells(bad)} {kind}", todo, bad=bad)
    # One place has two offsets, in summer and in winter.
    if len(offsets) > 2:
        findings.warn(column.name, f"{len(offsets)} different zone offsets", "All were converted to UTC.")
    return _as_moments(whole, kinds == "missing", column, findings)


_MOMENT_FAULTS = {
    "text": "Parse them first: pandas.to_datetime(..., utc=True), after making sure of their zone.",
    "unreadable": "Expected ISO times with a zone, such as 2026-10-01T07:30:00+02:00.",
    "number": "Their unit would be a guess: convert with pandas.to_datetime(..., unit=..., utc=True).",
    "no time": "Expected datetimes with a zone.",
}


def _kind_of_moment(value: Any, column: Column) -> str:
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and value != value):
        return "missing"
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None and value.utcoffset() is not None:
            return "aware"
        return "date" if column.kind == "day" and value.time() == dt.time(0) else "naive"
    if isinstance(value, dt.date):
        return "date" if column.kind == "day" else "naive"
    if isinstance(value, str):
        if column.kind == "day":
            return "date" if _is_iso_date(value) else "unreadable"
        return "text"
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return "number"
    return "no time"


def _is_iso_date(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _midnight(value: Any) -> dt.datetime:
    if isinstance(value, str):
        value = dt.date.fromisoformat(value)
    return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)


def read_moment_text(series: pd.Series, column: Column, findings: Findings) -> pd.Series:
    """Read ISO texts as times."""
    return _moments_one_by_one([_iso_or_text(v, column) for v in series.tolist()], column, findings)


class _Unreadable:
    """A cell that is no time."""


def _iso_or_text(value: Any, column: Column) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return dt.datetime.fromisoformat(value.strip())
    except ValueError:
        return _Unreadable()


def _refuse_naive(column: Column, findings: Findings, bad: Bools) -> None:
    todo = "Say which zone they are in: .dt.tz_localize('Europe/Berlin'), or 'UTC' if they are UTC."
    findings.refuse(column.name, f"{cells(bad)} without a time zone (tz-naive)", todo, bad=bad)


def _as_moments(whole: Ints, missing: Bools, column: Column, findings: Findings) -> pd.Series:
    check_missing(column, findings, missing)
    if column.name in ("ts", "recorded_at", "captured_at"):
        odd = ~missing & ((whole < PLAUSIBLE[0]) | (whole >= PLAUSIBLE[1]))
        if odd.any():
            done = "They are kept; look for a wrong unit or a placeholder."
            findings.warn(column.name, f"{cells(odd)} before 1990 or after 2099", done, bad=odd)
    return as_datetimes(whole, missing=missing)
