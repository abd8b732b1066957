"""What rows say of a pair near a point, in sums."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Floats

Piece = (
    tuple[Floats, Floats]
    | tuple[Floats, Floats, Floats]
    | tuple[Floats, Floats, Floats | None, Floats | None]
)
Rows = Callable[[int], Iterable[Piece]]
"""For a pair its rows in chunks: (curves with a leading 1, (rows, D)) and outcomes (rows,); if a third stands
behind them, log-odds (rows,) that are added to z' coef; a fourth is what rows weigh (rows,); None is none."""


@dataclass(frozen=True)
class Tangent:
    """A pair's log likelihood near a point, to second order; sums over rows, so tangents add up.

    Attributes
    ----------
    gram : (D, D) sum of p (1 - p) z z'
    gradient : (D,) sum of (y - p) z
    rows, positives, expected : number of rows, sum of y, sum of p; all of them weighted, where rows weigh
    """

    gram: Floats
    gradient: Floats
    rows: float = 0.0
    positives: float = 0.0
    expected: float = 0.0

    @classmethod
    def empty(cls, d: int) -> Tangent:
        """No rows."""
        return cls(np.zeros((d, d)), np.zeros(d))

    def __add__(self, other: Tangent) -> Tangent:
        return Tangent(
            self.gram + other.gram,
            self.gradient + other.gradient,
            self.rows + other.rows,
            self.positives + other.positives,
            self.expected + other.expected,
        )

    def faded(self, share: float) -> Tangent:
        """What is left where every row weighs this share of what it weighed."""
        if share == 1.0:
            return self
        return Tangent(
            share * self.gram,
            share * self.gradient,
            share * self.rows,
            share * self.positives,
            share * self.expected,
        )

    def secant(self) -> float:
        """By how much curvature differs on the way from the expected rate to the rate found; 1 is not at all.

        A tangent taken at a rate of 2 % sends rows with a rate of 10 % beyond 50 %. The slope of the log
        likelihood falls by the difference of rates over the difference of their log-odds; that is
        the curvature a single step must use to arrive. The rate found is held by one row at the expected.
        """
        if self.rows == 0.0:
            return 1.0
        p = float(np.clip(self.expected / self.rows, 1e-12, 1 - 1e-12))
        found = float(np.clip((self.positives + p) / (self.rows + 1.0), 1e-12, 1 - 1e-12))
        shift = np.log(found / (1 - found)) - np.log(p / (1 - p))
        return 1.0 if abs(shift) < 1e-6 else float((found - p) / (shift * p * (1 - p)))


def tangents(rows: Rows, coef: Floats, *, lines: Floats, n_jobs: int) -> tuple[list[Tangent], float]:
    """Each pair's tangent at its coefficients, and the log likelihood there.

    Parameters
    ----------
    coef : (K, D)
    lines : (K, 2) shift and slope between z' coef and the log-odds; tangents are in ``coef`` all the same
    n_jobs : threads; a pair is summed by one of them, so the numbers do not depend on it
    """

    def one(k: int) -> tuple[Tangent, float]:
        total, likelihood = Tangent.empty(coef.shape[1]), 0.0
        for z, y, *more in rows(k):
            added, weight = (*more, None, None)[:2]
            margin = z @ coef[k] if added is None else z @ coef[k] + added
            add, there = _tangent(z, y, margin, lines[k], weight)
            total, likelihood = total + add, likelihood + there
        return total, likelihood

    if n_jobs == 1:
        parts = [one(k) for k in range(len(coef))]
    else:
        with ThreadPoolExecutor(n_jobs) as pool:
            parts = list(pool.map(one, range(len(coef))))
    return [tangent for tangent, _ in parts], float(sum(there for _, there in parts))


def inverse(matrix: Floats) -> Floats:
    """Inverse of a symmetric positive definite matrix, symmetric to the last bit.

    By Cholesky: half the work of a general inverse, and a fit makes thousands.
    """
    from scipy.linalg.lapack import dpotrf, dpotri  # scoring never inverts, and need not load it

    root, failed = dpotrf(matrix, lower=1)
    if failed:
        raise np.linalg.LinAlgError("The matrix is not positive definite.")
    low = np.tril(dpotri(root, lower=1)[0])
    symmetric: Floats = low + np.tril(low, -1).T
    return symmetric


def _tangent(
    z: Floats, y: Floats, margin: Floats, line: NDArray[np.float64], weight: Floats | None
) -> tuple[Tangent, float]:
    shift, slope = line
    eta = shift + slope * margin
    log_not = -np.logaddexp(0.0, eta)
    p = np.exp(eta + log_not)  # no overflow in either tail
    half = z * (slope * np.exp((eta + 2 * log_not) / 2))[:, None]
    if weight is None:
        sums = float(len(y)), float(y.sum()), float(p.sum())
        return Tangent(half.T @ half, slope * (z.T @ (y - p)), *sums), float((y * eta + log_not).sum())
    half *= np.sqrt(weight)[:, None]
    sums = float(weight.sum()), float(weight @ y), float(weight @ p)
    gradient = slope * (z.T @ (weight * (y - p)))
    return Tangent(half.T @ half, gradient, *sums), float(weight @ (y * eta + log_not))
