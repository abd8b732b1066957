"""Off-policy values: known answers, no bias, honest intervals, and refusals."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from nba import policies
from nba.contracts import Scores
from nba.errors import ArgumentError, NBAWarning, SelectionError
from nba.evaluation import Logged, chosen_probs, clustered_mean, ips, snips

OPEN_BANDIT = Path(__file__).parents[3] / "shared" / "data" / "open_bandit"
RATES = np.array([0.05, 0.1, 0.2, 0.4])
"""True response rates of four actions, before what an HCP adds."""


def quietly(estimator, logged, **settings):
    with warnings.catch_warnings(action="ignore", category=NBAWarning):
        return estimator(logged, **settings)


def logging_pmf(rng, rows):
    """A policy of ours over four actions, of which the first three or all are eligible."""
    priorities = rng.normal(RATES, 0.15, (rows, 4))
    eligible = np.ones((rows, 4), dtype=bool)
    scores = Scores(np.zeros((rows, 4)), np.ones((rows, 4)), np.ones(4), np.zeros(4, dtype=bool))
    weights = policies.InverseGap(explore=0.2).weights(priorities, scores, eligible)
    return 0.8 * weights + 0.2 / 4


def world(rng, hcps=60, touches=5):
    """A log of a policy of ours, and the truth about another that takes the first action most often."""
    rows = hcps * touches
    who = np.repeat(np.arange(hcps), touches)
    rates = np.clip(RATES + rng.normal(0, 0.04, hcps)[who, None], 0, 1)
    pmf = logging_pmf(rng, rows)
    action = (pmf.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
    reward = (rng.random(rows) < rates[np.arange(rows), action]).astype(float)
    target = np.tile([0.4, 0.3, 0.2, 0.1], (rows, 1))
    truth = (target * rates).sum(axis=1).mean()
    logged = Logged(reward, pmf[np.arange(rows), action], chosen_probs(target, action), who)
    return logged, truth


def test_three_decisions_computed_by_hand():
    logged = Logged([1.0, 0.0, 1.0], [0.5, 0.25, 0.5], [0.25, 0.5, 1.0], ["a", "b", "c"])

    one, other = quietly(ips, logged), quietly(snips, logged)

    assert logged.weight.tolist() == [0.5, 2.0, 2.0]
    assert one.value.mean == pytest.approx((0.5 + 0 + 2) / 3)
    assert other.value.mean == pytest.approx((0.5 + 0 + 2) / (0.5 + 2 + 2))
    assert one.ess == other.ess == pytest.approx(4.5**2 / (0.25 + 4 + 4))
    assert one.rewarded == pytest.approx(2.5**2 / (0.25 + 4))
    assert one.mean_weight.mean == pytest.approx(1.5)
    assert one.better_by.mean == pytest.approx(2.5 / 3 - 2 / 3)


def test_values_are_right_on_average_and_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(11)
    off, covered = {ips: [], snips: []}, {ips: 0, snips: 0}

    for _ in range(600):
        logged, truth = world(rng)
        for estimator in (ips, snips):
            found = quietly(estimator, logged)
            off[estimator].append(found.value.mean - truth)
            covered[estimator] += found.value.low <= truth <= found.value.high

    for estimator, errors in off.items():
        spread = np.std(errors)
        assert abs(np.mean(errors)) < 3 * spread / np.sqrt(600)  # three standard errors of the mean of 600
        assert 0.92 <= covered[estimator] / 600 <= 0.98


def test_ignoring_the_logged_probabilities_would_be_wrong():
    rng = np.random.default_rng(12)

    found = [(logged.reward.mean() - truth, quietly(ips, logged).value.mean - truth)
             for logged, truth in (world(rng) for _ in range(100))]  # fmt: skip

    naive, weighted = np.mean(found, axis=0)
    assert abs(naive) > 5 * abs(weighted)


def test_the_logs_own_policy_is_worth_what_it_earned():
    rng = np.random.default_rng(3)
    probs, reward, who = rng.uniform(0.1, 1, 400), rng.random(400), np.arange(400) % 90

    for estimator in (ips, snips):
        found = quietly(estimator, Logged(reward, probs, probs, who))
        assert found.value.mean == pytest.approx(reward.mean(), abs=1e-12)
        assert found.ess == pytest.approx(400)
        assert (found.better_by.low, found.better_by.high) == pytest.approx((0, 0), abs=1e-12)


def test_snips_stays_within_the_rewards_and_moves_with_their_unit():
    logged, _ = world(np.random.default_rng(5))
    in_cents = Logged(100 * logged.reward + 7, logged.selection_prob, logged.target_prob, logged.cluster)

    one, other = quietly(snips, logged).value, quietly(snips, in_cents).value

    assert 0 <= one.mean <= 1
    assert other.mean == pytest.approx(100 * one.mean + 7)
    assert other.high - other.low == pytest.approx(100 * (one.high - one.low))


def test_a_good_log_gives_no_warning():
    logged, _ = world(np.random.default_rng(6), hcps=200)

    with warnings.catch_warnings(action="error"):
        assert ips(logged).ess > 100


def test_clipping_happens_only_when_asked_and_is_stated():
    logged, _ = world(np.random.default_rng(7))
    largest = logged.weight.max()

    as_is, clipped = quietly(ips, logged), quietly(ips, logged, clip=1.5)

    assert as_is.clip is None
    assert "clipped" not in str(as_is)
    assert clipped.clipped == (logged.weight > 1.5).sum() > 0
    assert f"{clipped.clipped} weights clipped at 1.5" in str(clipped)
    assert clipped.largest_weight == largest
    assert clipped.ess > as_is.ess
    assert clipped.value.mean == pytest.approx((np.minimum(logged.weight, 1.5) * logged.reward).mean())


def test_rows_of_one_hcp_are_not_counted_as_independent():
    rng = np.random.default_rng(8)
    once = Logged((rng.random(150) < 0.3).astype(float), np.full(150, 0.5), np.full(150, 0.5), np.arange(150))
    tenfold = Logged(*(np.repeat(part, 10) for part in (once.reward, once.selection_prob, once.target_prob)),
                     np.repeat(once.cluster, 10))  # fmt: skip

    one, other = quietly(snips, once).value, quietly(snips, tenfold).value

    assert (other.low, other.high) == pytest.approx((one.low, one.high))


GOOD = {
    "reward": [1.0, 0.0, 0.0],
    "selection_prob": [0.5, 0.2, 0.3],
    "target_prob": [0.1, 0.2, 0.0],
    "cluster": ["a", "b", "b"],
}


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"selection_prob": None}, SelectionError, "models can still be trained"),
        ({"selection_prob": [np.nan] * 3}, SelectionError, "holds no selection probabilities"),
        ({"selection_prob": [0.5, np.nan, 0.5]}, SelectionError, r"1 of 3 .* \(first: row 1\)"),
        ({"selection_prob": [0.5, 0.2, 0.0]}, SelectionError, r"outside \(0, 1\]: 1 of 3 rows, first row 2"),
        ({"selection_prob": [0.5, -0.2, 0.0]}, SelectionError, "2 of 3 rows, first row 1"),
        ({"selection_prob": [1.2, 0.2, 0.1]}, SelectionError, "first row 0"),
        ({"selection_prob": [np.inf, 0.2, 0.1]}, SelectionError, "first row 0"),
        ({"target_prob": [0.1, 1.2, 0.1]}, SelectionError, r"target_prob has values outside \[0, 1\]"),
        ({"target_prob": [0.1, np.nan, 0.1]}, SelectionError, "first row 1"),
        ({"target_prob": [0.0, 0.0, 0.0]}, SelectionError, "not identified"),
        ({"reward": [1.0, np.nan, 0.0]}, ArgumentError, "pending and censored"),
        ({"reward": [1.0, np.inf, 0.0]}, ArgumentError, "1 of 3 rewards"),
        ({"reward": [1.0, 0.0]}, ArgumentError, "one number a decision"),
        ({"cluster": ["a", "a", "a"]}, ArgumentError, "at least two HCPs"),
        ({name: [] for name in GOOD}, ArgumentError, "no decisions"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_before_any_work(change, error, said):
    with pytest.raises(error, match=said):
        Logged(**(GOOD | change))


@pytest.mark.parametrize("settings", [{"clip": 0}, {"clip": float("nan")}, {"level": 95}])
@pytest.mark.parametrize("estimator", [ips, snips])
def test_settings_that_mean_nothing_are_refused(estimator, settings):
    with pytest.raises(ArgumentError, match="expected"):
        estimator(Logged(**GOOD), **settings)


def warned(logged):
    with pytest.warns(NBAWarning) as caught:
        ips(logged)
    return " ".join(str(each.message) for each in caught)


def test_a_small_effective_sample_is_said_with_its_numbers():
    probs = np.full(5_000, 0.5)
    probs[0] = 0.0005
    reward = np.tile([0.0, 1.0], 2_500)

    said = warned(Logged(reward, probs, np.full(5_000, 0.5), np.arange(5_000)))

    by_hand = (1_000 + 4_999) ** 2 / (1_000**2 + 4_999)
    assert f"{by_hand:.1f} of 5000 decisions, 2500.0 of them rewarded" in said


def test_few_rewarded_decisions_are_said():
    reward = np.zeros(5_000)
    reward[:3] = 1

    said = warned(Logged(reward, np.full(5_000, 0.5), np.full(5_000, 0.5), np.arange(5_000)))

    assert "3.0 of them rewarded" in said


def test_tiny_probabilities_are_said():
    probs = np.full(500, 0.5)
    probs[3] = 1e-12

    assert "1 of 500 selection probabilities are below 1e-06" in warned(
        Logged(np.ones(500), probs, np.full(500, 0.5), np.arange(500))
    )


def test_a_log_that_never_had_a_choice_is_said():
    said = warned(Logged(np.ones(500), np.ones(500), np.full(500, 0.7), np.arange(500)))

    assert "the log never had a choice" in said


def test_weights_that_do_not_average_to_one_are_said():
    rng = np.random.default_rng(9)
    action = rng.integers(0, 2, 2_000)  # the target mostly takes a third action, which was never logged
    target = np.array([0.1, 0.2, 0.7])[action]

    said = warned(Logged((action == 1).astype(float), np.full(2_000, 0.5), target, np.arange(2_000)))

    assert "Weights average 0.3" in said


def test_warnings_point_at_the_line_that_asked():
    with pytest.warns(NBAWarning) as caught:
        snips(Logged(**GOOD))

    assert {Path(each.filename).name for each in caught} == {"test_offpolicy.py"}


def test_the_probability_of_the_logged_action_comes_from_a_checked_pmf():
    pmf = np.array([[0.2, 0.8], [0.5, 0.4]])

    with pytest.raises(SelectionError, match=r"1 rows .* row 1 sums to 0\.9"):
        chosen_probs(pmf, np.array([0, 1]))
    with pytest.raises(SelectionError, match="first row 0"):
        chosen_probs(np.array([[1.2, -0.2]]), np.array([0]))
    with pytest.raises(ArgumentError, match="outside the 2 columns"):
        chosen_probs(pmf[:1], np.array([2]))
    with pytest.raises(ArgumentError, match="n integers"):
        chosen_probs(pmf, np.array([0.0, 1.0]))


@pytest.fixture(scope="module")
def bandit():
    pd = pytest.importorskip("pandas")
    if not (OPEN_BANDIT / "bts_men.parquet").exists():
        pytest.skip("the Open Bandit data are not in ../shared/data/open_bandit")
    return lambda name: pd.read_parquet(OPEN_BANDIT / f"{name}_men.parquet")


def test_on_a_real_log_the_value_of_the_other_policy_is_that_of_its_own_log(bandit):
    """Thompson sampling's log says what uniform choice among 34 items earns; a uniform log says it too."""
    other, own = bandit("bts"), bandit("random")
    people = other.filter(like="user_feature").astype(str).agg("|".join, axis=1).to_numpy()
    logged = Logged(other["reward"], other["propensity"], np.full(len(other), 1 / 34), people)

    plain, normalised = quietly(ips, logged), quietly(snips, logged)

    # As published with the data, computed by other hands.
    assert plain.value.mean == pytest.approx(0.0030, abs=5e-5)
    assert normalised.value.mean == pytest.approx(0.0032, abs=5e-5)
    assert plain.ess == pytest.approx(656, abs=0.5)
    truth = clustered_mean(own["reward"].to_numpy(float), np.arange(len(own)))
    for found in (plain.value, normalised.value):
        # Both are estimates from logs of their own; the reach of a difference adds up in squares.
        reach = np.hypot(found.high - found.mean, truth.high - truth.mean)
        assert abs(found.mean - truth.mean) < reach < 0.003
    assert normalised.better_by.mean < 0  # Thompson sampling earned more than uniform choice
