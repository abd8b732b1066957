"""Every engine of the race computes the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.features import MEASURES, PEERS, Log, columns_asked, floor_of, grow, ours

LOG = Log.random(1_500, 200, seed=5)


def test_the_columns_asked_of_the_peers_are_those_we_declare() -> None:
    _, features, _ = ours(LOG)

    assert len(columns_asked()) == len(features.shared_features_) == 137
    assert len(MEASURES) == 23


@pytest.mark.parametrize(
    "way", [way for ways in PEERS.values() for way in ways], ids=lambda way: way.__name__
)
def test_a_peer_gives_the_values_that_we_give(way) -> None:
    library = way.__name__.split("_")[0]
    pytest.importorskip(library, reason=f"{library} is not installed (dependency group bench)")
    run, _, _ = ours(LOG, dtype="float64")

    np.testing.assert_allclose(way(LOG, columns_asked()), run(), rtol=1e-10)


def test_the_floor_writes_as_much_as_we_do() -> None:
    run, _, _ = ours(LOG)

    assert floor_of(LOG, 137)().nbytes == run().nbytes


def test_growth_is_told_with_what_the_largest_size_holds_beside_its_output():
    found = grow([(5_000, 1_000), (20_000, 4_000)], seed=3)

    assert set(found) == {
        "growth_exponent", "growth_exponent_user", "large_cpu_s", "large_user_s", "large_held_mb"
    }  # fmt: skip
    assert found["large_user_s"] <= found["large_cpu_s"]
    assert found["large_held_mb"] < 200
