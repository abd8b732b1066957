"""HCP x month x pair: what was known before, and what came of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nba.contracts import Action, Bools, Design, Floats, Labels
from nba.features import Attribute, Count, Decayed, EngagementFeatures, Events, Occurrence, Recency
from nba.features.declare import Declared
from nba.tables import Engagement, as_moment
from nba.tables.adapters import open_payments
from training.peers import with_peers

ADAPTERS: dict[str, Callable[..., Engagement]] = {"open_payments": open_payments}
CUT = "2015-01-01"
"""Training labels have closed by then; whatever is learned is learned from what was known before."""
TRAIN = tuple(f"2014-{month:02d}-01" for month in range(1, 13))
TEST = tuple(f"2015-{month:02d}-01" for month in range(1, 7))
UNTIL = "2015-07-01"
WITHIN_DAYS = 30
THREADS = os.cpu_count() or 1
"""Figures do not depend on it."""
SIX_MONTHS_DAYS = 180
SIX_MONTHS = Count(of="touches", window_days=SIX_MONTHS_DAYS)
ABOUT_THE_HCP: tuple[Declared, ...] = (
    SIX_MONTHS,
    Recency(of="touches"),
    Decayed(of="touches", half_life_days=30),
    Count(of="touches", by="channel", window_days=SIX_MONTHS_DAYS),
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

    def six_month_counts(self) -> Panel:
        """The same rows, of columns only the six-month counts: of all contacts, and by channel."""
        about = self.design.shared_features
        kept = [j for j, f in enumerate(about) if f.unit == "count" and f.window_days == SIX_MONTHS_DAYS]
        design = replace(
            self.design, shared=self.design.shared[:, kept], shared_features=tuple(about[j] for j in kept)
        )
        return replace(self, design=design)

    def by_hcp(self, values: Floats, pairs: Bools | None = None) -> Floats:
        """Mean per HCP of one number a request; every HCP has as many, so their mean is the mean of all."""
        _, codes = np.unique(self.labels.hcps.astype(str), return_inverse=True)
        grid = self.by_pair(values)
        per_row = (grid if pairs is None else grid[:, pairs]).mean(axis=1)
        means: Floats = np.bincount(codes, weights=per_row) / np.bincount(codes)
        return means


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
