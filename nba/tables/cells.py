"""Columns of every kind: read in, and checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nba.contracts import Floats
from nba.tables.columns import Column, Kind
from nba.tables.findings import Findings, cells, check_missing
from nba.tables.moments import plain_array
from nba.tables.texts import read_text
from nba.tables.times import read_moment, read_moment_text

_LIST_SEPARATOR = re.compile(r"[|;]")
_TRUTH = {
    "true": True,
    "t": True,
    "yes": True,
    "1": True,
    "false": False,
    "f": False,
    "no": False,
    "0": False,
}


def read_column(series: pd.Series, column: Column, findings: Findings, *, text: bool) -> pd.Series:
    """The column in its canonical type; what is wrong with it goes to the findings."""
    reader = _TEXT_READERS.get(column.kind, _READERS[column.kind]) if text else _READERS[column.kind]
    return reader(series, column, findings)


def _read_number(series: pd.Series, column: Column, findings: Findings) -> pd.Series:
    array = plain_array(series)
    if array is None or not (_is_number(array.type) or pa.types.is_null(array.type)):
        findings.refuse(column.name, "the cells are not all numbers", "Expected a column of numbers.")
        return series
    values = array.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    _check_numbers(values, column, findings)
    return pd.Series(values)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _check_numbers(values: Floats, column: Column, findings: Findings) -> None:
    if (infinite := np.isinf(values)).any():
        findings.refuse(
            column.name, f"{cells(infinite)} infinite", "Leave unknown cells empty.", bad=infinite
        )
    low = -np.inf if column.low is None else column.low
    high = np.inf if column.high is None else column.high
    outside = ((values < low) | (values > high)) & ~np.isinf(values)
    if outside.any():
        findings.refuse(
            column.name,
            f"{cells(outside)} outside {low:g} to {high:g}",
            "Correct them, or leave them empty.",
            bad=outside,
        )
    check_missing(column, findings, np.isnan(values))


def _read_number_text(series: pd.Series, column: Column, findings: Findings) -> pd.Series:
    values = pd.to_numeric(series.reset_index(drop=True), errors="coerce").astype("float64")
    unread = values.isna().to_numpy() & series.notna().to_numpy()
    if unread.any():
        findings.refuse(column.name, f"{cells(unread)} not readable as a number", "Write 12.5.", bad=unread)
        return series
    _check_numbers(values.to_numpy(), column, findings)
    return values


def _read_flag(series: pd.Series, column: Column, findings: Findings) -> pd.Series:
    array = plain_array(series)
    if array is not None and _is_number(array.type):
        array = _zero_one(array)
    if array is None or not (pa.types.is_boolean(array.type) or pa.types.is_null(array.type)):
        findings.refuse(
            column.name, "the cells are not all true or false", "Expected a bool column, or 0 and 1."
        )
        return series
    return pd.Series(array.cast(pa.bool_()).fill_null(column.otherwise).to_numpy(zero_copy_only=False))


def _zero_one(array: pa.Array) -> pa.Array | None:
    values = array.cast(pa.float64())
    fits = pc.all(pc.or_(pc.equal(values, 0.0), pc.equal(values, 1.0))).as_py()
    return pc.equal(values, 1.0) if fits is not False else None


def _read_flag_text(series: pd.Series, column: Column, findings: Findings) -> pd.Series:
    lowered = series.str.strip().str.lower()
    unread = (series.notna() & ~lowered.isin(list(_TRUTH))).to_numpy()
    if unread.any():
        findings.refuse(column.name, f"{cells(unread)} not true or false", "Write true or false.", bad=unread)
        return series
    return pd.Series([_TRUTH.get(value, column.otherwise) for value in lowered], dtype=np.bool_)


def _read_list(series: pd.Series, column: Column, findings: Findings) -> pd.Series:
    lists = [_as_items(value) for value in series.tolist()]
    bad = np.array([cell is None for cell in lists], dtype=np.bool_)
    if bad.any():
        todo = "Expected a list of str, or one text with items set apart by '|'."
        findings.refuse(column.name, f"{cells(bad)} not lists of text", todo, bad=bad)
        return series
    check_missing(column, findings, np.array([not cell for cell in lists], dtype=np.bool_))
    holder = np.empty(len(lists), dtype=object)
    holder[:] = lists
    return pd.Series(holder, dtype=object)


def _as_items(value: Any) -> tuple[str, ...] | None:
    """The distinct items of a list cell in their order; None where it is no list of texts."""
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ()
    if isinstance(value, str):
        value = _LIST_SEPARATOR.split(value)
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=str)
    if not isinstance(value, (list, tuple, np.ndarray)):
        return None
    if not all(isinstance(item, str) for item in value):
        return None
    return tuple(dict.fromkeys(item.strip() for item in value if item.strip()))


_Reader = Callable[[pd.Series, Column, Findings], pd.Series]
_READERS: dict[Kind, _Reader] = {
    "id": read_text,
    "text": read_text,
    "moment": read_moment,
    "day": read_moment,
    "number": _read_number,
    "flag": _read_flag,
    "list": _read_list,
}
_TEXT_READERS: dict[Kind, _Reader] = {
    "moment": read_moment_text,
    "day": read_moment_text,
    "number": _read_number_text,
    "flag": _read_flag_text,
}
