import subprocess
import sys
import warnings
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hall import UNTIL, make_model
from hypothesis import given, settings
from hypothesis import strategies as st

import nba
from nba import guardrails, policies
from nba.contracts import DO_NOTHING, Outcome, Outcomes
from nba.decision import Known
from nba.errors import ArgumentError, BundleError, NBAWarning, NotFittedError, OutcomeError, SelectionError
from nba.features import EngagementFeatures
from nba.tables import Engagement, as_moment


def shuffled(engagement, seed):
    """The same tables with their rows in another order."""
    rng = np.random.default_rng(seed)
    drop = ["machine", "touch", "engaged"]
    frames = {
        name: frame.iloc[rng.permutation(len(frame))].drop(columns=drop, errors="ignore")
        for name, frame in engagement.tables.items()
        if frame is not None
    }
    columns = engagement.interactions
    flagged = columns["machine"].to_numpy()
    if "is_machine" in frames["interactions"]:
        order = frames["interactions"].index.to_numpy()
        frames["interactions"] = frames["interactions"].assign(is_machine=flagged[order])
    return Engagement(**frames, observed_until=as_iso(engagement.observed_until))


def as_iso(moment):
    import datetime as dt

    return dt.datetime.fromtimestamp(moment, tz=dt.UTC).isoformat()


def records_of(engagement, hcp_id):
    """One HCP's interactions as a service would have them."""
    frame = engagement.interactions
    mine = frame[frame["hcp_id"] == hcp_id].drop(columns=["machine", "touch", "engaged"])
    records = mine.to_dict("records")
    return [
        {
            k: (v.to_pydatetime() if hasattr(v, "to_pydatetime") else v)
            for k, v in r.items()
            if v == v and v is not None
        }
        for r in records
    ]


def outcomes_of(plan, engagement, reward):
    rows = tuple(
        Outcome(
            r.decision_id,
            r.hcp_id,
            r.decided_at,
            r.action,
            "rewarded" if w else "expired",
            float(w),
            r.selection_prob,
        )
        for r, w in zip([r for r in plan if r.action != DO_NOTHING], reward, strict=False)
    )
    return Outcomes(rows, engagement)


def margins(model, territory):
    labels = model.outcome.labels(territory.engagement, until=as_moment(UNTIL))
    return model.score(territory.engagement, labels)[0]


def test_one_hcp_from_plain_records_is_decided_as_in_the_batch(model, plan, territory):
    for receipt in list(plan)[:25]:
        alone = model.decide(
            receipt.hcp_id, history=records_of(territory.engagement, receipt.hcp_id), at=UNTIL, seed=7
        ).receipt(receipt.hcp_id)

        assert replace(alone, batch_id="") == replace(receipt, batch_id="")


@pytest.mark.parametrize("capped", [False, True], ids=["", "exploring capped"])
def test_a_warmed_up_model_decides_the_same_and_lays_out_nothing_anew(territory, tmp_path, capped):
    data, who = territory.engagement, "hcp_0003"
    records = records_of(data, who)
    cap = {"explore_cap": policies.ExploreCap(1)} if capped else {}
    make_model(scorer=nba.SegmentBaseline(), **cap).fit(data, until=UNTIL).save(tmp_path / "bundle")
    cold, warm = nba.load(tmp_path / "bundle"), nba.load(tmp_path / "bundle").warm_up(data)

    with patch.object(EngagementFeatures, "_swept", side_effect=AssertionError("laid out anew")):
        plan = warm.decide(who, history=records, at=UNTIL, seed=7, data=data, earlier=[])

    expected = cold.decide(who, history=records, at=UNTIL, seed=7, data=data, earlier=[])
    assert plan.to_bytes() == expected.to_bytes()
    assert plan[who].text == expected[who].text


def test_a_model_from_a_bundle_is_warmed_up_with_tables_only(model, tmp_path):
    model.save(tmp_path / "bundle")
    with pytest.raises(ArgumentError, match="holds no tables"):
        nba.load(tmp_path / "bundle").warm_up()


def test_the_same_seed_gives_the_same_plan_bytes_whatever_the_row_order_and_chunks(plan, territory):
    other = shuffled(territory.engagement, seed=3)

    again = make_model().fit(other, until=UNTIL).recommend(other, at=UNTIL, seed=7, chunk=17)

    assert again.to_bytes() == plan.to_bytes()


