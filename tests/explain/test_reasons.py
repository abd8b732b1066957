"""Reasons add up, agree in sign, and never speak of what is hidden."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.contracts import Contributions, Evidence, Feature, Reason
from nba.errors import ArgumentError
from nba.explain.reasons import OTHER_FACTORS, WORTH_SAYING, for_rep, reasons, select

GROUPS = ["channel_response", "topic_interest", "contact_pressure", "profile"]


@st.composite
def catalogues(draw: st.DrawFn, max_size: int = 12) -> tuple[Feature, ...]:
    size = draw(st.integers(0, max_size))
    return tuple(
        Feature(
            name=f"f{i}",
            label=f"label {'abcdefghijkl'[i]}",
            visibility=draw(st.sampled_from(["rep", "rep", "hq", "restricted"])),
            group=draw(st.sampled_from(GROUPS)),
            wording=draw(st.sampled_from(["count", "rate", "recency", "streak", "attribute", ""])),
            window_days=draw(st.sampled_from([None, 30, 90])),
        )
        for i in range(size)
    )


@st.composite
def explained(draw: st.DrawFn) -> tuple[Contributions, dict[str, Evidence]]:
    features = draw(catalogues())
    values = np.array([[draw(st.floats(-5, 5)) for _ in features]]).reshape(1, len(features))
    base = draw(st.floats(-6, 2))
    margin = math.fsum([base, *values[0]])
    evidence = {
        f.name: Evidence(draw(st.integers(0, 20)), of=20, days_ago=3.0)
        for f in features
        if draw(st.booleans())
    }
    return Contributions(np.array([base]), values, np.array([margin]), features), evidence


@given(explained(), st.sampled_from(["rep", "hq"]))
def test_reasons_add_up_to_margin_minus_base(
    case: tuple[Contributions, dict[str, Evidence]], audience: str
) -> None:
    parts, evidence = case

    found = reasons(parts, 0, evidence=evidence, audience=audience)  # type: ignore[arg-type]

    assert math.fsum(r.log_odds for r in found) == pytest.approx(parts.margin[0] - parts.base[0], abs=1e-9)


@given(explained())
def test_every_group_is_the_plain_sum_of_its_features_and_has_its_sign(
    case: tuple[Contributions, dict[str, Evidence]],
) -> None:
    parts, evidence = case

    for reason in reasons(parts, 0, evidence=evidence, audience="hq"):
        plain = sum(float(v) for v, f in zip(parts.values[0], parts.features, strict=True)
                    if (f.group, f.visibility) == (reason.group, reason.visibility))  # fmt: skip
        assert reason.log_odds == pytest.approx(plain, abs=1e-9)
        assert reason.sign == np.sign(reason.log_odds)


@given(explained(), st.randoms(use_true_random=False))
def test_the_order_of_columns_does_not_matter(
    case: tuple[Contributions, dict[str, Evidence]], rng: object
) -> None:
    parts, evidence = case
    order = list(range(len(parts.features)))
    rng.shuffle(order)  # type: ignore[attr-defined]
    shuffled = replace(parts, values=parts.values[:, order], features=tuple(parts.features[i] for i in order))

    assert reasons(shuffled, 0, evidence=evidence) == reasons(parts, 0, evidence=evidence)


@given(explained())
def test_hidden_features_are_one_nameless_wordless_reason(
    case: tuple[Contributions, dict[str, Evidence]],
) -> None:
    parts, evidence = case

    found = reasons(parts, 0, evidence=evidence)

    hidden = [reason for reason in found if reason.visibility != "rep"]
    assert len(hidden) <= 1
    assert all((reason.group, reason.text) == (OTHER_FACTORS, "") for reason in hidden)


@given(explained())
def test_reasons_kept_for_head_office_give_the_rep_the_same_reasons(
    case: tuple[Contributions, dict[str, Evidence]],
) -> None:
    parts, evidence = case

    kept = for_rep(reasons(parts, 0, evidence=evidence, audience="hq"))
    made = reasons(parts, 0, evidence=evidence)

    shown = [[r for r in each if r.visibility == "rep"] for each in (kept, made)]
    assert shown[0] == shown[1]
    totals = [math.fsum(r.log_odds for r in each if r.visibility != "rep") for each in (kept, made)]
    assert totals[0] == pytest.approx(totals[1], abs=1e-12)


def one_row(values: list[float], features: list[Feature]) -> Contributions:
    return Contributions(
        np.array([-2.0]), np.array([values]), np.array([-2.0 + math.fsum(values)]), tuple(features)
    )


def test_the_words_come_from_the_strongest_feature_that_agrees_and_has_counts() -> None:
    features = [
        Feature("against", "pushes", group="g", wording="count"),
        Feature("no_counts", "visits", group="g", wording="count"),
        Feature("weak", "emails", group="g", wording="count"),
        Feature("strong", "webinars", group="g", wording="count"),
        Feature("unseen", "scripts", group="g", wording="count", visibility="hq"),
    ]
    counts = {name: Evidence(3) for name in ("against", "weak", "strong", "unseen")}

    found = reasons(one_row([-0.9, 0.8, 0.2, 0.5, 2.0], features), 0, evidence=counts)

    assert [(r.group, r.text) for r in found] == [(OTHER_FACTORS, ""), ("g", "3 webinars so far")]


def test_a_group_that_adds_nothing_is_no_reason() -> None:
    features = [Feature("a", "a", group="g"), Feature("b", "b", group="g"), Feature("c", "c", group="h")]

    assert [r.group for r in reasons(one_row([0.5, -0.5, 0.1], features), 0, evidence={})] == ["h"]


def test_head_office_sees_restricted_groups_without_words() -> None:
    sales = Feature("sales", "units", group="sales", wording="count", visibility="restricted")
    net = Feature("net", "peers", group="network", wording="count", visibility="hq")

    found = reasons(one_row([0.5, 0.4], [sales, net]), 0, audience="hq",
                    evidence={"sales": Evidence(3), "net": Evidence(2)})  # fmt: skip

    assert [(r.group, r.text) for r in found] == [("sales", ""), ("network", "2 peers so far")]


def reason(log_odds: float, text: str = "x", visibility: str = "rep", group: str = "g") -> Reason:
    return Reason(group, log_odds, 1 if log_odds > 0 else -1, text, visibility)  # type: ignore[arg-type]


def test_a_card_shows_three_for_and_one_against() -> None:
    found = [reason(0.1 * i, f"for {i}") for i in range(1, 6)] + [
        reason(-0.1 * i, f"no {i}") for i in range(1, 4)
    ]

    shown = select(found)

    assert [r.text for r in shown.why] == ["for 5", "for 4", "for 3"]
    assert [r.text for r in shown.watch] == ["no 3"]
    assert shown.coverage == pytest.approx((0.5 + 0.4 + 0.3 + 0.3) / (1.5 + 0.6))


def test_under_half_of_the_picture_is_mixed() -> None:
    assert select([reason(0.4), reason(0.6, "")]).is_mixed
    assert not select([reason(0.6), reason(0.4, "")]).is_mixed
    assert not select([]).is_mixed


def test_the_hidden_part_is_small_or_large_and_has_no_sign() -> None:
    assert [select([reason(1.0), reason(h, "", "restricted")]).hidden for h in (0.1, -0.1, 0.9, -0.9)] == [
        "small", "small", "large", "large",
    ]  # fmt: skip
    assert select([reason(1.0)]).hidden == ""


def test_what_weighs_next_to_nothing_is_not_said_and_nothing_is_said_twice() -> None:
    found = [reason(0.5, "a"), reason(0.4, "a", group="h"), reason(WORTH_SAYING / 2, "b")]

    assert [r.text for r in select(found).why] == ["a"]


@pytest.mark.parametrize(
    ("row", "audience", "values", "margin", "named"),
    [
        (1, "rep", [0.5], -1.5, "Row 1"),
        (-1, "rep", [0.5], -1.5, "Row -1"),
        (0, "manager", [0.5], -1.5, "'manager'"),
        (0, "rep", [math.nan], -1.5, "not finite"),
        (0, "rep", [0.5], -1.4, "miss the margin"),
        (0, "rep", [0.5, 0.0], -1.5, "2 columns and 1 features"),
    ],
)
def test_what_cannot_be_explained_is_refused(
    row: int, audience: str, values: list[float], margin: float, named: str
) -> None:
    parts = Contributions(np.array([-2.0]), np.array([values]), np.array([margin]), (Feature("a", "a"),))

    with pytest.raises(ArgumentError, match=named):
        reasons(parts, row, evidence={}, audience=audience)  # type: ignore[arg-type]
