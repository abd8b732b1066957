"""Rows of the log, and the arrays and outcomes made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from nba.contracts import DAY, FOREVER, Columns, Receipt
from nba.errors import LogConflictError
from nba.store.packing import Packed
from nba.store.receipts import check_receipt

Row: TypeAlias = dict[str, Any]

PROPOSED, COMMITTED, VOID, IMPORTED = "proposed", "committed", "void", "imported"

# Within the limit of variables in one statement of every SQLite since 2011.
_CHUNK = 500


def by_id(receipts: Sequence[Receipt]) -> dict[str, Receipt]:
    """Receipts that a log may hold, by decision id; the same receipt twice is one.

    Raises
    ------
    ArgumentError, SelectionError
        If one cannot be kept.
    LogConflictError
        If one id comes with two contents.
    """
    found: dict[str, Receipt] = {}
    for place, receipt in enumerate(receipts):
        check_receipt(receipt, place=place)
        before = found.setdefault(receipt.decision_id, receipt)
        if before is not receipt and repr(before) != repr(receipt):
            raise LogConflictError(
                f"Receipt {place} repeats the decision id {hashed(receipt.decision_id)} with other content; "
                "one decision has one receipt."
            )
    return found


def as_row(receipt: Receipt, packed: Packed, *, part: int) -> Row:
    """The row of a proposed decision."""
    decided_at, valid_until = int(receipt.decided_at), int(receipt.valid_until)
    return {
        "decision_id": receipt.decision_id,
        "batch_id": receipt.batch_id,
        "hcp_id": receipt.hcp_id,
        "decided_at": decided_at,
        "valid_until": valid_until,
        "closes_at": _closes_at(valid_until, receipt.horizon_days),
        "channel": receipt.action.channel,
        "content_id": receipt.action.content,
        "selection_prob": float(receipt.selection_prob),
        "explored": bool(receipt.explored),
        "holdout": receipt.holdout,
        "origin": "",
        "status": PROPOSED,
        "void_reason": "",
        "rechecked": False,
        "consent_rechecked": False,
        "forgotten": False,
        "safety_report": False,
        "receipt_part": part,
        "receipt_sha256": packed.sha256,
        "receipt": packed.body,
    }


def _closes_at(valid_until: int, horizon_days: float) -> int:
    """When no window of the decision can be open any more: what comes then is late."""
    days = horizon_days if 0.0 <= horizon_days < 1e9 else 0.0
    return min(valid_until + round(days * DAY), FOREVER)


def as_pending(rows: Sequence[Row]) -> Columns:
    """Rows as touches that are still to come: ``ts`` is when they were sent, or else decided."""
    columns = as_columns(rows)
    sent = [row["decided_at"] if row.get("sent_at") is None else row["sent_at"] for row in rows]
    return {
        "hcp_id": columns["hcp_id"],
        "ts": np.maximum(columns["decided_at"], np.array(sent, dtype=np.int64)),
        "decided_at": columns["decided_at"],
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


def hashed(name: str) -> str:
    """An id that may be shown: it can be compared, not read."""
    return f"#{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def chunks(names: Iterable[str]) -> Iterable[list[str]]:
    """Names in lists short enough for one statement, sorted."""
    ordered = sorted(names)
    return (ordered[start : start + _CHUNK] for start in range(0, len(ordered), _CHUNK))


def plain(row: Mapping[str, Any]) -> Row:
    """A row of a query as a plain dict."""
    return dict(row)
