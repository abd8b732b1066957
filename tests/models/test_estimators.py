"""What every model of response promises, checked on all of them."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from nba.contracts import Action, Feature, Scorer
from nba.errors import ArgumentError, NBAWarning, NotFittedError, OutcomeError
from nba.models import (
    LightGBMPerPair,
    NaiveBayesPerPair,
    PairPropensity,
    RecencyFrequency,
    SegmentBaseline,
)

pytestmark = pytest.mark.parametrize(
    "model",
    [
        PairPropensity(calibration_share=0.3, n_jobs=1),
        SegmentBaseline(by=["tier"], strength=20.0),
        LightGBMPerPair(settings="small", n_jobs=1),
        NaiveBayesPerPair(bins=5),
        RecencyFrequency(cells=4),
    ],
    ids=lambda model: type(model).__name__,
)


@pytest.fixture(scope="module")
def made(world):
    """A world with an attribute among its columns."""
    found = world(requests=1500, pairs=6)
    design = found.design
    flag = (design.shared[:, :1] > 0).astype(float)
    features = (*design.shared_features, Feature("attribute(tier=a)", "tier a", unit="flag"))
    return found._replace(
        design=replace(design, shared=np.hstack([design.shared, flag]), shared_features=features)
    )


def test_it_is_a_scorer(model, made):
    assert isinstance(model, Scorer)


def test_a_clone_has_the_same_parameters_and_nothing_fitted(model, made):
    copy = clone(clone(model).fit(made.design, made.y))

    assert copy.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        copy.score(made.design)


def test_parameters_are_set_by_name_and_checked(model, made):
    copy = clone(model)
    name = next(iter(copy.get_params()))

    assert copy.set_params(**model.get_params()).get_params() == model.get_params()
    with pytest.raises(TypeError):
        copy.set_params(**{f"{name}_": 1})
    assert repr(copy).startswith(f"{type(copy).__name__}({name}=")


def test_before_the_fit_it_says_so(model, made):
    for ask in ("score", "contributions", "support"):
        with pytest.raises(NotFittedError, match="fit"):
            getattr(clone(model), ask)(made.design)
    with pytest.raises(NotFittedError, match="fit"):
        clone(model).to_state()


def test_a_pickle_gives_the_same_bits(model, made):
    fitted = clone(model).fit(made.design, made.y)

    back = pickle.loads(pickle.dumps(fitted))

    assert_array_equal(back.score(made.design)[0], fitted.score(made.design)[0])


def test_fitting_twice_is_fitting_once_and_the_design_is_left_alone(model, made):
    before = made.design.shared.copy()
    once = clone(model).fit(made.design, made.y)
    twice = clone(model).fit(made.design, 1 - made.y).fit(made.design, made.y)

    for a, b in zip(once.score(made.design), twice.score(made.design), strict=True):
        assert_array_equal(a, b)
    assert_array_equal(made.design.shared, before)


def test_scores_are_finite_and_spreads_positive(model, made):
    margin, spread = clone(model).fit(made.design, made.y).score(made.design)

    assert margin.shape == spread.shape == (len(made.design),)
    assert np.isfinite(margin).all()
    assert (spread > 0).all()


def test_contributions_add_up(model, made):
    fitted = clone(model).fit(made.design, made.y)

    parts = fitted.contributions(made.design)

    assert_allclose(parts.base + parts.values.sum(axis=1), parts.margin, atol=1e-9)
    assert_array_equal(parts.margin, fitted.score(made.design)[0])


def test_a_column_that_is_missing_is_refused_by_name(model, made):
    fitted = clone(model).fit(made.design, made.y)
    less = replace(
        made.design, shared=made.design.shared[:, :-1], shared_features=made.design.shared_features[:-1]
    )

    with pytest.raises(ArgumentError, match=r"attribute\(tier=a\)"):
        fitted.score(less)


def test_swapped_columns_never_change_a_score_silently(model, made):
    fitted = clone(model).fit(made.design, made.y)
    swapped = replace(
        made.design,
        shared=made.design.shared[:, ::-1],
        shared_features=made.design.shared_features[::-1],
    )

    try:
        margin = fitted.score(swapped)[0]
    except ArgumentError:
        return
    assert_array_equal(margin, fitted.score(made.design)[0])


def test_pairs_are_told_apart_by_name_not_by_place(model, made):
    fitted = clone(model).fit(made.design, made.y)
    k = len(made.design.actions)
    turned = replace(
        made.design,
        pair=k - 1 - made.design.pair,
        actions=made.design.actions[::-1],
        groups=made.design.groups[::-1],
    )

    assert_array_equal(fitted.score(turned)[0], fitted.score(made.design)[0])
    assert_array_equal(fitted.support(turned)[0], fitted.support(made.design)[0][::-1])


def test_an_unseen_pair_answers_and_says_that_it_is_unseen(model, made):
    fitted = clone(model).fit(made.design, made.y)
    unseen = replace(
        made.design,
        pair=np.zeros_like(made.design.pair),
        actions=(Action("fax", "new"),),
        groups=(("channel=fax", "topic=new"),),
    )

    assert np.isfinite(fitted.score(unseen)[0]).all()
    assert fitted.support(unseen) == (np.zeros(1), np.ones(1, dtype=bool))


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_one_class_is_said_and_leaves_probabilities_inside_0_and_1(model, made, outcome):
    with pytest.warns(NBAWarning, match="outcomes are"):
        fitted = clone(model).fit(made.design, np.full(len(made.y), outcome))

    p = 1 / (1 + np.exp(-fitted.score(made.design)[0]))
    assert np.all((p > 0) & (p < 1))
    assert abs(p.mean() - outcome) < 0.05


def test_no_rows_and_odd_outcomes_are_refused(model, made, take):
    with pytest.raises(OutcomeError):
        clone(model).fit(take(made.design, np.arange(0)), made.y[:0])
    with pytest.raises(OutcomeError):
        clone(model).fit(made.design, made.y + 1)


def test_every_row_twice_says_the_same_with_less_spread(model, made, take):
    twice = np.repeat(np.arange(len(made.y)), 2)
    once = clone(model).fit(made.design, made.y)
    double = clone(model).fit(take(made.design, twice), made.y[twice])

    assert double.score(made.design)[1].mean() < once.score(made.design)[1].mean()


def test_no_request_has_no_score(model, made, take):
    margin, spread = clone(model).fit(made.design, made.y).score(take(made.design, np.arange(0)))

    assert margin.shape == spread.shape == (0,)


def test_the_order_of_rows_moves_rounding_at_most(model, made):
    design = made.design
    at = np.random.default_rng(0).integers(0, 50, len(made.y)) * 86_400
    order = np.random.default_rng(1).permutation(len(made.y))
    order = order[np.argsort(design.row[order], kind="stable")]
    moved = replace(design, row=design.row[order], pair=design.pair[order], own=design.own[order])

    one = clone(model).fit(design, made.y, at=at)
    other = clone(model).fit(moved, made.y[order], at=at[order])

    if isinstance(model, LightGBMPerPair):  # LightGBM bins and sums rows as they come
        assert np.corrcoef(one.score(design)[0], other.score(design)[0])[0, 1] > 0.99
    else:
        assert_allclose(one.score(design)[0], other.score(design)[0], atol=1e-9)


def test_a_constant_column_changes_nothing(model, made):
    design = made.design
    more = replace(
        design,
        shared=np.hstack([design.shared, np.full((len(design.shared), 1), 3.0)]),
        shared_features=(*design.shared_features, Feature("always", "always", unit="count")),
    )

    plain, wider = clone(model).fit(design, made.y), clone(model).fit(more, made.y)

    assert_allclose(wider.score(more)[0], plain.score(design)[0], atol=1e-9)


def test_missing_values_are_welcome_and_told_apart_from_known_ones(model, made):
    shared = made.design.shared.copy()
    shared[np.random.default_rng(2).random(shared.shape) < 0.2] = np.nan
    shared[:, 1] = np.nan
    holed = replace(made.design, shared=shared)

    fitted = clone(model).fit(holed, made.y)

    assert np.isfinite(fitted.score(holed)[0]).all()
    nothing = replace(holed, shared=np.full_like(shared, np.nan), own=np.full_like(holed.own, np.nan))
    assert np.isfinite(fitted.score(nothing)[0]).all()


def test_infinite_values_are_refused(model, made):
    shared = made.design.shared.copy()
    shared[3, 0] = np.inf

    if isinstance(model, SegmentBaseline):
        pytest.skip("segments read flags alone: what is no flag is not looked at")
    with pytest.raises(ArgumentError, match="infinite"):
        clone(model).fit(replace(made.design, shared=shared), made.y)
