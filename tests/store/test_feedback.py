"""Feedback: written once, never before its decision."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from nba.contracts import DAY
from nba.errors import ArgumentError, LogConflictError, NBAWarning, OutcomeError
from nba.store import DISMISS_REASONS, RESPONSES, Log


@pytest.fixture
def told(log, receipt):
    """A log with decisions d1 and d2 of the start, held for 7 days, with windows of 14."""
    log.commit([receipt("d1"), receipt("d2", hcp_id="h2")])
    return log


def row(start, day=1.0, decision="d1", response="sent", **more):
    return {"decision_id": decision, "ts": start + int(day * DAY), "response": response} | more


def test_every_response_is_kept_once_however_often_it_is_told(told, start):
    extra = {"dismissed": {"dismiss_reason": "already done"}, "reward": {"reward": 1}}
    rows = [row(start, response=name, **extra.get(name, {})) for name in RESPONSES]

    first, second = told.feedback(rows), told.feedback(rows + rows)

    assert (first.kept, first.repeated, first.late) == (len(RESPONSES), 0, 0)
    assert (second.kept, second.repeated) == (0, 2 * len(RESPONSES))


def test_a_frame_records_and_one_record_say_the_same(told, start):
    frame = pd.DataFrame({
        "decision_id": ["d1"], "ts": pd.to_datetime([start + DAY], unit="s", utc=True), "response": ["sent"],
        "dismiss_reason": [None], "reward": [np.nan],
    })  # fmt: skip

    assert told.feedback(frame).kept == 1
    assert told.feedback(row(start)).repeated == 1
    assert told.feedback([row(start, user_id="rep")]).repeated == 1


@pytest.mark.parametrize(
    "two",
    [
        [{"response": "reward", "reward": 1}, {"response": "reward", "reward": 0}],
        [
            {"response": "dismissed", "dismiss_reason": "other"},
            {"response": "dismissed", "dismiss_reason": "bad timing"},
        ],
        [
            {"response": "viewed", "feedback_id": "f"},
            {"response": "accepted", "feedback_id": "f"},
        ],
        [
            {"response": "reward", "reward": 1, "feedback_id": "f"},
            {"response": "reward", "reward": 0, "feedback_id": "g"},
        ],
    ],
    ids=["reward", "reason", "same id", "ids of their own"],
)
def test_what_contradicts_is_refused_together_or_one_after_the_other(told, start, two):
    rows = [row(start, **one) for one in two]

    with pytest.raises(LogConflictError, match="contradicts"):
        told.feedback(rows)
    told.feedback(rows[0])
    with pytest.raises(LogConflictError, match="contradicts"):
        told.feedback(rows[1])


def test_one_bad_row_keeps_all_out(told, start):
    with pytest.raises(OutcomeError):
        told.feedback([row(start), row(start, decision="unknown")])

    assert told.feedback(row(start)).kept == 1
    assert told.funnel()["sent"] == 1


@pytest.mark.parametrize("reward", [2, -0.1, float("inf"), "yes", [1]])
def test_rewards_that_are_no_number_from_0_to_1_are_refused(told, start, reward):
    with pytest.raises(OutcomeError, match="reward"):
        told.feedback(row(start, response="reward", reward=reward))


def test_a_reward_that_is_missing_is_refused_and_one_of_0_1_or_true_is_kept(told, start):
    for missing in ({}, {"reward": None}, {"reward": float("nan")}, {"reward": pd.NA}):
        with pytest.raises(OutcomeError, match="reward"):
            told.feedback(row(start, response="reward") | missing)
    with pytest.raises(OutcomeError, match="reward"):
        told.feedback(row(start, reward=1.0))

    assert told.feedback(row(start, response="reward", reward=np.True_)).kept == 1
    assert told.feedback(row(start, response="reward", reward=1)).repeated == 1


def test_feedback_of_before_the_decision_and_about_unknown_ones_is_refused_without_names(told, start):
    for bad in (row(start, day=-0.001), row(start, decision="HCP-SECRET")):
        with pytest.raises(OutcomeError) as caught:
            told.feedback(bad)
        assert "HCP-SECRET" not in str(caught.value)
    assert told.feedback(row(start, day=0)).kept == 1


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"patient_id": "p"}, "patient"),
        ({"reasn": "x"}, "unknown fields"),
        ({"respnse": "x"}, "did you mean 'response'"),
        ({"response": "liked"}, "unknown response"),
        ({"response": None}, "no response"),
        ({"decision_id": " " * 300}, "200"),
        ({"user_id": 7}, "user_id"),
        ({"ts": "2026-01-02T07:00"}, "ts of feedback 0"),
        ({"ts": 1.5}, "ts of feedback 0"),
        ({"ts": None}, "ts of feedback 0"),
    ],
)
def test_rows_that_cannot_be_read_are_refused_by_field(told, start, bad, says):
    with pytest.raises(ArgumentError, match=f"(?i){says}"):
        told.feedback(row(start) | bad)


@pytest.mark.parametrize("strange", [["sent"], 7, "sent"])
def test_something_else_than_rows_is_refused(told, strange):
    with pytest.raises((ArgumentError, TypeError)):
        told.feedback(strange)


def test_a_dismissal_and_only_a_dismissal_has_a_reason_of_the_closed_list(told, start):
    for bad in (
        row(start, response="dismissed"),
        row(start, response="dismissed", dismiss_reason="no time"),
        row(start, dismiss_reason="other"),
    ):
        with pytest.raises(OutcomeError, match="closed list"):
            told.feedback(bad)

    told.feedback(row(start, response="dismissed", dismiss_reason="other"))

    assert "other" in DISMISS_REASONS
    assert told.dismissals() == {"other": 1}


def test_what_comes_after_every_window_is_kept_marked_late_and_changes_nothing(told, start):
    on_time = told.feedback(row(start, day=20.999))
    late = told.feedback([row(start, day=21, decision="d2"), row(start, day=30, response="viewed")])

    assert (on_time.late, late.late, late.kept) == (0, 2, 2)
    assert told.funnel()["sent"] == 1


def test_what_is_told_comes_to_the_same_in_any_order(database, receipt, start):
    log = Log(database)
    rows = [
        row(start, day=3),
        row(start, day=2),
        row(start, day=2.5, response="executed"),
        row(start, day=25),
        row(start, day=4, response="reward", reward=1),
    ]
    seen = set()
    for number, order in enumerate(itertools.permutations(range(len(rows)))):
        if number % 5:
            continue  # every fifth of 120 orders
        name = f"d{number}"
        log.commit([receipt(name, hcp_id=name)])
        for place in order:
            log.feedback(rows[place] | {"decision_id": name})
        seen.add(tuple(log.pending(start + 5 * DAY, hcps=[name])["ts"].tolist()))

    assert seen == {(start + 2 * DAY,)}
    log.close()


def test_free_text_is_not_kept_unless_asked_for(database, receipt, start):
    quiet, asked = Log(database), Log(database, keep_comments=True)
    quiet.commit([receipt("d1"), receipt("d2", hcp_id="h2")])

    quiet.feedback(row(start, response="viewed", comment="SECRET one"))
    asked.feedback(row(start, decision="d2", response="viewed", comment="SECRET two"))

    assert _comments(quiet) == ["SECRET two"]
    quiet.close()
    asked.close()


def _comments(log):
    from sqlalchemy import select

    from nba.store.schema import feedback

    query = select(feedback.c.comment).where(feedback.c.comment.is_not(None))
    return log._database.read(lambda it: list(it.execute(query).scalars()))


def test_a_safety_report_is_routed_first_and_its_words_are_never_kept(database, receipt, start):
    routed = []
    log = Log(database, keep_comments=True, on_safety_report=routed.append)
    log.commit([receipt()])
    report = row(start, response="dismissed", dismiss_reason="safety report", comment="SECRET rash")

    done = log.feedback([row(start, response="viewed"), report])

    assert done.routed == (1,)
    assert [(it["decision_id"], it["comment"]) for it in routed] == [("d1", "SECRET rash")]
    assert _comments(log) == []
    log.close()


def test_where_routing_fails_nothing_is_kept_and_the_report_may_come_again(database, receipt, start):
    def fail(_):
        raise ConnectionError

    log = Log(database, on_safety_report=fail)
    log.commit([receipt()])
    report = row(start, response="dismissed", dismiss_reason="safety report")

    with pytest.raises(ConnectionError):
        log.feedback(report)

    assert log.dismissals() == {}
    log.close()


def test_a_safety_report_that_goes_nowhere_is_said_aloud(told, start):
    with pytest.warns(NBAWarning, match="pharmacovigilance") as caught:
        told.feedback(row(start, response="dismissed", dismiss_reason="safety report"))

    assert caught[0].filename == __file__
