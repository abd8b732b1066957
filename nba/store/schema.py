"""The tables of the log, and how its database is opened."""

from __future__ import annotations

import os
import sqlite3
import warnings
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    insert,
    inspect,
    select,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError as BadUrl
from sqlalchemy.pool import NullPool

from nba.errors import ArgumentError, LogError, NBAWarning

SCHEMA_VERSION = 1
"""Version of the tables below; a log of a later one is refused."""

WRITES = "nba_writes"
"""Execution option of a connection whose transactions take the write lock at once."""

_METADATA = MetaData()

schema = Table("nba_schema", _METADATA, Column("version", Integer, primary_key=True, autoincrement=False))

decisions = Table(
    "nba_decisions",
    _METADATA,
    Column("decision_id", String(200), primary_key=True),
    Column("batch_id", String(200), nullable=False),
    Column("hcp_id", String(200), nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("valid_until", BigInteger, nullable=False),
    Column("channel", String(200), nullable=False),
    Column("content_id", String(200), nullable=False),
    Column("selection_prob", Float(53), nullable=False),
    Column("explored", Boolean, nullable=False),
    Column("holdout", String(50), nullable=False),
    Column("status", String(20), nullable=False),
    Column("void_reason", String(200), nullable=False),
    Column("rechecked", Boolean, nullable=False),
    Column("receipt", Text, nullable=False),
    Column("receipt_sha256", String(64), nullable=False),
    Index("nba_decisions_by_hcp", "hcp_id", "decided_at"),
    Index("nba_decisions_by_batch", "batch_id"),
    Index("nba_decisions_by_validity", "valid_until"),
)


def open_engine(url: str | os.PathLike[str], *, wait_seconds: float) -> Engine:
    """An engine on the log's database; a SQLite file is made private to its user.

    Raises
    ------
    ArgumentError
        If ``url`` is not a path or a database URL, or names a database in memory.
    LogError
        If the file cannot be made.
    """
    target = _as_url(url)
    if target.get_backend_name() != "sqlite":
        return create_engine(target, isolation_level="SERIALIZABLE", hide_parameters=True)
    path = Path(str(target.database))
    _make_private(path)
    # mode=rw: a log that was moved away is an error, not a new and empty one.
    address = f"{path.as_uri()}?mode=rw"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, timeout=wait_seconds)

    # No connection outlives its transaction, so that a fork or a thread never inherits one.
    engine = create_engine(target, creator=connect, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def prepare_schema(connection: Connection) -> None:
    """Make the tables where there are none yet, inside the caller's write transaction."""
    _METADATA.create_all(connection)
    if connection.execute(select(schema.c.version)).first() is None:
        connection.execute(insert(schema), {"version": SCHEMA_VERSION})


def schema_version(connection: Connection) -> int | None:
    """The version found, None in a database without a log."""
    if not inspect(connection).has_table(schema.name):
        return None
    found = connection.execute(select(schema.c.version)).scalar()
    return None if found is None else int(found)


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
    if target.get_backend_name() != "sqlite":
        return target
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


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Transactions are begun by us (below), not by the driver, which would begin them too late.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
