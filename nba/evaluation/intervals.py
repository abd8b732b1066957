"""Means with intervals that know rows of one HCP belong together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Floats
from nba.errors import ArgumentError


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
    values = np.asarray(values, dtype=float)
    if values.shape != np.shape(clusters):
        raise ArgumentError(
            f"values have shape {values.shape}, clusters {np.shape(clusters)}; expected the same."
        )
    _, codes = np.unique(np.asarray(clusters).astype(str), return_inverse=True)
    k = int(codes.max()) + 1 if len(codes) else 0
    if k < 2:
        raise ArgumentError(f"There are {k} clusters; an interval needs at least two.")
    mean = float(values.mean())
    totals = np.bincount(codes, weights=values - mean, minlength=k)
    error = math.sqrt(k / (k - 1) * float((totals**2).sum())) / len(values)
    reach = _student(level, k - 1) * error
    return Interval(mean, mean - reach, mean + reach, level, k)


def _student(level: float, df: int) -> float:
    """Student's two-sided critical value, by Cornish-Fisher from the normal one."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    return z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
