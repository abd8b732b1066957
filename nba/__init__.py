"""Next best action in pharma: what to say to whom, and why."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_NAMES = {
    "Engagement": "nba.tables",
    "NextBestAction": "nba.recommender",
    "load": "nba.recommender",
    "Plan": "nba.plan",
    "Response": "nba.features",
    "Occurrence": "nba.features",
    "NextEngagement": "nba.features",
    "FirstEngagement": "nba.features",
    "Attendance": "nba.features",
    "Switch": "nba.features",
    "Intent": "nba.intent",
    "EngagementFeatures": "nba.features",
    "readiness": "nba.features",
    "PairPropensity": "nba.models",
    "SegmentBaseline": "nba.models",
    "Log": "nba.store",
    "NBAError": "nba.errors",
    "NBAWarning": "nba.errors",
}
_ROOMS = (
    "artifact",
    "assess",
    "contracts",
    "errors",
    "evaluation",
    "explain",
    "features",
    "guardrails",
    "history",
    "intent",
    "mlflow",
    "models",
    "plan",
    "policies",
    "recommender",
    "simulate",
    "spark",
    "store",
    "tables",
    "testing",
    "transfer",
)

__all__ = ["__version__", *_NAMES, *_ROOMS]

if TYPE_CHECKING:
    from nba.errors import NBAError as NBAError
    from nba.errors import NBAWarning as NBAWarning
    from nba.features import Attendance as Attendance
    from nba.features import EngagementFeatures as EngagementFeatures
    from nba.features import FirstEngagement as FirstEngagement
    from nba.features import NextEngagement as NextEngagement
    from nba.features import Occurrence as Occurrence
    from nba.features import Response as Response
    from nba.features import Switch as Switch
    from nba.features import readiness as readiness
    from nba.intent import Intent as Intent
    from nba.models import PairPropensity as PairPropensity
    from nba.models import SegmentBaseline as SegmentBaseline
    from nba.plan import Plan as Plan
    from nba.recommender import NextBestAction as NextBestAction
    from nba.recommender import load as load
    from nba.store import Log as Log
    from nba.tables import Engagement as Engagement


def __getattr__(name: str) -> Any:
    """Hand out a public name the first time it is asked for (PEP 562)."""
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    if name in _ROOMS:
        return import_module(f"nba.{name}")
    raise AttributeError(f"module 'nba' has no attribute {name!r}; it has: {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
