"""A pair's level follows what was reported, and only what was known."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.levels import level_shifts

DAY = 86_400
AT = np.repeat(np.array([0, 31, 59, 90]) * DAY, 50)  # January to April


def world(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(-2, 1, (len(AT), 3)), (rng.random((len(AT), 3)) < 0.2).astype(float)


def test_the_shift_is_what_adding_up_closed_months_by_hand_gives():
    margin, y = world(1)

    shifts = level_shifts(margin, y, AT, window_seconds=30 * DAY)

    p = 1 / (1 + np.exp(-margin))
    month = [m == AT for m in np.unique(AT)]
    # In March the window of February (28 days) is still open; in April both have closed.
    january = [(y[month[0], k].sum() + 3) / (p[month[0], k].sum() + 3) for k in range(3)]
    weights = np.select([month[0], month[1], month[2]], [0.25, 0.5, 1.0], 0.0)
    april = [(weights @ y[:, k] + 3) / (weights @ p[:, k] + 3) for k in range(3)]
    for k in range(3):
        assert np.unique(shifts[month[0], k]).tolist() == [0.0]
        assert np.allclose(shifts[month[1] | month[2], k], math.log(january[k]))
        assert np.allclose(shifts[month[3], k], math.log(april[k]))


@given(seed=st.integers(0, 2**32 - 1), month=st.integers(0, 3))
def test_outcomes_that_were_not_known_move_nothing(seed, month):
    margin, y = world(seed)
    moment = np.unique(AT)[month]
    other = np.where((moment >= AT + 30 * DAY)[:, None], y, 1 - y)

    known, also = (level_shifts(margin, outcomes, AT, window_seconds=30 * DAY) for outcomes in (y, other))

    assert np.array_equal(known[moment == AT], also[moment == AT])


def test_a_pair_that_came_out_as_forecast_stays_where_it_is():
    margin = np.zeros((len(AT), 1))
    y = np.tile([[0.0], [1.0]], (len(AT) // 2, 1))

    assert np.allclose(level_shifts(margin, y, AT, window_seconds=30 * DAY), 0.0)
