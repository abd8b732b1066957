"""PairPropensity: one model a (content, channel) pair."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nba.contracts import (
    Action,
    Contributions,
    Design,
    Feature,
    Floats,
    Ints,
    State,
)
from nba.errors import ArgumentError, NBAWarning, NotFittedError, OutcomeError
from nba.models.base import CHUNK, INTERCEPT, OWN, SHARED, HierarchicalLogistic, Rows
from nba.models.basis import Basis, curve
from nba.models.calibration import AffineCalibration

STRENGTH_ROWS = 400_000
"""Rows enough to estimate a dozen strengths from; more are thinned evenly for that step alone."""


class PairPropensity:
    """How likely an HCP responds to each pair: a Bayesian logistic model a pair, held by all pairs.

    A pair with many rows speaks for itself; one with few is held to its channel, its content's tags and
    to all pairs; one with none says ``prior_only`` and is wide. How strongly is estimated from the data.

    Parameters
    ----------
    calibration_share : the latest share of training rows that the affine calibration is learned on; the
        base is then refitted on all rows with the strengths it had found. 0 leaves calibration out
    n_jobs : threads; -1 takes every core. The numbers do not depend on it

    Attributes
    ----------
    actions_ : the pairs, sorted
    n_ : (K,) training rows of each pair
    base_ : HierarchicalLogistic
    calibration_ : AffineCalibration
    dropped_ : names of features that never differed in training
    """

    def __init__(self, *, calibration_share: float = 0.2, n_jobs: int = -1) -> None:
        if not 0.0 <= calibration_share < 0.9:
            raise ArgumentError(f"calibration_share is {calibration_share}; expected a share in [0, 0.9).")
        self.calibration_share = calibration_share
        self.n_jobs = n_jobs

    def fit(
        self, design: Design, y: Floats, *, at: Ints | None = None, gap_seconds: int = 0
    ) -> PairPropensity:
        """Estimate strengths, coefficients and calibration.

        Parameters
        ----------
        design : requests, one a training row
        y : (n_requests,) 0 or 1
        at : (n_requests,) int64 seconds, for the split in time; without it the last rows calibrate
        gap_seconds : rows this close before the calibration slice are left out of the fit that is calibrated,
            because their windows reach into it
        """
        y = _check_outcomes(design, y)
        self.shared_features_, self.own_features_ = design.shared_features, design.own_features
        self.shared_basis_ = Basis.fit(design.shared_features, design.shared)
        self.own_basis_ = Basis.fit(design.own_features, design.own)
        self.dropped_ = tuple(
            features[j].name
            for features, basis in (
                (self.shared_features_, self.shared_basis_),
                (self.own_features_, self.own_basis_),
            )
            for j in basis.constant
        )
        self.actions_ = design.actions
        self.groups_ = design.groups
        self.n_ = np.bincount(design.pair, minlength=len(design.actions)).astype(float)
        self.positives_ = np.bincount(design.pair, weights=y, minlength=len(design.actions))
        moments = np.arange(len(y)) if at is None else np.asarray(at)
        early, late = self._split(moments, gap_seconds)
        first = self._fit_base(design, y, early)
        if late is None:
            self.calibration_, self.base_ = AffineCalibration.identity(), first
        else:
            margin = self._margins(design, late, first.coef)
            channel = [design.groups[k][0] for k in design.pair[late]]
            self.calibration_ = AffineCalibration.fit(margin, y[late], channel)
            self.base_ = self._fit_base(design, y, None, like=first)
        self._forget_prepared()
        return self

    def score(self, design: Design) -> tuple[Floats, Floats]:
        """(margin, spread) of each request: calibrated log-odds of the mean, and its standard deviation."""
        self._check_columns(design)
        pairs = self._prepared(design)
        shared = self.shared_basis_.expand(design.shared)
        n = len(design)
        margin, spread = np.empty(n), np.empty(n)
        if n:
            basis = self.own_basis_
            _score(
                shared, np.ascontiguousarray(design.own), design.row, design.pair, basis.source, basis.kind,
                basis.scale, basis.center, basis.width, pairs.coef, pairs.low, pairs.line, margin, spread,
            )  # fmt: skip
        return margin, spread

    def support(self, design: Design) -> tuple[Floats, NDArray[np.bool_]]:
        """(n, prior_only) of each of the design's pairs: training rows, and whether there were none."""
        place = {action: k for k, action in enumerate(self.actions_)}
        n = np.array([self.n_[place[a]] if a in place else 0.0 for a in design.actions])
        return n, n == 0

    def contributions(self, design: Design) -> Contributions:
        """Exact parts of each request's calibrated margin, against the average training row."""
        self._check_columns(design)
        pairs = self._prepared(design)
        z = np.hstack(
            [self.shared_basis_.expand(design.shared)[design.row], self.own_basis_.expand(design.own)]
        )
        coef, line = pairs.coef[design.pair], pairs.line[design.pair]
        parts = coef[:, 1:] * z * line[:, 1:]
        source = np.concatenate(
            [self.shared_basis_.source, self.own_basis_.source + self.shared_basis_.n_features]
        )
        values = np.zeros((len(design), self.shared_basis_.n_features + self.own_basis_.n_features))
        for column in range(parts.shape[1]):
            values[:, source[column]] += parts[:, column]
        base = line[:, 0] + line[:, 1] * coef[:, 0]
        return Contributions(base, values, self.score(design)[0], design.features)

    def learn(self, design: Design, y: Floats) -> PairPropensity:
        """Absorb new outcomes: posteriors and calibration move, strengths and curves stay.

        Adding up: learning a and then b gives what learning both at once gives.
        """
        y = _check_outcomes(design, y)
        self._check_columns(design)
        known = {action: k for k, action in enumerate(self.actions_)}
        new = [k for k, action in enumerate(design.actions) if action not in known]
        actions = self.actions_ + tuple(design.actions[k] for k in new)
        groups = self.groups_ + tuple(design.groups[k] for k in new)
        place = {action: k for k, action in enumerate(actions)}
        moved = np.array([place[a] for a in design.actions], dtype=np.int64)
        request = replace(design, actions=actions, groups=groups, pair=moved[design.pair])
        # Calibration is fed by the margins of the fit, which no earlier learning has moved.
        channel = [groups[k][0] for k in request.pair]
        margin = self._raw_at_anchor(request)
        self.calibration_ = self.calibration_.absorb(margin, y, channel)
        self.base_ = self.base_.absorb(self._rows(request, y, None), groups=groups)
        self.actions_, self.groups_ = actions, groups
        self.n_ = _padded(self.n_, len(actions)) + np.bincount(request.pair, minlength=len(actions))
        self.positives_ = _padded(self.positives_, len(actions)) + np.bincount(
            request.pair, weights=y, minlength=len(actions)
        )
        self._forget_prepared()
        return self

    def to_state(self) -> State:
        """Plain JSON and arrays, for a bundle."""
        self._check_fitted()
        shared_plain, shared_arrays = self.shared_basis_.to_state("shared")
        own_plain, own_arrays = self.own_basis_.to_state("own")
        base_plain, base_arrays = self.base_.to_state()
        line_plain, line_arrays = self.calibration_.to_state()
        plain: dict[str, Any] = {
            "calibration_share": self.calibration_share,
            "actions": [list(action) for action in self.actions_],
            "groups": [list(groups) for groups in self.groups_],
            "shared_features": [vars(f) for f in self.shared_features_],
            "own_features": [vars(f) for f in self.own_features_],
            "dropped": list(self.dropped_),
            "shared_basis": shared_plain,
            "own_basis": own_plain,
            "base": base_plain,
            "calibration": line_plain,
        }
        arrays = {"n": self.n_, "positives": self.positives_, **shared_arrays, **own_arrays}
        arrays |= {f"base_{name}": array for name, array in base_arrays.items()}
        arrays |= {f"calibration_{name}": array for name, array in line_arrays.items()}
        return plain, arrays

    @classmethod
    def from_state(cls, state: State) -> PairPropensity:
        """The fitted model that :meth:`to_state` described."""
        plain, arrays = state
        model = cls(calibration_share=plain["calibration_share"])
        model.actions_ = tuple(Action(*a) for a in plain["actions"])
        model.groups_ = tuple(tuple(g) for g in plain["groups"])
        model.shared_features_ = tuple(Feature(**f) for f in plain["shared_features"])
        model.own_features_ = tuple(Feature(**f) for f in plain["own_features"])
        model.dropped_ = tuple(plain["dropped"])
        model.n_, model.positives_ = arrays["n"], arrays["positives"]
        model.shared_basis_ = Basis.from_state((plain["shared_basis"], arrays), "shared")
        model.own_basis_ = Basis.from_state((plain["own_basis"], arrays), "own")
        model.base_ = HierarchicalLogistic.from_state((plain["base"], _under(arrays, "base_")))
        model.calibration_ = AffineCalibration.from_state(
            (plain["calibration"], _under(arrays, "calibration_"))
        )
        return model

    def _split(
        self, moments: NDArray[np.int64], gap_seconds: int
    ) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]:
        """Rows that the first fit sees, and the later ones that calibrate it."""
        if self.calibration_share == 0 or len(moments) < 200:
            return None, None
        cut = np.sort(moments)[int(len(moments) * (1 - self.calibration_share))]
        early = np.flatnonzero(moments < cut - gap_seconds)
        late = np.flatnonzero(moments >= cut)
        if len(early) < len(moments) // 4 or not len(late):
            warnings.warn(
                f"Calibration is left out: only {len(early)} of {len(moments)} rows end before its slice. "
                "Give a longer history or calibration_share=0 to say so yourself.",
                NBAWarning,
                stacklevel=3,
            )
            return None, None
        return early, late

    def _fit_base(
        self,
        design: Design,
        y: Floats,
        take: NDArray[np.int64] | None,
        *,
        like: HierarchicalLogistic | None = None,
    ) -> HierarchicalLogistic:
        """Fit the base on some rows; strengths come from a part of them where there are very many."""
        fit = {"kinds": self._kinds(), "groups": design.groups, "n_jobs": self._threads()}
        if like is not None:
            rows = self._rows(design, y, take)
            return HierarchicalLogistic.fit(rows, **fit, start=like.coef, strengths=like.strengths)
        n = len(design) if take is None else len(take)
        every = -(-n // STRENGTH_ROWS)
        some = np.arange(len(design))[::every] if take is None else take[::every]
        start = np.zeros((len(design.actions), len(self._kinds())))
        start[:, 0] = self._start_levels(design, y)
        rough = HierarchicalLogistic.fit(self._rows(design, y, some), **fit, start=start)
        return rough if every == 1 else self._fit_base(design, y, take, like=rough)

    def _start_levels(self, design: Design, y: Floats) -> Floats:
        """Log-odds of every pair's rate, held to the rate of all by ten rows."""
        overall = (y.sum() + 0.5) / (len(y) + 1.0)
        rates = (self.positives_ + 10 * overall) / (self.n_ + 10)
        levels: Floats = np.log(rates / (1 - rates))
        return levels

    def _kinds(self) -> NDArray[np.int64]:
        return np.array(
            [INTERCEPT] + [SHARED] * len(self.shared_basis_) + [OWN] * len(self.own_basis_), dtype=np.int64
        )

    def _threads(self) -> int:
        return (os.cpu_count() or 1) if self.n_jobs == -1 else max(1, self.n_jobs)

    def _rows(self, design: Design, y: Floats, take: NDArray[np.int64] | None) -> Rows:
        """A pair's rows in fixed chunks, expanded when they are asked for."""
        requests = np.arange(len(design)) if take is None else take
        pair = design.pair[requests]
        order = np.argsort(pair, kind="stable")
        bounds = np.searchsorted(pair[order], np.arange(len(design.actions) + 1))
        shared = self.shared_basis_.expand(design.shared)

        def rows(k: int) -> list[tuple[Floats, Floats]]:
            mine = requests[order[bounds[k] : bounds[k + 1]]]
            pieces = [mine[lo : lo + CHUNK] for lo in range(0, len(mine), CHUNK)]
            return [
                (
                    np.hstack(
                        [
                            np.ones((len(piece), 1)),
                            shared[design.row[piece]],
                            self.own_basis_.expand(design.own[piece]),
                        ]
                    ),
                    y[piece],
                )
                for piece in pieces
            ]

        return rows

    def _raw_at_anchor(self, design: Design) -> Floats:
        extended = self.base_._extend(design.groups)
        return self._margins(design, np.arange(len(design)), extended.anchor)

    def _margins(self, design: Design, take: NDArray[np.int64], coef: Floats) -> Floats:
        margin = np.empty(len(design))
        with threadpool_limits(1):
            rows = self._rows(design, np.arange(len(design), dtype=float), take)
            for k in range(len(design.actions)):
                for z, position in rows(k):
                    margin[position.astype(np.int64)] = z @ coef[k]
        return margin[take]

    def _prepared(self, design: Design) -> _Pairs:
        """Coefficients, roots of covariances and calibration lines of the design's pairs."""
        self._check_fitted()
        key = (design.actions, design.groups)
        if getattr(self, "_prepared_key", None) != key:
            self._prepared_pairs = _Pairs(self, design.actions, design.groups)
            self._prepared_key = key
        return self._prepared_pairs

    def _forget_prepared(self) -> None:
        self._prepared_key = None

    def _check_fitted(self) -> None:
        if not hasattr(self, "base_"):
            raise NotFittedError("PairPropensity is not fitted; call fit(design, y) first.")

    def _check_columns(self, design: Design) -> None:
        """Columns have to be those of the fit, by name and order: a swapped column is silently wrong."""
        self._check_fitted()
        wanted = [f.name for f in (*self.shared_features_, *self.own_features_)]
        found = [f.name for f in design.features]
        if wanted != found:
            missing = sorted(set(wanted) - set(found))[:5]
            extra = sorted(set(found) - set(wanted))[:5]
            raise ArgumentError(
                f"The design's {len(found)} columns are not the {len(wanted)} the model was fitted on "
                f"(missing: {missing}, extra: {extra}). Use the features that were fitted with the model."
            )


class _Pairs:
    """What scoring needs of the pairs asked for, in their order."""

    def __init__(
        self, model: PairPropensity, actions: Sequence[Action], groups: Sequence[tuple[str, ...]]
    ) -> None:
        place = {action: k for k, action in enumerate(model.actions_)}
        d = model.base_.n_columns
        self.coef = np.zeros((len(actions), d))
        self.low = np.zeros((len(actions), d, d))
        self.line = np.zeros((len(actions), 2))
        with threadpool_limits(1):
            for k, action in enumerate(actions):
                at = place.get(action)
                if at is not None:
                    mean, cov = model.base_.coef[at], model.base_.cov[at]
                else:
                    mean, cov = model.base_.prior_of(groups[k])
                self.coef[k] = mean
                self.low[k] = np.linalg.cholesky(cov)
                self.line[k] = model.calibration_.line(groups[k][0])


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _score(
    shared, own, row, pair, source, kind, scale, center, width, coef, low, line, margin, spread
):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Margins and spreads with one fixed order of summation: one row and a million have the same bits."""
    n_shared = shared.shape[1]
    d = 1 + n_shared + len(source)
    z = np.empty(d)
    root = np.empty(d)
    z[0] = 1.0
    last = -1
    for r in range(len(row)):
        if row[r] != last:
            last = row[r]
            for c in range(n_shared):
                z[1 + c] = shared[last, c]
        for c in range(len(source)):
            z[1 + n_shared + c] = curve(float(own[r, source[c]]), kind[c], scale[c], center[c], width[c])
        k = pair[r]
        total = 0.0
        for c in range(d):
            total += z[c] * coef[k, c]
        for c in range(d):
            root[c] = 0.0
        for i in range(d):
            if z[i] != 0.0:
                for c in range(i + 1):
                    root[c] += z[i] * low[k, i, c]
        square = 0.0
        for c in range(d):
            square += root[c] * root[c]
        margin[r] = line[k, 0] + line[k, 1] * total
        spread[r] = abs(line[k, 1]) * math.sqrt(square)


def _check_outcomes(design: Design, y: Floats) -> Floats:
    y = np.asarray(y, dtype=float)
    if y.shape != (len(design),):
        raise OutcomeError(f"Outcomes have shape {y.shape}; expected one a request: ({len(design)},).")
    odd = np.flatnonzero(~((y == 0) | (y == 1)))
    if len(odd):
        raise OutcomeError(
            f"{len(odd)} outcomes are neither 0 nor 1 (first at row {odd[0]}). "
            "Leave rows without a known outcome out; an open window is not a 0."
        )
    if not np.isfinite(np.nan_to_num(design.shared, nan=0.0)).all() or not np.isfinite(
        np.nan_to_num(design.own, nan=0.0)
    ).all():
        raise ArgumentError("Features hold infinite values; missing is NaN, and nothing else is read as missing.")
    if len(y) and y.min() == y.max():
        warnings.warn(
            f"All {len(y)} outcomes are {int(y[0])}: the model can only say how sure that makes it.",
            NBAWarning,
            stacklevel=3,
        )
    return y


def _padded(values: Floats, n: int) -> Floats:
    return np.concatenate([values, np.zeros(n - len(values))])


def _under(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
