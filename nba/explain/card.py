"""The rep card: what to do, why, and what to watch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import tzinfo
from typing import Any

from nba.contracts import DO_NOTHING, Facet, Reason, Receipt
from nba.explain import dates
from nba.explain.confidence import DOTS, Band, Reference, band, comparison
from nba.explain.considered import RANKED_LOWER, Considered, alternatives, facts_in_words, in_words
from nba.explain.contrast import Contrast
from nba.explain.inert import escape_markdown, inert
from nba.explain.page import check_address, fragment, page
from nba.explain.points import Points, explained_points
from nba.explain.reasons import Audience, Selection, check_audience, in_order, select
from nba.explain.wording import Book, load_book


@dataclass(frozen=True)
class Details:
    """The numbers behind a card, for head office only.

    Attributes
    ----------
    reasons : every reason with its exact log-odds, strongest first
    propensity, spread, selection_prob, priority, coverage : as decided and logged
    points : the propensity as a base and percentage points by reason; None where nothing acts
    reference : whom the base is about
    contrast : the gap to the runner-up, part by part; None where it was not asked for
    learned_from : "observational" where nobody logged how the rows of the model's training were chosen,
        "partly logged" or "logged" otherwise; "" where the model does not say
    """

    reasons: tuple[Reason, ...]
    propensity: float | None
    spread: float | None
    selection_prob: float
    priority: float
    coverage: float
    points: Points | None = None
    reference: str = ""
    contrast: Contrast | None = None
    learned_from: str = ""


@dataclass(frozen=True)
class RepCard:
    """One decision as a person reads it; "" and () are lines that are not there.

    A card holds only what its audience may see, so no form of it can show more.
    All texts are single lines of visible characters.

    Attributes
    ----------
    audience : "rep" or "hq"
    decision_id, hcp_id : as in the receipt
    headline : what to do, "Send approved email"
    hcp, specialty : whom it is about
    title, document, expires : the approved content, "PM-US-0412 v3", "expires 31 Mar 2027"
    slot, valid_until : when
    confidence : High, Medium, Low or Test; None where nothing is suggested
    comparison, basis : "About 3× the usual ...", "Based on 240 earlier contacts like this";
        a test suggestion and an abstention say so here
    why, watch : at most three sentences for, at most one against
    notes : mixed signals, other approved factors, waived checks
    interests : (topic, number of engagements), at most three
    recent : (date, what), newest first, at most three
    next_question : likely next approved topic
    also_considered : (channel, what stood against it)
    would_change : without which reason another action would come first
    checks : what was checked: consent, contacts, approval
    feedback : (code, words, what it teaches) of each reason for a dismissal, from the closed list
    details : None for reps
    book : the template book it was written with; in ``to_dict`` its language, version and digest
    """

    audience: Audience
    decision_id: str
    hcp_id: str
    headline: str
    hcp: str = ""
    specialty: str = ""
    title: str = ""
    document: str = ""
    expires: str = ""
    slot: str = ""
    valid_until: str = ""
    confidence: Band | None = None
    comparison: str = ""
    basis: str = ""
    why: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    interests: tuple[tuple[str, int], ...] = ()
    recent: tuple[tuple[str, str], ...] = ()
    next_question: str = ""
    also_considered: tuple[tuple[str, str], ...] = ()
    would_change: str = ""
    checks: tuple[str, ...] = ()
    feedback: tuple[tuple[str, str, str], ...] = ()
    details: Details | None = None
    book: Book = field(default_factory=load_book, repr=False, compare=False)

    @property
    def text(self) -> str:
        """The card as plain lines of text."""
        return "\n".join(_lines(self, self.book))

    def to_dict(self) -> dict[str, Any]:
        """The card as plain values, ready for JSON; lines that are not there are left out."""
        plain = {
            entry.name: _plain(getattr(self, entry.name)) for entry in fields(self) if entry.name != "book"
        }
        plain["book"] = {name: getattr(self.book, name) for name in ("language", "version", "digest")}
        return {name: value for name, value in plain.items() if value not in ("", [], None)}

    @property
    def markdown(self) -> str:
        """The card as markdown; text from tables cannot be read as markup."""
        return "\n".join(_markdown(self, self.book))

    def to_html(self, *, respond_to: str = "") -> str:
        """The card as one self-contained page: no script, no network, everything escaped.

        Parameters
        ----------
        respond_to : an https address of yours that takes the rep's answer as a POST of decision_id, response
            and dismiss_reason. Without it the answers are boxes to tick on paper; nothing is ever sent
            unless a person presses a button

        Raises
        ------
        ArgumentError
            The address is not https (or http on this machine).
        """
        check_address(respond_to)
        return page(self, book=self.book, respond_to=respond_to)

    def _repr_html_(self) -> str:
        return fragment(self, book=self.book)

    def __str__(self) -> str:
        return self.text


def build_card(
    receipt: Receipt,
    *,
    content: Mapping[str, Any] | None = None,
    hcp: Mapping[str, Any] | None = None,
    channel_label: str = "",
    facets: Sequence[Facet] = (),
    interests: Sequence[tuple[str, int]] = (),
    recent: Sequence[tuple[int, str]] = (),
    also_considered: Sequence[Considered] | None = None,
    contrast: Contrast | None = None,
    dismiss_reasons: Mapping[str, str] | None = None,
    timezone: str = "UTC",
    reference: Reference | None = None,
    learned_from: str = "",
    audience: Audience = "rep",
    book: Book | None = None,
) -> RepCard:
    """Write the card of one decision; what is not handed in is a line that is not there.

    Parameters
    ----------
    receipt : the decision; its reasons may be those for "rep" or for "hq"
    content : title, document_number, version, expiry (int seconds UTC) of the chosen content
    hcp : name and specialty; without a name the HCP's id stands on the card
    channel_label : what the channel is called; the book's word by default
    facets : "best_slot" and "next_question" are read, where their status is "ok"
    interests : (topic, number of human engagements), most pressing first
    recent : (int seconds UTC, what) of human engagements, in any order
    also_considered : alternatives; by default the runner-up and the channels ruled out as a whole
    contrast : the gap to the runner-up; without it the runner-up only "ranks lower"
    dismiss_reasons : the closed list of reasons for a dismissal, and what a learner makes of each:
        "negative", "censored", "data_error" or "safety". With it the card has a form for the rep's answer
    timezone : IANA name of the HCP's zone, in which dates are written
    reference : the usual response rate to compare with
    learned_from : how the rows of the model's training were chosen, for ``details``
    audience : "rep" gives no number that was computed and nothing hidden; "hq" adds ``details``
    book : template book; the shipped English one by default

    Raises
    ------
    ArgumentError
        The audience, the time zone or the reference's population is not known.

    Examples
    --------
    >>> from nba.explain.example import example_receipt
    >>> card = build_card(example_receipt(), content={"title": "HF efficacy summary"})
    >>> card.headline, card.why[0]
    ('Send approved email', 'Approved emails clicked: 5 of 10 in the last 90 days')
    """
    check_audience(audience)
    book = book or load_book()
    tz = dates.zone(timezone)
    content, hcp = content or {}, hcp or {}
    channel = inert(channel_label) or channel_name(receipt.action.channel, book=book)
    chosen = select(receipt.reasons, audience=audience)
    known = {facet.name: facet for facet in facets if facet.status == "ok"}
    others = alternatives(receipt) if also_considered is None else also_considered
    return RepCard(
        audience=audience,
        decision_id=inert(receipt.decision_id),
        hcp_id=inert(receipt.hcp_id),
        headline=_headline(receipt.action.channel, channel, book),
        hcp=inert(hcp.get("name")) or inert(receipt.hcp_id),
        specialty=inert(hcp.get("specialty")),
        title=inert(content.get("title")),
        document=document_of(receipt, content),
        expires=expires_of(content, tz, book),
        slot=_slot(known.get("best_slot"), book),
        valid_until=_valid_until(receipt, tz, book),
        confidence=band(receipt, reference=reference),
        comparison=_comparison(receipt, reference, book),
        basis=_basis(receipt, book),
        why=() if receipt.explored else tuple(reason.text for reason in chosen.why),
        watch=tuple(reason.text for reason in chosen.watch),
        notes=_notes(receipt, chosen, book),
        interests=tuple((inert(topic), int(count)) for topic, count in interests[:3]),
        recent=_recent(recent, tz, book),
        next_question=_text_of(known.get("next_question")),
        also_considered=_also(others, contrast, receipt, book),
        would_change=_would_change(contrast, book),
        checks=_checks(receipt, channel, tz, book),
        feedback=_feedback(receipt, dismiss_reasons or {}, book),
        details=_details(receipt, chosen, contrast, learned_from, book) if audience == "hq" else None,
        book=book,
    )


def channel_name(channel: str, *, book: Book) -> str:
    """What a channel is called; its own key, spaced, where the book has no word for it.

    Examples
    --------
    >>> channel_name("rep_visit", book=load_book()), channel_name("fax_machine", book=load_book())
    ('rep visit', 'fax machine')
    """
    return book.phrase("channel", channel) or inert(channel.replace("_", " "))


def _headline(key: str, channel: str, book: Book) -> str:
    return book.phrase("do", key) or book.phrase("do", "other", channel=channel)


def document_of(receipt: Receipt, content: Mapping[str, Any]) -> str:
    """Number and version of the content: "PM-US-0412 v3"."""
    number = inert(content.get("document_number")) or inert(receipt.document_number)
    version = inert(content.get("version")) or inert(receipt.version)
    if not number:
        return ""
    return " ".join(filter(None, (number, version if version[:1] in "vV" else f"v{version}")))


def approval_of(receipt: Receipt, book: Book) -> str:
    """The stamp of approved content; "" where approval was not checked."""
    return book.phrase("stamp", "approved") if "approved" in receipt.facts else ""


def expires_of(content: Mapping[str, Any], tz: tzinfo, book: Book) -> str:
    """Until when the content may be used."""
    moment = content.get("expiry")
    if moment is None or not dates.is_moment(moment):
        return ""
    return book.phrase("line", "expires", date=dates.date(moment, tz=tz, book=book))


def _valid_until(receipt: Receipt, tz: tzinfo, book: Book) -> str:
    if not dates.is_moment(receipt.valid_until):
        return ""
    return book.phrase("line", "valid_until", date=dates.until(receipt.valid_until, tz=tz, book=book))


def _slot(facet: Facet | None, book: Book) -> str:
    slot = _text_of(facet)
    return book.phrase("line", "local", slot=slot) if slot else ""


def _text_of(facet: Facet | None) -> str:
    return inert(facet.value) if facet is not None and isinstance(facet.value, str) else ""


def _comparison(receipt: Receipt, reference: Reference | None, book: Book) -> str:
    # a pair without rows of its own may be several times off in level: nothing to compare yet
    if reference is None or receipt.propensity is None or receipt.prior_only:
        return ""
    if receipt.explored or receipt.action == DO_NOTHING:
        return ""
    return comparison(receipt.propensity, reference, book=book)


def _basis(receipt: Receipt, book: Book) -> str:
    count = int(receipt.n) if math.isfinite(receipt.n) else 0
    return book.phrase("note", _basis_name(receipt, count), count=book.number(count))


def _basis_name(receipt: Receipt, count: int) -> str:
    if receipt.explored:
        return "test"
    if receipt.action == DO_NOTHING:
        return _nothing_name(receipt)
    if receipt.prior_only or count < 1:
        return "prior_only"
    return "basis_one" if count == 1 else "basis_many"


def _nothing_name(receipt: Receipt) -> str:
    if receipt.holdout not in ("", "none"):
        return "held_out"  # it was not found to be worth less: no such reason may be given
    alone = all(action == DO_NOTHING for action, _ in receipt.eligible)
    return "nothing_left" if alone else "not_worth"


def _notes(receipt: Receipt, chosen: Selection, book: Book) -> tuple[str, ...]:
    names = _note_names(receipt, chosen)
    return tuple(book.phrase("note", name, count=len(receipt.waivers)) for name in names)


def _note_names(receipt: Receipt, chosen: Selection) -> Iterator[str]:
    if "profiling" in receipt.facts:
        yield "no_profile"
    if receipt.action != DO_NOTHING and not receipt.explored:
        if not chosen.why:
            yield "no_reason"
        elif chosen.is_mixed:
            yield "mixed"
        if chosen.hidden:
            yield f"hidden_{chosen.hidden}"
    if receipt.waivers:
        yield "waived_one" if len(receipt.waivers) == 1 else "waived_many"


def _recent(recent: Sequence[tuple[int, str]], tz: tzinfo, book: Book) -> tuple[tuple[str, str], ...]:
    newest = sorted((int(moment), inert(what)) for moment, what in recent if dates.is_moment(moment))[::-1]
    return tuple((dates.date(moment, tz=tz, book=book), what) for moment, what in newest[:3])


def _checks(receipt: Receipt, channel: str, tz: tzinfo, book: Book) -> tuple[str, ...]:
    if receipt.action == DO_NOTHING:
        return ()
    found = []
    for rule in sorted(receipt.facts):
        facts = receipt.facts[rule]
        since = facts.get("consent_since", -1)
        if dates.is_moment(since):
            day = dates.date(int(since), tz=tz, book=book)
            found.append(book.phrase("stamp", "consent", channel=channel, date=day))
        counts = facts_in_words(facts, book=book)
        if {"contacts", "cap", "days"} <= counts.keys():
            found.append(book.phrase("stamp", "contacts", **counts))
        if {"last_days_ago", "gap_days"} <= counts.keys():
            found.append(book.phrase("stamp", "gap", **counts))
    found += filter(None, [approval_of(receipt, book)])
    return tuple(line[:1].upper() + line[1:] for line in found)


def _also(
    others: Sequence[Considered], found: Contrast | None, receipt: Receipt, book: Book
) -> tuple[tuple[str, str], ...]:
    """Other channels, and the runner-up first where its contrast is known."""
    if found is None or found.gap <= 0.0:
        return tuple((channel_name(o.channel, book=book), in_words(o, book=book)) for o in others)
    name = channel_name(found.other.channel, book=book)
    if found.other.channel == receipt.action.channel:
        name = book.phrase("contrast", "other_content", channel=name)
    first = (name, found.deciding(book=book) or book.phrase("considered", "ranked_lower"))
    rest = [o for o in others if o.code != RANKED_LOWER and o.channel != found.other.channel]
    return (first, *((channel_name(o.channel, book=book), in_words(o, book=book)) for o in rest[:1]))


def _would_change(found: Contrast | None, book: Book) -> str:
    return "" if found is None else found.turning(book=book)


def _feedback(receipt: Receipt, reasons: Mapping[str, str], book: Book) -> tuple[tuple[str, str, str], ...]:
    if receipt.action == DO_NOTHING:
        return ()
    return tuple(
        (inert(code), book.phrase("dismiss", code) or inert(code), book.phrase("teaches", meaning))
        for code, meaning in reasons.items()
    )


def _details(
    receipt: Receipt, chosen: Selection, found: Contrast | None, learned_from: str, book: Book
) -> Details:
    acts = receipt.propensity is not None and receipt.action != DO_NOTHING
    return Details(
        points=explained_points(receipt.reasons, propensity=receipt.propensity or 0.0) if acts else None,
        reference=book.phrase("population", "reference"),
        contrast=found,
        reasons=in_order(receipt.reasons),
        propensity=receipt.propensity,
        spread=receipt.spread,
        selection_prob=receipt.selection_prob,
        priority=receipt.priority,
        coverage=chosen.coverage,
        learned_from=learned_from,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Details):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, tuple | list) else value


def _lines(card: RepCard, book: Book) -> Iterator[str]:
    heading = book.phrases["heading"]
    yield " · ".join(filter(None, (card.headline.upper(), card.hcp, card.specialty)))
    quoted = f'"{card.title}"' if card.title else ""
    for parts in ((quoted, card.document, card.expires), (card.slot, card.valid_until)):
        if any(parts):
            yield " · ".join(filter(None, parts))
    how_sure = tuple(filter(None, (_level(card, book), card.comparison, card.basis)))
    if how_sure:
        yield " · ".join(how_sure)
    yield from _block(heading["why"], [f"+ {line}" for line in card.why])
    yield from _block(heading["watch"], [f"- {line}" for line in card.watch])
    yield from _block("", [f"· {line}" for line in card.notes])
    topics = " · ".join(book.phrase("line", "interest", topic=t, count=n) for t, n in card.interests)
    yield from _block(heading["interests"], [topics] if topics else [])
    yield from _block(heading["recent"], [f"{day}: {what}" for day, what in card.recent])
    yield from _block(heading["next_question"], [card.next_question] if card.next_question else [])
    yield from _block(heading["also_considered"], [f"{name}: {why}" for name, why in card.also_considered])
    yield from _block(heading["would_change"], [card.would_change] if card.would_change else [])
    yield from _block(heading["checks"], [f"✓ {line}" for line in card.checks])
    if card.details is not None:
        yield from _detail_lines(card.details, book)
    yield f"{heading['id']} {card.decision_id}"


def _markdown(card: RepCard, book: Book) -> Iterator[str]:
    heading, plain = book.phrases["heading"], escape_markdown
    yield f"# {plain(card.headline)} · {plain(card.hcp)}"
    quoted = f"“{card.title}”" if card.title else ""
    for parts in ((quoted, card.document, card.expires), (card.slot, card.valid_until),
                  (_level(card, book), card.comparison, card.basis)):  # fmt: skip
        if any(parts):
            yield "\n" + plain(" · ".join(filter(None, parts)))
    blocks = (
        ("why", card.why), ("watch", card.watch), ("notes", card.notes),
        ("interests", [book.phrase("line", "interest", topic=t, count=n) for t, n in card.interests]),
        ("recent", [f"{day}: {what}" for day, what in card.recent]),
        ("next_question", [card.next_question] if card.next_question else []),
        ("also_considered", [f"{name}: {why}" for name, why in card.also_considered]),
        ("would_change", [card.would_change] if card.would_change else []),
        ("checks", card.checks),
    )  # fmt: skip
    for name, lines in blocks:
        if lines:
            yield f"\n## {heading[name]}\n"
            yield from (f"- {plain(line)}" for line in lines)
    if card.details is not None:
        yield f"\n## {heading['points']}\n"
        yield from (f"- {plain(what)}: {plain(much)}" for what, much in point_rows(card.details, book))
    yield f"\n{plain(heading['id'])} {plain(card.decision_id)}"


def _detail_lines(details: Details, book: Book) -> Iterator[str]:
    heading = book.phrases["heading"]
    log_odds = [f"{book.number(r.log_odds, 3, sign=True)}  {inert(r.group)}" for r in details.reasons]
    yield from _block(heading["details"], log_odds)
    if details.points is not None:
        yield from _block(
            heading["points"], [f"{value}  {name}" for name, value in point_rows(details, book)]
        )
    if details.contrast is not None:
        parts = [f"{book.number(p.value, 4, sign=True)}  {inert(p.name)}" for p in details.contrast.parts]
        total = (
            f"{book.number(details.contrast.gap, 4, sign=True)}  {heading['gap']}: {details.contrast.other}"
        )
        yield from _block(heading["contrast"], [*parts, inert(total)])


def point_rows(details: Details, book: Book) -> list[tuple[str, str]]:
    """(what, how much) of the points as printed: base, parts and score, which add up."""
    if details.points is None:
        return []
    shown = details.points.rounded(1)
    heading = book.phrases["heading"]
    base = (book.phrase("line", "base", reference=details.reference), book.number(shown.base, 1) + " %")
    parts = [(inert(name), book.number(value, 1, sign=True)) for name, value in shown.parts]
    return [base, *parts, (heading["score"], book.number(shown.score, 1) + " %")]


def _level(card: RepCard, book: Book) -> str:
    if card.confidence is None:
        return ""
    word = book.phrase("band", card.confidence)
    return f"{book.phrase('heading', 'confidence')}: {word} {DOTS[card.confidence]}"


def _block(heading: str, lines: Sequence[str]) -> Iterator[str]:
    width = 22
    for number, line in enumerate(lines):
        yield f"{heading.upper() if number == 0 else '':<{width}}{line}"
