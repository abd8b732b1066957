"""The propensity benchmark judges by the truth, and prints what it promises."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.propensity import GROUPS, PEERS, Trial
from benchmarks.territories import TERRITORIES, divergence, sizes_of

ROOT = Path(__file__).parents[2]
NAMED = {
    "kl",
    "kl_peers",
    "regret_pct",
    "regret_peers_pct",
    "coverage90",
    "calibration_slope",
    "train_cpu_s",
    "train_ratio_lightgbm_per_pair",
    "score_us_per_hcp",
    "score_ratio_lightgbm_per_pair",
}


@pytest.fixture(scope="module")
def trial():
    return Trial.drawn(TERRITORIES["trees"], seed=3, quick=True)


@pytest.mark.parametrize("name", TERRITORIES)
def test_outcomes_come_as_often_as_the_truth_says(name):
    territory = TERRITORIES[name](seed=1, pairs=8)

    world = territory.requests(np.full(8, 5000), seed=2)

    p = 1 / (1 + np.exp(-world.truth))
    for k in range(8):
        mine = world.design.pair == k
        error = np.sqrt((p * (1 - p))[mine].sum()) / mine.sum()
        assert world.y[mine].mean() == pytest.approx(p[mine].mean(), abs=4 * error)
    assert 0.01 < p.mean() < 0.2


def test_worlds_are_what_their_names_say():
    spread = {}
    for name, make in TERRITORIES.items():
        territory = make(seed=5, pairs=12)
        truth = territory.grid(500, seed=6)[1].reshape(500, 12)
        spread[name] = (truth - truth.mean(axis=0)).std()

    assert spread["noise"] < 0.2
    assert spread["linear"] > 0.5
    assert spread["trees"] > 0.5


def test_sizes_reach_from_none_to_thousands():
    sizes = sizes_of(60, 120_000, seed=1, without=0.1)

    assert (sizes == 0).sum() == 6
    assert abs(sizes.sum() - 120_000) < 60
    assert all(((sizes >= low) & (sizes < high)).any() for _, low, high in GROUPS)


def test_the_truth_has_no_divergence_no_regret_and_the_right_level(trial):
    assert max(trial.by_group(divergence(trial.truth, trial.truth)).values()) == pytest.approx(0.0, abs=1e-9)
    assert trial.regret_pct(trial.truth) == 0.0
    assert trial.level_ratio(trial.truth) == 1.0
    assert trial.regret_pct(-trial.truth) > 100


def test_divergence_is_that_of_the_definition():
    p, q = 0.2, 0.35

    found = divergence(np.log([q / (1 - q)]), np.log([p / (1 - p)]))

    by_hand = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    assert found == pytest.approx([1000 * by_hand])


@pytest.mark.slow
def test_the_quick_run_prints_every_figure_and_beats_every_peer_where_it_is_to_choose():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.propensity", "--quick"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    figures = json.loads(done.stdout.splitlines()[-1])
    assert set(figures) >= NAMED
    assert set(figures["kl"]) == set(TERRITORIES)
    for world, peers in figures["regret_peers_pct"].items():
        assert set(peers) == set(PEERS)
        assert figures["regret_pct"][world] < min(peers.values())
