"""Plain LightGBM per pair: the usual way, to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Action, Contributions, Design, Feature, Floats, Ints, State
from nba.errors import ArgumentError, NotFittedError
from nba.models.booster import Boosting
from nba.models.border import check_columns, check_outcomes, check_values, outcomes_of
from nba.models.correction import columns
from nba.models.forest import Forest, joined, parted
from nba.models.parallel import side_by_side, threads
from nba.models.params import Params
from nba.models.rates import PairRates

_SETTINGS = {
    "defaults": Boosting(trees=100, leaves=31, learning_rate=0.1, least_rows=20, ridge=0.0),
    "small": Boosting(trees=500, leaves=7, learning_rate=0.05, least_rows=20, ridge=1.0, patience=25),
}
_CATEGORY_LEAVES = 31
"""Of a small model that is told the pair as a category: it has to tell all pairs apart."""
_STOP_SHARE = 0.2
"""The latest share of a small model's rows: they say how many trees are enough."""
_HELD_BY = 10.0
"""Rows' worth of belief in the rate above: of the channel for a pair, of all for a channel."""


class LightGBMPerPair(Params):
    """One LightGBM classifier a pair, each on its own: what most teams would write first.

    A pair of one class, or of too few rows to split, keeps its rate, held to its channel's by ten rows.
    ``spread`` is that of a rate with the pair's rows: trees have no posterior.

    Parameters
    ----------
    settings : "defaults" of LightGBM, or "small": 7 leaves, rate .05, and as many trees as serve the pair's
        latest rows best, grown once more on all of its rows
    pair_as_category : one model for all pairs instead, which is told the pair as a category; a small one
        has 31 leaves
    n_jobs : threads, one model each; -1 takes every core. The numbers do not depend on it

    Attributes
    ----------
    actions_ : the pairs of the fit
    n_, level_ : (K,) training rows of each pair, and log-odds of its rate
    channels_ : log-odds of each channel's rate; "" is that of all

    Examples
    --------
    >>> LightGBMPerPair(settings="small")
    LightGBMPerPair(settings='small', pair_as_category=False, n_jobs=-1)
    """

    def __init__(
        self,
        *,
        settings: Literal["defaults", "small"] = "defaults",
        pair_as_category: bool = False,
        n_jobs: int = -1,
    ) -> None:
        if settings not in _SETTINGS:
            raise ArgumentError(f"settings is {settings!r}; expected one of {sorted(_SETTINGS)}.")
        if n_jobs < 1 and n_jobs != -1:
            raise ArgumentError(f"n_jobs is {n_jobs}; expected 1 or more threads, or -1 for every core.")
        self.settings = settings
        self.pair_as_category = pair_as_category
        self.n_jobs = n_jobs

    def fit(
        self, design: Design, y: Floats, *, at: Ints | None = None, gap_seconds: int = 0
    ) -> LightGBMPerPair:
        """Grow the trees; ``at`` and ``gap_seconds`` keep the rows that stop them later than the others.

        Raises
        ------
        OutcomeError
            If an outcome is neither 0 nor 1, or there is none.
        ArgumentError
            If a feature is infinite.
        """
        y = outcomes_of(design, y)
        check_outcomes(y)
        check_values(design)
        k = len(design.actions)
        moments = np.arange(len(y)) if at is None else np.asarray(at, dtype=np.int64)
        self.features_ = design.features
        rates = PairRates.fit(design, y, strength=_HELD_BY)
        self.actions_, self.n_, self.level_, self.channels_ = (
            rates.actions,
            rates.n,
            rates.level,
            rates.channels,
        )
        every = np.arange(len(y))
        parts = [every] if self.pair_as_category else [every[design.pair == j] for j in range(k)]

        def one(rows: NDArray[np.int64]) -> Forest:
            return self._grown(design, y, rows=rows, moments=moments, gap_seconds=gap_seconds)

        self.forests_ = tuple(side_by_side(one, parts, n_jobs=self._threads()))
        return self

    def score(self, design: Design) -> tuple[Floats, Floats]:
        """(margin, spread) of each request; no calibration, as plain as it comes."""
        self._check(design)
        level, _, place = self._rates.of(design)
        margin = level[design.pair]
        for rows, forest, x in self._asked(design, place):
            margin[rows] += forest.score(x)
        spread = self._rates.spread(design, strength=_HELD_BY)
        return margin, spread[design.pair]

    def support(self, design: Design) -> tuple[Floats, NDArray[np.bool_]]:
        """(n, prior_only) of each of the design's pairs: training rows, and whether there were none."""
        self._check_fitted()
        n = self._rates.of(design)[1]
        return n, n == 0

    def contributions(self, design: Design) -> Contributions:
        """Exact parts of each request's margin: level and trees' mean in the base, Shapley values beside."""
        margin = self.score(design)[0]
        level, _, place = self._rates.of(design)
        base, values = level[design.pair], np.zeros((len(design), len(design.features)))
        for rows, forest, x in self._asked(design, place):
            parts, mean = forest.contributions(x)
            values[rows] = parts[:, : values.shape[1]]
            base[rows] += mean + parts[:, values.shape[1] :].sum(axis=1)
        return Contributions(base, values, margin, design.features)

    def to_state(self) -> State:
        """Plain JSON and arrays, for a bundle."""
        self._check_fitted()
        forest, trees = joined(self.forests_)
        plain, arrays = forest.to_state()
        plain |= {
            "settings": self.settings,
            "pair_as_category": self.pair_as_category,
            "actions": [list(action) for action in self.actions_],
            "features": [vars(feature) for feature in self.features_],
            "channels": self.channels_,
        }
        return plain, {**arrays, "trees": trees, "n": self.n_, "level": self.level_}

    @classmethod
    def from_state(cls, state: State) -> LightGBMPerPair:
        """The fitted model that :meth:`to_state` described; ``n_jobs`` is the default again."""
        plain, arrays = state
        model = cls(settings=plain["settings"], pair_as_category=plain["pair_as_category"])
        model.actions_ = tuple(Action(*a) for a in plain["actions"])
        model.features_ = tuple(Feature(**f) for f in plain["features"])
        model.channels_ = {name: float(level) for name, level in plain["channels"].items()}
        model.n_, model.level_ = arrays["n"], arrays["level"]
        model.forests_ = parted(Forest.from_state(state), arrays["trees"])
        return model

    def _grown(
        self,
        design: Design,
        y: Floats,
        *,
        rows: NDArray[np.int64],
        moments: NDArray[np.int64],
        gap_seconds: int,
    ) -> Forest:
        boosting = _SETTINGS[self.settings]
        if boosting.patience and self.pair_as_category:
            boosting = replace(boosting, leaves=_CATEGORY_LEAVES)
        n_features = len(design.features) + self.pair_as_category
        categories = [n_features - 1] if self.pair_as_category else []
        codes = np.arange(len(self.actions_), dtype=float)
        level = self.level_[design.pair]

        def split(part: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
            return self._columns(design, part, codes), y[part], level[part]

        def grown(boosting: Boosting, part: NDArray[np.int64], judge: NDArray[np.int64]) -> Forest:
            if len(part) < 2 * boosting.least_rows or y[part].min() == y[part].max():
                return Forest.empty(n_features)
            x, outcome, offset = split(part)
            judges = split(judge) if len(judge) else None
            return boosting.fit(x, outcome, offset=offset, categories=categories, judge=judges)

        nobody = rows[:0]
        if not boosting.patience or not len(rows):
            return grown(boosting, rows, nobody)
        cut = np.sort(moments[rows])[int(len(rows) * (1 - _STOP_SHARE))]
        early, late = rows[moments[rows] < cut - gap_seconds], rows[moments[rows] >= cut]
        stopped = grown(boosting, early, late)
        if not stopped.n_trees:
            return stopped
        return grown(replace(boosting, trees=stopped.n_trees, patience=0), rows, nobody)

    def _columns(self, design: Design, rows: NDArray[np.int64], codes: Floats) -> Floats:
        x = columns(design, rows)
        if not self.pair_as_category:
            return x
        code: Floats = codes[design.pair[rows]][:, None]
        return np.hstack([x, code])

    def _asked(
        self, design: Design, place: NDArray[np.int64]
    ) -> Sequence[tuple[NDArray[np.int64], Forest, Floats]]:
        """Requests by forest, with their columns; pairs that were never met have none of their own."""
        if self.pair_as_category:
            codes = np.where(place >= 0, place, np.nan)
            every = np.arange(len(design))
            return [(every, self.forests_[0], self._columns(design, every, codes))]
        order = np.argsort(design.pair, kind="stable")
        bounds = np.searchsorted(design.pair[order], np.arange(len(place) + 1))
        return [
            (rows, self.forests_[j], columns(design, rows))
            for j, rows in zip(place.tolist(), np.split(order, bounds[1:-1]), strict=True)
            if j >= 0 and len(rows) and self.forests_[j].n_trees
        ]

    @property
    def _rates(self) -> PairRates:
        return PairRates(self.actions_, self.n_, self.level_, self.channels_)

    def _threads(self) -> int:
        return threads(self.n_jobs)

    def _check(self, design: Design) -> None:
        self._check_fitted()
        check_columns(design, self.features_)
        check_values(design)

    def _check_fitted(self) -> None:
        if not hasattr(self, "forests_"):
            raise NotFittedError("LightGBMPerPair is not fitted; call fit(design, y) first.")
