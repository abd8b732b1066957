"""What came of decisions, from interactions and from feedback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from sqlalchemy import Connection, insert, select

from nba.contracts import DAY, NEVER, Action, Columns, Outcome, OutcomeState
from nba.store.attribution import READ, Attributed, attribute
from nba.store.responses import DISMISS_REASONS
from nba.store.rows import Row, as_columns, chunks
from nba.store.schema import outcomes

TOLD = (
    "sent_at", "bounced_at", "dismissed_at", "dismiss_reason", "reward_at", "reward", "closes_at",
    "safety_report",
)  # fmt: skip
"""Columns of a decision that feedback fills."""

SETTLED = ("rewarded", "expired")
"""States that are learned from, and so never change once they were handed out."""


class Tables(Protocol):
    """What outcomes are joined from: an `Engagement`."""

    @property
    def observed_until(self) -> int: ...

    def columns(self, table: str, /) -> Columns: ...


class Judged(NamedTuple):
    """What came of one decision."""

    state: OutcomeState
    reward: float | None
    touched_at: int | None


class Settled(NamedTuple):
    """A result that was handed out, and as of when."""

    judged: Judged
    settled_at: int


def judge(rows: Sequence[Row], engagement: Tables, *, at: int) -> list[Judged]:
    """What came of committed decisions, as known strictly before ``at``.

    Interactions come first (`attribute`). Where they hold no touch, feedback that the touch was made ("sent",
    "executed", "marked_complete", or a reward) stands for one. A reward told inside the window counts as a
    success. A bounce and a safety report censor; a dismissal without a touch is a 0 or censored, by its
    reason, once the decision no longer holds.
    """
    if not rows:
        return []
    channels = engagement.columns("channels")
    days = dict(zip(channels["channel"], channels["attribution_days"], strict=True))
    found = _with_told_touches(rows, engagement, _as_known(rows, engagement, at=at), days, at=at)
    return [
        _judged(row, str(state), int(touched_at), round(days[row["channel"]] * DAY), at=at)
        for row, state, touched_at in zip(rows, *found, strict=True)
    ]


def _as_known(rows: Sequence[Row], engagement: Tables, *, at: int) -> Attributed:
    interactions, channels = engagement.columns("interactions"), engagement.columns("channels")
    return attribute(as_columns(rows), interactions, channels, at=at)


def _with_told_touches(
    rows: Sequence[Row], engagement: Tables, found: Attributed, days: Mapping[str, float], *, at: int
) -> Attributed:
    """The same, with touches that only feedback knows of."""
    told = {
        p: moment
        for p, row in enumerate(rows)
        if found.touched_at[p] == NEVER
        and (moment := _told_touch(row, round(days[row["channel"]] * DAY), at=at)) is not None
    }
    if not told:
        return found
    # Touches never cross HCPs: only these people are joined again.
    people = {rows[p]["hcp_id"] for p in told}
    again = [p for p, row in enumerate(rows) if row["hcp_id"] in people]
    interactions = _and_touches(engagement.columns("interactions"), rows, told, people)
    joined = attribute(
        as_columns([rows[p] for p in again]), interactions, engagement.columns("channels"), at=at
    )
    state, touched_at = found.state.copy(), found.touched_at.copy()
    state[again], touched_at[again] = joined.state, joined.touched_at
    return Attributed(state, touched_at)


def _told_touch(row: Row, window: int, *, at: int) -> int | None:
    """When feedback says the touch was made, None where it says nothing of one before ``at``."""
    if row["sent_at"] is not None and row["sent_at"] < at:
        return int(row["sent_at"])
    answered = row["reward_at"]
    if answered is not None and answered < min(at, row["decided_at"] + window):
        return int(row["decided_at"])  # an answer in time says that there was a touch, not when
    return None


def _and_touches(
    interactions: Columns, rows: Sequence[Row], told: Mapping[int, int], people: set[str]
) -> Columns:
    """Interactions of these people and told touches, in their order: by HCP, moment and id."""
    mine = np.flatnonzero([hcp in people for hcp in interactions["hcp_id"]])
    moments = np.array(list(told.values()), dtype=np.int64)
    of = [rows[p] for p in told]
    added = {
        "interaction_id": [f"told\0{row['decision_id']}" for row in of],
        "outcome": ["sent"] * len(of),
        "parent_id": [""] * len(of),
        "touch": np.ones(len(of), dtype=bool),
        "machine": np.zeros(len(of), dtype=bool),
        "ts": moments,
        "recorded_at": moments,
    }
    added |= {name: [row[name] for row in of] for name in ("hcp_id", "channel", "content_id", "decision_id")}
    both = {
        name: np.concatenate([values[mine], np.array(added[name], dtype=values.dtype)])
        for name in (*READ, "recorded_at")
        for values in (interactions[name],)
    }
    order = np.lexsort((both["interaction_id"], both["ts"], both["hcp_id"]))
    return {name: values[order] for name, values in both.items()}


def _judged(row: Row, state: str, touched_at: int, window: int, *, at: int) -> Judged:
    touched = None if touched_at == NEVER else touched_at
    if row["safety_report"] or _is_before(row["bounced_at"], at):
        return Judged("censored", None, touched)
    answered = row["reward_at"]
    in_time = touched is not None and answered is not None and 0 <= answered - touched < window
    if in_time and answered < at and row["reward"]:
        return Judged("rewarded", row["reward"], touched)
    if touched is None and _is_before(row["dismissed_at"], at):
        negative = DISMISS_REASONS.get(row["dismiss_reason"]) == "negative"
        if row["valid_until"] >= at:
            return Judged("pending", None, None)
        return Judged("expired", 0.0, None) if negative else Judged("censored", None, None)
    rewards = {"rewarded": 1.0, "expired": 0.0}
    return Judged(state, rewards.get(state), touched)  # type: ignore[arg-type]


def _is_before(moment: int | None, at: int) -> bool:
    return moment is not None and moment < at


def settled_results(connection: Connection, names: Iterable[str]) -> dict[str, Settled]:
    """Results that were handed out before, by decision id."""
    found: dict[str, Settled] = {}
    for chunk in chunks(names):
        for row in connection.execute(select(outcomes).where(outcomes.c.decision_id.in_(chunk))):
            judged = Judged(row.state, row.reward, row.touched_at)
            found[row.decision_id] = Settled(judged, row.settled_at)
    return found


def settle(connection: Connection, judged: Mapping[str, Judged], *, at: int) -> dict[str, Settled]:
    """Keep results that are to be handed out; what was settled before stays, and is given back."""
    before = settled_results(connection, judged)
    rows = [
        {"decision_id": name, "settled_at": at} | one._asdict()
        for name, one in judged.items()
        if name not in before
    ]
    if rows:
        connection.execute(insert(outcomes), rows)
    return {name: before.get(name, Settled(one, at)) for name, one in judged.items()}


def final(row: Row, judged: Judged, settled: Settled | None, *, at: int) -> Judged:
    """The result to hand out: one that was settled stands, but for a safety report."""
    if settled is None or row["safety_report"]:
        return judged
    return settled.judged if settled.settled_at <= at or judged.state in SETTLED else judged


def as_outcome(row: Row, judged: Judged) -> Outcome:
    """A decision's row with what came of it."""
    return Outcome(
        decision_id=row["decision_id"],
        hcp_id=row["hcp_id"],
        decided_at=row["decided_at"],
        action=Action(row["channel"], row["content_id"]),
        state=judged.state,
        reward=judged.reward,
        selection_prob=row["selection_prob"],
        touched_at=judged.touched_at,
    )
