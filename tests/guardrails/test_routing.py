"""Routing against asking, hour by hour, who is there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import Plain

from nba.contracts import DAY, FOREVER, NEVER
from nba.guardrails import Routing
from nba.testing import check_guardrail, random_world

AT = 1_000 * DAY


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_routing_equals_asking_every_hour_who_is_there(reasons, seed):
    world = random_world(seed)
    plain = Plain(world)

    assert reasons(Routing(), world) == plain.answers(plain.routing)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_sender_in_the_facts_is_the_first_who_is_there_of_the_territory_before_those_of_none(seed):
    world = random_world(seed)
    plain = Plain(world)

    verdict = Routing().check(*world)

    for i in range(len(plain.hcps)):
        for k, action in enumerate(world.candidates.actions):
            channel = plain.channels.get(action.channel, {"personal": False})
            told = (
                plain.sender(plain.hcps[i]["territory_id"], channel["function"])
                if channel["personal"]
                else ""
            )
            assert verdict.fact(i, k)["sender"] == told


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), senders=st.booleans())
def test_medical_content_never_reaches_a_commercial_channel_and_promotion_never_a_medical_one(seed, senders):
    candidates, context = random_world(seed, without=() if senders else ("reps",))
    open_ = Routing(senders=senders).check(candidates, context).eligible
    plain = Plain((candidates, context))

    for k, action in enumerate(candidates.actions[1:], start=1):
        pair = (plain.content[action.content]["purpose"], plain.channels[action.channel]["function"])
        if pair in (("medical", "commercial"), ("promotional", "medical")):
            assert not open_[:, k].any()


def visit(build, **rep):
    row = {"user_id": "u", "function": "commercial", "territory_id": "T1", "from": NEVER, "to": FOREVER}
    row |= {"off_from": NEVER, "off_to": NEVER} | rep
    candidates, context = build(actions=[("rep_visit", "a")], content=[{"content_id": "a"}], at=AT)
    kinds = {str: object, int: np.int64}
    channels = {
        "channel": np.array(["rep_visit"], dtype=object),
        "function": np.array(["commercial"], dtype=object),
        "personal": np.array([True]),
        "consent_required": np.array([False]),
    }
    reps = {name: np.array([value], dtype=kinds[type(value)]) for name, value in row.items()}
    hcps = {**context.hcps, "territory_id": np.array(["T1"], dtype=object)}
    return candidates, replace(context, hcps=hcps, channels=channels, tables={"reps": reps})


@pytest.mark.parametrize(
    ("rep", "reason"),
    [
        ({}, ""),
        ({"function": "medical"}, "no_sender"),
        ({"territory_id": "T2"}, "no_sender"),
        ({"territory_id": ""}, ""),
        ({"to": AT - 2 * DAY}, "no_sender"),
        ({"to": AT}, ""),
        ({"from": AT + 6 * DAY}, ""),
        ({"from": AT + 7 * DAY}, "no_sender"),
        ({"off_from": AT - DAY, "off_to": AT + 5 * DAY}, ""),
        ({"off_from": AT - DAY, "off_to": AT + 6 * DAY}, "no_sender"),
        ({"off_from": AT - DAY}, "no_sender"),
        ({"off_from": AT + DAY}, ""),
    ],
)
def test_a_personal_channel_needs_somebody_who_is_there_for_a_part_of_the_time(build, reasons, rep, reason):
    assert reasons(Routing(), visit(build, **rep)) == [["", reason]]


def test_without_a_reps_table_the_note_says_that_senders_are_not_looked_for(build):
    candidates, context = visit(build)

    verdict = Routing().check(candidates, replace(context, tables={}))

    assert verdict.note.startswith("No reps table")
    assert verdict.eligible.all()
    assert Routing(senders=False).check(candidates, context).note == ""


def test_a_channel_nobody_describes_carries_no_medical_content(build, reasons):
    world = build(actions=[("rep_visit", "a")], content=[{"content_id": "a", "purpose": "medical"}])

    assert reasons(Routing(), world) == [["", "medical_content"]]


def test_it_holds_what_every_guardrail_has_to():
    assert all(check_guardrail(Routing(), seeds=4).removed.values())
