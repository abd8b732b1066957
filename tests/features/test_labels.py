"""A label waits until its window has closed, and knows only what was known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.contracts import Action
from nba.errors import ArgumentError
from nba.features import ANY, REST, Occurrence, Response, outcome_from_json, outcome_to_json

DAYS = {"approved_email": 14, "push": 14, "rep_visit": 14}


def answered_by(rows: list[Any], touch: Any, *, by: int, until: int, success: Any) -> bool:
    """Whether a touch got a success by a moment, going through all rows."""
    earlier: dict[tuple[str, str, str], str] = {}
    for row in rows:
        key = (row.hcp_id, row.channel, row.content_id)
        if row.touch:
            earlier[key] = row.interaction_id
        about = row.interaction_id if row.touch else row.parent_id or earlier.get(key, "")
        won = not row.machine and row.outcome in success[row.channel]
        if about == touch.interaction_id and won and row.ts <= by and max(row.ts, row.recorded_at) < until:
            return True
    return False


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_a_response_is_what_going_through_the_rows_finds(world: Any, seed: int) -> None:
    data = world.engagement(world.random_records(seed))
    channels = data.columns("channels")
    success = dict(zip(channels["channel"], channels["success"], strict=True))
    until, window = world.START + 45 * world.DAY, 9 * world.DAY
    rows = world.rows_of(data)

    labels = Response(within_days=9).labels(data, until=until)

    touches = [r for r in rows if r.touch and max(r.ts, r.recorded_at) < until]
    closed = [r for r in touches if r.ts + window <= until]
    assert labels.hcps.tolist() == [r.hcp_id for r in closed]
    assert labels.at.tolist() == [r.ts for r in closed]
    assert [labels.actions[p] for p in labels.pair] == [Action(r.channel, r.content_id) for r in closed]
    assert labels.y.tolist() == [
        answered_by(rows, r, by=r.ts + window, until=until, success=success) for r in closed
    ]
    assert labels.censored == len(touches) - len(closed)


def test_an_open_window_is_censored_even_when_the_answer_is_there(world: Any) -> None:
    sent = world.touch(
        "a", "h0", world.START, recorded=world.START, channel="push", content="c0", outcome="sent"
    )
    clicked = {**sent, "interaction_id": "b", "direction": "inbound", "outcome": "clicked", "parent_id": "a"}
    clicked["ts"] = clicked["recorded_at"] = world.START + 60
    data = world.engagement([sent, clicked], observed_until="2026-02-01")
    closing = world.START + 14 * world.DAY

    before = Response(within_days=14).labels(data, until=closing - 1)
    after = Response(within_days=14).labels(data, until=closing)

    assert (len(before), before.censored) == (0, 1)
    assert (after.y.tolist(), after.censored) == ([1.0], 0)


def test_nothing_after_the_log_ends_is_taken_for_a_no(world: Any) -> None:
    data = world.engagement(world.random_records(2))

    labels = Response(within_days=14).labels(data, until=data.observed_until + 365 * world.DAY)

    assert labels.at.max() + 14 * world.DAY <= data.observed_until


def test_what_bounced_never_reached_anybody(world: Any) -> None:
    sent = world.touch(
        "a", "h0", world.START, recorded=world.START, channel="push", content="c0", outcome="sent"
    )
    bounced = {**sent, "interaction_id": "b", "outcome": "bounced", "parent_id": "a"}
    data = world.engagement([sent, bounced, {**sent, "interaction_id": "c"}], observed_until="2026-03-01")

    assert len(Response(within_days=14).labels(data, until=data.observed_until)) == 1


def test_without_days_each_channel_has_its_own_window(world: Any) -> None:
    data = world.engagement(world.random_records(2))
    days = data.columns("channels")["attribution_days"]

    assert Response().horizon_seconds(data.columns("channels")) == int(days.max() * world.DAY)
    assert Response(within_days=0.5).horizon_seconds({}) == world.DAY // 2


def test_an_occurrence_is_any_contact_inside_the_window(world: Any) -> None:
    data = world.engagement(world.random_records(5))
    moments = (world.START + 20 * world.DAY, world.START + 40 * world.DAY)
    rows = [r for r in world.rows_of(data) if not r.machine]

    labels = Occurrence(within_days=10, moments=moments).labels(data, until=data.observed_until)

    assert len(labels) == 6 * 2 * len(labels.actions)
    for i in range(len(labels)):
        hcp, at, action = labels.hcps[labels.row[i]], labels.at[labels.row[i]], labels.actions[labels.pair[i]]
        met = any(
            r.hcp_id == hcp and (r.channel, r.content_id) == action and at <= r.ts < at + 10 * world.DAY
            for r in rows
        )
        assert labels.y[i] == met


def test_any_pair_is_one_row_an_hcp_and_moment(world: Any) -> None:
    data = world.engagement(world.random_records(5))
    moments = (world.START + 20 * world.DAY,)

    labels = Occurrence(within_days=10, any_pair=True, moments=moments).labels(
        data, until=data.observed_until
    )
    each = Occurrence(within_days=10, moments=moments).labels(data, until=data.observed_until)

    assert labels.actions == (ANY,)
    assert np.array_equal(labels.y, each.y.reshape(6, -1).max(axis=1))


def test_the_rest_is_every_pair_that_was_not_asked_about(world: Any) -> None:
    data = world.engagement(world.random_records(5))
    moments = (world.START + 20 * world.DAY, world.START + 40 * world.DAY)
    each = Occurrence(within_days=10, moments=moments).labels(data, until=data.observed_until)
    asked = each.actions[1:3]

    labels = Occurrence(within_days=10, moments=moments, pairs=asked, rest=True).labels(
        data, until=data.observed_until
    )

    met = each.y.reshape(-1, len(each.actions))
    others = [k for k in range(len(each.actions)) if k not in (1, 2)]
    assert labels.actions == (*asked, REST)
    assert np.array_equal(labels.y.reshape(-1, 3), np.c_[met[:, 1:3], met[:, others].max(axis=1)])


@pytest.mark.parametrize(
    "asked", [{}, {"pairs": (REST,)}, {"any_pair": True, "pairs": (Action("push", "c0"),)}]
)
def test_the_rest_of_nothing_is_refused(asked: Any) -> None:
    with pytest.raises(ArgumentError, match="rest=True"):
        Occurrence(within_days=10, rest=True, **asked)


def test_a_panel_moment_with_an_open_window_is_censored(world: Any) -> None:
    data = world.engagement(world.random_records(5))
    rule = Occurrence(within_days=30, any_pair=True, moments=(data.observed_until - world.DAY,))

    labels = rule.labels(data, until=data.observed_until)

    assert (len(labels), labels.censored) == (0, 6)


@pytest.mark.parametrize(
    "rule",
    [
        Response(),
        Response(within_days=7.5),
        Occurrence(within_days=30, moments=(1, 2), pairs=(Action("push", "c0"),)),
        Occurrence(within_days=30, any_pair=True),
        Occurrence(within_days=30, pairs=(Action("push", "c0"),), rest=True),
    ],
)
def test_every_outcome_survives_json(rule: Any) -> None:
    assert outcome_from_json(outcome_to_json(rule)) == rule


@pytest.mark.parametrize("days", [0, -1, 1e9, float("nan")])
def test_a_window_that_is_none_is_refused(days: float) -> None:
    with pytest.raises(ArgumentError, match="within_days"):
        Response(within_days=days)


def test_an_occurrence_needs_moments(world: Any) -> None:
    with pytest.raises(ArgumentError, match="no moments"):
        Occurrence(within_days=30).labels(world.engagement(world.random_records(1)), until=world.START)


def test_an_outcome_of_another_kind_is_refused() -> None:
    with pytest.raises(ArgumentError, match="'Sales' is not known"):
        outcome_from_json({"kind": "Sales"})
