"""Days on HCPs' walls, against calendars."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.guardrails.clock import local_days

ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/Sao_Paulo"]


@settings(max_examples=60, deadline=None)
@given(zone=st.sampled_from(ZONES), at=st.integers(1_500_000_000, 1_900_000_000))
def test_a_moment_lies_in_its_day_and_the_days_edges_are_other_days(zone, at):
    (begin,), (end,) = local_days(np.array([zone], dtype=object), at=at)

    def day(moment):
        return dt.datetime.fromtimestamp(int(moment), ZoneInfo(zone)).date()

    assert begin <= at < end
    assert day(begin) == day(at) == day(end - 1)
    assert day(begin - 1) < day(at) < day(end)


def test_an_unknown_zone_is_read_as_utc():
    begin, end = local_days(np.array(["", "Mars/Olympus"], dtype=object), at=86_400 + 5)

    assert begin.tolist() == [86_400] * 2
    assert end.tolist() == [2 * 86_400] * 2
