"""Figures with intervals that know rows of one HCP belong together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Floats
from nba.errors import ArgumentError
from nba.evaluation.metrics import auc


@dataclass(frozen=True)
class Interval:
    """A mean and how well it is known.

    Attributes
    ----------
    mean, low, high : the estimate and its interval
    level : nominal coverage
    clusters : independent units behind it
    """

    mean: float
    low: float
    high: float
    level: float
    clusters: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.mean:.4g} [{self.low:.4g}, {self.high:.4g}]"


def clustered_mean(values: Floats, clusters: NDArray[Any], *, level: float = 0.95) -> Interval:
    """The mean of rows, with an interval over clusters (HCPs), not rows.

    Parameters
    ----------
    values : (n,) one number a row
    clusters : (n,) whose row it is
    level : in (0, 1)

    Raises
    ------
    ArgumentError
        If shapes differ, or there are fewer than two clusters.

    References
    ----------
    Cochran (1977), Sampling Techniques, section 9A: the linearised variance of a ratio of cluster totals;
    the critical value is Student's with clusters - 1 degrees of freedom (Cornish-Fisher expansion).

    Examples
    --------
    >>> clustered_mean(np.array([1.0, 1.0, 0.0, 0.0]), np.array(["a", "a", "b", "b"])).mean
    0.5
    """
    mean, error, k = _mean_and_error(np.asarray(values, dtype=float), clusters)
    if k < 2:
        raise ArgumentError(f"There are {k} clusters; an interval needs at least two.")
    reach = _student(level, k - 1) * error
    return Interval(mean, mean - reach, mean + reach, level, k)


def clustered_rate(y: Floats, clusters: NDArray[Any], *, level: float = 0.95) -> Interval:
    """The share of ones, with an interval inside [0, 1] that is never empty, even at no ones at all.

    Wilson's interval at the number of independent rows that has the rate's clustered standard error, at
    most the rows there are; where all rows are alike, as many as there are clusters.

    Parameters
    ----------
    y : (n,) 0 or 1
    clusters : (n,) whose row it is; one cluster alone says nothing, and gets [0, 1]

    Raises
    ------
    ArgumentError
        If shapes differ, or there are no rows.

    References
    ----------
    Wilson (1927), JASA 22:209-212; Korn and Graubard (1998), Survey Methodology 24:193-201, for the
    effective number of rows.

    Examples
    --------
    >>> found = clustered_rate(np.zeros(20), np.arange(20))
    >>> found.low, round(found.high, 2)
    (0.0, 0.18)
    """
    rate, error, k = _mean_and_error(np.asarray(y, dtype=float), clusters)
    if k < 2:
        return Interval(rate, 0.0, 1.0, level, k)
    rows = min(len(y), rate * (1 - rate) / error**2) if error > 0 else k
    low, high = _wilson(rate, rows, _student(level, k - 1))
    return Interval(rate, low, high, level, k)


def clustered_auc(margin: Floats, y: Floats, clusters: NDArray[Any], *, level: float = 0.95) -> Interval:
    """The chance that a positive is ranked above a negative, with an interval over clusters.

    The interval is symmetric in the log-odds of the AUC; a perfect ranking gets Wilson's bound at the rarer
    outcome's rows.

    Parameters
    ----------
    margin : (n,) anything that ranks: log-odds or probabilities
    y : (n,) 0 or 1
    clusters : (n,) whose row it is

    Raises
    ------
    ArgumentError
        If there is only one outcome, shapes differ, or there are fewer than two clusters.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44:837-845; clusters after Obuchowski (1997),
    Biometrics 53:567-578; log-odds scale after Pepe (2003), section 5.2.

    Examples
    --------
    >>> y = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    >>> found = clustered_auc(np.array([0.1, 0.4, 0.35, 0.8, 0.3, 0.2]), y, np.arange(6))
    >>> round(found.mean, 3), found.low < found.mean < found.high
    (0.889, True)
    """
    area = auc(margin, y)
    beaten = _placements(margin, y)
    share = float(np.mean(y))
    parts = np.where(y == 1, (beaten - area) / share, (beaten - area) / (1 - share))
    whole = clustered_mean(area + parts, clusters, level=level)
    if not 0 < area < 1:
        rows = min(y.sum(), len(y) - y.sum())
        low, high = _wilson(area, float(rows), _student(level, whole.clusters - 1))
        return Interval(area, low, high, level, whole.clusters)
    middle, reach = math.log(area / (1 - area)), (whole.high - whole.mean) / (area * (1 - area))
    return Interval(area, _sigmoid(middle - reach), _sigmoid(middle + reach), level, whole.clusters)


def clustered_gains(
    p: Floats, y: Floats, clusters: NDArray[Any], *, shares: Sequence[float], level: float = 0.95
) -> tuple[Interval, ...]:
    """The share of all positives among the likeliest rows, with an interval at each share of rows.

    Rows of equal probability are taken in equal parts, so that their order does not matter.

    Parameters
    ----------
    p : (n,) anything that ranks
    y : (n,) 0 or 1
    clusters : (n,) whose row it is
    shares : of all rows, likeliest first, each in [0, 1]

    Raises
    ------
    ArgumentError
        If there is no positive, shapes differ, or there are fewer than two clusters.

    Notes
    -----
    The variance is linearised: a row moves the positives found, their total, and the threshold itself, the
    last by the response rate near the threshold (of the tenth of rows around it).

    References
    ----------
    Bahadur (1966), Annals of Mathematical Statistics 37:577-580, for the moving threshold.

    Examples
    --------
    >>> p, y = np.array([0.9, 0.6, 0.4, 0.1]), np.array([1.0, 1.0, 0.0, 0.0])
    >>> clustered_gains(p, y, np.arange(4), shares=[0.5])[0].mean
    1.0
    """
    y = np.asarray(y, dtype=float)
    if not y.sum():
        raise ArgumentError(f"There is no positive in {len(y)} rows; gains need at least one.")
    _, place, counts = np.unique(-np.asarray(p, dtype=float), return_inverse=True, return_counts=True)
    rows = np.concatenate([[0], np.cumsum(counts)]) / len(y)
    found = np.concatenate([[0], np.cumsum(np.bincount(place, weights=y))]) / y.sum()
    intervals = []
    for share in shares:
        gain, (low, high) = np.interp(share, rows, found), np.clip([share - 0.05, share + 0.05], 0, 1)
        near = np.diff(np.interp([low, high], rows, found))[0] * y.mean() / (high - low)
        taken = np.clip((share - rows[:-1]) / np.diff(rows), 0, 1)[place]
        parts = (y * (taken - gain) - near * (taken - share)) / y.mean()
        whole = clustered_mean(gain + parts, clusters, level=level)
        low, high = max(0.0, whole.low), min(1.0, whole.high)
        intervals.append(Interval(float(gain), low, high, level, whole.clusters))
    return tuple(intervals)


def _mean_and_error(values: Floats, clusters: NDArray[Any]) -> tuple[float, float, int]:
    """Mean, its standard error over clusters, and how many there are; one cluster has no error."""
    if values.shape != np.shape(clusters):
        raise ArgumentError(
            f"values have shape {values.shape}, clusters {np.shape(clusters)}; expected the same."
        )
    if not len(values):
        raise ArgumentError("There are 0 clusters; an interval needs at least two.")
    _, codes = np.unique(np.asarray(clusters).astype(str), return_inverse=True)
    k = int(codes.max()) + 1
    mean = float(values.mean())
    totals = np.bincount(codes, weights=values - mean, minlength=k)
    error = math.sqrt(k / max(k - 1, 1) * float((totals**2).sum())) / len(values)
    return mean, error, k


def _placements(margin: Floats, y: Floats) -> Floats:
    """For a positive the share of negatives below it, for a negative the share of positives above it."""
    positives, negatives = np.sort(margin[y == 1]), np.sort(margin[y != 1])
    below = np.searchsorted(negatives, margin, "left") + np.searchsorted(negatives, margin, "right")
    above = np.searchsorted(positives, margin, "left") + np.searchsorted(positives, margin, "right")
    placements: Floats = np.where(y == 1, below / (2 * len(negatives)), 1 - above / (2 * len(positives)))
    return placements


def _wilson(rate: float, rows: float, critical: float) -> tuple[float, float]:
    squared = critical**2
    middle = (rate + squared / (2 * rows)) / (1 + squared / rows)
    reach = critical * math.sqrt(rate * (1 - rate) / rows + squared / (4 * rows**2)) / (1 + squared / rows)
    # At no ones (or all ones) the bound is exactly 0 (or 1); only rounding says otherwise.
    return (0.0 if rate == 0 else max(0.0, middle - reach)), (1.0 if rate == 1 else min(1.0, middle + reach))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _student(level: float, df: int) -> float:
    """Student's two-sided critical value, by Cornish-Fisher from the normal one."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    return z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
