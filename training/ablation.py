"""What behaviour adds to knowing who an HCP is, with intervals.

python -m training.ablation                  the embedded simulator
python -m training.ablation --data DIR       parquet or CSV tables in our schema

The same model is fitted with all columns, with those about the person alone (specialty, role, segment and so
on), and with those of behaviour alone; all are judged on the same later touches. No row of a person is
printed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from nba.contracts import Feature, Floats
from nba.evaluation import calibration_line, clustered_auc, clustered_mean, log_losses
from nba.models import PairPropensity, SegmentBaseline
from training.console import main, step, table
from training.settings import make_model
from training.train import add_data_options, read_data
from training.window import Split, with_columns

ALL = "everything"
VARIANTS: dict[str, Callable[[Feature], bool]] = {
    ALL: lambda feature: True,
    "without behaviour": lambda feature: feature.family != "behavioural",
    "behaviour alone": lambda feature: feature.family == "behavioural",
}
SEGMENT = "static segment"


def run(argv: list[str] | None = None) -> dict[str, Any]:
    """Print the table and one line of JSON; give the figures."""
    options = _options(argv)
    data, _ = read_data(options)
    with step("Fitting on what came before the window"):
        split = Split(make_model(), data, until=data.observed_until)
    with step("Fitting again without some of the columns"):
        margins = forecasts(split)
    y, who = split.labels.y, split.labels.hcps[split.labels.row]
    losses = {name: 1000 * log_losses(margin, y) for name, margin in margins.items()}
    rows, figures = [], {}
    for name, margin in margins.items():
        gain = clustered_mean(losses[name] - losses[ALL], who)
        area = clustered_auc(margin, y, who)
        figures[name] = {
            "columns": columns_of(split, name),
            "log_loss": float(losses[name].mean()),
            "auc": [area.mean, area.low, area.high],
            "slope": calibration_line(margin, y)[1],
            "everything_better_by": [gain.mean, gain.low, gain.high],
        }
        rows.append(
            (
                name,
                str(figures[name]["columns"]),
                f"{losses[name].mean():.1f}",
                f"{area.mean:.3f} [{area.low:.3f}, {area.high:.3f}]",
                f"{figures[name]['slope']:.2f}",
                "" if name == ALL else f"{gain.mean:.1f} [{gain.low:.1f}, {gain.high:.1f}]",
            )
        )
    print(f"\n{len(y):,} touches of {len(np.unique(who.astype(str))):,} HCPs, {int(y.sum()):,} responses")
    print(table(("", "columns", "log loss x 1000", "AUC", "slope", "everything better by"), rows))
    print("Intervals are 95 %, by HCP.")
    print(json.dumps(figures))
    return figures


def forecasts(split: Split) -> dict[str, Floats]:
    """Log-odds of the window's touches by each variant, and by the static segment."""
    found = {}
    for name, wanted in VARIANTS.items():
        train, test = (with_columns(design, wanted) for design in (split.train, split.test))
        model = PairPropensity(**split.model.scorer.get_params())
        model.fit(train, split.train_y, at=split.train_at, gap_seconds=split.gap_seconds)
        found[name] = model.margin(test)
    segment = SegmentBaseline().fit(split.train, split.train_y, at=split.train_at)
    return found | {SEGMENT: segment.score(split.test)[0]}


def columns_of(split: Split, name: str) -> int:
    """How many columns a variant reads."""
    wanted = VARIANTS.get(name)
    return 0 if wanted is None else sum(wanted(feature) for feature in split.train.features)


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.ablation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_options(parser)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(run)
