"""Choosing among the eligible, with known probabilities."""

from nba.policies.arms import Arm, ExploreCap, Holdout, Split, is_held, tried_of
from nba.policies.capacity import Allotted, allot, probs_at
from nba.policies.collapse import Concentration, Spread, concentration, tries
from nba.policies.inverse_gap import InverseGap
from nba.policies.limit import Limit
from nba.policies.pmf import choose, draw, keyed_uniforms, selection_pmf
from nba.policies.registry import from_dict, reads_spread
from nba.policies.scarce import Taken, limits_of
from nba.policies.settle import Settled, settle
from nba.policies.simple import EpsilonGreedy, Greedy, Softmax, Uniform
from nba.policies.thompson import Thompson
from nba.policies.threshold import Threshold
from nba.policies.value import (
    changed_without,
    chosen_of,
    effective_actions,
    priority,
    terms_of,
    winners,
)
from nba.policies.within import Budget, Forgetting, Ramp
from nba.policies.worth import COSTS, TERMS, ContextWeight, Worth

__all__ = [
    "Allotted",
    "Arm",
    "Budget",
    "COSTS",
    "Concentration",
    "ContextWeight",
    "EpsilonGreedy",
    "ExploreCap",
    "Forgetting",
    "Greedy",
    "Holdout",
    "InverseGap",
    "Limit",
    "Ramp",
    "Settled",
    "Softmax",
    "Split",
    "Spread",
    "TERMS",
    "Taken",
    "Thompson",
    "Threshold",
    "Uniform",
    "Worth",
    "allot",
    "changed_without",
    "choose",
    "chosen_of",
    "concentration",
    "draw",
    "effective_actions",
    "from_dict",
    "is_held",
    "keyed_uniforms",
    "limits_of",
    "priority",
    "reads_spread",
    "probs_at",
    "selection_pmf",
    "settle",
    "terms_of",
    "tried_of",
    "tries",
    "winners",
]
