"""Declared features, computed for batches and single HCPs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any, Protocol, TypeVar

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nba.contracts import Action, Bools, Columns, Design, Feature, Floats, Ints, State, Strings
from nba.errors import ArgumentError, NBAWarning, NotFittedError
from nba.features.asked import Asked
from nba.features.beside import LaidOut, Sight, TableMeasure, check_there, tables_of
from nba.features.blocks import Beside, block_of, is_own, narrowed
from nba.features.compiled import Compiled
from nba.features.declare import (
    Attribute,
    Declared,
    Fit,
    HistoryMeasure,
    Prior,
    from_json,
    to_json,
)
from nba.features.events import Events
from nba.features.evidence import RowEvidence
from nba.features.met import Met
from nba.features.profile import Profiles, is_profiling, levels
from nba.features.seen import Seen
from nba.features.standard import STANDARD, WIDE
from nba.features.standing import Standing
from nba.history import BetaPrior, Measure, Reference, sweep
from nba.tables import OneHCP, as_moment, consent_of, table_of
from nba.tables.objections import profiling_words

Actions = Sequence[Action] | Asked
_FRAMES = ("pandas", "polars", "pyarrow")
A = TypeVar("A", bound=np.generic)
_BYTES_AT_ONCE = 32 << 20
"""Of a piece's columns in double: small beside what is given back, large beside what a piece costs."""


class Tables(Protocol):
    """Whatever gives tables as plain arrays: an Engagement, or a service's few rows."""

    def columns(self, table: str) -> Columns:
        """The arrays of "interactions", "content", "channels" or "hcps"."""
        ...


