"""Train, evaluate, recommend, commit and track, on a folder or a simulation.

python -m training.train                       the embedded simulator
python -m training.train --data DIR            parquet or CSV tables in our schema

What was done is logged to MLflow where that is installed: settings, figures, pictures, and the model, which
becomes the champion. Person-level files (plan, receipts, cards, log) stay in the output folder.
"""

from __future__ import annotations

import argparse
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import nba
from nba import assess, policies
from nba.contracts import DAY
from nba.errors import ArgumentError
from nba.evaluation import plots
from nba.plan import Plan
from nba.recommender import NextBestAction
from nba.tables import Engagement, as_moment
from training import tracking
from training.cells import by_pair
from training.console import Progress, main, step, table
from training.settings import make_model, read_settings
from training.tracking import Run, Wanted

EVALUATION_DAYS = 45
"""The later window: touches of its first 31 days have closed 14-day windows."""
GAP_DAYS = 14
"""Between training and the window: no training label looks into it."""
KEPT_FOLDERS = ("mlflow",)
"""Runs and registered models of earlier trainings stay when the output folder is cleared."""
COMPARED = 200
"""HCPs for whom a model read back from the registry has to decide the same."""


def run(argv: list[str] | None = None) -> dict[str, Any]:
    """Do the whole job and give its headline figures."""
    options = _options(argv)
    settings = read_settings(options.params)
    out = _fresh_folder(options.out)
    with Run("training.train", out=out, wanted=Wanted.of(options)) as tracked:
        return _train(options, settings, out=out, tracked=tracked)


def _train(
    options: argparse.Namespace, settings: dict[str, Any], *, out: Path, tracked: Run
) -> dict[str, Any]:
    data, territory = read_data(options)
    at, until = _moments(options, data)
    tracked.inputs(data, source=source_of(options))
    tracked.params(_params(options, settings, at=at, until=until))
    window = _evaluate(data, settings, until=until, territory=territory, tracked=tracked)
    with step(f"Fitting on everything known until {iso(until)}"):
        model = make_model(settings).fit(data, until=iso(until), report=Progress())
        digest = model.save(out / "model")
    tracked.params({"selection": model.training_["selection"]})
    with step(f"Recommending for every HCP as of {iso(at)}"):
        log = nba.Log(out / "decisions.db")
        plan = model.recommend(data, at=iso(at), seed=options.seed, log=log, report=Progress())
    with step("Committing the plan to the log"):
        done = log.commit(plan)
        voids = sum(status != "committed" for status in done.values())
        print(f"  {len(done) - voids:,} committed, {voids:,} void")
    with step("Writing plan, receipts and cards"):
        plan.to_folder(out, cards=options.cards)
    worth = None if territory is None else _worth(model, data, plan, territory, at=at, seed=options.seed)
    figures = _figures(model, window, plan, worth, digest=digest)
    (out / "figures.json").write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    tracked.metrics(_metrics(figures))
    tracked.file(out / "figures.json")
    if territory is not None and (out / "cards").is_dir():
        tracked.file(out / "cards", under="cards")  # of invented people; nobody else's leave the folder
    _promote(model, data, at=at, options=options, tracked=tracked)
    _print_headline(plan, window, worth, figures, out)
    if tracked.how_to_look:
        print(f"The run in MLflow: {tracked.how_to_look}")
    return figures


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_options(parser)
    parser.add_argument("--until", help="no label after it is learned from (default: --at)")
    parser.add_argument("--at", help="moment of the plan (default: observed-until)")
    parser.add_argument("--params", type=Path, help="best.json of training.tune (default: usual settings)")
    parser.add_argument(
        "--out", type=Path, default=Path("out/train"), help="folder to write (default: %(default)s)"
    )
    parser.add_argument("--cards", type=int, default=5, help="rep cards to write (default: %(default)s)")
    parser.add_argument(
        "--name", default="nba", help="of the registered model in MLflow (default: %(default)s)"
    )
    tracking.add_options(parser)
    return parser.parse_args(argv)


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """The options that say which tables are worked on."""
    parser.add_argument("--data", type=Path, help="folder of interactions, content, hcps and other tables")
    parser.add_argument("--observed-until", help="until when the log is complete (default: its last event)")
    parser.add_argument("--hcps", type=int, default=3_000, help="HCPs to simulate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of simulation and draws (default: %(default)s)")


def read_data(options: argparse.Namespace) -> tuple[Engagement, Any]:
    """The tables, and the simulator's territory where there is one."""
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
    return data, territory


def source_of(options: argparse.Namespace) -> str:
    """Where the tables come from, in a word."""
    if options.data is None:
        return f"nba.simulate.territory(seed={options.seed}, hcps={options.hcps})"
    return str(options.data)


def _fresh_folder(out: Path) -> Path:
    """An empty folder; only one that an earlier run wrote is cleared."""
    if out.exists() and any(out.iterdir()):
        if not (out / ".written-by-nba").exists():
            raise ArgumentError(f"{out} holds files of others. Name an empty or new folder with --out.")
        for path in out.iterdir():
            if path.name not in KEPT_FOLDERS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    out.mkdir(parents=True, exist_ok=True)
    (out / ".written-by-nba").touch()
    return out


def last_label(options: argparse.Namespace, data: Engagement) -> int:
    """Until when labels are learned from."""
    return data.observed_until if options.until is None else as_moment(options.until)


