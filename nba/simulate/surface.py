"""The true probability of a response."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nba.contracts import DAY, Bools, Floats, Ints
from nba.simulate.catalogue import CHANNELS, CONVERSATIONS, COUNTRIES, INVITATIONS, PERSONAL, TOPICS, WAYS
from nba.simulate.world import World


class State:
    """What the history has left in each HCP by the morning of a day."""

    def __init__(self, world: World) -> None:
        n, families = world.size, int(world.library.family.max()) + 1
        self.pressure = np.zeros(n)
        self.own_pressure = np.zeros((n, len(CHANNELS)))
        self.seen = np.zeros((n, families))
        self.warmth = np.zeros((n, len(TOPICS)))
        self.declines = np.zeros(n)
        self.visits = np.zeros(n)

    def sleep(self, world: World, touched: Touched, warmed: Warmed) -> None:
        """Let a night pass over a day's touches and engagement."""
        family, weight = world.library.family[touched.content], _WEIGHT[touched.channel]
        np.add.at(self.pressure, touched.hcp, weight)
        np.add.at(self.own_pressure, (touched.hcp, touched.channel), 1.0)
        np.add.at(self.seen, (touched.hcp, family), 1.0)
        np.add.at(self.warmth, (warmed.hcp, warmed.topic), 1.0)
        asked = np.isin(touched.channel, CONVERSATIONS)
        self.declines[touched.hcp[asked & touched.held]] = 0.0
        np.add.at(self.declines, touched.hcp[asked & ~touched.held], 1.0)
        np.add.at(self.visits, touched.hcp[asked & touched.held], 1.0)
        for part, half_life in (
            (self.pressure, 7.0),
            (self.own_pressure, 10.0),
            (self.seen, 60.0),
            (self.warmth, 25.0),
            (self.declines, 25.0),
            (self.visits, 60.0),
        ):
            part *= 2.0 ** (-1.0 / half_life)


_WEIGHT = np.array([way.weight for way in WAYS.values()])
_RATE = np.array([way.rate for way in WAYS.values()])
_CEILING = np.array([way.ceiling for way in WAYS.values()])
_TIRING = np.array([way.tiring for way in WAYS.values()])
_OWN_TIRING = np.array([way.own_tiring for way in WAYS.values()])


def success_probability(
    world: World, state: State, day: int, *, hcp: Ints, channel: Ints, content: Ints
) -> Floats:
    """The one place where the truth is: broadcasts hcp, channel and content against each other."""
    family, topic = world.library.family[content], world.library.topic[content]
    interest = world.pull[hcp, channel] * world.appeal[hcp, content] * world.fit[channel, content]
    tired = np.exp(
        -_TIRING[channel] * state.pressure[hcp] - _OWN_TIRING[channel] * state.own_pressure[hcp, channel]
    )
    repeated = 1.0 / (1.0 + (state.seen[hcp, family] / 3.0) ** 2)
    warmth = state.warmth[hcp, topic]
    warm = 1.0 + 0.9 * warmth / (warmth + 1.0)
    rebuffed = np.where(PERSONAL[channel], 0.8 ** np.minimum(state.declines[hcp], 4.0), 1.0)
    mood = _calendar(world, day)[world.country[hcp], channel]
    rate = _RATE[channel] * interest * tired * (0.3 + 0.7 * repeated) * warm * rebuffed * mood
    result: Floats = _CEILING[channel] * -np.expm1(-rate)
    return result


def weekday(world: World, day: int) -> int:
    """The day of the week, Monday is 0."""
    return (world.start // DAY + day + 3) % 7  # the first of January 1970 was a Thursday


def _calendar(world: World, day: int) -> Floats:
    """(countries, channels): holidays in Europe's August, slow Mondays, empty Friday seminars."""
    mood = np.ones((len(COUNTRIES), len(CHANNELS)))
    month = int(str(np.datetime64(world.start + day * DAY, "s"))[5:7])
    mood[1:] *= 0.65 if month == 8 else 1.0
    mood[:, list(CONVERSATIONS)] *= 0.85 if weekday(world, day) == 0 else 1.0
    mood[:, list(INVITATIONS)] *= 0.7 if weekday(world, day) == 4 else 1.0
    return mood


class Touched(NamedTuple):
    """Touches, one entry each; ``held`` is whether they succeeded."""

    day: Ints
    hcp: Ints
    channel: Ints
    content: Ints
    held: Bools


class Warmed(NamedTuple):
    """Human engagement with a topic, by the UTC day it happened on."""

    day: Ints
    hcp: Ints
    topic: Ints


class Past(NamedTuple):
    """All that moves the state, sorted by day."""

    touched: Touched
    warmed: Warmed


class Visits(NamedTuple):
    """Inbound visits to the portal."""

    ts: Ints
    hcp: Ints
    content: Ints


class Touches(NamedTuple):
    """The day's (or all) touches with what came of them."""

    ts: Ints
    hcp: Ints
    channel: Ints
    content: Ints
    selection_prob: Floats
    by_programme: Bools
    truth: Floats
    held: Bools
    success_ts: Ints
    left_ts: Ints  # moment of unsubscribing, 0 where the HCP stayed


def of_day(entries: NamedTuple, days: Ints, day: int) -> Iterator[np.ndarray]:
    """The entries of one day, column by column; they are sorted by day."""
    first, last = np.searchsorted(days, [day, day + 1])
    return (part[first:last] for part in entries)


def replay(world: World, past: Past, days: Ints) -> Iterator[tuple[int, State]]:
    """The state on the morning of each of the (ascending) days; the same state object moves on."""
    state, today = State(world), 0
    for day in days:
        while today < day:
            touched = Touched._make(of_day(past.touched, past.touched.day, today))
            state.sleep(world, touched, Warmed._make(of_day(past.warmed, past.warmed.day, today)))
            today += 1
        yield int(day), state
