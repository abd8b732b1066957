"""Why this and not another: the gap in priority, part by part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from nba.contracts import DO_NOTHING, Action, Reason
from nba.errors import ArgumentError
from nba.explain.inert import inert
from nba.explain.points import mean_slope
from nba.explain.reasons import Audience, Visibility, check_audience
from nba.explain.wording import Book

Kind: TypeAlias = Literal["times", "minus"]
_RESPONSE = "propensity"


@dataclass(frozen=True)
class Side:
    """One of two actions that are compared.

    Attributes
    ----------
    action : which
    terms : its priority's terms by name, as in a receipt
    kinds : for each term "times" or "minus"
    base : log-odds of its propensity where every feature stands at its reference; None where not known
    reasons : its reasons as for "hq"; with ``base`` they add up to its margin
    """

    action: Action
    terms: Mapping[str, float]
    kinds: Mapping[str, Kind]
    base: float | None = None
    reasons: Sequence[Reason] = ()

    @property
    def margin(self) -> float | None:
        """Log-odds of its propensity."""
        return (
            None if self.base is None else self.base + math.fsum(reason.log_odds for reason in self.reasons)
        )

    @property
    def priority(self) -> float:
        """Its factors multiplied, less its costs."""
        product = math.prod(value for name, value in self.terms.items() if self.kinds[name] == "times")
        return product - math.fsum(v for name, v in self.terms.items() if self.kinds[name] == "minus")


@dataclass(frozen=True)
class Part:
    """One part of the gap.

    Attributes
    ----------
    kind : "term"; "level" is how often the two get a response anyway; "reason" is a reason group
    name : the term's or the reason group's name
    value : in the priority's unit; above 0 speaks for the chosen action
    visibility : who may see it
    text : what may be said of it; "" is nothing
    about : which side's words they are
    """

    kind: Literal["term", "level", "reason"]
    name: str
    value: float
    visibility: Visibility = "rep"
    text: str = ""
    about: Literal["chosen", "other"] = "chosen"


@dataclass(frozen=True)
class Contrast:
    """The gap between two priorities, in parts that add up to it.

    Attributes
    ----------
    chosen, other : the actions
    gap : priority of the chosen less that of the other
    parts : the largest first
    turns : what would change it: the fewest visible reasons for the chosen action without which the other
        would come first; () where no visible reasons do
    """

    chosen: Action
    other: Action
    gap: float
    parts: tuple[Part, ...]
    turns: tuple[Part, ...] = ()

    def deciding(self, *, book: Book) -> str:
        """What decides between the two, in words anybody may read; "" where the other comes first.

        All that moves the propensity is one: which reasons, hidden ones too, is not said.

        Examples
        --------
        >>> from nba.explain.wording import load_book
        >>> email, call = Action("email", "a"), Action("call", "a")
        >>> gap = Contrast(email, call, 0.3, (Part("term", "cost", 0.4), Part("level", "level", -0.1)))
        >>> gap.deciding(book=load_book())
        'takes more time or money'
        """
        sums: dict[str, float] = {}
        for part in self.parts:
            name = part.name if part.kind == "term" else _RESPONSE
            sums[name] = sums.get(name, 0.0) + part.value
        toward = sorted((-value, name) for name, value in sums.items() if value > 0.0)
        if not toward or self.gap <= 0.0:
            return ""
        return book.phrase("contrast", toward[0][1]) or book.phrase("contrast", "other")

    def turning(self, *, book: Book) -> str:
        """Without which one visible reason the other would come first; "" where there is no such."""
        if len(self.turns) != 1:
            return ""
        line = book.phrase("contrast", "turns", text=inert(self.turns[0].text))
        return line if len(line) <= book.longest else ""


def contrast(chosen: Side, other: Side) -> Contrast:
    """Take the gap between two priorities apart: term by term, then propensity by reasons.

    Terms by Aumann and Shapley's method on the product of the factors (the integral of each one's slope on
    the straight way from the other's terms to the chosen's, exact by Gauss and Legendre's rule for up to
    16 factors); costs are what they are. The propensity's part is then shared among reasons in proportion
    to the differences of their log-odds, which is the same method on the sigmoid. All parts add up.

    ``do_nothing`` is a side without a response, cost or reasons of its own.

    Raises
    ------
    ArgumentError
        A term of one side is not a term of the other, or is of another kind.

    Examples
    --------
    >>> kinds = {"propensity": "times", "value": "times", "cost": "minus"}
    >>> email = Side(Action("email", "a"), {"propensity": 0.2, "value": 10.0, "cost": 0.5}, kinds)
    >>> call = Side(Action("call", "a"), {"propensity": 0.3, "value": 10.0, "cost": 2.0}, kinds)
    >>> found = contrast(email, call)
    >>> round(found.gap, 9), [(part.name, round(part.value, 9)) for part in found.parts]
    (0.5, [('cost', 1.5), ('propensity', -1.0)])
    """
    standing = 0.0
    if other.action == DO_NOTHING:
        standing = -float(other.terms.get(DO_NOTHING.channel, 0.0))
        other = _nothing_beside(chosen)
    _check(chosen, other)
    factors = [name for name in chosen.terms if chosen.kinds[name] == "times"]
    shares, slopes = _product_parts(
        np.array([other.terms[name] for name in factors]), np.array([chosen.terms[name] for name in factors])
    )
    parts = [Part("term", name, value) for name, value in zip(factors, shares, strict=True)]
    parts += [
        Part("term", name, other.terms[name] - value)
        for name, value in chosen.terms.items()
        if chosen.kinds[name] == "minus"
    ]
    if standing:
        parts.append(Part("term", DO_NOTHING.channel, standing))
    if _RESPONSE in factors:
        within = _within_propensity(chosen, other, weight=slopes[factors.index(_RESPONSE)])
        if within:
            parts = [part for part in parts if part.name != _RESPONSE] + within
    parts = sorted((p for p in parts if p.value != 0.0), key=lambda p: (-abs(p.value), p.kind, p.name))
    gap = math.fsum(part.value for part in parts)
    turns = _turning(chosen, parts, gap=gap)
    return Contrast(chosen.action, other.action, gap, tuple(parts), turns)


def for_audience(found: Contrast, audience: Audience) -> Contrast:
    """A contrast as its audience may see it; for reps signs and order of what is visible, and no numbers.

    Values are then +1 or -1: with them, what is missing from the gap would tell the hidden part.

    Examples
    --------
    >>> gap = Contrast(DO_NOTHING, DO_NOTHING, 0.3, (Part("reason", "rx", -0.4, "restricted"),))
    >>> for_audience(gap, "rep").parts, for_audience(gap, "rep").gap
    ((), 1.0)
    """
    check_audience(audience)
    if audience == "hq":
        return found
    shown = [_sign_only(part) for part in found.parts if part.visibility == "rep"]
    turns = tuple(_sign_only(part) for part in found.turns)
    return Contrast(found.chosen, found.other, math.copysign(1.0, found.gap), tuple(shown), turns)


def _sign_only(part: Part) -> Part:
    return replace(part, value=math.copysign(1.0, part.value))


def _nothing_beside(chosen: Side) -> Side:
    still = {name: 0.0 if chosen.kinds[name] == "minus" else value for name, value in chosen.terms.items()}
    if _RESPONSE in still:
        still[_RESPONSE] = 0.0
    return Side(DO_NOTHING, still, chosen.kinds)


def _check(chosen: Side, other: Side) -> None:
    if dict(chosen.kinds) != dict(other.kinds) or set(chosen.terms) != set(other.terms):
        raise ArgumentError(
            f"The priorities have the terms {sorted(chosen.terms)} and {sorted(other.terms)}; expected the "
            "same of the same kind. Compare actions of one decision."
        )


def _product_parts(start: np.ndarray, end: np.ndarray) -> tuple[list[float], list[float]]:
    """Each factor's part of the difference of two products, and the average product of the others."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    along = start + np.outer((nodes + 1.0) / 2.0, end - start)
    slopes = []
    for i in range(len(start)):
        others = np.prod(np.delete(along, i, axis=1), axis=1)
        slopes.append(math.fsum((weights / 2.0 * others).tolist()))
    return [slope * float(b - a) for slope, a, b in zip(slopes, start, end, strict=True)], slopes


