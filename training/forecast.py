"""Forecast reported contacts: scores, calibration, reasons.

python -m training.forecast --adapter open_payments --data DIR

It says how likely a contact of a (nature, drug) pair is to be reported in the next 30 days. That is a
forecast of contacts and never a recommendation: nothing is ranked for anybody, and no row or card of a
person is printed or written.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nba.contracts import DAY, Action, Design, Feature, Floats, Labels
from nba.errors import ArgumentError
from nba.evaluation import Interval, auc, calibration_line, clustered_mean, log_losses
from nba.features import Attribute, Count, Decayed, EngagementFeatures, Events, Occurrence, Recency
from nba.features.declare import Declared
from nba.models import PairPropensity
from nba.tables import Engagement, as_moment
from nba.tables.adapters import open_payments
from training.console import main, step, table
from training.levels import level_shifts
from training.peers import with_peers
from training.rivals import logistic_on_count, logistic_per_pair, rate_margins

ADAPTERS: dict[str, Callable[..., Engagement]] = {"open_payments": open_payments}
CUT = "2015-01-01"
"""Training labels have closed by then; whatever is learned is learned from what was known before."""
TRAIN = tuple(f"2014-{month:02d}-01" for month in range(1, 13))
TEST = tuple(f"2015-{month:02d}-01" for month in range(1, 7))
UNTIL = "2015-07-01"
WITHIN_DAYS = 30
THREADS = os.cpu_count() or 1
"""Figures do not depend on it."""
CALIBRATION_SHARE = 0.3
"""The last four training months: the last two alone are one season, in which little is reported."""

SIX_MONTHS = Count(of="touches", window_days=180)
ABOUT_THE_HCP: tuple[Declared, ...] = (
    SIX_MONTHS,
    Recency(of="touches"),
    Decayed(of="touches", half_life_days=30),
    Count(of="touches", by="channel", window_days=180),
    Attribute(column="specialty"),
    Attribute(column="role"),
)
OWN_KEYS = ("channel", "content", "pair", "detail_group")
ABOUT_THE_PAIR: tuple[Declared, ...] = tuple(
    measure
    for by in OWN_KEYS
    for measure in (
        *(Count(of="touches", by=by, own=True, window_days=days) for days in (30, 180)),
        Recency(of="touches", by=by, own=True),
        Decayed(of="touches", by=by, own=True, half_life_days=60),
    )
)
PAIR_COLUMNS = (*ABOUT_THE_HCP, *ABOUT_THE_PAIR)
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


@dataclass(frozen=True)
class Panel:
    """HCP x month x pair: what came of it, and what was known before."""

    labels: Labels
    design: Design

    @property
    def y(self) -> Floats:
        return self.labels.y

    def by_pair(self, values: Floats) -> Floats:
        """(n_rows, K) of one number a request."""
        return values.reshape(-1, len(self.labels.actions))

    def by_hcp(self, values: Floats) -> Floats:
        """Mean per HCP of one number a request; every HCP has as many, so their mean is the mean of all."""
        _, codes = np.unique(self.labels.hcps.astype(str), return_inverse=True)
        per_row = self.by_pair(values).mean(axis=1)
        means: Floats = np.bincount(codes, weights=per_row) / np.bincount(codes)
        return means


@dataclass(frozen=True)
class Margins:
    """Log-odds of the rivals and of the forecast for the same requests, as fitted before the cut."""

    base_rate: Floats
    logistic: Floats
    forecast: Floats

    def kept_level(self, test: Panel) -> Margins:
        """Each with every pair's level moved by what had been reported before each moment."""
        return Margins(*(m + _shifts(test, m) for m in (self.base_rate, self.logistic, self.forecast)))

    def losses(self, y: Floats) -> tuple[Floats, Floats, Floats]:
        """Log loss x 1000 of each request: base rate, logistic regression a pair, forecast."""
        return _losses(self.base_rate, y), _losses(self.logistic, y), _losses(self.forecast, y)


@dataclass(frozen=True)
class SizeGroup:
    """Log loss x 1000 among pairs of similar size."""

    size: str
    pairs: int
    base_rate: float
    logistic: float
    forecast: float


