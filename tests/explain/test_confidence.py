"""Bands and comparisons say no more than the score can bear."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.contracts import DO_NOTHING
from nba.errors import ArgumentError
from nba.explain.confidence import Reference, band, comparison
from nba.explain.example import example_receipt
from nba.explain.wording import load_book

USUAL = Reference(0.04)
BOOK = load_book()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"propensity": 0.12, "spread": 0.3}, "High"),
        ({"propensity": 0.12, "spread": 1.5}, "Medium"),
        ({"propensity": 0.03, "spread": 0.1}, "Low"),
        ({"propensity": 0.12, "spread": 0.1, "prior_only": True}, "Low"),
        ({"propensity": 0.12, "spread": None}, "Low"),
        ({"propensity": 0.12, "spread": 0.1, "explored": True}, "Test"),
        ({"propensity": None, "spread": None, "action": DO_NOTHING}, None),
        ({"propensity": 1.0, "spread": 0.1}, "Low"),
    ],
)
def test_the_band_follows_propensity_and_spread(changes: dict[str, object], expected: str | None) -> None:
    assert band(example_receipt(**changes), reference=USUAL) == expected


def test_nothing_is_high_without_something_to_compare_with() -> None:
    assert band(example_receipt(spread=0.01)) == "Medium"
    assert band(example_receipt(spread=0.9)) == "Low"


@given(st.floats(0.001, 0.999), st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_a_wider_spread_never_raises_the_band(propensity: float, a: float, b: float) -> None:
    order = ["Low", "Medium", "High"]
    narrow, wide = sorted((a, b))

    bands = [band(example_receipt(propensity=propensity, spread=s), reference=USUAL) for s in (narrow, wide)]

    assert order.index(str(bands[0])) >= order.index(str(bands[1]))


@pytest.mark.parametrize(
    ("propensity", "said"),
    [
        (0.005, "Under half the usual"),
        (0.02, "About half the usual"),
        (0.042, "About the usual"),
        (0.06, "About 1½× the usual"),
        (0.12, "About 3× the usual"),
        (0.39, "About 10× the usual"),
        (0.9, "More than 10× the usual"),
    ],
)
def test_comparisons_are_rounded_to_halves(propensity: float, said: str) -> None:
    assert comparison(propensity, USUAL, book=BOOK) == f"{said} response rate across all HCPs"


@given(st.floats(0.0, 1.0), st.floats(0.001, 0.999))
def test_no_comparison_has_decimals(propensity: float, rate: float) -> None:
    assert not re.search(r"\d[.,]\d", comparison(propensity, Reference(rate), book=BOOK))


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_a_reference_is_a_rate(rate: float) -> None:
    with pytest.raises(ArgumentError, match="not between 0 and 1"):
        Reference(rate)


def test_an_unknown_population_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ArgumentError, match=r"'planet'.*specialty"):
        comparison(0.1, Reference(0.04, "planet"), book=BOOK)
