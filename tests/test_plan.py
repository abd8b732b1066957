import json
import re
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hall import UNTIL, make_model, variant_of

import nba
from nba import explain, policies
from nba.contracts import DAY, DO_NOTHING, Evidence
from nba.errors import NBAWarning, UnknownHCPError
from nba.features import Attribute, EngagementFeatures, Fit, HistoryMeasure, Rate, Recency, Streak
from nba.tables import as_moment

NOW = as_moment(UNTIL)


@pytest.fixture(scope="module")
def standard(territory):
    """A plan over the standard set of features, chosen greedily so that every card gives reasons."""
    model = make_model(features=EngagementFeatures.standard(), policy=policies.Greedy())
    data = territory.engagement
    return model.fit(data, until=UNTIL).recommend(data, at=UNTIL, seed=7), model


class Recount:
    """The counts behind every feature, from raw rows in plain Python."""

    def __init__(self, data):
        self.content = {row["content_id"]: row for row in data.content.to_dict("records")}
        self.hcps = {row["hcp_id"]: row for row in data.hcps.to_dict("records")}
        wins = {row["channel"]: set(row["success"]) for row in data.channels.to_dict("records")}
        self.rows = defaultdict(list)
        answered = set()
        frame = data.interactions.assign(
            at=data.columns("interactions")["ts"],
            known=np.maximum(data.columns("interactions")["ts"], data.columns("interactions")["recorded_at"]),
        )
        for row in frame.sort_values(["known", "at"], kind="stable").to_dict("records"):
            if row["known"] >= NOW:
                continue
            row["responded"] = False
            if row["outcome"] in wins[row["channel"]] and not row["machine"]:
                parent = row["parent_id"]
                touch = (
                    row["interaction_id"] if row["touch"] or parent is None or parent != parent else parent
                )
                row["responded"] = touch not in answered
                answered.add(touch)
            self.rows[row["hcp_id"]].append(row)

    def evidence(self, measure, hcp_id, action, key):
        if isinstance(measure, Attribute):
            return Evidence(int(self.hcps[hcp_id].get(measure.column) == key))
        if isinstance(measure, Fit):
            wanted = self.content[action.content].get(measure.audience)
            wanted = () if wanted is None or (isinstance(wanted, float) and wanted != wanted) else wanted
            return Evidence(int(self.hcps[hcp_id][measure.column] in wanted))
        mine = [row for row in self.rows[hcp_id] if self.is_about(row, measure, action, key)]
        what = [row for row in mine if self.is_of(row, measure.of)]
        if isinstance(measure, Recency):
            days = None if not what else (NOW - max(row["at"] for row in what)) / DAY
            return Evidence(0 if days is None else 1, days_ago=days)
        if isinstance(measure, Streak):
            last = max((row["at"] for row in mine if row["responded"]), default=-1)
            return Evidence(sum(row["at"] > last for row in what))
        since = -1 if measure.days is None else NOW - measure.days * DAY
        count = sum(row["at"] >= since for row in what)
        if isinstance(measure, Rate):
            touches = sum(row["touch"] and row["at"] >= since for row in mine)
            return Evidence(min(count, touches), of=touches)
        return Evidence(count)

    def is_of(self, row, of):
        kinds = {"touches": "touch", "engagements": "engaged", "responses": "responded"}
        return row[kinds[of]] if of in kinds else row["engaged"] and row["direction"] == "inbound"

    def is_about(self, row, measure, action, key):
        if measure.by is None:
            return True
        if measure.by == "pair":
            return (row["channel"], row["content_id"]) == action
        asked = self.tag(action.channel, action.content, measure.by) if measure.own else key
        return self.tag(row["channel"], row["content_id"], measure.by) == asked

    def tag(self, channel, content_id, by):
        if by == "channel":
            return channel
        if by == "content":
            return content_id
        return self.content.get(content_id, {}).get(by)


def test_every_sentence_of_every_card_is_recounted_from_raw_events(standard, territory):
    plan, model = standard
    recount, book = Recount(territory.engagement), explain.load_book()
    named = {f.name: f for f in model.features.catalogue_}
    measures = {
        measure.describe(key).name if isinstance(measure, Attribute) else name_of(measure, key): (
            measure,
            key,
        )
        for measure in model.features.measures
        for key in {f.key for f in named.values()}
    }
    said = 0
    for receipt in plan:
        if receipt.action == DO_NOTHING:
            continue
        card = plan[receipt.hcp_id]
        content = recount.content[receipt.action.content]
        names = {
            "this channel": explain.channel_name(receipt.action.channel, book=book),
            "this topic": content["topic"].replace("_", " "),
        }
        could = set()
        for name, feature in named.items():
            measure, key = measures[name]
            if isinstance(measure, HistoryMeasure | Fit | Attribute) and feature.visibility == "rep":
                evidence = recount.evidence(measure, receipt.hcp_id, receipt.action, key)
                could |= {book.sentence(feature, evidence, sign=s, names=names) for s in (1, -1)}
        for sentence in (*card.why, *card.watch):
            assert sentence in could, sentence
            said += bool(re.search(r"\d", sentence))
    assert said > 50


