"""The worked numbers of each formula, and what holds for all inputs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy import stats

from nba.history import GammaPrior, gamma_prior
from nba.history.measures import (
    above_chance,
    acceleration,
    adoption_standing,
    circular_kernel,
    coherence,
    contextual_velocity,
    distance,
    engagement_velocity,
    entropy,
    familiarity,
    fatigue,
    has_dropped_off,
    part_of_day,
    preference,
    rhythm,
    silence_p,
    simes,
    standing,
    step_depth,
    theil_sen,
    theil_sen_interval,
)

SHARES = arrays(float, 6, elements=st.floats(0.001, 1.0)).map(lambda x: x / x.sum())


def test_velocity_counts_switches_a_month() -> None:
    prior = GammaPrior(1.0, 90.0)  # T = 60 makes T + b = 150

    assert engagement_velocity(np.array([0.0, 2.0]), np.full(2, 60.0), prior) == pytest.approx([0.2, 0.6])
    assert engagement_velocity(np.array([0.0]), np.array([np.nan]), prior)[0] == pytest.approx(30 / 90)
    assert acceleration(np.array([0.6]), np.array([0.2]))[0] == pytest.approx(math.log(3))


@given(y=arrays(float, 9, elements=st.floats(-10, 10)))
def test_theil_sen_agrees_with_scipy(y: np.ndarray) -> None:
    x = np.arange(9.0)

    assert theil_sen(x, y[None])[0] == pytest.approx(stats.theilslopes(y, x).slope, abs=1e-12)


def test_theil_sen_leaves_out_what_is_not_known() -> None:
    y = np.array([[1.0, np.nan, 3.0, 10.0], [np.nan, np.nan, 3.0, np.nan]])

    assert_allclose(theil_sen(np.arange(4.0), y), [3.0, np.nan])


def test_an_interval_of_a_slope_covers_it_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(3)
    x = np.arange(12.0)
    intervals = [theil_sen_interval(x, 0.3 * x + rng.normal(size=12)) for _ in range(600)]

    covered = np.mean([low <= 0.3 <= high for low, high in intervals])

    assert 0.93 <= covered <= 0.99  # an interval by ranks is never too narrow, and in small samples wider


def test_what_was_sent_is_not_what_is_preferred() -> None:
    usual = {"prior": np.array([0.3, 0.1]), "strength": np.array([10.0, 10.0])}
    nobody, some, twice = (
        preference(np.array([won, 1.0]), np.array([sent, 5.0]), **usual)
        for won, sent in ((0.0, 0.0), (3.0, 10.0), (3.0, 20.0))
    )

    untouched = preference(np.zeros(2), np.zeros(2), **usual)

    assert untouched == pytest.approx([0.75, 0.25])
    assert twice[0] < some[0]
    assert nobody.sum() == pytest.approx(1.0)


def test_entropy_of_equal_kinds_is_the_log_of_their_number() -> None:
    counts = np.full(5, 3.0)

    found = entropy(np.array([counts.sum()]), np.array([(counts * np.log(counts)).sum()]))

    assert found[0] == pytest.approx(math.log(5))


@given(st.floats(0, 1), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1, 1e5))
def test_steps_make_a_depth_between_0_and_1_that_no_further_step_lowers(
    missed: float, less: float, more: float, expected: float
) -> None:
    low, high = sorted([less, more])
    depth = step_depth(np.full(3, missed), np.array([0.0, low, high]), np.full(3, expected))
    deeper = step_depth(np.full(3, missed / 2), np.array([0.0, low, high]), np.full(3, expected))

    assert depth[0] == 1 - missed
    assert (np.diff(depth) >= 0).all()
    assert (deeper >= depth).all()
    assert (depth >= 0).all()
    assert (depth <= 1 - missed / 2).all()


def test_where_the_time_a_content_takes_is_not_known_dwell_says_nothing() -> None:
    assert step_depth(np.ones(2), np.full(2, 500.0), np.array([np.nan, 0.0])).tolist() == [0.0, 0.0]


@given(more=st.floats(0, 50), less=st.floats(0, 50))
def test_familiarity_never_falls_with_engagement(more: float, less: float) -> None:
    low, high = familiarity(np.array(sorted([more, less])))

    assert 0 <= low <= high <= 1


def test_standing_is_the_share_below_with_ties_halved() -> None:
    reference = np.array([1.0, 2.0, 2.0, 3.0])

    assert standing(np.array([0.0, 2.0, 9.0, np.nan]), reference).tolist()[:3] == [0.0, 0.5, 1.0]


def test_half_past_eleven_at_night_is_near_to_half_past_midnight() -> None:
    late, early, noon = (rhythm(np.eye(24)[h] * 9, prior=np.full(24, 1 / 24)) for h in (23, 0, 12))

    assert distance(late, early) < 0.5 * distance(late, noon)
    assert late.sum() == pytest.approx(1.0)


def test_a_clock_without_events_shows_what_all_do() -> None:
    prior = np.random.default_rng(0).dirichlet(np.ones(24))

    assert_allclose(rhythm(np.zeros(24), prior=prior), prior @ circular_kernel(), rtol=1e-12)


def test_parts_of_the_day_go_round() -> None:
    assert [part_of_day(h) for h in (3, 4, 8, 17, 18)] == [
        "post_clinic", "early", "clinic", "clinic", "post_clinic",
    ]  # fmt: skip


# --- silence ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("engagements", "days"), [(48, 17), (16, 51), (5, 158)])
def test_the_alarm_rings_sooner_for_those_who_engaged_more(engagements: int, days: int) -> None:
    prior = GammaPrior(1.6, 35.0)
    gap = np.arange(1.0, 400.0)

    p = silence_p(np.full(len(gap), float(engagements)), np.full(len(gap), 240.0), gap, prior)

    assert abs(gap[p < 0.05][0] - days) <= 1  # the first whole day of silence that is one in twenty


def an_alarm(rng: np.random.Generator, *, hcps: int) -> float:
    """Fit on half a year, then see whether it rings before those who go on engage again."""
    paces = rng.gamma(1.6, 1 / 35, hcps)
    counts, days, gap = np.zeros(hcps), np.zeros(hcps), np.zeros(hcps)
    for i, pace in enumerate(paces):
        times = np.cumsum(rng.exponential(1 / pace, 400))
        inside = times[times <= 240]
        counts[i], days[i] = max(len(inside) - 1, 0), 240 - inside[0] if len(inside) else 0
    prior = gamma_prior(counts, days)
    seen = rng.integers(1, 12, hcps)  # engagements after the first, when a silence starts
    stretch = rng.gamma(seen, 1 / paces)
    gap = rng.exponential(1 / paces)  # and ends by itself
    return float((silence_p(seen.astype(float), stretch, gap, prior) < 0.05).mean())


@pytest.mark.parametrize(("hcps", "worlds"), [(300, 60), (3_000, 6)])
def test_the_alarm_is_false_one_time_in_twenty_with_its_prior_learned(hcps: int, worlds: int) -> None:
    rates = [an_alarm(np.random.default_rng([7, i]), hcps=hcps) for i in range(worlds)]

    assert 0.04 <= np.mean(rates) <= 0.06


def test_a_learned_prior_explains_the_counts_at_least_as_well_as_the_true_one() -> None:
    rng = np.random.default_rng(5)
    days = rng.uniform(50, 400, 2_000)
    events = rng.poisson(rng.gamma(1.6, 1 / 35, 2_000) * days).astype(float)

    def likelihood(prior: GammaPrior) -> float:
        chance = prior.rate / (prior.rate + days)
        return float(stats.nbinom.logpmf(events, prior.shape, chance).sum())

    learned = gamma_prior(events, days)

    assert likelihood(learned) >= likelihood(GammaPrior(1.6, 35.0))
    nearby = itertools.product((0.97, 1.0, 1.03), repeat=2)
    assert all(
        likelihood(learned) >= likelihood(GammaPrior(learned.shape * a, learned.rate * b)) - 0.01
        for a, b in nearby
    )
    mixed = rng.permutation(2_000)
    assert gamma_prior(events[mixed], days[mixed]) == learned


def test_a_prior_of_nothing_is_wide() -> None:
    assert gamma_prior(np.zeros(0), np.zeros(0)) == GammaPrior(1.0, 30.0)
    assert gamma_prior(np.zeros(3), np.full(3, 100.0)).rate == 300.0


def test_who_never_engaged_much_has_not_dropped_off() -> None:
    assert has_dropped_off(np.array([0.01, 0.01, 0.5]), np.array([0.2, 0.01, 0.2]), usual=0.1).tolist() == [
        True, False, False,
    ]  # fmt: skip


def test_pausing_over_many_channels_keeps_its_level() -> None:
    p = np.random.default_rng(1).random((40_000, 5))

    assert np.mean(simes(p) < 0.05) == pytest.approx(0.05, abs=0.004)


# --- fatigue ----------------------------------------------------------------------------------------------


def faded(sent: list[float], answered: list[float], now: float) -> float:
    pressure, won = (sum(2 ** (-(now - t) / 14) for t in times) for times in (sent, answered))
    return float(fatigue(np.array([pressure]), np.array([won]), base_rate=np.array([0.4]))[0])


def test_fatigue_needs_pressure_and_a_falling_response() -> None:
    weekly = [0.0, 3.0, 6.0, 9.0, 12.0]
    ignored = [faded(weekly[: n + 1], [], now=weekly[n]) for n in range(5)]

    assert faded([], [], now=20.0) == 0.0
    assert faded(weekly, weekly, now=12.0) == 0.0
    assert ignored == sorted(ignored)
    assert ignored[-1] > 0.3
    assert faded(weekly, [], now=53.0) < 0.1 < faded(weekly, [], now=25.0) < ignored[-1]
    assert faded(weekly, [12.0], now=12.0) < 0.5 * ignored[-1]


# --- journeys ---------------------------------------------------------------------------------------------


def test_coherence_of_the_worked_journeys() -> None:
    preferred, even = np.array([0.7, 0.1, 0.1, 0.1]), np.full(4, 0.25)
    swapped = np.array([0.1, 0.7, 0.1, 0.1])

    assert coherence([(preferred, even)]) == pytest.approx(0.61, abs=0.005)
    assert coherence([(preferred, swapped)]) == pytest.approx(0.40, abs=0.005)
    assert coherence([(preferred, preferred)]) == 1.0
    assert coherence([(np.array([1.0, 0.0]), np.array([0.0, 1.0]))]) == 0.0
    assert above_chance(np.array([1.0]), np.array([0.6]))[0] == 1.0


def test_three_hours_off_cost_less_than_twelve() -> None:
    kernel = circular_kernel()
    kept = [1 - float(distance(kernel[8], kernel[(8 + off) % 24])) ** 2 for off in (0, 3, 12)]

    assert kept[0] == 1.0
    assert kept[1] == pytest.approx(0.86, abs=0.005)
    assert kept[2] < 0.4


@given(p=SHARES, q=SHARES, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_coherence_does_not_depend_on_the_order_of_names(p: np.ndarray, q: np.ndarray, seed: int) -> None:
    mixed = np.random.default_rng(seed).permutation(6)

    assert 0 <= distance(p, q) <= 1
    assert distance(p[mixed], q[mixed]) == pytest.approx(float(distance(p, q)), abs=1e-7)


def test_the_first_action_that_fits_comes_after_ten_hours() -> None:
    assert contextual_velocity(np.array([4.0, 10.0, 30.0, 90.0]), np.array([True, True, True, False])) == 10.0
    assert math.isnan(contextual_velocity(np.array([4.0, 90.0, 90.0]), np.array([True, False, False])))


def test_the_earliest_adopter_stands_highest() -> None:
    found = adoption_standing(np.array([30.0, 5.0, 80.0, 60.0]), np.array([True, True, False, True]))

    assert found[1] > found[0] > found[3]
    assert math.isnan(found[2])
