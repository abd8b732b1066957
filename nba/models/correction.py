"""A small forest on what the base left over, as far as it earned it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nba.artifact import under
from nba.contracts import Bools, Design, Floats, Ints, State
from nba.models.booster import Boosting
from nba.models.calibration import AffineCalibration
from nba.models.forest import Forest
from nba.models.parallel import side_by_side
from nba.models.selection import part_of
from nba.models.weights import Evidence, Weights, size_of

MOST_ROWS = 1_000_000
"""Rows that trees are grown on at most; of more, every so manieth."""
LEAST_POSITIVES = 100
"""Responses (or their absence, where that is rarer) in each block of time under which nothing is grown."""
_HELD = (10.0, 200.0)
"""A leaf needs a hundredth of all responses, between these bounds, and is shrunk by as many; on real contacts
a twentieth of that earned its weight in autumn and lost it in the new year."""
_TREES, _MOST_TREES = 100, 300
_MORE_WANTED = 1.2
"""Later rows that ask for this multiple of what trees said tell that growing stopped too early."""
_UNSAID = 2.0
"""What trees leave unsaid, by what they say, as variances. With once as much, 90 % intervals held the truth
in 75 to 83 % of five worlds of conditions on which nothing was settled."""
_PIECE = 8_192
Blocks: TypeAlias = list[tuple[Ints, Floats]]
"""Blocks of requests in order of time, and their margins by a base that was fitted on earlier ones."""


@dataclass(frozen=True, eq=False)
class Correction:
    """weight(pair) * forest(columns): what trees add to the base's margin.

    One forest for all pairs, over the HCP's columns and the pair's own view: that view tells pairs apart, so
    a forest stays as cheap to score as its hundred small trees.

    Attributes
    ----------
    forest : over shared columns, then own ones, as they come
    weights : by channel and size of pair
    reach : standard deviation of the forest's margins, on rows that it was not grown on; twice its square
        is taken to be unsaid still, for where trees still gain they have not found all
    """

    forest: Forest
    weights: Weights
    reach: float = 0.0

    @classmethod
    def none(cls, n_features: int) -> Correction:
        """Nothing to add."""
        return cls(Forest.empty(n_features), Weights.none())

    @classmethod
    def grow(
        cls,
        design: Design,
        y: Floats,
        *,
        blocks: Blocks,
        channel: NDArray[np.object_],
        positives: Sequence[Floats],
        seen: Sequence[Bools],
        weight: Floats | None = None,
        n_jobs: int,
    ) -> tuple[Correction, Floats]:
        """Grow on blocks what the next one is predicted with, weigh that, and grow on all of them.

        Parameters
        ----------
        blocks : in order of time, two at least; the first is grown on only
        channel : (n_requests,) name of each one's channel group
        positives : for a block (n_requests,) the responses of each one's pair before it
        seen : for a block (n_requests,) whether a request's window had ended when it began
        weight : (n_requests,) what each one counts; None is 1

        Returns
        -------
        The correction, and what it would have added to the last block had it ended before: (n_last,).
        """
        counts = [part_of(weight, rows) for rows, _ in blocks]
        offsets = [
            _offset(margin, y[rows], channel[rows], weight=count)
            for (rows, margin), count in zip(blocks, counts, strict=True)
        ]

        def grown(n_blocks: int, trees: int) -> Forest:
            rows = np.concatenate([rows for rows, _ in blocks[:n_blocks]])
            offset = np.concatenate(offsets[:n_blocks])
            keep = seen[n_blocks][rows] if n_blocks < len(blocks) else slice(None)
            return _grown(design, y, rows=rows[keep], offset=offset[keep], trees=trees, weight=weight)

        def weighed(trees: int) -> tuple[Forest, list[Evidence], Weights]:
            *earlier, final = side_by_side(
                lambda n_blocks: grown(n_blocks, trees), range(1, len(blocks) + 1), n_jobs=n_jobs
            )
            evidence = [
                Evidence(
                    margin,
                    _scored(forest, design, rows),
                    y[rows],
                    channel[rows],
                    size_of(before[rows]),
                    count,
                )
                for forest, (rows, margin), before, count in zip(
                    earlier, blocks[1:], positives[1:], counts[1:], strict=True
                )
            ]
            return final, evidence, Weights.fit(evidence)

        final, evidence, weights = weighed(_TREES)
        if weights.wanted > _MORE_WANTED:
            final, evidence, weights = weighed(_MOST_TREES)
        last = evidence[-1]
        if not weights.any:
            return cls(Forest.empty(len(design.features)), weights), np.zeros(len(last.y))
        return cls(final, weights, float(last.added.std())), last.added * weights.each(
            last.channel, last.size
        )

    def unsaid(self, weight: float) -> float:
        """Variance, in log-odds, of what a pair's correction of this weight leaves unsaid."""
        return _UNSAID * (weight * self.reach) ** 2

    def added(self, design: Design, weight: Floats, *, n_jobs: int) -> Floats:
        """(n_requests,) what to add to the base's margins; ``weight`` is (K,) of the design's pairs."""
        out = np.zeros(len(design))
        if not self.forest.n_trees:
            return out

        def piece(rows: slice) -> None:
            score = self.forest.score(columns(design, np.arange(rows.start, min(rows.stop, len(out)))))
            out[rows] = weight[design.pair[rows]] * score

        pieces = [slice(lo, lo + _PIECE) for lo in range(0, len(out), _PIECE)]
        if n_jobs == 1 or len(pieces) < 2:
            for rows in pieces:
                piece(rows)
        else:
            with ThreadPoolExecutor(n_jobs) as pool:
                list(pool.map(piece, pieces))
        return out

    def contributions(self, design: Design, weight: Floats) -> tuple[Floats, Floats]:
        """Parts of :meth:`added`: (n_requests, n_features), and its mean in training (n_requests,)."""
        values = np.zeros((len(design), self.forest.n_features))
        of_request = weight[design.pair]
        base = 0.0
        if self.forest.n_trees:
            for lo in range(0, len(design), _PIECE):
                rows = np.arange(lo, min(lo + _PIECE, len(design)))
                parts, base = self.forest.contributions(columns(design, rows))
                values[rows] = of_request[rows, None] * parts
        return values, of_request * base

    def to_state(self) -> State:
        """Plain JSON and arrays."""
        plain, arrays = self.forest.to_state()
        weights, more = self.weights.to_state()
        return {**plain, "weights": weights, "reach": self.reach}, {
            **arrays,
            **{f"weights_{name}": a for name, a in more.items()},
        }

    @classmethod
    def from_state(cls, state: State) -> Correction:
        """The correction that :meth:`to_state` described."""
        plain, arrays = state
        weights = Weights.from_state((plain["weights"], under(arrays, "weights_")))
        return cls(Forest.from_state(state), weights, float(plain.get("reach", 0.0)))


