"""Small counts are believed as much as people differ."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.history import beta_prior


def drawn(mean: float, strength: float, *, n: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    trials = rng.integers(1, 30, n)
    rates = rng.beta(mean * strength, (1 - mean) * strength, n)
    return rng.binomial(trials, rates).astype(float), trials.astype(float)


@pytest.mark.parametrize(("mean", "strength"), [(0.3, 4.0), (0.1, 20.0), (0.6, 60.0)])
def test_the_prior_that_made_the_rates_is_found_again(mean: float, strength: float) -> None:
    successes, trials = drawn(mean, strength)

    prior = beta_prior(successes, trials)

    assert prior.mean == pytest.approx(mean, abs=0.01)
    assert prior.strength == pytest.approx(strength, rel=0.15)


def test_hcps_who_do_not_differ_are_shrunk_hard() -> None:
    rng = np.random.default_rng(1)
    trials = np.full(5_000, 10.0)

    prior = beta_prior(rng.binomial(10, 0.2, 5_000).astype(float), trials)

    assert prior.strength > 100.0


def test_one_touch_is_never_believed_outright() -> None:
    prior = beta_prior(np.array([10.0, 0.0]), np.array([10.0, 10.0]))

    assert prior.strength == 1.0


def test_nothing_known_gives_even_odds() -> None:
    prior = beta_prior(np.zeros(3), np.zeros(3))

    assert (prior.mean, prior.strength) == (0.5, 20.0)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20)), max_size=40))
def test_any_counts_give_a_usable_prior(counts: list[tuple[int, int]]) -> None:
    successes = np.array([c[0] for c in counts], dtype=float)
    trials = np.array([c[1] for c in counts], dtype=float)

    prior = beta_prior(successes, trials)

    assert 0.0 < prior.mean < 1.0
    assert 1.0 <= prior.strength <= 200.0
