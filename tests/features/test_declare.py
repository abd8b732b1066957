"""What is declared has one name, reads well and refuses what does not exist."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from nba.contracts import Evidence
from nba.errors import ArgumentError
from nba.features import STANDARD, Attribute, Count, Decayed, Fit, HistoryMeasure, Rate, Recency, Streak
from nba.features.declare import from_json, to_json
from nba.history import BetaPrior


@pytest.mark.parametrize("measure", STANDARD, ids=lambda measure: str(to_json(measure)))
def test_every_measure_survives_json(measure: Any) -> None:
    assert from_json(json.loads(json.dumps(to_json(measure)))) == measure


@pytest.mark.parametrize(
    ("measure", "key", "label"),
    [
        (Count(of="touches"), "", "contacts"),
        (Count(of="touches", by="channel"), "approved_email", "contacts by approved email"),
        (Count(of="clicked", by="topic"), "dosing", "clicks on dosing"),
        (Decayed(of="engagements", by="format"), "pdf", "engagements with format pdf"),
        (Rate(by="channel", own=True), "", "responses by this channel"),
        (Recency(by="topic", own=True), "", "engagements on this topic"),
        (Count(of="touches", by="product_id", own=True), "", "contacts with this product"),
        (Count(of="touches", by="content", own=True), "", "contacts with this content"),
        (Count(of="responses", by="content", own=True), "", "responses to this content"),
        (Count(of="responses", by="pair", own=True), "", "responses by this channel to this content"),
        (Count(of="touches", by="pair", own=True), "", "contacts by this channel with this content"),
        (Count(of="inbound"), "", "inbound engagements"),
        (Attribute(column="access_level"), "open", "access level open"),
    ],
)
def test_labels_read_as_a_person_would_say_them(measure: Any, key: str, label: str) -> None:
    assert measure.describe(key).label == label


def test_a_name_says_what_is_counted_where_and_how_far_back() -> None:
    assert Count(of="touches", by="channel", window_days=30).name("email") == (
        "count(touches, channel=email, 30d)"
    )
    assert Decayed(by="topic", own=True, half_life_days=9).name("") == (
        "decayed(engagements, own topic, half-life 9d)"
    )


@pytest.mark.parametrize(
    ("measure", "group"),
    [
        (Count(of="touches", by="channel"), "contact_pressure"),
        (Count(of="touches", by="pair", own=True), "content_history"),
        (Count(), "overall_engagement"),
        (Rate(by="channel"), "other_channels"),
        (Rate(by="channel", own=True), "channel_response"),
        (Recency(by="topic", own=True), "topic_interest"),
        (Recency(by="content", own=True), "content_history"),
    ],
)
def test_every_column_belongs_to_a_human_reason(measure: HistoryMeasure, group: str) -> None:
    assert measure.describe("key").group == group


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: Count(of="click"), "of is 'click'; expected one of touches"),
        (lambda: Count(by="colour"), "by is 'colour'; expected one of channel"),
        (lambda: Count(by="channels"), "by is 'channels'"),
        (lambda: Count(by="content"), "own=True"),
        (lambda: Recency(by="pair"), "own=True"),
        (lambda: Recency(own=True), "needs by="),
        (lambda: Count(window_days=0), "window_days is 0"),
        (lambda: Rate(window_days=-1), "window_days is -1"),
        (lambda: Decayed(half_life_days=0), "half_life_days is 0"),
        (lambda: Attribute(column="favourite"), "'favourite' is not in hcps"),
        (lambda: Attribute(column="hcp_id"), "'hcp_id' is not in hcps"),
        (lambda: Attribute(column="valid_from"), "'valid_from' is not in hcps"),
        (lambda: Fit(column="decile"), "'decile' is not in hcps"),
        (lambda: Fit(audience="topic"), "'topic' is not in content"),
        (lambda: from_json({"kind": "Median"}), "'Median' is not known"),
    ],
)
def test_what_does_not_exist_is_refused(declare: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        declare()


def test_a_rate_is_shrunk_to_its_prior() -> None:
    rate, prior = Rate(), BetaPrior(mean=0.2, strength=10.0)

    found = rate.combine([np.array([[0.0], [5.0], [50.0]]), np.array([[0.0], [10.0], [100.0]])], [prior])

    assert found.ravel() == pytest.approx([0.2, 7 / 20, 52 / 110])


def test_more_answers_than_touches_count_as_all_answered() -> None:
    prior = BetaPrior(mean=0.5, strength=2.0)

    assert Rate().combine([np.array([[7.0]]), np.array([[2.0]])], [prior])[0, 0] == 0.75
    assert Rate().evidence((7.0, 2.0)) == Evidence(count=2, of=2)


@pytest.mark.parametrize(
    ("measure", "parts", "evidence"),
    [
        (Count(), (3.0,), Evidence(3)),
        (Streak(), (2.0,), Evidence(2)),
        (Rate(), (2.0, 5.0), Evidence(2, of=5)),
        (Recency(), (4.5,), Evidence(1, days_ago=4.5)),
        (Recency(), (np.nan,), Evidence(0)),
        (Decayed(), (1.7,), None),
        (Attribute(column="role"), (1.0,), Evidence(1)),
        (Attribute(column="role"), (np.nan,), None),
        (Attribute(column="role", visibility="restricted"), (1.0,), None),
        (Fit(), (0.0,), Evidence(0)),
        (Fit(), (np.nan,), None),
    ],
)
def test_evidence_is_the_count_behind_the_number(measure: Any, parts: Any, evidence: Evidence | None) -> None:
    assert measure.evidence(parts) == evidence


def test_a_restricted_attribute_stays_restricted_in_its_description() -> None:
    assert Attribute(column="decile", visibility="restricted").describe("").visibility == "restricted"
