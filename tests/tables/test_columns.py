"""The schema as data holds together."""

from __future__ import annotations

import inspect

import pytest

from nba.tables import TABLES, Engagement
from nba.tables.columns import ENGAGED_OUTCOMES, NEEDED, OUTCOMES, TOUCH_OUTCOMES


@pytest.mark.parametrize("table", TABLES.values(), ids=str)
def test_names_are_unique_and_keys_and_groups_are_columns(table):
    assert len(set(table.names)) == len(table.names)
    assert not table.key or table[table.key].required
    assert {name for group in table.any_of for name in group} <= set(table.names)


def test_every_table_is_an_argument_of_engagement():
    arguments = set(inspect.signature(Engagement.__init__).parameters) - {"self", "observed_until"}

    assert arguments == set(TABLES)
    assert set(NEEDED) < arguments


def test_an_optional_table_says_what_is_off_without_it():
    assert all(table.without for name, table in TABLES.items() if name not in NEEDED)


def test_touches_and_engagement_are_outcomes():
    assert set(OUTCOMES) >= TOUCH_OUTCOMES | ENGAGED_OUTCOMES
