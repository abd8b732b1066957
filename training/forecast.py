"""Forecast reported contacts: scores, calibration, reasons.

python -m training.forecast --adapter open_payments --data DIR

It says how likely a contact of a (nature, drug) pair is to be reported in the next 30 days. That is a
forecast of contacts and never a recommendation: nothing is ranked for anybody, and no row or card of a
person is printed or written.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nba.contracts import DAY, Bools, Design, Feature, Floats
from nba.errors import ArgumentError
from nba.evaluation import Interval, auc, calibration_line, clustered_mean, log_losses
from nba.features import Occurrence
from nba.models import LightGBMPerPair, PairPropensity
from training import tracking
from training.console import main, step, table
from training.levels import level_shifts
from training.panel import (
    ABOUT_THE_HCP,
    ADAPTERS,
    CUT,
    PAIR_COLUMNS,
    SIX_MONTHS,
    TEST,
    THREADS,
    TRAIN,
    UNTIL,
    WITHIN_DAYS,
    History,
    Panel,
    pair_rule,
    training_panel,
)
from training.rivals import logistic_on_count, logistic_per_pair, rate_margins
from training.tracking import Run, Wanted

CALIBRATION_SHARE = 0.3
"""The last four training months: the last two alone are one season, in which little is reported."""
REASONS = {
    "own pair": "this drug by this nature",
    "own content": "this drug by any nature",
    "own channel": "this nature with any drug",
    "own detail_group": "the same company's drugs",
    "peers": "contacts of the pair with others",
    "attribute": "specialty and role",
}
ALL_CONTACTS = "all contacts of the physician"
LEVEL = "how the pair's last forecasts came out"
SIZES = (
    ("under 60", 0, 60),
    ("60 to 199", 60, 200),
    ("200 to 999", 200, 1000),
    ("1,000 and more", 1000, 10**9),
)
"""Groups of pairs by their positives in training."""

CAVEATS = (
    "A forecast of reported contacts (meals, fees, gifts), never a recommendation of any.",
    "The physicians were selected by their total over 2013-2015: a look into the future that every figure",
    "here shares, the rivals' too. Who receives contacts at all is easier to forecast among them than among",
    "all physicians.",
)

Margins = Mapping[str, Floats]
"""Log-odds for the same requests, by who gave them."""
S = TypeVar("S", PairPropensity, LightGBMPerPair)
Rival = Callable[[Panel, Panel], Floats]
"""Fits on the first panel, gives the log-odds of the second's requests."""
OURS = "forecast"
SUREST = 34.5
"""Log-odds beyond which trees left to themselves are not taken at their word: 1 in 10^15."""


def _base_rate(train: Panel, test: Panel) -> Floats:
    return rate_margins(train.y, train.labels.pair, n_pairs=len(train.labels.actions))[test.labels.pair]


def _logistic(train: Panel, test: Panel) -> Floats:
    return logistic_per_pair(train.design, train.y, test.design, threads=THREADS)


def _trees(**settings: Any) -> Rival:
    def margins(train: Panel, test: Panel) -> Floats:
        margin, _ = _fitted(LightGBMPerPair(**settings), train).score(test.design)
        return np.clip(margin, -SUREST, SUREST)

    return margins


def _trees_on_counts(train: Panel, test: Panel) -> Floats:
    return _trees()(train.six_month_counts(), test.six_month_counts())


def _count_alone(train: Panel, test: Panel) -> Floats:
    place = [feature.name for feature in test.design.shared_features].index(SIX_MONTHS.name(""))
    return logistic_on_count(train.design.shared[:, place], train.y, test.design.shared[:, place])


RIVALS: dict[str, tuple[str, Rival]] = {
    "base rate": ("each pair's rate in training", _base_rate),
    "logistic": ("a logistic regression a pair", _logistic),
    "trees": ("LightGBM a pair, its defaults", _trees()),
    "small trees": ("LightGBM a pair, small, stopped early", _trees(settings="small")),
    "one model": (
        "one LightGBM with the pair as a category, stopped early",
        _trees(settings="small", pair_as_category=True),
    ),
}
"""What each is, and how its margins come about."""
ANY_RIVALS: dict[str, tuple[str, Rival]] = {
    "count": ("logistic regression on the six-month count alone", _count_alone),
    "trees on counts": ("LightGBM, 100 trees, on six-month counts", _trees_on_counts),
    "trees": ("LightGBM, 100 trees, on the forecast's columns", _trees()),
}


@dataclass(frozen=True)
class SizeGroup:
    """Log loss x 1000 among pairs of similar size, and the forecast's gain on the best rival there."""

    size: str
    pairs: int
    losses: dict[str, float]
    best_rival: str
    better: Interval


