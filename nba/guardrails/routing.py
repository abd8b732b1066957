"""Medical and commercial content, each by its own senders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import DAY, FOREVER, NEVER, Action, Bools, Candidates, Columns, Context, Strings, Verdict
from nba.guardrails.lookup import codes, content_tags, is_touch, numbered, position_of, text_column
from nba.guardrails.registry import Described
from nba.kept import kept

_REASONS = ("", "medical_content", "promotional_content", "no_sender")
_NO_TABLE = "No reps table: whether a territory has a sender of the channel's function is not checked."
_ANYWHERE = ""
_NOBODY = "nobody"
"""The function of what needs no sender."""


@dataclass(frozen=True)
class Routing(Described):
    """Only channels and senders whose function fits the content.

    - Medical content goes over medical channels, or over those of function "none"; never over a commercial
      channel, nor over one whose function is unknown (``medical_content``).
    - Promotional content never goes over a medical channel (``promotional_content``).
    - A personal channel needs a sender of its function in the HCP's territory for some part of
      [at, valid_until): in post, and not on leave (``no_sender``). A rep without a territory is there for
      every HCP; an HCP without a territory has only those.

    Educational content may go over any channel.

    Parameters
    ----------
    senders : look for senders in the ``reps`` table

    Notes
    -----
    Facts: ``function`` of the channel, and over personal channels ``sender``, the user who is there for the
    HCP: of the territory before those of none, the first by id; "" where nobody is or was looked for. Without
    a reps table senders are not looked for, and the funnel says so.

    Examples
    --------
    >>> Routing().describe()
    {'class': 'Routing', 'senders': True}
    """

    senders: bool = field(default=True, kw_only=True)
    code = "routing"

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove candidates whose content or sender does not belong to the channel."""
        function, personal = _channels(candidates, context.channels)
        purpose = content_tags(candidates, context.content, "purpose")
        touch = is_touch(candidates)
        medical = touch & (purpose == "medical") & (function != "medical") & (function != "none")
        promotional = touch & (purpose == "promotional") & (function == "medical")
        of_action = np.where(medical, 1, np.where(promotional, 2, 0)).astype(np.int8)
        reason = np.repeat(of_action[None, :], len(candidates.hcps), axis=0)
        facts = {"function": function[None, :], "sender": np.array([[""]], dtype=object)}
        reps = context.tables.get("reps") if self.senders else None
        if reps is not None:
            needed = touch & personal
            facts["sender"] = self._senders(
                candidates, context.hcps, reps, np.where(needed, function, _NOBODY)
            )
            reason = np.where((reason == 0) & (facts["sender"] == "") & needed, np.int8(3), reason)
        note = _NO_TABLE if self.senders and reps is None else ""
        return Verdict(self.code, reason, _REASONS, facts, note=note)

    def _senders(
        self, candidates: Candidates, hcps: Columns, reps: Columns, function: NDArray[Any]
    ) -> NDArray[Any]:
        """(n, K) who of the action's function is there for the HCP; "" for nobody."""
        there = _there(reps, at=candidates.at, until=candidates.valid_until)
        territory = text_column(hcps, "territory_id", length=len(candidates.hcps))
        distinct = numbered(territory)
        kinds = numbered(function)
        senders = np.array(
            [[_sender(there, place, kind) for kind in kinds] for place in distinct], dtype=object
        ).reshape(len(distinct), len(kinds))
        found: NDArray[Any] = senders[:, codes(function, kinds)][codes(territory, distinct)]
        return found


def _channels(candidates: Candidates, channels: Columns) -> tuple[NDArray[Any], Bools]:
    """(K,) the function of each action's channel ("" where nobody says), and whether it is personal."""
    return _of_channels(
        candidates.actions, channels["channel"], channels.get("function"), channels.get("personal")
    )


@kept
def _of_channels(
    actions: tuple[Action, ...], names: Strings, function: Strings | None, personal: NDArray[Any] | None
) -> tuple[NDArray[Any], Bools]:
    rows = codes([action.channel for action in actions], position_of(names))
    texts = np.full(len(names), "", dtype=object) if function is None else function
    flags = np.zeros(len(names), dtype=np.bool_) if personal is None else personal.astype(np.bool_)
    return np.append(texts, "").astype(object)[rows], np.append(flags, False)[rows]


def _sender(there: Mapping[tuple[str, str], str], territory: str, function: str) -> str:
    """The first user of a function in a territory, or everywhere; any function where it is neither."""
    if function == _NOBODY:
        return ""
    functions = (function,) if function in ("commercial", "medical") else ("commercial", "medical")
    for place in (territory, _ANYWHERE):
        if found := [there[place, kind] for kind in functions if (place, kind) in there]:
            return min(found)
    return ""


def _there(reps: Columns, *, at: int, until: int) -> dict[tuple[str, str], str]:
    """By (territory, function) the first user in post and not on leave at some moment of [at, until)."""
    length = len(reps["user_id"])
    territory = text_column(reps, "territory_id", length=length)
    moments = [_moments(reps, name, length) for name in ("from", "to", "off_from", "off_to")]
    leaves: dict[str, list[tuple[int, int]]] = {}
    posts: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for i, user in enumerate(reps["user_id"]):
        start, end, off, back = (int(column[i]) for column in moments)
        if off > NEVER or back > NEVER:  # a row with neither is no leave; one without an end lasts
            leaves.setdefault(user, []).append((off, _through(back) if back > NEVER else FOREVER))
        if start < until and _through(end) > at:
            key = (user, territory[i], reps["function"][i])
            posts.setdefault(key, []).append((max(start, at), min(_through(end), until)))
    there: dict[tuple[str, str], str] = {}
    for (user, place, kind), spans in sorted(posts.items()):
        if any(_free(span, leaves.get(user, [])) for span in spans):
            there.setdefault((place, kind), str(user))
    return there


def _moments(reps: Columns, name: str, length: int) -> NDArray[Any]:
    empty = FOREVER if name == "to" else NEVER
    return reps[name] if name in reps else np.full(length, empty, dtype=np.int64)


def _through(day: int) -> int:
    """The end of a day that is included."""
    return day if day >= FOREVER else day + DAY


def _free(span: tuple[int, int], leaves: list[tuple[int, int]]) -> bool:
    """Whether leaves leave something of a span open at its end."""
    start, end = span
    for off, back in sorted(leaves):
        if off > start:
            return True
        start = max(start, back)
        if start >= end:
            return False
    return start < end
