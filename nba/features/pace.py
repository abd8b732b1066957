"""How fast and how regularly an HCP engages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nba.contracts import DAY, Floats
from nba.errors import ArgumentError
from nba.features.combined import (
    Combined,
    Over,
    Windowed,
    beta_priors,
    each_column,
    packed,
    side_by_side,
)
from nba.features.declare import Of, Part, Prior, declared
from nba.history import BetaPrior, GammaPrior, Op, gamma_prior, measures

MONTH = 30


@declared
@dataclass(frozen=True, kw_only=True)
class Gap(Windowed):
    """Mean days between consecutive events of the window; NaN under two events."""

    unit: ClassVar[str] = "days"

    @property
    def parts(self) -> tuple[Part, ...]:
        return (
            Part(Op.COUNT, self.of, self.span),
            Part(Op.FIRST, self.of, self.span),
            Part(Op.RECENCY, self.of),
        )

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        gaps = np.where(parts[0] > 1, parts[0] - 1, np.nan)
        found: Floats = (parts[1] - parts[2]) / gaps
        return found


@declared
@dataclass(frozen=True, kw_only=True)
class GapSpread(Windowed):
    """Standard deviation of the days between consecutive events of the window; NaN under three events."""

    unit: ClassVar[str] = "days"
    is_raw: ClassVar[bool] = True

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part(Op.SPREAD, self.of, self.span),)


@declared
@dataclass(frozen=True, kw_only=True)
class Trend(Combined):
    """The last ``window_days`` against as many before: log((recent + 1) / (earlier + 1))."""

    window_days: int = 90
    unit: ClassVar[str] = "number"

    @property
    def days(self) -> int | None:
        return self.window_days

    @property
    def parts(self) -> tuple[Part, ...]:
        spans = self.window_days * DAY, 2 * self.window_days * DAY
        return tuple(Part(Op.COUNT, self.of, span) for span in spans)

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        recent, both = packed(parts[0]), packed(parts[1])
        return measures.trend(recent, both - recent)


@declared
@dataclass(frozen=True, kw_only=True)
class Slope(Combined):
    """Whether the share of touches that is answered goes up or down, per 30 days.

    Theil-Sen slope of the rates of the last ``months`` times 30 days, each shrunk to what all HCPs do;
    months without a touch say nothing. NaN under two months with touches.
    """

    of: Of = "responses"
    months: int = 6
    unit: ClassVar[str] = "number"
    prior = BetaPrior

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.months <= 24:
            raise ArgumentError(f"months is {self.months}; expected 2 to 24.")

    @property
    def days(self) -> int | None:
        return self.months * MONTH

    @property
    def parts(self) -> tuple[Part, ...]:
        spans = [(month + 1) * MONTH * DAY for month in range(self.months)]
        return tuple(Part(Op.COUNT, of, span) for span in spans for of in (self.of, "touches"))

    def learn(self, parts: Sequence[Floats]) -> tuple[Prior, ...]:
        return beta_priors(parts[-2], parts[-1])

    def combine(self, parts: Sequence[Floats], priors: Sequence[BetaPrior]) -> Floats:
        mean, strength = side_by_side(priors)
        rates = []
        for won, sent in _by_month(parts):
            rate = (np.minimum(won, sent) + strength * mean) / (sent + strength)
            rates.append(np.where(sent > 0, rate, np.nan))
        return measures.theil_sen(-np.arange(float(self.months)), np.stack(rates, axis=-1))


@declared
@dataclass(frozen=True, kw_only=True)
class Velocity(Over):
    """How fast the HCP moves between content types: switches per 30 days, shrunk.

    30 * (K + a) / (T + b): see :func:`nba.history.measures.engagement_velocity`.

    Parameters
    ----------
    over : the column whose changes are counted
    """

    window_days: int | None = 90
    over: str = "content_type"
    unit: ClassVar[str] = "number"
    prior = GammaPrior

    @property
    def parts(self) -> tuple[Part, ...]:
        return (
            Part(Op.SWITCHES, self.of, self.span, value=self.over),
            Part(Op.FIRST, self.of, self.span, value=self.over),
        )

    def learn(self, parts: Sequence[Floats]) -> tuple[Prior, ...]:
        days = np.where(np.isnan(parts[1]), 0.0, np.maximum(parts[1], 1.0))
        return tuple(gamma_prior(parts[0][:, k], days[:, k]) for k in range(days.shape[1]))

    def combine(self, parts: Sequence[Floats], priors: Sequence[GammaPrior]) -> Floats:
        return each_column(
            priors,
            lambda k, prior: measures.engagement_velocity(parts[0][:, k], parts[1][:, k], prior),
            rows=len(parts[0]),
        )


@declared
@dataclass(frozen=True, kw_only=True)
class Acceleration(Velocity):
    """Velocity of the window's later half over that of its earlier half, in logs."""

    unit: ClassVar[str] = "number"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window_days is None or self.window_days < 2:
            raise ArgumentError(f"window_days is {self.window_days}; expected 2 or more, to have two halves.")

    @property
    def parts(self) -> tuple[Part, ...]:
        half = self.span // 2
        return tuple(
            Part(op, self.of, span, skip=skip, value=self.over)
            for span, skip in ((half, 0), (self.span, half))
            for op in (Op.SWITCHES, Op.FIRST)
        )

    def combine(self, parts: Sequence[Floats], priors: Sequence[GammaPrior]) -> Floats:
        recent, earlier = super().combine(parts[:2], priors), super().combine(parts[2:], priors)
        return measures.acceleration(packed(recent), packed(earlier))


@declared
@dataclass(frozen=True, kw_only=True)
class DepthVelocity(Windowed):
    """Theil-Sen slope of the contents' depth level, per 30 days; NaN under two engagements."""

    window_days: int | None = 90
    unit: ClassVar[str] = "number"

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part(Op.SLOPE, self.of, self.span, weight="depth_level"),)

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        found: Floats = parts[0] * measures.MONTH_DAYS
        return found


def _by_month(parts: Sequence[Floats]) -> list[tuple[Floats, Floats]]:
    """(answered, touches) of each month alone, the latest first, from counts over ever longer windows."""
    won, sent = list(parts[0::2]), list(parts[1::2])
    return [
        (won[0], sent[0]),
        *((won[i] - won[i - 1], sent[i] - sent[i - 1]) for i in range(1, len(won))),
    ]
