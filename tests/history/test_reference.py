"""A group's numbers are kept in order, and not too many of them."""

from __future__ import annotations

import numpy as np
import pytest

from nba.history import Reference
from nba.history.measures import standing
from nba.history.reference import MOST


def test_a_small_group_is_kept_whole():
    numbers = np.random.default_rng(1).normal(size=MOST)

    assert Reference.of("g", numbers).values == tuple(sorted(numbers.tolist()))


@pytest.mark.parametrize("share_of_zeros", [0.0, 0.7])
def test_a_large_group_is_thinned_and_standings_hardly_move(share_of_zeros):
    rng = np.random.default_rng(2)
    numbers = np.where(rng.random(30_011) < share_of_zeros, 0.0, rng.gamma(1.0, size=30_011))
    asked = np.append(rng.gamma(1.0, size=200), 0.0)

    kept = Reference.of("g", numbers)

    assert len(kept.values) == MOST
    below, equal = (numbers < asked[:, None]).mean(axis=1), (numbers == asked[:, None]).mean(axis=1)
    np.testing.assert_allclose(standing(asked, np.array(kept.values)), below + equal / 2, atol=0.0015)


def test_a_list_out_of_a_file_is_the_same_reference():
    assert Reference("g", [0.0, 1.0]) == Reference("g", (0.0, 1.0))
