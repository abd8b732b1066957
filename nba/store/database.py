"""Opening the log's database, and one transaction at a time."""

from __future__ import annotations

import math
import os
import sqlite3
import time
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError as BadUrl
from sqlalchemy.exc import DisconnectionError, OperationalError, SQLAlchemyError

from nba.errors import ArgumentError, LogError, NBAWarning

_Result = TypeVar("_Result")

_TRIES = 3
_WRITES = "nba_writes"
_POSTGRES_LOCK = 0x6E62615F6C6F67  # "nba_log": one writer at a time, as on SQLite
_OF_THE_PARENT: list[Engine] = []


class Database:
    """A database whose writers take turns, whatever process they are in.

    A write transaction holds the log's one write lock from its first moment: BEGIN IMMEDIATE on SQLite, an
    advisory lock on PostgreSQL. So what a transaction read is still true when it writes.

    Parameters
    ----------
    url : a file path, or a URL of SQLite or PostgreSQL
    wait_seconds : how long to wait in all for a lock that others hold

    Raises
    ------
    ArgumentError
        If ``url`` is not a path or such a URL, or names a database in memory.
    LogError
        If the file cannot be made.
    """

    def __init__(self, url: str | os.PathLike[str], *, wait_seconds: float) -> None:
        if not (math.isfinite(wait_seconds) and wait_seconds > 0):
            raise ArgumentError(f"wait_seconds is {wait_seconds!r}, expected a number above 0.")
        self._url = _as_url(url)
        self._pause = wait_seconds / _TRIES
        if self.is_file:
            _make_private(Path(str(self._url.database)))
        self._open()
        if hasattr(os, "register_at_fork"):
            me = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: _begin_anew(me()))

    @property
    def is_file(self) -> bool:
        """Whether it is a SQLite file."""
        return self._url.get_backend_name() == "sqlite"

    def read(self, work: Callable[[Connection], _Result]) -> _Result:
        """Do ``work`` in one transaction that only reads."""
        return self._transact(work, writes=False)

    def write(self, work: Callable[[Connection], _Result]) -> _Result:
        """Do ``work`` in one transaction that holds the write lock; on return it is on disk.

        Raises
        ------
        LogError
            If the lock cannot be had in time, or the database fails; nothing was written then.
        """
        return self._transact(work, writes=True)

    def close(self) -> None:
        """Close the connections that are kept; the next transaction opens one again."""
        self._close()
        self._open()

    def vacuum(self) -> bool:
        """Overwrite what was deleted; False where readers were in the way and old pages remain."""
        if self.is_file:
            return self._checkpoint()
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in ("nba_decisions", "nba_feedback", "nba_outcomes", "nba_requests"):
                connection.exec_driver_sql(f"VACUUM {table}")
        return True

    def _checkpoint(self) -> bool:
        raw = self._engine.raw_connection()
        try:
            return not raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error:
            return False
        finally:
            raw.close()

    def _open(self) -> None:
        if self.is_file:
            self._engine = _sqlite_engine(self._url, wait_seconds=self._pause)
        else:
            self._engine = _postgres_engine(self._url, wait_seconds=self._pause)
        self._close = weakref.finalize(self, _dispose, self._engine, os.getpid())

    def _transact(self, work: Callable[[Connection], _Result], *, writes: bool) -> _Result:
        """Do ``work`` in one transaction; try a few times where others hold the lock."""
        for trial in range(1, _TRIES + 1):
            try:
                with self._engine.connect() as plain:
                    connection = plain.execution_options(**{_WRITES: writes})
                    with connection.begin():
                        return work(connection)
            except OperationalError as error:
                if not _is_lock(error) or trial == _TRIES:
                    raise _as_log_error(error) from _without_cells(error)
                time.sleep(min(self._pause, 0.05 * trial))
            except SQLAlchemyError as error:
                raise _as_log_error(error) from _without_cells(error)
        raise LogError("The log was locked at every try.")  # pragma: no cover


def _begin_anew(database: Database | None) -> None:
    """In a forked child: connections are the parent's, neither used nor closed here."""
    if database is not None:
        _OF_THE_PARENT.append(database._engine)
        database._close.detach()
        database._open()


def _dispose(engine: Engine, process: int) -> None:
    if os.getpid() == process:
        engine.dispose()


