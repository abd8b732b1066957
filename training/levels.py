"""Keep each pair's level: look at how its last forecasts came out."""

from __future__ import annotations

import numpy as np

from nba.contracts import Floats, Ints

FADE = 0.5
"""A month counts half as much as the month after it."""
HELD_BY = 3.0
"""Contacts' worth of belief in the forecast as it was fitted: a pair with two must not jump."""


def level_shifts(margin: Floats, y: Floats, at: Ints, *, window_seconds: int) -> Floats:
    """Shifts in log-odds by which each pair's forecasts ran too low, as known at each row's moment.

    log((reported + 3) / (forecast + 3)), both summed over the earlier moments whose windows had closed,
    each moment counting half of the next. Drugs are launched, renamed and given up; a model that was
    fitted once learns of it from each HCP's own contacts alone, and too late.

    Parameters
    ----------
    margin, y : (n_rows, K) log-odds and outcomes of every (HCP, moment) and pair
    at : (n_rows,) int64 seconds
    window_seconds : how far ahead of its moment an outcome looks; before that nobody knows it

    Returns
    -------
    (n_rows, K); 0 at moments before any window has closed

    References
    ----------
    The mean of a Poisson rate under a Gamma prior worth ``HELD_BY`` expected contacts, discounted in time:
    West and Harrison (1997), Bayesian Forecasting and Dynamic Models, section 10.8.

    Examples
    --------
    >>> shifts = level_shifts(np.zeros((4, 1)), np.ones((4, 1)), np.array([0, 0, 30, 30]), window_seconds=30)
    >>> shifts[:, 0].round(3).tolist()  # two reported where one was forecast
    [0.0, 0.0, 0.223, 0.223]
    """
    expected = 1.0 / (1.0 + np.exp(-margin))
    moments = np.unique(at)
    counts = [(m, y[at == m].sum(axis=0), expected[at == m].sum(axis=0)) for m in moments]
    shifts = np.zeros(margin.shape)
    for moment in moments:
        reported, forecast = np.zeros(margin.shape[1]), np.zeros(margin.shape[1])
        for earlier, came, foretold in counts:
            if earlier + window_seconds <= moment:
                reported, forecast = FADE * reported + came, FADE * forecast + foretold
        shifts[at == moment] = np.log((reported + HELD_BY) / (forecast + HELD_BY))
    return shifts
