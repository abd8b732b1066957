"""The report says what can be computed, and what would have to be filled in for the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nba
from nba.features import WIDE, Count, EngagementFeatures, Rhythm, Sum
from nba.features.ready import needs_of, readiness


@pytest.fixture(scope="module", name="data")
def _data() -> Any:
    return nba.simulate.territory(seed=2, hcps=40, days=120).engagement


def test_what_is_ready_has_columns_with_something_in_them(data: Any) -> None:
    report = nba.readiness(data)

    ready = [m for m in WIDE if all(any(report.filled[p] for p in needs) for needs in needs_of(m))]
    features = EngagementFeatures(ready, dtype="float64").fit(data, until="2026-10-01")
    frame = features.transform(data, at="2026-10-01")
    assert len(report.ready) == len(ready) > 50
    assert frame.notna().any().mean() > 0.9
    assert all(note.startswith("attribute") for note in features.notes_)


def test_what_is_missing_is_named_with_what_it_would_add(world: Any) -> None:
    data = world.engagement(world.random_records(1))

    report = readiness(data, [Sum(weight="amount"), Sum(weight="amount", by="device"), Rhythm(), Count()])

    assert report.ready == ("count(engagements, all)",)
    assert [(lack.columns, len(lack.adds)) for lack in report.lacks] == [
        (("interactions.amount",), 2), (("hcps.timezone",), 1), (("interactions.device",), 1),
    ]  # fmt: skip
    assert "1 of 4 declared features" in str(report)
    assert "no peer features" in str(report)


def test_half_a_column_is_said_to_be_half(world: Any) -> None:
    records = world.random_records(1)
    given = [{**r, "device": "mobile" if i % 4 == 0 else None} for i, r in enumerate(records)]

    report = readiness(world.engagement(given), [Count(by="device")])

    assert report.filled["interactions.device"] == pytest.approx(0.25, abs=0.02)
    assert "interactions.device 25% filled" in str(report)


def test_every_wide_feature_may_be_explained_without_a_puzzle(data: Any) -> None:
    features = EngagementFeatures.wide().fit(data, until="2026-10-01")

    assert all(feature.label and feature.group for feature in features.catalogue_)
    assert len({feature.name for feature in features.catalogue_}) == len(features.catalogue_)
    assert np.isin([f.visibility for f in features.catalogue_], ["rep", "restricted"]).all()
