"""What counts as an outcome, and which windows have closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from nba.contracts import DAY, Action, Columns, Floats, Ints, Labels, Strings
from nba.errors import ArgumentError
from nba.history.touches import is_success, touch_answered
from nba.tables import Engagement

ANY = Action("any", "")
"""The one pair of ``Occurrence(any_pair=True)``."""
REST = Action("rest", "")
"""Stands for every pair that is not asked about, in ``Occurrence(rest=True)``."""


class OutcomeRule(Protocol):
    """What all outcomes share: how to read them, and how far ahead they look."""

    def labels(self, engagement: Engagement, *, until: int) -> Labels:
        """Rows whose window had closed by ``until``, judged by what was known before it."""
        ...

    def horizon_seconds(self, channels: Columns) -> int:
        """How far ahead of its row a label looks, at the most."""
        ...


@dataclass(frozen=True, kw_only=True)
class Response:
    """Whether a touch gets a success of its channel within a number of days.

    Parameters
    ----------
    within_days : the window after the touch; None takes each channel's attribution window

    Examples
    --------
    >>> Response(within_days=14).within_days
    14
    """

    within_days: float | None = None

    def __post_init__(self) -> None:
        check_within_days(self.within_days)

    def horizon_seconds(self, channels: Columns) -> int:
        """How far ahead of its touch a label looks, at the most."""
        days = self.within_days or float(np.max(channels["attribution_days"]))
        return int(days * DAY)

    def labels(self, engagement: Engagement, *, until: int) -> Labels:
        """One row a touch whose window closed by ``until``; undelivered touches are left out.

        Parameters
        ----------
        until : int seconds; also never past ``engagement.observed_until``
        """
        columns = engagement.columns("interactions")
        channels = engagement.columns("channels")
        until = min(until, engagement.observed_until)
        window = self._windows(columns["channel"], channels)
        ts = columns["ts"]
        known = np.maximum(ts, columns["recorded_at"]) < until
        answered = touch_answered(columns)
        bounced = np.zeros(len(ts), dtype=bool)
        failed = known & (columns["outcome"] == "bounced") & (answered >= 0)
        bounced[answered[failed]] = True
        touch = columns["touch"] & known & ~bounced
        closed = touch & (ts + window <= until)
        wins = is_success(columns, channels) & known & (answered >= 0)
        of = answered[wins]
        won = np.zeros(len(ts), dtype=bool)
        won[of[ts[wins] <= ts[of] + window[of]]] = True
        rows = np.flatnonzero(closed)
        actions, pair = _pairs_of(columns, rows)
        return Labels(
            hcps=columns["hcp_id"][rows],
            at=ts[rows],
            row=np.arange(len(rows), dtype=np.int64),
            pair=pair,
            y=won[rows].astype(float),
            actions=actions,
            censored=int((touch & ~closed).sum()),
            selection_prob=_logged_probs(columns, rows),
        )

    def _windows(self, channel: Strings, channels: Columns) -> NDArray[np.int64]:
        if self.within_days is not None:
            return np.full(len(channel), int(self.within_days * DAY), dtype=np.int64)
        days = dict(zip(channels["channel"], channels["attribution_days"], strict=True))
        return np.fromiter((int(days[c] * DAY) for c in channel), dtype=np.int64, count=len(channel))


@dataclass(frozen=True, kw_only=True)
class Occurrence:
    """Whether a contact of a pair happens at all within a number of days: a forecast, not a response.

    Parameters
    ----------
    within_days : the window from the moment on
    any_pair : one row a (HCP, moment): any contact whatever
    moments : the panel's moments, int seconds
    pairs : the pairs asked about; None is every pair met before ``until``
    rest : one more pair, :data:`REST`, for contacts of all pairs that ``pairs`` leaves out

    Examples
    --------
    >>> Occurrence(within_days=30, any_pair=True).within_days
    30
    """

    within_days: float
    any_pair: bool = False
    moments: tuple[int, ...] = ()
    pairs: tuple[Action, ...] | None = None
    rest: bool = False

    def __post_init__(self) -> None:
        check_within_days(self.within_days)
        if self.rest and (self.pairs is None or self.any_pair or REST in self.pairs):
            raise ArgumentError("rest=True is what pairs=(...) leaves out; give those pairs, without REST.")

    def horizon_seconds(self, channels: Columns) -> int:
        """How far ahead of its moment a label looks."""
        return int(self.within_days * DAY)

    def labels(self, engagement: Engagement, *, until: int) -> Labels:
        """The panel HCP x moment x pair over all moments whose window closed by ``until``."""
        columns = engagement.columns("interactions")
        until = min(until, engagement.observed_until)
        if not self.moments:
            raise ArgumentError("Occurrence has no moments; give moments=(...), int seconds UTC.")
        hcps = np.array(sorted(engagement.columns("hcps")["hcp_id"]), dtype=object)
        ts = columns["ts"]
        known = (np.maximum(ts, columns["recorded_at"]) < until) & ~columns["machine"]
        events = np.flatnonzero(known)
        actions = self._actions(columns, events)
        pair = self._pair_codes(columns, events, actions)
        place = {hcp: i for i, hcp in enumerate(hcps)}
        who = np.fromiter((place.get(h, -1) for h in columns["hcp_id"][events]), np.int64, count=len(events))
        window = self.horizon_seconds({})
        closed = tuple(m for m in sorted(self.moments) if m + window <= until)
        n, k = len(hcps), len(actions)
        met = np.zeros((n, len(closed), k))
        for j, moment in enumerate(closed):
            inside = (ts[events] >= moment) & (ts[events] < moment + window) & (pair >= 0) & (who >= 0)
            met[who[inside], j, pair[inside]] = 1.0
        rows = n * len(closed)
        return Labels(
            hcps=np.repeat(hcps, len(closed)),
            at=np.tile(np.array(closed, dtype=np.int64), n),
            row=np.repeat(np.arange(rows, dtype=np.int64), k),
            pair=np.tile(np.arange(k, dtype=np.int64), rows),
            y=met.reshape(-1),
            actions=actions,
            censored=n * k * (len(self.moments) - len(closed)),
            selection_prob=np.full(rows * k, np.nan),
        )

    def _actions(self, columns: Columns, events: Ints) -> tuple[Action, ...]:
        if self.any_pair:
            return (ANY,)
        asked = _pairs_of(columns, events)[0] if self.pairs is None else self.pairs
        return (*asked, REST) if self.rest else asked

    def _pair_codes(self, columns: Columns, events: Ints, actions: Sequence[Action]) -> Ints:
        if self.any_pair:
            return np.zeros(len(events), dtype=np.int64)
        place = {action: i for i, action in enumerate(actions)}
        other = place.get(REST, -1)
        met = zip(columns["channel"][events], columns["content_id"][events], strict=True)
        return np.fromiter((place.get(Action(*key), other) for key in met), dtype=np.int64, count=len(events))


_RULES: dict[str, type[Any]] = {"Response": Response, "Occurrence": Occurrence}
_R = TypeVar("_R")


def outcome_rule(kind: type[_R]) -> type[_R]:
    """Make a kind of outcome known to :func:`outcome_from_json`."""
    _RULES[kind.__name__] = kind
    return kind


def outcome_to_json(outcome: OutcomeRule) -> dict[str, Any]:
    """An outcome rule as plain JSON."""
    plain: dict[str, Any] = asdict(outcome)  # type: ignore[call-overload]
    return {"kind": type(outcome).__name__, **plain}


def outcome_from_json(plain: dict[str, Any]) -> OutcomeRule:
    """The outcome rule that :func:`outcome_to_json` wrote.

    Examples
    --------
    >>> outcome_from_json(outcome_to_json(Response(within_days=7.0)))
    Response(within_days=7.0)
    """
    values = {name: value for name, value in plain.items() if name != "kind"}
    kind = _RULES.get(str(plain.get("kind")))
    if kind is None:
        raise ArgumentError(f"Outcome {plain.get('kind')!r} is not known; known are {sorted(_RULES)}.")
    if values.get("pairs") is not None:
        values["pairs"] = tuple(Action(*pair) for pair in values["pairs"])
    if "moments" in values:
        values["moments"] = tuple(values["moments"])
    if "market" in values:
        values["market"] = tuple(values["market"])
    rule: OutcomeRule = kind(**values)
    return rule


def check_within_days(within_days: float | None) -> None:
    """Refuse what is no window."""
    if within_days is not None and not 0 < within_days < 10_000:
        raise ArgumentError(f"within_days is {within_days}; expected a number of days above 0.")


def _pairs_of(columns: Columns, rows: Ints) -> tuple[tuple[Action, ...], Ints]:
    """The pairs that these interactions are about, sorted, and which is whose."""
    met = [Action(*key) for key in zip(columns["channel"][rows], columns["content_id"][rows], strict=True)]
    actions = tuple(sorted(set(met)))
    place = {action: i for i, action in enumerate(actions)}
    return actions, np.fromiter((place[a] for a in met), dtype=np.int64, count=len(met))


def _logged_probs(columns: Columns, rows: Ints) -> Floats:
    if "selection_prob" in columns:
        logged: Floats = columns["selection_prob"][rows].astype(float)
        return logged
    return np.full(len(rows), np.nan)
