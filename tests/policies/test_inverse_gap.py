"""Inverse gap weighting against its formula, written out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.contracts import Scores
from nba.errors import ArgumentError
from nba.policies import InverseGap

PRIORITIES = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=8)


def by_hand(priorities, eligible, gamma, *, unit=0.0):
    options = [k for k, allowed in enumerate(eligible) if allowed]
    best = max(options, key=lambda k: (priorities[k], -k))
    scale = unit or max(abs(priorities[k]) for k in options) or 1.0
    weights = [0.0] * len(priorities)
    for k in options:
        if k != best:
            weights[k] = 1 / (len(options) + gamma * (priorities[best] - priorities[k]) / scale)
    weights[best] = 1 - math.fsum(weights)
    return weights


@settings(max_examples=120, deadline=None)
@given(
    priorities=PRIORITIES, data=st.data(), n=st.integers(0, 10_000), gamma=st.sampled_from([None, 0.0, 9.5])
)
def test_weights_are_those_of_the_formula(scores_of, priorities, data, n, gamma):
    k = len(priorities)
    eligible = [True, *data.draw(st.lists(st.booleans(), min_size=k - 1, max_size=k - 1))]
    scores = scores_of((1, k), n=float(n))

    found = InverseGap(gamma=gamma).weights(np.array([priorities]), scores, np.array([eligible]))

    rows = n * sum(eligible[1:])
    schedule = min(max(1, 5 / sum(eligible)) * rows, 30 * math.sqrt(rows)) if gamma is None else gamma
    np.testing.assert_allclose(found[0], by_hand(priorities, eligible, schedule), atol=1e-12)


@settings(max_examples=120, deadline=None)
@given(
    data=st.data(), k=st.integers(2, 7), seed=st.integers(0, 99), told=st.booleans(),
    optimism=st.sampled_from([0.0, 0.4, 1.0, 3.0]),
)  # fmt: skip
def test_gaps_are_counted_in_what_one_outcome_strays_by(data, k, seed, told, optimism):
    rng = np.random.default_rng(seed)
    margin = np.append(-np.inf, rng.normal(-2, 1, k - 1))
    slope = np.append(0.0, rng.uniform(0.1, 9, k - 1))
    rows = np.append(0.0, rng.integers(0, 900, k - 1))
    responses = np.floor(rows * rng.random(k))
    eligible = np.array([True, *data.draw(st.lists(st.booleans(), min_size=k - 1, max_size=k - 1))])
    cost = rng.uniform(-0.5, 0.5, k) * (told | (slope == 0))  # do_nothing has a worth of its own
    priorities = slope / (1 + np.exp(-margin)) - cost
    scores = Scores(
        margin[None], np.zeros((1, k)), rows, rows == 0, slope=slope[None] if told else None,
        responses=responses,
    )  # fmt: skip

    found = InverseGap(gamma=40.0, optimism=optimism).weights(priorities[None], scores, eligible[None])

    share = (responses[eligible].sum() + 0.5) / (rows[eligible].sum() + 1)
    unit = max(slope[eligible]) * math.sqrt(share)  # without a slope, priorities over propensities tell it
    hopeful = slope / (1 + np.exp(-margin - optimism / np.sqrt(responses + 1))) - cost
    np.testing.assert_allclose(
        found[0], by_hand(hopeful.tolist(), eligible.tolist(), 40.0, unit=unit), atol=1e-9
    )


def test_where_nobody_is_good_more_is_tried(scores_of):
    everything, rows = np.ones((1, 3), dtype=bool), np.array([0.0, 500.0, 500.0])
    slope = np.array([[0.0, 1.0, 1.0]])

    def tried(*propensities):
        priorities = np.array([[0.0, *propensities]])
        with np.errstate(divide="ignore"):
            margin = np.log(priorities) - np.log1p(-priorities)
        scores = Scores(margin, np.zeros((1, 3)), rows, rows == 0, slope, rows / 5)
        return 1 - InverseGap().weights(priorities, scores, everything).max()

    assert tried(0.02, 0.01) > 2 * tried(0.4, 0.2)


@given(priorities=PRIORITIES, factor=st.sampled_from([2.0**-20, 0.25, 1024.0]))
def test_the_unit_of_the_priorities_makes_no_difference(scores_of, priorities, factor):
    table, everything = np.array([priorities]), np.ones((1, len(priorities)), dtype=bool)
    scores = scores_of(table.shape, n=10.0)

    one = InverseGap().weights(table, scores, everything)
    other = InverseGap().weights(table * factor, scores, everything)

    np.testing.assert_allclose(one, other, rtol=1e-9)


@given(priorities=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=8, unique=True))
def test_a_higher_priority_is_never_less_likely(scores_of, priorities):
    table, everything = np.array([priorities]), np.ones((1, len(priorities)), dtype=bool)

    weights = InverseGap(gamma=3.0).weights(table, scores_of(table.shape), everything)[0]

    assert (np.diff(weights[np.argsort(table[0], kind="stable")]) >= -1e-12).all()


def test_without_data_nothing_is_preferred_and_with_data_the_best_is(scores_of):
    table, everything = np.array([[0.0, 0.04, 0.05]]), np.ones((1, 3), dtype=bool)

    none, some, much = (
        InverseGap().weights(table, scores_of((1, 3), n=n), everything)[0] for n in (0.0, 1.0, 10_000.0)
    )

    np.testing.assert_allclose(none, 1 / 3)
    assert none[2] < some[2] < much[2]
    assert much[2] > 0.99


def test_all_zero_priorities_are_alike(scores_of):
    weights = InverseGap(gamma=50.0).weights(
        np.zeros((1, 4)), scores_of((1, 4)), np.array([[True, True, False, True]])
    )

    np.testing.assert_allclose(weights, [[1 / 3, 1 / 3, 0, 1 / 3]])


def test_optimism_lifts_whom_few_responses_tell_of():
    everything, margin = np.ones((1, 4), dtype=bool), np.array([[-np.inf, -2.0, -2.0, -2.0]])
    rows, responses = np.array([0.0, 0.0, 40.0, 900.0]), np.array([0.0, 0.0, 5.0, 100.0])
    scores = Scores(margin, np.zeros((1, 4)), rows, rows == 0, responses=responses)

    nothing, new, few, many = InverseGap(gamma=10.0).weights(scores.propensity, scores, everything)[0]

    assert nothing < many < few < new
    plain = InverseGap(gamma=10.0, optimism=0.0).weights(scores.propensity, scores, everything)[0]
    np.testing.assert_allclose(plain[2:], plain[3])


def test_of_whom_no_response_is_told_nobody_is_lifted(scores_of):
    priorities, everything = np.array([[0.0, 0.1, 0.2]]), np.ones((1, 3), dtype=bool)
    scores = replace(scores_of((1, 3)), n=np.array([0.0, 1.0, 900.0]))

    one, other = (InverseGap(optimism=c).weights(priorities, scores, everything) for c in (0.0, 3.0))

    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    "settings_", [{"explore": 1.2}, {"explore": None}, {"gamma": -1}, {"gamma": math.inf}, {"optimism": -0.1}]
)
def test_a_setting_out_of_range_is_refused(settings_):
    with pytest.raises(ArgumentError, match=next(iter(settings_))):
        InverseGap(**settings_)


def test_scores_that_the_schedule_cannot_use_are_refused(scores_of):
    table, everything = np.zeros((1, 2)), np.ones((1, 2), dtype=bool)
    nan = np.full((1, 2), np.nan)

    with pytest.raises(ArgumentError, match="training row counts"):
        InverseGap().weights(table, scores_of((1, 2), n=np.nan), everything)
    known = scores_of((1, 2), n=3.0)
    with pytest.raises(ArgumentError, match="responses"):
        InverseGap(gamma=1.0).weights(table, replace(known, responses=np.array([0.0, -1.0])), everything)
    with pytest.raises(ArgumentError, match="slopes"):
        InverseGap().weights(table, replace(known, responses=np.ones(2), slope=nan), everything)


def test_what_is_ineligible_never_divides_by_zero():
    priorities = np.array([[-1.0, -np.inf, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0]])
    eligible = np.isfinite(priorities)
    scores = Scores(np.zeros((1, 8)), np.zeros((1, 8)), np.zeros(8), np.ones(8, dtype=bool))

    weights = InverseGap(explore=0.0, gamma=7.0).weights(priorities, scores, eligible)

    assert weights[0].tolist() == [pytest.approx(1 / 7), 0.0, *[pytest.approx(1 / 7)] * 6]
