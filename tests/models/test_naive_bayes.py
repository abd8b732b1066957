"""Naive Bayes per pair: features in bins, each on its own."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nba import artifact
from nba.errors import ArgumentError
from nba.evaluation import calibration_line
from nba.models import NaiveBayesPerPair


@pytest.fixture(scope="module")
def made(world):
    return world(requests=3000, pairs=6)


def logit(p):
    return np.log(p / (1 - p))


def test_a_lift_is_that_counted_by_hand(made):
    design, y = made.design, made.y
    model = NaiveBayesPerPair(bins=4, strength=5.0).fit(design, y)
    column = design.shared[:, 1]
    edges = np.sort(column)[
        [750, 1500, 2250] if len(column) == 3000 else (np.arange(1, 4) * len(column)) // 4
    ]
    pair = int(np.bincount(design.pair).argmax())
    mine = design.pair == pair

    third = mine & (column[design.row] > edges[1]) & (column[design.row] <= edges[2])

    channel = np.array([g[0] for g in design.groups])[design.pair] == design.groups[pair][0]
    overall = (y.sum() + 0.5) / (len(y) + 1)
    of_channel = (y[channel].sum() + 5 * overall) / (channel.sum() + 5)
    rate = (y[mine].sum() + 5 * of_channel) / (mine.sum() + 5)
    found = (y[third].sum() + 5 * rate) / (third.sum() + 5)
    assert model.lifts_[pair, 1, 2] == pytest.approx(logit(found) - logit(rate))


def test_parts_are_lifts_times_the_slope(made):
    model = NaiveBayesPerPair().fit(made.design, made.y)

    parts = model.contributions(made.design)

    slope = model.lines_[made.design.pair, 1]
    assert_allclose(parts.base, model.level_[made.design.pair] + model.lines_[made.design.pair, 0])
    assert_allclose(parts.values[slope == 0], 0.0)
    assert np.abs(parts.values).max() > 0


def test_features_that_repeat_each_other_are_not_believed_twice(made):
    design = made.design
    many = replace(
        design,
        shared=np.repeat(design.shared, 4, axis=1),
        shared_features=tuple(
            replace(f, name=f"{f.name}_{i}") for f in design.shared_features for i in range(4)
        ),
    )

    once, often = (NaiveBayesPerPair().fit(d, made.y) for d in (design, many))

    ratio = once.lines_[:, 1].mean() / often.lines_[:, 1].mean()
    assert 2 < ratio < 6
    assert np.corrcoef(once.score(design)[0], often.score(many)[0])[0, 1] > 0.97


def test_the_line_is_right_for_rows_that_were_not_counted(world, take):
    for seed in range(4):
        made = world(requests=12_000, pairs=3, apart=0.2, seed=seed)
        counted, new = np.arange(6000), np.arange(6000, 12_000)
        model = NaiveBayesPerPair().fit(take(made.design, counted), made.y[counted])

        margin, _ = model.score(take(made.design, new))

        assert calibration_line(margin, made.y[new])[1] == pytest.approx(1.0, abs=0.2)
        assert np.corrcoef(margin, made.truth[new])[0, 1] > 0.85


def test_noise_earns_a_slope_near_0(made):
    shuffled = np.random.default_rng(1).permutation(made.y)

    assert NaiveBayesPerPair().fit(made.design, shuffled).lines_[:, 1].max() < 0.25


def test_a_missing_value_has_a_bin_of_its_own(made):
    missing = made.design.shared.copy()
    missing[made.y[: len(missing)] > 0, 0] = np.nan
    row = np.arange(len(missing))
    design = replace(
        made.design, shared=missing, row=row, pair=made.design.pair[row], own=made.design.own[row]
    )

    model = NaiveBayesPerPair(bins=5).fit(design, made.y[row])

    assert model.lifts_[:, 0, 5].min() > 0.5


def test_the_order_of_rows_moves_nothing(made):
    order = np.argsort(made.design.own[:, 0], kind="stable")
    design = made.design
    moved = replace(
        design, shared=design.shared[design.row[order]], row=np.arange(len(order)), pair=design.pair[order],
        own=design.own[order],
    )  # fmt: skip
    plain = replace(design, shared=design.shared[design.row], row=np.arange(len(order)))

    one, other = NaiveBayesPerPair().fit(plain, made.y), NaiveBayesPerPair().fit(moved, made.y[order])

    assert_array_equal(one.score(design)[0], other.score(design)[0])


@pytest.mark.parametrize("options", [{"bins": 1}, {"strength": 0.0}, {"strength": np.nan}])
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ArgumentError, match=next(iter(options))):
        NaiveBayesPerPair(**options)


def test_a_bundle_on_disk_gives_the_same_bits(made, tmp_path):
    model = NaiveBayesPerPair(bins=6).fit(made.design, made.y)
    plain, arrays = model.to_state()

    artifact.save(tmp_path / "m", manifest=plain, arrays=arrays)
    back = NaiveBayesPerPair.from_state(artifact.load(tmp_path / "m")[:2])

    assert_array_equal(back.score(made.design)[0], model.score(made.design)[0])
    assert back.get_params() == model.get_params()
