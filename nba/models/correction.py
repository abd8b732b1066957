"""Small forests on what the base left over, as far as earned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nba.artifact import under
from nba.contracts import Action, Design, Floats, Ints, State
from nba.errors import BundleError
from nba.models.booster import Binned, Boosting, Growing
from nba.models.forest import Forest, joined, parted
from nba.models.parallel import side_by_side
from nba.models.requests import RequestTrees
from nba.models.selection import part_of
from nba.models.weights import Evidence, Weights, size_of

MOST_ROWS = 500_000
"""Rows that a forest is grown on at most; of more, every so manieth."""
LEAST_POSITIVES = 30
"""Responses (or their absence, where that is rarer) under which a group grows nothing, and a block of time
judges nothing."""
_HELD = (10.0, 200.0)
"""A leaf needs a hundredth of all responses, between these bounds, and is shrunk by as many; on real contacts
a twentieth of that earned its weight in autumn and lost it in the new year."""
_TREES = (10, 30, 90)
"""How many are grown at first, where these showed promise, and where later rows ask for more."""
_RATE, _BINS = 0.15, 63
"""How fast trees learn, and how finely they look: fewer trees that learn faster came less close to known
truths, more of them took longer for little; with 255 bins they were up to a twentieth further off."""
_MORE_WANTED = 1.2
"""Later rows that ask for this multiple of what trees said tell that growing stopped too early."""
_HOPE = 0.5
"""Standard errors above 0 that the first trees' weight must reach for a level to be grown on."""
_UNSAID = 1.5
"""What trees leave unsaid, by what they say, as variances. With once as much, 90 % intervals held the truth
of pairs with many rows in 77 to 98 % of four worlds of conditions; with twice, in 85 to 100 %."""
_PIECE = 8_192
Named: TypeAlias = tuple[str, ...]
"""The groups of a pair by level: all pairs, its channel, itself."""
LEVELS = 3


class Asked(NamedTuple):
    """What corrects the pairs asked for.

    Attributes
    ----------
    forest : (3, K) by level, the place among all forests; -1 is none
    weight : (3, K) what it counts
    """

    forest: NDArray[np.int64]
    weight: Floats


@dataclass(frozen=True, eq=False)
class Past:
    """Requests up to a moment, a base that was fitted on them, and requests after it.

    Attributes
    ----------
    rows, margin : in order of time, and the base's margins of them; trees are grown on these
    later, ahead : requests that neither base nor trees have seen, and the base's margins of them
    positives : (n_models,) responses of each model's pair up to the moment
    """

    rows: Ints
    margin: Floats
    later: Ints
    ahead: Floats
    positives: Floats


@dataclass(frozen=True, eq=False)
class Level:
    """One forest for all pairs, or one for each channel or pair that holds enough.

    Attributes
    ----------
    forests : by name of the group; each over shared columns, then own ones, as they come
    weights : by size of pair, and by its channel, or by the pair where each has its own forest
    reach : standard deviation of the forests' margins, on rows that they were not grown on; so much
        as in ``_UNSAID`` is taken to be unsaid still, for where trees still gain they have not found all
    """

    forests: Mapping[str, Forest] = field(default_factory=dict)
    weights: Weights = field(default_factory=Weights.none)
    reach: float = 0.0

    def weight(self, groups: Named, depth: int, *, positives: float) -> float:
        """Of a pair with so many positives in training; 0 where its group has no forest."""
        if groups[depth] not in self.forests:
            return 0.0
        return self.weights.of(_weighed_by(groups, depth), positives=positives)

    def to_state(self) -> State:
        """Plain JSON and arrays."""
        forest, trees = joined(tuple(self.forests.values()))
        plain, arrays = forest.to_state()
        weights, more = self.weights.to_state()
        return {**plain, "weights": weights, "reach": self.reach, "groups": list(self.forests)}, {
            **arrays,
            "trees": trees,
            **{f"weights_{name}": a for name, a in more.items()},
        }

    @classmethod
    def from_state(cls, state: State) -> Level:
        """The level that :meth:`to_state` described."""
        plain, arrays = state
        forests = parted(Forest.from_state(state), arrays["trees"])
        weights = Weights.from_state((plain["weights"], under(arrays, "weights_")))
        return cls(dict(zip(plain["groups"], forests, strict=True)), weights, float(plain["reach"]))


