"""A request that comes again gets the decision it got before."""

from __future__ import annotations

import pytest

from nba.errors import ArgumentError, LogConflictError


def test_the_same_request_is_decided_once(log, receipt):
    asked = []

    def decide(_):
        asked.append(1)
        return [receipt(f"d{len(asked)}"), receipt(f"e{len(asked)}", hcp_id="h2")]

    first = log.once("key", decide, parameters={"hcp": "h1", "at": 5})
    again = log.once("key", decide, parameters={"at": 5, "hcp": "h1"})

    assert first == again == [receipt("d1"), receipt("e1", hcp_id="h2")]
    assert asked == [1]
    assert len(log) == 2


def test_other_parameters_under_the_same_key_are_refused_without_repeating_it(log, receipt):
    log.once("HCP-SECRET", lambda _: [receipt()], parameters={"at": 5})

    with pytest.raises(LogConflictError, match="other parameters") as caught:
        log.once("HCP-SECRET", lambda _: [receipt("d2")], parameters={"at": 6})

    assert "HCP-SECRET" not in str(caught.value)
    assert len(log) == 1


def test_of_two_at_once_both_get_the_decision_of_the_first(log, receipt):
    def slow(_):
        log.once("key", lambda _: [receipt("fast")], parameters={})  # another was quicker meanwhile
        return [receipt("slow")]

    (found,) = log.once("key", slow, parameters={})

    assert found.decision_id == "fast"
    assert len(log) == 1


def test_while_it_decides_it_sees_what_is_pending_and_writes_nothing(log, receipt, start):
    log.commit([receipt("before")])
    seen = []

    def decide(draft):
        seen.extend(draft.pending(start, hcps=["h1"])["decision_id"])
        draft.append([receipt("d1")])
        seen.append(len(log))
        return [receipt("d1", hcp_id="h2")]

    log.once("key", decide, parameters={})

    assert seen == ["before", 1]
    assert len(log) == 2


def test_a_request_needs_a_key_and_a_decision(log, receipt):
    for key in ("", " ", None):
        with pytest.raises(ArgumentError):
            log.once(key, lambda _: [receipt()], parameters={})
    with pytest.raises(ArgumentError, match="no receipt"):
        log.once("key", lambda _: [], parameters={})
    with pytest.raises(ArgumentError):
        log.once("key", lambda _: [receipt()], parameters={"at": object()})
    assert len(log) == 0
