"""Dates are those of the HCP's own wall calendar."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.contracts import FOREVER, NEVER
from nba.errors import ArgumentError
from nba.explain.dates import date, is_moment, until, zone
from nba.explain.wording import load_book

BOOK = load_book()


def seconds(*parts: int, tz: str = "UTC") -> int:
    return int(datetime(*parts, tzinfo=ZoneInfo(tz)).timestamp())  # type: ignore[misc,arg-type]


@given(
    st.integers(1, 4_000_000_000),
    st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia"]),
)
def test_a_date_is_the_calendar_day_in_the_zone(moment: int, name: str) -> None:
    expected = datetime.fromtimestamp(moment, UTC).astimezone(ZoneInfo(name))

    written = date(moment, tz=zone(name), book=BOOK)

    assert written == f"{expected.day} {BOOK.months[expected.month - 1]} {expected.year}"


def test_late_evening_in_new_york_is_not_yet_tomorrow() -> None:
    moment = seconds(2026, 11, 12, 3, 0)

    assert date(moment, tz=zone("America/New_York"), book=BOOK) == "11 Nov 2026"
    assert date(moment, tz=zone("UTC"), book=BOOK) == "12 Nov 2026"


def test_midnight_is_the_end_of_the_day_before() -> None:
    assert until(seconds(2026, 11, 28), tz=zone("UTC"), book=BOOK) == "the end of 27 Nov 2026"
    assert until(seconds(2026, 11, 28, 9, 5), tz=zone("UTC"), book=BOOK) == "28 Nov 2026, 09:05"


def test_the_day_the_clocks_change_keeps_its_own_midnight() -> None:
    berlin = "Europe/Berlin"

    assert until(seconds(2026, 10, 26, tz=berlin), tz=zone(berlin), book=BOOK) == "the end of 25 Oct 2026"


@pytest.mark.parametrize("value", [None, "", "soon", float("nan"), float("inf"), FOREVER, NEVER, -1, 0])
def test_what_is_no_moment_is_told_apart(value: object) -> None:
    assert not is_moment(value)


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "/etc/localtime", "a\0b"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match="Time zone"):
        zone(name)
