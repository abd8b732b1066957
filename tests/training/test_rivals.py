"""The rivals are what they say they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from nba.contracts import Action, Design, Feature
from training.rivals import logistic_on_count, logistic_per_pair, rate_margins


def design(seed: int, *, rows: int = 300, pairs: int = 2) -> Design:
    rng = np.random.default_rng(seed)
    own = rng.integers(0, 90, (rows * pairs, 2)).astype(float)
    own[::3, 1] = np.nan
    return Design(
        shared=rng.integers(0, 9, (rows, 1)).astype(float),
        own=own,
        row=np.repeat(np.arange(rows), pairs),
        pair=np.tile(np.arange(pairs), rows),
        actions=tuple(Action("meal_visit", f"d{k}") for k in range(pairs)),
        groups=(("channel=meal_visit",),) * pairs,
        shared_features=(Feature("n", "n", unit="count"),),
        own_features=(Feature("m", "m", unit="count"), Feature("r", "r", unit="days")),
    )


def test_each_pair_has_the_regression_that_one_would_fit_by_hand():
    train, test = design(1), design(2)
    y = (np.random.default_rng(3).random(len(train)) < train.own[:, 0] / 100).astype(float)

    margins = logistic_per_pair(train, y, test, threads=2).reshape(-1, 2)

    for k in range(2):
        x, new = (
            np.log1p(np.c_[d.shared[:, 0], d.own[k::2, 0], np.nan_to_num(d.own[k::2, 1], nan=3650.0)])
            for d in (train, test)
        )
        scaler = StandardScaler().fit(x)
        by_hand = LogisticRegression(max_iter=2000).fit(scaler.transform(x), y[k::2])
        assert margins[:, k] == pytest.approx(by_hand.decision_function(scaler.transform(new)), abs=1e-6)


def test_contacts_of_others_are_left_out():
    train, test = design(1), design(2)
    y = (np.random.default_rng(3).random(len(train)) < 0.3).astype(float)
    described = (*train.own_features, Feature("peers", "peers", unit="count", group="peers"))

    without = logistic_per_pair(train, y, test)
    also = [replace(d, own=np.c_[d.own, d.own[:, 0] ** 2], own_features=described) for d in (train, test)]

    assert np.array_equal(logistic_per_pair(also[0], y, also[1]), without)


def test_a_pair_that_never_happened_keeps_its_rate():
    train, test = design(1), design(2)
    y = np.tile([0.0, 1.0, 0.0, 0.0], len(train) // 4)

    margins = logistic_per_pair(train, y, test).reshape(-1, 2)

    assert np.unique(margins[:, 0]).tolist() == [rate_margins(y, train.pair, n_pairs=2)[0]]


def test_more_contacts_mean_a_higher_forecast_of_the_count_alone():
    count = np.array([0.0, 0.0, 1.0, 5.0, 9.0, 9.0])

    margins = logistic_on_count(count, np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]), np.arange(4.0))

    assert np.all(np.diff(margins) > 0)
