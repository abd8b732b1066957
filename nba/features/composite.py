"""Measures combined from several counts of one history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nba.contracts import DAY, Evidence, Floats
from nba.errors import ArgumentError
from nba.features.clock import BLOCKS, HOURS
from nba.features.declare import (
    SPARSE,
    WEIGHTS,
    HistoryMeasure,
    Of,
    Part,
    Prior,
    Weight,
    check_days,
    declared,
    span_of,
)
from nba.history import BetaPrior, GammaPrior, Op, beta_prior, gamma_prior, measures

MONTH = 30


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


# --- how much ---------------------------------------------------------------------------------------------


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
        return measures.familiarity(_packed(parts[0]))


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


# --- how varied -------------------------------------------------------------------------------------------


@declared
@dataclass(frozen=True, kw_only=True)
class Distinct(Windowed):
    """How many values of another column are met: different contents, topics, devices.

    Parameters
    ----------
    over : the column whose values are counted; anything that ``by`` takes
    """

    over: str = "content"
    is_raw: ClassVar[bool] = True
    is_counted: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_over(self, self.over)

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part(Op.DISTINCT, self.of, self.span, value=self.over),)

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        return parts[0]

    def evidence(self, parts: Sequence[float]) -> Evidence | None:
        """How many."""
        return Evidence(count=round(parts[0]))

    def _tail(self) -> str:
        return f", over {self.over}{super()._tail()}"

    def _label(self, key: str) -> str:
        return f"different {_plural(self.over)} in {super()._label(key)}"


@declared
@dataclass(frozen=True, kw_only=True)
class Diversity(Windowed):
    """How evenly events spread over the values of another column: entropy in nats; NaN without any."""

    over: str = "channel"
    unit: ClassVar[str] = "number"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_over(self, self.over)

    @property
    def parts(self) -> tuple[Part, ...]:
        return (
            Part(Op.COUNT, self.of, self.span, value=self.over),
            Part(Op.LOGS, self.of, self.span, value=self.over),
        )

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        return measures.entropy(_packed(parts[0]), _packed(parts[1]))

    def _tail(self) -> str:
        return f", over {self.over}{super()._tail()}"

    def _label(self, key: str) -> str:
        return f"variety of {_plural(self.over)} in {super()._label(key)}"


@declared
@dataclass(frozen=True, kw_only=True)
class Share(Windowed):
    """Which share of the HCP's events has the key; NaN where there is no event."""

    unit: ClassVar[str] = "share"
    is_counted: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _need_by(self)

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


# --- how fast, how regular --------------------------------------------------------------------------------


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
        recent, both = _packed(parts[0]), _packed(parts[1])
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
        return _beta_priors(parts[-2], parts[-1])

    def combine(self, parts: Sequence[Floats], priors: Sequence[BetaPrior]) -> Floats:
        mean, strength = _columns(priors)
        rates = []
        for won, sent in _by_month(parts):
            rate = (np.minimum(won, sent) + strength * mean) / (sent + strength)
            rates.append(np.where(sent > 0, rate, np.nan))
        return measures.theil_sen(-np.arange(float(self.months)), np.stack(rates, axis=-1))


@declared
@dataclass(frozen=True, kw_only=True)
class Velocity(Windowed):
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

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_over(self, self.over)

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
        return _each(
            priors,
            lambda k, prior: measures.engagement_velocity(parts[0][:, k], parts[1][:, k], prior),
            rows=len(parts[0]),
        )

    def _tail(self) -> str:
        return f", over {self.over}{super()._tail()}"


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
        return measures.acceleration(_packed(recent), _packed(earlier))


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


