import numpy as np
import pytest
from hall import UNTIL, make_model

from nba import assess
from nba.errors import ArgumentError


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
