"""A curve of uptake is that of the group, and places an HCP in it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from nba.history import Uptake


def learned(days: list[float], adopted: list[bool]) -> Uptake:
    return Uptake.of("alpha", "", since=0, days=np.array(days), adopted=np.array(adopted, dtype=bool))


@given(
    days=st.lists(st.integers(0, 200).map(float), min_size=1, max_size=60),
    end=st.integers(0, 200),
)
@settings(max_examples=60, deadline=None)
def test_hcps_who_were_all_watched_to_the_same_day_stand_at_a_half_on_average(
    days: list[float], end: int
) -> None:
    adopted = np.array(days) <= end
    watched = np.minimum(days, end)

    ranks = learned(watched.tolist(), adopted.tolist()).rank(watched, adopted)

    assert_allclose(ranks.mean(), 0.5, atol=1e-9)
    assert ((ranks >= 0) & (ranks <= 1)).all()


@given(days=st.lists(st.integers(0, 20).map(float), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_where_all_adopted_a_rank_is_the_share_that_is_later_and_half_of_the_ties(days: list[float]) -> None:
    adopted = np.ones(len(days), dtype=bool)

    ranks = learned(days, adopted.tolist()).rank(np.array(days), adopted)

    by_hand = [np.mean([(other > day) + (other == day) / 2 for other in days]) for day in days]
    assert_allclose(ranks, by_hand, atol=1e-9)


def test_the_longer_an_hcp_waits_the_lower_it_stands_and_adopting_lifts_it() -> None:
    curve = learned([10.0, 40.0, 70.0, 100.0, 100.0], [True, True, True, False, False])
    moments = np.array([0.0, 10.0, 50.0, 80.0])

    waiting = curve.rank(moments, np.zeros(4, dtype=bool))
    adopting = curve.rank(moments, np.ones(4, dtype=bool))

    assert_allclose(waiting, [0.5, 0.4, 0.3, 0.2])
    assert_allclose(adopting, [1.0, 0.9, 0.6, 0.4])


def test_it_says_within_how_many_days_a_share_took_it_up() -> None:
    curve = learned([10.0] * 9 + [30.0] * 11 + [90.0] * 80, [True] * 20 + [False] * 80)

    assert curve.within(0.05) == 10.0
    assert curve.within(0.1) == 30.0
    assert curve.within(0.2) == 30.0
    assert math.isnan(curve.within(0.5))
    assert str(curve) == "alpha, everybody: 20 of 100 took it up; a tenth within 30 days"


def test_of_nobody_nothing_is_known() -> None:
    curve = learned([], [])

    assert curve.rank(np.array([5.0]), np.array([False])) == pytest.approx(0.5)
    assert str(curve) == "alpha, everybody: 0 of 0 took it up"
