"""How prescribing goes with engagement, with its guards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nba.contracts import Bools, Floats, Ints, Strings

HALF_LIFE = 2.0
"""Periods after which an engagement counts half."""
LEAST_PERIODS = 12
PLAUSIBLE = (-0.1, 0.6)
"""Elasticities that the literature would believe: Albers et al. (2010), Kremer et al. (2008)."""
_STEPS = 200


@dataclass(frozen=True)
class Sensitivity:
    """Elasticities of prescribing with respect to engagement: an association, not an effect.

    Attributes
    ----------
    value : (n,) each HCP's, shrunk to its segment's; the segment's where ``prior_only``
    spread : (n,) standard deviation of what is left unknown
    n : (n,) periods that were compared
    prior_only : (n,) under twelve periods, or engagement that never changed
    pooled, tau : mean and standard deviation over HCPs
    placebo : what engagement of the *future* seems to do, which is nothing
    status : "confounded" where that is over half of what is found: representatives go to whom is growing
        anyway, and nothing may be shown; "not_available" where nobody has enough periods
    """

    value: Floats
    spread: Floats
    n: Ints
    prior_only: Bools
    pooled: float
    tau: float
    placebo: float
    status: Literal["ok", "confounded", "not_available"]


def prescribing_sensitivity(
    figures: Floats,
    engaged: Floats,
    *,
    regions: Sequence[str] | Strings | None = None,
    segments: Sequence[str] | Strings | None = None,
) -> Sensitivity:
    """Metric B: the slope of log(1 + prescriptions) on log(1 + adstock of engagement a period before).

    Fixed effects of HCP and period (period and region where ``regions`` is given); adstock fades by half
    every two periods; slopes are shrunk to their segment's by what they differ (empirical Bayes).

    Parameters
    ----------
    figures : (n, m) prescriptions by HCP and period, NaN where not known
    engaged : (n, m) engagements by HCP and period
    regions, segments : (n,) whose periods, and whose slopes, are alike; None is all

    References
    ----------
    Mizik and Jacobson (2004), Management Science 50:1704-1715, for fixed effects and lags;
    DerSimonian and Laird (1986) for how much slopes differ.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> engaged = rng.poisson(1.0, (400, 24)).astype(float)
    >>> lagged = np.pad(np.log1p(adstock(engaged))[:, :-1], ((0, 0), (1, 0)))
    >>> figures = np.exp(2.0 + 0.2 * lagged + rng.normal(0.0, 0.2, lagged.shape)) - 1.0
    >>> found = prescribing_sensitivity(figures, engaged)
    >>> round(found.pooled, 1), found.status
    (0.2, 'ok')
    """
    n, m = figures.shape
    region = _codes(regions, n)
    y = np.log1p(np.maximum(figures, 0.0))
    past, future = _lagged(adstock(engaged)), _lagged(adstock(engaged[:, ::-1]))[:, ::-1]
    fitted = _slopes(y, past, region)
    enough = (fitted.n >= LEAST_PERIODS) & (fitted.weight > 1e-9)
    if not enough.any():
        blank = np.full(n, np.nan)
        no = np.ones(n, dtype=np.bool_)
        return Sensitivity(blank, blank, fitted.n, no, np.nan, np.nan, np.nan, "not_available")
    variance = _noise(fitted, enough, m) / np.where(fitted.weight > 1e-9, fitted.weight, np.inf)
    slope = fitted.slope
    tau2 = _between(slope[enough], variance[enough])
    means = _segment_means(slope, variance, tau2, enough, _codes(segments, n))
    share = np.where(enough, tau2 / (tau2 + np.where(enough, variance, 1.0)), 0.0)
    pooled = float(np.average(slope[enough], weights=1.0 / (tau2 + variance[enough])))
    placebo = _slopes(y, future, region)
    led = float((placebo.weight * placebo.slope)[enough].sum() / max(placebo.weight[enough].sum(), 1e-9))
    return Sensitivity(
        value=share * np.where(enough, slope, 0.0) + (1.0 - share) * means,
        spread=np.sqrt((1.0 - share) * tau2),
        n=fitted.n,
        prior_only=~enough,
        pooled=pooled,
        tau=float(np.sqrt(tau2)),
        placebo=led,
        status="confounded" if abs(led) > 0.5 * abs(pooled) else "ok",
    )


def adstock(engaged: Floats, *, half_life: float = HALF_LIFE) -> Floats:
    """Engagement carried over: each period's and what is left of those before it.

    Examples
    --------
    >>> adstock(np.array([[1.0, 0.0, 0.0]])).round(3)
    array([[1.   , 0.707, 0.5  ]])
    """
    kept = 0.5 ** (1.0 / half_life)
    total = np.array(engaged, dtype=np.float64)
    for period in range(1, total.shape[1]):
        total[:, period] += kept * total[:, period - 1]
    return total


@dataclass(frozen=True)
class _Slopes:
    """Each HCP's own slope, how much its engagement moved, and what is left of its figures."""

    slope: Floats
    weight: Floats
    left: Floats
    n: Ints


