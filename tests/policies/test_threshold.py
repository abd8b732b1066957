"""A threshold with hysteresis does not flap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hall import UNTIL, variant_of

from nba.contracts import DO_NOTHING
from nba.errors import ArgumentError
from nba.guardrails import InState
from nba.policies import ContextWeight, Threshold, Uniform
from nba.tables import Engagement


def flips(states):
    return int((np.diff(np.array(states, dtype=int)) != 0).sum())


def test_a_score_that_trembles_around_the_mark_switches_once():
    rng = np.random.default_rng(0)
    scores = np.concatenate([np.linspace(0, 0.3, 60), np.full(60, 0.3), np.linspace(0.3, 0, 60)])
    scores = scores + rng.uniform(-0.04, 0.04, len(scores))
    trigger, was, states = Threshold(on=0.3, off=0.2), np.zeros(1, dtype=bool), []

    for score in scores:
        was = trigger.switch(np.array([score]), was=was)
        states.append(bool(was[0]))

    assert flips(states) == 2
    assert flips(scores >= 0.3) > 10


def test_between_the_marks_nothing_changes():
    trigger = Threshold(on=0.3, off=0.2)

    found = trigger.switch(np.array([0.25, 0.25, 0.3, 0.2, 0.199]), was=np.array([0, 1, 0, 1, 1], dtype=bool))

    assert found.tolist() == [False, True, True, True, False]


def test_marks_the_wrong_way_round_and_missing_scores_are_refused():
    with pytest.raises(ArgumentError, match="Swap them"):
        Threshold(on=0.2, off=0.3)
    with pytest.raises(ArgumentError, match="1 of them missing"):
        Threshold(on=0.3, off=0.2).switch(np.array([np.nan]), was=np.array([True]))


def test_the_table_of_states_begins_and_ends_where_the_trigger_switches():
    trigger, table = Threshold(on=0.3, off=0.2), None
    days = pd.date_range("2026-09-01", periods=60, tz="UTC")
    rng = np.random.default_rng(3)
    walks = {f"h{i}": np.clip(np.cumsum(rng.normal(0, 0.05, 60)) + 0.2, 0, 1) for i in range(8)}
    was, seen = np.zeros(8, dtype=bool), []

    for d, day in enumerate(days):
        scores = {hcp: float(walk[d]) for hcp, walk in walks.items()}
        table = trigger.states(scores, at=day, state="ready", before=table)
        was = trigger.switch(np.array(list(scores.values())), was=was)
        again = trigger.states(scores, at=day, state="ready", before=table)
        pd.testing.assert_frame_equal(again, table)
        seen.append(was)

    assert np.diff(np.array(seen, dtype=int), axis=0).any()
    for d, day in enumerate(days):
        on = table[(table["since"] <= day) & (table["until"].isna() | (table["until"] > day))]
        assert sorted(on["hcp_id"]) == [f"h{i}" for i in np.flatnonzero(seen[d])]


def test_other_states_and_hcps_without_a_score_stay_as_they_were():
    since = pd.to_datetime(["2026-08-01T00:00Z"] * 3)
    before = pd.DataFrame({"hcp_id": ["a", "a", "b"], "state": ["paused", "ready", "ready"], "since": since})

    table = Threshold(on=0.3, off=0.2).states(
        {"a": 0.1, "c": 0.9}, at="2026-09-01", state="ready", before=before
    )

    assert table[["hcp_id", "state"]].to_numpy().tolist() == [
        ["a", "paused"], ["a", "ready"], ["b", "ready"], ["c", "ready"]
    ]  # fmt: skip
    assert table["until"].isna().tolist() == [True, False, True, True]


def test_a_trigger_fires_at_the_upper_mark_and_stays_until_the_lower_in_recommend_and_decide(
    model, territory
):
    hcp = max(territory.engagement.columns("hcps")["hcp_id"])
    gate = variant_of(model, guardrails=(InState("ready"),), valid_days=1.0)
    weights = replace(model.worth, contexts=(ContextWeight(3.0, state="ready"),))
    lever = variant_of(model, guardrails=(), worth=weights, valid_days=1.0, policy=Uniform())
    trigger, table, gated, weighed = Threshold(on=0.3, off=0.2), None, [], []

    for day, score in enumerate([0.25, 0.31, 0.25, 0.2, 0.19, 0.25, 0.4], start=1):
        at = f"2026-09-{day:02d}"
        table = trigger.states({hcp: score}, at=at, state="ready", before=table)
        data = with_table(territory.engagement, states=table)
        made = gate.recommend(data, at=at, seed=1, hcps=[hcp]).receipt(hcp)
        alone = gate.decide(hcp, history=[], at=at, seed=1, data=data).receipt(hcp)
        assert [a for a, _ in alone.eligible] == [a for a, _ in made.eligible]
        gated.append(len(made.eligible) > 1)
        assert gated[-1] or "not_in_state" in dict(made.removed).values()
        ranked = lever.recommend(data, at=at, seed=1, hcps=[hcp]).ranked(hcp)
        weighed.append(next(r.terms["context"] for r in ranked if r.action != DO_NOTHING))

    assert gated == [False, True, True, True, False, False, True]
    assert weighed == [3.0 if on else 1.0 for on in gated]


def test_scores_for_triggers_are_those_that_decide(model, territory, plan):
    found = model.propensities(territory.engagement, at=UNTIL, chunk=7)

    for receipt in plan:
        if receipt.action != DO_NOTHING:
            assert found.loc[receipt.hcp_id, receipt.action] == receipt.propensity
    assert found.isna().to_numpy().any()


def with_table(engagement, **tables):
    """The same engagement with other tables beside it."""
    frames = {
        name: frame.drop(columns=["machine", "touch", "engaged"], errors="ignore")
        for name, frame in engagement.tables.items()
        if frame is not None
    }
    until = pd.Timestamp(engagement.observed_until, unit="s", tz="UTC")
    return Engagement(**(frames | tables), observed_until=until)
