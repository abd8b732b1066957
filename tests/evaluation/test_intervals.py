import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.errors import ArgumentError
from nba.evaluation import auc, clustered_auc, clustered_gains, clustered_mean, clustered_rate


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


def test_a_rate_of_independent_rows_has_wilsons_interval():
    from scipy import stats

    y = (np.arange(4_000) < 37).astype(float)

    found = clustered_rate(y, np.arange(4_000))

    wilson = stats.binomtest(37, 4_000).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), rel=0.01)


def worlds(seed, n_worlds):
    """Touches of HCPs who each have a level of their own: (y, margin the model sees, hcp)."""
    rng = np.random.default_rng(seed)
    for _ in range(n_worlds):
        hcps = np.repeat(np.arange(80), rng.integers(1, 10, 80))
        seen, own = rng.normal(size=len(hcps)), rng.normal(0, 0.8, 80)[hcps]
        y = (rng.random(len(hcps)) < 1 / (1 + np.exp(2.2 - seen - own))).astype(float)
        yield y, seen, hcps


@pytest.fixture(scope="module")
def large_world():
    """So many touches that their figures stand for the truth."""
    rng = np.random.default_rng(0)
    seen, own = rng.normal(size=2_000_000), rng.normal(0, 0.8, 2_000_000)
    return (rng.random(2_000_000) < 1 / (1 + np.exp(2.2 - seen - own))).astype(float), seen


def test_intervals_of_rates_auc_and_gains_cover_the_truth_as_often_as_they_say(large_world):
    y, seen = large_world
    order = np.argsort(-seen)
    truth = {
        "rate": y.mean(),
        "auc": auc(seen, y),
        "gain of a tenth": y[order[:200_000]].sum() / y.sum(),
        "gain of a half": y[order[:1_000_000]].sum() / y.sum(),
    }
    covered = dict.fromkeys(truth, 0)

    for y, seen, hcps in worlds(1, 500):
        gains = clustered_gains(seen, y, hcps, shares=[0.1, 0.5])
        found = (clustered_rate(y, hcps), clustered_auc(seen, y, hcps), *gains)
        for name, interval in zip(truth, found, strict=True):
            covered[name] += interval.low <= truth[name] <= interval.high

    # 500 worlds know a share of .95 to +-.02; linearised intervals of few positives are a little short.
    for name, count in covered.items():
        assert 0.91 <= count / 500 <= 0.98, name


def test_an_auc_of_independent_rows_has_delongs_variance():
    rng = np.random.default_rng(2)
    y = np.repeat([1.0, 0.0], [60, 240])
    margin = np.round(rng.normal(y, 1.2), 1)  # ties

    found = clustered_auc(margin, y, np.arange(300))

    beats = (margin[:60, None] > margin[None, 60:]) + 0.5 * (margin[:60, None] == margin[None, 60:])
    delong = beats.mean(axis=1).var(ddof=1) / 60 + beats.mean(axis=0).var(ddof=1) / 240
    area = beats.mean()
    assert found.mean == pytest.approx(area, abs=1e-12)
    in_log_odds = (np.log(found.high / (1 - found.high)) - np.log(area / (1 - area))) / 1.968
    assert in_log_odds * area * (1 - area) == pytest.approx(np.sqrt(delong), rel=0.02)


def test_a_perfect_ranking_of_few_is_not_called_certain():
    y = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0])

    found = clustered_auc(np.arange(6.0), y, np.arange(6))

    assert found.mean == found.high == 1.0
    assert 0.1 < found.low < 0.6


def test_one_hcp_alone_leaves_a_rate_open():
    found = clustered_rate(np.array([1.0, 0.0]), np.array(["a", "a"]))

    assert (found.low, found.mean, found.high) == (0.0, 0.5, 1.0)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 4)), min_size=2, max_size=40),
    st.randoms(use_true_random=False),
)
def test_no_interval_depends_on_the_order_of_rows(rows, random):
    shuffled = random.sample(rows, len(rows))

    def found(rows):
        p, y, hcps = (np.array(column) for column in zip(*rows, strict=True))
        y, p = y.astype(float), p / 5
        if not 0 < y.sum() < len(y) or len(set(hcps)) < 2:
            return []
        return [
            clustered_rate(y, hcps),
            clustered_auc(p, y, hcps),
            *clustered_gains(p, y, hcps, shares=[0.0, 0.3, 1.0]),
        ]

    for one, other in zip(found(rows), found(shuffled), strict=True):
        assert (one.mean, one.low, one.high) == pytest.approx((other.mean, other.low, other.high), abs=1e-9)
        assert 0 <= one.low <= one.mean + 1e-12
        assert one.mean - 1e-12 <= one.high <= 1
