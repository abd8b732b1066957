"""The feature language: what can be asked of a history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

import numpy as np

from nba.contracts import DAY, Evidence, Feature, Floats
from nba.errors import ArgumentError
from nba.features.beside import TableMeasure
from nba.history import BetaPrior, GammaPrior, Op, Reference, Uptake, beta_prior
from nba.tables import TABLES

Of: TypeAlias = str
"""Which events: "touches", "engagements", "responses", "inbound", or one outcome such as "clicked"."""

By: TypeAlias = str | None
"""Per which key: "channel", "topic", "content", "pair", any content tag or column of the log that says what
kind of event it was, "hour", "hour_block" or "weekday" of the HCP's own clock, or None for all at once."""

Prior: TypeAlias = BetaPrior | GammaPrior | Reference | Uptake

_EVENTS = {
    "touches": "contacts",
    "engagements": "engagements",
    "responses": "responses",
    "inbound": "inbound engagements",
    "sent": "messages",
    "delivered": "deliveries",
    "opened": "opens",
    "clicked": "clicks",
    "downloaded": "downloads",
    "completed": "completions",
    "attended": "attendances",
    "registered": "registrations",
    "no_show": "absences",
    "declined": "declined contacts",
    "held": "conversations",
    "unsubscribed": "unsubscriptions",
    "bounced": "bounces",
    "complained": "complaints",
    "branched": "interactive steps",
}
"""What a person calls the events; every one that may be asked for."""

_OF_THE_LOG = (
    "direction",
    "outcome",
    "device",
    "reaction",
    "user_function",
    "user_id",
    "territory_id",
    "source",
)
_OF_THE_OFFICE = ("reaction", "user_id", "territory_id", "source")
"""What is said of colleagues, or how somebody seemed: not for reps to read."""
ON_THE_CLOCK = ("hour", "hour_block", "weekday")
_KEYS = (
    "channel",
    "content",
    "pair",
    *_OF_THE_LOG,
    *ON_THE_CLOCK,
    *(
        c.name
        for c in TABLES["content"].columns
        if c.kind in ("id", "text", "number") and c.name != "content_id"
    ),
)
SPARSE = ("content", "pair")
"""Keys an HCP meets few of: they exist only as a view of the action's own key."""


Weight: TypeAlias = Literal["depth", "amount", "duration_s", "depth_level"]
"""What an event weighs: how deep its outcome goes, its amount, its seconds, its content's depth level."""
WEIGHTS: tuple[Weight, ...] = ("depth", "amount", "duration_s", "depth_level")


@dataclass(frozen=True)
class Part:
    """One raw block of the kernel that a declared measure is made of.

    Attributes
    ----------
    op, of : what is kept of which events
    span, skip : seconds, as in :class:`nba.history.Measure`
    ends : for a STREAK, which events end it
    value : the second column; only events that have a value count
    weight : what the events weigh
    alone : over all keys at once, whatever the measure is by
    """

    op: Op
    of: Of
    span: int = 0
    ends: Of | None = None
    skip: int = 0
    value: str | None = None
    weight: Weight | None = None
    alone: bool = False


KINDS: dict[str, type[Any]] = {}
"""Everything that can be declared, by name."""

D = TypeVar("D")


def declared(kind: type[D]) -> type[D]:
    """Make a kind of measure known to :func:`from_json`."""
    KINDS[kind.__name__] = kind
    return kind


