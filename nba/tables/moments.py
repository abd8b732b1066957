"""Moments as whole seconds UTC, and how to read them."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from nba.contracts import NEVER, Bools, Ints
from nba.errors import ArgumentError

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EXPECTED = (
    "Expected a date such as '2026-10-01' (00:00 UTC), an ISO text with a zone such as "
    "'2026-10-01T07:30:00+02:00', or a zone-aware datetime."
)


def as_moment(value: object, *, name: str = "at") -> int:
    """Read one moment as whole seconds since 1970-01-01 UTC, rounded down.

    Parameters
    ----------
    value : a date, an ISO text with a zone, or a zone-aware datetime or Timestamp
    name : what to call the argument in an error

    Raises
    ------
    ArgumentError
        If the zone is missing or the value is a bare number, whose unit would be a guess.

    Examples
    --------
    >>> as_moment("1970-01-02")
    86400
    >>> as_moment("1970-01-02T01:00:00+01:00")
    86400
    """
    if value is pd.NaT:
        raise ArgumentError(f"{name} is NaT. {_EXPECTED}")
    if isinstance(value, str):
        return _seconds_of(_parsed(value, name), name)
    if isinstance(value, dt.datetime):
        return _seconds_of(value, name)
    if isinstance(value, dt.date):
        return _seconds_of(dt.datetime(value.year, value.month, value.day), name)
    raise ArgumentError(
        f"{name} is a {type(value).__name__}, whose unit or zone would be a guess. {_EXPECTED}"
    )


def seconds(series: pd.Series, *, missing: int = NEVER) -> NDArray[np.int64]:
    """Turn a zone-aware time column into whole seconds UTC, rounded down.

    Parameters
    ----------
    series : datetimes with a zone, in any unit
    missing : what stands for NaT

    Returns
    -------
    array of shape (len(series),), int64

    Raises
    ------
    ArgumentError
        If the column has no zone.

    Examples
    --------
    >>> seconds(pd.Series(pd.to_datetime(["1970-01-01T00:01:00.9Z"])))
    array([60])
    """
    array = arrow_of(series)
    if not (pa.types.is_timestamp(array.type) and array.type.tz is not None):
        raise ArgumentError(f"The column holds {array.type}. Expected datetimes with a zone.")
    return seconds_of_arrow(array, missing=missing)


def arrow_of(series: pd.Series) -> pa.Array:
    """One Arrow array of a column; missing of any kind becomes null."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        naive = pa.array(series.dt.tz_convert(None).to_numpy(), from_pandas=True)
        return naive.cast(pa.timestamp(naive.type.unit, "UTC"))
    array = pa.array(series, from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def plain_array(series: pd.Series) -> pa.Array | None:
    """The column as Arrow; None where its cells are of no one type."""
    try:
        array = arrow_of(series)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError, TypeError):
        return None
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def seconds_of_arrow(array: pa.Array, *, missing: int) -> NDArray[np.int64]:
    """Whole seconds of an Arrow timestamp array, rounded down."""
    ticks = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    whole: NDArray[np.int64] = ticks // _PER_SECOND[array.type.unit]
    if array.null_count:
        whole = np.where(array.is_null().to_numpy(zero_copy_only=False), np.int64(missing), whole)
    return np.ascontiguousarray(whole, dtype=np.int64)


def as_datetimes(whole_seconds: Ints, *, missing: Bools | None = None) -> pd.Series:
    """The time column that ``seconds`` reads back."""
    values = whole_seconds.astype("datetime64[s]")
    if missing is not None:
        values = np.where(missing, np.datetime64("NaT", "s"), values)
    return pd.Series(values).dt.tz_localize("UTC")


def seconds_of_datetime(value: dt.datetime) -> int:
    """Whole seconds UTC of a zone-aware datetime, rounded down."""
    return math.floor(value.timestamp())


def _parsed(text: str, name: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentError(
            f"{name} is a text of {len(text)} characters that is no ISO time. {_EXPECTED}"
        ) from None


def _seconds_of(value: dt.datetime, name: str) -> int:
    if value.tzinfo is not None and value.utcoffset() is not None:
        return seconds_of_datetime(value)
    if value.time() != dt.time(0):
        raise ArgumentError(f"{name} is {value.isoformat()} without a zone. {_EXPECTED}")
    return seconds_of_datetime(value.replace(tzinfo=dt.UTC))
