"""The history, lived through day by day."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nba.contracts import DAY, Ints
from nba.simulate.catalogue import CHANNEL, EMAILS, INVITATIONS, PERSONAL
from nba.simulate.choices import Habits, choose, plan_of_the_day
from nba.simulate.consent import Consent
from nba.simulate.surface import (
    Past,
    State,
    Touched,
    Touches,
    Visits,
    Warmed,
    of_day,
    success_probability,
)
from nba.simulate.world import World


def live_through(
    rng: np.random.Generator, world: World, consent: Consent, portal: Visits
) -> tuple[Touches, Past]:
    state, habits = State(world), Habits(rng, world)
    warmed: list[list[Warmed]] = [[] for _ in range(world.days)]
    for day, visits in _split_by_day(world, portal.ts, portal.hcp, portal.content):
        warmed[day].append(visits)
    diary = []
    for day in range(world.days):
        touches = _touches_of(rng, world, state, habits, consent, day)
        succeeded = np.flatnonzero(touches.held)
        parts = (touches.success_ts[succeeded], touches.hcp[succeeded], touches.content[succeeded])
        for later, engaged in _split_by_day(world, *parts):
            warmed[later].append(engaged)
        today = _merge(warmed[day])
        warmed[day] = [today]
        state.sleep(world, _touched(touches, day), today)
        diary.append(touches)
    touched = [_touched(touches, day) for day, touches in enumerate(diary)]
    past = Past(
        Touched._make(map(np.concatenate, zip(*touched, strict=True))),
        Warmed._make(map(np.concatenate, zip(*(part[0] for part in warmed), strict=True))),
    )
    return Touches._make(map(np.concatenate, zip(*diary, strict=True))), past


def _touched(touches: Touches, day: int) -> Touched:
    days = np.full(len(touches.hcp), day)
    return Touched(days, touches.hcp, touches.channel, touches.content, touches.held)


def _merge(parts: list[Warmed]) -> Warmed:
    empty = Warmed._make(np.zeros(0, dtype=np.int64) for _ in Warmed._fields)
    return Warmed._make(map(np.concatenate, zip(empty, *parts, strict=True)))


def _split_by_day(world: World, ts: Ints, hcp: Ints, content: Ints) -> Iterator[tuple[int, Warmed]]:
    days = (ts - world.start) // DAY
    order = np.argsort(days, kind="stable")
    order = order[days[order] < world.days]
    sorted_by_day = Warmed(days[order], hcp[order], world.library.topic[content[order]])
    for day in np.unique(days[order]):
        yield int(day), Warmed._make(of_day(sorted_by_day, sorted_by_day.day, int(day)))


def _touches_of(
    rng: np.random.Generator, world: World, state: State, habits: Habits, consent: Consent, day: int
) -> Touches:
    today = world.start + day * DAY
    plan = plan_of_the_day(rng, world, state, habits, consent, day)
    hcp, channel, content, selection_prob, by_programme = plan
    # A working day from 8:00 to 15:30 local time lies within one UTC day from California to Vienna.
    local = rng.integers(8 * 3600, 15 * 3600 + 1800, len(hcp))
    ts = today + local - world.offset[world.zone[hcp], day]
    truth = success_probability(world, state, day, hcp=hcp, channel=channel, content=content)
    held = rng.random(len(hcp)) < truth
    irritation = np.maximum(state.own_pressure[hcp, channel] - 2.0, 0.0)
    leaves = np.isin(channel, EMAILS) & (rng.random(len(hcp)) < 0.0012 + 0.006 * irritation)
    # Never on the same day: two e-mails of one day must both find the consent they were sent under.
    left_ts = np.where(leaves, today + rng.integers(DAY, 3 * DAY, len(hcp)), 0)
    for way in EMAILS:
        rows = leaves & (channel == way)
        consent.end(hcp[rows], way, left_ts[rows])
    return Touches(
        ts,
        hcp,
        channel,
        content,
        selection_prob,
        by_programme,
        truth,
        held,
        _success_moments(rng, world, ts, hcp, channel, day=day),
        left_ts,
    )


def _success_moments(
    rng: np.random.Generator, world: World, ts: Ints, hcp: Ints, channel: Ints, *, day: int
) -> Ints:
    """When a success comes, if it comes: at once in person, on the day of the event, else after a delay."""
    n = len(ts)
    read = reading_moments(rng, world, ts, hcp, day=day, sigma=1.4, longest_days=12)
    midnight = ts - (ts + world.offset[world.zone[hcp], day]) % DAY
    ahead = np.where(channel == CHANNEL["event"], rng.integers(10, 26, n), rng.integers(4, 18, n))
    evening = midnight + ahead * DAY + 18 * 3600 + rng.integers(0, 900, n)
    return np.where(PERSONAL[channel], ts, np.where(np.isin(channel, INVITATIONS), evening, read))


def reading_moments(
    rng: np.random.Generator,
    world: World,
    ts: Ints,
    hcp: Ints,
    *,
    day: int | Ints,
    sigma: float,
    longest_days: int,
) -> Ints:
    """Log-normal delays of about ten hours, drawn towards the hour at which each HCP reads."""
    n = len(ts)
    delay = np.exp(np.log(0.4) + sigma * rng.normal(size=n))
    local_midnight = ts - (ts + world.offset[world.zone[hcp], day]) % DAY
    hour = rng.vonmises((world.rhythm[hcp] - 12.0) * np.pi / 12.0, 3.0) * 12.0 / np.pi + 12.0
    read = (
        local_midnight
        + np.minimum(delay.astype(np.int64), longest_days) * DAY
        + (hour * 3600).astype(np.int64)
    )
    at_once = ts + 60 + rng.exponential(2400.0, n).astype(np.int64)
    return np.where(read < ts + 60, at_once, read)


def portal_visits(rng: np.random.Generator, world: World) -> Visits:
    """Visits of their own accord, about four a year and HCP, to what meets their interests."""
    eagerness = rng.gamma(0.8, 1.0, world.size) * 4.0 * world.days / 365.0 / 0.8
    hcp = np.repeat(np.arange(world.size), rng.poisson(eagerness))
    day = rng.integers(0, world.days, len(hcp))
    local = ((world.rhythm[hcp] + rng.normal(0.0, 1.2, len(hcp))) % 24 * 3600).astype(np.int64)
    ts = world.start + day * DAY + local - world.offset[world.zone[hcp], day]
    library = world.library
    open_then = (library.used_from < ts[:, None]) & (library.used_to > ts[:, None])
    readable = open_then & library.on_portal & (library.language == world.language[hcp, None])
    content, possible = choose(rng, world.appeal[hcp] ** 2 * readable)
    possible &= (ts >= world.start) & (ts < world.start + world.days * DAY)
    return Visits(ts[possible], hcp[possible], content[possible])