@dataclass(frozen=True, eq=False)
class Correction:
    """What trees add to the base's margin: weight(pair) * forest(columns), by level.

    First one forest for all pairs, over the HCP's columns and the pair's own view; on what that leaves over
    one for every channel, and on what is left of that one for every pair, where these hold enough. Each level
    has to earn its weights by itself, so most pairs carry little more than the first.

    Attributes
    ----------
    levels : of all pairs, of channels, of pairs
    """

    levels: tuple[Level, ...]

    @classmethod
    def none(cls) -> Correction:
        """Nothing to add."""
        return cls((Level(),) * LEVELS)

    @classmethod
    def grow(
        cls,
        design: Design,
        y: Floats,
        *,
        pasts: Sequence[Past],
        model: Ints,
        groups: Sequence[Named],
        weight: Floats | None = None,
        n_jobs: int,
    ) -> tuple[Correction, Floats]:
        """Grow on the past what later rows are predicted with, weigh that, and grow on all rows.

        Parameters
        ----------
        pasts : in order of time; the last holds all rows, and nothing later
        model : (n_requests,) index of each one's model
        groups : of each model; "" where it has none of its own
        weight : (n_requests,) what each one counts; None is 1

        Returns
        -------
        The correction, and what it would have added to the last rows that judged, grown on those before:
        (n_last,).
        """
        growth = _Growth(design, y, pasts, model, tuple(groups), weight, n_jobs)
        offsets, ahead = [past.margin for past in pasts], [past.ahead for past in pasts[:-1]]
        levels = []
        for depth in range(LEVELS):
            level, offsets, ahead = growth.level(depth, offsets, ahead)
            levels.append(level)
        return cls(tuple(levels)), ahead[-1] - pasts[-2].ahead

    @property
    def weights(self) -> Weights:
        """Of the forest for all pairs."""
        return self.levels[0].weights

    @property
    def n_trees(self) -> int:
        """Of all forests together."""
        return sum(forest.n_trees for forest in self._forests)

    def weight(self, groups: Named, *, positives: float) -> Floats:
        """(3,) by level, of a pair with so many positives in training; 0 where its group has no forest."""
        weights = [
            level.weight(groups, depth, positives=positives) for depth, level in enumerate(self.levels)
        ]
        return np.array(weights)

    def unsaid(self, weight: Floats) -> float:
        """Variance, in log-odds, of what a pair's correction of these weights leaves unsaid."""
        reach = np.array([level.reach for level in self.levels])
        return float(_UNSAID * np.square(weight * reach).sum())

    def asked(self, actions: Sequence[Action], groups: Sequence[Sequence[str]], weight: Floats) -> Asked:
        """What corrects some pairs; ``weight`` is (K, 3) of them."""
        named = [named_groups(*of) for of in zip(actions, groups, strict=True)]
        forest = np.full((LEVELS, len(named)), -1, dtype=np.int64)
        first = 0
        for depth, level in enumerate(self.levels):
            place = {name: first + i for i, name in enumerate(level.forests)}
            first += len(place)
            forest[depth] = [place.get(groups[depth], -1) for groups in named]
        forest[weight.T == 0] = -1
        return Asked(forest, np.ascontiguousarray(weight.T))

    def added(self, design: Design, asked: Asked, *, n_jobs: int) -> Floats:
        """(n_requests,) what to add to the base's margins."""
        if not (asked.forest >= 0).any():
            return np.zeros(len(design))
        return self._trees(design.shared.shape[1]).added(design, asked.forest, asked.weight, n_jobs=n_jobs)

    def contributions(self, design: Design, asked: Asked) -> tuple[Floats, Floats]:
        """Parts of :meth:`added`: (n_requests, n_features), and its mean in training (n_requests,)."""
        values, base = np.zeros((len(design), len(design.features))), np.zeros(len(design))
        for f, forest in enumerate(self._forests):
            of_pair = np.where(asked.forest == f, asked.weight, 0.0).sum(axis=0)
            mine = np.flatnonzero(of_pair[design.pair])
            for lo in range(0, len(mine), _PIECE):
                requests = mine[lo : lo + _PIECE]
                scale = of_pair[design.pair[requests]]
                parts, mean = forest.contributions(columns(design, requests))
                values[requests] += scale[:, None] * parts
                base[requests] += scale * mean
        return values, base

    @property
    def _forests(self) -> tuple[Forest, ...]:
        return tuple(forest for level in self.levels for forest in level.forests.values())

    def _trees(self, n_shared: int) -> RequestTrees:
        """All forests, made ready for rows of so many shared columns when they are first asked."""
        if n_shared not in self._ready:
            self._ready[n_shared] = RequestTrees.of(self._forests, n_shared=n_shared)
        return self._ready[n_shared]

    @cached_property
    def _ready(self) -> dict[int, RequestTrees]:
        return {}

    def to_state(self) -> State:
        """Plain JSON and arrays."""
        states = [level.to_state() for level in self.levels]
        arrays = {f"level{i}_{name}": a for i, (_, of) in enumerate(states) for name, a in of.items()}
        return {"levels": [plain for plain, _ in states]}, arrays

    @classmethod
    def from_state(cls, state: State) -> Correction:
        """The correction that :meth:`to_state` described."""
        plain, arrays = state
        if len(plain.get("levels", ())) != LEVELS:
            raise BundleError(
                "The bundle's trees are not by level, so an earlier version saved them; "
                "this one cannot read them. Fit and save the model again."
            )
        levels = enumerate(plain["levels"])
        return cls(tuple(Level.from_state((of, under(arrays, f"level{i}_"))) for i, of in levels))


