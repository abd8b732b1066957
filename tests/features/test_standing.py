"""A standing is the share of colleagues below, as one would count it."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from nba.contracts import Action
from nba.errors import ArgumentError
from nba.features import Depth, EngagementFeatures, Standing
from nba.features.declare import from_json, to_json
from nba.features.ready import needs_of
from nba.testing import assert_point_in_time

HCPS = [f"h{i}" for i in range(6)]
SPECIALTIES = ["cardiology", "oncology", "", "cardiology", "oncology", "dermatology"]
MEASURES = (Standing(half_life_days=20, least=2), Depth(half_life_days=20))


def fitted(world: Any, rows: Any, *, until: int, dtype: str = "float64") -> tuple[EngagementFeatures, Any]:
    data = world.engagement(rows)
    features = EngagementFeatures(MEASURES, dtype=dtype)
    return features.fit_events(features.events(data), data.columns("hcps"), until=until), data


def columns_at(features: EngagementFeatures, data: Any, at: int, hcps: list[str] = HCPS) -> np.ndarray:
    none = np.zeros(0, dtype=np.int64)
    return features.design(
        features.events(data), data.columns("hcps"), hcps=np.array(hcps, dtype=object),
        at=np.full(len(hcps), at), actions=(), row=none, pair=none,
    ).shared  # fmt: skip


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_a_standing_is_counted_among_colleagues_or_everybody(world: Any, seed: int) -> None:
    rows = world.random_records(seed)
    until, at = world.START + 30 * world.DAY, world.START + 45 * world.DAY
    features, data = fitted(world, rows, until=until)

    found = columns_at(features, data, at, [*HCPS, "nobody"])

    then = columns_at(features, data, until)[:, 1]  # the scores that fit saw
    for i, hcp in enumerate([*HCPS, "nobody"]):
        specialty = SPECIALTIES[i] if i < 6 else ""
        colleagues = [s for s, name in zip(then, SPECIALTIES, strict=True) if name == specialty]
        if specialty in ("", "dermatology"):  # not known, or too few of them
            colleagues = list(then)
        score = found[i, 1]
        expected = sum((s < score) + (s == score) / 2 for s in colleagues) / len(colleagues)
        assert_allclose(found[i, 0], expected, rtol=1e-12, err_msg=hcp)


def test_one_hcp_from_records_and_a_state_give_the_same_bits(world: Any) -> None:
    rows = world.random_records(3)
    at = world.START + 45 * world.DAY
    features, data = fitted(world, rows, until=at, dtype="float32")
    batch = columns_at(features, data, at)

    state, arrays = features.to_state()
    again = EngagementFeatures.from_state((json.loads(json.dumps(state)), arrays))
    one = again.compiled(data, actions=(Action("push", "c1"),))

    assert_array_equal(columns_at(again, data, at), batch)
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    for _ in range(3):
        for i, hcp in enumerate(HCPS):
            mine = world.plain([row for row in rows if row["hcp_id"] == hcp])
            assert_array_equal(one.transform(hcp, history=mine, at=moment), batch[i])


def test_no_standing_moves_when_the_future_or_a_colleague_does(world: Any) -> None:
    data = world.engagement(world.random_records(9))

    found = assert_point_in_time(EngagementFeatures(MEASURES), data, at="2026-02-10", futures=1)

    assert found.leaks


def test_who_may_not_be_profiled_stands_nowhere(world: Any) -> None:
    at = world.START + 45 * world.DAY
    features, data = fitted(world, world.random_records(3), until=at)
    none = np.zeros(0, dtype=np.int64)

    shared = features.design(
        features.events(data), data.columns("hcps"), hcps=np.array(HCPS, dtype=object), at=np.full(6, at),
        actions=(), row=none, pair=none, profiled=np.arange(6) != 2,
    ).shared  # fmt: skip

    assert np.isnan(shared[2]).all()
    assert not np.isnan(shared[[0, 1, 3, 4, 5]]).any()


def test_it_says_what_it_is_and_needs() -> None:
    measure = Standing()

    assert measure.name("") == "standing(engagements, all, among specialty, half-life 60d)"
    assert from_json(json.loads(json.dumps(to_json(measure)))) == measure
    assert ("hcps.specialty",) in needs_of(measure)


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: Standing(by="topic"), "compares HCPs"),
        (lambda: Standing(among="colour"), "'colour' is not in hcps"),
        (lambda: Standing(least=0), "least is 0"),
        (lambda: Standing(half_life_days=0), "half_life_days is 0"),
    ],
)
def test_what_cannot_be_is_refused(declare: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        declare()
