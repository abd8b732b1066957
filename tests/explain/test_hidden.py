"""What a rep must not see is in no form and no export, whatever the model, the words and the table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nba import explain
from nba.contracts import Action, Contributions, Evidence, Facet, Feature, Receipt
from nba.errors import ArgumentError
from nba.explain.example import example_inputs, example_receipt

KINDS = ("count", "rate", "recency", "streak", "attribute", "fit", "")
REASONS = {"not relevant to HCP": "negative", "already done": "censored", "safety report": "safety"}
hidden_word = st.text(alphabet="qxzj", min_size=7, max_size=12)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Contributions, dict[str, Evidence], str, list[str]]:
    """Random models: visible features, hidden ones with names that occur nowhere else, and a language."""
    n_seen, n_hidden = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    words = draw(st.lists(hidden_word, min_size=3 * n_hidden, max_size=3 * n_hidden, unique=True))
    features, evidence = [], {}
    for i in range(n_seen):
        kind = draw(st.sampled_from(KINDS))
        features.append(Feature(f"seen{i}", f"contacts by way {i}", group=f"group {i % 3}", wording=kind,
                                window_days=90))  # fmt: skip
    for i in range(n_hidden):
        name, label, group = words[3 * i : 3 * i + 3]
        shared = draw(st.booleans())  # a hidden feature may share its group with visible ones
        features.append(
            Feature(name, label, group="group 0" if shared else group, wording=draw(st.sampled_from(KINDS)),
                    visibility=draw(st.sampled_from(["hq", "restricted"])), window_days=90)
        )  # fmt: skip
    for feature in features:
        evidence[feature.name] = Evidence(draw(st.integers(0, 9)), of=draw(st.integers(9, 20)), days_ago=3.0)
    values = np.array([draw(st.lists(st.floats(-2, 2), min_size=len(features), max_size=len(features)))])
    base = np.array([draw(st.floats(-4, 1))])
    language = draw(st.sampled_from(["en", "de"]))
    return Contributions(base, values, base + values.sum(axis=1), tuple(features)), evidence, language, words


def receipt_of(parts: Contributions, evidence: dict[str, Evidence], language: str) -> Receipt:
    book = explain.load_book(language)
    found = explain.reasons(parts, 0, evidence=evidence, audience="hq", book=book)
    return example_receipt(
        reasons=found, propensity=float(1 / (1 + np.exp(-parts.margin[0]))), book=book.digest
    )


def contrast_of(parts: Contributions, receipt: Receipt) -> explain.Contrast:
    kinds: Any = {"propensity": "times", "cost": "minus"}
    mine = explain.Side(receipt.action, {"propensity": receipt.propensity or 0.0, "cost": 0.1}, kinds,
                        float(parts.base[0]), receipt.reasons)  # fmt: skip
    other = explain.Side(Action("rep_visit", "x"), {"propensity": 0.02, "cost": 0.2}, kinds, -3.9, ())
    return explain.contrast(mine, other)


def drawn(axes: Any) -> str:
    """Everything written in a figure."""
    from matplotlib.text import Text

    return "\n".join(part.get_text() for part in axes.figure.findobj(Text))


def forms_for_a_rep(
    parts: Contributions, evidence: dict[str, Evidence], language: str
) -> Iterator[tuple[str, str]]:
    book = explain.load_book(language)
    receipt = receipt_of(parts, evidence, language)
    gap = contrast_of(parts, receipt)
    card = explain.build_card(receipt, contrast=gap, book=book, dismiss_reasons=REASONS, **example_inputs())
    brief = explain.build_brief(receipt, friction=[Facet("declined", 2.0, n=2.0)], book=book)
    sheet = explain.build_sheet([card], priorities=[1.0], title="t", book=book)
    for name, told in (("card", card), ("brief", brief), ("sheet", sheet)):
        yield f"{name}.text", told.text
        yield f"{name}.markdown", told.markdown
        yield f"{name}.dict", json.dumps(told.to_dict())
        yield f"{name}.html", told.to_html()
        yield f"{name}._repr_html_", told._repr_html_()
        yield f"{name}.repr", repr(told)
    yield (
        "contrast",
        repr(explain.for_audience(gap, "rep")) + gap.deciding(book=book) + gap.turning(book=book),
    )
    yield "grouped", repr(explain.grouped(parts, audience="rep").names)
    yield "reasons", repr(explain.reasons(parts, 0, evidence=evidence, book=book))
    for name, rows in explain.veeva([receipt], [card]).items():
        yield name, explain.to_csv(rows) + json.dumps(rows)
    yield "salesforce", explain.to_csv(explain.salesforce([receipt], [card]))
    yield "journey", explain.to_jsonl(explain.journey([receipt], [card]))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_no_form_or_export_for_a_rep_names_a_hidden_feature(world: Any) -> None:
    parts, evidence, language, words = world

    for name, form in forms_for_a_rep(parts, evidence, language):
        for word in words:
            assert word not in form, name


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_a_cards_numbers_add_up_and_its_signs_agree_and_its_sentences_are_short(world: Any) -> None:
    parts, evidence, language, _ = world
    receipt = receipt_of(parts, evidence, language)
    book = explain.load_book(language)

    for audience in ("rep", "hq"):
        card = explain.build_card(receipt, audience=audience, book=book)  # type: ignore[arg-type]
        sums: dict[str, float] = {}
        for reason in receipt.reasons:
            if reason.text:
                sums[reason.text] = max(sums.get(reason.text, -9.0), reason.log_odds)
        assert all(sums[line] > 0 for line in card.why)
        for line in (*card.why, *card.watch, *card.notes, card.basis, card.comparison):
            assert len(line) <= book.longest
            assert not book.is_denied(line)
    assert card.details is not None
    found = card.details.points
    if found is not None:
        assert abs(found.base + sum(v for _, v in found.parts) - found.score) < 1e-6
        shown = found.rounded(1)
        assert abs(shown.base + sum(v for _, v in shown.parts) - shown.score) < 1e-9


@pytest.fixture(scope="module")
def hidden_world() -> tuple[Contributions, list[str]]:
    features = tuple(
        Feature(
            f"{seen}_qxzjq{i}", f"{seen}_qxzjq label {i}", group=f"{seen}_qxzjq group {i}", visibility=seen
        )
        for i, seen in enumerate(("rep", "rep", "hq", "restricted"))
    )
    rng = np.random.default_rng(3)
    values, base = rng.normal(0, 1, (20, 4)), np.full(20, -2.0)
    return Contributions(base, values, base + values.sum(axis=1), features), ["hq_qxzjq", "restricted_qxzjq"]


def test_plots_for_a_rep_have_no_hidden_name_and_no_number(hidden_world: Any) -> None:
    parts, words = hidden_world
    groups = explain.grouped(parts, audience="hq")
    reasons = tuple(
        explain.Part("reason", name, float(v), seen)
        for name, seen, v in zip(groups.names, groups.visibility, groups.values[0], strict=True)
    )
    gap = explain.Contrast(Action("a", "b"), Action("c", "d"), 0.4, reasons)

    for axes in (explain.importance(groups), explain.contrast_bars(gap)):
        said = drawn(axes)
        assert not any(word.replace("_", " ") in said for word in words)
        assert "0." not in said
        assert "rep qxzjq" in said


def test_a_waterfall_is_for_head_office() -> None:
    with pytest.raises(ArgumentError, match="no points"):
        explain.waterfall(explain.build_card(example_receipt()))


def test_shap_for_a_rep_has_visible_columns_and_nothing_to_tell_the_rest_from(hidden_world: Any) -> None:
    pytest.importorskip("shap")
    parts, words = hidden_world

    shown = explain.to_shap(parts, parts.values, audience="rep")
    moved = Contributions(parts.base + 1, parts.values * [1, 1, 3, -2], parts.margin + 5, parts.features)
    again = explain.to_shap(moved, parts.values, audience="rep")

    assert shown.values.shape == (20, 2)
    assert not any(word in name for name in shown.feature_names for word in words)
    assert (shown.base_values == 0).all()
    np.testing.assert_array_equal(shown.values, again.values)


def test_shap_for_head_office_adds_up_to_the_margin(hidden_world: Any) -> None:
    pytest.importorskip("shap")
    parts, _ = hidden_world

    told = explain.to_shap(parts, parts.values, audience="hq")

    np.testing.assert_allclose(told.base_values + told.values.sum(axis=1), parts.margin, atol=1e-12)


def test_bars_of_a_waterfall_end_at_the_score() -> None:
    card = explain.build_card(example_receipt(), audience="hq")

    axes = explain.waterfall(card)

    bars = axes.patches
    assert len(bars) == len(card.details.points.parts) + 2  # type: ignore[union-attr]
    last = bars[-2]
    assert last.get_x() + last.get_width() == pytest.approx(bars[-1].get_width())
