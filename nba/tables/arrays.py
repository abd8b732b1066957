"""Checked tables as plain numpy arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from nba.contracts import Columns
from nba.tables.columns import Column, Kind, Table
from nba.tables.moments import arrow_of, seconds_of_arrow

DERIVED = ("machine", "touch", "engaged")
"""Bool columns that every interactions table gets."""


class Arrays(Mapping[str, NDArray[Any]]):
    """Columns made the first time each is asked for; most readers want only a few.

    Examples
    --------
    >>> arrays = Arrays({"hcp_id": lambda: np.array(["h1"], dtype=object)}, length=1)
    >>> arrays["hcp_id"].tolist()
    ['h1']
    """

    def __init__(self, makers: Mapping[str, Callable[[], NDArray[Any]]], *, length: int) -> None:
        self._makers = dict(makers)
        self._made: dict[str, NDArray[Any]] = {}
        self.length = length

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, ({name: self[name] for name in self},)


def columns_of(frame: pd.DataFrame, schema: Table) -> Columns:
    """All columns of a checked frame as plain arrays, missing ones filled.

    Parameters
    ----------
    frame : as ``Engagement`` holds it
    schema : its table

    Returns
    -------
    mapping of every schema column (and the derived bools of interactions) to one array a column:
    texts as objects ("" is missing), moments as int64 seconds, numbers as float64 (NaN is missing),
    flags as bool, lists as tuples of str.
    """
    wanted = {column.name: column for column in schema.columns}
    makers: dict[str, Callable[[], NDArray[Any]]] = {
        name: _maker(frame, column) for name, column in wanted.items()
    }
    for name in DERIVED:
        if name in frame and name not in wanted:
            makers[name] = _maker(frame, Column(name, "flag"))
    return Arrays(makers, length=len(frame))


def empty_array(column: Column, length: int) -> NDArray[Any]:
    """A column in which every cell is missing."""
    if column.kind in ("moment", "day"):
        return np.full(length, column.missing, dtype=np.int64)
    if column.kind == "number":
        return np.full(length, np.nan)
    if column.kind == "flag":
        return np.full(length, column.otherwise)
    blank = np.empty(length, dtype=object)
    blank.fill(() if column.kind == "list" else "")
    return blank


def _maker(frame: pd.DataFrame, column: Column) -> Callable[[], NDArray[Any]]:
    if column.name not in frame:
        return lambda: empty_array(column, len(frame))
    return lambda: _READERS[column.kind](frame[column.name], column)


def _texts(series: pd.Series, column: Column) -> NDArray[Any]:
    # Through a dictionary: one Python string per distinct value instead of one per row.
    encoded = arrow_of(series).cast(pa.large_string()).fill_null("").dictionary_encode()
    distinct = np.array(encoded.dictionary.to_pylist(), dtype=object)
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    return distinct[codes] if len(distinct) else np.empty(0, dtype=object)


def _moments(series: pd.Series, column: Column) -> NDArray[Any]:
    return seconds_of_arrow(arrow_of(series), missing=column.missing)


def _numbers(series: pd.Series, column: Column) -> NDArray[Any]:
    return series.to_numpy(dtype=np.float64, copy=True)


def _flags(series: pd.Series, column: Column) -> NDArray[Any]:
    return series.to_numpy(dtype=np.bool_, copy=True)


def _lists(series: pd.Series, column: Column) -> NDArray[Any]:
    cells = np.empty(len(series), dtype=object)
    cells[:] = list(series)
    return cells


_READERS: dict[Kind, Callable[[pd.Series, Column], NDArray[Any]]] = {
    "id": _texts,
    "text": _texts,
    "moment": _moments,
    "day": _moments,
    "number": _numbers,
    "flag": _flags,
    "list": _lists,
}