def name_of(measure, key):
    return measure.describe().name if isinstance(measure, Fit) else measure.name(key)


def test_interests_recent_lines_and_contact_counts_are_recounted(standard, territory):
    plan, _ = standard
    recount = Recount(territory.engagement)
    seen = 0
    for receipt in plan:
        card = plan[receipt.hcp_id]
        engaged = [row for row in recount.rows[receipt.hcp_id] if row["engaged"]]
        for topic, n in card.interests:
            mine = [
                r for r in engaged if recount.tag("", r["content_id"], "topic") == topic.replace(" ", "_")
            ]
            mine = mine or [r for r in engaged if recount.tag("", r["content_id"], "topic") == topic]
            assert len(mine) == n
            seen += 1
        newest = sorted((row["at"] for row in engaged), reverse=True)[:3]
        assert len(card.recent) == len(newest)
        contacts = [c for c in card.checks if " contacts in 30 days" in c]
        if contacts and receipt.action != DO_NOTHING:
            touches = [r for r in recount.rows[receipt.hcp_id] if r["touch"] and r["at"] >= NOW - 30 * DAY]
            assert contacts == [f"{len(touches)} of 6 contacts in 30 days"]
    assert seen > 50


def test_signs_on_cards_agree_with_the_reasons(standard):
    plan, _ = standard
    for receipt in plan:
        card = plan[receipt.hcp_id]
        positive = {r.text for r in receipt.reasons if r.log_odds > 0}
        negative = {r.text for r in receipt.reasons if r.log_odds < 0}
        assert set(card.why) <= positive
        assert set(card.watch) <= negative


def test_no_restricted_feature_shows_in_any_form_for_a_rep(standard):
    plan, model = standard
    hidden = [f for f in model.features.catalogue_ if f.visibility != "rep"]
    assert hidden
    for receipt in plan:
        card = plan[receipt.hcp_id]
        for form in (card.text, json.dumps(card.to_dict()), card.to_html()):
            assert "decile" not in form.lower()


def test_opting_out_of_prescriber_data_takes_restricted_features_away_before_scoring(territory):
    from nba.tables import Engagement

    data = territory.engagement
    frames = {
        n: f.drop(columns=["machine", "touch", "engaged"], errors="ignore")
        for n, f in data.tables.items()
        if f is not None
    }

    def with_hcps(**columns):
        return Engagement(**(frames | {"hcps": data.hcps.assign(**columns)}), observed_until="2026-10-01")

    model = make_model().fit(with_hcps(pdrp_opt_out=False), until=UNTIL)
    low = model.recommend(with_hcps(pdrp_opt_out=True, decile=1.0), at=UNTIL, seed=3)
    high = model.recommend(with_hcps(pdrp_opt_out=True, decile=10.0), at=UNTIL, seed=3)
    told = model.recommend(with_hcps(pdrp_opt_out=False, decile=10.0), at=UNTIL, seed=3)

    assert low.to_bytes() == high.to_bytes()
    assert low.to_bytes() != told.to_bytes()


def test_files_of_a_plan_hold_every_decision(plan, tmp_path):
    plan.to_folder(tmp_path, cards=2)

    frame = pd.read_parquet(tmp_path / "plan.parquet")
    lines = (tmp_path / "receipts.jsonl").read_text().splitlines()
    assert len(frame) == len(lines) == len(plan)
    assert json.loads(lines[0])["decision_id"] == plan.receipts()[0].decision_id
    assert sorted(p.name for p in (tmp_path / "cards").iterdir()) == [
        "card_1.html",
        "card_1.txt",
        "card_2.html",
        "card_2.txt",
    ]
    assert "<script" not in (tmp_path / "cards" / "card_1.html").read_text()


def test_the_funnel_adds_up_whatever_the_chunks(model, plan, territory):
    chunked = model.recommend(territory.engagement, at=UNTIL, seed=7, chunk=13)

    assert str(chunked.funnel()) == str(plan.funnel())
    assert plan.funnel().left == sum(len(r.eligible) - 1 for r in plan)


