"""Trees asked about many pairs of the same HCP."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nba.contracts import Action, Design, Feature
from nba.models import requests, shapley
from nba.models.booster import Boosting, read_forest
from nba.models.requests import RequestTrees
from tests.models.test_forest import odd_rows, random_booster

SHARED, PAIRS = 4, 5
OF_LEVELS = np.array([[0, 0, 0, 0, 0], [1, 2, 1, -1, 2], [-1, -1, 3, -1, -1]])
"""A forest for all pairs, two for channels, one for a pair."""


def asked(x, *, per_row, seed=0):
    """Rows as requests: so many have the shared columns of the first of them."""
    rng = np.random.default_rng(seed)
    row = np.arange(len(x)) // per_row
    features = [Feature(f"x{j}", f"x{j}") for j in range(x.shape[1])]
    return Design(
        shared=np.ascontiguousarray(x[::per_row, :SHARED]),
        own=np.ascontiguousarray(x[:, SHARED:]),
        row=row,
        pair=rng.integers(0, PAIRS, len(x)),
        actions=tuple(Action("email", f"m{k}") for k in range(PAIRS)),
        groups=(("channel=email",),) * PAIRS,
        shared_features=tuple(features[:SHARED]),
        own_features=tuple(features[SHARED:]),
    )


def one_by_one(forests, design, which, weight):
    """Every forest's margin of every request, taken alone."""
    x = np.hstack([design.shared[design.row], design.own])
    margins = np.array([forest.score(x) for forest in forests])
    total = np.zeros(len(x))
    for of_pair, counts in zip(which, weight, strict=True):
        f = of_pair[design.pair]
        total += np.where(f >= 0, counts[design.pair] * margins[f, np.arange(len(x))], 0.0)
    return total


@pytest.fixture(scope="module")
def forests():
    """Four boosters of all kinds of splits and widths, and rows where rules are easily got wrong."""
    boosters = [random_booster(seed) for seed in (4, 25, 29, 38)]
    read = [read_forest(booster) for booster, _ in boosters]
    rows = [
        odd_rows(seed, forest, x) for seed, (forest, (_, x)) in enumerate(zip(read, boosters, strict=True))
    ]
    return read, np.concatenate(rows)


@pytest.mark.parametrize("seed", range(0, 60, 4))
@pytest.mark.parametrize("per_row", [1, 7, 300])
def test_margins_are_those_of_the_forests_one_by_one(seed, per_row):
    rng = np.random.default_rng(seed)
    found = [random_booster(s) for s in range(seed, seed + 4)]
    forests = [read_forest(booster) for booster, _ in found]
    x = np.concatenate([odd_rows(seed, forest, x) for forest, (_, x) in zip(forests, found, strict=True)])
    design = asked(x, per_row=per_row, seed=seed)
    weight = rng.random(OF_LEVELS.shape)

    margins = RequestTrees.of(forests, n_shared=SHARED).added(design, OF_LEVELS, weight, n_jobs=1)

    assert_allclose(margins, one_by_one(forests, design, OF_LEVELS, weight), rtol=0, atol=1e-12)


def test_the_forests_above_have_settled_open_wide_and_odd_trees(forests):
    trees = RequestTrees.of(forests[0], n_shared=SHARED)

    for some, others in (
        (trees.trees.margin_at < 0, trees.trees.margin_at >= 0),
        (trees.sides.open == 0, trees.sides.open > 0),
        (trees.sides.odd[trees.sides.shared_split], trees.sides.odd[trees.sides.own_split]),
    ):
        assert some.any()
        assert others.any()


