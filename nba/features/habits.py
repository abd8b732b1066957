"""What an HCP prefers, and when in the day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from nba.contracts import DAY, Floats
from nba.errors import ArgumentError
from nba.features.clock import BLOCKS, HOURS
from nba.features.combined import Combined, Windowed, beta_priors, need_by, packed, side_by_side
from nba.features.declare import Of, Part, Prior, check_days, declared
from nba.history import BetaPrior, Op, measures


@declared
@dataclass(frozen=True, kw_only=True)
class Preference(Combined):
    """Which channels an HCP prefers, whatever was sent through each: shares that add up to 1.

    Proportional to the faded response rate, shrunk to what all HCPs do (learned in fit): counts alone would
    mirror what we sent.
    """

    of: Of = "responses"
    by: str | None = "channel"
    half_life_days: int = 90
    unit: ClassVar[str] = "share"
    prior = BetaPrior

    def __post_init__(self) -> None:
        super().__post_init__()
        need_by(self)
        self._refuse_own()
        check_days("half_life_days", self.half_life_days)

    @property
    def parts(self) -> tuple[Part, ...]:
        span = self.half_life_days * DAY
        return tuple(Part(Op.DECAYED, of, span) for of in (self.of, "touches"))

    def learn(self, parts: Sequence[Floats]) -> tuple[Prior, ...]:
        return beta_priors(*parts)

    def combine(self, parts: Sequence[Floats], priors: Sequence[BetaPrior]) -> Floats:
        mean, strength = side_by_side(priors)
        return measures.preference(packed(parts[0]), packed(parts[1]), prior=mean, strength=strength)

    def _tail(self) -> str:
        return f", half-life {self.half_life_days}d"


@declared
@dataclass(frozen=True, kw_only=True)
class Rhythm(Windowed):
    """When in the day the HCP engages, on their own clock: shares of six blocks of four hours.

    Smoothed over the circle of the day (23:30 is near to 00:30) and shrunk to what all HCPs do.
    """

    window_days: int | None = 365
    by: str | None = "hour"
    unit: ClassVar[str] = "share"
    prior = BetaPrior
    fixed_keys: ClassVar[tuple[str, ...]] = HOURS

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse_own()
        if self.by != "hour":
            raise ArgumentError(f"Rhythm(by={self.by!r}) cannot be: it is by hour. Leave by out.")

    def columns(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        return BLOCKS

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part(Op.COUNT, self.of, self.span),)

    def learn(self, parts: Sequence[Floats]) -> tuple[Prior, ...]:
        totals = parts[0].sum(axis=0) + 1.0
        return tuple(BetaPrior(float(share), 8.0) for share in totals / totals.sum())

    def combine(self, parts: Sequence[Floats], priors: Sequence[BetaPrior]) -> Floats:
        mean, strength = side_by_side(priors)
        shares = measures.rhythm(packed(parts[0]), prior=mean, strength=float(strength[0]))
        found: Floats = shares.reshape(len(shares), len(BLOCKS), -1).sum(axis=-1)
        return found

    def name(self, key: str) -> str:
        """The column's name: rhythm(engagements, 08:00-12:00, 365d)."""
        return f"rhythm({self.of}, {key}{self._tail()})"

    def _label(self, key: str) -> str:
        return f"engagements between {key.replace('-', ' and ')}"

    def _group(self) -> str:
        return "rhythm"
