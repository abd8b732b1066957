"""A small forest on what the base left over, as far as it earned it."""

import copy
import subprocess
import sys
import warnings
from dataclasses import replace

import lightgbm
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from benchmarks.worlds import DAY, GAP_DAYS, before_and_after, noise_world, taken, tree_world
from nba import artifact
from nba.contracts import Action
from nba.errors import ArgumentError, BundleError, NBAWarning
from nba.models import PairPropensity
from nba.models.booster import Growing
from nba.models.correction import columns
from nba.models.forest import Forest


def fitted(world, which=None, **params):
    which = np.arange(len(world.y)) if which is None else which
    model = PairPropensity(**params)
    return model.fit(
        taken(world.design, which), world.y[which], at=world.at[which], gap_seconds=GAP_DAYS * DAY
    )


def log_loss(model, design, y):
    margin = model.score(design)[0]
    return float((np.logaddexp(0.0, margin) - y * margin).mean())


@pytest.fixture(scope="module")
def trees():
    return tree_world(seed=1, requests=16_000, pairs=12)


@pytest.fixture(scope="module")
def corrected(trees):
    return fitted(trees)


def bits(design, model):
    return np.stack(model.score(design))


@pytest.mark.parametrize("seed", range(4))
def test_on_pure_noise_it_weighs_exactly_nothing(seed):
    world = noise_world(seed=seed, requests=20_000)

    model = fitted(world)

    assert model.weights_.pooled == 0.0
    assert not model.weight_.any()
    assert model.correction_.n_trees == 0
    assert model.weights_.positives.sum() > 100  # it was tried


@pytest.mark.parametrize("seed", [2, 3])
def test_in_a_tree_shaped_world_it_weighs_over_half_and_predicts_better_than_the_base_alone(seed):
    world = tree_world(seed=seed, requests=16_000)
    before, after = before_and_after(world)

    model, base = (fitted(world, before, correction=c) for c in ("auto", None))

    assert model.weights_.pooled > 0.5
    assert base.correction_.n_trees == 0
    later = taken(world.design, after)
    assert log_loss(model, later, world.y[after]) < log_loss(base, later, world.y[after]) - 0.01


def test_the_margin_is_the_line_of_base_and_weighted_forest(trees, corrected):
    alone = replace_correction(corrected, None)
    raw = replace_correction(alone, None, lines=False)
    added = sum(weight * forest.score(x) for weight, forest, x in by_forest(corrected, trees.design))
    lines = np.array([corrected.calibration_.line(g[0]) for g in trees.design.groups])[trees.design.pair]

    margin = lines[:, 0] + lines[:, 1] * (raw.score(trees.design)[0] + added)

    assert_allclose(corrected.score(trees.design)[0], margin, atol=1e-9)


def by_forest(model, design):
    """(weight of each request, forest, columns) of every forest, from names spelled out."""
    x = columns(design, np.arange(len(design)))
    for depth, level in enumerate(model.correction_.levels):
        for name, forest in level.forests.items():
            of_pair = [
                name in ("all", groups[0], f"pair={tuple(action)!r}")
                for action, groups in zip(design.actions, design.groups, strict=True)
            ]
            weight = np.where(of_pair, model.weight_[:, depth], 0.0)
            yield weight[design.pair], forest, x


def replace_correction(model, correction, lines=True):
    """The same base without its trees, with its calibration or without."""
    from nba.models import AffineCalibration, Correction

    twin = PairPropensity.from_state(model.to_state())
    twin.correction_ = correction or Correction.none()
    if not lines:
        twin.calibration_ = AffineCalibration.identity()
    return twin


def test_contributions_add_up_and_are_those_of_base_and_trees(trees, corrected):
    some = taken(trees.design, np.arange(0, 16_000, 40))
    parts = corrected.contributions(some)
    lines = np.array([corrected.calibration_.line(g[0]) for g in some.groups])[some.pair]

    of_base = replace_correction(corrected, None).contributions(some)
    of_trees, mean = np.zeros_like(parts.values), np.zeros(len(some))
    for weight, forest, x in by_forest(corrected, some):
        values, base = forest.contributions(x)
        of_trees += (lines[:, 1] * weight)[:, None] * values
        mean += lines[:, 1] * weight * base

    assert_allclose(parts.base + parts.values.sum(axis=1), parts.margin, atol=1e-9)
    assert_array_equal(parts.margin, corrected.score(some)[0])
    assert_allclose(parts.values, of_base.values + of_trees, atol=1e-9)
    assert_allclose(parts.base, of_base.base + mean, atol=1e-9)


