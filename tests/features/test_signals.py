"""Signals hold for whom they are meant, from when they began and were known, until they end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from beside_tables import DAY, START, signals
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from nba.contracts import Action
from nba.errors import ArgumentError
from nba.explain.wording import load_book
from nba.features import EngagementFeatures, SignalAge, Signals, readiness
from nba.features.declare import from_json, to_json
from nba.features.signals import ANY, TYPES
from nba.tables import TABLES, OneHCP
from nba.testing import assert_point_in_time

SEEDS = st.integers(0, 2**32 - 1)
HCPS = [f"h{i}" for i in range(6)]
ACTIONS = (Action("push", "c0"), Action("push", "c1"), Action("push", "c4"))
TOPIC_OF = {"c0": "mechanism", "c1": "dosing", "c4": ""}
MEASURES = (
    Signals(),
    Signals(by="type", window_days=30),
    Signals(of="guideline", by="topic"),
    Signals(strength=True),
    Signals(by="topic", own=True),
    Signals(of="congress", by="topic", own=True, window_days=20),
    SignalAge(),
    SignalAge(of="guideline", by="topic", own=True),
)


def engagement(world: Any, seed: int) -> Any:
    people = world.hcps().assign(
        brick_id=["b0", "b1", None, "b7", "b0", "b1"], hco_id=["o0", "o1", "o0", None, "o9", "o1"]
    )
    return world.engagement(world.random_records(seed), hcps=people, signals=signals(seed))


def fitted(data: Any, *, until: int, dtype: str = "float64") -> EngagementFeatures:
    features = EngagementFeatures(MEASURES, dtype=dtype)
    return features.fit_events(features.events(data), data.columns("hcps"), until=until)


def design_of(features: EngagementFeatures, data: Any, *, hcps: list[str], at: list[int]) -> Any:
    n, k = len(hcps), len(ACTIONS)
    return features.design(
        features.events(data), data.columns("hcps"), hcps=np.array(hcps, dtype=object),
        at=np.array(at, dtype=np.int64), actions=ACTIONS, row=np.repeat(np.arange(n), k),
        pair=np.tile(np.arange(k), n),
    )  # fmt: skip


def slowly(data: Any, measure: Any, hcp: str, at: int, *, key: str, action: Action | None) -> float:
    """Goes through the rows of the table as it was given."""
    person = data.hcps.set_index("hcp_id").loc[hcp]
    mine = {"hcp": hcp, "hco": person["hco_id"], "brick": person["brick_id"], "country": person["country"]}
    wanted = TOPIC_OF[action.content] if action else key
    held = []
    for row in data.signals.to_dict("records"):
        begin, read = row["valid_from"].timestamp(), row["recorded_at"].timestamp()
        end = math.inf if row["valid_to"] != row["valid_to"] else row["valid_to"].timestamp()
        if not (begin < at and read < at < end) or begin < at - (measure.window_days or 9_999) * DAY:
            continue
        if row["scope"] != "global" and mine[row["scope"]] != row["scope_id"]:
            continue
        if measure.of not in (ANY, row["type"]):
            continue
        if measure.by is not None and (not wanted or row[measure.by] != wanted):
            continue
        held.append((begin, 1.0 if math.isnan(row["strength"]) else row["strength"]))
    if isinstance(measure, SignalAge):
        return (at - max(begin for begin, _ in held)) / DAY if held else math.nan
    return float(sum(strength for _, strength in held)) if measure.strength else float(len(held))


@given(seed=SEEDS)
@settings(max_examples=6, deadline=None)
def test_every_column_equals_going_through_the_rows(world: Any, seed: int) -> None:
    data = engagement(world, seed % 2**31)
    rng = np.random.default_rng(seed)
    at = [int(t) for t in START + rng.integers(-10, 50, len(HCPS)) * DAY + rng.integers(0, 2, len(HCPS))]
    features = fitted(data, until=max(at))

    design = design_of(features, data, hcps=HCPS, at=at)

    for i, hcp in enumerate(HCPS):
        shared = [
            slowly(data, m, hcp, at[i], key=column.key, action=None)
            for m, columns in zip(features.measures, features.columns_, strict=True)
            if not m.own
            for column in columns
        ]
        assert_allclose(design.shared[i], shared, rtol=1e-12)
        for k, action in enumerate(ACTIONS):
            own = [slowly(data, m, hcp, at[i], key="", action=action) for m in MEASURES if m.own]
            assert_allclose(design.own[i * len(ACTIONS) + k], own, rtol=1e-12)


def test_nothing_moves_with_the_future_and_every_leak_is_found(world: Any) -> None:
    found = assert_point_in_time(
        EngagementFeatures(MEASURES), engagement(world, 5), at="2026-01-20", futures=3
    )

    assert found.leaks


def test_one_hcp_from_records_has_the_bits_of_the_batch(world: Any) -> None:
    data = engagement(world, 7)
    at = START + 25 * DAY
    features = fitted(data, until=at, dtype="float32")
    batch = design_of(features, data, hcps=HCPS, at=[at] * len(HCPS))

    for i, hcp in enumerate(HCPS):
        one = OneHCP.from_records(hcp, history=[], reference=data)
        alone = design_of(features, one, hcps=[hcp], at=[at])

        assert_array_equal(alone.shared[0], batch.shared[i])
        assert_array_equal(alone.own, batch.own[i * len(ACTIONS) : (i + 1) * len(ACTIONS)])


def test_a_card_may_say_what_happened_but_nothing_of_competitors(world: Any) -> None:
    book = load_book()
    recent = Signals(of="guideline", by="topic", own=True, window_days=60)
    feature = recent.describe("")

    said = book.sentence(feature, recent.evidence([2.0]), sign=+1, names={"this topic": "dosing"})

    assert said == "2 new guidelines on dosing in the last 60 days"
    assert book.sentence(feature, recent.evidence([1.0]), sign=+1).startswith("1 new guideline on")
    assert Signals(of="competitor_launch").describe("").visibility == "hq"
    assert Signals(by="type").describe("competitor_launch").visibility == "hq"
    assert SignalAge(of="congress").describe("").visibility == "rep"
    german = load_book("de").sentence(feature, recent.evidence([2.0]), sign=+1, names={"this topic": "Dosis"})
    assert german == "2 neue Leitlinien zum Thema Dosis in den letzten 60 Tagen"


def test_they_stay_for_who_objects_to_profiling(world: Any) -> None:
    data = engagement(world, 7)
    at = START + 25 * DAY
    features = fitted(data, until=at)
    rows = {"hcps": np.array(["h0"], dtype=object), "at": np.array([at])}
    asked = {"actions": ACTIONS, "row": np.array([0]), "pair": np.array([0])}

    design = features.design(
        features.events(data), data.columns("hcps"), **rows, **asked, profiled=np.array([False])
    )

    assert not np.isnan(design.shared[0, 0])


def test_every_type_of_the_table_can_be_asked_for() -> None:
    assert tuple(TYPES) == TABLES["signals"]["type"].values
    assert [from_json(to_json(m)) for m in MEASURES] == list(MEASURES)


def test_readiness_names_what_is_missing(world: Any) -> None:
    report = readiness(world.engagement(world.random_records(1)), list(MEASURES))

    assert not report.ready
    assert "signals.type is empty; it would add 8" in str(report)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Signals(of="rumour"), "of is 'rumour'"),
        (lambda: Signals(of="guideline", by="type"), "one type"),
        (lambda: Signals(by="type", own=True), "by is 'type'"),
        (lambda: SignalAge(window_days=0), "window_days is 0"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        make()
