"""What columns of numbers, flags and lists may hold."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from nba.tables.checks import checked
from nba.tables.columns import TABLES

SECRET = "Jane Roe 555-0100"


def faults_of(frame: pd.DataFrame, table: str = "interactions", *, text: bool = False) -> list[str]:
    return checked(frame, TABLES[table], text=text)[1].faults


@pytest.fixture
def log(frames) -> pd.DataFrame:
    return frames["interactions"]


@pytest.mark.parametrize(
    ("cell", "said"), [(np.inf, "infinite"), (-1.0, "outside 0 to inf"), ("5", "numbers")]
)
def test_bad_numbers_are_faults(log, cell, said):
    (fault,) = faults_of(log.assign(duration_s=[cell] * len(log)))

    assert said in fault


@pytest.mark.parametrize("kind", ["Int8", "boolean", "float", "object"])
def test_flags_may_be_bools_or_zeros_and_ones(log, kind):
    flags = pd.Series([True, False] * len(log), dtype=bool)[: len(log)]

    result, findings = checked(log.assign(is_machine=flags.astype(kind)), TABLES["interactions"])

    assert findings.faults == []
    assert result["is_machine"].tolist() == flags.tolist()


def test_a_flag_of_two_is_a_fault(log):
    assert "not all true or false" in faults_of(log.assign(is_machine=2))[0]


def test_lists_may_be_lists_tuples_arrays_or_one_text(frames):
    cells = [
        ["a", "b"],
        ("a", "b"),
        np.array(["a", "b"]),
        "a|b",
        "a; b",
        {"b", "a"},
        ["a", "a", "b"],
        ["a", " b "],
    ]
    content = frames["content"].iloc[: len(cells)].assign(channels=pd.Series(cells, dtype=object))

    result, findings = checked(content, TABLES["content"])

    assert findings.faults == []
    assert set(result["channels"]) == {("a", "b")}


def test_a_list_of_numbers_is_a_fault(frames):
    content = frames["content"].assign(channels=pd.Series([[1]] * 9, dtype=object))

    assert "9 cells not lists of text" in faults_of(content, "content")[0]


def test_bad_text_cells_are_faults_and_are_not_echoed(log):
    text = (
        log.astype(str)
        .replace({"None": None, "nan": None})
        .assign(ts=SECRET, duration_s=SECRET, is_machine=SECRET)
    )

    faults = faults_of(text, text=True)

    assert len(faults) == 3
    assert SECRET not in "".join(faults)


ODD_CELLS = {
    "dicts": [{"a": 1}],
    "sets of mixed": [{1, "a"}],
    "everything": [1, "a", None, 2.5, b"z", date(2020, 1, 1)],
    "complex": [1j],
    "huge integers": [10**30],
    "objects": [object()],
    "matrices": [np.zeros((2, 2))],
    "lists of nothing": [[None]],
    "durations": pd.timedelta_range("1s", periods=6),
    "months": pd.period_range("2020-01", periods=6, freq="M"),
    "intervals": pd.interval_range(0, 6),
    "categories of numbers": pd.Categorical(range(6)),
    "categories of moments": pd.Categorical(pd.date_range("2026-01-01", periods=6, tz="UTC")),
    "the first day of all": [datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))],
    "the last day of all": [datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5)))],
}


@pytest.mark.parametrize("odd", ODD_CELLS.values(), ids=ODD_CELLS)
@pytest.mark.parametrize("column", ["hcp_id", "ts", "duration_s", "is_machine", "outcome"])
def test_whatever_stands_in_a_column_is_a_finding_and_never_a_crash(log, column, odd):
    cells = pd.Series(odd, dtype=None if hasattr(odd, "dtype") else object)
    frame = log.iloc[: len(cells)].reset_index(drop=True).assign(**{column: cells})

    faults = faults_of(frame)

    assert all(fault.startswith(f"interactions.{column}: ") for fault in faults)
