"""The one way from priorities to a logged choice."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import chi2, kstest

from nba.contracts import Pmf, Policy, Scores
from nba.errors import ArgumentError, SelectionError
from nba.policies import (
    Budget,
    EpsilonGreedy,
    Forgetting,
    Greedy,
    InverseGap,
    Ramp,
    Softmax,
    Split,
    Thompson,
    Uniform,
    choose,
    draw,
    keyed_uniforms,
    selection_pmf,
)

POLICIES = [
    Greedy(),
    Greedy(explore=0.2),
    EpsilonGreedy(0.1),
    EpsilonGreedy(1.0),
    Uniform(),
    InverseGap(),
    InverseGap(explore=0.0, gamma=7.0),
    InverseGap(explore=1 / 3, optimism=0.5),
    Softmax(0.3),
    Thompson(),
    Thompson(explore=0.0, scale=0.3),
    Budget(Thompson(), give_up=0.01),
    Forgetting(InverseGap(optimism=0.5), memory_rows=50),
    Split(InverseGap(), Uniform(), share=0.2),
    Ramp(Softmax(0.5), first=0.1),
]
ALIKE = POLICIES[:-1]  # a ramp treats do_nothing, the first, unlike the others


@st.composite
def tables(draw_from):
    shape = draw_from(st.tuples(st.integers(1, 5), st.integers(1, 8)))
    priorities = draw_from(
        hnp.arrays(
            np.float64,
            shape,
            elements=st.one_of(st.sampled_from([0.0, 1.0, -1.0, 0.05]), st.floats(-1e6, 1e6, width=32)),
        )
    )
    eligible = draw_from(hnp.arrays(np.bool_, shape))
    eligible[:, 0] = True
    return priorities, eligible, draw_from(st.integers(0, 5000)), draw_from(st.integers(0, 99))


def pmf_of(policy, table, scores_of):
    priorities, eligible, n, seed = table
    scores = scores_of(priorities.shape, n=float(n), seed=seed)
    return selection_pmf(policy, priorities=priorities, scores=scores, eligible=eligible)


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
@settings(max_examples=40, deadline=None)
@given(table=tables())
def test_only_the_eligible_share_a_probability_of_one(scores_of, policy, table):
    pmf = pmf_of(policy, table, scores_of)

    eligible = table[1]
    assert (pmf.probs[~eligible] == 0).all()
    assert ((pmf.probs >= 0) & (pmf.probs <= 1)).all()
    floor = policy.explore / eligible.sum(axis=1)
    for i, row in enumerate(pmf.probs):
        assert abs(math.fsum(row) - 1) <= 1e-12
        assert (row[eligible[i]] >= floor[i] * (1 - 1e-12)).all()
        if eligible[i].sum() == 1:
            assert row[0] == 1.0
    assert (pmf.priorities[~eligible] == -np.inf).all()


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
@settings(max_examples=25, deadline=None)
@given(table=tables())
def test_a_row_alone_has_the_bits_it_has_in_a_batch(scores_of, policy, table):
    priorities, eligible, n, seed = table
    scores = scores_of(priorities.shape, n=float(n), seed=seed)
    hcps = [f"h{i}" for i in range(len(priorities))]

    batch = selection_pmf(policy, priorities=priorities, scores=scores, eligible=eligible)
    drawn = draw(batch, hcps=hcps, seed=3, at=9)

    for i in range(len(priorities)):
        mine = slice(i, i + 1)
        one = replace(scores, margin=scores.margin[mine], spread=scores.spread[mine])
        alone = selection_pmf(policy, priorities=priorities[mine], scores=one, eligible=eligible[mine])
        choice = draw(alone, hcps=hcps[mine], seed=3, at=9)
        assert alone.probs.tobytes() == batch.probs[mine].tobytes()
        assert (choice.action[0], choice.selection_prob[0]) == (drawn.action[i], drawn.selection_prob[i])


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_memory_layout_makes_no_difference(scores_of, policy):
    rng = np.random.default_rng(0)
    priorities, eligible = rng.normal(size=(50, 9)), rng.random((50, 9)) < 0.7
    eligible[:, 0] = True
    scores = scores_of((50, 9), n=40.0)

    one = selection_pmf(policy, priorities=priorities, scores=scores, eligible=eligible)
    other = selection_pmf(
        policy, priorities=np.asfortranarray(priorities), scores=scores, eligible=np.asfortranarray(eligible)
    )

    assert one.probs.tobytes() == other.probs.tobytes()


@pytest.mark.parametrize("policy", ALIKE, ids=repr)
@settings(max_examples=25, deadline=None)
@given(table=tables(), data=st.data())
def test_renumbering_the_actions_renumbers_the_probabilities(scores_of, policy, table, data):
    priorities, eligible, n, seed = table
    priorities = priorities + np.arange(priorities.shape[1]) * 1e-3 * (1 + np.abs(priorities))
    order = np.array(data.draw(st.permutations(range(priorities.shape[1]))))
    scores = scores_of(priorities.shape, n=float(n), seed=seed)
    moved = Scores(
        scores.margin[:, order], scores.spread[:, order], scores.n[order], scores.prior_only[order],
        responses=scores.responses[order],
    )  # fmt: skip
    if any(len(set(row)) < len(row) for row in priorities.tolist()):
        return  # between equals the lowest index wins, so order does matter there

    one = selection_pmf(policy, priorities=priorities, scores=scores, eligible=eligible)
    other = selection_pmf(policy, priorities=priorities[:, order], scores=moved, eligible=eligible[:, order])

    np.testing.assert_allclose(other.probs, one.probs[:, order], atol=1e-9)


@pytest.mark.parametrize(
    "policy", [EpsilonGreedy(0.3), InverseGap(gamma=20.0), InverseGap(), Uniform()], ids=repr
)
def test_draws_follow_the_pmf(scores_of, policy):
    n, k = 200_000, 7
    eligible = np.ones((n, k), dtype=bool)
    eligible[:, 3] = False
    pmf = selection_pmf(
        policy,
        priorities=np.tile([0.0, 0.3, 0.25, 9.0, 0.28, 0.01, -0.2], (n, 1)),
        scores=scores_of((n, k), n=1.0),
        eligible=eligible,
    )

    choice = draw(pmf, hcps=[f"h{i}" for i in range(n)], seed=11, at=1_700_000_000)

    seen = np.bincount(choice.action, minlength=k)
    possible = pmf.probs[0] > 0
    expected = n * pmf.probs[0, possible]
    statistic = ((seen[possible] - expected) ** 2 / expected).sum()
    assert seen[~possible].sum() == 0
    assert 1e-4 < chi2.sf(statistic, possible.sum() - 1) < 1 - 1e-6
    assert (choice.selection_prob == pmf.probs[np.arange(n), choice.action]).all()


def test_draws_do_not_depend_on_the_order_of_rows(scores_of):
    rng = np.random.default_rng(5)
    priorities, hcps = rng.random((300, 6)), np.array([f"h{i}" for i in range(300)], dtype=object)
    eligible = np.ones(priorities.shape, dtype=bool)
    order = rng.permutation(300)
    scores = scores_of(priorities.shape, n=1.0)

    one = draw(
        selection_pmf(InverseGap(), priorities=priorities, scores=scores, eligible=eligible),
        hcps=hcps,
        seed=1,
        at=2,
    )
    other = draw(
        selection_pmf(InverseGap(), priorities=priorities[order], scores=scores, eligible=eligible),
        hcps=hcps[order],
        seed=1,
        at=2,
    )

    assert (other.action == one.action[order]).all()
    assert (other.draw == one.draw[order]).all()


def test_a_key_is_its_four_parts_with_their_lengths():
    def part(text):
        return len(text.encode()).to_bytes(8, "big") + text.encode()

    key = part("7") + part("1700000000") + part("main") + part("hcp_ü")
    digest = blake2b(key, digest_size=8, person=b"nba draw").digest()

    found = keyed_uniforms(["hcp_ü"], seed=7, at=1_700_000_000, stream="main")

    assert found.tolist() == [(int.from_bytes(digest, "big") >> 11) / 2**53]


def test_keys_that_read_alike_are_told_apart():
    assert keyed_uniforms(["a|b"], seed=1, at=1, stream="c") != keyed_uniforms(
        ["a"], seed=1, at=1, stream="b|c"
    )
    assert keyed_uniforms(["1"], seed=1, at=11) != keyed_uniforms(["1"], seed=11, at=1)


def test_every_part_of_the_key_matters_and_numbers_are_uniform():
    hcps = [f"h{i}" for i in range(20_000)]
    base = keyed_uniforms(hcps, seed=1, at=2, stream="s")
    others = [
        keyed_uniforms(hcps, seed=2, at=2, stream="s"),
        keyed_uniforms(hcps, seed=1, at=3, stream="s"),
        keyed_uniforms(hcps, seed=1, at=2, stream="t"),
    ]

    assert kstest(base, "uniform").pvalue > 1e-4
    for other in others:
        assert abs(np.corrcoef(base, other)[0, 1]) < 0.03
    assert keyed_uniforms([], seed=1, at=2).shape == (0,)


def test_draws_do_not_depend_on_the_hash_seed():
    code = "from nba.policies import keyed_uniforms as k; print(k(['a', 'b'], seed=7, at=3).tolist())"

    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("0", "1")
    }

    assert said == {f"{keyed_uniforms(['a', 'b'], seed=7, at=3).tolist()}\n"}


def row_of(*probs):
    array = np.array([probs], dtype=np.float64)
    return Pmf(probs=array, priorities=np.where(array > 0, array, -np.inf), eligible=array > 0, explore=0.0)


@pytest.mark.parametrize(
    ("probs", "uniform", "action"),
    [
        ((0.0, 1.0, 0.0), 0.0, 1),
        ((0.0, 1.0, 0.0), 1 - 2**-53, 1),
        ((0.5, 0.0, 0.5), 0.5, 2),
        ((0.5, 0.0, 0.5), 0.5 - 2**-53, 0),
        ((0.1,) * 10, 1 - 2**-53, 9),
        ((1.0, 1e-300), 1 - 2**-53, 0),
    ],
)
def test_the_inverse_never_lands_on_probability_zero(probs, uniform, action):
    assert choose(row_of(*probs), np.array([uniform])).action.tolist() == [action]


def test_explored_says_that_a_lower_priority_was_chosen():
    pmf = Pmf(
        probs=np.full((3, 3), 1 / 3),
        priorities=np.array([[1.0, 2.0, 2.0]] * 3),
        eligible=np.ones((3, 3), dtype=bool),
        explore=1.0,
    )

    choice = choose(pmf, np.array([0.1, 0.5, 0.9]))

    assert choice.action.tolist() == [0, 1, 2]
    assert choice.explored.tolist() == [True, False, False]


@dataclass(frozen=True)
class Mine:
    given: object
    explore: float = 0.0

    def weights(self, priorities, scores, eligible):
        priorities[:] = np.nan  # a policy that writes into what it is handed harms nobody
        return np.array([[0.5, 0.5, 0.0], self.given]) if self.given else np.ones(3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([0.5, 0.4, 0.0], r"row 1 with sum 0\.9"),
        ([1.5, -0.5, 0.0], "negative"),
        ([np.nan, 1.0, 0.0], "missing"),
        ([0.5, 0.0, 0.5], "ineligible"),
        (None, "shape"),
    ],
)
def test_weights_that_are_no_distribution_are_refused_by_row(scores_of, given, message):
    eligible = np.array([[True, True, False], [True, True, False]])

    with pytest.raises(SelectionError, match=message):
        selection_pmf(Mine(given), priorities=np.zeros((2, 3)), scores=scores_of((2, 3)), eligible=eligible)


def test_a_policy_of_ones_own_is_welcome(scores_of):
    eligible = np.array([[True, True, False], [True, True, False]])
    priorities = np.array([[1.0, 2.0, 3.0]] * 2)

    pmf = selection_pmf(
        Mine([0.25, 0.75, 0.0]), priorities=priorities, scores=scores_of((2, 3)), eligible=eligible
    )

    assert isinstance(Mine(None), Policy)
    assert pmf.probs.tolist() == [[0.5, 0.5, 0.0], [0.25, 0.75, 0.0]]
    assert pmf.priorities.tolist() == [[1.0, 2.0, -np.inf]] * 2
    assert priorities.tolist() == [[1.0, 2.0, 3.0]] * 2


@pytest.mark.parametrize("explore", [-0.1, 1.1, np.nan])
def test_a_share_outside_zero_to_one_is_refused(scores_of, explore):
    with pytest.raises(ArgumentError, match="explore"):
        selection_pmf(
            Mine([1.0, 0.0, 0.0], explore=explore),
            priorities=np.zeros((1, 3)),
            scores=scores_of((1, 3)),
            eligible=np.ones((1, 3), dtype=bool),
        )


def test_a_row_without_an_eligible_action_is_refused(scores_of):
    with pytest.raises(SelectionError, match="row 1"):
        selection_pmf(
            Greedy(),
            priorities=np.zeros((2, 2)),
            scores=scores_of((2, 2)),
            eligible=np.array([[True, True], [False, False]]),
        )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_priority_that_is_no_number_is_refused_only_where_it_could_be_chosen(scores_of, bad):
    priorities, scores = np.array([[0.0, bad]]), scores_of((1, 2))

    with pytest.raises(ArgumentError, match="row 0, action 1"):
        selection_pmf(Greedy(), priorities=priorities, scores=scores, eligible=np.ones((1, 2), dtype=bool))
    alone = selection_pmf(
        InverseGap(), priorities=priorities, scores=scores, eligible=np.array([[True, False]])
    )
    assert alone.probs.tolist() == [[1.0, 0.0]]


def test_keys_and_rows_must_fit():
    with pytest.raises(ArgumentError, match="one a row"):
        draw(row_of(1.0), hcps=["a", "b"], seed=1, at=1)
    with pytest.raises(ArgumentError, match="outside"):
        choose(row_of(1.0), np.array([1.0]))
    with pytest.raises(ArgumentError, match=r"seed=1\.5"):
        keyed_uniforms(["a"], seed=1.5, at=1)
    with pytest.raises(ArgumentError, match="shape"):
        selection_pmf(
            Greedy(), priorities=np.zeros((1, 2)), scores=None, eligible=np.ones((1, 3), dtype=bool)
        )


@pytest.mark.slow
@pytest.mark.parametrize("policy", [InverseGap(optimism=3.0), Thompson(), Softmax(0.5)], ids=repr)
def test_a_million_decisions_occur_as_often_as_their_probabilities_say(policy):
    n, k = 1_000_000, 8
    rng = np.random.default_rng(4)
    margin, spread = rng.normal(-2, 1, (n, k)), rng.uniform(0.1, 0.8, (n, k))
    margin[:, 0], spread[:, 0] = -np.inf, 0.0
    rows = np.full(k, 3.0)
    scores = Scores(margin, spread, rows, np.zeros(k, dtype=bool), responses=np.arange(k) % 4.0)
    eligible = rng.random((n, k)) < 0.7
    eligible[:, 0] = True
    pmf = selection_pmf(policy, priorities=scores.propensity, scores=scores, eligible=eligible)

    choice = draw(pmf, hcps=[f"h{i}" for i in range(n)], seed=3, at=1_700_000_000)

    drawn = pmf.probs[np.arange(n), choice.action]
    assert drawn.tobytes() == choice.selection_prob.tobytes()
    cells = np.minimum((pmf.probs * 20).astype(int), 19)  # pooled by probability and action
    seen = np.bincount(cells[np.arange(n), choice.action] * k + choice.action, minlength=20 * k)
    place = cells * k + np.arange(k)
    mean = np.bincount(place.ravel(), weights=pmf.probs.ravel(), minlength=20 * k)
    variance = np.bincount(place.ravel(), weights=(pmf.probs * (1 - pmf.probs)).ravel(), minlength=20 * k)
    used = variance > 30
    statistic = ((seen - mean)[used] ** 2 / variance[used]).sum()
    assert 1e-4 < chi2.sf(statistic, used.sum()) < 1 - 1e-6
    options = eligible.sum(axis=1)
    noise = np.where(eligible, 1 / np.where(eligible, pmf.probs, 1), 0).sum(axis=1) - options**2
    assert abs((1 / drawn - options).sum()) <= 5 * np.sqrt(noise.sum())
