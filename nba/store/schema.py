"""The tables of the log."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    inspect,
    select,
)

from nba.store.receipts import LONGEST

SCHEMA_VERSION = 2
"""Version of the tables below; an older log is migrated when it is opened, a later one refused."""

METADATA = MetaData()


def _text(length: int = LONGEST) -> Any:
    # Ordered by bytes on every database, whatever its locale.
    return String(length).with_variant(String(length, collation="C"), "postgresql")


schema = Table("nba_schema", METADATA, Column("version", Integer, primary_key=True, autoincrement=False))

settings = Table(
    "nba_settings",
    METADATA,
    Column("name", _text(), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""``salt``: hashes of the forgotten are of no use without it."""

parts = Table(
    "nba_parts",
    METADATA,
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("sha256", LargeBinary, nullable=False, unique=True),
    Column("content", LargeBinary, nullable=False),
)
"""What receipts of one batch share (`packing.Part`)."""

# Narrow columns first: a scan then reads the start of a row and not its receipt.
decisions = Table(
    "nba_decisions",
    METADATA,
    Column("decision_id", _text(), primary_key=True),
    Column("batch_id", _text(), nullable=False),
    Column("hcp_id", _text(), nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("valid_until", BigInteger, nullable=False),
    Column("closes_at", BigInteger, nullable=False),
    Column("channel", _text(), nullable=False),
    Column("content_id", _text(), nullable=False),
    Column("selection_prob", Float(53), nullable=False),
    Column("explored", Boolean, nullable=False),
    Column("holdout", _text(50), nullable=False),
    Column("origin", _text(50), nullable=False),
    Column("status", _text(20), nullable=False),
    Column("void_reason", _text(), nullable=False),
    Column("rechecked", Boolean, nullable=False),
    Column("consent_rechecked", Boolean, nullable=False),
    Column("forgotten", Boolean, nullable=False),
    Column("sent_at", BigInteger),
    Column("bounced_at", BigInteger),
    Column("dismissed_at", BigInteger),
    Column("dismiss_reason", _text(50)),
    Column("reward_at", BigInteger),
    Column("reward", Float(53)),
    Column("safety_report", Boolean, nullable=False),
    Column("receipt_part", Integer),
    Column("receipt_sha256", LargeBinary),
    Column("receipt", LargeBinary),
    Index("nba_decisions_by_hcp", "hcp_id", "decided_at"),
    Index("nba_decisions_by_batch", "batch_id"),
    Index("nba_decisions_by_validity", "valid_until"),
    Index("nba_decisions_by_sending", "sent_at"),
)

feedback = Table(
    "nba_feedback",
    METADATA,
    Column("feedback_id", _text(), primary_key=True),
    Column("decision_id", _text(), nullable=False),
    Column("ts", BigInteger, nullable=False),
    Column("response", _text(30), nullable=False),
    Column("dismiss_reason", _text(50), nullable=False),
    Column("reward", Float(53)),
    Column("user_id", _text(), nullable=False),
    Column("changed_to", _text(), nullable=False),
    Column("late", Boolean, nullable=False),
    Column("comment", Text),
    Index("nba_feedback_by_decision", "decision_id"),
)

outcomes = Table(
    "nba_outcomes",
    METADATA,
    Column("decision_id", _text(), primary_key=True),
    Column("state", _text(20), nullable=False),
    Column("reward", Float(53)),
    Column("touched_at", BigInteger),
    Column("settled_at", BigInteger, nullable=False),
)
"""Results that were handed out to be learned from; they never change."""

requests = Table(
    "nba_requests",
    METADATA,
    Column("request", _text(64), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("parameters", _text(64), nullable=False),
    Column("decision_id", _text(), nullable=False),
    Index("nba_requests_by_decision", "decision_id"),
)
"""Hashes of request keys, and what was decided for them."""

forgotten = Table(
    "nba_forgotten",
    METADATA,
    Column("who", _text(64), primary_key=True),
    Column("until", BigInteger, nullable=False),
)
"""Keyed hashes of HCPs, and the moment up to which nothing decided for them comes back."""

origins = Table(
    "nba_origins",
    METADATA,
    Column("origin", _text(50), primary_key=True),
    Column("frame", LargeBinary, nullable=False),
)
"""Columns and types of the decision logs that were taken in from elsewhere."""


def prepare_schema(connection: Connection) -> None:
    """Make the tables where there are none yet, inside the caller's write transaction."""
    METADATA.create_all(connection)
    if connection.execute(select(schema.c.version)).first() is None:
        connection.execute(insert(schema), {"version": SCHEMA_VERSION})
        connection.execute(insert(settings), {"name": "salt", "value": secrets.token_bytes(32)})


def schema_version(connection: Connection) -> int | None:
    """The version found, None in a database without a log."""
    if not inspect(connection).has_table(schema.name):
        return None
    found = connection.execute(select(func.max(schema.c.version))).scalar()
    return None if found is None else int(found)
