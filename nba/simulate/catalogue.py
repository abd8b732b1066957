"""What channels, countries and documents exist."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Way(NamedTuple):
    """How one channel works; rates are per touch of an HCP who is rested and half interested."""

    rate: float
    ceiling: float
    weight: float  # what one touch adds to the pressure felt over all channels
    tiring: float  # how fast pressure over all channels wears the response down
    own_tiring: float  # the same for pressure in this channel alone


WAYS = {
    "approved_email": Way(0.21, 0.50, 0.6, 0.05, 0.16),
    "event": Way(0.34, 0.60, 0.8, 0.03, 0.20),
    "hq_email": Way(0.17, 0.40, 0.6, 0.06, 0.18),
    "msl_visit": Way(3.40, 0.92, 0.7, 0.02, 0.15),
    "phone": Way(1.25, 0.70, 1.0, 0.05, 0.25),
    "push": Way(0.70, 0.45, 0.4, 0.05, 0.14),
    "remote_call": Way(1.35, 0.80, 0.9, 0.03, 0.20),
    "rep_visit": Way(4.40, 0.95, 1.0, 0.03, 0.14),
    "webinar": Way(0.40, 0.50, 0.5, 0.04, 0.15),
}
CHANNELS = tuple(WAYS)
CHANNEL = {name: index for index, name in enumerate(CHANNELS)}
EMAILS = (CHANNEL["approved_email"], CHANNEL["hq_email"])
PROGRAMME = (CHANNEL["approved_email"], CHANNEL["hq_email"], CHANNEL["push"])
REP = tuple(CHANNEL[name] for name in ("rep_visit", "remote_call", "phone", "approved_email"))
CONVERSATIONS = tuple(CHANNEL[name] for name in ("msl_visit", "phone", "remote_call", "rep_visit"))
PERSONAL = np.isin(np.arange(len(CHANNELS)), CONVERSATIONS)  # a touch that carries its own outcome
INVITATIONS = (CHANNEL["event"], CHANNEL["webinar"])
NEED_CONSENT = ("approved_email", "hq_email", "phone", "push", "remote_call", "webinar")

COUNTRIES = ("US", "DE", "FR", "AT")
LANGUAGES = ("en", "de", "fr")
SPOKEN = np.array([0, 1, 2, 1])  # index into LANGUAGES for each of COUNTRIES
READ_IN = {"en": ["US"], "de": ["DE", "AT"], "fr": ["FR"]}
ZONES = {
    "US": ("America/New_York", "America/Chicago", "America/Los_Angeles"),
    "DE": ("Europe/Berlin",),
    "FR": ("Europe/Paris",),
    "AT": ("Europe/Vienna",),
}
SPECIALTIES = (
    "cardiology",
    "endocrinology",
    "oncology",
    "nephrology",
    "general practice",
    "internal medicine",
)
ROLES = ("physician", "specialist nurse", "pharmacist")
SETTINGS = ("practice", "hospital", "clinic")
ACCESS = ("open", "limited", "no_see")
INDICATIONS = ("heart failure", "type 2 diabetes", "breast cancer", "chronic kidney disease")
PRODUCTS = ("PRD-HF", "PRD-T2D", "PRD-BC", "PRD-CKD")
TOPICS = (
    "mechanism of action",
    "clinical data",
    "safety profile",
    "dosing",
    "real-world data",
    "guidelines",
    "case studies",
    "practice support",
)
# Which indications a specialty follows: rows SPECIALTIES, columns INDICATIONS.
FOLLOWS = np.array(
    [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0.4, 0.4, 0, 0.2], [0.3, 0.3, 0.1, 0.3]]
)


class Kind(NamedTuple):
    content_type: str
    form: str
    noun: str
    minutes: float
    channels: tuple[str, ...]


KINDS = (
    Kind("clinical explainer", "slides", "overview", 8, ("approved_email", "remote_call", "rep_visit")),
    Kind("clinical explainer", "video", "short film", 4, ("approved_email", "hq_email", "portal", "push")),
    Kind(
        "guideline summary",
        "article",
        "summary",
        12,
        ("approved_email", "hq_email", "phone", "portal", "rep_visit"),
    ),
    Kind("e-learning module", "webinar", "seminar", 45, ("event", "remote_call", "webinar")),
    Kind(
        "interactive tool",
        "interactive",
        "explorer",
        6,
        ("hq_email", "portal", "push", "remote_call", "rep_visit"),
    ),
    Kind(
        "case-based content",
        "infographic",
        "at a glance",
        2,
        ("approved_email", "hq_email", "phone", "portal", "push"),
    ),
)
MEDICAL_CHANNELS = ("event", "msl_visit", "webinar")
