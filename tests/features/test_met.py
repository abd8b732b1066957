"""One HCP's columns by what was met before: the bits of the batch, and less to do."""

from __future__ import annotations

import copy
import pickle
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_array_equal

from nba.features import EngagementFeatures, Events
from nba.tables import rows_from_records
from tests.features.test_compiled import (
    CLOCKED,
    COMBINED,
    PLAIN,
    SEEDS,
    WEIGHED,
    fitted,
    long_way,
    of_one,
    plain,
    records,
)

WHO = ("h0", "h3", "nobody")


def alone(data: Any, mine: list[dict[str, Any]]) -> Events:
    return Events.from_columns(
        rows_from_records(mine), content=data.columns("content"), channels=data.columns("channels"),
        hcps=data.columns("hcps"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "measures", [PLAIN, COMBINED, CLOCKED, WEIGHED], ids=["plain", "combined", "clock", "sum"]
)
@given(seed=SEEDS)
@settings(max_examples=8, deadline=None)
def test_every_bit_is_that_of_the_batch_however_often_it_was_met(
    world: Any, measures: Any, seed: int
) -> None:
    rows = records(world, seed)
    features, data, at = fitted(world, measures, rows, dtype="float32")
    for _ in range(3):
        for hcp in WHO:
            mine = plain(world, [row for row in rows if row["hcp_id"] == hcp])
            found = of_one(features, data, alone(data, mine), hcp=hcp, at=at)
            expected = long_way(features, data, mine, hcp=hcp, at=at)
            assert_array_equal(found.shared, expected.shared)
            assert_array_equal(found.own, expected.own)


def met(world: Any, measures: Any, *, seed: int = 1) -> tuple[Any, Any, list[dict[str, Any]], int]:
    rows = records(world, seed)
    features, data, at = fitted(world, measures, rows, dtype="float32")
    mine = plain(world, [row for row in rows if row["hcp_id"] == "h0"])
    for _ in range(3):
        of_one(features, data, alone(data, mine), hcp="h0", at=at)
    return features, data, mine, at


@pytest.mark.parametrize("measures", [PLAIN, COMBINED], ids=["plain", "combined"])
def test_what_was_met_is_not_laid_out_again(world: Any, measures: Any) -> None:
    features, data, mine, at = met(world, measures)

    with patch.object(EngagementFeatures, "_swept", side_effect=AssertionError("laid out again")):
        found = of_one(features, data, alone(data, mine), hcp="h0", at=at)

    assert_array_equal(found.own, long_way(features, data, mine, hcp="h0", at=at).own)


@pytest.mark.parametrize("measures", [CLOCKED, WEIGHED], ids=["clock", "sum"])
def test_clocks_and_amounts_are_read_each_time(world: Any, measures: Any) -> None:
    features, data, mine, at = met(world, measures)

    with (
        patch.object(EngagementFeatures, "_swept", side_effect=AssertionError("read")),
        pytest.raises(AssertionError, match="read"),
    ):
        of_one(features, data, alone(data, mine), hcp="h0", at=at)


def test_features_fitted_anew_begin_anew(world: Any) -> None:
    features, data, mine, at = met(world, PLAIN)
    first = features._met

    features.fit_events(features.events(data), data.columns("hcps"), until=at - 86_400)
    found = of_one(features, data, alone(data, mine), hcp="h0", at=at)

    assert features._met is not first
    assert_array_equal(found.shared, long_way(features, data, mine, hcp="h0", at=at).shared)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_begins_anew_and_gives_the_same(world: Any, copied: Any) -> None:
    features, data, mine, at = met(world, PLAIN)

    other = copied(features)

    assert other._met is None
    found = of_one(other, data, alone(data, mine), hcp="h0", at=at)
    assert_array_equal(found.shared, of_one(features, data, alone(data, mine), hcp="h0", at=at).shared)
    assert found.own.dtype == np.float32
