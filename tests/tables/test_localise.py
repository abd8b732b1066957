"""Moments of an export."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from nba.tables.findings import Findings
from nba.tables.localise import read_moments


def read(cells: object, *, zone: str | None = None, days: bool = False):
    findings = Findings("Object")
    at, is_day = read_moments(pd.Series(cells), zone=zone, days=days, column="When", findings=findings)
    return [str(moment) for moment in at], is_day.tolist(), findings.faults


@pytest.mark.parametrize(
    "cell",
    [
        "2026-07-01T10:00:00.000+0000",
        "2026-07-01T12:00:00+02:00",
        "2026-07-01T10:00:00.9Z",
        pd.Timestamp("2026-07-01T12:00", tz="Europe/Berlin"),
        dt.datetime(2026, 7, 1, 10, tzinfo=dt.UTC),
    ],
)
def test_moments_with_a_zone_are_the_same_however_they_are_written(cell):
    assert read([cell]) == (["2026-07-01 10:00:00+00:00"], [False], [])


@pytest.mark.parametrize(
    "cell", ["2026-07-01 12:00", pd.Timestamp("2026-07-01 12:00"), dt.datetime(2026, 7, 1, 12)]
)
def test_moments_without_a_zone_are_read_in_the_one_that_is_said(cell):
    assert read([cell], zone="Europe/Berlin")[0] == ["2026-07-01 10:00:00+00:00"]
    assert "without a time zone" in read([cell])[2][0]


def test_days_are_midnight_and_known_as_days():
    cells = ["2026-07-01", dt.date(2026, 7, 1), None]

    assert read(cells, days=True)[:2] == (["2026-07-01 00:00:00+00:00"] * 2 + ["NaT"], [True, True, False])
    assert read(cells, days=True, zone="Europe/Berlin")[0][0] == "2026-06-30 22:00:00+00:00"


def test_what_is_no_moment_is_counted_and_not_shown():
    faults = read(["2026-07-01T10:00Z", "private words", 12])[2]

    assert len(faults) == 1
    assert faults[0].startswith("Object.When: 2 cells no moments (first at row 1). Expected")
    assert "private" not in faults[0]
