"""Priority: factors multiplied, costs subtracted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.contracts import Term
from nba.errors import ArgumentError
from nba.policies import changed_without, chosen_of, effective_actions, priority, terms_of, winners

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


def test_doing_nothing_may_be_worth_something_else_with_every_hcp():
    terms = [Term("a", np.ones((2, 2)))]

    assert priority(terms, shape=(2, 2), do_nothing_value=np.array([0.5, 2.0])).tolist() == [[0.5, 1], [2, 1]]
    with pytest.raises(ArgumentError, match="one an HCP"):
        priority(terms, shape=(2, 2), do_nothing_value=np.ones(3))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_leaving_a_term_out_is_working_the_plan_out_without_it(seed):
    rng = np.random.default_rng(seed)
    n, k = 6, 5
    terms = [
        Term("propensity", rng.random((n, k))),
        Term("value", rng.random(k) * 3),
        Term("lever", rng.random((n, 1))),
        Term("cost", rng.random(k), kind="minus"),
    ]
    eligible = rng.random((n, k)) < 0.7
    eligible[:, 0] = True
    rest = rng.random(n)

    changed = changed_without(terms, eligible, do_nothing_value=rest)

    def best(row, names):
        worth = []
        for action in range(k):
            said = {t.name: float(np.broadcast_to(t.factor, (n, k))[row, action]) for t in terms}
            product = math.prod(said[name] for name in ("propensity", "value", "lever") if name in names)
            worth.append(rest[row] if action == 0 else product - (said["cost"] if "cost" in names else 0.0))
        return max((a for a in range(k) if eligible[row, a]), key=lambda a: worth[a])

    every = {term.name for term in terms}
    assert list(changed) == ["propensity", "value", "lever", "cost"]
    for name, rows in changed.items():
        assert rows.tolist() == [best(row, every - {name}) != best(row, every) for row in range(n)]


def test_the_winner_is_eligible_and_of_equals_the_first():
    priorities = np.array([[0.0, 2.0, 2.0, 9.0], [0.0, -1.0, -2.0, 9.0]])
    eligible = np.array([[True, True, True, False], [True, True, True, False]])

    assert winners(priorities, eligible).tolist() == [1, 0]


@given(st.integers(1, 9), st.integers(0, 5))
def test_so_many_equally_likely_actions_count_as_so_many(equal, others):
    probs = np.array([[1 / equal] * equal + [0.0] * others])

    assert effective_actions(probs)[0] == pytest.approx(equal)


@pytest.mark.parametrize("shape", [(), (1,), (4,), (3, 1), (1, 4), (3, 4), (1, 1)])
def test_a_factor_of_the_chosen_actions_is_that_of_the_whole_grid(shape):
    factor = np.random.default_rng(3).normal(size=shape)
    action = np.array([3, 0, 2])

    found = chosen_of(factor, shape=(3, 4), action=action)

    assert found.tolist() == np.broadcast_to(factor, (3, 4))[np.arange(3), action].tolist()


@pytest.mark.parametrize("shape", [(3,), (2,), (2, 4), (4, 3), (3, 4, 1), (1, 3, 4), (0,)])
def test_a_factor_that_fits_no_grid_is_refused(shape):
    with pytest.raises(ArgumentError, match="'odd' has shape"):
        priority([Term("odd", np.ones(shape))], shape=(3, 4))


def test_what_is_missing_is_counted_over_the_candidates_it_stands_for():
    with pytest.raises(ArgumentError, match="infinite for 9 of 9"):
        priority([Term("value", np.array([np.nan]))], shape=(3, 4))
    with pytest.raises(ArgumentError, match="infinite for 3 of 9"):
        priority([Term("value", np.array([[1.0], [np.inf], [1.0]]))], shape=(3, 4))
