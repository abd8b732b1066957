"""Which event answers which touch, and which of them succeed."""

from __future__ import annotations

import numpy as np

from nba.contracts import Bools, Columns, Ints
from nba.tables.arrays import coded


def is_success(interactions: Columns, channels: Columns) -> Bools:
    """Human events whose outcome counts as success on their channel (the channels table says which).

    Parameters
    ----------
    interactions : canonical columns, (n_events,) each
    channels : the channels table, with ``channel`` and ``success``

    Returns
    -------
    (n_events,) bool

    Examples
    --------
    >>> channels = {"channel": np.array(["email"]), "success": [("clicked",)]}
    >>> said = np.array(["email", "opened", "clicked"], dtype=object)
    >>> log = {"channel": said[[0, 0]], "outcome": said[1:], "machine": np.zeros(2, bool)}
    >>> is_success(log, channels)
    array([False,  True])
    """
    wins = {
        (channel, outcome)
        for channel, outcomes in zip(channels["channel"], channels["success"], strict=True)
        for outcome in outcomes
    }
    # There are few channels and outcomes: each pair of them is looked up once.
    names, channel = coded(interactions, "channel")
    said, outcome = coded(interactions, "outcome")
    grid = np.array([[(name, word) in wins for word in said] for name in names], dtype=bool)
    won: Bools = grid.reshape(len(names), len(said))[channel, outcome]
    return won & ~interactions["machine"]


def first_successes(success: Bools, touch: Ints, *, order: Ints) -> Bools:
    """The first success that each touch got, in the order of becoming known.

    A later success of the same touch never takes its place, so the flag cannot change with the future.

    Parameters
    ----------
    success : (n_events,) as of :func:`is_success`
    touch : (n_events,) a number for the touch that each event answers
    order : (n_events,) positions of the events in the order of becoming known

    Examples
    --------
    >>> won = np.array([True, True, True])
    >>> first_successes(won, np.array([4, 4, 7]), order=np.array([1, 0, 2]))
    array([False,  True,  True])
    """
    ordered = order[success[order]]
    first: Bools = np.zeros(len(success), dtype=bool)
    first[ordered[np.unique(touch[ordered], return_index=True)[1]]] = True
    return first


def touch_answered(interactions: Columns) -> Ints:
    """For every event the position of the touch it answers: itself for a touch, its parent, or the latest.

    An event without a parent answers the latest touch of the same HCP, channel and content before it in
    the canonical order (by moment, then id). -1 where there is none, or the parent is another HCP's.

    Returns
    -------
    (n_events,) int64 positions in the same columns

    Examples
    --------
    >>> def texts(*values):
    ...     return np.array(values, dtype=object)
    >>> log = {"interaction_id": texts("a", "b"), "hcp_id": texts("h", "h"), "parent_id": texts("", "a"),
    ...        "channel": texts("email", "email"), "content_id": texts("c", "c"),
    ...        "ts": np.array([1, 5]), "touch": np.array([True, False])}
    >>> touch_answered(log)
    array([0, 0])
    """
    n = len(interactions["ts"])
    touch = interactions["touch"]
    place = {i: p for p, i in enumerate(interactions["interaction_id"]) if touch[p]}
    parent = interactions["parent_id"]
    answered = np.fromiter((place.get(p, -1) if p else -1 for p in parent), dtype=np.int64, count=n)
    if n:
        hcp = interactions["hcp_id"]
        answered[hcp[answered] != hcp] = -1
    answered[touch] = np.flatnonzero(touch)
    last: dict[tuple[str, str, str], int] = {}
    keys = zip(interactions["hcp_id"], interactions["channel"], interactions["content_id"], strict=True)
    for p, key in enumerate(keys):  # columns are sorted by HCP and time
        if touch[p]:
            last[key] = p
        elif not parent[p]:
            answered[p] = last.get(key, -1)
    return answered
