"""The log in its one order."""

from __future__ import annotations

import pandas as pd
import pytest

from nba.errors import NBAWarning, TableError
from nba.tables import Engagement


def assert_equal(a: Engagement, b: Engagement) -> None:
    assert a.observed_until == b.observed_until
    for name, frame in a.tables.items():
        other = b.tables[name]
        assert (frame is None) == (other is None), name
        if frame is not None and other is not None:
            pd.testing.assert_frame_equal(frame, other)


def test_the_log_is_sorted_by_hcp_moment_and_id(frames):
    log = Engagement(**frames).columns("interactions")

    keys = list(zip(log["hcp_id"], log["ts"], log["interaction_id"], strict=True))
    assert keys == sorted(keys)


def test_a_log_observed_until_a_moment_equals_the_log_exported_then(frames):
    log = frames["interactions"]
    moment = pd.Timestamp("2026-01-03", tz="UTC")
    known = (log["ts"] < moment) & (log["recorded_at"] < moment)

    cut = Engagement(**frames, observed_until="2026-01-03")
    exported = Engagement(**frames | {"interactions": log[known]}, observed_until="2026-01-03")

    assert 0 < known.sum() < len(log)
    assert_equal(cut, exported)
    assert any("set aside" in note for note in cut.notes)


def test_what_arrives_later_never_changes_a_machine_flag(frames):
    full = Engagement(**frames).interactions.set_index("interaction_id")["machine"]

    for day in ("2026-01-02", "2026-01-03", "2026-01-03T12:00:01+00:00"):
        early = Engagement(**frames, observed_until=day).interactions.set_index("interaction_id")["machine"]
        assert (full.loc[early.index] == early).all()


def test_by_default_the_log_is_complete_one_second_after_the_last_arrival(frames):
    last = frames["interactions"][["ts", "recorded_at"]].max().max()

    assert Engagement(**frames).observed_until == int(last.timestamp()) + 1


def test_a_touch_is_an_outbound_attempt_and_engagement_is_human(frames):
    log = Engagement(**frames).interactions

    touch = (log["direction"] == "outbound") & log["parent_id"].isna()
    touch &= log["outcome"].isin(["sent", "held", "declined"])
    human = log["outcome"].isin(
        ["opened", "clicked", "downloaded", "completed", "attended", "registered", "held"]
    )
    assert (log["touch"] == touch).all()
    assert (log["engaged"] == (human & ~log["machine"])).all()
    assert log["machine"].sum() > log["is_machine"].sum()


def test_a_record_that_arrived_before_its_event_is_clamped_aloud(frames):
    log = frames["interactions"].copy()
    log.loc[3, "recorded_at"] = log.loc[3, "ts"] - pd.Timedelta("1h")

    with pytest.warns(NBAWarning, match="before the event itself"):
        data = Engagement(**frames | {"interactions": log})

    clamped = data.interactions.set_index("interaction_id").loc[log.loc[3, "interaction_id"]]
    assert clamped["recorded_at"] == clamped["ts"]


def test_a_response_before_its_touch_is_refused(frames):
    log = frames["interactions"].copy()
    row = log["parent_id"].first_valid_index()
    log.loc[row, "ts"] -= pd.Timedelta("30D")

    with pytest.raises(TableError, match="responses before the touch"):
        Engagement(**frames | {"interactions": log})


def test_implausible_years_are_said_and_do_not_move_the_end_of_the_log(frames):
    log = frames["interactions"].copy()
    row = log["parent_id"].isna().to_numpy().argmax()
    log.loc[row, ["ts", "recorded_at"]] = pd.Timestamp("2250-01-01", tz="UTC")

    with pytest.warns(NBAWarning, match="after 2099"):
        data = Engagement(**frames | {"interactions": log})

    assert data.observed_until < pd.Timestamp("2027-01-01", tz="UTC").timestamp()


def test_before_the_first_event_nothing_is_known(frames):
    data = Engagement(**frames, observed_until="2020-01-01")

    assert len(data.interactions) == 0
    assert len(data.columns("interactions")["touch"]) == 0
    assert len(data.content) == len(frames["content"])
