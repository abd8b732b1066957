"""How exact, fast and steady reasons are, beside shap.TreeExplainer on the same models.

python -m benchmarks.explain --quick
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

import nba
from benchmarks.report import arguments, finish, timed
from nba import assess, explain, policies, simulate
from nba.contracts import Contributions, Feature
from nba.models.booster import read_forest
from training.console import table

N_GROUPS = 9


def main() -> None:
    args = arguments(__doc__.partition("\n")[0], None)
    rows = 20_000 if args.quick else 100_000
    trees = trees_beside_shap(rows=rows, shap_rows=200 if args.quick else 4_000, seed=args.seed)
    cards = cards_of_a_territory(seed=args.seed, quick=args.quick)
    figures = {
        "additivity_max_gap": max(trees["additivity"], cards["additivity"]),
        "points_max_gap": max(trees["points"], cards["points"]),
        "reasons_100k_s": trees["seconds"] * 100_000 / rows,
        "ratio_treeexplainer": trees["ratio"],
        "one_ms_p50": cards["p50"],
        "one_ms_p99": cards["p99"],
        "card_kb": cards["kb"],
        "coverage_median": cards["coverage"],
        "stability_top3": cards["stability"],
        "refits": cards["refits"],
    }
    print(
        table(
            ("", "ours", "shap.TreeExplainer"),
            [
                ("contributions, us a row (CPU)", f"{trees['us']:.1f}", f"{trees['shap_us']:.1f}"),
                ("largest difference, log-odds", f"{trees['apart']:.1e}", "-"),
                (f"contributions, groups and points, {rows:,} rows, s", f"{trees['seconds']:.2f}", "-"),
                ("reasons and card of one decision, CPU ms, p50", f"{cards['p50']:.2f}", "-"),
                ("reasons and card of one decision, CPU ms, p99", f"{cards['p99']:.2f}", "-"),
                ("the whole path from plain records, CPU ms, p50", f"{cards['whole']:.2f}", "-"),
                ("the card with the runner-up, CPU ms, p50", f"{cards['compared']:.2f}", "-"),
                ("card, KB of HTML", f"{cards['kb']:.1f}", "-"),
                ("median share of the picture that is shown", f"{cards['coverage']:.2f}", "-"),
                (f"top 3 reasons kept over {cards['refits']} refits", f"{cards['stability']:.2f}", "-"),
                ("faithfulness: share of reasons, and without the events", cards["faithful"], "-"),
            ],
        )
    )
    finish(figures)


def trees_beside_shap(*, rows: int, shap_rows: int, seed: int) -> dict[str, float]:
    """The correction's kind of model (100 trees of 8 leaves): contributions, groups and points."""
    import lightgbm
    import shap

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 40))
    x[rng.random(x.shape) < 0.05] = np.nan
    margin = np.nan_to_num(x[:, 0]) - np.nan_to_num(x[:, 1] * x[:, 2]) - 2
    y = rng.random(rows) < 1 / (1 + np.exp(-margin))
    settings = {"objective": "binary", "num_leaves": 8, "verbosity": -1, "seed": seed, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(x, y.astype(float)), num_boost_round=100)
    forest = read_forest(booster)
    features = tuple(Feature(f"f{j}", f"f{j}", group=f"g{j % N_GROUPS}") for j in range(40))

    def reasons() -> tuple[Contributions, explain.Grouped, Any]:
        values, base = forest.contributions(x)
        whole = values.sum(axis=1) + base
        parts = Contributions(np.full(rows, base), values, whole, features)
        groups = explain.grouped(parts, audience="hq")
        return parts, groups, groups.points

    reasons()  # compile, and fill the tables
    took, (parts, groups, points) = timed(reasons)
    only, _ = timed(lambda: forest.contributions(x))
    explainer = shap.TreeExplainer(booster)
    theirs, values = timed(lambda: explainer(x[:shap_rows]).values)
    values = values[..., -1] if np.ndim(values) == 3 else values
    score = 1 / (1 + np.exp(-forest.score(x)))
    base = 1 / (1 + np.exp(-parts.base))
    return {
        "additivity": float(np.abs(groups.base + groups.values.sum(axis=1) - forest.score(x)).max()),
        "points": float(np.abs(points.sum(axis=1) - (score - base)).max()),
        "apart": float(np.abs(parts.values[:shap_rows] - values).max()),
        "seconds": took.wall,
        "us": only.cpu / rows * 1e6,
        "shap_us": theirs.cpu / shap_rows * 1e6,
        "ratio": (theirs.cpu / shap_rows) / (only.cpu / rows),
    }


