"""The static segment baseline: the thing to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Contributions, Design, Floats, Ints, State, Strings
from nba.errors import ArgumentError, NotFittedError
from nba.models.border import check_outcomes, outcomes_of
from nba.models.params import Params

_BETWEEN = "\x1f"
"""Stands between segment and pair in a key: no name holds it."""


class SegmentBaseline(Params):
    """Response rate per (segment, pair), shrunk to the pair's and to the channel's rate.

    What most companies do today: HCPs are grouped by static attributes, and every group has its rates.
    rate = (responses + strength * rate above) / (touches + strength), for channel, pair and segment in turn.

    Parameters
    ----------
    by : attributes of the HCP that make a segment; those that the design does not hold are left out
    strength : touches' worth of belief in the level above

    Attributes
    ----------
    overall_ : rate of all
    channels_, pairs_, rates_ : shrunk rates by channel, by pair, and by segment and pair
    n_ : touches by pair, and by segment and pair
    columns_ : the design's columns that make a segment

    Examples
    --------
    >>> from nba.contracts import Action, Design
    >>> design = Design(
    ...     shared=np.zeros((2, 0)), own=np.zeros((2, 0)), row=np.arange(2), pair=np.zeros(2, dtype=int),
    ...     actions=(Action("hq_email", "safety"),), groups=(("channel=hq_email",),),
    ...     shared_features=(), own_features=(),
    ... )
    >>> model = SegmentBaseline(strength=1.0).fit(design, np.array([0.0, 1.0]))
    >>> model.score(design)[0]
    array([0., 0.])
    """

    def __init__(self, *, by: Sequence[str] = ("specialty", "tier"), strength: float = 50.0) -> None:
        if not 0 < strength < np.inf:
            raise ArgumentError(f"strength is {strength}; expected touches' worth of belief, above 0.")
        if isinstance(by, str):
            raise ArgumentError("by is a single text; expected attribute names, as in by=('specialty',).")
        self.by = by
        self.strength = strength

    def fit(
        self, design: Design, y: Floats, *, at: Ints | None = None, gap_seconds: int = 0
    ) -> SegmentBaseline:
        """Count responses per segment and pair; ``at`` and ``gap_seconds`` change nothing.

        Raises
        ------
        OutcomeError
            If an outcome is neither 0 nor 1, or there is none.
        """
        y = outcomes_of(design, y)
        check_outcomes(y)
        self.columns_ = tuple(
            f.name
            for f in design.shared_features
            if any(f.name.startswith(f"attribute({column}=") for column in self.by)
        )
        channel = np.array([g[0] for g in design.groups], dtype=object)[design.pair]
        pair = np.array([str(a) for a in design.actions], dtype=object)[design.pair]
        both = self._segments(design)[design.row] + _BETWEEN + pair
        self.overall_ = float((y.sum() + 0.5) / (len(y) + 1.0))
        self.channels_, _ = self._shrunk(channel, y, dict.fromkeys(channel, self.overall_))
        self.pairs_, of_pairs = self._shrunk(pair, y, _above(pair, channel, self.channels_))
        self.rates_, of_both = self._shrunk(both, y, _above(both, pair, self.pairs_))
        self.n_ = of_pairs | of_both
        return self

    def score(self, design: Design) -> tuple[Floats, Floats]:
        """(margin, spread) of each request: log-odds of its rate, and how well its touches tell it."""
        self._check_fitted()
        segment = self._segments(design)
        names = [str(a) for a in design.actions]
        above = [
            self.pairs_.get(name, self.channels_.get(groups[0], self.overall_))
            for name, groups in zip(names, design.groups, strict=True)
        ]
        met, place = np.unique(segment.astype(str), return_inverse=True)
        keys = [[f"{s}{_BETWEEN}{name}" for name in names] for s in met]
        shape = (len(met), len(names))
        rates = np.array(
            [[self.rates_.get(key, up) for key, up in zip(row, above, strict=True)] for row in keys]
        ).reshape(shape)
        n = np.array([[self.n_.get(key, 0.0) for key in row] for row in keys]).reshape(shape)
        margin = np.log(rates / (1 - rates))
        spread = 1.0 / np.sqrt((n + self.strength) * rates * (1 - rates))
        at = (place.reshape(-1)[design.row], design.pair)
        return margin[at], spread[at]

    def support(self, design: Design) -> tuple[Floats, NDArray[np.bool_]]:
        """(n, prior_only) of each of the design's pairs: training rows, and whether there were none."""
        self._check_fitted()
        n = np.array([self.n_.get(str(a), 0.0) for a in design.actions])
        return n, n == 0

    def contributions(self, design: Design) -> Contributions:
        """A segment's rate has no parts: everything is in the base."""
        margin = self.score(design)[0]
        return Contributions(margin, np.zeros((len(design), len(design.features))), margin, design.features)

    def to_state(self) -> State:
        """Plain JSON; there are no arrays."""
        self._check_fitted()
        names = ("overall_", "channels_", "pairs_", "rates_", "n_")
        plain = {name: getattr(self, name) for name in names}
        return {**plain, "columns_": list(self.columns_), "by": list(self.by), "strength": self.strength}, {}

    @classmethod
    def from_state(cls, state: State) -> SegmentBaseline:
        """The fitted model that :meth:`to_state` described."""
        plain = state[0]
        model = cls(by=tuple(plain["by"]), strength=plain["strength"])
        for name in ("overall_", "channels_", "pairs_", "rates_", "n_"):
            setattr(model, name, plain[name])
        model.columns_ = tuple(plain["columns_"])
        return model

    def _segments(self, design: Design) -> Strings:
        """(n_rows,) the segment of each row: one sign a flag of the static attributes."""
        found = {f.name: j for j, f in enumerate(design.shared_features)}
        missing = [name for name in self.columns_ if name not in found]
        if missing:
            raise ArgumentError(
                f"The design lacks {len(missing)} columns that make the segments (first: {missing[:5]}). "
                "Use the features that were fitted with the model."
            )
        segment = np.full(len(design.shared), "", dtype=object)
        for name in self.columns_:
            segment = segment + np.where(design.shared[:, found[name]] > 0, "1", "0").astype(object)
        return segment

    def _shrunk(
        self, key: Strings, y: Floats, above: Mapping[str, float]
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Rates and touches by key."""
        met, codes = np.unique(key.astype(str), return_inverse=True)
        n = np.bincount(codes, minlength=len(met)).astype(float)
        s = np.bincount(codes, weights=y, minlength=len(met))
        up = np.array([above[name] for name in met])
        rates = (s + self.strength * up) / (n + self.strength)
        return dict(zip(met.tolist(), rates.tolist(), strict=True)), dict(
            zip(met.tolist(), n.tolist(), strict=True)
        )

    def _check_fitted(self) -> None:
        if not hasattr(self, "rates_"):
            raise NotFittedError("SegmentBaseline is not fitted; call fit(design, y) first.")


def _above(key: Strings, level: Strings, rates: Mapping[str, float]) -> dict[str, float]:
    """The rate of the level above for each key."""
    return {k: rates[name] for k, name in zip(key, level, strict=True)}
