"""Train, evaluate, recommend and commit, on a folder or a simulation.

python -m training.train                       the embedded simulator
python -m training.train --data DIR            parquet or CSV tables in our schema
"""

from __future__ import annotations

import argparse
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nba
from nba import assess, guardrails, policies
from nba.contracts import DAY, DO_NOTHING
from nba.errors import ArgumentError
from nba.plan import Plan
from nba.recommender import NextBestAction
from nba.tables import Engagement, as_moment
from training.console import Progress, main, step, table

EVALUATION_DAYS = 45
"""The later window: touches of its first 31 days have closed 14-day windows."""
GAP_DAYS = 14
"""Between training and the window: no training label looks into it."""


def run(argv: list[str] | None = None) -> dict[str, Any]:
    """Do the whole job and give its headline figures."""
    options = _options(argv)
    out = _fresh_folder(options.out)
    territory = None
    if options.data is None:
        with step(f"Simulating {options.hcps:,} HCPs over a year (seed {options.seed})"):
            territory = nba.simulate.territory(seed=options.seed, hcps=options.hcps)
        data = territory.engagement
    else:
        with step(f"Reading and checking the tables in {options.data}"):
            data = Engagement.from_folder(options.data, observed_until=options.observed_until)
    print(f"  {data!r}")
    for note in data.notes:
        print(f"  - {note}")
    at = data.observed_until if options.at is None else as_moment(options.at)
    window = _evaluate(data, at=at, territory=territory)
    with step("Fitting on everything known at the moment of the plan"):
        model = _model().fit(data, until=_iso(at), report=Progress())
        digest = model.save(out / "model")
    with step(f"Recommending for every HCP as of {_iso(at)}"):
        log = nba.Log(out / "decisions.db")
        plan = model.recommend(data, at=_iso(at), seed=options.seed, log=log, report=Progress())
    with step("Committing the plan to the log"):
        done = log.commit(plan)
        voids = sum(status != "committed" for status in done.values())
        print(f"  {len(done) - voids:,} committed, {voids:,} void")
    with step("Writing plan, receipts and cards"):
        plan.to_folder(out, cards=options.cards)
    worth = None if territory is None else _worth(model, data, plan, territory, at=at, seed=options.seed)
    figures = _figures(model, window, plan, worth, digest=digest)
    (out / "figures.json").write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    _print_headline(plan, window, worth, figures, out)
    return figures


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder of interactions, content, hcps and other tables")
    parser.add_argument("--observed-until", help="until when the log is complete (default: its last event)")
    parser.add_argument("--at", help="moment of the plan (default: observed-until)")
    parser.add_argument("--hcps", type=int, default=3_000, help="HCPs to simulate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of simulation and draws (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("out/train"), help="folder to write (default: %(default)s)"
    )
    parser.add_argument("--cards", type=int, default=5, help="rep cards to write (default: %(default)s)")
    return parser.parse_args(argv)


def _fresh_folder(out: Path) -> Path:
    """An empty folder; only one that an earlier run wrote is cleared."""
    if out.exists() and any(out.iterdir()):
        if not (out / ".written-by-nba").exists():
            raise ArgumentError(f"{out} holds files of others. Name an empty or new folder with --out.")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / ".written-by-nba").touch()
    return out


def _model(**changes: Any) -> NextBestAction:
    """The model of this command: standard features, pooled pairs, a cautious contact policy."""
    settings: dict[str, Any] = {
        "outcome": nba.Response(within_days=14.0),
        "policy": policies.InverseGap(explore=0.05),
        "guardrails": [
            guardrails.FrequencyCap(8, days=30),
            guardrails.MinimumGap(2),
            guardrails.MinimumGap(14, channel="rep_visit"),
            guardrails.MinimumGap(14, channel="remote_call"),
            guardrails.MinimumGap(21, channel="msl_visit"),
        ],
    }
    return NextBestAction(**(settings | changes))


def _evaluate(data: Engagement, *, at: int, territory: Any) -> assess.Window:
    start = at - EVALUATION_DAYS * DAY
    with step(f"Fitting until {_iso(start - GAP_DAYS * DAY)}, judging from {_iso(start)}"):
        early = _model().fit(data, until=_iso(start - GAP_DAYS * DAY), report=Progress())
        truth = None
        if territory is not None:
            rows = territory.truth
            truth = dict(zip(rows["interaction_id"], rows["true_probability"], strict=True))
        return assess.later_window(early, data, start=_iso(start), end=_iso(at), truth=truth)


