"""Prices meet capacities, and no draw breaks one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from nba.contracts import Scores
from nba.errors import ArgumentError
from nba.policies import EpsilonGreedy, Greedy, InverseGap, Softmax, Uniform, selection_pmf
from nba.policies.capacity import Limit, allot, probs_at

POLICIES = [InverseGap(), Greedy(), Uniform(), Softmax(0.3), EpsilonGreedy(0.2)]


def world(rng, n, k):
    priorities, eligible = rng.gamma(1, 1, size=(n, k)), rng.random((n, k)) < 0.8
    priorities[:, 0], eligible[:, 0] = 0.3, True
    return priorities, eligible


def chooser(policy):
    def choose(priorities, eligible, rows):
        n, k = priorities.shape
        scores = Scores(
            np.full((n, k), -2.0), np.full((n, k), 0.1), np.full(k, 20.0), np.zeros(k, dtype=bool)
        )
        return selection_pmf(policy, priorities=priorities, scores=scores, eligible=eligible).probs

    return choose


def ids(n):
    return [f"h{i:05d}" for i in range(n)]


def random_problem(rng):
    """Visits by territory inside a country's visits, and a budget of unequal costs for all else."""
    n, k = int(rng.integers(1, 40)), int(rng.integers(2, 8))
    priorities, eligible = world(rng, n, k)
    territory = rng.integers(0, 3, n)
    visits = np.zeros(k, dtype=bool)
    visits[1 : 2 + k // 3] = True
    rest = ~visits
    rest[0] = False
    limits = [
        Limit(f"visits T{t}", np.flatnonzero(territory == t), visits, float(rng.integers(0, 6)))
        for t in range(3)
    ]
    limits.append(Limit("visits", np.arange(n), visits, float(rng.integers(0, 10))))
    if rest.any():
        costs = np.where(rest, rng.integers(1, 4, k), 0).astype(float)
        limits.append(Limit("budget", np.arange(n), rest, float(rng.integers(0, 20)), costs))
    return limits, priorities, eligible


def check_problems(seeds):
    bitten = 0
    for seed in seeds:
        limits, priorities, eligible = random_problem(np.random.default_rng(seed))
        choose = chooser(POLICIES[seed % len(POLICIES)])
        found = allot(
            limits,
            choose,
            priorities=priorities,
            eligible=eligible,
            hcps=ids(len(priorities)),
            seed=seed,
            at=9,
        )
        for limit, used, expected in zip(limits, found.used, found.expected, strict=True):
            assert used <= limit.units
            assert expected <= limit.units + 1e-9
        np.testing.assert_allclose(found.pmf.probs.sum(axis=1), 1.0, atol=1e-9)
        assert (found.pmf.probs[~eligible] == 0).all()
        rows = np.arange(len(priorities))
        assert (found.choice.selection_prob == found.pmf.probs[rows, found.choice.action]).all()
        assert (found.choice.selection_prob > 0).all()
        bitten += bool((found.prices > 0).any() or (found.kept < 1).any())
    return bitten


def test_no_cap_is_ever_broken():
    assert check_problems(range(150)) > 45


@pytest.mark.slow
def test_no_cap_is_broken_in_ten_thousand_problems():
    assert check_problems(range(1_000, 11_000)) > 3_000


def test_marginals_under_rounding_are_the_logged_probabilities():
    rng = np.random.default_rng(3)
    n, k, repeats = 12, 5, 400
    priorities, eligible = world(rng, n, k)
    visits, samples = np.array([0, 1, 1, 0, 0], dtype=bool), np.array([0, 0, 0, 1, 0], dtype=bool)
    limits = [
        Limit("T1", np.arange(6), visits, 1.0),
        Limit("visits", np.arange(n), visits, 3.0),
        Limit("samples", np.arange(n), samples, 2.0),
    ]
    seen = np.zeros((n, k))
    for seed in range(repeats):
        found = allot(
            limits,
            chooser(Softmax(0.6)),
            priorities=priorities,
            eligible=eligible,
            hcps=ids(n),
            seed=seed,
            at=1,
        )
        seen[np.arange(n), found.choice.action] += 1

    probs = found.pmf.probs
    cells = (probs > 0) & (probs < 1)
    expected = repeats * probs[cells]
    statistic = ((seen[cells] - expected) ** 2 / expected).sum()

    assert (found.prices > 0).any()
    assert 1e-4 < chi2.sf(statistic, cells.sum() - n) < 1 - 1e-6


def test_expected_use_meets_what_is_scarce_and_slack_is_free():
    rng = np.random.default_rng(0)
    priorities, eligible = world(rng, 400, 6)
    visits, samples = np.arange(6) == 1, np.arange(6) == 2
    limits = [Limit("visits", np.arange(400), visits, 20), Limit("samples", np.arange(400), samples, 399)]

    found = allot(
        limits, chooser(InverseGap()), priorities=priorities, eligible=eligible, hcps=ids(400), seed=1, at=1
    )

    assert found.expected[0] == pytest.approx(20, rel=0.01)
    assert found.prices[0] > 0 == found.prices[1]


def test_a_slots_price_is_what_one_more_visit_is_worth():
    rng = np.random.default_rng(1)
    priorities, eligible = world(rng, 500, 4)

    def worth(units):
        visits = Limit("visits", np.arange(500), np.arange(4) == 1, units)
        found = allot(
            [visits], chooser(Softmax(0.0, explore=0)), priorities=priorities, eligible=eligible,
            hcps=ids(500), seed=1, at=1,
        )  # fmt: skip
        return float((found.pmf.probs * np.where(eligible, priorities, 0)).sum()), found.prices[0]

    (less, before), (more, after) = worth(40), worth(60)

    assert 0.97 * after <= (more - less) / 20 <= 1.03 * before


def test_a_row_alone_has_its_probabilities_from_the_prices():
    limits, priorities, eligible = random_problem(np.random.default_rng(12))
    choose = chooser(InverseGap())
    found = allot(
        limits, choose, priorities=priorities, eligible=eligible, hcps=ids(len(priorities)), seed=1, at=1
    )

    for i in range(len(priorities)):
        alone = probs_at(
            limits, choose, priorities=priorities[i : i + 1], eligible=eligible[i : i + 1],
            rows=np.array([i]), prices=found.prices, kept=found.kept,
        )  # fmt: skip
        assert alone.tobytes() == found.pmf.probs[i : i + 1].tobytes()


def test_a_group_is_drawn_the_same_without_the_others():
    rng = np.random.default_rng(2)
    priorities, eligible = world(rng, 90, 5)
    territory = np.arange(90) % 3
    visits = np.arange(5) == 1
    limits = [Limit(f"T{t}", np.flatnonzero(territory == t), visits, 4) for t in range(3)]
    names = np.array(ids(90))
    choose = chooser(InverseGap())
    whole = allot(limits, choose, priorities=priorities, eligible=eligible, hcps=list(names), seed=5, at=1)

    for t in range(3):
        mine = np.flatnonzero(territory == t)
        part = allot(
            [Limit(f"T{t}", np.arange(len(mine)), visits, 4)], choose, priorities=priorities[mine],
            eligible=eligible[mine], hcps=list(names[mine]), seed=5, at=1,
        )  # fmt: skip
        assert set(whole.group[mine]) == {f"T{t}"}
        assert part.choice.action.tolist() == whole.choice.action[mine].tolist()


def test_capacity_outranks_exploration_and_says_so():
    priorities, eligible = np.tile([0.0, 5.0, 1.0], (100, 1)), np.ones((100, 3), dtype=bool)
    visits = Limit("visits", np.arange(100), np.arange(3) == 1, 10)

    found = allot(
        [visits], chooser(Uniform()), priorities=priorities, eligible=eligible, hcps=ids(100), seed=1, at=1
    )

    assert found.kept[0] == pytest.approx(0.3)
    np.testing.assert_allclose(found.pmf.probs[0], [0.45, 0.1, 0.45])
    assert found.used[0] == 10


def test_what_crosses_is_refused_by_name():
    both = Limit("visits of T1", np.arange(3), np.array([0, 1, 1, 0], dtype=bool), 1)
    other = Limit("seats", np.arange(6), np.array([0, 0, 1, 1], dtype=bool), 1)
    priorities, eligible = np.ones((6, 4)), np.ones((6, 4), dtype=bool)

    with pytest.raises(ArgumentError, match="'visits of T1' and 'seats' cross"):
        allot(
            [both, other],
            chooser(Uniform()),
            priorities=priorities,
            eligible=eligible,
            hcps=ids(6),
            seed=1,
            at=1,
        )


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (Limit("a", np.arange(3), np.ones(2, dtype=bool), 1), "make no sense"),
        (Limit("a", np.arange(3), np.array([False, True]), -1), "make no sense"),
        (Limit("a", np.arange(9), np.array([False, True]), 1), "does not fit"),
        (Limit("a", np.array([1, 0]), np.array([False, True]), 1), "does not fit"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(limit, message):
    with pytest.raises(ArgumentError, match=message):
        allot(
            [limit], chooser(Uniform()), priorities=np.ones((3, 2)), eligible=np.ones((3, 2), dtype=bool),
            hcps=ids(3), seed=1, at=1,
        )  # fmt: skip
