"""Proper scores and calibration of probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Floats, probability
from nba.errors import ArgumentError


def log_losses(margin: Floats, y: Floats) -> Floats:
    """Minus log likelihood of each row, in nats.

    Parameters
    ----------
    margin : (n,) log-odds
    y : (n,) 0 or 1

    Examples
    --------
    >>> log_losses(np.array([0.0]), np.array([1.0])).round(4).tolist()
    [0.6931]
    """
    losses: Floats = np.logaddexp(0.0, margin) - y * margin
    return losses


def log_loss(margin: Floats, y: Floats) -> float:
    """Mean minus log likelihood, in nats; lower is better."""
    return float(log_losses(margin, y).mean())


def auc(margin: Floats, y: Floats) -> float:
    """The chance that a positive is ranked above a negative; ties count half.

    Raises
    ------
    ArgumentError
        If there is only one class.

    References
    ----------
    Mann and Whitney (1947).

    Examples
    --------
    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0.0, 0.0, 1.0, 1.0]))
    0.75
    """
    positives = int(y.sum())
    if not 0 < positives < len(y):
        raise ArgumentError(f"AUC needs both outcomes; found {positives} positives in {len(y)} rows.")
    _, place, counts = np.unique(margin, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    lower = positives * (positives + 1) / 2
    return float((ranks[y == 1].sum() - lower) / (positives * (len(y) - positives)))


def calibration_line(margin: Floats, y: Floats) -> tuple[float, float]:
    """(intercept, slope) of outcomes on the margin in log-odds; (0, 1) is perfectly calibrated.

    A slope below 1 means that probabilities are too extreme.

    References
    ----------
    Cox (1958), Biometrika 45:562-565.
    """
    x = np.stack([np.ones_like(margin), margin], axis=1)
    line = np.array([0.0, 1.0])
    for _ in range(50):
        p = probability(np.clip(x @ line, -30, 30))
        gram = (x * (p * (1 - p))[:, None]).T @ x + 1e-9 * np.eye(2)
        step = np.linalg.solve(gram, x.T @ (y - p))
        line = line + step
        if float(np.abs(step).max()) < 1e-10:
            break
    return float(line[0]), float(line[1])


def reliability(margin: Floats, y: Floats, *, bins: int = 10) -> Floats:
    """(bins, 3) mean probability, observed rate and rows of equally large groups by probability.

    Equal probabilities stay together, so that groups may differ in size, and there may be fewer.

    Examples
    --------
    >>> y = np.array([0.0, 0.0, 1.0, 1.0])
    >>> reliability(np.array([-2.0, -2.0, 2.0, 2.0]), y, bins=2).round(2).tolist()
    [[0.12, 0.0, 2.0], [0.88, 1.0, 2.0]]
    """
    p = probability(margin)
    return np.array([[p[g].mean(), y[g].mean(), len(g)] for g in equal_groups(p, bins=bins)])


def equal_groups(p: Floats, *, bins: int) -> list[NDArray[np.intp]]:
    """The rows of about equally large groups by probability, lowest first; equal ones are never parted.

    Examples
    --------
    >>> [rows.tolist() for rows in equal_groups(np.array([0.3, 0.1, 0.1, 0.1, 0.2, 0.4]), bins=3)]
    [[1, 2, 3], [4], [0, 5]]
    """
    order = np.argsort(p, kind="stable")
    ranked = p[order]
    cuts = [len(part) for part in np.array_split(order, bins)]
    ends = np.unique(np.searchsorted(ranked, ranked[np.cumsum(cuts) - 1], "right"))
    return [rows for rows in np.split(order, ends[:-1]) if len(rows)]
