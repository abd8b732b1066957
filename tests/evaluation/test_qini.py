"""Qini: how well units are ranked by what an action changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from nba.errors import ArgumentError, SelectionError
from nba.evaluation import gains_curve, qini


def trial(n, *, seed, moves=0.2):
    rng = np.random.default_rng(seed)
    x, treated = rng.uniform(-1, 1, n), rng.random(n) < 0.5
    y = (rng.random(n) < 0.3 + treated * (0.05 + moves * x)).astype(float)
    return x, y, treated


@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(1, 4))
def test_it_is_the_area_under_the_curve_less_that_of_chance(seed, n, values):
    rng = np.random.default_rng(seed)
    uplift, treated = rng.integers(0, values, n).astype(float), rng.random(n) < 0.5
    y = (rng.random(n) < 0.4).astype(float)

    found = qini(uplift, y, treated, treated_prob=0.5).mean

    at = np.linspace(0, 1, 20_001)
    curve = gains_curve(uplift, y - y.mean(), treated, treated_prob=0.5, shares=at)
    area = ((curve[1:] + curve[:-1]) / 2 * np.diff(at)).sum()
    assert found == pytest.approx(area - curve[-1] / 2, abs=1e-3)


def test_one_uplift_for_all_is_chance():
    _, y, treated = trial(500, seed=1)

    found = qini(np.ones(500), y, treated, treated_prob=0.5)

    assert (found.mean, found.low, found.high) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)


def test_the_interval_covers_what_many_trials_agree_on():
    # uplift = x: the expected area is that of moves * E[x (1/2 - share ahead)] = moves / 6
    found = [qini(*trial(800, seed=seed), treated_prob=0.5) for seed in range(400)]

    covered = np.mean([q.low <= 0.2 / 6 <= q.high for q in found])
    assert 0.92 < covered < 0.98
    assert np.mean([q.mean for q in found]) == pytest.approx(0.2 / 6, abs=0.003)


def test_the_other_way_round_has_the_other_sign():
    x, y, treated = trial(300, seed=2)

    assert qini(-x, y, treated, treated_prob=0.5).mean == pytest.approx(
        -qini(x, y, treated, treated_prob=0.5).mean
    )


def test_the_curve_ends_at_the_average_effect_whatever_the_order():
    x, y, treated = trial(400, seed=4)
    effect = (y * (treated / 0.5 - ~treated / 0.5)).mean()

    for order in (x, -x, np.zeros(400)):
        curve = gains_curve(order, y, treated, treated_prob=0.5, shares=np.array([0.0, 1.0]))
        assert_allclose(curve, [0.0, effect], atol=1e-12)


def test_probabilities_of_0_or_1_and_odd_shapes_are_refused():
    x, y, treated = trial(20, seed=3)

    for prob in (0.0, 1.0, np.nan):
        with pytest.raises(SelectionError, match="20 probabilities"):
            qini(x, y, treated, treated_prob=prob)
    with pytest.raises(ArgumentError, match="Shapes"):
        qini(x[1:], y, treated, treated_prob=0.5)
