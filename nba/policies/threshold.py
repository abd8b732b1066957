"""Switching on a score without flapping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nba.contracts import Bools, Floats
from nba.errors import ArgumentError
from nba.policies.registry import Described, number_between


@dataclass(frozen=True)
class Threshold(Described):
    """Goes on at one score and off at a lower one: a score between the two changes nothing.

    Feed it with scores of one moment after the other; what it gives is an input for a lever or a row of the
    ``states`` table.

    Parameters
    ----------
    on : the score from which it is on
    off : the score under which it is off again, below ``on``

    Examples
    --------
    >>> trigger, was = Threshold(on=0.3, off=0.2), np.zeros(1, dtype=bool)
    >>> for score in (0.25, 0.31, 0.25, 0.19, 0.25):
    ...     was = trigger.switch(np.array([score]), was=was)
    ...     print(was[0], end=" ")
    False True True False False
    """

    on: float
    off: float

    def __post_init__(self) -> None:
        number_between(self.on, name="on", low=-1e300)
        number_between(self.off, name="off", low=-1e300)
        if not self.off < self.on:
            raise ArgumentError(f"Found off={self.off} and on={self.on}, expected off below on. Swap them.")

    def switch(self, values: Floats, *, was: Bools) -> Bools:
        """(n,) whether it is on now, from the scores now and whether it was on before.

        Raises
        ------
        ArgumentError
            If the two do not fit, or a score is missing.
        """
        values, was = np.asarray(values, dtype=np.float64), np.asarray(was, dtype=bool)
        if values.shape != was.shape or np.isnan(values).any():
            raise ArgumentError(
                f"Found {values.size} scores, {int(np.isnan(values).sum())} of them missing, and {was.size} "
                "states; expected one of each an HCP. Leave out who has no score."
            )
        now: Bools = (values >= self.on) | (was & (values >= self.off))
        return now