def test_an_hcp_who_is_not_in_the_plan_is_an_error_that_names_nobody(plan):
    with pytest.raises(UnknownHCPError) as caught:
        plan["hcp_secret"]

    assert "hcp_secret" not in str(caught.value)


def test_a_rep_card_shows_in_notebooks(plan):
    acting = next(r.hcp_id for r in plan if r.action != DO_NOTHING)

    assert "<h" in plan[acting]._repr_html_()
    assert isinstance(plan.card(acting, audience="hq"), explain.RepCard)
    assert plan.card(acting, audience="hq").details.propensity == plan.receipt(acting).propensity


def test_several_decisions_for_one_hcp_in_one_commit_count_against_one_another(territory, tmp_path):
    from nba import guardrails

    data = territory.engagement
    model = make_model(policy=policies.EpsilonGreedy(1.0), guardrails=[guardrails.MinimumGap(3)])
    model.fit(data, until=UNTIL)
    first = model.recommend(data, at=UNTIL, seed=1)
    second = model.recommend(data, at=UNTIL, seed=2, stream="second")
    log = nba.Log(tmp_path / "log.db")
    both = [*first.receipts(), *second.receipts()]

    done = log.commit(both, recheck=first.recheck())

    for one, two in zip(first, second, strict=True):
        acts = [r for r in (one, two) if r.action != DO_NOTHING]
        assert sum(done[r.decision_id] == "committed" for r in acts) == min(len(acts), 1)


def test_the_newest_consent_may_be_a_callable_that_is_asked_inside_the_commit(territory, plan, tmp_path):
    from nba.tables import rows_from_records

    person = next(r for r in plan if r.action != DO_NOTHING)
    word = {"hcp_id": person.hcp_id, "channel": "all", "captured_at": "2026-09-01T08:00:00+00:00"}
    objection = rows_from_records([word | {"purpose": "profiling", "opt_type": "opt_out"}], "consent")
    known = plan._known.consent
    newest = {name: np.concatenate([known[name], objection[name]]) for name in known}
    asked = []
    log = nba.Log(tmp_path / "log.db")

    done = log.commit(plan, consent=lambda: asked.append(len(log.decisions())) or newest)

    assert asked == [0]
    assert done[person.decision_id] == "profiling_objection"
    others = [r for r in plan if r.hcp_id != person.hcp_id]
    assert all(done[r.decision_id] == "committed" for r in others)
    acted = {r.decision_id for r in plan if r.action != DO_NOTHING}
    frame = log.decisions().set_index("decision_id")
    assert set(frame.index[frame["consent_rechecked"]]) == acted


def test_the_lift_over_random_eligible_is_told_with_every_plan_and_is_what_its_receipts_say(plan, model):
    gained = []
    for receipt in plan:
        priority = {ranked.action: ranked.priority for ranked in plan.ranked(receipt.hcp_id)}
        drawn = sum(prob * priority[action] for action, prob in receipt.eligible)
        gained.append(drawn - np.mean([priority[action] for action, _ in receipt.eligible]))

    assert plan.lift.better_by.mean == pytest.approx(np.mean(gained), abs=1e-12)
    assert plan.lift.better_by.low > 0  # it is better than random, as the model sees it
    assert "lift over random eligible" in str(plan)
    assert str(plan) == repr(plan)
    assert plan.summary()["lift"]["better_by"] == plan.lift.better_by.mean
    assert plan.summary()["with_action"] == sum(receipt.action != DO_NOTHING for receipt in plan)
    assert plan.summary()["explored"] == sum(receipt.explored for receipt in plan)


def test_a_uniform_plan_has_no_lift_and_a_holdout_has_no_part_in_it(model, territory):
    data = territory.engagement
    even = variant_of(model, policy=policies.Uniform()).recommend(data, at=UNTIL, seed=7)
    held = variant_of(model, holdout=policies.Holdout(0.4)).recommend(data, at=UNTIL, seed=7)
    with pytest.warns(NBAWarning, match="collapsed"):
        everybody = variant_of(model, holdout=policies.Holdout(1.0)).recommend(data, at=UNTIL, seed=7)

    assert even.lift.better_by.mean == pytest.approx(0.0, abs=1e-12)
    assert held.lift.decisions == sum(receipt.holdout == "none" for receipt in held) < len(held)
    assert everybody.lift is None
    assert "lift" not in str(everybody)
