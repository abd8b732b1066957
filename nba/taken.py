"""What touches have taken of scarce things so far."""

from __future__ import annotations

from typing import Any

import numpy as np

from nba import policies
from nba.contracts import NEVER, Columns, Ints, Strings, Tables
from nba.tables import table_of


def taken_of(
    tables: Tables, *, at: int, touched: Columns | None = None, pending: Columns | None = None
) -> policies.Taken | None:
    """The touches that capacities of a moment have to be reduced by; None where there is no capacity table.

    Parameters
    ----------
    tables : give capacity, channels, and the territory and country of every HCP
    at : int seconds UTC
    touched : touches made: hcp_id, ts, known, channel, content_id; those known only later are left out
    pending : those on their way: hcp_id, ts, channel, content_id, and ``sent`` where some were made since
    """
    capacity = table_of(tables, "capacity")
    if capacity is None:
        return None
    parts: list[tuple[Columns, Ints]] = []
    if touched is not None:
        made = (touched["known"] < at) & (touched["ts"] >= since(capacity, at=at))
        parts.append((touched, np.flatnonzero(made)))
    if pending is not None:
        parts.append((pending, np.arange(len(pending["ts"]))))
    people, channels = tables.columns("hcps"), tables.columns("channels")
    hcps, channel, content = (_joined(parts, name) for name in ("hcp_id", "channel", "content_id"))
    place = {hcp: i for i, hcp in enumerate(people["hcp_id"].tolist())} if len(hcps) else {}
    rows = np.array([place.get(hcp, -1) for hcp in hcps.tolist()], dtype=np.int64)
    cost = dict(zip(channels["channel"].tolist(), channels["cost"].tolist(), strict=True))
    each = np.nan_to_num(np.array([cost.get(name, 0.0) for name in channel.tolist()], dtype=np.float64))
    made_already = [table.get("sent", np.full(len(table["ts"]), table is touched))[of] for table, of in parts]
    return policies.Taken(
        channel=channel,
        content=content,
        territory=np.append(people["territory_id"], "")[rows],
        country=np.append(people["country"], "")[rows],
        cost=each,
        ts=np.concatenate([np.zeros(0, np.int64), *(table["ts"][of] for table, of in parts)]),
        pending=~np.concatenate([np.zeros(0, bool), *made_already]),
    )


def since(capacity: Columns, *, at: int) -> int:
    """The first moment from which touches may have used what is there now; ``at`` where there is none."""
    first = capacity["from"][(capacity["from"] > NEVER) & (capacity["to"] > at)]
    return int(min(first.min(), at)) if len(first) else at


def _joined(parts: list[tuple[Columns, Ints]], name: str) -> Strings:
    found: Any = np.concatenate([np.zeros(0, object), *(table[name][rows] for table, rows in parts)])
    return found  # type: ignore[no-any-return]


__all__ = ["since", "taken_of"]
