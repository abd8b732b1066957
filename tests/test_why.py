"""What a decision came from can be had again, and everything people read agrees with it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hall import UNTIL, make_model

from nba import assess, explain
from nba.contracts import DO_NOTHING
from nba.errors import ArgumentError
from nba.store import DISMISS_REASONS


@pytest.fixture(scope="module")
def acting(plan):
    return [receipt for receipt in plan if receipt.action != DO_NOTHING]


def test_parts_worked_out_again_are_those_of_the_receipts(plan, acting):
    parts, _, _ = plan.cards.why.of([(r.hcp_id, r.action) for r in acting], at=plan.at)

    for i, receipt in enumerate(acting):
        again = explain.reasons(parts, i, evidence={}, audience="hq")
        assert [(r.group, r.log_odds) for r in again] == [(r.group, r.log_odds) for r in receipt.reasons]


def test_the_gap_to_the_runner_up_is_that_of_scores_made_afresh(plan, model, acting, territory):
    from nba.decision import Known
    from nba.tables import as_moment, candidates

    chosen = acting[:15]
    known = Known.of(territory.engagement, model.features)
    everyone = candidates(territory.engagement, as_moment(UNTIL), valid_days=model.valid_days,
                          hcps=[r.hcp_id for r in chosen], channels=None)  # fmt: skip
    scores = model._decider().score(known, everyone)
    cost = dict(zip(*(territory.engagement.columns("channels")[n] for n in ("channel", "cost")), strict=True))
    for row, receipt in enumerate(chosen):
        found = plan.contrast(receipt.hcp_id, audience="hq")
        worth = {DO_NOTHING: 0.0}
        for k, action in enumerate(everyone.actions):
            if k:
                worth[action] = float(scores.propensity[row, k]) - float(cost[action.channel])
        rivals = [worth[a] for a, _ in receipt.eligible if a != receipt.action]
        assert found.gap == pytest.approx(worth[receipt.action] - max(rivals), abs=1e-9)
        assert sum(part.value for part in found.parts) == pytest.approx(found.gap, abs=1e-9)


def test_a_plan_says_why_not_of_every_candidate(plan, acting):
    receipt = acting[0]

    said = [
        plan.why_not(receipt.hcp_id, a)
        for a, _ in (*receipt.removed[:8], *receipt.eligible)
        if a != receipt.action
    ]

    assert all(said)
    with pytest.raises(ArgumentError, match="was chosen"):
        plan.why_not(receipt.hcp_id, receipt.action)
    with pytest.raises(ArgumentError, match="no candidate"):
        plan.why_not(receipt.hcp_id, ("fax", "nothing"))


def test_points_of_all_decisions_add_up_and_shap_agrees(plan, acting):
    groups = plan.points(audience="hq")

    score = np.array([receipt.propensity for receipt in acting])
    base = 1 / (1 + np.exp(-groups.base))
    np.testing.assert_allclose(groups.points.sum(axis=1), score - base, atol=1e-9)
    pytest.importorskip("shap")
    told = plan.to_shap(audience="hq")
    np.testing.assert_allclose(told.base_values + told.values.sum(axis=1), groups.margin, atol=1e-9)


def test_no_form_or_export_of_a_plan_for_a_rep_has_a_restricted_feature(plan, acting, model):
    assert any(f.visibility == "restricted" for f in model.features.catalogue_)
    hcp = acting[0].hcp_id
    sheet = plan.sheet(contrast=True)
    told = [sheet.to_html(), sheet.text, sheet.markdown, json.dumps(sheet.to_dict()),
            repr(plan.contrast(hcp)), plan.brief(hcp).to_html(), repr(plan.insights()),
            repr(plan.points().names), plan.card(hcp, language="de").text,
            repr(plan.to_shap().feature_names)]  # fmt: skip
    told += [explain.to_csv(rows) for form in ("veeva", "salesforce", "journey")
             for rows in plan.export(form).values()]  # fmt: skip

    assert not any("decile" in form.lower() for form in told)


def test_a_card_in_german_has_the_same_reasons_as_in_english(plan, acting):
    for receipt in acting[:20]:
        english, german = plan[receipt.hcp_id], plan.card(receipt.hcp_id, language="de")

        assert german.book.language == "de"
        assert len(german.why) == len(english.why)
        assert german.confidence == english.confidence
        assert receipt.book == english.book.digest != german.book.digest


def test_a_sheet_has_every_suggestion_best_first(plan, acting):
    sheet = plan.sheet()

    assert len(sheet) == len(acting)
    order = [plan.receipt(card.hcp_id).priority for card in sheet.cards]
    assert order == sorted(order, reverse=True)
    assert sheet.to_html().count("<article") == len(acting)


def test_every_reason_for_a_dismissal_that_the_log_takes_has_words_and_says_what_it_teaches(plan, acting):
    for language in ("en", "de"):
        card = plan.card(acting[0].hcp_id, language=language)
        assert [code for code, _, _ in card.feedback] == list(DISMISS_REASONS)
        book = explain.load_book(language)
        assert set(book.phrases["dismiss"]) == set(DISMISS_REASONS)
        assert all(
            teaches == book.phrase("teaches", DISMISS_REASONS[code]) != ""
            for code, _, teaches in card.feedback
        )


def test_a_plan_of_before_keeps_its_reasons_when_the_model_learns_and_is_not_compared_with_what_it_is_now(
    territory,
):
    model = make_model().fit(territory.engagement, until=UNTIL)
    plan, same = (model.recommend(territory.engagement, at=UNTIL, seed=7) for _ in range(2))
    before, hcp = plan.to_bytes(), next(r.hcp_id for r in plan if r.action != DO_NOTHING)
    labels = model.outcome.labels(territory.engagement, until=territory.engagement.observed_until)
    model.scorer.learn(model.design(plan.cards.known, labels), labels.y)

    assert same.to_bytes() == before  # not one receipt of it was written before the model learned
    np.testing.assert_array_equal(same.points().values, plan.points().values)
    with pytest.raises(ArgumentError, match="learned since"):
        plan.contrast(hcp)


def test_briefs_are_recounted_from_raw_events(plan, territory):
    rows = territory.engagement.interactions
    at = np.datetime64(UNTIL)
    known = rows[(rows["ts"].dt.tz_convert(None) < at) & (rows["recorded_at"].dt.tz_convert(None) < at)]
    counted = 0
    for receipt in list(plan)[:40]:
        mine = known[known["hcp_id"] == receipt.hcp_id]
        since = mine[mine["ts"].dt.tz_convert(None) >= at - np.timedelta64(180, "D")]
        declined = int((since["outcome"] == "declined").sum())
        brief = plan.brief(receipt.hcp_id)
        said = [line for line in brief.friction if "declined" in line]
        assert said == (
            []
            if not declined
            else [f"{declined} contact{'s' * (declined > 1)} declined in the last 6 months"]
        )
        assert len(brief.recent) == min(5, int(mine["engaged"].sum()))
        counted += declined
    assert counted > 5


def test_a_briefs_best_slot_is_when_the_hcp_engaged_by_its_own_clock(plan, territory):
    rows = territory.engagement.interactions
    at = np.datetime64(UNTIL)
    known = rows[(rows["ts"].dt.tz_convert(None) < at) & (rows["recorded_at"].dt.tz_convert(None) < at)]
    zones = dict(territory.engagement.hcps[["hcp_id", "timezone"]].itertuples(index=False))
    told = 0
    for receipt in plan:
        if slot := plan.brief(receipt.hcp_id).slot:
            start, end = (int(clock[:2]) + int(clock[3:]) / 60 for clock in slot[:11].split("–"))
            mine = known[(known["hcp_id"] == receipt.hcp_id) & known["engaged"]]
            local = mine["ts"].dt.tz_convert(zones[receipt.hcp_id]).dt
            hours = (local.hour + local.minute / 60).to_numpy()
            # twice as many as an even day would have
            assert ((hours - start) % 24 < (end - start) % 24).mean() > 2 * 2 / 24
            told += 1
    assert told > 3


@pytest.mark.slow
def test_reasons_are_faithful_to_what_they_name_and_stay_when_other_hcps_are_met(model, plan, territory):
    stable = assess.reason_stability(model, territory.engagement, at=UNTIL, refits=2, seed=1)
    faithful = assess.reason_faithfulness(plan)

    assert 0.4 < stable.kept.mean <= 1.0
    assert faithful.moved.mean > 0.6
    assert faithful.n == sum(n for _, n in faithful.by_reason.values())
