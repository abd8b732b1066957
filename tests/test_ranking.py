"""Ranked lists, sensitivity and optionality, against receipts and against plans made without a term."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hall import UNTIL, variant_of

from nba import policies
from nba.contracts import DO_NOTHING, Action
from nba.errors import ArgumentError, NBAWarning
from nba.tables import Engagement

VALUES = pd.DataFrame(
    {
        "objective": ["adoption", "adoption", "expansion", "do_nothing"],
        "segment": [None, None, "core", "core"],
        "value": [1.0, 2.0, 3.0, 0.2],
    }
)
CONTEXTS = (policies.ContextWeight(2.0, hcp={"specialty": "cardiology"}, channel="approved_email"),)


@pytest.fixture(scope="module")
def valued(territory):
    """The territory with a values table."""
    frames = {n: f for n, f in territory.engagement.tables.items() if f is not None}
    log = frames["interactions"].drop(columns=["machine", "touch", "engaged"])
    products = sorted(frames["content"]["product_id"].unique())
    values = VALUES.assign(product_id=[None, products[0], products[1], None])
    return Engagement(**(frames | {"interactions": log, "values": values}), observed_until="2026-10-01")


@pytest.fixture(scope="module")
def greedy(model):
    worth = policies.Worth(
        levers={"rep_visit": 0.8},
        contexts=CONTEXTS,
        minute_cost=0.002,
        attention_cost=0.001,
        do_nothing=0.05,
    )
    return variant_of(model, policy=policies.Greedy(), worth=worth)


@pytest.fixture(scope="module")
def greedy_plan(greedy, valued):
    return greedy.recommend(valued, at=UNTIL, seed=7)


def on_plan(greedy, valued, **changes):
    """The plan that the same model makes with another worth."""
    return variant_of(greedy, **changes).recommend(valued, at=UNTIL, seed=7)


def test_the_ranked_list_holds_every_eligible_action_with_its_logged_probability(plan):
    for receipt in plan.receipts()[:25]:
        ranked = plan.ranked(receipt.hcp_id)

        assert {(r.action, r.selection_prob) for r in ranked} == set(receipt.eligible)
        assert [r.rank for r in ranked] == list(range(1, len(ranked) + 1))
        assert sorted((r.priority for r in ranked), reverse=True) == [r.priority for r in ranked]
        (chosen,) = [r for r in ranked if r.chosen]
        assert chosen.action == receipt.action
        assert (chosen.priority, chosen.terms) == (receipt.priority, receipt.terms)


def test_every_priority_is_its_terms_multiplied_less_the_costs(greedy_plan):
    seen = set()
    for receipt in greedy_plan.receipts()[:40]:
        for r in greedy_plan.ranked(receipt.hcp_id):
            t = r.terms
            if r.action == DO_NOTHING:
                assert t == {"do_nothing": r.priority}
                seen.add(r.priority)
                continue
            product = t["propensity"] * t["context"] * t["value"] * t["lever"]
            assert r.priority == product - t["cost"] - t["minutes"] - t["attention"]
            seen |= {("context", t["context"]), ("lever", t["lever"])}
    assert {0.05, 0.25} <= seen  # the rest of the worth, with and without the segment's row
    assert {("context", 1.0), ("context", 2.0), ("lever", 0.8), ("lever", 1.0)} <= seen


@pytest.fixture(scope="module")
def launched(territory, plan):
    """The territory with a content that nobody was ever sent, and an HCP who objects to profiling."""
    frames = {n: f for n, f in territory.engagement.tables.items() if f is not None}
    content = frames["content"]
    content = content.loc[[*content.index, content.index[0]]].reset_index(drop=True)
    content.loc[len(content) - 1, ["content_id", "document_number"]] = ["launch", "PM-LAUNCH"]
    hcp = max(plan, key=lambda receipt: len(receipt.eligible)).hcp_id
    said = pd.to_datetime(["2026-05-01T00:00Z"]).as_unit("s")
    word = pd.DataFrame(
        {
            "hcp_id": [hcp],
            "channel": "all",
            "purpose": "profiling",
            "opt_type": "opt_out",
            "captured_at": said,
        }
    )
    changed = {
        "content": content,
        "consent": pd.concat([frames["consent"], word], ignore_index=True),
        "interactions": frames["interactions"].drop(columns=["machine", "touch", "engaged"]),
    }
    with warnings.catch_warnings(action="ignore", category=NBAWarning):
        return hcp, Engagement(**(frames | changed), observed_until="2026-10-01")


def test_what_stands_on_priors_alone_says_so_in_every_ranked_list(model, launched):
    objecting, data = launched
    plan = model.recommend(data, at=UNTIL, seed=7)
    trained = dict(zip(model.scorer.actions_, model.scorer.n_, strict=True))

    met = set()
    for receipt in plan:
        for r in plan.ranked(receipt.hcp_id):
            bare = receipt.hcp_id == objecting or trained.get(r.action, 0) == 0
            assert r.prior_only == (r.action != DO_NOTHING and bare)
            assert r.prior_only == receipt.prior_only or not r.chosen
            met.add((r.action.content == "launch", receipt.hcp_id == objecting, r.prior_only))
    assert {(True, False, True), (False, True, True), (False, False, False)} <= met
    for frame in (plan.top(5), plan.by_channel()):
        for hcp, rows in list(frame.groupby("hcp_id"))[:10]:
            said = {(r.action.channel, r.action.content): r.prior_only for r in plan.ranked(hcp)}
            pairs = zip(rows["channel"], rows["content_id"], strict=True)
            assert rows["prior_only"].tolist() == [said[pair] for pair in pairs]


def test_scores_say_where_nothing_but_priors_speaks_as_ranked_lists_do(model, launched):
    objecting, data = launched
    plan = model.recommend(data, at=UNTIL, seed=7)

    found, prior_only = model.propensities(data, at=UNTIL, return_prior_only=True)

    pd.testing.assert_frame_equal(found, model.propensities(data, at=UNTIL, chunk=50))
    said = {
        (receipt.hcp_id, r.action): r.prior_only
        for receipt in plan
        for r in plan.ranked(receipt.hcp_id)
        if r.action != DO_NOTHING
    }
    assert {hcp == objecting for hcp, _ in said} == {True, False}
    assert {prior_only.loc[hcp, action] == bare for (hcp, action), bare in said.items()} == {True}
    assert prior_only.loc[objecting].all()
    assert prior_only.xs("launch", axis=1, level="content_id").to_numpy().all()
    assert not prior_only.to_numpy().all()


def test_a_greedy_plan_chooses_the_first_of_every_ranked_list(greedy_plan):
    top = greedy_plan.top(1)

    assert top["rank"].eq(1).all()
    assert top["chosen"].all()
    assert top["hcp_id"].tolist() == [receipt.hcp_id for receipt in greedy_plan]


def test_the_top_k_are_the_first_of_the_ranked_lists(plan):
    top = plan.top(3)

    for hcp, rows in list(top.groupby("hcp_id"))[:15]:
        ranked = plan.ranked(hcp, k=3)
        assert [Action(*pair) for pair in zip(rows["channel"], rows["content_id"], strict=True)] == [
            r.action for r in ranked
        ]
        assert rows["priority"].tolist() == [r.priority for r in ranked]
    with pytest.raises(ArgumentError, match="k=0"):
        plan.top(0)


def test_the_next_best_of_a_channel_is_its_first_in_the_ranked_list(plan):
    frame = plan.by_channel()

    for hcp, rows in list(frame.groupby("hcp_id"))[:15]:
        best = {}
        for r in plan.ranked(hcp):
            best.setdefault(r.action.channel, (r.rank, r.action.content))
        assert {row.channel: (row.rank, row.content_id) for row in rows.itertuples()} == best
        assert rows["rank"].is_monotonic_increasing


def test_sensitivity_is_the_share_of_winners_that_a_plan_without_the_term_changes(
    greedy, greedy_plan, valued
):
    found = greedy_plan.sensitivity().set_index("left_out")

    choosing = [r.hcp_id for r in greedy_plan if len(r.eligible) > 1]
    assert found["hcps"].eq(len(choosing)).all()
    for term in ("context", "value", "lever", "cost", "minutes", "attention"):
        other = on_plan(greedy, valued, worth=greedy.worth.without(term=term))
        changed = sum(greedy_plan.receipt(h).action != other.receipt(h).action for h in choosing)
        assert found.loc[term, "changed"] == changed
        assert found.loc[term, "share"] == changed / len(choosing)
    assert found["changed"].max() > 0
    assert {"value: adoption", "value: expansion"} <= set(found.index)
    assert found.loc["value: expansion", "changed"] > 0


def test_optionality_counts_what_there_was_to_choose_from(plan):
    frame = plan.optionality().set_index("hcp_id")

    for receipt in plan:
        touches = [a for a, _ in receipt.eligible if a != DO_NOTHING]
        row = frame.loc[receipt.hcp_id]
        assert (row["actions"], row["channels"]) == (len(touches), len({a.channel for a in touches}))
        probs = np.array([p for _, p in receipt.eligible if p > 0])
        assert row["effective"] == pytest.approx(np.exp(-(probs * np.log(probs)).sum()))
        assert 1 <= row["effective"] <= len(receipt.eligible) + 1e-9


def test_values_and_contexts_survive_saving(greedy, greedy_plan, valued, tmp_path):
    from nba.recommender import load

    digest = greedy.save(tmp_path / "model")

    again = load(tmp_path / "model", digest=digest)

    assert again.worth == greedy.worth
    assert again.recommend(valued, at=UNTIL, seed=7).to_bytes() == greedy_plan.to_bytes()


def test_one_hcp_is_worth_in_a_service_what_it_is_worth_in_the_batch(greedy, greedy_plan, valued):
    hcp = next(r.hcp_id for r in greedy_plan if r.action != DO_NOTHING)
    log = valued.interactions
    mine = log[log["hcp_id"] == hcp].drop(columns=["machine", "touch", "engaged"])
    records = [{k: v for k, v in row.items() if v == v} for row in mine.to_dict("records")]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone = greedy.decide(hcp, history=records, at=UNTIL, seed=7, data=valued)

    assert alone.receipt(hcp).decision_id == greedy_plan.receipt(hcp).decision_id
    assert alone.receipt(hcp).terms == greedy_plan.receipt(hcp).terms
    assert alone.ranked(hcp) == greedy_plan.ranked(hcp)


def test_a_model_that_values_otherwise_does_not_rank_yesterdays_plan(model, plan, territory):
    receipt = next(r for r in plan if r.action != DO_NOTHING)
    other = variant_of(model, worth=policies.Worth(2.0)).recommend(territory.engagement, at=UNTIL, seed=7)

    with pytest.raises(ArgumentError, match="learned since"):
        other._ranking.of(receipt)
