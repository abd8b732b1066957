"""One HCP's records against the same rows in a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.errors import TableError, TableTypeError
from nba.tables import Engagement, rows_from_records


def records_of(frame: pd.DataFrame, *, texts: bool = False, sparse: bool = False) -> list[dict[str, Any]]:
    """Plain dicts of a frame: times as datetimes or ISO texts, missing cells as None or left out."""
    rows = []
    for row in frame.to_dict("records"):
        cells = {name: None if pd.isna(cell) else cell for name, cell in row.items()}
        for name, cell in cells.items():
            if isinstance(cell, pd.Timestamp):
                cells[name] = cell.isoformat() if texts else cell.to_pydatetime()
        rows.append({name: cell for name, cell in cells.items() if not sparse or cell is not None})
    return rows


def assert_same_columns(columns, expected) -> None:
    assert set(columns) == set(expected)
    for name, values in expected.items():
        assert columns[name].dtype == values.dtype, name
        np.testing.assert_array_equal(columns[name], values, err_msg=name)


TOUCH = {
    "interaction_id": "i1",
    "hcp_id": "h1",
    "ts": datetime(2026, 1, 5, 9, tzinfo=UTC),
    "channel": "approved_email",
    "direction": "outbound",
    "outcome": "sent",
}


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), texts=st.booleans(), sparse=st.booleans())
def test_records_of_an_hcp_equal_its_rows_in_the_table(territory, seed, texts, sparse):
    frames = territory(seed=seed, hcps=2, touches=50)
    frames["interactions"].loc[::5, "recorded_at"] = pd.NaT
    for hcp in frames["hcps"]["hcp_id"]:
        log = frames["interactions"][frames["interactions"]["hcp_id"] == hcp]
        data = Engagement(**frames | {"interactions": log})

        rows = rows_from_records(records_of(log, texts=texts, sparse=sparse))

        assert rows["machine"].any()
        assert_same_columns(rows, data.columns("interactions"))


def test_records_of_consent_equal_their_rows_in_the_table(territory):
    frames = territory(hcps=1)
    frames["consent"] = frames["consent"].assign(
        expires_at=pd.Timestamp("2027-01-01T00:00:00.7Z"), purpose=None
    )
    data = Engagement(**frames)

    assert_same_columns(rows_from_records(records_of(frames["consent"]), "consent"), data.columns("consent"))


def test_no_records_are_an_empty_history():
    rows = rows_from_records([])

    assert len(rows["ts"]) == len(rows["machine"]) == 0
    assert rows["ts"].dtype == np.int64


def test_records_delivered_twice_count_once():
    again = {**TOUCH, "ts": "2026-01-05T10:00:00+01:00", "recorded_at": "2026-02-01T00:00Z"}

    rows = rows_from_records([again, TOUCH, TOUCH])

    assert rows["ts"].tolist() == [int(TOUCH["ts"].timestamp())]


def test_the_same_id_with_other_values_is_refused():
    with pytest.raises(TableError, match="other values"):
        rows_from_records([TOUCH, {**TOUCH, "channel": "push"}])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ts": datetime(2026, 1, 5)}, "without a zone"),
        ({"ts": 1767603600}, "without a zone"),
        ({"ts": "Jane Roe"}, "without a zone"),
        ({"ts": None}, "missing"),
        ({"ts": pd.NaT}, "missing"),
        ({"hcp_id": 7}, "not all values are text"),
        ({"hcp_id": float("nan")}, "missing"),
        ({"hcp_id": ["h1"]}, "not all values are text"),
        ({"hcp_id": "\ud800"}, "Unicode"),
        ({"ts": [1]}, "without a zone"),
        ({"duration_s": np.zeros(2)}, "numbers"),
        ({"channel": "  "}, "missing"),
        ({"outcome": "Jane Roe"}, "vocabulary"),
        ({"duration_s": "long"}, "numbers"),
        ({"duration_s": float("inf")}, "infinite"),
        ({"is_machine": 2}, "true or false"),
        ({"patient_name": "Jane Roe"}, "patient data"),
    ],
)
def test_a_bad_record_is_refused_and_not_echoed(change, said):
    with pytest.raises(TableError, match=said) as caught:
        rows_from_records([{**TOUCH, **change}])

    assert "Jane" not in str(caught.value)


def test_a_missing_key_is_refused():
    with pytest.raises(TableError, match=r"interactions\.outcome"):
        rows_from_records([{name: cell for name, cell in TOUCH.items() if name != "outcome"}])


@pytest.mark.parametrize("records", [TOUCH, "i1", [1], [[TOUCH]], None])
def test_what_is_no_list_of_dicts_is_refused(records):
    with pytest.raises(TableTypeError):
        rows_from_records(records)


def test_other_tables_are_refused():
    with pytest.raises(TableError, match="'hcps'"):
        rows_from_records([], "hcps")


@given(
    events=st.lists(
        st.tuples(st.sampled_from(["h1", "h2"]), st.integers(0, 3), st.text("ab", min_size=1, max_size=2)),
        max_size=8,
        unique_by=lambda event: event[2],
    ),
    one_hcp=st.booleans(),
)
def test_rows_stand_by_hcp_moment_and_id_however_they_come(events, one_hcp):
    events = [("h1" if one_hcp else hcp, second, key) for hcp, second, key in events]

    rows = rows_from_records(
        [
            {"interaction_id": key, "hcp_id": hcp, "ts": f"2026-01-05T09:00:0{second}Z",
             "channel": "rep_visit", "direction": "outbound", "outcome": "held"}
            for hcp, second, key in events
        ]
    )  # fmt: skip

    found = zip(rows["hcp_id"], rows["ts"] - 1_767_603_600, rows["interaction_id"], strict=True)
    assert list(found) == sorted(events)
