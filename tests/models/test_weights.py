"""How much of a correction each group of pairs has earned."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from nba.models import weights
from nba.models.weights import SIZE_NAMES, Evidence, Weights, size_of


def evidence(seed, *, true_weight, n=6000, channels=2, sizes=2, noise=0.0):
    """Rows whose log-odds are margin + true_weight(channel, size) * added."""
    rng = np.random.default_rng(seed)
    margin, added = rng.normal(-1, 1, n), rng.normal(0, 0.7, n)
    channel, size = rng.integers(0, channels, n), rng.integers(0, sizes, n)
    weight = np.array([true_weight(c, s) for c, s in zip(channel, size, strict=True)])
    p = 1 / (1 + np.exp(-(margin + weight * added + noise)))
    names = np.array([f"channel=c{c}" for c in channel], dtype=object)
    return Evidence(margin, added, (rng.random(n) < p).astype(float), names, size)


def test_the_pooled_weight_is_the_one_that_serves_later_rows_best():
    block = evidence(0, true_weight=lambda c, s: 0.6)

    found = Weights.fit([block])

    def loss(theta):
        eta = theta[0] + theta[1] * block.margin + theta[2] * block.added
        prior = (theta[0] / 0.3) ** 2 + ((theta[1] - 1) / 0.1) ** 2 + theta[2] ** 2
        return float((np.logaddexp(0, eta) - block.y * eta).sum() + prior / 2)

    assert found.pooled == pytest.approx(minimize(loss, [0, 1, 0], tol=1e-10).x[2], abs=1e-4)
    assert found.evidence > 3


@pytest.mark.parametrize("true", [0.0, -0.5])
def test_trees_that_say_nothing_or_the_opposite_earn_exactly_nothing(true):
    found = [Weights.fit([evidence(seed, true_weight=lambda c, s: true)]) for seed in range(40)]

    # three standard errors, at one of some hundred worlds by chance
    assert sum(weights.any for weights in found) <= 1
    assert all(weights.groups.max() == 0.0 for weights in found if not weights.any)


def test_a_group_that_trees_harm_gets_less_than_one_they_help():
    blocks = [evidence(s, true_weight=lambda c, s: 1.0 if s else 0.0, n=12_000) for s in (0, 1)]

    found = Weights.fit(blocks)

    assert found.sizes[0] < 0.1
    assert found.groups[:, 0].max() < 0.2
    assert found.groups[:, 1].min() > 0.6


def test_a_channel_of_few_rows_is_held_to_its_size_and_gives_caution_away():
    block = evidence(0, true_weight=lambda c, s: 0.8, n=8000, channels=1)
    some = evidence(1, true_weight=lambda c, s: 0.8, n=20)
    new = np.full(20, "channel=new", dtype=object)
    few = Evidence(some.margin, some.added, some.y, new, np.zeros(20, dtype=int))

    found = Weights.fit([block, few])
    known, new = (found.of(name, positives=5.0) for name in ("channel=c0", "channel=new"))

    assert 0.3 < new < known
    assert found.of("channel=never", positives=5.0) == found.sizes[0]


def test_parts_of_time_that_disagree_are_no_evidence():
    helps = evidence(0, true_weight=lambda c, s: 1.0, n=1500)
    harms = evidence(1, true_weight=lambda c, s: -0.6, n=1500)

    assert Weights.fit([helps]).any
    assert not Weights.fit([helps, harms]).any


def test_a_level_that_drifts_is_no_evidence():
    block = evidence(0, true_weight=lambda c, s: 0.0, noise=0.7)
    block = Evidence(block.margin, block.added + 1.0, block.y, block.channel, block.size)

    assert not Weights.fit([block]).any


def test_sizes_are_told_apart_at_their_bounds():
    assert_array_equal(size_of(np.array([0, 59, 60, 199, 200, 999, 1000, 1e6])), [0, 0, 1, 1, 2, 2, 3, 3])
    assert len(weights.SIZES) + 1 == len(SIZE_NAMES)


def test_every_request_has_the_weight_of_its_pair():
    found = Weights.fit([evidence(0, true_weight=lambda c, s: 0.5 + 0.3 * s, n=8000)])
    channel = np.array(["channel=c1", "channel=never", "channel=c0"], dtype=object)

    each = found.each(channel, np.array([1, 0, 0]))

    expected = [found.of(c, positives=p) for c, p in zip(channel, (60.0, 0.0, 0.0), strict=True)]
    assert_array_equal(each, expected)


def test_rows_say_all_first_and_then_every_group_that_was_judged():
    rows = Weights.fit([evidence(0, true_weight=lambda c, s: 0.8)]).rows()

    assert rows[0][0] == "all"
    assert [row[:2] for row in rows[1:]] == [
        ("c0", "under 60"), ("c0", "60 to 199"), ("c1", "under 60"), ("c1", "60 to 199"),
    ]  # fmt: skip
    assert Weights.none().rows() == [("all", "", "0", "0.00")]


def test_a_state_comes_back_as_it_was():
    found = Weights.fit([evidence(0, true_weight=lambda c, s: 0.7)])

    back = Weights.from_state(found.to_state())

    assert str(back) == str(found)
    assert_array_equal(back.groups, found.groups)
    assert (back.pooled, back.evidence, back.channels) == (found.pooled, found.evidence, found.channels)


def test_requests_of_weight_one_count_as_they_are_and_heavier_ones_more():
    some = evidence(3, true_weight=lambda c, s: 0.6, n=2000)
    ones = replace(some, weight=np.ones(2000))
    harmed = np.where(some.added * (some.y - some.y.mean()) > 0, 0.2, 1.0)

    plain, counted, against = (Weights.fit([it, it]) for it in (some, ones, replace(some, weight=harmed)))

    assert_allclose(counted.groups, plain.groups, atol=1e-9)
    assert counted.pooled == pytest.approx(plain.pooled, abs=1e-9)
    assert against.evidence < plain.evidence
