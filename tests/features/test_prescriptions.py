"""Prescriptions count from the moment they could be read, for those of whom they may be read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from beside_tables import DAY, PRESCRIPTIONS, PRODUCT_OF, PUSHED, START, moments
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import nba
from nba.errors import ArgumentError, CheckError, NBAWarning
from nba.features import (
    Adoption,
    Attribute,
    Count,
    EngagementFeatures,
    Prescriptions,
    PrescriptionShare,
    PrescriptionTrend,
    prescribing_sensitivity,
)
from nba.features.declare import from_json, to_json
from nba.features.prescriptions import Panel
from nba.testing import assert_point_in_time

SEEDS = st.integers(0, 2**32 - 1)
HCPS = [f"h{i}" for i in range(6)]
MEASURES = PRESCRIPTIONS.measures


class Slow:
    """Reads the table row by row."""

    def __init__(self, data: Any, at: int) -> None:
        frame = data.prescriptions.reset_index(drop=True)
        self.rows = [
            row for row in frame.to_dict("records") if row["available_at"].timestamp() < at
        ]  # fmt: skip
        people = data.hcps.set_index("hcp_id")
        self.bricks = people["brick_id"].fillna("").to_dict()
        self.closed = people["pdrp_opt_out"].to_dict()
        self.countries = people["country"].to_dict()
        self.specialties = people["specialty"].fillna("").to_dict()
        self.labels = data.labels.to_dict("records")
        self.at = at

    def since_launch(self, measure: Any, hcp: str, product: str, since: Any) -> tuple[int, bool] | None:
        """Days from launch to the first prescription, or without one to the last period; None: unknown."""
        rows = [r for r in self.rows if isinstance(r["hcp_id"], str)]
        mine = [r for r in rows if r["hcp_id"] == hcp]
        launched = [
            r["launch_date"] for r in self.labels
            if r["product_id"] == product and r["country"] == self.countries[hcp]
        ]  # fmt: skip
        launched = [day for day in launched if not pd.isna(day)]
        if self.closed[hcp] or not mine or not launched:
            return None
        launch, last = min(launched), max(r["period"] for r in rows)
        if launch < since or launch.timestamp() >= self.at or last < launch:
            return None
        for period in sorted({r["period"] for r in mine}):
            told = [r for r in mine if r["period"] == period and r["product_id"] == product]
            if told and max(told, key=lambda r: r["available_at"])[measure.of] > 0:
                return max((period - launch).days, 0), True
        return (last - launch).days, False

    def waiting(self, measure: Any, hcp: str, product: str) -> dict[int, float]:
        """Kaplan and Meier's curve of the HCP's colleagues: the share that waits on after each day."""
        since = min((r["period"] for r in self.rows if isinstance(r["hcp_id"], str)), default=None)
        times = {h: self.since_launch(measure, h, product, since) for h in self.closed}
        times = {h: time for h, time in times.items() if time is not None}
        own = self.specialties[hcp]
        colleagues = [time for h, time in times.items() if own and self.specialties[h] == own]
        group = colleagues if len(colleagues) >= measure.least else list(times.values())
        curve, left = {-1: 1.0}, 1.0
        for day in sorted({d for d, adopted in group if adopted}):
            at_risk = sum(d >= day for d, _ in group)
            left *= 1 - sum(adopted and d == day for d, adopted in group) / at_risk
            curve[day] = left
        return curve

    def adoption(self, measure: Any, hcp: str, product: str, then: Slow) -> float:
        """By the curves of an earlier look at the table."""
        since = min((r["period"] for r in then.rows if isinstance(r["hcp_id"], str)), default=None)
        ranks = []
        for name in [product] if product else ["alpha", "beta", "gamma"]:
            launched = [r["launch_date"] for r in self.labels if r["product_id"] == name]
            if not any(since <= day < pd.Timestamp(then.at, unit="s", tz="UTC") for day in launched):
                continue  # nothing was learned of it
            time = self.since_launch(measure, hcp, name, since)
            if time is not None:
                curve = then.waiting(measure, hcp, name)
                after = curve[max(day for day in curve if day <= time[0])]
                before = curve[max(day for day in curve if day < time[0])]
                ranks.append((before + after) / 2 if time[1] else after / 2)
        return sum(ranks) / len(ranks) if ranks else math.nan

    def value(self, measure: Any, hcp: str, product: str, then: Slow) -> float:
        if isinstance(measure, Adoption):
            return self.adoption(measure, hcp, product, then)
        level = f"{measure.level}_id"
        unit = hcp if measure.level == "hcp" else self.bricks[hcp]
        rows = [r for r in self.rows if measure.level == "hcp" or not isinstance(r["hcp_id"], str)]
        published = sorted({r["period"] for r in rows if isinstance(r[level], str)})
        mine = [r for r in rows if r[level] == unit]
        if self.closed[hcp] or not mine:
            return math.nan
        n = measure.periods
        recent, earlier = published[-n:], published[-2 * n : -n]

        def total(figure: str, periods: list[Any]) -> float:
            found = 0.0
            for period in periods:
                for name in {r["product_id"] for r in mine if product in ("", r["product_id"])}:
                    told = [r for r in mine if r["period"] == period and r["product_id"] == name]
                    if told:
                        value = max(told, key=lambda r: r["available_at"])[figure]
                        found += 0.0 if math.isnan(value) else value
            return found

        if isinstance(measure, PrescriptionShare):
            whole = total("market_trx", recent)
            return total("trx", recent) / whole if whole else math.nan
        if isinstance(measure, PrescriptionTrend):
            if len(earlier) < n:
                return math.nan
            return math.log((total(measure.of, recent) + 1) / (total(measure.of, earlier) + 1))
        return total(measure.of, recent) / len(recent) if recent else math.nan


@given(seed=SEEDS)
@settings(max_examples=6, deadline=None)
def test_every_column_equals_going_through_the_rows(world: Any, seed: int) -> None:
    data = PRESCRIPTIONS.engagement(world, seed % 2**31)
    rng = np.random.default_rng(seed)
    at = [int(t) for t in START + rng.integers(-20, 70, len(HCPS)) * DAY + rng.integers(0, 2, len(HCPS))]
    features = world.fitted(MEASURES, data, until=max(at))

    design = world.design_of(features, data, hcps=HCPS, at=at, actions=PUSHED)

    fitted = Slow(data, max(at))
    for i, hcp in enumerate(HCPS):
        slow = Slow(data, at[i])
        shared = [
            slow.value(m, hcp, column.key, fitted)
            for m, columns in zip(features.measures, features.columns_, strict=True)
            if not m.own
            for column in columns
        ]
        assert_allclose(design.shared[i], shared, rtol=1e-12)
        for k, action in enumerate(PUSHED):
            product = PRODUCT_OF[action.content]
            own = [slow.value(m, hcp, product, fitted) if product else math.nan for m in MEASURES if m.own]
            assert_allclose(design.own[i * len(PUSHED) + k], own, rtol=1e-12)


class ByPeriodEnd(Prescriptions):
    """Takes figures as if they could be read when their period ends, as is often done."""

    @classmethod
    def lay_out(cls, columns: Any) -> Panel:
        return super().lay_out({**columns, "available_at": columns["period"] + 10 * DAY})


def test_reading_figures_from_the_end_of_their_period_is_found_out(world: Any) -> None:
    with pytest.raises(CheckError, match="move when only the future changes"):
        assert_point_in_time(
            EngagementFeatures([ByPeriodEnd()]), PRESCRIPTIONS.engagement(world, 5), at="2026-02-10"
        )


def test_features_are_restricted_and_have_no_evidence(world: Any) -> None:
    data = PRESCRIPTIONS.engagement(world, 7)
    features = world.fitted(MEASURES, data, until=START + 45 * DAY)

    assert {feature.visibility for feature in features.catalogue_} == {"restricted"}
    _, evidence = features.evidence(
        features.events(data), data.columns("hcps"), hcps=np.array(["h0"], dtype=object),
        at=np.array([START + 45 * DAY]), actions=PUSHED, pair=np.array([0]),
    )  # fmt: skip
    assert len(evidence[0]) == 0


def test_without_the_table_features_have_no_column_aloud_and_scoring_without_it_is_refused(
    world: Any,
) -> None:
    data = PRESCRIPTIONS.engagement(world, 7)
    bare = world.engagement(world.random_records(7))
    with pytest.warns(NBAWarning, match="no table prescriptions"):
        lacking = EngagementFeatures([Prescriptions()]).fit(bare, until="2026-02-10")

    assert lacking.columns_ == ((),)
    assert "no prescriptions table" in lacking.notes_[0]
    assert lacking.transform(bare, at="2026-02-10").shape == (6, 0)
    with pytest.raises(ArgumentError, match="hold no table prescriptions"):
        EngagementFeatures([Prescriptions()]).fit(data, until="2026-02-10").transform(bare, at="2026-02-10")


def test_they_are_saved_and_read_back(world: Any) -> None:
    data = PRESCRIPTIONS.engagement(world, 7)
    features = world.fitted(MEASURES, data, until=START + 45 * DAY)

    plain, arrays = features.to_state()
    again = EngagementFeatures.from_state((json.loads(json.dumps(plain)), arrays))

    assert again.columns_ == features.columns_
    assert again.priors_ == features.priors_
    assert [from_json(to_json(m)) for m in MEASURES] == list(MEASURES)
    frame = again.transform(data, at="2026-02-10")
    pd.testing.assert_frame_equal(frame, features.transform(data, at="2026-02-10"))


def test_readiness_names_what_is_missing(world: Any) -> None:
    report = nba.readiness(world.engagement(world.random_records(1)), list(MEASURES))

    assert not report.ready
    assert "prescriptions.market_trx" in str(report)
    assert "labels.launch_date is empty; it would add 3" in str(report)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Prescriptions(of="units"), "of is 'units'"),
        (lambda: Prescriptions(by="topic"), "by is 'topic'"),
        (lambda: Prescriptions(own=True), "by is None"),
        (lambda: Prescriptions(periods=0), "periods is 0"),
        (lambda: Prescriptions(level="rep"), "level is 'rep'"),
        (lambda: PrescriptionShare(by=None), "no market"),
        (lambda: Adoption(of="units"), "of is 'units'"),
        (lambda: Adoption(among="colour"), "'colour' is not in hcps"),
        (lambda: Adoption(least=0), "least is 0"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        make()


# --- adoption ---------------------------------------------------------------------------------------------


def launched(world: Any, *, launch: int | None = 0, n: int = 60) -> Any:
    """A product of which HCP i prescribes from day 5 i after START on, told in periods of five days."""
    starts = START + np.arange(-10, n) * 5 * DAY
    table = pd.DataFrame(
        [
            {
                "hcp_id": f"h{i:02d}", "period": pd.Timestamp(start, unit="s").date(), "product_id": "alpha",
                "nrx": float(start >= START + 5 * i * DAY), "available_at": start + 9 * DAY,
            }
            for i in range(n)
            for start in starts
        ]
    )  # fmt: skip
    people = pd.DataFrame(
        {"hcp_id": [f"h{i:02d}" for i in range(n)], "country": "US", "specialty": ["a", "b"] * (n // 2)}
    )
    day = None if launch is None else pd.Timestamp(START + launch * DAY, unit="s").date()
    label = pd.DataFrame(
        [{"product_id": "alpha", "country": "US", "indication": "first", "launch_date": day}]
    )
    record = world.touch("t0", "h00", START, recorded=START, channel="push", content="c0", outcome="sent")
    table = table.assign(available_at=moments(table["available_at"]))
    return world.engagement([record], hcps=people, prescriptions=table, labels=label)


def test_a_planted_order_of_adoption_is_found_and_its_thresholds_are_shown(world: Any) -> None:
    data = launched(world)
    whole = EngagementFeatures([Adoption(least=1_000)], dtype="float64").fit(data, until="2027-01-01")
    halves = EngagementFeatures([Adoption(least=30)], dtype="float64").fit(data, until="2027-01-01")

    among_all = whole.transform(data, at="2027-01-01").to_numpy()[:, 0]
    among_own = halves.transform(data, at="2027-01-01").to_numpy()[:, 0]

    assert_allclose(among_all, (59.5 - np.arange(60)) / 60)
    assert_allclose(among_own, (29.5 - np.arange(60) // 2) / 30)
    assert [str(uptake) for uptake in halves.priors_[0]] == [
        "alpha, everybody: 60 of 60 took it up; a tenth within 25 days, a half within 145",
        "alpha, a: 30 of 30 took it up; a tenth within 20 days, a half within 140",
        "alpha, b: 30 of 30 took it up; a tenth within 25 days, a half within 145",
    ]


def test_who_is_waiting_falls_behind_as_colleagues_adopt(world: Any) -> None:
    data = launched(world)
    features = EngagementFeatures([Adoption(least=1_000)], dtype="float64").fit(data, until="2027-01-01")

    found = [features.transform(data, at=at, hcps=["h50"]).iloc[0, 0] for at in ("2026-01-12", "2026-04-01")]

    assert found[0] == pytest.approx(59 / 60 / 2)  # one period was published: h00 was alone in it
    assert found[1] < 0.4


def test_a_launch_that_the_figures_did_not_see_gives_no_column(world: Any) -> None:
    for launch in (-60, None):
        features = EngagementFeatures([Adoption()]).fit(launched(world, launch=launch), until="2027-01-01")

        assert features.columns_ == ((),)
        assert "no prescriptions or labels table, or nothing in it" in features.notes_[0]


def test_without_labels_there_is_no_adoption_aloud(world: Any) -> None:
    data = launched(world)
    tables = {name: data.tables[name] for name in ("hcps", "prescriptions")}
    record = world.touch("t0", "h00", START, recorded=START, channel="push", content="c0", outcome="sent")
    bare = world.engagement([record], **tables)

    with pytest.warns(NBAWarning, match="no table labels"):
        assert EngagementFeatures([Adoption()]).fit(bare, until="2027-01-01").columns_ == ((),)
    with pytest.raises(ArgumentError, match="no table labels"):
        EngagementFeatures([Adoption()]).fit(data, until="2027-01-01").transform(bare, at="2027-01-01")


def test_figures_of_who_opted_out_are_not_learned_from(world: Any) -> None:
    data = launched(world)
    hcps = data.hcps.assign(pdrp_opt_out=[i < 30 for i in range(60)])
    tables = {"hcps": hcps, "prescriptions": data.prescriptions, "labels": data.labels}
    record = world.touch("t0", "h00", START, recorded=START, channel="push", content="c0", outcome="sent")
    features = EngagementFeatures([Adoption(least=1_000)], dtype="float64")

    found = features.fit(world.engagement([record], **tables), until="2027-01-01").transform(
        world.engagement([record], **tables), at="2027-01-01"
    )

    assert features.priors_[0][0].n == 30
    assert found.iloc[:30, 0].isna().all()
    assert_allclose(found.iloc[30:, 0], (29.5 - np.arange(30)) / 30)


# --- what a card may say ----------------------------------------------------------------------------------


def territory(*, of_opted_out: float) -> Any:
    """A simulated territory with prescriptions; every third HCP opted out of them."""
    data = nba.simulate.territory(seed=4, hcps=60, days=150, contents=20).engagement
    hcps = data.hcps.assign(pdrp_opt_out=[i % 3 == 0 for i in range(len(data.hcps))])
    end = pd.Timestamp(data.observed_until, unit="s", tz="UTC")
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        [
            {
                "hcp_id": row.hcp_id, "period": (end - pd.Timedelta(days=30 * (back + 3))).date(),
                "product_id": "alpha", "trx": rng.poisson(20) * (of_opted_out if row.pdrp_opt_out else 1.0),
                "available_at": end - pd.Timedelta(days=30 * back + 20),
            }
            for row in hcps.itertuples()
            for back in range(8)
        ]
    )  # fmt: skip
    tables = {name: frame for name, frame in data.tables.items() if frame is not None}
    log = tables.pop("interactions").drop(columns=["machine", "touch", "engaged"])
    with pytest.warns(NBAWarning, match=r"single HCPs outside the US \(AT, DE, FR\)"):
        return nba.Engagement(log, **{**tables, "hcps": hcps}, prescriptions=table, observed_until=end)


def test_no_card_speaks_of_prescriptions_and_those_of_who_opted_out_move_nothing() -> None:
    data, other = territory(of_opted_out=1.0), territory(of_opted_out=50.0)
    end = pd.Timestamp(data.observed_until, unit="s", tz="UTC")
    features = EngagementFeatures(
        [Prescriptions(), Count(of="touches", window_days=30), Attribute(column="role")]
    )
    model = nba.NextBestAction(features=features).fit(data, until=end)

    plan = model.recommend(data, at=end, seed=7)

    assert "prescri" not in "".join(plan[hcp].text.lower() for hcp in data.hcps["hcp_id"])
    assert "prescri" not in json.dumps([plan[hcp].to_dict() for hcp in data.hcps["hcp_id"]]).lower()
    assert model.recommend(other, at=end, seed=7).receipts() == plan.receipts()


PART_D = (
    Path(__file__).resolve().parents[3] / "shared" / "data" / "cms_payments_partd" / "class_share.parquet"
)


@pytest.mark.skipif(not PART_D.exists(), reason=f"{PART_D.name} of Medicare Part D is not there")
def test_real_shares_are_those_of_the_file_a_year_after_the_other(world: Any) -> None:
    rows = pd.read_parquet(PART_D)
    rows = rows[rows["hcp_id"].isin(sorted(set(rows["hcp_id"]))[:300])]
    published = pd.to_datetime([f"{year + 1}-06-01" for year in rows["year"]], utc=True)
    table = pd.DataFrame(
        {
            "hcp_id": rows["hcp_id"].astype(str), "product_id": rows["target_brand"].astype(str),
            "period": [f"{year}-01-01" for year in rows["year"]], "trx": rows["target_claims"].astype(float),
            "market_trx": rows["class_claims"].astype(float), "available_at": published,
        }
    )  # fmt: skip
    ids = sorted(set(table["hcp_id"]))
    people = pd.DataFrame({"hcp_id": ids, "country": "US"})
    record = world.touch(
        "t0", ids[0], START, recorded=START, channel="push", content="c0", outcome="sent"
    )  # fmt: skip
    data = world.engagement([record], hcps=people, prescriptions=table)
    features = EngagementFeatures([PrescriptionShare(periods=1)], dtype="float64").fit(
        data, until="2026-02-10"
    )

    for at, year in (("2014-06-02", 2013), ("2015-06-01", 2013), ("2015-06-02", 2014)):
        found = features.transform(data, at=at)
        mine = rows[rows["year"] == year].set_index(["hcp_id", "target_brand"])
        share = (mine["target_claims"].astype(float) / mine["class_claims"].astype(float)).unstack()
        for name, feature in zip(found.columns, features.shared_features_, strict=True):
            said = share[feature.key].dropna() if feature.key in share else pd.Series(dtype=float)
            assert_allclose(found.loc[said.index, name], said, rtol=1e-12)


# --- metric B ---------------------------------------------------------------------------------------------


def monthly(world: Any, *, months: int = 20, effect: float = 0.3, lie_from: int = 2**40) -> Any:
    """HCPs whose prescriptions follow their engagement of the month before."""
    rng = np.random.default_rng(8)
    starts = [START + 30 * DAY * i for i in range(months)]
    records, rows = [], []
    for h in range(6):
        stock = 0.0
        for i, start in enumerate(starts):
            rows.append(
                {
                    "hcp_id": f"h{h}", "period": pd.Timestamp(start, unit="s").date(), "product_id": "alpha",
                    "nrx": float(np.exp(2.0 + effect * np.log1p(stock) + rng.normal(0, 0.02)) - 1),
                    "available_at": start + 50 * DAY,
                }
            )  # fmt: skip
            n = int(rng.poisson(2.0))
            for j in range(n):
                ts = start + int(rng.integers(1, 29)) * DAY
                sent = world.touch(
                    f"{h}.{i}.{j}",
                    f"h{h}",
                    ts,
                    recorded=ts,
                    channel="rep_visit",
                    content="c0",
                    outcome="held",
                )
                records.append(sent)
            stock = stock * 0.5**0.5 + n
    table = pd.DataFrame(rows)
    nrx = np.where(table["available_at"] >= lie_from, 999.0, table["nrx"])
    return world.engagement(
        records, prescriptions=table.assign(available_at=moments(table["available_at"]), nrx=nrx)
    )


def test_a_planted_sensitivity_is_found_by_those_who_may_be_told_of(world: Any) -> None:
    data = monthly(world)
    found = prescribing_sensitivity(data, at=data_end(data))

    assert set(found) == {"h0", "h2", "h3", "h4"}  # h1 and h5 opted out
    for facet in found.values():
        assert facet.value == pytest.approx(0.3, abs=0.1)
        assert facet.status == "ok"
        assert facet.n >= 12


def test_a_sensitivity_reads_only_what_was_available(world: Any) -> None:
    at = START + 500 * DAY
    moment = pd.Timestamp(at, unit="s", tz="UTC")
    data, lies, late = monthly(world), monthly(world, lie_from=at), monthly(world, lie_from=at - DAY * 90)

    found = prescribing_sensitivity(data, at=moment)

    assert found == prescribing_sensitivity(lies, at=moment)
    assert found != prescribing_sensitivity(late, at=moment)


def test_a_sensitivity_without_the_table_or_without_a_year_is_not_made_up(world: Any) -> None:
    with pytest.raises(ArgumentError, match="no prescriptions table"):
        prescribing_sensitivity(world.engagement(world.random_records(1)), at="2026-02-10")

    short = monthly(world, months=8)
    assert {f.status for f in prescribing_sensitivity(short, at=data_end(short)).values()} == {
        "not_available"
    }


def test_an_implausible_sensitivity_is_said_to_be_one(world: Any) -> None:
    data = monthly(world, effect=1.5)
    with pytest.warns(NBAWarning, match="the literature finds"):
        prescribing_sensitivity(data, at=data_end(data))


def data_end(data: Any) -> Any:
    return data.prescriptions["available_at"].max() + pd.Timedelta(days=1)
