"""Features that know what they mean, and labels that wait until their window has closed."""

from nba.features.asked import Asked
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
from nba.features.engine import EngagementFeatures, Seen
from nba.features.events import Events, action_groups
from nba.features.labels import (
    ANY,
    REST,
    Occurrence,
    OutcomeRule,
    Response,
    outcome_from_json,
    outcome_to_json,
)
from nba.features.standard import STANDARD
from nba.history import warm_up

__all__ = [
    "ANY",
    "REST",
    "STANDARD",
    "Asked",
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
    "Seen",
    "Streak",
    "action_groups",
    "outcome_from_json",
    "outcome_to_json",
    "warm_up",
]
