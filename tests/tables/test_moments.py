"""Moments against the datetime module."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.errors import ArgumentError
from nba.tables import as_moment, seconds

ZONES = st.integers(-720, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=ZONES),
    st.sampled_from(["s", "ms", "us", "ns"]),
)
def test_a_moment_is_whole_seconds_rounded_down_in_every_form(moment, unit):
    expected = (moment - EPOCH) // timedelta(seconds=1)

    assert as_moment(moment) == as_moment(moment.isoformat()) == as_moment(pd.Timestamp(moment)) == expected
    column = pd.Series([moment.astimezone(UTC)]).dt.as_unit(unit)
    assert seconds(column).tolist() == [expected]


def test_a_bare_date_is_midnight_utc():
    expected = datetime(2026, 10, 1, tzinfo=UTC).timestamp()

    for value in ("2026-10-01", date(2026, 10, 1), datetime(2026, 10, 1), pd.Timestamp("2026-10-01")):
        assert as_moment(value) == expected


@pytest.mark.parametrize(
    "value",
    [1_790_000_000, 1.5, True, None, pd.NaT, "soon", "2026-10-01T07:00", datetime(2026, 10, 1, 7), [1]],
)
def test_a_moment_without_zone_or_unit_is_refused(value):
    with pytest.raises(ArgumentError, match="at is"):
        as_moment(value)


def test_a_missing_cell_becomes_what_is_asked_for():
    column = pd.Series(pd.to_datetime(["2026-01-01T00:00Z", None], utc=True))

    assert seconds(column, missing=-5)[1] == -5


def test_hours_that_summer_time_skips_or_repeats_are_read():
    hours = pd.date_range("2026-10-25", periods=5, freq="h", tz="UTC")

    berlin = pd.Series(hours.tz_convert("Europe/Berlin"))

    np.testing.assert_array_equal(np.diff(seconds(berlin)), 3600)


def test_a_column_without_zone_is_refused():
    with pytest.raises(ArgumentError, match="zone"):
        seconds(pd.Series(pd.to_datetime(["2026-01-01"])))


def test_rounding_is_down_before_1970():
    assert as_moment("1969-12-31T23:59:59.5+00:00") == math.floor(-0.5)