@dataclass(frozen=True, eq=False)
class _Growth:
    """What forests of all levels are grown on."""

    design: Design
    y: Floats
    pasts: Sequence[Past]
    model: Ints
    groups: tuple[Named, ...]
    weight: Floats | None
    n_jobs: int

    def level(
        self, depth: int, offsets: list[Floats], ahead: list[Floats]
    ) -> tuple[Level, list[Floats], list[Floats]]:
        """Forests of a level, and the margins of all pasts with what they add."""
        nothing = Level(), offsets, ahead
        tried = self._tried(depth)
        if not tried:
            return nothing
        *judging, now = zip(self.pasts, offsets, strict=True)
        growing = self._begun(depth, tried, judging)
        for trees in _TREES:
            forests = self._grown(growing, trees=trees)
            evidence = self._evidence(depth, forests, ahead)
            if not any(len(block.y) for block in evidence):
                return nothing
            weights = Weights.fit(evidence)
            if not _goes_on(trees, weights):
                break
        if not weights.any:
            return Level(weights=weights), offsets, ahead
        (final,) = self._grown(self._begun(depth, tried, [now]), trees=trees)
        earned = Level(final, weights)
        offsets = [
            offset + self._weights(depth, earned, past, past.rows) * self._scored(depth, forest, past.rows)
            for (past, offset), forest in zip((*judging, now), (*forests, final), strict=True)
        ]
        added = [
            self._scored(depth, forest, past.later)
            for (past, _), forest in zip(judging, forests, strict=True)
        ]
        ahead = [
            margin + self._weights(depth, earned, past, past.later) * of
            for margin, (past, _), of in zip(ahead, judging, added, strict=True)
        ]
        judged = self._within(depth, tried, judging[-1][0].later)
        return Level(final, weights, float(added[-1][judged].std())), offsets, ahead

    def _tried(self, depth: int) -> list[str]:
        """Groups that hold enough, and something else than the group above."""
        first = self.pasts[0].rows
        found = []
        for name in sorted({groups[depth] for groups in self.groups} - {""}):
            members = {groups for groups in self.groups if groups[depth] == name}
            above = {groups[depth - 1] for groups in members} if depth else set()
            alone = depth > 0 and all(g in members for g in self.groups if g[depth - 1] in above)
            if not alone and enough(self.y[first[self._within(depth, [name], first)]]):
                found.append(name)
        return found

    def _within(self, depth: int, names: Sequence[str], rows: Ints) -> Ints:
        """Places among rows that are of these groups."""
        mine = np.array([groups[depth] in names for groups in self.groups])
        return np.flatnonzero(mine[self.model[rows]])

    @cached_property
    def _binned(self) -> Binned:
        """All rows in order of time; bins hold values and no outcome, so that all pasts may share them."""
        design, rows = self.design, self.pasts[-1].rows
        return Binned(
            lambda places: columns(design, rows[places]),
            self.y[rows],
            weight=part_of(self.weight, rows),
            bins=_BINS,
        )

    def _begun(
        self, depth: int, names: Sequence[str], pasts: Sequence[tuple[Past, Floats]]
    ) -> list[dict[str, Growing]]:
        """Forests of some groups on each past, before their first tree."""
        place = np.empty(len(self.y), dtype=np.int64)
        place[self.pasts[-1].rows] = np.arange(len(self.pasts[-1].rows))

        def one(past: Past, offset: Floats, name: str) -> Growing:
            mine = self._within(depth, [name], past.rows)
            mine = mine[:: -(-len(mine) // MOST_ROWS)]
            rows = past.rows[mine]
            return Growing(self._binned, _boosting(self.y[rows]), place[rows], offset=offset[mine])

        return [{name: one(past, offset, name) for name in names} for past, offset in pasts]

    def _grown(self, growing: Sequence[Mapping[str, Growing]], *, trees: int) -> list[dict[str, Forest]]:
        """So many trees of each."""
        _ = self._binned.rows  # sorted before threads ask for it side by side
        tasks = [forest for of in growing for forest in of.values()]
        forests = iter(side_by_side(lambda one: one.forest(trees=trees), tasks, n_jobs=self.n_jobs))
        return [{name: next(forests) for name in of} for of in growing]

    def _evidence(
        self, depth: int, forests: Sequence[Mapping[str, Forest]], ahead: Sequence[Floats]
    ) -> list[Evidence]:
        names = np.array([_weighed_by(groups, depth) for groups in self.groups], dtype=object)
        found = []
        for past, of, margin in zip(self.pasts, forests, ahead, strict=False):
            judged = self._within(depth, list(of), past.later)
            rows = past.later[judged]
            found.append(
                Evidence(
                    margin[judged],
                    self._scored(depth, of, rows),
                    self.y[rows],
                    names[self.model[rows]],
                    size_of(past.positives[self.model[rows]]),
                    part_of(self.weight, rows),
                )
            )
        return found

    def _scored(self, depth: int, forests: Mapping[str, Forest], rows: Ints) -> Floats:
        out = np.zeros(len(rows))
        for name, forest in forests.items():
            mine = self._within(depth, [name], rows)
            for lo in range(0, len(mine), _PIECE):
                piece = mine[lo : lo + _PIECE]
                out[piece] = forest.score(columns(self.design, rows[piece]))
        return out

    def _weights(self, depth: int, level: Level, past: Past, rows: Ints) -> Floats:
        of_model = np.array(
            [
                level.weight(groups, depth, positives=positives)
                for groups, positives in zip(self.groups, past.positives, strict=True)
            ]
        )
        weights: Floats = of_model[self.model[rows]]
        return weights


def named_groups(action: Action | None, groups: Sequence[str]) -> Named:
    """The groups of a pair by level; "" for the last where it has no model of its own."""
    return "all", groups[0], "" if action is None else f"pair={tuple(action)!r}"


def enough(y: Floats) -> bool:
    """Whether rows hold enough of both outcomes to grow trees on, or to judge them by."""
    return _rarer(y) >= LEAST_POSITIVES


def columns(design: Design, requests: Ints) -> Floats:
    """(n, n_features) what a forest reads of some requests: shared columns, then own ones."""
    x: Floats = np.hstack([design.shared[design.row[requests]], design.own[requests]])
    return x if x.dtype.kind == "f" else x.astype(float)


def _weighed_by(groups: Named, depth: int) -> str:
    """A forest of all pairs is weighed by channel, others by what they are grown for."""
    return groups[max(depth, 1)]


def _goes_on(trees: int, weights: Weights) -> bool:
    """Whether so many trees showed that more may be worth their while."""
    if trees == _TREES[0]:
        return weights.evidence > _HOPE
    return weights.wanted > _MORE_WANTED


def _boosting(y: Floats) -> Boosting:
    rarer = _rarer(y)
    held = float(np.clip(rarer / 100, *_HELD))
    least = max(20, round(held * len(y) / max(rarer, 1.0)))
    return Boosting(leaves=8, learning_rate=_RATE, least_rows=least, ridge=held, bins=_BINS)


def _rarer(y: Floats) -> float:
    """How many there are of the rarer outcome."""
    return float(min(y.sum(), len(y) - y.sum()))
