"""What came of each decision, read from the interactions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.contracts import DAY, NEVER
from nba.errors import OutcomeError
from nba.store.attribution import attribute

HOUR = 3600


def decisions_of(start, *rows):
    """Columns of decisions: (id, decided after days, change) each."""
    plain = {"hcp_id": "h1", "channel": "approved_email", "content_id": "c1"}
    filled = [
        plain | {"decision_id": name, "decided_at": start + int(day * DAY)} | more for name, day, more in rows
    ]
    filled = [{"valid_until": row["decided_at"] + 7 * DAY} | row for row in filled]
    texts = {name: np.array([row[name] for row in filled], dtype=object) for name in (*plain, "decision_id")}
    moments = {
        name: np.array([row[name] for row in filled], dtype=np.int64)
        for name in ("decided_at", "valid_until")
    }
    return texts | moments


@pytest.fixture
def state_of(engagement, start):
    """The state of decision d1 (made at the start) at a day, given interactions."""

    def state(rows, *, day, more=()):
        at = start + int(day * DAY)
        data = engagement(
            [{"interaction_id": f"i{p}"} | row for p, row in enumerate(rows)], observed_until=at + DAY
        )
        decisions = decisions_of(start, ("d1", 0, {}), *more)
        found = attribute(decisions, data.columns("interactions"), data.columns("channels"), at=at)
        return found.state.tolist() if more else found.state[0]

    return state


def sent(start, day, **more):
    return {"ts": start + int(day * DAY)} | more


def click(start, day, **more):
    return sent(start, day, direction="inbound", outcome="clicked", **more)


def test_a_decision_waits_for_its_touch_while_it_holds_and_is_censored_after(state_of):
    assert state_of([], day=1) == "pending"
    assert state_of([], day=7) == "pending"
    assert state_of([], day=7.1) == "censored"


def test_a_touch_without_success_is_pending_until_its_window_has_closed_and_then_zero(state_of, start):
    rows = [sent(start, 2)]

    assert state_of(rows, day=10) == "pending"
    assert state_of(rows, day=15.99) == "pending"
    assert state_of(rows, day=16) == "expired"


def test_a_reply_in_the_window_rewards_as_soon_as_it_is_known(state_of, start):
    rows = [sent(start, 2, interaction_id="s"), click(start, 5, parent_id="s", recorded_at=start + 8 * DAY)]

    assert state_of(rows, day=8) == "pending"
    assert state_of(rows, day=8.1) == "rewarded"
    assert state_of(rows, day=30) == "rewarded"


@pytest.mark.parametrize(
    "reply",
    [
        {"outcome": "opened"},
        {"is_machine": True},
        {"ts": 16.0},
        {"parent_id": "other"},
        {"outcome": "unsubscribed"},
    ],
    ids=str,
)
def test_what_is_no_human_success_of_this_touch_in_its_window_is_no_reward(state_of, start, reply):
    if "ts" in reply:
        reply = {"ts": start + int(reply["ts"] * DAY)}
    rows = [
        sent(start, 2, interaction_id="s"),
        sent(start, 2, interaction_id="other", content_id="c2"),
        click(start, 5, parent_id="s") | reply,
    ]

    assert state_of(rows, day=30) == "expired"


def test_a_visit_carries_its_own_outcome(engagement, start):
    held, declined = sent(start, 1, outcome="held"), sent(start, 1, outcome="declined")
    decisions = decisions_of(start, ("d1", 0, {"channel": "rep_visit"}))
    for row, expected in ((held, "rewarded"), (declined, "expired")):
        data = engagement(
            [row | {"channel": "rep_visit", "interaction_id": "v"}], observed_until=start + 40 * DAY
        )
        found = attribute(
            decisions, data.columns("interactions"), data.columns("channels"), at=start + 30 * DAY
        )
        assert found.state.tolist() == [expected]


def test_a_success_without_parent_rewards_its_latest_touch_only(state_of, start):
    rows = [sent(start, 1), sent(start, 3), click(start, 4)]

    assert state_of(rows, day=30, more=[("d2", 2, {})]) == ["expired", "rewarded"]


def test_a_touch_belongs_to_one_decision_the_earliest_first(state_of, start):
    assert state_of([sent(start, 3)], day=30, more=[("d2", 2, {})]) == ["expired", "censored"]


def test_a_touch_that_names_a_decision_belongs_to_that_one(state_of, start):
    rows = [sent(start, 3, decision_id="d2")]

    assert state_of(rows, day=30, more=[("d2", 2, {})]) == ["censored", "expired"]


def test_a_touch_that_names_an_unknown_decision_belongs_to_none(state_of, start):
    assert state_of([sent(start, 3, decision_id="of another log")], day=30) == "censored"


@pytest.mark.parametrize(
    "change",
    [
        {"channel": "hq_email"},
        {"content_id": "c2"},
        {"hcp_id": "h2"},
        {"ts": -0.5},
        {"ts": 7.5},
        {"is_machine": None},
    ],
    ids=str,
)
def test_another_touch_than_the_one_decided_is_not_its_touch(state_of, start, change):
    if "ts" in change:
        change = {"ts": start + int(change["ts"] * DAY)}
    row = sent(start, 3) | change
    expected = "expired" if "is_machine" in change else "censored"

    assert state_of([row], day=30) == expected


def test_a_touch_is_seen_only_once_it_has_arrived(state_of, start):
    rows = [sent(start, 2, recorded_at=start + 10 * DAY)]

    assert state_of(rows, day=10) == "censored"
    assert state_of(rows, day=10.5) == "pending"


def test_a_channel_that_is_not_in_the_table_is_refused_by_name(engagement, start):
    data = engagement([], observed_until=start + DAY)
    decisions = decisions_of(start, ("d1", 0, {"channel": "pigeon"}))

    with pytest.raises(OutcomeError, match="pigeon"):
        attribute(decisions, data.columns("interactions"), data.columns("channels"), at=start)


def one_by_one(decisions, rows, *, at, window=14 * DAY):
    """The same join, said in loops over plain tuples: the second way."""
    known = [row for row in rows if row["ts"] < at and row["recorded_at"] < at]
    touches = [row for row in known if row["outcome"] == "sent"]
    free = {row["interaction_id"] for row in touches}
    order = sorted(range(len(decisions["decision_id"])), key=lambda p: (decisions["decided_at"][p], p))
    states = {}
    for p in order:
        mine = [
            row
            for row in touches
            if row["interaction_id"] in free
            and row["content_id"] == decisions["content_id"][p]
            and decisions["decided_at"][p] <= row["ts"] <= decisions["valid_until"][p]
        ]
        if not mine:
            states[p] = "censored" if decisions["valid_until"][p] < at else "pending"
            continue
        touch = min(mine, key=lambda row: (row["ts"], row["interaction_id"]))
        free.discard(touch["interaction_id"])
        won = any(
            row["parent_id"] == touch["interaction_id"] and 0 <= row["ts"] - touch["ts"] < window
            for row in known
            if row["outcome"] == "clicked"
        )
        states[p] = "rewarded" if won else "expired" if touch["ts"] + window <= at else "pending"
    return [states[p] for p in range(len(order))]


times = st.integers(0, 30 * 24)


@settings(max_examples=25, deadline=None)
@given(
    made=st.lists(
        st.tuples(times, st.sampled_from(["c1", "c2"]), st.integers(1, 200)), min_size=1, max_size=6
    ),
    touched=st.lists(st.tuples(times, st.sampled_from(["c1", "c2"]), st.integers(0, 100)), max_size=8),
    clicked=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 500)), max_size=6),
    day=st.integers(1, 60),
)
def test_the_join_equals_the_one_in_plain_loops(engagement, start, made, touched, clicked, day):
    at = start + day * DAY
    rows = [
        {"interaction_id": f"s{p}", "ts": start + hour * HOUR, "content_id": content, "outcome": "sent",
         "recorded_at": start + (hour + late) * HOUR, "parent_id": None}
        for p, (hour, content, late) in enumerate(touched)
    ]  # fmt: skip
    for p, (which, wait) in enumerate(clicked):
        if which < len(touched):
            ts = rows[which]["ts"] + wait * HOUR
            reply = {"interaction_id": f"z{p}", "ts": ts, "recorded_at": ts, "parent_id": f"s{which}"}
            rows.append(rows[which] | reply | {"direction": "inbound", "outcome": "clicked"})
    decisions = decisions_of(
        start,
        *(
            (f"d{p}", hour / 24, {"content_id": content, "valid_until": start + (hour + held) * HOUR})
            for p, (hour, content, held) in enumerate(made)
        ),
    )
    data = engagement(rows, observed_until=start + 100 * DAY)

    found = attribute(decisions, data.columns("interactions"), data.columns("channels"), at=at)

    assert found.state.tolist() == one_by_one(decisions, rows, at=at)
    assert all((ts == NEVER) or ts < at for ts in found.touched_at.tolist())


def test_row_order_changes_nothing(engagement, start):
    rng = np.random.default_rng(5)
    rows = [sent(start, day, interaction_id=f"s{p}") for p, day in enumerate(rng.uniform(0, 20, 30))]
    rows += [click(start, 21, parent_id=f"s{p}", interaction_id=f"z{p}") for p in range(0, 30, 3)]
    decisions = decisions_of(start, *((f"d{p:02}", day, {}) for p, day in enumerate(rng.uniform(0, 18, 20))))
    order = rng.permutation(20)
    shuffled = {name: values[order] for name, values in decisions.items()}
    mixed = [rows[p] for p in rng.permutation(len(rows))]

    def states(one, of):
        data = engagement(of, observed_until=start + 60 * DAY)
        return attribute(
            one, data.columns("interactions"), data.columns("channels"), at=start + 50 * DAY
        ).state

    assert states(decisions, rows)[order].tolist() == states(shuffled, mixed).tolist()
