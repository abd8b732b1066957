"""How reps, campaigns and chance choose whom to contact."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from nba.contracts import DAY, Bools, Floats, Ints
from nba.simulate.catalogue import ACCESS, CHANNEL, CHANNELS, FOLLOWS, PROGRAMME, REP
from nba.simulate.consent import Consent
from nba.simulate.surface import State, weekday
from nba.simulate.world import World, codes


class Habits:
    """How reps and campaigns choose: fixed for the whole history, unknown to the tables."""

    def __init__(self, rng: np.random.Generator, world: World) -> None:
        territory, names = pd.factorize(world.people["territory_id"], sort=True)
        self.territory: Ints = np.asarray(territory, dtype=np.int64)
        self.territories = len(names)
        access = codes(world.people["access_level"], ACCESS)
        by_access = np.array([[0.50, 0.14, 0.16, 0.20], [0.38, 0.20, 0.20, 0.22], [0.10, 0.34, 0.26, 0.30]])
        style = rng.gamma(6.0, 1.0, (self.territories, len(REP)))
        mix = by_access[access] * style[self.territory]
        self.channel_mix: Floats = mix / mix.sum(axis=1, keepdims=True)
        self.attraction: Floats = 0.22 * world.people["decile"].to_numpy() + rng.normal(0.0, 0.5, world.size)
        contents = len(world.content_ids)
        relevant = np.where(FOLLOWS[:, world.library.indication] > 0.15, 4.0, 1.0)
        self.rep_taste: Floats = rng.gamma(1.5, 1.0, (self.territories, contents))
        self.relevance: Floats = relevant
        self.programme_taste: Floats = relevant[:, None, :] * rng.gamma(3.0, 1.0, (len(PROGRAMME), contents))
        activity = 0.35 + world.people["decile"].to_numpy() / 10.0
        self.activity: Floats = activity * rng.gamma(4.0, 0.25, world.size)


class Plan(NamedTuple):
    """Who is contacted today, through what, with what."""

    hcp: Ints
    channel: Ints
    content: Ints
    selection_prob: Floats
    by_programme: Bools


def plan_of_the_day(
    rng: np.random.Generator, world: World, state: State, habits: Habits, consent: Consent, day: int
) -> Plan:
    if weekday(world, day) >= 5:
        nobody = np.zeros(0, dtype=np.int64)
        return Plan(nobody, nobody, nobody, np.zeros(0), np.zeros(0, dtype=bool))
    today = world.start + day * DAY
    allowed = consent.allows(today)
    usable = (world.library.used_from < today) & (world.library.used_to >= today + DAY)
    readable = usable & (world.language[:, None] == world.library.language)
    plans = [
        _programme(rng, world, habits, allowed, readable),
        _rep_rounds(rng, world, state, habits, allowed, readable),
        _batch(rng, world, habits, allowed, readable, day=day),
        _invitations(rng, world, habits, allowed, readable, day=day),
        _medical_visits(rng, world, habits, readable),
    ]
    plan = Plan._make(map(np.concatenate, zip(*plans, strict=True)))
    # One touch per HCP and channel a day: the first planned stands.
    _, first = np.unique(plan.hcp * len(CHANNELS) + plan.channel, return_index=True)
    return Plan._make(part[np.sort(first)] for part in plan)


def choose(rng: np.random.Generator, weights: Floats) -> tuple[Ints, Bools]:
    """One column per row, by its weight, and whether the row had any."""
    heights = np.cumsum(weights, axis=1)
    bar = rng.random(len(weights)) * heights[:, -1]
    return (heights <= bar[:, None]).sum(axis=1).clip(max=weights.shape[1] - 1), heights[:, -1] > 0


def _with_content(
    rng: np.random.Generator, world: World, hcp: Ints, channel: Ints, weights: Floats, readable: Bools
) -> Plan:
    """Choose what to say once it is settled through what; nothing of this is logged."""
    content, possible = choose(rng, weights * (readable[hcp] & world.library.carried_by[channel]))
    hcp, channel, content = hcp[possible], channel[possible], content[possible]
    return Plan(hcp, channel, content, np.full(len(hcp), np.nan), np.zeros(len(hcp), dtype=bool))


def _programme(
    rng: np.random.Generator, world: World, habits: Habits, allowed: Bools, readable: Bools
) -> Plan:
    """The randomised part: who is contacted is chance, (channel, content) is drawn from a logged pmf."""
    hcp = np.flatnonzero(rng.random(world.size) < 0.115)
    ways = list(PROGRAMME)
    pairs = len(ways) * len(world.content_ids)
    eligible = allowed[hcp][:, ways, None] & readable[hcp][:, None, :] & world.library.carried_by[ways]
    taste = np.where(eligible, habits.programme_taste[world.specialty[hcp]], 0.0).reshape(len(hcp), pairs)
    flat = eligible.reshape(len(hcp), pairs)
    some = flat.any(axis=1)
    hcp, taste, flat = hcp[some], taste[some], flat[some]
    share = flat / flat.sum(axis=1, keepdims=True)
    pmf = 0.4 * share + 0.6 * taste / taste.sum(axis=1, keepdims=True)
    chosen, _ = choose(rng, pmf)
    way, content = np.divmod(chosen, len(world.content_ids))
    return Plan(
        hcp, np.array(ways)[way], content, pmf[np.arange(len(hcp)), chosen], np.ones(len(hcp), dtype=bool)
    )


def _rep_rounds(
    rng: np.random.Generator,
    world: World,
    state: State,
    habits: Habits,
    allowed: Bools,
    readable: Bools,
) -> Plan:
    """Each rep sees about nine of a hundred HCPs a day: high deciles, and those who saw them before."""
    wish = habits.attraction + 0.45 * np.minimum(state.visits, 3.0) + rng.gumbel(size=world.size)
    order = np.lexsort((-wish, habits.territory))
    sizes = np.bincount(habits.territory, minlength=habits.territories)
    rank = np.arange(world.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    room = np.floor(0.09 * sizes + rng.random(habits.territories))
    hcp = np.sort(order[rank < np.repeat(room, sizes)])
    mix = habits.channel_mix[hcp] * allowed[hcp][:, list(REP)]
    way, _ = choose(rng, mix)
    weights = habits.rep_taste[habits.territory[hcp]] * habits.relevance[world.specialty[hcp]]
    return _with_content(rng, world, hcp, np.array(REP)[way], weights, readable)


def _batch(
    rng: np.random.Generator, world: World, habits: Habits, allowed: Bools, readable: Bools, *, day: int
) -> Plan:
    """Headquarters' newsletter: a document of the week, to the higher deciles more often."""
    way = CHANNEL["hq_email"]
    hcp = np.flatnonzero((rng.random(world.size) < 0.035 * habits.activity) & allowed[:, way])
    of_the_week = np.where(world.library.family % 7 == day // 7 % 7, 12.0, 1.0)
    weights = habits.relevance[world.specialty[hcp]] * of_the_week
    return _with_content(rng, world, hcp, np.full(len(hcp), way), weights, readable)


def _invitations(
    rng: np.random.Generator, world: World, habits: Habits, allowed: Bools, readable: Bools, *, day: int
) -> Plan:
    """Webinars are announced on Tuesdays and Fridays, events now and then."""
    invited = np.zeros((world.size, len(CHANNELS)), dtype=bool)
    if weekday(world, day) in (1, 4):
        invited[:, CHANNEL["webinar"]] = rng.random(world.size) < 0.07 * habits.activity
    if day % 21 < 2:
        invited[:, CHANNEL["event"]] = rng.random(world.size) < 0.05 * habits.activity
    hcp, channel = np.nonzero(invited & allowed)
    return _with_content(rng, world, hcp, channel, habits.relevance[world.specialty[hcp]], readable)


def _medical_visits(rng: np.random.Generator, world: World, habits: Habits, readable: Bools) -> Plan:
    known = world.people["kol_score"].to_numpy()
    hcp = np.flatnonzero(rng.random(world.size) < 0.006 * np.minimum(known, 3.0))
    channel = np.full(len(hcp), CHANNEL["msl_visit"])
    return _with_content(rng, world, hcp, channel, habits.relevance[world.specialty[hcp]], readable)
