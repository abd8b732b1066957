"""Quiet hours against looking at the clock every minute."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import Plain

from nba.errors import ArgumentError
from nba.guardrails import QuietHours, check_all, funnel
from nba.guardrails.hours import next_open
from nba.testing import check_guardrail, random_world

HOURS = st.integers(0, 95).map(lambda quarter: quarter / 4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), start=HOURS, end=HOURS, weekend=st.booleans())
def test_quiet_hours_equal_looking_at_the_clock_every_minute(reasons, seed, start, end, weekend):
    if start == end:
        end = start + 0.25
    world = random_world(seed, hcps=4, contents=2)
    plain = Plain(world)

    found = reasons(QuietHours(start=start, end=end, weekend=weekend), world)

    assert found == plain.answers(
        lambda i, action: plain.quiet(i, action, start=start, end=end, weekend=weekend)
    )


@settings(max_examples=40, deadline=None)
@given(
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Auckland"]),
    day=st.sampled_from(["2026-03-08", "2026-03-29", "2026-10-04", "2026-10-25", "2026-11-01", "2026-04-05"]),
    minute=st.integers(0, 36 * 60),
    start=HOURS,
    length=st.integers(1, 95),
)
def test_the_next_open_moment_follows_clocks_that_change(zone, day, minute, start, length):
    end = (start + length / 4) % 24
    at = int(dt.datetime.fromisoformat(f"{day}T00:00+00:00").timestamp()) - 12 * 3_600 + minute * 60
    until = at + 30 * 3_600

    found = next_open(zone, at, until, start, end, False)

    assert found == first_by_minutes(zone, at, until, start, end)


def first_by_minutes(zone, at, until, start, end):
    from zoneinfo import ZoneInfo

    for moment in range(at, until, 60):
        clock = dt.datetime.fromtimestamp(moment, ZoneInfo(zone))
        hour = clock.hour + clock.minute / 60
        if not (start <= hour < end if start < end else hour >= start or hour < end):
            return moment
    return -1


def test_an_action_waits_for_a_slot_and_goes_only_if_none_is_left_before_it_ends(build, reasons):
    friday_evening = int(dt.datetime(2026, 10, 2, 19, 0, tzinfo=dt.UTC).timestamp())
    for hours, reason in ((60, "quiet_hours"), (61, "")):  # Monday begins after 59 hours less the night
        candidates, context = build(
            actions=[("email", "a")],
            content=[{"content_id": "a"}],
            at=friday_evening + 3_600,
            valid_until=friday_evening + hours * 3_600,
        )
        hcps = {**context.hcps, "timezone": np.array(["UTC"], dtype=object)}
        world = (candidates, replace(context, hcps=hcps))

        assert reasons(QuietHours(), world) == [["", reason]]


def test_where_no_zone_is_known_utc_is_read_and_the_first_line_says_so(build):
    candidates, context = build(actions=[("email", "a")], content=[{"content_id": "a"}])

    result = funnel(candidates, check_all([QuietHours()], candidates=candidates, context=context))

    assert str(result).splitlines()[0].startswith("Some HCPs have no known timezone")
    assert result.left == 1


@pytest.mark.parametrize(
    "hours", [{"start": 7, "end": 7}, {"start": 0, "end": 24}, {"start": 7.1}, {"end": 25}, {"start": "8"}]
)
def test_hours_that_are_none_are_refused(hours):
    with pytest.raises(ArgumentError, match="QuietHours found"):
        QuietHours(**hours)


def test_it_holds_what_every_guardrail_has_to():
    assert check_guardrail(QuietHours(start=12, end=11), seeds=6).removed["quiet_hours"] > 0
