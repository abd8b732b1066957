"""Which shared coefficients a pair is held to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Floats

INTERCEPT, SHARED, OWN = range(3)
"""Kinds of columns: the leading 1, columns of the HCP, and columns of the pair's own view."""

Groups = tuple[str, ...]
"""A pair's groups: its channel first, then tags."""


@dataclass(frozen=True)
class Levels:
    """Where global, channels and tags stand in the one vector of what pairs share.

    A pair's prior mean is global + its channel, and the sum of its tags on the intercept.
    Channels and tags that have no place add nothing.

    Attributes
    ----------
    kinds : (D,) INTERCEPT, SHARED or OWN
    channels : where each channel's D coefficients begin
    tags : where each tag's single coefficient stands
    """

    kinds: NDArray[np.int64]
    channels: dict[str, int]
    tags: dict[str, int]

    @classmethod
    def of(cls, kinds: NDArray[np.int64], pairs: Iterable[Groups]) -> Levels:
        """Places for all channels and tags of some pairs."""
        return cls(kinds, {}, {}).extended(pairs)

    def extended(self, pairs: Iterable[Groups]) -> Levels:
        """The same places, and further ones behind them for channels and tags without."""
        pairs = list(pairs)
        end = self.size
        channels, tags = dict(self.channels), dict(self.tags)
        for name in sorted({groups[0] for groups in pairs} - set(channels)):
            channels[name] = end
            end += self.n_columns
        for name in sorted({tag for groups in pairs for tag in groups[1:]} - set(tags)):
            tags[name] = end
            end += 1
        return Levels(self.kinds, channels, tags)

    @property
    def n_columns(self) -> int:
        """D, the coefficients of a pair."""
        return len(self.kinds)

    @property
    def size(self) -> int:
        """How many shared coefficients there are."""
        return self.n_columns * (1 + len(self.channels)) + len(self.tags)

    def mean(self, shared: Floats, groups: Groups) -> Floats:
        """(D,) what the shared coefficients add up to for a pair."""
        mean: Floats = sum((shared[block] for block in self._blocks(groups)), np.zeros(self.n_columns))
        mean[0] += shared[self._tags(groups)].sum()
        return mean

    def covariance(self, cov: Floats, groups: Groups) -> Floats:
        """(D, D) covariance of :meth:`mean` where the shared coefficients have covariance ``cov``."""
        blocks, tags = self._blocks(groups), self._tags(groups)
        total = np.zeros((self.n_columns, self.n_columns))
        cross = np.zeros(self.n_columns)
        for a in blocks:
            cross += cov[a][:, tags].sum(axis=1)
            for b in blocks:
                total += cov[a, b]
        total[:, 0] += cross
        total[0, :] += cross
        total[0, 0] += cov[np.ix_(tags, tags)].sum()
        return total

    def add(self, system: Floats, target: Floats, *, groups: Groups, gram: Floats, moment: Floats) -> None:
        """Add a quadratic in a pair's prior mean to one in the shared coefficients."""
        blocks, tags = self._blocks(groups), self._tags(groups)
        for a in blocks:
            target[a] += moment
            for b in blocks:
                system[a, b] += gram
            for t in tags:
                system[a, t] += gram[:, 0]
                system[t, a] += gram[:, 0]
        for t in tags:
            target[t] += moment[0]
            system[t, tags] += gram[0, 0]

    def _blocks(self, groups: Groups) -> list[slice]:
        d = self.n_columns
        at = self.channels.get(groups[0])
        return [slice(0, d)] if at is None else [slice(0, d), slice(at, at + d)]

    def _tags(self, groups: Groups) -> NDArray[np.int64]:
        return np.array(
            [self.tags[tag] for tag in dict.fromkeys(groups[1:]) if tag in self.tags], dtype=np.int64
        )
