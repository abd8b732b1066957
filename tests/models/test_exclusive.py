"""Chances that exclude each other add up to at most one, and no worse for it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from nba.models.exclusive import held_to_one

SEEDS = st.integers(0, 2**32 - 1)


def chances(margin):
    return 1 / (1 + np.exp(-margin))


def drawn(seed, *, rows=40):
    rng = np.random.default_rng(seed)
    return rng.normal(rng.normal(0, 2), rng.uniform(0.1, 4), (rows, rng.integers(1, 12)))


def expected_loss(truth, p):
    """Of a row, summed over its events; 0 log 0 is 0."""
    return -(truth * np.log(p) + (1 - truth) * np.log1p(-p)).sum(axis=1)


@given(seed=SEEDS)
@settings(max_examples=200, deadline=None)
def test_they_add_up_to_one_at_most_and_what_could_be_stays_to_the_bit(seed):
    margin = drawn(seed)

    held = held_to_one(margin)

    before, after = chances(margin).sum(axis=1), chances(held).sum(axis=1)
    assert (after <= 1 + 1e-12).all()
    could = before <= 1 - 1e-12
    assert_array_equal(held[could], margin[could])
    assert_allclose(after[~could], 1.0, rtol=1e-9)
    fall = margin - held
    assert (fall >= 0).all()
    assert_allclose(fall, np.broadcast_to(fall[:, :1], fall.shape), atol=1e-12)  # order and gaps stay


@given(seed=SEEDS)
@settings(max_examples=200, deadline=None)
def test_whatever_the_truth_is_no_row_is_expected_to_lose_by_it(seed):
    margin = drawn(seed)
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.full(margin.shape[1] + 1, rng.uniform(0.05, 2)), len(margin))[:, 1:]

    before = expected_loss(truth, np.clip(chances(margin), 1e-15, 1 - 1e-15))
    after = expected_loss(truth, np.clip(chances(held_to_one(margin)), 1e-15, 1 - 1e-15))

    assert (after <= before + 1e-9).all()


@pytest.mark.parametrize("seed", range(4))
def test_they_are_the_nearest_chances_that_a_search_finds(seed):
    p = chances(np.random.default_rng(seed).normal(0.5, 1.0, 4))

    def distance(q):
        return float((q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p))).sum())

    found = minimize(
        distance, np.full(4, 0.2), bounds=[(1e-6, 1 - 1e-6)] * 4, method="SLSQP",
        constraints={"type": "ineq", "fun": lambda q: 1 - q.sum()}, options={"ftol": 1e-14},
    )  # fmt: skip

    ours = chances(held_to_one(np.log(p / (1 - p))[None, :]))[0]
    assert_allclose(ours, found.x, atol=1e-4)


@given(seed=SEEDS)
@settings(max_examples=50, deadline=None)
def test_a_row_alone_has_the_bits_of_many(seed):
    margin = drawn(seed, rows=9)

    alone = np.concatenate([held_to_one(margin[i : i + 1]) for i in range(len(margin))])

    assert_array_equal(alone, held_to_one(margin))


def test_no_rows_and_no_events_are_nothing_to_hold():
    assert held_to_one(np.zeros((0, 3))).shape == (0, 3)
    assert held_to_one(np.zeros((2, 0))).shape == (2, 0)


def test_certainty_is_shared_out():
    held = held_to_one(np.full((1, 5), 800.0))

    assert_allclose(chances(held), 0.2)
