"""Rates of pairs and channels, each held to the one above."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Action, Design, Floats


@dataclass(frozen=True, eq=False)
class PairRates:
    """How often each pair got a response, whoever was asked: where the plain models start.

    rate = (responses + strength * rate above) / (rows + strength), for channel and pair in turn.

    Attributes
    ----------
    actions : K pairs
    n : (K,) training rows of each
    level : (K,) log-odds of its rate
    channels : log-odds of each channel's rate; "" is that of all, and stands first
    """

    actions: tuple[Action, ...]
    n: Floats
    level: Floats
    channels: dict[str, float]

    @classmethod
    def fit(cls, design: Design, y: Floats, *, strength: float) -> PairRates:
        """Count responses; ``strength`` is how many rows the rate above is worth."""
        k = len(design.actions)
        n = np.bincount(design.pair, minlength=k).astype(float)
        positives = np.bincount(design.pair, weights=y, minlength=k)
        channel = np.array([groups[0] for groups in design.groups], dtype=object)
        overall = float((y.sum() + 0.5) / (len(y) + 1.0))
        rates = {"": overall}
        for name in sorted(set(channel.tolist())):
            mine = channel == name
            rates[name] = float((positives[mine].sum() + strength * overall) / (n[mine].sum() + strength))
        above = np.array([rates[name] for name in channel])
        level = log_odds((positives + strength * above) / (n + strength))
        return cls(design.actions, n, level, {name: float(log_odds(rate)) for name, rate in rates.items()})

    def of(self, design: Design) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Level and rows of the design's pairs, and their place among those of the fit (-1: none)."""
        index = {action: k for k, action in enumerate(self.actions)}
        place = np.array([index.get(action, -1) for action in design.actions], dtype=np.int64)
        above = [self.channels.get(groups[0], self.channels[""]) for groups in design.groups]
        level = np.array([self.level[k] if k >= 0 else up for k, up in zip(place, above, strict=True)])
        n = np.array([self.n[k] if k >= 0 else 0.0 for k in place])
        return level, n, place

    def spread(self, design: Design, *, strength: float) -> Floats:
        """(K,) standard deviation of the design's pairs' levels: that of a rate with so many rows."""
        level, n, _ = self.of(design)
        with np.errstate(over="ignore"):
            p = 1.0 / (1.0 + np.exp(-level))
        spread: Floats = 1.0 / np.sqrt((n + strength) * p * (1 - p))
        return spread


def log_odds(p: Floats | float) -> Floats:
    """log(p / (1 - p)) of probabilities inside (0, 1)."""
    odds: Floats = np.log(np.asarray(p) / (1 - np.asarray(p)))
    return odds


def equal_edges(x: Floats, bins: int) -> Floats:
    """Upper ends of all but the last of equally large groups of what is known; fewer where values repeat.

    Examples
    --------
    >>> equal_edges(np.array([3.0, 1.0, 2.0, np.nan, 4.0]), 2).tolist()
    [3.0]
    """
    known = np.sort(x[~np.isnan(x)])
    if not len(known):
        return np.zeros(0)
    found = np.unique(known[(np.arange(1, bins) * len(known)) // bins])
    edges: Floats = found[found < known[-1]]
    return edges
