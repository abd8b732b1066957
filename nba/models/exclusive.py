"""Forecasts of events of which at most one comes true."""

from __future__ import annotations

import numpy as np

from nba.contracts import Floats

_HALVINGS = 80


def held_to_one(margin: Floats) -> Floats:
    """Lower the log-odds of events that exclude each other until their chances add up to at most one.

    Forecast one by one, such events may add up to more than is possible. Where they do, all of a row's
    log-odds fall by the same amount, the least that does; other rows stay as they are, bit for bit. Among
    all chances that add up to at most one these are the nearest (in relative entropy) to those forecast, so
    whatever the truth is, the expected log loss of a row, summed over its events, does not grow. Their order
    and their spread in log-odds stay, and what is left to one is the chance of none.

    Parameters
    ----------
    margin : (n, K) log-odds of each event

    References
    ----------
    Csiszar (1975), Annals of Probability 3:146-158: the projection on a convex set, and its Pythagorean
    inequality.

    Examples
    --------
    >>> margin = held_to_one(np.array([[0.0, 2.0], [-3.0, -2.0]]))
    >>> (1 / (1 + np.exp(-margin))).sum(axis=1).round(3).tolist(), margin[1].tolist()
    ([1.0, 0.167], [-3.0, -2.0])
    """
    over = np.flatnonzero(_total(margin, np.zeros(len(margin))) > 1.0)
    if not len(over):
        return margin
    held = margin.copy()
    held[over] -= _least_fall(margin[over])[:, None]
    return held


def _least_fall(margin: Floats) -> Floats:
    """(n,) the least fall of a row's log-odds at which its chances add up to one, from above."""
    enough: Floats = margin.max(axis=1) + np.log(margin.shape[1])
    little = np.zeros(len(margin))
    for _ in range(_HALVINGS):
        middle = (little + enough) / 2.0
        above = _total(margin, middle) > 1.0
        little, enough = np.where(above, middle, little), np.where(above, enough, middle)
    return enough


def _total(margin: Floats, fall: Floats) -> Floats:
    """(n,) what a row's chances add up to; event by event, so that a row alone has the bits of many."""
    total = np.zeros(len(margin))
    with np.errstate(over="ignore"):
        for k in range(margin.shape[1]):
            total += 1.0 / (1.0 + np.exp(fall - margin[:, k]))
    return total
