"""Whether features read the past alone, on data of one's own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from nba.contracts import DAY, Action, Design, Ints
from nba.errors import CheckError
from nba.features import EngagementFeatures, Events
from nba.features.beside import TableMeasure
from nba.features.declare import KINDS
from nba.history import Histories
from nba.tables import Engagement, as_moment, table_of

_BESIDE = {measure.table: measure.known_by for measure in KINDS.values() if issubclass(measure, TableMeasure)}
"""Tables beside the log that measures read: when a row began, and when it could first be read."""
_ALSO = sorted({name for kind in KINDS.values() if issubclass(kind, TableMeasure) for name in kind.also})
"""Tables of no moments that they read beside these."""
_FIGURES = ("trx", "nrx", "nbrx", "market_trx")
_DERIVED = ["machine", "touch", "engaged"]
_MOST_ACTIONS = 12
_ALONE = 8
LEAKS = ("a week too far", "the moment itself", "late arrivals at once")
"""What is planted to see whether it would have been found."""


@dataclass(frozen=True)
class PointInTime:
    """What features were checked on.

    Attributes
    ----------
    moments : int seconds UTC
    hcps, columns : how many
    values : numbers that were compared between two futures
    futures : how many there were
    leaks : which planted leaks were found; those that the data cannot show are missing
    """

    moments: tuple[int, ...]
    hcps: int
    columns: int
    values: int
    futures: int
    leaks: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.values:,} values of {self.columns} columns and {self.hcps} HCPs stood still in "
            f"{self.futures} futures; planted leaks found: {', '.join(self.leaks)}"
        )


def assert_point_in_time(
    features: EngagementFeatures,
    data: Engagement,
    *,
    at: object = None,
    hcps: int = 200,
    futures: int = 3,
    seed: int = 0,
) -> PointInTime:
    """Prove on your own data that features read nothing but the past.

    Around each moment the future is thrown dice with: rows that happened or arrived at the moment or later
    are dropped, moved and changed; others are added, late ones among them and answers to touches of before;
    what was delivered is delivered again; and all rows are shuffled. So it goes with prescriptions, signals
    and the network, where there are such tables: what could first be read at the moment or later is dropped
    and changed, and figures are corrected. What is learned in fit and every value have to stay the same to
    the bit. Then HCPs are computed alone, without anybody else's history; what is said of an HCP's peers is
    the one thing that reads others' histories, which are then at hand as a service has them. Last, leaks are
    planted, and have to be found.

    Parameters
    ----------
    features : what is declared; it is fitted anew, up to each moment, and itself left as it is
    data : engagement tables; they are not changed
    at : the moment; None takes three around the middle of the log, each where something happens
    hcps : how many HCPs to look at, drawn from those with a history
    futures : how many futures of each moment
    seed : of everything that is drawn

    Raises
    ------
    CheckError
        Where a value moves, which columns did; where no planted leak is found, the data is too small to
        prove anything.

    Examples
    --------
    >>> from nba import simulate
    >>> from nba.features import Count, EngagementFeatures
    >>> data = simulate.territory(seed=1, hcps=40, days=60).engagement
    >>> found = assert_point_in_time(EngagementFeatures([Count(of="touches")]), data, futures=1)
    >>> found.leaks
    ('a week too far', 'the moment itself', 'late arrivals at once')
    """
    rng = np.random.default_rng(seed)
    small = _some_hcps(data, hcps, rng)
    moments = _moments(small, at, rng)
    found: set[str] = set()
    values = columns = 0
    for moment in moments:
        now = _Reading(features, small, moment)
        columns = max(columns, len(now.design.features))
        for _ in range(futures):
            other = _another_future(small, moment, rng)
            _compare(now, _Reading(features, other, moment), "when only the future changes")
            values += now.design.shared.size + now.design.own.size
            found |= {
                leak
                for leak in LEAKS
                if leak not in found and _is_found(features, small, other, moment, leak)
            }
        for hcp in rng.choice(now.who, min(_ALONE, len(now.who)), replace=False):
            _compare_alone(now, str(hcp))
    if not found:
        raise CheckError(
            "Nothing is proven: no planted leak was found in this data. Expected HCPs with touches before "
            "and after the moment. Give more history, or a moment in the middle of it (at=...)."
        )
    leaks = tuple(leak for leak in LEAKS if leak in found)
    return PointInTime(moments, len(small.columns("hcps")["hcp_id"]), columns, values, futures, leaks)


class _Reading:
    """Features fitted up to a moment, and everybody as of it."""

    def __init__(self, features: EngagementFeatures, data: Engagement, moment: int, leak: str = "") -> None:
        self.data, self.moment = data, moment
        self.features = type(features)(features.measures, dtype=features.dtype, n_jobs=features.n_jobs)
        self.events = _leaky(self.features.events(data), leak, _leaky_tables(self.features, data, leak))
        self.table = data.columns("hcps")
        self.features.fit_events(self.events, self.table, until=moment)
        self.who = self.table["hcp_id"]
        self.actions = _actions(data, moment)
        self.design = self.of(self.events, self.table, self.who)

    def of(self, events: Events, table: Any, who: Any) -> Design:
        n, k = len(who), len(self.actions)
        return self.features.design(
            events, table, hcps=who, at=np.full(n, self.moment), actions=self.actions,
            row=np.repeat(np.arange(n), k), pair=np.tile(np.arange(k), n),
        )  # fmt: skip


def _compare(one: _Reading, other: _Reading, when: str) -> None:
    names = [[feature.name for feature in reading.design.features] for reading in (one, other)]
    if names[0] != names[1]:
        moved = sorted(set(names[0]) ^ set(names[1]))
        raise CheckError(
            f"{len(moved)} columns come or go {when}: {moved[:5]}. Expected the same columns. "
            "Learn keys from what was known before `until` alone."
        )
    _check_bits(one.design, other.design, when)


def _check_bits(one: Design, other: Design, when: str) -> None:
    moved = [
        feature.name
        for block, described in (("shared", one.shared_features), ("own", one.own_features))
        for feature, a, b in zip(
            described, getattr(one, block).T, getattr(other, block).T, strict=True
        )
        if not np.array_equal(a, b, equal_nan=True)
    ]  # fmt: skip
    if moved:
        raise CheckError(
            f"{len(moved)} of {len(one.features)} columns move {when}: {moved[:5]}. Expected the same bits. "
            "Read only what happened and was known strictly before the moment, of this HCP."
        )


def _compare_alone(now: _Reading, hcp: str) -> None:
    """An HCP without anybody else's history has the bits it has among them."""
    log = now.data.columns("interactions")
    mine = log["hcp_id"] == hcp
    table = {name: values[now.who == hcp] for name, values in now.table.items()}
    events = Events.from_columns(
        {name: values[mine] for name, values in log.items()},
        content=now.events.content, channels=now.events.channels, hcps=table, beside=now.events.beside,
        peers=now.events,
    )  # fmt: skip
    alone = now.of(events, table, np.array([hcp], dtype=object))
    place, k = int(np.flatnonzero(now.who == hcp)[0]), len(now.actions)
    among = replace(
        alone,
        shared=now.design.shared[place : place + 1],
        own=now.design.own[place * k : (place + 1) * k],
    )
    _check_bits(among, alone, "when an HCP is computed alone")


