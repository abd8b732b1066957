"""Qini: how well units are ranked by what an action changes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Bools, Floats
from nba.errors import ArgumentError, SelectionError
from nba.evaluation.intervals import Interval, clustered_mean


def qini(
    uplift: Floats,
    y: Floats,
    treated: Bools,
    *,
    treated_prob: Floats | float,
    clusters: NDArray[np.generic] | None = None,
    level: float = 0.95,
) -> Interval:
    """Area between the gains of acting on the highest uplifts first and of acting at random.

    gain(share) = responses gained, per unit, by acting on that share of all units, by inverse probability of
    the arm; the area is over shares from 0 to 1, in responses per unit. 0 is a ranking by chance. Figures in
    print differ by definition (per treated unit, over the perfect curve): compare within this one only.

    Parameters
    ----------
    uplift : (n,) what units are ranked by; ties share their places
    y : (n,) outcomes, of any unit
    treated : (n,) whether the action was taken
    treated_prob : (n,) or one number: how likely the action was, inside (0, 1)
    clusters : (n,) whose row it is; None makes each row its own

    Raises
    ------
    ArgumentError
        If shapes differ.
    SelectionError
        If a probability is not inside (0, 1): whoever is always treated says nothing of an effect.

    References
    ----------
    Radcliffe (2007), Direct Marketing Analytics Journal 1:14-21. As a mean over pairs of units it is a
    U-statistic, and the interval is that of its projection: Hoeffding (1948), Annals of Mathematical
    Statistics 19:293-325.

    Examples
    --------
    >>> y, treated = np.array([1.0, 0.0, 0.0, 0.0]), np.array([True, False, True, False])
    >>> qini(np.array([2.0, 2.0, 1.0, 1.0]), y, treated, treated_prob=0.5).mean
    0.125
    """
    uplift, y = np.asarray(uplift, dtype=float), np.asarray(y, dtype=float)
    treated = np.asarray(treated, dtype=bool)
    prob = np.broadcast_to(np.asarray(treated_prob, dtype=float), y.shape)
    if not uplift.shape == y.shape == treated.shape or y.ndim != 1:
        raise ArgumentError(
            f"Shapes differ: uplift {uplift.shape}, y {y.shape}, treated {treated.shape}; give one a unit."
        )
    if not ((prob > 0) & (prob < 1)).all():
        raise SelectionError(
            f"{int((~((prob > 0) & (prob < 1))).sum())} probabilities of treatment are not inside (0, 1); "
            "leave units out that could not have been in the other arm."
        )
    # Centred, for less noise; the two arms' weights cancel in the mean.
    gained = (y - y.mean()) * (treated / prob - ~treated / (1 - prob))
    ahead, behind = _places(uplift, gained)
    # Both roles of a unit: what it gains at its place, and whom it pushes back.
    values = gained * (0.5 - ahead) - (behind - behind.mean())
    return clustered_mean(values, np.arange(len(y)) if clusters is None else clusters, level=level)


def gains_curve(
    uplift: Floats, y: Floats, treated: Bools, *, treated_prob: Floats | float, shares: Floats
) -> Floats:
    """Responses gained, per unit, by acting on these shares of units, the highest uplift first.

    ``shares`` are in [0, 1]; ties are cut where they stand by uplift, evenly.

    Examples
    --------
    >>> y, treated = np.array([1.0, 0.0, 0.0, 0.0]), np.array([True, False, True, False])
    >>> at = np.array([0.0, 0.5, 1.0])
    >>> gains_curve(np.array([2.0, 2.0, 1.0, 1.0]), y, treated, treated_prob=0.5, shares=at).tolist()
    [0.0, 0.5, 0.5]
    """
    y, treated = np.asarray(y, dtype=float), np.asarray(treated, dtype=bool)
    gained = y * (treated / treated_prob - ~treated / (1 - np.asarray(treated_prob)))
    worth, place = np.unique(-np.asarray(uplift, dtype=float), return_inverse=True)
    sums = np.bincount(place.reshape(-1), weights=gained, minlength=len(worth))
    counts = np.bincount(place.reshape(-1), minlength=len(worth))
    at = np.append(0.0, counts.cumsum()) / len(y)
    curve: Floats = np.interp(shares, at, np.append(0.0, sums.cumsum()) / len(y))
    return curve


def _places(uplift: Floats, gained: Floats) -> tuple[Floats, Floats]:
    """The share of units ahead of each, and the gains per unit of those behind it; ties count half."""
    n = len(uplift)
    _, place, counts = np.unique(-uplift, return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    ahead = (counts.cumsum() - counts / 2) / n
    sums = np.bincount(place, weights=gained, minlength=len(counts))
    behind = (sums.sum() - sums.cumsum() + sums / 2) / n
    return ahead[place], behind[place]
