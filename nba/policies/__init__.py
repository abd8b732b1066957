"""Choosing among the eligible, with known probabilities."""

from nba.policies.inverse_gap import InverseGap
from nba.policies.pmf import choose, draw, keyed_uniforms, selection_pmf
from nba.policies.registry import from_dict
from nba.policies.simple import EpsilonGreedy, Greedy, Uniform
from nba.policies.value import priority, terms_of

__all__ = [
    "EpsilonGreedy",
    "Greedy",
    "InverseGap",
    "Uniform",
    "choose",
    "draw",
    "from_dict",
    "keyed_uniforms",
    "priority",
    "selection_pmf",
    "terms_of",
]
