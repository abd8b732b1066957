"""The check passes what is clean, and finds what reads ahead, in whatever way it does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nba
from nba.errors import CheckError
from nba.features import Count, EngagementFeatures, Events, Silence, Velocity
from nba.history import Histories
from nba.testing import assert_point_in_time
from nba.testing.history import LEAKS


@pytest.fixture(scope="module", name="data")
def _data() -> Any:
    return nba.simulate.territory(seed=3, hcps=40, days=90).engagement


@pytest.mark.parametrize(
    "features", [EngagementFeatures.standard(), EngagementFeatures([Silence(), Velocity()])]
)
def test_what_the_library_declares_passes_and_every_leak_is_found(data: Any, features: Any) -> None:
    before = data.interactions.copy()

    found = assert_point_in_time(features, data, futures=1)

    assert found.leaks == LEAKS
    assert found.values > 0
    assert len(found.moments) == 3
    assert "stood still" in str(found)
    assert not hasattr(features, "columns_")
    assert data.interactions.equals(before)


def test_a_moment_of_ones_own_is_taken(data: Any) -> None:
    found = assert_point_in_time(EngagementFeatures([Count()]), data, at="2026-08-20", futures=1)

    assert found.moments == (1_787_184_000,)


class ReadsAhead(EngagementFeatures):
    """Takes what arrived late as if it had been known at once."""

    def events(self, engagement: Any) -> Events:
        events = super().events(engagement)
        log = events.interactions
        early = Histories.from_columns({**log, "recorded_at": log["ts"]})
        return Events(early, log, events.content, events.channels, events.hcps)


class LearnsFromAll(EngagementFeatures):
    """Learns what has a column from the whole log."""

    def fit_events(self, events: Any, hcps: Any, *, until: int) -> Any:
        return super().fit_events(events, hcps, until=2**31)


class LooksAround(EngagementFeatures):
    """Adds to every number how many HCPs there are."""

    def design(self, *given: Any, **asked: Any) -> Any:
        design = super().design(*given, **asked)
        np.add(design.shared, len(design.shared), out=design.shared)
        return design


@pytest.mark.parametrize(
    ("leaky", "said"),
    [
        (ReadsAhead([Count(of="touches")]), "move when only the future changes"),
        (LearnsFromAll([nba.features.Rate()]), "move when only the future changes"),
        (LooksAround([Count()]), "move when an HCP is computed alone"),
    ],
)
def test_what_reads_ahead_or_around_is_found(data: Any, leaky: Any, said: str) -> None:
    with pytest.raises(CheckError, match=said):
        assert_point_in_time(leaky, data)


def test_data_that_can_prove_nothing_is_said_to(data: Any) -> None:
    with pytest.raises(CheckError, match="Nothing is proven"):
        assert_point_in_time(EngagementFeatures([Count(of="complained", window_days=1)]), data, futures=1)
