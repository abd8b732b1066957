"""Nothing is said again before its time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nba.contracts import DAY, NEVER, Action, Candidates, Context, Ints, Strings, Verdict
from nba.errors import ArgumentError
from nba.guardrails.contact import counted_touches, inner_share, positive_days
from nba.guardrails.lookup import codes, is_touch, numbered, positions_in
from nba.guardrails.registry import Described
from nba.kept import kept


@dataclass(frozen=True)
class RepeatGap(Described):
    """The same asset, or the same message, never twice within so many days, over all channels.

    By ``asset`` contents are the same when their document number is, whatever the version; by ``message``
    when their key message is. A touch exactly ``days`` days ago is far enough. Decisions handed out and not
    yet sent count as touches. Content without a key message is no matter of a rule by message; a touch whose
    content the table does not hold repeats only itself.

    Parameters
    ----------
    days : the gap, more than 0
    by : "asset" or "message"

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Notes
    -----
    Facts: ``last_days_ago`` (0 for a touch still to come; -1 where there is none) and ``gap_days``.

    Examples
    --------
    >>> RepeatGap(14, by="message")
    RepeatGap(days=14.0, by='message')
    """

    days: float
    by: Literal["asset", "message"] = field(default="asset", kw_only=True)
    code = "repeat_gap"

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", positive_days("RepeatGap", self.days))
        _check_by("RepeatGap", self.by)

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove candidates that would repeat themselves too soon."""
        names, index, said = _says(candidates, context, by=self.by)
        last = self._last_said(candidates, context, names, index)
        never = last == NEVER
        seconds_ago = np.maximum(candidates.at - np.where(never, candidates.at, last), 0)
        too_soon = ~never & (seconds_ago < round(self.days * DAY))
        about = is_touch(candidates) & (said >= 0)
        reason = (too_soon[:, said] & about).astype(np.int8)
        days_ago = np.where(never, -1.0, seconds_ago / DAY)[:, said]
        facts = {
            "last_days_ago": np.where(about, days_ago, -1.0),
            "gap_days": np.array([[self.days]]),
        }
        return Verdict(
            self.code, reason, ("", f"{self.by}_repeat"), facts, about=f"{self.by}, {self.days:g} days"
        )

    def _last_said(
        self, candidates: Candidates, context: Context, names: NDArray[Any], index: dict[Any, int]
    ) -> Ints:
        """(n, names + 1) when each HCP was last told each name; the last column is never."""
        row, said, ts = _told(candidates, context, names, index, by=self.by)
        last: NDArray[np.int64] = np.full((len(candidates.hcps), len(index) + 1), NEVER, dtype=np.int64)
        np.maximum.at(last, (row, said), ts)
        return last


@dataclass(frozen=True)
class NoveltyFloor(Described):
    """The same asset, or the same message, only while it is still new enough to the HCP, over all channels.

    How new it is: 1 / (1 + contacts with it, each half as much after every half-life), so 1 where it was
    never told, 0.5 right after the first time, 0.33 after the second at once. What is the same is told as in
    :class:`RepeatGap`; decisions handed out and not yet sent count as contacts of the moment.

    Parameters
    ----------
    least : the floor, above 0 and below 1
    half_life_days : after how long a contact counts half, more than 0
    by : "asset" or "message"

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Notes
    -----
    Facts: ``contacts`` with it so far, and ``novelty_percent``. The same number is a feature,
    ``nba.features.Novelty``, where it is to weigh instead of to rule out.

    Examples
    --------
    >>> NoveltyFloor(0.4, by="message")
    NoveltyFloor(least=0.4, half_life_days=60.0, by='message')
    """

    least: float
    half_life_days: float = field(default=60.0, kw_only=True)
    by: Literal["asset", "message"] = field(default="asset", kw_only=True)
    code = "novelty_floor"

    def __post_init__(self) -> None:
        object.__setattr__(self, "least", inner_share("NoveltyFloor", "least", self.least))
        object.__setattr__(self, "half_life_days", positive_days("NoveltyFloor", self.half_life_days))
        _check_by("NoveltyFloor", self.by)

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove candidates that the HCP has had too often of late."""
        from nba.history.measures import novelty  # brings compiled code that other rules do not need

        names, index, said = _says(candidates, context, by=self.by)
        row, what, ts = _told(candidates, context, names, index, by=self.by)
        order = np.lexsort((ts, what, row))  # sums in one order, whatever the order of the touches
        spot = row[order], what[order]
        faded = np.exp2(-np.maximum(candidates.at - ts[order], 0) / (self.half_life_days * DAY))
        shape = len(candidates.hcps), len(index) + 1
        exposure, contacts = np.zeros(shape), np.zeros(shape, dtype=np.int64)
        np.add.at(exposure, spot, faded)
        np.add.at(contacts, spot, 1)
        about = is_touch(candidates) & (said >= 0)
        new = np.where(about, novelty(exposure)[:, said], 1.0)
        facts = {
            "contacts": np.where(about, contacts[:, said], 0),
            "novelty_percent": np.floor(100.0 * new + 1e-9).astype(np.int64),
        }
        return Verdict(
            self.code, (new < self.least).astype(np.int8), ("", "not_new"), facts,
            about=f"{self.least:g} by {self.by}, half-life {self.half_life_days:g} days",
        )  # fmt: skip


def _check_by(rule: str, by: object) -> None:
    if by not in ("asset", "message"):
        raise ArgumentError(f"{rule} found by={by!r}, expected 'asset' or 'message'.")


def _says(candidates: Candidates, context: Context, *, by: str) -> tuple[NDArray[Any], dict[Any, int], Ints]:
    """As :func:`_said`, of the content table that is in force."""
    named = context.content.get("key_message_id" if by == "message" else "document_number")
    return _said(candidates.actions, context.content["content_id"], named, by)


def _told(
    candidates: Candidates, context: Context, names: NDArray[Any], index: dict[Any, int], *, by: str
) -> tuple[Ints, Ints, Ints]:
    """(HCP row, number of the name, ts) of every touch that counts and says one of the names."""
    touches = context.touches
    counted = np.flatnonzero(counted_touches(candidates, context))
    content = touches["content_id"][counted]
    place = codes(content, positions_in(context.content["content_id"]))
    unknown = content if by == "asset" else np.full(len(content), "", dtype=object)
    said = codes(np.where(place >= 0, np.append(names, "")[place], unknown), index)
    hit = said >= 0
    return touches["row"][counted][hit], said[hit], touches["ts"][counted][hit]


@kept
def _said(
    actions: tuple[Action, ...], ids: Strings, named: Strings | None, by: str
) -> tuple[NDArray[Any], dict[Any, int], Ints]:
    """What tells contents apart, those names numbered, and (K,) what each action says; -1 is nothing."""
    names = _names(ids, named, by=by)
    places = codes([action.content for action in actions], positions_in(ids)).tolist()
    unknown = [action.content if by == "asset" else "" for action in actions]
    mine = [names[row] if row >= 0 else other for row, other in zip(places, unknown, strict=True)]
    index = numbered(name for name in mine if name)
    return names, index, codes(mine, index)


def _names(ids: Strings, named: Strings | None, *, by: str) -> NDArray[Any]:
    """What makes two contents the same; "" where nothing does."""
    texts = np.full(len(ids), "", dtype=object) if named is None else named
    return texts if by == "message" else np.where(texts == "", ids, texts)
