"""Engagement events as codes, ready for the kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Action, Bools, Columns, Floats
from nba.features.clock import clock_codes
from nba.features.declare import ON_THE_CLOCK
from nba.features.labels import REST
from nba.history import Histories
from nba.history.measures import DEPTHS, SHALLOW
from nba.history.touches import first_successes, is_success
from nba.kept import kept
from nba.tables.arrays import coded, factorize, some

TAGS = ("topic", "format", "content_type", "purpose", "depth_level", "product_id")
"""Content tags that new content borrows its level from."""


@dataclass(frozen=True)
class Events:
    """Interactions in the kernel's order, with what each is about looked up once.

    Attributes
    ----------
    histories : times and order
    interactions : canonical columns, in their own order
    content, channels : the whole tables
    hcps : the hcp table, for the clocks on HCPs' walls; None reads them all in UTC
    responded : (n_events,) the first success that each touch got; None works it out
    beside : tables beside the log that measures read, as they are laid out
    peers : where others' histories are, if these are one HCP's alone
    objections : words of others on being profiled, rows of a consent table; None: nobody said any
    """

    histories: Histories
    interactions: Columns
    content: Columns
    channels: Columns
    hcps: Columns | None = None
    responded: Bools | None = None
    beside: Mapping[str, Any] = field(default_factory=dict, repr=False)
    peers: Events | None = None
    objections: Columns | None = None
    _cells: dict[Any, NDArray[np.int32]] = field(default_factory=dict, repr=False)

    @classmethod
    def from_columns(
        cls,
        interactions: Columns,
        *,
        content: Columns,
        channels: Columns,
        hcps: Columns | None = None,
        responded: Bools | None = None,
        beside: Mapping[str, Any] | None = None,
        peers: Events | None = None,
        objections: Columns | None = None,
    ) -> Events:
        histories = Histories.from_columns(interactions)
        return cls(
            histories, interactions, content, channels, hcps, responded, beside or {}, peers, objections
        )

    @property
    def others(self) -> Events:
        """Where the histories of an HCP's peers are."""
        return self if self.peers is None else self.peers

    def cells(self, by: str | None, of: str, keys: Sequence[Any]) -> NDArray[np.int32]:
        """Each event's place among ``keys``; -1 where it is no such event or has another key.

        Where REST is among the keys, pairs that are not go to REST.
        """
        cache = (by, of, tuple(keys))
        if cache not in self._cells:
            if (by, cache[2]) not in self._found:
                self._found[by, cache[2]] = self._find(by, keys)
            self._cells[cache] = np.where(self._flag(of), self._found[by, cache[2]], np.int32(-1))[
                self.histories.order
            ]
        return self._cells[cache]

    def _find(self, by: str | None, keys: Sequence[Any]) -> NDArray[np.int32]:
        """Each event's place among ``keys``, whatever event it is."""
        met, codes = self.codes(by)
        place = _places(tuple(keys))
        other = place.get(REST, -1)
        target = np.fromiter((place.get(key, other) for key in met), dtype=np.int32, count=len(met))
        return target[codes] if len(met) else np.full(len(codes), -1, dtype=np.int32)

    @cached_property
    def _found(self) -> dict[Any, NDArray[np.int32]]:
        return {}

    def values(self, cells: NDArray[np.int32], column: str) -> NDArray[np.int32]:
        """Each event's value of a second column, numbered within its cell; -1 where it has none."""
        cache = (id(cells), column)  # cells are kept for as long as this is
        if cache not in self._values:
            met, codes = self.codes(column)
            code = codes[self.histories.order]
            known = (cells >= 0) & np.array([*(key != "" for key in met), False], dtype=bool)[code]
            _, numbered = np.unique(cells[known] * np.int64(len(met) + 1) + code[known], return_inverse=True)
            found = np.full(len(cells), -1, dtype=np.int32)
            found[known] = numbered
            self._values[cache] = found
        return self._values[cache]

    @cached_property
    def _values(self) -> dict[Any, NDArray[np.int32]]:
        return {}

    def weights(self, name: str) -> Floats:
        """(n_events,) what each event weighs, in the kernel's order; NaN where that is not known."""
        if name not in self._weights:
            self._weights[name] = self._weigh(name)[self.histories.order]
        return self._weights[name]

    @cached_property
    def _weights(self) -> dict[str, Floats]:
        return {}

    def _weigh(self, name: str) -> Floats:
        columns = self.interactions
        n = len(columns["ts"])
        if name == "depth":
            outcomes, code = coded(columns, "outcome")
            return np.array([DEPTHS.get(outcome, SHALLOW) for outcome in (*outcomes, "")])[code]
        if name != "depth_level":
            found: Floats = columns[name].astype(float) if name in columns else np.full(n, np.nan)
            return found
        contents, code = self.codes("content")
        levels = dict(zip(self.content["content_id"], self.content["depth_level"], strict=True))
        return np.array([float(levels.get(key, np.nan)) for key in (*contents, "")])[code]

    def codes(self, by: str | None) -> tuple[list[Any], NDArray[np.int64]]:
        """The distinct keys met, and each event's index among them."""
        if by not in self._by:
            self._by[by] = self._encode(by)
        return self._by[by]

    @cached_property
    def _by(self) -> dict[str | None, tuple[list[Any], NDArray[np.int64]]]:
        return {}

    def _encode(self, by: str | None) -> tuple[list[Any], NDArray[np.int64]]:
        columns = self.interactions
        n = len(columns["ts"])
        if by is None:
            return [""], np.zeros(n, dtype=np.int64)
        if by in ON_THE_CLOCK:
            names, code = clock_codes(by, columns, self.hcps)
            return names, code.astype(np.int64)
        if by in ("channel", "content"):
            return coded(columns, "channel" if by == "channel" else "content_id")
        if by == "pair":
            channels, channel = self.codes("channel")
            contents, content = self.codes("content")
            both, codes = np.unique(channel * max(len(contents), 1) + content, return_inverse=True)
            k = max(len(contents), 1)
            return [Action(channels[b // k], contents[b % k]) for b in both], codes.astype(np.int64)
        contents, content = self.codes("content")
        tags = content_tags(self.content, by)
        keys, of_content = factorize(np.array([tags.get(c, "") for c in contents], dtype=object))
        if by in columns and columns[by].dtype == object:
            own, code = coded(columns, by)
            says = np.array([key != "" for key in own], dtype=bool)
            place = {key: i for i, key in enumerate(keys)}
            for key in own:
                place.setdefault(key, len(place))
            moved = np.fromiter((place[key] for key in own), dtype=np.int64, count=len(own))
            inherited = of_content[content] if len(contents) else np.zeros(n, dtype=np.int64)
            return list(place), np.where(says[code], moved[code], inherited) if len(own) else inherited
        return keys, of_content[content] if len(contents) else np.zeros(n, dtype=np.int64)

    def answers(self) -> Bools:
        """(n_events,) in the log's own order: the first success that each touch got."""
        return self._flag("responses")

    def _flag(self, of: str) -> Bools:
        if of not in self._flags:
            self._flags[of] = self._read_flag(of)
        return self._flags[of]

    @cached_property
    def _flags(self) -> dict[str, Bools]:
        return {}

    def _read_flag(self, of: str) -> Bools:
        columns = self.interactions
        if of == "touches":
            flag: Bools = columns["touch"]
        elif of == "engagements":
            flag = columns["engaged"]
        elif of == "inbound":
            flag = columns["engaged"] & (columns["direction"] == "inbound")
        elif of == "responses":
            flag = self._respond() if self.responded is None else self.responded
        else:
            flag = (columns["outcome"] == of) & ~columns["machine"]
        return flag

    def _respond(self) -> Bools:
        """The first success that each touch got, in order of becoming known."""
        columns, histories = self.interactions, self.histories
        success = is_success(columns, self.channels)
        known = np.flatnonzero(success[histories.order])
        rows = histories.order[known]
        own, parent = (some(columns, name, rows) for name in ("interaction_id", "parent_id"))
        answers = np.where(columns["touch"][rows] | (parent == ""), own, parent)
        # Another HCP's row may name the same parent; it must not take the response away.
        hcp = np.searchsorted(histories.start, known, side="right")
        touch = np.zeros(len(success), dtype=np.int64)
        touch[rows] = factorize(answers)[1] + len(answers) * hcp
        return first_successes(success, touch, order=histories.order)


@kept
def _places(keys: tuple[Any, ...]) -> dict[Any, int]:
    return {key: i for i, key in enumerate(keys)}


def content_tags(content: Columns, tag: str) -> dict[str, str]:
    """Each content's tag as text, "" where it has none."""
    if tag not in content:
        return {}
    values = content[tag]
    texts = values if values.dtype == object else [("" if np.isnan(v) else f"{v:g}") for v in values]
    return dict(zip(content["content_id"], texts, strict=True))


def action_groups(actions: Sequence[Action], content: Columns) -> tuple[tuple[str, ...], ...]:
    """The groups each pair is shrunk to, its channel first: ("channel=email", "topic=HF", ...).

    Examples
    --------
    >>> content = {"content_id": np.array(["m1"], dtype=object), "topic": np.array(["HF"], dtype=object)}
    >>> action_groups([Action("email", "m1")], content)
    (('channel=email', 'topic=HF'),)
    """
    tags = {tag: content_tags(content, tag) for tag in TAGS}
    return tuple(
        (
            f"channel={action.channel}",
            *(f"{tag}={of[action.content]}" for tag, of in tags.items() if of.get(action.content)),
        )
        for action in actions
    )
