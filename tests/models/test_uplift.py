"""Uplift: what an action changes, from randomised data."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from nba import artifact
from nba.contracts import Action, Design, Feature
from nba.errors import ArgumentError, NBAWarning, NotFittedError, SelectionError, UnknownActionError
from nba.models import Uplift
from nba.models.uplift import _PENALTIES, _ridge

NONE, MAIL, VISIT = Action("none", ""), Action("mail", "a"), Action("visit", "b")
LEARNERS = ("T", "X", "DR")
each = pytest.mark.parametrize("learner", LEARNERS)
slow = pytest.mark.slow


def drawn(n=4000, *, seed=0, moves=0.15, arms=(NONE, MAIL), prob=None):
    """A trial in which every action adds .1 + ``moves`` * x0 to the probability of a response."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, size=(n, 4))
    chances = np.full((n, len(arms)), 1 / len(arms)) if prob is None else prob(x)
    arm = (rng.random(n)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    effect = (0.1 + moves * x[:, 0]) * (arm > 0)
    y = (rng.random(n) < 0.3 + 0.15 * x[:, 1] + effect).astype(float)
    design = Design(
        shared=x,
        own=np.zeros((n, 0)),
        row=np.arange(n),
        pair=arm,
        actions=arms,
        groups=tuple((f"channel={a.channel}",) for a in arms),
        shared_features=tuple(Feature(f"x{j}", f"x{j}", unit="share") for j in range(4)),
        own_features=(),
    )
    return design, y, chances[np.arange(n), arm]


def asked(design, arm=1):
    return replace(design, pair=np.full(len(design), arm))


@pytest.fixture(scope="module")
def fitted():
    design, y, prob = drawn(3500)
    return lambda learner: Uplift(control=NONE, learner=learner).fit(design, y, selection_prob=prob)


@pytest.fixture(scope="module")
def robust(fitted):
    return fitted("DR")


@each
def test_effects_are_found_where_they_are(learner, fitted, robust):
    new = asked(drawn(1000, seed=1)[0])

    effect, error = (robust if learner == "DR" else fitted(learner)).effects(new)

    truth = 0.1 + 0.15 * new.shared[:, 0]
    assert np.corrcoef(effect, truth)[0, 1] > 0.8
    assert np.abs(effect - truth).mean() < 0.06
    if learner != "X":  # whose error is said to be too narrow
        assert np.mean(np.abs(effect - truth) < 3 * error) > 0.9


def test_the_average_is_that_of_the_trial_and_better_known_than_the_difference_of_means(robust):
    design, y, _ = drawn(3500)

    mean, error = robust.average_[1]

    treated = design.pair == 1
    plain = np.sqrt(y[treated].var() / treated.sum() + y[~treated].var() / (~treated).sum())
    assert mean == pytest.approx(0.1, abs=3 * error)
    assert 0.8 * plain < error < plain


def test_where_all_gain_alike_one_effect_serves_all():
    design, y, prob = drawn(1500, moves=0.0, seed=3)

    model = Uplift(control=NONE, learner="DR").fit(design, y, selection_prob=prob)

    effect, _ = model.effects(asked(design))
    assert model.penalty_[1] > 500
    assert effect.std() < 0.04
    assert effect.mean() == pytest.approx(model.average_[1, 0], abs=1e-9)


def test_unequal_chances_bias_a_plain_difference_but_not_the_doubly_robust_mean():
    def more_for_high(x):
        treated = 1 / (1 + np.exp(-2 * x[:, 1]))
        return np.stack([1 - treated, treated], axis=1)

    design, y, prob = drawn(4500, prob=more_for_high)

    model = Uplift(control=NONE).fit(design, y, selection_prob=prob)

    plain = y[design.pair == 1].mean() - y[design.pair == 0].mean()
    assert plain > 0.15
    assert model.average_[1, 0] == pytest.approx(0.1, abs=3 * model.average_[1, 1])


def test_several_arms_each_have_an_effect_and_the_control_has_none():
    design, y, prob = drawn(3000, arms=(MAIL, NONE, VISIT))
    every = asked(design, 1)

    model = Uplift(control=NONE, learner="X").fit(design, y, selection_prob=prob)

    assert_array_equal(model.effects(every), np.zeros((2, len(design))))
    # the planted effect is that of arms after the first, here the control and the visit
    mail, visit = (model.effects(asked(design, arm))[0].mean() for arm in (0, 2))
    assert mail == pytest.approx(-0.1, abs=0.07)
    assert visit == pytest.approx(0.0, abs=0.07)


@each
def test_the_order_of_rows_changes_rounding_only(learner):
    design, y, prob = drawn(1000)
    moved = np.random.default_rng(5).permutation(len(y))
    turned = replace(design, shared=design.shared[moved], pair=design.pair[moved])

    one = Uplift(control=NONE, learner=learner).fit(design, y, selection_prob=prob)
    other = Uplift(control=NONE, learner=learner).fit(turned, y[moved], selection_prob=prob[moved])

    assert_allclose(one.effects(asked(design))[0], other.effects(asked(design))[0], atol=1e-9)


def test_arms_are_told_apart_by_name_not_by_place():
    design, y, prob = drawn(800)
    model = Uplift(control=NONE).fit(design, y, selection_prob=prob)
    turned = replace(asked(design, 0), actions=(MAIL, NONE))

    assert_array_equal(model.effects(turned), model.effects(asked(design, 1)))


def test_without_randomisation_it_refuses():
    design, y, prob = drawn(400)
    model = Uplift(control=NONE)

    with pytest.raises(SelectionError, match="not identified"):
        model.fit(design, y)
    with pytest.raises(SelectionError, match="nothing was drawn"):
        model.fit(design, y, selection_prob=np.ones(len(y)))
    for bad in (0.0, -0.1, 1.1, np.nan):
        with pytest.raises(SelectionError, match="1 selection probabilities"):
            model.fit(design, y, selection_prob=np.append(prob[:-1], bad))
    with pytest.raises(SelectionError, match="shape"):
        model.fit(design, y, selection_prob=prob[:-1])


def test_declared_randomisation_counts_the_arms():
    design, y, _ = drawn(800)
    share = np.bincount(design.pair) / len(y)

    declared = Uplift(control=NONE).fit(design, y, randomised=True)
    counted = Uplift(control=NONE).fit(design, y, selection_prob=share[design.pair])

    assert_array_equal(declared.average_, counted.average_)


def test_a_tiny_probability_is_clipped_and_said():
    design, y, prob = drawn(600)
    prob[0] = 1e-6

    with pytest.warns(NBAWarning, match=r"1 selection probabilities are below 0\.01"):
        Uplift(control=NONE, learner="T").fit(design, y, selection_prob=prob)


def test_a_control_without_rows_own_columns_and_unknown_arms_are_refused():
    design, y, prob = drawn(600)
    own = replace(design, own=np.zeros((len(y), 1)), own_features=(Feature("met", "met"),))
    model = Uplift(control=NONE, learner="T").fit(design, y, selection_prob=prob)

    with pytest.raises(UnknownActionError, match="fax"):
        Uplift(control=Action("fax", "")).fit(design, y, selection_prob=prob)
    with pytest.raises(ArgumentError, match="own"):
        Uplift(control=NONE).fit(own, y, selection_prob=prob)
    with pytest.raises(UnknownActionError, match="visit"):
        model.effects(replace(design, actions=(NONE, VISIT)))
    with pytest.raises(NotFittedError, match="fit"):
        clone(model).effects(design)
    with pytest.raises(ArgumentError, match="learner"):
        Uplift(control=NONE, learner="S")


def test_the_ridge_is_that_of_normal_equations_at_the_best_of_all_penalties():
    rng = np.random.default_rng(2)
    z = np.hstack([np.ones((200, 1)), rng.normal(size=(200, 3)) + 1.0])
    y = z @ np.array([0.5, 0.2, 0.0, -0.1]) + rng.normal(size=200)

    (coef, cov), penalty = _ridge(z, y)

    def plain(held):
        hold = np.diag([0.0, held, held, held])
        hat = z @ np.linalg.solve(z.T @ z + hold, z.T)
        left = y - hat @ y
        return 200 * (left @ left) / (200 - np.trace(hat)) ** 2, np.linalg.solve(z.T @ z + hold, z.T @ y)

    finite = [held for held in _PENALTIES if np.isfinite(held)]
    assert penalty == min(finite, key=lambda held: plain(held)[0])
    assert_allclose(coef, plain(penalty)[1], atol=1e-9)
    hold = z.T @ z + np.diag([0.0, penalty, penalty, penalty])
    freedom = np.trace(np.linalg.solve(hold, z.T @ z))
    noise = ((y - z @ coef) ** 2).sum() / (200 - freedom)
    assert_allclose(cov, noise * np.linalg.inv(hold), atol=1e-9)


@each
def test_a_bundle_on_disk_gives_the_same_bits(learner, fitted, robust, tmp_path):
    model = robust if learner == "DR" else fitted(learner)
    new = asked(drawn(200, seed=1)[0])

    plain, arrays = model.to_state()
    artifact.save(tmp_path / "uplift", manifest=plain, arrays=arrays)
    manifest, loaded, _ = artifact.load(tmp_path / "uplift")
    back = Uplift.from_state((manifest, loaded))

    for one, other in zip(back.effects(new), model.effects(new), strict=True):
        assert_array_equal(one, other)
    assert_array_equal(back.average_, model.average_)
    assert back.get_params() == model.get_params()


def test_an_uplift_without_a_fit_has_no_state():
    with pytest.raises(NotFittedError):
        Uplift(control=NONE).to_state()


@pytest.fixture(scope="module")
def econml():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries at their own import
        return pytest.importorskip("econml", reason="econml is not installed (group oracle)")


@pytest.fixture(scope="module")
def trial():
    return drawn(8000, moves=0.25, arms=(NONE, MAIL))


def theirs_dr(design, y):
    from econml.dr import LinearDRLearner
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression

    model = LinearDRLearner(
        model_propensity=DummyClassifier(), model_regression=LogisticRegression(),
        discrete_outcome=True, cv=5, random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(y, design.pair, X=design.shared)


@slow
def test_the_doubly_robust_effects_are_those_of_econml(econml, trial):
    design, y, _ = trial
    new = asked(drawn(2000, seed=1)[0])

    model = Uplift(control=NONE, learner="DR").fit(design, y, randomised=True)
    ours, error = model.effects(new)
    oracle = theirs_dr(design, y)
    theirs = np.ravel(oracle.effect(new.shared))

    truth = 0.1 + 0.25 * new.shared[:, 0]
    assert np.corrcoef(ours, theirs)[0, 1] > 0.97
    assert abs(ours.mean() - theirs.mean()) < 0.3 * model.average_[1, 1]
    assert np.sqrt(((ours - truth) ** 2).mean()) < 1.3 * np.sqrt(((theirs - truth) ** 2).mean())
    low, high = oracle.effect_interval(new.shared, alpha=0.1)
    assert 0.5 < np.median(error * 2 * 1.645 / np.ravel(high - low)) < 1.5


@slow
def test_the_average_effect_and_its_error_are_those_of_econml(econml, trial):
    design, y, _ = trial

    model = Uplift(control=NONE, learner="DR").fit(design, y, randomised=True)
    found = theirs_dr(design, y).ate_inference(design.shared)

    assert model.average_[1, 0] == pytest.approx(found.mean_point, abs=0.3 * model.average_[1, 1])


@slow
@pytest.mark.parametrize("learner", ["T", "X"])
def test_meta_learners_come_as_close_to_the_truth_as_those_of_econml(econml, trial, learner):
    from econml.metalearners import TLearner, XLearner
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LinearRegression

    design, y, _ = trial
    new = asked(drawn(2000, seed=1)[0])
    oracle = (
        TLearner(models=LinearRegression())
        if learner == "T"
        else XLearner(models=LinearRegression(), propensity_model=DummyClassifier())
    )

    ours, _ = Uplift(control=NONE, learner=learner).fit(design, y, randomised=True).effects(new)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = oracle.fit(y, design.pair, X=design.shared).effect(new.shared)

    truth = 0.1 + 0.25 * new.shared[:, 0]
    off = {"ours": ours - truth, "theirs": np.ravel(theirs) - truth}
    assert np.corrcoef(ours, np.ravel(theirs))[0, 1] > 0.9
    assert np.sqrt((off["ours"] ** 2).mean()) < 1.5 * np.sqrt((off["theirs"] ** 2).mean()) + 0.01
