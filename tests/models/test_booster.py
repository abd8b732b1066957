"""Gradient boosting on an offset; trees leave as arrays."""

import pickle
import threading

import lightgbm
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nba.errors import ArgumentError
from nba.models.booster import Binned, Boosting, Growing, read_forest
from nba.models.forest import Forest


def left_over(n=3000, seed=0):
    """Outcomes of a linear margin plus a step that only trees see."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    offset = -1.0 + 0.8 * x[:, 0]
    step = 1.5 * ((x[:, 1] > 0) & (x[:, 2] > 0))
    y = (rng.random(n) < 1 / (1 + np.exp(-(offset + step)))).astype(float)
    return x, y, offset, step


def test_trees_fit_what_the_offset_leaves_over():
    x, y, offset, step = left_over()

    forest = Boosting(trees=60).fit(x, y, offset=offset)

    found = forest.score(x)
    assert np.corrcoef(found, step)[0, 1] > 0.8
    assert abs(np.corrcoef(found, x[:, 0])[0, 1]) < 0.2


def test_the_forest_is_the_correction_alone():
    x, y, offset, _ = left_over(500)
    boosting = Boosting(trees=7, leaves=4, seed=3, feature_share=0.7)
    params = boosting._params()
    rows = lightgbm.Dataset(x, label=y, init_score=offset, params=params)
    booster = lightgbm.train(params, rows, num_boost_round=7)

    forest = boosting.fit(x, y, offset=offset)

    assert_allclose(forest.score(x), booster.predict(x, raw_score=True), rtol=0, atol=1e-12)


def test_the_same_rows_give_the_same_forest():
    x, y, offset, _ = left_over(800)
    boosting = Boosting(trees=10, feature_share=0.5, seed=5)

    one, two = (boosting.fit(x, y, offset=offset).to_state()[1] for _ in range(2))

    for name, array in one.items():
        assert_array_equal(array, two[name])


def test_codes_of_categories_are_split_as_sets():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 20, size=(2000, 1)).astype(float)
    lucky = np.isin(x[:, 0], [2, 3, 11, 17])
    y = (rng.random(2000) < np.where(lucky, 0.8, 0.2)).astype(float)

    forest = Boosting(trees=20).fit(x, y, categories=[0])

    assert (forest.category_at >= 0).any()
    score = forest.score(np.arange(20.0)[:, None])
    assert score[[2, 3, 11, 17]].min() > 0 > np.delete(score, [2, 3, 11, 17]).max()


def test_regression_predicts_weighted_means():
    x = np.repeat([0.0, 1.0], 100)[:, None]
    y = np.tile([2.0, 6.0], 100) + x[:, 0]
    weight = np.tile([3.0, 1.0], 100)
    boosting = Boosting(objective="regression", trees=400, ridge=0.0)

    forest = boosting.fit(x, y, weight=weight)

    assert_allclose(forest.score(np.array([[0.0], [1.0]])), [3.0, 4.0], atol=1e-3)


@pytest.mark.parametrize(
    "x",
    [np.ones((50, 2)), np.full((50, 2), np.nan), np.zeros((50, 0)), np.arange(6.0).reshape(3, 2)],
    ids=["constant", "missing", "no columns", "few rows"],
)
def test_where_nothing_can_be_split_the_correction_is_nothing(x):
    y = (np.arange(len(x)) % 2).astype(float)

    forest = Boosting(trees=5).fit(x, y, offset=np.full(len(x), -0.3))

    assert isinstance(forest, Forest)
    assert_array_equal(forest.score(x), np.zeros(len(x)))


def test_outcomes_of_one_kind_give_no_correction():
    x, y, offset, _ = left_over(100)

    assert not Boosting(trees=5).fit(x, np.zeros_like(y), offset=offset).score(x).any()


def binned(x, y, weight=None):
    return Binned(lambda places: x[places], y, weight=weight, bins=63)


def arrays(forest):
    return forest.to_state()[1]


@pytest.mark.parametrize("weighted", [False, True])
def test_a_forest_on_binned_rows_is_the_one_that_is_grown_on_the_values(weighted):
    x, y, offset, _ = left_over(9000)  # read in two pieces
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y)) if weighted else None
    boosting = Boosting(trees=20, bins=63)

    forest = Growing(binned(x, y, weight), boosting, np.arange(len(y)), offset=offset).forest(trees=20)

    at_once = arrays(boosting.fit(x, y, offset=offset, weight=weight))
    for name, array in arrays(forest).items():
        assert_array_equal(array, at_once[name])


def test_rows_that_are_left_out_say_nothing():
    x, y, offset, _ = left_over(2000)
    some = np.arange(0, 2000, 3)
    other = y.copy()
    other[np.setdiff1d(np.arange(2000), some)] = 1.0

    one, two = (
        Growing(binned(x, of), Boosting(), some, offset=offset[some]).forest(trees=9) for of in (y, other)
    )

    assert one.n_trees == 9
    for name, array in arrays(one).items():
        assert_array_equal(array, arrays(two)[name])


def test_growing_on_gives_what_growing_at_once_gives():
    x, y, offset, _ = left_over(2000)
    rows = binned(x, y)
    slow, fast = (Growing(rows, Boosting(), np.arange(2000), offset=offset) for _ in range(2))

    slow.forest(trees=4)
    slow.forest(trees=5)
    forest, at_once = slow.forest(trees=12), fast.forest(trees=12)

    assert forest.n_trees == 12
    for name, array in arrays(at_once).items():
        assert_array_equal(arrays(forest)[name], array)


def test_a_forest_that_was_sent_elsewhere_grows_there_to_the_same_bits():
    x, y, offset, _ = left_over(2000)
    rows = Binned(x.__getitem__, y, bins=63)
    growing = Growing(rows, Boosting(), np.arange(0, 2000, 2), offset=offset[::2])
    growing.forest(trees=4)

    there = pickle.loads(pickle.dumps(growing)).forest(trees=9)

    here = arrays(growing.forest(trees=9))
    for name, array in arrays(there).items():
        assert_array_equal(array, here[name])


def test_growing_on_in_another_thread_says_nothing(capfd):
    x, y = np.arange(200.0)[:, None], (np.arange(200) > 100).astype(float)
    growing = Growing(binned(x, y), Boosting(least_rows=90), np.arange(200), offset=np.zeros(200))
    growing.forest(trees=1)

    other = threading.Thread(target=lambda: growing.forest(trees=50))  # has no gain left before the end
    other.start()
    other.join()

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("x", [np.ones((50, 2)), np.full((50, 2), np.nan), np.zeros((50, 0))])
def test_where_binned_rows_cannot_be_split_the_correction_is_nothing(x):
    y = (np.arange(50) % 2).astype(float)

    forest = Growing(binned(x, y), Boosting(), np.arange(50), offset=np.full(50, -0.3)).forest(trees=5)

    assert_array_equal(forest.score(x), np.zeros(50))


def bad(**changes):
    x, y, offset, _ = left_over(60)
    given = {"x": x, "y": y, "offset": offset} | changes
    return lambda: Boosting(trees=2).fit(given.pop("x"), given.pop("y"), **given)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (bad(y=np.full(60, 0.5)), "neither 0 nor 1"),
        (bad(y=np.zeros(59)), r"y has shape \(59,\)"),
        (bad(offset=np.full(60, np.nan)), "offset has"),
        (bad(weight=np.zeros(60)), "60 weights are not above 0"),
        (bad(x=np.full((60, 2), np.inf)), "infinite"),
        (bad(x=np.zeros((60, 2), dtype=int)), "expected floats"),
        (bad(x=np.zeros((0, 2)), y=np.zeros(0), offset=np.zeros(0)), "n > 0"),
        (bad(categories=[0]), "no category codes"),
        (bad(categories=[3]), "names column 3"),
        (lambda: Boosting(leaves=1), "leaves is 1; expected"),
        (lambda: Boosting(trees=0), "trees is 0"),
        (lambda: Boosting(learning_rate=0.0), "learning_rate is"),
        (lambda: Boosting(least_rows=0), "least_rows is"),
        (lambda: Boosting(ridge=float("nan")), "ridge is"),
        (lambda: Boosting(feature_share=1.5), "feature_share is"),
        (lambda: Boosting(seed=-1), "seed is"),
        (lambda: Boosting(objective="poisson"), "objective is"),
    ],
)
def test_what_cannot_be_fitted_is_refused_before_any_work(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


@pytest.mark.parametrize(
    "params",
    [
        {"objective": "multiclass", "num_class": 3},
        {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
        {"objective": "regression", "linear_tree": True},
    ],
)
def test_boosters_that_are_no_plain_sum_of_trees_are_refused(params):
    x, y, _, _ = left_over(300)
    params |= {"verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(params, lightgbm.Dataset(x, label=y, params=params), 2)

    with pytest.raises(ArgumentError, match="booster has"):
        read_forest(booster)
