"""Nothing is said again before its time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nba.contracts import DAY, NEVER, Candidates, Columns, Context, Ints, Verdict
from nba.errors import ArgumentError
from nba.guardrails.contact import counted_touches, positive_days
from nba.guardrails.lookup import codes, content_rows, is_touch, numbered, position_of, text_column
from nba.guardrails.registry import Described


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
        if self.by not in ("asset", "message"):
            raise ArgumentError(f"RepeatGap found by={self.by!r}, expected 'asset' or 'message'.")

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove candidates that would repeat themselves too soon."""
        names = _names(context.content, by=self.by)
        rows = content_rows(candidates, context.content)
        mine = np.array(
            [names[row] if row >= 0 else action.content for action, row in
             zip(candidates.actions, rows.tolist(), strict=True)], dtype=object
        )  # fmt: skip
        if self.by == "message":
            mine[rows < 0] = ""
        index = numbered(name for name in mine if name)
        said = codes(mine, index)
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
        touches = context.touches
        counted = np.flatnonzero(counted_touches(candidates, context))
        content = touches["content_id"][counted]
        place = codes(content, position_of(context.content["content_id"]))
        unknown = content if self.by == "asset" else np.full(len(content), "", dtype=object)
        said = codes(np.where(place >= 0, np.append(names, "")[place], unknown), index)
        last: NDArray[np.int64] = np.full((len(candidates.hcps), len(index) + 1), NEVER, dtype=np.int64)
        hit = said >= 0
        np.maximum.at(last, (touches["row"][counted][hit], said[hit]), touches["ts"][counted][hit])
        return last


def _names(content: Columns, *, by: str) -> NDArray[Any]:
    """What makes two contents the same; "" where nothing does."""
    ids = content["content_id"]
    if by == "message":
        return text_column(content, "key_message_id", length=len(ids))
    documents = text_column(content, "document_number", length=len(ids))
    return np.where(documents == "", ids, documents)