# --- what is preferred, and when --------------------------------------------------------------------------


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
        _need_by(self)
        self._refuse_own()
        check_days("half_life_days", self.half_life_days)

    @property
    def parts(self) -> tuple[Part, ...]:
        span = self.half_life_days * DAY
        return tuple(Part(Op.DECAYED, of, span) for of in (self.of, "touches"))

    def learn(self, parts: Sequence[Floats]) -> tuple[Prior, ...]:
        return _beta_priors(*parts)

    def combine(self, parts: Sequence[Floats], priors: Sequence[BetaPrior]) -> Floats:
        mean, strength = _columns(priors)
        return measures.preference(_packed(parts[0]), _packed(parts[1]), prior=mean, strength=strength)

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
        mean, strength = _columns(priors)
        shares = measures.rhythm(_packed(parts[0]), prior=mean, strength=float(strength[0]))
        found: Floats = shares.reshape(len(shares), len(BLOCKS), -1).sum(axis=-1)
        return found

    def name(self, key: str) -> str:
        """The column's name: rhythm(engagements, 08:00-12:00, 365d)."""
        return f"rhythm({self.of}, {key}{self._tail()})"

    def _label(self, key: str) -> str:
        return f"engagements between {key.replace('-', ' and ')}"

    def _group(self) -> str:
        return "rhythm"


# --- silence and fatigue ----------------------------------------------------------------------------------


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
        return _beta_priors(parts[3], parts[2])

    def combine(self, parts: Sequence[Floats], priors: Sequence[BetaPrior]) -> Floats:
        mean, strength = _columns(priors)
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
        return _each(
            priors,
            lambda k, prior: measures.silence_p(
                count[:, k] - 1.0, _packed(first[:, k] - gap[:, k]), _packed(gap[:, k]), prior
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
        _need_by(self)

    def columns(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        return ("",)

    def combine(self, parts: Sequence[Floats], priors: Sequence[GammaPrior]) -> Floats:
        return measures.simes(super().combine(parts, priors))[:, None]

    def name(self, key: str) -> str:
        """The column's name: nonengagement(engagements, over channel)."""
        return f"nonengagement({self.of}, over {self.by})"

    def _label(self, key: str) -> str:
        return f"engagements over all {_plural(str(self.by))}"

    def _group(self) -> str:
        return "overall_engagement"


def _columns(priors: Sequence[BetaPrior]) -> tuple[Floats, Floats]:
    return np.array([p.mean for p in priors]), np.array([p.strength for p in priors])


def _beta_priors(successes: Floats, trials: Floats) -> tuple[Prior, ...]:
    return tuple(beta_prior(successes[:, k], trials[:, k]) for k in range(trials.shape[1]))


def _each(priors: Sequence[GammaPrior], values: Any, *, rows: int) -> Floats:
    """Columns side by side, each with its own prior."""
    found: Floats = np.empty((rows, len(priors)))
    for k, prior in enumerate(priors):
        found[:, k] = values(k, prior)
    return found


def _by_month(parts: Sequence[Floats]) -> list[tuple[Floats, Floats]]:
    """(answered, touches) of each month alone, the latest first, from counts over ever longer windows."""
    won, sent = list(parts[0::2]), list(parts[1::2])
    return [
        (won[0], sent[0]),
        *((won[i] - won[i - 1], sent[i] - sent[i - 1]) for i in range(1, len(won))),
    ]


def _packed(block: Floats) -> Floats:
    """The same numbers side by side in memory: logs of strided numbers may end in other bits."""
    found: Floats = np.ascontiguousarray(block, dtype=np.float64)
    return found


def _plural(column: str) -> str:
    words = column.removesuffix("_id").replace("_", " ")
    return f"{words}s"


def _need_by(measure: HistoryMeasure) -> None:
    if measure.by is None:
        raise ArgumentError(f'{type(measure).__name__} needs by=: what it compares, such as by="channel".')


def _check_weight(weight: str) -> None:
    if weight not in WEIGHTS:
        raise ArgumentError(f"weight is {weight!r}; expected one of {', '.join(WEIGHTS)}.")


def _check_over(measure: HistoryMeasure, over: str) -> None:
    if over in SPARSE and over == measure.by:
        raise ArgumentError(f"over and by are both {over!r}; each key would have one value.")
    # What may be counted over is what may be counted by.
    HistoryMeasure(by=over, own=True)
