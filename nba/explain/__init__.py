"""Why an action was chosen, in words a rep can act on."""

from __future__ import annotations

from nba.explain.brief import Brief, Insight, build_brief, insights
from nba.explain.card import Details, RepCard, build_card, channel_name
from nba.explain.confidence import Reference, band, comparison
from nba.explain.considered import Considered, alternatives, in_words
from nba.explain.contrast import Contrast, Part, Side, contrast, for_audience
from nba.explain.dates import date
from nba.explain.example import example_inputs, example_receipt
from nba.explain.export import journey, salesforce, to_csv, to_jsonl, veeva
from nba.explain.inert import inert
from nba.explain.plots import contrast_bars, importance, waterfall
from nba.explain.points import Grouped, Points, explained_points, grouped, points_of
from nba.explain.reasons import OTHER_FACTORS, Selection, for_rep, reasons, select
from nba.explain.schema import card_schema
from nba.explain.shap_door import to_shap
from nba.explain.sheet import Sheet, build_sheet
from nba.explain.wording import Book, load_book

__all__ = [
    "OTHER_FACTORS",
    "Book",
    "Brief",
    "Considered",
    "Contrast",
    "Details",
    "Grouped",
    "Insight",
    "Part",
    "Points",
    "Reference",
    "RepCard",
    "Selection",
    "Sheet",
    "Side",
    "alternatives",
    "band",
    "build_brief",
    "build_card",
    "build_sheet",
    "card_schema",
    "channel_name",
    "comparison",
    "contrast",
    "contrast_bars",
    "example_inputs",
    "example_receipt",
    "date",
    "explained_points",
    "for_audience",
    "for_rep",
    "grouped",
    "importance",
    "in_words",
    "inert",
    "insights",
    "journey",
    "load_book",
    "points_of",
    "reasons",
    "salesforce",
    "select",
    "to_csv",
    "to_jsonl",
    "to_shap",
    "veeva",
    "waterfall",
]
