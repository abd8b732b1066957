"""The end-to-end benchmark compares like with like, and prints what it promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightgbm", reason="the plain stack is made of LightGBM and shap")
pytest.importorskip("shap", reason="the plain stack is made of LightGBM and shap")

from benchmarks import endtoend
from benchmarks.endtoend import Meter, one_country
from benchmarks.plain import EXPLORE, choose

ROOT = Path(__file__).parents[2]
NAMED = {"hcps", "pairs", "seconds", "plain_seconds", "ratio", "peak_mb", "growth_exponent"}


def test_the_choice_of_the_plain_stack_is_drawn_as_its_probability_says() -> None:
    propensity = np.tile([0.1, 0.3, 0.2], (200_000, 1))

    action, selection_prob = choose(propensity, rng=np.random.default_rng(3))

    expected = np.array([EXPLORE / 3, 1 - 2 * EXPLORE / 3, EXPLORE / 3])
    assert np.abs(np.bincount(action) / len(action) - expected).max() < 0.002
    np.testing.assert_allclose(selection_prob, expected[action])


def test_a_stage_inside_another_is_counted_once() -> None:
    meter = Meter()

    with meter("outer"), meter("inner"):
        sum(range(2_000_000))

    assert meter.seconds["inner"] > 10 * meter.seconds["outer"] >= 0.0


@pytest.mark.slow
def test_both_sides_have_the_same_features() -> None:
    data = one_country(120, seed=5)
    model, (design, y, _), _ = endtoend.fitted(data)

    compared = endtoend.check_same_features(model, data)

    assert len(design) == len(y) == model.training_["rows"]
    assert compared > 120 * len(model.features.shared_features_)


@pytest.mark.slow
def test_the_quick_run_prints_a_table_and_ends_with_its_figures() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.endtoend", "--quick"],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures.keys() >= NAMED
    assert all(figures[name] > 0 for name in NAMED - {"growth_exponent"})
    assert "plain stack" in done.stdout
    assert "are the same in both" in done.stdout