@dataclass(frozen=True)
class AnyContact:
    """Whether anything is reported at all: log loss x 1000, AUC, and the gain on each rival."""

    rows: int
    losses: dict[str, float]
    auc: dict[str, float]
    better: dict[str, Interval]


@dataclass(frozen=True)
class Figures:
    """Aggregate results; no number is about one HCP.

    Log losses are x 1000. The rivals are as fitted before the cut, the forecast is kept level month by
    month; ``once`` and ``kept_level`` have all of them both ways. ``ratio`` is the forecast's log loss by
    the base rate's; ``better`` is by how much it beats each rival. Intervals are 95 %, clustered by HCP.
    """

    rows: int
    hcps: int
    positives: int
    losses: dict[str, float]
    once: dict[str, float]
    kept_level: dict[str, float]
    ratio: Interval
    better: dict[str, Interval]
    better_once: dict[str, Interval]
    auc: dict[str, float]
    calibration: tuple[float, float]
    sizes: tuple[SizeGroup, ...]
    reasons: dict[str, float]
    weights: tuple[tuple[str, ...], ...]
    any_contact: AnyContact


def run(argv: list[str] | None = None) -> Figures:
    """Do the whole job and give its figures."""
    options = _options(argv)
    with Run("training.forecast", out=options.out, wanted=Wanted.of(options)) as tracked:
        with step(f"Reading {options.data}"):
            history = History.read(options.adapter, options.data)
        print(f"  {history.whole!r}")
        tracked.inputs(history.whole, source=options.data.name)
        tracked.params({"adapter": options.adapter, "pairs": options.pairs, "cut": CUT, "until": UNTIL})
        figures = forecast(history, n_pairs=options.pairs)
        print_figures(figures)
        tracked.metrics(_metrics(figures))
        tracked.json("forecast", asdict(figures))
        print(f"\nAggregate figures written to {tracked.folder / 'forecast.json'}")
        if tracked.how_to_look:
            print(f"The run in MLflow: {tracked.how_to_look}")
    return figures


def forecast(history: History, *, n_pairs: int = 100) -> Figures:
    """Fit on moments before the cut, judge on those after it, beside the rivals on the same rows."""
    rule = pair_rule(history, n_pairs)
    with step(
        f"Columns of {n_pairs} pairs and the rest at {len(TRAIN)} training and {len(TEST)} test moments"
    ):
        train, test = training_panel(history, rule), history.test(rule, PAIR_COLUMNS, peers=True)
    with step(f"Fitting the pair models on {len(train.y):,} rows"):
        model = _fitted(PairPropensity(calibration_share=CALIBRATION_SHARE), train)
    with step(f"Scoring {len(test.y):,} rows"):
        ours, _ = model.score(test.design)
        shifts = _shifts(test, ours)
        reasons = mean_reasons(model, test) | {LEVEL: float(np.abs(shifts).mean())}
    weights = tuple(model.weights_.rows())
    del model
    positives = train.by_pair(train.y).sum(axis=0)
    once = dict(_margins(RIVALS, train, test)) | {OURS: ours}
    del train
    margins = once | {OURS: ours + shifts}
    kept = {name: margin + _shifts(test, margin) for name, margin in once.items()}
    losses = _losses(margins, test.y)
    return Figures(
        rows=len(test.y),
        hcps=len(test.by_hcp(test.y)),
        positives=int(test.y.sum()),
        losses=_means(losses),
        once=_means(_losses(once, test.y)),
        kept_level=_means(_losses(kept, test.y)),
        ratio=_ratio(test, losses[OURS], losses["base rate"]),
        better=_gains(test, losses),
        better_once=_gains(test, _losses(once, test.y)),
        auc={name: _mean_auc(test, margin) for name, margin in margins.items()},
        calibration=calibration_line(margins[OURS], test.y),
        sizes=_by_size(test, losses, positives),
        reasons=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        weights=weights,
        any_contact=any_contact(history),
    )


def any_contact(history: History) -> AnyContact:
    """Whether anything is reported of an HCP, beside the rivals on the same rows."""
    rule = Occurrence(within_days=WITHIN_DAYS, any_pair=True)
    train = history.train(rule, ABOUT_THE_HCP, peers=False)
    test = history.test(rule, ABOUT_THE_HCP, peers=False)
    with step("Any contact: fitting and scoring"):
        model = _fitted(PairPropensity(calibration_share=CALIBRATION_SHARE), train)
        ours, _ = model.score(test.design)
    margins = dict(_margins(ANY_RIVALS, train, test)) | {OURS: ours}
    losses = _losses(margins, test.y)
    return AnyContact(
        rows=len(test.y),
        losses=_means(losses),
        auc={name: auc(margin, test.y) for name, margin in margins.items()},
        better=_gains(test, losses),
    )