def _lagged(stock: Floats) -> Floats:
    """The stock one period before; the first period has none."""
    return np.log1p(np.pad(stock[:, :-1], ((0, 0), (1, 0)), constant_values=np.nan))


def _slopes(y: Floats, x: Floats, region: Ints) -> _Slopes:
    known = ~np.isnan(y) & ~np.isnan(x)
    within_x, within_y = (_within(np.where(known, block, 0.0), known, region) for block in (x, y))
    weight = (within_x**2).sum(axis=1)
    slope = (within_x * within_y).sum(axis=1) / np.where(weight > 1e-9, weight, np.inf)
    left = ((within_y - slope[:, None] * within_x) ** 2).sum(axis=1)
    return _Slopes(slope, weight, left, known.sum(axis=1))


def _within(block: Floats, known: Bools, region: Ints) -> Floats:
    """What is left of a panel once the means of HCPs, and of periods within regions, are taken away."""
    found = block.copy()
    per_hcp = np.maximum(known.sum(axis=1), 1)
    regions = [np.flatnonzero(region == code) for code in range(int(region.max(initial=0)) + 1)]
    for _ in range(_STEPS):
        found -= (found.sum(axis=1) / per_hcp)[:, None] * known
        moved = 0.0
        for rows in regions:
            mean = found[rows].sum(axis=0) / np.maximum(known[rows].sum(axis=0), 1)
            found[rows] -= mean[None, :] * known[rows]
            moved = max(moved, float(np.abs(mean).max(initial=0.0)))
        if moved < 1e-10:
            break
    return found


def _noise(fitted: _Slopes, enough: Bools, m: int) -> float:
    """Variance of what neither slopes nor effects explain: an HCP costs a mean and a slope."""
    free = float((fitted.n[enough] - 2).sum() - (m - 1))
    return float(fitted.left[enough].sum()) / max(free, 1.0)


def _between(slope: Floats, variance: Floats) -> float:
    """How much true slopes differ: what they scatter beyond their own noise."""
    weight = 1.0 / variance
    mean = float(np.average(slope, weights=weight))
    scatter = float((weight * (slope - mean) ** 2).sum()) - (len(slope) - 1)
    scale = float(weight.sum() - (weight**2).sum() / weight.sum())
    return max(scatter / scale, 1e-12) if scale > 0 else 1e-12


def _segment_means(slope: Floats, variance: Floats, tau2: float, enough: Bools, segment: Ints) -> Floats:
    """(n,) the mean slope of each HCP's segment; that of all where none of it has enough periods."""
    weight = np.where(enough, 1.0 / (tau2 + np.where(enough, variance, 1.0)), 0.0)
    total = np.bincount(segment, weights=weight)
    mean = np.bincount(segment, weights=weight * np.where(enough, slope, 0.0))
    everybody = mean.sum() / total.sum()
    found: Floats = np.where(total > 0, mean / np.where(total > 0, total, 1.0), everybody)[segment]
    return found


def _codes(names: Sequence[str] | Strings | None, n: int) -> Ints:
    if names is None:
        return np.zeros(n, dtype=np.int64)
    return np.unique(np.asarray(names, dtype=str), return_inverse=True)[1].astype(np.int64)
