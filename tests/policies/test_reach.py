"""Patterns of sets against a dictionary of tuples."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nba.policies.reach import Reach


@given(st.lists(st.sets(st.integers(0, 11)), max_size=6))
def test_every_hcp_has_the_pattern_of_the_sets_that_hold_it(members):
    reach = Reach.of([np.array(sorted(rows), dtype=np.int64) for rows in members], 12)

    expected = [tuple(r for r, rows in enumerate(members) if i in rows) for i in range(12)]
    assert [reach.sets[p] for p in reach.pattern] == expected
    assert list(reach.sets) == sorted(set(expected))


def test_blocks_hold_every_row_of_the_asked_patterns_once():
    rng = np.random.default_rng(0)
    territory = rng.integers(0, 7, 30_000)
    reach = Reach.of([np.flatnonzero(territory == t) for t in range(5)], 30_000)

    blocks = list(reach.blocks(np.arange(len(reach.sets))))

    assert sorted(np.concatenate([rows for rows, _, _ in blocks]).tolist()) == list(range(30_000))
    for rows, begin, of in blocks:
        assert 0 < len(rows) <= 4_096
        pieces = np.split(rows, begin[1:])
        assert all((reach.pattern[piece] == p).all() for piece, p in zip(pieces, of, strict=True))
