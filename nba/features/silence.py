"""Whether an HCP is tired of contacts, or gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nba.contracts import DAY, Floats
from nba.features.combined import Combined, beta_priors, each_column, need_by, packed, plural, side_by_side
from nba.features.declare import Of, Part, Prior, check_days, declared, span_of
from nba.history import BetaPrior, GammaPrior, Op, gamma_prior, measures


@declared
@dataclass(frozen=True, kw_only=True)
class Fatigue(Combined):
    """How tired of contacts an HCP is, in [0, 1): many of late, and fewer answered than used to be.

    See :func:`nba.history.measures.fatigue`; the long-run rate is shrunk to what all HCPs do.
    """

    of: Of = "responses"
    half_life_days: int = 14
    unit: ClassVar[str] = "share"
    prior = BetaPrior

    def __post_init__(self) -> None:
        super().__post_init__()
        check_days("half_life_days", self.half_life_days)

    @property
    def parts(self) -> tuple[Part, ...]:
        span = self.half_life_days * DAY
        return tuple(
            Part(op, of, s) for op, s in ((Op.DECAYED, span), (Op.COUNT, span_of(None)))
            for of in ("touches", self.of)
        )  # fmt: skip

    def learn(self, parts: Sequence[Floats]) -> tuple[Prior, ...]:
        return beta_priors(parts[3], parts[2])

    def combine(self, parts: Sequence[Floats], priors: Sequence[BetaPrior]) -> Floats:
        mean, strength = side_by_side(priors)
        base = (np.minimum(parts[3], parts[2]) + strength * mean) / (parts[2] + strength)
        return measures.fatigue(parts[0], parts[1], base_rate=base)

    def _tail(self) -> str:
        return f", half-life {self.half_life_days}d"

    def _group(self) -> str:
        return "contact_pressure"


@declared
@dataclass(frozen=True, kw_only=True)
class Silence(Combined):
    """How likely an HCP who goes on as before would be silent for so long; NaN before any engagement.

    The p-value of :func:`nba.history.measures.silence_p`, its prior learned in fit: under 0.05 is a
    drop-off that one in twenty who go on as before would show too.
    """

    unit: ClassVar[str] = "share"
    prior = GammaPrior

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse_own()

    @property
    def parts(self) -> tuple[Part, ...]:
        return (
            Part(Op.COUNT, self.of, span_of(None)),
            Part(Op.FIRST, self.of, span_of(None)),
            Part(Op.RECENCY, self.of),
        )

    def learn(self, parts: Sequence[Floats]) -> tuple[Prior, ...]:
        watched = np.where(np.isnan(parts[1]), 0.0, parts[1])
        after = np.maximum(parts[0] - 1.0, 0.0)
        return tuple(gamma_prior(after[:, k], watched[:, k]) for k in range(watched.shape[1]))

    def combine(self, parts: Sequence[Floats], priors: Sequence[GammaPrior]) -> Floats:
        count, first, gap = parts
        return each_column(
            priors,
            lambda k, prior: measures.silence_p(
                count[:, k] - 1.0, packed(first[:, k] - gap[:, k]), packed(gap[:, k]), prior
            ),
            rows=len(count),
        )


@declared
@dataclass(frozen=True, kw_only=True)
class NonEngagement(Silence):
    """Silence in several channels at once: the p-values of all of them as one (Simes 1986)."""

    by: str | None = "channel"

    def __post_init__(self) -> None:
        super().__post_init__()
        need_by(self)

    def columns(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        return ("",)

    def combine(self, parts: Sequence[Floats], priors: Sequence[GammaPrior]) -> Floats:
        return measures.simes(super().combine(parts, priors))[:, None]

    def name(self, key: str) -> str:
        """The column's name: nonengagement(engagements, over channel)."""
        return f"nonengagement({self.of}, over {self.by})"

    def _label(self, key: str) -> str:
        return f"engagements over all {plural(str(self.by))}"

    def _group(self) -> str:
        return "overall_engagement"
