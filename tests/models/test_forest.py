"""Fitted trees as plain arrays: margins and exact reasons."""

import dataclasses
import itertools
import json
import math
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from nba import artifact
from nba.errors import ArgumentError, BundleError
from nba.models import shapley
from nba.models.booster import Boosting, read_forest
from nba.models.forest import Forest

QUIET = {"verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}


def rows_of(rng, n):
    """Gaps, zeros, ties, a constant, codes of categories, a rare and nearly empty column."""
    x = rng.normal(size=(n, 7))
    x[:, 1] = rng.integers(-2, 3, n)
    x[rng.random((n, 7)) < 0.15] = np.nan
    x[:, 2] = 1.5
    x[:, 3] = rng.normal(size=n)  # never missing in training
    x[:, 4] = np.where(rng.random(n) < 0.5, 0.0, x[:, 4])
    x[:, 5] = rng.integers(0, 40, n)
    x[rng.random(n) < 0.1, 5] = np.nan
    x[:, 6] = rng.integers(0, 3, n)
    return x


def random_booster(seed, *, categories=(5, 6), trees=12, **params):
    """A booster of some shape or other, and the rows it was trained on."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([5, 30, 200, 1500]))
    x = rows_of(rng, n)
    truth = np.nan_to_num(x[:, 0]) * np.nan_to_num(x[:, 3]) + (np.nan_to_num(x[:, 5]) % 3 == 0) - 0.5
    chosen = QUIET | {
        "objective": "binary",
        "num_leaves": int(rng.choice([2, 4, 8, 31, 100])),
        "min_data_in_leaf": int(rng.choice([1, 5, 20])),
        "zero_as_missing": bool(rng.random() < 0.3),
        "use_missing": bool(rng.random() < 0.8),
        "max_cat_to_onehot": int(rng.choice([1, 4, 50])),
        "min_data_per_group": int(rng.choice([1, 20])),
        "cat_smooth": 1.0,
        "bagging_fraction": 0.7,
        "bagging_freq": int(rng.choice([0, 1])),
        "feature_fraction": float(rng.choice([0.5, 1.0])),
        "boost_from_average": bool(rng.random() < 0.5),
        "seed": seed,
        **params,
    }
    y = (rng.random(n) < 1 / (1 + np.exp(-2 * truth))).astype(float)
    rows = lightgbm.Dataset(x, label=y, categorical_feature=list(categories), params=chosen)
    return lightgbm.train(chosen, rows, trees), x


def odd_rows(seed, forest, x):
    """Training rows, fresh ones, and values where rules are easily got wrong."""
    rng = np.random.default_rng(seed + 1)
    odd = [0.0, -0.0, 1e-35, -1e-35, 5e-36, -5e-36, 2e-35, -2e-35, np.inf, -np.inf, 1e300, -1e300, np.nan]
    odd += [-1.0, -0.5, 2.7, 39.0, 40.0, 99.0, 2.0**31, -(2.0**31), 1.5, *forest.threshold[:40]]
    strange = rng.choice(odd, size=(120, x.shape[1]))
    return np.concatenate([x[:40], rows_of(rng, 40), strange])


@pytest.mark.parametrize("seed", range(60))
def test_margins_and_contributions_are_those_of_lightgbm(seed):
    booster, x = random_booster(seed)
    forest = read_forest(booster)
    rows = odd_rows(seed, forest, x)

    values, base = forest.contributions(rows)

    theirs = booster.predict(rows, pred_contrib=True)
    assert_allclose(forest.score(rows), booster.predict(rows, raw_score=True), rtol=0, atol=1e-12)
    assert_allclose(values, theirs[:, :-1], rtol=0, atol=1e-9)
    assert_allclose(base, theirs[:, -1], rtol=0, atol=1e-9)
    assert_allclose(values.sum(axis=1) + base, forest.score(rows), rtol=0, atol=1e-12)


def test_the_seeds_meet_every_kind_of_split_and_tree():
    forests = [read_forest(random_booster(seed)[0]) for seed in range(60)]

    missing = {m for f in forests for m in f.missing[f.feature >= 0].tolist()}
    assert missing == {0, 1, 2}
    assert any((f.category_at >= 0).any() for f in forests)
    assert any((f.feature < 0).all() for f in forests)  # one-leaf trees alone
    splits = [int(n) for f in forests for n in np.diff(shapley.Paths.of(f._nodes).trees.split_at)]
    assert min(splits) == 0
    assert max(splits) > shapley._WIDEST


def test_float32_rows_give_what_lightgbm_gives():
    booster, x = random_booster(11, num_leaves=31, min_data_in_leaf=5)
    forest = read_forest(booster)
    rows = odd_rows(11, forest, x).clip(-1e30, 1e30).astype(np.float32)

    assert_allclose(forest.score(rows), booster.predict(rows, raw_score=True), rtol=0, atol=1e-12)
    assert_array_equal(forest.score(rows), forest.score(rows.astype(float)))


def test_a_deep_and_narrow_tree_keeps_its_digits():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 60))
    # one row falls off at every split, each by another column
    y = np.zeros(400)
    for j in range(60):
        x[: j + 1, j] = np.minimum(x[: j + 1, j], -5.0)
        y[j] = 3.0**-j
    params = QUIET | {"num_leaves": 400, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0, "lambda_l2": 0}
    booster = lightgbm.train(params, lightgbm.Dataset(x, label=y + rng.normal(size=400), params=params), 3)

    forest = read_forest(booster)
    values, base = forest.contributions(x[:50])

    theirs = booster.predict(x[:50], pred_contrib=True)
    assert_allclose(values, theirs[:, :-1], rtol=0, atol=1e-9)
    assert_allclose(values.sum(axis=1) + base, forest.score(x[:50]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_contributions_are_those_of_shap_on_its_own_trees(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shap = pytest.importorskip("shap")
        booster, _ = random_booster(
            seed, categories=(), zero_as_missing=False, use_missing=True, boost_from_average=True
        )
        forest = read_forest(booster)
        rows = rows_of(np.random.default_rng(seed), 60)
        explainer = shap.TreeExplainer(booster)
        explainer.shap_values(rows)
        explainer.model.model_type = "internal"  # else it asks LightGBM
        seen = forest.missing[forest.feature >= 0] == 2
        rows[:, np.unique(forest.feature[forest.feature >= 0][~seen])] = 1.0  # shap has other rules there
        theirs = explainer.shap_values(rows)

    values, base = forest.contributions(rows)

    assert_allclose(values, theirs, rtol=0, atol=1e-9)
    assert_allclose(base, explainer.expected_value, rtol=0, atol=1e-9)


def value_when_known(forest, node, row, known):
    """The margin of one tree where only some features are known: others go both ways by cover."""
    j = forest.feature[node]
    if j < 0:
        return forest.value[node]
    left, right = forest.left[node], forest.right[node]
    if j in known:
        goes_left = row[j] <= forest.threshold[node]
        return value_when_known(forest, left if goes_left else right, row, known)
    return sum(
        forest.cover[child] / forest.cover[node] * value_when_known(forest, child, row, known)
        for child in (left, right)
    )


def shapley_by_definition(forest, row):
    n = forest.n_features
    out = np.zeros(n)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        for size in range(n):
            weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
            for some in itertools.combinations(others, size):
                for root in forest.root:
                    with_i = value_when_known(forest, root, row, {*some, i})
                    out[i] += weight * (with_i - value_when_known(forest, root, row, set(some)))
    return out


@st.composite
def forests(draw):
    """Small forests with any covers and values, grown at random: the same feature may split again."""
    n_features = draw(st.integers(1, 4))
    number = st.floats(-3, 3, allow_subnormal=False).map(lambda v: round(v, 3))
    parts = {name: [] for name in (f.name for f in dataclasses.fields(Forest)[1:])}

    def grow(depth):
        at = len(parts["feature"])
        splits = depth < 4 and draw(st.booleans())
        row = {"feature": -1, "threshold": 0.0, "left": -1, "right": -1, "missing": 2, "default_left": True}
        row |= {
            "category_at": -1,
            "category_bytes": 0,
            "value": draw(number),
            "cover": draw(st.integers(1, 90)),
        }
        if splits:
            row |= {"feature": draw(st.integers(0, n_features - 1)), "threshold": draw(number)}
        for name, value in row.items():
            parts[name].append(value)
        if splits:
            parts["left"][at] = grow(depth + 1)
            parts["right"][at] = grow(depth + 1)
            # covers need not add up: bagging and weights may round them
        return at

    for _ in range(draw(st.integers(0, 2))):
        parts["root"].append(grow(0))
    rows = draw(st.lists(st.lists(number, min_size=n_features, max_size=n_features), min_size=1, max_size=2))
    return Forest.from_lists(parts, n_features=n_features), np.array(rows)


@given(forests())
@settings(max_examples=60, deadline=None)
def test_contributions_are_shapley_values_by_definition(drawn):
    forest, rows = drawn

    values, base = forest.contributions(rows)

    nothing_known = sum(value_when_known(forest, root, rows[0], set()) for root in forest.root)
    everything = [
        sum(value_when_known(forest, root, row, set(range(forest.n_features))) for root in forest.root)
        for row in rows
    ]
    assert_allclose(values, [shapley_by_definition(forest, row) for row in rows], rtol=1e-9, atol=1e-9)
    assert_allclose(base, nothing_known, rtol=1e-9, atol=1e-9)
    assert_allclose(forest.score(rows), everything, rtol=0, atol=1e-12)


@pytest.mark.parametrize("leaves", [8, 31])
def test_a_row_has_the_same_bits_alone_in_a_batch_and_on_threads(leaves):
    booster, x = random_booster(3, num_leaves=leaves, min_data_in_leaf=1)
    forest = read_forest(booster)
    rows = np.tile(odd_rows(3, forest, x), (4, 1))
    margin, (values, _) = forest.score(rows), forest.contributions(rows)

    with ThreadPoolExecutor(4) as pool:
        pieces = [rows[lo : lo + 111] for lo in range(0, len(rows), 111)]
        assert_array_equal(np.concatenate(list(pool.map(forest.score, pieces))), margin)
        found = [v for v, _ in pool.map(forest.contributions, pieces)]
    assert_array_equal(np.concatenate(found), values)
    for i in range(0, 200, 7):
        assert_array_equal(forest.score(rows[i : i + 1]), margin[i : i + 1])
        assert_array_equal(forest.contributions(rows[i : i + 1])[0][0], values[i])


def test_memory_order_and_read_only_rows_change_nothing():
    booster, x = random_booster(4)
    forest = read_forest(booster)
    columns = np.asfortranarray(x)
    columns.setflags(write=False)

    assert_array_equal(forest.score(columns), forest.score(x))
    assert_array_equal(forest.contributions(columns[::-1])[0][::-1], forest.contributions(x)[0])


def test_unused_and_constant_features_contribute_exactly_nothing():
    booster, x = random_booster(5, feature_fraction=1.0)
    forest = read_forest(booster)

    values, _ = forest.contributions(x)

    idle = np.setdiff1d(np.arange(7), forest.used)
    assert 2 in idle
    assert not values[:, idle].any()


def test_a_forest_without_rows_or_trees_answers():
    forest = Forest.empty(3)

    values, base = forest.contributions(np.zeros((2, 3)))

    assert not values.any()
    assert base == 0.0
    assert read_forest(random_booster(3)[0]).contributions(np.zeros((0, 7)))[0].shape == (0, 7)


@pytest.mark.parametrize(
    "rows", [np.zeros((2, 6)), np.zeros(7), np.zeros((2, 7), dtype=int), [[0.0] * 7], np.zeros((2, 7), "O")]
)
def test_rows_of_another_shape_or_kind_are_refused(rows):
    forest = read_forest(random_booster(3)[0])

    with pytest.raises(ArgumentError, match="expected a float array"):
        forest.score(rows)
    with pytest.raises(ArgumentError, match="expected a float array"):
        forest.contributions(rows)


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_a_bundle_brings_back_the_same_bits(tmp_path, seed):
    booster, x = random_booster(seed)
    forest = read_forest(booster)
    plain, arrays = forest.to_state("correction")

    digest = artifact.save(tmp_path / "bundle", manifest=plain, arrays=arrays)
    plain, arrays, _ = artifact.load(tmp_path / "bundle", digest=digest)
    back = Forest.from_state((json.loads(json.dumps(plain)), arrays), "correction")

    rows = odd_rows(seed, forest, x)
    assert_array_equal(back.score(rows), forest.score(rows))
    assert_array_equal(back.contributions(rows)[0], forest.contributions(rows)[0])
    assert back.contributions(rows)[1] == forest.contributions(rows)[1]


def stump(**changes):
    """One split and two leaves, then a lone leaf, with changes."""
    parts = {
        "root": [0, 3],
        "feature": [1, -1, -1, -1],
        "threshold": [0.5, 0.0, 0.0, 0.0],
        "left": [1, -1, -1, -1],
        "right": [2, -1, -1, -1],
        "missing": [2, 0, 0, 0],
        "default_left": [True, False, False, False],
        "category_at": [-1, -1, -1, -1],
        "category_bytes": [0, 0, 0, 0],
        "categories": [],
        "value": [0.0, -1.0, 1.0, 0.25],
        "cover": [10.0, 4.0, 6.0, 10.0],
    }
    return Forest.from_lists(parts | changes, n_features=2).to_state()


def test_the_stump_that_is_broken_below_works():
    forest = Forest.from_state(stump())

    assert_array_equal(forest.score(np.array([[9.0, 0.5], [9.0, 0.6], [9.0, np.nan]])), [-0.75, 1.25, -0.75])
    values, base = forest.contributions(np.array([[9.0, 0.5]]))
    assert_allclose(values, [[0.0, -1.2]])
    assert base == pytest.approx(0.45)


BROKEN = {
    "a child that is its own parent": {"left": [0, -1, -1, -1]},
    "a child beyond the end": {"right": [99, -1, -1, -1]},
    "a negative child": {"right": [-2, -1, -1, -1]},
    "a child in another tree": {"right": [3, -1, -1, -1]},
    "two parents": {"right": [1, -1, -1, -1]},
    "a leaf with children": {"left": [1, 2, -1, -1]},
    "a feature that is none": {"feature": [2, -1, -1, -1]},
    "a feature below": {"feature": [-7, -1, -1, -1]},
    "a root elsewhere": {"root": [1, 3]},
    "a root beyond": {"root": [0, 9]},
    "roots that fall": {"root": [0, 3, 3]},
    "no root": {"root": []},
    "a value that is none": {"value": [0.0, np.nan, 1.0, 0.25]},
    "a threshold that is none": {"threshold": [np.nan, 0.0, 0.0, 0.0]},
    "no cover": {"cover": [10.0, 0.0, 6.0, 10.0]},
    "a missing type that is none": {"missing": [3, 0, 0, 0]},
    "categories beyond the end": {"category_at": [0, -1, -1, -1], "category_bytes": [1, 0, 0, 0]},
    "categories before the start": {"category_at": [-2, -1, -1, -1]},
    "a size below zero": {"category_at": [0, -1, -1, -1], "category_bytes": [-1, 0, 0, 0]},
    "a short array": {"value": [0.0, -1.0, 1.0]},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN)
def test_broken_arrays_are_refused(changes):
    with pytest.raises(ArgumentError, match="do not hold together"):
        stump(**changes)
    plain, arrays = stump()
    arrays |= {f"forest_{name}": np.array(v, arrays[f"forest_{name}"].dtype) for name, v in changes.items()}

    with pytest.raises(BundleError, match="cannot be used"):
        Forest.from_state((plain, arrays))


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Forest)])
def test_a_missing_or_mistyped_part_is_refused(name):
    plain, arrays = stump()

    with pytest.raises(BundleError, match=name):
        Forest.from_state(
            tuple({k: v for k, v in part.items() if k != f"forest_{name}"} for part in (plain, arrays))
        )
    for part in (plain, arrays):
        if f"forest_{name}" in part:
            part[f"forest_{name}"] = np.zeros((2, 2))
    with pytest.raises(BundleError, match=name):
        Forest.from_state((plain, arrays))


def test_a_path_without_end_is_refused():
    n = 600
    parts = {
        "root": [0],
        "feature": [0, -1] * n + [-1],
        "left": [i + 1 if i % 2 == 0 else -1 for i in range(2 * n)] + [-1],
        "right": [i + 2 if i % 2 == 0 else -1 for i in range(2 * n)] + [-1],
        "categories": [],
    }
    for name, value in {"threshold": 0.0, "missing": 0, "default_left": False, "category_at": -1}.items():
        parts[name] = [value] * (2 * n + 1)
    for name, value in {"category_bytes": 0, "value": 0.0, "cover": 1.0}.items():
        parts[name] = [value] * (2 * n + 1)

    with pytest.raises(ArgumentError, match="no path longer than 256"):
        Forest.from_lists(parts, n_features=1)


def test_a_scoring_process_imports_neither_lightgbm_nor_shap(tmp_path):
    forest = Boosting(trees=2).fit(np.arange(90.0)[:, None], (np.arange(90) % 7 > 3).astype(float))
    artifact.save(tmp_path / "bundle", manifest=forest.to_state()[0], arrays=forest.to_state()[1])
    script = """
import sys
import numpy as np
import nba.models, nba.models.booster
from nba import artifact
from nba.models.forest import Forest
plain, arrays, _ = artifact.load(sys.argv[1])
forest = Forest.from_state((plain, arrays))
print(forest.score(np.array([[3.0]]))[0], forest.contributions(np.array([[3.0]]))[0][0, 0])
assert not {"lightgbm", "shap"} & set(sys.modules), "a heavy library came in"
"""

    seen = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "bundle")], capture_output=True, text=True, check=False
    )

    assert seen.returncode == 0, seen.stderr
    assert float(seen.stdout.split()[0]) == forest.score(np.array([[3.0]]))[0]
