"""Draws a card as HTML that needs nothing but a browser."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from nba.explain.confidence import DOTS
from nba.explain.inert import inert
from nba.explain.wording import Book

if TYPE_CHECKING:
    from nba.explain.card import Details, RepCard

_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
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


def page(card: RepCard, *, book: Book) -> str:
    """A whole document with one card: no script, no request, light and dark, phone and paper."""
    return _PAGE.format(  # values are put in once; braces inside them stay what they are
        language=escape(book.language),
        title=escape(f"{card.headline}: {card.hcp}" if card.hcp else card.headline),
        style=_style(),
        card=_article(card, book, level=1),
    )


def fragment(card: RepCard, *, book: Book) -> str:
    """The card alone, with its style, for a notebook's cell."""
    return f"<style>{_style()}</style>\n{_article(card, book, level=2)}"


def _style() -> str:
    return files("nba.explain").joinpath("card.css").read_text(encoding="utf-8")


def _article(card: RepCard, book: Book, *, level: int) -> str:
    heading = book.phrases["heading"]
    sub = f"h{level + 1}"
    blocks = [
        _header(card, book, level),
        _what(card),
        _listed(heading["why"], card.why, kind="why", tag=sub),
        _listed(heading["watch"], card.watch, kind="watch", tag=sub),
        _listed("", card.notes, kind="notes", tag=sub),
        _more(card, book, tag=sub),
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
