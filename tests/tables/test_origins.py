"""Cells of an export."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.tables import Filled, Via
from nba.tables.origins import Export, eighteen

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@given(st.lists(st.text(LETTERS, min_size=15, max_size=15), min_size=2, max_size=20, unique=True))
def test_ids_that_differ_only_in_capitals_differ_without_them_too(ids):
    assert len({eighteen(one).lower() for one in ids}) == len(ids)


@pytest.fixture
def export() -> Export:
    calls = pd.DataFrame({"Id": ["c1", "c2"], "Account": ["a1", "gone"]})
    shown = pd.DataFrame(
        {"Id": ["m1", "m2", "m3"], "Call": "c1", "What": ["b", "a", "c"], "Order": ["10", "9", None]}
    )
    accounts = pd.DataFrame({"Id": ["a1"], "Land": ["DE"]})
    return Export({"Call": calls, "Shown": shown, "Account": accounts}, salesforce_ids=False)


def test_a_reference_is_followed_and_a_broken_one_is_empty(export):
    assert export.cells("Call", Via("Account", "Account", "Land")).tolist() == ["DE", None]
    assert (
        export.cells("Shown", Via(Via("Call", "Call", "Account"), "Account", "Land")).tolist() == ["DE"] * 3
    )


def test_of_several_the_first_by_number_counts(export):
    assert export.cells("Call", Via("Id", "Shown", "What", on="Call", order="Order")).tolist() == ["a", None]


def test_what_the_export_does_not_have_is_none(export):
    assert export.cells("Call", "Nothing") is None
    assert export.cells("Call", Via("Account", "Nothing", "Land")) is None
    assert export.cells("Call", Filled("Account", "yes")).tolist() == ["yes", "yes"]