@dataclass(frozen=True)
class Figures:
    """Aggregate results; no number is about one HCP.

    Log losses are x 1000. The rivals are as fitted before the cut, the forecast is kept level month by
    month; ``once`` and ``kept_level`` have all three both ways. ``ratio`` is the forecast's log loss by the
    base rate's; intervals are 95 %, clustered by HCP.
    """

    rows: int
    hcps: int
    positives: int
    base_rate: float
    logistic: float
    forecast: float
    once: dict[str, float]
    kept_level: dict[str, float]
    ratio: Interval
    better_than_base_rate: Interval
    better_than_logistic: Interval
    auc: float
    auc_logistic: float
    calibration: tuple[float, float]
    sizes: tuple[SizeGroup, ...]
    reasons: dict[str, float]
    any_rows: int
    any_count_alone: float
    any_forecast: float
    any_better: Interval
    any_auc: float
    any_auc_count_alone: float


@dataclass(frozen=True)
class History:
    """A log before and after the cut, seen from drugs and natures that were known before it."""

    before: Engagement
    whole: Engagement

    @classmethod
    def read(cls, adapter: str, folder: Path) -> History:
        read = ADAPTERS[adapter]
        return cls(read(folder, observed_until=CUT), read(folder, observed_until=UNTIL))

    def train(self, rule: Occurrence, measures: Sequence[Declared], *, peers: bool) -> Panel:
        """Training moments, from a log that ends at the cut."""
        return self._panel(self.before, rule, TRAIN, measures=measures, peers=peers)

    def test(self, rule: Occurrence, measures: Sequence[Declared], *, peers: bool) -> Panel:
        """Test moments; columns and keys are those that were learned before the cut."""
        return self._panel(self.whole, rule, TEST, measures=measures, peers=peers)

    def _panel(
        self,
        engagement: Engagement,
        rule: Occurrence,
        days: Sequence[str],
        *,
        measures: Sequence[Declared],
        peers: bool,
    ) -> Panel:
        moments = tuple(as_moment(day) for day in days)
        labels = replace(rule, moments=moments).labels(engagement, until=engagement.observed_until)
        hcps, content = self.before.columns("hcps"), self.before.columns("content")
        channels = self.before.columns("channels")
        events = Events.from_columns(engagement.columns("interactions"), content=content, channels=channels)
        features = EngagementFeatures(measures, n_jobs=THREADS).fit(self.before, until=CUT)
        design = features.design(
            events,
            hcps,
            hcps=labels.hcps,
            at=labels.at,
            actions=labels.actions,
            row=labels.row,
            pair=labels.pair,
        )
        return Panel(labels, with_peers(design, labels, events=events, hcps=hcps) if peers else design)


def run(argv: list[str] | None = None) -> Figures:
    """Do the whole job and give its figures."""
    options = _options(argv)
    with step(f"Reading {options.data}"):
        history = History.read(options.adapter, options.data)
    print(f"  {history.whole!r}")
    figures = forecast(history, n_pairs=options.pairs)
    print_figures(figures)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / "forecast.json"
        path.write_text(json.dumps(asdict(figures), indent=2, sort_keys=True) + "\n", encoding="utf-8")
        print(f"\nAggregate figures written to {path}")
    return figures


def forecast(history: History, *, n_pairs: int = 100) -> Figures:
    """Fit on moments before the cut, judge on those after it, beside the rivals on the same rows."""
    rule = pair_rule(history, n_pairs)
    with step(
        f"Columns of {n_pairs} pairs and the rest at {len(TRAIN)} training and {len(TEST)} test moments"
    ):
        train, test = training_panel(history, rule), history.test(rule, PAIR_COLUMNS, peers=True)
    with step(f"Fitting the pair models on {len(train.y):,} rows"):
        model = _fitted(train)
    with step(f"Scoring {len(test.y):,} rows"):
        once, _ = model.score(test.design)
        shifts = _shifts(test, once)
        reasons = mean_reasons(model, test) | {LEVEL: float(np.abs(shifts).mean())}
    with step("The rivals: each pair's base rate, a logistic regression a pair"):
        base = rate_margins(train.y, train.labels.pair, n_pairs=len(train.labels.actions))
        logistic = logistic_per_pair(train.design, train.y, test.design, threads=THREADS)
    positives = train.by_pair(train.y).sum(axis=0)
    del train, model
    with step("Any contact, beside the six-month count alone"):
        anything = _any_contact(history)
    fitted = Margins(base[test.labels.pair], logistic, once)
    margins = replace(fitted, forecast=once + shifts)
    return Figures(
        rows=len(test.y),
        hcps=len(test.by_hcp(test.y)),
        positives=int(test.y.sum()),
        **_compared(test, margins),
        once=_means(test, fitted),
        kept_level=_means(test, fitted.kept_level(test)),
        sizes=_by_size(test, margins, positives),
        reasons=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        **anything,
    )


