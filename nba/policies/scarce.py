"""From rows of the capacity table to limits on decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nba.contracts import NEVER, Action, Bools, Columns, Floats, Ints, Strings
from nba.errors import ArgumentError
from nba.policies.limit import Limit

SCOPES = ("all", "territory", "country", "content")
"""What a row's ``scope`` may be; ``scope_id`` says which territory, country or content."""


@dataclass(frozen=True)
class Taken:
    """Touches that have used what is scarce: those made, and those on their way.

    Attributes
    ----------
    channel, content : (m,) what each was
    territory, country : (m,) of its HCP
    cost : (m,) what it cost, where a budget does not say so itself
    ts : (m,) when, int64 seconds UTC
    pending : (m,) True for those on their way: they count whatever their moment
    """

    channel: Strings
    content: Strings
    territory: Strings
    country: Strings
    cost: Floats
    ts: Ints
    pending: Bools


def limits_of(
    capacity: Columns, *, actions: Sequence[Action], hcps: Columns, costs: Floats, at: int, valid_until: int,
    taken: Taken | None = None, used: Columns | None = None,
) -> list[Limit]:  # fmt: skip
    """The limits that hold for decisions of a moment.

    Rows of the same resource, scope and period that overlap [at, valid_until) are one limit with the sum of
    their units: a week's visits are its days' slots. A row without a channel is about every channel whose
    name says the resource ("rep_visit"), for seats, samples and budgets about every channel. A budget
    counts a decision's ``unit_cost``, or the channel's cost where the row has none; everything else
    counts 1.

    What is used already is subtracted: touches from the rows' first moment on, and what is on its way. A row
    without ``from`` says what is there now, so that only what is on its way is subtracted.

    Parameters
    ----------
    capacity : the table: resource, scope, scope_id, channel, period, from, to, units, unit_cost
    actions : the K actions, do_nothing first
    hcps : columns of the hcp table in the candidates' order: territory_id, country
    costs : (K,) what each action costs
    at, valid_until : int seconds UTC
    taken : the touches that have used something; None is none
    used : a table like the capacity table whose ``units`` are used; then nothing of ``taken`` is counted

    Raises
    ------
    ArgumentError
        If a scope is none of ``SCOPES``, or something is used that the capacity table does not have.

    Examples
    --------
    >>> text = lambda *cells: np.array(cells, dtype=object)
    >>> table = {"resource": text("visit"), "scope": text("territory"), "scope_id": text("T1"),
    ...          "channel": text(""), "period": text("week"), "from": np.array([0]), "to": np.array([9]),
    ...          "units": np.array([2.0]), "unit_cost": np.array([np.nan])}
    >>> (limit,) = limits_of(table, actions=[Action("do_nothing", ""), Action("rep_visit", "A")],
    ...                      hcps={"territory_id": text("T1", "T2", "T1")}, costs=np.zeros(2), at=1,
    ...                      valid_until=5)
    >>> limit.name, limit.rows.tolist(), limit.units
    ('visit/territory:T1/week', [0, 2], 2.0)
    """
    found: dict[str, Limit] = {}
    rows: dict[str, list[int]] = {}
    for i, name in _in_force(capacity, at=at, valid_until=valid_until):
        rows.setdefault(name, []).append(i)
        units = float(capacity["units"][i])
        if name in found:
            found[name] = replace(found[name], units=found[name].units + units)
        else:
            found[name] = _limit(name, capacity, i, units, actions, hcps, costs)
    kinds = _Kinds.of(taken)
    said = None if used is None else _said(used, known=set(found), at=at, valid_until=valid_until)
    for name, limit in found.items():
        gone = _gone(capacity, rows[name], kinds) if said is None else said.get(name, 0.0)
        found[name] = _alone(replace(limit, units=max(0.0, limit.units - gone)))
    return [found[name] for name in sorted(found)]


def _in_force(table: Columns, *, at: int, valid_until: int) -> Iterator[tuple[int, str]]:
    """Rows that overlap [at, valid_until), and the name of each one's limit."""
    for i in range(len(table["resource"])):
        if table["from"][i] < valid_until and table["to"][i] > at:
            name = f"{table['resource'][i]}/{table['scope'][i]}"
            name += f":{table['scope_id'][i]}" if table["scope_id"][i] else ""
            yield i, name + "".join(f"/{table[part][i]}" for part in ("channel", "period") if table[part][i])


