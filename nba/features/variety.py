"""How varied an HCP's events are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nba.contracts import Evidence, Floats
from nba.features.combined import Over, Windowed, need_by, packed, plural
from nba.features.declare import Part, declared
from nba.history import Op, measures


@declared
@dataclass(frozen=True, kw_only=True)
class Distinct(Over):
    """How many values of another column are met: different contents, topics, devices."""

    is_raw: ClassVar[bool] = True
    is_counted: ClassVar[bool] = True

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part(Op.DISTINCT, self.of, self.span, value=self.over),)

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        return parts[0]

    def evidence(self, parts: Sequence[float]) -> Evidence | None:
        """How many."""
        return Evidence(count=round(parts[0]))

    def _label(self, key: str) -> str:
        return f"different {plural(self.over)} in {super()._label(key)}"


@declared
@dataclass(frozen=True, kw_only=True)
class Diversity(Over):
    """How evenly events spread over the values of another column: entropy in nats; NaN without any."""

    over: str = "channel"
    unit: ClassVar[str] = "number"

    @property
    def parts(self) -> tuple[Part, ...]:
        return (
            Part(Op.COUNT, self.of, self.span, value=self.over),
            Part(Op.LOGS, self.of, self.span, value=self.over),
        )

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        return measures.entropy(packed(parts[0]), packed(parts[1]))

    def _label(self, key: str) -> str:
        return f"variety of {plural(self.over)} in {super()._label(key)}"


@declared
@dataclass(frozen=True, kw_only=True)
class Share(Windowed):
    """Which share of the HCP's events has the key; NaN where there is no event."""

    unit: ClassVar[str] = "share"
    is_counted: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        need_by(self)

    @property
    def parts(self) -> tuple[Part, ...]:
        return Part(Op.COUNT, self.of, self.span), Part(Op.COUNT, self.of, self.span, alone=True)

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        return measures.share(*parts)

    def evidence(self, parts: Sequence[float]) -> Evidence | None:
        """How many, of how many."""
        return Evidence(count=round(parts[0]), of=round(parts[1]))


@declared
@dataclass(frozen=True, kw_only=True)
class Elsewhere(Windowed):
    """Events of all keys but the action's own: what an HCP does in the other channels."""

    by: str | None = "channel"
    own: bool = True

    @property
    def parts(self) -> tuple[Part, ...]:
        return Part(Op.COUNT, self.of, self.span), Part(Op.COUNT, self.of, self.span, alone=True)

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        found: Floats = parts[1] - parts[0]
        return found

    def _label(self, key: str) -> str:
        return super()._label(key).replace("this", "other", 1)

    def _group(self) -> str:
        return "other_channels" if self.by == "channel" else super()._group()
