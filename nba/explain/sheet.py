"""A day's cards on one page, ordered and searched by the browser alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from nba.errors import ArgumentError
from nba.explain.card import RepCard
from nba.explain.confidence import DOTS
from nba.explain.page import card_article, check_address, document_page, style
from nba.explain.wording import Book, load_book

_ORDERS = ("by_priority", "by_name", "by_channel")


@dataclass(frozen=True)
class Sheet:
    """Cards of a territory's day, most worthwhile first.

    In the browser the cards are ordered by priority, name or action, narrowed to one action, and found by
    the browser's own search, which opens the card it finds: all by style rules, without a script.
    A screen reader reads them in order of priority whatever order is shown.

    Attributes
    ----------
    cards : in order of priority
    title : its first line
    book : words of the sheet
    """

    cards: tuple[RepCard, ...]
    title: str
    book: Book = field(default_factory=load_book, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.cards)

    @property
    def text(self) -> str:
        """All cards as plain text."""
        rule = "\n\n" + "-" * 60 + "\n\n"
        return rule.join([f"{self.title}\n{self._count()}", *(card.text for card in self.cards)])

    @property
    def markdown(self) -> str:
        """All cards as markdown."""
        return "\n\n---\n\n".join(card.markdown for card in self.cards)

    def to_dict(self) -> dict[str, Any]:
        """All cards as plain values."""
        return {"title": self.title, "cards": [card.to_dict() for card in self.cards]}

    def to_html(self, *, respond_to: str = "") -> str:
        """One self-contained page: no script, no network.

        Parameters
        ----------
        respond_to : as in ``RepCard.to_html``
        """
        check_address(respond_to)
        return document_page(
            self._inside(respond_to=respond_to), title=self.title, book=self.book, respond_to=respond_to
        )

    def _repr_html_(self) -> str:
        return f"<style>{style()}</style>\n{self._inside(respond_to='')}"

    def _count(self) -> str:
        form = "count_one" if len(self.cards) == 1 else "count_many"
        return self.book.phrase("sheet", form, count=self.book.number(len(self.cards)))

    def _inside(self, *, respond_to: str) -> str:
        words = {name: escape(word) for name, word in self.book.phrases["sheet"].items()}
        actions = sorted({card.headline for card in self.cards})
        orders = [(f"nba-{name}", words[name]) for name in _ORDERS]
        shows = [("nba-all", words["all"])]
        shows += [(f"nba-a{i}", escape(self._toward(a))) for i, a in enumerate(actions)]
        rules = "".join(
            f"#nba-a{i}:checked~.nba-day>details:not(.a{i}){{display:none}}" for i in range(len(actions))
        )
        return (
            f'<div class="nba-sheet">\n<style>{rules}</style>\n<h1>{escape(self.title)}</h1>\n'
            f"<p>{escape(self._count())}. {words['find']}</p>\n"
            f"{_choices('nba-order', words['order'], orders)}\n{_choices('nba-show', words['show'], shows)}\n"
            f'<div class="nba-day">\n{self._rows(actions, respond_to)}\n</div>\n</div>'
        )

    def _toward(self, headline: str) -> str:
        count = sum(card.headline == headline for card in self.cards)
        return self.book.phrase("sheet", "toward", headline=headline, count=count)

    def _rows(self, actions: Sequence[str], respond_to: str) -> str:
        places = range(len(self.cards))
        by_name = {
            i: k for k, i in enumerate(sorted(places, key=lambda i: (self.cards[i].hcp.casefold(), i)))
        }
        by_action = {i: k for k, i in enumerate(sorted(places, key=lambda i: (self.cards[i].headline, i)))}
        return "\n".join(
            f'<details class="a{actions.index(card.headline)}" style="--n:{by_name[i]};--c:{by_action[i]}">'
            f"<summary>{self._summary(card)}</summary>\n"
            f"{card_article(card, book=card.book, level=2, respond_to=respond_to)}\n</details>"
            for i, card in enumerate(self.cards)
        )

    def _summary(self, card: RepCard) -> str:
        title = f"“{escape(card.title)}”" if card.title else ""
        dots = DOTS[card.confidence] if card.confidence is not None else ""
        band = escape(self.book.phrase("band", card.confidence)) if card.confidence is not None else ""
        return (
            f'<strong>{escape(card.hcp)}</strong> <span class="do">{escape(card.headline)}</span> '
            f'<span class="quiet">{title}</span> '
            f'<span class="band"><span class="dots" aria-hidden="true">{dots}</span> {band}</span>'
            + (f'<span class="first">{escape(card.why[0])}</span>' if card.why else "")
        )


def build_sheet(
    cards: Sequence[RepCard], *, priorities: Sequence[float], title: str = "", book: Book | None = None
) -> Sheet:
    """Put cards on one sheet, those of the highest priority first; ties by HCP.

    Raises
    ------
    ArgumentError
        If there is not one priority a card, or the cards are for different audiences.

    Examples
    --------
    >>> from nba.explain import build_card, example_receipt
    >>> len(build_sheet([build_card(example_receipt())], priorities=[1.0]))
    1
    """
    if len(cards) != len(priorities) or len({card.audience for card in cards}) > 1:
        raise ArgumentError(
            f"Found {len(cards)} cards and {len(priorities)} priorities; expected one priority a card, and "
            "cards of one audience."
        )
    order = sorted(range(len(cards)), key=lambda i: (-priorities[i], cards[i].hcp_id))
    return Sheet(tuple(cards[i] for i in order), title, book or load_book())


def _choices(name: str, legend: str, choices: Sequence[tuple[str, str]]) -> str:
    """Radio buttons as siblings of the list, so that style rules see them."""
    buttons = "\n".join(
        f'<input type="radio" name="{name}" id="{key}"{" checked" if place == 0 else ""}>'
        f'<label for="{key}">{word}</label>'
        for place, (key, word) in enumerate(choices)
    )
    return f'<span class="legend">{legend}</span>\n{buttons}<br>'


__all__ = ["Sheet", "build_sheet"]