def test_the_trees_part_is_what_shap_says(trees, monkeypatch):
    kept = []
    booster = lightgbm.Booster
    monkeypatch.setattr(lightgbm, "Booster", lambda *a, **k: kept.append(booster(*a, **k)) or kept[-1])
    model = fitted(trees, n_jobs=1)
    x = columns(trees.design, np.arange(50))

    forest = model.correction_.levels[0].forests["all"]
    values, mean = forest.contributions(x)
    (of_all,) = [b for b in kept if np.allclose(b.predict(x, raw_score=True), forest.score(x), atol=1e-9)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries beneath it
        import shap

        theirs = np.asarray(shap.TreeExplainer(of_all).shap_values(x))
    assert_allclose(values, theirs[1] if theirs.ndim == 3 else theirs, atol=1e-9)
    assert mean + values[0].sum() == pytest.approx(of_all.predict(x[:1], raw_score=True)[0], abs=1e-9)


def test_the_order_of_rows_changes_no_bit(trees, corrected):
    rng = np.random.default_rng(0)
    rows, requests = rng.permutation(len(trees.design.shared)), rng.permutation(len(trees.y))
    back = np.argsort(rows)
    turned = replace(
        taken(trees.design, requests),
        shared=trees.design.shared[rows],
        row=back[trees.design.row[requests]],
    )

    other = PairPropensity().fit(turned, trees.y[requests], at=trees.at[requests], gap_seconds=GAP_DAYS * DAY)

    assert other.weights_.pooled > 0
    assert_array_equal(bits(trees.design, other), bits(trees.design, corrected))


def test_threads_and_storage_change_no_bit(trees, corrected):
    small = replace(trees.design, shared=trees.design.shared.astype("f4"), own=trees.design.own.astype("f4"))
    one, three = (
        PairPropensity(n_jobs=n).fit(small, trees.y, at=trees.at, gap_seconds=GAP_DAYS * DAY) for n in (1, 3)
    )

    assert_array_equal(bits(small, one), bits(small, three))
    assert_array_equal(bits(trees.design, corrected), bits(replace(trees.design), corrected))


def test_one_row_and_a_batch_have_the_same_bits(trees, corrected):
    batch = bits(trees.design, corrected)

    for r in (0, 8191, 8192, 15_999):
        alone = taken(trees.design, np.array([r]))
        alone = replace(alone, shared=alone.shared[alone.row], row=np.zeros(1, dtype=int))
        assert_array_equal(bits(alone, corrected)[:, 0], batch[:, r])


def test_learning_adds_up_with_trees_and_leaves_them_as_they_are(trees):
    fit_on, a, b = (np.flatnonzero((trees.at // DAY >= lo) & (trees.at // DAY < hi)) for lo, hi in
                    ((0, 250), (250, 300), (300, 360)))  # fmt: skip

    def learned(*parts):
        model = fitted(trees, fit_on)
        for part in parts:
            model.learn(taken(trees.design, part), trees.y[part])
        return model

    both, weight = learned(np.r_[a, b]), fitted(trees, fit_on).weight_
    for other in (learned(a, b), learned(b, a)):
        assert_allclose(bits(trees.design, other), bits(trees.design, both), atol=1e-8)
        assert_array_equal(other.weight_, weight)
    assert weight.max() > 0.5


def test_what_the_trees_already_say_is_not_learned_again(trees):
    before, after = before_and_after(trees)
    later = taken(trees.design, after)
    model = fitted(trees, before)
    p = 1 / (1 + np.exp(-model.score(later)[0]))
    blind = replace_correction(model, None)

    expected, blind_expected = (
        np.array([new.expected for new in m.learn(later, trees.y[after]).base_.absorbed])
        for m in (model, blind)
    )

    by_pair = np.bincount(model.place_[later.pair], weights=p)
    assert_allclose(expected, by_pair, rtol=0.01)
    assert np.abs(blind_expected / by_pair - 1).max() > 0.02


def test_a_bundle_on_disk_gives_the_same_bits_and_weights(trees, corrected, tmp_path):
    plain, arrays = corrected.to_state()

    artifact.save(tmp_path / "m", manifest=plain, arrays=arrays)
    loaded = artifact.load(tmp_path / "m")
    back = PairPropensity.from_state((loaded[0], loaded[1]))

    assert_array_equal(bits(trees.design, back), bits(trees.design, corrected))
    assert back.weights_.rows() == corrected.weights_.rows()
    assert str(back.weights_) == str(corrected.weights_)


def test_a_state_without_a_correction_is_refused_by_name(corrected):
    plain, arrays = corrected.to_state()
    del plain["trees"]

    with pytest.raises(BundleError, match="earlier version"):
        PairPropensity.from_state((plain, arrays))


def test_a_pair_never_seen_has_the_weight_of_the_smallest_of_its_channel(trees, corrected):
    new = replace(
        trees.design,
        pair=np.zeros_like(trees.design.pair),
        actions=(Action("c1", "new"),),
        groups=(("channel=c1", "topic=t1"),),
    )
    before = corrected.score(new)[0]

    grown = PairPropensity.from_state(corrected.to_state()).learn(taken(new, np.arange(5)), np.zeros(5))

    assert np.isfinite(before).all()
    assert grown.weight_[-1, 0] == corrected.weights_.of("channel=c1", positives=0.0)
    assert grown.weight_[-1, 2] == 0.0


@pytest.mark.parametrize(("rows", "outcome"), [(60, None), (900, None), (6000, 0.0), (6000, 1.0)])
def test_where_there_is_too_little_to_earn_a_weight_there_is_no_correction_and_no_crash(rows, outcome):
    world = tree_world(seed=4, requests=rows, pairs=6)
    if outcome is not None:
        world = world._replace(y=np.full(rows, outcome))
        with pytest.warns(NBAWarning, match="outcomes are"):
            model = fitted(world)
    else:
        model = fitted(world)

    assert model.correction_.n_trees == 0
    assert model.weights_.rows()[0][-1] == "0.00"
    assert np.isfinite(bits(world.design, model)).all()


def test_without_a_calibration_slice_weights_are_earned_all_the_same(trees):
    model = fitted(trees, calibration_share=0.0)

    assert model.weights_.pooled > 0.5
    assert model.calibration_.groups == ()


def test_a_drift_of_level_alone_earns_nothing():
    world = noise_world(seed=9, requests=12_000)
    rate = np.where(world.at // DAY > 200, 0.12, 0.04)
    y = (np.random.default_rng(0).random(len(rate)) < rate).astype(float)

    assert fitted(world._replace(y=y)).weights_.pooled == 0.0


@pytest.mark.parametrize("correction", ["yes", True, 0.5])
def test_an_unknown_correction_is_refused(correction):
    with pytest.raises(ArgumentError, match="auto"):
        PairPropensity(correction=correction)


def test_scoring_a_loaded_model_with_trees_loads_no_heavy_library(trees, corrected, tmp_path):
    plain, arrays = corrected.to_state()
    artifact.save(tmp_path / "m", manifest=plain, arrays=arrays)
    np.savez(
        tmp_path / "x.npz", shared=trees.design.shared, own=trees.design.own, row=trees.design.row,
        pair=trees.design.pair, margin=corrected.score(trees.design)[0],
    )  # fmt: skip
    code = f"""
import sys
import numpy as np
from nba import artifact
from nba.contracts import Design
from nba.models import PairPropensity
plain, arrays, _ = artifact.load({str(tmp_path / "m")!r})
model = PairPropensity.from_state((plain, arrays))
x = np.load({str(tmp_path / "x.npz")!r})
design = Design(shared=x["shared"], own=x["own"], row=x["row"], pair=x["pair"], actions=model.actions_,
                groups=model.base_.groups, shared_features=model.shared_features_,
                own_features=model.own_features_)
assert np.array_equal(model.score(design)[0], x["margin"])
model.contributions(design)
heavy = {{"lightgbm", "shap", "mlflow", "sklearn", "pandas"}} & set(sys.modules)
assert not heavy, heavy
assert model.correction_.n_trees
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr


def test_a_forest_without_trees_costs_no_pass_over_rows(trees, monkeypatch):
    model = fitted(trees, correction=None)
    monkeypatch.setattr(Forest, "score", None)

    assert np.isfinite(bits(trees.design, model)).all()


def test_where_trees_earned_a_weight_the_spread_holds_half_as_much_again_for_what_they_have_not_found(
    trees, corrected
):
    known = copy.copy(corrected)
    known.correction_ = replace(
        corrected.correction_,
        levels=tuple(replace(level, reach=0.0) for level in corrected.correction_.levels),
    )
    known._prepared_for = None

    wide, narrow = (model.score(trees.design)[1] for model in (corrected, known))

    k = trees.design.pair
    slope = np.array([corrected.calibration_.line(g[0])[1] for g in trees.design.groups])[k]
    reach = np.array([level.reach for level in corrected.correction_.levels])
    unsaid = slope * np.sqrt(1.5 * (corrected.weight_[k] ** 2 @ reach**2))
    assert reach[0] > 0.1
    np.testing.assert_allclose(np.sqrt(narrow**2 + unsaid**2), wide)


def test_where_later_rows_ask_for_more_than_the_first_trees_said_more_are_grown(corrected):
    assert corrected.correction_.levels[0].forests["all"].n_trees == 90
    assert 0.8 < corrected.weights_.wanted < 1.2  # and then they ask for about what they got


def test_where_the_first_trees_say_nothing_of_later_rows_no_more_are_grown(trees, monkeypatch):
    asked = []
    forest = Growing.forest
    monkeypatch.setattr(
        Growing, "forest", lambda self, *, trees: asked.append(trees) or forest(self, trees=trees)
    )

    fitted(noise_world(seed=1, requests=20_000))
    of_noise, asked[:] = set(asked), []
    fitted(trees)

    assert len(of_noise) == 1
    assert max(asked) > max(of_noise)


def planted(where, *, seed=0):
    """Pairs of three channels; where it holds, two columns have to be on one side together."""
    world = noise_world(seed=seed, requests=24_000, pairs=6)
    x = world.design.shared[world.design.row]
    truth = -1.5 + 2.0 * where(world.design.pair) * np.sign(x[:, 0] * (x[:, 5] - 0.5))
    y = (np.random.default_rng(seed).random(len(truth)) < 1 / (1 + np.exp(-truth))).astype(float)
    return world._replace(y=y, truth=truth)


@pytest.fixture(scope="module")
def one_pair():
    """A condition of the pair with most rows alone, and the model of that world."""
    pair = int(np.bincount(planted(lambda pair: pair == 0).design.pair).argmax())
    world = planted(lambda k: k == pair)
    return pair, world, fitted(world)


def test_a_condition_of_one_pair_is_found_and_leaves_pairs_of_other_channels_alone(one_pair):
    pair, world, model = one_pair
    base = fitted(world, correction=None)
    mine = np.flatnonzero(world.design.pair == pair)
    others = np.flatnonzero(world.design.pair % 3 != pair % 3)

    def missed(of, rows):
        return np.square(of.score(taken(world.design, rows))[0] - world.truth[rows]).mean()

    own = f"pair={tuple(world.design.actions[pair])!r}"
    assert own in model.correction_.levels[2].forests
    assert model.weight_[pair, 2] > 0.7
    assert missed(model, mine) < 0.25 * missed(base, mine)
    assert missed(model, others) < missed(base, others) + 0.02


def test_a_condition_of_one_channel_is_found_for_its_pairs():
    world = planted(lambda pair: pair % 3 == 0)

    model = fitted(world)

    levels = model.correction_.levels[1]
    assert levels.weights.of("channel=c0", positives=500.0) > 0.7
    assert model.weight_[:, 1].argmax() % 3 == 0


def test_a_group_that_holds_the_same_rows_as_the_one_above_grows_nothing_of_its_own():
    world = planted(lambda pair: pair >= 0)
    design = replace(world.design, groups=tuple(("channel=one",) for _ in world.design.groups))

    model = fitted(world._replace(design=design))

    assert model.correction_.levels[0].forests
    assert not model.correction_.levels[1].weights.channels  # not even tried


def test_trees_of_pairs_come_back_from_a_bundle_to_the_same_bits(one_pair, tmp_path):
    _, world, model = one_pair
    plain, arrays = model.to_state()

    artifact.save(tmp_path / "m", manifest=plain, arrays=arrays)
    back = PairPropensity.from_state(artifact.load(tmp_path / "m")[:2])

    assert_array_equal(bits(world.design, back), bits(world.design, model))
    some = taken(world.design, np.arange(200))
    parts = back.contributions(some)
    assert_array_equal(parts.values, model.contributions(some).values)
    assert_allclose(parts.base + parts.values.sum(axis=1), parts.margin, atol=1e-9)


def test_trees_of_pairs_have_the_same_bits_on_any_threads_and_for_one_row(one_pair):
    _, world, model = one_pair
    single = fitted(world, n_jobs=1)

    assert_array_equal(bits(world.design, single), bits(world.design, model))
    for r in (0, 8191, 8192):
        alone = taken(world.design, np.array([r]))
        assert_array_equal(bits(alone, model)[:, 0], bits(world.design, model)[:, r])


def test_trees_that_are_not_by_level_are_refused_by_name(corrected):
    plain, arrays = corrected.to_state()
    plain["trees"] = {}

    with pytest.raises(BundleError, match="earlier version"):
        PairPropensity.from_state((plain, arrays))
