"""What came of decisions, from interactions and from feedback."""

from __future__ import annotations

import itertools

import pytest

from nba.contracts import DAY, DO_NOTHING
from nba.store import DISMISS_REASONS, Log


@pytest.fixture
def state(log, receipt, engagement, start):
    """The state of decision d1 at a day, given interactions; it holds 7 days, its window is 14."""
    log.commit([receipt()])

    def state(day, rows=(), *, settle=False):
        data = engagement(
            [{"interaction_id": f"i{p}"} | row for p, row in enumerate(rows)], observed_until=start + 99 * DAY
        )
        (found,) = log.outcomes(data, at=start + int(day * DAY), settle=settle).rows
        return found.state, found.reward

    state.log = log
    return state


def told(start, day, response, **more):
    return {"decision_id": "d1", "ts": start + int(day * DAY), "response": response} | more


def sent(start, day, **more):
    return {"ts": start + int(day * DAY)} | more


def click(start, day, **more):
    return sent(start, day, direction="inbound", outcome="clicked", **more)


def test_a_touch_that_only_feedback_knows_opens_the_window(state, start):
    state.log.feedback(told(start, 2, "sent"))

    assert state(2) == ("pending", None)
    assert state(10) == ("pending", None)
    assert state(16) == ("expired", 0.0)


@pytest.mark.parametrize("response", ["executed", "marked_complete"])
def test_a_rep_who_says_it_was_done_made_the_touch(state, start, response):
    state.log.feedback(told(start, 2, response))

    assert state(16) == ("expired", 0.0)


@pytest.mark.parametrize("response", ["viewed", "accepted", "modified", "snoozed", "expired"])
def test_what_else_a_rep_does_is_no_outcome(state, start, response):
    state.log.feedback(told(start, 2, response))

    assert state(16) == ("censored", None)


def test_a_success_answers_the_touch_that_was_told(state, start):
    state.log.feedback(told(start, 2, "sent"))

    assert state(30, [click(start, 3)]) == ("rewarded", 1.0)
    assert state(30, [click(start, 1.5)]) == ("expired", 0.0)
    assert state(30, [click(start, 16)]) == ("expired", 0.0)


def test_a_touch_in_the_tables_counts_before_one_that_was_told(state, start):
    state.log.feedback(told(start, 5, "sent"))
    rows = [sent(start, 2)]

    assert state(16, rows) == ("expired", 0.0)


def test_a_reward_told_in_the_window_counts_and_implies_a_touch(state, start):
    state.log.feedback(told(start, 3, "reward", reward=0.5))

    assert state(3) == ("pending", None)
    assert state(3.1) == ("rewarded", 0.5)


def test_not_yet_is_never_zero_also_where_a_zero_was_told(state, start):
    state.log.feedback(told(start, 3, "reward", reward=0))

    assert state(8) == ("pending", None)
    assert state(14) == ("expired", 0.0)


def test_a_reward_after_its_window_teaches_nothing(state, start):
    state.log.feedback(told(start, 18, "reward", reward=1))

    assert state(40) == ("censored", None)
    assert state(40, [sent(start, 2)]) == ("expired", 0.0)
    assert state(40, [sent(start, 5)]) == ("rewarded", 1.0)


def test_what_bounced_is_censored_whatever_else_is_known(state, start):
    state.log.feedback([told(start, 2, "sent"), told(start, 2.1, "bounced")])

    assert state(2.05) == ("pending", None)
    assert state(30, [click(start, 3)]) == ("censored", None)


@pytest.mark.parametrize("reason", sorted(set(DISMISS_REASONS) - {"safety report"}))
def test_a_dismissal_without_a_touch_is_what_its_reason_means_once_the_decision_is_over(state, start, reason):
    state.log.feedback(told(start, 1, "dismissed", dismiss_reason=reason))

    assert state(7) == ("pending", None)
    negative = reason in {"not relevant to HCP", "wrong channel", "wrong content"}
    assert state(7.1) == (("expired", 0.0) if negative else ("censored", None))
    assert state(30, [sent(start, 2), click(start, 3)]) == ("rewarded", 1.0)


@pytest.mark.filterwarnings("ignore:.*safety report")
def test_a_safety_report_is_never_learned_from_not_even_one_that_comes_late(state, start):
    rows = [sent(start, 2), click(start, 3)]
    assert state(5, rows, settle=True) == ("rewarded", 1.0)

    state.log.feedback(told(start, 90, "dismissed", dismiss_reason="safety report"))

    assert state(5, rows) == ("censored", None)


