"""What makes a question the same question again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hall import UNTIL

import nba
from nba.asking import ask
from nba.contracts import DO_NOTHING
from nba.errors import ArgumentError, LogConflictError, TableError
from nba.tables import as_moment

HCP = "hcp_0003"
SEEN = {
    "interaction_id": "seen", "hcp_id": HCP, "ts": "2026-08-30T08:00:00+00:00", "channel": "portal",
    "direction": "inbound", "outcome": "clicked",
}  # fmt: skip
EVENT = SEEN | {"interaction_id": "event", "ts": "2026-09-02T08:00:00+00:00"}


def question(territory, **changes):
    settings = {"history": [SEEN], "at": UNTIL, "seed": 7, "stream": "plan", "request_key": "r1"}
    return ask(HCP, **(settings | changes), reference=territory.engagement)


def test_the_order_and_spelling_of_records_make_no_other_question(territory):
    other = SEEN | {"interaction_id": "other", "ts": "2026-08-29T08:00:00+00:00"}
    spelled = SEEN | {"ts": "2026-08-30T10:00:00+02:00", "duration_s": None}

    one = question(territory, history=[SEEN, other])
    two = question(territory, history=[other, spelled], at="2026-09-01T00:00:00Z")

    assert one.parameters == two.parameters
    assert (one.key, two.key) == ("r1", "r1")


@pytest.mark.parametrize(
    "change",
    [
        {"history": []},
        {"at": "2026-09-02"},
        {"seed": 8},
        {"stream": "other"},
        {"hcp": {"country": "DE"}},
        {"consent": []},
    ],
)
def test_whatever_may_change_the_decision_is_a_part_of_the_question(territory, change):
    assert question(territory).parameters != question(territory, **change).parameters


def test_an_event_is_its_own_key_however_often_and_late_it_comes(territory):
    first = question(territory, request_key=None, at=None, trigger=EVENT)
    late = EVENT | {"recorded_at": "2026-09-03T08:00:00+00:00"}
    again = question(territory, request_key=None, at="2026-09-09", history=[SEEN, EVENT], trigger=late)
    other = question(territory, request_key=None, at=None, trigger=EVENT | {"outcome": "downloaded"})

    assert (first.key, first.parameters) == (again.key, again.parameters)
    assert other.key != first.key
    assert first.at == as_moment(EVENT["ts"]) + 1
    assert list(first.one.columns("interactions")["interaction_id"]) == ["seen", "event"]
    assert list(again.one.columns("interactions")["interaction_id"]) == ["seen", "event"]


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"at": None}, ArgumentError, "at is missing"),
        ({"trigger": EVENT}, ArgumentError, "both trigger= and request_key="),
        ({"trigger": EVENT, "request_key": None}, ArgumentError, "not known before"),
        ({"trigger": EVENT | {"hcp_id": "x"}, "request_key": None, "at": None}, TableError, "another HCP"),
    ],
)
def test_a_question_that_cannot_be_answered_says_what_to_do(territory, change, error, said):
    with pytest.raises(error, match=said):
        question(territory, **change)


def test_without_a_log_there_is_no_answer_to_give_again(model):
    for key in ({"request_key": "r1", "at": UNTIL}, {"trigger": EVENT}):
        with pytest.raises(ArgumentError, match="need a log"):
            model.decide(HCP, history=[], seed=7, **key)


def test_a_request_gives_the_decision_it_gave_before_whatever_was_decided_since(model, territory, tmp_path):
    log = nba.Log(tmp_path / "log.db")
    settings = {"history": [SEEN], "at": UNTIL, "seed": 7, "log": log}
    first = model.decide(HCP, **settings, request_key="r1")
    done = log.commit(first)
    log.commit(model.decide(HCP, **settings, stream="between"))

    again = model.decide(HCP, **settings, request_key="r1")

    assert again.receipts() == first.receipts() == (log.receipt(first.receipt(HCP).decision_id),)
    assert log.commit(again) == done
    assert again[HCP].to_dict() == first[HCP].to_dict()
    assert len(log) == 2
    plain = model.decide(HCP, history=[SEEN], at=UNTIL, seed=7)
    assert replace(plain.receipt(HCP), batch_id="") == replace(first.receipt(HCP), batch_id="")


def test_the_same_key_for_something_else_is_refused_without_repeating_it(model, tmp_path):
    log = nba.Log(tmp_path / "log.db")
    model.decide(HCP, history=[SEEN], at=UNTIL, seed=7, log=log, request_key="Dr Jekyll")

    with pytest.raises(LogConflictError, match="other parameters") as caught:
        model.decide(HCP, history=[], at=UNTIL, seed=7, log=log, request_key="Dr Jekyll")

    assert "Jekyll" not in str(caught.value)
    assert len(log) == 1


def test_an_event_changes_what_is_known_and_the_decision_says_when_it_was_made(model, tmp_path):
    log = nba.Log(tmp_path / "log.db")

    asked = model.decide(HCP, history=[SEEN], seed=7, log=log, trigger=EVENT)

    receipt = asked.receipt(HCP)
    by_hand = model.decide(HCP, history=[SEEN, EVENT], at="2026-09-02T08:00:01Z", seed=7).receipt(HCP)
    assert receipt.decided_at == as_moment(EVENT["ts"]) + 1
    assert replace(receipt, batch_id="") == replace(by_hand, batch_id="")
    assert receipt.action == DO_NOTHING or receipt.features_digest
