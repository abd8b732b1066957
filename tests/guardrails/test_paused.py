"""Paused against reading states one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import Plain

from nba.contracts import DAY, FOREVER
from nba.errors import ArgumentError
from nba.guardrails import Paused
from nba.testing import check_guardrail, random_world

AT = 1_000 * DAY


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_paused_equals_reading_the_states_one_by_one(reasons, seed):
    world = random_world(seed)
    plain = Plain(world)

    assert reasons(Paused(), world) == plain.answers(plain.paused)


def with_states(build, *rows):
    candidates, context = build(
        actions=[("email", "a"), ("rep_visit", "a")], content=[{"content_id": "a"}], at=AT
    )
    table = {
        "hcp_id": np.array(["h0"] * len(rows), dtype=object),
        "state": np.array([state for state, _, _ in rows], dtype=object),
        "since": np.array([since for _, since, _ in rows], dtype=np.int64),
        "until": np.array([until for _, _, until in rows], dtype=np.int64),
    }
    return candidates, replace(context, tables={"states": table})


@pytest.mark.parametrize(
    ("rows", "is_paused"),
    [
        ([], False),
        ([("paused", AT, FOREVER)], True),
        ([("paused", AT + 1, FOREVER)], False),
        ([("paused", AT - DAY, AT)], False),
        ([("paused", AT - DAY, AT + 1)], True),
        ([("paused", AT - 2 * DAY, FOREVER), ("active", AT - DAY, FOREVER)], False),
        ([("paused", AT - DAY, FOREVER), ("active", AT - DAY, FOREVER)], True),
        ([("paused", AT - 2 * DAY, FOREVER), ("active", AT + 1, FOREVER)], True),
    ],
)
def test_a_pause_lasts_from_its_first_second_until_its_end_or_until_a_later_state_lifts_it(
    build, reasons, rows, is_paused
):
    assert reasons(Paused(), with_states(build, *rows)) == [["", *(["paused" if is_paused else ""] * 2)]]


def test_a_pause_of_one_channel_leaves_the_others_open(build, reasons):
    world = with_states(build, ("visits_declined", AT - DAY, FOREVER))

    assert reasons(Paused(states=["visits_declined"], channel="rep_visit"), world) == [["", "", "paused"]]


def test_the_card_is_told_since_when_and_until_when(build):
    verdict = Paused().check(*with_states(build, ("paused", AT - DAY, AT + DAY)))

    assert verdict.fact(0, 1) == {"paused_since": AT - DAY, "paused_until": AT + DAY}
    assert verdict.fact(0, 0) == {"paused_since": -1, "paused_until": -1}


def test_without_a_states_table_nobody_is_paused_and_the_note_says_so(build):
    verdict = Paused().check(*build(actions=[("email", "a")], content=[{"content_id": "a"}]))

    assert verdict.eligible.all()
    assert verdict.note == "No states table: nobody is paused."


@pytest.mark.parametrize("settings_", [{"states": "paused"}, {"resumed_by": [3]}, {"channel": ""}])
def test_settings_that_are_no_names_are_refused(settings_):
    with pytest.raises(ArgumentError, match="Paused found"):
        Paused(**settings_)


def test_it_holds_what_every_guardrail_has_to():
    assert check_guardrail(Paused(), seeds=4).removed["paused"] > 0
