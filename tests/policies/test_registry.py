"""Policies survive the way through JSON."""

from __future__ import annotations

import json

import pytest

from nba.errors import ArgumentError
from nba.policies import EpsilonGreedy, Greedy, InverseGap, Uniform, from_dict

POLICIES = [
    Greedy(explore=0.1),
    EpsilonGreedy(0.2),
    Uniform(),
    InverseGap(gamma=3, optimism=0.5),
    InverseGap(),
]


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_a_policy_comes_back_from_its_description(policy):
    assert from_dict(json.loads(json.dumps(policy.describe()))) == policy


@pytest.mark.parametrize("described", [{}, {"class": "Popen"}, {"class": "Greedy", "epsilon": 0.1}])
def test_a_description_that_is_not_ours_is_refused(described):
    with pytest.raises(ArgumentError):
        from_dict(described)
