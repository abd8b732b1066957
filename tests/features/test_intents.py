"""Labels of what HCPs do next are what one would say who goes through the log by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from beside_tables import DAY, START, prescriptions
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.contracts import Action
from nba.errors import ArgumentError
from nba.features import (
    Attendance,
    FirstEngagement,
    NextEngagement,
    Switch,
    outcome_from_json,
    outcome_to_json,
)
from nba.features.intents import _standing_for

SEEDS = st.integers(0, 2**32 - 1)
UNTIL = START + 70 * DAY


def rows_of(labels: Any) -> list[tuple[str, int, str, float]]:
    return [
        (labels.hcps[r], int(labels.at[r]), str(labels.actions[p]), y)
        for r, p, y in zip(labels.row, labels.pair, labels.y, strict=True)
    ]


def engaged(world: Any, data: Any, until: int) -> list[Any]:
    return [r for r in world.rows_of(data) if r.engaged and max(r.ts, r.recorded_at) < until]


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_the_next_channel_is_that_of_the_first_engagement_of_the_window(world: Any, seed: int) -> None:
    data = world.engagement(world.random_records(seed))
    until = min(UNTIL, data.observed_until)

    labels = NextEngagement(within_days=7, panels=4).labels(data, until=UNTIL)

    seen = engaged(world, data, until)
    assert len(set(labels.at)) <= 4
    assert labels.at.max() + 7 * DAY <= until
    for hcp, at, action, y in rows_of(labels):
        window = [r for r in seen if r.hcp_id == hcp and at <= r.ts < at + 7 * DAY]
        first = min(window, key=lambda r: (r.ts, r.interaction_id), default=None)
        assert y == float(first is not None and first.channel == action)


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_a_first_engagement_is_asked_of_those_who_had_none(world: Any, seed: int) -> None:
    data = world.engagement(world.random_records(seed))
    until = min(UNTIL, data.observed_until)
    rule = FirstEngagement(by="topic", within_days=10, panels=3)

    labels = rule.labels(data, until=UNTIL)

    topics = dict(zip(data.content["content_id"], data.content["topic"], strict=True))
    since: dict[tuple[str, str], int] = {}
    for r in engaged(world, data, until):
        topic = r.topic or topics.get(r.content_id)
        if isinstance(topic, str):
            since[r.hcp_id, topic] = min(since.get((r.hcp_id, topic), 2**62), r.ts)
    asked = {(hcp, at, action.partition("=")[2]): y for hcp, at, action, y in rows_of(labels)}
    for hcp in data.hcps["hcp_id"]:
        for at in {at for _, at, _ in asked}:
            for topic in ("mechanism", "dosing", "safety"):
                begun = since.get((hcp, topic), 2**62)
                assert ((hcp, at, topic) in asked) == (begun >= at)
                if begun >= at:
                    assert asked[hcp, at, topic] == float(begun < at + 10 * DAY)


def test_who_is_known_to_have_begun_is_not_asked(world: Any) -> None:
    data = world.engagement(world.random_records(3))
    rule = FirstEngagement(by="topic")
    actions = rule.asked(data)
    hcps = data.columns("hcps")["hcp_id"]

    before = rule.is_open(data, hcps=hcps, at=START, actions=actions)
    later = rule.is_open(data, hcps=hcps, at=START + 40 * DAY, actions=actions)

    assert before.all()
    assert not later.all()
    assert [rule.called(action) for action in actions] == ["dosing", "mechanism", "safety"]


def test_an_invitation_is_answered_by_attending_alone(world: Any) -> None:
    def invited(i: int, answer: str | None, days: int, channel: str = "webinar") -> list[Any]:
        now = START + i * DAY
        sent = world.touch(
            f"t{i}", "h0", now, recorded=now, channel=channel, content="c0", outcome="sent"
        )  # fmt: skip
        reply = {
            **sent, "interaction_id": f"r{i}", "parent_id": f"t{i}", "direction": "inbound",
            "outcome": answer, "ts": now + days * DAY, "recorded_at": now + days * DAY,
        }  # fmt: skip
        return [sent] if answer is None else [sent, reply]

    records = [
        *invited(0, "attended", 5), *invited(1, "registered", 2), *invited(2, "attended", 31),
        *invited(3, None, 0),
        *invited(4, "clicked", 1, "approved_email"), *invited(90, "attended", 1),
    ]  # fmt: skip
    data = world.engagement(records)

    labels = Attendance(within_days=30).labels(data, until=START + 80 * DAY)

    assert labels.actions == (Action("webinar", "c0"),)
    assert [(int(at - START) // DAY, y) for at, y in zip(labels.at, labels.y, strict=True)] == [
        (0, 1.0), (1, 0.0), (2, 0.0), (3, 0.0),
    ]  # fmt: skip


def test_attending_is_not_available_without_a_channel_of_events(world: Any) -> None:
    channels = pd.DataFrame({"channel": ["push"], "direction": ["outbound"], "success": [["clicked"]]})
    records = [r for r in world.random_records(1) if r["channel"] == "push"]
    content = world.content().assign(channels=[["push"]] * 5)

    with pytest.raises(ArgumentError, match="Attendance is not available"):
        Attendance().labels(world.engagement(records, channels=channels, content=content), until=UNTIL)


@given(seed=st.integers(0, 2**31))
@settings(max_examples=6, deadline=None)
def test_a_switch_is_a_move_of_both_shares(world: Any, seed: int) -> None:
    data = world.engagement(world.random_records(3), prescriptions=prescriptions(seed))
    rule = Switch(from_product="alpha", to_product="beta", share=0.1, within_days=20, of="trx", panels=3)

    labels = rule.labels(data, until=UNTIL)

    until = min(UNTIL, data.observed_until)
    told: dict[tuple[str, int, str], float] = {}
    for row in sorted(data.prescriptions.to_dict("records"), key=lambda row: row["available_at"]):
        if row["available_at"].timestamp() < until:
            told[row["hcp_id"], int(row["period"].timestamp()), row["product_id"]] = row["trx"]
    opted_out = set(data.hcps["hcp_id"][data.hcps["pdrp_opt_out"]])
    found = {(hcp, at): y for hcp, at, _, y in rows_of(labels)}
    moments = sorted({at for _, at in found})
    assert moments

    def share(hcp: str, product: str, lo: int, hi: int) -> float:
        mine = {p: v for (h, p, name), v in told.items() if h == hcp and lo <= p < hi and name == product}
        whole = sum(v for (h, p, _), v in told.items() if h == hcp and lo <= p < hi)
        return sum(mine.values()) / whole if whole else math.nan

    for hcp in data.hcps["hcp_id"]:
        for at in moments:
            moved = [
                share(hcp, name, at, at + 20 * DAY) - share(hcp, name, at - 20 * DAY, at)
                for name in ("alpha", "beta")
            ]
            if hcp in opted_out or any(map(math.isnan, moved)):
                assert (hcp, at) not in found
            else:
                assert found[hcp, at] == float(moved[0] <= -0.1 + 1e-9 and moved[1] >= 0.1 - 1e-9)


def test_switching_is_not_available_without_prescriptions(world: Any) -> None:
    data = world.engagement(world.random_records(3))

    with pytest.raises(ArgumentError, match="Switching is not available"):
        Switch(from_product="alpha", to_product="beta").labels(data, until=UNTIL)


def test_a_switch_of_unknown_products_is_refused_and_asked_only_of_whom_it_may(world: Any) -> None:
    data = world.engagement(world.random_records(3), prescriptions=prescriptions(3))
    hcps = data.columns("hcps")["hcp_id"]

    with pytest.raises(ArgumentError, match="not in the prescriptions table"):
        Switch(from_product="alpha", to_product="omega").labels(data, until=UNTIL)
    rule = Switch(from_product="alpha", to_product="beta")
    told = rule.is_open(data, hcps=hcps, at=START + 30 * DAY, actions=rule.asked(data))
    assert told[:, 0].tolist() == [True, False, True, True, True, False]  # h1 and h5 opted out
    assert not rule.is_open(data, hcps=hcps, at=START - 90 * DAY, actions=rule.asked(data)).any()
    assert rule.visibility == "restricted"


def test_a_tag_is_looked_up_as_most_of_its_contents_are(world: Any) -> None:
    data = world.engagement(world.random_records(3))

    found = _standing_for(data.columns("content"), "topic")

    place = found["content_id"].tolist().index("topic=mechanism")
    assert found["topic"][place] == "mechanism"
    assert found["format"][place] == "pdf"  # c0 is a pdf and c3 a video: of equals the first by name
    assert found["audience_specialty"][place] == ("cardiology", "oncology")


@pytest.mark.parametrize(
    "rule",
    [
        NextEngagement(by="topic", panels=3),
        FirstEngagement(),
        Attendance(within_days=9.0),
        Switch(from_product="a", to_product="b", market=("a", "b", "c")),
    ],
)
def test_outcomes_are_saved_and_read_back(rule: Any) -> None:
    plain = outcome_to_json(rule)
    listed = {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    assert outcome_from_json(listed) == rule


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: NextEngagement(by="mood"), "by is 'mood'"),
        (lambda: NextEngagement(panels=0), "panels is 0"),
        (lambda: FirstEngagement(by="channel"), "by is 'channel'"),
        (lambda: Attendance(within_days=0), "within_days is 0"),
        (lambda: Switch(from_product="a", to_product="a"), "the same"),
        (lambda: Switch(from_product="a", to_product="b", share=0), "share is 0"),
        (lambda: Switch(from_product="a", to_product="b", of="units"), "of is 'units'"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        make()


def test_a_window_that_is_open_has_no_label(world: Any) -> None:
    data = world.engagement(world.random_records(3))

    labels = NextEngagement(within_days=14).labels(data, until=START + 10 * DAY)

    assert len(labels) == 0
    assert np.isnan(labels.selection_prob).all()
