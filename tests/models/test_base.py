"""Bayesian logistic regression per pair, shrunk to what pairs share."""

import itertools
import json
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nba.errors import NBAWarning
from nba.models import HierarchicalLogistic, Strengths
from nba.models.levels import INTERCEPT, OWN, SHARED

KINDS = np.array([INTERCEPT, SHARED, SHARED, OWN])
GROUPS = (
    ("channel=a", "topic=x"),
    ("channel=a", "topic=y"),
    ("channel=b", "topic=x", "format=f"),
    ("channel=b",),
)


def draw(*, pairs=GROUPS, rows=80, apart=0.4, level=-1.0, d=4, seed=0):
    """Rows of pairs whose coefficients differ by a standard deviation of ``apart``."""
    rng = np.random.default_rng(seed)
    mean = np.r_[level, rng.normal(size=d - 1) * 0.5]
    found = []
    for _ in pairs:
        z = np.c_[np.ones(rows), rng.normal(size=(rows, d - 1))]
        p = 1 / (1 + np.exp(-z @ (mean + rng.normal(size=d) * apart)))
        found.append((z, (rng.random(rows) < p).astype(float)))
    return found


def fitted(found, *, groups=GROUPS, kinds=KINDS, **options):
    start = np.zeros((len(groups), len(kinds)))
    start[:, 0] = -1.0
    return HierarchicalLogistic.fit(lambda k: [found[k]], kinds=kinds, groups=groups, start=start, **options)


def joint(model, found):
    """Newton over all parameters at once, none integrated out: (mean, covariance) of each pair."""
    levels, d = model.levels, model.n_columns
    shared, k = levels.size, len(model.groups)
    hold = model.strengths.diagonal("pair", levels.kinds)
    top = model.strengths.shared(levels)
    # P[k] maps the shared coefficients to the pair's prior mean
    maps = np.stack(
        [np.stack([levels.mean(unit, g) for unit in np.eye(shared)], axis=1) for g in model.groups]
    )
    center = np.zeros(shared)
    center[0] = model.level
    at = np.zeros(shared + k * d)
    at[shared:] = np.tile(np.r_[model.level, np.zeros(d - 1)], k)
    for _ in range(100):
        gradient = np.zeros_like(at)
        hessian = np.zeros((len(at), len(at)))
        gradient[:shared] = top * (center - at[:shared])
        hessian[:shared, :shared] = np.diag(top)
        for i, (z, y) in enumerate(found):
            own = slice(shared + i * d, shared + (i + 1) * d)
            p = 1 / (1 + np.exp(-z @ at[own]))
            away = at[own] - maps[i] @ at[:shared]
            gradient[own] += z.T @ (y - p) - hold * away
            gradient[:shared] += maps[i].T @ (hold * away)
            hessian[own, own] += (z * (p * (1 - p))[:, None]).T @ z + np.diag(hold)
            hessian[:shared, own] -= maps[i].T * hold
            hessian[own, :shared] -= (maps[i].T * hold).T
            hessian[:shared, :shared] += (maps[i].T * hold) @ maps[i]
        step = np.linalg.solve(hessian, gradient)
        at = at + step * min(1.0, 2.0 / np.abs(step).max())
        if np.abs(step).max() < 1e-12:
            break
    cov = np.linalg.inv(hessian)
    coef = at[shared:].reshape(k, d)
    blocks = [
        cov[shared + i * d : shared + (i + 1) * d, shared + i * d : shared + (i + 1) * d] for i in range(k)
    ]
    return coef, np.stack(blocks), at[:shared], cov[:shared, :shared]


def test_the_posterior_is_that_of_newton_over_all_parameters_at_once():
    found = draw()

    model = fitted(found, tolerance=1e-8)

    coef, cov, shared, shared_cov = joint(model, found)
    assert_allclose(model.coef, coef, atol=1e-7)
    assert_allclose(model.cov, cov, atol=1e-7)
    assert_allclose(model.shared, shared, atol=1e-7)
    assert_allclose(model.shared_cov, shared_cov, atol=1e-7)


def test_at_the_usual_tolerance_the_posterior_is_off_by_the_square_of_the_last_step():
    found = draw(rows=300)

    model = fitted(found)

    assert_allclose(model.coef, joint(model, found)[0], atol=1e-5)


