"""What goes on around HCPs: guidelines, formularies, congresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from nba.contracts import DAY, Columns, Evidence, Floats, Ints, Strings
from nba.errors import ArgumentError
from nba.features.beside import Sight, TableMeasure, known_since
from nba.features.declare import check_days, declared, span_of
from nba.history import places
from nba.history.panel import spans_in_force

TYPES = {
    "guideline": "new guidelines",
    "formulary_change": "formulary changes",
    "congress": "congresses",
    "label_update": "label updates",
    "competitor_launch": "competitor launches",
    "publication": "publications",
    "local_market": "changes of the local market",
}
"""What a person calls the signals."""
ANY = "any"

_SCOPES = {"hcp": "hcp_id", "hco": "hco_id", "brick": "brick_id", "country": "country"}
"""By which column of the hcp table a signal's scope meets an HCP; a global one meets everybody."""


@dataclass(frozen=True)
class Bulletin:
    """The signals table in the order of whom the signals are for.

    Attributes
    ----------
    units : for each scope the sorted ids that signals name, and the place of the first among ``start``
    start : (n_units + 1,) where each unit's signals begin; the last unit is everybody
    begin, known, end : (n_signals,) int64 seconds
    strength : (n_signals,) 1 where the table says nothing
    keys : by column (type, topic, product_id) what each signal is about
    """

    units: dict[str, tuple[Strings, int]]
    start: NDArray[np.int64]
    begin: NDArray[np.int64]
    known: NDArray[np.int64]
    end: NDArray[np.int64]
    strength: Floats
    keys: dict[str, Strings]

    @classmethod
    def of(cls, columns: Columns) -> Bulletin:
        """Lay the table out."""
        scope, ids = columns["scope"], columns["scope_id"]
        units: dict[str, tuple[Strings, int]] = {}
        unit = np.zeros(len(scope), dtype=np.int64)
        n = 0
        for name in _SCOPES:
            mine = scope == name
            known, place = np.unique(ids[mine].astype(str), return_inverse=True)
            unit[mine] = n + place
            units[name] = known.astype(object), n
            n += len(known)
        unit[scope == "global"] = n
        order = np.lexsort((columns["signal_id"].astype(str), unit))
        strength = columns["strength"][order]
        return cls(
            units=units,
            start=np.searchsorted(unit[order], np.arange(n + 2)).astype(np.int64),
            begin=columns["valid_from"][order],
            known=known_since(columns, "valid_from", "recorded_at")[order],
            end=columns["valid_to"][order],
            strength=np.where(np.isnan(strength), 1.0, strength),
            keys={name: columns[name][order] for name in ("type", "topic", "product_id")},
        )

    def units_of(self, sight: Sight) -> NDArray[np.int64]:
        """(n_rows, n_scopes) the units whose signals are for each row; -1 where there is none."""
        found = np.full((len(sight.hcps), len(_SCOPES) + 1), -1, dtype=np.int64)
        for i, (scope, column) in enumerate(_SCOPES.items()):
            ids, first = self.units[scope]
            place = places(ids, sight.hcps if scope == "hcp" else sight.said(column))
            found[:, i] = np.where(place >= 0, first + place, -1)
        found[:, -1] = len(self.start) - 2
        return found


