"""How long deciding takes, beside a matmul and two bandit libraries.

python -m benchmarks.decide --quick
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

import nba
from benchmarks.report import arguments, finish, timed
from nba import policies, simulate
from nba.contracts import Scores
from training.console import table

HCPS, ACTIONS, FEATURES = 100_000, 40, 64
PEER_ROWS = 2_000
UNTIL = "2026-09-01"


def world(seed: int) -> tuple[np.ndarray, Scores, np.ndarray]:
    """Priorities, scores and who is eligible: 100k HCPs x 40 actions."""
    rng = np.random.default_rng(seed)
    shape = (HCPS, ACTIONS)
    margin, spread = rng.normal(-3, 0.7, shape), rng.uniform(0.1, 0.6, shape)
    margin[:, 0], spread[:, 0] = -np.inf, 0.0
    slope = np.tile(rng.uniform(0.5, 2, ACTIONS), (HCPS, 1))
    rows, responses = np.full(ACTIONS, 500.0), np.full(ACTIONS, 30.0)
    scores = Scores(margin, spread, rows, np.zeros(ACTIONS, dtype=bool), slope, responses)
    eligible = rng.random(shape) < 0.8
    eligible[:, 0] = True
    return scores.propensity * slope, scores, eligible


def naive_thompson(
    priorities: np.ndarray, scores: Scores, eligible: np.ndarray, *, nodes: int = 48
) -> np.ndarray:
    """The same chances by one Gauss-Legendre grid a row, in plain numpy."""
    slope, margin, spread = scores.slope[:, 1:], scores.margin[:, 1:], scores.spread[:, 1:]
    reach = np.where(eligible[:, 1:], slope / (1 + np.exp(-margin - 6 * spread)), 0)
    floor = np.where(eligible[:, 1:], slope / (1 + np.exp(-margin + 6 * spread)), 0)
    low, high = floor.max(axis=1), reach.max(axis=1)
    knots, weights = np.polynomial.legendre.leggauss(nodes)
    x = (low + high)[:, None] / 2 + (high - low)[:, None] / 2 * knots
    share = np.clip(x[:, :, None] / slope[:, None, :], 1e-12, 1 - 1e-12)
    z = (np.log(share / (1 - share)) - margin[:, None, :]) / spread[:, None, :]
    z = np.where(eligible[:, None, 1:], z, 40.0)
    below = ndtr(z)
    density = np.exp(-0.5 * z * z) / (spread[:, None, :] * share * (1 - share) * slope[:, None, :])
    product = below.prod(axis=2) * weights
    found: np.ndarray = (product[:, :, None] * density / np.maximum(below, 1e-300)).sum(axis=1)
    return found / found.sum(axis=1, keepdims=True)


def mabwiser_seconds(seed: int) -> dict[str, float]:
    """Seconds that LinUCB and LinTS take for 100k rows, from ``PEER_ROWS`` of them."""
    from mabwiser.mab import MAB, LearningPolicy

    rng = np.random.default_rng(seed)
    known, asked = rng.normal(size=(2_000, FEATURES)), rng.normal(size=(PEER_ROWS, FEATURES))
    found = {}
    for name, rule in (
        ("LinUCB", LearningPolicy.LinUCB(alpha=1.0)),
        ("LinTS", LearningPolicy.LinTS(alpha=1.0)),
    ):
        model = MAB(list(range(ACTIONS)), rule, seed=seed)
        model.fit(list(rng.integers(0, ACTIONS, 2_000)), list(rng.integers(0, 2, 2_000)), known)
        took, _ = timed(lambda m=model: m.predict(asked), repeats=1)
        found[name] = took.cpu * HCPS / PEER_ROWS
    return found


def vw_seconds(seed: int) -> float:
    """Seconds that vowpalwabbit's squarecb takes for 100k rows, from ``PEER_ROWS`` of them."""
    from vowpalwabbit import Workspace

    rng = np.random.default_rng(seed)
    rows = [
        " ".join(f"f{j}:{v:.3f}" for j, v in enumerate(x)) for x in rng.normal(size=(PEER_ROWS, FEATURES))
    ]
    vw = Workspace(f"--cb_explore {ACTIONS} --squarecb --quiet")
    took, _ = timed(lambda: [vw.predict(f"| {row}") for row in rows], repeats=1)
    vw.finish()
    return took.cpu * HCPS / PEER_ROWS


def capacity_seconds(priorities: np.ndarray, scores: Scores, eligible: np.ndarray, seed: int) -> float:
    """500 capacity rows: visits and samples in each of 250 territories."""
    rng = np.random.default_rng(seed)
    territory = rng.integers(0, 250, HCPS)
    visits, samples = np.zeros(ACTIONS, dtype=bool), np.zeros(ACTIONS, dtype=bool)
    visits[1:14], samples[20:24] = True, True
    limits = [
        policies.Limit(f"{name} {t}", np.flatnonzero(territory == t), actions, units)
        for t in range(250)
        for name, actions, units in (("visits", visits, 60), ("samples", samples, 20))
    ]
    took, found = timed(
        lambda: policies.settle(
            policies.InverseGap(),
            priorities=priorities,
            scores=scores,
            eligible=eligible,
            hcps=names(),
            seed=1,
            at=0,
            limits=limits,
        ),
        repeats=1,
    )
    used = np.array([limit.actions[found.choice.action[limit.rows]].sum() for limit in limits])
    if (used > [limit.units for limit in limits]).any():
        raise SystemExit("a capacity was broken")
    return took.cpu


