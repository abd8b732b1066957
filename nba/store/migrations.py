"""Logs of older versions, moved forward when they are opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, text, update

from nba.errors import LogError
from nba.store.ledger import insert_rows, number_of
from nba.store.packing import Part
from nba.store.receipts import fingerprint, from_json
from nba.store.rows import as_row
from nba.store.schema import (
    SCHEMA_VERSION,
    decisions,
    prepare_schema,
    schema,
    schema_version,
)

_AT_ONCE = 2_000


def migrate(connection: Connection) -> int:
    """Bring a log to this version inside the caller's write transaction; how many decisions it holds."""
    while (version := schema_version(connection)) != SCHEMA_VERSION:
        _STEPS[version or 0](connection)
        connection.execute(update(schema).values(version=(version or 0) + 1))
    return int(connection.execute(select(func.count()).select_from(decisions)).scalar_one())


def _from_1(connection: Connection) -> None:
    """Receipts were texts; there was no feedback."""
    connection.execute(text("ALTER TABLE nba_decisions RENAME TO nba_decisions_1"))
    for name in ("hcp", "batch", "validity"):
        connection.execute(text(f"DROP INDEX nba_decisions_by_{name}"))
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER INDEX nba_decisions_pkey RENAME TO nba_decisions_1_pkey"))
    connection.execute(text("DELETE FROM nba_schema"))
    prepare_schema(connection)
    connection.execute(update(schema).values(version=1))
    after = ""
    while rows := _page(connection, after):
        _move(connection, rows)
        after = rows[-1].decision_id
    connection.execute(text("DROP TABLE nba_decisions_1"))


def _page(connection: Connection, after: str) -> Sequence[Any]:
    query = text(
        "SELECT decision_id, status, void_reason, rechecked, receipt, receipt_sha256 FROM nba_decisions_1 "
        "WHERE decision_id > :after ORDER BY decision_id LIMIT :many"
    )
    return connection.execute(query, {"after": after, "many": _AT_ONCE}).all()


def _move(connection: Connection, rows: Sequence[Any]) -> None:
    altered = sum(fingerprint(row.receipt) != row.receipt_sha256 for row in rows)
    if altered:
        raise LogError(
            f"{altered} receipts do not have their SHA-256; the log was altered. Nothing was migrated; "
            "restore a copy."
        )
    receipts = [from_json(row.receipt) for row in rows]
    part = Part.of(receipts)
    number = number_of(connection, part)
    made = [
        as_row(receipt, part.pack(receipt), part=number)
        | {"status": row.status, "void_reason": row.void_reason, "rechecked": bool(row.rechecked)}
        for receipt, row in zip(receipts, rows, strict=True)
    ]
    insert_rows(connection, made)


_STEPS: dict[int, Callable[[Connection], None]] = {1: _from_1}
