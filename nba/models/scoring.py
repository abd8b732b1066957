"""Margins and spreads of requests, in one fixed order."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from threadpoolctl import threadpool_limits

from nba.contracts import Design, Floats
from nba.models.basis import WIDEST, Basis, fill

Posterior = tuple[Floats, Floats, tuple[float, float], Floats]
"""Of a pair: mean (D,), covariance (D, D), (shift, slope), and the line's covariance (2, 2)."""
_PIECE = 4_096
"""Requests scored at once; their expanded columns have to fit beside a factor in a core's cache."""


@dataclass(frozen=True)
class Prepared:
    """What scoring needs of the pairs asked for, in their order.

    Attributes
    ----------
    coef : (K, D)
    low : (K, D, D) lower Cholesky factors of the coefficients' covariances
    line : (K, 5) shift, slope, and the variance of the shift, their covariance, the variance of the slope
    weight : (K,) of the correction
    """

    coef: Floats
    low: Floats
    line: Floats
    weight: Floats

    @classmethod
    def of(cls, weight: Floats, d: int, posterior: Callable[[int], Posterior]) -> Prepared:
        """Gather the posteriors of as many pairs as there are weights."""
        k = len(weight)
        coef, low, line = np.zeros((k, d)), np.zeros((k, d, d)), np.zeros((k, 5))
        with threadpool_limits(1):  # a factor must not depend on the machine's threads
            for i in range(k):
                mean, cov, shift_slope, line_cov = posterior(i)
                coef[i], low[i] = mean, np.linalg.cholesky(cov)
                line[i] = *shift_slope, line_cov[0, 0], line_cov[0, 1], line_cov[1, 1]
        return cls(coef, low, line, weight)


def score(
    design: Design, *, shared: Basis, own: Basis, pairs: Prepared, added: Floats, spreads: bool, n_jobs: int
) -> tuple[Floats, Floats]:
    """(margin, spread) of each request; one row and a million have the same bits, on any threads.

    ``added`` (n_requests,) is added to the base's margins before the line; spread is that of base and line,
    and empty where ``spreads`` are not asked for.
    """
    n = len(design)
    margin, spread = np.empty(n), np.empty(n if spreads else 0)
    x_shared, x_own = np.ascontiguousarray(design.shared), np.ascontiguousarray(design.own)
    row, pair = np.ascontiguousarray(design.row), np.ascontiguousarray(design.pair)

    def piece(lo: int) -> None:
        part = slice(lo, lo + _PIECE)
        by_pair = np.argsort(
            pair[part], kind="stable"
        )  # a pair's factor is read once for all of its requests
        _score(
            x_shared, x_own[part], row[part], pair[part], by_pair, (shared.curves, own.curves), WIDEST,
            (pairs.coef, pairs.low, pairs.line), added[part], margin[part], spread[part],
        )  # fmt: skip

    starts = range(0, n, _PIECE)
    if n_jobs == 1 or len(starts) < 2:
        for lo in starts:
            piece(lo)
    else:
        with ThreadPoolExecutor(n_jobs) as pool:
            list(pool.map(piece, starts))
    return margin, spread


@njit(cache=True, nogil=True)
def gather(shared, own, row, curves, widest, z):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fill z (n, D) with a leading 1, the expanded shared columns of each row, and its own curves."""
    n_shared = shared.shape[1]
    for r in range(len(row)):
        z[r, 0] = 1.0
        for c in range(n_shared):
            z[r, 1 + c] = shared[row[r], c]
        fill(own[r], curves, widest, z[r], 1 + n_shared)


@njit(cache=True, nogil=True)
def _score(shared, own, row, pair, order, curves, widest, pairs, added, margin, spread):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    shared_curves, own_curves = curves
    coef, low, line = pairs
    first_own = 1 + len(shared_curves[0])
    d = coef.shape[1]
    expanded = np.empty((len(row), d))
    for r in range(len(row)):
        expanded[r, 0] = 1.0
        if r and row[r] == row[r - 1]:
            expanded[r, 1:first_own] = expanded[r - 1, 1:first_own]
        else:
            fill(shared[row[r]], shared_curves, widest, expanded[r], 1)
        fill(own[r], own_curves, widest, expanded[r], first_own)
    root = np.empty(d)
    for r in order:
        z, k = expanded[r], pair[r]
        total = 0.0
        for c in range(d):
            total += z[c] * coef[k, c]
        total += added[r]
        slope = line[k, 1]
        margin[r] = line[k, 0] + slope * total
        if not len(spread):
            continue
        for c in range(d):
            root[c] = 0.0
        for i in range(d):
            if z[i] != 0.0:
                for c in range(i + 1):
                    root[c] += z[i] * low[k, i, c]
        square = 0.0
        for c in range(d):
            square += root[c] * root[c]
        of_line = line[k, 2] + 2.0 * total * line[k, 3] + total * total * line[k, 4]
        spread[r] = math.sqrt(slope * slope * square + max(of_line, 0.0))
