"""Plain LightGBM per pair: the usual way, to compare with."""

from dataclasses import replace

import lightgbm
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nba import artifact
from nba.contracts import Action
from nba.errors import ArgumentError
from nba.models import LightGBMPerPair
from nba.models.correction import columns

ALL = [LightGBMPerPair(), LightGBMPerPair(settings="small"), LightGBMPerPair(pair_as_category=True)]
each = pytest.mark.parametrize("model", ALL, ids=["defaults", "small", "category"])


@pytest.fixture(scope="module")
def made(world):
    return world(requests=5000, pairs=6)


def test_a_pair_is_scored_as_lightgbm_scores_it(made):
    model = LightGBMPerPair().fit(made.design, made.y)
    rows = np.flatnonzero(made.design.pair == np.bincount(made.design.pair).argmax())
    x = columns(made.design, rows)

    plain = lightgbm.LGBMClassifier(verbosity=-1, n_jobs=1, deterministic=True, force_row_wise=True)
    plain.fit(x, made.y[rows])

    theirs = plain.booster_.predict(x)
    ours = 1 / (1 + np.exp(-model.score(made.design)[0][rows]))
    # its trees start from the pair's rate, ours from that rate held to the channel's by ten rows
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999
    assert np.abs(ours - theirs).mean() < 0.02


@each
def test_contributions_add_up_and_leave_the_pair_itself_to_the_base(model, made):
    fitted = model.fit(made.design, made.y)

    parts = fitted.contributions(made.design)

    assert parts.values.shape == (len(made.design), len(made.design.features))
    assert_allclose(parts.base + parts.values.sum(axis=1), parts.margin, atol=1e-9)
    assert np.abs(parts.values).max() > 0


@each
def test_a_bundle_on_disk_gives_the_same_bits(model, made, tmp_path):
    fitted = model.fit(made.design, made.y)

    plain, arrays = fitted.to_state()
    artifact.save(tmp_path / "m", manifest=plain, arrays=arrays)
    back = LightGBMPerPair.from_state(artifact.load(tmp_path / "m")[:2])

    assert_array_equal(np.stack(back.score(made.design)), np.stack(fitted.score(made.design)))
    assert_array_equal(back.contributions(made.design).values, fitted.contributions(made.design).values)
    assert back.get_params() == model.get_params()


def test_small_models_stop_early_on_their_latest_rows(made):
    at = np.arange(len(made.y))
    small = LightGBMPerPair(settings="small").fit(made.design, made.y, at=at)

    assert all(forest.n_trees < 500 for forest in small.forests_)
    turned = np.arange(len(at))[::-1]
    other = LightGBMPerPair(settings="small").fit(made.design, made.y, at=turned)
    assert [f.n_trees for f in small.forests_] != [f.n_trees for f in other.forests_]


def test_a_pair_of_one_class_or_few_rows_keeps_its_rate_held_to_its_channels(made, take):
    y = made.y.copy()
    y[made.design.pair == 0] = 0.0
    model = LightGBMPerPair().fit(made.design, y)

    mine = made.design.pair == 0
    margin = model.score(take(made.design, np.flatnonzero(mine)))[0]
    channel = np.isin(made.design.pair, [k for k in range(6) if k % 3 == 0])
    overall = (y.sum() + 0.5) / (len(y) + 1)
    above = (y[channel].sum() + 10 * overall) / (channel.sum() + 10)
    rate = 10 * above / (mine.sum() + 10)
    assert_allclose(margin, np.log(rate / (1 - rate)), atol=1e-12)


@each
def test_a_pair_never_seen_is_answered_with_what_there_is(model, made):
    fitted = model.fit(made.design, made.y)
    new = replace(
        made.design,
        pair=np.zeros_like(made.design.pair),
        actions=(Action("c1", "new"),),
        groups=(("channel=c1",),),
    )

    margin, spread = fitted.score(new)

    assert np.isfinite(margin).all()
    assert np.isfinite(spread).all()
    assert fitted.support(new)[1].all()


@each
def test_threads_change_no_bit(model, made):
    one, three = (model.set_params(n_jobs=n).fit(made.design, made.y).score(made.design) for n in (1, 3))
    model.set_params(n_jobs=-1)

    assert_array_equal(np.stack(one), np.stack(three))


@pytest.mark.parametrize("params", [{"settings": "large"}, {"n_jobs": 0}])
def test_parameters_out_of_range_are_refused(params):
    with pytest.raises(ArgumentError, match=next(iter(params))):
        LightGBMPerPair(**params)
