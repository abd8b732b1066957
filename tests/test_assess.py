import numpy as np
import pytest
from hall import UNTIL, make_model

from nba import assess, policies
from nba.contracts import DAY, DO_NOTHING
from nba.errors import ArgumentError
from nba.store import Log


@pytest.fixture(scope="module")
def early(territory):
    return make_model().fit(territory.engagement, until="2026-08-01")


def truth_of(territory):
    return dict(zip(territory.truth["interaction_id"], territory.truth["true_probability"], strict=True))


def test_the_truth_is_never_beaten_by_more_than_chance(early, territory):
    window = assess.later_window(early, territory.engagement, start="2026-08-15", truth=truth_of(territory))

    assert window.gap_to_truth.high > 0
    assert window.truth_log_loss < window.baseline_log_loss
    assert window.rows == sum(part["rows"] for part in window.by_channel.values())


def test_rows_of_the_window_are_scored_as_of_their_own_moment(early, territory):
    data = territory.engagement
    window = assess.later_window(early, data, start="2026-08-15")
    labels = early.outcome.labels(data, until=data.observed_until)
    late = np.flatnonzero(labels.at >= 1786752000)
    margin = early.score(data, labels)[0][late]
    y = labels.y[late]

    assert window.log_loss == pytest.approx(float(np.mean(np.logaddexp(0, margin) - y * margin)), abs=1e-12)


def test_a_window_inside_the_training_is_refused(early, territory):
    with pytest.raises(ArgumentError, match="start it later"):
        assess.later_window(early, territory.engagement, start="2026-07-01")


def test_the_true_worth_of_a_plan_is_recounted(model, plan, territory):
    data = territory.engagement
    channels = data.columns("channels")
    costs = dict(zip(channels["channel"], channels["cost"].tolist(), strict=True))

    worth = assess.true_worth(plan, territory, value=1.0, costs=costs)

    total = 0.0
    for receipt in plan:
        if receipt.action.content:
            p = territory.response_probability([receipt.hcp_id], UNTIL, [receipt.action])[0, 0]
            total += p - costs[receipt.action.channel]
    assert worth.per_hcp.mean == pytest.approx(total / len(plan), abs=1e-12)
    assert worth.contacts == sum(receipt.action.content != "" for receipt in plan)


@pytest.mark.slow
def test_on_the_simulators_later_window_the_model_beats_the_segment_baseline():
    import nba
    from nba import simulate

    territory = simulate.territory(seed=21, hcps=1_500)
    data = territory.engagement
    model = nba.NextBestAction(outcome=nba.Response(within_days=14)).fit(data, until="2026-08-03")

    window = assess.later_window(model, data, start="2026-08-17", truth=truth_of(territory))

    assert window.better_by.low > 0
    assert window.gap_to_truth.mean < window.baseline_log_loss - window.truth_log_loss


@pytest.fixture
def log(tmp_path):
    with Log(tmp_path / "decisions.db") as log:
        yield log


def decided(model, territory, log, *, days=("2026-07-01", "2026-07-10", "2026-07-20")):
    """A log of committed plans, whose windows close before the tables end; some decisions got an answer."""
    data = territory.engagement
    for day in days:
        plan = model.recommend(data, at=day, seed=3, log=log)
        status = log.commit(plan)
        acted = [r for r in plan if r.action != DO_NOTHING and status[r.decision_id] == "committed"]
        told = [{"decision_id": r.decision_id, "ts": r.decided_at + DAY, "response": "sent"} for r in acted]
        log.feedback(
            told + [row | {"ts": row["ts"] + DAY, "response": "reward", "reward": 1.0} for row in told[::3]]
        )
    return data


def test_the_lift_over_random_eligible_from_a_log_is_recounted_decision_by_decision(territory, log):
    model = make_model(policy=policies.InverseGap(explore=0.5)).fit(territory.engagement, until="2026-06-15")
    data = decided(model, territory, log)

    lift = assess.lift_from_log(log, data)

    status = dict(log.decisions()[["decision_id", "status"]].itertuples(index=False))
    came = {row.decision_id: row for row in log.outcomes(data, at=data.observed_until, settle=False).rows}
    worths, weights = [], []
    for r in log.receipts():
        if r.action == DO_NOTHING:
            worth = r.terms["do_nothing"] if status[r.decision_id] == "committed" else None
        elif came[r.decision_id].state == "censored":
            worth = None
        else:
            got, touched = came[r.decision_id].reward or 0.0, came[r.decision_id].touched_at is not None
            factors = [r.terms[name] for name in ("context", "value", "lever") if name in r.terms]
            costs = [r.terms[name] for name in ("cost", "minutes", "attention") if name in r.terms]
            worth = got * np.prod(factors) - touched * sum(costs)
        if worth is not None:
            worths.append(worth)
            weights.append(1 / len(r.eligible) / r.selection_prob)
    assert lift.decisions == len(worths) > 200
    assert lift.chosen.mean == pytest.approx(np.mean(worths), abs=1e-12)
    assert lift.at_random.mean == pytest.approx(np.average(worths, weights=weights), abs=1e-12)
    assert lift.better_by.mean == pytest.approx(lift.chosen.mean - lift.at_random.mean, abs=1e-12)
    assert lift.basis == "log"
    assert "logged decisions" in str(lift)


def test_decisions_whose_windows_are_open_tell_of_no_lift(model, territory, log):
    data = decided(model, territory, log, days=("2026-07-01",))

    with pytest.raises(ArgumentError, match="come back later"):
        assess.lift_from_log(log, data, at="2026-07-08")
