"""The standard rules together."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nba.contracts import Scores
from nba.guardrails import check_all, from_dict, funnel, standard
from nba.policies import EpsilonGreedy, selection_pmf
from nba.testing import random_world

RULES = standard()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.code}-{rule.describe().get('days', '')}")
def test_every_standard_rule_comes_back_from_its_description(rule):
    assert from_dict(json.loads(json.dumps(rule.describe()))) == rule


def test_the_country_default_reaches_consent():
    assert standard(country_default={"US": "opt_in_not_required"})[0].country_default == {
        "US": "opt_in_not_required"
    }


def test_no_removed_action_ever_has_probability_under_the_standard_rules():
    left = 0
    for seed in range(60):
        candidates, context = random_world(seed)
        verdicts = check_all(RULES, candidates=candidates, context=context)
        result = funnel(candidates, verdicts)
        shape = candidates.allowed.shape
        scores = Scores(np.zeros(shape), np.zeros(shape), np.zeros(shape[1]), np.zeros(shape[1], dtype=bool))

        pmf = selection_pmf(
            EpsilonGreedy(1.0), priorities=np.zeros(shape), scores=scores, eligible=result.eligible
        )

        for verdict in verdicts:
            assert (pmf.probs[~verdict.eligible] == 0).all()
        assert (pmf.probs[~candidates.allowed] == 0).all()
        left += result.left
    assert left > 0


def test_tables_that_are_missing_are_told_in_the_first_lines():
    candidates, context = random_world(3, without=("consent", "labels", "reps", "states"))

    result = funnel(candidates, check_all(RULES, candidates=candidates, context=context))

    assert [note.split(":")[0] for note in result.notes][:4] == [
        "No consent table",
        "No labels table",
        "No reps table",
        "No states table",
    ]
