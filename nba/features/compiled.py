"""One HCP's columns from plain records, in microseconds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Action, Design, Floats, Ints
from nba.features.declare import HistoryMeasure
from nba.features.events import Events
from nba.features.kinds import HAS_PARENT, MACHINE, RESPONDED, Fields, Laid, Said
from nba.features.met import Met
from nba.features.profile import Profiles
from nba.history.kernel import sweep_one
from nba.history.touches import first_successes
from nba.tables import as_moment, history_of
from nba.tables.machine import machine_rows

if TYPE_CHECKING:
    from nba.features.engine import EngagementFeatures, Tables

Record = Mapping[str, Any]

_READ_APART = ("interaction_id", "hcp_id", "ts", "recorded_at", "parent_id")
_ID, _HCP, _TS, _ARRIVAL, _PARENT = map(itemgetter, _READ_APART)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MOST_SHAPES = 64


class _Shape(NamedTuple):
    """How records with certain keys are read."""

    n_keys: int
    fields: Fields
    said: itemgetter[Any]
    rest: itemgetter[Any] | None
    has_arrival: bool
    has_parent: bool


class _Read(NamedTuple):
    """One HCP's records in the order in which they became known."""

    ts: Ints
    known: Ints
    kinds: Ints


class Compiled:
    """Features of one HCP at a time from plain records: the bits of :meth:`EngagementFeatures.design`.

    What a record says beside its moment, its ids and its HCP (channel, outcome, topic, ...) is looked up as a
    whole; each combination is checked and laid out once, the first few times it is met, by the code that
    batches go through. Nothing of an HCP is kept between calls.

    Where a measure reads clocks, amounts, durations or tables beside the log, and where records are unusual
    (new keys, redelivered rows, texts for numbers), a call goes the batch's way: the same numbers, in about a
    millisecond.
    Columns of records that no measure reads are not checked.

    Made by :meth:`EngagementFeatures.compiled`.
    """

    def __init__(self, features: EngagementFeatures, tables: Tables, actions: Sequence[Action]) -> None:
        self._features = features
        self._content, self._channels = tables.columns("content"), tables.columns("channels")
        self._hcps = tables.columns("hcps")
        self._beside = features._laid.out(features._of_tables, tables)
        self._peers = features._everybody(tables, tables)
        self._objections = features._objections(tables)
        self._asked = features.ask(actions, self._content)
        self._pair = np.arange(len(actions), dtype=np.int64)
        self._row = np.zeros(len(actions), dtype=np.int64)
        self._is_plain = all(isinstance(m, HistoryMeasure) and m.is_raw for m in features.measures)
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._met = Met.of(features, self._asked, content=self._content, channels=self._channels)
        self._fields, self._kinds = self._met.fields, self._met.kinds

    def transform(self, hcp_id: str, *, history: Sequence[Record], at: str | dt.datetime) -> Floats:
        """The shared columns as of a moment.

        Parameters
        ----------
        hcp_id : who; attributes are looked up in the hcp table, and missing where it does not hold them
        history : all that is recorded of this HCP, as dicts in any order
        at : nothing that happened or became known at or after it is read

        Returns
        -------
        (n_shared,) in the order of ``features.get_feature_names_out()``

        Raises
        ------
        TableError
            If a record does not fit the interactions table, or is about someone else.
        """
        found: Floats = self.design(hcp_id, history=history, at=at).shared[0]
        return found

    def design(self, hcp_id: str, *, history: Sequence[Record], at: str | dt.datetime) -> Design:
        """One row, and one request for each of the actions; see :meth:`transform`."""
        moment = as_moment(at)
        laid = self._kinds.laid
        read = None if laid is None else self._read(laid, hcp_id, history)
        if laid is None or read is None:
            return self._the_long_way(hcp_id, history, moment)
        features = self._features
        shared, own = sweep_one(
            laid.table, read.ts, read.known, read.kinds, at=moment, pair=self._pair, dtype=features._kept_in
        )
        if self._is_plain:
            return features._design_of(shared, own, self._asked, self._row, self._pair)
        people = Profiles(self._hcps, np.array([hcp_id], dtype=object))
        raw = features._parted(shared, own, people, self._asked, self._row, self._pair)
        return features._designed(raw, 1, self._asked, self._row, self._pair)

    def _the_long_way(self, hcp_id: str, history: Sequence[Record], at: int) -> Design:
        events = Events.from_columns(
            history_of(hcp_id, history), content=self._content, channels=self._channels, hcps=self._hcps,
            beside=self._beside, peers=self._peers, objections=self._objections,
        )  # fmt: skip
        found = self._features.design(
            events, self._hcps, hcps=np.array([hcp_id], dtype=object), at=np.array([at], dtype=np.int64),
            actions=self._asked, row=self._row, pair=self._pair,
        )  # fmt: skip
        self._take_up(history)
        return found

    def _take_up(self, history: Sequence[Record]) -> None:
        """Remember what is new about records that were found to fit."""
        if self._fields is None or not history:
            return
        keys = tuple(history[0])
        if any(set(record) != set(keys) for record in history):
            return
        if keys not in self._shapes and len(self._shapes) >= _MOST_SHAPES:
            self._shapes.clear()
        shape = self._shapes.setdefault(keys, _shape_of(keys, self._fields))
        laid = self._kinds.laid
        codes = {} if laid is None else laid.codes.get(shape.fields, {})
        said = {answer: None for answer in map(shape.said, history) if answer not in codes}
        self._kinds.meet(shape.fields, list(said), [None] * len(said))

    # --- reading ------------------------------------------------------------------------------------------

    def _read(self, laid: Laid, hcp_id: str, history: Sequence[Record]) -> _Read | None:
        """The records as arrays; None where something about them has to be looked at more closely."""
        if not history or type(history) is not list:
            return None
        shape = self._shapes.get(tuple(history[0]))
        codes = None if shape is None else laid.codes.get(shape.fields)
        if shape is None or codes is None:
            return None
        try:
            return self._read_as(shape, codes, laid, hcp_id, history)
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
            return None

    def _read_as(
        self, shape: _Shape, codes: dict[Said, int], laid: Laid, hcp_id: str, history: list[Record]
    ) -> _Read | None:
        n = len(history)
        if list(map(len, history)).count(shape.n_keys) < n:
            return None
        if shape.rest is not None:
            list(map(shape.rest, history))  # equally many keys, and each of the first record's: the same ones
        if list(map(_HCP, history)).count(hcp_id) < n:
            return None
        said = np.fromiter(map(codes.__getitem__, map(shape.said, history)), dtype=np.int64, count=n)
        ids = list(map(_ID, history))
        if len(set(ids)) < n or len("".join(ids).encode().split()) != 1:
            return None
        ts = _seconds(list(map(_TS, history)))
        known = np.maximum(ts, _arrivals(history, ts)) if shape.has_arrival else ts
        order = _order(ts, known, ids)
        kinds = laid.alone[said]
        if shape.has_parent and any(parents := list(map(_PARENT, history))):
            bits = _bits(said, laid, ids=ids, parents=parents, ts=ts, known=known, order=order)
            if bits is None:
                return None
            kinds = laid.place[said, bits]
            if (new := np.flatnonzero(kinds < 0)).size:
                answers = [shape.said(history[i]) for i in new.tolist()]
                self._kinds.meet(shape.fields, answers, bits[new].tolist())
                return None
        return _Read(ts, known, kinds) if order is None else _Read(ts[order], known[order], kinds[order])


