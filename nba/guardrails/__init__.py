"""Rules that remove candidates, and say why."""

from nba.guardrails.approval import Approved
from nba.guardrails.consent import Consent
from nba.guardrails.contact import FrequencyCap, MinimumGap
from nba.guardrails.funnel import Funnel, Step, add_up, check_all, facts_of, funnel
from nba.guardrails.registry import from_dict

__all__ = [
    "Approved",
    "Consent",
    "FrequencyCap",
    "Funnel",
    "MinimumGap",
    "Step",
    "add_up",
    "check_all",
    "facts_of",
    "from_dict",
    "funnel",
]
