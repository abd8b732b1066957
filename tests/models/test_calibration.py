"""Affine calibration in log-odds, shrunk to the pooled line."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nba.models import AffineCalibration
from nba.models.calibration import _GROUP_SD, _POOLED_SD


def slice_of(n: int, *, shift: float = 0.0, slope: float = 1.0, seed: int = 0):
    """Margins and outcomes whose true line is known."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(-2.0, 1.0, size=n)
    p = 1 / (1 + np.exp(-(shift + slope * margin)))
    return margin, (rng.random(n) < p).astype(float), p


def log_loss(p, margin):
    """Expected log loss under the true probabilities."""
    return float((p * np.logaddexp(0, -margin) + (1 - p) * np.logaddexp(0, margin)).mean())


def penalised(line, margin, y, center, sd):
    eta = line[0] + line[1] * margin
    return (y * eta - np.logaddexp(0, eta)).sum() - (((line - center) / sd) ** 2).sum() / 2


def test_the_pooled_line_is_the_top_of_a_fine_grid():
    margin, y, _ = slice_of(300, shift=0.5, slope=0.8)

    pooled = AffineCalibration.fit(margin, y, ["channel=a"] * 300).pooled

    center = np.array([0.0, 1.0])
    best = penalised(pooled, margin, y, center, np.array(_POOLED_SD))
    for dx in (-1e-3, 0.0, 1e-3):
        for dy in (-1e-3, 0.0, 1e-3):
            there = penalised(pooled + np.array([dx, dy]), margin, y, center, np.array(_POOLED_SD))
            assert there <= best + 1e-9


def test_a_shifted_slice_is_brought_back():
    margin, y, p = slice_of(5000, shift=0.7)

    shift, slope = AffineCalibration.fit(margin, y, ["channel=a"] * 5000).line("channel=a")

    assert shift == pytest.approx(0.7, abs=0.15)
    assert log_loss(p, shift + slope * margin) < log_loss(p, margin) - 0.02


def test_calibrating_what_is_calibrated_costs_next_to_nothing():
    cost = []
    for seed in range(20):
        margin, y, p = slice_of(1000, seed=seed)
        shift, slope = AffineCalibration.fit(margin, y, ["channel=a"] * 1000).line("channel=a")
        cost.append(log_loss(p, shift + slope * margin) - log_loss(p, margin))

    # two free parameters cost 2 / (2 n) on average; shrunk ones less
    assert np.mean(cost) < 1 / 1000


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_a_handful_of_rows_of_one_kind_hardly_moves_the_line(outcome):
    margin = np.linspace(-3, -1, 5)

    shift, slope = AffineCalibration.fit(margin, np.full(5, outcome), ["channel=a"] * 5).line("channel=a")

    assert abs(shift) < 0.6
    assert 0.7 < slope < 1.3


def test_a_group_without_rows_gets_the_pooled_line_and_a_wider_spread():
    margin, y, _ = slice_of(2000, shift=0.4)
    calibration = AffineCalibration.fit(margin, y, ["channel=a"] * 2000)

    assert calibration.line("channel=new") == tuple(calibration.pooled)
    assert np.all(
        np.diag(calibration.covariance("channel=new")) > np.diag(calibration.covariance("channel=a"))
    )


def test_a_groups_covariance_is_that_of_the_two_stages_by_simulation():
    margin, y, _ = slice_of(400, shift=0.4)
    c = AffineCalibration.fit(margin, y, ["channel=a"] * 400)
    rng = np.random.default_rng(0)
    own = np.linalg.inv(c.precision[0])

    pooled = rng.multivariate_normal(c.pooled, c.pooled_cov, size=200_000)
    mean = c.fitted[0] + (pooled - c.pooled) / np.square(_GROUP_SD) @ own
    draws = mean + rng.multivariate_normal([0, 0], own, size=200_000)

    assert_allclose(np.cov(draws.T), c.covariance("channel=a"), rtol=0.03, atol=1e-5)


def test_a_line_never_turns_the_order_round():
    margin, y, _ = slice_of(100_000, slope=-2.0)

    assert AffineCalibration.fit(margin, y, ["channel=a"] * len(y)).line("channel=a")[1] > 0


def test_absorbing_moves_shifts_towards_the_surplus_and_starts_over_each_time():
    margin, y, _ = slice_of(1000)
    calibration = AffineCalibration.fit(margin, y, ["channel=a"] * 1000)
    surplus = np.array([[5.0, 50.0], [5.0, 50.0]])

    once = calibration.absorb(surplus, ["channel=a", "channel=a"])
    twice = once.absorb(surplus, ["channel=a", "channel=a"])

    expected = calibration.fitted[0, 0] + 10.0 / (calibration.precision[0, 0, 0] + 100.0)
    assert once.line("channel=a")[0] == pytest.approx(expected)
    assert twice.line("channel=a") == once.line("channel=a")
    assert once.fitted_line("channel=a") == calibration.line("channel=a")


def test_the_identity_changes_nothing_and_is_sure_of_it():
    identity = AffineCalibration.identity()

    assert identity.line("channel=a") == (0.0, 1.0)
    assert_array_equal(identity.covariance("channel=a"), np.zeros((2, 2)))
    assert identity.absorb(np.ones((1, 2)), ["channel=a"]).line("channel=a") == (0.0, 1.0)


def test_state_is_plain_and_comes_back():
    margin, y, _ = slice_of(500)
    calibration = AffineCalibration.fit(margin, y, ["channel=a", "channel=b"] * 250)

    plain, arrays = calibration.to_state()
    back = AffineCalibration.from_state((json.loads(json.dumps(plain)), arrays))

    assert back.groups == calibration.groups
    for group in ("channel=a", "channel=b", "channel=c"):
        assert back.line(group) == calibration.line(group)
        assert_array_equal(back.covariance(group), calibration.covariance(group))


def test_a_row_of_weight_three_is_the_row_three_times():
    rng = np.random.default_rng(0)
    margin = rng.normal(size=300) - 1
    y, weight = (rng.random(300) < 0.3).astype(float), rng.integers(1, 4, 300)
    group = np.where(rng.random(300) < 0.5, "channel=a", "channel=b")
    again = np.repeat(np.arange(300), weight)

    weighted = AffineCalibration.fit(margin, y, group.tolist(), weight=weight.astype(float))
    repeated = AffineCalibration.fit(margin[again], y[again], group[again].tolist())

    for name in ("lines", "pooled", "pooled_cov", "precision"):
        assert_allclose(getattr(weighted, name), getattr(repeated, name), atol=1e-8)


def test_where_less_is_left_of_the_fit_news_move_a_shift_further():
    rng = np.random.default_rng(0)
    margin = rng.normal(size=3000) - 1
    y = (rng.random(3000) < 1 / (1 + np.exp(-margin))).astype(float)
    fitted = AffineCalibration.fit(margin, y, ["channel=a"] * 3000)
    news = np.array([[20.0, 100.0]])

    moved = [fitted.absorb(news, ["channel=a"], kept=kept).line("channel=a")[0] for kept in (1.0, 0.5, 0.0)]

    assert fitted.line("channel=a")[0] < moved[0] < moved[1] < moved[2]
    assert moved[0] == fitted.absorb(news, ["channel=a"]).line("channel=a")[0]
