"""Events carry the keys that content and channel give them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nba.contracts import Action
from nba.features import REST, Events, action_groups
from nba.features.events import content_tags


@pytest.fixture(name="made")
def _made(world: Any) -> tuple[Any, Events]:
    data = world.engagement(world.random_records(21))
    events = Events.from_columns(
        data.columns("interactions"), content=data.columns("content"), channels=data.columns("channels")
    )
    return data, events


@pytest.mark.parametrize("by", [None, "channel", "content", "pair", "topic"])
def test_every_event_has_the_key_one_would_read_off_its_row(world: Any, made: Any, by: str | None) -> None:
    data, events = made
    rows = world.rows_of(data)
    reader = world.Reader(data, rows, hcp="h0", at=0)

    keys, codes = events.codes(by)

    found = [tuple(keys[c]) if by == "pair" else keys[c] for c in codes]
    assert found == [reader.key(row, by) for row in rows]


@pytest.mark.parametrize("of", ["touches", "engagements", "inbound", "responses", "clicked", "declined"])
def test_cells_point_at_the_events_that_are_meant(world: Any, made: Any, of: str) -> None:
    data, events = made
    rows = world.rows_of(data)
    keys = ["push", "rep_visit"]

    cells = events.cells("channel", of, keys)

    met = {rows[p].interaction_id: c for p, c in zip(events.histories.order, cells, strict=True) if c >= 0}
    end = 2**40
    expected = {
        row.interaction_id: keys.index(row.channel)
        for hcp in data.hcps["hcp_id"]
        for row in world.Reader(data, rows, hcp=hcp, at=end).of(of)
        if row.channel in keys
    }
    assert met == expected


def test_cells_go_by_the_keys_asked_for(made: Any) -> None:
    _, events = made

    one = events.cells("channel", "touches", ["push", "rep_visit"])
    other = events.cells("channel", "touches", ["rep_visit", "push"])

    assert np.array_equal(np.where(one >= 0, 1 - one, -1), other)


def test_pairs_that_are_not_asked_for_go_to_the_rest(made: Any) -> None:
    _, events = made
    keys, codes = events.codes("pair")

    cells = events.cells("pair", "touches", [keys[0], REST])

    touch = events.interactions["touch"][events.histories.order]
    first = codes[events.histories.order] == 0
    assert np.array_equal(cells, np.where(touch, np.where(first, 0, 1), -1))


def test_a_number_is_a_tag_too() -> None:
    content = {"content_id": np.array(["m1", "m2"], dtype=object), "depth_level": np.array([2.0, np.nan])}

    assert content_tags(content, "depth_level") == {"m1": "2", "m2": ""}
    assert content_tags(content, "topic") == {}


def test_a_pair_borrows_from_its_channel_and_the_tags_its_content_has() -> None:
    content = {
        "content_id": np.array(["m1", "m2"], dtype=object),
        "topic": np.array(["dosing", ""], dtype=object),
        "format": np.array(["pdf", "pdf"], dtype=object),
    }
    actions = [Action("email", "m1"), Action("push", "m2"), Action("push", "unknown")]

    groups = action_groups(actions, content)

    assert groups == (
        ("channel=email", "topic=dosing", "format=pdf"),
        ("channel=push", "format=pdf"),
        ("channel=push",),
    )
