"""A territory of invented HCPs whose true response is known.

The response surface is a hazard: ``P(success) = ceiling * (1 - exp(-rate))``. The rate multiplies a
kernel of latent positions (does this content meet this HCP's interests?), steps by role, setting and
access, Hill curves (attention to digital channels, warmth, repetition) and the exponential of decayed
pressure (fatigue). Fatigue, warmth and declines settle overnight: what happens on a UTC day counts from
the next midnight on, so the truth at a moment reads only what lies strictly before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from nba.contracts import DAY, DO_NOTHING, Action, Floats, Ints, Strings
from nba.errors import ArgumentError, UnknownActionError, UnknownHCPError
from nba.simulate.catalogue import CHANNEL, CHANNELS
from nba.simulate.consent import Consent
from nba.simulate.days import live_through, portal_visits
from nba.simulate.library import label_rows, write_library
from nba.simulate.rows import interaction_rows
from nba.simulate.surface import Past, State, replay, success_probability
from nba.simulate.world import World, invent_people, make_world, rep_rows
from nba.tables import Engagement, as_moment


@dataclass(frozen=True, eq=False)
class Territory:
    """Engagement tables of invented HCPs, and the truth behind them.

    Attributes
    ----------
    engagement : the tables, as a company would have them
    truth : frame of interaction_id (one row a touch in the tables) and true_probability in (0, 1)
    """

    engagement: Engagement
    truth: pd.DataFrame
    _world: World = field(repr=False)
    _past: Past = field(repr=False)
    _latest: dict[int, State] = field(default_factory=dict, init=False, repr=False)

    def response_probability(
        self, hcp_ids: Sequence[str] | Strings, at: object, actions: Sequence[tuple[str, str]]
    ) -> Floats:
        """Tell the true P(success within the channel's attribution window | this touch is made now).

        Parameters
        ----------
        hcp_ids : n ids of the ``hcps`` table
        at : one moment for all, or an integer array of shape (n,), seconds UTC
        actions : K (channel, content) pairs; ``DO_NOTHING`` never succeeds

        Returns
        -------
        array of shape (n, K), each in [0, 1]; what is eligible is not asked

        Raises
        ------
        UnknownHCPError, UnknownActionError
            If an id, channel or content is not of this territory.
        ArgumentError
            If a moment lies before the first simulated day.

        Examples
        --------
        >>> import nba
        >>> small = nba.simulate.territory(seed=1, hcps=40, days=60)
        >>> ids = list(small.engagement.hcps["hcp_id"][:2])
        >>> small.response_probability(ids, "2026-10-01", [("rep_visit", "c00_en_v1")]).shape
        (2, 1)
        """
        world = self._world
        hcp = _positions(hcp_ids, {name: row for row, name in enumerate(world.hcp_ids)})
        moments = np.broadcast_to(at if isinstance(at, np.ndarray) else np.int64(as_moment(at)), len(hcp))
        day = (moments - world.start) // DAY
        if len(day) and day.min() < 0:
            raise ArgumentError(
                f"{int((day < 0).sum())} moments lie before the first simulated day. "
                f"The history starts at {world.start} (seconds UTC); ask at or after it."
            )
        channel, content = _pairs(actions, world)
        result = np.zeros((len(hcp), len(actions)))
        wanted = np.flatnonzero(channel >= 0)
        for today, state in self._mornings(np.unique(day)):
            rows = np.flatnonzero(day == today)
            result[np.ix_(rows, wanted)] = success_probability(
                world,
                state,
                int(today),
                hcp=hcp[rows, None],
                channel=channel[wanted],
                content=content[wanted],
            )
        return result

    def _mornings(self, days: Ints) -> Iterable[tuple[int, State]]:
        """The state on each of the days; a single day's is kept, as many ask about one moment."""
        if len(days) != 1:
            return replay(self._world, self._past, days)
        today = int(days[0])
        state = self._latest.get(today) or next(replay(self._world, self._past, days))[1]
        self._latest.clear()
        self._latest[today] = state
        return [(today, state)]

    def to_folder(self, path: str | Path) -> None:
        """Write the tables as parquet files, and ``truth.parquet`` beside them."""
        self.engagement.to_folder(path)
        self.truth.to_parquet(Path(path) / "truth.parquet", index=False)


def territory(
    *, seed: int, hcps: int = 3000, days: int = 365, until: str = "2026-10-01", contents: int = 24
) -> Territory:
    """Simulate a year of engagement with a few thousand HCPs.

    Parameters
    ----------
    seed : the same seed gives the same bytes
    hcps : how many, at least 20
    days : length of the history in days, at least 60
    until : the moment of the extract; what happens or arrives later is not in the tables
    contents : how many documents (each in several languages, some in several versions), 20 to 99

    Raises
    ------
    ArgumentError
        If a size is outside these bounds.

    Examples
    --------
    >>> import nba
    >>> small = nba.simulate.territory(seed=1, hcps=40, days=60)
    >>> len(small.engagement.hcps), sorted(small.truth.columns)
    (40, ['interaction_id', 'true_probability'])
    """
    _check_sizes(hcps=hcps, days=days, contents=contents)
    people_rng, library_rng, taste_rng, consent_rng, portal_rng, day_rng, row_rng = (
        np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(7)
    )
    end = as_moment(until)
    start = end - days * DAY
    library = write_library(library_rng, contents=contents, start=start, end=end)
    people = invent_people(people_rng, hcps)
    world = make_world(taste_rng, people, library, start=start, days=days)
    consent = Consent.given(consent_rng, world)
    portal = portal_visits(portal_rng, world)
    touches, past = live_through(day_rng, world, consent, portal)
    interactions, truth = interaction_rows(row_rng, world, touches, portal, end=end)
    engagement = Engagement(
        interactions,
        library.table,
        people,
        consent=consent.table(world, end),
        labels=label_rows(),
        reps=rep_rows(people),
        observed_until=until,
    )
    return Territory(engagement=engagement, truth=truth, _world=world, _past=past)


def _check_sizes(*, hcps: int, days: int, contents: int) -> None:
    for name, value, low, high in (
        ("hcps", hcps, 20, 1_000_000),
        ("days", days, 60, 3650),
        ("contents", contents, 20, 99),
    ):
        if not low <= value <= high:
            raise ArgumentError(f"{name}={value!r} cannot be simulated. Give a number from {low} to {high}.")


def _positions(hcp_ids: Sequence[str] | Strings, known: dict[str, int]) -> Ints:
    rows = np.array([known.get(hcp, -1) for hcp in hcp_ids], dtype=np.int64)
    if (rows < 0).any():
        raise UnknownHCPError(
            f"{int((rows < 0).sum())} of {len(rows)} HCPs are not of this territory (first at position "
            f"{int(np.argmax(rows < 0))}). Take ids from territory.engagement.hcps."
        )
    return rows


def _pairs(actions: Sequence[tuple[str, str]], world: World) -> tuple[Ints, Ints]:
    """Channel and content index of each action; -1 is DO_NOTHING."""
    contents = {name: index for index, name in enumerate(world.content_ids)}
    known = [action == DO_NOTHING or (action[0] in CHANNEL and action[1] in contents) for action in actions]
    if not all(known):
        found = Action(*actions[known.index(False)])
        raise UnknownActionError(
            f"{known.count(False)} actions are not of this territory, the first is {str(found)!r}. "
            f"Channels: {', '.join(CHANNELS)}; contents: those of territory.engagement.content."
        )
    return (
        np.array([CHANNEL.get(channel, -1) for channel, _ in actions], dtype=np.int64),
        np.array([contents.get(content, -1) for _, content in actions], dtype=np.int64),
    )