def _is_found(
    features: EngagementFeatures, data: Engagement, other: Engagement, moment: int, leak: str
) -> bool:
    try:
        _compare(_Reading(features, data, moment, leak), _Reading(features, other, moment, leak), "")
    except CheckError:
        return True
    return False


def _leaky_tables(features: EngagementFeatures, data: Engagement, leak: str) -> dict[str, Any]:
    """Tables beside the log as they would be laid out if they were read too early."""
    found: dict[str, Any] = {}
    for measure in features.measures if leak else ():
        if isinstance(measure, TableMeasure) and data.tables[measure.table] is not None:
            columns = dict(data.columns(measure.table))
            began, read = measure.known_by
            if leak == "late arrivals at once":
                columns[read] = columns[began]
            else:
                early = 7 * DAY if leak == "a week too far" else 1
                columns |= {name: columns[name] - early for name in (began, read)}
            found[measure.table] = type(measure).lay_out(columns)
            more = {name: table_of(data, name) for name in measure.also}
            found |= {name: table for name, table in more.items() if table is not None}
    return found


def _leaky(events: Events, leak: str, beside: dict[str, Any]) -> Events:
    """Events that are read too early."""
    if not leak:
        return events
    log = events.interactions
    ts, recorded = log["ts"], log["recorded_at"]
    if leak == "late arrivals at once":
        ts, recorded = ts, ts
    else:
        early = 7 * DAY if leak == "a week too far" else 1
        ts, recorded = ts - early, recorded - early
    histories = Histories.from_columns({"hcp_id": log["hcp_id"], "ts": ts, "recorded_at": recorded})
    return Events(histories, log, events.content, events.channels, events.hcps, beside=beside)


def _some_hcps(data: Engagement, most: int, rng: np.random.Generator) -> Engagement:
    met = np.unique(data.columns("interactions")["hcp_id"].astype(str))
    if not len(met):
        raise CheckError("There is no HCP with a history. Expected a log to check on; give more data.")
    kept = set(met) if len(met) <= most else set(rng.choice(met, most, replace=False))
    log = data.interactions.drop(columns=_DERIVED)
    return _rebuilt(data, log[log["hcp_id"].isin(kept)], kept)


def _rebuilt(
    data: Engagement,
    log: pd.DataFrame,
    hcps: set[str] | None = None,
    changed: dict[str, pd.DataFrame] | None = None,
) -> Engagement:
    """The same tables with another log, and others beside it."""
    tables = {name: table for name, table in data.tables.items() if table is not None}
    beside = {name: tables[name] for name in (*_BESIDE, *_ALSO) if name in tables} | (changed or {})
    people = data.hcps if hcps is None else data.hcps[data.hcps["hcp_id"].isin(hcps)]
    latest = int(log["recorded_at"].max().timestamp()) + 1
    until = pd.Timestamp(max(latest, data.observed_until), unit="s", tz="UTC")
    with warnings.catch_warnings(action="ignore"):  # what the border says was said when the data came in
        return Engagement(
            log.reset_index(drop=True), data.content, people.reset_index(drop=True),
            channels=tables["channels"], observed_until=until, **beside,
        )  # fmt: skip


