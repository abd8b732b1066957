"""What forecasts of a channel lose without another is what they rest on there."""

import copy

import numpy as np
import pandas as pd
import pytest

import nba
from nba import assess
from nba.errors import ArgumentError
from nba.features import Count, Elsewhere, EngagementFeatures, Rate
from nba.transfer import OTHERS, channel_transfer

CHANCES = {"webinar": 0.2, "approved_email": 0.05, "push": 0.2}
ANSWERS = {"webinar": "attended", "approved_email": "clicked", "push": "clicked"}


def planted(*, seed=5, hcps=500, days=200):
    """Who came to a webinar clicks in emails for a while; pushes are answered by chance."""
    rng = np.random.default_rng(seed)
    start, day = 1_767_225_600, 86_400
    records = []

    def sent(hcp, ts, channel, *, answer):
        key = f"t{len(records)}"
        touch = {
            "interaction_id": key, "hcp_id": hcp, "ts": ts, "channel": channel, "direction": "outbound",
            "outcome": "registered" if channel == "webinar" else "sent", "content_id": "c0",
        }  # fmt: skip
        records.append(touch | {"parent_id": None})
        if answer:
            more = {"ts": ts + 7_200, "direction": "inbound", "outcome": answer, "parent_id": key}
            records.append(touch | more | {"interaction_id": f"r{key}"})

    for i in range(hcps):
        hcp, came = f"h{i:03d}", -(10**9)
        hours = np.sort(rng.choice(days * 24, 24, replace=False))
        for channel, ts in zip(rng.choice(list(CHANCES), 24), (start + 3_600 * hours).tolist(), strict=True):
            chance = 0.6 if channel == "approved_email" and ts - came < 45 * day else CHANCES[channel]
            answered = rng.random() < chance
            sent(hcp, ts, str(channel), answer=ANSWERS[channel] if answered else None)
            came = ts if answered and channel == "webinar" else came
    log = pd.DataFrame(records)
    log["ts"] = pd.to_datetime(log["ts"], unit="s", utc=True)
    content = pd.DataFrame(
        {
            "content_id": ["c0"], "document_number": ["D0"], "version": ["1"], "title": ["Overview"],
            "channels": [["webinar", "approved_email", "push"]], "content_type": ["summary"],
            "format": ["pdf"], "topic": ["mechanism"], "purpose": ["educational"], "language": ["en"],
            "country": [["US"]], "approval_status": ["approved"],
            "approved_from": [pd.Timestamp("2025-01-01", tz="UTC")],
            "expiry": [pd.Timestamp("2028-01-01", tz="UTC")],
        }
    )  # fmt: skip
    people = pd.DataFrame({"hcp_id": sorted(set(log["hcp_id"])), "country": "US"})
    return nba.Engagement(log, content, people, observed_until="2026-08-15")


CROSS = (
    Count(of="touches", window_days=30),
    Count(of="responses", by="channel", window_days=45),
    Count(of="touches", by="channel", window_days=45),
    Rate(by="channel", own=True, window_days=365),
    Elsewhere(of="responses", window_days=45),
)


@pytest.fixture(scope="module", name="crossing")
def _crossing():
    data = planted()
    model = nba.NextBestAction(
        outcome=nba.Response(within_days=14), features=EngagementFeatures(CROSS, dtype="float64"),
        scorer=nba.PairPropensity(correction=None),
    )  # fmt: skip
    return model.fit(data, until="2026-05-01"), data


def test_a_planted_effect_of_webinars_on_emails_is_found_and_no_other(crossing):
    model, data = crossing

    found = channel_transfer(model, data, start="2026-05-01")

    assert found.lost["approved_email"]["webinar"].low > 0.02
    assert found.lost["approved_email"][OTHERS].low > 0.02
    for channel, source in (("push", "webinar"), ("push", "approved_email"), ("approved_email", "push")):
        assert abs(found.lost[channel][source].mean) < 0.01
    best = found.matrix[list(found.lost).index("approved_email")]
    assert found.sources[int(np.nanargmax(best[:-1]))] == "webinar"
    assert "webinar: +" in str(found)


class ByWebinars:
    """Forecasts emails by webinars alone, and everything else by nothing."""

    def score(self, design):
        names = [feature.name for feature in design.shared_features]
        attended = design.shared[design.row, names.index("count(responses, channel=webinar, 45d)")]
        email = np.array([action.channel == "approved_email" for action in design.actions])[design.pair]
        margin = np.where(email, 2.0 * np.minimum(attended, 1.0) - 2.0, -1.0)
        return margin, np.zeros(len(margin))


def test_what_is_lost_is_the_mean_loss_with_the_columns_of_any_other_touch(crossing):
    model, data = crossing
    rule = copy.copy(model)
    rule.scorer = ByWebinars()

    found = channel_transfer(rule, data, start="2026-05-01", repeats=40)

    labels = assess.window_labels(model, data, start="2026-05-01")
    mine = np.array([action.channel == "approved_email" for action in labels.actions])[labels.pair]
    y, margin = labels.y[mine], rule.score(data, labels)[0][mine]
    losses = np.logaddexp(0, margin)[None, :] - np.outer(y, margin)  # of touch i, by the columns of touch j
    lost = losses.mean() - np.diag(losses).mean()
    assert found.lost["approved_email"]["webinar"].mean == pytest.approx(lost, rel=0.05)
    assert found.log_loss["approved_email"] == pytest.approx(np.diag(losses).mean())
    for channel, sources in found.lost.items():
        for source, interval in sources.items():
            if (channel, source) not in {("approved_email", "webinar"), ("approved_email", OTHERS)}:
                assert interval.mean == 0.0


def test_without_a_column_of_a_single_channel_nothing_can_be_told(model, territory):
    with pytest.raises(ArgumentError, match="No column is about a single channel"):
        channel_transfer(model, territory.engagement, start="2026-08-15")
    with pytest.raises(ArgumentError, match="repeats is 0"):
        channel_transfer(model, territory.engagement, start="2026-08-15", repeats=0)
