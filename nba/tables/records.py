"""One HCP's plain records as arrays, without a frame."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import attrgetter, itemgetter, le, methodcaller
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nba.contracts import FOREVER, Bools, Columns, Ints
from nba.errors import TableError, TableTypeError
from nba.tables.arrays import empty_array
from nba.tables.checks import is_about_patients
from nba.tables.columns import ENGAGED_OUTCOMES, OUTCOMES, TABLES, TOUCH_OUTCOMES, Column, Kind, Table
from nba.tables.machine import QUICK_OUTCOMES, machine_rows
from nba.tables.moments import seconds_of_datetime

Record = Mapping[str, Any]
Fault = Callable[[str, str], None]


def rows_from_records(records: Sequence[Record], table: str = "interactions") -> Columns:
    """Turn plain records into the arrays that ``Engagement.columns`` would give for them.

    Parameters
    ----------
    records : dicts with the table's columns; times as zone-aware datetimes or ISO texts with a zone
    table : "interactions" or "consent"

    Returns
    -------
    every column of the table as one array; interactions are sorted and carry ``machine``, ``touch``
    and ``engaged``

    Raises
    ------
    TableError
        If a record does not fit the table; with every fault in ``faults``.
    TableTypeError
        If the records are no list of dicts.

    Examples
    --------
    >>> rows = rows_from_records([{"interaction_id": "i1", "hcp_id": "h1", "ts": "2026-01-05T09:00Z",
    ...     "channel": "rep_visit", "direction": "outbound", "outcome": "held"}])
    >>> rows["touch"].tolist(), rows["ts"].tolist()
    ([True], [1767603600])
    """
    schema = _schema(table)
    _check_type(records, table)
    is_log = table == "interactions"
    columns = _read(_once(records, schema) if is_log else records, schema)
    rows = len(columns["hcp_id"])
    if is_log:
        columns = _finished_log(columns, rows)
    blank = {c.name: empty_array(c, rows) for c in schema.columns if c.name not in columns}
    return {**blank, **columns}


def _schema(table: str) -> Table:
    if table not in ("interactions", "consent"):
        raise TableError(f"Records of {table!r} are not read. Expected 'interactions' or 'consent'.")
    return TABLES[table]


def _check_type(records: Sequence[Record], table: str) -> None:
    if isinstance(records, (list, tuple)) and all(
        issubclass(kind, Mapping) for kind in set(map(type, records))
    ):
        return
    raise TableTypeError(
        f"The {table} records are a {type(records).__name__}. Expected a list of dicts, one a row."
    )


def _once(records: Sequence[Record], schema: Table) -> Sequence[Record]:
    """The records without those delivered again; of equal ones the first to arrive counts."""
    keys = _values(records, schema.key)
    if set(map(type, keys)) != {str} or len(set(keys)) == len(keys):
        return records
    by_key: dict[str, Record] = {}
    for key, record in zip(keys, records, strict=True):
        if key in by_key and not _says_the_same(record, by_key[key], schema):
            found = "the same key stands for rows with other values"
            fault = f"{schema.name}.{schema.key}: {found}. Keep one row a key."
            raise TableError(fault, faults=(fault,))
        if key not in by_key or _arrives_before(record, by_key[key]):
            by_key[key] = record
    return list(by_key.values())


def _values(records: Sequence[Record], name: str, missing: Any = None) -> list[Any]:
    try:
        return list(map(itemgetter(name), records))
    except KeyError:
        return list(map(methodcaller("get", name, missing), records))


def _says_the_same(record: Record, other: Record, schema: Table) -> bool:
    return all(
        _comparable(record.get(c.name), c) == _comparable(other.get(c.name), c)
        for c in schema.columns
        if c.name != "recorded_at"
    )


def _comparable(value: Any, column: Column) -> Any:
    if _is_missing(value):
        return False if column.kind == "flag" else ""
    return _as_seconds(value) if column.kind == "moment" else value


def _arrives_before(record: Record, other: Record) -> bool:
    mine, theirs = record.get("recorded_at"), other.get("recorded_at")
    if _is_missing(mine):
        return False
    return _is_missing(theirs) or (_as_seconds(mine) or FOREVER) < (_as_seconds(theirs) or FOREVER)


def _read(records: Sequence[Record], schema: Table) -> dict[str, NDArray[Any]]:
    keys = set(chain.from_iterable(records))
    faults: list[str] = []
    if any(map(_is_refused, keys)):
        faults.append(f"{schema.name}: a key looks like patient data. Drop it: no patient data may enter.")
    columns: dict[str, NDArray[Any]] = {}
    for column in schema.columns:
        name = column.name
        if name in keys or column.required:

            def fault(found: str, todo: str, name: str = name) -> None:
                faults.append(f"{schema.name}.{name}: {found}. {todo}")

            columns[name] = _READERS[column.kind](
                _values(records, name, _BLANK.get(column.kind)), column, fault
            )
    if faults:
        raise TableError(f"The records do not fit: {' '.join(faults)}", faults=tuple(faults))
    return columns


@lru_cache(maxsize=1024)
def _is_refused(name: Any) -> bool:
    return isinstance(name, str) and is_about_patients(name)


def _is_missing(value: Any) -> bool:
    if value is None or value is pd.NaT or value is pd.NA:
        return True
    return isinstance(value, (str, float)) and (value == "" or value != value)


def _texts(values: list[Any], column: Column, fault: Fault) -> NDArray[Any]:
    distinct = _distinct(values)
    if distinct is None or set(map(type, distinct)) != {str}:  # no other value equals a text
        values = ["" if _is_missing(value) else value for value in values]
        if not all(issubclass(kind, str) for kind in set(map(type, values))):
            fault("not all values are text", "Write them as str.")
            return np.empty(0, dtype=object)
        distinct = set(values)
    if not _is_unicode(distinct):
        fault("a text is not valid Unicode", "Decode it again with the right encoding.")
    if any(map(str.isspace, distinct)):
        values = ["" if value.isspace() else value for value in values]
        distinct = set(values)
    if column.required and "" in distinct:
        fault(f"{values.count('')} values are missing (first at row {values.index('')})", "Fill them.")
    if column.values and not distinct <= {*column.values, ""}:
        fault("a value is outside the vocabulary", f"Expected one of {', '.join(column.values)}.")
    return np.array(values, dtype=object)


def _distinct(values: list[Any]) -> set[Any] | None:
    """The distinct values; None where one of them is no text, number or moment, but a list."""
    try:
        return set(values)
    except TypeError:
        return None


def _is_unicode(texts: set[str]) -> bool:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


def _moments(values: list[Any], column: Column, fault: Fault) -> NDArray[Any]:
    if _are_aware(values):
        return np.floor(list(map(_timestamp, values))).astype(np.int64)
    whole = [column.missing if _is_missing(value) else _as_seconds(value) for value in values]
    if None in whole:
        todo = "Expected zone-aware datetimes or ISO texts with a zone."
        fault(
            f"{whole.count(None)} values without a zone or no time (first at row {whole.index(None)})", todo
        )
        return np.empty(0, dtype=np.int64)
    if column.required and column.missing in whole:
        fault(f"values are missing (first at row {whole.index(column.missing)})", "Fill them.")
    return np.array(whole, dtype=np.int64)


def _are_aware(values: list[Any]) -> bool:
    kinds = set(map(type, values))
    if type(pd.NaT) in kinds or not all(issubclass(kind, dt.datetime) for kind in kinds):
        return False
    zones = set(map(_zone, values))
    return None not in zones and all(zone.utcoffset(values[0]) is not None for zone in zones)


_zone, _timestamp = attrgetter("tzinfo"), methodcaller("timestamp")


def _as_seconds(value: Any) -> int | None:
    """Whole seconds UTC; None where the zone is missing or it is no time."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, dt.datetime) and value.utcoffset() is not None:
        return seconds_of_datetime(value)
    return None


