"""Declared features, computed for batches and single HCPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nba.contracts import (
    DAY,
    Action,
    Columns,
    Design,
    Evidence,
    Feature,
    Floats,
    Ints,
    State,
    Strings,
)
from nba.errors import ArgumentError, NotFittedError
from nba.features.declare import (
    SPARSE,
    Attribute,
    Count,
    Decayed,
    Declared,
    Fit,
    HistoryMeasure,
    Rate,
    Recency,
    Streak,
    from_json,
    to_json,
)
from nba.features.events import Events, action_groups, content_tags
from nba.history import BetaPrior, Measure, beta_prior, sweep
from nba.tables import Engagement, as_moment


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
    priors_ : per rate the prior of each column, learned in fit
    catalogue_ : tuple of Feature, shared columns first

    Examples
    --------
    >>> features = EngagementFeatures([Count(of="touches", by="channel", window_days=30)])
    >>> features.measures[0].name("email")
    'count(touches, channel=email, 30d)'
    """

    def __init__(self, measures: Sequence[Declared], *, dtype: str = "float32", n_jobs: int = 1) -> None:
        names = [str(to_json(measure)) for measure in measures]
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ArgumentError(f"Declared twice: {twice}. Every measure may stand once.")
        self.measures = tuple(measures)
        self.dtype = dtype
        self.n_jobs = n_jobs

    @classmethod
    def standard(cls, **options: Any) -> EngagementFeatures:
        """The sensible set: pressure, response, interest and recency, over channels, topics and content."""
        return cls(STANDARD, **options)

    def fit(self, engagement: Engagement, *, until: str | pd.Timestamp) -> EngagementFeatures:
        """Learn which keys have columns, and the priors of rates, from what was known before ``until``."""
        return self.fit_events(self.events(engagement), engagement.columns("hcps"), until=as_moment(until))

    def fit_events(self, events: Events, hcps: Columns, *, until: int) -> EngagementFeatures:
        """As :meth:`fit`, on compiled events."""
        known = events.histories.known < until
        self.keys_: dict[str, tuple[str, ...]] = {}
        for measure in self.measures:
            if isinstance(measure, HistoryMeasure) and measure.by is not None and measure.by not in SPARSE:
                met, codes = events.codes(measure.by)
                used = np.unique(codes[events.histories.order][known])
                self.keys_[measure.by] = tuple(sorted(met[c] for c in used if met[c] != ""))
        self.levels_ = {
            m.column: _levels(m, hcps) for m in self.measures if isinstance(m, Attribute) and m.column in hcps
        }
        self.priors_ = self._learn_priors(events, until)
        self.shared_features_ = tuple(
            feature
            for measure in self.measures
            if not _is_own(measure)
            for feature in self._describe(measure)
        )
        self.own_features_ = tuple(
            feature for measure in self.measures if _is_own(measure) for feature in self._describe(measure)
        )
        return self

    @property
    def catalogue_(self) -> tuple[Feature, ...]:
        self._check_fitted()
        return self.shared_features_ + self.own_features_

    def get_feature_names_out(self) -> Strings:
        """Names of the shared columns, as :meth:`transform` gives them."""
        self._check_fitted()
        return np.array([feature.name for feature in self.shared_features_], dtype=object)

    def events(self, engagement: Engagement) -> Events:
        """Compile an engagement's interactions once, for any number of designs."""
        return Events.from_columns(
            engagement.columns("interactions"),
            content=engagement.columns("content"),
            channels=engagement.columns("channels"),
        )

    def transform(
        self, engagement: Engagement, *, at: str | pd.Timestamp, hcps: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """The shared columns of HCPs as of a moment, one row an HCP.

        Parameters
        ----------
        at : the moment; nothing that happened or became known at or after it is read
        hcps : which; None is all of the hcp table
        """
        table = engagement.columns("hcps")
        who = np.array(sorted(table["hcp_id"]) if hcps is None else list(hcps), dtype=object)
        moments = np.full(len(who), as_moment(at), dtype=np.int64)
        none = np.zeros(0, dtype=np.int64)
        design = self.design(
            self.events(engagement), table, hcps=who, at=moments, actions=(), row=none, pair=none
        )
        return pd.DataFrame(
            design.shared, index=pd.Index(who, name="hcp_id"), columns=self.get_feature_names_out()
        )

    def design(
        self,
        events: Events,
        hcp_table: Columns,
        *,
        hcps: Strings,
        at: Ints,
        actions: tuple[Action, ...],
        row: Ints,
        pair: Ints,
    ) -> Design:
        """Rows of (HCP, moment), and requests that look at them from one pair's side.

        Parameters
        ----------
        hcps, at : (n_rows,) who, and int64 seconds of the moment
        actions : the pairs that requests may ask for
        row, pair : (n_requests,) which row (never decreasing) and which of ``actions``
        """
        return self._compute(events, hcp_table, hcps, at, actions, row, pair)[0]

    def evidence(
        self,
        events: Events,
        hcp_table: Columns,
        *,
        hcps: Strings,
        at: Ints,
        actions: tuple[Action, ...],
        pair: Ints,
    ) -> tuple[Design, list[dict[str, Evidence]]]:
        """One request a row, with the counts behind every number: "5 of the last 10".

        Returns
        -------
        design : as :meth:`design`, with row i asking for ``pair[i]``
        evidence : per row a dict from feature name to Evidence
        """
        row = np.arange(len(hcps), dtype=np.int64)
        design, raw = self._compute(events, hcp_table, hcps, at, actions, row, pair)
        found: list[dict[str, Evidence]] = [{} for _ in range(len(hcps))]
        for measure, parts in raw:
            names = [feature.name for feature in self._describe(measure)]
            for c, name in enumerate(names):
                columns = [part[:, c].tolist() for part in parts]
                for i, values in enumerate(zip(*columns, strict=True)):
                    found[i][name] = measure.evidence(values)
        return design, found

    def to_state(self) -> State:
        """Everything that was declared and learned, as plain JSON."""
        self._check_fitted()
        return {
            "measures": [to_json(measure) for measure in self.measures],
            "dtype": self.dtype,
            "keys": {by: list(keys) for by, keys in self.keys_.items()},
            "levels": {column: list(levels) for column, levels in self.levels_.items()},
            "priors": [[i, [[p.mean, p.strength] for p in ps]] for i, ps in sorted(self.priors_.items())],
        }, {}

    @classmethod
    def from_state(cls, state: State) -> EngagementFeatures:
        """The fitted features that :meth:`to_state` described."""
        plain, _ = state
        features = cls([from_json(m) for m in plain["measures"]], dtype=plain["dtype"])
        features.keys_ = {by: tuple(keys) for by, keys in plain["keys"].items()}
        features.levels_ = {column: tuple(levels) for column, levels in plain["levels"].items()}
        features.priors_ = {i: tuple(BetaPrior(m, s) for m, s in ps) for i, ps in plain["priors"]}
        own, shared = [], []
        for measure in features.measures:
            (own if _is_own(measure) else shared).extend(features._describe(measure))
        features.shared_features_, features.own_features_ = tuple(shared), tuple(own)
        return features

    def _check_fitted(self) -> None:
        if not hasattr(self, "keys_"):
            raise NotFittedError("These features are not fitted; call fit(engagement, until=...) first.")

    def _describe(self, measure: Declared) -> tuple[Feature, ...]:
        if isinstance(measure, Fit):
            return (measure.describe(),)
        if isinstance(measure, Attribute):
            return tuple(measure.describe(level) for level in self.levels_.get(measure.column, ()))
        if measure.own or measure.by is None:
            return (measure.describe(""),)
        return tuple(measure.describe(key) for key in self.keys_[measure.by])

    def _learn_priors(self, events: Events, until: int) -> dict[int, tuple[BetaPrior, ...]]:
        """One prior a column of every rate; sparse keys and own views pool all keys into one."""
        histories = events.histories
        who = np.arange(len(histories.hcps), dtype=np.int64)
        moments = np.full(len(who), until, dtype=np.int64)
        priors: dict[int, tuple[BetaPrior, ...]] = {}
        for i, measure in enumerate(self.measures):
            if not isinstance(measure, Rate):
                continue
            by = None if measure.by in SPARSE or measure.own else measure.by
            keys: Sequence[str] = ("",) if by is None else self.keys_[by]
            blocks = [
                Measure(part.op, events.cells(by, part.of, keys), part.span, len(keys))
                for part in measure.parts
            ]
            totals, _ = sweep(histories, blocks, hcp=who, at=moments)
            answered, touched = totals[:, : len(keys)], totals[:, len(keys) :]
            priors[i] = tuple(beta_prior(answered[:, k], touched[:, k]) for k in range(len(keys)))
        return priors

    def _compute(
        self,
        events: Events,
        hcp_table: Columns,
        hcps: Strings,
        at: Ints,
        actions: tuple[Action, ...],
        row: Ints,
        pair: Ints,
    ) -> tuple[Design, list[tuple[HistoryMeasure, list[Floats]]]]:
        self._check_fitted()
        blocks, places = self._blocks(events, actions)
        # Rates divide by small counts: their parts are kept in double until they are combined.
        shared_parts, own_parts = sweep(
            events.histories, blocks, hcp=events.histories.find(hcps), at=at,
            request_row=row, request_pair=pair, dtype="float64" if self._has_rates else self.dtype,
            n_jobs=self.n_jobs,
        )  # fmt: skip
        shared: list[Floats] = []
        own: list[Floats] = []
        raw: list[tuple[HistoryMeasure, list[Floats]]] = []
        attributes = _Rows.locate(hcp_table, hcps)
        for i, measure in enumerate(self.measures):
            if isinstance(measure, HistoryMeasure):
                table = own_parts if measure.own else shared_parts
                parts = [table[:, lo:hi] for lo, hi in places[i]]
                (own if measure.own else shared).append(measure.combine(parts, self.priors_.get(i, ())))
                raw.append((measure, parts))
            elif isinstance(measure, Attribute):
                shared.append(attributes.flags(measure, self.levels_.get(measure.column, ())))
            else:
                own.append(attributes.fit(measure, events.content, actions, row, pair))
        design = Design(
            shared=_beside(shared, len(hcps), self.dtype),
            own=_beside(own, len(pair), self.dtype),
            row=row,
            pair=pair,
            actions=actions,
            groups=action_groups(actions, events.content),
            shared_features=self.shared_features_,
            own_features=self.own_features_,
        )
        return design, raw

    @property
    def _has_rates(self) -> bool:
        return any(isinstance(measure, Rate) for measure in self.measures)

    def _blocks(
        self, events: Events, actions: tuple[Action, ...]
    ) -> tuple[list[Measure], list[list[tuple[int, int]]]]:
        """The kernel's table, and where each measure's parts stand in its output."""
        own_keys: dict[str, tuple[list[Any], NDArray[np.int32]]] = {}
        blocks: list[Measure] = []
        places: list[list[tuple[int, int]]] = []
        n_shared = n_own = 0
        for measure in self.measures:
            spots: list[tuple[int, int]] = []
            if isinstance(measure, HistoryMeasure):
                by = measure.by
                if measure.own:
                    if by not in own_keys:
                        own_keys[str(by)] = _own_keys(str(by), actions, events.content)
                    keys, view = own_keys[str(by)]
                else:
                    keys, view = ([""] if by is None else list(self.keys_[by])), None
                for part in measure.parts:
                    ends = None if part.ends is None else events.cells(by, part.ends, keys)
                    cells = events.cells(by, part.of, keys)
                    blocks.append(Measure(part.op, cells, part.span, len(keys), ends=ends, own=view))
                    if measure.own:
                        spots.append((n_own, n_own + 1))
                        n_own += 1
                    else:
                        spots.append((n_shared, n_shared + len(keys)))
                        n_shared += len(keys)
            places.append(spots)
        return blocks, places


@dataclass(frozen=True)
class _Rows:
    """The hcp table's rows behind the design's rows; -1 where an HCP is not in it."""

    table: Columns
    place: NDArray[np.int64]

    @classmethod
    def locate(cls, table: Columns, hcps: Strings) -> _Rows:
        place = {hcp: i for i, hcp in enumerate(table["hcp_id"])}
        return cls(table, np.fromiter((place.get(h, -1) for h in hcps), dtype=np.int64, count=len(hcps)))

    def flags(self, measure: Attribute, levels: Sequence[str]) -> Floats:
        """One column a level (or the number); missing for unknown HCPs and protected values."""
        if not levels:
            return np.zeros((len(self.place), 0))
        values = self.table[measure.column]
        if values.dtype == object:
            columns = np.stack([(values == level) for level in levels], axis=1).astype(float)
            columns[values == ""] = np.nan
        else:
            columns = values.astype(float)[:, None]
        if measure.visibility == "restricted" and "pdrp_opt_out" in self.table:
            columns[self.table["pdrp_opt_out"]] = np.nan
        columns = np.vstack([columns, np.full((1, columns.shape[1]), np.nan)])
        return columns[self.place]

    def fit(
        self, measure: Fit, content: Columns, actions: tuple[Action, ...], row: Ints, pair: Ints
    ) -> Floats:
        """1 where the HCP is in the content's audience, 0 where not, missing where either is unknown."""
        if measure.column not in self.table or measure.audience not in content:
            return np.full((len(pair), 1), np.nan)
        audience = dict(zip(content["content_id"], content[measure.audience], strict=True))
        names = np.append(self.table[measure.column], "")
        met, codes = np.unique(names.astype(str), return_inverse=True)
        grid = np.full((len(met), max(len(actions), 1)), np.nan)
        for k, action in enumerate(actions):
            wanted = audience.get(action.content, ())
            if wanted:
                grid[:, k] = [np.nan if name == "" else float(name in wanted) for name in met]
        return grid[codes[self.place][row], pair][:, None]


def _own_keys(by: str, actions: tuple[Action, ...], content: Columns) -> tuple[list[Any], NDArray[np.int32]]:
    """The keys that these actions have, and which is whose."""
    if by == "pair":
        of: list[Any] = list(actions)
    elif by in ("channel", "content"):
        of = [getattr(action, by) for action in actions]
    else:
        tags = content_tags(content, by)
        of = [tags.get(action.content, "") for action in actions]
    keys = sorted({key for key in of if key not in ("", Action("", ""))})
    place: Mapping[Any, int] = {key: i for i, key in enumerate(keys)}
    return keys, np.array([place.get(key, -1) for key in of], dtype=np.int32)


def _is_own(measure: Declared) -> bool:
    return isinstance(measure, Fit) or (isinstance(measure, HistoryMeasure) and measure.own)


def _levels(measure: Attribute, hcps: Columns) -> tuple[str, ...]:
    values = hcps[measure.column]
    if values.dtype != object:
        return ("",)
    met, counts = np.unique(values[values != ""].astype(str), return_counts=True)
    return tuple(str(level) for level, n in zip(met, counts, strict=True) if n >= measure.min_hcps)


def _beside(blocks: Sequence[Floats], n: int, dtype: str) -> Floats:
    return np.hstack(blocks).astype(dtype) if blocks else np.zeros((n, 0), dtype=dtype)


STANDARD: tuple[Declared, ...] = (
    Count(of="touches", window_days=30),
    Count(of="touches", window_days=7),
    Count(of="engagements", window_days=90),
    Recency(of="touches"),
    Recency(of="engagements"),
    Streak(),
    Decayed(of="engagements", half_life_days=14),
    Decayed(of="touches", half_life_days=14),
    Count(of="touches", by="channel", window_days=90),
    Rate(by="channel", window_days=365),
    Decayed(of="engagements", by="topic", half_life_days=60),
    Attribute(column="specialty"),
    Attribute(column="role"),
    Attribute(column="segment"),
    Attribute(column="tier"),
    Attribute(column="country"),
    Attribute(column="decile", visibility="restricted"),
    Count(of="touches", by="channel", own=True, window_days=30),
    Count(of="responses", by="channel", own=True, window_days=90),
    Count(of="responses", by="channel", own=True, window_days=30),
    Rate(by="channel", own=True, window_days=365),
    Recency(of="touches", by="channel", own=True),
    Recency(of="responses", by="channel", own=True),
    Streak(by="channel", own=True),
    Count(of="engagements", by="topic", own=True, window_days=180),
    Recency(of="engagements", by="topic", own=True),
    Count(of="touches", by="content", own=True),
    Count(of="engagements", by="content", own=True, window_days=365),
    Count(of="engagements", by="content", own=True, window_days=90),
    Recency(of="engagements", by="content", own=True),
    Count(of="responses", by="pair", own=True, window_days=365),
    Count(of="responses", by="pair", own=True, window_days=90),
    Count(of="responses", by="pair", own=True, window_days=30),
    Recency(of="responses", by="pair", own=True),
    Recency(of="touches", by="pair", own=True),
    Fit(),
)
"""The set behind :meth:`EngagementFeatures.standard`."""

__all__ = ["DAY", "STANDARD", "EngagementFeatures"]
