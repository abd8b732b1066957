"""What happens around an HCP: the contacts of their circle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nba.contracts import Columns, Design, Feature, Floats, Ints, Labels
from nba.features import Count, EngagementFeatures, Events

EVERYBODY = "everybody"
CIRCLES = (EVERYBODY, "brick_id", "specialty")
WINDOWS = (30, 90)
LABELS = {EVERYBODY: "all physicians", "brick_id": "physicians of this area", "specialty": "this specialty"}
PER = 1000.0
"""Contacts are given per so many HCPs of the circle."""
HELD_BY = 10.0
"""HCPs' worth of everybody that a circle's figure is shrunk by: an area of five must not jump."""


@dataclass(frozen=True)
class Circle:
    """HCPs who share a value of a column, read by the kernel as one history.

    Drugs are launched, reps are moved and budgets end: whether a pair is on its way up or down shows in
    the contacts of others before it shows in an HCP's own. The HCP's own contacts are among them.

    Attributes
    ----------
    column : of the hcp table, or EVERYBODY
    names : the circles, sorted
    sizes : (n_names,) HCPs of each
    of : each HCP's circle, an index into ``names``
    events : all contacts, each as its circle's
    """

    column: str
    names: tuple[str, ...]
    sizes: Floats
    of: dict[str, int]
    events: Events

    @classmethod
    def from_events(cls, events: Events, hcps: Columns, *, column: str) -> Circle:
        """Arrange contacts by circle; those of HCPs who are not in the table belong to none."""
        values = np.full(len(hcps["hcp_id"]), column, dtype=object) if column == EVERYBODY else hcps[column]
        name_of = dict(zip(hcps["hcp_id"], values.tolist(), strict=True))
        counts = Counter(name_of.values())
        names = tuple(sorted(counts))
        place = {name: i for i, name in enumerate(names)}
        return cls(
            column,
            names,
            np.array([counts[name] for name in names], dtype=float),
            {hcp: place[name] for hcp, name in name_of.items()},
            _rekeyed(events, name_of),
        )


def with_peers(
    design: Design,
    labels: Labels,
    *,
    events: Events,
    hcps: Columns,
    circles: Sequence[str] = CIRCLES,
    windows: Sequence[int] = WINDOWS,
) -> Design:
    """The design with own columns more: contacts of the pair per 1,000 HCPs of each circle.

    Parameters
    ----------
    design, labels : a full grid: every row asks for every pair, in order
    events, hcps : everybody's contacts, and the hcp table; each row sees what was known at its moment
    """
    moments, when = np.unique(labels.at, return_inverse=True)
    blocks: list[Floats] = [design.own]
    features: list[Feature] = list(design.own_features)
    for column in circles:
        circle = Circle.from_events(events, hcps, column=column)
        counts, described = _counts(circle, moments, design, windows)
        rates = _shrunk(counts, circle.sizes)
        who = np.fromiter((circle.of[hcp] for hcp in labels.hcps), dtype=np.int64, count=len(labels.hcps))
        blocks.append(rates[who[labels.row], when[labels.row], labels.pair].astype(design.own.dtype))
        features += [_named(feature, column) for feature in described]
    return replace(design, own=np.hstack(blocks), own_features=tuple(features))


def _rekeyed(events: Events, name_of: dict[str, str]) -> Events:
    """The same contacts in the canonical order, with the circle in the place of the HCP."""
    columns = events.interactions
    known = np.fromiter((hcp in name_of for hcp in columns["hcp_id"]), dtype=bool, count=len(columns["ts"]))
    kept = {name: values[known] for name, values in columns.items()}
    circle = np.array([name_of[hcp] for hcp in kept["hcp_id"]], dtype=object)
    order = np.lexsort((kept["interaction_id"].astype(str), kept["ts"], circle.astype(str)))
    moved = {name: values[order] for name, values in kept.items()} | {"hcp_id": circle[order]}
    return Events.from_columns(moved, content=events.content, channels=events.channels)


def _counts(
    circle: Circle, moments: Ints, design: Design, windows: Sequence[int]
) -> tuple[Floats, tuple[Feature, ...]]:
    """(circles, moments, pairs, windows) contacts as of each moment, from the kernel."""
    features = EngagementFeatures(
        [Count(of="touches", by="pair", own=True, window_days=days) for days in windows], dtype="float64"
    )
    nobody: Columns = {"hcp_id": np.zeros(0, dtype=object)}
    features.fit_events(circle.events, nobody, until=int(moments.max()) + 1)
    n, k = len(circle.names) * len(moments), len(design.actions)
    grid = features.design(
        circle.events,
        nobody,
        hcps=np.repeat(np.array(circle.names, dtype=object), len(moments)),
        at=np.tile(moments, len(circle.names)),
        actions=design.actions,
        row=np.repeat(np.arange(n), k),
        pair=np.tile(np.arange(k), n),
    )
    counts = grid.own.astype(float).reshape(len(circle.names), len(moments), k, len(windows))
    return counts, features.own_features_


def _shrunk(counts: Floats, sizes: Floats) -> Floats:
    """Contacts per 1,000 HCPs of a circle, held to everybody's."""
    overall = counts.sum(axis=0) / sizes.sum()
    rates: Floats = (counts + HELD_BY * overall) / (sizes + HELD_BY)[:, None, None, None] * PER
    return rates


def _named(feature: Feature, column: str) -> Feature:
    return replace(
        feature,
        name=f"peers({column}, {feature.window_days}d)",
        label=f"contacts of this pair with {LABELS.get(column, column)}",
        group="peers",
        wording="",
    )
