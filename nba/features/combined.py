"""What measures combined from several counts share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nba.contracts import Floats
from nba.errors import ArgumentError
from nba.features.declare import SPARSE, HistoryMeasure, Prior, span_of
from nba.history import BetaPrior, GammaPrior, beta_prior


@dataclass(frozen=True, kw_only=True)
class Combined(HistoryMeasure):
    """What measures share that stand for more than one count; a card never quotes them."""

    is_raw: ClassVar[bool] = False
    is_counted: ClassVar[bool] = False

    def _wording(self) -> str:
        return ""

    def _refuse_own(self) -> None:
        if self.own:
            raise ArgumentError(
                f"{type(self).__name__}(own=True) cannot be: it compares all keys with each other. "
                "Leave own out; each key gets its column."
            )


@dataclass(frozen=True, kw_only=True)
class Windowed(Combined):
    """What combined measures with a window share.

    Parameters
    ----------
    window_days : how far back; None is the whole history
    """

    window_days: int | None = None

    @property
    def days(self) -> int | None:
        return self.window_days

    @property
    def span(self) -> int:
        """The window in seconds."""
        return span_of(self.window_days)


@dataclass(frozen=True, kw_only=True)
class Over(Windowed):
    """What measures share that look at the values of a second column.

    Parameters
    ----------
    over : the column; anything that ``by`` takes
    """

    over: str = "content"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_over(self, self.over)

    def _tail(self) -> str:
        return f", over {self.over}{super()._tail()}"


def need_by(measure: HistoryMeasure) -> None:
    """Refuse a measure that compares keys and has none."""
    if measure.by is None:
        raise ArgumentError(f'{type(measure).__name__} needs by=: what it compares, such as by="channel".')


def check_over(measure: HistoryMeasure, over: str) -> None:
    """Refuse a second column that is none, or the measure's own key."""
    if over in SPARSE and over == measure.by:
        raise ArgumentError(f"over and by are both {over!r}; each key would have one value.")
    # What may be counted over is what may be counted by.
    HistoryMeasure(by=over, own=True)


def plural(column: str) -> str:
    """A column's name as a person calls several of its values."""
    words = column.removesuffix("_id").replace("_", " ")
    return f"{words}s"


def packed(block: Floats) -> Floats:
    """The same numbers side by side in memory: logs of strided numbers may end in other bits."""
    found: Floats = np.ascontiguousarray(block, dtype=np.float64)
    return found


def side_by_side(priors: Sequence[BetaPrior]) -> tuple[Floats, Floats]:
    """Means and strengths, one a key."""
    return np.array([p.mean for p in priors]), np.array([p.strength for p in priors])


def beta_priors(successes: Floats, trials: Floats) -> tuple[Prior, ...]:
    """The prior of each column's rate, from (n_hcps, n_keys) counts."""
    return tuple(beta_prior(successes[:, k], trials[:, k]) for k in range(trials.shape[1]))


def each_column(priors: Sequence[GammaPrior], values: Any, *, rows: int) -> Floats:
    """Columns side by side, each with its own prior."""
    found: Floats = np.empty((rows, len(priors)))
    for k, prior in enumerate(priors):
        found[:, k] = values(k, prior)
    return found