def _within_propensity(chosen: Side, other: Side, *, weight: float) -> list[Part]:
    """The propensity's part by reasons; () where either side's log-odds are not known."""
    if chosen.margin is None or other.margin is None or chosen.base is None or other.base is None:
        return []
    slope = float(mean_slope(np.array([other.margin]), np.array([chosen.margin]))[0]) * weight
    mine = {(reason.group, reason.visibility): reason for reason in chosen.reasons}
    theirs = {(reason.group, reason.visibility): reason for reason in other.reasons}
    parts = [Part("level", "level", (chosen.base - other.base) * slope)]
    for key in sorted(set(mine) | set(theirs)):
        a, b = mine.get(key), theirs.get(key)
        gap = (a.log_odds if a else 0.0) - (b.log_odds if b else 0.0)
        text, about = _words(a, b, gap)
        parts.append(Part("reason", key[0], gap * slope, key[1], text, about))
    return parts


def _words(a: Reason | None, b: Reason | None, gap: float) -> tuple[str, Literal["chosen", "other"]]:
    """Words of the side that makes the difference, where their sign agrees with it."""
    if a is not None and a.visibility == "rep" and a.text and a.sign * gap > 0.0:
        return a.text, "chosen"
    if b is not None and b.visibility == "rep" and b.text and b.sign * gap < 0.0:
        return b.text, "other"
    return "", "chosen"


def _turning(chosen: Side, parts: Sequence[Part], *, gap: float) -> tuple[Part, ...]:
    if gap <= 0.0 or chosen.margin is None:
        return ()
    log_odds = {r.group: r for r in chosen.reasons if r.visibility == "rep" and r.text and r.log_odds > 0.0}
    mine = [p for p in parts if p.kind == "reason" and p.about == "chosen" and p.text and p.value > 0.0]
    rest = math.prod(v for n, v in chosen.terms.items() if chosen.kinds[n] == "times" and n != _RESPONSE)
    propensity = chosen.terms.get(_RESPONSE, 0.0)
    margin, taken = chosen.margin, []
    for part in mine:
        margin -= log_odds[part.name].log_odds
        taken.append(part)
        if (propensity - 1.0 / (1.0 + math.exp(-margin))) * rest > gap:
            return tuple(taken)
    return ()


__all__ = ["Contrast", "Part", "Side", "contrast", "for_audience"]
