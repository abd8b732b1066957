"""A small model that tests of the hall share."""

import copy

import nba
from nba import guardrails, policies
from nba.features import Attribute, Count, EngagementFeatures, Fit, Rate, Recency, Streak

UNTIL = "2026-09-01"

MEASURES = (
    Count(of="touches", window_days=30),
    Recency(of="engagements"),
    Streak(),
    Attribute(column="specialty"),
    Attribute(column="decile", visibility="restricted"),
    Rate(by="channel", own=True, window_days=365),
    Count(of="engagements", by="topic", own=True, window_days=180),
    Count(of="touches", by="content", own=True),
    Fit(),
)


def variant_of(model, **parts):
    """The same fitted model with other parts that decide: policy, guardrails, worth."""
    other = copy.copy(model)
    for name, part in parts.items():
        setattr(other, name, part)
    other._seal()
    return other


def make_model(**changes):
    settings = {
        "outcome": nba.Response(within_days=14.0),
        "features": EngagementFeatures(MEASURES),
        "policy": policies.InverseGap(explore=0.1),
        "guardrails": [guardrails.FrequencyCap(6, days=30), guardrails.MinimumGap(2)],
    }
    return nba.NextBestAction(**(settings | changes))
