"""Real, ragged histories: reported contacts of physicians, and reps' calls."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nba.errors import NBAWarning
from nba.evaluation import auc
from nba.features import (
    Count,
    Decayed,
    Distinct,
    Diversity,
    EngagementFeatures,
    Gap,
    GapSpread,
    Occurrence,
    Recency,
    Silence,
    Sum,
    Trend,
)
from nba.models import LightGBMPerPair, PairPropensity
from nba.tables import Engagement
from nba.tables.adapters import open_payments
from nba.testing import assert_point_in_time
from training.panel import ABOUT_THE_HCP, WITHIN_DAYS, History

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
IOWA, DETAILING = DATA / "open_payments_iowa", DATA / "physician_detailing"
needs_iowa = pytest.mark.skipif(not IOWA.is_dir(), reason=f"the Open Payments contacts are not in {IOWA}")
needs_detailing = pytest.mark.skipif(
    not DETAILING.is_dir(), reason=f"the detailing panel is not in {DETAILING}"
)
OF_TOUCHES = (
    *(Count(of="touches", window_days=days) for days in (30, 90, 365)),
    *(Distinct(of="touches", over=over, window_days=180) for over in ("content", "detail_group")),
    Distinct(of="touches", over="content", window_days=365),
    Diversity(of="touches", over="detail_group", window_days=365),
    Gap(of="touches", window_days=365),
    GapSpread(of="touches", window_days=365),
    Trend(of="touches", window_days=90),
    Trend(of="touches", window_days=180),
    Silence(of="touches"),
    Sum(of="touches", weight="amount", window_days=180),
    Decayed(of="touches", half_life_days=180),
)


@pytest.fixture(scope="module", name="contacts")
def _contacts(tmp_path_factory: Any) -> Engagement:
    """A hundred of the physicians."""
    path = tmp_path_factory.mktemp("iowa")
    people = pd.read_parquet(IOWA / "hcps.parquet").sort_values("hcp_id").iloc[::20].head(100)
    events = pd.read_parquet(IOWA / "events.parquet")
    events[events["hcp_id"].isin(people["hcp_id"])].to_parquet(path / "events.parquet")
    people.to_parquet(path / "hcps.parquet")
    with warnings.catch_warnings(action="ignore", category=NBAWarning):
        return open_payments(path, observed_until="2015-07-01")


@needs_iowa
def test_reported_contacts_are_read_as_of_their_moment(contacts: Engagement) -> None:
    found = assert_point_in_time(EngagementFeatures(OF_TOUCHES), contacts, at="2014-06-01", futures=1)

    assert "a week too far" in found.leaks


@needs_iowa
def test_reported_contacts_are_counted_as_by_hand(contacts: Engagement) -> None:
    features = EngagementFeatures(OF_TOUCHES, dtype="float64").fit(contacts, until="2014-06-01")

    frame = features.transform(contacts, at="2014-06-01")

    at = pd.Timestamp("2014-06-01", tz="UTC")
    log = contacts.interactions
    known = log[(log["recorded_at"] < at) & (log["ts"] >= at - pd.Timedelta(days=180))]
    by_hcp = known.groupby("hcp_id")
    for name, expected in (
        ("distinct(touches, all, over content, 180d)", by_hcp["content_id"].nunique()),
        ("sum(touches, all, amount, 180d)", by_hcp["amount"].sum()),
    ):
        assert_allclose(frame[name], expected.reindex(frame.index).fillna(0.0), rtol=1e-12)


@needs_detailing
def test_calls_of_reps_are_counted_as_by_hand() -> None:
    panel = pd.read_parquet(DETAILING / "panel.parquet")
    calls = panel.loc[panel.index.repeat(panel["rep_calls"])].reset_index(drop=True)
    month = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(calls["month"] * 30, unit="D")
    nth = calls.groupby(["hcp_id", "month"]).cumcount()
    log = pd.DataFrame(
        {
            "interaction_id": [f"i{i}" for i in range(len(calls))],
            "hcp_id": "h" + calls["hcp_id"].astype(str), "channel": "rep_visit", "direction": "outbound",
            "ts": month + pd.to_timedelta(nth, unit="h"), "outcome": "held",
        }
    )  # fmt: skip
    people = pd.DataFrame({"hcp_id": "h" + panel["hcp_id"].drop_duplicates().astype(str), "country": "US"})
    content = pd.DataFrame(
        {
            "content_id": ["c"], "document_number": ["d"], "version": ["1"], "title": ["t"],
            "channels": [["rep_visit"]], "content_type": ["summary"], "format": ["pdf"], "topic": ["dosing"],
            "purpose": ["promotional"], "language": ["en"], "country": [["US"]],
            "approval_status": ["approved"], "approved_from": [pd.Timestamp("2020-01-01", tz="UTC")],
            "expiry": [pd.Timestamp("2030-01-01", tz="UTC")],
        }
    )  # fmt: skip
    with warnings.catch_warnings(action="ignore", category=NBAWarning):
        data = Engagement(log, content, people)
    features = EngagementFeatures(
        [Count(of="touches", window_days=90), Recency(of="touches"), Trend(of="touches", window_days=90)],
        dtype="float64",
    )
    at = pd.Timestamp("2020-01-01", tz="UTC") + pd.Timedelta(days=13 * 30)
    features.fit(data, until=at)

    frame = features.transform(data, at=at)

    monthly = panel.pivot_table(index="hcp_id", columns="month", values="rep_calls", fill_value=0)
    monthly.index = "h" + monthly.index.astype(str)
    monthly = monthly.reindex(frame.index)
    recent, earlier = monthly[[10, 11, 12]].sum(axis=1), monthly[[7, 8, 9]].sum(axis=1)
    assert_array_equal(frame["count(touches, all, 90d)"], recent)
    assert_allclose(frame.iloc[:, 2], np.log((recent + 1) / (earlier + 1)), rtol=1e-12)
    months = monthly.loc[:, :12].to_numpy() > 0
    never = ~months.any(axis=1)
    assert_array_equal(frame["recency(touches, all)"].isna(), never)


@pytest.mark.slow
@needs_iowa
def test_pace_variety_and_silence_forecast_contacts_better_than_counts() -> None:
    history = History.read("open_payments", IOWA)
    rule = Occurrence(within_days=WITHIN_DAYS, any_pair=True)

    def panels(measures: Any) -> Any:
        return history.train(rule, measures, peers=False), history.test(rule, measures, peers=False)

    def reached(model: Any, train: Any, test: Any) -> float:
        model.fit(train.design, train.y, at=train.labels.at[train.labels.row])
        return auc(model.score(test.design)[0], test.y)

    narrow, wide = panels(ABOUT_THE_HCP), panels((*ABOUT_THE_HCP, *OF_TOUCHES))

    ours = reached(PairPropensity(calibration_share=0.3), *wide)

    assert ours > reached(PairPropensity(calibration_share=0.3), *narrow) + 0.004
    assert ours > reached(LightGBMPerPair(), *narrow)
    assert ours > reached(LightGBMPerPair(), *(panel.six_month_counts() for panel in narrow)) + 0.01
