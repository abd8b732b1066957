"""One HCP from plain records in microseconds: the bits of the batch, whatever the records look like."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from nba.contracts import Action
from nba.errors import NotFittedError, TableError
from nba.features import (
    STANDARD,
    Attribute,
    Count,
    Decayed,
    Depth,
    DepthVelocity,
    Distinct,
    Diversity,
    EngagementFeatures,
    Events,
    Fatigue,
    Fit,
    Rate,
    Recency,
    Rhythm,
    Share,
    Streak,
    Sum,
    Velocity,
)
from nba.features import compiled as room
from nba.tables import rows_from_records

DAY = 86_400
SEEDS = st.integers(0, 2**32 - 1)
ACTIONS = (Action("approved_email", "c0"), Action("push", "c1"), Action("rep_visit", "c4"))
PLAIN = (
    Count(of="touches", window_days=20),
    Count(of="clicked", by="channel"),
    Count(of="responses", by="topic", window_days=30),
    Recency(of="inbound"),
    Recency(by="channel"),
    Decayed(by="topic", half_life_days=20),
    Streak(by="channel"),
    Count(of="touches", by="content", own=True),
    Recency(of="responses", by="pair", own=True),
)
COMBINED = (
    Rate(by="channel"),
    Rate(by="channel", own=True),
    Fatigue(),
    Depth(by="content_type"),
    Distinct(over="content", by="channel"),
    Distinct(over="topic", by="content", own=True),
    Diversity(over="topic"),
    Velocity(),
    DepthVelocity(),
    Share(by="device"),
    Attribute(column="specialty", min_hcps=1),
    Fit(),
)
CLOCKED = (Rhythm(), Count(by="weekday"))
WEIGHED = (Sum(weight="amount"),)


def records(world: Any, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng([seed, 3])
    found = [
        {**record, "device": str(rng.choice(["mobile", "desktop"])), "amount": float(rng.integers(9))}
        for record in world.random_records(seed)
    ]
    if seed % 3 == 0:
        found = [{name: value for name, value in r.items() if name != "parent_id"} for r in found]
    if seed % 5 == 0:
        found = [{name: value for name, value in r.items() if name != "recorded_at"} for r in found]
    return found


def fitted(world: Any, measures: Any, rows: list[dict[str, Any]], *, dtype: str) -> tuple[Any, Any, int]:
    data = world.engagement(
        [{"parent_id": None, **row, "recorded_at": row.get("recorded_at", row["ts"])} for row in rows]
    )
    times = sorted(row["ts"] for row in rows)
    at = times[len(times) * 2 // 3]
    features = EngagementFeatures(measures, dtype=dtype)
    features.fit_events(features.events(data), data.columns("hcps"), until=at)
    return features, data, at


def plain(world: Any, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As a service has them: datetimes and texts."""
    return [
        {
            name: dt.datetime.fromtimestamp(value, dt.UTC) if name in ("ts", "recorded_at") else value
            for name, value in row.items()
        }
        for row in rows
    ]


def long_way(features: Any, data: Any, mine: list[dict[str, Any]], *, hcp: str, at: int) -> Any:
    """Through the kernel as batches go: another HCP stands beside, so that nothing is taken for known."""
    stranger = {
        "interaction_id": "of a stranger", "hcp_id": "~", "ts": dt.datetime.fromtimestamp(at - 1, dt.UTC),
        "channel": "push", "direction": "outbound", "outcome": "sent",
    }  # fmt: skip
    events = Events.from_columns(
        rows_from_records([*mine, stranger]), content=data.columns("content"),
        channels=data.columns("channels"), hcps=data.columns("hcps"),
    )  # fmt: skip
    return of_one(features, data, events, hcp=hcp, at=at)


def of_one(features: Any, data: Any, events: Events, *, hcp: str, at: int) -> Any:
    k = len(ACTIONS)
    return features.design(
        events, data.columns("hcps"), hcps=np.array([hcp], dtype=object), at=np.array([at]), actions=ACTIONS,
        row=np.zeros(k, dtype=np.int64), pair=np.arange(k),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "measures", [PLAIN, COMBINED, CLOCKED, WEIGHED], ids=["plain", "combined", "clock", "sum"]
)
@given(seed=SEEDS)
@settings(max_examples=8, deadline=None)
def test_every_bit_is_that_of_the_batch(world: Any, measures: Any, dtype: str, seed: int) -> None:
    rows = records(world, seed)
    features, data, at = fitted(world, measures, rows, dtype=dtype)
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    rng = np.random.default_rng(seed)

    one = features.compiled(data, actions=ACTIONS)

    for _ in range(3):  # the long way first; then what was met is known
        for hcp in ("h0", "h3", "nobody"):
            mine = [row for row in rows if row["hcp_id"] == hcp]
            mine = plain(world, [mine[i] for i in rng.permutation(len(mine))])
            found = one.design(hcp, history=mine, at=moment)
            expected = long_way(features, data, mine, hcp=hcp, at=at)
            assert_array_equal(found.shared, expected.shared)
            assert_array_equal(found.own, expected.own)
            assert found.shared.dtype == expected.shared.dtype == dtype
            assert_array_equal(one.transform(hcp, history=mine, at=moment), expected.shared[0])


