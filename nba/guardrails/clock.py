"""Clocks on HCPs' walls."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Ints
from nba.guardrails.lookup import codes, numbered
from nba.tables.zones import known_zone

QUARTER = 900
"""Seconds: every zone's offset is a whole number of quarters of an hour, so that clocks jump only then."""


def local_days(zones: NDArray[Any], *, at: int) -> tuple[Ints, Ints]:
    """When the day that is on each wall begins and ends.

    Parameters
    ----------
    zones : (n,) names of time zones; an unknown one is read as UTC
    at : int seconds UTC

    Returns
    -------
    (n,) begin and (n,) end, int seconds UTC; the end is the next day's begin

    Examples
    --------
    >>> begin, end = local_days(np.array(["UTC", "Asia/Tokyo"], dtype=object), at=20 * 3600)
    >>> (begin // 3600).tolist(), (end // 3600).tolist()
    ([0, 15], [24, 39])
    """
    index = numbered(zones)
    bounds = np.array([_day(zone_of(name), at) for name in index], dtype=np.int64).reshape(len(index), 2)
    found = bounds[codes(zones, index)]
    return found[:, 0], found[:, 1]


def zone_of(name: str) -> dt.tzinfo:
    """A zone by its name, UTC where nobody knows it."""
    return known_zone(name) or dt.UTC


def _day(zone: dt.tzinfo, at: int) -> tuple[int, int]:
    today = dt.datetime.fromtimestamp(at, zone).date()
    return _midnight(today, zone), _midnight(today + dt.timedelta(days=1), zone)


def _midnight(day: dt.date, zone: dt.tzinfo) -> int:
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())
