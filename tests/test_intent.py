"""Intents find planted truth, say what they are, and are the same bits for one HCP as for all."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import nba
from nba.errors import ArgumentError, BundleError, NBAWarning, NotFittedError, SelectionError
from nba.evaluation import calibration_line, log_losses
from nba.features import (
    Attribute,
    Count,
    Decayed,
    EngagementFeatures,
    Fit,
    PrescriptionShare,
    PrescriptionTrend,
    Recency,
)
from nba.tables import OneHCP, open_payments

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2026-01-01", tz="UTC")
DAYS = 260
AT = START + DAYS * DAY
PACE = 0.05  # engagements a day
LIKES = {"cardiology": {"push": 0.7, "portal": 0.2, "webinar": 0.1},
         "oncology": {"push": 0.1, "portal": 0.2, "webinar": 0.7}}  # fmt: skip
CHANNELS = pd.DataFrame(
    {
        "channel": ["push", "portal", "webinar"],
        "direction": ["outbound", "inbound", "outbound"],
        "consent_required": False,
        "success": [["clicked"], ["clicked"], ["attended"]],
        "attribution_days": 14.0,
    }
)
FEATURES = (
    Attribute(column="specialty"),
    Count(window_days=60),
    Count(by="channel", own=True, window_days=90),
    Decayed(by="topic", own=True, half_life_days=60),
    Fit(),
)


def content(indications: list[str], audiences: list[list[str]]) -> pd.DataFrame:
    n = len(indications)
    return pd.DataFrame(
        {
            "content_id": [f"c{i}" for i in range(n)], "document_number": [f"PM-{i}" for i in range(n)],
            "version": "1", "title": [f"Overview {i}" for i in range(n)],
            "channels": [["push", "webinar"]] * n, "content_type": "summary", "format": "pdf",
            "topic": [f"about {i}" for i in indications], "indication": indications, "purpose": "educational",
            "audience_specialty": audiences, "language": "en", "country": [["US"]] * n,
            "approval_status": "approved", "approved_from": START - 400 * DAY, "expiry": START + 900 * DAY,
        }
    )  # fmt: skip


def event(
    i: int, hcp: str, ts: Any, *, channel: str, outcome: str = "clicked", **more: Any
) -> dict[str, Any]:
    return {
        "interaction_id": f"e{i}", "hcp_id": hcp, "ts": ts, "channel": channel, "direction": "inbound",
        "outcome": outcome, "content_id": None, "parent_id": None, **more,
    }  # fmt: skip


def engagement(log: Any, people: pd.DataFrame, documents: Any = None, **tables: Any) -> Any:
    with warnings.catch_warnings(action="ignore", category=NBAWarning):
        return nba.Engagement(
            pd.DataFrame(log), content(["HF"], [[]]) if documents is None else documents, people,
            channels=CHANNELS, observed_until=AT, **tables,
        )  # fmt: skip


def people(n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "hcp_id": [f"h{i:03d}" for i in range(n)], "country": "US",
            "specialty": ["cardiology" if i % 2 else "oncology" for i in range(n)],
            "pdrp_opt_out": [i % 10 == 0 for i in range(n)],
        }
    )  # fmt: skip


@pytest.fixture(scope="module", name="channels")
def _channels() -> Any:
    """HCPs who engage at a known pace, in channels that their specialty likes."""
    rng = np.random.default_rng(5)
    hcps, log = people(160), []
    for row in hcps.itertuples():
        likes = LIKES[row.specialty]
        for day in np.flatnonzero(rng.random(DAYS) < PACE):
            ts = START + int(day) * DAY + pd.Timedelta(seconds=int(rng.integers(86_400)))
            log.append(
                event(len(log), row.hcp_id, ts, channel=str(rng.choice(list(likes), p=list(likes.values()))))
            )
    return engagement(log, hcps)


@pytest.fixture(scope="module", name="next_channel")
def _next_channel(channels: Any) -> Any:
    intent = nba.Intent(nba.NextEngagement(), features=EngagementFeatures(FEATURES[:4]))
    return intent.fit(channels)


def test_the_next_channel_is_forecast_as_it_was_planted(channels: Any, next_channel: Any) -> None:
    found = next_channel.predict(channels, at=AT)

    specialty = channels.hcps["specialty"].to_numpy()
    within = 1 - (1 - PACE) ** 14
    for k, key in enumerate(found.keys):
        for name, likes in LIKES.items():
            mine = found.propensity[specialty == name, k]
            assert mine.mean() == pytest.approx(within * likes[key], abs=0.05)
            assert np.abs(mine - within * likes[key]).mean() < 0.07
    assert (found.propensity.sum(axis=1) <= 1 + 1e-12).all()
    assert found.calibrated
    assert found.selection == next_channel.training_["selection"] == "everybody"
    assert found.horizon_days == 14
    assert found.asof == int(AT.timestamp())
    assert "within 14 days, calibrated" in str(found)


@dataclass(frozen=True, kw_only=True)
class Apart(nba.NextEngagement):
    """The same outcome, its keys forecast apart."""

    is_exclusive = False


def test_forecasts_of_what_excludes_each_other_add_up_to_one_at_most_and_hold_in_the_large() -> None:
    """Where nearly everybody engages in time, forecasts made apart promise more than can be."""
    rng = np.random.default_rng(11)
    hcps, log = people(150), []
    pace = np.exp(rng.normal(np.log(0.15), 0.8, len(hcps)))
    for row, mine in zip(hcps.itertuples(), pace, strict=True):
        likes = LIKES[row.specialty]
        for day in np.flatnonzero(rng.random(DAYS) < mine):
            ts = START + int(day) * DAY + pd.Timedelta(seconds=int(rng.integers(86_400)))
            channel = str(rng.choice(list(likes), p=list(likes.values())))
            log.append(event(len(log), row.hcp_id, ts, channel=channel))
    data = engagement(log, hcps)
    intent = nba.Intent(nba.NextEngagement(), features=EngagementFeatures(FEATURES[:4])).fit(data)
    apart = copy.copy(intent)
    apart.outcome = Apart()

    held, loose = intent.predict(data, at=AT), apart.predict(data, at=AT)

    within = 1 - (1 - np.minimum(pace, 1)) ** 14
    likes = np.array([[LIKES[name][key] for key in held.keys] for name in hcps["specialty"]])
    truth = within[:, None] * likes
    over = loose.propensity.sum(axis=1) > 1
    assert 0.1 < over.mean() < 0.9
    assert held.propensity.sum(axis=1).max() <= 1 + 1e-12
    assert_array_equal(held.margin[~over], loose.margin[~over])
    assert_array_equal(held.spread, loose.spread)
    assert held.calibrated
    assert_allclose(held.propensity.mean(axis=0), truth.mean(axis=0), atol=0.03)
    loss = [expected_losses(found.propensity[over], truth[over]) for found in (held, loose)]
    assert (loss[0] <= loss[1] + 1e-12).all()


def expected_losses(p: Any, truth: Any) -> Any:
    return -(truth * np.log(p) + (1 - truth) * np.log1p(-p)).sum(axis=1)


def test_facets_come_the_likeliest_first_with_intervals(channels: Any, next_channel: Any) -> None:
    found = next_channel.predict(channels, at=AT, hcps=["h001"])

    facets = found["h001"]

    assert facets[0].name == "push"
    values = [facet.value for facet in facets]
    assert values == sorted(values, reverse=True)
    assert all(f.interval[0] < f.value < f.interval[1] and f.n > 0 and f.status == "ok" for f in facets)
    frame = found.to_frame()
    assert_allclose(frame.loc["h001"].sort_values(ascending=False), values)
    assert frame.attrs["horizon_days"] == 14
    with pytest.raises(ArgumentError, match="not among those"):
        found["h002"]


def test_one_hcp_from_records_and_any_chunk_have_the_bits_of_the_batch(
    channels: Any, next_channel: Any
) -> None:
    batch = next_channel.predict(channels, at=AT)
    log = channels.interactions
    columns = ["interaction_id", "hcp_id", "ts", "channel", "direction", "outcome"]
    records = log.loc[log["hcp_id"] == "h003", columns].to_dict("records")

    one = next_channel.predict(OneHCP.from_records("h003", history=records, reference=channels), at=AT)
    chunked = next_channel.predict(channels, at=AT, chunk=7)

    assert_array_equal(one.margin[0], batch.margin[3])
    assert_array_equal(one.spread[0], batch.spread[3])
    assert_array_equal(chunked.margin, batch.margin)


def test_the_future_moves_nothing(channels: Any, next_channel: Any) -> None:
    at = START + 150 * DAY
    log = channels.interactions.drop(columns=["machine", "touch", "engaged"])
    cut = engagement(log[log["ts"] < at], channels.hcps)

    assert_array_equal(next_channel.predict(cut, at=at).margin, next_channel.predict(channels, at=at).margin)


def test_an_intent_is_saved_and_read_back(channels: Any, next_channel: Any, tmp_path: Any) -> None:
    digest = next_channel.save(tmp_path / "intent")

    again = nba.Intent.load(tmp_path / "intent", digest=digest)

    assert_array_equal(again.predict(channels, at=AT).margin, next_channel.predict(channels, at=AT).margin)
    assert again.outcome == next_channel.outcome
    assert again.training_ == next_channel.training_
    with pytest.raises(BundleError, match=r"expected 'nba.NextBestAction'"):
        nba.load(tmp_path / "intent")


def test_who_objects_to_profiling_is_forecast_without_a_history(channels: Any, next_channel: Any) -> None:
    objects = pd.DataFrame(
        {"hcp_id": ["h001"], "channel": [None], "purpose": ["profiling"], "opt_type": ["opt_out"],
         "captured_at": [START]}
    )  # fmt: skip
    log = channels.interactions.drop(columns=["machine", "touch", "engaged"])
    data = engagement(log, channels.hcps, consent=objects)

    found, as_usual = next_channel.predict(data, at=AT), next_channel.predict(channels, at=AT)
    silent = engagement(log[log["hcp_id"] != "h001"], channels.hcps, consent=objects)

    assert (found.margin[1] != as_usual.margin[1]).any()
    assert_array_equal(found.margin[1], next_channel.predict(silent, at=AT).margin[1])
    assert_array_equal(found.margin[2], as_usual.margin[2])


def test_a_new_indication_is_forecast_from_what_its_content_is_tagged_with() -> None:
    rng = np.random.default_rng(6)
    audiences = {"HF": ["cardiology"], "AF": ["cardiology"], "NSCLC": ["oncology"], "new": ["cardiology"]}
    documents = content(list(audiences), list(audiences.values()))
    documents.loc[3, "approved_from"] = AT - DAY
    hcps, log = people(200), []
    for row in hcps.itertuples():
        for i, (name, audience) in enumerate(audiences.items()):
            pace = 0 if name == "new" else 0.012 if row.specialty in audience else 0.001
            for day in np.flatnonzero(rng.random(DAYS) < pace):
                ts = START + int(day) * DAY + pd.Timedelta(hours=9)
                log.append(event(len(log), row.hcp_id, ts, channel="push", content_id=f"c{i}"))
    data = engagement(log, hcps, documents)
    intent = nba.Intent(nba.FirstEngagement(), features=EngagementFeatures([FEATURES[0], Fit()])).fit(data)

    found = intent.predict(data, at=AT)

    new = found.keys.index("new")
    specialty = hcps["specialty"].to_numpy()
    cardio, other = (found.propensity[specialty == name, new].mean() for name in ("cardiology", "oncology"))
    assert found.prior_only[new]
    assert not found.prior_only[found.keys.index("HF")]
    assert cardio > 3 * other
    assert cardio == pytest.approx(1 - (1 - 0.012) ** 30, abs=0.12)
    begun = {r["hcp_id"] for r in log if r["content_id"] == "c0"}
    asked = ~np.isnan(found.margin[:, found.keys.index("HF")])
    assert {hcp for hcp, is_asked in zip(found.hcps, asked, strict=True) if not is_asked} == begun
    assert {facet.status for facet in found[sorted(begun)[0]]} >= {"not_available", "prior_only"}


def test_attending_is_forecast_for_who_is_invited() -> None:
    rng = np.random.default_rng(7)
    hcps, log = people(120), []
    for row in hcps.itertuples():
        for day in rng.choice(200, 6, replace=False):
            ts = START + int(day) * DAY
            sent = f"e{len(log)}"
            log.append(event(len(log), row.hcp_id, ts, channel="webinar", outcome="sent", content_id="c0",
                             direction="outbound"))  # fmt: skip
            if rng.random() < (0.6 if row.specialty == "oncology" else 0.1):
                log.append(event(len(log), row.hcp_id, ts + 9 * DAY, channel="webinar", outcome="attended",
                                 content_id="c0", parent_id=sent))  # fmt: skip
    data = engagement(log, hcps)
    intent = nba.Intent(nba.Attendance(within_days=30), features=EngagementFeatures(FEATURES[:1])).fit(data)

    found = intent.predict(data, at=AT)

    assert found.keys == ("webinar / c0",)
    assert intent.training_["rows"] == 720
    specialty = hcps["specialty"].to_numpy()
    assert found.propensity[specialty == "oncology"].mean() == pytest.approx(0.6, abs=0.06)
    assert found.propensity[specialty == "cardiology"].mean() == pytest.approx(0.1, abs=0.06)


def invited(*, logged: bool, seed: int = 9) -> Any:
    """HCPs who attend by what no column says, and are invited by just that."""
    rng = np.random.default_rng(seed)
    hcps, log = people(400), []
    keen = rng.random(len(hcps)) < 0.5
    for row, is_keen in zip(hcps.itertuples(), keen, strict=True):
        chance = 0.8 if is_keen else 0.1
        for day in np.arange(10, 200, 10)[rng.random(19) < chance]:
            ts = START + int(day) * DAY
            log.append(event(len(log), row.hcp_id, ts, channel="webinar", outcome="sent", content_id="c0",
                             direction="outbound", selection_prob=chance if logged else None))  # fmt: skip
            if rng.random() < (0.6 if is_keen else 0.1):
                log.append(event(len(log), row.hcp_id, ts + DAY, channel="webinar", outcome="attended",
                                 content_id="c0", parent_id=f"e{len(log) - 1}"))  # fmt: skip
    return engagement(log, hcps), float(np.where(keen, 0.6, 0.1).mean())


def test_invitations_weigh_by_their_logged_chances_where_that_is_asked_for() -> None:
    data, truth = invited(logged=True)
    rule, columns = nba.Attendance(within_days=5), EngagementFeatures(FEATURES[:1])

    plain = nba.Intent(rule, features=columns).fit(data)
    weighted = nba.Intent(rule, features=columns, scorer=nba.PairPropensity(selection_clip=20)).fit(data)

    usual, fair = (intent.predict(data, at=AT) for intent in (plain, weighted))
    assert usual.propensity.mean() > truth + 0.12  # the keen were invited
    assert fair.propensity.mean() == pytest.approx(truth, abs=0.05)
    assert usual.selection == fair.selection == weighted.training_["selection"] == "logged"
    assert weighted.training_["with_selection_prob"] == weighted.training_["rows"]
    assert weighted.scorer.selection_.effective < 0.8 * weighted.training_["rows"]
    assert str(fair).endswith("calibrated, logged")


def test_invitations_that_nobody_logged_are_observational_and_cannot_be_weighted() -> None:
    data, _ = invited(logged=False)
    rule, columns = nba.Attendance(within_days=5), EngagementFeatures(FEATURES[:1])

    found = nba.Intent(rule, features=columns, scorer=nba.SegmentBaseline()).fit(data).predict(data, at=AT)

    assert found.selection == "observational"
    assert str(found).endswith("observational")
    with pytest.raises(SelectionError, match="no row has a selection probability"):
        nba.Intent(rule, features=columns, scorer=nba.PairPropensity(selection_clip=20)).fit(data)


@pytest.mark.parametrize(
    "rule", [nba.NextEngagement(), nba.FirstEngagement(), nba.Switch(from_product="a", to_product="b")]
)
def test_where_everybody_is_asked_there_is_no_choice_to_undo(rule: Any) -> None:
    with pytest.raises(SelectionError, match="nobody chose its rows"):
        nba.Intent(rule, scorer=nba.PairPropensity(selection_clip=20))


def test_switching_is_forecast_from_prescriptions_for_those_of_whom_it_may_be() -> None:
    rng = np.random.default_rng(8)
    hcps, rows = people(120), []
    for row in hcps.itertuples():
        tilt = float(rng.uniform(0.1, 0.9)) if row.specialty == "oncology" else 0.1
        for month in range(-8, 8):
            period = START + month * 30 * DAY
            if row.specialty == "oncology":  # those go from a to b, a step a month, and begin anew
                tilt = tilt + 0.06 if tilt < 0.9 else 0.1
            b = float(rng.binomial(100, tilt))
            for product, figure in (("a", 100.0 - b), ("b", b)):
                rows.append(
                    {"hcp_id": row.hcp_id, "period": period.date(), "product_id": product, "nbrx": figure,
                     "trx": figure, "market_trx": 100.0, "available_at": period + 45 * DAY}
                )  # fmt: skip
    data = engagement([event(0, "h000", START, channel="push")], hcps, prescriptions=pd.DataFrame(rows))
    rule = nba.Switch(from_product="a", to_product="b", within_days=90, panels=3)
    features = EngagementFeatures([Attribute(column="specialty"), PrescriptionShare(), PrescriptionTrend()])

    intent = nba.Intent(rule, features=features).fit(data)
    found = intent.predict(data, at=AT)

    assert found.visibility == "restricted"
    assert_array_equal(np.isnan(found.margin[:, 0]), hcps["pdrp_opt_out"])
    specialty, told = hcps["specialty"].to_numpy(), ~np.isnan(found.margin[:, 0])
    switching = found.propensity[told & (specialty == "oncology")].mean()
    staying = found.propensity[told & (specialty == "cardiology")].mean()
    # A round takes fifteen months; who begins anew within the quarters compared (five of them) does not.
    assert switching == pytest.approx(0.95 * 10 / 15, abs=0.12)
    assert staying < 0.1
    assert found["h000"][0].status == "not_available"
    with pytest.raises(ArgumentError, match="Switching is not available"):
        nba.Intent(rule).fit(engagement([event(0, "h000", START, channel="push")], hcps))


IOWA = Path(__file__).resolve().parents[2] / "shared" / "data" / "open_payments_iowa"


@pytest.mark.slow
@pytest.mark.skipif(not IOWA.is_dir(), reason=f"the Open Payments contacts are not in {IOWA}")
def test_the_next_reported_contact_is_forecast_better_than_by_how_usual_it_is() -> None:
    with warnings.catch_warnings(action="ignore", category=NBAWarning):
        whole = open_payments(IOWA)
        some = whole.hcps.sample(300, random_state=0)
        log = whole.interactions[whole.interactions["hcp_id"].isin(some["hcp_id"])]
        data = nba.Engagement(
            log.drop(columns=["machine", "touch", "engaged"]), whole.content, some, channels=whole.channels,
            observed_until="2015-07-01",
        )  # fmt: skip
    rule = nba.NextEngagement(within_days=30, panels=9)
    own = {"by": "channel", "own": True}
    features = EngagementFeatures(
        [Attribute(column="specialty"), Count(window_days=30), Count(window_days=365), Recency(**own),
         Count(**own, window_days=90), Count(**own, window_days=365), Decayed(**own, half_life_days=90)]
    )  # fmt: skip
    cut = pd.Timestamp("2015-01-01", tz="UTC")
    intent = nba.Intent(rule, features=features).fit(data, until=cut)

    past = rule.labels(data, until=int(cut.timestamp()))
    later = rule.labels(data, until=data.observed_until)
    usual = np.bincount(past.pair, weights=past.y) / np.bincount(past.pair)
    usual = np.log(np.clip(usual, 1e-4, None) / (1 - usual))
    ours, theirs, y = [], [], []
    for at in sorted(at for at in set(later.at) if at >= cut.timestamp()):
        found = intent.predict(data, at=pd.Timestamp(at, unit="s", tz="UTC"))
        rows = later.at[later.row] == at
        place = np.searchsorted(found.hcps, later.hcps[later.row[rows]])
        ours.append(found.margin[place, later.pair[rows]])
        theirs.append(usual[later.pair[rows]])
        y.append(later.y[rows])

    margin, said = np.concatenate(ours), np.concatenate(y)
    mine, rival = log_losses(margin, said).mean(), log_losses(np.concatenate(theirs), said).mean()
    assert mine < 0.85 * rival
    assert 0.75 < calibration_line(margin, said)[1] < 1.25


def test_what_cannot_be_is_refused(channels: Any) -> None:
    with pytest.raises(ArgumentError, match="a Response belongs to NextBestAction"):
        nba.Intent(nba.Response())
    with pytest.raises(NotFittedError):
        nba.Intent(nba.NextEngagement()).predict(channels, at=AT)
    with pytest.raises(ArgumentError, match="No window of the outcome has closed"):
        nba.Intent(nba.NextEngagement()).fit(channels, until=START + 5 * DAY)
