"""What is said of content that nobody has met: each content left out in turn.

python -m training.cold_start                  the embedded simulator, where the truth is known
python -m training.cold_start --data DIR       parquet or CSV tables in our schema

Every content of the later window is once taken out of the training and out of the HCPs' histories, and its
touches are forecast as at its launch, beside the model that knew it and its channel's rate. No row of a
person is printed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from nba.assess import Without
from nba.contracts import Floats, Ints
from nba.decision import Known
from nba.errors import ArgumentError
from nba.evaluation import auc, clustered_mean, log_losses
from training.console import main, step, table
from training.settings import make_model
from training.train import add_data_options, read_data
from training.window import Split, contents_of, some

LEAST_TOUCHES = 40
"""Of a content in the window, under which its rate is too rough to be forecast against."""
LEAST_IN_PAIR = 20
Z90 = 1.6449
SIDES = ("left out", "known", "its channel's rate")


@dataclass(frozen=True)
class Left:
    """Forecasts of one content's touches in the window.

    Attributes
    ----------
    rows : of the window
    margins : by side (n,) log-odds
    spreads : by side that has one (n,)
    truth : (n,) true log-odds; None where nobody knows them
    prior_only : whether all of its pairs said so
    """

    content: str
    rows: Ints
    margins: dict[str, Floats]
    spreads: dict[str, Floats]
    truth: Floats | None
    prior_only: bool


def run(argv: list[str] | None = None) -> dict[str, Any]:
    """Print the table and one line of JSON; give the figures."""
    options = _options(argv)
    data, territory = read_data(options)
    with step("Fitting on what came before the window"):
        split = Split(make_model(), data, until=data.observed_until)
    chosen = contents(split, most=options.contents)
    with step(f"Leaving {len(chosen)} contents out, one at a time"):
        left = [left_out(split, content, territory) for content in chosen]
    figures = figures_of(split, left)
    _print(figures, truth_known=territory is not None)
    print(json.dumps(figures))
    return figures


def contents(split: Split, *, most: int) -> list[str]:
    """Contents with enough touches in the window, those with most first; all had rows in the training."""
    found, counts = np.unique(contents_of(split.labels.actions, split.labels.pair), return_counts=True)
    trained = set(contents_of(split.train.actions, split.train.pair).tolist())
    enough = [
        (-n, c) for c, n in zip(found, counts.tolist(), strict=True) if n >= LEAST_TOUCHES and c in trained
    ]
    if len(enough) < 2:
        raise ArgumentError(
            f"{len(enough)} contents have {LEAST_TOUCHES} touches in the window and rows before it; expected "
            "2 or more. Give a longer or larger history."
        )
    return [content for _, content in sorted(enough)[:most]]


def left_out(split: Split, content: str, territory: Any) -> Left:
    """Forecast a content's touches by a model, and from histories, that never met it."""
    rows = np.flatnonzero(contents_of(split.labels.actions, split.labels.pair) == content)
    labels = some(split.labels, rows)
    gone = np.flatnonzero(split.data.columns("interactions")["content_id"] == content)
    without = Known.of(Without(split.data, gone), split.model.features)
    launch = split.model.design(without, labels)
    stranger = split.fitted(contents_of(split.train.actions, split.train.pair) != content)
    margin, spread = stranger.score(launch)
    known, known_spread = split.model.scorer.score(split.model.design(split.known, labels))
    _, prior_only = stranger.support(launch)
    truth = None
    if territory is not None:
        p = _truth(territory, labels)
        truth = np.log(p / (1 - p))
    return Left(
        content,
        rows,
        dict(zip(SIDES, (margin, known, _channel_rates(split, labels, content)), strict=True)),
        {"left out": spread, "known": known_spread},
        truth,
        bool(prior_only[np.unique(labels.pair)].all()),
    )


def figures_of(split: Split, left: list[Left]) -> dict[str, Any]:
    """Losses, order and level of each side, over all that were left out; intervals by HCP."""
    rows = np.concatenate([one.rows for one in left])
    y, who = split.labels.y[rows], split.labels.hcps[split.labels.row[rows]]
    margins = {side: np.concatenate([one.margins[side] for one in left]) for side in SIDES}
    losses = {side: 1000 * log_losses(margin, y) for side, margin in margins.items()}
    out: dict[str, Any] = {
        "contents": len(left),
        "touches": len(rows),
        "responses": int(y.sum()),
        "prior_only": sum(one.prior_only for one in left),
    }
    for side in SIDES:
        gain = clustered_mean(losses[side] - losses["left out"], who)
        out[side] = {
            "log_loss": float(losses[side].mean()),
            "auc_within": float(np.mean(_areas(split, left, side))),
            "level_off": float(np.exp(np.mean(np.abs(_levels(split, left, side))))),
            "left_out_better_by": [gain.mean, gain.low, gain.high],
        }
    for side in left[0].spreads:
        out[side]["spread"] = float(np.mean(np.concatenate([one.spreads[side] for one in left])))
        if left[0].truth is not None:
            out[side]["coverage90"] = float(np.mean(np.concatenate([_held(one, side) for one in left])))
            out[side]["levels90"] = float(np.mean(_levels_held(split, left, side)))
    return out