@dataclass(frozen=True, kw_only=True)
class HistoryMeasure:
    """What all measures of engagement histories share.

    Parameters
    ----------
    of : which events are meant
    by : one column per value of this key; None is one column for all
    own : look only at the key of the action in question (its channel, topic, content or pair)
    """

    of: Of = "engagements"
    by: By = None
    own: bool = False
    unit: ClassVar[str] = "count"
    prior: ClassVar[type[Prior] | None] = None
    """What it learns in fit, if anything."""
    fixed_keys: ClassVar[tuple[str, ...]] = ()
    """Keys that it looks at whether they were met or not."""
    is_raw: ClassVar[bool] = True
    """Whether its value is the kernel's own; else it is combined from several."""
    is_counted: ClassVar[bool] = True
    """Whether there are counts behind each of its values."""

    def __post_init__(self) -> None:
        if self.of not in _EVENTS:
            raise ArgumentError(f"of is {self.of!r}; expected one of {', '.join(_EVENTS)}.")
        if self.by is not None and self.by not in _KEYS:
            raise ArgumentError(f"by is {self.by!r}; expected one of {', '.join(_KEYS)}, or None.")
        check_days("window_days", self.days)
        if self.by in SPARSE and not self.own:
            raise ArgumentError(
                f"{type(self).__name__}(by={self.by!r}) would cost a column per {self.by}. "
                "Declare it with own=True: the action's own key is then looked up."
            )
        if self.own and self.by is None:
            raise ArgumentError(
                f"{type(self).__name__}(own=True) needs by=: the key of the action to look at."
            )

    @property
    def parts(self) -> tuple[Part, ...]:
        raise NotImplementedError

    @property
    def days(self) -> int | None:
        return None

    def columns(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """What its columns are about, from the keys it looks at: one each, unless it brings them together."""
        return keys

    def learn(self, parts: Sequence[Floats]) -> tuple[Prior, ...]:
        """Priors from the raw blocks of all HCPs at the end of training, one a key."""
        return ()

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        """Values from the raw blocks; ``priors`` is what :meth:`learn` gave, one a key."""
        return parts[0]

    def evidence(self, parts: Sequence[float]) -> Evidence | None:
        """The counts behind one value; None where nothing can be said."""
        return Evidence(count=round(parts[0]))

    def name(self, key: str) -> str:
        """The column's name, stable across versions: count(touches, channel=email, 30d)."""
        where = f"own {self.by}" if self.own else f"{self.by}={key}" if self.by else "all"
        return f"{type(self).__name__.lower()}({self.of}, {where}{self._tail()})"

    def _tail(self) -> str:
        return f", {self.days}d" if self.days is not None else ""

    def describe(self, key: str) -> Feature:
        """What the column for a key means."""
        return Feature(
            name=self.name(key),
            label=self._label(key),
            unit=self.unit,
            family="behavioural",
            visibility="hq" if self.by in _OF_THE_OFFICE else "rep",
            group=self._group(),
            window_days=self.days,
            wording=self._wording(),
            key=key,
        )

    def _wording(self) -> str:
        return type(self).__name__.lower()

    def _label(self, key: str) -> str:
        """In a card's words; "this channel", "this topic", "this content" are named by the card."""
        what = _EVENTS[self.of]
        if self.by is None:
            return what
        if self.by == "pair":
            # The channel first: a long title is cut at its end.
            return f"{what} by this channel {'to' if self.of == 'responses' else 'with'} this content"
        if self.by == "content":
            return f"{what} {'to' if self.of == 'responses' else 'with'} this content"
        if self.by == "channel":
            return f"{what} by {'this channel' if self.own else key.replace('_', ' ')}"
        kind = self.by.removesuffix("_id").replace("_", " ")
        if self.by == "topic":
            return f"{what} on {'this topic' if self.own else key}"
        return f"{what} with {'this ' + kind if self.own else kind + ' ' + key}"

    def _group(self) -> str:
        if self.of == "touches":
            return "content_history" if self.by in SPARSE else "contact_pressure"
        if self.by in SPARSE:
            return "content_history"
        if self.by is None:
            return "overall_engagement"
        if self.by == "channel":
            return "channel_response" if self.own else "other_channels"
        return f"{self.by}_interest"


@declared
@dataclass(frozen=True, kw_only=True)
class Count(HistoryMeasure):
    """How many events fell into the last ``window_days`` (None: ever)."""

    window_days: int | None = None

    @property
    def days(self) -> int | None:
        return self.window_days

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part(Op.COUNT, self.of, span_of(self.window_days)),)


@declared
@dataclass(frozen=True, kw_only=True)
class Rate(HistoryMeasure):
    """Share of touches that were answered, shrunk to what all HCPs do.

    (responses + strength * mean) / (touches + strength), mean and strength learned in fit.
    """

    of: Of = "responses"
    window_days: int | None = None
    unit: ClassVar[str] = "share"
    prior = BetaPrior
    is_raw = False

    @property
    def days(self) -> int | None:
        return self.window_days

    @property
    def parts(self) -> tuple[Part, ...]:
        span = span_of(self.window_days)
        return (Part(Op.COUNT, self.of, span), Part(Op.COUNT, "touches", span))

    def learn(self, parts: Sequence[Floats]) -> tuple[Prior, ...]:
        return tuple(beta_prior(parts[0][:, k], parts[1][:, k]) for k in range(parts[0].shape[1]))

    def combine(self, parts: Sequence[Floats], priors: Sequence[BetaPrior]) -> Floats:
        mean = np.array([p.mean for p in priors])
        strength = np.array([p.strength for p in priors])
        answered = np.minimum(parts[0], parts[1])
        rates: Floats = (answered + strength * mean) / (parts[1] + strength)
        return rates

    def evidence(self, parts: Sequence[float]) -> Evidence:
        return Evidence(count=round(min(parts)), of=round(parts[1]))


@declared
@dataclass(frozen=True, kw_only=True)
class Recency(HistoryMeasure):
    """Days since the latest event; missing where there was none."""

    unit: ClassVar[str] = "days"

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part(Op.RECENCY, self.of),)

    def evidence(self, parts: Sequence[float]) -> Evidence:
        never = bool(np.isnan(parts[0]))
        return Evidence(count=0 if never else 1, days_ago=None if never else float(parts[0]))


