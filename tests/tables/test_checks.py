"""What a table may not hold, and how that is said."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from nba.errors import TableTypeError
from nba.tables.checks import as_pandas, checked, is_about_patients
from nba.tables.columns import TABLES

SECRET = "Jane Roe 555-0100"


def faults_of(frame: pd.DataFrame, table: str = "interactions", *, text: bool = False) -> list[str]:
    return checked(frame, TABLES[table], text=text)[1].faults


def warnings_of(frame: pd.DataFrame, table: str = "interactions") -> list[str]:
    return checked(frame, TABLES[table])[1].warnings


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


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(lambda n: [None] * n, id="all missing"),
        pytest.param(lambda n: ["", " ", *["held"] * (n - 2)], id="blank"),
        pytest.param(lambda n: [1] * n, id="integers"),
        pytest.param(lambda n: [float("inf")] * n, id="infinite"),
        pytest.param(lambda n: [2, "held"] * (n // 2) + ["held"] * (n % 2), id="mixed"),
        pytest.param(lambda n: [SECRET] * n, id="outside the vocabulary"),
    ],
)
def test_a_bad_outcome_is_a_fault_and_is_not_echoed(log, cells):
    (fault,) = faults_of(log.assign(outcome=cells(len(log))))

    assert fault.startswith("interactions.outcome: ")
    assert SECRET not in fault


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(lambda n: np.arange(n), id="integers"),
        pytest.param(lambda n: np.arange(n) + 0.5, id="floats"),
        pytest.param(lambda n: ["h1", 2, *["h3"] * (n - 2)], id="mixed"),
        pytest.param(lambda n: [b"h1"] * n, id="bytes"),
        pytest.param(lambda n: ["h1", b"h1", *["h3"] * (n - 2)], id="text and bytes"),
        pytest.param(lambda n: ["\ud800", *["h1"] * (n - 1)], id="lone surrogate"),
        pytest.param(lambda n: ["h1", None, *["h1"] * (n - 2)], id="missing"),
        pytest.param(lambda n: ["h1", "  ", *["h1"] * (n - 2)], id="blank"),
        pytest.param(lambda n: [["h1"]] * n, id="lists"),
    ],
)
def test_ids_that_are_not_text_are_faults(log, cells):
    frame = log.assign(hcp_id=pd.Series(list(cells(len(log))), dtype=object))

    (fault,) = faults_of(frame)

    assert fault.startswith("interactions.hcp_id: ")


def test_integer_ids_are_told_about_leading_zeros(log):
    assert "leading zeros" in faults_of(log.assign(hcp_id=range(len(log))))[0]


def test_ids_of_any_script_and_with_path_characters_are_fine(log):
    ids = ["héllo", "医師", "a|b", "../x", "a/b", "x:y"]
    frame = log.assign(hcp_id=[ids[i % len(ids)] for i in range(len(log))])

    result, findings = checked(frame, TABLES["interactions"])

    assert findings.faults == findings.warnings == []
    assert set(result["hcp_id"]) == set(ids)


def test_blanks_around_ids_and_case_variants_are_said_and_kept_apart(log):
    frame = log.assign(hcp_id=["h1", " h1", "H1", *["h2"] * (len(log) - 3)])

    result, findings = checked(frame, TABLES["interactions"])

    assert len(findings.warnings) == 2
    assert set(result["hcp_id"]) == {"h1", " h1", "H1", "h2"}


MOMENT = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (datetime(2026, 1, 5, 9), "without a time zone"),
        (date(2026, 1, 5), "without a time zone"),
        ("2026-01-05T09:00:00Z", "text"),
        (SECRET, "text"),
        (1_767_603_600, "number"),
        (None, "empty"),
        (pd.NaT, "empty"),
        (True, "no time"),
    ],
)
def test_a_cell_that_is_no_moment_is_a_fault_with_its_row(log, cell, said):
    cells = pd.Series([MOMENT, MOMENT, cell, *[MOMENT] * (len(log) - 3)], dtype=object)

    (fault,) = faults_of(log.assign(ts=cells))

    assert said in fault
    assert "1 cell" in fault
    assert "(first at row 2)" in fault
    assert SECRET not in fault


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(lambda ts: ts.dt.tz_localize(None), id="naive"),
        pytest.param(lambda ts: ts.astype(str), id="text"),
        pytest.param(lambda ts: pd.Series(range(len(ts))), id="epoch"),
        pytest.param(lambda ts: pd.Series([1.5] * len(ts)), id="floats"),
        pytest.param(lambda ts: pd.Series([False] * len(ts)), id="bools"),
    ],
)
def test_a_whole_column_of_no_moments_is_one_fault(log, column):
    (fault,) = faults_of(log.assign(ts=column(log["ts"])))

    assert f"{len(log)} cells" in fault


def test_three_zone_offsets_are_said_and_two_of_one_place_are_not(log):
    zones = [timezone(timedelta(hours=h)) for h in (1, 2, 9)]
    mixed = pd.Series([MOMENT.astimezone(zones[i % 3]) for i in range(len(log))], dtype=object)
    summer = pd.Series([MOMENT.astimezone(zones[i % 2]) for i in range(len(log))], dtype=object)

    assert "zone offsets" in warnings_of(log.assign(ts=mixed))[0]
    assert warnings_of(log.assign(ts=summer)) == []


@pytest.mark.parametrize("year", [1677, 1970, 2250])
def test_implausible_years_are_said(log, year):
    ts = log["ts"].copy()
    ts[4] = datetime(year, 12, 1, tzinfo=UTC)

    assert "(first at row 4)" in warnings_of(log.assign(ts=ts, recorded_at=None))[0]


def test_an_expiry_in_the_year_9999_is_fine(frames):
    content = frames["content"].assign(
        expiry=pd.Series([datetime(9999, 12, 31, tzinfo=UTC)] * 9, dtype=object)
    )

    result, findings = checked(content, TABLES["content"])

    assert findings.faults == findings.warnings == []
    assert result["expiry"].iloc[0].year == 9999


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


def test_untagged_content_is_said(frames):
    content = frames["content"].assign(topic=None).drop(columns="format")

    assert len(warnings_of(content, "content")) == 2


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


@pytest.mark.slow
def test_a_million_rows_are_checked_in_seconds(territory):
    log = territory(touches=400_000, hcps=5_000, contents=200)["interactions"]

    start = time.process_time()
    _, findings = checked(log, TABLES["interactions"])

    assert findings.faults == []
    assert time.process_time() - start < 5.0 * len(log) / 1e6
