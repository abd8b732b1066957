"""Checks that anyone can run on rules of their own."""

from nba.testing.guardrail import Checked, check_guardrail
from nba.testing.worlds import World, random_world

__all__ = ["Checked", "World", "check_guardrail", "random_world"]