def visit(key: str, day: int, **more: Any) -> dict[str, Any]:
    ts = dt.datetime(2026, 1, 1, 9, tzinfo=dt.UTC) + dt.timedelta(days=day)
    return {
        "interaction_id": key, "hcp_id": "h0", "ts": ts, "channel": "rep_visit",
        "direction": "outbound", "outcome": "held", **more,
    }  # fmt: skip


@pytest.fixture(name="one")
def _one(world: Any) -> Any:
    data = world.engagement(world.random_records(6))
    features = EngagementFeatures([Count(of="touches"), Streak(), Count(of="touches", by="topic")])
    features.fit(data, until="2026-02-20")
    one = features.compiled(data)
    one.transform("h0", history=[visit("i1", 1), visit("i2", 2)], at="2026-01-06")
    return one


def test_what_was_met_before_needs_no_closer_look(one: Any, monkeypatch: Any) -> None:
    history = [visit("i1", 1), visit("i3", 3), visit("i2", 2)]
    expected = one.transform("h0", history=history, at="2026-01-06")

    def refuse(*_: Any) -> Any:
        raise AssertionError("went the long way")

    monkeypatch.setattr(room, "history_of", refuse)

    assert_array_equal(one.transform("h0", history=history, at="2026-01-06"), expected)
    assert expected[0] == 3.0
    with pytest.raises(AssertionError, match="long way"):
        one.transform("h0", history=[visit("i1", 1, topic="dosing")], at="2026-01-06")


def test_a_new_answer_is_taken_up_after_a_while(one: Any, monkeypatch: Any) -> None:
    called = []
    real = room.history_of
    monkeypatch.setattr(room, "history_of", lambda *given: called.append(given) or real(*given))

    for day in range(40):
        one.transform("h0", history=[visit("i1", 1, topic=f"topic {day % 20}")], at="2026-01-06")

    assert 20 <= len(called) < 30


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hcp_id": "h1"}, "about another HCP"),
        ({"ts": dt.datetime(2026, 1, 3, 9)}, "without a zone"),
        ({"ts": 1_767_603_600}, "without a zone or no time"),
        ({"outcome": "sold"}, "outside the vocabulary"),
        ({"interaction_id": "i1"}, "same key stands for rows with other values"),
        ({"interaction_id": " "}, "missing"),
        ({"interaction_id": 7}, "not all values are text"),
        ({"interaction_id": "\ud800"}, "not valid Unicode"),
        ({"patient_id": "p1"}, "patient"),
        ({"parent_id": "i3"}, "before the touch it answers"),
    ],
)
def test_what_the_border_refuses_is_refused_however_often_it_comes(one: Any, change: Any, said: str) -> None:
    beside = {name: None for name in change if name == "parent_id"}
    history = [visit("i1", 1, **beside), visit("i2", 2, **change), visit("i3", 3, **beside)]

    for _ in range(3):
        with pytest.raises(TableError, match=said):
            one.transform("h0", history=history, at="2026-01-06")


def test_no_history_and_redelivered_rows_and_texts_for_times_are_fine(one: Any) -> None:
    row = visit("i1", 1)
    text = {**row, "ts": row["ts"].isoformat()}

    for _ in range(2):
        assert one.transform("h0", history=[], at="2026-01-06")[0] == 0.0
        assert one.transform("h0", history=[row, dict(row)], at="2026-01-06")[0] == 1.0
        assert one.transform("h0", history=[text, visit("i2", 2)], at="2026-01-06")[0] == 2.0
        assert one.transform("h0", history=[row, {**visit("i2", 2), "topic": "x"}], at="2026-01-06")[0] == 2.0


def test_keys_that_change_from_record_to_record_are_seen(one: Any) -> None:
    # As many keys in each, and one of them an answer: it is no touch.
    first, other = visit("i1", 1, source="crm"), visit("i2", 2, parent_id="i1")

    found = [one.transform("h0", history=[first, other], at="2026-01-06")[0] for _ in range(3)]

    assert found == [1.0, 1.0, 1.0]


def test_many_threads_get_the_same_numbers(one: Any) -> None:
    found: list[float] = []

    def ask(offset: int) -> None:
        for i in range(30):
            history = [visit(f"i{j}", j, topic=f"t{(offset * 7 + i + j) % 40}") for j in range(5)]
            found.append(float(one.transform("h0", history=history, at="2026-01-20")[0]))

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [5.0] * 120


def test_kinds_are_forgotten_before_they_are_too_many(one: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("nba.features.kinds.MOST", 8)

    for i in range(40):
        assert one.transform("h0", history=[visit("i1", 1, topic=f"t{i}")], at="2026-01-06")[0] == 1.0


def test_the_standard_set_has_the_bits_of_the_batch(world: Any) -> None:
    rows = records(world, 8)
    features, data, at = fitted(world, STANDARD, rows, dtype="float32")
    one = features.compiled(data, actions=ACTIONS)
    mine = plain(world, [row for row in rows if row["hcp_id"] == "h1"])

    expected = long_way(features, data, mine, hcp="h1", at=at)

    for _ in range(3):
        found = one.design("h1", history=mine, at=dt.datetime.fromtimestamp(at, dt.UTC))
        assert_array_equal(found.shared, expected.shared)
        assert_array_equal(found.own, expected.own)


def test_features_are_fitted_first(world: Any) -> None:
    with pytest.raises(NotFittedError):
        EngagementFeatures([Count()]).compiled(world.engagement(world.random_records(6)))
