"""An additive basis: each feature becomes a few known curves."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from nba.contracts import Feature
from nba.models import Basis
from nba.models.basis import FADE, HINGE, LEAST_WIDTH, LINEAR, LOG, MISSING, POSITIVE, WIDEST

UNITS = ("count", "days", "share", "flag", "number")
numbers = st.floats(-1e15, 1e15) | st.just(np.nan)


def features(*units: str) -> list[Feature]:
    return [Feature(f"f{j}", f"f{j}", unit=unit) for j, unit in enumerate(units)]


def by_hand(basis: Basis, x: float, c: int) -> float:
    """One curve, written out a second way."""
    kind, scale = basis.kind[c], basis.scale[c]
    if np.isnan(x) and kind != MISSING:
        return 0.0
    x = np.clip(x, -1e12, 1e12)
    value = {
        LINEAR: lambda: x,
        LOG: lambda: np.sign(x) * np.log1p(np.abs(x) / scale),
        POSITIVE: lambda: float(x > 0),
        MISSING: lambda: float(np.isnan(x)),
        FADE: lambda: np.exp(-max(x, 0.0) / scale),
        HINGE: lambda: x - scale if x > scale else 0.0,
    }[kind]()
    return float(np.clip((value - basis.center[c]) / basis.width[c], -WIDEST, WIDEST))


@settings(deadline=None, max_examples=60)  # the first call compiles
@given(st.lists(st.tuples(*[numbers] * len(UNITS)), min_size=1, max_size=20))
def test_every_curve_is_what_its_formula_says(rows):
    x = np.array(rows, dtype=float)
    basis = Basis.fit(features(*UNITS), x)

    curves = basis.expand(x)

    expected = [[by_hand(basis, row[basis.source[c]], c) for c in range(len(basis))] for row in x]
    assert_allclose(curves, np.array(expected).reshape(curves.shape), rtol=1e-12, atol=1e-12)


def test_curves_are_centred_and_scaled_over_the_rows_where_they_are_defined():
    x = np.random.default_rng(0).exponential(30.0, size=(500, 2))
    x[::7] = np.nan

    curves = Basis.fit(features("days", "number"), x).expand(x)

    assert_allclose(curves.mean(axis=0), 0.0, atol=1e-9)
    assert np.all(curves.std(axis=0) <= 1.0 + 1e-9)


def test_a_missing_value_moves_only_the_curve_that_says_so():
    x = np.array([[1.0], [40.0], [np.nan]])
    basis = Basis.fit(features("days"), x)

    curves = basis.expand(np.array([[np.nan]]))[0]

    assert_array_equal(curves[basis.kind != MISSING], 0.0)
    assert curves[basis.kind == MISSING] > 0


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e6, 123456.789, -1e12])
def test_a_constant_column_is_dropped_however_large(value):
    x = np.full((1000, 2), value)
    x[:, 1] = np.arange(1000)

    basis = Basis.fit(features("number", "number"), x)

    assert basis.constant == (0,)
    assert set(basis.source.tolist()) == {1}


def test_an_all_missing_column_is_dropped():
    assert Basis.fit(features("days"), np.full((10, 1), np.nan)).constant == (0,)


def test_a_rare_flag_is_no_difference_of_thirty_spreads():
    x = np.zeros((1000, 1))
    x[0] = 1.0

    assert Basis.fit(features("flag"), x).expand(np.array([[1.0]]))[0, 0] <= 1 / LEAST_WIDTH


def test_a_number_of_unknown_unit_may_change_its_slope_at_its_quartiles():
    x = np.random.default_rng(0).normal(size=(401, 1))

    basis = Basis.fit(features("number"), x)

    ordered = np.sort(x[:, 0])
    assert (np.diff(Basis.fit(features("number", "days", "number"), np.hstack([x, x, x])).source) >= 0).all()
    assert sorted(basis.scale[basis.kind == HINGE].tolist()) == [ordered[100], ordered[200], ordered[300]]
    design = np.column_stack([np.ones(401), basis.expand(x)])
    for shape in (np.abs(x[:, 0] - ordered[200]), x[:, 0], np.maximum(x[:, 0] - ordered[300], 0)):
        left = shape - design @ np.linalg.lstsq(design, shape, rcond=None)[0]
        assert np.abs(left).max() < 1e-9


@pytest.mark.parametrize("unit", ["count", "days", "share", "flag"])
def test_what_has_a_unit_keeps_the_shape_of_that_unit(unit):
    x = np.random.default_rng(0).exponential(2.0, size=(100, 1))

    assert HINGE not in Basis.fit(features(unit), x).kind


def test_a_number_that_takes_two_values_has_no_bend_between_them():
    x = np.tile([[0.0], [1.0], [np.nan]], (20, 1))

    assert HINGE not in Basis.fit(features("number"), x).kind


def test_one_odd_cell_stays_within_bounds():
    basis = Basis.fit(features("number"), np.array([[0.0], [1.0], [2.0]]))

    assert np.abs(basis.expand(np.array([[1e300], [-1e300]]))).max() <= WIDEST


def test_single_precision_and_double_give_the_same_bits():
    x = np.random.default_rng(0).normal(size=(50, 1)).astype(np.float32)

    basis = Basis.fit(features("number"), x)

    assert_array_equal(basis.expand(x), basis.expand(x.astype(float)))


def test_state_is_plain_and_comes_back():
    x = np.random.default_rng(0).normal(size=(50, 5))
    basis = Basis.fit(features(*UNITS), x)

    plain, arrays = basis.to_state("shared")
    back = Basis.from_state((json.loads(json.dumps(plain)), arrays), "shared")

    assert_array_equal(back.expand(x), basis.expand(x))


def test_no_columns_and_no_rows_are_fine():
    assert Basis.fit([], np.zeros((3, 0))).expand(np.zeros((3, 0))).shape == (3, 0)
    assert Basis.fit(features("count"), np.zeros((0, 1))).constant == (0,)
