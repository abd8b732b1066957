"""Key-message coverage against counting by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.errors import ArgumentError
from nba.evaluation import message_coverage

NAMES = st.sampled_from("abcd")
ASKED = st.lists(st.tuples(st.sampled_from(["h1", "h2", "h3"]), st.sampled_from("AB"), NAMES), max_size=25)
HEARD = st.lists(st.tuples(st.sampled_from(["h1", "h2", "h4"]), NAMES), max_size=10)


@settings(max_examples=100, deadline=None)
@given(asked=ASKED, heard=HEARD, tenths=st.integers(0, 10), seed=st.randoms())
def test_coverage_equals_counting_by_hand_whatever_the_order(asked, heard, tenths, seed):
    coverage = message_coverage(asked, heard, elapsed=tenths / 10)

    for row in coverage.rows:
        messages = {m for h, p, m in asked if (h, p) == (row.hcp_id, row.product_id)}
        delivered = {m for m in messages if (row.hcp_id, m) in heard}
        assert (row.asked, row.heard) == (len(messages), len(delivered))
        assert set(row.missing) == messages - delivered
        due = int(Fraction(tenths, 10) * len(messages))
        assert row.behind == max(due - len(delivered), 0)
    assert {(row.hcp_id, row.product_id) for row in coverage.rows} == {(h, p) for h, p, _ in asked}
    assert all(row.behind for row in coverage.overdue())
    shuffled = list(asked)
    seed.shuffle(shuffled)
    assert message_coverage(shuffled, heard[::-1], elapsed=tenths / 10) == coverage


def test_those_furthest_behind_are_first_on_the_overdue_list():
    asked = [(h, "A", m) for h in ("h1", "h2", "h3") for m in "abcd"]

    coverage = message_coverage(asked, [("h1", "a"), ("h3", "a"), ("h3", "b")], elapsed=0.5)

    assert [(row.hcp_id, row.behind) for row in coverage.overdue()] == [("h2", 2), ("h1", 1)]
    assert coverage.share == 0.25
    assert coverage.to_frame()["behind"].tolist() == [1, 2, 0]


def test_where_nothing_is_asked_there_is_no_share():
    assert math.isnan(message_coverage([], [], elapsed=0.0).share)


@pytest.mark.parametrize("elapsed", [-0.1, 1.1, math.nan])
def test_a_share_of_a_cycle_that_is_none_is_refused(elapsed):
    with pytest.raises(ArgumentError, match="elapsed"):
        message_coverage([], [], elapsed=elapsed)