def pair_rule(history: History, n_pairs: int) -> Occurrence:
    """Whether a contact of each frequent pair, or of the rest, is reported."""
    return Occurrence(within_days=WITHIN_DAYS, pairs=most_frequent(history.before, n_pairs), rest=True)


def training_panel(history: History, rule: Occurrence) -> Panel:
    """The rows that the pair models are fitted on."""
    return history.train(rule, PAIR_COLUMNS, peers=True)


def most_frequent(engagement: Engagement, n_pairs: int) -> tuple[Action, ...]:
    """The pairs with most contacts, sorted; of equals those that come first by name."""
    columns = engagement.columns("interactions")
    met = Counter(zip(columns["channel"].tolist(), columns["content_id"].tolist(), strict=True))
    ranked = sorted(met, key=lambda pair: (-met[pair], pair))
    return tuple(sorted(Action(*pair) for pair in ranked[:n_pairs]))


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
    rows = [
        (
            s.size,
            str(s.pairs),
            *(f"{loss:.2f}" for loss in (s.base_rate, s.logistic, s.forecast)),
            f"{s.forecast / s.base_rate:.3f}",
        )
        for s in figures.sizes
    ]
    losses = (figures.base_rate, figures.logistic, figures.forecast)
    pairs = sum(s.pairs for s in figures.sizes)
    rows.append(("all pairs", str(pairs), *(f"{loss:.2f}" for loss in losses), f"{figures.ratio.mean:.3f}"))
    header = (
        "log loss x 1000, by training contacts",
        "pairs",
        "base rate",
        "logistic a pair",
        "forecast",
        "ratio",
    )
    print(table(header, rows))
    both = ("all pairs, log loss x 1000", *figures.once)
    ways = (("as fitted before the cut", figures.once), ("kept level month by month", figures.kept_level))
    print("\n" + table(both, [(name, *(f"{loss:.2f}" for loss in means.values())) for name, means in ways]))
    print("Everywhere else the rivals are as fitted, and the forecast is kept level.\n")
    print(f"ratio to the base rate {_span(figures.ratio, digits=3)}  (95 %, by HCP)")
    print(f"better than the base rate by {_span(figures.better_than_base_rate, digits=2)}")
    print(f"better than a logistic regression a pair by {_span(figures.better_than_logistic, digits=2)}")
    print(
        f"mean AUC per pair {figures.auc:.3f} (logistic a pair {figures.auc_logistic:.3f}, base rate 0.500)"
    )
    print(
        f"calibration intercept {figures.calibration[0]:.3f}, slope {figures.calibration[1]:.3f} "
        "(0 and 1 are perfect)"
    )
    print(f"\nAny contact in {WITHIN_DAYS} days: {figures.any_rows:,} rows (HCP, month)")
    print(
        table(
            ("", "log loss x 1000", "AUC"),
            [
                (
                    "six-month count alone",
                    f"{figures.any_count_alone:.1f}",
                    f"{figures.any_auc_count_alone:.3f}",
                ),
                ("forecast", f"{figures.any_forecast:.1f}", f"{figures.any_auc:.3f}"),
            ],
        )
    )
    print(f"better than the six-month count by {_span(figures.any_better, digits=1)}")
    print("\nWhat moved the forecasts (mean |contribution| in log-odds over all rows)")
    print(table(("reason", "log-odds"), [(name, f"{value:.2f}") for name, value in figures.reasons.items()]))
    print("\n" + "\n".join(CAVEATS))


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
    parser.add_argument("--out", type=Path, help="folder for forecast.json, the aggregate figures")
    options = parser.parse_args(argv)
    if options.pairs < 1:
        raise ArgumentError(f"--pairs is {options.pairs}; expected 1 or more.")
    return options