def names() -> list[str]:
    """One id an HCP."""
    return [f"hcp_{i:06d}" for i in range(HCPS)]


def one_decision(seed: int, times: int) -> dict[str, float]:
    """Milliseconds of one full decision in a service (receipt written, reasons worded), and of its commit."""
    territory = simulate.territory(seed=seed, hcps=150, days=240, contents=20)
    data = territory.engagement
    model = nba.NextBestAction().fit(data, until=UNTIL).warm_up(data)
    frame = data.interactions.drop(columns=["machine", "touch", "engaged"])
    ids = sorted(data.hcps["hcp_id"])[:times]
    records = {hcp: _plain(part) for hcp, part in frame.groupby("hcp_id") if hcp in set(ids)}
    decide, commit = [], []
    with tempfile.TemporaryDirectory() as folder:
        log = nba.Log(f"sqlite:///{Path(folder) / 'log.db'}")
        for number, hcp in enumerate([*ids[:5], *ids]):
            start = time.perf_counter()
            plan = model.decide(hcp, history=records.get(hcp, []), at=UNTIL, seed=seed)
            receipts, card = tuple(plan.receipts()), plan[hcp].text  # both are written when first read
            middle = time.perf_counter()
            log.append(receipts)
            if not card:
                raise SystemExit("a decision came without words")
            if number >= 5:  # the first few warm up
                decide.append(middle - start)
                commit.append(time.perf_counter() - middle)
    return {
        "decide_ms_p50": 1e3 * float(np.quantile(decide, 0.5)),
        "decide_ms_p99": 1e3 * float(np.quantile(decide, 0.99)),
        "commit_ms_p99": 1e3 * float(np.quantile(commit, 0.99)),
    }


def _plain(part: pd.DataFrame) -> list[dict[str, Any]]:
    """Records as a service has them: without what is missing."""
    return [
        {name: cell.to_pydatetime() if isinstance(cell, pd.Timestamp) else cell
         for name, cell in row.items() if cell is not None and cell == cell}
        for row in part.to_dict("records")
    ]  # fmt: skip


def tried(run: Callable[[], Any]) -> Any:
    """What a peer gives, or None where it is not installed."""
    try:
        return run()
    except ImportError as error:
        print(f"left out: {error}")
        return None


def main() -> None:
    asked = arguments(__doc__ or "", None)
    priorities, scores, eligible = world(asked.seed)
    rng = np.random.default_rng(asked.seed)
    rows, weights = rng.normal(size=(HCPS, FEATURES)), rng.normal(size=(FEATURES, ACTIONS))
    ids = names()
    bare, _ = timed(lambda: (rows @ weights).argmax(axis=1), repeats=7)

    def ours() -> Any:
        pmf = policies.selection_pmf(
            policies.InverseGap(), priorities=priorities, scores=scores, eligible=eligible
        )
        return policies.draw(pmf, hcps=ids, seed=1, at=0)

    ours()
    pmf, _ = timed(ours, repeats=5)
    thompson = policies.Thompson(explore=0.0)
    few = slice(0, 4_000)
    known = policies.arms.scores_of(scores, np.arange(4_000))
    thompson.weights(priorities[few], known, eligible[few])
    full, _ = timed(lambda: thompson.weights(priorities, scores, eligible), repeats=1)

    def by_rows() -> None:
        for start in range(0, 4_000, 500):
            part = np.arange(start, start + 500)
            naive_thompson(priorities[part], policies.arms.scores_of(scores, part), eligible[part])

    slow, _ = timed(by_rows, repeats=1)
    naive = slow.cpu * HCPS / 4_000
    mab, vw = tried(lambda: mabwiser_seconds(asked.seed)), tried(lambda: vw_seconds(asked.seed))
    capacity = capacity_seconds(priorities, scores, eligible, asked.seed)
    single = one_decision(asked.seed, 60 if asked.quick else 150)
    lines = [
        ("numpy matmul + argmax", bare.cpu),
        ("InverseGap pmf + draw", pmf.cpu),
        ("Thompson, exact", full.cpu),
        ("Thompson, 48 nodes a row in numpy", naive),
        ("500 capacity rows", capacity),
    ]
    lines += [(f"mabwiser {name}", seconds) for name, seconds in (mab or {}).items()]
    lines += [("vowpalwabbit squarecb", vw)] if vw else []
    print(table(("100k HCPs x 40 actions", "CPU s"), [(name, f"{seconds:.3f}") for name, seconds in lines]))
    print(table(("one decision", "ms"), [(name, f"{ms:.2f}") for name, ms in single.items()]))
    finish(
        {
            "pmf_100k_s": pmf.cpu,
            "ratio_matmul": pmf.cpu / bare.cpu,
            "ratio_mabwiser": pmf.cpu / min(mab.values()) if mab else None,
            "ratio_vw": pmf.cpu / vw if vw else None,
            "thompson_100k_s": full.cpu,
            "ratio_thompson_naive": full.cpu / naive,
            **single,
            "capacity_100k_s": capacity,
        }
    )


if __name__ == "__main__":
    main()
