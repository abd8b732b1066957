"""Caps and gaps: what counts, and where the boundary lies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.contracts import DAY, Guardrail
from nba.errors import ArgumentError
from nba.guardrails import FrequencyCap, MinimumGap

ACTIONS = [("email", "a"), ("push", "a")]
AT = 1_000 * DAY
TOUCHES = st.lists(
    st.fixed_dictionaries(
        {
            "row": st.integers(0, 2),
            "ts": st.integers(-9, 2).map(lambda day: AT + day * DAY),
            "channel": st.sampled_from(["email", "push"]),
            "pending": st.booleans(),
        }
    ),
    max_size=15,
)
CHANNEL = st.sampled_from([None, "email", "push"])


def counted(touches, *, row, channel):
    known = [t for t in touches if t["ts"] <= AT or t["pending"]]
    return [t["ts"] for t in known if t["row"] == row and channel in (None, t["channel"])]


@settings(max_examples=80, deadline=None)
@given(touches=TOUCHES, cap=st.integers(1, 4), days=st.integers(1, 8), channel=CHANNEL)
def test_the_cap_equals_counting_touches_one_by_one(build, touches, cap, days, channel):
    world = build(actions=ACTIONS, hcps=["a", "b", "c"], touches=touches, at=AT)

    verdict = FrequencyCap(cap, days=days, channel=channel).check(*world)

    for row in range(3):
        contacts = len([ts for ts in counted(touches, row=row, channel=channel) if ts >= AT - days * DAY])
        for k, (action_channel, _) in enumerate(ACTIONS, start=1):
            about = channel in (None, action_channel)
            assert bool(verdict.reason[row, k]) == (about and contacts >= cap)
            assert verdict.fact(row, k) == {"contacts": contacts if about else -1, "cap": cap, "days": days}
    assert not verdict.reason[:, 0].any()


@settings(max_examples=80, deadline=None)
@given(touches=TOUCHES, days=st.integers(1, 8), channel=CHANNEL)
def test_the_gap_equals_looking_for_the_last_touch(build, touches, days, channel):
    world = build(actions=ACTIONS, hcps=["a", "b", "c"], touches=touches, at=AT)

    verdict = MinimumGap(days=days, channel=channel).check(*world)

    for row in range(3):
        last = max(counted(touches, row=row, channel=channel), default=None)
        ago = -1 if last is None else max(AT - last, 0) / DAY
        for k, (action_channel, _) in enumerate(ACTIONS, start=1):
            about = channel in (None, action_channel)
            assert bool(verdict.reason[row, k]) == (about and 0 <= ago < days)
            assert verdict.fact(row, k) == {"last_days_ago": ago if about else -1, "gap_days": days}
    assert not verdict.reason[:, 0].any()


@pytest.mark.parametrize(("ts", "removed"), [(AT - 7 * DAY - 1, False), (AT - 7 * DAY, True), (AT, True)])
def test_the_cap_window_starts_on_the_second(build, ts, removed):
    world = build(actions=ACTIONS, touches=[{"ts": ts}], at=AT)

    assert bool(FrequencyCap(1, days=7).check(*world).reason[0, 1]) is removed


@pytest.mark.parametrize(("ts", "removed"), [(AT - 3 * DAY, False), (AT - 3 * DAY + 1, True)])
def test_a_touch_exactly_a_gap_ago_is_far_enough(build, ts, removed):
    world = build(actions=ACTIONS, touches=[{"ts": ts}], at=AT)

    assert bool(MinimumGap(days=3).check(*world).reason[0, 1]) is removed


def test_a_touch_after_the_moment_counts_only_when_it_is_already_handed_out(build):
    for pending in (False, True):
        world = build(actions=ACTIONS, touches=[{"ts": AT + DAY, "pending": pending}], at=AT)

        assert bool(FrequencyCap(1, days=7).check(*world).reason[0, 1]) is pending
        assert bool(MinimumGap(days=7).check(*world).reason[0, 1]) is pending


@pytest.mark.parametrize("cap", [0, -1, 1.5, True, "3", None])
def test_a_cap_that_is_no_count_is_refused(cap):
    with pytest.raises(ArgumentError, match="max_touches"):
        FrequencyCap(cap, days=7)


@pytest.mark.parametrize("days", [0, -1, math.nan, math.inf, "7", True, None])
def test_days_that_are_no_length_are_refused(days):
    with pytest.raises(ArgumentError, match="days"):
        FrequencyCap(1, days=days)
    with pytest.raises(ArgumentError, match="days"):
        MinimumGap(days=days)


@pytest.mark.parametrize("channel", ["", " ", 3])
def test_a_channel_that_is_no_name_is_refused(channel):
    with pytest.raises(ArgumentError, match="channel"):
        MinimumGap(days=1, channel=channel)


def test_touches_of_hcps_that_are_not_asked_about_are_refused(build):
    world = build(actions=ACTIONS, touches=[{"row": 1}])

    with pytest.raises(ArgumentError, match="rows from 1 to 1"):
        FrequencyCap(1, days=7).check(*world)


def test_numpy_numbers_are_numbers():
    assert FrequencyCap(np.int64(2), days=np.float64(7)) == FrequencyCap(2, days=7)
    assert isinstance(FrequencyCap(2, days=7), Guardrail)


def test_the_pressure_cap_counts_touches_of_all_channels_and_brands_and_those_still_to_come(build, reasons):
    content = [{"content_id": "a", "product_id": "A"}, {"content_id": "b", "product_id": "B"}]
    touches = [
        {"ts": AT - DAY, "channel": "email", "content_id": "a"},
        {"ts": AT - 2 * DAY, "channel": "push", "content_id": "b"},
        {"ts": AT, "channel": "phone", "pending": True},
    ]
    world = build(actions=[("email", "a"), ("push", "b")], content=content, touches=touches, at=AT)

    assert reasons(FrequencyCap(3, days=7), world) == [["", "frequency_cap", "frequency_cap"]]
    assert reasons(FrequencyCap(4, days=7), world) == [["", "", ""]]