@declared
@dataclass(frozen=True, kw_only=True)
class Decayed(HistoryMeasure):
    """Events, each counting 2 ** (-age / half-life)."""

    half_life_days: int = 30

    def __post_init__(self) -> None:
        super().__post_init__()
        check_days("half_life_days", self.half_life_days)

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part(Op.DECAYED, self.of, self.half_life_days * DAY),)

    def _tail(self) -> str:
        return f", half-life {self.half_life_days}d"

    def evidence(self, parts: Sequence[float]) -> Evidence | None:
        return None  # a faded sum is no count of anything


@declared
@dataclass(frozen=True, kw_only=True)
class Streak(HistoryMeasure):
    """Touches since the latest response: how often in a row nothing came back."""

    of: Of = "touches"

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part(Op.STREAK, self.of, ends="responses"),)


@declared
@dataclass(frozen=True, kw_only=True)
class Attribute:
    """A column of the hcp table: one flag per frequent value, or the number itself.

    Parameters
    ----------
    column : of the hcp table
    min_hcps : values that fewer HCPs share have no flag of their own
    visibility : "restricted" is set to missing for HCPs who opted out of prescriber data (PDRP)
    """

    column: str
    min_hcps: int = 20
    visibility: Literal["rep", "hq", "restricted"] = "rep"

    def __post_init__(self) -> None:
        check_column(self.column, "hcps", ("id", "text", "number", "flag"))

    def describe(self, key: str) -> Feature:
        """What the column for a value means."""
        label = self.column.replace("_", " ")
        return Feature(
            name=f"attribute({self.column}={key})" if key else f"attribute({self.column})",
            label=f"{label} {key}" if key else label,
            unit="flag" if key else "number",
            family="contextual",
            visibility=self.visibility,
            group="profile",
            wording="attribute",
            key=key,
        )

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        """The values themselves."""
        return parts[0]

    def evidence(self, parts: Sequence[float]) -> Evidence | None:
        """1 where the HCP has the value, 0 where another; None where unknown, or nobody may tell."""
        if self.visibility == "restricted" or parts[0] not in (0.0, 1.0):
            return None
        return Evidence(count=int(parts[0]))


@declared
@dataclass(frozen=True, kw_only=True)
class Fit:
    """Whether the content is made for this HCP: their ``column`` is among its ``audience``."""

    column: str = "specialty"
    audience: str = "audience_specialty"

    def __post_init__(self) -> None:
        check_column(self.column, "hcps", ("id", "text"))
        check_column(self.audience, "content", ("list",))

    def describe(self) -> Feature:
        """What the column means."""
        return Feature(
            name=f"fit({self.column}, {self.audience})",
            label=f"{self.column} and the content's main audience",
            unit="flag",
            family="contextual",
            group="audience_fit",
            wording="fit",
        )

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        """The values themselves."""
        return parts[0]

    def evidence(self, parts: Sequence[float]) -> Evidence | None:
        """1 for a match, 0 for none; None where either side is unknown."""
        return None if np.isnan(parts[0]) else Evidence(count=int(parts[0]))


_WHOLE_HISTORY_DAYS = 200 * 365

Declared: TypeAlias = HistoryMeasure | Attribute | Fit | TableMeasure


def to_json(measure: Declared) -> dict[str, Any]:
    """A declared measure as plain JSON."""
    return {"kind": type(measure).__name__, **asdict(measure)}


def from_json(plain: dict[str, Any]) -> Declared:
    """The declared measure that :func:`to_json` wrote.

    Examples
    --------
    >>> from_json(to_json(Count(of="touches", window_days=30))) == Count(of="touches", window_days=30)
    True
    """
    kind = KINDS.get(plain.get("kind", ""))
    if kind is None:
        raise ArgumentError(f"Feature kind {plain.get('kind')!r} is not known; known are {sorted(KINDS)}.")
    measure: Declared = kind(**{name: value for name, value in plain.items() if name != "kind"})
    return measure


def span_of(window_days: int | None) -> int:
    """A window in seconds; None is the whole history."""
    return (_WHOLE_HISTORY_DAYS if window_days is None else window_days) * DAY


def check_days(name: str, days: int | None) -> None:
    """Refuse what is no number of days."""
    if days is not None and not 1 <= days <= _WHOLE_HISTORY_DAYS:
        raise ArgumentError(f"{name} is {days}; expected 1 or more, or None for the whole history.")


def check_column(column: str, table: str, kinds: tuple[str, ...]) -> None:
    """Refuse what is no such column of a table."""
    there = [c.name for c in TABLES[table].columns if c.kind in kinds and c.name != TABLES[table].key]
    if column not in there:
        raise ArgumentError(f"Column {column!r} is not in {table}; expected one of {', '.join(there)}.")
