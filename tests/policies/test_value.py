"""Priority: factors multiplied, costs subtracted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.contracts import Term
from nba.errors import ArgumentError
from nba.policies import priority, terms_of

NUMBERS = st.floats(0, 1e3, width=32)


@given(
    propensity=st.lists(NUMBERS, min_size=6, max_size=6),
    value=st.lists(NUMBERS, min_size=3, max_size=3),
    lever=st.lists(NUMBERS, min_size=2, max_size=2),
    cost=NUMBERS,
)
def test_priority_is_the_receipts_terms_multiplied_less_the_costs(propensity, value, lever, cost):
    terms = [
        Term("propensity", np.array(propensity).reshape(2, 3)),
        Term("cost", np.array(cost), kind="minus"),
        Term("value", np.array(value)),
        Term("lever", np.array(lever)[:, None]),
    ]

    found = priority(terms, shape=(2, 3), do_nothing_value=0.5)

    for row in range(2):
        assert terms_of(terms, shape=(2, 3), row=row, action=0, do_nothing_value=0.5) == {"do_nothing": 0.5}
        assert found[row, 0] == 0.5
        for action in (1, 2):
            said = terms_of(terms, shape=(2, 3), row=row, action=action)
            assert list(said) == ["propensity", "cost", "value", "lever"]
            assert found[row, action] == said["propensity"] * said["value"] * said["lever"] - said["cost"]


def test_what_terms_say_of_do_nothing_is_not_read():
    terms = [Term("a", np.array([[math.nan, 2.0]])), Term("b", np.array([[math.inf, 3.0]]))]

    assert priority(terms, shape=(1, 2)).tolist() == [[0.0, 6.0]]


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([], "at least one"),
        ([Term("cost", np.array(1.0), kind="minus")], "at least one"),
        ([Term("a", np.array(1.0)), Term("a", np.array(1.0))], "more than once"),
        ([Term("a", np.ones(3))], "broadcasts"),
        ([Term("a", np.ones((5, 1, 2)))], "broadcasts"),
        ([Term("a", np.array([[1.0, math.nan]]))], "missing or infinite for 1 of 1"),
        ([Term("a", np.array(1.0)), Term("b", np.array(1.0), kind="plus")], "kind 'plus'"),
    ],
)
def test_terms_that_cannot_be_combined_are_refused_by_name(terms, message):
    with pytest.raises(ArgumentError, match=message):
        priority(terms, shape=(1, 2))


def test_do_nothing_needs_a_finite_value():
    with pytest.raises(ArgumentError, match="do_nothing_value"):
        priority([Term("a", np.array(1.0))], shape=(1, 2), do_nothing_value=math.nan)
