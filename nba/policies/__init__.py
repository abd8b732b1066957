"""Choosing among the eligible, with known probabilities."""

from nba.policies.inverse_gap import InverseGap
from nba.policies.pmf import choose, draw, keyed_uniforms, selection_pmf
from nba.policies.registry import from_dict
from nba.policies.simple import EpsilonGreedy, Greedy, Uniform
from nba.policies.value import changed_without, effective_actions, priority, terms_of, winners
from nba.policies.worth import TERMS, ContextWeight, Worth

__all__ = [
    "TERMS",
    "ContextWeight",
    "EpsilonGreedy",
    "Greedy",
    "InverseGap",
    "Uniform",
    "Worth",
    "changed_without",
    "choose",
    "draw",
    "effective_actions",
    "from_dict",
    "keyed_uniforms",
    "priority",
    "selection_pmf",
    "terms_of",
    "winners",
]