def _fitted(train: Panel) -> PairPropensity:
    model = PairPropensity(calibration_share=CALIBRATION_SHARE)
    at = train.labels.at[train.labels.row]
    return model.fit(train.design, train.y, at=at, gap_seconds=WITHIN_DAYS * DAY)


def _any_contact(history: History) -> dict[str, Any]:
    rule = Occurrence(within_days=WITHIN_DAYS, any_pair=True)
    train = history.train(rule, ABOUT_THE_HCP, peers=False)
    test = history.test(rule, ABOUT_THE_HCP, peers=False)
    margin, _ = _fitted(train).score(test.design)
    place = [feature.name for feature in test.design.shared_features].index(SIX_MONTHS.name(""))
    alone = logistic_on_count(train.design.shared[:, place], train.y, test.design.shared[:, place])
    ours, theirs = _losses(margin, test.y), _losses(alone, test.y)
    return {
        "any_rows": len(test.y),
        "any_count_alone": float(theirs.mean()),
        "any_forecast": float(ours.mean()),
        "any_better": _mean(test, theirs - ours),
        "any_auc": auc(margin, test.y),
        "any_auc_count_alone": auc(alone, test.y),
    }


def _compared(test: Panel, margins: Margins) -> dict[str, Any]:
    rate, plain, ours = margins.losses(test.y)
    ratio = float(ours.mean() / rate.mean())
    # A ratio of means varies as what it leaves of each HCP's loss does, over the mean it is put over.
    left = _mean(test, (ours - ratio * rate) / rate.mean())
    return {
        "base_rate": float(rate.mean()),
        "logistic": float(plain.mean()),
        "forecast": float(ours.mean()),
        "ratio": replace(left, mean=ratio, low=ratio + left.low, high=ratio + left.high),
        "better_than_base_rate": _mean(test, rate - ours),
        "better_than_logistic": _mean(test, plain - ours),
        "auc": _mean_auc(test, margins.forecast),
        "auc_logistic": _mean_auc(test, margins.logistic),
        "calibration": calibration_line(margins.forecast, test.y),
    }


def _by_size(test: Panel, margins: Margins, positives: Floats) -> tuple[SizeGroup, ...]:
    losses = [test.by_pair(loss).mean(axis=0) for loss in margins.losses(test.y)]
    groups = []
    for size, low, high in SIZES:
        mine = (positives >= low) & (positives < high)
        if mine.any():
            groups.append(SizeGroup(size, int(mine.sum()), *(float(loss[mine].mean()) for loss in losses)))
    return tuple(groups)


def _mean_auc(test: Panel, margin: Floats) -> float:
    """Mean over the pairs that happened, and not always."""
    y, scores = test.by_pair(test.y), test.by_pair(margin)
    both = [k for k in range(y.shape[1]) if 0 < y[:, k].sum() < len(y)]
    return float(np.mean([auc(scores[:, k], y[:, k]) for k in both]))


def _shifts(test: Panel, margin: Floats) -> Floats:
    """What keeps every pair's level; each moment knows the outcomes whose windows had closed."""
    grid, y = test.by_pair(margin), test.by_pair(test.y)
    return level_shifts(grid, y, test.labels.at, window_seconds=WITHIN_DAYS * DAY).reshape(-1)


def _means(test: Panel, margins: Margins) -> dict[str, float]:
    base, plain, ours = (float(loss.mean()) for loss in margins.losses(test.y))
    return {"base rate": base, "logistic a pair": plain, "forecast": ours}


def _mean(panel: Panel, values: Floats) -> Interval:
    """Mean over requests, with an interval over HCPs."""
    means = panel.by_hcp(values)
    return clustered_mean(means, np.arange(len(means)))


def _losses(margin: Floats, y: Floats) -> Floats:
    return 1000.0 * log_losses(margin, y)


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