def test_a_result_that_was_handed_out_stands_whatever_comes_later(state, start):
    rows = [sent(start, 2, interaction_id="s")]
    late = [*rows, click(start, 5, parent_id="s", interaction_id="z", recorded_at=start + 20 * DAY)]

    assert state(17, late) == ("expired", 0.0)
    assert state(25, late) == ("rewarded", 1.0)  # so far only looked at
    assert state(17, late, settle=True) == ("expired", 0.0)
    assert state(25, late, settle=True) == ("expired", 0.0)
    assert state(10, late, settle=True) == ("pending", None)
    assert state.log.funnel()["expired"] == 1


def test_each_decision_has_one_result_in_whatever_order_its_rows_arrive(database, receipt, engagement, start):
    log = Log(database)
    rows = [
        {"interaction_id": "s1", "ts": start + 2 * DAY},
        {"interaction_id": "s2", "ts": start + 3 * DAY},
        {"interaction_id": "z1", "ts": start + 5 * DAY, "direction": "inbound", "outcome": "clicked"}
        | {"parent_id": "s1"},
    ]
    for number, order in enumerate(itertools.permutations(range(3))):
        hcp = f"h{number}"
        log.commit([
            receipt(f"{hcp}-{name}", hcp_id=hcp, decided_at=start + day * DAY, valid_until=start + 9 * DAY)
            for day, name in enumerate("ab")
        ])  # fmt: skip
        arrived = [
            row | {"hcp_id": hcp, "recorded_at": start + (10 + 10 * order.index(p)) * DAY}
            for p, row in enumerate(rows)
        ]
        data = engagement(arrived, observed_until=start + 99 * DAY)
        learned = {}
        for day in range(8, 90, 3):
            for it in log.outcomes(data, at=start + day * DAY).rows:
                if it.hcp_id == hcp and it.reward is not None:
                    assert learned.setdefault(it.decision_id, it.reward) == it.reward
        assert learned
    log.close()


def test_two_decisions_of_one_hcp_keep_their_own_told_touches(log, receipt, engagement, start):
    log.commit([receipt("d1"), receipt("d2", decided_at=start + DAY)])
    log.feedback([told(start, 2, "sent"), told(start, 3, "sent", decision_id="d2")])
    data = engagement([click(start, 4, interaction_id="z")], observed_until=start + 99 * DAY)

    found = {it.decision_id: it.state for it in log.outcomes(data, at=start + 40 * DAY).rows}

    assert found == {"d1": "expired", "d2": "rewarded"}


def test_idle_proposed_and_void_decisions_teach_nothing_whatever_they_are_told(
    log, receipt, engagement, start
):
    log.commit([receipt("idle", action=DO_NOTHING)])
    log.append([receipt("d1")])
    log.commit([receipt("void", hcp_id="h2")], recheck=lambda *_: ["capped"])
    log.feedback([told(start, 1, "sent", decision_id=name) for name in ("idle", "d1", "void")])
    data = engagement([], observed_until=start + 99 * DAY)

    found = {it.decision_id: it.state for it in log.outcomes(data, at=start + 90 * DAY).rows}

    assert found == {"void": "void"}


def test_what_was_sent_and_is_not_in_the_tables_still_counts_and_what_bounced_or_was_dismissed_does_not(
    log, receipt, engagement, start
):
    log.commit([receipt(f"d{p}", hcp_id=f"h{p}") for p in range(5)])
    log.feedback([
        told(start, 6, "sent", decision_id="d1"),
        told(start, 2, "bounced", decision_id="d2"),
        told(start, 2, "dismissed", decision_id="d3", dismiss_reason="other"),
        told(start, 2, "dismissed", decision_id="d4", dismiss_reason="other"),
        told(start, 3, "executed", decision_id="d4"),
    ])  # fmt: skip
    nothing = engagement([], observed_until=start + 99 * DAY)
    seen = engagement(
        [{"interaction_id": "s", "hcp_id": "h1", "ts": start + 6 * DAY}], observed_until=start + 99 * DAY
    )

    def ids(day, **more):
        return log.pending(start + int(day * DAY), **more)["decision_id"].tolist()

    assert ids(1) == ["d0", "d1", "d2", "d3", "d4"]
    assert ids(6.5) == ["d0", "d1", "d4"]
    assert log.pending(start + int(6.5 * DAY))["ts"].tolist() == [start, start + 6 * DAY, start + 3 * DAY]
    assert ids(9) == []
    assert ids(9, engagement=nothing) == ["d1", "d4"]
    assert ids(9, engagement=seen) == ["d4"]
    assert ids(400, engagement=nothing) == []
    counted = []
    log.commit(
        [receipt(f"n{p}", hcp_id=f"h{p}", decided_at=start + 9 * DAY, valid_until=start + 10 * DAY)
         for p in range(5)],
        recheck=lambda due, pending: counted.extend(pending["decision_id"]) or [""] * len(due),
    )  # fmt: skip
    assert counted == ["d1", "d4"]
