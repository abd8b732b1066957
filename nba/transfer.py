"""How well channels learn from each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nba import evaluation
from nba.assess import window_labels
from nba.contracts import Design, Floats, Ints
from nba.decision import Known
from nba.errors import ArgumentError
from nba.evaluation import Interval
from nba.features import Elsewhere, EngagementFeatures, HistoryMeasure
from nba.tables import Engagement

OTHERS = "all others"
"""Stands for all channels but a forecast's own in a :class:`Transfer`."""


@dataclass(frozen=True)
class Transfer:
    """How much the forecasts of each channel rest on what HCPs did in each channel.

    Attributes
    ----------
    lost : by channel, then by the channel whose columns were shuffled: log loss that is added, in nats per
        row, with an interval over HCPs; the channel itself, each other one, and "all others" at once
    log_loss, rows : of each channel's touches in the window, as they were
    """

    lost: Mapping[str, Mapping[str, Interval]]
    log_loss: Mapping[str, float]
    rows: Mapping[str, int]

    @property
    def sources(self) -> tuple[str, ...]:
        """The channels that columns are about, and "all others"."""
        met = {source for lost in self.lost.values() for source in lost} - {OTHERS}
        return (*sorted(met), OTHERS)

    @property
    def matrix(self) -> Floats:
        """(n_channels, n_sources) means of what is lost: rows as in ``lost``, columns as ``sources``."""
        nothing = dict.fromkeys(self.sources, np.nan)
        rows = [{**nothing, **{s: i.mean for s, i in lost.items()}} for lost in self.lost.values()]
        return np.array([[row[source] for source in self.sources] for row in rows]).reshape(-1, len(nothing))

    def __str__(self) -> str:
        lines = ["Log loss per 1,000 touches, and what is added where a channel's columns are shuffled"]
        for channel, lost in self.lost.items():
            loss, rows = 1000 * self.log_loss[channel], self.rows[channel]
            lines.append(f"{channel}: {loss:.1f} as it is, over {rows:,} touches")
            lines += [
                f"  {'own' if source == channel else source}: "
                f"{1000 * i.mean:+.1f} [{1000 * i.low:+.1f}, {1000 * i.high:+.1f}]"
                for source, i in lost.items()
            ]
        return "\n".join(lines)


def channel_transfer(
    model: Any, data: Engagement, *, start: Any, end: Any = None, repeats: int = 10, seed: int = 0
) -> Transfer:
    """Shuffle what is known of one channel, and forecast another.

    In the touches of each channel from ``start`` to ``end``, as of their own moments, all columns about one
    channel are exchanged between touches together, and what the forecasts lose by it is the permutation
    importance of that channel. A channel's own columns are its shared ones and the action's own view of
    channel and pair; ``Elsewhere`` is about all others at once. Columns that add up all channels stay as they
    are, and what two channels both tell is lost with neither: it is what the model rests on alone, and no
    effect of what is sent.

    Parameters
    ----------
    model : fitted until a moment at or before ``start``
    repeats : shuffles that are averaged
    seed : of the shuffles

    Raises
    ------
    ArgumentError
        If the window is refused as by :func:`nba.assess.window_labels`, no column is about a single channel,
        no channel has touches of two HCPs, or ``repeats`` is under 1.

    References
    ----------
    Breiman (2001), Machine Learning 45:5-32, section 10; grouped columns after Gregorutti, Michel and
    Saint-Pierre (2015), Comput. Stat. Data Anal. 90:15-35.
    """
    if repeats < 1:
        raise ArgumentError(f"repeats is {repeats}; expected 1 or more.")
    columns = _columns_about(model.features)
    labels = window_labels(model, data, start=start, end=end)
    design = model.design(Known.of(data, model.features), labels)
    channels = np.array([action.channel for action in labels.actions], dtype=object)[labels.pair]
    lost: dict[str, dict[str, Interval]] = {}
    log_loss: dict[str, float] = {}
    rows: dict[str, int] = {}
    for channel in sorted(set(channels)):
        requests = np.flatnonzero(channels == channel)
        hcps, y = labels.hcps[labels.row[requests]], labels.y[requests]
        if len(set(hcps)) < 2:
            continue
        touches = _one_row_each(design, requests)
        before = evaluation.log_losses(model.scorer.score(touches)[0], y)
        orders = [np.random.default_rng([seed, i]).permutation(len(y)) for i in range(repeats)]
        log_loss[channel], rows[channel] = float(before.mean()), len(y)
        lost[channel] = {}
        for source, names in _sources(columns, channel).items():
            shuffled = (_shuffled(touches, names, order) for order in orders)
            after = [evaluation.log_losses(model.scorer.score(other)[0], y) for other in shuffled]
            lost[channel][source] = evaluation.clustered_mean(np.mean(after - before, axis=0), hcps)
    if not lost:
        raise ArgumentError("No channel has touches of two HCPs in the window; make it longer.")
    return Transfer(lost, log_loss, rows)


@dataclass(frozen=True)
class _About:
    """Names of columns by what they are about: one channel, the channel in question, all the others."""

    one: Mapping[str, frozenset[str]]
    own: frozenset[str]
    elsewhere: frozenset[str]


def _columns_about(features: EngagementFeatures) -> _About:
    one: dict[str, set[str]] = {}
    own: set[str] = set()
    elsewhere: set[str] = set()
    for measure, columns in zip(features.measures, features.columns_, strict=True):
        if not isinstance(measure, HistoryMeasure) or measure.by not in ("channel", "pair"):
            continue
        for column in columns:
            if isinstance(measure, Elsewhere):
                elsewhere.add(column.name)
            elif measure.own:
                own.add(column.name)
            elif measure.by == "channel":
                one.setdefault(column.key, set()).add(column.name)
    if not one:
        raise ArgumentError(
            "No column is about a single channel, so nothing can be shuffled. Declare one, such as "
            'Rate(by="channel"), and fit again.'
        )
    return _About(
        {channel: frozenset(names) for channel, names in one.items()}, frozenset(own), frozenset(elsewhere)
    )


def _sources(columns: _About, channel: str) -> dict[str, frozenset[str]]:
    """The columns to shuffle in a channel's touches: its own, those of each other one, of all others."""
    mine = columns.one.get(channel, frozenset()) | columns.own
    others = {source: names for source, names in sorted(columns.one.items()) if source != channel}
    together = frozenset().union(columns.elsewhere, *others.values())
    found = {channel: mine, **others, OTHERS: together}
    return {source: names for source, names in found.items() if names}


def _one_row_each(design: Design, requests: Ints) -> Design:
    """Some requests, each with a row of its own."""
    return replace(
        design,
        shared=design.shared[design.row[requests]],
        own=design.own[requests],
        row=np.arange(len(requests)),
        pair=design.pair[requests],
    )


def _shuffled(design: Design, names: frozenset[str], order: Ints) -> Design:
    """A design of one row a request in which some columns are those of another request."""
    shared, own = design.shared.copy(), design.own.copy()
    for block, features in ((shared, design.shared_features), (own, design.own_features)):
        places = [j for j, feature in enumerate(features) if feature.name in names]
        block[:, places] = block[order][:, places]
    return replace(design, shared=shared, own=own)


__all__ = ["OTHERS", "Transfer", "channel_transfer"]
