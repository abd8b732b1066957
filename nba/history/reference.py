"""Numbers of a group, to see where one of them stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nba.contracts import Floats

MOST = 1_001
"""Numbers kept of a group; of a larger one evenly spaced ones, which moves a standing by about 0.001."""


@dataclass(frozen=True)
class Reference:
    """The numbers of one group.

    Attributes
    ----------
    group : its name; "" is everybody
    values : in order, at most a thousand and one
    """

    group: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))

    @classmethod
    def of(cls, group: str, values: Floats) -> Reference:
        """The numbers of a group, in any order.

        Examples
        --------
        >>> Reference.of("cardiology", np.array([2.0, 0.0, 1.0])).values
        (0.0, 1.0, 2.0)
        """
        ordered = np.sort(np.asarray(values, dtype=np.float64))
        if len(ordered) > MOST:
            ordered = ordered[np.linspace(0, len(ordered) - 1, MOST).round().astype(np.int64)]
        return cls(group, tuple(ordered.tolist()))