def mean_reasons(model: PairPropensity, panel: Panel) -> dict[str, float]:
    """Mean absolute contribution in log-odds of each group of columns."""
    names = [reason_of(feature) for feature in panel.design.features]
    totals = dict.fromkeys(names, 0.0)
    for part in _slices(panel.design):
        values = model.contributions(part).values
        for name in totals:
            mine = [j for j, other in enumerate(names) if other == name]
            totals[name] += float(np.abs(values[:, mine].sum(axis=1)).sum())
    return {name: total / len(panel.design) for name, total in totals.items()}


def reason_of(feature: Feature) -> str:
    """Which aggregate reason a column belongs to."""
    return next((reason for mark, reason in REASONS.items() if mark in feature.name), ALL_CONTACTS)


def print_figures(figures: Figures) -> None:
    """Print the aggregate figures."""
    print(
        f"\nForecast of contacts in {WITHIN_DAYS} days: {figures.rows:,} rows (HCP, month, pair) of "
        f"{figures.hcps:,} HCPs, {len(TEST)} months from {TEST[0]}; {figures.positives:,} came true"
    )
    print(_size_table(figures))
    print(
        "better by: than the best rival of the line, 95 %, by HCP. Rivals as fitted, the forecast kept level."
    )
    print("\n" + _rival_table(figures))
    print(f"\nratio to the base rate {_span(figures.ratio, digits=3)}  (95 %, by HCP)")
    print(
        f"calibration intercept {figures.calibration[0]:.3f}, slope {figures.calibration[1]:.3f} "
        "(0 and 1 are perfect)"
    )
    print("\nWeight that the boosted correction earned on later rows than it was grown on")
    print(table(("channel, positives of the pair", "earned on", "weight"), _weight_rows(figures.weights)))
    print(f"\nAny contact in {WITHIN_DAYS} days: {figures.any_contact.rows:,} rows (HCP, month)")
    print(_any_table(figures.any_contact))
    print("\nWhat moved the forecasts (mean |contribution| in log-odds over all rows)")
    print(table(("reason", "log-odds"), [(name, f"{value:.2f}") for name, value in figures.reasons.items()]))
    print("\n" + "\n".join(CAVEATS))


def _size_table(figures: Figures) -> str:
    pairs = sum(group.pairs for group in figures.sizes)
    best = _best_rival(figures.losses)
    everything = SizeGroup("all pairs", pairs, figures.losses, best, figures.better[best])
    rows = [
        (g.size, str(g.pairs), *(f"{loss:.2f}" for loss in g.losses.values()), _span(g.better, digits=2))
        for g in (*figures.sizes, everything)
    ]
    return table(("log loss x 1000, by training contacts", "pairs", *figures.losses, "better by"), rows)


def _rival_table(figures: Figures) -> str:
    said = {name: what for name, (what, _) in RIVALS.items()} | {OURS: "the pair models, corrected"}
    rows = [
        (
            f"{name}: {what}",
            f"{figures.once[name]:.2f}",
            f"{figures.kept_level[name]:.2f}",
            f"{figures.auc[name]:.3f}",
            _span(figures.better_once[name], digits=2) if name != OURS else "",
        )
        for name, what in said.items()
    ]
    return table(("all pairs", "as fitted", "kept level", "mean AUC", "forecast as fitted better by"), rows)


def _weight_rows(weights: Sequence[tuple[str, ...]]) -> list[tuple[str, str, str]]:
    return [(f"{channel}, {size or 'any number'}", n, weight) for channel, size, n, weight in weights]


def _metrics(figures: Figures) -> dict[str, float]:
    """What the run in MLflow shows, by name."""
    shown = {
        "loss": figures.losses,
        "loss_once": figures.once,
        "loss_kept_level": figures.kept_level,
        "auc": figures.auc,
        "any_loss": figures.any_contact.losses,
        "any_auc": figures.any_contact.auc,
    }
    metrics = {
        f"{what}/{name.replace(' ', '_')}": v
        for what, by_name in shown.items()
        for name, v in by_name.items()
    }
    intercept, slope = figures.calibration
    return metrics | {
        "ratio": figures.ratio.mean,
        "calibration_intercept": intercept,
        "calibration_slope": slope,
    }


