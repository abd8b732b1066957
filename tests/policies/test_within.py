"""Ramps, budgets and forgetting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nba.contracts import Scores
from nba.errors import ArgumentError
from nba.policies import Budget, Forgetting, Greedy, InverseGap, Ramp, Thompson, Uniform, selection_pmf

TABLE = hnp.arrays(np.float64, (3, 6), elements=st.floats(-10, 10, width=32))


def scores(n):
    n = np.asarray(n, dtype=float)
    return Scores(np.full((3, len(n)), -2.0), np.full((3, len(n)), 0.5), n, n == 0)


@settings(deadline=None)  # the first call loads what is compiled
@given(
    table=TABLE,
    eligible=hnp.arrays(np.bool_, (3, 6)),
    n=hnp.arrays(np.int64, 6, elements=st.integers(0, 300)),
)
def test_a_ramp_keeps_every_action_within_its_limit(table, eligible, n):
    eligible[:, 0] = True
    limit = np.minimum(1.0, 0.05 + 0.95 * n / 200)
    limit[0] = 1.0

    pmf = selection_pmf(
        Ramp(InverseGap(gamma=5.0), first=0.05), priorities=table, scores=scores(n), eligible=eligible
    )

    assert (pmf.probs <= limit + 1e-9).all()


def test_a_ramp_of_content_that_is_mature_changes_nothing():
    table, everything = np.random.default_rng(0).normal(size=(3, 6)), np.ones((3, 6), dtype=bool)
    known = scores([0, 200, 500, 200, 900, 201])

    one = selection_pmf(InverseGap(), priorities=table, scores=known, eligible=everything)
    two = selection_pmf(Ramp(InverseGap()), priorities=table, scores=known, eligible=everything)

    np.testing.assert_allclose(two.probs, one.probs, atol=1e-12)


@given(table=TABLE, give_up=st.floats(0, 5))
def test_a_budget_bounds_the_priority_given_up(table, give_up):
    everything = np.ones(table.shape, dtype=bool)

    found = Budget(Uniform(), give_up=give_up).weights(table, scores(np.zeros(6)), everything)

    given_up = (found * (table.max(axis=1, keepdims=True) - table)).sum(axis=1)
    assert (given_up <= give_up * (1 + 1e-9) + 1e-9).all()
    roomy = table.max(axis=1) - table.mean(axis=1) <= give_up
    np.testing.assert_allclose(found[roomy], 1 / 6)


def test_forgetting_leaves_little_data_as_it_is_and_bounds_much():
    few, many = scores([0, 1, 1, 1, 1, 1]), scores([0, *[10**7] * 5])
    table, everything = np.random.default_rng(0).normal(size=(3, 6)), np.ones((3, 6), dtype=bool)
    faded = Forgetting(InverseGap(), memory_rows=100)

    bounded = InverseGap().weights(table, scores([0, *[100] * 5]), everything)

    np.testing.assert_allclose(
        faded.weights(table, few, everything),
        selection_pmf(InverseGap(), priorities=table, scores=few, eligible=everything).probs,
        rtol=0.02,
    )
    explore = InverseGap().explore
    mixed = (1 - explore) * bounded + explore / 6
    np.testing.assert_allclose(faded.weights(table, many, everything), mixed, rtol=1e-9)


def test_forgetting_widens_what_thompson_draws_from():
    known = Scores(
        np.array([[-np.inf, -2.0, -1.0]]),
        np.array([[0.0, 0.01, 0.01]]),
        np.array([0, 1e6, 1e6]),
        np.zeros(3, bool),
    )
    table, everything = known.propensity, np.ones((1, 3), dtype=bool)

    sure = Thompson(explore=0).weights(table, known, everything)[0, 1]
    faded = Forgetting(Thompson(explore=0), memory_rows=100).weights(table, known, everything)[0, 1]

    assert sure < 1e-12 < 0.01 < faded


@pytest.mark.parametrize(
    "kind", [Ramp, lambda p: Budget(p, give_up=1), lambda p: Forgetting(p, memory_rows=9)]
)
def test_what_is_no_policy_is_refused(kind):
    with pytest.raises(ArgumentError, match="expected a policy"):
        kind("greedy")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Ramp(Greedy(), first=0.0),
        lambda: Budget(Greedy(), give_up=-1),
        lambda: Forgetting(Greedy(), memory_rows=0.5),
    ],
)
def test_a_setting_out_of_range_is_refused(make):
    with pytest.raises(ArgumentError, match="Correct the setting"):
        make()
