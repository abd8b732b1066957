"""People who are to be forgotten, and decisions that have grown old."""

from __future__ import annotations

import sqlite3

import pytest

from nba.contracts import DAY
from nba.errors import ArgumentError, LogError, NBAWarning
from nba.store import Log


def fill(log, receipt, start):
    """Three HCPs with decisions of every fate, feedback and results; the totals of it."""
    made = [
        receipt(f"d-{hcp}-{p}", hcp_id=hcp, decided_at=start + p * DAY + 3600)
        for hcp in ("HCP-SECRET", "h1", "h2")
        for p in range(3)
    ]
    log.commit(made, recheck=lambda due, _: ["capped" if it.decision_id.endswith("2") else "" for it in due])
    sent = {"ts": start + 4 * DAY + 7, "response": "sent", "user_id": "rep-SECRET"}
    log.feedback([sent | {"decision_id": it.decision_id} for it in made])
    log.feedback({
        "decision_id": "d-HCP-SECRET-0", "ts": start + 5 * DAY, "response": "viewed",
        "comment": "words about HCP-SECRET",
    })  # fmt: skip


def totals(log):
    return len(log), log.funnel(), log.funnel(batch_id="b1"), log.voids(), log.voids_by_action()


def test_a_forgotten_person_is_gone_and_the_totals_stay(log, receipt, engagement, start):
    fill(log, receipt, start)
    data = engagement([], observed_until=start + 99 * DAY)
    log.outcomes(data, at=start + 90 * DAY)
    before = totals(log)

    assert log.forget("HCP-SECRET") == 3
    assert log.forget("HCP-SECRET") == 0

    assert totals(log) == before
    assert log.decisions(hcp_id="HCP-SECRET").empty
    assert log.receipts(hcp_id="HCP-SECRET") == []
    assert {it.hcp_id for it in log.receipts()} == {"h1", "h2"}
    assert {it.hcp_id for it in log.outcomes(data, at=start + 90 * DAY).rows} == {"h1", "h2"}
    with pytest.raises(LogError, match="no decision"):
        log.receipt("d-HCP-SECRET-0")
    frame = log.decisions()
    gone = frame[frame["forgotten"]]
    assert len(gone) == 3
    assert (gone["decided_at"] == gone["decided_at"].dt.floor("D")).all()
    assert gone["decision_id"].str.startswith("forgotten-").all()


def test_no_byte_of_a_forgotten_person_stays_in_the_files(tmp_path, receipt, start):
    log = Log(tmp_path / "log.db", keep_comments=True)
    fill(log, receipt, start)
    assert b"SECRET" in b"".join(path.read_bytes() for path in tmp_path.iterdir())

    log.forget("HCP-SECRET")
    log.feedback([])

    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"HCP-SECRET" not in left
    log.retain(days=1, at=start + 90 * DAY)
    assert b"SECRET" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_no_table_names_a_forgotten_person(database, receipt, start):
    from sqlalchemy import select

    from nba.store.schema import METADATA

    log = Log(database, keep_comments=True)
    fill(log, receipt, start)
    log.once("of HCP-SECRET", lambda _: [receipt("d-x", hcp_id="HCP-SECRET")], parameters={"at": start})

    log.forget("HCP-SECRET")

    for table in METADATA.sorted_tables:
        rows = log._database.read(lambda it, table=table: it.execute(select(table)).all())
        assert "HCP-SECRET" not in repr(rows)
        assert "d-x" not in repr(rows)
    log.close()


def test_a_reader_in_the_way_of_overwriting_is_said_aloud(tmp_path, receipt):
    log = Log(tmp_path / "log.db", wait_seconds=0.3)
    log.commit([receipt()])
    reader = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    reader.execute("begin")
    reader.execute("select * from nba_decisions").fetchall()

    with pytest.warns(NBAWarning, match="journal"):
        log.forget("h1")

    reader.close()
    assert log.receipts() == []


def test_what_was_decided_before_does_not_come_back_and_what_is_decided_later_does(log, receipt, start):
    one, two = receipt("d1"), receipt("d2", hcp_id="h2")
    log.append([one, two])
    log.forget("h1")

    log.append([one])
    done = log.commit([one, two])

    assert done == {"d1": "forgotten", "d2": "committed"}
    assert len(log) == 2
    assert log.receipts() == [two]
    later = receipt("d3", decided_at=start + DAY)
    assert log.commit([later]) == {"d3": "committed"}
    assert log.forget("h1", at=start + 3 * DAY) == 1
    assert log.commit([receipt("d4", decided_at=start + 2 * DAY)]) == {"d4": "forgotten"}


def test_who_never_was_in_the_log_can_be_kept_out_of_it(log, receipt, start):
    assert log.forget("h1") == 0
    assert log.forget("h9", at=start) == 0

    assert log.commit([receipt("d1"), receipt("d9", hcp_id="h9")]) == {"d1": "committed", "d9": "forgotten"}


def test_a_request_of_a_forgotten_person_is_decided_anew_or_kept_out(log, receipt, start):
    log.once("key", lambda _: [receipt("d1")], parameters={"at": start})
    log.forget("h1")

    with pytest.raises(LogError):
        log.once("key", lambda _: [receipt("d1")], parameters={"at": start})
    (made,) = log.once("key2", lambda _: [receipt("d2", decided_at=start + 9)], parameters={"at": start + 9})

    assert made.decision_id == "d2"


def test_retention_takes_people_out_of_what_is_older_and_nothing_else(log, receipt, start):
    fill(log, receipt, start)
    before = totals(log)

    assert log.retain(days=1.5, at=start + 3 * DAY) == 6
    assert log.retain(days=1.5, at=start + 3 * DAY) == 0

    assert totals(log) == before
    assert sorted(it.decision_id[-1] for it in log.receipts()) == ["2", "2", "2"]
    for days in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ArgumentError):
            log.retain(days=days, at=start)


def test_a_batch_of_one_gets_another_id_because_its_own_could_be_computed_again(log, receipt):
    log.commit(
        [receipt("d1", batch_id="alone"), receipt("d2", batch_id="many"), receipt("d3", batch_id="many")]
    )

    log.forget("h1")

    batches = log.decisions()["batch_id"].value_counts().to_dict()
    assert batches["many"] == 2
    assert "alone" not in batches


def test_what_is_shared_by_receipts_holds_nobody(log, receipt):
    from sqlalchemy import select

    from nba.store.packing import Part
    from nba.store.schema import parts

    log.commit([receipt("HCP-SECRET-decision", hcp_id="HCP-SECRET", batch_id="HCP-SECRET-batch")])

    (content,) = log._database.read(lambda it: list(it.execute(select(parts.c.content)).scalars()))
    assert "SECRET" not in repr(Part.from_bytes(bytes(content)))
