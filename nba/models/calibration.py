"""Affine calibration in log-odds, shrunk to the pooled line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nba.contracts import Bools, Floats, State
from nba.models.parallel import one_blas_thread
from nba.models.selection import part_of

_POOLED_SD = (0.3, 0.1)
"""How far the pooled line may stand from the identity: shift in log-odds, slope.

Of six pairs of widths tried on simulated worlds, narrow ones cost a third of wide ones where the base was
calibrated already, and gained as much where the rate of the slice had shifted by 0.5 to 0.7.
"""
_GROUP_SD = (0.15, 0.04)
"""How far a group's line may stand from the pooled one."""
_LEAST_SLOPE = 0.05
"""A line never turns the order of HCPs round."""


@dataclass(frozen=True)
class AffineCalibration:
    """calibrated = shift + slope * margin, per group, each line shrunk to the line of all.

    A slice with few positives leaves the identity nearly untouched, so calibrating hardly ever hurts.

    Attributes
    ----------
    groups : names, "channel=..."
    pooled, pooled_cov : (2,) and (2, 2) shift and slope of all, and their posterior covariance
    fitted : (n_groups, 2) the lines of the fit
    precision : (n_groups, 2, 2) of the fitted lines, given the pooled one
    lines : (n_groups, 2) the lines now; absorbing moves their shifts

    References
    ----------
    Platt (1999) for the line; Cox (1958) for slope and intercept as measures of calibration.

    Examples
    --------
    >>> AffineCalibration.identity().line("channel=email")
    (0.0, 1.0)
    """

    groups: tuple[str, ...]
    pooled: Floats
    pooled_cov: Floats
    fitted: Floats
    precision: Floats
    lines: Floats

    @classmethod
    def identity(cls) -> AffineCalibration:
        """The line that changes nothing, and never moves."""
        none = np.zeros((0, 2))
        return cls((), np.array([0.0, 1.0]), np.zeros((2, 2)), none, np.zeros((0, 2, 2)), none)

    @classmethod
    def fit(
        cls, margin: Floats, y: Floats, group: Sequence[str], *, weight: Floats | None = None
    ) -> AffineCalibration:
        """Learn lines on rows that the model has not been fitted on.

        Parameters
        ----------
        margin, y : (n,) log-odds and outcomes
        group : (n,) the group of each row
        weight : (n,) what each row counts; None is 1
        """
        names = np.asarray(group, dtype=object)
        groups = tuple(sorted(set(names.tolist())))
        identity = np.array([0.0, 1.0])
        pooled, pooled_precision = _line(margin, y, center=identity, sd=_POOLED_SD, weight=weight)

        def of_group(mine: Bools) -> tuple[Floats, Floats]:
            own = part_of(weight, mine)
            return _line(margin[mine], y[mine], center=pooled, sd=_GROUP_SD, weight=own)

        found = [of_group(names == g) for g in groups]
        lines = np.array([line for line, _ in found]).reshape(-1, 2)
        precision = np.array([p for _, p in found]).reshape(-1, 2, 2)
        return cls(groups, pooled, np.linalg.inv(pooled_precision), lines, precision, lines)

    def line(self, group: str) -> tuple[float, float]:
        """(shift, slope) of a group; the pooled line where it was never met."""
        shift, slope = self.lines[self.groups.index(group)] if group in self.groups else self.pooled
        return float(shift), float(slope)

    def fitted_line(self, group: str) -> tuple[float, float]:
        """(shift, slope) of a group at the fit, before anything was absorbed."""
        return replace(self, lines=self.fitted).line(group)

    def covariance(self, group: str) -> Floats:
        """(2, 2) how well a group's shift and slope are known; zeros where nothing was calibrated."""
        if not self.pooled_cov.any():
            return np.zeros((2, 2))
        if group not in self.groups:
            apart: Floats = self.pooled_cov + np.diag(np.square(_GROUP_SD))
            return apart
        own: Floats = np.linalg.inv(self.precision[self.groups.index(group)])
        pull = own / np.square(_GROUP_SD)
        cov: Floats = own + pull @ self.pooled_cov @ pull.T
        return cov

    def absorb(self, surplus: Floats, group: Sequence[str], *, kept: float = 1.0) -> AffineCalibration:
        """Move shifts by what new rows say of them; slopes stay, and so do groups without a line.

        Always from the lines of the fit: ``surplus`` is that of everything absorbed so far.

        Parameters
        ----------
        surplus : (n, 2) gradient and curvature of the log likelihood in a shift
        group : (n,) the group of each
        kept : share of what they weighed that the rows of the fit weigh by now
        """
        names = np.asarray(group, dtype=object)
        lines = self.fitted.copy()
        for i, g in enumerate(self.groups):
            gradient, curvature = surplus[names == g].sum(axis=0)
            prior = 1.0 / _GROUP_SD[0] ** 2
            known = (
                self.precision[i, 0, 0] if kept == 1.0 else prior + kept * (self.precision[i, 0, 0] - prior)
            )
            lines[i, 0] += gradient / (known + curvature)
        return replace(self, lines=lines)

    def to_state(self) -> State:
        """Plain JSON and arrays."""
        names = ("pooled", "pooled_cov", "fitted", "precision", "lines")
        return {"groups": list(self.groups)}, {name: getattr(self, name) for name in names}

    @classmethod
    def from_state(cls, state: State) -> AffineCalibration:
        """The calibration that :meth:`to_state` described."""
        plain, a = state
        return cls(
            tuple(plain["groups"]), a["pooled"], a["pooled_cov"], a["fitted"], a["precision"], a["lines"]
        )


def penalised_logit(
    x: Floats,
    y: Floats,
    *,
    center: Floats,
    sd: Floats,
    offset: Floats | None = None,
    weight: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Coefficients of a logistic regression held to a centre by a Gaussian prior, and their precision.

    Parameters
    ----------
    x, y : (n, d) and (n,) outcomes of 0 and 1; n may be 0
    center, sd : (d,) the prior
    offset : (n,) log-odds to add
    weight : (n,) what each row counts; None is 1
    """
    hold = 1.0 / np.square(sd)
    start = np.zeros(len(y)) if offset is None else offset
    found = np.array(center, dtype=float)
    with one_blas_thread():
        for _ in range(50):
            eta = start + x @ found
            log_not = -np.logaddexp(0.0, eta)
            p = np.exp(eta + log_not)
            curvature, left = p * np.exp(log_not), y - p
            if weight is not None:
                curvature, left = weight * curvature, weight * left
            precision = (x * curvature[:, None]).T @ x + np.diag(hold)
            step = np.linalg.solve(precision, x.T @ left + hold * (center - found))
            found = found + step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-12))
            if float(np.abs(step).max()) < 1e-10:
                break
    return found, precision


def _line(
    margin: Floats, y: Floats, *, center: Floats, sd: tuple[float, float], weight: Floats | None
) -> tuple[Floats, Floats]:
    """The penalised line and its precision; the prior keeps a small or one-sided slice at its centre."""
    x = np.stack([np.ones_like(margin), margin], axis=1)
    line, precision = penalised_logit(x, y, center=center, sd=np.array(sd), weight=weight)
    return np.array([line[0], max(line[1], _LEAST_SLOPE)]), precision
