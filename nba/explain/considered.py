"""Says what else was considered, and what stood against it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nba.contracts import DO_NOTHING, Receipt
from nba.explain.wording import Book, fill

RANKED_LOWER = "ranked_lower"
"""The code of what was possible and had a lower selection probability."""


@dataclass(frozen=True)
class Considered:
    """An alternative that was not suggested.

    Attributes
    ----------
    channel : its channel
    code : the reason code of the rule that removed it, or ``RANKED_LOWER``
    facts : that rule's facts about it, as ``Verdict.fact`` gives them
    """

    channel: str
    code: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def alternatives(receipt: Receipt, *, most: int = 2) -> tuple[Considered, ...]:
    """The runner-up in another channel, then channels that were ruled out as a whole.

    A channel ruled out is given the code that removed most of its actions; ties by name.
    """
    ruled_out = _ruled_out(receipt)
    others = [
        (prob, action)
        for action, prob in receipt.eligible
        if action != DO_NOTHING and action.channel != receipt.action.channel and prob > 0.0
    ]
    others.sort(key=lambda pair: (-pair[0], pair[1]))
    runner_up = [Considered(others[0][1].channel, RANKED_LOWER)] if others else []
    return tuple([*runner_up, *ruled_out][:most])


def in_words(considered: Considered, *, book: Book) -> str:
    """What stood against an alternative, with the rule's facts where all that are needed are there.

    Examples
    --------
    >>> from nba.explain.wording import load_book
    >>> call = Considered("rep_visit", "minimum_gap", {"last_days_ago": 4.2, "gap_days": 7.0})
    >>> in_words(call, book=load_book())
    'contacted 4 days ago, minimum gap is 7 days'
    """
    phrases = book.phrases["considered"]
    known = {name: text for name, value in considered.facts.items() if (text := whole(value))}
    detailed = phrases.get(f"{considered.code}_facts", "")
    if detailed and _places(detailed) <= known.keys():
        return fill(detailed, known)
    return phrases.get(considered.code, phrases["other"])


def whole(value: object) -> str:
    """A fact that is a count, as whole number; "" where it is missing or not a number.

    Examples
    --------
    >>> whole(4.2), whole(-1), whole(float("nan"))
    ('4', '', '')
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
        return ""
    return f"{math.floor(value):,}"


def _places(pattern: str) -> set[str]:
    return {piece.partition("}")[0] for piece in pattern.split("{")[1:]}


def _ruled_out(receipt: Receipt) -> list[Considered]:
    open_channels = {action.channel for action, _ in receipt.eligible} | {receipt.action.channel}
    codes: dict[str, Counter[str]] = defaultdict(Counter)
    for action, code in receipt.removed:
        if action.channel not in open_channels:
            codes[action.channel][code] += 1
    return [Considered(channel, _commonest(codes[channel])) for channel in sorted(codes)]


def _commonest(counts: Counter[str]) -> str:
    return min(counts, key=lambda code: (-counts[code], code))