def enough(y: Floats) -> bool:
    """Whether a block of time holds enough of both outcomes to grow trees on, or to judge them by."""
    return _rarer(y) >= LEAST_POSITIVES


def columns(design: Design, requests: Ints) -> Floats:
    """(n, n_features) what a forest reads of some requests: shared columns, then own ones."""
    x: Floats = np.hstack([design.shared[design.row[requests]], design.own[requests]])
    return x if x.dtype.kind == "f" else x.astype(float)


def _grown(
    design: Design, y: Floats, *, rows: Ints, offset: Floats, trees: int, weight: Floats | None
) -> Forest:
    every = -(-len(rows) // MOST_ROWS)
    rows, offset = rows[::every], np.ascontiguousarray(offset[::every])
    if not len(rows):
        return Forest.empty(len(design.features))
    rarer = _rarer(y[rows])
    held = float(np.clip(rarer / 100, *_HELD))
    least = max(20, round(held * len(rows) / max(rarer, 1.0)))
    boosting = Boosting(trees=trees, leaves=8, learning_rate=0.05, least_rows=least, ridge=held)
    counts = part_of(weight, rows)
    return boosting.fit(columns(design, rows), y[rows], offset=offset, weight=counts)


def _offset(margin: Floats, y: Floats, channel: NDArray[np.object_], *, weight: Floats | None) -> Floats:
    """Margins with the block's own lines taken out: trees are to find shapes, not a level that drifted."""
    calibration = AffineCalibration.fit(margin, y, channel.tolist(), weight=weight)
    offset = np.empty(len(margin))
    for name in calibration.groups:
        shift, slope = calibration.line(name)
        offset[channel == name] = shift + slope * margin[channel == name]
    return offset


def _scored(forest: Forest, design: Design, rows: Ints) -> Floats:
    pieces = [forest.score(columns(design, rows[lo : lo + _PIECE])) for lo in range(0, len(rows), _PIECE)]
    return np.concatenate([np.zeros(0), *pieces])


def _rarer(y: Floats) -> float:
    """How many there are of the rarer outcome."""
    return float(min(y.sum(), len(y) - y.sum()))
