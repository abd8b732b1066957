"""One pass over a table: every fault at once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow.compute as pc

from nba.errors import TableTypeError
from nba.tables.cells import read_column
from nba.tables.columns import PATIENT_NAMES, PATIENT_WORDS, Table
from nba.tables.findings import Findings, shown
from nba.tables.moments import arrow_of


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
        column.name: read_column(frame[column.name], column, findings, text=text)
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
                shown(name), "the column looks like patient data", "Drop it: no patient data may enter."
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
        return f"Did you mean {shown(spare[close[0]])!r}? Rename it to {missing!r}."
    return "Add it, or map your own column with nba.tables.from_frame(mapping=...)."


def _note_ignored(frame: pd.DataFrame, schema: Table, findings: Findings) -> None:
    ignored = sorted(shown(str(name)) for name in frame.columns if name not in schema.by_name)
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
