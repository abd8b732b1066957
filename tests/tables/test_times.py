"""What a time column may hold."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pandas as pd
import pytest

from nba.tables.checks import checked
from nba.tables.columns import TABLES

SECRET = "Jane Roe 555-0100"


def faults_of(frame: pd.DataFrame, table: str = "interactions", *, text: bool = False) -> list[str]:
    return checked(frame, TABLES[table], text=text)[1].faults


def warnings_of(frame: pd.DataFrame, table: str = "interactions") -> list[str]:
    return checked(frame, TABLES[table])[1].warnings


@pytest.fixture
def log(frames) -> pd.DataFrame:
    return frames["interactions"]


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
