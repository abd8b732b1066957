"""The whole of the tables: what is set aside, and what must not matter."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nba.errors import ArgumentError, NBAWarning, TableError, TableTypeError
from nba.tables import Engagement
from nba.tables.moments import arrow_of


def assert_equal(a: Engagement, b: Engagement) -> None:
    assert a.observed_until == b.observed_until
    for name, frame in a.tables.items():
        other = b.tables[name]
        assert (frame is None) == (other is None), name
        if frame is not None and other is not None:
            pd.testing.assert_frame_equal(frame, other)


def test_the_order_of_rows_and_columns_and_the_index_do_not_matter(frames):
    shuffled = {
        name: frame.sample(frac=1, random_state=3)[frame.columns[::-1]] for name, frame in frames.items()
    }
    shuffled["interactions"].index = pd.MultiIndex.from_product([["x"], range(len(frames["interactions"]))])

    assert_equal(Engagement(**frames), Engagement(**shuffled | {"consent": frames["consent"]}))


@pytest.mark.parametrize("kind", ["category", "string[pyarrow]", "object", "string[python]"])
def test_the_kind_of_text_column_does_not_matter(frames, kind):
    texts = ["interaction_id", "hcp_id", "channel", "direction", "outcome", "content_id", "parent_id"]
    other = frames["interactions"].astype(dict.fromkeys(texts, kind))
    if kind == "category":
        other["channel"] = other["channel"].cat.add_categories(["never_used"])

    assert_equal(Engagement(**frames), Engagement(**frames | {"interactions": other}))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_unit_and_the_zone_of_time_do_not_matter(frames, unit):
    other = frames["interactions"].copy()
    for name in ("ts", "recorded_at"):
        other[name] = other[name].dt.tz_convert("America/New_York").dt.as_unit(unit)

    assert_equal(Engagement(**frames), Engagement(**frames | {"interactions": other}))


def test_arrow_tables_are_as_good_as_frames(frames):
    arrow = {
        name: pa.table({column: arrow_of(frame[column]) for column in frame})
        for name, frame in frames.items()
    }

    assert_equal(Engagement(**frames), Engagement(**arrow))


def test_inputs_are_not_changed(frames):
    before = {name: frame.copy(deep=True) for name, frame in frames.items()}

    Engagement(**frames)

    for name, frame in frames.items():
        pd.testing.assert_frame_equal(frame, before[name])


def test_rows_delivered_twice_count_once_and_the_first_arrival_counts(frames):
    log = frames["interactions"]
    again = pd.concat([log, log.iloc[:20], log.iloc[5:9].assign(recorded_at=log["recorded_at"].max())])

    assert_equal(Engagement(**frames), Engagement(**frames | {"interactions": again}))


def test_the_same_id_with_other_values_is_refused(frames):
    log = frames["interactions"]
    conflict = pd.concat([log, log.iloc[[7]].assign(channel="phone")], ignore_index=True)

    with pytest.raises(TableError, match=rf"interactions\.interaction_id.*first at row {len(log)}"):
        Engagement(**frames | {"interactions": conflict})


def test_an_expiry_before_approval_is_refused(frames):
    content = frames["content"].assign(expiry=pd.Timestamp("2024-01-01", tz="UTC"))

    with pytest.raises(TableError, match=r"content\.expiry: 9 cells before approved_from"):
        Engagement(**frames | {"content": content})


def test_rows_of_unknown_hcps_are_set_aside_aloud(frames):
    hcps = frames["hcps"].iloc[1:]

    with pytest.warns(NBAWarning) as caught:
        data = Engagement(**frames | {"hcps": hcps})

    assert sum("hcps does not hold" in str(w.message) for w in caught) == 2
    assert "h000" not in set(data.interactions["hcp_id"]) | set(data.consent["hcp_id"])
    assert not any("h000" in str(w.message) for w in caught)


def test_unknown_content_is_kept_aloud(frames):
    content = frames["content"].iloc[1:]

    with pytest.warns(NBAWarning, match="content that content does not hold"):
        data = Engagement(**frames | {"content": content})

    assert "c0" in set(data.interactions["content_id"])


def test_an_undescribed_channel_needs_consent_and_is_said(frames):
    log = frames["interactions"].replace({"channel": {"push": "fax"}})

    with pytest.warns(NBAWarning, match="fax"):
        data = Engagement(**frames | {"interactions": log})

    assert data.channels.set_index("channel").loc["fax", "consent_required"]


def test_a_given_channels_table_is_filled_from_the_defaults(frames):
    given = pd.DataFrame({"channel": ["push", "rep_visit", "approved_email"], "cost": [0.5, None, 0.1]})

    channels = Engagement(**frames, channels=given).channels.set_index("channel")

    assert list(channels.index) == ["approved_email", "push", "rep_visit"]
    assert channels.loc["rep_visit", "cost"] == 0.1
    assert channels.loc["push", "success"] == ("opened", "clicked", "completed")


def test_an_empty_cell_never_opens_a_channel(frames):
    given = pd.DataFrame({"channel": ["push", "rep_visit", "approved_email"]})
    given["consent_required"] = pd.array([None, False, True], dtype="boolean")

    channels = Engagement(**frames, channels=given).channels.set_index("channel")

    assert channels["consent_required"].to_dict() == {
        "push": True,
        "rep_visit": False,
        "approved_email": True,
    }


def test_missing_tables_say_what_they_switch_off(frames):
    data = Engagement(frames["interactions"], frames["content"], frames["hcps"])

    assert "consent: not given, so every channel that needs consent is blocked." in data.notes
    assert data.consent is None
    with pytest.raises(ArgumentError, match="no table 'consent'"):
        data.columns("consent")


def test_faults_of_all_tables_come_in_one_error(frames):
    bad = {
        "interactions": frames["interactions"].drop(columns="outcome").assign(ts="yesterday"),
        "hcps": frames["hcps"].assign(patient_id="p1"),
    }

    with pytest.raises(TableError) as caught:
        Engagement(**frames | bad)

    assert len(caught.value.faults) == 2 or len(caught.value.faults) == 3
    assert any(fault.startswith("interactions.outcome") for fault in caught.value.faults)
    assert any("patient data" in fault for fault in caught.value.faults)


def test_a_list_is_no_table(frames):
    with pytest.raises(TableTypeError, match="content is a list"):
        Engagement(**frames | {"content": [{"content_id": "c1"}]})


def test_columns_have_every_name_of_the_schema_and_one_array_each(frames):
    log = Engagement(**frames).columns("interactions")

    assert set(log) >= {"query", "selection_prob", "machine", "touch", "engaged", "is_machine"}
    assert log["query"].tolist() == [""] * len(log["ts"])
    assert np.isnan(log["selection_prob"]).all()
    assert log["ts"].dtype == np.int64
    assert all(type(text) is str for text in log["parent_id"])


def test_it_survives_pickling(frames):
    data = Engagement(**frames)
    data.columns("interactions")["ts"]

    assert_equal(data, pickle.loads(pickle.dumps(data)))
