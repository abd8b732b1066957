"""Limits from the capacity table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.contracts import DAY, FOREVER, NEVER, Action
from nba.errors import ArgumentError
from nba.policies import Taken, limits_of

ACTIONS = [Action("do_nothing", ""), Action("rep_visit", "A"), Action("email", "A"), Action("email", "E")]
NAMES = ("resource", "scope", "scope_id", "channel", "period", "from", "to", "units", "unit_cost")


def limits(*rows, **already):
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
        **already,
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


def taken(*rows):
    """Touches of (channel, content, territory, day, pending); their country is US, their cost 3."""
    channel, content, territory, day, pending = (list(cells) for cells in zip(*rows, strict=True))
    text = [np.array(cells, dtype=object) for cells in (channel, content, territory, ["US"] * len(rows))]
    return Taken(*text, np.full(len(rows), 3.0), np.array(day) * DAY, np.array(pending, dtype=bool))


def test_what_is_made_since_the_first_day_and_what_is_on_its_way_is_subtracted():
    touches = taken(
        ("rep_visit", "A", "T1", 9, False),  # the day before the rows begin
        ("rep_visit", "old", "T1", 10, False),
        ("rep_visit", "A", "T1", 4, True),
        ("rep_visit", "A", "T2", 11, False),
        ("email", "A", "T1", 11, False),
    )
    week = ("visit", "territory", "T1", "", "week", 10 * DAY, 17 * DAY, 5.0, np.nan)
    stock = ("sample", "country", "US", "rep_visit", "", NEVER, FOREVER, 5.0, np.nan)
    euros = ("budget", "all", "", "", "month", 10 * DAY, 40 * DAY, 100.0, np.nan)

    spend, samples, visits = limits(week, stock, euros, taken=touches)

    assert visits.units == 3
    assert samples.units == 4  # no first day: what is there now, less what is on its way
    assert spend.units == 100 - 4 * 3


@given(st.lists(st.tuples(st.sampled_from(["rep_visit", "email", "phone"]), st.sampled_from("AEX"),
    st.sampled_from(["T1", "T2", ""]), st.integers(0, 20), st.booleans()), min_size=1, max_size=30),
    st.sampled_from(["all", "territory:T1", "territory:T2", "content:E", "country:US", "country:DE"]),
    st.sampled_from(["visit", "seat", "budget"]), st.sampled_from(["", "email", "rep_visit"]))  # fmt: skip
def test_units_left_are_those_of_touches_read_one_by_one(rows, scope, resource, channel):
    kind, _, scope_id = scope.partition(":")
    start, units = 10 * DAY, 40.0

    (limit,) = limits(
        (resource, kind, scope_id, channel, "", start, 99 * DAY, units, np.nan), taken=taken(*rows)
    )

    gone = 0.0
    for touch, content, territory, day, pending in rows:
        is_its = touch == channel if channel else resource != "visit" or "visit" in touch
        where = {"territory": territory, "country": "US", "content": content}.get(kind, "")
        if is_its and where == scope_id and (pending or day * DAY >= start):
            gone += 3.0 if resource == "budget" else 1.0
    assert limit.units == max(0.0, units - gone) or len(limit.rows) == 1


def test_a_table_of_what_is_used_counts_instead_of_touches_and_has_to_fit():
    row = ("visit", "territory", "T1", "", "week", 10 * DAY, 17 * DAY)
    table = dict(zip(NAMES, ([cell] for cell in (*row, 4.0, np.nan)), strict=True))
    gone = {name: np.array(cells, dtype=object) for name, cells in table.items()}
    touches = taken(("rep_visit", "A", "T1", 11, False))

    (limit,) = limits((*row, 5.0, np.nan), taken=touches, used=gone)

    assert limit.units == 1
    with pytest.raises(ArgumentError, match=r"visit/territory:T1/week.*it has \['visit/territory:T2/week'\]"):
        limits(("visit", "territory", "T2", "", "week", 10 * DAY, 17 * DAY, 5.0, np.nan), used=gone)


def test_one_hcp_alone_gets_what_is_left_to_pay_for_it():
    budget = ("budget", "territory", "T2", "", "", 0, 99 * DAY, 1.5, np.nan)

    (limit,) = limits(budget)

    assert limit.units == 0
    assert limit.actions.tolist() == [False, True, False, True]  # 9 and 2 are too dear, 1 is not
