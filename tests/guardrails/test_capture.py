"""ConsentCapture against reading consent row by row."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import Plain

from nba.contracts import DAY
from nba.errors import ArgumentError
from nba.guardrails import ConsentCapture
from nba.testing import check_guardrail, random_world

AT = 1_000 * DAY
ASK = [{"content_id": "ask", "content_type": "consent_capture"}]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_capture_equals_reading_the_consent_rows_one_by_one(reasons, seed):
    world = random_world(seed)
    plain = Plain(world)

    assert reasons(ConsentCapture(), world) == plain.answers(plain.capture)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], ""),
        ([{}], "nothing_to_ask"),
        ([{"expires_at": AT + DAY}], ""),
        ([{"opt_type": "opt_in_pending"}], "nothing_to_ask"),
        ([{"opt_type": "opt_out"}], "opted_out"),
        ([{"channel": "", "opt_type": "opt_out"}], "opted_out"),
    ],
)
def test_capturing_consent_is_an_action_for_those_who_have_not_answered(build, reasons, rows, reason):
    consent = [{"captured_at": AT - 90 * DAY, **row} for row in rows]
    world = build(actions=[("email", "ask"), ("rep_visit", "ask")], content=ASK, consent=consent, at=AT)

    assert reasons(ConsentCapture(), world) == [["", reason, reason]]


def test_without_a_consent_table_nobody_is_asked(build, reasons):
    world = build(actions=[("rep_visit", "ask")], content=ASK, consent=None, at=AT)

    assert reasons(ConsentCapture(), world) == [["", "consent_unknown"]]
    assert ConsentCapture().check(*world).note.startswith("No consent table")


def test_a_content_type_that_is_no_name_is_refused():
    with pytest.raises(ArgumentError, match="ConsentCapture found"):
        ConsentCapture(content_type=" ")


def test_it_holds_what_every_guardrail_has_to():
    removed = check_guardrail(ConsentCapture(), seeds=6).removed

    assert removed["nothing_to_ask"]
    assert removed["opted_out"]
