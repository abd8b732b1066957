"""A training part and a later window of labels, with their columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from nba import assess
from nba.contracts import DAY, Bools, Design, Feature, Floats, Ints, Labels
from nba.decision import Known
from nba.models import PairPropensity
from nba.recommender import NextBestAction
from nba.tables import Engagement
from training.train import EVALUATION_DAYS, GAP_DAYS, iso


class Split:
    """What a model learned until a moment, and the touches of a window behind it.

    Attributes
    ----------
    model : fitted on labels closed before the gap
    train, train_y, train_at : its requests
    labels, test : the window's, each as of its own moment
    gap_seconds : between a label's touch and its end, at most
    """

    def __init__(self, model: NextBestAction, data: Engagement, *, until: int) -> None:
        self.start = until - EVALUATION_DAYS * DAY
        self.until, self.data = until, data
        end = self.start - GAP_DAYS * DAY
        self.model = model.fit(data, until=iso(end))
        self.known = Known.of(data, model.features)
        labels = model.outcome.labels(data, until=end)
        self.train = model.design(self.known, labels)
        self.train_y: Floats = labels.y
        self.train_at: Ints = labels.at[labels.row]
        self.labels: Labels = assess.window_labels(model, data, start=iso(self.start), end=iso(until))
        self.test: Design = model.design(self.known, self.labels)
        self.gap_seconds = int(model.horizon_days_ * DAY)

    def fitted(self, keep: Bools) -> PairPropensity:
        """The scorer, fitted anew on some of the training requests."""
        rows = np.flatnonzero(keep)
        scorer = PairPropensity(**self.model.scorer.get_params())
        return scorer.fit(
            taken(self.train, rows), self.train_y[rows], at=self.train_at[rows], gap_seconds=self.gap_seconds
        )


def taken(design: Design, requests: Ints) -> Design:
    """Some of a design's requests."""
    return replace(design, row=design.row[requests], pair=design.pair[requests], own=design.own[requests])


def with_columns(design: Design, wanted: Callable[[Feature], bool]) -> Design:
    """A design of those columns alone whose feature is wanted."""
    shared = [j for j, feature in enumerate(design.shared_features) if wanted(feature)]
    own = [j for j, feature in enumerate(design.own_features) if wanted(feature)]
    return replace(
        design,
        shared=design.shared[:, shared],
        own=design.own[:, own],
        shared_features=tuple(design.shared_features[j] for j in shared),
        own_features=tuple(design.own_features[j] for j in own),
    )


def some(labels: Labels, requests: Ints) -> Labels:
    """Some of the labels, each with a row of its own."""
    return Labels(
        hcps=labels.hcps[labels.row[requests]],
        at=labels.at[labels.row[requests]],
        row=np.arange(len(requests)),
        pair=labels.pair[requests],
        y=labels.y[requests],
        actions=labels.actions,
        censored=0,
        selection_prob=labels.selection_prob[requests],
    )


def contents_of(actions: Any, pair: Ints) -> np.ndarray:
    """(n,) the content id of each request."""
    return np.array([action.content for action in actions], dtype=object)[pair]
