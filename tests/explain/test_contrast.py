"""The gap between two priorities comes apart exactly, and reps are told no number of it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from nba.contracts import DO_NOTHING, Action, Reason
from nba.errors import ArgumentError
from nba.explain.contrast import Contrast, Part, Side, contrast, for_audience
from nba.explain.wording import load_book

EMAIL, CALL = Action("approved_email", "a"), Action("rep_visit", "b")
KINDS = {"propensity": "times", "value": "times", "lever": "times", "cost": "minus"}
GROUPS = ("email", "topic", "pressure", "market")


def side(action: Action, base: float, weights: list[float], value: float, lever: float, cost: float) -> Side:
    seen = ("rep", "rep", "rep", "restricted")
    reasons = tuple(
        Reason(group, w, 1 if w > 0 else -1, f"said of {group}" if v == "rep" else "", v)  # type: ignore[arg-type]
        for group, w, v in zip(GROUPS, weights, seen, strict=True)
        if w
    )
    p = 1 / (1 + math.exp(-(base + math.fsum(weights))))
    terms = {"propensity": p, "value": value, "lever": lever, "cost": cost}
    return Side(action, terms, KINDS, base, reasons)  # type: ignore[arg-type]


number = st.floats(-3, 3, allow_nan=False)
sides = st.builds(
    lambda base, w, v, lever, c: (base, w, v, lever, c),
    number,
    st.lists(number, min_size=4, max_size=4),
    st.floats(0.1, 20),
    st.floats(0.0, 3),
    st.floats(0, 5),
)


@given(sides, sides)
def test_parts_add_up_to_the_gap(a: tuple, b: tuple) -> None:
    chosen, other = side(EMAIL, *a), side(CALL, *b)

    found = contrast(chosen, other)

    assert abs(math.fsum(p.value for p in found.parts) - (chosen.priority - other.priority)) < 1e-9
    assert abs(found.gap - (chosen.priority - other.priority)) < 1e-9


@given(sides, sides)
def test_a_reasons_part_has_the_sign_of_its_difference_in_log_odds(a: tuple, b: tuple) -> None:
    found = contrast(side(EMAIL, *a), side(CALL, *b))

    for part in found.parts:
        if part.kind == "reason":
            at = GROUPS.index(part.name)
            assert np.sign(part.value) == np.sign(a[1][at] - b[1][at])
            if part.text:
                said = a[1][at] if part.about == "chosen" else -b[1][at]
                assert np.sign(said) == np.sign(part.value)


def test_terms_parts_are_integrals_along_the_straight_way() -> None:
    chosen, other = side(EMAIL, -1, [0.5] * 4, 8, 1.5, 1), side(CALL, -2, [0.1] * 4, 10, 1, 3)
    names = ["propensity", "value", "lever"]

    found = contrast(chosen, other)

    for name in names:
        others = [n for n in names if n != name]

        def product(t: float, others: list[str] = others) -> float:
            return math.prod(other.terms[n] + t * (chosen.terms[n] - other.terms[n]) for n in others)

        expected = (chosen.terms[name] - other.terms[name]) * quad(product, 0, 1)[0]
        parts = [
            p.value for p in found.parts if p.name == name or (name == "propensity" and p.kind != "term")
        ]
        assert math.fsum(parts) == pytest.approx(expected, abs=1e-12)


def test_doing_nothing_is_the_rival_without_response_or_cost() -> None:
    chosen = side(EMAIL, -1, [0.5, 0, 0, 0], 10, 1, 0.5)
    nothing = Side(DO_NOTHING, {"do_nothing": 0.2}, {"do_nothing": "times"})

    found = contrast(chosen, nothing)

    assert found.gap == pytest.approx(chosen.priority - 0.2)
    assert {p.name: p.value for p in found.parts}["cost"] == -0.5
    assert {p.name: p.value for p in found.parts}["do_nothing"] == -0.2
    assert all(p.kind == "term" for p in found.parts)


@given(sides, sides)
def test_without_the_reasons_that_would_change_it_the_other_comes_first(a: tuple, b: tuple) -> None:
    chosen, other = side(EMAIL, *a), side(CALL, *b)

    found = contrast(chosen, other)

    if not found.turns:
        return
    assert all(part.visibility == "rep" and part.text for part in found.turns)

    def priority_without(parts: tuple[Part, ...]) -> float:
        gone = {part.name for part in parts}
        kept = [w for g, w in zip(GROUPS, a[1], strict=True) if g not in gone]
        p = 1 / (1 + math.exp(-(a[0] + math.fsum(kept))))
        return p * a[2] * a[3] - a[4]

    assert priority_without(found.turns) < other.priority + 1e-9
    assert priority_without(found.turns[:-1]) >= other.priority - 1e-9


@given(sides, sides)
def test_a_rep_sees_signs_only_and_nothing_hidden_moves_them(a: tuple, b: tuple) -> None:
    found = for_audience(contrast(side(EMAIL, *a), side(CALL, *b)), "rep")

    assert {abs(part.value) for part in (*found.parts, *found.turns)} <= {1.0}
    assert abs(found.gap) == 1.0
    assert "market" not in repr(found)


def test_words_name_the_part_that_decides() -> None:
    book = load_book()
    for name, value in itertools.product(("cost", "value"), (0.5,)):
        gap = Contrast(EMAIL, CALL, 0.2, (Part("term", name, value), Part("reason", "market", -0.3, "hq")))
        assert gap.deciding(book=book) == book.phrase("contrast", name)
    hidden = Contrast(EMAIL, CALL, 0.2, (Part("reason", "market", 0.2, "restricted"),))
    assert hidden.deciding(book=book) == "a response is less likely"
    assert Contrast(EMAIL, CALL, -0.2, ()).deciding(book=book) == ""


def test_priorities_of_other_terms_cannot_be_compared() -> None:
    chosen = side(EMAIL, -1, [0.5] * 4, 8, 1.5, 1)
    other = Side(CALL, {"propensity": 0.1}, {"propensity": "times"})

    with pytest.raises(ArgumentError, match="the terms"):
        contrast(chosen, other)


def test_many_factors_are_still_exact() -> None:
    rng = np.random.default_rng(5)
    names = [f"t{i}" for i in range(12)]
    kinds = dict.fromkeys(names, "times")
    a, b = (Side(action, dict(zip(names, rng.uniform(0.5, 1.5, 12).tolist(), strict=True)), kinds)  # type: ignore[arg-type]
            for action in (EMAIL, CALL))  # fmt: skip

    assert contrast(a, b).gap == pytest.approx(a.priority - b.priority, abs=1e-12)
