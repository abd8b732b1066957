"""Figures by pair in which no small group stands out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nba.contracts import Floats, Labels
from nba.evaluation import log_losses

LEAST_HCPS = 10
"""A line of a table speaks of at least so many HCPs."""
OTHER = "other"


def by_pair(labels: Labels, margin: Floats, *, least: int = LEAST_HCPS) -> pd.DataFrame:
    """One line a pair: touches, HCPs, responses, mean probability, log loss; small pairs are one line.

    Pairs touched with fewer than ``least`` HCPs are merged into "other". Where these are too few HCPs even
    together, the next smallest pair joins them, so that no line can be found by subtraction. With fewer
    HCPs than that altogether there is no line at all.

    Parameters
    ----------
    labels : judged touches
    margin : (n,) predicted log-odds of each

    Returns
    -------
    frame of channel, content, touches, hcps, responses, mean_probability, observed_rate, log_loss, ordered by
    channel and content, "other" last
    """
    who = np.unique(labels.hcps.astype(str), return_inverse=True)[1][labels.row]
    place = _merged(labels.pair, who, n_pairs=len(labels.actions), least=least)
    loss = log_losses(margin, labels.y)
    p = 1.0 / (1.0 + np.exp(-margin))
    names = [*labels.actions, (OTHER, OTHER)]
    lines = []
    for k in np.unique(place):
        mine = place == k
        hcps = len(np.unique(who[mine]))
        if hcps >= least:
            figures = (labels.y[mine].sum(), p[mine].mean(), labels.y[mine].mean(), loss[mine].mean())
            lines.append((*names[k], int(mine.sum()), hcps, int(figures[0]), *map(float, figures[1:])))
    columns = ["channel", "content", "touches", "hcps", "responses"]
    return pd.DataFrame(lines, columns=[*columns, "mean_probability", "observed_rate", "log_loss"])


def _merged(pair: np.ndarray, who: np.ndarray, *, n_pairs: int, least: int) -> np.ndarray:
    """(n,) the line of each row: its pair, or ``n_pairs`` for "other"."""
    met = np.unique(np.stack([pair, who]), axis=1)
    hcps = np.bincount(met[0], minlength=n_pairs)
    by_size = [int(k) for k in np.lexsort((np.arange(n_pairs), hcps)) if hcps[k]]
    small = [k for k in by_size if hcps[k] < least]
    for k in by_size[len(small) :]:
        if not small or len(set(met[1][np.isin(met[0], small)])) >= least:
            break
        small.append(k)
    return np.where(np.isin(pair, small), n_pairs, pair)