def _shape_of(keys: tuple[str, ...], fields: Fields) -> _Shape:
    mine = tuple(field for field in fields if field in keys)
    rest = [key for key in keys if key not in fields and key not in _READ_APART]
    return _Shape(
        n_keys=len(keys),
        fields=mine,
        said=itemgetter(*mine),
        rest=itemgetter(*rest) if rest else None,
        has_arrival="recorded_at" in keys,
        has_parent="parent_id" in keys,
    )


def _seconds(moments: list[Any]) -> Ints:
    """Whole seconds UTC of zone-aware datetimes or ISO texts, rounded down; TypeError for anything else."""
    if type(moments[0]) is str:
        moments = list(map(dt.datetime.fromisoformat, moments))
    since = [(gap := moment - _EPOCH).days * 86_400 + gap.seconds for moment in moments]
    return np.fromiter(since, dtype=np.int64, count=len(since))


def _arrivals(history: Sequence[Record], ts: Ints) -> Ints:
    """When records arrived; as they happened where it is not said."""
    arrivals = list(map(_ARRIVAL, history))
    if None not in arrivals:
        return _seconds(arrivals)
    said = np.array([arrival is not None for arrival in arrivals])
    found = ts.copy()
    if said.any():
        found[said] = _seconds([arrival for arrival in arrivals if arrival is not None])
    return found


def _order(ts: Ints, known: Ints, ids: list[str]) -> Ints | None:
    """Positions in the order of becoming known, then of happening, then of ids; None where they are in it."""
    order = None
    later = ts[1:] - ts[:-1]
    if (later if ts is known else known[1:] - known[:-1]).min(initial=0) < 0 or ts is not known:
        order = np.lexsort((ts, known))
        later = np.where(np.diff(known[order]) == 0, np.diff(ts[order]), 1)
    for i in np.flatnonzero(later == 0).tolist():
        one, next_one = (i, i + 1) if order is None else (order[i], order[i + 1])
        if ids[one] > ids[next_one]:
            keys = list(zip(known.tolist(), ts.tolist(), ids, strict=True))
            return np.array(sorted(range(len(ids)), key=keys.__getitem__), dtype=np.int64)
    return order


def _bits(
    said: Ints, laid: Laid, *, ids: list[str], parents: list[Any], ts: Ints, known: Ints, order: Ints | None
) -> NDArray[np.int64] | None:
    """What each event is by the company it stands in; None where a parent needs a closer look."""
    n = len(ids)
    named = set(parents) - {None, ""}
    if any(map(str.isspace, named)):
        return None
    place = {key: i for i, key in enumerate(ids)}
    # Which stranger is which does not matter; that they are told apart does.
    place.update(zip(named.difference(place), range(n, n + len(named)), strict=False))
    touch = np.fromiter(map(place.get, parents, range(n)), dtype=np.int64, count=n)
    has_parent = np.fromiter(map(bool, parents), dtype=np.bool_, count=n)
    is_here = has_parent & (touch < n)
    if (is_here & (ts < ts[touch * is_here])).any():
        return None
    parent = np.where(is_here, touch, -1)
    machine = machine_rows(
        flagged=laid.flagged[said], quick=laid.quick[said], clicked=laid.clicked[said], sent=laid.sent[said],
        ts=ts, known=known, parent=parent,
    )  # fmt: skip
    answered = first_successes(
        laid.success[said] & ~machine, touch, order=np.arange(n) if order is None else order
    )
    bits: NDArray[np.int64] = HAS_PARENT * has_parent + MACHINE * machine + RESPONDED * answered
    return bits
