"""Looking texts up as codes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nba.guardrails.lookup import codes, numbered, position_of

WORDS = st.lists(st.sampled_from(["", "a", "b", "ü", "a "]))


@given(values=WORDS, known=WORDS)
def test_codes_lead_back_to_the_value(values, known):
    index = position_of(known)

    found = codes(values, index)

    assert [known[i] if i >= 0 else None for i in found] == [v if v in known else None for v in values]


@given(values=WORDS)
def test_numbers_leave_no_gap(values):
    assert list(numbered(values).values()) == list(range(len(set(values))))
