"""Says what else was considered, and what stood against it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from nba.contracts import DO_NOTHING, Action, Receipt
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
    open_channels = {action.channel for action, _ in receipt.eligible} | {receipt.action.channel}
    ruled_out = _ruled_out(receipt.removed, frozenset(open_channels))
    not_meant = (DO_NOTHING.channel, receipt.action.channel)
    others = (
        (-prob, action) for action, prob in receipt.eligible if action.channel not in not_meant and prob
    )
    best = min(others, default=None)
    runner_up = [Considered(best[1].channel, RANKED_LOWER)] if best else []
    return tuple([*runner_up, *ruled_out][:most])


def in_words(considered: Considered, *, book: Book) -> str:
    """What stood against an alternative, with the rule's facts where all that are needed are there.

    Examples
    --------
    >>> from nba.explain.wording import load_book
    >>> call = Considered("rep_visit", "minimum_gap", {"last_days_ago": 4.2, "gap_days": 7.0})
    >>> in_words(call, book=load_book())
    'last contact 4 days ago, minimum gap 7 days'
    """
    phrases = book.phrases["considered"]
    known = facts_in_words(considered.facts, book=book)
    detailed = phrases.get(f"{considered.code}_facts", "")
    if detailed and _places(detailed) <= known.keys():
        return fill(detailed, known)
    return phrases.get(considered.code, phrases["other"])


def facts_in_words(facts: Mapping[str, Any], *, book: Book) -> dict[str, str]:
    """A rule's facts that are numbers, as words; those that are missing (-1, NaN) are left out.

    A name that ends in "days_ago" is a time ago, one that ends in "days" a length of time.

    Examples
    --------
    >>> from nba.explain.wording import load_book
    >>> facts_in_words({"last_days_ago": 4.2, "gap_days": 7.0, "contacts": -1}, book=load_book())
    {'last_days_ago': '4 days ago', 'gap_days': '7 days'}
    """
    return {name: _fact(name, value, book) for name, value in facts.items() if _is_count(name, value)}


def _fact(name: str, value: float, book: Book) -> str:
    number = math.floor(value)
    if name.endswith("days_ago"):
        return book.span(number, ago=True)
    return book.span(number) if name.endswith("days") else book.number(number)


def _is_count(name: str, value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
        return False
    return name.endswith("days_ago") or value == math.floor(value)  # half a day's gap has no whole number


def _places(pattern: str) -> set[str]:
    return {piece.partition("}")[0] for piece in pattern.split("{")[1:]}


@lru_cache(maxsize=4096)  # HCPs share what rules removed
def _ruled_out(
    removed: tuple[tuple[Action, str], ...], open_channels: frozenset[str]
) -> tuple[Considered, ...]:
    commonest: dict[str, tuple[int, str]] = {}
    for (channel, code), n in Counter((action.channel, code) for action, code in removed).items():
        if channel not in open_channels:
            commonest[channel] = min(commonest.get(channel, (0, "")), (-n, code))
    return tuple(Considered(channel, commonest[channel][1]) for channel in sorted(commonest))
