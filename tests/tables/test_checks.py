"""What a table may not hold, and how that is said."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from nba.errors import TableTypeError
from nba.tables.checks import as_pandas, checked, is_about_patients
from nba.tables.columns import TABLES


def faults_of(frame: pd.DataFrame, table: str = "interactions", *, text: bool = False) -> list[str]:
    return checked(frame, TABLES[table], text=text)[1].faults


@pytest.fixture
def log(frames) -> pd.DataFrame:
    return frames["interactions"]


def test_a_clean_table_has_no_faults_and_no_warnings(frames):
    for name, frame in frames.items():
        _, findings = checked(frame, TABLES[name])
        assert (findings.faults, findings.warnings) == ([], [])


def test_no_rows_and_no_columns_are_faults(log):
    assert faults_of(log.iloc[:0]) == ["interactions.*: the table has no rows. Hand in at least one row."]
    assert "no columns" in faults_of(pd.DataFrame())[0]


@pytest.mark.parametrize("column", ["hcp_id", "ts", "outcome", "channel"])
def test_a_missing_column_is_named_with_the_nearest_name(log, column):
    (fault,) = faults_of(log.rename(columns={column: column.upper() + "s"}))

    todo = f"Did you mean '{column.upper()}s'? Rename it to '{column}'."
    assert fault == f"interactions.{column}: the column is missing. {todo}"


def test_duplicate_column_names_are_a_fault(log):
    (fault,) = faults_of(pd.concat([log, log[["channel"]]], axis=1))

    assert "2 columns have this name" in fault


def test_extra_columns_are_ignored_aloud(log):
    frame, findings = checked(log.assign(anything=1), TABLES["interactions"])

    assert "anything" not in frame
    assert "anything" in findings.notes[0]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("patient_id", True),
        ("PatientName", True),
        ("MRN", True),
        ("date-of-birth", True),
        ("primary diagnosis", True),
        ("ssn", True),
        ("hcp_id", False),
        ("dobson_index", False),
        ("outpatient_share", False),
    ],
)
def test_columns_about_patients_are_recognised_by_name(name, is_one):
    assert is_about_patients(name) == is_one


def test_prescriptions_need_the_moment_they_were_available():
    table = pd.DataFrame({"hcp_id": ["h1"], "period": ["2026-01-01"], "product_id": ["p1"], "trx": [3.0]})

    (fault,) = faults_of(table, "prescriptions")

    assert fault.startswith("prescriptions.available_at: the column is missing")


def test_prescriptions_need_a_place_and_a_count():
    table = pd.DataFrame(
        {
            "period": ["2026-01-01"],
            "product_id": ["p1"],
            "available_at": [pd.Timestamp("2026-03-01", tz="UTC")],
        }
    )

    assert [fault.split(":")[0] for fault in faults_of(table, "prescriptions")] == [
        "prescriptions.hcp_id or brick_id",
        "prescriptions.trx or nrx or nbrx",
    ]


def test_all_faults_of_a_table_come_at_once(log):
    bad = log.assign(ts=log["ts"].dt.tz_localize(None), outcome="nothing", hcp_id=1, duration_s=np.inf)

    assert len(faults_of(bad)) == 4


def test_something_else_is_no_table():
    with pytest.raises(TableTypeError, match="interactions is a list"):
        as_pandas([1, 2], name="interactions")


@pytest.mark.slow
def test_a_million_rows_are_checked_in_seconds(territory):
    log = territory(touches=400_000, hcps=5_000, contents=200)["interactions"]

    start = time.process_time()
    _, findings = checked(log, TABLES["interactions"])

    assert findings.faults == []
    assert time.process_time() - start < 5.0 * len(log) / 1e6
