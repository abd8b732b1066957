"""A channel that waits for a state."""

from __future__ import annotations

import json

import pytest

from nba.errors import ArgumentError
from nba.guardrails import InState, from_dict
from nba.testing import check_guardrail, random_world


def test_it_says_what_the_table_says_row_by_row():
    for seed in range(20):
        candidates, context = random_world(seed)
        table = context.tables["states"]
        rule = InState("nurture", channel="phone")

        verdict = rule.check(candidates, context)

        for i, hcp in enumerate(candidates.hcps):
            mine = [
                int(since)
                for who, state, since, until in zip(
                    table["hcp_id"], table["state"], table["since"], table["until"], strict=True
                )
                if who == hcp and state == "nurture" and since <= candidates.at < until
            ]
            for k, action in enumerate(candidates.actions):
                removed = action.channel == "phone" and not mine
                assert bool(verdict.reason[i, k]) == removed
                if action.channel == "phone":
                    assert verdict.fact(i, k)["in_state_since"] == max(mine, default=-1)


def test_it_holds_what_every_rule_has_to_and_comes_back_from_its_description():
    check_guardrail(InState("nurture", channel="phone"), seeds=8)
    rule = InState("ready", channel="rep_visit")

    assert from_dict(json.loads(json.dumps(rule.describe()))) == rule
    with pytest.raises(ArgumentError):
        InState("")
