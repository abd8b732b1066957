"""Naive Bayes per pair: features in bins, each on its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Action, Contributions, Design, Feature, Floats, Ints, State
from nba.errors import ArgumentError, NotFittedError
from nba.models.border import check_columns, check_outcomes, check_values, outcomes_of
from nba.models.calibration import penalised_logit
from nba.models.correction import columns
from nba.models.params import Params
from nba.models.rates import PairRates, equal_edges, log_odds

_PIECE = 65_536
_POOLED_LINE = (np.array([0.0, 0.5]), np.array([1.0, 0.5]))
"""Centre and standard deviations of the line of all pairs: features repeat each other, so a slope under 1."""
_LINE_SD = np.array([0.3, 0.1])
"""How far a pair's line may stand from that of all."""


class NaiveBayesPerPair(Params):
    """Per pair the log-odds of each feature's bin, added up as if features knew nothing of each other.

    What many decisioning suites run. lift(bin) = log-odds of the bin's rate, held to the pair's by
    ``strength`` rows, less those of the pair's rate. Lifts of features that repeat each other add up too
    far, so their sum goes through a line, learned on sums that leave the row itself out.

    Parameters
    ----------
    bins : equally large bins a feature, missing values in one of their own
    strength : rows' worth of belief in the level above: for a bin its pair, for a pair its channel

    Attributes
    ----------
    actions_ : the pairs of the fit
    n_, level_ : (K,) training rows of each pair, and log-odds of its rate
    channels_ : log-odds of each channel's rate; "" is that of all
    edges_ : for a feature the upper ends of its bins
    lifts_ : (K, n_features, n_bins) log-odds; the last bin holds missing values
    lines_ : (K, 2) shift and slope

    References
    ----------
    Hand and Yu (2001), International Statistical Review 69:385-398.

    Examples
    --------
    >>> NaiveBayesPerPair(bins=5)
    NaiveBayesPerPair(bins=5, strength=10.0)
    """

    def __init__(self, *, bins: int = 10, strength: float = 10.0) -> None:
        if not 2 <= bins <= 1000:
            raise ArgumentError(f"bins is {bins}; expected 2 to 1000 bins a feature.")
        if not 0 < strength < np.inf:
            raise ArgumentError(f"strength is {strength}; expected rows' worth of belief, above 0.")
        self.bins = bins
        self.strength = strength

    def fit(
        self, design: Design, y: Floats, *, at: Ints | None = None, gap_seconds: int = 0
    ) -> NaiveBayesPerPair:
        """Count responses per bin; ``at`` and ``gap_seconds`` change nothing.

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
        self.features_ = design.features
        rates = PairRates.fit(design, y, strength=self.strength)
        self.actions_, self.n_, self.level_, self.channels_ = (
            rates.actions,
            rates.n,
            rates.level,
            rates.channels,
        )
        above = 1.0 / (1.0 + np.exp(-rates.level))
        self.edges_ = tuple(equal_edges(x, self.bins) for x in _by_feature(design))
        hits, misses = self._counts(design, y)
        # Where a pair's rows share a bin, the bin is the pair: it says nothing, and less one row, that row.
        says = ((hits + misses > 0).sum(axis=2) > 1)[:, :, None]
        self.lifts_ = says * self._lifts(hits, misses, above)
        # A row's own outcome stands in its bins' counts: taken out, or the line would trust noise.
        without_miss, without_hit = (
            self._lifts(hits, _less_one(misses), above),
            self._lifts(_less_one(hits), misses, above),
        )
        left_out = says * np.stack([without_miss, without_hit])
        self.lines_ = self._lines(design, y, left_out)
        return self

    def score(self, design: Design) -> tuple[Floats, Floats]:
        """(margin, spread) of each request; spread is that of a rate with the pair's rows."""
        self._check(design)
        level, _, place = self._rates.of(design)
        line = self._lines_of(place)[design.pair]
        total = np.zeros(len(design))
        for rows, lifts in self._lifted(design, place):
            total[rows] = lifts.sum(axis=1)
        spread = self._rates.spread(design, strength=self.strength)
        return level[design.pair] + line[:, 0] + line[:, 1] * total, spread[design.pair]

    def support(self, design: Design) -> tuple[Floats, NDArray[np.bool_]]:
        """(n, prior_only) of each of the design's pairs: training rows, and whether there were none."""
        self._check_fitted()
        n = self._rates.of(design)[1]
        return n, n == 0

    def contributions(self, design: Design) -> Contributions:
        """Exact parts of each request's margin: a feature's lift times the slope."""
        margin = self.score(design)[0]
        level, _, place = self._rates.of(design)
        line = self._lines_of(place)[design.pair]
        values = np.zeros((len(design), len(design.features)))
        for rows, lifts in self._lifted(design, place):
            values[rows] = lifts * line[rows, 1:]
        return Contributions(level[design.pair] + line[:, 0], values, margin, design.features)

    def to_state(self) -> State:
        """Plain JSON and arrays, for a bundle."""
        self._check_fitted()
        plain = {
            **self.get_params(),
            "actions": [list(action) for action in self.actions_],
            "features": [vars(feature) for feature in self.features_],
            "channels": self.channels_,
        }
        ends = np.cumsum([len(edges) for edges in self.edges_], dtype=np.int64)
        return plain, {
            "n": self.n_,
            "level": self.level_,
            "lifts": self.lifts_,
            "lines": self.lines_,
            "edges": np.concatenate([np.zeros(0), *self.edges_]),
            "edge_ends": ends,
        }

    @classmethod
    def from_state(cls, state: State) -> NaiveBayesPerPair:
        """The fitted model that :meth:`to_state` described."""
        plain, a = state
        model = cls(bins=plain["bins"], strength=plain["strength"])
        model.actions_ = tuple(Action(*action) for action in plain["actions"])
        model.features_ = tuple(Feature(**feature) for feature in plain["features"])
        model.channels_ = {name: float(level) for name, level in plain["channels"].items()}
        model.n_, model.level_, model.lifts_, model.lines_ = a["n"], a["level"], a["lifts"], a["lines"]
        model.edges_ = tuple(np.split(a["edges"], a["edge_ends"][:-1])) if len(a["edge_ends"]) else ()
        return model

    def _counts(self, design: Design, y: Floats) -> tuple[Floats, Floats]:
        """(K, n_features, n_bins) rows with and without a response."""
        width = self.bins + 1
        shape = (len(self.actions_), len(self.features_), width)
        counts = np.zeros((2, *shape))
        for rows, codes in self._codes(design):
            for outcome in (0, 1):
                which = y[rows] == outcome
                pair = design.pair[rows][which]
                for j in range(codes.shape[1]):
                    here = np.bincount(pair * width + codes[which, j], minlength=shape[0] * width)
                    counts[outcome, :, j] += here.reshape(shape[0], width)
        return counts[1], counts[0]

    def _lifts(self, hits: Floats, misses: Floats, rate: Floats) -> Floats:
        held = rate[:, None, None]
        lifts: Floats = np.log(
            (hits + self.strength * held) / (misses + self.strength * (1 - held))
        ) - log_odds(held)
        return lifts

    def _lines(self, design: Design, y: Floats, left_out: Floats) -> Floats:
        """(K, 2) how a sum of lifts that leave the row out goes with its outcome."""
        total = np.zeros(len(design))
        every = np.arange(len(self.features_))
        for rows, codes in self._codes(design):
            outcome, pair = y[rows].astype(np.int64), design.pair[rows]
            total[rows] = left_out[outcome[:, None], pair[:, None], every, codes].sum(axis=1)
        # Sums must not depend on the table's order: requests by pair, then by what they add up to.
        order = np.lexsort((y, total, design.pair))
        x = np.stack([np.ones(len(y)), total], axis=1)[order]
        y, pair = y[order], design.pair[order]
        level = self.level_[pair]
        center, sd = _POOLED_LINE
        pooled, _ = penalised_logit(x, y, center=center, sd=sd, offset=level)
        lines = np.tile(pooled, (len(self.actions_), 1))
        bounds = np.searchsorted(pair, np.arange(len(lines) + 1))
        for k in np.flatnonzero(self.n_):
            mine = slice(bounds[k], bounds[k + 1])
            lines[k], _ = penalised_logit(x[mine], y[mine], center=pooled, sd=_LINE_SD, offset=level[mine])
        lines[:, 1] = np.maximum(lines[:, 1], 0.0)  # a sum of lifts never speaks against itself
        return lines

    def _codes(self, design: Design) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Requests in pieces, and which bin each of their features falls into."""
        for lo in range(0, len(design), _PIECE):
            rows = np.arange(lo, min(lo + _PIECE, len(design)))
            x = columns(design, rows)
            codes = np.empty(x.shape, dtype=np.int64)
            for j, edges in enumerate(self.edges_):
                codes[:, j] = np.searchsorted(edges, x[:, j], side="left")
            codes[np.isnan(x)] = self.bins
            yield rows, codes

    def _lifted(self, design: Design, place: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        """Requests in pieces, and the lift of each feature; 0 where the pair was never met."""
        every = np.arange(len(self.features_))
        for rows, codes in self._codes(design):
            at = place[design.pair[rows]]
            lifts = self.lifts_[np.maximum(at, 0)[:, None], every, codes]
            yield rows, np.where(at[:, None] >= 0, lifts, 0.0)

    def _lines_of(self, place: NDArray[np.int64]) -> Floats:
        lines: Floats = np.where(place[:, None] >= 0, self.lines_[np.maximum(place, 0)], [0.0, 1.0])
        return lines

    @property
    def _rates(self) -> PairRates:
        return PairRates(self.actions_, self.n_, self.level_, self.channels_)

    def _check(self, design: Design) -> None:
        self._check_fitted()
        check_columns(design, self.features_)
        check_values(design)

    def _check_fitted(self) -> None:
        if not hasattr(self, "lifts_"):
            raise NotFittedError("NaiveBayesPerPair is not fitted; call fit(design, y) first.")


def _by_feature(design: Design) -> Iterator[Floats]:
    """Each feature's training values, a shared one's once a row."""
    for block in (design.shared, design.own):
        yield from np.asarray(block, dtype=float).T


def _less_one(counts: Floats) -> Floats:
    less: Floats = np.maximum(counts - 1.0, 0.0)
    return less
