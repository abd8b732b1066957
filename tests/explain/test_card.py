"""The card says what the receipt says, and nothing a rep may not see."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.contracts import DO_NOTHING, Action, Facet, Reason, Receipt
from nba.errors import ArgumentError
from nba.explain.card import RepCard, build_card
from nba.explain.confidence import Reference
from nba.explain.example import example_inputs, example_receipt
from nba.explain.reasons import OTHER_FACTORS

PUSH = Action("push", "a")
NASTY = "<script>alert(1)</script>\n\x1b[31mred\u202e {0} %s {count} \"quoted\" & 'q'"


def forms(card: RepCard) -> list[str]:
    return [card.text, str(card), json.dumps(card.to_dict()), card.to_html(), card._repr_html_(), repr(card)]


def test_a_card_reads_like_the_receipt() -> None:
    card = build_card(example_receipt(), reference=Reference(0.04, "specialty"), **example_inputs())

    assert card.comparison == "About 3× the usual response rate for this specialty"
    assert card.basis == "Based on 240 earlier contacts like this"
    assert card.text.splitlines() == [
        "SEND APPROVED EMAIL · Dr. A. Rivera · Cardiology",
        '"HF efficacy summary" · PM-US-0412 v3 · expires 30 Mar 2027',
        "Tue or Wed, 07:00–08:30 (HCP local time) · valid until 28 Nov 2026, 11:00",
        f"Confidence: High ●●● · {card.comparison} · {card.basis}",
        "WHY                   + Approved emails clicked: 5 of 10 in the last 90 days",
        "                      + 4 engagements with mechanism of action in the last 6 months",
        "                      + 1 webinar attended in the last 6 months",
        "WATCH                 - Specialty and the content's main audience differ",
        "                      · Other approved factors: a small part",
        "INTERESTS             mechanism of action (6) · outcomes data (3) · dosing (2)",
        "RECENT                12 Nov 2026: read “MOA overview”",
        "                      3 Nov 2026: joined a webinar",
        "LIKELY NEXT QUESTION  Dosing in renal impairment",
        "ALSO CONSIDERED       remote call: possible, ranked lower",
        "                      rep visit: contacted too recently",
        "CHECKS                ✓ Approved email consent since 14 May 2026",
        "                      ✓ 2 of 4 contacts in 30 days",
        "                      ✓ Minimum gap of 7 days kept",
        "                      ✓ Approved content",
        "id 7f3a09d2c1",
    ]


def test_what_is_not_handed_in_is_a_line_that_is_not_there() -> None:
    bare = example_receipt(
        document_number="", version="", facts={}, reasons=(), removed=(), eligible=(), valid_until=2**62
    )

    assert build_card(bare).text.splitlines() == [
        "SEND APPROVED EMAIL · hcp_0042",
        "Confidence: Medium ●●○ · Based on 240 earlier contacts like this",
        "                      · No single reason stands out",
        "id 7f3a09d2c1",
    ]


hidden_names = st.text(alphabet="qxzj", min_size=6, max_size=12)
hidden_sizes = st.floats(0.01, 3.0)


@st.composite
def hidden_reasons(draw: st.DrawFn) -> tuple[Reason, ...]:
    name = st.tuples(hidden_names, hidden_names)
    return tuple(
        Reason(group, size * sign, sign, text, visibility)  # type: ignore[arg-type]
        for (group, text), size, sign, visibility in draw(
            st.lists(
                st.tuples(
                    name, hidden_sizes, st.sampled_from([1, -1]), st.sampled_from(["hq", "restricted"])
                ),
                min_size=1,
                max_size=4,
            )
        )
    )


@given(hidden_reasons())
def test_no_form_for_reps_names_or_quotes_what_is_hidden(hidden: tuple[Reason, ...]) -> None:
    receipt = example_receipt(reasons=(*example_receipt().reasons, *hidden))

    card = build_card(receipt, **example_inputs())

    for form in forms(card):
        for reason in hidden:
            assert reason.group not in form
            assert reason.text not in form
            assert f"{abs(reason.log_odds):.3f}" not in form
    assert card.details is None


@given(hidden_reasons(), hidden_names)
def test_the_card_is_the_same_whatever_the_hidden_reasons_are_and_whichever_way_they_point(
    hidden: tuple[Reason, ...], other: str
) -> None:
    turned = tuple(
        Reason(other, -r.log_odds, -r.sign, other, "hq" if r.visibility == "restricted" else "restricted")
        for r in hidden
    )
    shown = example_receipt().reasons[:4]

    cards = [build_card(example_receipt(reasons=(*shown, *h)), **example_inputs()) for h in (hidden, turned)]

    assert forms(cards[0]) == forms(cards[1])


def test_a_rep_sees_no_log_odds_propensity_or_probability() -> None:
    receipt = example_receipt(
        propensity=0.1234567, spread=0.3456789, selection_prob=0.6543217, priority=9.8765432
    )

    card = build_card(receipt, reference=Reference(0.0456789), **example_inputs())

    for form in forms(card):
        assert not re.search(
            r"0\.\d{3}|9\.87|log.odds", re.sub(r"<style>.*?</style>", "", form, flags=re.DOTALL)
        )


def test_head_office_sees_every_group_and_sums_that_add_up() -> None:
    card = build_card(example_receipt(), audience="hq", **example_inputs())

    assert card.details is not None
    assert [r["group"] for r in card.to_dict()["details"]["reasons"]] == [
        "channel_response", "topic", "events", "audience", "market",
    ]  # fmt: skip
    assert "+0.620  channel_response" in card.text
    assert '<th scope="row">market</th><td>+0.070</td>' in card.to_html()


def test_a_test_suggestion_says_so_and_gets_no_reasons() -> None:
    card = build_card(example_receipt(explored=True), reference=Reference(0.04), **example_inputs())

    assert card.why == ()
    assert card.confidence == "Test"
    assert card.comparison == ""
    assert card.basis == "Test suggestion: chosen to learn what works, so no reasons are given"
    assert card.basis in card.text


def test_a_pair_without_rows_says_what_it_rests_on() -> None:
    card = build_card(example_receipt(prior_only=True, n=0.0), reference=Reference(0.04))

    assert card.basis == "Based on similar HCPs and content only"
    assert card.confidence == "Low"
    assert card.comparison == ""


def test_mixed_signals_are_called_mixed() -> None:
    weak = (Reason("a", 0.3, 1, "Emails clicked: 5 of 10 so far", "rep"), Reason("b", 0.9, 1, "", "rep"))

    assert any(note.startswith("Mixed signals") for note in build_card(example_receipt(reasons=weak)).notes)
    assert not any(note.startswith("Mixed") for note in build_card(example_receipt()).notes)


@pytest.mark.parametrize(
    ("eligible", "changes", "basis"),
    [
        (((DO_NOTHING, 1.0),), {}, "No action passed all checks"),
        (((DO_NOTHING, 0.9), (PUSH, 0.1)), {}, "No action was worth a contact now"),
        (((DO_NOTHING, 0.9), (PUSH, 0.1)), {"holdout": "no_action"}, "No contact is planned for now"),
        (((DO_NOTHING, 0.1), (PUSH, 0.9)), {"explored": True},
         "Test suggestion: chosen to learn what works, so no reasons are given"),
    ],
)  # fmt: skip
def test_an_abstention_says_why_nothing_is_suggested(
    eligible: Any, changes: dict[str, Any], basis: str
) -> None:
    removed = ((Action("rep_visit", "a"), "consent_opt_out"),)
    nothing = {"action": DO_NOTHING, "propensity": None, "spread": None, "reasons": ()}
    receipt = example_receipt(**nothing, eligible=eligible, removed=removed, **changes)

    card = build_card(receipt)

    assert (card.headline, card.basis, card.confidence) == ("No contact for now", basis, None)
    assert ("rep visit", "opted out") in card.also_considered
    assert card.checks == ()
    assert basis in card.text


def test_doing_nothing_has_no_band_and_no_comparison_whatever_its_numbers_are() -> None:
    receipt = example_receipt(action=DO_NOTHING, propensity=0.0, spread=0.0, n=float("nan"))

    card = build_card(receipt, reference=Reference(0.04))

    assert (card.confidence, card.comparison) == (None, "")


def test_each_cap_keeps_its_own_numbers() -> None:
    facts = {
        "frequency_cap": {"contacts": 2, "cap": 4, "days": 30},
        "frequency_cap#2": {"contacts": 0, "cap": 1, "days": 1.0},
        "frequency_cap#3": {"contacts": -1, "cap": 9, "days": 7},
    }

    assert build_card(example_receipt(facts=facts)).checks == (
        "2 of 4 contacts in 30 days",
        "0 of 1 contacts in 1 day",
    )


def test_only_facets_that_are_known_make_a_line() -> None:
    unsure = (
        Facet("best_slot", "Monday", status="prior_only"),
        Facet("next_question", None),
        Facet("stage", "trial"),
    )

    card = build_card(example_receipt(), facets=unsure)

    assert (card.slot, card.next_question) == ("", "")
    assert "trial" not in card.text


def test_text_from_tables_is_inert_in_every_form() -> None:
    action = Action(NASTY, NASTY)
    receipt = example_receipt(
        decision_id=NASTY,
        hcp_id=NASTY,
        action=action,
        document_number=NASTY,
        version=NASTY,
        eligible=((action, 0.6), (Action(NASTY + "2", ""), 0.4)),
        removed=((Action(NASTY + "3", ""), NASTY),),
    )
    card = build_card(
        receipt,
        content={"title": NASTY},
        hcp={"name": NASTY, "specialty": NASTY},
        channel_label=NASTY,
        facets=(Facet("best_slot", NASTY), Facet("next_question", NASTY)),
        interests=((NASTY, 1),),
        recent=((1_794_477_600, NASTY),),
    )

    for html in (card.to_html(), card._repr_html_()):
        assert "<script" not in html
    for form in [*forms(card)[:2], *card.to_dict()["recent"][0]]:
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", form)
    assert card.title == "<script>alert(1)</script> red {0} %s {count} \"quoted\" & 'q'"
    assert "\n" not in card.title + card.hcp + card.decision_id + card.document


def test_a_number_in_place_of_a_name_is_still_a_card() -> None:
    assert build_card(example_receipt(), content={"title": 12}, hcp={"name": None}).title == "12"


def test_the_same_inputs_give_the_same_bytes() -> None:
    def made() -> list[str]:
        inputs = example_inputs()
        inputs["recent"] = inputs["recent"][::-1]
        receipt = example_receipt()
        turned = replace(receipt, reasons=receipt.reasons[::-1], facts=dict(reversed(receipt.facts.items())))
        return forms(build_card(turned, **inputs))

    assert made() == forms(build_card(example_receipt(), **example_inputs()))


def test_a_dict_is_plain_json_without_loss() -> None:
    for audience in ("rep", "hq"):
        plain = build_card(example_receipt(), audience=audience, **example_inputs()).to_dict()  # type: ignore[arg-type]
        assert json.loads(json.dumps(plain)) == plain
        assert plain["book"]["version"] == "1.0"


def test_an_unknown_audience_or_zone_is_refused() -> None:
    with pytest.raises(ArgumentError, match="'manager'"):
        build_card(example_receipt(), audience="manager")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="Time zone"):
        build_card(example_receipt(), timezone="Nowhere/Land")


def test_a_waived_check_is_disclosed() -> None:
    assert (
        "1 standard check was waived for this suggestion"
        in build_card(example_receipt(waivers=("consent",))).notes
    )


def test_hidden_reasons_already_merged_stay_nameless() -> None:
    merged: Receipt = example_receipt(reasons=(Reason(OTHER_FACTORS, 3.0, 1, "", "restricted"),))

    assert build_card(merged).notes == ("No single reason stands out", "Other approved factors: a large part")
