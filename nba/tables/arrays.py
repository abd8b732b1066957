"""Checked tables as plain numpy arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
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

_FEW = 512  # values that a dict numbers sooner than pandas: one HCP's


class Arrays(Mapping[str, NDArray[Any]]):
    """Columns made the first time each is asked for; most readers want only a few.

    Examples
    --------
    >>> arrays = Arrays({"hcp_id": lambda: np.array(["h1"], dtype=object)}, length=1)
    >>> arrays["hcp_id"].tolist()
    ['h1']
    """

    def __init__(
        self,
        makers: Mapping[str, Callable[[], NDArray[Any]]],
        *,
        length: int,
        texts: Mapping[str, Callable[[], pa.Array]] | None = None,
    ) -> None:
        self._texts = dict(texts or {})
        self._makers = dict(makers) | {name: partial(self._spelt, name) for name in self._texts}
        self._made: dict[str, NDArray[Any]] = {}
        self._coded: dict[str, tuple[list[Any], NDArray[np.int64]]] = {}
        self._sorted: dict[str, tuple[dict[Any, int], NDArray[np.int64], NDArray[np.int64]]] = {}
        self.length = length

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def coded(self, name: str) -> tuple[list[Any], NDArray[np.int64]]:
        """See :func:`coded`; a column of texts is numbered without one text a row being made."""
        if name not in self._coded:
            self._coded[name] = (
                _numbered(self._texts[name]()) if name in self._texts else factorize(self[name])
            )
        return self._coded[name]

    def some(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """See :func:`some`."""
        if name in self._made or name not in self._texts:
            found: NDArray[Any] = self[name][rows]
            return found
        return _spell(*_numbered(self._texts[name]().take(pa.array(rows))))

    def rows_of(self, name: str, key: str) -> NDArray[np.int64]:
        """See :func:`rows_of`; a column is sorted by its keys the first time one of them is sought."""
        if name not in self._sorted:
            keys, codes = self.coded(name)
            order = np.argsort(codes, kind="stable")
            ends = np.searchsorted(codes[order], np.arange(-1, len(keys)), side="right")
            self._sorted[name] = {known: i for i, known in enumerate(keys)}, order, ends
        places, order, ends = self._sorted[name]
        place = places.get(key)
        return order[:0] if place is None else order[ends[place] : ends[place + 1]]

    def _spelt(self, name: str) -> NDArray[Any]:
        return _spell(*self.coded(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, ({name: self[name] for name in self},)


def coded(columns: Columns, name: str) -> tuple[list[Any], NDArray[np.int64]]:
    """The distinct values of a column in the order they are met, and each row's place among them.

    Examples
    --------
    >>> keys, codes = coded({"channel": np.array(["web", "email", "web"], dtype=object)}, "channel")
    >>> keys, codes.tolist()
    (['web', 'email'], [0, 1, 0])
    """
    return columns.coded(name) if isinstance(columns, Arrays) else factorize(columns[name])


def some(columns: Columns, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
    """``columns[name][rows]``, without making the rest of a column that nobody has asked for."""
    return columns.some(name, rows) if isinstance(columns, Arrays) else columns[name][rows]


def rows_of(columns: Columns, name: str, key: str) -> NDArray[np.int64]:
    """Rows in which a column says ``key``, ascending: one HCP's are found without a look at everybody's.

    Examples
    --------
    >>> rows_of({"hcp_id": np.array(["h2", "h1", "h2"], dtype=object)}, "hcp_id", "h2").tolist()
    [0, 2]
    """
    return columns.rows_of(name, key) if isinstance(columns, Arrays) else np.flatnonzero(columns[name] == key)


def factorize(values: NDArray[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """The distinct values in the order they are met, and each one's place; a missing one has -1."""
    if len(values) <= _FEW:
        place: dict[Any, int] = {}
        found = [place.setdefault(value, len(place)) for value in values.tolist()]
        if all(type(key) is str for key in place):
            return list(place), np.array(found, dtype=np.int64)
    codes, keys = pd.factorize(np.asarray(values, dtype=object))
    return list(keys), codes.astype(np.int64)


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
    texts = {
        name: partial(_texts, frame[name])
        for name, column in wanted.items()
        if column.kind in ("id", "text") and name in frame
    }
    for name in DERIVED:
        if name in frame and name not in wanted:
            makers[name] = _maker(frame, Column(name, "flag"))
    return Arrays(makers, length=len(frame), texts=texts)


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


def _texts(series: pd.Series) -> pa.Array:
    return arrow_of(series).cast(pa.large_string()).fill_null("")


def _numbered(texts: pa.Array) -> tuple[list[Any], NDArray[np.int64]]:
    encoded = texts.dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _spell(keys: list[Any], codes: NDArray[np.int64]) -> NDArray[Any]:
    # Through a dictionary: one Python string per distinct value instead of one per row.
    return np.array(keys, dtype=object)[codes] if keys else np.empty(0, dtype=object)


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
    "moment": _moments,
    "day": _moments,
    "number": _numbers,
    "flag": _flags,
    "list": _lists,
}