def test_another_seed_draws_other_actions_from_the_same_probabilities(model, plan, territory):
    other = model.recommend(territory.engagement, at=UNTIL, seed=8)

    assert [r.eligible for r in other] == [r.eligible for r in plan]
    assert any(a.action != b.action for a, b in zip(other, plan, strict=True))


PROGRAM = """
import sys; sys.path.insert(0, {folder!r})
from hall import UNTIL, make_model
from nba import simulate
data = simulate.territory(seed=11, hcps=60, days=150, contents=20).engagement
import hashlib
model = make_model(); model.scorer.n_jobs = {jobs}; model.features.n_jobs = {jobs}
print(hashlib.sha256(model.fit(data, until=UNTIL).recommend(data, at=UNTIL, seed=7).to_bytes()).hexdigest())
"""


@pytest.mark.slow
def test_threads_hash_seed_zone_and_locale_leave_the_plan_bytes_alone(tmp_path):
    from pathlib import Path

    found = set()
    for jobs, changes in (
        (1, {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "TZ": "UTC"}),
        (2, {"PYTHONHASHSEED": "4242", "OMP_NUM_THREADS": "2", "TZ": "Asia/Tokyo", "LC_ALL": "tr_TR.UTF-8"}),
    ):
        import os

        program = PROGRAM.format(folder=str(Path(__file__).parent), jobs=jobs)
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **changes},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout.strip())

    assert len(found) == 1


def test_nothing_after_the_moment_moves_the_plan(model, plan, territory):
    data = territory.engagement
    known = np.maximum(*(data.columns("interactions")[name] for name in ("ts", "recorded_at")))
    past = data.interactions[known < as_moment(UNTIL)].drop(columns=["machine", "touch", "engaged"])
    frames = {name: frame for name, frame in data.tables.items() if frame is not None}
    truncated = Engagement(**(frames | {"interactions": past}), observed_until=UNTIL)

    again = model.recommend(truncated, at=UNTIL, seed=7)

    assert again.to_bytes() == plan.to_bytes()


def test_the_logged_selection_probability_is_the_pmf_entry_drawn_from(plan):
    for receipt in plan:
        assert dict(receipt.eligible)[receipt.action] == receipt.selection_prob
        assert abs(sum(p for _, p in receipt.eligible) - 1.0) < 1e-12


def test_a_receipt_replays_alone(plan):
    for receipt in list(plan)[:30]:
        draw = policies.keyed_uniforms([receipt.hcp_id], seed=7, at=receipt.decided_at, stream="plan")[0]
        reach = np.cumsum([p for _, p in receipt.eligible])

        assert draw == receipt.draw
        assert receipt.eligible[int((reach <= draw * reach[-1]).sum())][0] == receipt.action


def test_contributions_add_up_to_the_margin(model, territory):
    data = territory.engagement
    labels = model.outcome.labels(data, until=as_moment(UNTIL))
    parts = model.scorer.contributions(model.design(Known.of(data, model.features), labels))

    assert np.abs(parts.base + parts.values.sum(axis=1) - parts.margin).max() < 1e-9


def test_reasons_of_a_receipt_add_up_to_margin_minus_base(model, plan, territory):
    data = territory.engagement
    known = Known.of(data, model.features)
    for receipt in list(plan)[:20]:
        if receipt.action == DO_NOTHING:
            continue
        margin = np.log(receipt.propensity / (1 - receipt.propensity))
        design = model.features.design(
            known.events,
            data.columns("hcps"),
            hcps=np.array([receipt.hcp_id], dtype=object),
            at=np.array([receipt.decided_at]),
            actions=(receipt.action,),
            row=np.zeros(1, dtype=np.int64),
            pair=np.zeros(1, dtype=np.int64),
        )
        base = model.scorer.contributions(design).base[0]

        assert sum(r.log_odds for r in receipt.reasons) == pytest.approx(margin - base, abs=1e-9)


def test_learning_in_two_parts_is_learning_at_once(territory, plan):
    data = territory.engagement
    rewards = np.random.default_rng(0).random(len(plan)) < 0.3
    every = outcomes_of(plan, data, rewards)
    half = len(every) // 2
    first, second = Outcomes(every.rows[:half], data), Outcomes(every.rows[half:], data)

    at_once = make_model().fit(data, until=UNTIL).learn(every)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NBAWarning)
        in_two = make_model().fit(data, until=UNTIL).learn(second).learn(first)

    assert np.abs(margins(at_once, territory) - margins(in_two, territory)).max() < 1e-8
    assert (
        np.abs(margins(at_once, territory) - margins(make_model().fit(data, until=UNTIL), territory)).max()
        > 1e-4
    )


