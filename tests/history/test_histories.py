"""Events stand in the order in which they became known."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nba.history import Histories, places


def columns(rows: list[tuple[str, int, int]]) -> dict[str, np.ndarray]:
    return {
        "hcp_id": np.array([row[0] for row in rows], dtype=object),
        "ts": np.array([row[1] for row in rows], dtype=np.int64),
        "recorded_at": np.array([row[2] for row in rows], dtype=np.int64),
    }


def test_events_are_ordered_by_when_they_became_known() -> None:
    histories = Histories.from_columns(columns([("a", 1, 90), ("a", 2, 2), ("b", 0, 0), ("b", 5, 3)]))

    assert histories.order.tolist() == [1, 0, 2, 3]
    assert histories.start.tolist() == [0, 2, 4]
    assert histories.known.tolist() == [2, 90, 0, 5]


def test_an_empty_log_has_no_histories() -> None:
    histories = Histories.from_columns(columns([]))

    assert histories.start.tolist() == [0]
    assert histories.find(["a"]).tolist() == [-1]


@given(
    known=st.sets(st.text(max_size=3), max_size=200),
    wanted=st.lists(st.text(max_size=3), max_size=4),
)
def test_places_agree_with_looking_one_by_one(known: set[str], wanted: list[str]) -> None:
    ids = sorted(known)
    table = np.array([*ids, None], dtype=object)[:-1]

    found = places(table, wanted)

    assert found.tolist() == [ids.index(w) if w in known else -1 for w in wanted]


def test_one_of_many_is_found_without_looking_at_all() -> None:
    ids = np.array([f"h{i:05d}" for i in range(10_000)], dtype=object)

    assert places(ids, ["h04321", "h99999", "a"]).tolist() == [4321, -1, -1]


def test_a_stretch_of_hcps_has_the_histories_they_have_alone() -> None:
    rows = [("a", 1, 90), ("a", 2, 2), ("b", 0, 0), ("b", 5, 3), ("c", 7, 8), ("d", 1, 1)]

    stretch = Histories.from_columns(columns(rows)).between(1, 3)

    alone = Histories.from_columns(columns(rows[2:5]))
    assert stretch.hcps.tolist() == ["b", "c"]
    assert stretch.start.tolist() == alone.start.tolist()
    assert stretch.known.tolist() == alone.known.tolist()
    assert stretch.order.tolist() == (alone.order + 2).tolist()
