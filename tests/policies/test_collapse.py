"""The alarm when choosing collapses."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from nba.contracts import Action, Pmf
from nba.errors import NBAWarning
from nba.policies import concentration

ACTIONS = [Action("do_nothing", ""), Action("email", "A"), Action("visit", "A"), Action("email", "B")]


def pmf_of(row, n=50):
    probs = np.tile(np.array(row, dtype=float), (n, 1))
    return Pmf(probs=probs, priorities=probs, eligible=np.ones(probs.shape, dtype=bool), explore=0.0)


def test_entropy_is_that_of_the_definition():
    row = [0.1, 0.2, 0.3, 0.4]

    found = concentration(pmf_of(row), ACTIONS)

    assert found.entropy == pytest.approx(-sum(p * np.log(p) for p in row) / np.log(4))
    assert found.largest == 0.4
    assert found.top == (ACTIONS[3], pytest.approx(0.4 / 0.9))


def test_content_that_expects_less_than_one_decision_is_untouched():
    assert concentration(pmf_of([0.5, 0.01, 0.005, 0.485]), ACTIONS).untouched == ("A",)
    assert concentration(pmf_of([0.5, 0.01, 0.01, 0.48], n=60), ACTIONS).untouched == ()


def test_a_collapse_is_warned_of_and_a_spread_is_not():
    with pytest.warns(NBAWarning, match="collapsed.*entropy.*email / A gets 100%"):
        assert concentration(pmf_of([0, 1, 0, 0]), ACTIONS).warn()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not concentration(pmf_of([0.4, 0.2, 0.2, 0.2]), ACTIONS).warn()


def test_who_has_no_choice_is_no_sign_of_collapse():
    pmf = Pmf(np.array([[1.0, 0, 0, 0]]), np.zeros((1, 4)), np.array([[True, False, False, False]]), 0.0)

    found = concentration(pmf, ACTIONS)

    assert (found.entropy, found.top, found.untouched) == (1.0, None, ())
