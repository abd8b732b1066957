"""Affine calibration in log-odds, shrunk to the pooled line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nba.contracts import Floats, State

_POOLED_SD = (0.5, 0.25)
"""How far the pooled line may stand from the identity: shift in log-odds, slope."""
_GROUP_SD = (0.3, 0.1)
"""How far a group's line may stand from the pooled one."""


@dataclass(frozen=True)
class AffineCalibration:
    """calibrated = shift + slope * margin, per group, each line shrunk to the line of all.

    A slice with few positives leaves the identity nearly untouched, so calibrating never hurts.

    Attributes
    ----------
    groups : names, "channel=..."
    pooled : (2,) shift and slope of all
    lines : (n_groups, 2)
    gram, moment : (n_groups, 2, 2) and (n_groups, 2), the quadratics that new rows add to
    anchor : (n_groups, 2) where they were taken

    References
    ----------
    Platt (1999) for the line; Cox (1958) for slope and intercept as measures of calibration.
    """

    groups: tuple[str, ...]
    pooled: Floats
    lines: Floats
    gram: Floats
    moment: Floats
    anchor: Floats

    @classmethod
    def identity(cls) -> AffineCalibration:
        """The line that changes nothing."""
        line = np.array([0.0, 1.0])
        return cls((), line, np.zeros((0, 2)), np.zeros((0, 2, 2)), np.zeros((0, 2)), np.zeros((0, 2)))

    @classmethod
    def fit(cls, margin: Floats, y: Floats, group: Sequence[str]) -> AffineCalibration:
        """Learn lines on rows that the model has not been fitted on.

        Parameters
        ----------
        margin, y : (n,) log-odds and outcomes
        group : (n,) the group of each row
        """
        names = np.asarray(group, dtype=object)
        groups = tuple(sorted(set(names.tolist())))
        pooled = _newton(margin, y, np.array([0.0, 1.0]), _POOLED_SD)
        lines = [_newton(margin[names == g], y[names == g], pooled, _GROUP_SD) for g in groups]
        anchor = np.array(lines).reshape(-1, 2)
        parts = [
            _quadratic(margin[names == g], y[names == g], line) for g, line in zip(groups, anchor, strict=True)
        ]
        gram = np.array([p[0] for p in parts]).reshape(-1, 2, 2)
        moment = np.array([p[1] for p in parts]).reshape(-1, 2)
        return cls(groups, pooled, anchor, gram, moment, anchor)

    def line(self, group: str) -> tuple[float, float]:
        """(shift, slope) of a group; the pooled line where it was never met."""
        at = self.groups.index(group) if group in self.groups else -1
        shift, slope = self.lines[at] if at >= 0 else self.pooled
        return float(shift), float(slope)

    def absorb(self, margin: Floats, y: Floats, group: Sequence[str]) -> AffineCalibration:
        """Move the lines of groups that have one by one Newton step from their anchors; sums only."""
        names = np.asarray(group, dtype=object)
        gram, moment = self.gram.copy(), self.moment.copy()
        for i, g in enumerate(self.groups):
            mine = names == g
            if mine.any():
                add = _quadratic(margin[mine], y[mine], self.anchor[i])
                gram[i] += add[0]
                moment[i] += add[1]
        hold = 1.0 / np.array(_GROUP_SD) ** 2
        lines = [
            np.linalg.solve(gram[i] + np.diag(hold), moment[i] + hold * self.pooled)
            for i in range(len(self.groups))
        ]
        return AffineCalibration(
            self.groups, self.pooled, np.array(lines).reshape(-1, 2), gram, moment, self.anchor
        )

    def to_state(self) -> State:
        """Plain JSON and arrays."""
        arrays = {name: getattr(self, name) for name in ("pooled", "lines", "gram", "moment", "anchor")}
        return {"groups": list(self.groups)}, arrays

    @classmethod
    def from_state(cls, state: State) -> AffineCalibration:
        """The calibration that :meth:`to_state` described."""
        plain, a = state
        return cls(tuple(plain["groups"]), a["pooled"], a["lines"], a["gram"], a["moment"], a["anchor"])


def _quadratic(margin: Floats, y: Floats, line: Floats) -> tuple[Floats, Floats]:
    x = np.stack([np.ones_like(margin), margin], axis=1)
    eta = x @ line
    p = 1.0 / (1.0 + np.exp(-eta))
    w = np.maximum(p * (1 - p), 1e-10)
    return (x * w[:, None]).T @ x, x.T @ (w * eta + y - p)


def _newton(margin: Floats, y: Floats, center: Floats, sd: tuple[float, float]) -> Floats:
    """The penalised line; the prior keeps a small or one-sided slice at its centre."""
    hold = 1.0 / np.array(sd) ** 2
    line = center.copy()
    for _ in range(25):
        gram, moment = _quadratic(margin, y, line)
        step = np.linalg.solve(gram + np.diag(hold), moment + hold * center) - line
        line = line + step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-10:
            break
    return line
