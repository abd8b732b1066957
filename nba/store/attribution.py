"""What came of each decision, read from the interactions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nba.contracts import DAY, NEVER, Bools, Columns, Ints, Strings
from nba.errors import OutcomeError
from nba.history.touches import is_success, touch_answered

# What is read of the interactions; making the other columns would be work for nothing.
READ = (
    "interaction_id",
    "hcp_id",
    "ts",
    "channel",
    "content_id",
    "outcome",
    "parent_id",
    "decision_id",
    "touch",
    "machine",
)


class Attributed(NamedTuple):
    """One entry a decision: its state, and when its touch was made (NEVER where there is none)."""

    state: Strings
    touched_at: Ints


def attribute(decisions: Columns, interactions: Columns, channels: Columns, *, at: int) -> Attributed:
    """Join committed decisions with their touches and responses, as known strictly before ``at``.

    A decision's touch is the interaction that names it, else the first touch of the same HCP, channel and
    content in [decided_at, valid_until] that names no decision; a touch belongs to one decision, the earliest
    first. It is rewarded by a success of that touch (its own outcome, a reply to it, or a success without
    parent whose latest touch it is) within [touch, touch + attribution days).

    Parameters
    ----------
    decisions : decision_id, hcp_id, decided_at, valid_until, channel, content_id, (n,) each
    interactions, channels : columns of the checked tables
    at : int seconds UTC

    Returns
    -------
    state : "rewarded"; "expired" where the window closed at or before ``at`` without success; "pending" while
        it is open or the decision still holds; "censored" where it was not carried out while it held

    Raises
    ------
    OutcomeError
        If a decision's channel is not in the channels table.
    """
    window = _windows(decisions["channel"], channels)
    rows = _known_rows(interactions, decisions, at=at)
    touch = _touches_claimed(decisions, rows)
    touched_at = np.where(touch >= 0, np.append(rows["ts"], NEVER)[touch], NEVER)
    rewarded = _rewarded(touch, rows, channels, window=window)
    closed = np.where(touch >= 0, touched_at + window <= at, decisions["valid_until"] < at)
    ended = np.where(touch >= 0, "expired", "censored")
    state = np.where(rewarded, "rewarded", np.where(closed, ended, "pending"))
    return Attributed(state=state.astype(object), touched_at=touched_at)


def _windows(channel: Strings, channels: Columns) -> Ints:
    """Seconds of attribution of each decision."""
    days = dict(zip(channels["channel"].tolist(), channels["attribution_days"].tolist(), strict=True))
    unknown = sorted(set(channel.tolist()) - set(days))
    if unknown:
        raise OutcomeError(
            f"{len(unknown)} channels of logged decisions are not in the channels table, first "
            f"{unknown[0]!a}; add them with their success outcomes and attribution days."
        )
    return np.array([int(days[name] * DAY) for name in channel], dtype=np.int64)


def _known_rows(interactions: Columns, decisions: Columns, *, at: int) -> Columns:
    """Interactions that can matter: of these HCPs, since the first decision, known strictly before ``at``."""
    hcps = set(decisions["hcp_id"].tolist())
    since = min(decisions["decided_at"].tolist(), default=at)
    known = (interactions["ts"] >= since) & (interactions["ts"] < at) & (interactions["recorded_at"] < at)
    places = np.flatnonzero(known)
    places = places[[hcp in hcps for hcp in interactions["hcp_id"][places]]] if len(places) else places
    return {name: interactions[name][places] for name in READ}


def _touches_claimed(decisions: Columns, rows: Columns) -> Ints:
    """Position of each decision's touch among ``rows``, -1 where it has none."""
    claimed = np.full(len(decisions["decision_id"]), -1, dtype=np.int64)
    order = np.lexsort((decisions["decision_id"], decisions["decided_at"]))
    _claim_named(claimed, decisions, rows)
    _claim_like(claimed, decisions, rows, order=order)
    return claimed


def _claim_named(claimed: Ints, decisions: Columns, rows: Columns) -> None:
    """Touches that carry a decision's id, where they are what was decided (a touch may name no content)."""
    place = {name: p for p, name in enumerate(decisions["decision_id"])}
    for row in np.flatnonzero(rows["touch"]):
        p = place.get(rows["decision_id"][row], -1)
        if p < 0 or claimed[p] >= 0 or rows["ts"][row] < decisions["decided_at"][p]:
            continue
        same = all(rows[name][row] == decisions[name][p] for name in ("hcp_id", "channel"))
        if same and rows["content_id"][row] in ("", decisions["content_id"][p]):
            claimed[p] = row


def _claim_like(claimed: Ints, decisions: Columns, rows: Columns, *, order: Ints) -> None:
    """The first free touch of the same kind while the decision held, earliest decision first."""
    key = ("hcp_id", "channel", "content_id")
    touches: dict[tuple[str, ...], list[int]] = {}
    for row in np.flatnonzero(rows["touch"] & (rows["decision_id"] == "")):
        touches.setdefault(tuple(rows[name][row] for name in key), []).append(int(row))
    for p in order:
        if claimed[p] >= 0:
            continue
        queue = touches.get(tuple(decisions[name][p] for name in key), [])
        # Later decisions start later, so what lies before this one is of no use to them either.
        while queue and rows["ts"][queue[0]] < decisions["decided_at"][p]:
            queue.pop(0)
        if queue and rows["ts"][queue[0]] <= decisions["valid_until"][p]:
            claimed[p] = queue.pop(0)


def _rewarded(touch: Ints, rows: Columns, channels: Columns, *, window: Ints) -> Bools:
    """Whether each decision's touch met a success in its window."""
    rewarded = np.zeros(len(touch), dtype=bool)
    owner = np.full(len(rows["ts"]) + 1, -1, dtype=np.int64)
    owner[touch[touch >= 0]] = np.flatnonzero(touch >= 0)
    answered = touch_answered(rows)
    hits = np.flatnonzero(is_success(rows, channels) & (owner[answered] >= 0))
    wait = rows["ts"][hits] - rows["ts"][answered[hits]]
    decided = owner[answered[hits]]
    rewarded[decided[(wait >= 0) & (wait < window[decided])]] = True
    return rewarded
