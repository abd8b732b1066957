"""Points add up, keep sign and order, and hiding some moves no other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from nba.contracts import Contributions, Feature, Reason
from nba.errors import ArgumentError
from nba.explain.points import (
    Points,
    explained_points,
    grouped,
    largest_remainders,
    mean_slope,
    points_of,
)

log_odds = st.floats(-30.0, 30.0, allow_nan=False)
parts = st.lists(st.floats(-8.0, 8.0, allow_nan=False), min_size=1, max_size=12)


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x > -700 else 0.0


@given(parts, log_odds)
def test_points_add_up_to_score_less_base(values: list[float], base: float) -> None:
    found = points_of(np.array([values]), np.array([base]))

    assert abs(found.sum() - (sigmoid(base + sum(values)) - sigmoid(base))) < 1e-12


@given(parts, log_odds)
def test_points_have_the_sign_and_the_order_of_the_log_odds(values: list[float], base: float) -> None:
    found = points_of(np.array([values]), np.array([base]))[0]

    assert (np.sign(found) * np.sign(values) >= 0).all()
    assert np.abs(found)[np.argmax(np.abs(values))] == np.abs(found).max()


@given(parts, log_odds, st.integers(1, 11))
def test_putting_parts_together_moves_no_other(values: list[float], base: float, cut: int) -> None:
    together = [*values[:cut], sum(values[cut:])]

    apart = points_of(np.array([values]), np.array([base]))[0]
    merged = points_of(np.array([together]), np.array([base]))[0]

    np.testing.assert_allclose(merged[: len(values[:cut])], apart[:cut], atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_points_are_the_integral_of_slopes_along_the_straight_way(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, base = rng.normal(0, 2, 5), float(rng.normal(-2, 1))

    def slope(t: float) -> float:
        p = sigmoid(base + t * values.sum())
        return p * (1 - p)

    expected = [value * quad(slope, 0, 1, epsabs=1e-12)[0] for value in values]

    np.testing.assert_allclose(points_of(values[None, :], np.array([base]))[0], expected, atol=1e-10)


def test_no_margin_is_too_far_and_no_gap_too_small() -> None:
    start = np.array([-800.0, 800.0, -1500.0, 0.0, 1e-9, 3.0])
    end = np.array([800.0, 800.0, 1500.0, 1e-12, 1e-9, 3.0 + 1e-7])

    slope = mean_slope(start, end)

    np.testing.assert_allclose(slope, [1 / 1600, 0, 1 / 3000, 0.25, 0.25, 0.0451766597], rtol=1e-6)


def random_parts(seed: int, rows: int = 40) -> Contributions:
    rng = np.random.default_rng(seed)
    features = tuple(
        Feature(f"f{j}", f"label {j}", group=f"g{j % 5}", visibility=("rep", "hq", "restricted")[j % 3])
        for j in range(14)
    )
    values, base = rng.normal(0, 0.4, (rows, 14)), rng.normal(-2, 0.5, rows)
    return Contributions(base, values, base + values.sum(axis=1), features)


@pytest.mark.parametrize("audience", ["rep", "hq"])
def test_grouping_keeps_every_rows_sum(audience: str) -> None:
    parts = random_parts(3)

    found = grouped(parts, audience=audience)  # type: ignore[arg-type]

    np.testing.assert_allclose(found.base + found.values.sum(axis=1), parts.margin, atol=1e-12)
    score = 1 / (1 + np.exp(-parts.margin))
    base = 1 / (1 + np.exp(-parts.base))
    np.testing.assert_allclose(found.points.sum(axis=1), score - base, atol=1e-12)


def test_one_row_has_the_bits_it_has_in_a_batch() -> None:
    parts = random_parts(4)
    one = Contributions(parts.base[7:8], parts.values[7:8], parts.margin[7:8], parts.features)

    assert (grouped(one).points == grouped(parts).points[7:8]).all()


def test_a_rep_gets_hidden_groups_as_one_nameless_one() -> None:
    found = grouped(random_parts(5), audience="rep")

    assert found.names == ("g0", "g1", "g2", "g3", "g4", "other approved factors")
    assert set(found.visibility) == {"rep", "restricted"}


@given(
    st.lists(st.floats(-40, 40, allow_nan=False), min_size=0, max_size=9),
    st.floats(0.0, 100.0),
    st.integers(0, 2),
)
def test_printed_points_add_up_to_the_printed_score_and_no_sign_turns(
    values: list[float], base: float, decimals: int
) -> None:
    exact = Points(base, base + math.fsum(values), tuple((f"g{i}", v) for i, v in enumerate(values)))

    shown = exact.rounded(decimals)

    unit = 10.0**-decimals
    assert abs(shown.base + sum(v for _, v in shown.parts) - shown.score) < unit / 4 + 1e-9
    for (_, before), (_, after) in zip(exact.parts, shown.parts, strict=True):
        assert before * after >= 0.0
        assert abs(before - after) < unit * 1.000001


def test_parts_of_another_total_are_refused() -> None:
    with pytest.raises(ArgumentError, match="cannot be rounded"):
        largest_remainders([1.0, 2.0], total=9)


def test_a_receipts_points_are_those_of_its_contributions() -> None:
    parts = random_parts(6)
    found = grouped(parts, audience="hq")
    reasons = [
        Reason(name, value, 1 if value > 0 else -1, "", seen)
        for name, seen, value in zip(found.names, found.visibility, found.values[0].tolist(), strict=True)
    ]

    shown = explained_points(reasons, propensity=sigmoid(float(parts.margin[0])))

    assert shown is not None
    assert abs(shown.base / 100 - sigmoid(float(parts.base[0]))) < 1e-12
    assert abs(shown.base + sum(v for _, v in shown.parts) - shown.score) < 1e-9


def test_a_propensity_of_one_has_no_log_odds_to_explain() -> None:
    assert explained_points((), propensity=1.0) is None
