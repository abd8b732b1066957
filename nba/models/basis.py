"""An additive basis: each feature becomes a few known curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nba.contracts import Feature, Floats, Ints, State
from nba.kept import kept
from nba.models.selection import part_of

LINEAR, LOG, POSITIVE, MISSING, FADE, HINGE = range(6)
"""x; log(1 + |x| / scale) with the sign of x; x > 0; x is missing; exp(-x / scale); what x is above scale."""

_CURVES: dict[str, tuple[int, ...]] = {
    "count": (LOG, POSITIVE),
    "days": (LOG, FADE, MISSING),
    "share": (LINEAR, LOG, MISSING),
    "flag": (LINEAR, MISSING),
}
_OTHER_UNITS = (LOG, LINEAR, MISSING)
KNOTS = (0.25, 0.5, 0.75)
"""Shares of training rows below the points where a number of unknown unit may change its slope."""
LEAST_WIDTH = 0.25
"""A curve's width at the least, in its own unit (shares of 1, logs of counts)."""
WIDEST = 20.0
"""No value stands further from a curve's centre than this many widths: one odd cell must not decide."""
HUGE = 1e12
"""Values beyond are read as this: no count, share or number of days is larger."""
_SCALES = {LOG: {"count": 1.0, "days": 30.0, "share": 0.05}, FADE: {"days": 21.0}}
_PIECE = 65_536

Curves: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats, Floats]
"""source, kind, scale, center and width, as compiled loops take them."""


@dataclass(frozen=True)
class Basis:
    """Curves over features, each centred and scaled, so that a coefficient is per typical difference.

    Additive: every curve reads one feature, so contributions of features stay exact. A curve that never
    differed in training is left out.

    Attributes
    ----------
    source : (n_curves,) which feature each curve reads
    kind, scale : (n_curves,) which curve
    center, width : (n_curves,) its mean and spread in training, where it was defined
    n_features : features the basis reads

    Examples
    --------
    >>> visits = Feature("visits", "visits", unit="count")
    >>> basis = Basis.fit([visits], np.array([[0.0], [3.0]]))
    >>> basis.expand(np.array([[0.0], [3.0], [np.nan]]))
    array([[-1., -1.], [ 1.,  1.], [ 0.,  0.]])
    """

    source: NDArray[np.int64]
    kind: NDArray[np.int64]
    scale: Floats
    center: Floats
    width: Floats
    n_features: int

    @classmethod
    def fit(
        cls,
        features: Sequence[Feature],
        x: Floats,
        *,
        order: Ints | None = None,
        weight: Floats | None = None,
    ) -> Basis:
        """Choose curves by unit, and learn their bends, centres and widths from (n, n_features) values.

        Parameters
        ----------
        order : that in which rows are summed, for the last bits not to depend on the table's
        weight : (n,) what each row counts, 2 being the row twice; None is 1
        """
        every = [
            (j, kind, scale)
            for j, feature in enumerate(features)
            for kind, scale in _shapes(feature.unit, x[:, j], order, weight)
        ]
        plain = cls(
            np.array([j for j, _, _ in every], dtype=np.int64),
            np.array([kind for _, kind, _ in every], dtype=np.int64),
            np.array([scale for _, _, scale in every], dtype=float),
            np.zeros(len(every)),
            np.ones(len(every)),
            len(features),
        )
        count, center = plain._mean(x, order, weight, power=1)
        # Twice over the rows: sum of squares less square of the mean would find differences in a constant.
        spread = np.sqrt(replace(plain, center=center)._mean(x, order, weight, power=2)[1])
        live = (count > 1) & (spread > 1e-7 * np.maximum(np.abs(center), 1.0))
        # A rare flag must not look like a difference of thirty spreads: the width has a floor.
        width = np.maximum(spread, LEAST_WIDTH)
        return cls(
            plain.source[live], plain.kind[live], plain.scale[live], center[live], width[live], len(features)
        )

    @property
    def constant(self) -> tuple[int, ...]:
        """Features that never differed in training, and so say nothing."""
        live = set(self.source.tolist())
        return tuple(j for j in range(self.n_features) if j not in live)

    @property
    def curves(self) -> Curves:
        """The curves as compiled loops take them."""
        return self.source, self.kind, self.scale, self.center, self.width

    def __len__(self) -> int:
        return len(self.source)

    def expand(self, x: Floats) -> Floats:
        """(n, n_curves) centred and scaled curves; 0 where the feature is missing."""
        return self._expanded(x, WIDEST)

    def to_state(self, prefix: str) -> State:
        """Plain JSON and arrays; names of arrays begin with the prefix."""
        names = ("source", "kind", "scale", "center", "width")
        arrays = {f"{prefix}_{name}": getattr(self, name) for name in names}
        return {f"{prefix}_n_features": self.n_features}, arrays

    @classmethod
    def from_state(cls, state: State, prefix: str) -> Basis:
        """The basis that :meth:`to_state` described."""
        plain, arrays = state
        source, kind, scale, center, width = (
            arrays[f"{prefix}_{name}"] for name in ("source", "kind", "scale", "center", "width")
        )
        return cls(source, kind, scale, center, width, int(plain[f"{prefix}_n_features"]))

    def _expanded(self, x: Floats, widest: float) -> Floats:
        out = np.empty((len(x), len(self)))
        if out.size:
            _expand(np.ascontiguousarray(x), self.curves, widest, out)
        return out

    def _mean(
        self, x: Floats, order: Ints | None, weight: Floats | None, *, power: int
    ) -> tuple[Floats, Floats]:
        """How often each curve is defined, and the mean of its power there; summed in fixed pieces."""
        count, total, weights = np.zeros(len(self)), np.zeros(len(self)), np.zeros(len(self))
        for lo in range(0, len(x), _PIECE):
            rows = slice(lo, lo + _PIECE)
            piece = x[rows] if order is None else x[order[rows]]
            defined = ~np.isnan(piece)[:, self.source] | (self.kind == MISSING)[None, :]
            values = np.where(defined, self._expanded(piece, math.inf), 0.0) ** power
            count += defined.sum(axis=0)
            if weight is not None:
                counts = (weight[rows] if order is None else weight[order[rows]])[:, None]
                weights += (counts * defined).sum(axis=0)
                values *= counts
            total += values.sum(axis=0)
        if weight is None:
            return count, total / np.maximum(count, 1.0)
        return count, total / np.maximum(weights, 1e-300)


