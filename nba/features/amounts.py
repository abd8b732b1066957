"""How much an HCP's events weigh together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nba.contracts import DAY, Floats
from nba.errors import ArgumentError
from nba.features.combined import Combined, Windowed, packed
from nba.features.declare import WEIGHTS, Of, Part, Weight, check_days, declared
from nba.history import Op, measures


@declared
@dataclass(frozen=True, kw_only=True)
class Sum(Windowed):
    """What the events of the window weigh together: their amounts, their seconds, their depth.

    Parameters
    ----------
    weight : "depth" (by outcome: an open 0.1, a click 0.5, a completion 1), "amount", "duration_s" or
        "depth_level" (of the content); an event without one is left out
    """

    weight: Weight = "depth"
    unit: ClassVar[str] = "number"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_weight(self.weight)

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part(Op.SUM, self.of, self.span, weight=self.weight),)

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        return parts[0]

    def _tail(self) -> str:
        return f", {self.weight}{super()._tail()}"


@declared
@dataclass(frozen=True, kw_only=True)
class Depth(Combined):
    """Engagement score: what each event's outcome says, faded: sum of weight * 2 ** (-age / half-life)."""

    half_life_days: int = 60
    unit: ClassVar[str] = "number"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_days("half_life_days", self.half_life_days)

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part(Op.DECAYED, self.of, self.half_life_days * DAY, weight="depth"),)

    def _tail(self) -> str:
        return f", half-life {self.half_life_days}d"


@declared
@dataclass(frozen=True, kw_only=True)
class Familiarity(Depth):
    """How well a topic is known: 1 - exp(-faded depth), in [0, 1)."""

    half_life_days: int = 180
    unit: ClassVar[str] = "share"

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        return measures.familiarity(packed(parts[0]))


@declared
@dataclass(frozen=True, kw_only=True)
class Novelty(Combined):
    """How new the action's content still is to the HCP: 1 / (1 + faded contacts with it)."""

    of: Of = "touches"
    half_life_days: int = 60
    unit: ClassVar[str] = "share"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_days("half_life_days", self.half_life_days)

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part(Op.DECAYED, self.of, self.half_life_days * DAY),)

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        return measures.novelty(parts[0])

    def _tail(self) -> str:
        return f", half-life {self.half_life_days}d"


def _check_weight(weight: str) -> None:
    if weight not in WEIGHTS:
        raise ArgumentError(f"weight is {weight!r}; expected one of {', '.join(WEIGHTS)}.")
