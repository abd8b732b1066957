"""Who was chosen, and with which probability."""

import numpy as np

from nba.contracts import DAY
from nba.simulate import choices
from nba.simulate.catalogue import CHANNELS, PROGRAMME
from nba.simulate.consent import Consent


def test_the_inverse_of_the_logged_probability_counts_the_eligible_actions(small):
    world = small._world
    rng = np.random.default_rng(0)
    habits = choices.Habits(rng, world)
    allowed = Consent.given(rng, world).allows(world.start + 40 * DAY)
    readable = world.language[:, None] == world.library.language

    draws = [choices._programme(rng, world, habits, allowed, readable) for _ in range(1500)]

    hcp = np.concatenate([draw.hcp for draw in draws])
    inverse = 1.0 / np.concatenate([draw.selection_prob for draw in draws])
    table = world.library.table
    eligible = np.array(
        [
            sum(
                allowed[row, way] and bool(readable[row, column]) and CHANNELS[way] in listed
                for way in PROGRAMME
                for column, listed in enumerate(table["channels"])
            )
            for row in range(world.size)
        ]
    )
    expected = eligible[hcp]
    error = (inverse - expected).std() / np.sqrt(len(hcp))
    assert abs((inverse - expected).mean()) < 4.0 * error


def test_every_eligible_action_keeps_a_share_of_chance(year):
    rows = year.engagement.interactions
    logged = rows["selection_prob"].dropna()

    assert logged.min() > 0.4 / (3 * 24)


def test_reps_see_high_deciles_and_those_who_saw_them_before_more_often(year):
    rows = year.engagement.interactions
    visits = rows[rows["touch"] & (rows["channel"] == "rep_visit")].groupby("hcp_id").size()
    hcps = year.engagement.hcps.set_index("hcp_id")
    per_hcp = visits.reindex(hcps.index, fill_value=0)

    assert per_hcp[hcps["decile"] >= 9].mean() > 1.8 * per_hcp[hcps["decile"] <= 2].mean()
    assert (
        per_hcp[hcps["access_level"] == "no_see"].mean()
        < 0.5 * per_hcp[hcps["access_level"] == "open"].mean()
    )


def test_nobody_gets_the_same_channel_twice_a_day(year):
    rows = year.engagement.interactions
    touches = rows[rows["touch"]]

    assert not touches.assign(day=touches["ts"].dt.date).duplicated(["hcp_id", "channel", "day"]).any()
