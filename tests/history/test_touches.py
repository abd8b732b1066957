"""Responses find their touch, and success is what the channel says."""

from __future__ import annotations

from typing import Any

import numpy as np

from nba.history import is_success, touch_answered
from nba.tables import rows_from_records

CHANNELS = {
    "channel": np.array(["approved_email", "rep_visit"], dtype=object),
    "success": np.array([("clicked", "completed"), ("held",)], dtype=object),
}


def record(key: str, second: int, outcome: str, **changes: Any) -> dict[str, Any]:
    return {
        "interaction_id": key,
        "hcp_id": "h1",
        "ts": f"2026-01-01T00:00:{second:02d}Z",
        "channel": "approved_email",
        "direction": "outbound" if outcome in ("sent", "held", "declined") else "inbound",
        "outcome": outcome,
        "content_id": "c1",
        **changes,
    }


def answered(*records: dict[str, Any], other: tuple[dict[str, Any], ...] = ()) -> dict[str, str]:
    """Which touch each interaction answers, by id."""
    rows = rows_from_records([*records, *other])
    ids = [*rows["interaction_id"], ""]
    return {key: ids[p] for key, p in zip(rows["interaction_id"], touch_answered(rows), strict=True)}


def test_a_response_answers_its_parent_not_the_latest_touch() -> None:
    found = answered(record("a", 1, "sent"), record("b", 2, "sent"), record("c", 9, "clicked", parent_id="a"))

    assert found == {"a": "a", "b": "b", "c": "a"}


def test_without_a_parent_it_answers_the_latest_touch_of_its_channel_and_content() -> None:
    found = answered(
        record("a", 1, "sent"),
        record("b", 2, "sent", content_id="c2"),
        record("c", 3, "held", channel="rep_visit"),
        record("d", 9, "clicked"),
        record("e", 9, "clicked", content_id="c3"),
    )

    assert found["d"] == "a"
    assert found["e"] == ""


def test_the_parent_of_another_hcp_is_nobodys_touch() -> None:
    stray = record("z", 9, "clicked", hcp_id="h2", parent_id="a")

    found = answered(record("a", 1, "sent"), other=(stray,))

    assert found == {"a": "a", "z": ""}


def test_nothing_answers_nothing() -> None:
    assert touch_answered(rows_from_records([])).tolist() == []


def test_success_is_what_the_channels_table_says_of_humans() -> None:
    rows = rows_from_records(
        [
            record("a", 1, "sent"),
            record("b", 8, "opened", parent_id="a"),
            record("c", 9, "clicked", parent_id="a"),
            record("d", 9, "completed", parent_id="a", is_machine=True),
            record("e", 10, "held", channel="rep_visit"),
            record("f", 11, "clicked", channel="rep_visit"),
        ]
    )

    won = rows["interaction_id"][is_success(rows, CHANNELS)]

    assert won.tolist() == ["c", "e"]
