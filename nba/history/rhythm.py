"""When in the day an HCP engages, in its own local time."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np

from nba.contracts import DAY, Columns, Facet, Floats
from nba.history.measures import circular_kernel
from nba.tables.zones import known_zone

SLOT_HOURS = 2.0
_STEPS = 48  # of a day, in which the slot may begin
_KAPPA = 14.6  # a standard deviation of one hour on the circle of a day
_HALF_LIFE_DAYS = 180.0
_LEAST = 6  # engagements under which nothing is said
_CHANCE = 0.05


def best_slot(interactions: Columns, *, at: int, timezone: str) -> Facet:
    """The two hours of the day in which an HCP engages most, if they stand out.

    Engagements count by the clock of the HCP's zone, half as much when half a year older, several within
    an hour once. They are smoothed over the circle of the day by about an hour, and the slot with most of
    them is told only if so many engagements in any slot of a day would be a chance of less
    than 5 % for somebody without a rhythm (binomial, times the number of slots that were looked at).

    Parameters
    ----------
    interactions : one HCP's canonical columns
    at : only human engagements known strictly before it are read
    timezone : IANA name; without one there is no local time and nothing is told

    Returns
    -------
    value "07:00–09:00", n the engagements in it; ``not_available`` where it does not stand out

    Examples
    --------
    >>> ts = np.arange(10) * DAY + 7 * 3600
    >>> log = {"ts": ts, "recorded_at": ts, "engaged": np.ones(10, dtype=bool)}
    >>> slot = best_slot(log, at=20 * DAY, timezone="UTC")
    >>> slot.value, slot.n
    ('06:00–08:00', 10.0)
    """
    none = Facet("best_slot", None, status="not_available")
    zone = known_zone(timezone)
    if zone is None:
        return none
    known = np.maximum(interactions["ts"], interactions["recorded_at"]) < at
    moments = sorted(int(ts) for ts in interactions["ts"][interactions["engaged"] & known])
    local = {(when.date(), when.hour): (when, ts) for ts in moments[::-1]
             for when in (datetime.fromtimestamp(ts, zone),)}  # fmt: skip
    if len(local) < _LEAST:
        return none
    hours = np.array([when.hour + when.minute / 60 for when, _ in local.values()])
    ages = np.array([(at - ts) / DAY for _, ts in local.values()])
    begin = _fullest(hours, 2.0 ** (-ages / _HALF_LIFE_DAYS))
    inside = int(((hours - begin) % 24.0 < SLOT_HOURS).sum())
    if _tail(inside, len(hours), SLOT_HOURS / 24.0) * _STEPS > _CHANCE:
        return none
    return Facet("best_slot", f"{_clock(begin)}–{_clock(begin + SLOT_HOURS)}", n=float(inside))


def _fullest(hours: Floats, weights: Floats) -> float:
    """Where the slot with the largest smoothed weight begins; the earliest of equals."""
    per_hour = _STEPS / 24.0
    counts = np.bincount((hours * per_hour).astype(np.int64), weights=weights, minlength=_STEPS)
    smooth = (counts * circular_kernel(_STEPS, kappa=_KAPPA)).sum(axis=1)
    steps = np.arange(_STEPS)[:, None] + np.arange(round(SLOT_HOURS * per_hour))
    total = smooth[steps % _STEPS].sum(axis=1)
    return float(np.argmax(np.round(total, 9)) / per_hour)


def _tail(least: int, n: int, share: float) -> float:
    """The chance of so many or more of ``n``."""
    return math.fsum(math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(least, n + 1))


def _clock(hour: float) -> str:
    minutes = round(hour * 60) % (24 * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
