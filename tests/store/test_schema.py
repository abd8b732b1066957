"""The tables of the log, and how its database is opened."""

from __future__ import annotations

import os
import sqlite3
import stat

import pytest

from nba.errors import ArgumentError, LogError, NBAWarning
from nba.store import Log
from nba.store.database import Database
from nba.store.schema import SCHEMA_VERSION


def mode_of(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_file_and_its_journals_are_private_whatever_the_umask(tmp_path, receipt):
    before = os.umask(0)
    try:
        log = Log(tmp_path / "log.db")
        log.append([receipt()])
        with sqlite3.connect(tmp_path / "log.db") as reader:  # an open reader keeps the journals in place
            reader.execute("select count(*) from nba_decisions").fetchall()
            log.append([receipt("d2")])
            modes = {path.name: mode_of(path) for path in tmp_path.iterdir()}
        reader.close()
    finally:
        os.umask(before)

    assert set(modes) == {"log.db", "log.db-wal", "log.db-shm"}
    assert set(modes.values()) == {0o600}


def test_a_file_that_others_could_read_is_made_private_aloud(tmp_path):
    Log(tmp_path / "log.db")
    (tmp_path / "log.db").chmod(0o644)

    with pytest.warns(NBAWarning, match="private") as caught:
        Log(tmp_path / "log.db")

    assert mode_of(tmp_path / "log.db") == 0o600
    assert caught[0].filename == __file__


def test_transactions_are_journalled_and_synced_in_full(tmp_path):
    database = Database(tmp_path / "log.db", wait_seconds=1.0)

    def setting(name):
        return database.read(lambda connection: connection.exec_driver_sql(f"PRAGMA {name}").scalar())

    assert setting("journal_mode") == "wal"
    assert setting("synchronous") == 2
    assert setting("secure_delete") == 1


def test_a_path_and_a_url_are_the_same_log_wherever_the_process_goes(tmp_path, receipt, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = Log("log.db")
    log.append([receipt()])
    monkeypatch.chdir("/")

    assert len(log) == 1
    assert len(Log(f"sqlite:///{tmp_path}/log.db")) == 1


@pytest.mark.parametrize(
    "url", ["", " ", ":memory:", "sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true", "a b://"]
)
def test_what_names_no_lasting_database_is_refused(url):
    with pytest.raises(ArgumentError):
        Log(url)


def test_a_password_in_a_url_is_never_repeated():
    with pytest.raises(ArgumentError) as caught:
        Log("postgres ql://me:secret@host/db")

    assert "secret" not in str(caught.value)


def test_a_newer_log_is_refused_by_its_number(tmp_path):
    Log(tmp_path / "log.db")
    with sqlite3.connect(tmp_path / "log.db") as direct:
        direct.execute("update nba_schema set version = ?", (SCHEMA_VERSION + 1,))
    direct.close()

    with pytest.raises(LogError, match=f"version {SCHEMA_VERSION + 1}.*update nba"):
        Log(tmp_path / "log.db")


def test_a_file_that_is_no_database_and_a_folder_that_is_absent_are_refused(tmp_path):
    (tmp_path / "text.db").write_text("not a database, and long enough to be looked at" * 10)
    (tmp_path / "text.db").chmod(0o600)
    (tmp_path / "folder.db").mkdir(mode=0o700)

    for path in (tmp_path / "text.db", tmp_path / "absent" / "log.db", tmp_path / "folder.db"):
        with pytest.raises(LogError):
            Log(path)
