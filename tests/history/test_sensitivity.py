"""Metric B finds planted slopes, how much they differ, and when they are not to be believed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from nba.history.sensitivity import adstock, prescribing_sensitivity


def panel(rng, *, n, m, slopes, targeting=0.0):
    """Prescriptions that follow engagement of before, or representatives who go to whom is growing."""
    level = rng.normal(2.0, 0.5, (n, 1))
    season = rng.normal(0.0, 0.1, (1, m))
    growth = np.cumsum(rng.normal(0.0, 0.15, (n, m)), axis=1) if targeting else np.zeros((n, m))
    pace = np.exp(targeting * np.diff(growth, axis=1, append=growth[:, -1:]))
    engaged = rng.poisson(1.5 * pace).astype(float)
    lagged = np.pad(np.log1p(adstock(engaged))[:, :-1], ((0, 0), (1, 0)))
    log_rx = level + season + growth + slopes[:, None] * lagged + rng.normal(0.0, 0.25, (n, m))
    return np.expm1(np.maximum(log_rx, 0.0)), engaged


def test_planted_slopes_and_their_spread_are_found_and_shrinking_helps():
    rng = np.random.default_rng(1)
    slopes = rng.normal(0.20, 0.10, 3_000)
    figures, engaged = panel(rng, n=3_000, m=24, slopes=slopes)

    found = prescribing_sensitivity(figures, engaged)

    assert found.status == "ok"
    assert found.pooled == pytest.approx(0.20, abs=0.01)
    assert found.tau == pytest.approx(0.10, abs=0.02)
    shrunk = np.sqrt(np.mean((found.value - slopes) ** 2))
    alike = np.sqrt(np.mean((found.pooled - slopes) ** 2))
    assert shrunk < 0.95 * alike
    inside = np.abs(found.value - slopes) < 1.645 * found.spread
    assert 0.86 < inside.mean() < 0.94


def test_targeting_without_an_effect_is_confounded():
    rng = np.random.default_rng(2)
    figures, engaged = panel(rng, n=2_000, m=24, slopes=np.zeros(2_000), targeting=3.0)

    found = prescribing_sensitivity(figures, engaged)

    assert found.status == "confounded"
    assert abs(found.placebo) > 0.5 * abs(found.pooled)


def test_slopes_equal_least_squares_with_a_dummy_for_every_hcp_and_period():
    rng = np.random.default_rng(3)
    n, m = 8, 14
    figures, engaged = panel(rng, n=n, m=m, slopes=np.full(n, 0.3))
    figures[2, 5] = np.nan
    regions = ["a"] * 5 + ["b"] * 3

    found = prescribing_sensitivity(figures, engaged, regions=regions)

    x = np.log1p(adstock(engaged)[:, :-1])
    rows = [(h, p) for h in range(n) for p in range(1, m) if not np.isnan(figures[h, p])]
    dummies = np.zeros((len(rows), n + 2 * m))
    for r, (h, p) in enumerate(rows):
        dummies[r, h] = dummies[r, n + p + (m if regions[h] == "b" else 0)] = 1.0
    values = np.array([x[h, p - 1] for h, p in rows])
    out = values - dummies @ np.linalg.lstsq(dummies, values, rcond=None)[0]
    y = np.array([np.log1p(figures[h, p]) for h, p in rows])
    y = y - dummies @ np.linalg.lstsq(dummies, y, rcond=None)[0]
    who = np.array([h for h, _ in rows])
    own = np.array([(out * y)[who == h].sum() / (out**2)[who == h].sum() for h in range(n)])
    low, high = own.min(), own.max()
    assert ((found.value >= low - 1e-9) & (found.value <= high + 1e-9)).all()
    assert low <= found.pooled <= high
    assert_allclose(found.n, np.bincount(who))


def test_few_periods_say_only_what_others_say_and_none_say_nothing():
    rng = np.random.default_rng(4)
    figures, engaged = panel(rng, n=200, m=20, slopes=np.full(200, 0.3))
    figures[0, 5:] = np.nan
    engaged[1] = 2.0  # as good as never changed once it has settled

    found = prescribing_sensitivity(figures, engaged)
    short = prescribing_sensitivity(figures[:, :6], engaged[:, :6])

    assert found.prior_only[0]
    assert not found.prior_only[2]
    assert found.value[0] == pytest.approx(found.pooled, abs=0.05)
    assert short.status == "not_available"
    assert np.isnan(short.value).all()


def test_the_order_of_hcps_does_not_matter():
    rng = np.random.default_rng(5)
    figures, engaged = panel(rng, n=100, m=18, slopes=np.full(100, 0.3))
    turn = rng.permutation(100)

    one, other = (
        prescribing_sensitivity(figures, engaged),
        prescribing_sensitivity(figures[turn], engaged[turn]),
    )

    assert_allclose(one.value[turn], other.value, rtol=1e-9)
