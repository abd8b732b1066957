"""Receipts in few bytes: what decisions share is kept once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store.strategies import receipts

from nba.contracts import DO_NOTHING, Action
from nba.store.packing import Part
from nba.store.receipts import to_json

VISIT = Action("rep_visit", "c9")


@settings(max_examples=40, deadline=None)
@given(st.lists(receipts, min_size=1, max_size=3))
def test_receipts_come_back_equal_in_every_bit(made):
    part = Part.of(made)
    again = Part.from_bytes(part.to_bytes())

    for receipt in made:
        packed = part.pack(receipt)
        back, sha256 = again.unpack(packed.body)
        assert repr(back) == repr(receipt)
        assert to_json(back) == to_json(receipt)
        assert sha256 == packed.sha256


@settings(max_examples=25, deadline=None)
@given(receipts, receipts)
def test_what_a_receipt_says_has_one_hash_whatever_part_it_is_written_with(one, other):
    alone, together = Part.of([one]), Part.of([other, one], before=Part.of([other]))

    assert alone.pack(one).sha256 == together.pack(one).sha256
    same = repr(one) == repr(other)
    assert (together.pack(one).sha256 == together.pack(other).sha256) == same


def test_an_action_or_code_that_is_not_of_the_part_is_refused(receipt):
    part = Part.of([receipt()])

    for strange in (
        receipt(eligible=((DO_NOTHING, 0.5), (VISIT, 0.5))),
        receipt(removed=((Action("rep_visit", "c1"), "another"),)),
    ):
        with pytest.raises(KeyError):
            part.pack(strange)
        Part.of([strange], before=part).pack(receipt())


def test_numbers_of_numpy_and_whole_ones_are_kept_as_they_are(receipt):
    for prob in (np.float64(0.7), 1, np.float32(0.5)):
        one = receipt(eligible=((DO_NOTHING, prob),))
        back, _ = Part.of([one]).unpack(Part.of([one]).pack(one).body)
        assert back.eligible == ((DO_NOTHING, prob),)
        assert type(back.eligible[0][1]) is (int if prob == 1 else float)


def test_a_receipt_takes_a_fraction_of_its_text(receipt):
    rng = np.random.default_rng(3)
    actions = [Action("approved_email", f"content_{p}") for p in range(60)]
    made = [
        replace(
            receipt(f"d{p}", hcp_id=f"h{p}"),
            eligible=tuple(zip(actions, rng.dirichlet(np.ones(60)).tolist(), strict=True)),
        )
        for p in range(50)
    ]
    part = Part.of(made)

    packed = sum(len(part.pack(one).body) for one in made)

    assert packed < 0.25 * sum(len(to_json(one)) for one in made)