def _shapes(unit: str, x: Floats, order: Ints | None, weight: Floats | None) -> list[tuple[int, float]]:
    """(kind, scale) of the curves that a feature of this unit gets."""
    shapes = [(kind, _SCALES.get(kind, {}).get(unit, 1.0)) for kind in _CURVES.get(unit, _OTHER_UNITS)]
    return shapes if unit in _CURVES else [*shapes, *((HINGE, knot) for knot in _knots(x, order, weight))]


def _knots(x: Floats, order: Ints | None, weight: Floats | None) -> list[float]:
    """Where a feature's slope may change: quantiles of what is known, those inside its range."""
    rows = np.arange(len(x)) if order is None else order
    rows = rows[~np.isnan(x[rows])]
    if not len(rows):
        return []
    known = np.clip(x[rows].astype(float), -HUGE, HUGE)
    counts = part_of(weight, rows)
    found = np.unique(np.quantile(known, KNOTS, method="inverted_cdf", weights=counts))
    return [float(knot) for knot in found if known.min() < knot < known.max()]


@kept
def features_read(shared: Ints, own: Ints, n_shared: int) -> tuple[Ints, Ints]:
    """Where each feature's curves begin in shared and own bases side by side, and which feature it is."""
    source = np.concatenate([shared, own + n_shared])
    first = np.flatnonzero(np.diff(source, prepend=-1))
    return first, source[first]


@njit(cache=True, nogil=True, inline="always")
def curve(x, kind, scale, center, width, widest):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """One centred and scaled curve of one value."""
    if kind == MISSING:
        value = 1.0 if math.isnan(x) else 0.0
    elif math.isnan(x):
        return 0.0
    else:
        x = min(max(x, -HUGE), HUGE)
        if kind == LINEAR:
            value = x
        elif kind == LOG:
            # Half the time of log1p, which knows better only what is below 1e-16 of a count or a share.
            value = math.copysign(math.log(1.0 + abs(x) / scale), x)
        elif kind == POSITIVE:
            value = 1.0 if x > 0 else 0.0
        elif kind == FADE:
            value = math.exp(-max(x, 0.0) / scale)
        else:
            value = max(x - scale, 0.0)
    return min(max((value - center) / width, -widest), widest)


@njit(cache=True, nogil=True, inline="always")
def fill(x, curves, widest, out, start):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Write the curves of one row of features into ``out`` from ``start`` on."""
    source, kind, scale, center, width = curves
    for c in range(len(source)):
        out[start + c] = curve(float(x[source[c]]), kind[c], scale[c], center[c], width[c], widest)


@njit(cache=True, nogil=True)
def _expand(x, curves, widest, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(x.shape[0]):
        fill(x[i], curves, widest, out[i], 0)
