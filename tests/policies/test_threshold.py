"""A threshold with hysteresis does not flap."""

from __future__ import annotations

import numpy as np
import pytest

from nba.errors import ArgumentError
from nba.policies import Threshold


def flips(states):
    return int((np.diff(np.array(states, dtype=int)) != 0).sum())


def test_a_score_that_trembles_around_the_mark_switches_once():
    rng = np.random.default_rng(0)
    scores = np.concatenate([np.linspace(0, 0.3, 60), np.full(60, 0.3), np.linspace(0.3, 0, 60)])
    scores = scores + rng.uniform(-0.04, 0.04, len(scores))
    trigger, was, states = Threshold(on=0.3, off=0.2), np.zeros(1, dtype=bool), []

    for score in scores:
        was = trigger.switch(np.array([score]), was=was)
        states.append(bool(was[0]))

    assert flips(states) == 2
    assert flips(scores >= 0.3) > 10


def test_between_the_marks_nothing_changes():
    trigger = Threshold(on=0.3, off=0.2)

    found = trigger.switch(np.array([0.25, 0.25, 0.3, 0.2, 0.199]), was=np.array([0, 1, 0, 1, 1], dtype=bool))

    assert found.tolist() == [False, True, True, True, False]


def test_marks_the_wrong_way_round_and_missing_scores_are_refused():
    with pytest.raises(ArgumentError, match="Swap them"):
        Threshold(on=0.2, off=0.3)
    with pytest.raises(ArgumentError, match="1 of them missing"):
        Threshold(on=0.3, off=0.2).switch(np.array([np.nan]), was=np.array([True]))
