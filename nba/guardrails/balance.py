"""What an HCP hears keeps a balance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import DAY, Bools, Candidates, Columns, Context, Verdict
from nba.errors import ArgumentError
from nba.guardrails.clock import local_days
from nba.guardrails.contact import counted_touches, inner_share, positive_days
from nba.guardrails.lookup import among, codes, content_tags, is_touch, numbered, positions_in, text_column
from nba.guardrails.registry import Described

_LEARNING = ("educational", "medical")


@dataclass(frozen=True)
class EducationalFloor(Described):
    """Promotion only while learning keeps its share of what an HCP receives.

    Counts the touches of the last ``days`` by their content's purpose: with e educational or medical ones and
    p promotional ones, a further promotional touch goes only if e / (e + p + 1) is at least ``share``. So it
    is defined from the empty history on, where the first content is not promotional; whenever a promotional
    touch goes out, the floor holds with it included. Touches without content, or of content the table does
    not hold, count on neither side. Decisions handed out and not yet sent count.

    Parameters
    ----------
    share : the floor, above 0 and below 1
    days : length of the window, more than 0

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Notes
    -----
    Facts: ``learning`` and ``promotional`` touches in the window, and ``floor``.

    Examples
    --------
    >>> EducationalFloor(0.25, days=90)
    EducationalFloor(share=0.25, days=90.0)
    """

    share: float
    days: float = field(default=180.0, kw_only=True)
    code = "educational_floor"

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", inner_share("EducationalFloor", "share", self.share))
        object.__setattr__(self, "days", positive_days("EducationalFloor", self.days))

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove promotional candidates of HCPs whose share of learning would fall below the floor."""
        since = candidates.at - round(self.days * DAY)
        counted = np.flatnonzero(counted_touches(candidates, context, since=since))
        ids = context.touches["content_id"][counted]
        purpose = _tag(context.content, "purpose", codes(ids, positions_in(context.content["content_id"])))
        row, n = context.touches["row"][counted], len(candidates.hcps)
        learning = np.bincount(row[among(purpose, _LEARNING)], minlength=n)
        promotional = np.bincount(row[purpose == "promotional"], minlength=n)
        # so much below a whole touch that it is rounding only
        below = learning < self.share * (learning + promotional + 1) - 1e-9
        mine = content_tags(candidates, context.content, "purpose")
        about = is_touch(candidates) & (mine == "promotional")
        facts = {
            "learning": learning[:, None],
            "promotional": promotional[:, None],
            "floor": np.array([[self.share]]),
        }
        about_what = f"{self.share:g} in {self.days:g} days"
        reason = (below[:, None] & about).astype(np.int8)
        return Verdict(self.code, reason, ("", self.code), facts, about=about_what)


@dataclass(frozen=True)
class OneProductADay(Described):
    """No contradictory product on a day on which an HCP has already heard of another.

    The day is the HCP's own (by ``timezone``; UTC where it is not known). Touches already made on the day of
    the moment count, and every decision handed out and not yet sent, whatever its day: it may go on any.
    A touch's product is the log's, else its content's.

    Parameters
    ----------
    contradictory : pairs of products that are not to meet; None is any two products

    Raises
    ------
    ArgumentError
        If a pair is not two product ids.

    Notes
    -----
    Facts: ``product`` of the candidate.

    Examples
    --------
    >>> OneProductADay(contradictory=[("B", "A")]).contradictory
    (('A', 'B'),)
    """

    contradictory: Sequence[Sequence[str]] | None = field(default=None, kw_only=True)
    code = "one_product_a_day"

    def __post_init__(self) -> None:
        if self.contradictory is None:
            return
        pairs = [tuple(pair) if not isinstance(pair, str) else (pair,) for pair in self.contradictory]
        if any(len(p) != 2 or not all(isinstance(x, str) and x for x in p) or p[0] == p[1] for p in pairs):
            raise ArgumentError(
                f"OneProductADay found contradictory={self.contradictory!r}, expected pairs of two different "
                'product ids, such as [("A", "B")]. Leave it out for any two products.'
            )
        object.__setattr__(self, "contradictory", tuple(sorted({tuple(sorted(pair)) for pair in pairs})))

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove candidates of products that do not go with what the HCP hears on the day."""
        mine = content_tags(candidates, context.content, "product_id")
        row, heard = _heard_today(candidates, context)
        index = numbered(p for p in chain(mine, heard) if p)
        said = np.zeros((len(candidates.hcps), len(index)), dtype=np.bool_)
        said[row, codes(heard, index)] = True
        clash = (said.astype(np.int64) @ self._clashes(list(index)).T) > 0
        product = codes(mine, index)
        blocked = np.hstack([clash, np.zeros((len(clash), 1), dtype=np.bool_)])[:, product]
        reason = (blocked & is_touch(candidates)).astype(np.int8)
        return Verdict(self.code, reason, ("", "other_product_today"), {"product": mine[None, :]})

    def _clashes(self, products: list[str]) -> NDArray[np.int64]:
        """(P, P) 1 where the first may not follow the second on one day."""
        pairs = None if self.contradictory is None else {frozenset(pair) for pair in self.contradictory}
        return np.array(
            [[a != b and (pairs is None or frozenset((a, b)) in pairs) for b in products] for a in products],
            dtype=np.int64,
        ).reshape(len(products), len(products))


def _heard_today(candidates: Candidates, context: Context) -> tuple[NDArray[Any], NDArray[Any]]:
    """(HCP row, product) of what was said today, and of what may be."""
    touches, n = context.touches, len(candidates.hcps)
    start, end = local_days(text_column(context.hcps, "timezone", length=n), at=candidates.at)
    row = touches["row"]
    today: Bools = counted_touches(candidates, context)
    today &= ((touches["ts"] >= start[row]) & (touches["ts"] < end[row])) | touches["pending"]
    rows = np.flatnonzero(today)
    ids = codes(touches["content_id"][rows], positions_in(context.content["content_id"]))
    product = _tag(context.content, "product_id", ids)
    if "product_id" in touches:
        named = touches["product_id"][rows]
        product = np.where(named == "", product, named)
    known = product != ""
    return row[rows][known], product[known]


def _tag(content: Columns, name: str, rows: NDArray[Any]) -> NDArray[Any]:
    """A text of content rows, "" for row -1."""
    column = text_column(content, name, length=len(content["content_id"]))
    found: NDArray[Any] = np.append(column, "").astype(object)[rows]
    return found
