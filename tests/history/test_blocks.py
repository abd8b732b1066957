"""Blocks are laid out once, and never reach beyond their keys."""

from __future__ import annotations

import numpy as np
import pytest

from nba.errors import ArgumentError
from nba.history import Measure, Op
from nba.history.blocks import lay_out


def cells(*keys: int) -> np.ndarray:
    return np.array(keys, dtype=np.int32)


def test_cells_that_measures_share_are_kept_once() -> None:
    same = cells(0, 1, -1)

    table = lay_out([Measure(Op.COUNT, same, 60, 2), Measure(Op.RECENCY, same, 0, 2)], 3)

    assert table.cells.tolist() == [[0, 1, -1]]
    assert table.n_shared == 4


@pytest.mark.parametrize(
    "wrong",
    [
        Measure(Op.COUNT, cells(0, 2, 0), 60, 2),
        Measure(Op.STREAK, cells(0, 0, 0), 0, 1, ends=cells(0, 1, 0)),
        Measure(Op.COUNT, cells(0, 0, 0), 60, 1, own=cells(0, 1)),
    ],
)
def test_a_key_beyond_the_keys_is_refused(wrong: Measure) -> None:
    with pytest.raises(ArgumentError, match="beyond its n_keys"):
        lay_out([wrong], 3)


def test_cells_of_another_length_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"lengths \[2\]; expected 3"):
        lay_out([Measure(Op.COUNT, cells(0, 0), 60, 1)], 3)


@pytest.mark.parametrize("op", [Op.COUNT, Op.DECAYED])
def test_a_span_of_nothing_is_refused(op: Op) -> None:
    with pytest.raises(ArgumentError, match="span"):
        lay_out([Measure(op, cells(0), 0, 1)], 1)


def test_no_measures_make_no_columns() -> None:
    table = lay_out([], 3)

    assert (table.n_shared, table.n_own) == (0, 0)
