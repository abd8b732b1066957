"""RepeatGap against reading touches one by one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import Plain

from nba.contracts import DAY
from nba.errors import ArgumentError
from nba.guardrails import NoveltyFloor, RepeatGap, from_dict
from nba.testing import check_guardrail, random_world

AT = 1_000 * DAY


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), by=st.sampled_from(["asset", "message"]), days=st.integers(1, 60))
def test_repeat_gap_equals_reading_the_touches_one_by_one(reasons, seed, by, days):
    world = random_world(seed)
    plain = Plain(world)

    found = reasons(RepeatGap(days, by=by), world)

    assert found == plain.answers(lambda i, action: plain.repeat(i, action, days=days, by=by))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_same_asset_never_goes_out_twice_inside_its_gap(seed):
    candidates, context = random_world(seed)
    open_ = RepeatGap(45).check(candidates, context).eligible
    touches = Plain((candidates, context)).touches

    for i in range(len(candidates.hcps)):
        sent = {t["content_id"] for t in touches if t["row"] == i and t["ts"] > candidates.at - 45 * DAY}
        assert not any(open_[i, k] and a.content in sent for k, a in enumerate(candidates.actions) if k)


def test_a_new_version_of_a_document_is_the_same_asset(build, reasons):
    rows = [
        {"content_id": name, "document_number": "D", "version": v} for name, v in (("a", "1"), ("b", "2"))
    ]
    world = build(
        actions=[("email", "b")], content=rows, touches=[{"content_id": "a", "ts": AT - DAY}], at=AT
    )

    assert reasons(RepeatGap(7), world) == [["", "asset_repeat"]]


def test_no_message_goes_through_two_channels_in_as_many_days(build, reasons):
    rows = [{"content_id": "a"}, {"content_id": "b"}]
    candidates, context = build(
        actions=[("email", "a"), ("rep_visit", "b")],
        content=rows,
        touches=[{"content_id": "a", "channel": "email", "ts": AT - 3 * DAY}],
        at=AT,
    )
    context.content["key_message_id"] = context.content["product_id"].copy()
    context.content["key_message_id"][:] = "M"

    assert reasons(RepeatGap(4, by="message"), (candidates, context)) == [
        ["", "message_repeat", "message_repeat"]
    ]
    assert reasons(RepeatGap(3, by="message"), (candidates, context)) == [["", "", ""]]


def test_a_decision_that_is_still_pending_is_a_repeat_to_come(build, reasons):
    touches = [{"content_id": "a", "ts": AT + DAY, "pending": True}]
    world = build(actions=[("email", "a")], content=[{"content_id": "a"}], touches=touches, at=AT)

    assert reasons(RepeatGap(1), world) == [["", "asset_repeat"]]


@pytest.mark.parametrize(("days", "by"), [(0, "asset"), (7, "topic")])
def test_settings_that_are_none_are_refused(days, by):
    with pytest.raises(ArgumentError, match="RepeatGap found"):
        RepeatGap(days, by=by)


@pytest.mark.parametrize("by", ["asset", "message"])
def test_it_holds_what_every_guardrail_has_to(by):
    assert all(check_guardrail(RepeatGap(30, by=by), seeds=4).removed.values())


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000), by=st.sampled_from(["asset", "message"]), least=st.sampled_from([0.35, 0.7])
)
def test_what_goes_out_is_as_new_to_the_hcp_as_the_floor_asks_counted_touch_by_touch(seed, by, least):
    candidates, context = random_world(seed)
    verdict = NoveltyFloor(least, half_life_days=30, by=by).check(candidates, context)
    content = context.content
    key = "key_message_id" if by == "message" else "document_number"
    names = dict(zip(content["content_id"], content[key], strict=True))
    if by == "asset":
        names = {one: name or one for one, name in names.items()}

    def name_of(one):
        return names.get(one, one if by == "asset" else "")

    touches = Plain((candidates, context)).touches
    for i in range(len(candidates.hcps)):
        mine = [t for t in touches if t["row"] == i and (t["pending"] or t["ts"] <= candidates.at)]
        for k, action in enumerate(candidates.actions):
            told = [t for t in mine if k and name_of(action.content) == name_of(t["content_id"]) != ""]
            faded = sum(2.0 ** (-max(candidates.at - t["ts"], 0) / (30 * DAY)) for t in told)
            assert bool(verdict.reason[i, k]) == (1 / (1 + faded) < least)
            if k and name_of(action.content):
                assert verdict.fact(i, k)["contacts"] == len(told)


def test_the_floor_of_novelty_tells_a_first_a_second_and_a_long_ago_contact_apart(build, reasons):
    def after(*days):
        touches = [{"content_id": "a", "ts": AT - day * DAY} for day in days]
        rule = NoveltyFloor(0.4, half_life_days=30)
        world = build(actions=[("email", "a")], content=[{"content_id": "a"}], touches=touches, at=AT)
        return reasons(rule, world)[0][1]

    assert after() == after(0) == after(60, 60) == ""
    assert after(0, 1) == "not_new"


def test_a_floor_of_novelty_holds_what_every_guardrail_has_to():
    rule = NoveltyFloor(0.5, by="message")

    assert check_guardrail(NoveltyFloor(0.6), seeds=8).removed["not_new"] > 0
    assert from_dict(rule.describe()) == rule
    for wrong in ({"least": 0}, {"least": 1}, {"least": 0.5, "half_life_days": 0}, {"least": 0.5, "by": "x"}):
        with pytest.raises(ArgumentError, match="NoveltyFloor"):
            NoveltyFloor(**wrong)
