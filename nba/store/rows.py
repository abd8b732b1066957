"""Rows of the log, and the arrays and outcomes made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from nba.contracts import NEVER, Action, Columns, Outcome, OutcomeState, Receipt
from nba.errors import LogConflictError
from nba.store.receipts import check_receipt, fingerprint, to_json

Row: TypeAlias = dict[str, Any]

PROPOSED, COMMITTED, VOID = "proposed", "committed", "void"


def as_rows(receipts: Sequence[Receipt]) -> dict[str, Row]:
    """The rows to insert, by decision id; the same receipt twice is one."""
    rows: dict[str, Row] = {}
    for place, receipt in enumerate(receipts):
        check_receipt(receipt, place=place)
        row = _as_row(receipt)
        if rows.setdefault(receipt.decision_id, row) != row:
            raise LogConflictError(
                f"Receipt {place} repeats the decision id {hashed(receipt.decision_id)} with other content; "
                "one decision has one receipt."
            )
    return rows


def _as_row(receipt: Receipt) -> Row:
    text = to_json(receipt)
    return {
        "decision_id": receipt.decision_id,
        "batch_id": receipt.batch_id,
        "hcp_id": receipt.hcp_id,
        "decided_at": int(receipt.decided_at),
        "valid_until": int(receipt.valid_until),
        "channel": receipt.action.channel,
        "content_id": receipt.action.content,
        "selection_prob": float(receipt.selection_prob),
        "explored": bool(receipt.explored),
        "holdout": receipt.holdout,
        "status": PROPOSED,
        "void_reason": "",
        "rechecked": False,
        "receipt": text,
        "receipt_sha256": fingerprint(text),
    }


def as_pending(rows: Sequence[Row]) -> Columns:
    """Rows as touches that are still to come: ``ts`` is when they were decided."""
    columns = as_columns(rows)
    return {
        "hcp_id": columns["hcp_id"],
        "ts": columns["decided_at"],
        "channel": columns["channel"],
        "content_id": columns["content_id"],
        "decision_id": columns["decision_id"],
    }


def as_columns(rows: Sequence[Row]) -> Columns:
    """Rows as plain arrays."""
    texts = ("decision_id", "hcp_id", "channel", "content_id")
    columns: dict[str, Any] = {name: np.array([row[name] for row in rows], dtype=object) for name in texts}
    for name in ("decided_at", "valid_until"):
        columns[name] = np.array([row[name] for row in rows], dtype=np.int64)
    return columns


def as_outcome(row: Row, state: OutcomeState, touched_at: int) -> Outcome:
    """A row with its state: 1 where rewarded, 0 where expired, no reward else."""
    rewards: dict[str, float] = {"rewarded": 1.0, "expired": 0.0}
    return Outcome(
        decision_id=row["decision_id"],
        hcp_id=row["hcp_id"],
        decided_at=row["decided_at"],
        action=Action(row["channel"], row["content_id"]),
        state=state,
        reward=rewards.get(state),
        selection_prob=row["selection_prob"],
        touched_at=None if touched_at == NEVER else int(touched_at),
    )


def hashed(name: str) -> str:
    """An id that may be shown: it can be compared, not read."""
    return f"#{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