class EngagementFeatures:
    """What is known of HCPs as of a moment, as declared columns.

    Parameters
    ----------
    measures : declared measures; see :mod:`nba.features.declare`
    dtype : "float32" (the default) or "float64" of the output
    n_jobs : threads of the kernel; the numbers do not depend on it

    Attributes
    ----------
    keys_ : per kind of key the values that have columns of their own
    levels_ : per column of the hcp table the values that have flags of their own
    table_keys_ : per measure of a table beside the log (its place among them) what its columns are about
    priors_ : per measure that learns (its place among the measures) what it learned in fit: of rates the
        prior of each column
    columns_ : per measure the columns it gives
    shared_features_, own_features_, catalogue_ : what the columns mean; the catalogue has shared ones first
    notes_ : which measures gave no column, and why

    Examples
    --------
    >>> from nba.features import Count
    >>> features = EngagementFeatures([Count(of="touches", by="channel", window_days=30)])
    >>> features.measures[0].name("email")
    'count(touches, channel=email, 30d)'
    """

    _kept: tuple[Columns, Asked] | None = None
    _met: Met | None = None
    _frame: Any = "pandas"

    def __init__(self, measures: Sequence[Declared], *, dtype: str = "float32", n_jobs: int = 1) -> None:
        _check_options(measures, dtype, n_jobs)
        self.measures = tuple(measures)
        self.dtype = dtype
        self.n_jobs = n_jobs
        self._laid = LaidOut()
        self._of_tables = [measure for measure in self.measures if isinstance(measure, TableMeasure)]

    @classmethod
    def standard(cls, *, dtype: str = "float32", n_jobs: int = 1) -> EngagementFeatures:
        """The sensible set: pressure, response, interest and recency, over channels, topics and content."""
        return cls(STANDARD, dtype=dtype, n_jobs=n_jobs)

    @classmethod
    def wide(cls, *, dtype: str = "float32", n_jobs: int = 1) -> EngagementFeatures:
        """The standard set, and pace, variety, preference, rhythm, fatigue and silence beside it.

        It costs a multiple of the standard set's time; :func:`nba.readiness` says what the tables allow.
        """
        return cls(WIDE, dtype=dtype, n_jobs=n_jobs)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """What it was made with, as scikit-learn asks for it."""
        return {"measures": self.measures, "dtype": self.dtype, "n_jobs": self.n_jobs}

    def set_params(self, **params: Any) -> EngagementFeatures:
        """Change what it was made with; what was fitted stays as it is until it is fitted again.

        Raises
        ------
        ArgumentError
            If a name is not known, or a value is refused as it is when made.
        """
        unknown = sorted(set(params) - set(self.get_params()))
        if unknown:
            raise ArgumentError(f"{unknown} cannot be set; expected {', '.join(self.get_params())}.")
        asked = {**self.get_params(), **params}
        _check_options(asked["measures"], asked["dtype"], asked["n_jobs"])
        self.measures, self.dtype = tuple(asked["measures"]), asked["dtype"]
        self.n_jobs = asked["n_jobs"]
        return self

    def set_output(self, *, transform: str | None = None) -> EngagementFeatures:
        """Choose what :meth:`transform` gives: "pandas" (the default), "polars" or "pyarrow".

        In the last two, which have no index, ``hcp_id`` is the first column.

        Raises
        ------
        ArgumentError
            If it is none of them.
        """
        if transform not in (None, "default", *_FRAMES):
            raise ArgumentError(f"transform is {transform!r}; expected one of {', '.join(_FRAMES)}.")
        if transform is not None:
            self._frame = "pandas" if transform == "default" else transform
        return self

    def __sklearn_clone__(self) -> EngagementFeatures:
        """The same declared, not fitted."""
        return type(self)(**self.get_params()).set_output(transform=self._frame)

    def fit(self, engagement: Tables, *, until: str | pd.Timestamp) -> EngagementFeatures:
        """Learn which keys have columns, and the priors of rates, from what was known before ``until``.

        Warns
        -----
        NBAWarning
            If nothing was known before ``until``.
        """
        events = self.events(engagement)
        return self.fit_events(events, engagement.columns("hcps"), until=as_moment(until, name="until"))

    def fit_events(self, events: Events, hcps: Columns, *, until: int) -> EngagementFeatures:
        """As :meth:`fit`, on compiled events; ``until`` in int seconds UTC."""
        known = events.histories.known < until
        if not known.any():
            warnings.warn(
                f"None of {len(known)} interactions was known before `until`: features by channel and topic "
                "get no columns, and rates their widest prior. Give a later `until`, or more history.",
                NBAWarning,
                stacklevel=2,
            )
        self.keys_ = {by: _keys_met(events, by, known) for by in self._shared_kinds()}
        self.levels_ = {m.column: levels(m, hcps) for m in self.measures if isinstance(m, Attribute)}
        self.table_keys_ = self._learn_table_keys(events, until)
        self.priors_ = self._learn_priors(events, hcps, until)
        self._settle()
        return self

    @property
    def catalogue_(self) -> tuple[Feature, ...]:
        """What all columns mean, shared ones first."""
        self._check_fitted()
        return self.shared_features_ + self.own_features_

    def get_feature_names_out(self) -> Strings:
        """Names of the shared columns, as :meth:`transform` gives them."""
        self._check_fitted()
        return np.array([feature.name for feature in self.shared_features_], dtype=object)

    def events(self, engagement: Tables) -> Events:
        """Compile an engagement's interactions once, for any number of designs."""
        return Events.from_columns(
            engagement.columns("interactions"),
            content=engagement.columns("content"),
            channels=engagement.columns("channels"),
            hcps=engagement.columns("hcps"),
            beside=self._laid.out(self._of_tables, engagement),
            peers=self._peers(engagement),
            objections=self._objections(engagement),
        )

    def _peers(self, engagement: Tables) -> Events | None:
        """Everybody's events where the engagement is one HCP's and a measure reads those of others."""
        if not isinstance(engagement, OneHCP):
            return None
        return self._everybody(engagement.reference, engagement)

    def _objections(self, tables: Tables) -> Columns | None:
        """What others said of being profiled, if a measure reads their histories: who objects is not read."""
        source = tables.reference if isinstance(tables, OneHCP) else tables
        if source is None or not any(measure.of_others for measure in self._of_tables):
            return None
        consent = consent_of(source)
        if consent is None:
            return None
        found: Columns = self._laid.once("objections", consent, profiling_words)
        return found

    def _everybody(self, reference: Tables | None, tables: Tables) -> Events | None:
        """The events of a reference, laid out once, if a measure reads those of others."""
        if not any(measure.of_others for measure in self._of_tables):
            return None
        log = None if reference is None else table_of(reference, "interactions")
        if log is None:
            raise ArgumentError(
                "These features read the histories of an HCP's peers, and the reference tables hold none. "
                "Give data=, an Engagement with everybody's interactions."
            )
        content, channels = tables.columns("content"), tables.columns("channels")
        found: Events = self._laid.once(
            "peers", log, lambda log: Events.from_columns(log, content=content, channels=channels)
        )
        return found

    def ask(self, actions: Sequence[Action], content: Columns) -> Asked:
        """Look up once what the measures need to know of these actions, for any number of designs.

        The last answer is kept: chunks of a batch, and a service's requests, ask for the same actions of the
        same content table again and again.
        """
        kept = self._kept
        if kept is None or kept[0] is not content or kept[1].actions != tuple(actions):
            kept = self._kept = content, Asked.of(actions, measures=self.measures, content=content)
        return kept[1]

    def transform(
        self, engagement: Tables, *, at: str | pd.Timestamp, hcps: Sequence[str] | None = None
    ) -> Any:
        """The shared columns of HCPs as of a moment, one row an HCP: a frame (see :meth:`set_output`).

        Parameters
        ----------
        at : the moment; nothing that happened or became known at or after it is read
        hcps : which; None is all of the hcp table. One without a row or a history is new: counts are 0,
            recencies and attributes missing.
        """
        self._check_fitted()
        table = engagement.columns("hcps")
        who = np.array(sorted(table["hcp_id"]) if hcps is None else list(hcps), dtype=object)
        moments = np.full(len(who), as_moment(at), dtype=np.int64)
        none = np.zeros(0, dtype=np.int64)
        events = self.events(engagement)
        design = self.design(events, table, hcps=who, at=moments, actions=(), row=none, pair=none)
        names = self.get_feature_names_out()
        if self._frame == "pandas":
            return pd.DataFrame(design.shared, index=pd.Index(who, name="hcp_id"), columns=names)
        columns = {"hcp_id": who.tolist(), **dict(zip(names, design.shared.T, strict=True))}
        return nw.from_dict(columns, backend=self._frame).to_native()

    def design(
        self,
        events: Events,
        hcp_table: Columns,
        *,
        hcps: Strings,
        at: Ints,
        actions: Actions,
        row: Ints,
        pair: Ints,
        profiled: Bools | None = None,
    ) -> Design:
        """Rows of (HCP, moment), and requests that look at them from one pair's side.

        Many rows are computed HCP by HCP in pieces: what is held beside the design does not grow with it.

        Parameters
        ----------
        hcps, at : (n_rows,) who, and int64 seconds of the moment
        actions : the pairs that requests may ask for, or what :meth:`ask` made of them
        row, pair : (n_requests,) which row (never decreasing) and which of ``actions``
        profiled : (n_rows,) False where behaviour and profiles may not be read: all of it is then missing,
            whatever the history holds. None is everybody
        """
        self._check_fitted()
        rows, asked = self._rows(events, hcp_table, hcps, at, profiled), self._asked(actions, events)
        numbers = len(hcps) * len(self.shared_features_) + len(pair) * len(self.own_features_)
        n_at_once = max(len(hcps) * _BYTES_AT_ONCE // max(8 * numbers, 1), 1)
        if len(hcps) <= n_at_once:
            return self._compute(rows, asked, row, pair)[0]
        return self._in_pieces(rows, asked, row, pair, n_at_once=n_at_once)

    def seen(
        self,
        events: Events,
        hcp_table: Columns,
        *,
        hcps: Strings,
        at: Ints,
        actions: Actions,
        row: Ints,
        pair: Ints,
        profiled: Bools | None = None,
    ) -> Seen:
        """As :meth:`design`, kept together with the counts behind every number."""
        self._check_fitted()
        rows, asked = self._rows(events, hcp_table, hcps, at, profiled), self._asked(actions, events)
        design, raw = self._compute(rows, asked, row, pair)
        return Seen(design, self.measures, self.columns_, tuple(map(tuple, raw)), asked, rows.hidden)

    def _asked(self, actions: Actions, events: Events) -> Asked:
        return actions if isinstance(actions, Asked) else self.ask(actions, events.content)

    @staticmethod
    def _rows(events: Events, table: Columns, hcps: Strings, at: Ints, profiled: Bools | None) -> _Rows:
        hidden = None if profiled is None or profiled.all() else ~profiled
        return _Rows(events, table, hcps, at, hidden)

    def meet(self, tables: Tables, *, actions: Sequence[Action]) -> EngagementFeatures:
        """Take up the kinds of events that tables hold, so that one HCP alone brings nothing new.

        It changes no number: what was met before is read from a table instead of being laid out anew.
        """
        self._check_fitted()
        events = self.events(tables)
        self._met_of(events, self.ask(actions, events.content)).take_up(events)
        return self

    def compiled(self, tables: Tables, *, actions: Sequence[Action] = ()) -> Compiled:
        """Make ready to compute one HCP at a time from plain records, in microseconds.

        Parameters
        ----------
        tables : an Engagement, or whatever gives the content, channels and hcps tables
        actions : pairs whose own views :meth:`Compiled.design` computes

        Examples
        --------
        >>> from nba import simulate
        >>> from nba.features import Count
        >>> data = simulate.territory(seed=1, hcps=30, days=120).engagement
        >>> features = EngagementFeatures([Count(of="touches", window_days=30)]).fit(data, until="2026-09-01")
        >>> one = features.compiled(data)
        >>> visit = {"interaction_id": "i1", "hcp_id": "h1", "ts": "2026-01-05T09:00Z",
        ...          "channel": "rep_visit", "direction": "outbound", "outcome": "held"}
        >>> one.transform("h1", history=[visit], at="2026-01-06")
        array([1.], dtype=float32)
        """
        self._check_fitted()
        return Compiled(self, tables, actions)

    def evidence(
        self,
        events: Events,
        hcp_table: Columns,
        *,
        hcps: Strings,
        at: Ints,
        actions: Actions,
        pair: Ints,
        profiled: Bools | None = None,
    ) -> tuple[Design, list[RowEvidence]]:
        """One request a row, with the counts behind every number: "5 of the last 10".

        Returns
        -------
        design : as :meth:`design`, with row i asking for ``pair[i]``
        evidence : per row a mapping from feature name to Evidence; a feature is left out where there is
            nothing to count: an unknown or restricted attribute, a content without a topic, a faded sum
        """
        row = np.arange(len(hcps), dtype=np.int64)
        found = self.seen(
            events, hcp_table, hcps=hcps, at=at, actions=actions, row=row, pair=pair, profiled=profiled
        )
        return found.design, found.evidence(row)

    def to_state(self) -> State:
        """Everything that was declared and learned, as plain JSON."""
        self._check_fitted()
        found = sorted(self.table_keys_.items())
        return {
            "measures": [to_json(measure) for measure in self.measures],
            "dtype": self.dtype,
            "keys": {by: list(keys) for by, keys in self.keys_.items()},
            "levels": {column: list(values) for column, values in self.levels_.items()},
            "priors": [[i, [list(astuple(p)) for p in ps]] for i, ps in sorted(self.priors_.items())],
            **({"table_keys": [[i, list(keys)] for i, keys in found]} if found else {}),
        }, {}

    @classmethod
    def from_state(cls, state: State) -> EngagementFeatures:
        """The fitted features that :meth:`to_state` described."""
        plain, _ = state
        features = cls([from_json(m) for m in plain["measures"]], dtype=plain["dtype"])
        features.keys_ = {by: tuple(keys) for by, keys in plain["keys"].items()}
        features.levels_ = {column: tuple(values) for column, values in plain["levels"].items()}
        features.priors_ = {
            i: tuple(_prior_of(features.measures[i])(*p) for p in ps) for i, ps in plain["priors"]
        }
        features.table_keys_ = {i: tuple(keys) for i, keys in plain.get("table_keys", [])}
        features._settle()
        return features

    def _check_fitted(self) -> None:
        if not hasattr(self, "columns_"):
            raise NotFittedError("These features are not fitted; call fit(engagement, until=...) first.")

    def _shared_kinds(self) -> list[str]:
        histories = (m for m in self.measures if isinstance(m, HistoryMeasure) and not m.own)
        return sorted({m.by for m in histories if m.by is not None and not m.fixed_keys})

    def _settle(self) -> None:
        """Describe all columns, now that keys and levels are known."""
        self.columns_ = tuple(self._describe(i, measure) for i, measure in enumerate(self.measures))
        described = list(zip(self.measures, self.columns_, strict=True))
        self.shared_features_ = tuple(f for m, columns in described if not is_own(m) for f in columns)
        self.own_features_ = tuple(f for m, columns in described if is_own(m) for f in columns)
        self._cuts = tuple(self._where_parts_stand())
        self.notes_ = tuple(
            f"{m.name('...')}: no value to give it a column." if isinstance(m, HistoryMeasure)
            else f"{m.name('...')}: no {' or '.join(tables_of(m))} table, or nothing in it, to give it "
            "a column."
            if isinstance(m, TableMeasure)
            else f"attribute({m.column}): no value that {m.min_hcps} HCPs share, so it has no column."
            for m, columns in described
            if not columns and not isinstance(m, Fit)
        )  # fmt: skip

    def _where_parts_stand(self) -> Iterator[tuple[slice, ...]]:
        """Of every measure its parts' columns among the kernel's shared or own ones; none of no history."""
        ends = {False: 0, True: 0}
        for measure in self.measures:
            cuts: list[slice] = []
            if isinstance(measure, HistoryMeasure):
                for part in measure.parts:
                    start = ends[measure.own]
                    ends[measure.own] += 1 if measure.own or part.alone else len(self._keys_of(measure))
                    cuts.append(slice(start, ends[measure.own]))
            yield tuple(cuts)

    def _describe(self, i: int, measure: Declared) -> tuple[Feature, ...]:
        if isinstance(measure, TableMeasure):
            return tuple(measure.describe(key) for key in self.table_keys_[i])
        if isinstance(measure, Fit):
            return (measure.describe(),)
        if isinstance(measure, Attribute):
            return tuple(measure.describe(level) for level in self.levels_[measure.column])
        return tuple(measure.describe(key) for key in measure.columns(self._keys_of(measure)))

    def _keys_of(self, measure: HistoryMeasure) -> tuple[str, ...]:
        if measure.fixed_keys:
            return measure.fixed_keys
        return ("",) if measure.own or measure.by is None else self.keys_[measure.by]

    def _learn_table_keys(self, events: Events, until: int) -> dict[int, tuple[str, ...]]:
        """What the columns of measures of other tables are about; none where the table is missing, aloud."""
        found: dict[int, tuple[str, ...]] = {}
        missing: set[str] = set()
        for i, measure in enumerate(self.measures):
            if isinstance(measure, TableMeasure):
                lacking = set(tables_of(measure)) - set(events.beside)
                missing |= lacking
                found[i] = () if lacking else measure.keys_met(measure.laid(events.beside), until=until)
        if missing:
            warnings.warn(
                f"There is no table {' and no table '.join(sorted(missing))}: features of it get no columns. "
                "Give it to Engagement, or leave these features out.",
                NBAWarning,
                stacklevel=4,
            )
        return found

    def _learn_priors(self, events: Events, hcps: Columns, until: int) -> dict[int, tuple[Prior, ...]]:
        """One prior a key of everything that has any; an own view pools all keys into one."""
        who = np.arange(len(events.histories.hcps), dtype=np.int64)
        moments = np.full(len(who), until, dtype=np.int64)
        priors: dict[int, tuple[Prior, ...]] = {}
        for i, measure in enumerate(self.measures):
            if isinstance(measure, TableMeasure) and measure.prior is not None and self.table_keys_[i]:
                priors[i] = measure.learn(measure.laid(events.beside), hcps, until=until)
            if not isinstance(measure, HistoryMeasure) or measure.prior is None:
                continue
            if isinstance(measure, Standing):
                priors[i] = self._learn_standing(measure, events, hcps, until)
                continue
            pooled = replace(measure, by=None, own=False) if measure.own else measure
            blocks = self._blocks(pooled, events, None)
            totals, _ = sweep(events.histories, blocks, hcp=who, at=moments)
            edges = np.cumsum([block.n_keys for block in blocks])[:-1]
            priors[i] = pooled.learn(np.split(totals, edges, axis=1))
        return priors

    def _learn_standing(
        self, measure: Standing, events: Events, hcps: Columns, until: int
    ) -> tuple[Prior, ...]:
        """The scores of the whole hcp table; those without a history have 0."""
        who = events.histories.find(hcps["hcp_id"])
        moments = np.full(len(who), until, dtype=np.int64)
        scores, _ = sweep(events.histories, self._blocks(measure, events, None), hcp=who, at=moments)
        return measure.learn_among(scores[:, 0], hcps[measure.among])

    def _blocks(self, measure: HistoryMeasure, events: Events, asked: Asked | None) -> list[Measure]:
        """The kernel's blocks behind one measure, one a part."""
        view: NDArray[np.int32] | None = None
        keys: Sequence[object] = self._keys_of(measure)
        if measure.own and asked is not None:
            keys, view = asked.own[str(measure.by)]
        together = asked.together if measure.own and asked is not None else None
        return [
            block_of(part, events, None, ("",), together) if part.alone
            else block_of(part, events, measure.by, keys, view)
            for part in measure.parts
        ]  # fmt: skip

    def _compute(self, rows: _Rows, asked: Asked, row: Ints, pair: Ints) -> tuple[Design, list[list[Floats]]]:
        """The design, and per measure the raw counts its columns were made of."""
        check_there(self._with_columns(), rows.events.beside)
        one = self._swept_one(rows, asked, pair)
        shared, own = self._swept(rows, asked, row, pair) if one is None else one
        raw = self._parted(shared, own, Profiles(rows.table, rows.hcps), asked, row, pair, rows=rows)
        return self._designed(raw, len(rows.hcps), asked, row, pair), raw

    def _in_pieces(self, rows: _Rows, asked: Asked, row: Ints, pair: Ints, *, n_at_once: int) -> Design:
        """The same design, so many rows at a time, in the order of their HCPs: each reads a short stretch."""
        check_there(self._with_columns(), rows.events.beside)
        blocks = self._block_list(rows.events, asked)
        hcp: Ints = rows.events.histories.find(rows.hcps)
        profiles = Profiles(rows.table, rows.hcps)
        read = {
            i: self._read_table(i, measure, rows, asked, profiles.place, row=row, pair=pair)
            for i, measure in enumerate(self.measures)
            if isinstance(measure, TableMeasure)  # these may have to look at all rows' moments at once
        }
        shared: Floats = np.empty((len(hcp), len(self.shared_features_)), dtype=self.dtype)
        own: Floats = np.empty((len(pair), len(self.own_features_)), dtype=self.dtype)
        by_hcp = np.argsort(hcp, kind="stable")
        begins = np.searchsorted(row, np.arange(len(hcp) + 1))
        for lo in range(0, len(hcp), n_at_once):
            mine = by_hcp[lo : lo + n_at_once]
            many = begins[mine + 1] - begins[mine]
            place = np.repeat(np.arange(len(mine)), many)
            requests = np.arange(len(place)) + np.repeat(begins[mine] - np.cumsum(many) + many, many)
            found = self._sweep(rows.some(mine), blocks, hcp[mine], place, pair[requests])
            of_tables = {
                i: [block[requests if is_own(self.measures[i]) else mine] for block in parts]
                for i, parts in read.items()
            }
            raw = self._parted(
                *found,
                profiles.some(mine),
                asked,
                place,
                pair[requests],
                rows=rows.some(mine),
                read=of_tables,
            )
            part = self._designed(raw, len(mine), asked, place, pair[requests])
            shared[mine], own[requests] = part.shared, part.own
        return self._design_of(shared, own, asked, row, pair)

    def _swept(self, rows: _Rows, asked: Asked, row: Ints, pair: Ints) -> tuple[Floats, Floats]:
        """The kernel's shared and own columns."""
        hcp: Ints = rows.events.histories.find(rows.hcps)
        return self._sweep(rows, self._block_list(rows.events, asked), hcp, row, pair)

    def _sweep(
        self, rows: _Rows, blocks: list[Measure], hcp: Ints, row: Ints, pair: Ints
    ) -> tuple[Floats, Floats]:
        histories, hcp, together = narrowed(rows.events.histories, hcp, blocks)
        return sweep(
            histories, together, hcp=hcp, at=rows.at, request_row=row, request_pair=pair,
            dtype=self._kept_in, n_jobs=self.n_jobs,
        )  # fmt: skip

    def _block_list(self, events: Events, asked: Asked) -> list[Measure]:
        return [block for some in self._all_blocks(events, asked) for block in some]

    def _swept_one(self, rows: _Rows, asked: Asked, pair: Ints) -> tuple[Floats, Floats] | None:
        """The same of one HCP whose events are all there is, by kinds met before; None where it cannot be."""
        events = rows.events
        if len(rows.hcps) != 1 or events.histories.hcps.tolist() not in ([], rows.hcps.tolist()):
            return None
        return self._met_of(events, asked).swept(events, int(rows.at[0]), pair, dtype=self._kept_in)

    def _met_of(self, events: Events, asked: Asked) -> Met:
        """What was met before of these very actions and channels."""
        met = self._met
        if met is None or not met.belongs(self, asked, events.channels):
            met = self._met = Met.of(self, asked, content=events.content, channels=events.channels)
        return met

    def _with_columns(self) -> list[TableMeasure]:
        """Measures of other tables that gave columns in fit."""
        both = zip(self.measures, self.columns_, strict=True)
        return [measure for measure, columns in both if isinstance(measure, TableMeasure) and columns]

    def _all_blocks(self, events: Events, asked: Asked) -> list[list[Measure]]:
        """The kernel's blocks of every measure; none for what is no history."""
        return [
            self._blocks(m, events, asked) if isinstance(m, HistoryMeasure) else [] for m in self.measures
        ]

    @property
    def _kept_in(self) -> str:
        """The kernel's dtype. Rates divide by small counts: parts stay in double until they are combined."""
        combined = any(isinstance(m, HistoryMeasure) and not m.is_raw for m in self.measures)
        return "float64" if combined else self.dtype

    def _parted(
        self, shared: Floats, own: Floats, profiles: Profiles, asked: Asked, row: Ints, pair: Ints, *,
        rows: _Rows | None = None, read: dict[int, list[Floats]] | None = None,
    ) -> list[list[Floats]]:  # fmt: skip
        """Per measure its parts: (n_rows, n_columns) each, or (n_requests, 1) for an own view.

        ``read`` has those of measures of other tables where they were read before.
        """
        raw: list[list[Floats]] = []
        hidden = None if rows is None else rows.hidden
        for i, (measure, cuts) in enumerate(zip(self.measures, self._cuts, strict=True)):
            if isinstance(measure, TableMeasure):
                raw.append(
                    self._read_table(i, measure, rows, asked, profiles.place, row=row, pair=pair)
                    if read is None
                    else read[i]
                )
            elif isinstance(measure, Attribute):
                raw.append([profiles.flags(measure, self.levels_[measure.column])])
            elif isinstance(measure, Fit):
                raw.append([profiles.fits(measure, asked, row=row, pair=pair)])
            else:
                found = own if measure.own else shared
                raw.append([found[:, cut] for cut in cuts])
                if isinstance(measure, Standing):
                    groups = [prior.group for prior in self.priors_[i] if isinstance(prior, Reference)]
                    raw[-1].append(profiles.placed(measure.among, groups))
            if hidden is not None and is_profiling(measure):
                for block in raw[-1]:
                    block[hidden[row] if is_own(measure) else hidden] = np.nan
        return raw

    def _read_table(
        self, i: int, measure: TableMeasure, rows: _Rows | None, asked: Asked, place: Ints, *, row: Ints,
        pair: Ints,
    ) -> list[Floats]:  # fmt: skip
        """The parts of a measure of a table beside the log."""
        keys: tuple[str, ...] = self.table_keys_[i]
        if not keys or rows is None:
            return [np.empty((len(pair) if measure.own else len(place), 0))]
        view = None
        if measure.own:
            keys, view = asked.own[str(measure.by)]
        sight = Sight(
            hcps=rows.hcps, at=rows.at, people=rows.table, place=place, keys=keys, view=view, row=row,
            pair=pair, events=rows.events, learned=self.priors_.get(i, ()),
        )  # fmt: skip
        return measure.read(sight, measure.laid(rows.events.beside))

    def _designed(
        self, raw: Sequence[Sequence[Floats]], n_rows: int, asked: Asked, row: Ints, pair: Ints
    ) -> Design:
        """The design that raw counts make."""
        shared, own = Beside(n_rows, self.dtype), Beside(len(pair), self.dtype)
        for i, (measure, parts) in enumerate(zip(self.measures, raw, strict=True)):
            (own if is_own(measure) else shared).add(measure.combine(parts, self.priors_.get(i, ())))
        return self._design_of(shared.together(), own.together(), asked, row, pair)

    def _design_of(self, shared: Floats, own: Floats, asked: Asked, row: Ints, pair: Ints) -> Design:
        return Design(
            shared=shared,
            own=own,
            row=row,
            pair=pair,
            actions=asked.actions,
            groups=asked.groups,
            shared_features=self.shared_features_,
            own_features=self.own_features_,
        )


@dataclass(frozen=True)
class _Rows:
    """The (HCP, moment) rows of a design, and where they are read from."""

    events: Events
    table: Columns
    hcps: Strings
    at: Ints
    hidden: Bools | None

    def some(self, which: Ints) -> _Rows:
        """Some of the rows."""
        hidden = None if self.hidden is None else self.hidden[which]
        return replace(self, hcps=self.hcps[which], at=self.at[which], hidden=hidden)


def _keys_met(events: Events, by: str, known: NDArray[np.bool_]) -> tuple[str, ...]:
    met, codes = events.codes(by)
    used = np.unique(codes[events.histories.order][known])
    return tuple(sorted(met[c] for c in used if met[c] != ""))


def _prior_of(measure: Declared) -> type[Prior]:
    return getattr(measure, "prior", None) or BetaPrior


def _check_options(measures: Sequence[Declared], dtype: str, n_jobs: int) -> None:
    names = [str(to_json(measure)) for measure in measures]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ArgumentError(f"Declared twice: {twice}. Every measure may stand once.")
    if dtype not in ("float32", "float64"):
        raise ArgumentError(f"dtype is {dtype!r}; expected 'float32' or 'float64'.")
    if n_jobs < 1:
        raise ArgumentError(f"n_jobs is {n_jobs}; expected a number of threads, 1 or more.")
