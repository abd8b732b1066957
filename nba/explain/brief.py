"""The brief: what to know about an HCP before a conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from nba.contracts import Facet, Receipt
from nba.explain import dates
from nba.explain.card import approval_of, channel_name, document_of, expires_of
from nba.explain.considered import facts_in_words
from nba.explain.inert import escape_markdown, inert
from nba.explain.page import document_page, sections_article, style
from nba.explain.wording import Book, load_book


@dataclass(frozen=True)
class Insight:
    """Something worth knowing that suggests no action by itself.

    Attributes
    ----------
    hcp_id : whom it is about
    kind : what it is: a name of the book's ``insight`` section
    text : one reviewed sentence
    n : the count it stands on
    """

    hcp_id: str
    kind: str
    text: str
    n: int


@dataclass(frozen=True)
class Brief:
    """One HCP on one page; "" and () are lines that are not there.

    Nothing in it comes from a model's hidden features: it is told from engagements, consent and approval.

    Attributes
    ----------
    hcp_id, hcp, specialty : whom it is about
    topics : (topic, number of engagements), most pressing first, at most three
    recent : (date, what) of the last human engagements, at most five
    next_question : likely next topic
    friction : what went wrong lately
    contacts : "2 of 4 contacts in 30 days"
    consent : consents on record, and since when
    approval : title, document, version and expiry of the suggested content
    slot : best time
    """

    hcp_id: str
    hcp: str = ""
    specialty: str = ""
    topics: tuple[tuple[str, int], ...] = ()
    recent: tuple[tuple[str, str], ...] = ()
    next_question: str = ""
    friction: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()
    consent: tuple[str, ...] = ()
    approval: str = ""
    slot: str = ""
    book: Book = field(default_factory=load_book, repr=False, compare=False)

    def sections(self) -> list[tuple[str, list[str]]]:
        """(heading, lines) of what is there, in order."""
        heading = self.book.phrases["heading"]
        found = [
            ("interests", [self.book.phrase("line", "interest", topic=t, count=n) for t, n in self.topics]),
            ("recent", [f"{day}: {what}" for day, what in self.recent]),
            ("next_question", [self.next_question]),
            ("friction", list(self.friction)),
            ("contacts", [*self.contacts, *self.consent]),
            ("approval", [self.approval]),
            ("slot", [self.slot]),
        ]
        return [(heading[name], list(filter(None, lines))) for name, lines in found if any(lines)]

    @property
    def title(self) -> str:
        """Its first line."""
        return self.book.phrase("heading", "brief")

    @property
    def text(self) -> str:
        """The brief as plain lines of text."""
        return "\n".join(self._lines("", "  "))

    @property
    def markdown(self) -> str:
        """The brief as markdown; text from tables cannot be read as markup."""
        return "\n".join(self._lines("#", "- "))

    def to_dict(self) -> dict[str, Any]:
        """The brief as plain values; lines that are not there are left out."""
        plain = {part.name: _plain(getattr(self, part.name)) for part in fields(self) if part.name != "book"}
        return {name: value for name, value in plain.items() if value not in ("", [])}

    def to_html(self) -> str:
        """The brief as one self-contained page: no script, no network."""
        return document_page(self._article(level=1), title=f"{self.title}: {self.hcp}", book=self.book)

    def _repr_html_(self) -> str:
        return f"<style>{style()}</style>\n{self._article(level=2)}"

    def _article(self, *, level: int) -> str:
        who = " · ".join(filter(None, (self.hcp, self.specialty)))
        return sections_article(self.title, who, self.sections(), level=level, book=self.book)

    def _lines(self, mark: str, bullet: str) -> Iterator[str]:
        plain = escape_markdown if mark else str
        who = " · ".join(filter(None, (self.hcp, self.specialty)))
        yield f"{mark} {self.title} · {plain(who)}".strip() if mark else f"{self.title.upper()} · {who}"
        for heading, lines in self.sections():
            if mark:
                yield ""
            yield f"{mark}{mark} {heading}".strip() if mark else heading.upper()
            if mark:
                yield ""
            yield from (f"{bullet}{plain(line)}" for line in lines)


def build_brief(
    receipt: Receipt,
    *,
    hcp: Mapping[str, Any] | None = None,
    content: Mapping[str, Any] | None = None,
    topics: Sequence[Facet] = (),
    friction: Sequence[Facet] = (),
    facets: Sequence[Facet] = (),
    recent: Sequence[tuple[int, str]] = (),
    friction_days: int = 180,
    timezone: str = "UTC",
    book: Book | None = None,
) -> Brief:
    """Write the brief about one HCP; what is not handed in is a line that is not there.

    Parameters
    ----------
    receipt : the HCP's decision; contacts, consent and approval are told from its rules' facts
    topics : name the topic, n its engagements, most pressing first
    friction : name a kind of the book's ``friction`` section, n how often in ``friction_days``
    facets : "next_question" and "best_slot" are read, where their status is "ok"
    recent : (int seconds UTC, what) of human engagements
    timezone : IANA name of the HCP's zone

    Examples
    --------
    >>> from nba.explain.example import example_receipt
    >>> brief = build_brief(example_receipt(), friction=[Facet("declined", 2.0, n=2.0)])
    >>> brief.friction
    ('2 contacts declined in the last 6 months',)
    """
    book = book or load_book()
    tz = dates.zone(timezone)
    hcp, content = hcp or {}, content or {}
    known = {facet.name: facet.value for facet in facets if facet.status == "ok"}
    newest = sorted((int(moment), inert(what)) for moment, what in recent if dates.is_moment(moment))[::-1]
    slot = inert(known.get("best_slot")) if isinstance(known.get("best_slot"), str) else ""
    stamp = (f"“{inert(content.get('title'))}”" if content.get("title") else "",
             document_of(receipt, content), approval_of(receipt, book),
             expires_of(content, tz, book))  # fmt: skip
    contacts, consent = _limits(receipt, tz, book)
    return Brief(
        hcp_id=inert(receipt.hcp_id),
        hcp=inert(hcp.get("name")) or inert(receipt.hcp_id),
        specialty=inert(hcp.get("specialty")),
        topics=tuple((inert(facet.name).replace("_", " "), int(facet.n)) for facet in topics[:3]),
        recent=tuple((dates.date(moment, tz=tz, book=book), what) for moment, what in newest[:5]),
        next_question=inert(known.get("next_question")).replace("_", " "),
        friction=_friction(friction, friction_days, book),
        contacts=contacts,
        consent=consent,
        approval=" · ".join(filter(None, stamp)) if receipt.action.content else "",
        slot=book.phrase("line", "local", slot=slot) if slot else "",
        book=book,
    )


def insights(
    hcp_id: str, facets: Sequence[Facet], *, days: int = 180, book: Book | None = None
) -> tuple[Insight, ...]:
    """What is worth telling without an action, from facets of the kinds in the book's ``insight`` section.

    Examples
    --------
    >>> [told.text for told in insights("h1", [Facet("declined", 2.0, n=2.0), Facet("stage", "trial")])]
    ['2 contacts declined in the last 6 months']
    """
    book = book or load_book()
    lines = [(facet, _counted("insight", facet, days, book)) for facet in facets if facet.status == "ok"]
    return tuple(Insight(inert(hcp_id), facet.name, line, int(facet.n)) for facet, line in lines if line)


def _friction(found: Sequence[Facet], days: int, book: Book) -> tuple[str, ...]:
    lines = (_counted("friction", facet, days, book) for facet in found if facet.status == "ok")
    return tuple(filter(None, lines))


def _counted(section: str, facet: Facet, days: int, book: Book) -> str:
    if facet.n < 1:
        return ""
    form = "one" if facet.n == 1 else "many"
    count, window = book.number(facet.n), book.window(days)
    return book.phrase(section, f"{facet.name}_{form}", count=count, window=window)


def _limits(receipt: Receipt, tz: Any, book: Book) -> tuple[tuple[str, ...], tuple[str, ...]]:
    contacts, consent = [], []
    channel = channel_name(receipt.action.channel, book=book)
    for rule in sorted(receipt.facts):
        facts = receipt.facts[rule]
        counts = facts_in_words(facts, book=book)
        if {"contacts", "cap", "days"} <= counts.keys():
            contacts.append(book.phrase("stamp", "contacts", **counts))
        if dates.is_moment(facts.get("consent_since", -1)):
            day = dates.date(int(facts["consent_since"]), tz=tz, book=book)
            consent.append(book.phrase("stamp", "consent", channel=channel, date=day))
    return tuple(contacts), tuple(line[:1].upper() + line[1:] for line in consent)


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, tuple | list) else value


__all__ = ["Brief", "Insight", "build_brief", "insights"]
