"""Prices against plain bisection."""

from __future__ import annotations

import numpy as np
import pytest

from nba.contracts import Scores
from nba.policies import Greedy, InverseGap, Softmax, selection_pmf
from nba.policies.prices import lowered, priced
from nba.policies.reach import Reach


def chooser(policy, k):
    def choose(priorities, eligible, rows):
        shape = priorities.shape
        scores = Scores(np.zeros(shape), np.zeros(shape), np.full(k, 200.0), np.zeros(k, dtype=bool))
        return selection_pmf(policy, priorities=priorities, scores=scores, eligible=eligible).probs

    return choose


def world(seed, n=300, k=6):
    rng = np.random.default_rng(seed)
    priorities, eligible = rng.gamma(1, 1, size=(n, k)), rng.random((n, k)) < 0.8
    priorities[:, 0], eligible[:, 0] = 0.3, True
    return priorities, eligible


def used_at(price, *, priorities, eligible, scarce, choose):
    """Expected use where the scarce actions cost so much, one price for all."""
    floor = -np.abs(np.where(eligible, priorities, 0)).max(axis=1, keepdims=True)
    cheaper = np.maximum(priorities - price, np.minimum(floor, priorities))
    probs = choose(np.where(scarce & (price > 0), cheaper, priorities), eligible, np.arange(len(priorities)))
    return probs[:, scarce].sum()


@pytest.mark.parametrize("policy", [InverseGap(explore=0), Greedy(), Softmax(0.4, explore=0)])
@pytest.mark.parametrize("units", [3.0, 25.0, 70.0])
def test_a_price_is_where_plain_bisection_finds_it(policy, units):
    priorities, eligible = world(4)
    scarce, choose = np.array([False, True, True, False, False, False]), chooser(policy, 6)
    known = {"priorities": priorities, "eligible": eligible, "scarce": scarce, "choose": choose}
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if used_at(middle, **known) > units else (low, middle)

    everybody = np.arange(len(priorities))
    (price,) = priced(
        Reach.of([everybody], len(priorities)), scarce[None, :].astype(float), np.array([units]),
        choose=choose, priorities=priorities, eligible=eligible,
    )  # fmt: skip

    # within one decision of the cap: what is too much, the share kept takes back
    assert units - 1.0 <= used_at(price, **known) <= units + 1.0
    assert used_at(price * 0.9, **known) >= used_at(low, **known) >= used_at(price * 1.1, **known)


def test_what_is_not_scarce_has_no_price_and_what_no_price_can_meet_the_highest():
    priorities, eligible = world(5)
    everybody, choose = np.arange(len(priorities)), chooser(InverseGap(explore=0.3), 6)
    use = np.array([[0, 1.0, 0, 0, 0, 0], [0, 0, 1.0, 0, 0, 0]])

    plenty, none = priced(
        Reach.of([everybody, everybody], len(priorities)), use, np.array([300.0, 0.0]),
        choose=choose, priorities=priorities, eligible=eligible,
    )  # fmt: skip

    assert plenty == 0.0
    assert none == pytest.approx(2 * np.abs(np.where(eligible, priorities, 0)).max())


def test_a_price_never_stretches_the_scale_of_a_row():
    priorities, eligible = world(6, n=40)
    table = np.array([[0, 50.0, 0.1, 0, 0, 0]])

    low, open_ = lowered(priorities, eligible, table, np.zeros(40, dtype=np.int64), np.arange(40))

    largest = np.abs(np.where(eligible, priorities, 0)).max(axis=1)
    assert (np.abs(np.where(eligible, low, 0)).max(axis=1) <= largest).all()
    assert (low[:, 3:] == priorities[:, 3:]).all()
    np.testing.assert_allclose(low[:, 2], np.maximum(priorities[:, 2] - 0.1, -largest))
    assert (open_ == eligible).all()
