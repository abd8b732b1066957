"""The sensible set of features to start with."""

from __future__ import annotations

from nba.features.declare import Attribute, Count, Decayed, Declared, Fit, Rate, Recency, Streak

STANDARD: tuple[Declared, ...] = (
    Count(of="touches", window_days=30),
    Count(of="touches", window_days=7),
    Count(of="engagements", window_days=90),
    Recency(of="touches"),
    Recency(of="engagements"),
    Streak(),
    Decayed(of="engagements", half_life_days=14),
    Decayed(of="touches", half_life_days=14),
    Count(of="touches", by="channel", window_days=90),
    Rate(by="channel", window_days=365),
    Decayed(of="engagements", by="topic", half_life_days=60),
    Attribute(column="specialty"),
    Attribute(column="role"),
    Attribute(column="segment"),
    Attribute(column="tier"),
    Attribute(column="country"),
    Attribute(column="decile", visibility="restricted"),
    Count(of="touches", by="channel", own=True, window_days=30),
    Count(of="responses", by="channel", own=True, window_days=90),
    Count(of="responses", by="channel", own=True, window_days=30),
    Rate(by="channel", own=True, window_days=365),
    Recency(of="touches", by="channel", own=True),
    Recency(of="responses", by="channel", own=True),
    Streak(by="channel", own=True),
    Count(of="engagements", by="topic", own=True, window_days=180),
    Recency(of="engagements", by="topic", own=True),
    Count(of="touches", by="content", own=True),
    Count(of="engagements", by="content", own=True, window_days=365),
    Count(of="engagements", by="content", own=True, window_days=90),
    Recency(of="engagements", by="content", own=True),
    Count(of="responses", by="pair", own=True, window_days=365),
    Count(of="responses", by="pair", own=True, window_days=90),
    Count(of="responses", by="pair", own=True, window_days=30),
    Recency(of="responses", by="pair", own=True),
    Recency(of="touches", by="pair", own=True),
    Fit(),
)
"""The set behind :meth:`EngagementFeatures.standard`."""
