"""Arms, prices and the draw together, and through the hall."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hall import UNTIL, variant_of

from nba.contracts import DO_NOTHING, Scores
from nba.policies import Greedy, Holdout, InverseGap, Limit, Split, Uniform, settle
from nba.tables import Engagement


def settled(policy, n=600, limits=(), holdout=None, **_):
    rng = np.random.default_rng(0)
    k = 5
    scores = Scores(np.full((n, k), -2.0), np.full((n, k), 0.3), np.full(k, 30.0), np.zeros(k, dtype=bool))
    eligible = rng.random((n, k)) < 0.8
    eligible[:, 0] = True
    return settle(
        policy, priorities=rng.random((n, k)), scores=scores, eligible=eligible,
        hcps=[f"h{i:04d}" for i in range(n)], seed=1, at=2, holdout=holdout, limits=limits,
    )  # fmt: skip


def test_the_held_take_no_capacity_when_they_get_nothing_and_share_it_when_random():
    visits = Limit("visits", np.arange(600), np.arange(5) == 1, 40)

    idle = settled(InverseGap(), limits=[visits], holdout=Holdout(0.3))
    random = settled(InverseGap(), limits=[visits], holdout=Holdout(0.3, give="random"))

    held = idle.arm == "holdout_do_nothing"
    assert (idle.choice.action[held] == 0).all()
    for found in (idle, random):
        assert (found.choice.action == 1).sum() <= 40
        rows = np.arange(600)
        assert (found.choice.selection_prob == found.pmf.probs[rows, found.choice.action]).all()


def test_a_split_without_limits_draws_from_each_arms_own_probabilities():
    found = settled(Split(Greedy(), Uniform(), share=0.5))

    second = found.arm == "challenger"
    assert 200 < second.sum() < 400
    assert (found.choice.selection_prob[~second] == 1).all()
    even = 1 / found.pmf.eligible[second].sum(axis=1)
    np.testing.assert_allclose(found.choice.selection_prob[second], even)


def with_capacity(engagement, rows):
    """The same tables and a capacity table."""
    frames = {
        name: frame.drop(columns=["machine", "touch", "engaged"], errors="ignore")
        for name, frame in engagement.tables.items()
        if frame is not None
    }
    until = pd.Timestamp(engagement.observed_until, unit="s", tz="UTC")
    return Engagement(**frames, capacity=pd.DataFrame(rows), observed_until=until)


def test_a_plan_says_who_was_held_out(model, territory):
    held_out = variant_of(model, holdout=Holdout(0.4, seed=2))

    plan = held_out.recommend(territory.engagement, at=UNTIL, seed=3)

    held = [r for r in plan if r.holdout == "holdout_do_nothing"]
    rest = [r for r in plan if r.holdout == "none"]
    assert len(held) > 5
    assert len(rest) > 5
    assert all(r.action == DO_NOTHING and r.arm_prob == 0.4 and r.selection_prob == 1.0 for r in held)
    assert all(r.arm_prob == 0.6 for r in rest)


def test_a_plan_keeps_the_capacity_table_and_its_receipts_hold_the_prices(model, territory):
    free = model.recommend(territory.engagement, at=UNTIL, seed=3)
    channels = [r.action.channel for r in free if r.action != DO_NOTHING]
    channel = max(sorted(set(channels)), key=channels.count)
    few = max(1, channels.count(channel) // 3)
    data = with_capacity(
        territory.engagement, [{"resource": "seat", "scope": "all", "channel": channel, "units": few}]
    )

    plan = model.recommend(data, at=UNTIL, seed=3, chunk=7)

    assert sum(r.action.channel == channel for r in plan) <= few
    name = f"seat/all/{channel}"
    assert {r.group for r in plan} <= {"", name}
    assert {r.prices[0][0] for r in plan} == {name}
    assert len({r.prices for r in plan}) == 1
    assert all(dict(r.eligible)[r.action] == r.selection_prob for r in plan)
