"""Durable first, handed out second."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from nba.contracts import DAY, DO_NOTHING, Action
from nba.errors import ArgumentError, LogConflictError, LogError, SelectionError
from nba.store import Log

HERE = str(Path(__file__).parent)


def run(code: str, *args: str) -> subprocess.Popen:
    """A child process that knows the receipts of these tests."""
    prelude = f"import sys; sys.path.insert(0, {HERE!r})\nfrom conftest import *\nfrom nba.store import Log\n"
    return subprocess.Popen([sys.executable, "-c", prelude + code, *args], stdout=subprocess.PIPE, text=True)


def test_what_is_appended_is_proposed_and_its_receipt_comes_back(log, receipt):
    one, two = receipt("d1"), receipt("d2", hcp_id="h2", action=DO_NOTHING, selection_prob=1.0)

    log.append([one, two])

    assert len(log) == 2
    assert log.receipt("d1") == one
    assert log.receipts() == [one, two]
    assert log.receipts(hcp_id="h2") == [two]
    assert log.decisions()["status"].tolist() == ["proposed", "proposed"]


def test_an_empty_log_is_still_a_log(log):
    assert len(log) == 0
    assert bool(log)
    assert log.commit([]) == {}
    assert log.decisions().empty
    assert log.pending(0)["hcp_id"].size == 0


def test_the_same_receipt_again_changes_nothing(log, receipt):
    log.append([receipt(), receipt()])
    log.commit([receipt()])
    log.append([receipt()])

    assert len(log) == 1
    assert log.decisions()["status"].tolist() == ["committed"]


def test_other_content_under_the_same_id_is_refused_and_nothing_of_the_batch_is_written(log, receipt):
    log.append([receipt("d1")])

    for write in (log.append, log.commit):
        with pytest.raises(LogConflictError) as caught:
            write([receipt("d2"), receipt("d1", priority=0.26, hcp_id="HCP-SECRET")])
        assert "HCP-SECRET" not in str(caught.value)
    with pytest.raises(LogConflictError):
        log.append([receipt("d3"), receipt("d3", seed=8)])

    assert len(log) == 1


def test_a_receipt_that_no_log_may_hold_keeps_the_batch_out(log, receipt):
    with pytest.raises(SelectionError):
        log.append([receipt("d1"), receipt("d2", selection_prob=0.0)])

    assert len(log) == 0


def test_commit_writes_what_was_never_appended_and_voids_what_the_recheck_refuses(log, receipt):
    one, two, idle = receipt("d1"), receipt("d2", hcp_id="h2"), receipt("d0", action=DO_NOTHING)
    asked = []

    def withdrawn(receipts, pending):
        asked.extend(it.decision_id for it in receipts)
        return ["", "consent_withdrawn"]

    done = log.commit([idle, one, two], recheck=withdrawn)

    assert done == {"d0": "committed", "d1": "committed", "d2": "consent_withdrawn"}
    assert asked == ["d1", "d2"]
    assert log.voids() == {"consent_withdrawn": 1}
    assert log.voids(batch_id="other") == {}
    frame = log.decisions().set_index("decision_id")
    assert frame["status"].to_dict() == {"d0": "committed", "d1": "committed", "d2": "void"}
    assert frame["rechecked"].to_dict() == {"d0": False, "d1": True, "d2": True}


def test_what_is_final_stays_final(log, receipt):
    log.commit([receipt("d1"), receipt("d2")], recheck=lambda *_: ["", "capped"])

    again = log.commit([receipt("d1"), receipt("d2")], recheck=lambda *_: pytest.fail("asked again"))

    assert again == {"d1": "committed", "d2": "capped"}


@pytest.mark.parametrize("answers", [[], ["", ""], [None], ["committed"]])
def test_a_recheck_that_does_not_answer_plainly_commits_nothing(log, receipt, answers):
    with pytest.raises(ArgumentError, match="recheck gave"):
        log.commit([receipt()], recheck=lambda *_: answers)

    assert len(log) == 0


def test_a_recheck_that_fails_leaves_the_decision_proposed(log, receipt):
    log.append([receipt()])

    with pytest.raises(ZeroDivisionError):
        log.commit([receipt()], recheck=lambda *_: 1 / 0)

    assert log.decisions()["status"].tolist() == ["proposed"]


def test_a_plan_brings_its_own_recheck_with_the_newest_consent(log, receipt):
    class Plan:
        def receipts(self):
            return [receipt()]

        def recheck(self, *, consent=None):
            return lambda receipts, pending: [f"consent:{consent}"] * len(receipts)

    assert log.commit(Plan(), consent="newest") == {"d1": "consent:newest"}
    with pytest.raises(ArgumentError, match="consent"):
        log.commit([receipt("d2")], consent="newest")


def test_the_recheck_sees_what_is_committed_for_these_hcps_even_if_it_was_decided_later(log, receipt, start):
    log.commit([receipt("later", decided_at=start + 60), receipt("elsewhere", hcp_id="h2")])
    log.append([receipt("proposed")])
    seen = []

    log.commit([receipt("d1")], recheck=lambda _, pending: seen.extend(pending["decision_id"]) or [""])

    assert seen == ["later"]


def test_pending_is_what_is_decided_valid_and_not_void(log, receipt, start):
    log.append([receipt("proposed", hcp_id="h1")])
    log.commit([receipt("committed", hcp_id="h2"), receipt("idle", action=DO_NOTHING)])
    log.commit([receipt("void", hcp_id="h3")], recheck=lambda *_: ["capped"])
    log.append([receipt("short", hcp_id="h4", valid_until=start + 10)])
    log.append([receipt("later", hcp_id="h5", decided_at=start + 20, valid_until=start + 8 * DAY)])

    assert log.pending(start - 1)["decision_id"].tolist() == []
    assert log.pending(start)["decision_id"].tolist() == ["committed", "proposed", "short"]
    assert log.pending(start + 10)["decision_id"].tolist() == ["committed", "proposed"]
    found = log.pending(start + 20, hcps=["h5", "h2"])
    assert found["hcp_id"].tolist() == ["h2", "h5"]
    assert found["ts"].tolist() == [start, start + 20]
    assert found["channel"].tolist() == ["approved_email"] * 2
    assert found["content_id"].tolist() == ["c1"] * 2
    assert log.pending(start + 7 * DAY)["decision_id"].tolist() == ["later"]


def test_thousands_of_hcps_may_be_asked_for(log, receipt, start):
    log.append([receipt("d1"), receipt("d2", hcp_id="other")])

    assert log.pending(start, hcps=[f"h{p}" for p in range(3000)])["hcp_id"].tolist() == ["h1"]


def test_a_decision_whose_touch_was_seen_is_no_longer_pending(log, receipt, engagement, start):
    log.commit([receipt("d1"), receipt("d2", hcp_id="h2")])
    data = engagement([{"interaction_id": "s", "ts": start + DAY}], observed_until=start + 9 * DAY)

    assert log.pending(start + DAY, engagement=data)["decision_id"].tolist() == ["d1", "d2"]
    assert log.pending(start + DAY + 1, engagement=data)["decision_id"].tolist() == ["d2"]


def test_outcomes_know_five_states_and_only_two_of_them_have_a_reward(log, receipt, engagement, start):
    hcps = {f"d{p}": f"h{p}" for p in range(1, 7)}
    made = [receipt(name, hcp_id=hcp) for name, hcp in hcps.items()]
    log.commit(made[:5], recheck=lambda *_: ["", "", "", "", "withdrawn"])
    log.append(made[5:])
    log.commit([receipt("idle", action=DO_NOTHING)])
    rows = [
        {"interaction_id": "s1", "hcp_id": "h1", "ts": start + DAY},
        {"interaction_id": "s2", "hcp_id": "h2", "ts": start + DAY},
        {"interaction_id": "s3", "hcp_id": "h3", "ts": start + 7 * DAY},
        {"interaction_id": "z1", "hcp_id": "h1", "ts": start + 2 * DAY, "direction": "inbound"}
        | {"outcome": "clicked", "parent_id": "s1"},
    ]
    data = engagement(rows, observed_until=start + 90 * DAY)

    found = log.outcomes(data, at=start + 16 * DAY)

    states = {row.decision_id: (row.state, row.reward, row.touched_at) for row in found.rows}
    assert states == {
        "d1": ("rewarded", 1.0, start + DAY),
        "d2": ("expired", 0.0, start + DAY),
        "d3": ("pending", None, start + 7 * DAY),
        "d4": ("censored", None, None),
        "d5": ("void", None, None),
    }
    assert found.engagement is data
    assert {row.action for row in found.rows} == {Action("approved_email", "c1")}
    assert {row.selection_prob for row in found.rows} == {0.7}


def test_not_yet_is_never_zero_where_the_engagement_ends_before_the_window(log, receipt, engagement, start):
    log.commit([receipt("d1")])
    rows = [{"interaction_id": "s", "ts": start + DAY}]
    short = engagement(rows, observed_until=start + 10 * DAY)
    whole = engagement(rows, observed_until=start + 20 * DAY)

    assert log.outcomes(short, at=start + 90 * DAY).counts() == {"pending": 1}
    assert log.outcomes(whole, at=start + 90 * DAY).counts() == {"expired": 1}
    assert log.outcomes(whole, at=start).counts() == {}


def test_decisions_are_a_frame_with_moments_in_utc(log, receipt, start):
    log.append([receipt("d1"), receipt("d2", batch_id="b2", hcp_id="h2")])

    frame = log.decisions(batch_id="b2")

    assert frame["decision_id"].tolist() == ["d2"]
    assert frame["decided_at"].iloc[0] == pd.Timestamp(start, unit="s", tz="UTC")
    assert list(frame.columns) == list(log.decisions(hcp_id="nobody").columns)
    assert log.decisions(hcp_id="nobody")["decided_at"].dt.tz is not None


def test_an_unknown_decision_is_refused_without_repeating_its_id(log):
    with pytest.raises(LogError) as caught:
        log.receipt("HCP-SECRET")

    assert "HCP-SECRET" not in str(caught.value)


def test_a_receipt_that_was_altered_in_the_file_is_refused_whatever_byte_it_was(tmp_path, receipt):
    log = Log(tmp_path / "log.db")
    log.append([receipt()])
    direct = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    whole = direct.execute("select receipt from nba_decisions").fetchone()[0]

    for place in range(len(whole)):
        altered = bytearray(whole)
        altered[place] ^= 1
        direct.execute("update nba_decisions set receipt = ?", (bytes(altered),))
        with pytest.raises(LogError, match="SHA-256"):
            log.receipt("d1")
    direct.execute("update nba_decisions set receipt = ?", (whole,))
    direct.close()
    assert log.receipt("d1") == receipt()


def test_messages_and_logging_hold_no_hcp(receipt, caplog, tmp_path):
    log = Log(tmp_path / "log.db")
    caplog.set_level("DEBUG")
    log.commit([receipt("d1", hcp_id="HCP-SECRET")], recheck=lambda *_: ["withdrawn"])
    with sqlite3.connect(tmp_path / "log.db") as direct:
        direct.execute("drop table nba_decisions")
    direct.close()

    with pytest.raises(LogError) as caught:
        log.append([receipt("d2", hcp_id="HCP-SECRET")])

    shown = f"{caught.value} {caught.value.__cause__} {caplog.text}"
    assert "HCP-SECRET" not in shown
    assert "no decision was handed out" in shown


def test_a_locked_log_is_waited_for_and_then_refused(tmp_path, receipt):
    log = Log(tmp_path / "log.db", wait_seconds=0.6)
    holder = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()

    with pytest.raises(LogError, match="locked"):
        log.append([receipt()])
    waited = time.monotonic() - begun

    assert 0.5 < waited < 3.0
    assert len(log) == 0  # readers are not held up
    holder.execute("ROLLBACK")
    holder.close()
    log.append([receipt()])


def test_a_store_that_is_gone_hands_out_nothing(tmp_path, receipt):
    log = Log(tmp_path / "folder.db")
    for path in tmp_path.iterdir():
        path.unlink()
    (tmp_path / "folder.db").mkdir()

    for call in (lambda: log.append([receipt()]), lambda: log.commit([receipt()]), lambda: len(log)):
        with pytest.raises(LogError):
            call()


def test_a_log_that_was_moved_away_is_not_begun_anew(tmp_path, receipt):
    log = Log(tmp_path / "a log %41.db")
    for path in tmp_path.iterdir():
        path.unlink()

    with pytest.raises(LogError):
        log.append([receipt()])
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_refused_and_what_was_acknowledged_stays(tmp_path, receipt):
    Log(tmp_path / "log.db").append([receipt("before")])
    code = """
