"""What content owners are told, against small tables and against going through a plan."""

from __future__ import annotations

from collections import Counter

import numpy as np

from nba.contracts import DAY, FOREVER, NEVER
from nba.guardrails import governance
from nba.guardrails.governance import TAGS

AT = 1_000 * DAY
TAGGED = dict.fromkeys(TAGS, "x") | {"purpose": "educational"}


def state_of(build, rows, *, used=()):
    rows = [{"content_id": f"c{i}", **TAGGED, **row} for i, row in enumerate(rows)]
    content = build(actions=[], content=rows)[1].content
    tags = {tag: np.array([row[tag] for row in rows], dtype=object) for tag in TAGS}
    blocked = {"a": 2, "b": 5, "c": 0}
    return governance(
        {**content, **tags}, countries=["DE", "US", "DE"], used=Counter(used), blocked=blocked, at=AT
    )


def names(states):
    return [state.content_id for state in states]


def test_what_runs_out_within_the_days_is_told_the_first_to_go_first(build):
    found = state_of(
        build,
        [
            {"expiry": AT + 29 * DAY},
            {"expiry": AT + 2 * DAY},
            {"expiry": AT + 31 * DAY},
            {"expiry": FOREVER},
            {"expiry": AT - DAY},
            {"expiry": AT + DAY, "approval_status": "withdrawn"},
        ],
    )

    assert names(found.expiring) == ["c1", "c0"]
    assert found.expiring[0].expires_in_days == 2.0
    assert found.states[3].expires_in_days is None
    assert found.states[4].closed == {"expired": ("DE", "US")}


def test_superseded_content_counts_as_used_only_where_newer_content_has_taken_its_place(build):
    rows = [
        {"document_number": "D", "version": "1"},
        {"document_number": "D", "version": "2", "country": ("DE",)},
    ]

    assert state_of(build, rows).states[0].closed == {"superseded": ("DE",)}
    assert state_of(build, rows).states[0].open == ("US",)
    assert names(state_of(build, rows, used=[("US", "c0")]).superseded_in_use) == []
    assert names(state_of(build, rows, used=[("DE", "c0")]).superseded_in_use) == ["c0"]


def test_missing_tags_are_named_of_content_that_may_be_used(build):
    found = state_of(
        build,
        [
            {"topic": "", "language": ""},
            {},
            {"topic": "", "approved_from": AT + DAY},
            {"approved_from": NEVER},
        ],
    )

    assert [(state.content_id, state.missing) for state in found.untagged] == [("c0", ("topic", "language"))]


def test_the_report_reads_as_text_and_as_a_table(build):
    found = state_of(build, [{"expiry": AT + DAY}], used=[("US", "c0"), ("US", "c0"), ("FR", "c0")])

    assert str(found).splitlines()[1:] == [
        "Run out within 30 days: c0.",
        "Superseded, and used in the last 30 days: none.",
        "Lack a tag: none.",
        "Blocked, b: 5.",
        "Blocked, a: 2.",
    ]
    assert found.to_frame()[["content_id", "open", "used"]].values.tolist() == [["c0", "DE, US", 2]]


def test_a_plans_report_recounts_its_touches_decisions_and_removals(plan, territory):
    data = territory.engagement
    log, country = data.interactions, data.hcps.set_index("hcp_id")["country"]
    sent = log[log["touch"]]
    stamps = sent[["ts", "recorded_at"]].max(axis=1)
    start = np.datetime64(plan.at, "s") - np.timedelta64(20, "D")
    moment = sent["ts"].dt.tz_convert(None).to_numpy()
    known = stamps.dt.tz_convert(None).to_numpy() < np.datetime64(plan.at, "s")
    late = sent[(moment >= start) & known]
    expected = Counter(
        (content, country[hcp]) for hcp, content in zip(late["hcp_id"], late["content_id"], strict=True)
    )
    expected.update((r.action.content, country[r.hcp_id]) for r in plan)

    found = plan.governance(days=20)

    known_content = set(data.content["content_id"])
    assert {(s.content_id, c): n for s in found.states for c, n in s.used.items()} == {
        key: n for key, n in expected.items() if key[0] in known_content
    }
    frame = plan.funnel().to_frame().groupby("reason")["removed"].sum()
    assert found.blocked == {reason: n for reason, n in frame.items() if n}
    assert found.days == 20.0
