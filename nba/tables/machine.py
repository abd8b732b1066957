"""Opens and clicks that no human made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Bools, Ints

MACHINE_SECONDS = 3
"""A mail cannot be delivered, noticed and opened by a human within this many seconds of its sending."""
BURST_CLICKS = 3
"""This many clicks on one touch within one second are a link scanner."""

QUICK_OUTCOMES = frozenset({"opened", "clicked", "downloaded"})


def machine_rows(
    *, flagged: Bools, quick: Bools, clicked: Bools, sent: Bools, ts: Ints, known: Ints, parent: Ints
) -> Bools:
    """Say which interactions a machine made.

    A row is a machine's if it is flagged so; or if it opens, clicks or downloads at most
    ``MACHINE_SECONDS`` after its touch was sent; or if it is a click and at least ``BURST_CLICKS``
    clicks on the same touch fall in the same second. Only rows known no later than the row itself
    are looked at, so that what arrives later never changes what was read before.

    Parameters
    ----------
    flagged : (n,) marked by the source
    quick, clicked, sent : (n,) the outcome is one of ``QUICK_OUTCOMES``, is "clicked", is "sent"
    ts, known : (n,) seconds UTC of the event, and from when on both event and record were there
    parent : (n,) row of the touch a row answers, -1 where there is none

    Returns
    -------
    array of shape (n,), bool

    Examples
    --------
    >>> no = np.zeros(2, dtype=bool)
    >>> second = np.array([False, True])
    >>> at = np.array([100, 102])
    >>> machine_rows(flagged=no, quick=second, clicked=no, sent=~second, ts=at, known=at,
    ...              parent=np.array([-1, 0]))
    array([False,  True])
    """
    machine = flagged.copy()
    rows = np.flatnonzero(quick & (parent >= 0))
    touch = parent[rows]
    soon = (ts[rows] - ts[touch] <= MACHINE_SECONDS) & (known[touch] <= known[rows]) & sent[touch]
    machine[rows[soon]] = True
    clicks = np.flatnonzero(clicked & (parent >= 0))
    machine[clicks[_in_burst(parent[clicks], ts[clicks], known[clicks])]] = True
    return machine


def _in_burst(parent: Ints, ts: Ints, known: Ints) -> Bools:
    """Which clicks are, by the time they are known, one of several in a second on one touch."""
    if len(parent) < BURST_CLICKS:
        return np.zeros(len(parent), dtype=np.bool_)
    # Equal seconds of one touch are equal here; where others are, too, it costs the time below and no more.
    second = np.sort((parent << 35) + ts)
    if not (second[BURST_CLICKS - 1 :] == second[: 1 - BURST_CLICKS]).any():
        return np.zeros(len(parent), dtype=np.bool_)
    order = np.lexsort((known, ts, parent))
    p, t, k = parent[order], ts[order], known[order]
    row = np.arange(len(order))
    new_second = np.r_[True, (p[1:] != p[:-1]) | (t[1:] != t[:-1])]
    new_known = new_second | np.r_[True, k[1:] != k[:-1]]
    first = np.maximum.accumulate(np.where(new_second, row, 0))
    # Rows that became known together count each other, so the count runs to the last of them.
    starts = np.flatnonzero(new_known)
    last = np.repeat(np.r_[starts[1:], len(order)] - 1, np.diff(np.r_[starts, len(order)]))
    burst: NDArray[np.bool_] = np.empty(len(order), dtype=np.bool_)
    burst[order] = last - first + 1 >= BURST_CLICKS
    return burst
