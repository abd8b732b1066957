"""Simulated territories, and the truth behind them."""

from nba.simulate.simulator import Territory, territory

__all__ = ["Territory", "territory"]
