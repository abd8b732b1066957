"""Features that know what they mean, and labels that wait until their window has closed."""

from nba.features.declare import (
    Attribute,
    Count,
    Decayed,
    Fit,
    HistoryMeasure,
    Rate,
    Recency,
    Streak,
)
from nba.features.engine import STANDARD, EngagementFeatures
from nba.features.events import Events, action_groups
from nba.features.labels import (
    ANY,
    Occurrence,
    OutcomeRule,
    Response,
    outcome_from_json,
    outcome_to_json,
)

__all__ = [
    "ANY",
    "STANDARD",
    "Attribute",
    "Count",
    "Decayed",
    "EngagementFeatures",
    "Events",
    "Fit",
    "HistoryMeasure",
    "Occurrence",
    "OutcomeRule",
    "Rate",
    "Recency",
    "Response",
    "Streak",
    "action_groups",
    "outcome_from_json",
    "outcome_to_json",
]
