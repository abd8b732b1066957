"""So many units of something, for some HCPs and actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nba.contracts import Bools, Floats, Ints
from nba.errors import ArgumentError

_LEVELS = 64


@dataclass(frozen=True)
class Limit:
    """So many units, for some HCPs and actions.

    Attributes
    ----------
    name : unique; receipts and prices call it so
    rows : indices of the HCPs in its scope, rising
    actions : (K,) True for the actions that use it
    units : how many there are; whole ones where every use costs 1
    costs : (K,) units that one decision uses; None is 1 each
    """

    name: str
    rows: Ints
    actions: Bools
    units: float
    costs: Floats | None = None

    @cached_property
    def use(self) -> Floats:
        """(K,) units that each action uses, 0 where none."""
        costs = np.ones(len(self.actions)) if self.costs is None else self.costs
        used: Floats = np.where(self.actions, costs, 0.0)
        return used

    @property
    def planned(self) -> float:
        """Units that expected use may reach so that a draw can never use more than there are."""
        if self._is_unit:
            return float(np.floor(self.units / self._most))
        return max(0.0, self.units - self._most)

    @cached_property
    def _most(self) -> float:
        return float(self.use.max(initial=0.0)) or 1.0

    @cached_property
    def _is_unit(self) -> bool:
        used = self.use[self.use > 0]
        return bool(len(used) == 0 or (used == used[0]).all())

    @cached_property
    def scaled(self) -> Floats:
        """(K,) use in the unit that ``planned`` counts in."""
        return self.use / self._most if self._is_unit else self.use


def check_limits(limits: Sequence[Limit], priorities: Floats) -> None:
    names = [limit.name for limit in limits]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ArgumentError(f"Capacities {repeated} are given more than once, expected each name once.")
    n, n_actions = priorities.shape
    for limit in limits:
        use = limit.use
        fits = len(limit.actions) == n_actions and (
            not len(limit.rows) or 0 <= limit.rows[0] <= limit.rows[-1] < n
        )
        if not fits or (np.diff(limit.rows) <= 0).any():
            raise ArgumentError(
                f"Capacity {limit.name!r} does not fit {n} HCPs and {n_actions} actions, expected rising "
                "rows and one flag an action. Build it from the same candidates."
            )
        if not (limit.units >= 0 and np.isfinite(use).all() and (use >= 0).all()) or use[0] > 0:
            raise ArgumentError(
                f"Capacity {limit.name!r} has units {limit.units!r} or costs that make no sense, expected "
                "0 or more and none for do_nothing. Correct the row."
            )
        if len(np.unique(use[use > 0])) > _LEVELS:
            raise ArgumentError(
                f"Capacity {limit.name!r} has more than {_LEVELS} different costs. Round them first."
            )