def _worth(
    model: NextBestAction, data: Engagement, plan: Plan, territory: Any, *, at: int, seed: int
) -> dict[str, assess.Worth]:
    """True worth of this plan, of the segment baseline's and of a random one, under the same guardrails."""
    with step("Comparing with the truth"):
        rivals = {
            "this plan": plan,
            "best guess only (greedy)": _swapped(model, policy=policies.Greedy()).recommend(
                data, at=_iso(at), seed=seed
            ),
            "segment baseline (greedy)": _segment_model(data, at).recommend(data, at=_iso(at), seed=seed),
            "random eligible": _swapped(model, policy=policies.Uniform()).recommend(
                data, at=_iso(at), seed=seed
            ),
        }
        columns = data.columns("channels")
        costs = dict(zip(columns["channel"], columns["cost"].tolist(), strict=True))
        return {
            name: assess.true_worth(it, territory, value=model.worth.value, costs=costs)
            for name, it in rivals.items()
        }


def _swapped(model: NextBestAction, *, policy: Any) -> NextBestAction:
    """The same fitted model under another policy."""
    twin = _model(policy=policy)
    twin.__dict__ |= {name: value for name, value in model.__dict__.items() if name != "policy"}
    return twin


def _segment_model(data: Engagement, at: int) -> NextBestAction:
    return _model(policy=policies.Greedy(), scorer=nba.SegmentBaseline()).fit(data, until=_iso(at))


def _figures(
    model: NextBestAction,
    window: assess.Window,
    plan: Plan,
    worth: dict[str, assess.Worth] | None,
    *,
    digest: str,
) -> dict[str, Any]:
    funnel = plan.funnel()
    return {
        "model_digest": digest,
        "training": model.training_,
        "window": window.to_dict(),
        "plan": {
            "hcps": len(plan),
            "with_action": sum(receipt.action != DO_NOTHING for receipt in plan),
            "explored": sum(receipt.explored for receipt in plan),
        },
        "funnel": [[s.rule, s.reason, s.removed] for s in funnel.steps],
        "true_worth_per_hcp": None
        if worth is None
        else {name: [w.per_hcp.mean, w.per_hcp.low, w.per_hcp.high] for name, w in worth.items()},
    }


def _print_headline(
    plan: Plan,
    window: assess.Window,
    worth: dict[str, assess.Worth] | None,
    figures: dict[str, Any],
    out: Path,
) -> None:
    print("\nWhat each guardrail removed")
    print(plan.funnel())
    print(f"\nLater window: {window.rows:,} touches of {window.hcps:,} HCPs, {window.positives:,} responses")
    rows = [
        ("segment baseline", f"{1000 * window.baseline_log_loss:.1f}"),
        ("this model", f"{1000 * window.log_loss:.1f}"),
    ]
    if window.truth_log_loss is not None:
        rows.append(("the truth (nobody can do better)", f"{1000 * window.truth_log_loss:.1f}"))
    print(table(("log loss x 1000", ""), rows))
    better = window.better_by
    verdict = "excludes zero" if better.excludes_zero else "does not exclude zero"
    print(
        f"better than the baseline by {1000 * better.mean:.1f} "
        f"[{1000 * better.low:.1f}, {1000 * better.high:.1f}] (95 %, by HCP; {verdict}); "
        f"AUC {window.auc:.3f}; calibration slope {window.slope:.2f}"
    )
    if window.gap_to_truth is not None:
        gap = window.gap_to_truth
        print(f"gap to the truth {1000 * gap.mean:.1f} [{1000 * gap.low:.1f}, {1000 * gap.high:.1f}]")
    counts = figures["plan"]
    print(
        f"\nPlan: {counts['hcps']:,} HCPs, {counts['with_action']:,} with an action, "
        f"{counts['explored']:,} of them test suggestions"
    )
    if worth is not None:
        lines = [
            (
                name,
                f"{w.per_hcp.mean:.4f}",
                f"[{w.per_hcp.low:.4f}, {w.per_hcp.high:.4f}]",
                f"{w.contacts:,}",
                f"{w.responses:.0f}",
            )
            for name, w in worth.items()
        ]
        print(table(("true worth per HCP", "mean", "95 %", "contacts", "responses"), lines))
    print(
        f"\nWritten to {out}/: plan.parquet, receipts.jsonl, funnel.csv, figures.json, decisions.db, model/"
    )
    print(f"Rep cards to open: {out}/cards/card_1.html (and .txt)")


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, tz=UTC).isoformat()


if __name__ == "__main__":
    main(run)
