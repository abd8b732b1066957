"""Walks over arrays of trees: margins and Shapley values."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nba.models import shapley
from nba.models.booster import Boosting
from nba.models.forest import Forest


def grown(leaves):
    rng = np.random.default_rng(leaves)
    x = rng.normal(size=(400, 5))
    x[rng.random(x.shape) < 0.1] = np.nan
    y = (np.nan_to_num(x[:, 0]) * np.nan_to_num(x[:, 1]) > 0).astype(float)
    return Boosting(trees=9, leaves=leaves, least_rows=3).fit(x, y), x


@pytest.mark.parametrize("leaves", [2, 8, 11])
def test_tables_give_the_bits_of_working_it_out_row_by_row(monkeypatch, leaves):
    forest, x = grown(leaves)
    margin, (values, base) = forest.score(x), forest.contributions(x)

    monkeypatch.setattr(shapley, "_WIDEST", -1)
    row_by_row = Forest.from_state(forest.to_state())

    assert_array_equal(row_by_row.score(x), margin)
    assert_array_equal(row_by_row.contributions(x)[0], values)
    assert row_by_row.contributions(x)[1] == base
    assert len(row_by_row.paths.tables.table) == 0 < len(forest.paths.tables.table)


def test_tables_stop_at_the_memory_allowed_and_change_no_bit(monkeypatch):
    forest, x = grown(8)
    values, _ = forest.contributions(x)

    monkeypatch.setattr(shapley, "_MOST_CELLS", 2000)
    small = Forest.from_state(forest.to_state())

    assert_array_equal(small.contributions(x)[0], values)
    assert 0 < len(small.paths.tables.table) <= 2000
    assert (small.paths.tables.table_at == -1).any()


@pytest.mark.parametrize("points", [1, 2, 7, 40, 128])
def test_rules_take_polynomials_exactly(points):
    at, node, weight = shapley._rules(points)

    t, w = node[at[points] : at[points + 1]], weight[at[points] : at[points + 1]]
    assert len(t) == points
    assert ((t > 0) & (t < 1)).all()
    for degree in {0, 1, points, 2 * points - 1}:
        assert_allclose((w * t**degree).sum(), 1 / (degree + 1), rtol=1e-12)
