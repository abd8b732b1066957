"""Rates of pairs and channels, each held to the one above."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from nba.models.rates import PairRates, equal_edges, log_odds


def test_rates_are_those_counted_by_hand(world):
    made = world(requests=400, pairs=5)
    design, y = made.design, made.y

    rates = PairRates.fit(design, y, strength=7.0)

    overall = (y.sum() + 0.5) / (len(y) + 1)
    for k, groups in enumerate(design.groups):
        same = np.array([g[0] == groups[0] for g in design.groups])[design.pair]
        above = (y[same].sum() + 7 * overall) / (same.sum() + 7)
        mine = design.pair == k
        rate = (y[mine].sum() + 7 * above) / (mine.sum() + 7)
        assert rates.level[k] == pytest.approx(log_odds(rate))
        assert rates.channels[groups[0]] == pytest.approx(log_odds(above))
    assert_allclose(rates.spread(design, strength=7.0) ** -2, (rates.n + 7) * _variance(rates.level))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.integers(2, 8))
def test_no_group_is_empty_and_edges_rise(values, bins):
    x = np.array(values)

    edges = equal_edges(x, bins)

    groups = np.bincount(np.searchsorted(edges, x, side="left"), minlength=len(edges) + 1)
    assert (groups > 0).all()
    assert (np.diff(edges) > 0).all()
    assert len(edges) < bins


def test_what_is_missing_everywhere_has_no_edges():
    assert len(equal_edges(np.full(3, np.nan), 4)) == 0


def _variance(level):
    p = 1 / (1 + np.exp(-level))
    return p * (1 - p)
