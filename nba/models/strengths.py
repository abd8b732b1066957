"""How strongly coefficients are held to the level above."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nba.contracts import Floats, Ints
from nba.models.levels import INTERCEPT, OWN, SHARED, Levels

_CENTERS = {
    "global": (0.05, 10.0, 4.0),
    "channel": (1.0, 40.0, 20.0),
    "tag": (4.0, 0.0, 0.0),
    "pair": (4.0, 100.0, 40.0),
}
"""Centres of the hyperprior: 1 / variance of coefficients (intercept, shared, own columns) per level."""
_PSEUDO = 1.0
"""Weight of the hyperprior in coefficients: without it the strengths of hard worlds run away."""
_FASTEST = 4.0
"""A strength changes at most by this factor an update: far from the end its estimate is rough."""
_RANGE = (0.05, 1e6)
"""A typical difference is never believed to move log-odds by more than about ten, even where it separates."""


@dataclass(frozen=True)
class Tally:
    """What a level's coefficients of each column came to: inputs of an update.

    Attributes
    ----------
    copies : how many coefficients a column has at the level: pairs, channels or tags
    square : (D,) sum over copies of the squared distance to the level above
    variance : (D,) sum over copies of its posterior variance
    """

    copies: int
    square: Floats
    variance: Floats


@dataclass(frozen=True)
class Strengths:
    """1 / variance of coefficients around the level above, per level and kind of column.

    Estimated by empirical Bayes: the effective number of coefficients over their sum of squares, both
    held by a hyperprior worth one coefficient.

    Attributes
    ----------
    values : (intercept, shared, own) for "global", "channel", "tag" and "pair"

    References
    ----------
    MacKay (1992), Neural Computation 4:415-447, equation 4.7 for the update.

    Examples
    --------
    >>> Strengths.usual().values["pair"]
    (4.0, 100.0, 40.0)
    """

    values: dict[str, tuple[float, float, float]]

    @classmethod
    def usual(cls) -> Strengths:
        """Where estimation starts, and what it is held to."""
        return cls(dict(_CENTERS))

    def near(self, other: Strengths, *, factor: float = 1.15) -> bool:
        """Whether no strength differs by more than a factor."""
        return all(
            1 / factor < a / b < factor
            for level, mine in self.values.items()
            for a, b in zip(mine, other.values[level], strict=True)
            if b > 0
        )

    def diagonal(self, level: str, kinds: Ints) -> Floats:
        """(D,) the strength of each column's coefficient at a level."""
        diagonal: Floats = np.array(self.values[level])[kinds]
        return diagonal

    def shared(self, levels: Levels) -> Floats:
        """The strength of every shared coefficient around the level above it."""
        strength = np.empty(levels.size)
        strength[: levels.n_columns] = self.diagonal("global", levels.kinds)
        for at in levels.channels.values():
            strength[at : at + levels.n_columns] = self.diagonal("channel", levels.kinds)
        strength[list(levels.tags.values())] = self.values["tag"][INTERCEPT]
        return strength

    def updated(self, tallies: dict[str, Tally], kinds: Ints) -> Strengths:
        """One update of every level's strengths.

        The global intercept's prior only has to be wide; there is one, so nothing to estimate. Tags move
        intercepts alone.
        """
        values = {
            level: (
                self._update(level, INTERCEPT, tally, kinds),
                self._update(level, SHARED, tally, kinds),
                self._update(level, OWN, tally, kinds),
            )
            for level, tally in tallies.items()
        }
        values["global"] = (_CENTERS["global"][INTERCEPT], *values["global"][1:])
        values["tag"] = (values["tag"][INTERCEPT], *_CENTERS["tag"][1:])
        return Strengths(values)

    def _update(self, level: str, kind: int, tally: Tally, kinds: Ints) -> float:
        mine = kinds == kind
        center, held = _CENTERS[level][kind], self.values[level][kind]
        if center == 0.0 or tally.copies == 0 or not mine.any():
            return center
        effective = float((tally.copies - held * tally.variance[mine]).sum())
        update = (max(effective, 0.0) + _PSEUDO) / (float(tally.square[mine].sum()) + _PSEUDO / center)
        slow = (max(held / _FASTEST, _RANGE[0]), min(held * _FASTEST, _RANGE[1]))
        return float(np.clip(update, *slow))


def tallies(levels: Levels, *, distance: Floats, variance: Floats) -> dict[str, Tally]:
    """The tallies of global, channels and tags from every shared coefficient's distance and variance."""
    d = levels.n_columns
    square = distance**2
    blocks = [slice(at, at + d) for at in levels.channels.values()]
    tags = list(levels.tags.values())
    only_intercept = np.eye(d)[0]
    return {
        "global": Tally(1, square[:d], variance[:d]),
        "channel": Tally(
            len(blocks),
            sum((square[block] for block in blocks), np.zeros(d)),
            sum((variance[block] for block in blocks), np.zeros(d)),
        ),
        "tag": Tally(len(tags), only_intercept * square[tags].sum(), only_intercept * variance[tags].sum()),
    }
