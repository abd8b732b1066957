"""People who are to be forgotten, and decisions that have grown old."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, delete, func, insert, select, update

from nba.contracts import DAY
from nba.store.ledger import keyed, salt_of
from nba.store.rows import chunks
from nba.store.schema import decisions, feedback, forgotten, outcomes, requests

_MOMENTS = ("sent_at", "bounced_at", "dismissed_at", "reward_at")


def forget(connection: Connection, hcp_id: str, *, at: int | None) -> int:
    """Take everything about a person out of the log; how many decisions it held of it."""
    held = _names(connection, decisions.c.hcp_id == hcp_id)
    until = max(list(held.values()) + ([] if at is None else [at]), default=None)
    if until is not None:
        _remember(connection, keyed(hcp_id, salt_of(connection)), until)
    _make_anonymous(connection, held)
    return len(held)


def forget_before(connection: Connection, moment: int) -> int:
    """Take the people out of every decision made before a moment; how many there were."""
    held = _names(connection, decisions.c.decided_at < moment)
    _make_anonymous(connection, held)
    return len(held)


def _names(connection: Connection, condition: Any) -> dict[str, int]:
    query = select(decisions.c.decision_id, decisions.c.decided_at)
    rows = connection.execute(query.where(condition, decisions.c.forgotten.is_(False)))
    return {row.decision_id: row.decided_at for row in rows}


def _remember(connection: Connection, who: str, until: int) -> None:
    before = connection.execute(select(forgotten.c.until).where(forgotten.c.who == who)).scalar()
    if before is not None:
        connection.execute(delete(forgotten).where(forgotten.c.who == who))
    connection.execute(insert(forgotten), {"who": who, "until": max(until, before or until)})


def _make_anonymous(connection: Connection, held: Mapping[str, int]) -> None:
    """Rows that count as before and say nothing of whom: random ids, whole days, no receipt.

    A decision's id is a hash of what was decided for whom, which whoever has the tables could compute again;
    so is the id of a batch of one.
    """
    if not held:
        return
    new = {name: f"forgotten-{secrets.token_hex(16)}" for name in held}
    _anonymous_feedback(connection, new)
    for chunk in chunks(held):
        asked = select(requests.c.request).where(requests.c.decision_id.in_(chunk))
        connection.execute(delete(requests).where(requests.c.request.in_(asked)))
    rows = [{"was": name, "name": name_now} for name, name_now in new.items()]
    connection.execute(
        update(outcomes)
        .where(outcomes.c.decision_id == bindparam("was"))
        .values(
            decision_id=bindparam("name"),
            touched_at=None,
            settled_at=outcomes.c.settled_at - outcomes.c.settled_at % DAY,
        ),
        rows,
    )
    batch = _large_batches(connection, held)
    day = bindparam("day", type_=BigInteger)
    connection.execute(
        update(decisions)
        .where(decisions.c.decision_id == bindparam("was"))
        .values(
            decision_id=bindparam("name"),
            batch_id=bindparam("batch"),
            hcp_id="",
            decided_at=day,
            valid_until=day + DAY,
            closes_at=day + DAY,
            forgotten=True,
            **{name: decisions.c[name] - decisions.c[name] % DAY for name in _MOMENTS},
            **dict.fromkeys(("receipt_part", "receipt_sha256", "receipt")),
        ),
        [
            row | {"day": held[row["was"]] // DAY * DAY, "batch": batch.get(row["was"], row["name"])}
            for row in rows
        ],
    )


def _large_batches(connection: Connection, held: Mapping[str, int]) -> dict[str, str]:
    """The batch of each of these decisions, where it holds more than one decision."""
    of: dict[str, str] = {}
    for chunk in chunks(held):
        query = select(decisions.c.decision_id, decisions.c.batch_id)
        rows = connection.execute(query.where(decisions.c.decision_id.in_(chunk)))
        of |= {row.decision_id: row.batch_id for row in rows}
    large: set[str] = set()
    for chunk in chunks(set(of.values())):
        query = select(decisions.c.batch_id).where(decisions.c.batch_id.in_(chunk))
        large |= set(
            connection.execute(query.group_by(decisions.c.batch_id).having(func.count() > 1)).scalars()
        )
    return {name: batch for name, batch in of.items() if batch in large}


def _anonymous_feedback(connection: Connection, new: Mapping[str, str]) -> None:
    told: list[dict[str, Any]] = []
    for chunk in chunks(new):
        query = select(feedback.c.feedback_id, feedback.c.decision_id, feedback.c.ts)
        for name, decision, ts in connection.execute(query.where(feedback.c.decision_id.in_(chunk))):
            told.append({
                "was": name, "name": f"forgotten-{secrets.token_hex(16)}", "of": new[decision],
                "day": ts // DAY * DAY,
            })  # fmt: skip
    if told:
        named: dict[str, Any] = {
            "feedback_id": bindparam("name"),
            "decision_id": bindparam("of"),
            "ts": bindparam("day"),
        }
        change = update(feedback).where(feedback.c.feedback_id == bindparam("was"))
        connection.execute(change.values(**named, user_id="", changed_to="", comment=None), told)
