"""How much of a correction each group of pairs has earned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Floats, Ints, State
from nba.models.calibration import penalised_logit
from nba.models.selection import part_of

SIZES = (60, 200, 1000)
"""Pairs are grouped by their positives: under 60, to 199, to 999, and from 1,000 on."""
SIZE_NAMES = ("under 60", "60 to 199", "200 to 999", "1,000 and more")
_LINE_SD = (0.3, 0.1)
_LEVEL_SD = 0.15
_SIZE_SD, _GROUP_SD = 0.3, 0.2
"""How far the weight of a size may stand from the pooled one, and of a channel's size from its size's."""
_PARTS = 4
"""Each block of time is cut into so many parts, among which evidence has to agree."""
_LEAST_EVIDENCE = 3.0
"""Standard errors above 0 that the pooled weight must reach; one of a hundred noise worlds would at 2.6."""


@dataclass(frozen=True)
class Evidence:
    """Requests that neither the base nor the forest had seen, of one block of time, in order of time.

    Attributes
    ----------
    margin, added : (n,) of the base, and of the forest, both learned on earlier rows only
    y : (n,) outcomes
    channel : (n,) the channel group's name of each
    size : (n,) index into ``SIZE_NAMES`` by the pair's positives before the block
    weight : (n,) what each request counts; None is 1
    """

    margin: Floats
    added: Floats
    y: Floats
    channel: NDArray[np.object_]
    size: Ints
    weight: Floats | None = None


@dataclass(frozen=True)
class Weights:
    """The weight of the correction by channel and size of pair, in [0, 1].

    A size's weight is shrunk to the pooled one, a channel's to its size's; each then gives one standard
    error away, so that what is poorly known counts for little. All are exactly 0 where the pooled weight
    does not stand three standard errors above 0.

    Attributes
    ----------
    pooled : the weight of all requests together
    evidence : its standard errors above 0; how far parts of time disagree is in them
    channels : names of groups, "channel=..."
    sizes : (4,) weights by size for channels never met
    groups : (n_channels, 4) weights by channel and size
    positives : (n_channels, 4) responses that the weights were earned on
    wanted : what later rows would multiply all margins of the trees by, not held to 1; 0 where nothing was
        earned

    Examples
    --------
    >>> Weights.none().of("channel=email", positives=500.0)
    0.0
    """

    pooled: float
    evidence: float
    channels: tuple[str, ...]
    sizes: Floats
    groups: Floats
    positives: Floats
    wanted: float = 0.0

    @classmethod
    def none(cls) -> Weights:
        """Nothing was earned, as there was too little to earn it on."""
        nothing = np.zeros((0, len(SIZE_NAMES)))
        return cls(0.0, 0.0, (), np.zeros(len(SIZE_NAMES)), nothing, nothing)

    @classmethod
    def fit(cls, blocks: Sequence[Evidence]) -> Weights:
        """Weights that would have served best on later rows, shrunk and cautious."""
        pooled, error, lines = _pooled(blocks)
        channel = np.concatenate([block.channel for block in blocks])
        size = np.concatenate([block.size for block in blocks])
        added, y = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("added", "y"))
        counts = _counts(blocks)
        offset = np.concatenate([line[0] + line[1] * b.margin for line, b in zip(lines, blocks, strict=True)])
        channels = tuple(sorted(set(channel.tolist())))
        place = {name: c for c, name in enumerate(channels)}
        code = np.array([place[name] for name in channel.tolist()], dtype=np.int64)
        sizes, groups = np.zeros(len(SIZE_NAMES)), np.zeros((len(channels), len(SIZE_NAMES)))
        positives = np.zeros_like(groups)
        earned = pooled > _LEAST_EVIDENCE * error
        for s in range(len(sizes)):
            mine = np.flatnonzero(size == s)
            positives[:, s] = np.bincount(code[mine], weights=y[mine], minlength=len(channels))
            if not earned:
                continue
            mean, sd = _weight(
                offset[mine], added[mine], y[mine], center=pooled, sd=_SIZE_SD, weight=part_of(counts, mine)
            )
            sizes[s] = _cautious(mean, np.hypot(sd, _GROUP_SD))
            for c in range(len(channels)):
                here = mine[code[mine] == c]
                own, own_sd = _weight(
                    offset[here],
                    added[here],
                    y[here],
                    center=mean,
                    sd=_GROUP_SD,
                    weight=part_of(counts, here),
                )
                groups[c, s] = _cautious(own, np.hypot(own_sd, sd * (own_sd / _GROUP_SD) ** 2))
        return cls(
            float(np.clip(pooled, 0.0, 1.0)) if earned else 0.0,
            pooled / error,
            channels,
            sizes,
            groups,
            positives,
            float(pooled) if earned else 0.0,
        )

    @property
    def any(self) -> bool:
        """Whether any group earned a weight."""
        return bool(self.groups.any() or self.sizes.any())

    def of(self, channel: str, *, positives: float) -> float:
        """The weight of a pair of this channel with so many positives in training."""
        size = int(np.searchsorted(SIZES, positives, side="right"))
        weights = self.groups[self.channels.index(channel)] if channel in self.channels else self.sizes
        return float(weights[size])

    def each(self, channel: NDArray[np.object_], size: Ints) -> Floats:
        """(n,) the weight of each request."""
        place = {name: c for c, name in enumerate(self.channels)}
        table = np.vstack([self.groups, self.sizes[None, :]])
        weights: Floats = table[[place.get(name, -1) for name in channel.tolist()], size]
        return weights

    def rows(self) -> list[tuple[str, str, str, str]]:
        """(channel, positives of the pair, positives it was earned on, weight), for a table; all first."""
        rows = [("all", "", f"{int(self.positives.sum()):,}", f"{self.pooled:.2f}")]
        for c, name in enumerate(self.channels):
            rows += [
                (
                    name.removeprefix("channel="),
                    size,
                    f"{int(self.positives[c, s]):,}",
                    f"{self.groups[c, s]:.2f}",
                )
                for s, size in enumerate(SIZE_NAMES)
                if self.positives[c, s]
            ]
        return rows

    def __str__(self) -> str:
        return "\n".join(f"{channel}, {size or 'any size'}: {w}" for channel, size, _, w in self.rows())

    def to_state(self) -> State:
        """Plain JSON and arrays."""
        plain = {
            "pooled": self.pooled,
            "evidence": self.evidence,
            "channels": list(self.channels),
            "wanted": self.wanted,
        }
        return plain, {name: getattr(self, name) for name in ("sizes", "groups", "positives")}

    @classmethod
    def from_state(cls, state: State) -> Weights:
        """The weights that :meth:`to_state` described."""
        plain, a = state
        return cls(
            float(plain["pooled"]),
            float(plain["evidence"]),
            tuple(plain["channels"]),
            a["sizes"],
            a["groups"],
            a["positives"],
            float(plain.get("wanted", 0.0)),
        )


def size_of(positives: Floats) -> Ints:
    """Index into ``SIZE_NAMES`` by numbers of positives."""
    return np.searchsorted(SIZES, positives, side="right")


def _pooled(blocks: Sequence[Evidence]) -> tuple[float, float, Floats]:
    """The weight of all, its standard error, and each block's line; a drift of level must not earn weight."""
    k = len(blocks)
    n = sum(len(block.y) for block in blocks)
    x, y, part = np.zeros((n, 2 * k + 1)), np.zeros(n), np.zeros(n, dtype=np.int64)
    lo = 0
    for b, block in enumerate(blocks):
        rows = slice(lo, lo + len(block.y))
        x[rows, 2 * b], x[rows, 2 * b + 1], x[rows, -1] = 1.0, block.margin, block.added
        y[rows] = block.y
        part[rows] = b * _PARTS + np.arange(len(block.y)) * _PARTS // max(len(block.y), 1)
        lo = rows.stop
    center = np.array([0.0, 1.0] * k + [0.0])
    counts = _counts(blocks)
    found, precision = penalised_logit(x, y, center=center, sd=np.array([*_LINE_SD * k, 1.0]), weight=counts)
    cov = np.linalg.inv(precision)
    left = x * (y - 1 / (1 + np.exp(-(x @ found))))[:, None]
    if counts is not None:
        left *= counts[:, None]
    scores = np.array([left[part == p].sum(axis=0) for p in range(k * _PARTS)])
    among = cov @ (scores.T @ scores * (len(scores) / (len(scores) - 1))) @ cov
    error = float(np.sqrt(max(cov[-1, -1], among[-1, -1])))
    return float(found[-1]), error, found[:-1].reshape(k, 2)


def _counts(blocks: Sequence[Evidence]) -> Floats | None:
    """What requests of all blocks count; None where all count 1."""
    if all(block.weight is None for block in blocks):
        return None
    return np.concatenate([np.ones(len(b.y)) if b.weight is None else b.weight for b in blocks])


def _weight(
    offset: Floats, added: Floats, y: Floats, *, center: float, sd: float, weight: Floats | None
) -> tuple[float, float]:
    """A group's weight and its standard deviation, beside a level of its own."""
    x = np.stack([np.ones_like(added), added], axis=1)
    found, precision = penalised_logit(
        x, y, center=np.array([0.0, center]), sd=np.array([_LEVEL_SD, sd]), offset=offset, weight=weight
    )
    return float(found[1]), float(np.sqrt(np.linalg.inv(precision)[1, 1]))


def _cautious(mean: float, sd: float) -> float:
    return float(np.clip(mean - sd, 0.0, 1.0))
