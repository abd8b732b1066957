"""One pass over a table: every fault at once."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nba.contracts import Bools, Floats, Ints
from nba.errors import TableError, TableTypeError
from nba.tables.columns import PATIENT_NAMES, PATIENT_WORDS, Column, Kind, Table
from nba.tables.moments import arrow_of, as_datetimes, seconds_of_arrow, seconds_of_datetime

PLAUSIBLE = (631_152_000, 4_102_444_800)
"""Events outside 1990 to 2099 are almost always a wrong unit or a placeholder."""

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


@dataclass
class Findings:
    """What one pass over one table found.

    Attributes
    ----------
    faults : why the table is refused
    warnings : what was found odd and defined away
    notes : what was set aside as agreed
    """

    table: str
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, column: str, found: str, todo: str, *, bad: Bools | None = None) -> None:
        """Add a fault: what was found where, and what to do."""
        self.faults.append(f"{self.table}.{column}: {found}{_where(bad)}. {todo}")

    def warn(self, column: str, found: str, done: str, *, bad: Bools | None = None) -> None:
        """Add a warning: what was found where, and what was done."""
        self.warnings.append(f"{self.table}.{column}: {found}{_where(bad)}. {done}")


def as_pandas(table: object, *, name: str) -> pd.DataFrame:
    """Take in a pandas, polars or pyarrow table as pandas; nothing is changed in place.

    Raises
    ------
    TableTypeError
        If it is no table.

    Examples
    --------
    >>> as_pandas(pd.DataFrame({"hcp_id": ["h1"]}), name="hcps").shape
    (1, 1)
    """
    if isinstance(table, pd.DataFrame):
        return table
    try:
        native = nw.from_native(table, eager_only=True)  # type: ignore[call-overload]
    except TypeError:
        raise TableTypeError(
            f"{name} is a {type(table).__name__}. Expected a pandas, polars or pyarrow table. "
            "Build one first, for example with pandas.DataFrame(...)."
        ) from None
    frame: pd.DataFrame = native.to_pandas()
    return frame


def checked(frame: pd.DataFrame, schema: Table, *, text: bool = False) -> tuple[pd.DataFrame, Findings]:
    """Check a table against its schema and give its canonical form.

    Parameters
    ----------
    frame : the table as it came
    schema : what it should hold
    text : True where every cell came as text (CSV), to be read as the schema says

    Returns
    -------
    frame with the known columns in canonical order and types, and what was found. Where there are
    faults the frame is empty.
    """
    findings = Findings(schema.name)
    _check_shape(frame, schema, findings)
    if findings.faults:
        return pd.DataFrame(), findings
    columns = {
        column.name: _read(frame[column.name], column, findings, text=text)
        for column in schema.columns
        if column.name in frame.columns
    }
    if findings.faults:
        return pd.DataFrame(), findings
    result = pd.DataFrame(columns)
    if schema.key:
        result = _without_redelivered(result, schema, findings)
    _note_ignored(frame, schema, findings)
    return (pd.DataFrame() if findings.faults else result), findings


def raise_faults(all_findings: Sequence[Findings]) -> None:
    """Raise one error with all faults of all tables, if there are any.

    Raises
    ------
    TableError
        With one sentence a fault in ``faults``.
    """
    faults = tuple(fault for findings in all_findings for fault in findings.faults)
    if not faults:
        return
    names = sorted({findings.table for findings in all_findings if findings.faults})
    lines = "".join(f"\n  - {fault}" for fault in faults)
    count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
    raise TableError(f"{' and '.join(names)}: {count} found (rows count from 0).{lines}", faults=faults)


# --- the table as a whole


def _check_shape(frame: pd.DataFrame, schema: Table, findings: Findings) -> None:
    if not len(frame.columns):
        findings.refuse("*", "the table has no columns", f"Expected {', '.join(_needed(schema))}.")
        return
    _check_names(frame, schema, findings)
    if not len(frame) and schema.name in ("interactions", "content", "hcps"):
        findings.refuse("*", "the table has no rows", "Hand in at least one row.")


def _needed(schema: Table) -> list[str]:
    return [c.name for c in schema.columns if c.required] + [" or ".join(group) for group in schema.any_of]


def _check_names(frame: pd.DataFrame, schema: Table, findings: Findings) -> None:
    names = [str(name) for name in frame.columns]
    for name in sorted({name for name in names if names.count(name) > 1}):
        findings.refuse(name, f"{names.count(name)} columns have this name", "Keep one of them.")
    for name in names:
        if is_about_patients(name):
            findings.refuse(
                _shown(name), "the column looks like patient data", "Drop it: no patient data may enter."
            )
    for column in schema.columns:
        if column.required and column.name not in names:
            findings.refuse(column.name, "the column is missing", _suggestion(column.name, names, schema))
        elif column.expected and column.name not in names:
            findings.warn(column.name, "the column is missing", "All rows count as untagged.")
    for group in schema.any_of:
        if not set(group) & set(names):
            wanted = "the column is missing" if len(group) == 1 else "one of these columns is needed"
            findings.refuse(" or ".join(group), wanted, _suggestion(group[0], names, schema))


def is_about_patients(column: str) -> bool:
    """Say whether a column's name points at patients' data.

    Examples
    --------
    >>> is_about_patients("Patient_ID"), is_about_patients("hcp_id")
    (True, False)
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column)
    name = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")
    # "patient_education" describes content; only a value or a topic says so, never a column we read.
    return name in PATIENT_NAMES or bool(set(name.split("_")) & PATIENT_WORDS)


