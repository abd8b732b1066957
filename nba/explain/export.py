"""Hands suggestions to CRMs and journey tools, as rows that cannot bite."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from nba.contracts import Receipt
from nba.explain.brief import Insight
from nba.explain.card import RepCard
from nba.explain.inert import inert, shorten

Rows = list[dict[str, Any]]

_VEEVA_TYPES = {"approved_email": "Email", "rep_visit": "Call", "remote_call": "Call", "phone": "Call",
                "msl_visit": "Call", "event": "Event", "webinar": "Event"}  # fmt: skip
_FORMULA = "=+-@|%"
_REASON = 255  # characters of a text field in either CRM


def veeva(
    receipts: Sequence[Receipt], cards: Sequence[RepCard], *, insights: Sequence[Insight] = ()
) -> dict[str, Rows]:
    """Rows of ``suggestion__v`` and ``suggestion_tag__v``; insights are suggestions of type Insight.

    Parameters
    ----------
    receipts, cards : of the same decisions, in the same order; those that do nothing are left out

    Returns
    -------
    Rows by object name. Moments are ISO 8601 UTC; priority is "Urgent" for High confidence, else "Normal".

    Notes
    -----
    Field names are those of the public help; check them against your vault's version before loading.

    Examples
    --------
    >>> from nba.explain import build_card, example_receipt
    >>> rows = veeva([example_receipt()], [build_card(example_receipt())])
    >>> rows["suggestion__v"][0]["type__v"], rows["suggestion_tag__v"][0]["tag_type__v"]
    ('Email', 'Driver')
    """
    suggestions: Rows = []
    tags: Rows = []
    for receipt, card in _acting(receipts, cards):
        suggestions.append(
            {
                "external_id__v": card.decision_id,
                "account__v": card.hcp_id,
                "type__v": _VEEVA_TYPES.get(receipt.action.channel, "Call_Objective"),
                "title__v": shorten(_title(card), longest=_REASON),
                "reason__v": shorten(_reason(card), longest=_REASON),
                "priority__v": "Urgent" if card.confidence == "High" else "Normal",
                "posted_date__v": _iso(receipt.decided_at),
                "expiration_date__v": _iso(receipt.valid_until),
                "document_number__v": card.document,
            }
        )
        tags += [
            {"suggestion__v": card.decision_id, "tag_type__v": "Driver", "name__v": line, "order__v": place}
            for place, line in enumerate(card.why, start=1)
        ]
    for told in insights:
        suggestions.append(
            {
                "external_id__v": f"insight_{told.kind}_{told.hcp_id}",
                "account__v": told.hcp_id,
                "type__v": "Insight",
                "title__v": told.text,
                "reason__v": told.text,
                "priority__v": "Normal",
                "posted_date__v": "",
                "expiration_date__v": "",
                "document_number__v": "",
            }
        )
    return {"suggestion__v": suggestions, "suggestion_tag__v": tags}


def salesforce(receipts: Sequence[Receipt], cards: Sequence[RepCard]) -> Rows:
    """Recommendations with an explainability JSON whose values are int or text only, one a decision.

    Examples
    --------
    >>> from nba.explain import build_card, example_receipt
    >>> row = salesforce([example_receipt()], [build_card(example_receipt())])[0]
    >>> json.loads(row["explainability"])["why_1"]
    'Approved emails clicked: 5 of 10 in the last 90 days'
    """
    return [
        {
            "recommendation_id": card.decision_id,
            "account_id": card.hcp_id,
            "action": inert(receipt.action.channel),
            "name": shorten(_title(card), longest=80),
            "description": shorten(_reason(card), longest=_REASON),
            "expires": _iso(receipt.valid_until),
            "explainability": json.dumps(_explainability(receipt, card), ensure_ascii=True),
        }
        for receipt, card in _acting(receipts, cards)
    ]


def journey(receipts: Sequence[Receipt], cards: Sequence[RepCard]) -> Rows:
    """Flat rows for journey tools: whom, what, through which channel, and until when.

    Examples
    --------
    >>> from nba.explain import build_card, example_receipt
    >>> journey([example_receipt()], [build_card(example_receipt())])[0]["channel"]
    'approved_email'
    """
    return [
        {
            "decision_id": card.decision_id,
            "contact_key": card.hcp_id,
            "channel": inert(receipt.action.channel),
            "content_id": inert(receipt.action.content),
            "document": card.document,
            "title": card.title,
            "decided_at": _iso(receipt.decided_at),
            "valid_until": _iso(receipt.valid_until),
            "is_test": int(receipt.explored),
            "reason_1": card.why[0] if card.why else "",
        }
        for receipt, card in _acting(receipts, cards)
    ]


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV that no spreadsheet reads as a formula.

    A text that begins with =, +, -, @, | or %, full-width ones too, also after white space or quotes, gets
    an apostrophe before it; line breaks and control characters are gone; every text is quoted.

    Examples
    --------
    >>> to_csv([{"a": "=1+1", "b": 2}])
    '"a","b"\\r\\n"\\'=1+1",2\\r\\n'
    """
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow([harmless(name) for name in names])
    for row in rows:
        writer.writerow([_cell(row.get(name, "")) for name in names])
    return out.getvalue()


def to_jsonl(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as JSON lines in ASCII."""
    return "".join(json.dumps(dict(row), ensure_ascii=True, allow_nan=False) + "\n" for row in rows)


def harmless(text: str) -> str:
    """A text no spreadsheet reads as a formula.

    Examples
    --------
    >>> harmless("\\t＝cmd"), harmless("fine")
    ("'＝cmd", 'fine')
    """
    line = inert(text, longest=32_000)
    first = unicodedata.normalize("NFKC", re.sub(r"^[\s'\"“”„`]+", "", line))[:1]
    return f"'{line}" if first and first in _FORMULA + "−–—" else line


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, int | float) else harmless("" if value is None else str(value))


def _acting(receipts: Sequence[Receipt], cards: Sequence[RepCard]) -> list[tuple[Receipt, RepCard]]:
    pairs = zip(receipts, cards, strict=True)
    return [(receipt, card) for receipt, card in pairs if receipt.action.content]


def _title(card: RepCard) -> str:
    return f"{card.headline}: {card.title}" if card.title else card.headline


def _reason(card: RepCard) -> str:
    """As many whole sentences as fit; a cut one could say something else."""
    lines = [*card.why, *card.notes] if card.why else [card.basis, *card.notes]
    said = ""
    for line in filter(None, lines):
        longer = f"{said} {line}." if said else f"{line}."
        if len(longer) > _REASON:
            break
        said = longer
    return said


def _explainability(receipt: Receipt, card: RepCard) -> dict[str, int | str]:
    told: dict[str, int | str] = {
        "decision_id": card.decision_id,
        "confidence": card.confidence or "",
        "is_test": int(receipt.explored),
        "basis": card.basis,
    }
    told |= {f"why_{place}": line for place, line in enumerate(card.why, start=1)}
    told |= {f"watch_{place}": line for place, line in enumerate(card.watch, start=1)}
    told |= {f"note_{place}": line for place, line in enumerate(card.notes, start=1)}
    return told


def _iso(moment: int) -> str:
    try:
        return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return ""


__all__ = ["harmless", "journey", "salesforce", "to_csv", "to_jsonl", "veeva"]
