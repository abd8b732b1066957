"""A zone has a name that is known, or there is none."""

from __future__ import annotations

import datetime as dt

import pytest

from nba.tables.zones import known_zone


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../etc/passwd", "/etc/passwd", "a\0b", "Europe", "x" * 300]
)
def test_what_is_no_zone_gives_none_and_no_error(name):
    assert known_zone(name) is None


def test_a_zone_keeps_its_summers():
    berlin = known_zone("Europe/Berlin")

    hours = [dt.datetime(2026, month, 1, tzinfo=berlin).utcoffset() for month in (1, 7)]

    assert hours == [dt.timedelta(hours=1), dt.timedelta(hours=2)]


def test_a_name_is_looked_up_once():
    assert known_zone("Asia/Tokyo") is known_zone("Asia/Tokyo") is not None
