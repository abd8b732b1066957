"""Rules that remove candidates, and say why."""

from nba.guardrails.access import Access
from nba.guardrails.approval import Approved
from nba.guardrails.balance import EducationalFloor, OneProductADay
from nba.guardrails.capture import ConsentCapture
from nba.guardrails.consent import Consent
from nba.guardrails.contact import FrequencyCap, MinimumGap
from nba.guardrails.deepening import Deepening
from nba.guardrails.funnel import Funnel, Step, add_up, check_all, facts_of, funnel
from nba.guardrails.governance import ContentState, Governance, governance
from nba.guardrails.hours import QuietHours
from nba.guardrails.in_state import InState
from nba.guardrails.label import OnLabel
from nba.guardrails.paused import Paused
from nba.guardrails.registry import from_dict
from nba.guardrails.repeat import NoveltyFloor, RepeatGap
from nba.guardrails.routing import Routing
from nba.guardrails.standard import standard

__all__ = [
    "Access",
    "Approved",
    "Consent",
    "ConsentCapture",
    "ContentState",
    "Deepening",
    "EducationalFloor",
    "FrequencyCap",
    "Funnel",
    "Governance",
    "InState",
    "MinimumGap",
    "NoveltyFloor",
    "OnLabel",
    "OneProductADay",
    "Paused",
    "QuietHours",
    "RepeatGap",
    "Routing",
    "Step",
    "add_up",
    "check_all",
    "facts_of",
    "from_dict",
    "funnel",
    "governance",
    "standard",
]
