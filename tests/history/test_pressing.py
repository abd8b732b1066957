"""Interests are compared with peers', and friction is counted as a person would."""

from __future__ import annotations

import numpy as np
import pytest

from nba.contracts import DAY
from nba.history.pressing import TopicMoves, friction, pressing_topics

TOPICS = {"a": "dosing", "b": "safety", "c": "guidelines"}


def log_of(rows):
    """Canonical columns from (hcp, day, content) engagements."""
    names = ("hcp_id", "content_id")
    columns = {name: np.array([row[2 * i] for row in rows], dtype=object) for i, name in enumerate(names)}
    ts = np.array([row[1] * DAY for row in rows], dtype=np.int64)
    return columns | {"ts": ts, "recorded_at": ts, "engaged": np.ones(len(rows), dtype=bool)}


def test_what_everybody_engages_with_is_no_interest():
    crowd = [(f"h{i}", d, "a") for i in range(20) for d in range(8)] + [(f"h{i}", 9, "b") for i in range(20)]
    population = TopicMoves.of(TOPICS, log_of(crowd), at=20 * DAY, hcps={f"h{i}" for i in range(20)})

    mine = log_of([("x", 1, "a"), ("x", 2, "a"), ("x", 3, "b")])
    found = pressing_topics(TOPICS, mine, population, at=20 * DAY)

    assert [(facet.name, facet.n) for facet in found] == [("safety", 1.0)]


def test_the_lift_is_the_formula_row_by_row():
    crowd = [("h", d, c) for d, c in enumerate("aabbbc")]
    population = TopicMoves.of(TOPICS, log_of(crowd), at=30 * DAY, hcps={"h"})
    mine = [("x", 2, "a"), ("x", 20, "c"), ("x", 25, "c")]
    share = {"dosing": 2 / 6, "safety": 3 / 6, "guidelines": 1 / 6}
    weight = {t: sum(2 ** (-(30 - d) / 60) for _, d, c in mine if TOPICS[c] == t) for t in share}

    found = {f.name: f.value for f in pressing_topics(TOPICS, log_of(mine), population, at=30 * DAY, most=9)}

    total = sum(weight.values())
    for topic, lift in found.items():
        expected = (weight[topic] + 3 * share[topic]) / (total + 3) / share[topic]
        assert lift == pytest.approx(expected)
    assert next(iter(found)) == "guidelines"


def test_the_next_topic_is_the_one_most_turned_to_and_few_moves_say_nothing():
    many = [(f"h{i}", d, c) for i in range(25) for d, c in enumerate("ab")]
    few = many[:10]
    everyone = {f"h{i}" for i in range(25)}

    told = TopicMoves.of(TOPICS, log_of(many), at=9 * DAY, hcps=everyone).next_after("dosing")
    silent = TopicMoves.of(TOPICS, log_of(few), at=9 * DAY, hcps=everyone).next_after("dosing")

    assert (told.value, told.n) == ("safety", 25.0)
    assert silent.status == "not_available"


def test_nothing_known_later_is_counted():
    rows = [(f"h{i}", d, "a") for i in range(3) for d in range(5)]

    population = TopicMoves.of(TOPICS, log_of(rows), at=2 * DAY, hcps={"h0", "h1", "h2"})
    found = pressing_topics(TOPICS, log_of([("x", 5, "a")]), population, at=5 * DAY)

    assert population.shares.tolist() == [1.0]
    assert found == ()


def test_an_inquiry_is_unanswered_until_a_contact_follows():
    log = {
        "ts": np.array([1, 5, 9]) * DAY,
        "recorded_at": np.array([1, 5, 9]) * DAY,
        "outcome": np.array(["clicked", "sent", "clicked"], dtype=object),
        "query": np.array(["dose?", "", "dose again?"], dtype=object),
        "direction": np.array(["inbound", "outbound", "inbound"], dtype=object),
        "touch": np.array([False, True, False]),
        "reaction": np.array(["", "neg", ""], dtype=object),
    }

    assert {f.name: f.n for f in friction(log, at=10 * DAY)} == {"negative": 1.0, "unanswered": 1.0}
    assert {f.name: f.n for f in friction(log, at=7 * DAY)} == {"negative": 1.0}
    assert friction(log, at=400 * DAY) == ()
