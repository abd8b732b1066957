"""How rows came to be chosen, and weights that undo it."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nba.errors import SelectionError
from nba.models import Selection
from nba.models.selection import checked_probs, fading, part_of, together


def drawn(n=300, *, seed=0, pairs=3):
    rng = np.random.default_rng(seed)
    return rng.integers(0, pairs, n), rng.uniform(0.02, 1.0, n)


def test_weights_are_those_of_a_plain_loop_over_pairs():
    pair, prob = drawn()

    told = Selection.of(pair, prob, n_pairs=3, clip=4.0)

    expected = np.empty(len(pair))
    for k in range(3):
        mine = pair == k
        of_mean = (1 / prob[mine]) / (1 / prob[mine]).mean()
        cut = np.minimum(of_mean, 4.0)
        expected[mine] = cut * cut.sum() / (cut**2).sum()
    assert_allclose(told.weights(pair, prob), expected, rtol=1e-12)
    assert told.effective == pytest.approx(expected.sum())
    assert 0 < told.clipped < 60


def test_a_pairs_weights_add_up_to_the_rows_it_is_worth():
    pair, prob = drawn()

    weight = Selection.of(pair, prob, n_pairs=3, clip=1e6).weights(pair, prob)

    for k in range(3):
        mine = weight[pair == k]
        assert mine.sum() == pytest.approx(mine.sum() ** 2 / (mine**2).sum())


def test_equal_chances_weigh_nothing():
    pair, _ = drawn()
    prob = np.full(len(pair), 0.3)

    told = Selection.of(pair, prob, n_pairs=3, clip=1.0)

    assert_allclose(told.weights(pair, prob), 1.0, rtol=1e-12)
    assert told.effective == pytest.approx(len(pair))


def test_rows_without_a_probability_count_one_and_are_said():
    pair, prob = drawn()
    prob[::3] = np.nan

    told = Selection.of(pair, prob, n_pairs=3, clip=5.0)

    assert_array_equal(told.weights(pair, prob)[::3], 1.0)
    assert told.kind == "partly logged"
    assert str(told).startswith("partly logged: 200 of 300 rows")


def test_without_a_clip_nothing_is_weighted_and_without_a_log_it_is_observational():
    pair, prob = drawn()

    assert Selection.of(pair, prob, n_pairs=3).weights(pair, prob) is None
    assert str(Selection.of(pair, prob, n_pairs=3)).endswith("not weighted by it")
    nobody = Selection.of(pair, None, n_pairs=3, clip=3.0)
    assert (nobody.kind, nobody.weighted, nobody.weights(pair, None)) == ("observational", False, None)


def test_a_pair_that_came_later_is_weighed_as_all_rows_together():
    pair, prob = drawn()
    told = Selection.of(pair, prob, n_pairs=3, clip=1e6)

    later = told.weights(np.full(len(prob), -1), prob)

    of_mean = (1 / prob) / (1 / prob).mean()
    assert_allclose(later, of_mean * of_mean.sum() / (of_mean**2).sum(), rtol=1e-12)


@pytest.mark.parametrize("odd", [0.0, -0.1, 1.01, np.inf])
def test_probabilities_outside_0_and_1_are_refused_with_their_row(odd):
    with pytest.raises(SelectionError, match="first at row 1"):
        checked_probs(np.array([0.5, odd]), 2)
    with pytest.raises(SelectionError, match="shape"):
        checked_probs(np.array([0.5]), 2)


def test_a_row_counts_half_for_every_half_life():
    assert_allclose(fading(np.array([0, 10, 20]), until=20, half_life_seconds=10.0), [0.25, 0.5, 1.0])


def test_weights_multiply_and_none_is_one():
    a = np.array([2.0, 3.0])

    assert together(None, None) is None
    assert_array_equal(together(None, a, a), a * a)


def test_a_state_is_plain_and_comes_back():
    pair, prob = drawn()
    told = Selection.of(pair, prob, n_pairs=3, clip=4.0)

    plain, arrays = told.to_state()
    back = Selection.from_state((json.loads(json.dumps(plain)), arrays))

    assert back.to_dict() == told.to_dict()
    assert_array_equal(back.weights(pair, prob), told.weights(pair, prob))


def test_a_part_of_no_weights_is_no_weights():
    weight = np.array([1.0, 2.0, 0.5])

    assert part_of(None, np.array([0, 2])) is None
    assert_array_equal(part_of(weight, np.array([2, 0, 2])), [0.5, 1.0, 0.5])
    assert_array_equal(part_of(weight, np.array([False, True, False])), [2.0])