def _numbers(values: list[Any], column: Column, fault: Fault) -> NDArray[Any]:
    if not set(map(type, values)) <= {float, int}:
        values = [np.nan if _is_missing(value) else value for value in values]
        if not all(
            isinstance(value, (int, float, np.number)) and not isinstance(value, bool) for value in values
        ):
            fault("not all values are numbers", "Write them as int or float.")
            return np.empty(0)
    numbers = np.array(values, dtype=np.float64)
    low, high = column.low, column.high
    if np.isinf(numbers).any() or (low is not None and (numbers < low).any()):
        fault("a value is infinite or too small", "Leave unknown values out.")
    if high is not None and (numbers > high).any():
        fault(f"a value is above {high:g}", "Correct it, or leave it out.")
    return numbers


def _flags(values: list[Any], column: Column, fault: Fault) -> NDArray[Any]:
    if set(map(type, values)) != {bool}:
        values = [False if _is_missing(value) else value for value in values]
        if not all(isinstance(value, (bool, int, np.bool_)) and value in (0, 1) for value in values):
            fault("not all values are true or false", "Write True or False.")
            return np.empty(0, dtype=np.bool_)
    return np.array(values, dtype=np.bool_)


_BLANK: Mapping[Kind, Any] = {"id": "", "text": "", "number": np.nan, "flag": False}
"""What a record that lacks a column says of it; as a missing cell, without a look at each."""

