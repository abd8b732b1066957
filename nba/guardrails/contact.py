"""How often, and how soon again, an HCP is contacted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nba.contracts import DAY, NEVER, Bools, Candidates, Context, Ints, Verdict
from nba.errors import ArgumentError
from nba.guardrails.lookup import among, is_touch
from nba.guardrails.registry import Described


@dataclass(frozen=True)
class FrequencyCap(Described):
    """At most so many touches of an HCP in the last days.

    Counts every touch known strictly before the moment and every decision handed out and not yet sent,
    from ``days`` days before the moment on (that second included). With a channel, only its touches
    count and only its candidates are removed.

    Parameters
    ----------
    max_touches : from this many touches on, no further one; at least 1
    days : length of the window, more than 0
    channel : the channel it is about; None is over all channels and brands

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Notes
    -----
    Facts: ``contacts`` in the window, ``cap`` and ``days``; contacts is -1 for candidates of
    channels that the rule is not about.

    Examples
    --------
    >>> FrequencyCap(3, days=7)
    FrequencyCap(max_touches=3, days=7.0, channel=None)
    >>> FrequencyCap(2, days=30, channel="rep_visit").code
    'frequency_cap'
    """

    max_touches: int
    days: float = field(default=7.0, kw_only=True)
    channel: str | None = field(default=None, kw_only=True)
    code = "frequency_cap"

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_touches", _at_least_one(self.max_touches))
        object.__setattr__(self, "days", positive_days("FrequencyCap", self.days))
        check_channel("FrequencyCap", self.channel)

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove an HCP's candidates once the window holds ``max_touches`` touches."""
        since = candidates.at - round(self.days * DAY)
        counted = counted_touches(candidates, context, since=since, channels=_only(self.channel))
        contacts = np.bincount(context.touches["row"][counted], minlength=len(candidates.hcps))
        about = is_touch(candidates, channel=self.channel)
        reason = ((contacts >= self.max_touches)[:, None] & about).astype(np.int8)
        facts = {
            "contacts": np.where(about, contacts[:, None], -1),
            "cap": np.array([[self.max_touches]]),
            "days": np.array([[self.days]]),
        }
        about_what = _about(f"{self.max_touches} in {self.days:g} days", self.channel)
        return Verdict(self.code, reason, ("", self.code), facts, about=about_what)


@dataclass(frozen=True)
class MinimumGap(Described):
    """No touch of an HCP within so many days of the last one.

    A last touch exactly ``days`` days ago is far enough. Decisions handed out and not yet sent count
    as touches. With a channel, only its touches count and only its candidates are removed.

    Parameters
    ----------
    days : the gap, more than 0
    channel : the channel it is about; None is over all channels and brands

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Notes
    -----
    Facts: ``last_days_ago`` (0 for a touch that is still pending for later; -1 where there is none, or
    where the rule is not about the candidate's channel) and ``gap_days``.

    Examples
    --------
    >>> MinimumGap(days=3, channel="phone")
    MinimumGap(days=3.0, channel='phone')
    """

    days: float
    channel: str | None = field(default=None, kw_only=True)
    code = "minimum_gap"

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", positive_days("MinimumGap", self.days))
        check_channel("MinimumGap", self.channel)

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove an HCP's candidates while the last touch is nearer than the gap."""
        last = last_touch(candidates, context, channels=_only(self.channel))
        never = last == NEVER
        seconds_ago = np.maximum(candidates.at - np.where(never, candidates.at, last), 0)
        too_soon = ~never & (seconds_ago < round(self.days * DAY))
        about = is_touch(candidates, channel=self.channel)
        days_ago = np.where(never, -1.0, seconds_ago / DAY)
        facts = {
            "last_days_ago": np.where(about, days_ago[:, None], -1.0),
            "gap_days": np.array([[self.days]]),
        }
        reason = (too_soon[:, None] & about).astype(np.int8)
        about_what = _about(f"{self.days:g} days", self.channel)
        return Verdict(self.code, reason, ("", self.code), facts, about=about_what)


def last_touch(candidates: Candidates, context: Context, *, channels: Sequence[str] | None = None) -> Ints:
    """(n,) when each HCP was last touched, over some channels or any; NEVER where that has not been.

    Decisions handed out and not yet sent count.
    """
    counted = counted_touches(candidates, context, channels=channels)
    last: NDArray[np.int64] = np.full(len(candidates.hcps), NEVER, dtype=np.int64)
    np.maximum.at(last, context.touches["row"][counted], context.touches["ts"][counted])
    return last


def _about(setting: str, channel: str | None) -> str:
    return setting if channel is None else f"{channel}, {setting}"


def _only(channel: str | None) -> tuple[str, ...] | None:
    return None if channel is None else (channel,)


def counted_touches(
    candidates: Candidates, context: Context, *, since: int = NEVER, channels: Sequence[str] | None = None
) -> Bools:
    """True for touches that count: from ``since`` to the moment, and all that are still pending.

    Raises
    ------
    ArgumentError
        If a touch is of an HCP who is not asked about.
    """
    touches = context.touches
    rows = touches["row"]
    if len(rows) and (rows.min() < 0 or rows.max() >= len(candidates.hcps)):
        raise ArgumentError(
            f"Context.touches holds rows from {rows.min()} to {rows.max()}, expected 0 to "
            f"{len(candidates.hcps) - 1}: positions in Candidates.hcps. Drop the touches of other HCPs."
        )
    # a decision handed out for a later slot is a contact to come: it counts although its ts is ahead
    counted: Bools = (touches["ts"] >= since) & ((touches["ts"] <= candidates.at) | touches["pending"])
    if channels is not None:
        counted[counted] = among(touches["channel"][counted], channels)
    return counted


def _at_least_one(max_touches: object) -> int:
    if isinstance(max_touches, bool) or not isinstance(max_touches, int | np.integer) or max_touches < 1:
        raise ArgumentError(
            f"FrequencyCap found max_touches={max_touches!r}, expected a whole number of at least 1. "
            "To stop a channel altogether, leave it out of the channels table."
        )
    return int(max_touches)


def positive_days(rule: str, days: object) -> float:
    """A length in days as a float; ArgumentError where it is none."""
    if isinstance(days, bool) or not isinstance(days, int | float | np.number) or not 0 < days < math.inf:
        raise ArgumentError(
            f"{rule} found days={days!r}, expected a finite number above 0. Give days, not seconds."
        )
    return float(days)


def inner_share(rule: str, name: str, share: object) -> float:
    """A share between nothing and all as a float; ArgumentError where it is none."""
    number = isinstance(share, int | float | np.number) and not isinstance(share, bool)
    if not number or not 0 < share < 1:  # type: ignore[operator]
        raise ArgumentError(
            f"{rule} found {name}={share!r}, expected a number above 0 and below 1. "
            "Leave the rule out for none."
        )
    return float(share)  # type: ignore[arg-type]


def check_channel(rule: str, channel: object) -> None:
    """Refuse a channel that is no name."""
    if channel is not None and (not isinstance(channel, str) or not channel.strip()):
        raise ArgumentError(
            f"{rule} found channel={channel!r}, expected a channel's name. Leave it out for all channels."
        )
