"""Contacts of a circle, recounted from the rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nba.contracts import DAY, Action, Columns
from nba.features import REST, Count, EngagementFeatures, Events, Occurrence
from nba.tables import as_moment
from nba.tables.adapters import open_payments
from training.peers import EVERYBODY, Circle, with_peers

PAIRS = (Action("meal_visit", "X"), Action("travel", ""))
MOMENTS = (as_moment("2014-03-01"), as_moment("2014-04-01"))


@pytest.fixture(name="made", scope="module")
def _made(folder: Path):
    data = open_payments(folder)
    rule = Occurrence(within_days=30, moments=MOMENTS, pairs=PAIRS, rest=True)
    labels = rule.labels(data, until=data.observed_until)
    features = EngagementFeatures([Count(of="touches", window_days=30)]).fit(data, until="2015-01-01")
    events = features.events(data)
    design = features.design(
        events, data.columns("hcps"), hcps=labels.hcps, at=labels.at, actions=labels.actions,
        row=labels.row, pair=labels.pair,
    )  # fmt: skip
    return data, labels, events, design


def contacts_in(log: Columns, *, members: set[str], action: Action, low: int, high: int) -> int:
    """Contacts of some HCPs in [low, high), going through all rows."""
    found = 0
    for hcp, ts, channel, content in zip(
        log["hcp_id"], log["ts"], log["channel"], log["content_id"], strict=True
    ):
        pair = Action(channel, content)
        same = pair == action or (action == REST and pair not in PAIRS)
        found += hcp in members and same and low <= ts < high
    return found


@pytest.mark.parametrize("column", [EVERYBODY, "brick_id", "specialty"])
def test_a_circles_contacts_are_those_that_going_through_the_rows_finds(made, column):
    data, labels, events, design = made
    hcps, log = data.columns("hcps"), data.columns("interactions")
    value = dict(zip(hcps["hcp_id"], hcps.get(column, hcps["hcp_id"]), strict=True))

    wide = with_peers(design, labels, events=events, hcps=hcps, circles=(column,), windows=(90,))

    for i in np.random.default_rng(1).choice(len(labels), 40, replace=False):
        me, at, action = labels.hcps[labels.row[i]], labels.at[labels.row[i]], labels.actions[labels.pair[i]]
        members = {h for h in value if column == EVERYBODY or value[h] == value[me]}
        near = contacts_in(log, members=members, action=action, low=at - 90 * DAY, high=at)
        all_ = contacts_in(log, members=set(value), action=action, low=at - 90 * DAY, high=at)
        expected = 1000 * (near + 10 * all_ / len(value)) / (len(members) + 10)
        assert wide.own[i, -1] == pytest.approx(expected, rel=1e-6)


def test_what_happens_later_moves_nothing(made):
    data, labels, events, design = made
    hcps, log = data.columns("hcps"), data.columns("interactions")
    early = {name: values[log["ts"] < max(MOMENTS)] for name, values in log.items()}
    cut = Events.from_columns(early, content=events.content, channels=events.channels)

    then = with_peers(design, labels, events=cut, hcps=hcps)
    later = with_peers(design, labels, events=events, hcps=hcps)

    assert np.array_equal(then.own, later.own)


def test_columns_say_which_circle_and_window(made):
    data, labels, events, design = made

    wide = with_peers(design, labels, events=events, hcps=data.columns("hcps"), circles=("brick_id",))

    assert [f.name for f in wide.own_features] == ["peers(brick_id, 30d)", "peers(brick_id, 90d)"]
    assert {f.group for f in wide.own_features} == {"peers"}
    assert wide.own.shape == (len(labels), 2)


def test_contacts_of_strangers_to_the_table_are_in_no_circle(made):
    data, _, events, _ = made
    hcps = {name: values[1:] for name, values in data.columns("hcps").items()}
    stranger = data.columns("hcps")["hcp_id"][0]

    circle = Circle.from_events(events, hcps, column=EVERYBODY)

    met = int((events.interactions["hcp_id"] != stranger).sum())
    assert len(circle.events.interactions["ts"]) == met
    assert stranger not in circle.of
    assert replace(circle).sizes.tolist() == [len(hcps["hcp_id"])]
