"""The public check passes what is sound, and finds each fault."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from nba.errors import CheckError
from nba.policies import Forgetting, Greedy, InverseGap, Ramp, Softmax, Split, Thompson, Uniform
from nba.testing import check_policy


@pytest.mark.parametrize(
    "policy",
    [InverseGap(), InverseGap(optimism=0.5), Thompson(), Softmax(0.4), Greedy(), Ramp(Thompson()),
     Forgetting(InverseGap(), memory_rows=60), Split(Greedy(), Uniform())],
    ids=repr,
)  # fmt: skip
def test_what_ships_passes(policy):
    assert check_policy(policy, tables=4, draws=3_000).decisions == 3_000


def test_an_experiment_passes_when_it_says_that_it_does_not_look():
    with pytest.raises(CheckError, match="never change"):
        check_policy(Uniform(), tables=3, draws=1_000)
    assert check_policy(Uniform(), tables=3, draws=1_000, responds=False).least > 0


@dataclass
class Faulty:
    fault: str
    explore: float = 0.0
    asked: int = 0

    def weights(self, priorities, scores, eligible):
        self.asked += 1
        if self.fault == "writes":
            priorities[:] = 0
        weights = np.where(eligible, 1.0, 0.0)
        if self.fault == "mask":
            weights[:] = 1.0
        if self.fault == "position":
            weights[:, -1] *= 3
        if self.fault == "batch":
            weights = weights * (1 + np.where(eligible, scores.spread, 0).mean(axis=0) * eligible)
        if self.fault == "state":
            weights[:, 0] += self.asked
        return weights / (2 if self.fault == "sum" else weights.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("writes", "changed what it was given"),
        ("mask", "refused.*ineligible"),
        ("sum", "refused.*sum to one"),
        ("position", "renumbered"),
        ("batch", "alone"),
        ("state", "two things"),
    ],
)
def test_each_fault_is_found_by_name(fault, message):
    with pytest.raises(CheckError, match=message):
        check_policy(Faulty(fault), tables=6, draws=500, responds=False)


def test_what_is_no_policy_is_refused():
    with pytest.raises(CheckError, match="no policy"):
        check_policy("greedy")
