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
from nba.models.basis import WIDEST, Basis, curve, fill
from nba.models.correction import Asked

Posterior = tuple[Floats, Floats, tuple[float, float], Floats]
"""Of a pair: mean (D,), covariance (D, D), (shift, slope), and the line's covariance (2, 2)."""
# Curves are inlined below, and numba's cache looks at this file alone: when a curve changes in basis.py, a
# cache from before would go on with the old one. Whoever changes one clears __pycache__, or edits this file.
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
    asked : forests that correct some of them, and by how much
    n : (K,) training rows
    """

    coef: Floats
    low: Floats
    line: Floats
    asked: Asked
    n: Floats

    @classmethod
    def of(cls, n: Floats, d: int, posterior: Callable[[int], Posterior], *, asked: Asked) -> Prepared:
        """Gather the posteriors of as many pairs as there are numbers of rows."""
        k = len(n)
        coef, low, line = np.zeros((k, d)), np.zeros((k, d, d)), np.zeros((k, 5))
        with threadpool_limits(1):  # a factor must not depend on the machine's threads
            for i in range(k):
                mean, cov, shift_slope, line_cov = posterior(i)
                coef[i], low[i] = mean, np.linalg.cholesky(cov)
                line[i] = *shift_slope, line_cov[0, 0], line_cov[0, 1], line_cov[1, 1]
        return cls(coef, low, line, asked, n)


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
        # A pair's factor is read once for all of its requests.
        by_pair = np.argsort(pair[part], kind="stable") if spreads else row[:0]
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
    start = 1 + len(shared_curves[0])
    d = coef.shape[1]
    begins = np.searchsorted(
        own_curves[0], np.arange(own.shape[1] + 1)
    )  # curves stand in their columns' order
    # All lines are kept only for spreads, which look at them again; one alone stays in the nearest cache.
    kept = len(row) if len(spread) else 1
    expanded = np.ones((kept, d))
    for r in range(len(row)):
        z = expanded[r % kept]
        if r and kept > 1:
            z[:] = expanded[r - 1]
        if not r or row[r] != row[r - 1]:
            fill(shared[row[r]], shared_curves, widest, z, 1)
        _renew(own, r, own_curves, begins, widest, z, start)
        if not len(spread):
            margin[r] = line[pair[r], 0] + line[pair[r], 1] * (_dot(z, coef[pair[r]]) + added[r])
    if not len(spread):
        return
    root = np.empty(d)
    for r in order:
        z, k = expanded[r], pair[r]
        total = _dot(z, coef[k]) + added[r]
        slope = line[k, 1]
        margin[r] = line[k, 0] + slope * total
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


@njit(cache=True, nogil=True, inline="always")
def _renew(own, r, curves, begins, widest, z, start):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Write a request's own curves over those of the request before, where the two differ.

    An HCP's requests are about the same few channels, and most counts of a content are 0.
    """
    _, kind, scale, center, width = curves
    for j in range(own.shape[1]):
        x, before = own[r, j], own[max(r - 1, 0), j]
        if not r or not (x == before or (math.isnan(x) and math.isnan(before))):
            for c in range(begins[j], begins[j + 1]):
                z[start + c] = curve(float(x), kind[c], scale[c], center[c], width[c], widest)


@njit(cache=True, nogil=True, inline="always")
def _dot(z, w):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The sum of z * w by eight running sums, always the same ones: they do not wait for each other."""
    whole = len(z) - len(z) % 8
    a = b = c = d = e = f = g = h = 0.0
    for i in range(0, whole, 8):
        a += z[i] * w[i]
        b += z[i + 1] * w[i + 1]
        c += z[i + 2] * w[i + 2]
        d += z[i + 3] * w[i + 3]
        e += z[i + 4] * w[i + 4]
        f += z[i + 5] * w[i + 5]
        g += z[i + 6] * w[i + 6]
        h += z[i + 7] * w[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(whole, len(z)):
        total += z[i] * w[i]
    return total
