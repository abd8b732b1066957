"""Recency and frequency: the marketer's table of rates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Action, Contributions, Design, Feature, Floats, Ints, State
from nba.errors import ArgumentError, NotFittedError
from nba.models.border import check_columns, check_outcomes, check_values, outcomes_of
from nba.models.params import Params
from nba.models.rates import PairRates, equal_edges, log_odds


class RecencyFrequency(Params):
    """Response rate by how long ago and how often an HCP responded, moved to each pair's level.

    Requests fall into cells of equally many by recency and by frequency; who never responded has a recency
    of his own. A channel has a rate a cell, held to the channel's, a channel's to that of all, and a pair's
    to the channel's by ``strength`` touches; then
    log-odds(pair, cell) = pair + (channel's cell - channel).

    Parameters
    ----------
    recency, frequency : names of columns; None takes the pair's first in days, and its first count,
        responses before engagements before anything else, the pair's own columns before the HCP's
    cells : groups by each of the two
    strength : touches' worth of belief in the level above

    Attributes
    ----------
    columns_ : the names of the two columns; None where the design has none such
    edges_ : the upper ends of the groups of each
    actions_, n_, level_ : pairs of the fit, their training rows, log-odds of their rates
    channels_ : log-odds by channel, "" is all
    lifts_ : (n_channels + 1, cells + 1, cells + 1) log-odds of a cell less those of its channel, "" first

    References
    ----------
    Bult and Wansbeek (1995), Marketing Science 14:378-394, for recency and frequency as the usual rival.

    Examples
    --------
    >>> RecencyFrequency(cells=3)
    RecencyFrequency(recency=None, frequency=None, cells=3, strength=50.0)
    """

    def __init__(
        self,
        *,
        recency: str | None = None,
        frequency: str | None = None,
        cells: int = 5,
        strength: float = 50.0,
    ) -> None:
        if not 2 <= cells <= 100:
            raise ArgumentError(f"cells is {cells}; expected 2 to 100 groups.")
        if not 0 < strength < np.inf:
            raise ArgumentError(f"strength is {strength}; expected touches' worth of belief, above 0.")
        self.recency = recency
        self.frequency = frequency
        self.cells = cells
        self.strength = strength

    def fit(
        self, design: Design, y: Floats, *, at: Ints | None = None, gap_seconds: int = 0
    ) -> RecencyFrequency:
        """Count responses per cell; ``at`` and ``gap_seconds`` change nothing.

        Raises
        ------
        OutcomeError
            If an outcome is neither 0 nor 1, or there is none.
        ArgumentError
            If a named column is not in the design, or a feature is infinite.
        """
        y = outcomes_of(design, y)
        check_outcomes(y)
        check_values(design)
        self.features_ = design.features
        self.columns_ = (
            _column(design, self.recency, unit="days"),
            _column(design, self.frequency, unit="count"),
        )
        self.edges_ = tuple(equal_edges(_values(design, name), self.cells) for name in self.columns_)
        rates = PairRates.fit(design, y, strength=self.strength)
        self.actions_, self.n_, self.level_, self.channels_ = (
            rates.actions,
            rates.n,
            rates.level,
            rates.channels,
        )
        self.lifts_ = self._cell_lifts(self._cells(design), self._channel(design)[design.pair], y)
        return self

    def score(self, design: Design) -> tuple[Floats, Floats]:
        """(margin, spread) of each request; spread is that of a rate with the pair's rows."""
        self._check(design)
        flat = self.lifts_.reshape(len(self.lifts_), -1)
        lift = flat[self._channel(design)[design.pair], self._cells(design)]
        spread = self._rates.spread(design, strength=self.strength)
        return self._rates.of(design)[0][design.pair] + lift, spread[design.pair]

    def support(self, design: Design) -> tuple[Floats, NDArray[np.bool_]]:
        """(n, prior_only) of each of the design's pairs: training rows, and whether there were none."""
        self._check_fitted()
        n = self._rates.of(design)[1]
        return n, n == 0

    def contributions(self, design: Design) -> Contributions:
        """A cell's rate has no parts: everything is in the base."""
        margin = self.score(design)[0]
        return Contributions(margin, np.zeros((len(design), len(design.features))), margin, design.features)

    def to_state(self) -> State:
        """Plain JSON and arrays, for a bundle."""
        self._check_fitted()
        plain = {
            **self.get_params(),
            "columns": list(self.columns_),
            "features": [vars(feature) for feature in self.features_],
            "actions": [list(action) for action in self.actions_],
            "channels": self.channels_,
        }
        recency, frequency = self.edges_
        arrays = {"n": self.n_, "level": self.level_, "lifts": self.lifts_}
        return plain, arrays | {"recency_edges": recency, "frequency_edges": frequency}

    @classmethod
    def from_state(cls, state: State) -> RecencyFrequency:
        """The fitted model that :meth:`to_state` described."""
        plain, a = state
        names = ("recency", "frequency", "cells", "strength")
        model = cls(**{name: plain[name] for name in names})
        model.columns_ = (plain["columns"][0], plain["columns"][1])
        model.features_ = tuple(Feature(**feature) for feature in plain["features"])
        model.actions_ = tuple(Action(*action) for action in plain["actions"])
        model.channels_ = {name: float(level) for name, level in plain["channels"].items()}
        model.n_, model.level_, model.lifts_ = a["n"], a["level"], a["lifts"]
        model.edges_ = (a["recency_edges"], a["frequency_edges"])
        return model

    def _cell_lifts(self, cell: Ints, channel: Ints, y: Floats) -> Floats:
        """Lifts of every cell: of all requests first, then by channel, each held to those of all."""
        width = (self.cells + 1) ** 2
        levels = np.array(list(self.channels_.values()))
        of_all = log_odds(self._held(cell, y, np.full(width, _rate(levels[0])))) - levels[0]
        above = _rate(levels[1:, None] + of_all)
        own = self._held((channel - 1) * width + cell, y, above.reshape(-1)).reshape(above.shape)
        lifts = np.vstack([of_all[None, :], log_odds(own) - levels[1:, None]])
        return lifts.reshape(-1, self.cells + 1, self.cells + 1)

    def _held(self, code: Ints, y: Floats, above: Floats) -> Floats:
        n = np.bincount(code, minlength=len(above))
        s = np.bincount(code, weights=y, minlength=len(above))
        rates: Floats = (s + self.strength * above) / (n + self.strength)
        return rates

    def _cells(self, design: Design) -> NDArray[np.int64]:
        """(n_requests,) which cell each request falls into."""
        cell = np.zeros(len(design), dtype=np.int64)
        for name, edges in zip(self.columns_, self.edges_, strict=True):
            x = _values(design, name)
            group = np.where(np.isnan(x), self.cells, np.searchsorted(edges, x, side="left"))
            cell = cell * (self.cells + 1) + group
        return cell

    def _channel(self, design: Design) -> NDArray[np.int64]:
        """(K,) where the lifts of each pair's channel stand; those of all for a channel never met."""
        places = {name: j for j, name in enumerate(self.channels_)}
        return np.array([places.get(groups[0], 0) for groups in design.groups], dtype=np.int64)

    @property
    def _rates(self) -> PairRates:
        return PairRates(self.actions_, self.n_, self.level_, self.channels_)

    def _check(self, design: Design) -> None:
        self._check_fitted()
        check_columns(design, self.features_)
        check_values(design)

    def _check_fitted(self) -> None:
        if not hasattr(self, "lifts_"):
            raise NotFittedError("RecencyFrequency is not fitted; call fit(design, y) first.")


def _column(design: Design, named: str | None, *, unit: str) -> str | None:
    features = (*design.own_features, *design.shared_features)
    if named is not None:
        if named not in [feature.name for feature in features]:
            raise ArgumentError(
                f"Column {named!r} is not in the design. Give one of its columns in {unit}: "
                f"{[feature.name for feature in features if feature.unit == unit][:5]}."
            )
        return named
    fitting = [feature.name for feature in features if feature.unit == unit]
    for about in ("response", "engagement", ""):
        found = [name for name in fitting if about in name]
        if found:
            return found[0]
    return None


def _values(design: Design, name: str | None) -> Floats:
    """(n_requests,) the column's value for each request; missing everywhere where there is none such."""
    own = _place(design.own_features, name)
    if own is not None:
        return np.asarray(design.own[:, own], dtype=float)
    shared = _place(design.shared_features, name)
    if shared is not None:
        return np.asarray(design.shared[:, shared], dtype=float)[design.row]
    return np.full(len(design), np.nan)


def _place(features: tuple[Feature, ...], name: str | None) -> int | None:
    return next((j for j, feature in enumerate(features) if feature.name == name), None)


def _rate(level: Floats | float) -> Floats:
    rate: Floats = 1.0 / (1.0 + np.exp(-np.asarray(level)))
    return rate
