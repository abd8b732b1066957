"""Where an HCP stands among those of its kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nba.contracts import DAY, Floats, Strings
from nba.errors import ArgumentError
from nba.features.combined import Combined, packed
from nba.features.declare import Part, check_column, check_days, declared
from nba.history import Op, Reference, measures


@declared
@dataclass(frozen=True, kw_only=True)
class Standing(Combined):
    """Where the engagement score stands in the HCP's specialty: the share of colleagues below, ties half.

    The score is that of :class:`Depth`; the colleagues' scores are learned in fit, those without a history
    at 0. So an HCP's standing moves with their own history alone, until the next fit. Who has no specialty,
    or one of few, stands among everybody.

    Parameters
    ----------
    half_life_days : of the score
    among : column of the hcp table that says who is a colleague
    least : colleagues under which the specialty says nothing
    """

    half_life_days: int = 60
    among: str = "specialty"
    least: int = 20
    unit: ClassVar[str] = "share"
    prior = Reference

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by is not None or self.own:
            raise ArgumentError("Standing compares HCPs, not keys. Leave by and own out.")
        check_days("half_life_days", self.half_life_days)
        check_column(self.among, "hcps", ("id", "text"))
        if self.least < 1:
            raise ArgumentError(f"least is {self.least}; expected 1 or more.")

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part(Op.DECAYED, self.of, self.half_life_days * DAY, weight="depth"),)

    def learn_among(self, scores: Floats, groups: Strings) -> tuple[Reference, ...]:
        """The scores of everybody, and of each group that is large enough.

        Parameters
        ----------
        scores : (n_hcps,) at the end of training
        groups : (n_hcps,) who is a colleague of whom; "" is not known
        """
        met, counts = np.unique(groups[groups != ""].astype(str), return_counts=True)
        large = [str(name) for name, n in zip(met, counts, strict=True) if n >= self.least]
        return (Reference.of("", scores), *(Reference.of(name, scores[groups == name]) for name in large))

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        """The standing; the second part says which of ``priors`` is whose."""
        score, place = packed(parts[0]), parts[1]
        found: Floats = np.full(score.shape, np.nan)
        for i, reference in enumerate(priors):
            mine = place[:, 0] == i
            found[mine] = measures.standing(score[mine], np.array(reference.values))
        return found

    def _tail(self) -> str:
        return f", among {self.among}, half-life {self.half_life_days}d"