def test_a_tiny_case_agrees_with_an_integral_over_a_grid():
    strengths = Strengths({**Strengths.usual().values, "global": (1.0, 10.0, 4.0)})
    found = draw(pairs=[("channel=a",)], rows=200, d=1)
    y = found[0][1]

    model = fitted(found, groups=(("channel=a",),), kinds=KINDS[:1], strengths=strengths)

    # one pair, one intercept: global, channel and own deviation add up to one Gaussian prior
    variance = sum(1 / strengths.values[level][0] for level in ("global", "channel", "pair"))
    theta = np.linspace(-8, 6, 200_001)
    log = y.sum() * theta - len(y) * np.logaddexp(0, theta) - (theta + 1.0) ** 2 / (2 * variance)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    mean = (weight * theta).sum()
    spread = np.sqrt((weight * (theta - mean) ** 2).sum())
    assert model.coef[0, 0] == pytest.approx(mean, abs=0.1 * spread)
    assert np.sqrt(model.cov[0, 0, 0]) == pytest.approx(spread, rel=0.05)


def test_a_small_case_agrees_with_two_hundred_thousand_weighted_draws_of_the_exact_posterior():
    """Importance sampling: no Gaussian is taken for the posterior, only for where draws come from."""
    strengths = Strengths({**Strengths.usual().values, "global": (1.0, 10.0, 4.0)})
    groups = (("channel=a",), ("channel=a",), ("channel=b",))
    kinds = KINDS[:2]
    found = draw(pairs=groups, rows=120, d=2, seed=4)

    model = fitted(found, groups=groups, kinds=kinds, strengths=strengths)

    def variance(level):
        return np.diag([1 / strengths.values[level][kind] for kind in kinds])

    same = np.array([[a == b for b in groups] for a in groups]).astype(float)
    prior = np.kron(np.ones((3, 3)), variance("global")) + np.kron(same, variance("channel"))
    prior += np.kron(np.eye(3), variance("pair"))
    precision, center = np.linalg.inv(prior), np.tile([-1.0, 0.0], 3)
    mode = model.coef.reshape(-1)
    curvature = precision.copy()
    for k, (z, _) in enumerate(found):
        p = 1 / (1 + np.exp(-z @ mode[2 * k : 2 * k + 2]))
        curvature[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] += (z * (p * (1 - p))[:, None]).T @ z
    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(np.linalg.inv(curvature))
    raw = rng.standard_t(6, size=(200_000, 6))
    theta = mode + raw @ root.T
    log = -0.5 * np.einsum("ij,jk,ik->i", theta - center, precision, theta - center)
    for k, (z, y) in enumerate(found):
        eta = theta[:, 2 * k : 2 * k + 2] @ z.T
        log += (y * eta - np.logaddexp(0, eta)).sum(axis=1)
    log += (7 / 2 * np.log1p(raw**2 / 6)).sum(axis=1)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    mean = weight @ theta
    spread = np.sqrt(weight @ (theta - mean) ** 2)
    assert 1 / (weight**2).sum() > 20_000  # effective draws
    assert np.abs(mode - mean).max() < 0.15 * spread.min()
    laplace = np.sqrt(np.array([np.diag(cov) for cov in model.cov]).reshape(-1))
    assert_allclose(laplace, spread, rtol=0.06)


def test_pairs_that_are_alike_are_held_tighter_than_pairs_that_differ():
    groups = tuple((f"channel={'ab'[k % 2]}",) for k in range(16))
    strength = {}
    for apart in (0.05, 0.8):
        model = fitted(draw(pairs=groups, rows=400, apart=apart), groups=groups)
        strength[apart] = model.strengths.values["pair"]

    assert strength[0.05][SHARED] > 10 * strength[0.8][SHARED]
    assert strength[0.8][SHARED] == pytest.approx(1 / 0.8**2, rel=0.5)


def test_threads_do_not_change_a_bit():
    found = draw()

    one, three = (fitted(found, n_jobs=n) for n in (1, 3))

    assert_array_equal(one.coef, three.coef)
    assert_array_equal(one.cov, three.cov)


def test_the_order_of_pairs_and_rows_moves_rounding_only():
    found = draw()
    order = [2, 0, 3, 1]
    backwards = [(z[::-1].copy(), y[::-1].copy()) for z, y in found]

    plain = fitted(found)
    turned = fitted([backwards[k] for k in order], groups=tuple(GROUPS[k] for k in order))

    assert_allclose(turned.coef, plain.coef[order], atol=1e-9)


def test_absorbing_adds_up_in_any_order_with_new_pairs_channels_and_tags():
    found, news = draw(seed=1), draw(pairs=range(7), rows=30, seed=2)
    groups = (*GROUPS, ("channel=a", "topic=x"), ("channel=c", "topic=z"), ("channel=c",))
    half = [[(z[:11], y[:11]), (z[11:], y[11:])] for z, y in news]
    model = fitted(found)

    both = model.absorb(lambda k: [news[k]], groups=groups)
    for order in itertools.permutations((0, 1)):
        steps = model
        for part in order:
            steps = steps.absorb(lambda k, part=part: [half[k][part]], groups=groups)
        assert_allclose(steps.coef, both.coef, atol=1e-8)
        assert_allclose(steps.cov, both.cov, atol=1e-8)


