"""Groups exact contributions into human reasons."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from nba.contracts import Contributions, Evidence, Feature, Reason
from nba.errors import ArgumentError
from nba.explain.wording import Book, load_book
from nba.kept import kept

Audience: TypeAlias = Literal["rep", "hq"]
Visibility: TypeAlias = Literal["rep", "hq", "restricted"]

OTHER_FACTORS = "other approved factors"
"""The one group that holds whatever a rep may not see; it is never named further."""

WORTH_SAYING = 0.05
"""Log-odds below which a group is no reason: about one point in a hundred at even odds."""

_RANK: Mapping[str, int] = {"rep": 0, "hq": 1, "restricted": 2}
_LARGE = 0.25  # share of the picture from which the hidden part is called large
_MIXED = 0.5  # share of the picture that the reasons shown must reach


@dataclass(frozen=True)
class Selection:
    """The few reasons a card shows, and how much of the picture they are.

    Attributes
    ----------
    why : at most three reasons for the action, strongest first
    watch : at most one reason against it
    coverage : share in [0, 1] of all absolute log-odds that the reasons shown carry
    hidden : how large the part is that may not be shown, without a sign; "" is none
    """

    why: tuple[Reason, ...]
    watch: tuple[Reason, ...]
    coverage: float
    hidden: Literal["", "small", "large"]

    @property
    def is_mixed(self) -> bool:
        """Whether the reasons shown are less than half of the picture."""
        return self.coverage < _MIXED


def reasons(
    contributions: Contributions,
    row: int,
    *,
    evidence: Mapping[str, Evidence],
    audience: Audience = "rep",
    book: Book | None = None,
    names: Mapping[str, str] | None = None,
) -> tuple[Reason, ...]:
    """Sum one row's contributions by reason, and word each from its strongest telling feature.

    The log-odds of the reasons add up to margin minus base to 1e-9, hidden ones included. The text of a
    reason comes from the strongest feature that the audience may see, that agrees in sign with the group
    and of which something may be said; it is "" where there is none.

    Parameters
    ----------
    contributions : exact parts of margins
    row : which of its rows
    evidence : counts by feature name
    audience : "rep" sums everything that is not for reps into one nameless, wordless reason; "hq" keeps
        each group, split by visibility. Restricted features are never worded for anybody.
    book : template book; the shipped English one by default
    names : what words of labels stand for in this row: {"this channel": "approved email"}

    Returns
    -------
    Strongest first, ties by name. Groups that add exactly nothing are left out.

    Raises
    ------
    ArgumentError
        ``row`` or ``audience`` is unknown, a number is not finite, or the parts do not add up.

    Examples
    --------
    >>> import numpy as np
    >>> clicks = Feature("clicks", "approved emails clicked", group="email", wording="count", window_days=90)
    >>> sales = Feature("sales", "sales", group="sales", visibility="restricted")
    >>> parts = Contributions(np.array([-2.0]), np.array([[0.5, 0.25]]), np.array([-1.25]), (clicks, sales))
    >>> [(r.group, r.text) for r in reasons(parts, 0, evidence={"clicks": Evidence(5)})]
    [('email', '5 approved emails clicked in the last 90 days'), ('other approved factors', '')]
    """
    values = _checked(contributions, row, audience)
    book = book or load_book()
    found = [
        _reason(group, visibility, columns, values,
                features=contributions.features, evidence=evidence, book=book, names=names)
        for group, visibility, columns in _members(tuple(contributions.features), audience)
    ]  # fmt: skip
    return in_order([reason for reason in found if reason.log_odds != 0.0])


def for_rep(found: Sequence[Reason]) -> tuple[Reason, ...]:
    """The same reasons with everything that is not for reps summed into one nameless reason.

    Examples
    --------
    >>> kept = for_rep([Reason("email", 0.5, 1, "", "rep"), Reason("sales", 0.2, 1, "up", "restricted")])
    >>> [(reason.group, reason.text) for reason in kept]
    [('email', ''), ('other approved factors', '')]
    """
    shown = [reason for reason in found if reason.visibility == "rep"]
    hidden = [reason for reason in found if reason.visibility != "rep"]
    total = math.fsum(reason.log_odds for reason in hidden)
    if total == 0.0:
        return in_order(shown)
    worst = max((reason.visibility for reason in hidden), key=_RANK.__getitem__)
    return in_order([*shown, Reason(OTHER_FACTORS, total, _sign(total), "", worst)])


def select(found: Sequence[Reason], *, audience: Audience = "rep") -> Selection:
    """Choose what a card shows: at most three reasons for, at most one against.

    A reason is shown only if it has words and weighs at least ``WORTH_SAYING``; the same words
    are not said twice.

    Examples
    --------
    >>> shown = select([Reason("email", 0.5, 1, "5 emails clicked", "rep"), Reason("x", -0.2, -1, "", "rep")])
    >>> [reason.text for reason in shown.why], round(shown.coverage, 2)
    (['5 emails clicked'], 0.71)
    """
    ordered = for_rep(found) if audience == "rep" else in_order(found)
    telling = {reason.text: reason for reason in reversed(ordered) if _is_telling(reason)}
    spoken = in_order(telling.values())
    why = tuple(reason for reason in spoken if reason.sign > 0)[:3]
    watch = tuple(reason for reason in spoken if reason.sign < 0)[:1]
    weight = math.fsum(abs(reason.log_odds) for reason in ordered)
    shown = math.fsum(abs(reason.log_odds) for reason in (*why, *watch))
    unseen = math.fsum(abs(reason.log_odds) for reason in ordered if reason.group == OTHER_FACTORS)
    return Selection(
        why=why,
        watch=watch,
        coverage=shown / weight if weight > 0.0 else 1.0,  # nothing to tell: nothing left untold
        hidden="" if unseen == 0.0 else "large" if unseen >= _LARGE * weight else "small",
    )


def in_order(found: Iterable[Reason]) -> tuple[Reason, ...]:
    """Reasons with the strongest first; equal ones by name, so that no input order shows."""
    return tuple(sorted(found, key=lambda r: (-abs(r.log_odds), r.group, r.visibility, r.text)))


def _is_telling(reason: Reason) -> bool:
    return bool(reason.text) and abs(reason.log_odds) >= WORTH_SAYING


def group_of(feature: Feature, audience: Audience) -> tuple[str, Visibility]:
    """The reason a feature belongs to, and who may see it; for reps all hidden ones are one."""
    if audience == "rep" and feature.visibility != "rep":
        return OTHER_FACTORS, "restricted"
    return feature.group or feature.name, feature.visibility


@kept
def _members(
    features: tuple[Feature, ...], audience: Audience
) -> tuple[tuple[str, Visibility, tuple[int, ...]], ...]:
    """Each reason, who may see it, and its columns in the order of their names; the same for every row."""
    members: dict[tuple[str, Visibility], list[int]] = defaultdict(list)
    for column in sorted(range(len(features)), key=lambda column: features[column].name):
        members[group_of(features[column], audience)].append(column)
    hidden_as = _worst(features)
    return tuple(
        (group, hidden_as if group == OTHER_FACTORS else visibility, tuple(columns))
        for (group, visibility), columns in members.items()
    )


def _worst(features: Sequence[Feature]) -> Visibility:
    return max((feature.visibility for feature in features), key=_RANK.__getitem__, default="rep")


def _reason(
    group: str,
    visibility: Visibility,
    columns: Sequence[int],
    values: Sequence[float],
    *,
    features: Sequence[Feature],
    evidence: Mapping[str, Evidence],
    book: Book,
    names: Mapping[str, str] | None,
) -> Reason:
    total = math.fsum([values[column] for column in columns])  # exact, whatever the order of columns
    sign = _sign(total)
    if group == OTHER_FACTORS:
        return Reason(group, total, sign, "", visibility)
    agreeing = [column for column in columns if values[column] * sign > 0.0]
    agreeing.sort(key=values.__getitem__, reverse=sign > 0)  # stable: equals stay in the order of names
    for feature in (features[column] for column in agreeing):
        if feature.wording in book.templates:
            text = book.sentence(feature, evidence.get(feature.name), sign=sign, names=names)
            if text:
                return Reason(group, total, sign, text, visibility)
    return Reason(group, total, sign, "", visibility)


def _sign(value: float) -> int:
    return 1 if value > 0.0 else -1


def check_audience(audience: str) -> None:
    """Refuse any audience but "rep" and "hq"."""
    if audience not in ("rep", "hq"):
        raise ArgumentError(
            f"Audience {audience!r} is not known; expected 'rep' or 'hq'. Choose one of them."
        )


def _checked(contributions: Contributions, row: int, audience: str) -> list[float]:
    """The parts of a row, once they are known to add up."""
    rows, columns = contributions.values.shape
    check_audience(audience)
    if not 0 <= row < rows:
        raise ArgumentError(f"Row {row} is outside the contributions; they have {rows} rows, counted from 0.")
    if columns != len(contributions.features):
        raise ArgumentError(
            f"The contributions have {columns} columns and {len(contributions.features)} features; "
            "expected one feature a column. Pass them as the model returned them."
        )
    values: list[float] = contributions.values[row].tolist()
    parts = [float(contributions.base[row]), *values]
    margin = float(contributions.margin[row])
    gap = abs(_sum([*parts, -margin]))
    if not math.isfinite(gap):
        raise ArgumentError(f"Contributions of row {row} are not finite; nothing can be explained from them.")
    if gap > 1e-6 * max(1.0, abs(margin)):
        raise ArgumentError(
            f"Contributions of row {row} miss the margin by {gap:.3g}; expected parts that add up to it. "
            "Pass contributions and margin of the same, calibrated model."
        )
    return values


def _sum(parts: Sequence[float]) -> float:
    """The exact sum; nan where there is none."""
    try:
        return math.fsum(parts)
    except (OverflowError, ValueError):  # beyond all numbers, or infinities against each other
        return math.nan
