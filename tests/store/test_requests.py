"""A request that comes again gets the decision it got before."""

from __future__ import annotations

import pytest
from hall import UNTIL, make_model

import nba
from nba import guardrails, policies
from nba.contracts import DO_NOTHING
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


def test_events_decide_once_each_and_never_past_what_is_on_its_way(log, territory):
    model = make_model(
        scorer=nba.SegmentBaseline(), policy=policies.EpsilonGreedy(1.0),
        guardrails=[guardrails.FrequencyCap(1, days=7)],
    ).fit(territory.engagement, until=UNTIL)  # fmt: skip
    hcps = list(territory.engagement.columns("hcps")["hcp_id"][:12])

    def click(hcp, hour):
        return {
            "interaction_id": f"{hcp}-{hour}", "hcp_id": hcp, "ts": f"2026-09-02T{hour:02d}:00:00+00:00",
            "channel": "portal", "direction": "inbound", "outcome": "clicked",
        }  # fmt: skip

    made = {}
    for hour in (8, 9, 9, 10):  # one of them is delivered twice
        for hcp in hcps:
            plan = model.decide(hcp, history=[], seed=hour, log=log, trigger=click(hcp, hour))
            log.commit(plan)
            again = made.setdefault((hcp, hour), plan.receipts())
            assert again == plan.receipts()

    frame = log.decisions()
    assert len(frame) == 3 * len(hcps)
    acting = frame[(frame["channel"] != DO_NOTHING.channel) & (frame["status"] == "committed")]
    assert len(acting)
    assert acting["hcp_id"].value_counts().max() == 1
    capped = [r for (_, hour), (r,) in made.items() if hour == 10 and r.hcp_id in set(acting["hcp_id"])]
    assert any("frequency_cap" in dict(r.removed).values() for r in capped)
