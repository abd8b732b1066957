"""Receipts as text and back, without loss."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from store.strategies import receipts

from nba.contracts import Receipt
from nba.errors import ArgumentError, SelectionError
from nba.store.receipts import check_receipt, fingerprint, from_json, to_json


@settings(max_examples=40, deadline=None)
@given(receipts)
def test_a_receipt_comes_back_equal_in_every_bit(receipt):
    back = from_json(to_json(receipt))

    # repr tells -0.0 from 0.0, an int from a float and a tuple from a list, and finds NaN equal to NaN.
    assert repr(back) == repr(receipt)
    assert to_json(back) == to_json(receipt)
    assert fingerprint(to_json(back)) == fingerprint(to_json(receipt))


def test_numpy_scalars_are_kept_as_the_numbers_they_are(receipt):
    facts = {"cap": {"contacts": np.int64(3), "share": np.float64(0.1), "full": np.bool_(True)}}

    back = from_json(to_json(receipt(facts=facts, priority=np.float32(0.1))))

    assert back.facts == {"cap": {"contacts": 3, "share": 0.1, "full": True}}
    assert back.priority == float(np.float32(0.1))


def test_every_field_of_a_receipt_is_in_the_text(receipt):
    text = to_json(receipt())

    assert all(f'"{part.name}":' in text for part in fields(Receipt))


@pytest.mark.parametrize("fact", [object(), {1: 2}, {"$tuple": []}, np.zeros(2), {1, 2}, b"x"])
def test_facts_that_are_not_plain_are_refused(receipt, fact):
    with pytest.raises(ArgumentError):
        to_json(receipt(facts={"rule": {"fact": fact}}))


@pytest.mark.parametrize(
    "change",
    [
        {"decision_id": " "},
        {"hcp_id": ""},
        {"hcp_id": 12},
        {"hcp_id": "a\ud800"},
        {"hcp_id": "a\0b"},
        {"decided_at": 1.5},
        {"decided_at": True},
        {"decided_at": 2**70, "valid_until": 2**71},
        {"valid_until": 0},
    ],
)
def test_what_no_log_may_hold_is_refused_by_its_place(receipt, change):
    with pytest.raises(ArgumentError, match="Receipt 4"):
        check_receipt(receipt(**change), place=4)


@pytest.mark.parametrize("prob", [0.0, -0.1, 1.1, float("nan"), float("inf")])
def test_selection_probabilities_outside_their_range_are_refused(receipt, prob):
    with pytest.raises(SelectionError, match="Receipt 0"):
        check_receipt(receipt(selection_prob=prob), place=0)


def test_something_else_than_a_receipt_is_refused():
    with pytest.raises(ArgumentError, match="expected a Receipt"):
        check_receipt({"decision_id": "d1"}, place=0)