def with_selection_probs(engagement, prob):
    """The same tables with this selection probability logged for every touch; None logs none."""
    log = engagement.interactions.drop(columns=["machine", "touch", "engaged", "selection_prob"])
    log = log if prob is None else log.assign(selection_prob=prob)
    tables = {name: frame for name, frame in engagement.tables.items() if frame is not None}
    return Engagement(**(tables | {"interactions": log}), observed_until=as_iso(engagement.observed_until))


def test_a_model_and_its_cards_say_how_the_rows_it_learned_from_were_chosen(model, plan):
    hcp = next(receipt.hcp_id for receipt in plan if receipt.action != DO_NOTHING)

    card = plan.card(hcp, audience="hq", contrast=False)

    # the simulated reps' choices are not logged, head office's mails are
    assert 0 < model.training_["with_selection_prob"] < model.training_["rows"]
    assert model.training_["selection"] == model.scorer.selection_.kind == "partly logged"
    assert card.to_dict()["details"]["learned_from"] == "partly logged"
    assert "learned_from" not in str(plan.card(hcp).to_dict())


def test_where_nobody_logged_choices_a_model_is_observational_and_weights_are_refused(territory):
    data = with_selection_probs(territory.engagement, None)

    plain = make_model(scorer=nba.SegmentBaseline()).fit(data, until=UNTIL)

    assert plain.training_["selection"] == "observational"
    with pytest.raises(SelectionError, match="observational"):
        make_model(scorer=nba.PairPropensity(selection_clip=10.0)).fit(data, until=UNTIL)


def test_logged_probabilities_reach_the_scorer_and_equal_ones_weigh_nothing(territory):
    data = with_selection_probs(territory.engagement, 0.5)

    model = make_model(scorer=nba.PairPropensity(selection_clip=10.0, correction=None)).fit(data, until=UNTIL)

    assert model.training_["selection"] == "logged"
    assert str(model.scorer.selection_).startswith("logged: ")
    assert model.scorer.selection_.effective == pytest.approx(model.training_["rows"])


def test_outcomes_that_leave_their_forecasts_ring_the_alarm_which_a_bundle_keeps(territory, plan, tmp_path):
    data = territory.engagement
    model = make_model().fit(data, until=UNTIL)
    assert not model.drift.alarm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NBAWarning)
        model.learn(outcomes_of(plan, data, np.arange(len(plan)) % 2))
    model.save(tmp_path / "bundle")

    assert model.drift.rows == len([r for r in plan if r.action != DO_NOTHING])
    assert nba.load(tmp_path / "bundle").drift.to_dict() == model.drift.to_dict()


def test_learning_twice_is_learning_once(territory, plan):
    data = territory.engagement
    every = outcomes_of(plan, data, np.arange(len(plan)) % 3 == 0)

    once = make_model().fit(data, until=UNTIL).learn(every)
    before = margins(once, territory)
    digest = once.digest_
    once.learn(every).learn(every + every)

    assert np.array_equal(margins(once, territory), before)
    assert once.digest_ == digest


def test_a_decision_that_comes_with_another_result_is_refused(territory, plan):
    data = territory.engagement
    model = make_model().fit(data, until=UNTIL).learn(outcomes_of(plan, data, np.arange(len(plan)) % 2))

    with pytest.raises(OutcomeError, match="Nothing was learned"):
        model.learn(outcomes_of(plan, data, (np.arange(len(plan)) + 1) % 2))


def test_open_void_and_censored_outcomes_teach_nothing(territory, plan):
    data = territory.engagement
    model = make_model().fit(data, until=UNTIL)
    rows = tuple(
        replace(row, state=state, reward=None)
        for row, state in zip(
            outcomes_of(plan, data, [1] * 3).rows, ("pending", "censored", "void"), strict=False
        )
    )
    digest = model.digest_

    model.learn(Outcomes(rows, data))

    assert model.digest_ == digest


