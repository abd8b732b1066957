"""Limits from the capacity table."""

from __future__ import annotations

import numpy as np
import pytest

from nba.contracts import DAY, Action
from nba.errors import ArgumentError
from nba.policies import limits_of

ACTIONS = [Action("do_nothing", ""), Action("rep_visit", "A"), Action("email", "A"), Action("email", "E")]
NAMES = ("resource", "scope", "scope_id", "channel", "period", "from", "to", "units", "unit_cost")


def limits(*rows):
    cells = list(zip(*rows, strict=True))
    table = {name: np.array(values, dtype=object) for name, values in zip(NAMES, cells, strict=True)}
    hcps = {name: np.array(v, dtype=object) for name, v in
            {"territory_id": ["T1", "T2", "T1"], "country": ["US", "US", "DE"]}.items()}  # fmt: skip
    return limits_of(
        table,
        actions=ACTIONS,
        hcps=hcps,
        costs=np.array([0, 9.0, 1.0, 2.0]),
        at=10 * DAY,
        valid_until=17 * DAY,
    )


def test_days_inside_the_window_add_up_and_others_do_not_count():
    day = [("visit", "territory", "T1", "", "day", d * DAY, (d + 1) * DAY, 3.0, np.nan) for d in range(5, 30)]

    (limit,) = limits(*day)

    assert (limit.units, limit.rows.tolist(), limit.actions.tolist()) == (
        21.0,
        [0, 2],
        [False, True, False, False],
    )


def test_seats_are_of_a_content_and_budgets_count_what_things_cost():
    seats, dear, flat = limits(
        ("seat", "content", "E", "", "", 0, 99 * DAY, 40.0, np.nan),
        ("budget", "all", "", "", "month", 0, 99 * DAY, 500.0, np.nan),
        ("budget", "country", "US", "email", "month", 0, 99 * DAY, 50.0, 0.5),
    )[::-1]

    assert seats.actions.tolist() == [False, False, False, True]
    assert dear.rows.tolist() == [0, 1]
    assert dear.use.tolist() == [0, 0, 0.5, 0.5]
    assert flat.use.tolist() == [0, 9, 1, 2]


def test_a_scope_that_is_unknown_is_refused():
    with pytest.raises(ArgumentError, match="scope 'brick'"):
        limits(("visit", "brick", "B1", "", "", 0, 99 * DAY, 1.0, np.nan))