def _limit(
    name: str, capacity: Columns, i: int, units: float, actions: Sequence[Action], hcps: Columns,
    costs: Floats,
) -> Limit:  # fmt: skip
    channels = np.array([action.channel for action in actions], dtype=object)
    contents = np.array([action.content for action in actions], dtype=object)
    uses = _uses(capacity, i, channels, contents)
    cost = _cost(capacity, i, costs)
    n = len(next(iter(hcps.values())))
    nowhere = np.full(n, "", dtype=object)
    inside = _inside(capacity, i, hcps.get("territory_id", nowhere), hcps.get("country", nowhere))
    return Limit(
        name, np.flatnonzero(inside), uses, units, None if cost is None else np.where(uses, cost, 0.0)
    )


def _uses(capacity: Columns, i: int, channels: Strings, contents: Strings) -> Bools:
    """Which touches use a row's resource."""
    resource, channel = capacity["resource"][i], capacity["channel"][i]
    uses: Bools = np.array(
        [
            c != "do_nothing" and (c == channel if channel else resource != "visit" or "visit" in c)
            for c in channels
        ],
        dtype=np.bool_,
    )
    return (
        uses & np.asarray(contents == capacity["scope_id"][i]) if capacity["scope"][i] == "content" else uses
    )


def _inside(capacity: Columns, i: int, territory: Strings, country: Strings) -> Bools:
    """Which HCPs (or touches of theirs) are in a row's scope."""
    scope = capacity["scope"][i]
    if scope not in SCOPES:
        raise ArgumentError(
            f"The capacity table has a row with scope {scope!r}, expected one of {list(SCOPES)}. Correct it."
        )
    if scope in ("all", "content"):
        return np.ones(len(territory), dtype=np.bool_)
    inside: Bools = np.asarray((territory if scope == "territory" else country) == capacity["scope_id"][i])
    return inside


def _cost(capacity: Columns, i: int, costs: Floats) -> Floats | None:
    """What a touch takes of a row; None is 1."""
    if capacity["resource"][i] != "budget":
        return None
    cost = float(capacity["unit_cost"][i])
    return costs if np.isnan(cost) else np.full(len(costs), cost)


@dataclass(frozen=True)
class _Kinds:
    """Touches by kind: many touches are of few channels, contents and places, and limits ask of kinds.

    Attributes
    ----------
    channel, content, territory, country : (k,) of each kind
    kind : (m,) of each touch
    """

    taken: Taken
    channel: Strings
    content: Strings
    territory: Strings
    country: Strings
    kind: Ints

    @classmethod
    def of(cls, taken: Taken | None) -> _Kinds | None:
        if taken is None or not len(taken.ts):
            return None
        place: dict[tuple[str, ...], int] = {}
        cells = zip(taken.channel, taken.content, taken.territory, taken.country, strict=True)
        kind = np.array([place.setdefault(cell, len(place)) for cell in cells], dtype=np.int64)
        channel, content, territory, country = (
            np.array(column, dtype=object) for column in zip(*place, strict=True)
        )
        return cls(taken, channel, content, territory, country, kind)


def _gone(capacity: Columns, rows: Sequence[int], kinds: _Kinds | None) -> float:
    """Units of one limit that touches have used; its rows differ in their days alone."""
    if kinds is None:
        return 0.0
    i, taken = rows[0], kinds.taken
    start = min(int(capacity["from"][row]) for row in rows)
    of_kind = _uses(capacity, i, kinds.channel, kinds.content)
    of_kind &= _inside(capacity, i, kinds.territory, kinds.country)
    counts = of_kind[kinds.kind] & (taken.pending | ((taken.ts >= start) & (start > NEVER)))
    cost = _cost(capacity, i, taken.cost)
    return float(counts.sum()) if cost is None else float(np.sort(cost[counts]).sum())


def _said(used: Columns, *, known: set[str], at: int, valid_until: int) -> dict[str, float]:
    """Units that a table says are used, by limit."""
    said: dict[str, float] = {}
    for i, name in _in_force(used, at=at, valid_until=valid_until):
        said[name] = said.get(name, 0.0) + float(used["units"][i])
    if unknown := sorted(set(said) - known):
        raise ArgumentError(
            f"used= has rows for {unknown}, which the capacity table does not have in force; it has "
            f"{sorted(known)}. Name resource, scope, scope_id, channel and period as there."
        )
    return said


def _alone(limit: Limit) -> Limit:
    """One HCP alone needs no price: what is left pays for an action, or it does not."""
    if len(limit.rows) != 1:
        return limit
    return Limit(limit.name, limit.rows, limit.use > limit.units, 0.0)
