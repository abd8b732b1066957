"""Shrinkage of small counts towards what all share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nba.contracts import Floats


@dataclass(frozen=True)
class BetaPrior:
    """What is believed of a rate before a single touch.

    Attributes
    ----------
    mean : in (0, 1)
    strength : touches' worth of belief, > 0
    """

    mean: float
    strength: float


def beta_prior(successes: Floats, trials: Floats, *, pseudo_trials: float = 2.0) -> BetaPrior:
    """Learn how much rates differ between HCPs, by the method of moments.

    Parameters
    ----------
    successes, trials : (n,) counts per HCP; rows without trials are ignored
    pseudo_trials : trials at one half that keep the mean away from 0 and 1

    Returns
    -------
    BetaPrior
        ``strength`` is cut to [1, 200]: below, one touch would be believed outright; above, nobody would
        ever differ.

    References
    ----------
    Kleinman (1973), JASA 68:46-54, moment estimators of the beta-binomial.

    Examples
    --------
    >>> prior = beta_prior(np.array([2.0, 0.0, 9.0]), np.array([10.0, 10.0, 10.0]))
    >>> round(prior.mean, 3), prior.strength >= 1
    (0.375, True)
    """
    met = trials > 0
    s, n = np.minimum(successes[met], trials[met]).astype(float), trials[met].astype(float)
    total = n.sum()
    mean = float((s.sum() + 0.5 * pseudo_trials) / (total + pseudo_trials))
    if len(n) < 2:
        return BetaPrior(mean, 20.0)
    within = mean * (1 - mean)
    # The weighted spread of raw rates is what chance alone gives, plus what HCPs really differ by.
    between = float((n * (s / n - mean) ** 2).sum() - (len(n) - 1) * within)
    scale = float(total - (n**2).sum() / total)
    share = between / (scale * within) if scale > 0 else 0.0
    strength = 1.0 / share - 1.0 if share > 0 else 200.0
    return BetaPrior(mean, float(np.clip(strength, 1.0, 200.0)))
