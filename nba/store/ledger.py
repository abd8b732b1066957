"""What happens inside one transaction of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, Select, bindparam, insert, select, update

from nba.contracts import DO_NOTHING, Columns, Receipt
from nba.errors import ArgumentError, LogConflictError
from nba.store.rows import COMMITTED, PROPOSED, VOID, Row, as_pending, hashed
from nba.store.schema import decisions

Recheck: TypeAlias = Callable[[Sequence[Receipt], Columns], Sequence[str]]
"""(receipts, pending) -> for each receipt "" or the reason why it is void."""

PENDING = ("decision_id", "hcp_id", "decided_at", "valid_until", "channel", "content_id", "status")
"""Columns that say what holds a place."""

# Within the limit of variables in one statement of every SQLite since 2011.
_CHUNK = 500


def insert_missing(connection: Connection, rows: Mapping[str, Row]) -> dict[str, tuple[str, str]]:
    """Insert what is new; give (status, void reason) of what was there already, by id."""
    table = decisions.c
    query = select(table.decision_id, table.receipt_sha256, table.status, table.void_reason)
    found = {}
    for chunk in _chunks(list(rows)):
        for name, sha256, status, reason in connection.execute(query.where(table.decision_id.in_(chunk))):
            if sha256 != rows[name]["receipt_sha256"]:
                raise LogConflictError(
                    f"The log holds decision {hashed(name)} of HCP {hashed(rows[name]['hcp_id'])} with "
                    "other content. Nothing was written; a new decision needs a new id (another seed, moment "
                    "or stream)."
                )
            found[name] = (status, reason)
    missing = [row for name, row in rows.items() if name not in found]
    if missing:
        connection.execute(insert(decisions), missing)
    return found


def commit(
    connection: Connection,
    rows: Mapping[str, Row],
    receipts: Mapping[str, Receipt],
    *,
    recheck: Recheck | None,
) -> dict[str, str]:
    """Make what is proposed final; give "committed" or the void reason of every row."""
    before = insert_missing(connection, rows)
    status = {name: before.get(name, (PROPOSED, "")) for name in rows}
    final = {name: state for name, state in status.items() if state[0] != PROPOSED}
    due = [name for name in rows if name not in final]
    checked = [name for name in due if receipts[name].action != DO_NOTHING] if recheck else []
    reasons = dict.fromkeys(due, "")
    if recheck and checked:
        reasons |= _rechecked(connection, [receipts[name] for name in checked], recheck)
    _set_final(connection, reasons, rechecked=set(checked))
    final |= {name: (VOID if reason else COMMITTED, reason) for name, reason in reasons.items()}
    return {name: final[name][1] or final[name][0] for name in rows}


def _rechecked(connection: Connection, due: list[Receipt], recheck: Recheck) -> dict[str, str]:
    """Void reasons by decision id, "" where the decision may stand."""
    table = decisions.c
    # Another process may have decided later and committed first: what it took counts as well.
    query = select(*(table[name] for name in PENDING)).where(
        table.status == COMMITTED,
        table.channel != DO_NOTHING.channel,
        table.valid_until > min(receipt.decided_at for receipt in due),
    )
    ledger = as_pending(select_of(connection, query, {receipt.hcp_id for receipt in due}))
    reasons = list(recheck(due, ledger))
    if len(reasons) != len(due) or not all(isinstance(why, str) and why != COMMITTED for why in reasons):
        raise ArgumentError(
            f'recheck gave {len(reasons)} answers for {len(due)} receipts; expected one text for each, "" or '
            "a void reason. Nothing was committed."
        )
    return {receipt.decision_id: why for receipt, why in zip(due, reasons, strict=True)}


def _set_final(connection: Connection, reasons: Mapping[str, str], *, rechecked: set[str]) -> None:
    changes = [
        {
            "name": name,
            "status": VOID if why else COMMITTED,
            "void_reason": why,
            "rechecked": name in rechecked,
        }
        for name, why in reasons.items()
    ]
    if changes:
        connection.execute(update(decisions).where(decisions.c.decision_id == bindparam("name")), changes)


def select_of(connection: Connection, query: Select[Any], hcps: Iterable[str] | None) -> list[Row]:
    """Rows of a query, of these HCPs only, by moment and id."""
    wanted = None if hcps is None else set(hcps)
    if wanted is not None and len(wanted) <= _CHUNK:
        query = query.where(decisions.c.hcp_id.in_(sorted(wanted)))
    rows = connection.execute(query.order_by(decisions.c.decided_at, decisions.c.decision_id)).mappings()
    return [dict(row) for row in rows if wanted is None or row["hcp_id"] in wanted]


def _chunks(names: list[str]) -> Iterable[list[str]]:
    return (names[start : start + _CHUNK] for start in range(0, len(names), _CHUNK))
