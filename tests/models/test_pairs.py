"""PairPropensity: one model a (content, channel) pair."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nba import artifact
from nba.contracts import Action, Design, Feature
from nba.errors import ArgumentError, NBAWarning, OutcomeError, SelectionError
from nba.models import HierarchicalLogistic, PairPropensity, pairs


@pytest.fixture(scope="module")
def planted(world):
    return world()


@pytest.fixture(scope="module")
def model(planted):
    return PairPropensity().fit(planted.design, planted.y)


def with_action(design, action, groups):
    """The same requests, all asking for one other pair."""
    return replace(design, pair=np.zeros_like(design.pair), actions=(action,), groups=(groups,))


def test_it_finds_what_was_planted(planted, model):
    margin, _ = model.score(planted.design)

    assert np.corrcoef(margin, planted.truth)[0, 1] > 0.85


def test_two_worlds_give_two_strengths(world):
    strength = {}
    for apart in (0.0, 0.7):
        made = world(apart=apart, requests=12_000)
        base = PairPropensity().fit(made.design, made.y).base_
        strength[apart] = base.strengths.values["pair"][1]

    assert strength[0.0] > 10 * strength[0.7]


def test_contributions_add_up_to_the_margin(planted, model):
    parts = model.contributions(planted.design)

    assert_allclose(parts.base + parts.values.sum(axis=1), parts.margin, atol=1e-9)
    assert_array_equal(parts.margin, model.score(planted.design)[0])


def test_contributions_come_with_the_spread_of_the_same_work(planted, model):
    assert_array_equal(model.contributions(planted.design).spread, model.score(planted.design)[1])


def test_columns_stay_the_same_object_from_one_design_to_the_next(planted, model):
    again = replace(planted.design, shared=planted.design.shared.copy())

    assert model.contributions(planted.design).features is model.contributions(again).features


def test_a_feature_at_its_reference_or_missing_contributes_nothing(planted, model):
    # shares that are never negative nor missing in training keep their linear curve's centre as reference
    shared = np.array(planted.design.shared)
    shared[:, 1] = np.nan

    parts = model.contributions(replace(planted.design, shared=shared))

    assert_array_equal(parts.values[:, 1], 0.0)
    assert np.abs(parts.values[:, 0]).max() > 0


def test_a_flag_at_its_mean_contributes_nothing(planted):
    flags = (planted.design.shared > 0.5).astype(float)
    features = tuple(Feature(f"f{j}", "", unit="flag") for j in range(flags.shape[1]))
    design = replace(planted.design, shared=flags, shared_features=features)
    model = PairPropensity().fit(design, planted.y)

    parts = model.contributions(replace(design, shared=np.tile(flags.mean(axis=0), (len(flags), 1))))

    assert_allclose(parts.values[:, : flags.shape[1]], 0.0, atol=1e-12)


def test_one_row_and_a_batch_have_the_same_bits(planted, model, take):
    margin, spread = model.score(planted.design)

    for r in (0, 17, len(planted.y) - 1):
        alone = take(planted.design, np.array([r]))
        alone = replace(alone, shared=alone.shared[alone.row], row=np.zeros(1, dtype=int))
        one = model.score(alone)
        assert (one[0][0], one[1][0]) == (margin[r], spread[r])


def test_threads_change_no_bit_of_fit_or_score(world):
    made = world(requests=40_000, pairs=5)

    one, three = (PairPropensity(n_jobs=n).fit(made.design, made.y) for n in (1, 3))

    assert_array_equal(one.base_.coef, three.base_.coef)
    for a, b in zip(one.score(made.design), three.score(made.design), strict=True):
        assert_array_equal(a, b)


def test_rows_kept_from_step_to_step_give_the_bits_of_rows_expanded_anew(world, monkeypatch):
    made = world(requests=3000)
    kept = PairPropensity().fit(made.design, made.y).score(made.design)

    monkeypatch.setattr(pairs, "KEPT_BYTES", 0)
    anew = PairPropensity().fit(made.design, made.y).score(made.design)

    assert_array_equal(kept, anew)


def test_the_order_of_rows_moves_rounding_only_when_moments_are_given(planted, take):
    at = np.random.default_rng(0).integers(0, 10**9, len(planted.y))
    order = np.random.default_rng(1).permutation(len(planted.y))
    # HCP rows stand in another order, too, so that no sum is in the same order
    turned = replace(take(planted.design, order), row=planted.design.row[order])

    plain = PairPropensity().fit(planted.design, planted.y, at=at)
    other = PairPropensity().fit(turned, planted.y[order], at=at[order])

    assert_allclose(other.score(planted.design)[0], plain.score(planted.design)[0], atol=1e-8)


def test_calibration_is_learned_on_the_latest_rows_and_the_gap_is_left_out(world):
    made = world(requests=8000, apart=0.1)
    at = np.arange(8000)
    y = made.y.copy()
    late = at >= 6400
    y[late & (np.random.default_rng(0).random(8000) < 0.15)] = 1.0

    model = PairPropensity(calibration_share=0.2).fit(made.design, y, at=at, gap_seconds=100)

    assert model.calibration_.pooled[0] > 0.2


def test_calibration_is_left_out_aloud_where_no_row_ends_before_its_slice(planted):
    at = np.zeros(len(planted.y), dtype=int)

    with pytest.warns(NBAWarning, match="Calibration is left out"):
        model = PairPropensity().fit(planted.design, planted.y, at=at)

    assert model.calibration_.groups == ()


def test_a_pair_never_seen_takes_its_channels_level_and_is_wider_than_any_seen(world):
    made = world(requests=8000, apart=0.2)
    model = PairPropensity().fit(made.design, made.y)
    groups = ("channel=c1", "topic=t1")
    seen = [k for k, g in enumerate(made.design.groups) if g[0] == "channel=c1" and model.n_[k] > 0]

    new = with_action(made.design, Action("c1", "new"), groups)
    margin, spread = model.score(new)
    others = [
        model.score(with_action(made.design, made.design.actions[k], made.design.groups[k])) for k in seen
    ]

    assert_array_equal(model.support(new)[1], [True])
    assert min(m.mean() for m, _ in others) < margin.mean() < max(m.mean() for m, _ in others)
    assert all(spread.mean() > s.mean() for _, s in others)


def test_a_channel_never_seen_still_answers_and_is_wider_still(planted, model):
    known = with_action(planted.design, Action("c1", "new"), ("channel=c1", "topic=t1"))
    unknown = with_action(planted.design, Action("fax", "new"), ("channel=fax", "topic=t1"))

    margin, spread = model.score(unknown)

    assert np.isfinite(margin).all()
    assert spread.mean() > model.score(known)[1].mean()


def test_zero_responses_in_a_pair_still_give_some_and_one_row_is_enough(planted):
    y = planted.y.copy()
    y[planted.design.pair == 0] = 0.0
    first = np.flatnonzero(planted.design.pair == 1)
    keep = np.setdiff1d(np.arange(len(y)), first[1:])
    design = replace(
        planted.design,
        row=planted.design.row[keep],
        pair=planted.design.pair[keep],
        own=planted.design.own[keep],
    )

    model = PairPropensity().fit(design, y[keep])
    margin, spread = model.score(planted.design)

    assert model.n_[1] == 1
    assert np.all(1 / (1 + np.exp(-margin)) > 0)
    assert spread[planted.design.pair == 1].mean() > spread[planted.design.pair != 1].mean()


@pytest.mark.parametrize("n", [1, 5])
def test_a_handful_of_rows_is_enough(planted, take, n):
    few = take(planted.design, np.arange(n))
    y = np.zeros(n)

    with pytest.warns(NBAWarning, match="outcomes are 0"):
        model = PairPropensity().fit(few, y)

    margin, spread = model.score(planted.design)
    assert np.isfinite(margin).all()
    assert (spread > 0).all()


def test_constant_and_empty_columns_are_reported(planted):
    shared = np.array(planted.design.shared)
    shared[:, 0], shared[:, 2] = 7.0, np.nan

    model = PairPropensity().fit(replace(planted.design, shared=shared), planted.y)

    assert model.dropped_ == ("f0", "f2")
    assert np.isfinite(model.score(planted.design)[0]).all()


def test_infinite_values_are_refused_by_column_and_huge_ones_named(planted, model):
    shared = np.array(planted.design.shared)
    shared[3, 1] = np.inf
    with pytest.raises(ArgumentError, match="f1"):
        PairPropensity().fit(replace(planted.design, shared=shared), planted.y)
    with pytest.raises(ArgumentError, match="f1"):
        model.score(replace(planted.design, shared=shared))

    shared[3, 1] = 1e200
    with pytest.warns(NBAWarning, match="f1"):
        fitted = PairPropensity().fit(replace(planted.design, shared=shared), planted.y)

    assert np.isfinite(fitted.score(planted.design)[0]).all()


@pytest.mark.parametrize(
    "first", [2.0, -1.0, 0.5, np.nan, np.inf], ids=["two", "minus", "half", "nan", "inf"]
)
def test_an_outcome_that_is_neither_0_nor_1_is_refused(planted, model, first):
    y = planted.y.copy()
    y[0] = first

    with pytest.raises(OutcomeError, match="row 0"):
        PairPropensity().fit(planted.design, y)
    with pytest.raises(OutcomeError, match="row 0"):
        model.learn(planted.design, y)


def test_texts_wrong_lengths_and_no_rows_are_refused(planted, take):
    with pytest.raises(OutcomeError, match="not numbers"):
        PairPropensity().fit(planted.design, np.full(len(planted.y), "yes"))
    with pytest.raises(OutcomeError, match="shape"):
        PairPropensity().fit(planted.design, planted.y[1:])
    with pytest.raises(OutcomeError, match="no outcomes"):
        PairPropensity().fit(take(planted.design, np.arange(0)), planted.y[:0])


def test_learning_adds_up_with_new_pairs_and_channels_in_any_order(world, take):
    made = world(pairs=14, channels=4)
    fit_on = np.flatnonzero((np.arange(4000) < 2500) & (made.design.pair < 10) & (made.design.pair % 4 < 3))
    a, b = np.arange(2500, 3200), np.arange(3200, 4000)

    def learned(*parts):
        model = PairPropensity().fit(take(made.design, fit_on), made.y[fit_on])
        for part in parts:
            model.learn(take(made.design, part), made.y[part])
        return model

    both = learned(np.r_[a, b])
    for other in (learned(a, b), learned(b, a)):
        for mine, theirs in zip(both.score(made.design), other.score(made.design), strict=True):
            assert_allclose(mine, theirs, atol=1e-8)
        assert_array_equal(other.support(made.design)[0], both.support(made.design)[0])


@pytest.mark.filterwarnings("ignore:Forecasts no longer hold")
def test_learning_from_a_world_that_has_shifted_ends_at_its_rate_not_beyond(world):
    made = world(requests=6000, apart=0.1, features=2)
    rng = np.random.default_rng(3)
    model = PairPropensity().fit(made.design, made.y)
    before = 1 / (1 + np.exp(-model.score(made.design)[0].mean()))

    for _ in range(8):
        model.learn(made.design, (rng.random(6000) < 1 / (1 + np.exp(-made.truth - 1.0))).astype(float))

    p = (1 / (1 + np.exp(-model.score(made.design)[0]))).mean()
    shifted = (1 / (1 + np.exp(-made.truth - 1.0))).mean()
    # six thousand rows of the old rate and 48,000 of the new one
    assert before < p
    assert p == pytest.approx((made.y.mean() + 8 * shifted) / 9, rel=0.1)


def test_learning_from_nothing_changes_nothing(planted, take):
    model = PairPropensity().fit(planted.design, planted.y)
    before = model.score(planted.design)

    model.learn(take(planted.design, np.arange(0)), planted.y[:0])

    assert_array_equal(model.score(planted.design)[0], before[0])


def test_more_pairs_than_can_be_modelled_are_pooled_by_channel_aloud(world):
    made = world(pairs=40, requests=3000)

    with pytest.warns(NBAWarning, match="most frequent"):
        model = PairPropensity(max_pairs=6).fit(made.design, made.y)

    margin, spread = model.score(made.design)
    assert len(model.base_.groups) <= 6 + 3
    assert (
        model.n_[~model.pooled_].min() >= model.n_[model.pooled_].max() or not model.n_[~model.pooled_].all()
    )
    assert np.isfinite(margin).all()
    assert spread[model.pooled_[made.design.pair]].mean() > spread[~model.pooled_[made.design.pair]].mean()


def test_a_bundle_on_disk_gives_the_same_bits_and_learns_on(planted, tmp_path, take):
    model = PairPropensity(max_pairs=300).fit(planted.design, planted.y)
    model.learn(take(planted.design, np.arange(50)), planted.y[:50])
    plain, arrays = model.to_state()

    artifact.save(tmp_path / "m", manifest=plain, arrays=arrays)
    loaded = artifact.load(tmp_path / "m")
    back = PairPropensity.from_state((loaded[0], loaded[1]))

    for step in range(2):
        for mine, theirs in zip(model.score(planted.design), back.score(planted.design), strict=True):
            assert_array_equal(mine, theirs)
        if step == 0:
            for m in (model, back):
                m.learn(take(planted.design, np.arange(50, 90)), planted.y[50:90])
    assert back.max_pairs == 300


def test_separable_and_rare_worlds_fit_without_a_warning(world):
    made = world(requests=20_000, level=-8.0)
    assert 0 < made.y.sum() < 200
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PairPropensity().fit(made.design, made.y)
        separable = (made.design.shared[made.design.row, 0] > 0).astype(float)
        margin, _ = PairPropensity().fit(made.design, separable).score(made.design)

    assert np.isfinite(margin).all()


@pytest.mark.parametrize("share", [-0.1, 0.9, 2.0])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(ArgumentError, match="calibration_share"):
        PairPropensity(calibration_share=share)


@pytest.mark.slow
def test_intervals_of_90_percent_cover_the_truth_at_every_size_of_pair(world):
    hits, sizes = [], []
    for seed in range(20):
        made = world(pairs=24, requests=20_000, apart=0.3, seed=seed)
        model = PairPropensity().fit(made.design, made.y)
        margin, spread = model.score(made.design)
        hits.append(np.abs(margin - made.truth) < 1.645 * spread)
        sizes.append(model.n_[made.design.pair])
    hit, size = np.concatenate(hits), np.concatenate(sizes)

    for lo, hi in ((0, np.inf), (0, 200), (200, 1000), (1000, np.inf)):
        group = (size > lo) & (size <= hi)
        assert 0.85 < hit[group].mean() < 0.95, (lo, hi, hit[group].mean())


@pytest.mark.slow
def test_calibrating_helps_after_a_shift_and_costs_little_without(world):
    def loss(margin, truth):
        p = 1 / (1 + np.exp(-truth))
        return float((p * np.logaddexp(0, -margin) + (1 - p) * np.logaddexp(0, margin)).mean())

    gain = {0.0: [], 0.6: []}
    for shift, gains in gain.items():
        for seed in range(20):
            made = world(requests=8000, seed=seed)
            truth = made.truth + shift * (np.arange(8000) >= 6400)
            y = (np.random.default_rng(seed).random(8000) < 1 / (1 + np.exp(-truth))).astype(float)
            with_line, without = (
                PairPropensity(calibration_share=share).fit(made.design, y) for share in (0.2, 0.0)
            )
            now = made.truth + shift
            gains.append(
                loss(without.score(made.design)[0], now) - loss(with_line.score(made.design)[0], now)
            )

    assert np.mean(gain[0.6]) > 0.005
    assert np.mean(gain[0.0]) > -0.001


def chosen_for_a_reason(*, seed=0, requests=12_000):
    """Rows chosen by something no column says that also moves responses; the chances are logged."""
    rng = np.random.default_rng(seed)
    hcps = 4 * requests
    x, unseen = rng.normal(size=(hcps, 2)), rng.normal(size=hcps)
    liking = np.stack([1.5 * unseen, np.zeros(hcps), -1.5 * unseen], axis=1)
    chance = 0.03 / 3 + 0.97 * np.exp(liking) / np.exp(liking).sum(axis=1, keepdims=True)
    pair = (rng.random(hcps)[:, None] > chance.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    truth = 1 / (1 + np.exp(-(-1.5 + 0.5 * x[:, [0]] + 0.9 * unseen[:, None] + [0.0, 0.2, 0.4])))
    y = (rng.random(hcps) < truth[np.arange(hcps), pair]).astype(float)
    design = Design(
        shared=x, own=np.zeros((hcps, 0)), row=np.arange(hcps), pair=pair,
        actions=tuple(Action("email", f"m{k}") for k in range(3)), groups=(("channel=email",),) * 3,
        shared_features=tuple(Feature(f"x{j}", f"x{j}", unit="share") for j in range(2)), own_features=(),
    )  # fmt: skip
    return design, y, chance[np.arange(hcps), pair], truth.mean(axis=0)


def mean_forecasts(model, design):
    """(K,) the mean forecast of every pair over all HCPs."""
    found = []
    for k in range(3):
        margin, _ = model.score(replace(design, pair=np.full(len(design), k)))
        found.append((1 / (1 + np.exp(-margin))).mean())
    return np.array(found)


def test_weighting_by_selection_undoes_a_choice_on_what_no_column_says():
    design, y, prob, truth = chosen_for_a_reason()

    plain = PairPropensity(correction=None).fit(design, y, selection_prob=prob)
    weighted = PairPropensity(correction=None, selection_clip=50.0).fit(design, y, selection_prob=prob)

    off = {name: mean_forecasts(m, design) - truth for name, m in (("plain", plain), ("weighted", weighted))}
    assert np.abs(off["plain"][[0, 2]]).min() > 0.07
    assert np.abs(off["weighted"]).max() < 0.02
    assert (plain.selection_.kind, plain.selection_.weighted) == ("logged", False)


def test_a_clip_is_stated_with_what_it_held_and_what_rows_are_worth_and_widens_intervals():
    design, y, prob, _ = chosen_for_a_reason(requests=3000)
    plain = PairPropensity(correction=None).fit(design, y, selection_prob=prob)

    model = PairPropensity(correction=None, selection_clip=3.0).fit(design, y, selection_prob=prob)

    told = model.selection_
    assert told.clip == 3.0
    assert told.clipped == (told.factor[design.pair] / prob > 3.0).sum() > 100
    assert told.effective < 0.8 * len(y)
    assert f"{told.clipped:,} rows held to 3 times their pair's mean" in str(told)
    assert model.score(design)[1].mean() > 1.05 * plain.score(design)[1].mean()


def test_rows_that_nobody_drew_are_called_observational_and_weights_for_them_refused(planted):
    assert PairPropensity(correction=None).fit(planted.design, planted.y).selection_.kind == "observational"
    with pytest.raises(SelectionError, match="observational"):
        PairPropensity(selection_clip=5.0).fit(planted.design, planted.y)
    with pytest.raises(SelectionError, match="outside"):
        PairPropensity().fit(planted.design, planted.y, selection_prob=np.zeros(len(planted.y)))


def test_weights_of_selection_learn_as_they_were_fitted():
    design, y, prob, truth = chosen_for_a_reason()
    half = np.arange(len(y)) < len(y) // 2
    first, later = (
        (replace(design, row=design.row[m], pair=design.pair[m], own=design.own[m]), y[m], prob[m])
        for m in (half, ~half)
    )
    model = PairPropensity(correction=None, selection_clip=50.0).fit(*first[:2], selection_prob=first[2])

    model.learn(*later[:2], selection_prob=later[2])

    assert np.abs(mean_forecasts(model, design) - truth).max() < 0.02


def test_a_row_of_weight_two_is_the_row_twice(planted, take):
    design = planted.design
    weight = np.random.default_rng(0).integers(1, 3, len(planted.y))
    twice = np.repeat(np.arange(len(planted.y)), weight)
    options = {"calibration_share": 0.0, "correction": None}

    weighted = PairPropensity(**options).fit(design, planted.y, weight=weight)
    repeated = PairPropensity(**options).fit(take(design, twice), planted.y[twice])

    for one, other in zip(weighted.score(design), repeated.score(design), strict=True):
        assert_allclose(one, other, atol=1e-8)


def test_weights_of_one_change_nothing(planted):
    ones = np.ones(len(planted.y))

    plain = PairPropensity().fit(planted.design, planted.y)
    weighted = PairPropensity().fit(planted.design, planted.y, weight=ones)

    assert_allclose(weighted.score(planted.design)[0], plain.score(planted.design)[0], atol=1e-9)


def test_the_order_of_rows_moves_rounding_only_where_they_weigh(planted, take):
    rng = np.random.default_rng(0)
    weight, at = rng.uniform(0.5, 2.0, len(planted.y)), rng.integers(0, 9, len(planted.y)) * 86_400
    order = rng.permutation(len(planted.y))
    order = order[np.argsort(planted.design.row[order], kind="stable")]

    one = PairPropensity().fit(planted.design, planted.y, at=at, weight=weight)
    other = PairPropensity().fit(
        take(planted.design, order), planted.y[order], at=at[order], weight=weight[order]
    )

    assert_array_equal(one.score(planted.design)[0], other.score(planted.design)[0])


@pytest.mark.parametrize("weight", [[0.0], [-1.0], [np.nan], [np.inf]])
def test_odd_weights_and_moments_are_refused(planted, take, weight):
    one = take(planted.design, np.arange(1))

    with pytest.raises(ArgumentError, match="above 0"):
        PairPropensity().fit(one, np.ones(1), weight=weight)
    with pytest.raises(ArgumentError, match="give the moment"):
        PairPropensity(half_life_days=30.0).fit(one, np.ones(1))
    with pytest.raises(ArgumentError, match="Moments have shape"):
        PairPropensity().fit(one, np.ones(1), at=np.zeros(2))


@pytest.mark.parametrize("options", [{"selection_clip": 0.5}, {"half_life_days": 0.0}])
def test_a_clip_below_one_and_a_half_life_of_nothing_are_refused(options):
    with pytest.raises(ArgumentError, match=next(iter(options))):
        PairPropensity(**options)


def by_day(world, *, days=400, seed=0):
    made = world(requests=8000, seed=seed)
    return made, np.random.default_rng(seed).integers(0, days, len(made.y)) * 86_400


@pytest.mark.filterwarnings("ignore:Forecasts no longer hold")
def test_forgetting_adds_up_in_any_order(world, take):
    made, at = by_day(world)
    parts = [
        np.flatnonzero((at >= lo * 86_400) & (at < hi * 86_400))
        for lo, hi in ((0, 250), (250, 300), (300, 400))
    ]
    fitted = PairPropensity(half_life_days=60.0, correction=None).fit(
        take(made.design, parts[0]), made.y[parts[0]], at=at[parts[0]]
    )

    found = []
    for steps in ([parts[1], parts[2]], [parts[2], parts[1]], [np.concatenate(parts[1:])]):
        model = PairPropensity.from_state(fitted.to_state())
        for rows in steps:
            model.learn(take(made.design, np.sort(rows)), made.y[np.sort(rows)], at=at[np.sort(rows)])
        found.append(np.stack(model.score(made.design)))

    assert_allclose(found[1], found[0], atol=1e-8)
    assert_allclose(found[2], found[0], atol=1e-8)


@pytest.mark.filterwarnings("ignore:Forecasts no longer hold")
def test_learning_with_a_half_life_is_solving_the_base_anew_on_all_rows_by_their_age(world, take):
    """Tangents taken anew over all rows, with the weights of their age, give the same posterior."""
    made, at = by_day(world)
    first, later = np.flatnonzero(at < 300 * 86_400), np.flatnonzero(at >= 300 * 86_400)
    model = PairPropensity(half_life_days=60.0, correction=None, calibration_share=0.0).fit(
        take(made.design, first), made.y[first], at=at[first]
    )
    anchor, strengths, basis = (
        model.base_.anchor,
        model.base_.strengths,
        (model.shared_basis_, model.own_basis_),
    )

    model.learn(take(made.design, later), made.y[later], at=at[later])

    def aged(rows, k):
        mine = rows[model.place_[made.design.pair[rows]] == k]
        z = np.hstack([
            np.ones((len(mine), 1)),
            basis[0].expand(made.design.shared[made.design.row[mine]]),
            basis[1].expand(made.design.own[mine]),
        ])  # fmt: skip
        return z, made.y[mine], None, 0.5 ** ((at.max() - at[mine]) / (60 * 86_400))

    def rows(part):
        return lambda k: [aged(part, k)]

    kinds = model.base_.levels.kinds
    tangents_of = HierarchicalLogistic._empty(kinds, model.base_.groups, strengths, anchor)
    tangents_of = replace(tangents_of, level=model.base_.level)
    old = tangents_of.absorb(rows(first), groups=model.base_.groups)
    anew = replace(tangents_of, fitted=old.absorbed).absorb(rows(later), groups=model.base_.groups)
    assert_allclose(model.base_.coef, anew.coef, atol=1e-8)
    assert_allclose(model.base_.cov, anew.cov, atol=1e-8)


@pytest.mark.filterwarnings("ignore:Forecasts no longer hold")
def test_what_forgets_follows_a_rate_that_moved_twice_as_fast(world, take):
    made, at = by_day(world, days=700)
    late = at >= 350 * 86_400
    y = np.where(late, np.random.default_rng(9).random(len(at)) < 1 / (1 + np.exp(-made.truth - 1.5)), made.y)
    off = {}
    for half_life in (None, 60.0):
        model = PairPropensity(half_life_days=half_life, correction=None)
        model.fit(take(made.design, np.flatnonzero(~late)), y[~late], at=at[~late])
        for day in (350, 400):
            rows = np.flatnonzero((at >= day * 86_400) & (at < (day + 50) * 86_400))
            model.learn(take(made.design, rows), y[rows], at=at[rows])
        off[half_life] = abs((model.score(made.design)[0] - made.truth - 1.5).mean())

    assert off[60.0] < 0.5 * off[None]


def test_a_bundle_keeps_what_it_forgets_by_and_what_rows_weighed():
    design, y, prob, _ = chosen_for_a_reason(requests=500)
    at = np.arange(len(y)) * 3600
    model = PairPropensity(half_life_days=90.0, selection_clip=10.0, correction=None)
    model.fit(design, y, at=at, selection_prob=prob)

    back = PairPropensity.from_state(model.to_state())

    for each in (model, back):
        each.learn(design, y, at=at + 40 * 86_400, selection_prob=prob)
    assert back.get_params() == model.get_params()
    assert back.selection_.to_dict() == model.selection_.to_dict()
    assert_array_equal(back.score(design)[0], model.score(design)[0])
