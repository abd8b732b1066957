"""The interactions table: everything planted is there, as a company would see it."""

import numpy as np
import pandas as pd
import pytest

from nba.simulate import Territory
from nba.tables import seconds


@pytest.fixture(scope="module")
def rows(year: Territory) -> pd.DataFrame:
    return year.engagement.interactions


@pytest.fixture(scope="module")
def answers(rows: pd.DataFrame) -> pd.DataFrame:
    """Responses beside their touches: how long they took."""
    touch = rows.loc[rows["touch"], ["interaction_id", "ts", "recorded_at", "channel", "hcp_id"]]
    joined = rows[rows["parent_id"].notna()].merge(
        touch, left_on="parent_id", right_on="interaction_id", suffixes=("", "_of_touch")
    )
    return joined.assign(waited=seconds(joined["ts"]) - seconds(joined["ts_of_touch"]))


def test_the_channels_and_outcomes_of_a_real_log_are_there(rows):
    assert rows.loc[rows["touch"], "channel"].nunique() == 9
    assert {"sent", "held", "declined", "opened", "clicked", "downloaded", "completed", "attended"} <= set(
        rows["outcome"]
    )
    assert {"registered", "no_show", "unsubscribed"} <= set(rows["outcome"])


def test_contacts_are_many_and_skewed(rows):
    touches = rows[rows["touch"]].groupby("hcp_id").size()

    assert 55 <= touches.mean() <= 90
    assert touches.quantile(0.95) > 1.8 * touches.median()


def test_every_response_belongs_to_a_touch_of_the_same_hcp_and_channel(rows, answers):
    assert len(answers) == rows["parent_id"].notna().sum()
    assert (answers["hcp_id"] == answers["hcp_id_of_touch"]).all()
    assert (answers["channel"] == answers["channel_of_touch"]).all()
    assert (answers["recorded_at"] >= answers["recorded_at_of_touch"]).all()


def test_machines_open_and_click_at_once_flagged_or_not(answers):
    at_once = answers[answers["waited"] <= 3]

    assert set(at_once["outcome"]) == {"opened", "clicked"}
    assert 0.2 < at_once.loc[at_once["outcome"] == "opened", "is_machine"].mean() < 0.8
    clicks = at_once[at_once["outcome"] == "clicked"]
    assert clicks.groupby("parent_id").size().min() >= 2
    assert not clicks["is_machine"].any()


def test_the_tables_set_exactly_these_machines_aside(answers):
    planted = answers["waited"] <= 3

    np.testing.assert_array_equal(answers["machine"], planted)


def test_people_take_hours_and_days_to_answer(answers):
    clicks = answers[
        answers["channel"].isin(["hq_email", "approved_email"]) & (answers["outcome"] == "clicked")
    ]
    human = clicks.loc[clicks["waited"] > 3, "waited"] / 86_400

    assert (human > 1.0).mean() > 0.15
    assert 0.0 < (human > 14.0).mean() < 0.1
    assert human.min() * 86_400 >= 60


def test_visits_and_events_arrive_late_and_mail_soon(rows):
    late = (seconds(rows["recorded_at"]) - seconds(rows["ts"])) / 86_400
    visits, mail = rows["channel"] == "rep_visit", rows["outcome"] == "sent"

    assert 0.02 < (late[visits] > 2.0).mean() < 0.12
    assert late[visits].max() > 14.0
    assert late[mail].max() < 0.1


def test_nothing_is_known_before_it_arrived(year, rows):
    assert (seconds(rows["recorded_at"]) < year.engagement.observed_until).all()


def test_touches_are_made_in_working_hours_where_the_hcp_lives(year, rows):
    touches = rows[rows["touch"]].merge(year.engagement.hcps[["hcp_id", "timezone"]], on="hcp_id")

    for zone, of_zone in touches.groupby("timezone"):
        local = of_zone["ts"].dt.tz_convert(zone)
        assert local.dt.hour.between(8, 15).all(), zone
        assert (local.dt.day_of_week < 5).all(), zone


def test_some_look_for_themselves_at_the_hour_they_like(year, rows):
    visits = rows[rows["channel"] == "portal"]
    spread = seconds(visits["ts"]) % 86_400 / 3600

    assert (visits["direction"] == "inbound").all()
    assert visits["parent_id"].isna().all()
    often = visits.assign(hour=spread).groupby("hcp_id")["hour"].agg(["std", "size"])
    assert often.loc[often["size"] >= 8, "std"].median() < 4.0


def test_only_the_programme_logs_selection_probabilities(rows):
    logged = rows["selection_prob"].notna()

    assert set(rows.loc[logged, "channel"]) == {"approved_email", "hq_email", "push"}
    assert rows.loc[logged, "selection_prob"].between(0.0, 1.0, inclusive="right").all()
    assert (rows.loc[logged, "source"] == "programme").all()
    assert logged.sum() > 0.2 * rows["touch"].sum()


def test_no_document_is_shown_in_a_foreign_language_or_outside_its_window(year, rows):
    content = year.engagement.content.set_index("content_id")
    hcps = year.engagement.hcps.set_index("hcp_id")
    shown = content.loc[rows["content_id"]]
    touch = rows["touch"].to_numpy()

    assert (shown["language"].to_numpy() == hcps.loc[rows["hcp_id"], "language"].to_numpy()).all()
    assert (shown["approved_from"].to_numpy() <= rows["ts"].to_numpy())[touch].all()
    assert (rows["ts"].to_numpy() < shown["expiry"].to_numpy())[touch].all()
    assert all(c in listed for c, listed in zip(rows["channel"], shown["channels"], strict=True))
