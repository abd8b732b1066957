"""Turns exact log-odds into percentage points that add up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nba.contracts import Contributions, Floats, Reason, probability
from nba.errors import ArgumentError
from nba.explain.reasons import OTHER_FACTORS, Audience, Visibility, check_audience, group_of

METHOD = "Aumann-Shapley"
"""How points come from log-odds: one stated method, everywhere."""


@dataclass(frozen=True)
class Grouped:
    """Contributions of many rows, summed by reason.

    Attributes
    ----------
    names, visibility : (n_groups,) each; hidden groups are one nameless group for reps
    values : (m, n_groups) log-odds; with ``base`` they add up to ``margin``
    base, margin : (m,) log-odds
    """

    names: tuple[str, ...]
    visibility: tuple[Visibility, ...]
    values: Floats
    base: Floats
    margin: Floats

    @property
    def points(self) -> Floats:
        """(m, n_groups) shares of one (0.031 is 3.1 percentage points); see :func:`points_of`."""
        return points_of(self.values, self.base)


@dataclass(frozen=True)
class Points:
    """One decision's propensity as a base and what each reason adds, in percentage points.

    Attributes
    ----------
    base : propensity in percent where every feature stands at its reference
    score : the propensity in percent
    parts : (reason group, percentage points), the largest first; ``base`` and they add up to ``score``
    method : how they were worked out
    """

    base: float
    score: float
    parts: tuple[tuple[str, float], ...]
    method: str = METHOD

    def rounded(self, decimals: int = 1) -> Points:
        """The same in print: every number rounded, and still adding up.

        Largest remainders: each part goes to one of its two neighbours, so that none changes its sign.

        Examples
        --------
        >>> shown = Points(10.0, 11.0, (("a", 0.34), ("b", 0.33), ("c", 0.33))).rounded(1)
        >>> shown.parts, shown.score
        ((('a', 0.4), ('b', 0.3), ('c', 0.3)), 11.0)
        """
        scale = 10.0**decimals
        base, score = (math.floor(number * scale + 0.5) for number in (self.base, self.score))
        whole = largest_remainders([value * scale for _, value in self.parts], total=score - base)
        parts = tuple((name, units / scale) for (name, _), units in zip(self.parts, whole, strict=True))
        return Points(base / scale, score / scale, parts, self.method)


def points_of(values: Floats, base: Floats) -> Floats:
    """Percentage points of parts of log-odds, by Aumann and Shapley's method.

    A part's points are the integral of its slope along the straight way from the base to the margin: its
    log-odds times (sigmoid(margin) - sigmoid(base)) / (margin - base). They add up to the score less the
    base's propensity; they have the sign and the order of the log-odds; and the points of parts put
    together are the sum of their points, so that hiding some parts in one moves no other. Shapley values of
    the same game (2 ** n_parts evaluations) lack the last.

    Parameters
    ----------
    values : (m, n_parts) log-odds
    base : (m,) log-odds

    Returns
    -------
    (m, n_parts) shares of one

    References
    ----------
    Aumann and Shapley (1974), Values of Non-Atomic Games; Sundararajan et al. (2017), equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> parts = points_of(np.array([[1.0, -0.5]]), np.array([-2.0]))
    >>> bool(abs(parts.sum() - (1 / (1 + np.exp(1.5)) - 1 / (1 + np.exp(2.0)))) < 1e-12)
    True
    """
    margin = base + values.sum(axis=1)
    points: Floats = values * mean_slope(base, margin)[:, None]
    return points


def mean_slope(start: Floats, end: Floats) -> Floats:
    """Average slope of the sigmoid between two log-odds; its slope where they are the same.

    Examples
    --------
    >>> import numpy as np
    >>> mean_slope(np.array([0.0]), np.array([0.0])).tolist()
    [0.25]
    """
    half = (end - start) / 2.0
    near = np.abs(half) < 1.0
    small, wide = np.where(near & (half != 0.0), half, 1.0), np.where(near, 1.0, half)
    with np.errstate(over="ignore"):
        # close together, the difference of two sigmoids would lose digits
        ratio = np.where(half == 0.0, 1.0, np.sinh(small) / small)
        close = ratio / (4.0 * np.cosh(start / 2.0) * np.cosh(end / 2.0))
        apart = (probability(end) - probability(start)) / (2.0 * wide)
    slope: Floats = np.where(near, close, apart)
    return slope


def grouped(contributions: Contributions, *, audience: Audience = "rep") -> Grouped:
    """Sum contributions by reason, all rows at once; what is not for reps is one nameless group for them.

    Examples
    --------
    >>> import numpy as np
    >>> from nba.contracts import Feature
    >>> named = (Feature("a", "a", group="email"), Feature("b", "b", group="email"))
    >>> parts = Contributions(np.array([-2.0]), np.array([[0.5, 0.25]]), np.array([-1.25]), named)
    >>> grouped(parts).names, grouped(parts).values.tolist()
    (('email',), [[0.75]])
    """
    check_audience(audience)
    keys = [group_of(feature, audience) for feature in contributions.features]
    order = sorted(set(keys), key=lambda key: (key[0] == OTHER_FACTORS, key))
    place = {key: column for column, key in enumerate(order)}
    values = np.zeros((len(contributions.base), len(order)))
    for column, key in enumerate(keys):  # one by one: the same order of summation for one row and many
        values[:, place[key]] += contributions.values[:, column]
    return Grouped(
        tuple(name for name, _ in order),
        tuple(seen for _, seen in order),
        values,
        np.asarray(contributions.base, dtype=float),
        np.asarray(contributions.margin, dtype=float),
    )


def explained_points(reasons: Sequence[Reason], *, propensity: float) -> Points | None:
    """The points of one decision, from its receipt alone: what its reasons add to the base.

    Groups that are named alike are one part. None where the propensity is 0 or 1: its log-odds are not known.

    Examples
    --------
    >>> found = explained_points([Reason("email", 0.75, 1, "", "rep")], propensity=0.2227001)
    >>> round(found.base, 4), [(name, round(part, 4)) for name, part in found.parts]
    (11.9203, [('email', 10.3497)])
    """
    if not 0.0 < propensity < 1.0:
        return None
    totals: dict[str, list[float]] = {}
    for reason in reasons:
        totals.setdefault(reason.group, []).append(reason.log_odds)
    sums = {name: math.fsum(parts) for name, parts in totals.items()}
    margin = math.log(propensity) - math.log1p(-propensity)
    base = np.array([margin - math.fsum(sums.values())])
    shares = points_of(np.array([list(sums.values())]).reshape(1, -1), base)[0] * 100.0
    parts = sorted(zip(sums, shares.tolist(), strict=True), key=lambda part: (-abs(part[1]), part[0]))
    return Points(float(probability(base)[0]) * 100.0, propensity * 100.0, tuple(parts))


def largest_remainders(values: Sequence[float], *, total: int) -> list[int]:
    """Whole numbers next to the values that add up to a total; those with the largest remainders go up.

    Raises
    ------
    ArgumentError
        No neighbours of the values add up to the total.

    Examples
    --------
    >>> largest_remainders([3.4, 3.3, -1.2], total=5)
    [3, 3, -1]
    >>> largest_remainders([3.4, 3.3, -1.2], total=6)
    [4, 3, -1]
    """
    down = [math.floor(value) for value in values]
    missing = total - sum(down)
    can = [place for place, value in enumerate(values) if value != down[place]]
    if not 0 <= missing <= len(can):
        # the parts and the total were rounded apart by last bits: only a mistake is further off
        if abs(math.fsum(values) - total) > 1.0 + 1e-6:
            raise ArgumentError(
                f"Parts that add up to {math.fsum(values):.6g} cannot be rounded to {total}; "
                "give the parts of this total."
            )
        missing = min(max(missing, 0), len(can))
    for place in sorted(can, key=lambda place: (down[place] - values[place], place))[:missing]:
        down[place] += 1
    return down


__all__ = [
    "METHOD",
    "Grouped",
    "Points",
    "explained_points",
    "grouped",
    "largest_remainders",
    "mean_slope",
    "points_of",
]
