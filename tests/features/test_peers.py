"""Peers are those of the moment, their histories are read as of it, and one HCP has the batch's bits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from beside_tables import DAY, NETWORK, START, moments, network
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import nba
from nba.errors import ArgumentError
from nba.features import EngagementFeatures, PeerEngagement, PeerRank, Peers
from nba.features.declare import from_json, to_json
from nba.features.peers import Graph
from nba.tables import OneHCP

SEEDS = st.integers(0, 2**32 - 1)
HCPS = [f"h{i}" for i in range(6)]
MEASURES = NETWORK.measures


def values(features: EngagementFeatures, data: Any, *, hcps: list[str], at: list[int]) -> Any:
    none = np.zeros(0, dtype=np.int64)
    return features.design(
        features.events(data), data.columns("hcps"), hcps=np.array(hcps, dtype=object),
        at=np.array(at, dtype=np.int64), actions=(), row=none, pair=none,
    ).shared  # fmt: skip


def ties_of(data: Any, at: int) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for row in data.network.to_dict("records"):
        if row["valid_from"].timestamp() < at:
            weight = 1.0 if math.isnan(row["weight"]) else row["weight"]
            for one, other in (
                (row["hcp_id_a"], row["hcp_id_b"]),
                (row["hcp_id_b"], row["hcp_id_a"]),
            ):
                found.setdefault(one, {})
                found[one][other] = found[one].get(other, 0.0) + weight
    return found


def ranks_of(data: Any, at: int) -> dict[str, float]:
    """PageRank by solving its equation."""
    ties = ties_of(data, at)
    names = sorted(ties)
    moves = np.array([[ties[a].get(b, 0.0) / sum(ties[a].values()) for b in names] for a in names])
    n = len(names)
    rank = np.linalg.solve(np.eye(n) - 0.85 * moves.T, np.full(n, 0.15 / n)) if n else []
    return dict(zip(names, n * np.array(rank), strict=True))


@given(seed=SEEDS)
@settings(max_examples=6, deadline=None)
def test_every_column_equals_going_through_the_ties(world: Any, seed: int) -> None:
    data = NETWORK.engagement(world, seed % 2**31)
    rng = np.random.default_rng(seed)
    at = [int(t) for t in START + rng.integers(0, 70, len(HCPS)) * DAY + rng.integers(0, 2, len(HCPS))]
    features = world.fitted(MEASURES, data, until=max(at))

    found = values(features, data, hcps=HCPS, at=at)

    rows = world.rows_of(data)
    for i, hcp in enumerate(HCPS):
        mine = ties_of(data, at[i]).get(hcp, {})

        def mean(kind: str, days: float, mine: Any = mine, now: int = at[i]) -> float:
            counts = {
                peer: sum(
                    r.ts >= now - days * DAY for r in world.Reader(data, rows, hcp=peer, at=now).of(kind)
                )
                for peer in mine
            }
            whole = sum(mine.values())
            return sum(mine[p] * counts[p] for p in mine) / whole if whole else math.nan

        refreshed = at[i] // (7 * DAY) * 7 * DAY
        expected = [
            len(mine), mean("engagements", 30), mean("touches", math.inf),
            ranks_of(data, refreshed).get(hcp, math.nan),
        ]  # fmt: skip
        assert_allclose(found[i], expected, rtol=1e-9)


def test_one_hcp_whose_peers_nobody_knows_is_refused(world: Any) -> None:
    data = NETWORK.engagement(world, 7)
    features = world.fitted(MEASURES, data, until=START + 45 * DAY)
    whole = OneHCP.from_records("h0", history=[], reference=data)
    alone = OneHCP({name: whole.columns(name) for name in ("interactions", "hcps", "content", "channels")})

    with pytest.raises(ArgumentError, match="histories of an HCP's peers"):
        features.events(alone)


def test_a_decision_from_records_has_the_bits_of_the_plan() -> None:
    data = nba.simulate.territory(seed=4, hcps=60, days=150, contents=20).engagement
    rng = np.random.default_rng(0)
    pairs = rng.choice(data.hcps["hcp_id"].to_numpy(dtype=object), (150, 2))
    ties = pd.DataFrame({"hcp_id_a": pairs[:, 0], "hcp_id_b": pairs[:, 1], "relation": "congress"}).query(
        "hcp_id_a != hcp_id_b"
    )
    tables = {name: frame for name, frame in data.tables.items() if frame is not None and name != "network"}
    log = tables.pop("interactions").drop(columns=["machine", "touch", "engaged"])
    data = nba.Engagement(
        log, **tables, network=ties, observed_until=pd.Timestamp(data.observed_until, unit="s", tz="UTC")
    )
    measures = [*nba.features.STANDARD, *MEASURES]
    model = nba.NextBestAction(features=EngagementFeatures(measures), scorer=nba.SegmentBaseline())
    at = pd.Timestamp(data.observed_until, unit="s", tz="UTC")
    model.fit(data, until=at)
    hcp = str(data.hcps["hcp_id"].iloc[0])
    mine = log[log["hcp_id"] == hcp]
    records = [
        {name: value for name, value in row.items() if value is not None and value == value}
        for row in mine.to_dict("records")
    ]

    alone = model.decide(hcp, history=records, at=at, seed=7)
    plan = model.recommend(data, at=at, seed=7)

    assert next(r for r in plan.receipts() if r.hcp_id == hcp).eligible == alone.receipts()[0].eligible


def test_peers_are_not_for_reps_and_off_for_who_objects_to_profiling(world: Any) -> None:
    data = NETWORK.engagement(world, 7)
    at = START + 45 * DAY
    features = world.fitted(MEASURES, data, until=at)
    none = np.zeros(0, dtype=np.int64)

    design = features.design(
        features.events(data), data.columns("hcps"), hcps=np.array(["h0"], dtype=object), at=np.array([at]),
        actions=(), row=none, pair=none, profiled=np.array([False]),
    )  # fmt: skip

    assert {feature.visibility for feature in features.catalogue_} == {"hq"}
    assert np.isnan(design.shared).all()


def objecting(*words: tuple[str, str, int]) -> Any:
    return pd.DataFrame(
        {
            "hcp_id": [hcp for hcp, _, _ in words], "channel": None, "purpose": "profiling",
            "opt_type": [word for _, word, _ in words], "captured_at": moments([at for *_, at in words]),
        }
    )  # fmt: skip


def test_a_peer_who_objects_to_profiling_is_not_read_from_that_moment_on(world: Any) -> None:
    records, ties = world.random_records(11), network(11)
    said, again = START + 40 * DAY, START + 50 * DAY
    words = objecting(("h1", "opt_out", said), ("h3", "opt_out", said), ("h3", "opt_in", again))
    free = world.engagement(records, network=ties)
    data = world.engagement(records, network=ties, consent=words)
    measures = [PeerEngagement(of="touches", window_days=None), Peers()]
    features = EngagementFeatures(measures, dtype="float64").fit(free, until="2026-03-01")

    def without(*gone: str) -> Any:
        kept = ~ties[["hcp_id_a", "hcp_id_b"]].isin(gone).any(axis=1)
        return world.engagement(records, network=ties[kept])

    others = [hcp for hcp in HCPS if hcp not in ("h1", "h3")]
    for at, of in [
        (said - 1, free), (said, without("h1", "h3")), (again, without("h1", "h3")),
        (again + 1, without("h1")),
    ]:  # fmt: skip
        asked = {"hcps": others, "at": [at] * len(others)}
        assert_array_equal(
            values(features, data, **asked)[:, 0], values(features, of, **asked)[:, 0], strict=True
        )
        assert_array_equal(values(features, data, **asked)[:, 1], values(features, free, **asked)[:, 1])
    late = {"hcps": others, "at": [again] * len(others)}
    assert (values(features, data, **late)[:, 0] != values(features, free, **late)[:, 0]).any()


def test_one_hcp_alone_does_not_read_who_objects_either(world: Any) -> None:
    words = objecting(("h1", "opt_out", START), ("h2", "opt_out", START))
    data = world.engagement(world.random_records(7), network=network(7), consent=words)
    at = START + 45 * DAY
    features = world.fitted(MEASURES, data, until=at)
    batch = values(features, data, hcps=HCPS, at=[at] * len(HCPS))
    service = features.compiled(data)

    for i, hcp in enumerate(HCPS):
        one = OneHCP.from_records(hcp, history=[], reference=data)

        assert_array_equal(values(features, one, hcps=[hcp], at=[at])[0], batch[i])
        moment = pd.Timestamp(at, unit="s", tz="UTC")
        assert_array_equal(service.transform(hcp, history=[], at=moment), batch[i])


def test_a_network_of_nobody_has_no_ranks() -> None:
    table = {
        "hcp_id_a": np.array(["a"], dtype=object), "hcp_id_b": np.array(["b"], dtype=object),
        "weight": np.array([np.nan]), "valid_from": np.array([10]), "recorded_at": np.array([20]),
    }  # fmt: skip
    graph = Graph.of(table)

    assert np.isnan(graph.rank(20)).all()  # known at the moment itself is not known before it
    assert_allclose(graph.rank(21), [1.0, 1.0])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ArgumentError, match="refresh_days is 0"):
        PeerRank(refresh_days=0)
    with pytest.raises(ArgumentError, match="of is 'glances'"):
        PeerEngagement(of="glances")
    with pytest.raises(ArgumentError, match="by is 'channel'"):
        Peers(by="channel")
    assert [from_json(to_json(m)) for m in MEASURES] == list(MEASURES)
