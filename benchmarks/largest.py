"""One fit of the largest size we promise: its time, its memory, and how both grow.

python -m benchmarks.largest            200 pairs, a million requests, 100 columns; LightGBM a pair beside it
python -m benchmarks.largest --quick    40 pairs, 40,000 requests, under a minute

The world is the linear one of benchmarks/territories.py; 85 columns that say nothing stand beside its 15.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.propensity import PEERS, PLAIN, fit_ours
from benchmarks.report import arguments, finish, forget_peak, growth_exponent, held_mb, peak_mb, timed
from benchmarks.territories import divergence, linear_world, sizes_of
from benchmarks.worlds import World
from nba.contracts import Design, Feature, Floats
from training.console import table

IDLE = 85
"""Columns that say nothing: half are counts, half shares."""


def run(argv: list[str] | None = None) -> dict[str, Any]:
    """Fit at three sizes and print a table and one line of JSON; give the figures."""
    options = arguments(__doc__ or "", argv)
    pairs, requests = (40, 40_000) if options.quick else (200, 1_000_000)
    territory = linear_world(seed=options.seed, pairs=pairs)
    grid, truth = territory.grid(200, seed=options.seed + 1)
    grid = widened(grid, seed=options.seed + 2)
    found = []
    for n in (requests // 4, requests // 2, requests):
        sizes = sizes_of(pairs, n, seed=options.seed, without=0.1)
        train = territory.requests(sizes, seed=options.seed + 3)
        train = train._replace(design=widened(train.design, seed=options.seed + 4))
        found.append(measured(train, grid, truth))
    rival, asked = timed(lambda: PEERS[PLAIN](train), repeats=1)
    figures = {
        "pairs": pairs,
        "columns": grid.shared.shape[1] + grid.own.shape[1],
        "requests": [one["requests"] for one in found],
        "fit_cpu_s": [one["cpu"] for one in found],
        "fit_wall_s": [one["wall"] for one in found],
        "beside_data_mb": [one["held"] for one in found],
        "growth_exponent": growth_exponent([o["requests"] for o in found], [o["cpu"] for o in found]),
        "train_ratio_lightgbm_per_pair": found[-1]["cpu"] / rival.cpu,
        "kl": [one["kl"] for one in found],
        "kl_lightgbm_per_pair": float(divergence(asked(grid), truth).mean()),
    }
    rows = [
        (
            f"{o['requests']:,}",
            *(f"{o[key]:.0f}" for key in ("cpu", "wall", "data", "held")),
            f"{o['kl']:.1f}",
        )
        for o in found
    ]
    print(table(("requests", "CPU s", "wall s", "data MB", "beside it, at most MB", "KL x 1000"), rows))
    print(
        f"{pairs} pairs, {figures['columns']} columns. LightGBM a pair by its defaults, all requests: "
        f"{rival.cpu:.0f} CPU s, KL x 1000 {figures['kl_lightgbm_per_pair']:.1f}"
    )
    finish(figures)
    return figures


def widened(design: Design, *, seed: int) -> Design:
    """A design with columns of the HCP beside its own that say nothing."""
    rng = np.random.default_rng(seed)
    rows, counts = len(design.shared), IDLE // 2
    idle = np.hstack([rng.poisson(1.0, (rows, counts)), rng.beta(1.5, 3.0, (rows, IDLE - counts))])
    names = [Feature(f"idle count {j}", f"idle count {j}", unit="count") for j in range(counts)]
    names += [Feature(f"idle share {j}", f"idle share {j}", unit="share") for j in range(IDLE - counts)]
    return replace(
        design,
        shared=np.hstack([design.shared, idle]),
        shared_features=(*design.shared_features, *names),
    )


def measured(train: World, grid: Design, truth: Floats) -> dict[str, Any]:
    """What one fit takes, and how close it comes."""
    before = held_mb()
    forget_peak()
    took, model = timed(lambda: fit_ours(train), repeats=1)
    data = (train.design.shared.nbytes + train.design.own.nbytes) / (1 << 20)
    return {
        "requests": len(train.y),
        "cpu": took.cpu,
        "wall": took.wall,
        "data": data,
        "held": peak_mb() - before,
        "kl": float(divergence(model.margin(grid), truth).mean()),
    }


if __name__ == "__main__":
    run()
