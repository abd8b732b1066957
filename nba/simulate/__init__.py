"""Simulated territories: tables to learn from, truth to be judged by."""

from nba.simulate.simulator import Territory, territory

__all__ = ["Territory", "territory"]
