"""From rows of the capacity table to limits on decisions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nba.contracts import Action, Bools, Columns, Floats
from nba.errors import ArgumentError
from nba.policies.limit import Limit

SCOPES = ("all", "territory", "country", "content")
"""What a row's ``scope`` may be; ``scope_id`` says which territory, country or content."""


def limits_of(
    capacity: Columns, *, actions: Sequence[Action], hcps: Columns, costs: Floats, at: int, valid_until: int
) -> list[Limit]:
    """The limits that hold for decisions of a moment.

    Rows of the same resource, scope and period that overlap [at, valid_until) are one limit with the sum of
    their units: a week's visits are its days' slots. A row without a channel is about every channel whose
    name says the resource ("rep_visit"), for seats, samples and budgets about every channel. A budget
    counts a decision's ``unit_cost``, or the channel's cost where the row has none; everything else
    counts 1.

    Parameters
    ----------
    capacity : the table: resource, scope, scope_id, channel, period, from, to, units, unit_cost
    actions : the K actions, do_nothing first
    hcps : columns of the hcp table in the candidates' order: territory_id, country
    costs : (K,) what each action costs
    at, valid_until : int seconds UTC

    Raises
    ------
    ArgumentError
        If a scope is none of ``SCOPES``.

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
    n = len(next(iter(hcps.values())))
    found: dict[str, Limit] = {}
    for i in range(len(capacity["resource"])):
        if not (capacity["from"][i] < valid_until and capacity["to"][i] > at):
            continue
        row = {
            name: str(capacity[name][i]) for name in ("resource", "scope", "scope_id", "channel", "period")
        }
        name = f"{row['resource']}/{row['scope']}"
        name += f":{row['scope_id']}" if row["scope_id"] else ""
        name += "".join(f"/{row[part]}" for part in ("channel", "period") if row[part])
        units = float(capacity["units"][i])
        if name in found:
            same = found[name]
            found[name] = Limit(name, same.rows, same.actions, same.units + units, same.costs)
            continue
        used = _actions(row, actions)
        each = None
        if row["resource"] == "budget":
            cost = float(capacity["unit_cost"][i])
            each = np.where(used, costs if np.isnan(cost) else cost, 0.0)
        found[name] = Limit(name, _rows(row, hcps, n), used, units, each)
    return [found[name] for name in sorted(found)]


def _actions(row: dict[str, str], actions: Sequence[Action]) -> Bools:
    resource, channel = row["resource"], row["channel"]
    content = row["scope_id"] if row["scope"] == "content" else ""
    return np.array(
        [
            action.channel != "do_nothing"
            and (action.channel == channel if channel else resource != "visit" or "visit" in action.channel)
            and (not content or action.content == content)
            for action in actions
        ],
        dtype=bool,
    )


def _rows(row: dict[str, str], hcps: Columns, n: int) -> np.ndarray:
    scope = row["scope"]
    if scope not in SCOPES:
        raise ArgumentError(
            f"The capacity table has a row with scope {scope!r}, expected one of {list(SCOPES)}. Correct it."
        )
    if scope in ("all", "content"):
        return np.arange(n)
    return np.flatnonzero(hcps["territory_id" if scope == "territory" else "country"] == row["scope_id"])
