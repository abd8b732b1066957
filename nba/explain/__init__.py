"""Why an action was chosen, in words a rep can act on."""

from __future__ import annotations

from nba.explain.card import Details, RepCard, build_card, channel_name
from nba.explain.confidence import Reference, band, comparison
from nba.explain.considered import Considered, alternatives
from nba.explain.contrast import Contrast, Part, Side, contrast
from nba.explain.example import example_inputs, example_receipt
from nba.explain.points import Grouped, Points, explained_points, grouped, points_of
from nba.explain.reasons import OTHER_FACTORS, Selection, for_rep, reasons, select
from nba.explain.wording import Book, load_book

__all__ = [
    "OTHER_FACTORS",
    "Book",
    "Considered",
    "Contrast",
    "Details",
    "Grouped",
    "Part",
    "Points",
    "Reference",
    "RepCard",
    "Selection",
    "Side",
    "alternatives",
    "band",
    "build_card",
    "channel_name",
    "comparison",
    "contrast",
    "example_inputs",
    "example_receipt",
    "explained_points",
    "for_rep",
    "grouped",
    "load_book",
    "points_of",
    "reasons",
    "select",
]