@pytest.mark.parametrize("per_row", [1, 5])
def test_a_request_has_the_same_bits_alone_in_any_company_and_on_threads(forests, per_row, monkeypatch):
    design = asked(forests[1], per_row=per_row)
    trees, weight = RequestTrees.of(forests[0], n_shared=SHARED), np.full(OF_LEVELS.shape, 0.7)
    margins = trees.added(design, OF_LEVELS, weight, n_jobs=1)

    monkeypatch.setattr(requests, "_PIECE", 64)
    assert_array_equal(trees.added(design, OF_LEVELS, weight, n_jobs=3), margins)
    for some in (
        np.array([0]),
        np.array([137]),
        np.arange(40, 90),
        np.random.default_rng(0).permutation(len(margins)),
    ):
        part = Design(
            **{**vars(design), "own": design.own[some], "row": design.row[some], "pair": design.pair[some]}
        )
        assert_array_equal(trees.added(part, OF_LEVELS, weight, n_jobs=1), margins[some])


def test_rows_of_float32_and_of_whole_numbers_are_read_as_they_are(forests):
    x = np.random.default_rng(0).integers(-3, 4, forests[1].shape)
    trees, weight = RequestTrees.of(forests[0], n_shared=SHARED), np.ones(OF_LEVELS.shape)

    margins = [
        trees.added(asked(x.astype(d), per_row=3), OF_LEVELS, weight, n_jobs=1) for d in ("f8", "f4", "i8")
    ]

    assert_array_equal(margins[1], margins[0])
    assert_array_equal(margins[2], margins[0])


def test_open_splits_are_those_that_a_walk_can_still_meet():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(600, 6))
    y = (x[:, 0] * x[:, 4] + x[:, 1] * x[:, 5] > 0).astype(float)
    forest = Boosting(trees=8, leaves=8, least_rows=10).fit(x, y)
    found = RequestTrees.of([forest], n_shared=SHARED)

    def met(i, row, start):
        """Bits of own splits below a node, walked both ways where they are met."""
        if forest.feature[i] < 0:
            return 0
        left, right = (met(child[i], row, start) for child in (forest.left, forest.right))
        if forest.feature[i] < SHARED:
            return left if row[forest.feature[i]] <= forest.threshold[i] else right
        return left | right | 1 << int(found.trees.rank[i])

    for tree, start in enumerate(forest.root):
        splits = found.sides.shared_split[found.sides.shared_at[tree] : found.sides.shared_at[tree + 1]]
        for row in x[:50]:
            left = [i for i in splits if row[forest.feature[i]] <= forest.threshold[i]]
            pattern = sum(1 << int(found.trees.rank[i]) for i in left)
            assert found.sides.open[found.trees.margin_at[tree] + pattern] == met(start, row, start)


def test_trees_without_tables_are_walked_to_the_same_margins(forests, monkeypatch):
    design, weight = asked(forests[1], per_row=4), np.ones(OF_LEVELS.shape)
    margins = RequestTrees.of(forests[0], n_shared=SHARED).added(design, OF_LEVELS, weight, n_jobs=1)

    monkeypatch.setattr(shapley, "_WIDEST", -1)
    walked = RequestTrees.of(forests[0], n_shared=SHARED)

    assert (walked.trees.margin_at == -1).all()
    assert_allclose(walked.added(design, OF_LEVELS, weight, n_jobs=1), margins, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_shared", [0, 7])
def test_columns_may_all_be_of_one_side(forests, n_shared, monkeypatch):
    monkeypatch.setattr(__import__(__name__, fromlist=["SHARED"]), "SHARED", n_shared)
    design, weight = asked(forests[1], per_row=1), np.ones(OF_LEVELS.shape)

    margins = RequestTrees.of(forests[0], n_shared=n_shared).added(design, OF_LEVELS, weight, n_jobs=1)

    assert_allclose(margins, one_by_one(forests[0], design, OF_LEVELS, weight), rtol=0, atol=1e-12)


def test_no_request_and_no_forest_give_nothing(forests):
    trees, weight = RequestTrees.of(forests[0], n_shared=SHARED), np.ones(OF_LEVELS.shape)
    nobody = asked(forests[1][:0], per_row=1)
    none = np.full(OF_LEVELS.shape, -1)

    assert trees.added(nobody, OF_LEVELS, weight, n_jobs=1).shape == (0,)
    assert not trees.added(asked(forests[1], per_row=2), none, weight, n_jobs=1).any()