def _suggestion(missing: str, names: Iterable[str], schema: Table) -> str:
    spare = {name.lower(): name for name in names if name not in schema.by_name}
    close = get_close_matches(missing.lower(), list(spare), n=1, cutoff=0.6)
    if close:
        return f"Did you mean {_shown(spare[close[0]])!r}? Rename it to {missing!r}."
    return "Add it, or map your own column with nba.tables.from_frame(mapping=...)."


def _note_ignored(frame: pd.DataFrame, schema: Table, findings: Findings) -> None:
    ignored = sorted(_shown(str(name)) for name in frame.columns if name not in schema.by_name)
    ignored = [name for name in ignored if name not in ("machine", "touch", "engaged")]
    if ignored:
        findings.notes.append(
            f"{schema.name}: columns that the schema does not know were ignored: {ignored}."
        )


def _without_redelivered(frame: pd.DataFrame, schema: Table, findings: Findings) -> pd.DataFrame:
    """Drop rows that came twice; the same key with other values is a fault."""
    key = pc.dictionary_encode(arrow_of(frame[schema.key]))
    if len(key.dictionary) == len(frame):
        return frame
    codes = key.indices.to_numpy(zero_copy_only=False)
    repeated = np.bincount(codes, minlength=len(key.dictionary))[codes] > 1
    rows = frame[repeated].copy()
    # The same record sent again carries a new time of arrival; the first arrival counts.
    said = [name for name in rows.columns if name != "recorded_at"]
    comparable = rows[said].assign(**{c: rows[c].map(tuple) for c in said if schema[c].kind == "list"})
    first_of_content = ~comparable.duplicated()
    conflict = first_of_content & rows[schema.key].duplicated()
    if conflict.any():
        bad = np.zeros(len(frame), dtype=np.bool_)
        bad[np.flatnonzero(repeated)[conflict.to_numpy()]] = True
        findings.refuse(
            schema.key, "the same key stands for rows with other values", "Keep one row a key.", bad=bad
        )
        return frame
    if "recorded_at" in frame.columns:
        frame = frame.assign(_row=np.arange(len(frame))).sort_values(
            ["recorded_at", "_row"], na_position="last"
        )
        frame = frame.drop_duplicates(schema.key).sort_values("_row").drop(columns="_row")
    else:
        frame = frame.drop_duplicates(schema.key)
    findings.notes.append(f"{schema.name}: {len(codes) - len(frame)} rows delivered again were dropped.")
    return frame.reset_index(drop=True)


# --- one column


def _read(series: pd.Series, column: Column, findings: Findings, *, text: bool) -> pd.Series:
    """The column in its canonical type; what is wrong with it goes to the findings."""
    reader = _TEXT_READERS.get(column.kind, _READERS[column.kind]) if text else _READERS[column.kind]
    return reader(series, column, findings)


