"""Measures of tables beside the log stand among the others, whichever way an HCP is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from beside_tables import DAY, FAMILIES, PUSHED, START, Family, network, prescriptions, signals
from numpy.testing import assert_array_equal

from nba.contracts import Action
from nba.errors import ArgumentError
from nba.features import (
    Count,
    EngagementFeatures,
    PeerEngagement,
    Peers,
    Prescriptions,
    Rate,
    Signals,
)
from nba.features.beside import TableMeasure
from nba.features.declare import KINDS
from nba.tables import OneHCP, as_moment
from nba.testing import assert_point_in_time

ACTIONS = (Action("push", "c0"), Action("approved_email", "c1"))
MEASURES = (
    Count(of="touches", by="channel", window_days=30),
    Prescriptions(by="product_id"),
    Signals(by="topic", own=True),
    Rate(by="channel", own=True),
    Peers(),
    PeerEngagement(),
)


@pytest.fixture(scope="module", name="records")
def _records(world: Any) -> Any:
    return world.random_records(9)


@pytest.fixture(scope="module", name="data")
def _data(world: Any, records: Any) -> Any:
    return world.engagement(records, prescriptions=prescriptions(9), signals=signals(9), network=network(9))


def test_one_hcp_compiled_from_records_has_the_bits_of_the_batch(world: Any, records: Any, data: Any) -> None:
    at = START + 45 * DAY
    features = EngagementFeatures(MEASURES)
    features.fit_events(features.events(data), data.columns("hcps"), until=at)
    n, k = len(world.hcps()), len(ACTIONS)
    batch = features.design(
        features.events(data), data.columns("hcps"), hcps=data.columns("hcps")["hcp_id"], at=np.full(n, at),
        actions=ACTIONS, row=np.repeat(np.arange(n), k), pair=np.tile(np.arange(k), n),
    )  # fmt: skip
    one = features.compiled(data, actions=ACTIONS)

    for i, hcp in enumerate(data.columns("hcps")["hcp_id"]):
        mine = world.plain([record for record in records if record["hcp_id"] == hcp])
        found = one.design(str(hcp), history=mine, at="2026-02-15")

        assert_array_equal(found.shared[0], batch.shared[i])
        assert_array_equal(found.own, batch.own[i * k : (i + 1) * k])


@pytest.mark.parametrize("size", [1, 3_000])
def test_a_large_design_is_made_in_pieces_with_the_bits_of_the_whole(
    data: Any, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    features = EngagementFeatures(MEASURES).fit(data, until="2026-02-15")
    events, rng, n, k = features.events(data), np.random.default_rng(1), 120, len(ACTIONS)
    people = data.columns("hcps")
    asked = {
        "hcps": people["hcp_id"][rng.integers(len(people["hcp_id"]), size=n)], "actions": ACTIONS,
        "at": START + rng.integers(20, 60, n) * DAY, "row": np.repeat(np.arange(n), k),
        "pair": np.tile(np.arange(k), n), "profiled": rng.random(n) < 0.7,
    }  # fmt: skip
    whole = features.seen(events, people, **asked).design
    monkeypatch.setattr("nba.features.engine._BYTES_AT_ONCE", size)

    pieces = features.design(events, people, **asked)

    assert_array_equal(pieces.shared, whole.shared)
    assert_array_equal(pieces.own, whole.own)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_nothing_moves_with_the_future_and_every_leak_is_found(world: Any, family: Family) -> None:
    found = assert_point_in_time(
        EngagementFeatures(family.measures), family.engagement(world, 5), at=family.at, futures=3
    )

    assert found.leaks


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_one_hcp_from_records_has_the_bits_of_the_batch(world: Any, family: Family) -> None:
    data = family.engagement(world, 7)
    hcps, k, at = data.columns("hcps")["hcp_id"].tolist(), len(PUSHED), as_moment(family.at)
    features = world.fitted(family.measures, data, until=at, dtype="float32")
    batch = world.design_of(features, data, hcps=hcps, at=[at] * len(hcps), actions=PUSHED)

    for i, hcp in enumerate(hcps):
        one = OneHCP.from_records(hcp, history=[], reference=data)
        alone = world.design_of(features, one, hcps=[hcp], at=[at], actions=PUSHED)

        assert_array_equal(alone.shared[0], batch.shared[i])
        assert_array_equal(alone.own, batch.own[i * k : (i + 1) * k])


def test_every_measure_of_a_table_beside_the_log_is_in_the_family_of_its_table() -> None:
    kinds = {name: kind.table for name, kind in KINDS.items() if issubclass(kind, TableMeasure)}

    assert len(kinds) == 9
    for table, family in FAMILIES.items():
        assert {type(m).__name__ for m in family.measures} == {k for k, of in kinds.items() if of == table}


def test_tables_are_laid_out_once_for_as_long_as_they_are_the_same(data: Any, world: Any) -> None:
    features = EngagementFeatures(MEASURES)

    one, again = features.events(data), features.events(data)
    other = features.events(
        world.engagement(
            world.random_records(9), prescriptions=prescriptions(8), signals=signals(9), network=network(9)
        )
    )

    assert one.beside["prescriptions"] is again.beside["prescriptions"]
    assert one.beside["prescriptions"] is not other.beside["prescriptions"]


def test_a_missing_table_is_named_before_any_work(data: Any, world: Any) -> None:
    features = EngagementFeatures(MEASURES).fit(data, until="2026-02-15")

    with pytest.raises(
        ArgumentError, match="no table network and no table prescriptions and no table signals"
    ):
        features.transform(world.engagement(world.random_records(9)), at="2026-02-15")
