"""What choices are worth beside choosing at random."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.contracts import Pmf
from nba.errors import ArgumentError, SelectionError
from nba.evaluation import expected_lift, expected_worth, logged_lift


def made(priorities, probs, eligible):
    eligible = np.array(eligible)
    return Pmf(np.array(probs), np.where(eligible, priorities, -np.inf), eligible, 0.0)


def test_the_lift_of_known_probabilities_and_priorities_is_what_pencil_and_paper_give():
    pmf = made(
        [[0.0, 4.0, 2.0, 9.0], [0.0, 1.0, 3.0, 2.0]],
        [[0.0, 0.75, 0.25, 0.0], [0.1, 0.1, 0.7, 0.1]],
        [[True, True, True, False], [True] * 4],
    )

    lift = expected_lift(*expected_worth(pmf))

    assert lift.chosen.mean == pytest.approx((3.5 + 2.4) / 2)
    assert lift.at_random.mean == pytest.approx((2.0 + 1.5) / 2)
    assert lift.better_by.mean == pytest.approx((1.5 + 0.9) / 2)
    assert lift.times == pytest.approx(2.95 / 1.75)
    assert lift.basis == "model"
    assert "as the model expects" in str(lift)


def test_random_itself_has_no_lift_and_the_best_choice_has_most():
    rng = np.random.default_rng(0)
    eligible = np.hstack([np.ones((50, 1), dtype=bool), rng.random((50, 6)) < 0.6])
    priorities = rng.normal(size=(50, 7))
    even = eligible / eligible.sum(axis=1, keepdims=True)
    best = np.zeros((50, 7))
    best[np.arange(50), np.where(eligible, priorities, -np.inf).argmax(axis=1)] = 1.0

    found = [expected_lift(*expected_worth(made(priorities, p, eligible))) for p in (even, best)]

    assert found[0].better_by.mean == pytest.approx(0.0, abs=1e-12)
    assert found[1].better_by.low > 0
    mixed = expected_lift(*expected_worth(made(priorities, 0.3 * even + 0.7 * best, eligible)))
    assert mixed.better_by.mean == pytest.approx(0.7 * found[1].better_by.mean)


def logs_of(seed, *, n=4_000, actions=5, hcps=500):
    """A log drawn from a policy that knows a little, and the worth of random on exactly these rows."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.02, 0.5, (n, actions)) * (np.arange(actions) > 0)
    options = rng.integers(2, actions + 1, n)
    eligible = np.arange(actions) < options[:, None]
    weights = np.where(eligible, np.exp(3 * truth), 0.0)
    probs = 0.8 * weights / weights.sum(axis=1, keepdims=True) + 0.2 * eligible / options[:, None]
    drawn = (rng.random((n, 1)) > probs.cumsum(axis=1)).sum(axis=1)
    rows = np.arange(n)
    worth = 2.0 * (rng.random(n) < truth[rows, drawn]) - 0.1 * (drawn > 0)
    meant = np.where(eligible, 2.0 * truth - 0.1 * (np.arange(actions) > 0), 0.0)
    lift = ((probs * meant).sum(axis=1) - meant.sum(axis=1) / options).mean()
    return (worth, probs[rows, drawn], options.astype(float), rng.integers(hcps, size=n)), lift


def test_the_logs_interval_holds_the_true_lift_over_random_about_as_often_as_it_says():
    inside, errors = 0, []
    for seed in range(120):
        log, truth = logs_of(seed)
        lift = logged_lift(*log)
        inside += lift.better_by.low <= truth <= lift.better_by.high
        errors.append(lift.better_by.mean - truth)

    assert 107 <= inside <= 120  # of a binomial(120, .95) outside once in 1,000
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(120)


def test_a_log_of_random_choices_has_no_lift_whatever_came_of_them():
    rng = np.random.default_rng(1)
    options = rng.integers(2, 9, 3_000).astype(float)
    worth = rng.normal(size=3_000)

    lift = logged_lift(worth, 1.0 / options, options, np.arange(3_000))

    assert lift.better_by.mean == pytest.approx(0.0, abs=1e-12)
    assert lift.weighed is not None
    assert lift.weighed.ess == pytest.approx(3_000)


@given(st.floats(-5, 5), st.integers(0, 20))
def test_a_cost_of_every_decision_moves_no_lift(cost, seed):
    log, _ = logs_of(seed, n=800)

    one = logged_lift(*log).better_by.mean
    other = logged_lift(log[0] - cost, *log[1:]).better_by.mean

    assert other == pytest.approx(one, abs=1e-9)


def test_one_decision_has_a_lift_without_an_interval():
    lift = expected_lift(np.array([2.0]), np.array([1.0]))

    assert lift.better_by.mean == 1.0
    assert np.isnan(lift.better_by.low)
    assert lift.to_dict()["better_by_low"] is None
    assert "nan" not in str(lift)


def test_where_random_is_worth_nothing_there_is_no_ratio():
    lift = expected_lift(np.array([2.0, 1.0]), np.array([-1.0, 0.5]))

    assert lift.times is None
    assert "times" not in str(lift)


def test_what_cannot_be_told_is_refused():
    with pytest.raises(ArgumentError, match="expected one of each"):
        expected_lift(np.empty(0), np.empty(0))
    with pytest.raises(SelectionError, match="outside"):
        logged_lift(np.ones(3), np.array([0.5, 0.0, 0.5]), np.full(3, 2.0), np.arange(3))
    with pytest.raises(ArgumentError, match="two HCPs"):
        logged_lift(np.ones(3), np.full(3, 0.5), np.full(3, 2.0), np.zeros(3))
