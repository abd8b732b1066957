"""Access against reading HCPs one by one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import Plain

from nba.errors import ArgumentError
from nba.guardrails import Access
from nba.testing import check_guardrail, random_world


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_access_equals_reading_the_hcps_one_by_one(reasons, seed):
    world = random_world(seed)
    plain = Plain(world)

    assert reasons(Access(), world) == plain.answers(plain.access)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_an_hcp_who_sees_nobody_is_never_visited(seed):
    candidates, context = random_world(seed)

    open_ = Access().check(candidates, context).eligible

    closed = context.hcps["access_level"] == "no_see"
    visits = [k for k, action in enumerate(candidates.actions) if action.channel.endswith("visit")]
    assert not open_[closed][:, visits].any()
    assert open_[:, 0].all()


def test_without_any_such_column_everyone_is_open(build, reasons):
    assert reasons(Access(), build(actions=[("rep_visit", "a")], content=[{"content_id": "a"}])) == [["", ""]]


@pytest.mark.parametrize("settings_", [{"visits": "rep_visit"}, {"calls": [""]}, {"limited_days": 0}])
def test_settings_that_are_none_are_refused(settings_):
    with pytest.raises(ArgumentError, match="Access found"):
        Access(**settings_)


def test_it_holds_what_every_guardrail_has_to():
    assert all(check_guardrail(Access(), seeds=4).removed.values())
