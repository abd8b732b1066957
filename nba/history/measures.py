"""The metrics, one function a formula: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nba.contracts import Bools, Floats
from nba.history.shrink import GammaPrior

DEPTHS = {
    "opened": 0.1,
    "clicked": 0.5,
    "branched": 0.5,
    "downloaded": 1.0,
    "completed": 1.0,
    "attended": 1.0,
    "held": 1.0,
}
"""How much an engagement of each outcome says; an outcome that is not here says 0.1."""
SHALLOW = 0.1
DWELT = 0.5
"""How much it says that somebody stayed as long as a content takes: a page may stand open."""
MONTH_DAYS = 30.0


# --- pace -------------------------------------------------------------------------------------------------


def engagement_velocity(switches: Floats, days: Floats, prior: GammaPrior) -> Floats:
    """How fast an HCP moves between content types: switches per 30 days, shrunk.

    30 * (K + a) / (T + b), where K counts consecutive engagements of different type and T is the days from
    the first engagement of the window to the moment, at least 1. Repeats of a type and duplicates add 0.

    Parameters
    ----------
    switches : K, of any shape
    days : T, of the same shape; NaN where there was no engagement, and the prior alone speaks
    prior : shape a and rate b; a / b is the population's switches per day

    Examples
    --------
    >>> pace = engagement_velocity(np.array([0.0, 2.0]), np.array([60.0, 60.0]), GammaPrior(1.0, 90.0))
    >>> pace.round(2)
    array([0.2, 0.6])
    """
    since = np.where(np.isnan(days), 0.0, np.maximum(days, 1.0))
    found: Floats = MONTH_DAYS * (switches + prior.shape) / (since + prior.rate)
    return found


def acceleration(recent: Floats, earlier: Floats) -> Floats:
    """How much faster of late: the log of one velocity over another; both are above 0 by their prior.

    Examples
    --------
    >>> acceleration(np.array([1.2]), np.array([0.6])).round(3)
    array([0.693])
    """
    found: Floats = np.log(recent) - np.log(earlier)
    return found


def trend(recent: Floats, earlier: Floats, *, prior: float = 1.0) -> Floats:
    """A window against the window before it: log((recent + prior) / (earlier + prior)).

    Examples
    --------
    >>> trend(np.array([0.0, 3.0]), np.array([0.0, 1.0])).round(3)
    array([0.   , 0.693])
    """
    found: Floats = np.log((recent + prior) / (earlier + prior))
    return found


def theil_sen(x: Floats, y: Floats) -> Floats:
    """The median of the slopes between all pairs of points (Theil 1950, Sen 1968).

    Parameters
    ----------
    x : (m,) where the points stand
    y : (..., m) values; NaN are left out

    Returns
    -------
    (...) slopes; NaN where fewer than two points at different places are known

    Examples
    --------
    >>> theil_sen(np.arange(4.0), np.array([[0.0, 1.0, 2.0, np.nan], [3.0, 3.0, np.nan, np.nan]]))
    array([1., 0.])
    """
    slopes = _slopes(x, y)
    known = (~np.isnan(slopes)).sum(axis=-1)
    ordered = np.sort(slopes, axis=-1)  # NaN go last
    low, high = np.maximum(known - 1, 0) // 2, known // 2
    middle = [
        np.take_along_axis(ordered, np.minimum(i, max(ordered.shape[-1] - 1, 0))[..., None], axis=-1)[..., 0]
        for i in (low, high)
    ]
    found: Floats = np.where(known > 0, (middle[0] + middle[1]) / 2.0, np.nan)
    return found


def theil_sen_interval(x: Floats, y: Floats, *, z: float = 1.959964) -> tuple[float, float]:
    """An interval for one slope from Kendall's variance (Sen 1968, equation 2.6); no ties among ``x``.

    Parameters
    ----------
    x, y : (m,) points; NaN in ``y`` are left out
    z : 1.96 is 95 %

    Returns
    -------
    low and high; infinite where the points are too few to bound it

    Examples
    --------
    >>> low, high = theil_sen_interval(np.arange(8.0), np.array([8.0, 7, 7, 5, 4, 4, 2, 1]))
    >>> low < -1 < high < 0
    True
    """
    slopes = np.sort(_slopes(x, y[None])[0])
    slopes = slopes[~np.isnan(slopes)]
    m = int((~np.isnan(y)).sum())
    reach = z * np.sqrt(m * (m - 1) * (2 * m + 5) / 18.0)
    below = int(np.floor((len(slopes) - reach) / 2.0))
    above = int(np.ceil((len(slopes) + reach) / 2.0))
    low = slopes[below - 1] if below >= 1 else -np.inf
    high = slopes[above] if above < len(slopes) else np.inf
    return float(low), float(high)


def _slopes(x: Floats, y: Floats) -> Floats:
    i, j = np.triu_indices(len(x), k=1)
    apart = (x[j] - x[i]).astype(float)
    apart = np.where(apart == 0.0, np.nan, apart)
    slopes: Floats = (y[..., j] - y[..., i]) / apart
    return slopes


# --- what is preferred ------------------------------------------------------------------------------------


def preference(engaged: Floats, sent: Floats, *, prior: Floats, strength: Floats) -> Floats:
    """Which of several channels an HCP prefers, whatever was sent through each: shares that add up to 1.

    Proportional to (engaged + strength * prior) / (sent + strength): rates, not counts, since counts mirror
    what we sent.

    Parameters
    ----------
    engaged, sent : (..., n) counts, or decayed totals; more engaged than sent counts as all of them
    prior : (n,) what all HCPs do, in (0, 1)
    strength : (n,) touches' worth of prior

    Examples
    --------
    >>> usual, strength = np.array([0.2, 0.2]), np.array([10.0, 10.0])
    >>> shares = [preference(np.array([2.0, 0.0]), np.array([sent, 0.0]), prior=usual, strength=strength)
    ...           for sent in (5.0, 10.0)]
    >>> [share.round(3).tolist() for share in shares]
    [[0.571, 0.429], [0.5, 0.5]]
    """
    rates = (np.minimum(engaged, sent) + strength * prior) / (sent + strength)
    shares: Floats = rates / rates.sum(axis=-1, keepdims=True)
    return shares


def share(part: Floats, whole: Floats) -> Floats:
    """Part of the whole; NaN where there is no whole.

    Examples
    --------
    >>> share(np.array([1.0, 0.0]), np.array([4.0, 0.0]))
    array([0.25,  nan])
    """
    found: Floats = np.where(whole > 0.0, part / np.where(whole > 0.0, whole, 1.0), np.nan)
    return found


def entropy(total: Floats, log_sum: Floats) -> Floats:
    """How mixed a history is, in nats: log N - (sum of n * log n) / N; NaN where there is nothing.

    Parameters
    ----------
    total : N, all events
    log_sum : sum over the kinds of n * log n, with n the events of a kind

    Examples
    --------
    >>> entropy(np.array([4.0, 0.0]), np.array([4 * np.log(2.0), 0.0])).round(3)
    array([0.693,   nan])
    """
    some = total > 0.0
    n = np.where(some, total, 1.0)
    found: Floats = np.where(some, np.maximum(np.log(n) - log_sum / n, 0.0), np.nan)
    return found


def familiarity(depth: Floats) -> Floats:
    """How well an HCP knows a topic: 1 - exp(-faded depth of all engagements with it), in [0, 1).

    Examples
    --------
    >>> familiarity(np.array([0.0, 1.0])).round(3)
    array([0.   , 0.632])
    """
    found: Floats = -np.expm1(-depth)
    return found


def step_depth(missed: Floats, dwell_s: Floats, expected_s: Floats) -> Floats:
    """How deep an HCP went into one content, from its steps: completion, branches, dwell; in [0, 1].

    1 - missed * (1 - DWELT * min(1, dwell / expected)), where ``missed`` is the product of 1 - DEPTHS over
    the distinct steps taken. A completion is all there is; a step taken twice counts once; no dwell alone
    goes beyond half.

    Parameters
    ----------
    missed : what the steps leave, in [0, 1]; 1 where none was taken
    dwell_s : seconds spent, 0 or more
    expected_s : seconds the content takes; NaN or 0 where that is not known, and dwell then says nothing

    Examples
    --------
    >>> step_depth(np.array([1.0, 0.25, 1.0]), np.array([0.0, 0.0, 600.0]), np.full(3, 120.0)).tolist()
    [0.0, 0.75, 0.5]
    """
    known = expected_s > 0
    share = np.divide(dwell_s, expected_s, out=np.zeros(np.shape(dwell_s)), where=known)
    found: Floats = 1.0 - missed * (1.0 - DWELT * np.minimum(share, 1.0))
    return found


def novelty(exposure: Floats) -> Floats:
    """How new something still is: 1 / (1 + faded exposures), in (0, 1].

    Examples
    --------
    >>> novelty(np.array([0.0, 1.0]))
    array([1. , 0.5])
    """
    found: Floats = 1.0 / (1.0 + exposure)
    return found


def standing(values: Floats, reference: Floats) -> Floats:
    """Which share of a sorted reference lies below, ties counting half.

    Examples
    --------
    >>> standing(np.array([2.0, 9.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    array([0.375, 1.   ])
    """
    low, high = (np.searchsorted(reference, values, side=side) for side in ("left", "right"))
    found: Floats = np.where(np.isnan(values), np.nan, (low + high) / (2.0 * max(len(reference), 1)))
    return found


# --- rhythm -----------------------------------------------------------------------------------------------


def circular_kernel(bins: int = 24, *, kappa: float = 2.0) -> Floats:
    """Weights that smooth a histogram over a circle, as von Mises does; rows add up to 1.

    Returns
    -------
    (bins, bins), symmetric: what an event in a bin gives to every other

    Examples
    --------
    >>> weights = circular_kernel()
    >>> bool(weights[23, 0] == weights[11, 12]), weights.sum(axis=1).round(9).tolist() == [1.0] * 24
    (True, True)
    """
    # Distances first, so that pairs equally far apart weigh the same to the last bit.
    apart = np.abs(np.arange(bins)[:, None] - np.arange(bins)[None, :])
    turn = 2.0 * np.pi * np.minimum(apart, bins - apart) / bins
    weights = np.exp(kappa * (np.cos(turn) - 1.0))
    found: Floats = weights / np.sort(weights[0]).sum()
    return found


def rhythm(counts: Floats, *, prior: Floats, strength: float = 8.0, kappa: float = 2.0) -> Floats:
    """How an HCP's engagements spread over a circle of hours or days, smoothed and shrunk.

    (smoothed counts + strength * smoothed prior) / (n + strength)

    Parameters
    ----------
    counts : (..., bins) events by hour of the day, or by any other round of bins
    prior : (bins,) the population's shares; they are smoothed too
    strength : events' worth of prior

    Returns
    -------
    (..., bins) shares that add up to 1

    Examples
    --------
    >>> late = np.zeros(24)
    >>> late[23] = 5.0
    >>> shares = rhythm(late, prior=np.full(24, 1 / 24))
    >>> bool(shares[0] == shares[22] > shares[12]), round(float(shares.sum()), 9)
    (True, 1.0)
    """
    weights = circular_kernel(counts.shape[-1], kappa=kappa)
    total = counts.sum(axis=-1, keepdims=True)
    # A fixed order of summation, whatever else is asked for in the same call.
    smooth = ((counts + strength * prior)[..., None, :] * weights).sum(axis=-1)
    found: Floats = smooth / (total + strength)
    return found


def part_of_day(hour: int) -> str:
    """What a local hour usually is: "early" before 8, "clinic" to 18, "post_clinic" after it.

    Examples
    --------
    >>> [part_of_day(hour) for hour in (6, 11, 23, 0)]
    ['early', 'clinic', 'post_clinic', 'post_clinic']
    """
    return "post_clinic" if hour >= 18 or hour < 4 else "early" if hour < 8 else "clinic"


# --- silence and fatigue ----------------------------------------------------------------------------------


def silence_p(count: Floats, days: Floats, gap: Floats, prior: GammaPrior) -> Floats:
    """How likely an HCP who goes on as before would be silent for so long: ((b + T) / (b + T + gap))^(a + x).

    The posterior-predictive tail of a Gamma-Poisson process. Where prior and process hold, an alarm at
    p < 0.05 rings in 5 % of all silences that end by themselves.

    Parameters
    ----------
    count : x, engagements after the first one
    days : T, from the first to the last of them
    gap : days since the last; NaN, where there was none, gives NaN
    prior : shape a and rate b of engagements a day

    Examples
    --------
    >>> prior = GammaPrior(1.6, 35.0)
    >>> gaps = np.array([18.0, 51.0, 158.0])
    >>> silence_p(np.array([48.0, 16.0, 5.0]), np.full(3, 240.0), gaps, prior).round(3)
    array([0.043, 0.05 , 0.05 ])
    """
    before = prior.rate + days
    found: Floats = np.exp((prior.shape + count) * (np.log(before) - np.log(before + gap)))
    return found


def has_dropped_off(p: Floats, rate: Floats, *, usual: float, alpha: float = 0.05) -> Bools:
    """Whether an HCP who was active has gone silent: p under alpha, and a rate before of at least the usual.

    Examples
    --------
    >>> has_dropped_off(np.array([0.01, 0.01, np.nan]), np.array([0.2, 0.01, 0.2]), usual=0.1).tolist()
    [True, False, False]
    """
    dropped: Bools = (p < alpha) & (rate >= usual)
    return dropped


def simes(p: Floats) -> Floats:
    """One p-value for several channels at once (Simes 1986): the least of m * p_(i) / i.

    Parameters
    ----------
    p : (..., m); NaN are left out

    Returns
    -------
    (...) in [0, 1]; NaN where none is known

    Examples
    --------
    >>> simes(np.array([[0.01, 0.04, np.nan], [np.nan, np.nan, np.nan]]))
    array([0.02,  nan])
    """
    known = (~np.isnan(p)).sum(axis=-1, keepdims=True)
    scaled = known * np.sort(p, axis=-1) / np.arange(1, p.shape[-1] + 1)
    least = np.min(np.where(np.isnan(scaled), np.inf, scaled), axis=-1, initial=np.inf)
    found: Floats = np.where(known[..., 0] > 0, np.minimum(least, 1.0), np.nan)
    return found


def fatigue(
    pressure: Floats, answered: Floats, *, base_rate: Floats, strength: float = 2.0, half_at: float = 2.0
) -> Floats:
    """How tired of a channel an HCP is, in [0, 1): pressure and a falling response, both.

    clip(1 - recent / base, 0, 1) * A / (A + half_at), where the recent rate is the faded responses over the
    faded touches A, shrunk to the base rate by ``strength`` touches.

    Parameters
    ----------
    pressure : A, faded touches
    answered : faded responses
    base_rate : the HCP's long-run rate, above 0

    Examples
    --------
    >>> fatigue(np.array([0.0, 2.0, 2.0]), np.array([0.0, 0.0, 2.0]), base_rate=np.full(3, 0.5))
    array([0.  , 0.25, 0.  ])
    """
    recent = (answered + strength * base_rate) / (pressure + strength)
    falling = np.clip(1.0 - recent / base_rate, 0.0, 1.0)
    found: Floats = falling * pressure / (pressure + half_at)
    return found


# --- journeys ---------------------------------------------------------------------------------------------


def distance(p: Floats, q: Floats) -> Floats:
    """Jensen-Shannon distance of two distributions, base 2: 0 where equal, 1 where disjoint.

    Examples
    --------
    >>> distance(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[0.5, 0.5], [0.0, 1.0]]))
    array([0., 1.])
    """
    middle = (p + q) / 2.0
    divergence = (_bits(p, middle) + _bits(q, middle)) / 2.0
    found: Floats = np.sqrt(np.clip(divergence, 0.0, 1.0))
    return found


def _bits(p: Floats, middle: Floats) -> Floats:
    ratio = np.where(p > 0.0, p / np.where(middle > 0.0, middle, 1.0), 1.0)
    bits: Floats = (p * np.log2(ratio)).sum(axis=-1)
    return bits


def coherence(facets: Sequence[tuple[Floats, Floats]], *, weights: Sequence[float] | None = None) -> Floats:
    """How well what was sent fits what is preferred, in [0, 1].

    The weighted mean over channel, topic and timing of 1 - the Jensen-Shannon distance.

    Parameters
    ----------
    facets : for each facet (preferred, sent), distributions of shape (..., n); for timing, both smoothed by
        :func:`circular_kernel`, so that three hours off costs less than twelve
    weights : of the facets; equal by default

    Examples
    --------
    >>> channels = np.array([0.7, 0.1, 0.1, 0.1]), np.full(4, 0.25)
    >>> round(float(coherence([channels])), 2)
    0.61
    """
    parts = np.array([1.0 - distance(preferred, sent) for preferred, sent in facets])
    share_of = np.full(len(parts), 1.0) if weights is None else np.asarray(weights, dtype=float)
    found: Floats = np.tensordot(share_of / share_of.sum(), parts, axes=1)
    return found


def above_chance(value: Floats, chance: Floats) -> Floats:
    """A coherence beside that of random eligible sends: 0 is no better, 1 the best there is (as kappa).

    Examples
    --------
    >>> above_chance(np.array([0.8]), np.array([0.6])).round(2)
    array([0.5])
    """
    found: Floats = (value - chance) / (1.0 - chance)
    return found


def survival(times: Floats, happened: Bools) -> tuple[Floats, Floats]:
    """Which share is still waiting after each time at which somebody stopped (Kaplan and Meier 1958).

    Parameters
    ----------
    times : (n,) until it happened, or until nobody looked any longer
    happened : (n,) False where it had not happened by then

    Returns
    -------
    (m,) times in order, and (m,) shares still waiting after them

    Examples
    --------
    >>> survival(np.array([1.0, 2.0, 2.0, 5.0]), np.array([True, True, False, True]))[1].tolist()
    [0.75, 0.5, 0.0]
    """
    when = np.unique(times[happened])
    waiting = np.array([(times >= t).sum() for t in when], dtype=float)
    stopped = np.array([(happened & (times == t)).sum() for t in when], dtype=float)
    return when, np.cumprod(1.0 - stopped / np.maximum(waiting, 1.0))


def still_waiting(when: Floats, waiting: Floats, times: Floats) -> Floats:
    """Which share is still waiting after some times, by the curve of :func:`survival`.

    Examples
    --------
    >>> when, waiting = survival(np.array([1.0, 3.0]), np.array([True, True]))
    >>> still_waiting(when, waiting, np.array([0.5, 1.0, 2.0, 9.0])).tolist()
    [1.0, 0.5, 0.5, 0.0]
    """
    found: Floats = np.append(1.0, waiting)[np.searchsorted(when, times, side="right")]
    return found


def contextual_velocity(hours: Floats, delivered: Bools) -> float:
    """Median hours from what changed an HCP's state to the first matching action; NaN where under half came.

    Parameters
    ----------
    hours : (n,) to the action, or to the end of the log where none came
    delivered : (n,) whether it came

    Examples
    --------
    >>> contextual_velocity(np.array([4.0, 10.0, 30.0, 90.0]), np.array([True, True, True, False]))
    10.0
    """
    when, waiting = survival(hours, delivered)
    reached = when[waiting <= 0.5]
    return float(reached[0]) if len(reached) else float("nan")


def adoption_standing(days: Floats, adopted: Bools) -> Floats:
    """How early each of some HCPs of one specialty took up a product: the share that adopts later.

    Parameters
    ----------
    days : (n,) from launch to the first prescription, or to now where there is none
    adopted : (n,)

    Returns
    -------
    (n,) in [0, 1], 1 for the earliest; NaN for those who have not adopted

    Examples
    --------
    >>> adoption_standing(np.array([10.0, 20.0, 90.0, 90.0]), np.array([True, True, False, False]))
    array([0.75, 0.5 ,  nan,  nan])
    """
    when, waiting = survival(days, adopted)
    found: Floats = np.where(adopted, still_waiting(when, waiting, days), np.nan)
    return found


def adoption_rank(before: Floats, after: Floats, adopted: Bools) -> Floats:
    """Where HCPs stand in taking a product up: the share that does it later, who does it as early half.

    Who is waiting will stand somewhere below the share that waits as well: half of it is expected, so that
    nothing is said (0.5) of who had no time yet. Over those whom the shares were learned from the mean is
    0.5 where nobody was lost sight of before others adopted.

    Parameters
    ----------
    before, after : shares of colleagues still waiting just before and just after the adoption; ``after`` is
        that of now for who is waiting
    adopted : of the same shape

    Returns
    -------
    of the same shape, in [0, 1], high for the earliest

    References
    ----------
    Prentice (1978), Biometrika 65:167-179, scores of a rank test with censored times.

    Examples
    --------
    >>> before, after = np.array([1.0, 0.75, 0.5]), np.array([0.75, 0.5, 0.5])
    >>> adoption_rank(before, after, np.array([True, True, False])).tolist()
    [0.875, 0.625, 0.25]
    """
    found: Floats = np.where(adopted, (before + after) / 2, after / 2)
    return found
