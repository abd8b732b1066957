"""Policies survive the way through JSON."""

from __future__ import annotations

import json

import pytest

from nba.errors import ArgumentError
from nba.policies import (
    Budget,
    EpsilonGreedy,
    Forgetting,
    Greedy,
    Holdout,
    InverseGap,
    Ramp,
    Softmax,
    Split,
    Thompson,
    Uniform,
    from_dict,
)

POLICIES = [
    Greedy(explore=0.1),
    EpsilonGreedy(0.2),
    Uniform(),
    InverseGap(gamma=3, optimism=0.5),
    InverseGap(),
    Softmax(0.3),
    Thompson(scale=0.5),
    Split(Ramp(InverseGap(), first=0.1), Budget(Uniform(), give_up=2.0), share=0.3),
    Forgetting(Thompson(), memory_rows=90),
    Holdout(0.1, give="random"),
]


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_a_policy_comes_back_from_its_description(policy):
    assert from_dict(json.loads(json.dumps(policy.describe()))) == policy


@pytest.mark.parametrize("described", [{}, {"class": "Popen"}, {"class": "Greedy", "epsilon": 0.1}])
def test_a_description_that_is_not_ours_is_refused(described):
    with pytest.raises(ArgumentError):
        from_dict(described)