def iso(moment: int) -> str:
    """A moment as people write it."""
    return datetime.fromtimestamp(moment, tz=UTC).isoformat()


def _moments(options: argparse.Namespace, data: Engagement) -> tuple[int, int]:
    """(at, until): of the plan, and of the last label."""
    at = data.observed_until if options.at is None else as_moment(options.at)
    until = at if options.until is None else last_label(options, data)
    if until > at:
        raise ArgumentError(
            f"--until is {iso(until)}, after the moment of the plan, {iso(at)}. Name an earlier moment: a "
            "plan knows nothing of its future."
        )
    return at, until


def _params(options: argparse.Namespace, settings: dict[str, Any], *, at: int, until: int) -> dict[str, Any]:
    plain = make_model(settings)
    return {
        **settings,
        "seed": options.seed,
        "at": iso(at),
        "until": iso(until),
        "evaluation_days": EVALUATION_DAYS,
        "gap_days": GAP_DAYS,
        "outcome": plain.outcome,
        "scorer": type(plain.scorer).__name__,
        "measures": len(plain.features.measures),
        "policy": plain.policy.describe(),
        "guardrails": [rule.describe() for rule in plain.guardrails],
    }


def _evaluate(
    data: Engagement, settings: dict[str, Any], *, until: int, territory: Any, tracked: Run
) -> assess.Window:
    start = until - EVALUATION_DAYS * DAY
    with step(f"Fitting until {iso(start - GAP_DAYS * DAY)}, judging from {iso(start)}"):
        early = make_model(settings).fit(data, until=iso(start - GAP_DAYS * DAY), report=Progress())
        truth = None
        if territory is not None:
            rows = territory.truth
            truth = dict(zip(rows["interaction_id"], rows["true_probability"], strict=True))
        window = assess.later_window(early, data, start=iso(start), end=iso(until), truth=truth)
        labels = assess.window_labels(early, data, start=iso(start), end=iso(until))
        margin, _ = early.score(data, labels)
    tracked.table("by_pair", by_pair(labels, margin))
    p, who = 1.0 / (1.0 + np.exp(-margin)), labels.hcps[labels.row]
    tracked.figure("reliability", lambda: plots.reliability(labels.y, p, clusters=who))
    tracked.figure("gains", lambda: plots.gains(labels.y, p, clusters=who))
    return window


def _promote(
    model: NextBestAction, data: Engagement, *, at: int, options: argparse.Namespace, tracked: Run
) -> None:
    """Register the model; it is the champion once the registry's copy decides the same."""
    some = data.columns("hcps")["hcp_id"][:COMPARED].tolist()

    def decides(asked: NextBestAction) -> bytes:
        return asked.recommend(data, at=iso(at), seed=options.seed, hcps=some).to_bytes()

    with step("Writing the model's input example, and logging the model where MLflow is there"):
        tracked.champion(model, name=options.name, data=data, decides=decides)


def _worth(
    model: NextBestAction, data: Engagement, plan: Plan, territory: Any, *, at: int, seed: int
) -> dict[str, assess.Worth]:
    """True worth of this plan, of the segment baseline's and of a random one, under the same guardrails."""
    with step("Comparing with the truth"):
        rivals = {
            "this plan": plan,
            "best guess only (greedy)": _swapped(model, policy=policies.Greedy()).recommend(
                data, at=iso(at), seed=seed
            ),
            "segment baseline (greedy)": _segment_model(data, model.fitted_until_).recommend(
                data, at=iso(at), seed=seed
            ),
            "random eligible": _swapped(model, policy=policies.Uniform()).recommend(
                data, at=iso(at), seed=seed
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
    twin = make_model(policy=policy)
    twin.__dict__ |= {name: value for name, value in model.__dict__.items() if name != "policy"}
    return twin


def _segment_model(data: Engagement, until: int) -> NextBestAction:
    return make_model(policy=policies.Greedy(), scorer=nba.SegmentBaseline()).fit(data, until=iso(until))


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
        "plan": plan.summary(),
        "funnel": [[s.rule, s.reason, s.removed] for s in funnel.steps],
        "true_worth_per_hcp": None
        if worth is None
        else {name: [w.per_hcp.mean, w.per_hcp.low, w.per_hcp.high] for name, w in worth.items()},
    }


def _metrics(figures: dict[str, Any]) -> dict[str, float | None]:
    """The headline figures, flat; those of the window and the truth by their own names."""
    window = figures["window"]
    flat = {name: value for name, value in window.items() if isinstance(value, int | float)}
    for name in ("better_by", "gap_to_truth"):
        if window[name] is not None:
            flat |= {f"{name}.{part}": window[name][part] for part in ("mean", "low", "high")}
    counts = figures["training"].items()
    flat |= {f"training.{name}": value for name, value in counts if not isinstance(value, str)}
    flat |= {f"plan.{name}": value for name, value in figures["plan"].items() if name != "lift"}
    lift = figures["plan"]["lift"] or {}
    flat |= {
        f"plan.lift.{name}": value for name, value in lift.items() if name.startswith(("better", "times"))
    }
    for name, values in (figures["true_worth_per_hcp"] or {}).items():
        flat[f"true_worth.{''.join(c if c.isalnum() else '_' for c in name)}"] = values[0]
    return flat


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
    print(f"\nPlan: {plan}")
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


if __name__ == "__main__":
    main(run)
