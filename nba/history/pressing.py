"""What an HCP asks about, will ask about, and stumbles over."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from nba.contracts import DAY, Bools, Columns, Facet, Floats, Ints, Strings

FRICTION_DAYS = 180
"""How far back friction is counted."""
_LEAST_MOVES = 20
"""Moves from one topic to another under which nothing is said of the next."""


@dataclass(frozen=True)
class TopicMoves:
    """What a population engages with, and what it turns to next, as of a moment.

    Attributes
    ----------
    topics : (T,) sorted
    shares : (T,) of all engagements; add up to one
    moves : (T, T) how often an engagement with the column's topic was the next after one with the row's
    """

    topics: Strings
    shares: Floats
    moves: Floats

    @classmethod
    def of(
        cls, topics: Mapping[str, str], interactions: Columns, *, at: int, hcps: Collection[str]
    ) -> TopicMoves:
        """Count the human engagements of some HCPs known strictly before ``at``.

        Parameters
        ----------
        topics : content id to topic
        interactions : canonical columns, of any number of HCPs
        """
        rows = _seen(interactions, at)
        rows = rows[np.isin(interactions["hcp_id"][rows], list(hcps))]
        said = np.array([topics.get(c, "") for c in interactions["content_id"][rows]], dtype=object)
        rows, said = rows[said != ""], said[said != ""]
        names, code = np.unique(said, return_inverse=True)
        counts = np.bincount(code, minlength=len(names)).astype(float)
        order = np.lexsort((code, interactions["ts"][rows], interactions["hcp_id"][rows]))
        one, two = code[order[:-1]], code[order[1:]]
        hcp = interactions["hcp_id"][rows][order]
        same = (hcp[:-1] == hcp[1:]) & (one != two)
        moves = np.zeros((len(names), len(names)))
        np.add.at(moves, (one[same], two[same]), 1.0)
        return cls(names, counts / max(counts.sum(), 1.0), moves)

    def next_after(self, topic: str, *, strength: float = 10.0) -> Facet:
        """The topic most often turned to after another: P = (moves + strength * share) / (all + strength).

        Not available where fewer than 20 moves were seen from it.
        """
        place = np.flatnonzero(self.topics == topic)
        if not len(place) or self.moves[place[0]].sum() < _LEAST_MOVES:
            return Facet("next_question", None, status="not_available")
        moves = self.moves[place[0]]
        chance = (moves + strength * self.shares) / (moves.sum() + strength)
        chance[place[0]] = -1.0
        best = int(np.argmax(chance))
        return Facet("next_question", str(self.topics[best]), n=float(moves.sum()))


def pressing_topics(
    topics: Mapping[str, str],
    interactions: Columns,
    population: TopicMoves,
    *,
    at: int,
    half_life_days: float = 60.0,
    strength: float = 3.0,
    most: int = 3,
) -> tuple[Facet, ...]:
    """The topics an HCP engages with more than others of their kind, recent engagements counting more.

    lift = (w + strength * share) / (W + strength) / share, where w is the topic's decayed number of
    engagements, W that of all topics, and share the topic's in the population: what everybody is sent does
    not look like an interest. ``strength`` is engagements' worth of prior.

    Parameters
    ----------
    topics : content id to topic
    interactions : one HCP's canonical columns
    population : HCPs to compare with, of the same specialty

    Returns
    -------
    At most ``most`` facets with a lift of 1 or more, highest first: name the topic, value the lift, n its
    engagements.

    Examples
    --------
    >>> log = {"ts": np.array([0, DAY]), "recorded_at": np.array([0, DAY]), "engaged": np.array([True, True]),
    ...        "content_id": np.array(["c1", "c1"], dtype=object)}
    >>> names = np.array(["dosing", "safety"], dtype=object)
    >>> usual = TopicMoves(names, np.array([0.25, 0.75]), np.zeros((2, 2)))
    >>> [(f.name, f.n, round(f.value, 2)) for f in pressing_topics({"c1": "dosing"}, log, usual, at=2 * DAY)]
    [('dosing', 2.0, 2.19)]
    """
    rows = _seen(interactions, at)
    said = np.array([topics.get(c, "") for c in interactions["content_id"][rows]], dtype=object)
    weight = 2.0 ** (-(at - interactions["ts"][rows]) / (half_life_days * DAY))
    share = dict(zip(population.topics, population.shares.tolist(), strict=True))
    total = float(weight[said != ""].sum())
    found = []
    for topic in sorted(set(said) - {""}):
        mine, usual = said == topic, share.get(topic, 0.0)
        if usual > 0.0:
            lift = (float(weight[mine].sum()) + strength * usual) / (total + strength) / usual
            found.append(Facet(topic, lift, n=float(mine.sum())))
    found = [facet for facet in found if isinstance(facet.value, float) and facet.value >= 1.0]
    return tuple(sorted(found, key=lambda facet: (-float(facet.value or 0), facet.name))[:most])


def friction(interactions: Columns, *, at: int, days: int = FRICTION_DAYS) -> tuple[Facet, ...]:
    """What went wrong lately: declined contacts, unsubscriptions, complaints, unanswered inquiries.

    An inquiry is an inbound interaction with a query; it has no answer where no contact was made after it.

    Parameters
    ----------
    interactions : one HCP's canonical columns; nothing known at or after ``at`` is read

    Returns
    -------
    One facet a kind that was met: name "declined", "unsubscribed", "complained", "negative" or
    "unanswered", n how often.

    Examples
    --------
    >>> said = np.array(["declined"], dtype=object)
    >>> log = {"ts": np.array([5]), "recorded_at": np.array([5]), "outcome": said}
    >>> [(f.name, f.n) for f in friction(log, at=9)]
    [('declined', 1.0)]
    """
    known = (np.maximum(interactions["ts"], interactions["recorded_at"]) < at) & (
        interactions["ts"] >= at - days * DAY
    )
    counts = {
        name: int((known & (interactions["outcome"] == name)).sum())
        for name in ("declined", "unsubscribed", "complained")
    }
    if "reaction" in interactions:
        counts["negative"] = int((known & (interactions["reaction"] == "neg")).sum())
    if "query" in interactions:
        counts["unanswered"] = _unanswered(interactions, known)
    return tuple(Facet(name, float(n), n=float(n)) for name, n in counts.items() if n)


def _unanswered(interactions: Columns, known: Bools) -> int:
    asked = known & (interactions["query"] != "") & (interactions["direction"] == "inbound")
    answers = interactions["ts"][known & interactions["touch"]]
    latest = int(answers.max()) if len(answers) else 0
    return int((interactions["ts"][asked] > latest).sum())


def _seen(interactions: Columns, at: int) -> Ints:
    known = np.maximum(interactions["ts"], interactions["recorded_at"]) < at
    seen: Ints = np.flatnonzero(interactions["engaged"] & known)
    return seen


__all__ = ["FRICTION_DAYS", "TopicMoves", "friction", "pressing_topics"]