def _sqlite_engine(url: URL, *, wait_seconds: float) -> Engine:
    path = Path(str(url.database))
    # mode=rw: a log that was moved away is an error, not a new and empty one.
    address = f"{path.as_uri()}?mode=rw"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, timeout=wait_seconds, check_same_thread=False)

    def prepare(connection: Any, record: Any) -> None:
        # Transactions are begun by us (below), not by the driver, which would begin them too late.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")  # what is forgotten is overwritten
        record.info["file"] = _identity(path)

    def check(_connection: Any, record: Any, _proxy: Any) -> None:
        # A kept connection would go on writing into a file that was moved away or replaced.
        if record.info.get("file") != _identity(path):
            raise DisconnectionError

    engine = create_engine(url, creator=connect, hide_parameters=True, max_overflow=-1)
    event.listen(engine, "connect", prepare)
    event.listen(engine, "checkout", check)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgres_engine(url: URL, *, wait_seconds: float) -> Engine:
    wait = f"{max(1, round(1000 * wait_seconds))}ms"

    def prepare(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")
            cursor.execute("SET timezone = 'UTC'")
            # A plan kept for any ids compares each row with thousands of them, one after another.
            cursor.execute("SET plan_cache_mode = force_custom_plan")
        connection.commit()

    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITES, False):
            connection.exec_driver_sql(
                "SELECT set_config('lock_timeout', %s, true), pg_advisory_xact_lock(%s)",
                (wait, _POSTGRES_LOCK),
            )

    try:
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, max_overflow=-1)
    except ImportError as error:
        raise ArgumentError(
            "A log on PostgreSQL needs psycopg, which is not installed: pip install 'nba[postgres]'."
        ) from error
    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def _as_url(url: str | os.PathLike[str]) -> URL:
    text = os.fspath(url)
    if not isinstance(text, str) or not text.strip():
        raise ArgumentError("The log's url is blank or not text; pass a file path or a database URL.")
    if "://" not in text:
        target = URL.create("sqlite", database=text)
    else:
        try:
            target = make_url(text)
        except BadUrl:
            # The text may hold a password, so it is not repeated.
            raise ArgumentError(
                "The log's url is not a database URL such as sqlite:///log.db; check it."
            ) from None
    if target.get_backend_name() == "postgresql":
        return target.set(drivername="postgresql+psycopg")
    if target.get_backend_name() != "sqlite":
        raise ArgumentError(
            f"The log's url names a database of {target.get_backend_name()!a}; expected SQLite or PostgreSQL."
        )
    path = target.database or ""
    if path in ("", ":memory:") or path.startswith("file:"):
        raise ArgumentError(
            "A log in memory is lost with the process; pass a file, such as sqlite:///log.db."
        )
    return target.set(database=os.path.abspath(path))


def _make_private(path: Path) -> None:
    try:
        # Never opened where it exists: closing it would drop the locks SQLite holds on it in this process.
        if not path.exists():
            _create_private(path)
        elif path.stat().st_mode & 0o077 and os.name == "posix":
            path.chmod(0o600)
            warnings.warn(
                f"The log {path.name!a} could be read by others; it is now private to its user (mode 0600).",
                NBAWarning,
                stacklevel=4,
            )
    except OSError as error:
        raise LogError(
            f"The log {path.name!a} cannot be opened: {error.strerror}. Check that its folder exists and may "
            "be written; no decision was handed out."
        ) from error


def _create_private(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return  # another process was first
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _is_lock(error: OperationalError) -> bool:
    said = str(error.orig).lower()
    return any(word in said for word in ("locked", "busy", "lock timeout", "deadlock"))


def _as_log_error(error: SQLAlchemyError) -> LogError:
    cause = getattr(error, "orig", None)
    # PostgreSQL's details repeat the row; its first line does not.
    first = getattr(getattr(cause, "diag", None), "message_primary", None)
    said = str(first or cause or type(error).__name__).strip()
    locked = isinstance(error, OperationalError) and _is_lock(error)
    said = f"it is locked ({said})" if locked else said
    return LogError(
        f"The log cannot be read or written: {said}. Check that its database is there, unlocked and has "
        "space; no decision was handed out."
    )


def _without_cells(error: SQLAlchemyError) -> SQLAlchemyError | None:
    """The error to show as the cause, unless it repeats cells."""
    diagnosis = getattr(getattr(error, "orig", None), "diag", None)
    return None if getattr(diagnosis, "message_detail", None) else error