def test_a_saved_model_decides_the_same(model, plan, territory, tmp_path):
    digest = model.save(tmp_path / "bundle")

    loaded = nba.load(tmp_path / "bundle", digest=digest)

    assert loaded.digest_ == model.digest_
    assert loaded.recommend(territory.engagement, at=UNTIL, seed=7).to_bytes() == plan.to_bytes()


def test_a_loaded_model_remembers_what_it_learned(territory, plan, tmp_path):
    data = territory.engagement
    every = outcomes_of(plan, data, np.arange(len(plan)) % 3 == 0)
    make_model().fit(data, until=UNTIL).learn(every).save(tmp_path / "bundle")

    loaded = nba.load(tmp_path / "bundle")
    digest = loaded.digest_

    assert loaded.learn(every).digest_ == digest


def test_a_further_engagement_is_worth_what_the_table_says_as_often_as_one_follows(
    model, territory, tmp_path
):
    values = pd.DataFrame({"objective": ["adoption", "continuation"], "value": [1.0, 2.0]})
    frames = {n: f for n, f in territory.engagement.tables.items() if f is not None}
    log = frames["interactions"].drop(columns=["machine", "touch", "engaged"])
    data = Engagement(**(frames | {"interactions": log, "values": values}), observed_until="2026-10-01")
    counted = make_model().fit(data, until=UNTIL)

    plan = counted.recommend(data, at=UNTIL, seed=7)

    rates = counted.continuation_
    found = {r.action: r.terms["value"] for r in plan if r.action != DO_NOTHING}
    assert len(set(found.values())) > 3
    for action, value in found.items():
        of = rates[action.channel]
        assert value == 1.0 + 2.0 * of.get(action.content, of[""])
    loaded = nba.load(tmp_path / "bundle", digest=counted.save(tmp_path / "bundle"))
    assert loaded.recommend(data, at=UNTIL, seed=7).to_bytes() == plan.to_bytes()
    with pytest.raises(ArgumentError, match="fitted without it"):
        model.recommend(data, at=UNTIL, seed=7)


@settings(max_examples=40, deadline=None)
@given(where=st.floats(0, 1), bit=st.integers(0, 7), pick=st.integers(0, 10_000))
def test_a_flipped_bit_anywhere_in_a_bundle_is_refused(bundle, where, bit, pick):
    files = sorted(p for p in bundle.iterdir() if p.is_file())
    path = files[pick % len(files)]
    whole = path.read_bytes()
    at = min(int(where * len(whole)), len(whole) - 1)
    path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :])
    try:
        with pytest.raises(BundleError):
            nba.load(bundle, digest=(bundle.parent / "digest").read_text())
    finally:
        path.write_bytes(whole)


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    (folder / "digest").write_text(model.save(folder / "bundle"))
    return folder / "bundle"


def test_the_plan_is_in_the_log_before_it_is_handed_out(model, territory, tmp_path):
    log = nba.Log(tmp_path / "log.db")

    made = model.recommend(territory.engagement, at=UNTIL, seed=7, log=log)

    assert len(log) == len(made)
    assert log.receipt(made.receipts()[0].decision_id) == made.receipts()[0]


KILLED = """
import os, signal, sys; sys.path.insert(0, {folder!r})
from hall import UNTIL, make_model
import nba
from nba import simulate
from nba.recommender import NextBestAction
data = simulate.territory(seed=11, hcps=60, days=150, contents=20).engagement
model = make_model().fit(data, until=UNTIL)
real = nba.Log.append
def append_and_die(self, receipts):
    real(self, receipts)
    os.kill(os.getpid(), signal.SIGKILL)
nba.Log.append = append_and_die
model.recommend(data, at=UNTIL, seed=7, log=nba.Log({path!r}))
print("never printed")
"""


def test_killed_between_the_draw_and_the_return_the_decisions_are_in_the_log(tmp_path):
    from pathlib import Path

    path = tmp_path / "log.db"
    program = KILLED.format(folder=str(Path(__file__).parent), path=str(path))

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.returncode == -9, done.stderr
    assert "never printed" not in done.stdout
    assert len(nba.Log(path)) == 60


def test_a_second_plan_counts_the_decisions_of_the_first(territory, tmp_path):
    data = territory.engagement
    log = nba.Log(tmp_path / "log.db")
    model = make_model(policy=policies.EpsilonGreedy(0.5), guardrails=[guardrails.MinimumGap(3)]).fit(
        data, until=UNTIL
    )
    first = model.recommend(data, at=UNTIL, seed=1, log=log)
    log.commit(first)

    second = model.recommend(data, at="2026-09-02", seed=1, log=log)

    acted = {r.hcp_id for r in first if r.action != DO_NOTHING}
    assert acted
    assert all(second.receipt(hcp).action == DO_NOTHING for hcp in acted)


