"""The educational floor and one product a day, against reading touches one by one."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import Plain

from nba.contracts import DAY
from nba.errors import ArgumentError
from nba.guardrails import EducationalFloor, OneProductADay
from nba.testing import check_guardrail, random_world

AT = 1_000 * DAY
SHARES = [Fraction(1, 10), Fraction(1, 5), Fraction(1, 3), Fraction(1, 2), Fraction(7, 10)]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.sampled_from(SHARES), days=st.integers(1, 90))
def test_the_floor_equals_counting_touches_one_by_one(reasons, seed, share, days):
    world = random_world(seed)
    plain = Plain(world)

    found = reasons(EducationalFloor(float(share), days=days), world)

    assert found == plain.answers(lambda i, action: plain.floor(i, action, share=share, days=days))


@settings(max_examples=40, deadline=None)
@given(share=st.sampled_from(SHARES), wish=st.lists(st.booleans(), min_size=1, max_size=25))
def test_from_the_empty_history_on_every_promotional_touch_keeps_the_share_of_learning(build, share, wish):
    """Follows one HCP through a year of wishes: promotion goes out only when the rule says so."""
    content = [{"content_id": "promo"}, {"content_id": "learn", "purpose": "educational"}]
    sent = []
    for day, wants_promotion in enumerate(wish):
        candidates, context = build(
            actions=[("email", "promo"), ("email", "learn")],
            content=content,
            touches=[{"content_id": name, "ts": AT + i * DAY} for i, name in enumerate(sent)],
            at=AT + day * DAY,
        )
        verdict = EducationalFloor(float(share), days=400).check(candidates, context)
        assert verdict.eligible[0, 2]
        sent.append("promo" if wants_promotion and verdict.eligible[0, 1] else "learn")
        if sent[-1] == "promo":
            assert Fraction(sent.count("learn"), len(sent)) >= share
    assert sent[0] == "learn"


def test_learning_that_left_the_window_no_longer_counts(build, reasons):
    content = [{"content_id": "promo"}, {"content_id": "learn", "purpose": "medical"}]
    for days, reason in ((9, "educational_floor"), (10, "")):
        touches = [{"content_id": "learn", "ts": AT - 10 * DAY}]
        world = build(actions=[("email", "promo")], content=content, touches=touches, at=AT)

        assert reasons(EducationalFloor(0.5, days=days), world) == [["", reason]]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_one_product_a_day_equals_looking_at_calendars_one_by_one(reasons, seed):
    world = random_world(seed)
    plain = Plain(world)

    assert reasons(OneProductADay(), world) == plain.answers(plain.product)


@pytest.mark.parametrize(
    ("zone", "hours_ago", "reason"),
    [
        ("UTC", 1, "other_product_today"),
        ("America/New_York", 1, "other_product_today"),
        ("America/New_York", 21, ""),
        ("Asia/Kolkata", 5, "other_product_today"),
        ("Asia/Kolkata", 6, ""),
    ],
)
def test_a_contradictory_product_waits_for_the_next_day_on_the_hcps_wall(
    build, reasons, zone, hours_ago, reason
):
    at = AT + 3_600 * 2 if zone == "UTC" else AT  # 00:00 UTC: 20:00 in New York, 05:30 in Kolkata
    content = [{"content_id": "a", "product_id": "A"}, {"content_id": "b", "product_id": "B"}]
    candidates, context = build(
        actions=[("email", "a"), ("email", "b")],
        content=content,
        touches=[{"content_id": "a", "ts": at - hours_ago * 3_600}],
        at=at,
    )
    hcps = {**context.hcps, "timezone": np.array([zone], dtype=object)}

    assert reasons(OneProductADay(), (candidates, replace(context, hcps=hcps))) == [["", "", reason]]


def test_only_products_that_are_named_contradict_where_pairs_are_named(build, reasons):
    content = [{"content_id": name, "product_id": name.upper()} for name in "abc"]
    world = build(
        actions=[("email", name) for name in "abc"],
        content=content,
        touches=[{"content_id": "a", "ts": AT - 3_600, "pending": True}],
        at=AT,
    )

    assert reasons(OneProductADay(contradictory=[("C", "A")]), world) == [["", "", "", "other_product_today"]]


@pytest.mark.parametrize("share", [0, 1, -0.2, "0.2", True, float("nan")])
def test_a_floor_that_is_no_share_is_refused(share):
    with pytest.raises(ArgumentError, match="EducationalFloor found"):
        EducationalFloor(share)


@pytest.mark.parametrize("pairs", [[("A",)], [("A", "A")], ["AB"], [("A", 3)]])
def test_pairs_that_are_no_pairs_are_refused(pairs):
    with pytest.raises(ArgumentError, match="OneProductADay found"):
        OneProductADay(contradictory=pairs)


@pytest.mark.parametrize("rule", [EducationalFloor(0.4), OneProductADay()], ids=lambda rule: rule.code)
def test_they_hold_what_every_guardrail_has_to(rule):
    assert all(check_guardrail(rule, seeds=4).removed.values())
