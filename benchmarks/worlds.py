"""Worlds with a known truth: pure noise, and one shaped like trees.

python -m benchmarks.worlds            the weight that boosted trees earn in each, and what it is worth
python -m benchmarks.worlds --quick    the same, smaller

The generators share no code with the models.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.report import arguments, finish, timed
from nba.contracts import Action, Design, Feature, Floats, Ints
from nba.errors import NBAWarning
from nba.models import PairPropensity
from training.console import table

DAY = 86_400
YEAR = 360
GAP_DAYS = 14
"""Labels look this far ahead, so that much is left out between what is learned and what is judged."""


class World(NamedTuple):
    """Requests over a year, what came of them, and the true log-odds they were drawn with."""

    design: Design
    y: Floats
    at: Ints
    truth: Floats


def noise_world(*, seed: int, requests: int = 20_000, pairs: int = 24) -> World:
    """Every pair has its own rate, about 5 %; no column says anything."""
    return _world(seed, requests, pairs, lambda rng, shared, own, channel: np.full(len(own), -3.0))


def tree_world(*, seed: int, requests: int = 20_000, pairs: int = 24) -> World:
    """Steps, an exclusive-or of two columns and one that only counts in some channels; rate about 20 %."""
    return _world(seed, requests, pairs, _trees)


WORLDS: dict[str, Callable[..., World]] = {"pure noise": noise_world, "shaped like trees": tree_world}


def before_and_after(world: World, *, share: float = 0.7) -> tuple[Ints, Ints]:
    """Requests to fit on, and those to judge on: later, with the gap between."""
    cut = np.quantile(world.at, share)
    return np.flatnonzero(world.at < cut - GAP_DAYS * DAY), np.flatnonzero(world.at >= cut)


def taken(design: Design, which: Ints) -> Design:
    """Some of a design's requests."""
    return Design(
        shared=design.shared,
        own=design.own[which],
        row=design.row[which],
        pair=design.pair[which],
        actions=design.actions,
        groups=design.groups,
        shared_features=design.shared_features,
        own_features=design.own_features,
    )


def run(argv: list[str] | None = None) -> None:
    """Fit with and without the correction in every world, and print the weights."""
    options = arguments(__doc__ or "", argv)
    seeds = range(options.seed, options.seed + (1 if options.quick else 5))
    requests = 20_000 if options.quick else 60_000
    figures: dict[str, Any] = {}
    for name, make in WORLDS.items():
        found = [judged(make(seed=seed, requests=requests)) for seed in seeds]
        print(f"\n{name}: {requests:,} requests, {len(found)} seeds; weights of seed {options.seed}")
        print(
            table(("channel", "positives of the pair", "earned on positives", "weight"), found[0].pop("rows"))
        )
        figures[name] = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
        figures[name]["weight_max"] = float(max(one["weight"] for one in found))
        figures[name]["weight_min"] = float(min(one["weight"] for one in found))
    keys = list(next(iter(figures.values())))
    print("\n" + table(("", *figures), [(key, *(f"{figures[w][key]:.4g}" for w in figures)) for key in keys]))
    finish(figures)


def judged(world: World) -> dict[str, Any]:
    """The pooled weight, and log loss x 1000 with and without it, on later requests."""
    fit_on, judge_on = before_and_after(world)
    before, after = taken(world.design, fit_on), taken(world.design, judge_on)
    out: dict[str, Any] = {}
    for name, correction in (("base alone", None), ("corrected", "auto")):

        def fit(correction: str | None = correction) -> PairPropensity:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NBAWarning)
                model = PairPropensity(correction=correction)
                return model.fit(before, world.y[fit_on], at=world.at[fit_on], gap_seconds=GAP_DAYS * DAY)

        took, model = timed(fit, repeats=1)
        margin, _ = model.score(after)
        loss = np.logaddexp(0.0, margin) - world.y[judge_on] * margin
        p = 1 / (1 + np.exp(-world.truth[judge_on]))
        truth = np.logaddexp(0.0, world.truth[judge_on]) - p * world.truth[judge_on]
        kl = np.logaddexp(0.0, margin) - p * margin - truth
        out |= {
            f"log loss, {name}": 1000 * float(loss.mean()),
            f"KL to truth, {name}": 1000 * float(kl.mean()),
        }
        out |= {f"fit CPU s, {name}": took.cpu}
    out["weight"] = model.weights_.pooled
    out["rows"] = model.weights_.rows()
    return out


def _world(seed: int, requests: int, pairs: int, shape: Callable[..., Floats]) -> World:
    rng = np.random.default_rng(seed)
    hcps = max(requests // 40, 1)
    n_rows = max(requests // 4, 1)
    who = rng.integers(0, hcps, n_rows)
    day = rng.integers(0, YEAR, n_rows)
    shared = np.stack(
        [
            rng.normal(size=hcps)[who],
            rng.normal(size=hcps)[who] + 0.5 * rng.normal(size=n_rows),
            rng.poisson(2.0, n_rows).astype(float),
            rng.exponential(30.0, n_rows),
            (rng.random(hcps) < 0.4)[who].astype(float),
            rng.random(n_rows),
        ],
        axis=1,
    )
    shared[rng.random(n_rows) < 0.15, 3] = np.nan
    row = np.sort(rng.integers(0, n_rows, requests))
    pair = rng.choice(pairs, size=requests, p=rng.dirichlet(np.full(pairs, 0.8)))
    own = np.stack([rng.poisson(1.0, requests).astype(float), rng.exponential(20.0, requests)], axis=1)
    own[own[:, 0] == 0, 1] = np.nan
    channel = np.arange(pairs) % 3
    level = 0.4 * rng.normal(size=3)[channel] + 0.3 * rng.normal(size=pairs)
    truth = level[pair] + shape(rng, shared[row], own, channel[pair])
    return World(
        design=Design(
            shared=shared,
            own=own,
            row=row,
            pair=pair,
            actions=tuple(Action(f"c{channel[k]}", f"m{k:03d}") for k in range(pairs)),
            groups=tuple((f"channel=c{channel[k]}", f"topic=t{k % 4}") for k in range(pairs)),
            shared_features=(
                Feature("interest", "interest"),
                Feature("mood", "mood"),
                Feature("visits", "visits", unit="count"),
                Feature("since", "days since the last click", unit="days"),
                Feature("leader", "opinion leader", unit="flag"),
                Feature("opened", "share opened", unit="share"),
            ),
            own_features=(
                Feature("met", "times this content was met", unit="count"),
                Feature("ago", "days since", unit="days"),
            ),
        ),
        y=(rng.random(requests) < 1 / (1 + np.exp(-truth))).astype(float),
        at=day[row].astype(np.int64) * DAY,
        truth=truth,
    )


def _trees(rng: np.random.Generator, shared: Floats, own: Floats, channel: Ints) -> Floats:
    crossed = (shared[:, 0] > 0) != (shared[:, 5] > 0.5)
    recent = np.nan_to_num(shared[:, 3], nan=999.0) < 14
    tired = (own[:, 0] >= 2) & (shared[:, 2] >= 3)
    return -2.2 + 1.6 * crossed + 1.2 * (recent & (shared[:, 4] > 0)) - 1.5 * tired * (channel != 2)


if __name__ == "__main__":
    run()