def test_consent_withdrawn_before_commit_voids_the_decision(territory, tmp_path):
    import pandas as pd

    data = territory.engagement
    log = nba.Log(tmp_path / "log.db")
    model = make_model().fit(data, until=UNTIL)
    made = model.recommend(data, at=UNTIL, seed=7, log=log)
    chosen = next(r for r in made if r.action != DO_NOTHING)
    newest = pd.concat(
        [
            data.consent,
            pd.DataFrame(
                {
                    "hcp_id": [chosen.hcp_id],
                    "channel": [chosen.action.channel],
                    "opt_type": ["opt_out"],
                    "captured_at": pd.to_datetime(["2026-09-01T08:00Z"]).as_unit("s"),
                }
            ),
        ],
        ignore_index=True,
    )

    done = log.commit(made, consent=newest)

    assert done[chosen.decision_id] == "consent_opt_out"
    others = [r for r in made if r.hcp_id != chosen.hcp_id]
    assert all(done[r.decision_id] == "committed" for r in others)


def test_waiving_an_always_on_rule_is_loud_and_in_every_receipt(territory):
    with pytest.warns(NBAWarning, match="waived"):
        loose = make_model(waive=["consent"])

    made = loose.fit(territory.engagement, until=UNTIL).recommend(territory.engagement, at=UNTIL, seed=7)

    assert all(r.waivers == ("consent",) for r in made)
    assert "consent" not in {s.rule for s in made.funnel().steps}


def test_without_a_consent_table_the_funnel_says_so_first(model, territory):
    frames = {
        name: frame.drop(columns=["machine", "touch", "engaged"], errors="ignore")
        for name, frame in territory.engagement.tables.items()
        if frame is not None and name != "consent"
    }
    bare = Engagement(**frames, observed_until=as_iso(territory.engagement.observed_until))

    made = model.recommend(bare, at=UNTIL, seed=7)

    assert "consent" in str(made.funnel()).splitlines()[0].lower()
    assert not {r.action.channel for r in made} & {"approved_email", "hq_email", "push"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"valid_days": 0}, "valid_days"),
        ({"terms": ("value",)}, "propensity"),
        ({"levers": {"phone": -1.0}}, "levers"),
        ({"waive": ["caps"]}, "waive"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ArgumentError, match=message):
        make_model(**changes)


def test_unfitted_models_say_what_to_do(territory):
    with pytest.raises(NotFittedError, match="fit"):
        make_model().recommend(territory.engagement, at=UNTIL, seed=7)


def test_no_closed_window_is_an_error_with_the_number_of_open_ones(territory):
    with pytest.raises(ArgumentError, match="still open"):
        make_model(outcome=nba.Response(within_days=5000.0)).fit(territory.engagement, until=UNTIL)


def test_a_lever_moves_the_choice_and_a_term_can_be_left_out(territory):
    data = territory.engagement
    pushed = make_model(policy=policies.Greedy(), levers={"push": 1000.0}).fit(data, until=UNTIL)
    made = pushed.recommend(data, at=UNTIL, seed=7)
    could = [r for r in made if any(a.channel == "push" for a, _ in r.eligible)]

    assert could
    assert all(r.action.channel == "push" for r in could)
    free = make_model(terms=("propensity",)).fit(data, until=UNTIL).recommend(data, at=UNTIL, seed=7)
    assert all(set(r.terms) <= {"propensity", "do_nothing"} for r in free)


