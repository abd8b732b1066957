"""Signals hold for whom they are meant, from when they began and were known, until they end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from beside_tables import DAY, PUSHED, SIGNALS, START
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from nba.contracts import Action
from nba.errors import ArgumentError
from nba.explain.wording import load_book
from nba.features import SignalAge, Signals, readiness
from nba.features.declare import from_json, to_json
from nba.features.signals import ANY, TYPES
from nba.tables import TABLES

SEEDS = st.integers(0, 2**32 - 1)
HCPS = [f"h{i}" for i in range(6)]
TOPIC_OF = {"c0": "mechanism", "c1": "dosing", "c4": ""}
MEASURES = SIGNALS.measures


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
    data = SIGNALS.engagement(world, seed % 2**31)
    rng = np.random.default_rng(seed)
    at = [int(t) for t in START + rng.integers(-10, 50, len(HCPS)) * DAY + rng.integers(0, 2, len(HCPS))]
    features = world.fitted(MEASURES, data, until=max(at))

    design = world.design_of(features, data, hcps=HCPS, at=at, actions=PUSHED)

    for i, hcp in enumerate(HCPS):
        shared = [
            slowly(data, m, hcp, at[i], key=column.key, action=None)
            for m, columns in zip(features.measures, features.columns_, strict=True)
            if not m.own
            for column in columns
        ]
        assert_allclose(design.shared[i], shared, rtol=1e-12)
        for k, action in enumerate(PUSHED):
            own = [slowly(data, m, hcp, at[i], key="", action=action) for m in MEASURES if m.own]
            assert_allclose(design.own[i * len(PUSHED) + k], own, rtol=1e-12)


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
    data = SIGNALS.engagement(world, 7)
    at = START + 25 * DAY
    features = world.fitted(MEASURES, data, until=at)
    rows = {"hcps": np.array(["h0"], dtype=object), "at": np.array([at])}
    asked = {"actions": PUSHED, "row": np.array([0]), "pair": np.array([0])}

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