def cards_of_a_territory(*, seed: int, quick: bool) -> dict[str, Any]:
    """Cards of a simulated territory: additivity, speed, size, coverage, stability, faithfulness."""
    until = "2026-09-01"
    world = simulate.territory(seed=seed, hcps=120 if quick else 1_000, days=240, contents=20)
    data = world.engagement
    model = nba.NextBestAction(policy=policies.Greedy()).fit(data, until=until)
    plan = model.recommend(data, at=until, seed=seed)
    acting = [receipt for receipt in plan if receipt.action.content]
    parts, _ = plan.contributions()
    groups = plan.points(audience="hq")
    gap = np.abs(parts.base + parts.values.sum(axis=1) - parts.margin).max()
    moved = 1 / (1 + np.exp(-parts.margin)) - 1 / (1 + np.exp(-parts.base))
    took = one_by_one(plan, acting, n=150 if quick else 600)
    whole = whole_path(model, data, acting, until=until, n=50 if quick else 600)
    compared = [_ms(lambda r=r: plan.card(r.hcp_id, contrast=True)) for r in acting[:40]]
    refits = 2 if quick else 10
    stable = assess.reason_stability(model, data, at=until, refits=refits, seed=seed)
    faithful = assess.reason_faithfulness(plan, most=60 if quick else 300)
    return {
        "additivity": float(gap),
        "points": float(np.abs(groups.points.sum(axis=1) - moved).max()),
        "p50": statistics.median(took),
        "p99": float(np.quantile(took, 0.99)),
        "whole": statistics.median(whole),
        "compared": statistics.median(compared),
        "kb": max(len(plan[r.hcp_id].to_html().encode()) for r in acting[:200]) / 1024,
        "coverage": statistics.median(explain.select(r.reasons).coverage for r in acting),
        "stability": stable.kept.mean,
        "refits": refits,
        "faithful": f"{faithful.moved.mean:.2f} of {faithful.n}",
    }


def one_by_one(plan: Any, acting: Any, *, n: int) -> list[float]:
    """CPU milliseconds from one decision's contributions to its worded reasons, its card and its HTML."""
    asked = acting[:n]
    parts, _, evidence = plan.cards.why.of([(r.hcp_id, r.action) for r in asked], at=plan.at)

    def explained(i: int) -> None:
        explain.reasons(parts, i, evidence=evidence[i], audience="hq")
        plan[asked[i].hcp_id].to_html()

    for i in range(min(20, len(asked))):
        explained(i)
    return [_ms(lambda i=i: explained(i)) for i in range(len(asked))]


def whole_path(model: Any, data: Any, acting: Any, *, until: str, n: int) -> list[float]:
    """CPU milliseconds from plain records to a decision and its card's HTML, HCP by HCP."""
    table = data.interactions.drop(columns=["machine", "touch", "engaged"], errors="ignore")
    wanted = {receipt.hcp_id for receipt in acting[:n]}
    rows = {hcp: part.to_dict("records") for hcp, part in table.groupby("hcp_id") if hcp in wanted}

    def decide(hcp: str) -> None:
        model.decide(hcp, history=rows[hcp], at=until, seed=7, data=data)[hcp].to_html()

    for hcp in sorted(rows)[:10]:
        decide(hcp)
    return [_ms(lambda hcp=hcp: decide(hcp)) for hcp in sorted(rows)]


def _ms(run: Any) -> float:
    start = time.process_time()
    run()
    return (time.process_time() - start) * 1e3


if __name__ == "__main__":
    main()
