"""What the forecast has to beat, on the same rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from nba.contracts import Bools, Design, Floats, Ints

NEVER_DAYS = 3650.0
"""Days since a contact that never was, for a rival that knows no missing values."""


def rate_margins(y: Floats, pair: Ints, *, n_pairs: int) -> Floats:
    """(n_pairs,) log-odds of each pair's rate in training, half a contact and half a miss added.

    Examples
    --------
    >>> rate_margins(np.array([1.0, 0.0, 0.0]), np.array([0, 0, 1]), n_pairs=2).round(3).tolist()
    [0.0, -1.099]
    """
    met = np.bincount(pair, weights=y, minlength=n_pairs)
    rows = np.bincount(pair, minlength=n_pairs)
    margins: Floats = np.log((met + 0.5) / (rows - met + 0.5))
    return margins


def logistic_per_pair(train: Design, y: Floats, test: Design, *, threads: int = 1) -> Floats:
    """Log-odds of one plain logistic regression a pair, on the HCP's columns and the pair's own.

    Contacts of others are left out: within one pair they are little more than one series in time, and a
    regression that is not held by the other pairs does worse with them than without. Columns enter as
    standardised log(1 + x); scikit-learn's defaults otherwise. A pair that never (or always) happened in
    training keeps its rate.

    Parameters
    ----------
    train, test : full grids: every row asks for every pair, in order
    y : (n_requests,) outcomes of ``train``
    """
    k = len(train.actions)
    met = y.reshape(-1, k)
    rates = rate_margins(y, train.pair, n_pairs=k)

    def one(pair: int) -> Floats:
        if met[:, pair].min() == met[:, pair].max():
            return np.full(len(test.shared), rates[pair])
        return _logistic(_columns(train, pair), met[:, pair], _columns(test, pair))

    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        margins = list(pool.map(one, range(k)))
    return np.stack(margins, axis=1).reshape(-1)


def logistic_on_count(count: Floats, y: Floats, test_count: Floats) -> Floats:
    """Log-odds of a logistic regression on log(1 + count) alone."""
    return _logistic(np.log1p(count)[:, None], y, np.log1p(test_count)[:, None])


def _columns(design: Design, pair: int) -> Floats:
    kept = [j for j, feature in enumerate(design.own_features) if feature.group != "peers"]
    own = design.own.reshape(len(design.shared), len(design.actions), -1)[:, pair, kept]
    values = np.hstack([design.shared, own]).astype(float)
    features = (*design.shared_features, *(design.own_features[j] for j in kept))
    days = np.array([feature.unit == "days" for feature in features])
    return np.log1p(np.where(np.isnan(values), np.where(days, NEVER_DAYS, 0.0), values))


def _logistic(x: Floats, y: Floats, test: Floats) -> Floats:
    center, spread = x.mean(axis=0), x.std(axis=0)
    live: Bools = spread > 1e-9
    fitted = LogisticRegression(max_iter=2000).fit(_scaled(x, center, spread, live), y)
    margins: Floats = fitted.decision_function(_scaled(test, center, spread, live))
    return margins


def _scaled(x: Floats, center: Floats, spread: Floats, live: Bools) -> Floats:
    scaled: Floats = (x[:, live] - center[live]) / spread[live]
    return scaled
