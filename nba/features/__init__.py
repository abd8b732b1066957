"""Features that know what they mean, and labels that wait until their window has closed."""

from nba.features.adoption import Adoption
from nba.features.amounts import Depth, Familiarity, Novelty, Sum
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
from nba.features.engine import EngagementFeatures
from nba.features.events import Events, action_groups
from nba.features.habits import Preference, Rhythm
from nba.features.intents import (
    Attendance,
    FirstEngagement,
    IntentRule,
    NextEngagement,
    Switch,
)
from nba.features.labels import (
    ANY,
    REST,
    Occurrence,
    OutcomeRule,
    Response,
    outcome_from_json,
    outcome_to_json,
)
from nba.features.pace import Acceleration, DepthVelocity, Gap, GapSpread, Slope, Trend, Velocity
from nba.features.peers import PeerEngagement, PeerRank, Peers
from nba.features.prescriptions import (
    Prescriptions,
    PrescriptionShare,
    PrescriptionTrend,
    prescribing_sensitivity,
)
from nba.features.ready import Lack, Readiness, readiness
from nba.features.seen import Seen
from nba.features.signals import SignalAge, Signals
from nba.features.silence import Fatigue, NonEngagement, Silence
from nba.features.standard import STANDARD, WIDE
from nba.features.standing import Standing
from nba.features.variety import Distinct, Diversity, Elsewhere, Share
from nba.history import warm_up

__all__ = [
    "ANY",
    "REST",
    "STANDARD",
    "Asked",
    "Attendance",
    "FirstEngagement",
    "IntentRule",
    "NextEngagement",
    "Switch",
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
    "Acceleration",
    "Adoption",
    "Depth",
    "DepthVelocity",
    "Distinct",
    "Diversity",
    "Elsewhere",
    "Familiarity",
    "Fatigue",
    "Gap",
    "GapSpread",
    "NonEngagement",
    "Novelty",
    "Preference",
    "Rhythm",
    "Share",
    "Silence",
    "Slope",
    "Standing",
    "Sum",
    "Trend",
    "Velocity",
    "Lack",
    "Readiness",
    "PeerEngagement",
    "PeerRank",
    "Peers",
    "PrescriptionShare",
    "PrescriptionTrend",
    "Prescriptions",
    "SignalAge",
    "Signals",
    "WIDE",
    "action_groups",
    "outcome_from_json",
    "outcome_to_json",
    "prescribing_sensitivity",
    "readiness",
    "warm_up",
]