def _any_table(figures: AnyContact) -> str:
    said = {name: what for name, (what, _) in ANY_RIVALS.items()} | {OURS: "forecast"}
    rows = [
        (
            what,
            f"{figures.losses[name]:.1f}",
            f"{figures.auc[name]:.3f}",
            _span(figures.better[name], digits=1) if name != OURS else "",
        )
        for name, what in said.items()
    ]
    return table(("", "log loss x 1000", "AUC", "forecast better by"), rows)


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.forecast",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--adapter", choices=sorted(ADAPTERS), default="open_payments", help="how to read the folder"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of events.parquet and hcps.parquet")
    parser.add_argument(
        "--pairs", type=int, default=100, help="pairs with a model of their own (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out/forecast"), help="folder to write (default: %(default)s)"
    )
    tracking.add_options(parser)
    options = parser.parse_args(argv)
    if options.pairs < 1:
        raise ArgumentError(f"--pairs is {options.pairs}; expected 1 or more.")
    return options


def _fitted(model: S, train: Panel) -> S:
    at = train.labels.at[train.labels.row]
    return model.fit(train.design, train.y, at=at, gap_seconds=WITHIN_DAYS * DAY)


def _margins(among: dict[str, tuple[str, Rival]], train: Panel, test: Panel) -> Iterator[tuple[str, Floats]]:
    for name, (what, rival) in among.items():
        with step(f"The rivals: {what}"):
            yield name, rival(train, test)


def _losses(margins: Margins, y: Floats) -> Margins:
    """Log loss x 1000 of each request."""
    return {name: 1000.0 * log_losses(margin, y) for name, margin in margins.items()}


def _means(losses: Margins) -> dict[str, float]:
    return {name: float(loss.mean()) for name, loss in losses.items()}


def _gains(test: Panel, losses: Margins, pairs: Bools | None = None) -> dict[str, Interval]:
    """By how much the forecast's loss is lower than each rival's."""
    ours = losses[OURS]
    return {name: _mean(test, loss - ours, pairs) for name, loss in losses.items() if name != OURS}


def _ratio(test: Panel, ours: Floats, rate: Floats) -> Interval:
    ratio = float(ours.mean() / rate.mean())
    # A ratio of means varies as what it leaves of each HCP's loss does, over the mean it is put over.
    left = _mean(test, (ours - ratio * rate) / rate.mean())
    return replace(left, mean=ratio, low=ratio + left.low, high=ratio + left.high)


def _by_size(test: Panel, losses: Margins, positives: Floats) -> tuple[SizeGroup, ...]:
    groups = []
    for size, low, high in SIZES:
        mine: Bools = (positives >= low) & (positives < high)
        if mine.any():
            here = {name: float(test.by_pair(loss)[:, mine].mean()) for name, loss in losses.items()}
            best = _best_rival(here)
            better = _gains(test, {name: losses[name] for name in (best, OURS)}, mine)[best]
            groups.append(SizeGroup(size, int(mine.sum()), here, best, better))
    return tuple(groups)


def _best_rival(losses: dict[str, float]) -> str:
    return min((name for name in losses if name != OURS), key=lambda name: losses[name])


def _mean_auc(test: Panel, margin: Floats) -> float:
    """Mean over the pairs that happened, and not always."""
    y, scores = test.by_pair(test.y), test.by_pair(margin)
    both = [k for k in range(y.shape[1]) if 0 < y[:, k].sum() < len(y)]
    return float(np.mean([auc(scores[:, k], y[:, k]) for k in both]))


def _shifts(test: Panel, margin: Floats) -> Floats:
    """What keeps every pair's level; each moment knows the outcomes whose windows had closed."""
    grid, y = test.by_pair(margin), test.by_pair(test.y)
    return level_shifts(grid, y, test.labels.at, window_seconds=WITHIN_DAYS * DAY).reshape(-1)


def _mean(panel: Panel, values: Floats, pairs: Bools | None = None) -> Interval:
    """Mean over requests, with an interval over HCPs."""
    means = panel.by_hcp(values, pairs)
    return clustered_mean(means, np.arange(len(means)))


def _slices(design: Design, rows: int = 500) -> Iterator[Design]:
    """The design in pieces of some rows, so that contributions fit into memory."""
    k = len(design.actions)
    for low in range(0, len(design.shared), rows):
        shared = design.shared[low : low + rows]
        span = slice(low * k, (low + len(shared)) * k)
        yield replace(
            design, shared=shared, own=design.own[span], row=design.row[span] - low, pair=design.pair[span]
        )


def _span(interval: Interval, *, digits: int) -> str:
    return f"{interval.mean:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


if __name__ == "__main__":
    main(run)