import resource
from nba.errors import LogError
log = Log(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    log.append([make_receipt(f"d{p}") for p in range(2000)])
except LogError:
    print("refused")
"""
    with run(code, str(tmp_path / "log.db")) as child:
        assert child.stdout.read() == "refused\n"

    assert [it.decision_id for it in Log(tmp_path / "log.db").receipts()] == ["before"]


_KILLING = """
import itertools, os, random, time
import numpy as np
from nba import artifact

def write(turn):
    said = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = Log(sys.argv[1])
    def done(what, name):
        os.write(said, f"{what} {name}\\n".encode())
    for batch in itertools.count():
        name = f"{turn}-{batch}"
        made = [make_receipt(f"{name}-{p}", hcp_id=f"{name}-{p}", batch_id=name) for p in range(20)]
        log.append(made)
        done("appended", name)
        log.commit(made)
        done("committed", name)
        log.feedback([
            {"decision_id": it.decision_id, "ts": START + 60, "response": "sent"} for it in made
        ])
        done("told", name)
        log.forget(f"{name}-0")
        done("forgot", name)
        artifact.save(
            sys.argv[5], manifest={"name": name}, arrays={"a": np.full(1000, batch)}, overwrite=True
        )
        done("saved", name)

waits = random.Random(int(sys.argv[4]))
for turn in range(int(sys.argv[3])):
    child = os.fork()
    if not child:
        write(turn)
    time.sleep(0.02 + waits.random() * 0.5)
    os.kill(child, 9)
    os.waitpid(child, 0)
    Log(sys.argv[1]).receipts()
    if os.path.exists(sys.argv[5]):
        artifact.load(sys.argv[5])
"""


def kill_while_writing(folder, *, times, seed):
    """Kill processes that append, commit, are told, forget and save, at random points; check what is left."""
    path, said, bundle = folder / "log.db", folder / "said.txt", folder / "bundle"
    with run(_KILLING, str(path), str(said), str(times), str(seed), str(bundle)) as child:
        assert child.wait() == 0
    log = Log(path)
    frame = log.decisions()
    batches = frame.groupby("batch_id").agg(
        size=("status", "size"), fates=("status", "nunique"), status=("status", "first"),
        forgotten=("forgotten", "sum"),
    )  # fmt: skip
    assert (batches["size"] == 20).all()  # no batch is torn, and the forgotten stay in the totals
    assert (batches["fates"] == 1).all()
    words = ["appended", "committed", "told", "forgot", "saved"]
    reached: dict[str, int] = {}
    for line in said.read_text().splitlines():
        word, name = line.split()
        reached[name] = words.index(word)
    for name, word in reached.items():
        funnel = log.funnel(batch_id=name)
        assert funnel["sent"] in ({20} if word >= 2 else {0, 20})
        assert batches.loc[name, "forgotten"] in ({1} if word >= 3 else {0, 1} if word == 2 else {0})
        assert word < 1 or batches.loc[name, "status"] == "committed"
    assert len(log.receipts()) == int((~frame["forgotten"]).sum())
    with sqlite3.connect(path) as direct:
        assert direct.execute("pragma integrity_check").fetchone() == ("ok",)
    direct.close()
    return len(reached)


def test_a_kill_loses_nothing_acknowledged_and_tears_no_batch(tmp_path):
    assert kill_while_writing(tmp_path, times=5, seed=1) > 0


@pytest.mark.slow
def test_a_hundred_kills_lose_nothing_acknowledged_and_tear_no_batch(tmp_path):
    assert kill_while_writing(tmp_path, times=100, seed=2) > 0


def test_a_kill_between_the_append_and_the_return_leaves_the_decision_in_the_log(tmp_path, receipt):
    code = (
        "import os, signal\nLog(sys.argv[1]).append([make_receipt()])\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    with run(code, str(tmp_path / "log.db")) as child:
        assert child.wait() == -signal.SIGKILL

    assert Log(tmp_path / "log.db").receipt("d1") == receipt("d1")


_RACING = """
import os

def one_touch_a_person(receipts, pending):
    taken, reasons = set(pending["hcp_id"]), []
    for receipt in receipts:
        reasons.append("capped" if receipt.hcp_id in taken else "")
        taken.add(receipt.hcp_id)
    return reasons

log = Log(sys.argv[1], wait_seconds=60.0)
children = []
for which in range(int(sys.argv[2])):
    children.append(os.fork())
    if not children[-1]:
        for p in range(int(sys.argv[3])):
            made = [make_receipt(f"{which}-{p}", hcp_id=f"h{p}")]
            log.append(made)
            log.commit(made, recheck=one_touch_a_person)
        os._exit(0)
sys.exit(max(os.waitpid(child, 0)[1] for child in children))
"""


def race_for_one_touch(url, *, processes, hcps):
    """Processes that each want to touch every HCP, where one touch each is free."""
    with run(_RACING, url, str(processes), str(hcps)) as child:
        assert child.wait() == 0
    log = Log(url)
    frame = log.decisions()
    assert len(frame) == processes * hcps
    committed = frame[frame["status"] == "committed"]
    assert sorted(committed["hcp_id"]) == sorted({f"h{p}" for p in range(hcps)})
    assert log.voids() == {"capped": (processes - 1) * hcps}
    assert sum(log.voids_by_action().values()) == (processes - 1) * hcps
    log.close()


def test_of_two_processes_with_one_free_touch_exactly_one_commits(database):
    race_for_one_touch(database, processes=2, hcps=15)


@pytest.mark.slow
def test_of_eight_processes_with_one_free_touch_exactly_one_commits(database):
    race_for_one_touch(database, processes=8, hcps=200)


def test_a_fork_may_use_the_log_of_its_parent(database):
    code = """
import os
log = Log(sys.argv[1])
log.commit([make_receipt("parent")])
child = os.fork()
if not child:
    log.commit([make_receipt("child", hcp_id="h2")])
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
log.commit([make_receipt("after", hcp_id="h3")])
"""
    with run(code, database) as child:
        assert child.wait() == 0

    log = Log(database)
    assert sorted(it.decision_id for it in log.receipts()) == ["after", "child", "parent"]
    log.close()


def test_a_log_may_be_closed_and_used_again(log, receipt):
    log.append([receipt()])
    log.close()
    log.close()

    assert log.receipts() == [receipt()]


def test_threads_may_share_a_log(log, receipt):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda p: log.append([receipt(f"d{p}")]), range(20)))

    assert len(log) == 20


@pytest.mark.slow
def test_a_hundred_thousand_decisions_come_out_as_they_went_in(log, receipt, engagement, start):
    made = [receipt(f"d{p}", hcp_id=f"h{p}") for p in range(100_000)]
    rows = [{"interaction_id": f"s{p}", "hcp_id": f"h{p}", "ts": start + DAY} for p in range(0, 100_000, 4)]
    data = engagement(rows, observed_until=start + 90 * DAY)

    log.append(made)
    done = log.commit(made)
    found = log.outcomes(data, at=start + 60 * DAY)

    assert len(done) == 100_000
    assert set(done.values()) == {"committed"}
    assert found.counts() == {"censored": 75_000, "expired": 25_000}
    assert all(log.receipt(f"d{p}") == made[p] for p in range(0, 100_000, 1_000))


def test_what_takes_a_place_is_what_is_on_its_way_and_what_was_made_since(log, receipt, start):
    day, week = DAY, 7 * DAY
    older = receipt("older", decided_at=start - 20 * day, valid_until=start - 13 * day)
    unsent = receipt("unsent", hcp_id="h2", decided_at=start - 9 * day, valid_until=start - 2 * day)
    sent = receipt("sent", hcp_id="h3", decided_at=start - day, valid_until=start + week)
    bounced = receipt("bounced", hcp_id="h4", decided_at=start - day, valid_until=start + week)
    waits = receipt("waits", hcp_id="h5")
    given_up = receipt("given_up", hcp_id="h6", decided_at=start - 9 * day, valid_until=start - 2 * day)
    log.commit([older, unsent, sent, bounced])
    log.append([waits, given_up])
    log.feedback([{"decision_id": "sent", "ts": start - 100, "response": "sent"},
                  {"decision_id": "bounced", "ts": start - 100, "response": "bounced"}])  # fmt: skip

    found = log.taken(start + 1, since=start - 10 * day)

    assert dict(zip(found["decision_id"], found["sent"], strict=True)) == {
        "unsent": True, "sent": True, "waits": False
    }  # fmt: skip
    assert found["ts"][list(found["decision_id"]).index("sent")] == start - 100


def test_exploratory_decisions_are_counted_by_hcp_inside_the_window(log, receipt, start):
    tried = {"explored": True, "selection_prob": 0.1}
    log.append([
        receipt("a", **tried), receipt("b", decided_at=start + 5, **tried), receipt("c", hcp_id="h2"),
        receipt("d", hcp_id="h3", holdout="holdout_random", **tried),
        receipt("e", decided_at=start - 10, **tried), receipt("f", decided_at=start + 50, **tried),
        receipt("g", hcp_id="h4", **tried),
    ])  # fmt: skip
    log.commit([receipt("g", hcp_id="h4", **tried)], recheck=lambda receipts, _: ["cap"] * len(receipts))

    assert log.explored(start + 10, since=start - 10) == {"h1": 2}
    assert log.explored(start + 10, since=start - 10, hcps=["h2"]) == {}
