"""Draws a card as HTML that needs nothing but a browser."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from nba.errors import ArgumentError
from nba.explain.confidence import DOTS
from nba.explain.inert import inert
from nba.explain.wording import Book

if TYPE_CHECKING:
    from nba.explain.card import Details, RepCard

# no space, quote, semicolon or comma: it stands in an attribute and in a policy's list
_ADDRESS = re.compile(r"(https://|http://(localhost|127\.0\.0\.1)[:/])[A-Za-z0-9._~:/?#@!$&()*+=%-]+")

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action "

_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body class="nba-page">
<main>
{card}
</main>
</body>
</html>
"""


def check_address(respond_to: str) -> None:
    """Refuse an address that answers must not be sent to.

    Examples
    --------
    >>> check_address("https://crm.example/feedback")
    """
    if respond_to and not _ADDRESS.fullmatch(respond_to):
        raise ArgumentError(
            "respond_to is not an address that answers can be sent to; expected one such as "
            "'https://crm.example/feedback'. Leave it out for boxes to tick."
        )


def page(card: RepCard, *, book: Book, respond_to: str = "") -> str:
    """A whole document with one card: no script, no request, light and dark, phone and paper."""
    title = f"{card.headline}: {card.hcp}" if card.hcp else card.headline
    inside = card_article(card, book, level=1, respond_to=respond_to)
    return document_page(inside, title=title, book=book, respond_to=respond_to)


def document_page(inside: str, *, title: str, book: Book, respond_to: str = "") -> str:
    """A whole document around some articles that are escaped already."""
    return _PAGE.format(  # values are put in once; braces inside them stay what they are
        language=escape(book.language),
        title=escape(title),
        style=style(),
        card=inside,
        policy=_POLICY + (escape(respond_to) or "'none'"),
    )


def sections_article(
    title: str, who: str, sections: Sequence[tuple[str, Sequence[str]]], *, level: int, book: Book
) -> str:
    """An article of headings and lists, in the card's style."""
    inside = "\n".join(
        _listed(heading, lines, kind="block", tag=f"h{level + 1}") for heading, lines in sections
    )
    return (
        f'<article class="nba-card" lang="{escape(book.language)}">\n<header>\n'
        f'<p class="eyebrow">{escape(title)}</p>\n<h{level}>{escape(who)}</h{level}>\n</header>\n'
        f'<div class="more first">\n{inside}\n</div>\n</article>'
    )


def fragment(card: RepCard, *, book: Book) -> str:
    """The card alone, with its style, for a notebook's cell."""
    return f"<style>{style()}</style>\n{card_article(card, book, level=2)}"


def style() -> str:
    """The style that all forms share."""
    return files("nba.explain").joinpath("card.css").read_text(encoding="utf-8")


def card_article(card: RepCard, book: Book, *, level: int, respond_to: str = "") -> str:
    """The card alone, escaped; its headings start at ``level``."""
    heading = book.phrases["heading"]
    sub = f"h{level + 1}"
    blocks = [
        _header(card, book, level),
        _what(card),
        _listed(heading["why"], card.why, kind="why", tag=sub),
        _listed(heading["watch"], card.watch, kind="watch", tag=sub),
        _listed("", card.notes, kind="notes", tag=sub),
        _more(card, book, tag=sub),
        _answer(card, book, tag=sub, respond_to=respond_to),
        _details(card.details, book, tag=sub) if card.details is not None else "",
        _footer(card, book),
    ]
    inside = "\n".join(filter(None, blocks))
    return f'<article class="nba-card" lang="{escape(book.language)}">\n{inside}\n</article>'


def _header(card: RepCard, book: Book, level: int) -> str:
    who = " · ".join(filter(None, (card.hcp, card.specialty)))
    return (
        "<header>\n"
        f'<div class="top"><p class="eyebrow">{escape(book.phrase("heading", "suggested"))}</p>'
        f"{_confidence(card, book)}</div>\n"
        f"<h{level}>{escape(card.headline)}</h{level}>\n"
        f"{_line(who, 'who')}\n"
        "</header>"
    )


def _confidence(card: RepCard, book: Book) -> str:
    if card.confidence is None:
        return ""
    label = escape(book.phrase("heading", "confidence"))
    word = escape(book.phrase("band", card.confidence))
    dots = f'<span class="dots" aria-hidden="true">{DOTS[card.confidence]}</span>'
    return f'<p class="band {card.confidence.lower()}">{label} <strong>{word}</strong> {dots}</p>'


def _what(card: RepCard) -> str:
    title = f"“{card.title}”" if card.title else ""
    lines = (
        _line(title, "title"),
        _line(" · ".join(filter(None, (card.document, card.expires))), "quiet"),
        _line(" · ".join(filter(None, (card.slot, card.valid_until))), "when"),
        _line(card.comparison, "quiet"),
        _line(card.basis, "quiet"),
    )
    inside = "\n".join(filter(None, lines))
    return f'<div class="what">\n{inside}\n</div>' if inside else ""


def _line(text: str, kind: str) -> str:
    return f'<p class="{kind}">{escape(text)}</p>' if text else ""


