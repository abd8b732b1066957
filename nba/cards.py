"""Cards, briefs, insights and sheets of a plan's decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np

from nba import explain
from nba.contracts import DO_NOTHING, Action, Columns, Facet, Receipt, Strings
from nba.decision import Known
from nba.errors import ArgumentError
from nba.history.facts import latest_engagements, topic_interests
from nba.history.pressing import FRICTION_DAYS, TopicMoves, friction, pressing_topics
from nba.history.rhythm import best_slot
from nba.kept import kept
from nba.receipts import PROFILING, Receipts, topics_of
from nba.why import Why

Audience: TypeAlias = Literal["rep", "hq"]
LEAST_PEERS = 20
"""HCPs of a specialty under which interests are not compared with theirs."""


@dataclass(frozen=True)
class Cards:
    """Writes what people read, from a plan's receipts and the tables it was made with.

    Attributes
    ----------
    at : int seconds UTC; nothing known at or after it is read
    known, why : what the plan was made from
    references : usual response rate by channel
    receipts : the plan's decisions
    """

    at: int
    known: Known
    why: Why | None
    references: Mapping[str, float]
    receipts: Receipts

    def card(
        self, receipt: Receipt, *, audience: Audience = "rep", language: str = "en", contrast: bool = False
    ) -> explain.RepCard:
        """The card of one decision."""
        book = explain.load_book(language)
        if receipt.action != DO_NOTHING and receipt.book != book.digest:
            receipt = self.receipts.reworded(receipt.hcp_id, book=book)
        compared = self.why.contrast(receipt, book=book) if contrast and self.why is not None else None
        mine, person = self._history(receipt), self._person(receipt.hcp_id)
        interests = topic_interests(self._topics, mine, at=self.at)
        rate = self.references.get(receipt.action.channel)
        return explain.build_card(
            receipt,
            content=self.content(receipt.action.content),
            hcp={"specialty": person.get("specialty", "")},
            interests=[(facet.name.replace("_", " "), int(facet.n)) for facet in interests],
            recent=[self._said(mine, i, book) for i in latest_engagements(mine, at=self.at)],
            also_considered=self.receipts.considered(receipt.hcp_id),
            contrast=compared,
            dismiss_reasons=_dismiss_reasons(),
            timezone=person.get("timezone") or "UTC",
            reference=None if rate is None else explain.Reference(rate, population="channel"),
            learned_from="" if self.why is None else self.why.learned_from,
            audience=audience,
            book=book,
        )

    def brief(self, receipt: Receipt, *, language: str = "en") -> explain.Brief:
        """What to know about an HCP before a conversation."""
        book = explain.load_book(language)
        mine, person = self._history(receipt), self._person(receipt.hcp_id)
        population = self._moves(str(person.get("specialty", "")))
        latest = latest_engagements(mine, at=self.at, most=5)
        last = next((t for i in latest if (t := self._topics.get(mine["content_id"][i], ""))), "")
        return explain.build_brief(
            receipt,
            hcp={"specialty": person.get("specialty", "")},
            content=self.content(receipt.action.content),
            topics=self._pressing(mine, population),
            friction=friction(mine, at=self.at),
            facets=[
                best_slot(mine, at=self.at, timezone=person.get("timezone") or ""),
                *([population.next_after(last)] if population is not None else []),
            ],
            recent=[self._said(mine, i, book) for i in latest],
            friction_days=FRICTION_DAYS,
            timezone=person.get("timezone") or "UTC",
            book=book,
        )

    def insights(self, receipts: Sequence[Receipt], *, language: str = "en") -> tuple[explain.Insight, ...]:
        """What is worth telling of HCPs without suggesting an action, HCP by HCP."""
        book = explain.load_book(language)
        return tuple(
            told
            for receipt in receipts
            for told in explain.insights(
                receipt.hcp_id,
                friction(self._history(receipt), at=self.at),
                days=FRICTION_DAYS,
                book=book,
            )
        )

    def why_not(self, receipt: Receipt, action: Action, *, language: str = "en") -> str:
        """What stood against an action, in one line."""
        book = explain.load_book(language)
        if self.why is None:
            raise ArgumentError("This plan came without its model; take it from recommend() or decide().")
        if action == receipt.action:
            raise ArgumentError("This action was chosen; its card says why.")
        if action in dict(receipt.removed):
            return explain.in_words(self.why.removed(receipt, action), book=book)
        if action not in dict(receipt.eligible):
            raise ArgumentError("This action was no candidate for this HCP: channel, country or language.")
        found = self.why.contrast(receipt, action, book=book)
        said = "" if found is None else found.deciding(book=book)
        if not said and receipt.explored:
            return book.phrase("note", "test")
        return said or book.phrase("considered", "ranked_lower")

    def sheet(
        self,
        receipts: Sequence[Receipt],
        *,
        territory: str | None = None,
        audience: Audience = "rep",
        language: str = "en",
        contrast: bool = False,
    ) -> explain.Sheet:
        """The cards of HCPs with a suggestion on one page, highest priority first."""
        book = explain.load_book(language)
        chosen = [
            r
            for r in receipts
            if r.action != DO_NOTHING and territory in (None, self._person(r.hcp_id).get("territory_id", ""))
        ]
        cards = [self.card(r, audience=audience, language=language, contrast=contrast) for r in chosen]
        title = book.phrase("sheet", "title", date=explain.date(self.at, book=book))
        if territory:
            title = f"{title} · {explain.inert(territory)}"
        return explain.build_sheet(cards, priorities=[r.priority for r in chosen], title=title, book=book)

    def content(self, content_id: str) -> dict[str, Any]:
        """One row of the content table as plain values; empty where there is none."""
        return _row_of(self._content, self._content_rows.get(content_id))

    @cached_property
    def _content(self) -> Columns:
        return self.known.tables.columns("content")

    @cached_property
    def _content_rows(self) -> dict[str, int]:
        return _rows_of(self._content["content_id"])

    @cached_property
    def _topics(self) -> dict[str, str]:
        return topics_of(self._content)

    @cached_property
    def _hcp_rows(self) -> dict[str, int]:
        return {hcp: i for i, hcp in enumerate(self.known.tables.columns("hcps")["hcp_id"])}

    @cached_property
    def _populations(self) -> dict[str, TopicMoves | None]:
        return {}

    def _person(self, hcp_id: str) -> dict[str, Any]:
        return _row_of(self.known.tables.columns("hcps"), self._hcp_rows.get(hcp_id))

    def _history(self, receipt: Receipt) -> Columns:
        """The HCP's interactions; none where it objects to profiling."""
        interactions = self.known.tables.columns("interactions")
        ids = interactions["hcp_id"]
        lo, hi = (np.searchsorted(ids, receipt.hcp_id, side=side) for side in ("left", "right"))
        hi = lo if PROFILING in receipt.facts else hi
        names = ("ts", "recorded_at", "engaged", "touch", "content_id", "channel", "direction", "outcome",
                 "reaction", "query", "hcp_id")  # fmt: skip
        return {name: interactions[name][lo:hi] for name in names}

    def _moves(self, specialty: str) -> TopicMoves | None:
        """What HCPs of a specialty engage with; None where there are too few to compare with."""
        if specialty not in self._populations:
            table = self.known.tables.columns("hcps")
            peers = set(table["hcp_id"][table["specialty"] == specialty])
            interactions = self.known.tables.columns("interactions")
            enough = specialty != "" and len(peers) >= LEAST_PEERS
            self._populations[specialty] = (
                TopicMoves.of(self._topics, interactions, at=self.at, hcps=peers) if enough else None
            )
        return self._populations[specialty]

    def _pressing(self, mine: Columns, population: TopicMoves | None) -> tuple[Facet, ...]:
        if population is None:
            return topic_interests(self._topics, mine, at=self.at)
        return pressing_topics(self._topics, mine, population, at=self.at)

    def _said(self, mine: Columns, i: int, book: explain.Book) -> tuple[int, str]:
        """When an engagement was, and what: "approved email: clicked ..."."""
        place = self._content_rows.get(mine["content_id"][i])
        title = "" if place is None else self._content["title"][place]
        words = {
            "channel": explain.channel_name(mine["channel"][i], book=book),
            "outcome": book.phrase("outcome", mine["outcome"][i]) or mine["outcome"][i],
        }
        form = "about" if title else "engagement"
        return int(mine["ts"][i]), book.phrase("outcome", form, title=title, **words)


@kept
def _rows_of(ids: Strings) -> dict[str, int]:
    return {name: i for i, name in enumerate(ids)}


def _row_of(table: Columns, place: int | None) -> dict[str, Any]:
    return {} if place is None else {name: table[name][place] for name in table}


def _dismiss_reasons() -> Mapping[str, str]:
    from nba.store.responses import (
        DISMISS_REASONS,
    )  # the log's own list: what it takes and what it makes of it

    return DISMISS_REASONS


__all__ = ["Audience", "Cards"]
