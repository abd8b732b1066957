"""Cells of a CRM export, wherever they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from nba.contracts import Bools
from nba.tables.checks import as_pandas
from nba.tables.rules import Filled, Origin, Via

_CHECKSUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_CHANGED = ("SystemModstamp", "LastModifiedDate")


class Export:
    """The objects of one CRM: their columns by name, whatever the case, blanks as None.

    Parameters
    ----------
    objects : tables by the objects' names
    salesforce_ids : ids of 15 characters are brought to the 18 of the same record

    Examples
    --------
    >>> export = Export({"Account": pd.DataFrame({"ID": ["a"], "Name": [" "]})}, salesforce_ids=True)
    >>> export.cells("Account", "Id").tolist(), export.cells("Account", "Name").tolist()
    (['a'], [None])
    """

    def __init__(self, objects: Mapping[str, object], *, salesforce_ids: bool) -> None:
        self._salesforce_ids = salesforce_ids
        frames = {name: as_pandas(table, name=name) for name, table in objects.items()}
        self._frames = {name.lower(): _as_it_stands(frame) for name, frame in frames.items()}

    def __contains__(self, object_name: str) -> bool:
        return object_name.lower() in self._frames

    def frame(self, object_name: str) -> pd.DataFrame:
        """An object's rows, each record once."""
        return self._frames[object_name.lower()]

    def cells(self, object_name: str, origin: Origin) -> pd.Series | None:
        """What an object's rows have at an origin; None where the export has no such column."""
        if isinstance(origin, Via):
            return self._via(object_name, origin)
        if isinstance(origin, Filled):
            found = self.cells(object_name, origin.origin)
            return None if found is None else _where(found.notna().to_numpy(), origin.value)
        frame = self.frame(object_name)
        name = column_named(frame, origin)
        return None if name is None else _blanks_as_none(frame[name])

    def record_ids(self, cells: pd.Series) -> pd.Series:
        """Ids of records in one spelling."""
        if not self._salesforce_ids:
            return cells
        codes, distinct = pd.factorize(cells, use_na_sentinel=True)
        return _taken([eighteen(cell) if isinstance(cell, str) else cell for cell in distinct], codes)

    def _via(self, object_name: str, via: Via) -> pd.Series | None:
        key = self.cells(object_name, via.key)
        if key is None or via.object not in self:
            return None
        on, wanted = self.cells(via.object, via.on), self.cells(via.object, via.column)
        if on is None or wanted is None:
            return None
        other = pd.DataFrame({"on": self.record_ids(on), "wanted": wanted.astype(object)})
        if other["on"].duplicated().any():
            order = self.cells(via.object, via.order) if via.order else None
            other["order"] = _ranks(order, wanted)
            other = other.sort_values("order", kind="stable")
        other = other.dropna(subset=["on", "wanted"]).drop_duplicates("on")
        found = dict(zip(other["on"], other["wanted"], strict=True))
        codes, distinct = pd.factorize(self.record_ids(key), use_na_sentinel=True)
        return _taken([found.get(cell) for cell in distinct], codes)


def column_named(frame: pd.DataFrame, wanted: str) -> str | None:
    """The frame's own spelling of a column's name."""
    if wanted in frame.columns:
        return wanted
    spelled = [str(name) for name in frame.columns if str(name).lower() == wanted.lower()]
    return spelled[0] if spelled else None


def eighteen(record_id: str) -> str:
    """The 18 characters of a record's id that was written with 15.

    Each of the three that are added spells which of five characters are capitals, so that ids stay apart
    where capitals do not count.

    Examples
    --------
    >>> eighteen("001A0000006Vm9u"), eighteen("h1")
    ('001A0000006Vm9uIAC', 'h1')
    """
    if len(record_id) != 15 or not (record_id.isascii() and record_id.isalnum()):
        return record_id
    groups = (record_id[start : start + 5] for start in (0, 5, 10))
    return record_id + "".join(
        _CHECKSUM[sum(1 << place for place, letter in enumerate(group) if letter.isupper())]
        for group in groups
    )


def said(cell: Any) -> str:
    """A picklist's cell as text, however the export wrote it."""
    if isinstance(cell, (bool, np.bool_)):
        return "true" if cell else "false"
    if isinstance(cell, (float, np.floating)) and float(cell).is_integer():
        return str(int(cell))
    text = str(cell).strip()
    return text.lower() if text in ("True", "False", "TRUE", "FALSE") else text


def _as_it_stands(frame: pd.DataFrame) -> pd.DataFrame:
    """Every record once, in its newest state: exports overlap."""
    frame = frame.reset_index(drop=True)
    key = column_named(frame, "Id")
    if key is None or not frame[key].duplicated().any():
        return frame
    frame = frame[~frame.astype(str).duplicated()]
    changed = [name for name in (column_named(frame, c) for c in _CHANGED) if name is not None]
    if changed:
        order = pd.to_datetime(frame[changed[0]], utc=True, format="ISO8601", errors="coerce")
        newest = order.sort_values(kind="stable", na_position="first").index
        frame = frame.loc[newest].drop_duplicates(key, keep="last").sort_index()
    return frame.reset_index(drop=True)


def _blanks_as_none(series: pd.Series) -> pd.Series:
    if series.dtype.kind == "M":
        return series
    cells = series.astype(object)
    missing = cells.isna() | cells.map(lambda cell: isinstance(cell, str) and not cell.strip()).astype(bool)
    return cells.where(~missing, None)


def _where(filled: Bools, value: str) -> pd.Series:
    return pd.Series([value if is_filled else None for is_filled in filled], dtype=object)


def _taken(of_distinct: list[Any], codes: Any) -> pd.Series:
    """Spread what belongs to distinct cells over the rows; -1 is missing."""
    holder = np.empty(len(of_distinct) + 1, dtype=object)
    holder[: len(of_distinct)] = of_distinct
    return pd.Series(holder[codes], dtype=object)


def _ranks(order: pd.Series | None, wanted: pd.Series) -> list[tuple[bool, float, str, str]]:
    """What decides between several rows, whatever order they came in."""
    first = pd.Series([None] * len(wanted), dtype=object) if order is None else order
    numbers = pd.to_numeric(first.astype(object).map(str), errors="coerce").fillna(0.0)
    return [
        (cell is None, float(number), str(cell), str(want))
        for cell, number, want in zip(first, numbers, wanted, strict=True)
    ]