def _more(card: RepCard, book: Book, *, tag: str) -> str:
    heading = book.phrases["heading"]
    topics = [book.phrase("line", "interest", topic=topic, count=count) for topic, count in card.interests]
    question = [card.next_question] if card.next_question else []
    change = [card.would_change] if card.would_change else []
    sections = (
        _listed(heading["interests"], topics, kind="interests", tag=tag),
        _listed(heading["next_question"], question, kind="next", tag=tag),
        _pairs(heading["recent"], card.recent, kind="recent", tag=tag),
        _pairs(heading["also_considered"], card.also_considered, kind="considered", tag=tag),
        _listed(heading["would_change"], change, kind="change", tag=tag),
    )
    inside = "\n".join(filter(None, sections))
    return f'<div class="more">\n{inside}\n</div>' if inside else ""


def _listed(heading: str, lines: Sequence[str], *, kind: str, tag: str) -> str:
    return _section(heading, [escape(line) for line in lines], kind=kind, tag=tag)


def _pairs(heading: str, pairs: Iterable[tuple[str, str]], *, kind: str, tag: str) -> str:
    items = [f"<strong>{escape(name)}</strong> {escape(what)}" for name, what in pairs]
    return _section(heading, items, kind=kind, tag=tag)


def _section(heading: str, items: Sequence[str], *, kind: str, tag: str) -> str:
    if not items:
        return ""
    title = f"<{tag}>{escape(heading)}</{tag}>\n" if heading else ""
    inside = "\n".join(f"<li>{item}</li>" for item in items)
    return f'<section class="{kind}">\n{title}<ul>\n{inside}\n</ul>\n</section>'


def _answer(card: RepCard, book: Book, *, tag: str, respond_to: str) -> str:
    """The form for the rep's answer; where it cannot be sent, boxes to tick that show on paper alone."""
    if not card.feedback:
        return ""
    title = escape(book.phrase("feedback", "title"))
    inside = _live(card, book, respond_to) if respond_to else _paper(card, book)
    kind = "answer" if respond_to else "answer paper"
    return f'<section class="{kind}">\n<{tag}>{title}</{tag}>\n{inside}\n</section>'


def _live(card: RepCard, book: Book, respond_to: str) -> str:
    words = {name: escape(word) for name, word in book.phrases["feedback"].items()}
    buttons = "\n".join(
        f'<button name="response" value="{name}" title="{escape(book.phrase("teaches", name))}">'
        f"{words[name]}</button>"
        for name in ("accepted", "modified", "snoozed")
    )
    reasons = "\n".join(
        f'<li><label><input type="radio" name="dismiss_reason" value="{escape(code)}"> {escape(said)} '
        f"<small>{escape(teaches)}</small></label></li>"
        for code, said, teaches in card.feedback
    )
    return (
        f'<form method="post" action="{escape(respond_to)}">\n'
        f'<input type="hidden" name="decision_id" value="{escape(card.decision_id)}">\n'
        f'<div class="buttons">\n{buttons}\n</div>\n'
        f"<details><summary>{words['dismissed']} … {words['reason']}</summary>\n"
        f'<ul class="reasons">\n{reasons}\n</ul>\n'
        f'<button name="response" value="dismissed">{words["dismissed"]}</button>\n</details>\n</form>'
    )


def _paper(card: RepCard, book: Book) -> str:
    answers = [
        (book.phrase("feedback", name), book.phrase("teaches", name))
        for name in ("accepted", "modified", "snoozed")
    ]
    dismissals = [(said, teaches) for _, said, teaches in card.feedback]

    def boxes(lines: Sequence[tuple[str, str]]) -> str:
        return "\n".join(
            f'<li><span class="box">{escape(said)}</span> <small>{escape(teaches)}</small></li>'
            for said, teaches in lines
        )

    return (
        f'<ul class="reasons">\n{boxes(answers)}\n</ul>\n<p>{escape(book.phrase("feedback", "dismissed"))}: '
        f'{escape(book.phrase("feedback", "reason"))}</p>\n<ul class="reasons">\n{boxes(dismissals)}\n</ul>'
    )


def _details(details: Details, book: Book, *, tag: str) -> str:
    from nba.explain.card import point_rows

    heading = book.phrases["heading"]
    log_odds = [
        (inert(reason.group), book.number(reason.log_odds, 3, sign=True)) for reason in details.reasons
    ]
    tables = [
        _table(heading["details"], (heading["group"], heading["log_odds"]), log_odds, tag=tag),
        _table(heading["points"], (heading["group"], heading["score"]), point_rows(details, book), tag=tag),
    ]
    if details.contrast is not None:
        parts = [(inert(p.name), book.number(p.value, 4, sign=True)) for p in details.contrast.parts]
        total = (f"{heading['gap']} {inert(details.contrast.other)}",
                 book.number(details.contrast.gap, 4, sign=True))  # fmt: skip
        tables.append(
            _table(heading["contrast"], (heading["group"], heading["gap"]), [*parts, total], tag=tag)
        )
    inside = "\n".join(filter(None, tables))
    return f'<section class="details">\n{inside}\n</section>'


def _table(title: str, header: tuple[str, str], rows: Sequence[tuple[str, str]], *, tag: str) -> str:
    if not rows:
        return ""
    body = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows
    )
    return (
        f"<{tag}>{escape(title)}</{tag}>\n"
        f'<table>\n<thead><tr><th scope="col">{escape(header[0])}</th>'
        f'<th scope="col">{escape(header[1])}</th></tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )


def _footer(card: RepCard, book: Book) -> str:
    checks = "\n".join(f"<li>{escape(line)}</li>" for line in card.checks)
    stamps = f'<ul class="checks">\n{checks}\n</ul>\n' if checks else ""
    mark = f"{book.phrase('heading', 'id')} {card.decision_id}"
    return f"<footer>\n{stamps}{_line(mark, 'mark')}\n</footer>"
