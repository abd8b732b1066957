"""The static segment baseline: the thing to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nba.contracts import Contributions, Design, Floats, Ints
from nba.errors import ArgumentError, NotFittedError


class SegmentBaseline:
    """Response rate per (segment, pair), shrunk to the pair's and to the channel's rate.

    What most companies do today: HCPs are grouped by static attributes, and every group has its rates.

    Parameters
    ----------
    by : attributes of the HCP that make a segment; those that the design does not hold are left out
    strength : touches' worth of belief in the level above

    Attributes
    ----------
    rates_ : dict from (segment, pair) to its shrunk rate
    """

    def __init__(self, *, by: Sequence[str] = ("specialty", "tier"), strength: float = 50.0) -> None:
        if strength <= 0:
            raise ArgumentError(f"strength is {strength}; expected touches' worth of belief, above 0.")
        self.by = tuple(by)
        self.strength = strength

    def fit(
        self, design: Design, y: Floats, *, at: Ints | None = None, gap_seconds: int = 0
    ) -> SegmentBaseline:
        """Count responses per segment and pair."""
        y = np.asarray(y, dtype=float)
        overall = (y.sum() + 0.5) / (len(y) + 1.0)
        segment = self._segments(design)[design.row]
        channel = np.array([g[0] for g in design.groups], dtype=object)[design.pair]
        pair = np.array([str(a) for a in design.actions], dtype=object)[design.pair]
        self.overall_ = float(overall)
        self.channels_ = self._shrunk(channel, y, dict.fromkeys(set(channel), overall))
        above = dict(zip(pair, [self.channels_[c] for c in channel], strict=True))
        self.pairs_ = self._shrunk(pair, y, above)
        both = np.array([f"{s}\x1f{p}" for s, p in zip(segment, pair, strict=True)], dtype=object)
        self.rates_ = self._shrunk(both, y, dict(zip(both, [self.pairs_[p] for p in pair], strict=True)))
        return self

    def score(self, design: Design) -> tuple[Floats, Floats]:
        """(margin, spread) of each request; the spread is that of a rate with ``strength`` touches."""
        if not hasattr(self, "rates_"):
            raise NotFittedError("SegmentBaseline is not fitted; call fit(design, y) first.")
        segment = self._segments(design)
        names = [str(a) for a in design.actions]
        above = [
            self.pairs_.get(name, self.channels_.get(groups[0], self.overall_))
            for name, groups in zip(names, design.groups, strict=True)
        ]
        rates = np.fromiter(
            (
                self.rates_.get(f"{segment[r]}\x1f{names[k]}", above[k])
                for r, k in zip(design.row, design.pair, strict=True)
            ),
            dtype=float,
            count=len(design),
        )
        return np.log(rates / (1 - rates)), 1.0 / np.sqrt(self.strength * rates * (1 - rates))

    def contributions(self, design: Design) -> Contributions:
        """A segment's rate has no parts: everything is in the base."""
        margin = self.score(design)[0]
        return Contributions(margin, np.zeros((len(design), len(design.features))), margin, design.features)

    def _segments(self, design: Design) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
        """(n_rows,) the segment of each row, read from the flags of the static attributes."""
        wanted = [
            j
            for j, f in enumerate(design.shared_features)
            if any(f.name.startswith(f"attribute({column}=") for column in self.by)
        ]
        flags = np.nan_to_num(np.asarray(design.shared[:, wanted], dtype=float)) > 0
        met, codes = np.unique(flags, axis=0, return_inverse=True) if wanted else (np.zeros((1, 0)), None)
        names = np.array(["".join("1" if flag else "0" for flag in row) for row in met], dtype=object)
        place = np.zeros(len(design.shared), dtype=np.int64) if codes is None else codes.reshape(-1)
        segments: np.ndarray[tuple[int], np.dtype[np.object_]] = names[place]
        return segments

    def _shrunk(self, key: np.ndarray, y: Floats, above: dict[str, float]) -> dict[str, float]:  # type: ignore[type-arg]
        met, codes = np.unique(key.astype(str), return_inverse=True)
        n = np.bincount(codes, minlength=len(met))
        s = np.bincount(codes, weights=y, minlength=len(met))
        return {
            str(name): float((s[i] + self.strength * above[str(name)]) / (n[i] + self.strength))
            for i, name in enumerate(met)
        }