def _held(one: Left, side: str) -> Floats:
    """(n,) whether the 90 % interval of a touch holds its truth."""
    return np.asarray(np.abs(one.margins[side] - one.truth) <= Z90 * one.spreads[side], dtype=float)


def _levels_held(split: Split, left: list[Left], side: str) -> list[bool]:
    """Whether a pair's mean log-odds lie as near the truth's as 90 % intervals of its touches reach.

    What a person keeps to himself averages out over a pair's touches; what is not known of the pair does not.
    """
    held = []
    for one in left:
        pair = split.labels.pair[one.rows]
        for k in np.unique(pair):
            mine = pair == k
            if mine.sum() >= LEAST_IN_PAIR and one.truth is not None:
                off = (one.margins[side][mine] - one.truth[mine]).mean()
                held.append(bool(abs(off) <= Z90 * one.spreads[side][mine].mean()))
    return held


def _levels(split: Split, left: list[Left], side: str) -> list[float]:
    """Logarithm of forecast over true rate, of every pair with enough touches."""
    off = []
    for one in left:
        pair = split.labels.pair[one.rows]
        p = 1 / (1 + np.exp(-one.margins[side]))
        true = split.labels.y[one.rows] if one.truth is None else 1 / (1 + np.exp(-one.truth))
        for k in np.unique(pair):
            mine = pair == k
            if mine.sum() >= LEAST_IN_PAIR and true[mine].sum() > 0:
                off.append(float(np.log(p[mine].mean() / true[mine].mean())))
    return off


def _areas(split: Split, left: list[Left], side: str) -> list[float]:
    """AUC within each content: whether it tells HCPs apart, whatever the level."""
    areas = []
    for one in left:
        y = split.labels.y[one.rows]
        if 0 < y.sum() < len(y):
            areas.append(auc(one.margins[side], y))
    return areas


def _channel_rates(split: Split, labels: Any, content: str) -> Floats:
    """(n,) log-odds of the rate of each touch's channel in training, the content left out."""
    actions = split.train.actions
    channel = np.array([action.channel for action in actions], dtype=object)[split.train.pair]
    others = contents_of(actions, split.train.pair) != content
    rates = {}
    for name in {action.channel for action in labels.actions}:
        mine = others & (channel == name)
        rates[name] = (split.train_y[mine].sum() + 0.5) / (mine.sum() + 1.0)
    p = np.array([rates[labels.actions[k].channel] for k in labels.pair])
    return np.log(p / (1 - p))


def _truth(territory: Any, labels: Any) -> Floats:
    """(n,) true probability of each touch."""
    p = np.empty(len(labels))
    for k in np.unique(labels.pair):
        rows = np.flatnonzero(labels.pair == k)
        hcps, at = labels.hcps[labels.row[rows]], labels.at[labels.row[rows]]
        p[rows] = territory.response_probability(hcps, at, [labels.actions[k]])[:, 0]
    return np.clip(p, 1e-12, 1 - 1e-12)


def _print(figures: dict[str, Any], *, truth_known: bool) -> None:
    print(
        f"\n{figures['contents']} contents left out in turn: {figures['touches']:,} touches in the window, "
        f"{figures['responses']:,} responses; {figures['prior_only']} said prior_only"
    )
    rows = []
    for side in SIDES:
        one = figures[side]
        mean, low, high = one["left_out_better_by"]
        rows.append(
            (
                side,
                f"{one['log_loss']:.1f}",
                f"{one['auc_within']:.3f}",
                f"{one['level_off']:.2f}",
                "" if side == "left out" else f"{mean:.1f} [{low:.1f}, {high:.1f}]",
            )
        )
    print(table(("", "log loss x 1000", "AUC within content", "level off", "left out better by"), rows))
    what = "the true rate" if truth_known else "the observed rate"
    print(
        f"level off: by how many times a pair's mean forecast misses {what}, on average. Intervals are "
        "95 %, by HCP."
    )
    if truth_known:
        for side in ("left out", "known"):
            print(
                f"90 % intervals of content {side} hold the truth in {figures[side]['coverage90']:.1%} of "
                f"touches, and the level of {figures[side]['levels90']:.1%} of pairs"
            )


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.cold_start",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_options(parser)
    parser.add_argument(
        "--contents",
        type=int,
        default=20,
        help="to leave out, those with most touches (default: %(default)s)",
    )
    options = parser.parse_args(argv)
    if options.contents < 2:
        raise ArgumentError(f"--contents is {options.contents}; expected 2 or more.")
    return options


if __name__ == "__main__":
    main(run)
