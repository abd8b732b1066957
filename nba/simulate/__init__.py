"""A territory of invented HCPs whose true response is known."""

from nba.simulate.simulator import Territory, territory

__all__ = ["Territory", "territory"]
