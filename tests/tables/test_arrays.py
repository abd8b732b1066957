"""Frames as plain arrays."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from nba.contracts import FOREVER, NEVER
from nba.tables import TABLES, columns_of
from nba.tables.arrays import Arrays, rows_of


def test_missing_cells_stand_for_what_the_column_says():
    moments = pd.Series([pd.NaT], dtype="datetime64[s, UTC]")
    frame = pd.DataFrame({"hcp_id": ["h1"], "captured_at": moments, "expires_at": moments, "purpose": [None]})

    consent = columns_of(frame, TABLES["consent"])

    assert (consent["captured_at"][0], consent["expires_at"][0]) == (NEVER, FOREVER)
    assert (consent["purpose"][0], consent["product_id"][0]) == ("", "")


def test_a_column_that_is_not_there_is_filled():
    content = columns_of(pd.DataFrame({"content_id": ["c1", "c2"]}), TABLES["content"])

    assert content["country"].tolist() == [(), ()]
    assert np.isnan(content["minutes"]).all()
    assert content["expiry"].tolist() == [FOREVER, FOREVER]


def test_columns_are_made_once_and_only_when_asked_for():
    made = []
    arrays = Arrays(
        {"a": lambda: made.append("a") or np.zeros(1), "b": lambda: made.append("b") or np.ones(1)}, length=1
    )

    assert arrays["b"] is arrays["b"]
    assert made == ["b"]


def test_arrays_pickle_as_a_plain_dict():
    arrays = pickle.loads(pickle.dumps(Arrays({"a": lambda: np.arange(2)}, length=2)))

    assert type(arrays) is dict
    assert arrays["a"].tolist() == [0, 1]


@given(texts=st.lists(st.sampled_from(["h1", "h2", "h3", ""]), max_size=30))
def test_rows_of_a_key_are_those_that_a_look_at_all_finds(texts):
    plain = {"hcp_id": np.array([*texts, None], dtype=object)[:-1]}
    frame = pd.DataFrame({"hcp_id": pd.Series(texts, dtype="str")})
    arrays = columns_of(frame, TABLES["consent"])

    for key in ("h1", "h2", "h3", "h4", ""):
        expected = [i for i, text in enumerate(texts) if text == key]
        assert rows_of(arrays, "hcp_id", key).tolist() == expected
        assert rows_of(plain, "hcp_id", key).tolist() == expected
