"""Uplift on public randomised trials, beside plain rivals.

python -m training.uplift --data DIR

Half of the units, drawn by number, are learned from; the other half judges: Qini with its interval for each
arm, and what choosing by uplift is worth beside the best arm for all. No row of a person is printed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightgbm
import numpy as np
import pandas as pd

from nba.contracts import Action, Design, Feature, Floats
from nba.errors import ArgumentError
from nba.evaluation import Interval, clustered_mean, qini
from nba.models import Uplift
from training.console import main, step, table

NONE = "none"


@dataclass(frozen=True)
class Trial:
    """One randomised trial as a design: a request a unit, arms as pairs, the control first.

    Attributes
    ----------
    prob : (n,) how likely each unit was to be in its arm
    revenue, cost : what a response is worth and an action costs, in the trial's own unit
    """

    name: str
    design: Design
    y: Floats
    prob: Floats
    revenue: float = 1.0
    cost: float = 0.0

    def part(self, which: Floats) -> Trial:
        """Some of the units."""
        d = self.design
        design = Design(
            shared=d.shared[which], own=d.own[which], row=np.arange(len(which)), pair=d.pair[which],
            actions=d.actions, groups=d.groups, shared_features=d.shared_features, own_features=(),
        )  # fmt: skip
        return Trial(self.name, design, self.y[which], self.prob[which], self.revenue, self.cost)

    @property
    def worth(self) -> Floats:
        """(n,) what each unit brought, its action's cost taken off."""
        return self.revenue * self.y - self.cost * (self.design.pair > 0)


@dataclass(frozen=True)
class Row:
    """Figures of one learner on one trial, on units it was not fitted on.

    Attributes
    ----------
    qini : by arm, in responses per 1,000 units
    gain : what choosing by uplift is worth more than the best arm for all, per 1,000 units
    acted : share of units that get an action
    """

    learner: str
    qini: dict[str, Interval]
    gain: Interval
    acted: float
    net: float


def read_trials(data: Path) -> list[Trial]:
    """The trials in a folder that are there; what is missing is said."""
    readers: Mapping[str, tuple[str, Callable[[pd.DataFrame], Trial]]] = {
        "hillstrom_email_rct": ("logged.parquet", _hillstrom),
        "legislator_email_rct": ("logged.parquet", _legislators),
        "new_haven_multichannel": ("logged.parquet", _new_haven),
        "starbucks_promo_rct": ("train.parquet", _starbucks),
    }
    found = []
    for name, (file, read) in readers.items():
        path = data / name / file
        if path.exists():
            found.append(read(pd.read_parquet(path).sort_values("unit_id", ignore_index=True)))
        else:
            print(f"  {name} is not there and is left out")
    if not found:
        raise ArgumentError(f"None of {sorted(readers)} is in {str(data)!r}. Give their folder as --data.")
    return found


def judged(trial: Trial, *, seed: int) -> tuple[str, list[Row]]:
    """The best arm for all in the training half, and every learner on the other."""
    half = np.random.default_rng(seed).permutation(len(trial.y))
    train, test = (trial.part(np.sort(part)) for part in np.array_split(half, 2))
    means = [
        np.average(train.worth[train.design.pair == k], weights=1 / train.prob[train.design.pair == k])
        for k in range(len(train.design.actions))
    ]
    best = int(np.argmax(means))
    learners: dict[str, Callable[[Trial, Trial], Floats]] = {
        f"{kind}-learner": lambda a, b, kind=kind: _ours(a, b, kind)  # type: ignore[misc]
        for kind in ("T", "X", "DR")
    }
    learners["T of LightGBM, defaults"] = _lightgbm
    rows = [_row(name, test, learn(train, test), best) for name, learn in learners.items()]
    return str(train.design.actions[best]), rows


def run(argv: list[str] | None = None) -> dict[str, Any]:
    """Print a table a trial and one line of JSON; give the figures."""
    options = _options(argv)
    figures: dict[str, Any] = {}
    for trial in read_trials(options.data):
        with step(f"{trial.name}: {len(trial.y):,} units, {len(trial.design.actions)} arms"):
            best, rows = judged(trial, seed=options.seed)
        arms = list(rows[0].qini)
        unit = "net revenue" if trial.cost else "responses"
        header = ("Qini, responses per 1,000", *arms, f"{unit} per 1,000 beyond {best!r} for all", "acted on")
        cells = [
            (row.learner, *(_span(row.qini[arm]) for arm in arms), _span(row.gain), f"{row.acted:.0%}")
            for row in rows
        ]
        print(table(header, cells))
        if trial.cost:
            print(
                "net revenue of those chosen, as the exercise counts it: "
                + ", ".join(f"{r.learner} {r.net:.0f}" for r in rows)
            )
        print()
        figures[trial.name] = {
            "best_constant": best,
            "learners": {
                row.learner: {
                    "qini": {arm: _numbers(q) for arm, q in row.qini.items()},
                    "gain": _numbers(row.gain),
                    "acted": round(row.acted, 4),
                }
                for row in rows
            },
        }
    print(json.dumps(figures))
    return figures


def _ours(train: Trial, test: Trial, learner: Literal["T", "X", "DR"]) -> Floats:
    model = Uplift(control=train.design.actions[0], learner=learner)
    model.fit(train.design, train.y, selection_prob=train.prob)
    return model.effects(_every_arm(test.design))[0].reshape(len(test.y), -1)


