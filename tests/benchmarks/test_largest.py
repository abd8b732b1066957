"""What the benchmark of the largest fit adds to a world says nothing of it."""

import numpy as np

from benchmarks.largest import IDLE, measured, widened
from benchmarks.territories import linear_world


def test_columns_are_added_beside_those_that_say_something_and_say_nothing():
    territory = linear_world(seed=1, pairs=4)
    grid, truth = territory.grid(3_000, seed=2)

    wide = widened(grid, seed=3)

    assert len(wide.shared_features) == wide.shared.shape[1] == grid.shared.shape[1] + IDLE
    np.testing.assert_array_equal(wide.shared[:, : grid.shared.shape[1]], grid.shared)
    np.testing.assert_array_equal(wide.own, grid.own)
    first = truth.reshape(-1, 4)[:, 0]
    idle = wide.shared[:, -IDLE:]
    told = [abs(np.corrcoef(idle[:, j], first)[0, 1]) for j in range(IDLE)]
    assert max(told) < 4.5 / np.sqrt(len(first))
    assert abs(np.corrcoef(grid.shared[:, 0], first)[0, 1]) > 4.5 / np.sqrt(len(first))


def test_a_fit_is_told_by_its_size_its_time_and_how_close_it_comes():
    territory = linear_world(seed=1, pairs=4)
    grid, truth = territory.grid(50, seed=2)
    train = territory.requests([1_000, 300, 0, 200], seed=3)

    found = measured(train, grid, truth)

    assert found["requests"] == 1_500
    assert 0 < found["kl"] < 100
    assert min(found["cpu"], found["wall"], found["data"]) > 0
