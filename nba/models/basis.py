"""An additive basis: each feature becomes a few known curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nba.contracts import Feature, Floats, State

LINEAR, LOG, POSITIVE, MISSING, FADE = range(5)
"""x; log(1 + |x| / scale); x > 0; x is missing; exp(-x / scale)."""

_CURVES: dict[str, tuple[int, ...]] = {
    "count": (LOG, POSITIVE),
    "days": (LOG, FADE, MISSING),
    "share": (LINEAR, LOG, MISSING),
    "flag": (LINEAR, MISSING),
}
LEAST_WIDTH = 0.25
"""A curve's width at the least, in its own unit (shares of 1, logs of counts)."""
_SCALES = {LOG: {"count": 1.0, "days": 30.0, "share": 0.05}, FADE: {"days": 21.0}}


@dataclass(frozen=True)
class Basis:
    """Curves over features, each centred and scaled, so that a coefficient is per typical difference.

    Additive: every curve reads one feature, so contributions of features stay exact.

    Attributes
    ----------
    source : (n_curves,) which feature each curve reads
    kind, scale : which curve
    center, width : (n_curves,) its mean and spread in training; width is inf for a constant curve
    """

    source: NDArray[np.int64]
    kind: NDArray[np.int64]
    scale: Floats
    center: Floats
    width: Floats
    n_features: int

    @classmethod
    def fit(cls, features: Sequence[Feature], x: Floats) -> Basis:
        """Choose curves by unit, and learn their centres and widths from (n, n_features) values."""
        source, kind, scale = [], [], []
        for j, feature in enumerate(features):
            for curve in _CURVES.get(feature.unit, (LOG, LINEAR, MISSING)):
                source.append(j)
                kind.append(curve)
                scale.append(_SCALES.get(curve, {}).get(feature.unit, 1.0))
        plain = cls(
            np.array(source, dtype=np.int64),
            np.array(kind, dtype=np.int64),
            np.array(scale, dtype=float),
            np.zeros(len(source)),
            np.ones(len(source)),
            len(features),
        )
        count, total, square = plain._moments(x)
        met = np.maximum(count, 1.0)
        center = total / met
        spread = np.sqrt(np.maximum(square / met - center**2, 0.0))
        # A rare flag must not look like a difference of thirty spreads: the width has a floor.
        width = np.where((spread < 1e-7) | (count < 2), np.inf, np.maximum(spread, LEAST_WIDTH))
        return cls(plain.source, plain.kind, plain.scale, center, width, len(features))

    @property
    def constant(self) -> tuple[int, ...]:
        """Features that never differed in training, and so say nothing."""
        live = set(self.source[np.isfinite(self.width)].tolist())
        return tuple(j for j in range(self.n_features) if j not in live)

    def __len__(self) -> int:
        return len(self.source)

    def expand(self, x: Floats) -> Floats:
        """(n, n_curves) centred and scaled curves; 0 where the feature is missing."""
        out = np.empty((len(x), len(self)))
        if len(x) and len(self):
            _expand(np.ascontiguousarray(x), self.source, self.kind, self.scale, self.center, self.width, out)
        return out

    def to_state(self, prefix: str) -> State:
        arrays = {
            f"{prefix}_{name}": getattr(self, name) for name in ("source", "kind", "scale", "center", "width")
        }
        # An infinite width travels as 0: bundles hold finite numbers only.
        arrays[f"{prefix}_width"] = np.where(np.isfinite(self.width), self.width, 0.0)
        return {f"{prefix}_n_features": self.n_features}, arrays

    @classmethod
    def from_state(cls, state: State, prefix: str) -> Basis:
        plain, arrays = state
        width = arrays[f"{prefix}_width"]
        return cls(
            arrays[f"{prefix}_source"],
            arrays[f"{prefix}_kind"],
            arrays[f"{prefix}_scale"],
            arrays[f"{prefix}_center"],
            np.where(width > 0, width, np.inf),
            int(plain[f"{prefix}_n_features"]),
        )

    def _moments(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Count, sum and sum of squares of every curve where it is defined, in fixed chunks."""
        count, total, square = (np.zeros(len(self)) for _ in range(3))
        for lo in range(0, len(x), 65_536):
            piece = x[lo : lo + 65_536]
            curves = self.expand(piece)
            defined = ~np.isnan(piece)[:, self.source] | (self.kind == MISSING)[None, :]
            curves = np.where(defined, curves, 0.0)
            count += defined.sum(axis=0)
            total += curves.sum(axis=0)
            square += (curves**2).sum(axis=0)
        return count, total, square


@njit(cache=True, nogil=True, inline="always")  # type: ignore[untyped-decorator]
def curve(x, kind, scale, center, width):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """One centred and scaled curve of one value."""
    if kind == 3:
        value = 1.0 if math.isnan(x) else 0.0
    elif math.isnan(x):
        return 0.0
    elif kind == 0:
        value = x
    elif kind == 1:
        value = math.log1p(abs(x) / scale)
        if x < 0:
            value = -value
    elif kind == 2:
        value = 1.0 if x > 0 else 0.0
    else:
        value = math.exp(-max(x, 0.0) / scale)
    return (value - center) / width


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _expand(x, source, kind, scale, center, width, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(x.shape[0]):
        for c in range(len(source)):
            out[i, c] = curve(float(x[i, source[c]]), kind[c], scale[c], center[c], width[c])