def _lightgbm(train: Trial, test: Trial) -> Floats:
    params = {"objective": "binary", "num_threads": 1, "verbosity": -1}
    p = []
    for k in range(len(train.design.actions)):
        mine = train.design.pair == k
        rows = lightgbm.Dataset(train.design.shared[mine], train.y[mine])
        p.append(lightgbm.train(params, rows, num_boost_round=100).predict(test.design.shared))
    effects: Floats = np.stack(p, axis=1) - p[0][:, None]
    return effects


def _every_arm(design: Design) -> Design:
    n, k = len(design), len(design.actions)
    return Design(
        shared=design.shared, own=np.zeros((n * k, 0)), row=np.repeat(np.arange(n), k),
        pair=np.tile(np.arange(k), n), actions=design.actions, groups=design.groups,
        shared_features=design.shared_features, own_features=(),
    )  # fmt: skip


def _row(name: str, test: Trial, effects: Floats, best: int) -> Row:
    arm = test.design.pair
    by_arm = {}
    for k, action in enumerate(test.design.actions):
        if k:
            both = (arm == k) | (arm == 0)
            share = (arm[both] == k).mean()
            found = qini(effects[both, k], test.y[both], arm[both] == k, treated_prob=share)
            by_arm[str(action)] = _times(found, 1000)
    chosen = (test.revenue * effects - test.cost * (np.arange(effects.shape[1]) > 0)).argmax(axis=1)
    # Weights centred on the mean worth: the same expectation, less noise.
    moved = (test.worth - test.worth.mean()) / test.prob
    values = moved * ((arm == chosen).astype(float) - (arm == best))
    gain = _times(clustered_mean(values, np.arange(len(values))), 1000)
    return Row(name, by_arm, gain, float((chosen > 0).mean()), _net(test, chosen > 0))


def _net(test: Trial, chosen: Floats) -> float:
    """Revenue of the treated among those chosen, less their cost, less revenue of the controls among them."""
    treated, held = chosen & (test.design.pair > 0), chosen & (test.design.pair == 0)
    sold = test.revenue * (test.y[treated].sum() - test.y[held].sum())
    return float(sold - test.cost * treated.sum())


def _trial(
    name: str, table: pd.DataFrame, arms: list[Action], *, units: Mapping[str, str], **terms: float
) -> Trial:
    """Columns named x_ as features: numbers as they stand, texts as flags."""
    columns, features = [], []
    for column in [c for c in table.columns if c.startswith("x_")]:
        values = table[column]
        if pd.api.types.is_numeric_dtype(values):
            columns.append(values.to_numpy(dtype=float))
            flag = set(values.unique()) <= {0, 1}
            unit = "flag" if flag else units.get(column, "number")
            features.append(Feature(column, column.removeprefix("x_"), unit=unit))
            continue
        for text in sorted(values.unique()):
            columns.append((values == text).to_numpy(dtype=float))
            features.append(Feature(f"{column}={text}", str(text), unit="flag"))
    names = {str(arm): k for k, arm in enumerate(arms)}
    pair = table["arm"].map(names).to_numpy(dtype=np.int64)
    design = Design(
        shared=np.stack(columns, axis=1), own=np.zeros((len(table), 0)), row=np.arange(len(table)), pair=pair,
        actions=tuple(arms), groups=tuple((f"channel={arm.channel}",) for arm in arms),
        shared_features=tuple(features), own_features=(),
    )  # fmt: skip
    prob = table["prob"].to_numpy(dtype=float)
    return Trial(name, design, table["reward"].to_numpy(dtype=float), prob, **terms)


def _hillstrom(table: pd.DataFrame) -> Trial:
    arms = [Action(NONE, ""), Action("email", "mens"), Action("email", "womens")]
    arm = table["action"].str.replace("|", " / ", regex=False)
    return _trial(
        "hillstrom", table.assign(arm=arm, prob=table["propensity"]), arms, units={"x_history": "count"}
    )


def _legislators(table: pd.DataFrame) -> Trial:
    arms = [Action("email", "out_of_district"), Action("email", "in_district")]
    arm = table["action"].str.replace("|", " / ", regex=False)
    return _trial("legislators", table.assign(arm=arm, prob=table["propensity"]), arms, units={})


def _new_haven(table: pd.DataFrame) -> Trial:
    """Without the phone, whose arms were not assigned evenly (Imai 2005)."""
    arms = [Action(NONE, ""), Action("visit", ""), Action("mail", ""), Action("visit+mail", "")]
    table = table[table["channel"].isin([arm.channel for arm in arms])].reset_index(drop=True)
    share = table["channel"].value_counts(normalize=True)
    return _trial(
        "new haven",
        table.assign(arm=table["channel"], prob=table["channel"].map(share)),
        arms,
        units={"x_age": "number"},
    )


def _starbucks(table: pd.DataFrame) -> Trial:
    arms = [Action(NONE, ""), Action("promo", "offer")]
    arm = table["action"].str.replace("|", " / ", regex=False)
    prob = table["propensity"]
    return _trial("starbucks", table.assign(arm=arm, prob=prob), arms, units={}, revenue=10.0, cost=0.15)


def _times(interval: Interval, by: float) -> Interval:
    return Interval(
        by * interval.mean, by * interval.low, by * interval.high, interval.level, interval.clusters
    )


def _span(interval: Interval) -> str:
    return f"{interval.mean:.1f} [{interval.low:.1f}, {interval.high:.1f}]"


def _numbers(interval: Interval) -> list[float]:
    return [round(x, 3) for x in (interval.mean, interval.low, interval.high)]


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.uplift",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the trials' folders")
    parser.add_argument("--seed", type=int, default=7, help="of the split into halves (default: %(default)s)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(run)
