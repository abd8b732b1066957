"""How often one engagement leads to another."""

from __future__ import annotations

import numpy as np

from nba.contracts import DAY, Bools, Columns, Ints
from nba.history.shrink import beta_prior
from nba.history.touches import is_success, touch_answered


def continuation_rates(
    interactions: Columns, channels: Columns, *, until: int, within_days: float = 14.0
) -> dict[str, dict[str, float]]:
    """How likely another engagement follows a response, by channel and content of what was answered.

    A content's rate is held to its channel's and that to the rate of all, by as many responses as the
    rates differ little (:func:`nba.history.shrink.beta_prior`).

    Parameters
    ----------
    interactions, channels : canonical columns, sorted by HCP and moment
    until : int seconds UTC; nothing known at or after it is read
    within_days : how soon the next engagement has to follow

    Returns
    -------
    rates in (0, 1) by channel, then by content; content "" is the channel's own, channel "" that of all

    Examples
    --------
    >>> def texts(*values):
    ...     return np.array(values, dtype=object)
    >>> log = {"interaction_id": texts("a", "b", "c"), "hcp_id": texts("h", "h", "h"),
    ...        "parent_id": texts("", "a", ""), "channel": texts("email", "email", "visit"),
    ...        "content_id": texts("x", "x", ""), "outcome": texts("sent", "clicked", "held"),
    ...        "ts": np.arange(3) * DAY, "recorded_at": np.arange(3) * DAY, "machine": np.zeros(3, bool),
    ...        "touch": np.array([True, False, True]), "engaged": np.array([False, True, True])}
    >>> channels = {"channel": texts("email", "visit"), "success": [("clicked",), ("held",)]}
    >>> rates = continuation_rates(log, channels, until=60 * DAY)
    >>> rates["email"]["x"] > rates[""][""] > rates["visit"][""]
    True
    """
    touch, went_on = continuations(interactions, channels, until=until, within_days=within_days)
    channel, content = (interactions[name][touch].astype(object) for name in ("channel", "content_id"))
    pairs = sorted(set(zip(channel.tolist(), content.tolist(), strict=True)))
    place = {pair: k for k, pair in enumerate(pairs)}
    of = np.fromiter((place[p] for p in zip(channel, content, strict=True)), np.int64, count=len(touch))
    trials = np.bincount(of, minlength=len(pairs)).astype(float)
    successes = np.bincount(of, weights=went_on, minlength=len(pairs)).astype(float)
    prior = beta_prior(successes, trials)

    def held(mine: Ints, above: float) -> float:
        return float((successes[mine].sum() + prior.strength * above) / (trials[mine].sum() + prior.strength))

    rates = {"": {"": prior.mean}}
    for name in sorted({c for c, _ in pairs}):
        mine = np.array([k for k, (c, _) in enumerate(pairs) if c == name], dtype=np.int64)
        level = held(mine, prior.mean)
        rates[name] = {"": level} | {pairs[k][1]: held(mine[mine == k], level) for k in mine.tolist()}
    return rates


def continuations(
    interactions: Columns, channels: Columns, *, until: int, within_days: float
) -> tuple[Ints, Bools]:
    """Touches that got a response whose window has closed, and whether another engagement followed in it.

    The window starts at a touch's first success. What follows has to be later, human, and about
    something else than the same touch: the click after an open is no further engagement.

    Returns
    -------
    (m,) positions of the touches, rising, and (m,) True where the HCP engaged again
    """
    ts, within = interactions["ts"], int(within_days * DAY)
    answered = touch_answered(interactions)
    known = np.maximum(ts, interactions["recorded_at"]) < until
    won = np.flatnonzero(is_success(interactions, channels) & known & (answered >= 0))
    won = won[np.unique(answered[won], return_index=True)[1]]  # events stand in order of time
    won = won[ts[won] + within <= until]
    engaged = np.flatnonzero(interactions["engaged"] & known)
    if not len(won):
        return answered[won], np.zeros(0, dtype=np.bool_)
    hcp = interactions["hcp_id"]
    person = np.concatenate([[0], np.cumsum(hcp[1:] != hcp[:-1])]).astype(np.int64)
    key = person * (int(ts.max()) - int(ts.min()) + within + 2) + (ts - ts.min())
    about = np.where(answered >= 0, answered, -1 - np.arange(len(ts)))  # what answers nothing is on its own
    following = np.searchsorted(key[engaged], key[won], side="right")
    following = _past_the_same(about[engaged], about[won], following)
    there = following < len(engaged)
    found = engaged[np.minimum(following, len(engaged) - 1)]
    soon = there & (key[found] - key[won] <= within)
    return answered[won], soon & (person[found] == person[won])


def _past_the_same(about: Ints, asked: Ints, start: Ints) -> Ints:
    """For each start the first position from there on that is about something else than asked."""
    n = len(about)
    turns = np.flatnonzero(np.append(about[1:] != about[:-1], True)) + 1  # where each run of the same ends
    inside = np.minimum(start, max(n - 1, 0))
    same = (start < n) & (about[inside] == asked)
    ends = turns[np.searchsorted(turns, inside, side="right")]
    past: Ints = np.where(same, ends, start)
    return past
