"""What holds of a log after any sequence of calls."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from store.conftest import START, make_engagement, make_receipt

from nba.contracts import DAY
from nba.errors import LogConflictError, OutcomeError
from nba.store import DISMISS_REASONS, Log

HCPS = st.sampled_from(["h0", "h1", "h2"])
DAYS = st.integers(0, 40)
TOLD = st.sampled_from(["sent", "bounced", "viewed", "executed", "reward", "dismissed"])


def one_open_touch(receipts, pending):
    """A rule like a cap of one: whoever has a touch pending gets no other."""
    taken, reasons = set(pending["hcp_id"]), []
    for receipt in receipts:
        reasons.append("capped" if receipt.hcp_id in taken else "")
        taken.add(receipt.hcp_id)
    return reasons


class AnySequence(RuleBasedStateMachine):
    """Commit, feedback, outcomes, late arrival and forgetting, beside a model of plain dicts."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.log = self._open()
        self.made = {}
        self.said = {}
        self.learned = {}
        self.reports = set()
        self.gone = set()
        self.forgotten_until = {}
        self.rows = []
        self.voided = 0

    def _open(self):
        return Log(Path(self.folder.name) / "log.db", on_safety_report=lambda _: None)

    def teardown(self):
        self.log.close()
        self.folder.cleanup()

    @rule(hcp=HCPS, day=DAYS)
    def append(self, hcp, day):
        name = f"d{len(self.made)}"
        at = START + day * DAY
        self.made[name] = make_receipt(name, hcp_id=hcp, decided_at=at, valid_until=at + 7 * DAY)
        self.log.append([self.made[name]])
        if at <= self.forgotten_until.get(hcp, at - 1):  # what was decided until then does not come back
            self.gone.add(name)

    @rule(data=st.data())
    def commit(self, data):
        if not self.made:
            return
        names = data.draw(st.lists(st.sampled_from(sorted(self.made)), max_size=3, unique=True))
        done = self.log.commit([self.made[name] for name in names], recheck=one_open_touch)
        for name, fate in done.items():
            if name in self.gone:
                assert fate == "forgotten"
                continue
            assert self.said.setdefault(name, fate) == fate  # what is final stays final

    @rule(data=st.data(), response=TOLD, day=DAYS, value=st.integers(0, 1))
    def feedback(self, data, response, day, value):
        if not self.made:
            return
        name = data.draw(st.sampled_from(sorted(self.made)))
        row = {"decision_id": name, "ts": START + day * DAY, "response": response}
        if response == "reward":
            row["reward"] = value
        if response == "dismissed":
            row["dismiss_reason"] = data.draw(st.sampled_from(sorted(DISMISS_REASONS)))
        before = self.log.funnel()
        try:
            self.log.feedback(row)
        except OutcomeError:
            assert name in self.gone or row["ts"] < self.made[name].decided_at
            assert self.log.funnel() == before
        except LogConflictError:
            assert response in {"reward", "dismissed"}
            assert self.log.funnel() == before
        else:
            assert self.log.feedback(row).repeated == 1
            if row.get("dismiss_reason") == "safety report":
                self.reports.add(name)

    @rule(hcp=HCPS, day=DAYS, late=st.integers(0, 30), answered=st.booleans())
    def arrive(self, hcp, day, late, answered):
        ts, name = START + day * DAY, f"i{len(self.rows)}"
        arrived = {"hcp_id": hcp, "recorded_at": ts + late * DAY + 60}
        self.rows.append(arrived | {"interaction_id": name, "ts": ts})
        if answered:
            reply = {"interaction_id": f"z{name}", "ts": ts + 60, "parent_id": name, "direction": "inbound"}
            self.rows.append(arrived | reply | {"outcome": "clicked"})

    @rule(day=st.integers(0, 80))
    def learn(self, day):
        data = make_engagement(self.rows, observed_until=START + 100 * DAY)
        for it in self.log.outcomes(data, at=START + day * DAY).rows:
            assert it.decided_at < START + day * DAY
            assert it.decision_id not in self.gone
            if self.said[it.decision_id] != "committed":
                assert it.state == "void"
            if it.reward is not None:
                assert it.state == ("rewarded" if it.reward else "expired")
                assert it.decision_id not in self.reports
                assert self.learned.setdefault(it.decision_id, it.reward) == it.reward
            else:
                assert it.state in {"pending", "censored", "void"}

    @rule(hcp=HCPS)
    def forget(self, hcp):
        before = len(self.log), self.log.funnel(), self.log.voids()
        mine = {name for name, one in self.made.items() if one.hcp_id == hcp} - self.gone
        assert self.log.forget(hcp) == len(mine)
        assert (len(self.log), self.log.funnel(), self.log.voids()) == before
        self.gone |= mine
        known = [self.made[name].decided_at for name in mine]
        self.forgotten_until |= {hcp: max([self.forgotten_until.get(hcp, START), *known])} if known else {}

    @rule()
    def open_again(self):
        self.log.close()
        self.log = self._open()

    @invariant()
    def nothing_is_lost_and_every_receipt_replays(self):
        kept = {it.decision_id: it for it in self.log.receipts()}
        assert kept == {name: one for name, one in self.made.items() if name not in self.gone}

    @invariant()
    def voids_are_counted(self):
        said = [fate for fate in self.said.values() if fate == "capped"]
        assert sum(self.log.voids().values()) == len(said)


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=4, stateful_step_count=12, deadline=None)


@pytest.mark.slow
class TestManySequences(AnySequence.TestCase):
    settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
