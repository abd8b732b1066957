"""Random worlds: the same again, and full of special cases."""

from __future__ import annotations

import numpy as np
import pytest

from nba.guardrails import standard
from nba.testing import random_world


def test_the_same_seed_gives_the_same_world():
    one, other = random_world(5), random_world(5)

    assert repr(one.context.touches) == repr(other.context.touches)
    assert (one.candidates.allowed == other.candidates.allowed).all()
    assert repr(random_world(6).context.touches) != repr(one.context.touches)


def test_every_standard_rule_finds_each_of_its_reasons_in_some_world():
    found: set[tuple[str, str]] = set()
    expected = set()
    for seed in range(60):
        world = random_world(seed, without=("consent",) if seed == 0 else ())
        for rule in standard(country_default={"FR": "never"}):
            verdict = rule.check(*world)
            expected |= {(rule.code, reason) for reason in verdict.reasons[1:]}
            found |= {(rule.code, verdict.reasons[code]) for code in np.unique(verdict.reason) if code}

    assert found == expected


@pytest.mark.parametrize("sizes", [{"hcps": 0}, {"contents": 0}, {"touches": 0}])
def test_worlds_may_be_empty(sizes):
    candidates, context = random_world(1, **sizes)

    assert candidates.allowed.shape == (len(candidates.hcps), len(candidates.actions))
    assert len(context.hcps["hcp_id"]) == len(candidates.hcps)
