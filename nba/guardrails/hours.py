"""Quiet hours, by the clock on the HCP's wall."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from nba.contracts import Candidates, Context, Verdict
from nba.errors import ArgumentError
from nba.guardrails.clock import QUARTER, zone_of
from nba.guardrails.contact import check_channel
from nba.guardrails.lookup import codes, is_touch, numbered, text_column
from nba.guardrails.registry import Described
from nba.tables.zones import known_zone

_NO_ZONE = "Some HCPs have no known timezone: their quiet hours are read in UTC."


@dataclass(frozen=True)
class QuietHours(Described):
    """No touch when every moment before ``valid_until`` lies in quiet hours.

    A decision may wait for a better hour, so an action goes away only if no moment of [at, valid_until)
    is left outside the quiet hours in the HCP's own time; the fact ``next_open`` says from when on it may go.
    Clocks that change are followed.

    Parameters
    ----------
    start, end : hours of the day, 0 to 24 in quarters, from when to when it is quiet; over midnight where
        ``start`` is later than ``end``
    weekend : Saturdays and Sundays are quiet throughout
    channel : only touches over this channel; None is all

    Raises
    ------
    ArgumentError
        If an hour is none, or no hour is left.

    Notes
    -----
    Facts: ``next_open``, int seconds UTC; -1 where there is none. Where a timezone is not known UTC is read,
    and the funnel says so.

    Examples
    --------
    >>> QuietHours(start=19.5, end=8, channel="phone")
    QuietHours(start=19.5, end=8.0, weekend=True, channel='phone')
    """

    start: float = field(default=20.0, kw_only=True)
    end: float = field(default=7.0, kw_only=True)
    weekend: bool = field(default=True, kw_only=True)
    channel: str | None = field(default=None, kw_only=True)
    code = "quiet_hours"

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            object.__setattr__(self, name, _hour(name, getattr(self, name)))
        if self.start % 24 == self.end % 24:
            raise ArgumentError(
                f"QuietHours found start={self.start:g} and end={self.end:g}, expected two different hours. "
                "Leave the rule out for none."
            )
        check_channel("QuietHours", self.channel)

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove touches that no moment is left for."""
        zones = text_column(context.hcps, "timezone", length=len(candidates.hcps))
        index = numbered(zones)
        opens = np.array(
            [
                next_open(name, candidates.at, candidates.valid_until, self.start, self.end, self.weekend)
                for name in index
            ],
            dtype=np.int64,
        )[codes(zones, index)]
        about = is_touch(candidates, channel=self.channel)
        reason = ((opens < 0)[:, None] & about).astype(np.int8)
        hours = f"{self.start:g} to {self.end:g} o'clock{', weekend' if self.weekend else ''}"
        return Verdict(
            self.code,
            reason,
            ("", self.code),
            {"next_open": np.where(about, opens[:, None], -1)},
            note="" if all(known_zone(name) for name in index) else _NO_ZONE,
            about=f"{self.channel}, {hours}" if self.channel else hours,
        )


@lru_cache(maxsize=4096)
def next_open(zone: str, at: int, until: int, start: float, end: float, weekend: bool) -> int:
    """The first moment of [at, until) that is not quiet in a zone; -1 where there is none.

    Parameters
    ----------
    zone : name of a time zone; UTC where nobody knows it
    at, until : int seconds UTC
    start, end, weekend : as of :class:`QuietHours`

    Examples
    --------
    >>> next_open("Asia/Tokyo", 0, 86_400, 20, 7, False)  # 09:00 of Thursday, 1 January 1970
    0
    >>> next_open("Europe/Berlin", 3 * 3600, 86_400, 20, 7, False) // 3600  # 04:00 there: from 07:00 on
    6
    """
    where = zone_of(zone)
    moment = at
    while moment < until:
        clock = dt.datetime.fromtimestamp(moment, where)
        if not _is_quiet(clock, start, end, weekend):
            return moment
        moment += QUARTER - moment % QUARTER  # quiet hours and clock changes begin with a quarter
    return -1


def _is_quiet(clock: dt.datetime, start: float, end: float, weekend: bool) -> bool:
    second = clock.hour * 3600 + clock.minute * 60 + clock.second
    begins, ends = start * 3600, end * 3600
    inside = begins <= second < ends if begins < ends else second >= begins or second < ends
    return inside or (weekend and clock.weekday() >= 5)


def _hour(name: str, hour: object) -> float:
    number = isinstance(hour, int | float | np.number) and not isinstance(hour, bool)
    if not number or not 0 <= hour <= 24 or hour * 4 != round(hour * 4):  # type: ignore[operator]
        raise ArgumentError(
            f"QuietHours found {name}={hour!r}, expected an hour from 0 to 24 in quarters, such as 7.5."
        )
    return float(hour)  # type: ignore[arg-type]