_READERS: dict[Kind, Callable[[list[Any], Column, Fault], NDArray[Any]]] = {
    "id": _texts,
    "text": _texts,
    "moment": _moments,
    "number": _numbers,
    "flag": _flags,
}


def _finished_log(columns: dict[str, NDArray[Any]], rows: int) -> dict[str, NDArray[Any]]:
    """Sort a log as ``Engagement`` does and derive the same flags."""
    columns["recorded_at"] = np.maximum(columns.get("recorded_at", columns["ts"]), columns["ts"])
    if not _is_in_order(columns):
        by = (columns[name].tolist() for name in ("hcp_id", "ts", "interaction_id"))
        keys = list(zip(*by, strict=True))
        order = sorted(range(rows), key=keys.__getitem__)
        columns = {name: values[order] for name, values in columns.items()}
    return {**columns, **_derived(columns, rows)}


def _is_in_order(columns: Columns) -> bool:
    """Whether rows stand by HCP, moment and id, told at a glance where they are one HCP's."""
    ts, ids = columns["ts"], columns["interaction_id"]
    if len(set(columns["hcp_id"].tolist())) > 1 or (ts[1:] < ts[:-1]).any():
        return False
    tied = np.flatnonzero(ts[1:] == ts[:-1])
    return all(map(le, ids[tied].tolist(), ids[tied + 1].tolist()))


def _derived(columns: dict[str, NDArray[Any]], rows: int) -> dict[str, NDArray[Any]]:
    outcome = np.array(list(map(_CODES.__getitem__, columns["outcome"].tolist())), dtype=np.int64)
    has_parent, parent = _parents(columns, rows)
    ts = columns["ts"]
    if rows and (ts < ts[parent])[parent >= 0].any():
        fault = "interactions.ts: a response comes before the touch it answers. Correct ts or parent_id."
        raise TableError(fault, faults=(fault,))
    machine = machine_rows(
        flagged=columns["is_machine"] if "is_machine" in columns else np.zeros(rows, dtype=np.bool_),
        quick=_IS_QUICK[outcome],
        clicked=outcome == _CODES["clicked"],
        sent=outcome == _CODES["sent"],
        ts=ts,
        known=columns["recorded_at"],
        parent=parent,
    )
    return {
        "machine": machine,
        "touch": (columns["direction"] == "outbound") & ~has_parent & _IS_TOUCH[outcome],
        "engaged": _IS_ENGAGED[outcome] & ~machine,
    }


def _parents(columns: dict[str, NDArray[Any]], rows: int) -> tuple[Bools, Ints]:
    """Which rows name a parent, and the row of each one that the same HCP has (-1: none)."""
    if "parent_id" not in columns:
        return np.zeros(rows, dtype=np.bool_), np.full(rows, -1, dtype=np.int64)
    place = dict(zip(columns["interaction_id"].tolist(), range(rows), strict=True))
    found = np.array([place.get(key, -1) for key in columns["parent_id"].tolist()], dtype=np.int64)
    same_hcp = columns["hcp_id"][found] == columns["hcp_id"] if rows else np.zeros(0, dtype=np.bool_)
    return columns["parent_id"] != "", np.where(same_hcp, found, -1)


_CODES = {name: code for code, name in enumerate(OUTCOMES)}
_IS_QUICK, _IS_TOUCH, _IS_ENGAGED = (
    np.array([name in wanted for name in OUTCOMES], dtype=np.bool_)
    for wanted in (QUICK_OUTCOMES, TOUCH_OUTCOMES, ENGAGED_OUTCOMES)
)