def test_a_service_counts_a_decision_once_before_and_after_its_touch(territory, tmp_path):
    data = territory.engagement
    log = nba.Log(tmp_path / "log.db")
    model = make_model(policy=policies.Greedy(), guardrails=[guardrails.FrequencyCap(1000, days=30)])
    model.fit(data, until=UNTIL)
    first = next(r for r in model.recommend(data, at=UNTIL, seed=1) if r.action != DO_NOTHING)
    log.commit([first])
    history = records_of(data, first.hcp_id)
    touch = {
        "interaction_id": "new",
        "hcp_id": first.hcp_id,
        "ts": "2026-09-01T09:00:00+00:00",
        "channel": first.action.channel,
        "direction": "outbound",
        "outcome": "sent",
        "content_id": first.action.content,
        "decision_id": first.decision_id,
    }

    def contacts(records):
        plan = model.decide(
            first.hcp_id, history=records, at="2026-09-02", seed=1, log=log, stream=str(len(records))
        )
        return plan.receipt(first.hcp_id).facts["frequency_cap"]["contacts"]

    bare = model.decide(first.hcp_id, history=history, at="2026-09-02", seed=1)
    before = bare.receipt(first.hcp_id).facts["frequency_cap"]["contacts"]
    with_touch = contacts([*history, touch])
    assert with_touch == before + 1


def test_a_model_with_the_segment_baseline_is_saved_and_loaded_too(territory, tmp_path):
    data = territory.engagement
    plain = make_model(scorer=nba.SegmentBaseline()).fit(data, until=UNTIL)
    plain.save(tmp_path / "bundle")

    loaded = nba.load(tmp_path / "bundle")

    made = [m.recommend(data, at=UNTIL, seed=7).to_bytes() for m in (plain, loaded)]
    assert made[0] == made[1]


def test_a_rule_that_borrows_the_code_of_an_always_on_rule_does_not_replace_it():
    class Lax:
        code = "consent"

        def check(self, candidates, context):
            raise NotImplementedError

    rules = make_model(guardrails=[Lax(), guardrails.Approved()]).rules

    assert [type(rule) for rule in rules] == [guardrails.Consent, Lax, guardrails.Approved]


def test_no_hcp_is_tried_upon_more_often_than_the_cap_in_any_window(territory, tmp_path):
    import pandas as pd

    data, log = territory.engagement, nba.Log(tmp_path / "log.db")
    model = make_model(
        scorer=nba.SegmentBaseline(), policy=policies.EpsilonGreedy(0.6), guardrails=[],
        explore_cap=policies.ExploreCap(2, days=5), valid_days=1,
    ).fit(data, until=UNTIL)  # fmt: skip
    hcps = list(data.columns("hcps")["hcp_id"][:40])
    made = []

    for day in pd.date_range(UNTIL, periods=9, tz="UTC"):
        by_log = model.recommend(data, at=day, seed=1, log=log, hcps=hcps)
        by_receipts = model.recommend(data, at=day, seed=1, log=Uncapped(log), hcps=hcps, earlier=made)
        assert by_log.to_bytes() == by_receipts.to_bytes()
        made += by_log.receipts()

    tried = {hcp: [r.decided_at for r in made if r.hcp_id == hcp and r.explored] for hcp in hcps}
    assert all(sum(at - 5 * 86_400 < t <= at for t in mine) <= 2 for mine in tried.values() for at in mine)
    assert max(len(mine) for mine in tried.values()) > 2  # the window moves on
    for receipt in made:
        probs = dict(receipt.eligible)
        assert probs[receipt.action] == receipt.selection_prob
        assert sum(probs.values()) == pytest.approx(1.0)
        before = sum(receipt.decided_at - 5 * 86_400 < t < receipt.decided_at for t in tried[receipt.hcp_id])
        assert (receipt.selection_prob == 1.0 and not receipt.explored) == (before >= 2 or len(probs) == 1)


class Uncapped:
    """A log that is asked for what is pending and nothing else."""

    def __init__(self, log):
        self.pending = log.pending

    def append(self, receipts):
        pass


def test_a_cap_on_exploring_needs_to_know_what_was_tried_and_is_saved_with_the_model(territory, tmp_path):
    data = territory.engagement
    model = make_model(scorer=nba.SegmentBaseline(), explore_cap=policies.ExploreCap(1)).fit(
        data, until=UNTIL
    )
    model.save(tmp_path / "bundle")

    loaded = nba.load(tmp_path / "bundle")

    assert loaded.explore_cap == policies.ExploreCap(1)
    with pytest.raises(ArgumentError, match="earlier="):
        loaded.recommend(data, at=UNTIL, seed=1)
    capped = loaded.recommend(data, at=UNTIL, seed=1, earlier=[])
    free = make_model(scorer=nba.SegmentBaseline()).fit(data, until=UNTIL).recommend(data, at=UNTIL, seed=1)
    assert [r.action for r in capped] == [r.action for r in free]
    assert {r.policy for r in capped} != {r.policy for r in free}
