"""What a bundle says of a model is all that the model is made of."""

from __future__ import annotations

import json

import numpy as np
import pytest

import nba
from nba import policies
from nba.bundled import settings_of, state_of, take_up
from nba.errors import BundleError


def test_a_model_made_of_what_a_bundle_says_says_the_same(model):
    manifest, arrays = state_of(model)
    read = json.loads(json.dumps(manifest, allow_nan=False))

    again = nba.NextBestAction(**settings_of(read, arrays, policy=None, rules=None))
    take_up(again, read, arrays)

    found, held = state_of(again)
    assert found == manifest
    assert held.keys() == arrays.keys()
    assert all(np.array_equal(held[name], arrays[name]) for name in arrays)


def test_rules_and_policies_of_ones_own_stand_instead_of_the_described_ones(model):
    manifest, arrays = state_of(model)
    mine = {**manifest, "policy": {"class": "Mine"}, "guardrails": [{"class": "Mine"}]}
    greedy = policies.Greedy()

    found = settings_of(mine, arrays, policy=greedy, rules=[])

    assert found["policy"] is greedy
    assert found["guardrails"] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "nba.Intent"}, "holds 'nba.Intent'; expected 'nba.NextBestAction'"),
        ({"scorer": {"class": "Oracle"}}, "'Oracle' is not one of"),
        ({"holdout": policies.Greedy().describe()}, "holds a Greedy; expected a Holdout"),
        ({"explore_cap": policies.Greedy().describe()}, "holds a Greedy; expected a ExploreCap"),
    ],
)
def test_what_is_no_part_of_a_model_is_refused_by_name(model, change, message):
    manifest, arrays = state_of(model)

    with pytest.raises(BundleError, match=message):
        settings_of({**manifest, **change}, arrays, policy=None, rules=None)
