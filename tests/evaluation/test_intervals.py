import numpy as np
import pytest

from nba.errors import ArgumentError
from nba.evaluation import clustered_mean


def test_intervals_cover_the_mean_when_rows_of_an_hcp_move_together():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        own = rng.normal(size=40)
        clusters = np.repeat(np.arange(40), rng.integers(1, 12, 40))
        found = clustered_mean(own[clusters] + 0.1 * rng.normal(size=len(clusters)), clusters)
        covered += found.low <= 0.0 <= found.high

    assert 0.91 <= covered / 400 <= 0.98


def test_one_row_a_cluster_gives_students_interval():
    from scipy import stats

    values = np.random.default_rng(0).normal(size=25)

    found = clustered_mean(values, np.arange(25))

    low, high = stats.t.interval(0.95, 24, loc=values.mean(), scale=stats.sem(values))
    assert found.low == pytest.approx(low, abs=1e-3)
    assert found.high == pytest.approx(high, abs=1e-3)


def test_one_cluster_has_no_interval():
    with pytest.raises(ArgumentError, match="at least two"):
        clustered_mean(np.ones(4), np.zeros(4))


def test_shapes_have_to_agree():
    with pytest.raises(ArgumentError, match="expected the same"):
        clustered_mean(np.ones(4), np.zeros(3))
