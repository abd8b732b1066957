"""Bank marketing by time: a rate that drifts, met by learning week by week.

python -m training.drift --data DIR

Phone contacts in their order: what comes before the cut is learned from, every week after it is forecast
from what came before that week. No row of a person is printed.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from nba.contracts import DAY, Action, Design, Feature, Floats, Ints
from nba.errors import ArgumentError, NBAWarning
from nba.evaluation import Interval, auc, calibration_line, clustered_mean, log_losses
from nba.models import PairPropensity
from training.console import main, step, table

CUT = "2009-01-01"
COUNTS = ("campaign", "previous")
NUMBERS = ("age", "balance", "pdays")
TEXTS = ("job", "marital", "education", "default", "housing", "loan", "poutcome")
"""``duration`` is left out: it is known only after the call."""
OURS = "ours, learning every week"
HALF_LIFE_DAYS = 180.0
FORGETS = f"the same, forgetting half in {HALF_LIFE_DAYS:.0f} days"
WEEK = 7 * DAY


def read(path: Path) -> tuple[Design, Floats, Ints]:
    """Contacts as requests, their outcomes, and their moments in seconds."""
    if not path.exists():
        raise ArgumentError(
            f"{str(path)!r} is not there. Give the folder that holds bank_full.parquet as --data."
        )
    contacts = pd.read_parquet(path).sort_values("event_date", kind="stable", ignore_index=True)
    columns = [contacts[name].to_numpy(dtype=float) for name in (*COUNTS, *NUMBERS)]
    columns[-1][columns[-1] < 0] = np.nan  # -1: never contacted before
    features = [Feature(name, name, unit="count") for name in COUNTS]
    features += [Feature(name, name, unit="days" if name == "pdays" else "number") for name in NUMBERS]
    for name in TEXTS:
        for text in sorted(contacts[name].unique()):
            columns.append((contacts[name] == text).to_numpy(dtype=float))
            features.append(Feature(f"{name}={text}", f"{name} {text}", unit="flag"))
    channels = sorted(contacts["contact"].unique())
    design = Design(
        shared=np.stack(columns, axis=1),
        own=np.zeros((len(contacts), 0)),
        row=np.arange(len(contacts)),
        pair=contacts["contact"].map({name: k for k, name in enumerate(channels)}).to_numpy(dtype=np.int64),
        actions=tuple(Action(name, "deposit") for name in channels),
        groups=tuple((f"channel={name}",) for name in channels),
        shared_features=tuple(features),
        own_features=(),
    )
    days = (contacts["event_date"] - pd.Timestamp("1970-01-01")) // pd.Timedelta(days=1)
    return design, contacts["y"].to_numpy(dtype=float), days.to_numpy(dtype=np.int64) * DAY


def forecasts(design: Design, y: Floats, at: Ints) -> tuple[dict[str, Floats], dict[str, int]]:
    """Log-odds of every contact from the cut on, by who gave them; and when alarms first rang, in seconds."""
    cut = int(pd.Timestamp(CUT).timestamp())
    before, after = np.flatnonzero(at < cut), np.flatnonzero(at >= cut)
    train, test = _taken(design, before), _taken(design, after)
    learns = {
        name: PairPropensity(half_life_days=half_life).fit(train, y[before], at=at[before])
        for name, half_life in ((OURS, None), (FORGETS, HALF_LIFE_DAYS))
    }
    once, _ = learns[OURS].score(test)
    x = np.hstack([design.shared, design.pair[:, None]])
    trees = _trees(x[before], y[before])(x[after])
    rate = np.full(len(after), np.log(y[before].mean() / (1 - y[before].mean())))

    learned, refitted = {name: np.empty(len(after)) for name in learns}, np.empty(len(after))
    rung: dict[str, int] = {}
    for start in range(cut, int(at.max()) + 1, WEEK):
        week = np.flatnonzero((at[after] >= start) & (at[after] < start + WEEK))
        if not len(week):
            continue
        part = _taken(design, after[week])
        for name, model in learns.items():
            learned[name][week] = model.score(part)[0]
        past = np.flatnonzero(at < start)
        refitted[week] = _trees(x[past], y[past])(x[after[week]])
        for name, model in learns.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NBAWarning)  # printed below
                model.learn(part, y[after[week]], at=at[after[week]])
            if model.drift_.alarm:
                rung.setdefault(name, start + WEEK)
    return {
        "the rate before": rate,
        "LightGBM, 100 trees, fitted once": trees,
        "LightGBM, 100 trees, refitted every week": refitted,
        "ours, fitted once": once,
        **learned,
    }, rung


def run(argv: list[str] | None = None) -> dict[str, Any]:
    """Print the table and one line of JSON; give the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m training.drift",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds bank_full.parquet")
    options = parser.parse_args(argv)
    design, y, at = read(options.data / "bank_full.parquet")
    late = at >= int(pd.Timestamp(CUT).timestamp())
    print(
        f"{len(y):,} contacts; {y[~late].mean():.1%} came true before {CUT}, {y[late].mean():.1%} of the "
        f"{int(late.sum()):,} from then on"
    )
    with step("Fitting, and learning week by week"):
        margins, rung = forecasts(design, y, at)
    losses = {name: 1000 * log_losses(margin, y[late]) for name, margin in margins.items()}
    week = at[late] // WEEK
    rows, figures = [], {}
    for name, margin in margins.items():
        better = clustered_mean(losses[name] - losses[OURS], week)
        intercept, slope = calibration_line(margin, y[late]) if np.ptp(margin) > 0 else (0.0, 0.0)
        area = auc(margin, y[late])
        figures[name] = {
            "log_loss": round(float(losses[name].mean()), 1),
            "auc": round(area, 3),
            "slope": round(slope, 3),
            "ours_better_by": [round(x, 1) for x in (better.mean, better.low, better.high)],
        }
        line = f"{intercept:.2f}, {slope:.2f}" if np.ptp(margin) > 0 else ""
        gain = "" if name == OURS else _span(better)
        rows.append((name, f"{losses[name].mean():.1f}", f"{area:.3f}", line, gain))
    header = ("", "log loss x 1000", "AUC", "calibration", "ours, learning, better by")
    print(table(header, rows))
    print("Intervals are 95 %, over weeks; intercept 0 and slope 1 are perfect.")
    for name, moment in rung.items():
        print(f"{name}: the alarm rang on {pd.Timestamp(moment, unit='s'):%Y-%m-%d}")
    print(json.dumps(figures))
    return figures


def _trees(x: Floats, y: Floats) -> Callable[[Floats], Floats]:
    params = {"objective": "binary", "num_threads": 1, "verbosity": -1}
    booster = lightgbm.train(params, lightgbm.Dataset(x, y), num_boost_round=100)
    return lambda new: booster.predict(new, raw_score=True)


def _taken(design: Design, which: Ints) -> Design:
    return Design(
        shared=design.shared[which],
        own=design.own[which],
        row=np.arange(len(which)),
        pair=design.pair[which],
        actions=design.actions,
        groups=design.groups,
        shared_features=design.shared_features,
        own_features=(),
    )


def _span(interval: Interval) -> str:
    return f"{interval.mean:.1f} [{interval.low:.1f}, {interval.high:.1f}]"


if __name__ == "__main__":
    main(run)