def _read_text(series: pd.Series, column: Column, findings: Findings) -> pd.Series:
    array = _as_text(series, column, findings)
    if array is None:
        return series
    encoded = array.dictionary_encode()
    distinct = encoded.dictionary
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    trimmed = pc.utf8_trim_whitespace(distinct)
    blank = _per_row(pc.equal(trimmed, ""), codes)
    if blank.any():
        array = pc.if_else(pa.array(~blank), array, pa.scalar(None, pa.large_string()))
    _check_missing(column, findings, (codes < 0) | blank)
    _check_vocabulary(column, findings, distinct, codes, blank)
    _warn_of_variants(column, findings, distinct, trimmed, codes)
    return pd.Series(array.to_pandas())


def _as_text(series: pd.Series, column: Column, findings: Findings) -> pa.Array | None:
    try:
        array = arrow_of(series)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_null(array.type) or pa.types.is_string(array.type):
            array = array.cast(pa.large_string())
    except UnicodeEncodeError:
        findings.refuse(
            column.name, "a text is not valid Unicode", "Decode it again with the right encoding."
        )
        return None
    except (pa.ArrowException, OverflowError, TypeError):
        findings.refuse(column.name, "texts and other types are mixed", _AS_TEXT, bad=_not_str(series))
        return None
    if not pa.types.is_large_string(array.type):
        why = " Whole numbers have lost leading zeros." if pa.types.is_integer(array.type) else ""
        findings.refuse(column.name, f"{len(array)} cells are {array.type}, not text", _AS_TEXT + why)
        return None
    return array


_AS_TEXT = "Read the column as str at the source."


def _not_str(series: pd.Series) -> Bools:
    return np.array([not isinstance(v, str) and v is not None and v == v for v in series], dtype=np.bool_)


def _per_row(of_distinct: pa.Array, codes: Ints) -> Bools:
    """Spread a truth about distinct values over rows; missing rows are False."""
    truth = np.r_[of_distinct.to_numpy(zero_copy_only=False).astype(np.bool_), False]
    spread: Bools = truth[codes]
    return spread


def _check_missing(column: Column, findings: Findings, missing: Bools) -> None:
    if column.required and missing.any():
        findings.refuse(
            column.name, f"{_cells(missing)} empty", "Fill them, or drop these rows.", bad=missing
        )
    elif column.expected and missing.any():
        findings.warn(column.name, f"{_cells(missing)} empty", "These rows count as untagged.", bad=missing)


def _check_vocabulary(
    column: Column, findings: Findings, distinct: pa.Array, codes: Ints, blank: Bools
) -> None:
    if not column.values:
        return
    known = _per_row(pc.is_in(distinct, pa.array(column.values, pa.large_string())), codes)
    bad = ~known & (codes >= 0) & ~blank
    if bad.any():
        todo = f"Expected one of {', '.join(column.values)}, in lower case."
        findings.refuse(column.name, f"{_cells(bad)} outside the vocabulary", todo, bad=bad)


def _warn_of_variants(
    column: Column, findings: Findings, distinct: pa.Array, trimmed: pa.Array, codes: Ints
) -> None:
    if column.kind != "id" and column.name != "channel":
        return
    padded = _per_row(pc.and_(pc.not_equal(distinct, trimmed), pc.not_equal(trimmed, "")), codes)
    if padded.any():
        done = "They are kept as they are and match nothing without it; trim them at the source."
        findings.warn(column.name, f"{_cells(padded)} with blanks around the text", done, bad=padded)
    # Names of single rows run into millions, and a person never types them.
    if column.name in _CASED:
        variants = len(distinct) - len(pc.unique(pc.utf8_lower(distinct)))
        if variants:
            done = "They are kept apart; make them equal at the source if they mean the same."
            findings.warn(column.name, f"{variants} values differ from another one only by case", done)


_CASED = frozenset({"hcp_id", "content_id", "product_id", "channel", "territory_id", "user_id"})


def _read_moment(series: pd.Series, column: Column, findings: Findings) -> pd.Series:
    if series.dtype == np.dtype(object):
        return _moments_one_by_one(series.tolist(), column, findings)
    array = _plain(series)
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
            findings.refuse(column.name, f"{_cells(bad)} {kind}", todo, bad=bad)
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


