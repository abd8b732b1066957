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


@dataclass(frozen=True)
class GammaPrior:
    """What is believed of a pace before a single event.

    Attributes
    ----------
    shape : events' worth of belief, > 0
    rate : days' worth of belief, > 0; shape / rate is the usual number of events a day
    """

    shape: float
    rate: float


def gamma_prior(events: Floats, days: Floats) -> GammaPrior:
    """Learn how much paces differ between HCPs, by the marginal likelihood of their counts.

    Parameters
    ----------
    events : (n,) counts, each Poisson in the days it was watched
    days : (n,) watched, > 0; rows that were not watched are ignored

    Returns
    -------
    GammaPrior
        ``shape`` is cut to [0.05, 200]: below, nearly everybody would be silent for ever; above, nobody
        would ever differ. Where nothing was watched, one event in 30 days, believed for one event.

    References
    ----------
    Negative binomial marginal likelihood of a Gamma-Poisson: Greenwood and Yule (1920), JRSS 83:255-279.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> paces = rng.gamma(1.6, 1 / 35, 4_000)
    >>> prior = gamma_prior(rng.poisson(paces * 300.0).astype(float), np.full(4_000, 300.0))
    >>> round(prior.shape, 1), round(prior.rate, -1)
    (1.6, 30.0)
    """
    watched = days > 0
    x, t = events[watched].astype(float), days[watched].astype(float)
    if not len(x) or not x.sum():
        return GammaPrior(1.0, 30.0 if not len(x) else max(30.0, float(t.sum())))
    # Equal rows are counted once; the sums below then run in a fixed order, whatever the rows' order.
    pairs, times = np.unique(np.column_stack([x, t]), axis=0, return_counts=True)
    x, t, weight = pairs[:, 0], pairs[:, 1], times.astype(float)
    shapes = np.geomspace(0.05, 200.0, 25)
    for _ in range(4):
        scores = [_best_rate(shape, x, t, weight)[1] for shape in shapes]
        best = int(np.argmax(scores))
        low, high = shapes[max(best - 1, 0)], shapes[min(best + 1, len(shapes) - 1)]
        shapes = np.geomspace(low, high, 9)
    shape = float(shapes[int(np.argmax([_best_rate(s, x, t, weight)[1] for s in shapes]))])
    return GammaPrior(shape, float(_best_rate(shape, x, t, weight)[0]))


def _best_rate(shape: float, x: Floats, t: Floats, weight: Floats) -> tuple[float, float]:
    """The rate that explains the counts best under a shape, and the log-likelihood it gives them."""
    rate = shape * float((weight * t).sum() / (weight * x).sum())
    for _ in range(50):
        # d/d(rate): sum of shape / rate - (shape + x) / (rate + t); Newton on log(rate).
        slope = float((weight * (shape - (shape + x) * rate / (rate + t))).sum())
        bend = float((weight * (shape + x) * rate * t / (rate + t) ** 2).sum())
        step = float(np.clip(slope / bend, -2.0, 2.0))
        rate *= float(np.exp(step))
        if abs(step) < 1e-12:
            break
    from scipy.special import gammaln  # fitting alone needs it

    likelihood = gammaln(shape + x) - gammaln(shape) + shape * np.log(rate) - (shape + x) * np.log(rate + t)
    return rate, float((weight * likelihood).sum())