def test_absorbing_no_rows_leaves_the_posterior_alone():
    model = fitted(draw())

    same = model.absorb(lambda k: [], groups=GROUPS)

    assert_array_equal(same.coef, model.coef)


def test_absorbing_comes_close_to_fitting_everything_again():
    found, news = draw(rows=300, seed=1), draw(rows=100, seed=1)
    model = fitted(found)

    absorbed = model.absorb(lambda k: [news[k]], groups=GROUPS)
    again = HierarchicalLogistic.fit(
        lambda k: [found[k], news[k]],
        kinds=KINDS, groups=GROUPS, start=model.coef, strengths=model.strengths,
    )  # fmt: skip

    assert np.abs(absorbed.coef - again.coef).max() < 0.5 * np.sqrt(again.cov[:, 0, 0]).max()


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.3, 0.8])
def test_a_new_pair_lands_near_its_rate_however_far_from_its_channels(rate):
    found = draw(rows=2000, level=-4.0, apart=0.1)
    n = 20_000
    z = np.c_[np.ones(n), np.zeros((n, 3))]
    y = (np.arange(n) < rate * n).astype(float)

    model = fitted(found).absorb(
        lambda k: [(z, y)] if k == 4 else [], groups=(*GROUPS, ("channel=a", "topic=x"))
    )

    assert 1 / (1 + np.exp(-model.coef[4, 0])) == pytest.approx(rate, rel=0.25)


def test_a_pair_without_rows_stands_where_its_channel_and_tags_do_and_is_wider_than_any_seen():
    model = fitted(draw(rows=400))

    mean, cov = model.prior_of(("channel=a", "topic=x"))
    unknown, wider = model.prior_of(("channel=new", "topic=x"))

    assert_allclose(mean, model.levels.mean(model.shared, ("channel=a", "topic=x")))
    assert cov[0, 0] > model.cov[:2, 0, 0].max()
    assert wider[0, 0] > cov[0, 0]
    assert np.isfinite(unknown).all()


def test_a_pair_given_room_without_rows_has_the_posterior_of_its_prior():
    model = fitted(draw())
    groups = (*GROUPS, ("channel=b", "topic=y"), ("channel=new", "topic=new"))

    room = model.absorb(lambda k: [], groups=groups)

    for k in (4, 5):
        mean, cov = model.prior_of(groups[k])
        assert_allclose(room.coef[k], mean, atol=1e-9)
        assert_allclose(room.cov[k], cov, atol=1e-9)


def test_separable_rows_do_not_diverge():
    z = np.c_[np.ones(100), np.linspace(-1, 1, 100), np.zeros((100, 2))]
    y = (z[:, 1] > 0).astype(float)

    model = fitted([(z, y)] * 4)

    assert np.abs(model.coef).max() < 50


@pytest.mark.parametrize("huge", [1.0, 20.0])
@pytest.mark.parametrize("rate", [0.0, 0.001, 1.0])
def test_rare_outcomes_and_wide_columns_do_not_overflow(huge, rate):
    rng = np.random.default_rng(0)
    found = [
        (
            np.c_[np.ones(500), rng.choice([-huge, huge], size=(500, 3))],
            (rng.random(500) < rate).astype(float),
        )
        for _ in GROUPS
    ]
    start = np.full((4, 4), 3.0)  # far from where it ends

    model = HierarchicalLogistic.fit(lambda k: [found[k]], kinds=KINDS, groups=GROUPS, start=start)

    assert np.isfinite(model.coef).all()
    assert (np.linalg.eigvalsh(model.cov) > 0).all()


def test_running_out_of_steps_is_said_and_leaves_tangents_where_coefficients_were():
    found = draw()

    with pytest.warns(NBAWarning, match="still moved"):
        model = fitted(found, max_steps=1)

    assert np.isfinite(model.cov).all()
    assert_allclose(fitted(found).coef, model.coef, atol=0.5)


def test_three_hundred_pairs_with_thousands_of_tags_fit():
    rng = np.random.default_rng(0)
    groups = tuple((f"channel={k % 5}", *(f"tag={t}" for t in rng.integers(0, 5000, 4))) for k in range(300))
    found = draw(pairs=groups, rows=10)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fitted(found, groups=groups)

    assert np.isfinite(model.coef).all()