def _read_moment_text(series: pd.Series, column: Column, findings: Findings) -> pd.Series:
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
    findings.refuse(column.name, f"{_cells(bad)} without a time zone (tz-naive)", todo, bad=bad)


def _as_moments(whole: Ints, missing: Bools, column: Column, findings: Findings) -> pd.Series:
    _check_missing(column, findings, missing)
    if column.name in ("ts", "recorded_at", "captured_at"):
        odd = ~missing & ((whole < PLAUSIBLE[0]) | (whole >= PLAUSIBLE[1]))
        if odd.any():
            done = "They are kept; look for a wrong unit or a placeholder."
            findings.warn(column.name, f"{_cells(odd)} before 1990 or after 2099", done, bad=odd)
    return as_datetimes(whole, missing=missing)


def _read_number(series: pd.Series, column: Column, findings: Findings) -> pd.Series:
    array = _plain(series)
    if array is None or not (_is_number(array.type) or pa.types.is_null(array.type)):
        findings.refuse(column.name, "the cells are not all numbers", "Expected a column of numbers.")
        return series
    values = array.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    _check_numbers(values, column, findings)
    return pd.Series(values)


def _plain(series: pd.Series) -> pa.Array | None:
    try:
        array = arrow_of(series)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError, TypeError):
        return None
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _check_numbers(values: Floats, column: Column, findings: Findings) -> None:
    if (infinite := np.isinf(values)).any():
        findings.refuse(
            column.name, f"{_cells(infinite)} infinite", "Leave unknown cells empty.", bad=infinite
        )
    low = -np.inf if column.low is None else column.low
    high = np.inf if column.high is None else column.high
    outside = ((values < low) | (values > high)) & ~np.isinf(values)
    if outside.any():
        findings.refuse(
            column.name,
            f"{_cells(outside)} outside {low:g} to {high:g}",
            "Correct them, or leave them empty.",
            bad=outside,
        )
    _check_missing(column, findings, np.isnan(values))


def _read_number_text(series: pd.Series, column: Column, findings: Findings) -> pd.Series:
    values = pd.to_numeric(series.reset_index(drop=True), errors="coerce").astype("float64")
    unread = values.isna().to_numpy() & series.notna().to_numpy()
    if unread.any():
        findings.refuse(column.name, f"{_cells(unread)} not readable as a number", "Write 12.5.", bad=unread)
        return series
    _check_numbers(values.to_numpy(), column, findings)
    return values


def _read_flag(series: pd.Series, column: Column, findings: Findings) -> pd.Series:
    array = _plain(series)
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
        findings.refuse(
            column.name, f"{_cells(unread)} not true or false", "Write true or false.", bad=unread
        )
        return series
    return pd.Series([_TRUTH.get(value, column.otherwise) for value in lowered], dtype=np.bool_)


def _read_list(series: pd.Series, column: Column, findings: Findings) -> pd.Series:
    cells = [_as_items(value) for value in series.tolist()]
    bad = np.array([cell is None for cell in cells], dtype=np.bool_)
    if bad.any():
        todo = "Expected a list of str, or one text with items set apart by '|'."
        findings.refuse(column.name, f"{_cells(bad)} not lists of text", todo, bad=bad)
        return series
    _check_missing(column, findings, np.array([not cell for cell in cells], dtype=np.bool_))
    holder = np.empty(len(cells), dtype=object)
    holder[:] = cells
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
    "id": _read_text,
    "text": _read_text,
    "moment": _read_moment,
    "day": _read_moment,
    "number": _read_number,
    "flag": _read_flag,
    "list": _read_list,
}
_TEXT_READERS: dict[Kind, _Reader] = {
    "moment": _read_moment_text,
    "day": _read_moment_text,
    "number": _read_number_text,
    "flag": _read_flag_text,
}


# --- words


def _cells(bad: Bools) -> str:
    count = int(bad.sum())
    return f"{count} cell{'s' if count > 1 else ''}"


def _where(bad: Bools | None) -> str:
    return "" if bad is None else f" (first at row {int(np.argmax(bad))})"


def _shown(name: str) -> str:
    """A column's name, safe to print: short, without control characters."""
    return "".join(ch if ch.isprintable() else "?" for ch in name)[:60]
