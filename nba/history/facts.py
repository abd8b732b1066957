"""What an HCP's history says to a person: facts with their n."""

from __future__ import annotations

import numpy as np

from nba.contracts import DAY, Columns, Facet, Ints


def topic_interests(
    topics: dict[str, str], interactions: Columns, *, at: int, half_life_days: float = 60.0, most: int = 3
) -> tuple[Facet, ...]:
    """The topics an HCP engaged with most, recent engagements counting more.

    Parameters
    ----------
    topics : content id to topic
    interactions : one HCP's canonical columns
    at : only human engagements known strictly before it are read
    half_life_days : an engagement this old counts half

    Returns
    -------
    At most ``most`` facets, strongest first: name the topic, value its decayed total, n its engagements.

    Examples
    --------
    >>> log = {"ts": np.array([0, DAY]), "recorded_at": np.array([0, DAY]), "engaged": np.array([True, True]),
    ...        "content_id": np.array(["c1", "c1"], dtype=object)}
    >>> [(f.name, f.n) for f in topic_interests({"c1": "dosing"}, log, at=2 * DAY)]
    [('dosing', 2.0)]
    """
    totals: dict[str, tuple[float, int]] = {}
    seen = _seen(interactions, at)
    for content, ts in zip(
        *(interactions[name][seen].tolist() for name in ("content_id", "ts")), strict=True
    ):
        topic = topics.get(content, "")
        if topic:
            weight = 2.0 ** (-(at - ts) / (half_life_days * DAY))
            total, n = totals.get(topic, (0.0, 0))
            totals[topic] = (total + weight, n + 1)
    ranked = sorted(totals.items(), key=lambda item: (-item[1][0], item[0]))
    return tuple(Facet(topic, total, n=float(n)) for topic, (total, n) in ranked[:most])


def latest_engagements(interactions: Columns, *, at: int, most: int = 3) -> list[int]:
    """Positions of the latest human engagements known strictly before ``at``, newest first.

    Examples
    --------
    >>> log = {"ts": np.array([0, 5]), "recorded_at": np.array([0, 5]), "engaged": np.array([True, True])}
    >>> latest_engagements(log, at=9), latest_engagements(log, at=5)
    ([1, 0], [0])
    """
    seen = _seen(interactions, at)
    newest = seen[np.argsort(-interactions["ts"][seen], kind="stable")]
    return [int(i) for i in newest[:most]]


def _seen(interactions: Columns, at: int) -> Ints:
    known = np.maximum(interactions["ts"], interactions["recorded_at"]) < at
    return np.flatnonzero(interactions["engaged"] & known)