def _moments(data: Engagement, at: object, rng: np.random.Generator) -> tuple[int, ...]:
    if at is not None:
        return (as_moment(at),)
    log = data.columns("interactions")
    times = np.sort(np.concatenate([log["ts"], log["recorded_at"]]))
    middle = times[len(times) // 3 : max(2 * len(times) // 3, len(times) // 3 + 1)]
    return tuple(sorted({int(t) for t in rng.choice(middle, 3)}))


def _actions(data: Engagement, moment: int) -> tuple[Action, ...]:
    """Pairs met before the moment: the same in every future."""
    log = data.columns("interactions")
    known = np.maximum(log["ts"], log["recorded_at"]) < moment
    met = zip(log["channel"][known], log["content_id"][known], strict=True)
    return tuple(sorted({Action(*pair) for pair in met}))[:_MOST_ACTIONS]


def _another_future(data: Engagement, moment: int, rng: np.random.Generator) -> Engagement:
    """The same past before another future."""
    log = data.interactions.drop(columns=_DERIVED)
    known = _seconds(log)
    past, future = log[known < moment], log[known >= moment]
    pieces = [past, *_changed(future, moment, rng), *_added(past, moment, rng)]
    mixed = pd.concat([piece for piece in pieces if len(piece)], ignore_index=True)
    tables = {name: data.tables[name] for name in _BESIDE}
    changed = {
        name: _another_table(name, table, moment, rng) for name, table in tables.items() if table is not None
    }
    return _rebuilt(data, mixed.iloc[rng.permutation(len(mixed))], changed=changed)


def _another_table(name: str, table: pd.DataFrame, moment: int, rng: np.random.Generator) -> pd.DataFrame:
    """The same past of a table beside the log, before another future."""
    began, read = _BESIDE[name]
    read = read if read in table else began
    if read not in table:  # ties that always were
        return table.iloc[rng.permutation(len(table))]
    known = table[[column for column in (began, read) if column in table]].max(axis=1)
    future = (known >= pd.Timestamp(moment, unit="s", tz="UTC")).to_numpy()
    later = table[future & (rng.random(len(table)) < 0.5)]
    now = table[~future & (rng.random(len(table)) < 0.5)]
    now = now.assign(**{read: _times(np.full(len(now), moment))})
    if name == "prescriptions":  # a correction at the moment itself
        now = now.assign(**{figure: now[figure] * 2 + 1 for figure in _FIGURES if figure in now})
        key = [c for c in ("hcp_id", "brick_id", "period", "product_id", "available_at") if c in table]
        later = later[~later["available_at"].isin(now["available_at"])]
        now = now.drop_duplicates(key)
    elif name == "signals":
        now = now.assign(signal_id=[f"now {i}" for i in range(len(now))])
        if "valid_to" in now:
            now = now[~(now["valid_to"] < now[read])]
    pieces = [piece for piece in (table[~future], later, now) if len(piece)]
    mixed = pd.concat(pieces, ignore_index=True) if pieces else table
    return mixed.iloc[rng.permutation(len(mixed))]


def _changed(future: pd.DataFrame, moment: int, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """Half of the future, later than it was, and some of it by machines."""
    kept = future[rng.random(len(future)) < 0.5]
    later = np.maximum(_seconds(kept), moment) + rng.integers(0, 9, len(kept)) * 3_600
    kept = kept.assign(recorded_at=_times(later))
    if "is_machine" in kept:
        kept = kept.assign(is_machine=rng.random(len(kept)) < 0.5)
    yield kept


def _added(past: pd.DataFrame, moment: int, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """Late arrivals of what happened before, what happens at the moment itself, and deliveries again."""
    late = past[rng.random(len(past)) < 0.3]
    yield late.assign(
        interaction_id=[f"late {i}" for i in range(len(late))],
        recorded_at=_times(np.full(len(late), moment) + rng.integers(0, 3, len(late)) * 1_800),
    )
    now = past[rng.random(len(past)) < 0.3]
    yield now.assign(
        interaction_id=[f"now {i}" for i in range(len(now))],
        ts=_times(np.full(len(now), moment)),
        recorded_at=_times(np.full(len(now), moment)),
    )
    again = past[rng.random(len(past)) < 0.2]
    yield again.assign(recorded_at=_times(np.maximum(_seconds(again), moment) + 60))


def _seconds(log: pd.DataFrame) -> Ints:
    ts, recorded = (log[name].to_numpy("datetime64[s]").astype(np.int64) for name in ("ts", "recorded_at"))
    known: Ints = np.maximum(ts, recorded)
    return known


def _times(seconds: Ints) -> Any:
    return pd.to_datetime(np.asarray(seconds, dtype=np.int64), unit="s", utc=True)
