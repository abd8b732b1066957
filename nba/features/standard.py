"""The sensible set of features to start with."""

from __future__ import annotations

from nba.features.amounts import Depth, Familiarity, Novelty
from nba.features.declare import Attribute, Count, Decayed, Declared, Fit, Rate, Recency, Streak
from nba.features.habits import Preference, Rhythm
from nba.features.pace import Acceleration, DepthVelocity, Gap, GapSpread, Slope, Trend, Velocity
from nba.features.silence import Fatigue, NonEngagement, Silence
from nba.features.variety import Distinct, Diversity, Elsewhere, Share

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

WIDE: tuple[Declared, ...] = (
    *STANDARD,
    Count(of="touches", window_days=365),
    Count(of="engagements", window_days=365),
    Depth(half_life_days=60),
    Depth(by="content_type", half_life_days=90),
    Distinct(of="touches", by="channel", over="content", window_days=180),
    Distinct(over="topic", window_days=365),
    Diversity(over="topic", window_days=365),
    Share(by="device", window_days=365),
    Gap(of="touches", window_days=365),
    Gap(window_days=365),
    GapSpread(window_days=365),
    Trend(of="touches", window_days=90),
    Trend(window_days=90),
    Slope(months=6),
    Velocity(),
    Acceleration(),
    DepthVelocity(),
    Preference(),
    Rhythm(),
    Fatigue(),
    Silence(),
    Silence(by="channel"),
    NonEngagement(),
    Familiarity(by="topic", own=True),
    Novelty(by="content", own=True),
    Fatigue(by="channel", own=True),
    Slope(by="channel", own=True),
    Elsewhere(by="channel", window_days=90),
    Elsewhere(of="responses", by="channel", window_days=90),
    Share(by="format", own=True, window_days=365),
    Depth(by="content_type", own=True, half_life_days=90),
    Distinct(by="topic", own=True, over="content", window_days=365),
    Trend(by="topic", own=True, window_days=90),
)
"""The set behind :meth:`EngagementFeatures.wide`."""