@dataclass(frozen=True, kw_only=True)
class OfSignals(TableMeasure):
    """What all measures of signals share.

    A signal holds for an HCP by its scope: for that HCP, for the HCO, brick or country of the hcp table, or
    for everybody. It holds at a moment when it began and was recorded before it, and has not ended.

    Parameters
    ----------
    of : "any", or a type: "guideline", "formulary_change", "congress", "label_update", "competitor_launch",
        "publication", "local_market"
    by : "type", "topic" or "product_id" for a column each; None is all together
    window_days : only those that began in these last days; None is all that hold
    """

    of: str = ANY
    window_days: int | None = None
    table: ClassVar[str] = "signals"
    known_by: ClassVar[tuple[str, str]] = ("valid_from", "recorded_at")
    keys_by: ClassVar[tuple[str, ...]] = ("type", "topic", "product_id")
    own_by: ClassVar[tuple[str, ...]] = ("topic", "product_id")
    is_profile: ClassVar[bool] = False
    visibility: ClassVar[Literal["rep", "hq", "restricted"]] = "rep"
    group: ClassVar[str] = "signals"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.of not in (ANY, *TYPES):
            raise ArgumentError(f"of is {self.of!r}; expected one of {', '.join((ANY, *TYPES))}.")
        if self.of != ANY and self.by == "type":
            raise ArgumentError(f'of={self.of!r} is one type; leave by="type" out, or of="any".')
        check_days("window_days", self.window_days)

    @property
    def needs(self) -> tuple[tuple[str, ...], ...]:
        """The columns that are read, as :func:`nba.readiness` names them."""
        return (("signals.type",), *(((f"signals.{self.by}",),) if self.by in self.own_by else ()))

    @classmethod
    def lay_out(cls, columns: Columns) -> Bulletin:
        """The table in the order of whom its signals are for."""
        return Bulletin.of(columns)

    def keys_met(self, laid: Bulletin, *, until: int) -> tuple[str, ...]:
        """The keys of signals that were known before ``until``."""
        if self.by is None or self.own:
            return ("",)
        known = (laid.known < until) & self._meant(laid)
        return tuple(sorted({key for key in laid.keys[self.by][known] if key}))

    def _meant(self, laid: Bulletin) -> NDArray[np.bool_]:
        meant: NDArray[np.bool_] = np.ones(len(laid.begin), dtype=np.bool_)
        return meant if self.of == ANY else np.asarray(laid.keys["type"] == self.of, dtype=np.bool_)

    def _holding(self, sight: Sight, laid: Bulletin) -> tuple[Floats, Floats, Ints]:
        """(counts, strengths, latest) of each row and key."""
        code = {key: i for i, key in enumerate(sight.keys)}
        keys = [""] * len(laid.begin) if self.by is None else laid.keys[self.by].tolist()
        key = np.fromiter((code.get(k, -1) for k in keys), dtype=np.int64, count=len(keys))
        found: tuple[Floats, Floats, Ints] = spans_in_force(
            laid.start, np.where(self._meant(laid), key, -1), laid.begin, laid.known, laid.end, laid.strength,
            laid.units_of(sight), np.ascontiguousarray(sight.at, dtype=np.int64), span_of(self.window_days),
            len(sight.keys),
        )  # fmt: skip
        return found

    def _window(self) -> int | None:
        return self.window_days

    def _of(self) -> list[str]:
        return [self.of]

    def _tail(self) -> list[str]:
        return [] if self.window_days is None else [f"{self.window_days}d"]

    def _visibility(self, key: str) -> Literal["rep", "hq", "restricted"]:
        # A rep may talk about approved content; what competitors do is no reason to name to anybody.
        return "hq" if "competitor_launch" in (self.of, key) else "rep"

    def _label(self, key: str) -> str:
        if self.by == "type":
            return TYPES.get(key, key)
        what = TYPES.get(self.of, "events of the market")
        if self.by is None:
            return what
        if self.by == "topic":
            return f"{what} on {'this topic' if self.own else key}"
        return f"{what} with {'this product' if self.own else f'product {key}'}"


@declared
@dataclass(frozen=True, kw_only=True)
class Signals(OfSignals):
    """How many signals hold for the HCP; with ``own=True`` those on the action's topic or product.

    Parameters
    ----------
    strength : add up the signals' strengths instead (1 where the table names none)
    """

    strength: bool = False
    unit: ClassVar[str] = "count"

    def read(self, sight: Sight, laid: Bulletin) -> list[Floats]:
        """Counts, or strengths."""
        counts, strengths, _ = self._holding(sight, laid)
        return [sight.viewed(strengths if self.strength else counts, otherwise=0.0)]

    def evidence(self, parts: Sequence[float]) -> Evidence | None:
        """How many."""
        return None if self.strength else Evidence(count=round(parts[0]))

    def _tail(self) -> list[str]:
        return [*super()._tail(), *(["strength"] if self.strength else [])]

    def _wording(self) -> str:
        # "so far" would be wrong of what holds at the moment: without a window nothing is said.
        return "count" if self.window_days is not None and not self.strength else ""


@declared
@dataclass(frozen=True, kw_only=True)
class SignalAge(OfSignals):
    """Days since the latest signal that holds began; missing where none does."""

    unit: ClassVar[str] = "days"

    def read(self, sight: Sight, laid: Bulletin) -> list[Floats]:
        """Ages."""
        counts, _, latest = self._holding(sight, laid)
        ages = (np.asarray(sight.at)[:, None] - np.where(counts > 0, latest, 0)) / DAY
        return [sight.viewed(np.where(counts > 0, ages, np.nan), otherwise=np.nan)]

    def evidence(self, parts: Sequence[float]) -> Evidence | None:
        """How long ago."""
        never = bool(np.isnan(parts[0]))
        return Evidence(count=0 if never else 1, days_ago=None if never else float(parts[0]))

    def _wording(self) -> str:
        return "recency"