def test_state_is_plain_and_comes_back_with_what_was_absorbed():
    news = draw(pairs=range(5), rows=20, seed=3)
    model = fitted(draw()).absorb(lambda k: [news[k]] if k > 2 else [], groups=(*GROUPS, ("channel=z",)))

    plain, arrays = model.to_state()
    back = HierarchicalLogistic.from_state((json.loads(json.dumps(plain)), arrays))

    assert_array_equal(back.coef, model.coef)
    assert_array_equal(back.cov, model.cov)
    more = [m.absorb(lambda k: [news[k]], groups=model.groups) for m in (model, back)]
    assert_array_equal(more[0].coef, more[1].coef)


def weights_of(found, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(1, 4, len(y)).astype(float) for _, y in found]


def test_a_row_of_weight_three_is_the_row_three_times():
    found = draw()
    weight = weights_of(found)
    again = [
        (np.repeat(z, w.astype(int), axis=0), np.repeat(y, w.astype(int)))
        for (z, y), w in zip(found, weight, strict=True)
    ]

    weighted = fitted([(*piece, None, w) for piece, w in zip(found, weight, strict=True)])
    repeated = fitted(again)

    assert_allclose(weighted.coef, repeated.coef, atol=1e-9)
    assert_allclose(weighted.cov, repeated.cov, atol=1e-9)


def solved_at_the_anchor(model, old, news):
    """One dense system over all coefficients: (K, D) means, from rows (z, y, weight) a pair, by tangents."""
    levels, d, k, n = model.levels, model.n_columns, len(model.groups), model.levels.size
    hold = model.strengths.diagonal("pair", levels.kinds)
    maps = [np.stack([levels.mean(unit, g) for unit in np.eye(n)], axis=1) for g in model.groups]
    system, target = np.zeros((n + k * d, n + k * d)), np.zeros(n + k * d)
    top = model.strengths.shared(levels)
    system[:n, :n] = np.diag(top)
    target[0] = top[0] * model.level
    for i in range(k):
        own = slice(n + i * d, n + (i + 1) * d)
        gram, gradient = np.zeros((d, d)), np.zeros(d)
        for part, of_news in ((old[i], False), (news[i], True)):
            z, y, w = part
            p = 1 / (1 + np.exp(-z @ model.anchor[i]))
            rate, expected = (w @ y + w @ p / w.sum()) / (w.sum() + 1), w @ p / w.sum()
            logit = np.log(rate / (1 - rate)) - np.log(expected / (1 - expected))
            secant = (rate - expected) / (logit * expected * (1 - expected)) if of_news else 1.0
            gram += secant * (z * (w * p * (1 - p))[:, None]).T @ z
            gradient += z.T @ (w * (y - p))
        system[own, own] = gram + np.diag(hold)
        target[own] = gram @ model.anchor[i] + gradient
        system[:n, :n] += (maps[i].T * hold) @ maps[i]
        system[own, :n] = -hold[:, None] * maps[i]
        system[:n, own] = system[own, :n].T
    return np.linalg.solve(system, target)[n:].reshape(k, d)


def test_absorbing_with_less_left_of_the_past_is_solving_all_rows_anew_with_their_weights():
    found, news = draw(rows=300, seed=1), draw(rows=100, seed=2)
    model = fitted([(*piece, None, w) for piece, w in zip(found, weights_of(found), strict=True)])
    later = weights_of(news, seed=5)

    absorbed = model.absorb(lambda k: [(*news[k], None, 0.7 * later[k])], groups=GROUPS, fade=0.3)

    old = [(z, y, 0.3 * w) for (z, y), w in zip(found, weights_of(found), strict=True)]
    new = [(z, y, 0.7 * w) for (z, y), w in zip(news, later, strict=True)]
    assert_allclose(absorbed.coef, solved_at_the_anchor(model, old, new), atol=1e-8)


def test_one_step_with_less_left_of_the_past_goes_most_of_the_way_to_fitting_all_rows_again():
    found, news = draw(rows=300, seed=1), draw(rows=100, seed=1)
    model = fitted(found)

    absorbed = model.absorb(lambda k: [news[k]], groups=GROUPS, fade=0.25)
    again = HierarchicalLogistic.fit(
        lambda k: [(*found[k], None, np.full(300, 0.25)), news[k]],
        kinds=KINDS, groups=GROUPS, start=model.coef, strengths=model.strengths,
    )  # fmt: skip

    assert np.abs(absorbed.coef - again.coef).mean() < 0.4 * np.abs(model.coef - again.coef).mean()
    assert np.abs(absorbed.coef - again.coef).max() < np.sqrt(again.cov[:, 0, 0]).max()


def test_what_intercepts_have_in_common_is_the_covariance_of_their_prior_means():
    model = fitted(draw())

    cov = model.level_covariance(GROUPS)

    for k, groups in enumerate(GROUPS):
        assert cov[k, k] == pytest.approx(model.levels.covariance(model.shared_cov, groups)[0, 0])
    assert cov[0, 1] > cov[0, 3]  # of one channel
