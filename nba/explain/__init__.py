"""Why an action was chosen, in words a rep can act on."""

from __future__ import annotations

from nba.explain.card import Details, RepCard, build_card, channel_name
from nba.explain.confidence import Reference, band, comparison
from nba.explain.considered import Considered, alternatives
from nba.explain.example import example_inputs, example_receipt
from nba.explain.reasons import OTHER_FACTORS, Selection, for_rep, reasons, select
from nba.explain.wording import Book, load_book

__all__ = [
    "OTHER_FACTORS",
    "Book",
    "Considered",
    "Details",
    "Reference",
    "RepCard",
    "Selection",
    "alternatives",
    "band",
    "build_card",
    "channel_name",
    "comparison",
    "example_inputs",
    "example_receipt",
    "for_rep",
    "load_book",
    "reasons",
    "select",
]
