"""An order of training rows that is their own, not the table's."""

from dataclasses import replace

import numpy as np
from numpy.testing import assert_array_equal

from nba.models.order import request_order, row_hashes


def test_equal_rows_hash_equally_whatever_their_storage_and_unequal_ones_do_not():
    x = np.array([[0.0, 1.5], [-0.0, 1.5], [np.nan, 2.0], [-np.nan, 2.0], [1.5, 0.0]])

    hashes = row_hashes(x)

    assert hashes[0] == hashes[1]
    assert hashes[2] == hashes[3]
    assert len(set(hashes.tolist())) == 3
    assert_array_equal(row_hashes(x.astype("f4")), hashes)
    assert_array_equal(row_hashes(np.asfortranarray(x)), hashes)


def test_a_million_different_rows_have_different_hashes():
    x = np.stack([np.repeat(np.arange(1000.0), 1000), np.tile(np.arange(1000.0), 1000)], axis=1)

    assert len(np.unique(row_hashes(x))) == 1_000_000


def test_requests_come_by_moment_and_in_one_order_however_they_stood(world):
    made = world(requests=3000)
    at = np.random.default_rng(0).integers(0, 5, 3000)
    turn = np.random.default_rng(1).permutation(3000)
    k = len(made.design.actions)
    turned = replace(
        made.design,
        row=made.design.row[turn],
        own=made.design.own[turn],
        pair=k - 1 - made.design.pair[turn],
        actions=made.design.actions[::-1],
        groups=made.design.groups[::-1],
    )

    order = request_order(made.design, made.y, at)
    other = turn[request_order(turned, made.y[turn], at[turn])]

    assert_array_equal(at[order], np.sort(at))
    for column in (made.design.pair, made.design.row, made.design.own[:, 0], made.y):
        assert_array_equal(column[order], column[other])


def test_within_a_moment_outcomes_are_spread_and_not_sorted(world):
    made = world(requests=4000)

    y = made.y[request_order(made.design, made.y, np.zeros(4000, dtype=int))]

    halves = y[:2000].mean(), y[2000:].mean()
    assert abs(halves[0] - halves[1]) < 0.05
