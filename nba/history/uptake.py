"""How long a group of HCPs took to take a product up."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nba.contracts import Bools, Floats
from nba.history import measures


@dataclass(frozen=True)
class Uptake:
    """Which share of a group was still waiting so many days after a launch (Kaplan and Meier).

    Attributes
    ----------
    product : what was launched
    group : who; "" is everybody
    since : int seconds UTC; launches before it are not in the figures from their beginning
    n, adopted : HCPs, and those among them who took it up
    days, waiting : days at which somebody did, and shares still waiting after them

    Examples
    --------
    >>> days, adopted = np.array([10.0, 40.0, 90.0, 90.0]), np.array([True, True, False, False])
    >>> print(Uptake.of("alpha", "cardiology", since=0, days=days, adopted=adopted))
    alpha, cardiology: 2 of 4 took it up; a tenth within 10 days, a half within 40
    """

    product: str
    group: str
    since: int
    n: int
    adopted: int
    days: tuple[float, ...]
    waiting: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("days", "waiting"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @classmethod
    def of(cls, product: str, group: str, *, since: int, days: Floats, adopted: Bools) -> Uptake:
        """Learn from (n,) days, from the launch to taking it up or to when nobody looked any longer."""
        when, waiting = measures.survival(days, adopted)
        n, left = len(days), tuple(waiting.tolist())
        return cls(product, group, since, n, int(adopted.sum()), tuple(when.tolist()), left)

    def rank(self, days: Floats, adopted: Bools) -> Floats:
        """Where HCPs of the group stand, by their own (n,) days.

        See :func:`nba.history.measures.adoption_rank`.
        """
        when, waiting = np.array(self.days), np.array(self.waiting)
        before, after = (measures.still_waiting(when, waiting, t) for t in (np.nextafter(days, -1.0), days))
        return measures.adoption_rank(before, after, adopted)

    def within(self, share: float) -> float:
        """Days after the launch within which a share of the group had taken it up; NaN where it never did.

        Examples
        --------
        >>> Uptake("alpha", "", since=0, n=4, adopted=2, days=(10.0, 40.0), waiting=(0.75, 0.5)).within(0.5)
        40.0
        """
        most = 1 - share + 1e-12  # products of shares end in other bits than one minus a share does
        reached = (day for day, left in zip(self.days, self.waiting, strict=True) if left <= most)
        return next(reached, math.nan)

    def __str__(self) -> str:
        said = f"{self.product}, {self.group or 'everybody'}: {self.adopted} of {self.n} took it up"
        for words, share in (("; a tenth within {:.0f} days", 0.1), (", a half within {:.0f}", 0.5)):
            days = self.within(share)
            said += "" if math.isnan(days) else words.format(days)
        return said
