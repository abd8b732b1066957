"""Feedback: written once, never before its decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from nba.errors import LogConflictError, OutcomeError
from nba.store.responses import MADE, REWARD, FeedbackDone, Told
from nba.store.rows import Row, chunks, hashed
from nba.store.schema import decisions, feedback

_STATE = (
    "decision_id", "decided_at", "closes_at", "sent_at", "bounced_at", "dismissed_at", "dismiss_reason",
    "reward_at", "reward", "safety_report",
)  # fmt: skip


def write_feedback(connection: Connection, told: Sequence[Told], *, keep_comments: bool) -> FeedbackDone:
    """Keep rows of feedback, all or none, and what they change of their decisions.

    What a decision is told comes to the same whatever the order: of each kind the earliest moment counts.

    Raises
    ------
    OutcomeError
        If a decision is unknown, or the feedback is of before it.
    LogConflictError
        If the log was told something else before.
    """
    of = _rows(connection, select(*(decisions.c[name] for name in _STATE)), "decision_id",
               {row.decision_id for row in told})  # fmt: skip
    held = _rows(connection, select(feedback), "feedback_id", {row.feedback_id for row in told})
    changed: dict[str, Row] = {}
    fresh: dict[str, Row] = {}
    repeated = 0
    for place, row in enumerate(told):
        decision = changed.get(row.decision_id) or of.get(row.decision_id)
        _check(row, decision, place)
        assert decision is not None
        is_late = row.ts >= decision["closes_at"]
        before = held.get(row.feedback_id) or fresh.get(row.feedback_id)
        if before is not None:
            _check_same(row, before, place)
            repeated += 1
            if row.ts >= before["ts"]:
                continue
            _earlier(connection, before, row.ts, late=is_late, fresh=row.feedback_id in fresh)
        else:
            fresh[row.feedback_id] = _as_row(row, late=is_late, keep_comments=keep_comments)
        if row.is_safety_report or not is_late:
            changed[row.decision_id] = _with(decision, row, place, late=is_late)
    if fresh:
        connection.execute(insert(feedback), list(fresh.values()))
    _update(connection, changed)
    routed = tuple(place for place, row in enumerate(told) if row.is_safety_report)
    late = sum(row["late"] for row in fresh.values())
    return FeedbackDone(kept=len(fresh), repeated=repeated, late=late, routed=routed)


def _rows(connection: Connection, query: Any, key: str, names: set[str]) -> dict[str, Row]:
    column = query.selected_columns[key]
    found: dict[str, Row] = {}
    for chunk in chunks(names):
        for row in connection.execute(query.where(column.in_(chunk))).mappings():
            found[row[key]] = dict(row)
    return found


def _check(row: Told, decision: Row | None, place: int) -> None:
    if decision is None:
        raise OutcomeError(
            f"Feedback {place} is about decision {hashed(row.decision_id)}, which the log does not hold. "
            "Nothing was kept; check the id and which log is open."
        )
    if row.ts < decision["decided_at"]:
        raise OutcomeError(
            f"Feedback {place} is of before its decision {hashed(row.decision_id)} was made. Nothing was "
            "kept; check the clock and the time zone it came from."
        )


def _check_same(row: Told, before: Mapping[str, Any], place: int) -> None:
    kept = Told(**{name: before[name] for name in Told._fields} | {"comment": ""})
    if kept.said != row.said:
        raise _conflict(row, place)


def _conflict(row: Told, place: int) -> LogConflictError:
    return LogConflictError(
        f"Feedback {place} contradicts what the log was told of decision {hashed(row.decision_id)} before. "
        "Nothing was kept; find out which is right."
    )


def _as_row(row: Told, *, late: bool, keep_comments: bool) -> Row:
    # A safety report's words belong to those it is routed to, and to nobody here.
    comment = row.comment if keep_comments and not row.is_safety_report else ""
    return row._asdict() | {"late": late, "comment": comment or None}


def _earlier(connection: Connection, before: Row, ts: int, *, late: bool, fresh: bool) -> None:
    """The same was told of an earlier moment: that one counts."""
    before |= {"ts": ts, "late": late}
    if not fresh:
        where = feedback.c.feedback_id == before["feedback_id"]
        connection.execute(update(feedback).where(where).values(ts=ts, late=late))


def _with(decision: Row, row: Told, place: int, *, late: bool) -> Row:
    """What is known of a decision once a row of feedback was told."""
    new = dict(decision)
    if row.is_safety_report:
        new["safety_report"] = True
    if late:
        return new
    if row.response in MADE:
        new["sent_at"] = _least(new["sent_at"], row.ts)
    elif row.response == "bounced":
        new["bounced_at"] = _least(new["bounced_at"], row.ts)
    elif row.response == "dismissed":
        _check_once(new["dismiss_reason"], row.dismiss_reason, row, place)
        new |= {"dismissed_at": _least(new["dismissed_at"], row.ts), "dismiss_reason": row.dismiss_reason}
    elif row.response == REWARD:
        _check_once(new["reward"], row.reward, row, place)
        new |= {"reward_at": _least(new["reward_at"], row.ts), "reward": row.reward}
    return new


def _check_once(before: Any, now: Any, row: Told, place: int) -> None:
    # The same may come again under another feedback_id; another value may not.
    if before is not None and before != now:
        raise _conflict(row, place)


def _least(before: int | None, now: int) -> int:
    return now if before is None else min(before, now)


def _update(connection: Connection, changed: Mapping[str, Row]) -> None:
    if not changed:
        return
    query = update(decisions).where(decisions.c.decision_id == bindparam("name"))
    rows = [{"name": name} | {key: row[key] for key in _STATE[3:]} for name, row in changed.items()]
    connection.execute(query, rows)
