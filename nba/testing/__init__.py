"""Checks that anyone can run on rules and policies of their own."""

from nba.testing.guardrail import Checked, check_guardrail
from nba.testing.history import PointInTime, assert_point_in_time
from nba.testing.policy import CheckedPolicy, check_policy
from nba.testing.worlds import World, random_world

__all__ = [
    "Checked",
    "CheckedPolicy",
    "PointInTime",
    "World",
    "assert_point_in_time",
    "check_guardrail",
    "check_policy",
    "random_world",
]
