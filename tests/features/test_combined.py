"""Every combined number is what one would work out by hand, as of its moment, and the same bits alone."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
import statistics
from collections import Counter
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from nba.contracts import Action
from nba.errors import ArgumentError
from nba.features import (
    Acceleration,
    Count,
    Depth,
    DepthVelocity,
    Distinct,
    Diversity,
    Elsewhere,
    EngagementFeatures,
    Events,
    Familiarity,
    Fatigue,
    Gap,
    GapSpread,
    NonEngagement,
    Novelty,
    Preference,
    Rhythm,
    Share,
    Silence,
    Slope,
    Sum,
    Trend,
    Velocity,
)
from nba.features.beside import TableMeasure
from nba.features.declare import KINDS, from_json, to_json
from nba.history.measures import DEPTHS
from nba.tables import rows_from_records
from nba.testing import assert_point_in_time

DAY = 86_400
SEEDS = st.integers(0, 2**32 - 1)
HCPS = [f"h{i}" for i in range(6)]
ACTIONS = (Action("approved_email", "c0"), Action("push", "c1"), Action("webinar", "c4"))
MEASURES = (
    Count(of="touches", by="device", window_days=30),
    Count(of="engagements", by="weekday"),
    Count(of="engagements", by="hour_block", window_days=40),
    Sum(weight="amount", window_days=40),
    Sum(weight="duration_s", by="channel"),
    Depth(by="content_type", half_life_days=20),
    Familiarity(by="topic", half_life_days=30),
    Familiarity(by="topic", own=True, half_life_days=30),
    Novelty(by="content", own=True, half_life_days=20),
    Distinct(over="content", window_days=40),
    Distinct(of="touches", by="channel", over="content"),
    Distinct(over="content", by="topic", own=True),
    Diversity(over="topic", window_days=50),
    Share(by="device", window_days=40),
    Share(of="touches", by="channel", own=True),
    Elsewhere(window_days=40),
    Gap(),
    Gap(of="touches", by="channel", window_days=40),
    GapSpread(of="touches"),
    Trend(window_days=15),
    Slope(months=3),
    Slope(by="channel", months=2, own=True),
    Velocity(window_days=30),
    Acceleration(window_days=40),
    DepthVelocity(window_days=60),
    Preference(half_life_days=30),
    Rhythm(window_days=60),
    Fatigue(),
    Fatigue(by="channel", own=True),
    Silence(),
    Silence(by="channel"),
    NonEngagement(),
)
ZONES = ("America/New_York", "Asia/Tokyo", "", "Europe/Berlin", "no such zone", "UTC")


def content(world: Any) -> Any:
    kinds = ["summary", "video", "summary", "case", "video"]
    return world.content().assign(content_type=kinds, depth_level=[1.0, 3.0, 2.0, 5.0, np.nan])


def records(world: Any, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng([seed, 1])
    found = []
    for record in world.random_records(seed):
        more = {"device": str(rng.choice(["mobile", "desktop"]))} if rng.random() < 0.7 else {"device": None}
        more["amount"] = float(rng.integers(1, 50)) if rng.random() < 0.6 else None
        more["duration_s"] = float(rng.integers(1, 50)) if rng.random() < 0.6 else None
        found.append({**record, **more})
    return found


def engagement(world: Any, rows: list[dict[str, Any]]) -> Any:
    return world.engagement(rows, content=content(world), hcps=world.hcps().assign(timezone=ZONES))


def moment_of(rows: list[dict[str, Any]], rng: np.random.Generator) -> int:
    """Where ties are: at an event or an arrival, in the later part of the log."""
    times = sorted(row[name] for row in rows for name in ("ts", "recorded_at"))
    return int(times[len(times) // 2 + int(rng.integers(len(times) // 2))]) + int(rng.integers(0, 2))


class Slow(SimpleNamespace):
    """One HCP as of one moment, a row at a time."""

    def __init__(self, world: Any, data: Any, *, hcp: str, at: int) -> None:
        columns, documents = data.columns("interactions"), data.columns("content")
        people = data.columns("hcps")
        tags = {
            key: {"topic": topic, "content_type": kind, "depth_level": level}
            for key, topic, kind, level in zip(
                *(documents[name] for name in ("content_id", "topic", "content_type", "depth_level")),
                strict=True,
            )
        }
        reader = world.Reader(data, world.rows_of(data), hcp=hcp, at=at)
        extra = {
            key: (device, amount, seconds)
            for key, device, amount, seconds in zip(
                *(columns[name] for name in ("interaction_id", "device", "amount", "duration_s")), strict=True
            )
        }
        zone = people["timezone"][list(people["hcp_id"]).index(hcp)]
        zone = "UTC" if zone in ("", "no such zone") else zone
        for row in reader.rows:
            tag = tags.get(row.content_id, {"topic": "", "content_type": "", "depth_level": math.nan})
            row.device, row.amount, row.duration_s = extra[row.interaction_id]
            row.content = row.content_id
            row.topic = row.topic or tag["topic"]
            row.content_type, row.depth_level = tag["content_type"], tag["depth_level"]
            row.depth = DEPTHS.get(row.outcome, 0.1)
            wall = dt.datetime.fromtimestamp(row.ts, ZoneInfo(zone))
            row.hour, row.weekday = f"{wall.hour:02d}", wall.strftime("%a")
            block = wall.hour // 4 * 4
            row.hour_block = f"{block:02d}:00-{block + 4:02d}:00"
        super().__init__(reader=reader, at=at)

    def mine(self, of: str, by: str | None, key: str, *, days: float = math.inf, skip: float = 0) -> Any:
        rows = [
            r for r in self.reader.of(of)
            if (by is None or getattr(r, by) == key)
            and self.at - days * DAY <= r.ts < self.at - skip * DAY
        ]  # fmt: skip
        return sorted(rows, key=lambda r: r.ts)

    def faded(self, rows: Any, half_life: float, weight: str | None = None) -> float:
        ages = [((self.at - r.ts) / (half_life * DAY), getattr(r, weight) if weight else 1.0) for r in rows]
        return math.fsum(w * 2.0**-age for age, w in ages)

    def value(self, m: Any, key: str, priors: Any, keys: Any) -> float:
        def n(of: str, days: Any = None, by: Any = m.by) -> int:
            return len(self.mine(of, by, key, days=days or math.inf))

        days = m.days or math.inf
        if isinstance(m, Count):
            return float(n(m.of, m.window_days))
        if isinstance(m, Sum):
            found = [getattr(r, m.weight) for r in self.mine(m.of, m.by, key, days=days)]
            return math.fsum(w for w in found if not math.isnan(w))
        if isinstance(m, Familiarity):
            return 1.0 - math.exp(-self.faded(self.mine(m.of, m.by, key), m.half_life_days, "depth"))
        if isinstance(m, Depth):
            return self.faded(self.mine(m.of, m.by, key), m.half_life_days, "depth")
        if isinstance(m, Novelty):
            return 1.0 / (1.0 + self.faded(self.mine(m.of, m.by, key), m.half_life_days))
        if isinstance(m, (Distinct, Diversity)):
            met = Counter(getattr(r, m.over) for r in self.mine(m.of, m.by, key, days=days))
            met.pop("", None)
            if isinstance(m, Distinct):
                return float(len(met))
            shares = [c / met.total() for c in met.values()]
            return -math.fsum(s * math.log(s) for s in shares) if shares else math.nan
        if isinstance(m, (Share, Elsewhere)):
            part, whole = n(m.of, m.window_days), n(m.of, m.window_days, by=None)
            if isinstance(m, Elsewhere):
                return float(whole - part)
            return part / whole if whole else math.nan
        if isinstance(m, (Gap, GapSpread)):
            times = [r.ts for r in self.mine(m.of, m.by, key, days=days)]
            gaps = [(b - a) / DAY for a, b in itertools.pairwise(times)]
            if isinstance(m, Gap):
                return statistics.mean(gaps) if gaps else math.nan
            return statistics.stdev(gaps) if len(gaps) > 1 else math.nan
        if isinstance(m, Trend):
            recent, both = n(m.of, m.window_days), n(m.of, 2 * m.window_days)
            return math.log((recent + 1) / (both - recent + 1))
        if isinstance(m, Slope):
            return self.slope(m, key, priors)
        if isinstance(m, Acceleration):
            half = m.window_days / 2
            halves = (half, 0.0), (m.window_days, half)
            recent, earlier = (self.velocity(m, priors, days=a, skip=b) for a, b in halves)
            return math.log(recent / earlier)
        if isinstance(m, Velocity):
            return self.velocity(m, priors, days=m.window_days, skip=0.0)
        if isinstance(m, DepthVelocity):
            rows = [r for r in self.mine(m.of, m.by, key, days=days) if not math.isnan(r.depth_level)]
            pairs = itertools.combinations(rows, 2)
            slopes = [(b.depth_level - a.depth_level) * DAY / (b.ts - a.ts) for a, b in pairs if a.ts != b.ts]
            return statistics.median(slopes) * 30 if slopes else math.nan
        if isinstance(m, Preference):
            rates = []
            for channel, prior in zip(keys, priors, strict=True):
                sent = self.faded(self.mine("touches", m.by, channel), m.half_life_days)
                won = min(self.faded(self.mine(m.of, m.by, channel), m.half_life_days), sent)
                rates.append((won + prior.strength * prior.mean) / (sent + prior.strength))
            return rates[keys.index(key)] / math.fsum(rates)
        if isinstance(m, Rhythm):
            return self.rhythm(m, key, priors)
        if isinstance(m, Fatigue):
            (prior,) = priors
            touched, won = n("touches"), n(m.of)
            base = (min(won, touched) + prior.strength * prior.mean) / (touched + prior.strength)
            pressure = self.faded(self.mine("touches", m.by, key), m.half_life_days)
            recent = (self.faded(self.mine(m.of, m.by, key), m.half_life_days) + 2 * base) / (pressure + 2)
            return min(max(1 - recent / base, 0.0), 1.0) * pressure / (pressure + 2)
        if isinstance(m, NonEngagement):
            found = [self.silence(m, channel, prior) for channel, prior in zip(keys, priors, strict=True)]
            ordered = sorted(p for p in found if not math.isnan(p))
            scaled = [len(ordered) * p / (i + 1) for i, p in enumerate(ordered)]
            return min([1.0, *scaled]) if scaled else math.nan
        assert isinstance(m, Silence)
        return self.silence(m, key, priors[keys.index(key) if m.by else 0])

    def silence(self, m: Any, key: str, prior: Any) -> float:
        times = [r.ts for r in self.mine(m.of, m.by, key)]
        if not times:
            return math.nan
        span, gap = (times[-1] - times[0]) / DAY, (self.at - times[-1]) / DAY
        return ((prior.rate + span) / (prior.rate + span + gap)) ** (prior.shape + len(times) - 1)

    def velocity(self, m: Any, priors: Any, *, days: float, skip: float) -> float:
        rows = [r for r in self.mine(m.of, m.by, "", days=days, skip=skip) if r.content_type]
        order = [r.content_type for r in rows]
        switches = sum(a != b for a, b in itertools.pairwise(order))
        since = max((self.at - skip * DAY - rows[0].ts) / DAY, 1.0) if rows else 0.0
        (prior,) = priors
        return 30 * (switches + prior.shape) / (since + prior.rate)

    def slope(self, m: Any, key: str, priors: Any) -> float:
        (prior,) = priors
        points = []
        for month in range(m.months):
            window = {"days": 30 * (month + 1), "skip": 30 * month}
            # The months meet as counts over ever longer windows do: at - 30 d itself is of the later one.
            sent, won = (
                sum(r.ts < self.at - 30 * month * DAY for r in self.mine(of, m.by, key, days=window["days"]))
                for of in ("touches", m.of)
            )
            if sent:
                rate = (min(won, sent) + prior.strength * prior.mean) / (sent + prior.strength)
                points.append((-float(month), rate))
        slopes = [(b - a) / (y - x) for (x, a), (y, b) in itertools.combinations(points, 2)]
        return statistics.median(slopes) if slopes else math.nan

    def rhythm(self, m: Any, block: str, priors: Any) -> float:
        counts = Counter(r.hour for r in self.mine(m.of, None, "", days=m.days))
        before = {f"{h:02d}": prior for h, prior in enumerate(priors)}
        total, within = 0.0, 0.0
        kernel = [math.exp(2.0 * (math.cos(2 * math.pi * gap / 24) - 1)) for gap in range(24)]
        norm = math.fsum(kernel)
        for hour, prior in before.items():
            weight = counts[hour] + prior.strength * prior.mean
            total += weight
            start = int(block[:2])
            for h in range(start, start + 4):
                within += weight * kernel[(h - int(hour)) % 24] / norm
        return within / total


def own_key(m: Any, action: Action) -> str:
    topics = {"c0": "mechanism", "c1": "dosing", "c4": ""}
    return {"channel": action.channel, "content": action.content, "topic": topics[action.content]}[m.by]


@given(seed=SEEDS)
@settings(max_examples=6, deadline=None)
def test_every_column_equals_going_through_the_rows(world: Any, seed: int) -> None:
    rows = records(world, seed)
    data = engagement(world, rows)
    at = [moment_of(rows, np.random.default_rng([seed, i])) for i in range(len(HCPS))]
    features = world.fitted(MEASURES, data, until=max(at))

    design = world.design_of(features, data, hcps=HCPS, at=at, actions=ACTIONS)

    k = len(ACTIONS)
    for i, hcp in enumerate(HCPS):
        slow = Slow(world, data, hcp=hcp, at=at[i])
        shared: list[float] = []
        own: list[list[float]] = []
        for m, (measure, columns) in enumerate(zip(features.measures, features.columns_, strict=True)):
            priors = features.priors_.get(m, ())
            if measure.own:
                keys = [own_key(measure, action) for action in ACTIONS]
                own.append([slow.value(measure, key, priors, (key,)) if key else math.inf for key in keys])
            else:
                keys = features.keys_.get(measure.by, ("",))
                shared += [slow.value(measure, feature.key, priors, keys) for feature in columns]
        assert_allclose(design.shared[i], shared, rtol=1e-12, atol=1e-12)
        found = design.own[i * k : (i + 1) * k]
        expected = np.array(own).T
        known = ~np.isinf(expected)  # a content without a topic has nothing to look at
        assert_allclose(found[known], expected[known], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_one_hcp_from_plain_records_equals_the_batch(world: Any, dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = records(world, seed)
    data = engagement(world, rows)
    at = moment_of(rows, rng)
    features = world.fitted(MEASURES, data, until=at, dtype=dtype)

    batch = world.design_of(features, data, hcps=HCPS, at=[at] * len(HCPS), actions=ACTIONS)

    people, k = data.columns("hcps"), len(ACTIONS)
    for i, hcp in enumerate(HCPS):
        mine = [row for row in rows if row["hcp_id"] == hcp]
        log = rows_from_records(world.plain([mine[j] for j in rng.permutation(len(mine))]))
        table = {name: values[people["hcp_id"] == hcp] for name, values in people.items()}
        events = Events.from_columns(
            log, content=data.columns("content"), channels=data.columns("channels"), hcps=table
        )
        alone = features.design(
            events, table, hcps=np.array([hcp], dtype=object), at=np.array([at]), actions=ACTIONS,
            row=np.zeros(k, dtype=np.int64), pair=np.arange(k),
        )  # fmt: skip
        assert_array_equal(alone.shared[0], batch.shared[i])
        assert_array_equal(alone.own, batch.own[i * k : (i + 1) * k])


def test_rows_and_threads_and_chunks_make_no_difference(world: Any) -> None:
    rows = records(world, 5)
    data = engagement(world, rows)
    hcps = HCPS * 400
    at = [world.START + (i % 70) * DAY // 2 for i in range(len(hcps))]
    features = world.fitted(MEASURES, data, until=max(at))
    together = world.design_of(features, data, hcps=hcps, at=at, actions=ACTIONS)

    shuffled = engagement(world, [rows[i] for i in np.random.default_rng(0).permutation(len(rows))])
    again = world.design_of(
        world.fitted(MEASURES, shuffled, until=max(at)), shuffled, hcps=hcps, at=at, actions=ACTIONS
    )
    features.n_jobs = 2
    threaded = world.design_of(features, data, hcps=hcps, at=at, actions=ACTIONS)
    part = world.design_of(features, data, hcps=hcps[100:107], at=at[100:107], actions=ACTIONS)

    for other in (again, threaded):
        assert_array_equal(together.shared, other.shared)
        assert_array_equal(together.own, other.own)
    assert_array_equal(part.shared, together.shared[100:107])
    assert_array_equal(part.own, together.own[300:321])


def test_a_state_gives_the_same_bits(world: Any) -> None:
    rows = records(world, 6)
    data = engagement(world, rows)
    at = [world.START + 45 * DAY] * 6
    features = world.fitted(MEASURES, data, until=at[0])

    state, arrays = features.to_state()
    again = EngagementFeatures.from_state((json.loads(json.dumps(state)), arrays))

    assert again.catalogue_ == features.catalogue_
    one, other = (world.design_of(f, data, hcps=HCPS, at=at, actions=ACTIONS) for f in (features, again))
    assert_array_equal(one.shared, other.shared)
    assert_array_equal(one.own, other.own)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda m: m.name(""))
def test_what_is_declared_survives_json_and_has_a_label(measure: Any) -> None:
    assert from_json(json.loads(json.dumps(to_json(measure)))) == measure
    described = measure.describe("key")
    assert described.label
    assert described.group
    assert described.wording in ("", "count", "distinct")


def test_everything_that_can_be_declared_is_tried_here_or_with_the_plain_ones() -> None:
    plain = {"Count", "Rate", "Recency", "Decayed", "Streak", "Attribute", "Fit", "Standing"}

    assert {type(m).__name__ for m in MEASURES} | plain == {
        name for name, kind in KINDS.items() if not issubclass(kind, TableMeasure)
    }


def test_names_are_unique(world: Any) -> None:
    data = engagement(world, records(world, 1))
    features = world.fitted(MEASURES, data, until=world.START + 45 * DAY)

    names = [feature.name for feature in features.catalogue_]

    assert len(set(names)) == len(names)


def test_a_clock_that_is_put_back_shows_an_hour_twice(world: Any) -> None:
    # 1 November 2026, New York: 05:30 UTC is 01:30, and so is 06:30.
    sent = [
        world.touch(f"t{i}", "h0", ts, recorded=ts, channel="push", content="c0", outcome="sent")
        for i, ts in enumerate((1_793_511_000, 1_793_514_600, 1_793_518_200))
    ]
    data = engagement(world, [{**r, "device": "x", "amount": 1.0, "duration_s": 1.0} for r in sent])

    features = world.fitted([Count(of="touches", by="hour")], data, until=1_793_600_000)

    frame = features.transform(data, at="2026-11-02", hcps=["h0"])
    assert frame.to_dict("records") == [{"count(touches, hour=01)": 2.0, "count(touches, hour=02)": 1.0}]


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: Sum(weight="colour"), "weight is 'colour'"),
        (lambda: Share(), "needs by="),
        (lambda: Preference(own=True), "compares all keys"),
        (lambda: Rhythm(by="channel"), "it is by hour"),
        (lambda: Slope(months=1), "months is 1"),
        (lambda: Acceleration(window_days=1), "two halves"),
        (lambda: Silence(by="channel", own=True), "compares all keys"),
        (lambda: Distinct(over="colour"), "'colour'"),
        (lambda: Distinct(over="content", by="content", own=True), "both 'content'"),
        (lambda: Depth(half_life_days=0), "half_life_days is 0"),
    ],
)
def test_what_cannot_be_is_refused(declare: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        declare()


def test_what_reps_said_of_colleagues_is_not_for_reps_to_read() -> None:
    assert Count(by="user_id").describe("u1").visibility == "hq"
    assert Count(by="device").describe("mobile").visibility == "rep"


def test_of_who_may_not_be_profiled_nothing_is_said_at_all(world: Any) -> None:
    data = engagement(world, records(world, 4))
    features = world.fitted(MEASURES, data, until=world.START + 45 * DAY)

    design = features.design(
        features.events(data), data.columns("hcps"), hcps=np.array(HCPS, dtype=object),
        at=np.full(6, world.START + 45 * DAY), actions=ACTIONS, row=np.arange(6), pair=np.zeros(6, int),
        profiled=np.arange(6) != 2,
    )  # fmt: skip

    assert np.isnan(design.shared[2]).all()
    assert np.isnan(design.own[2]).all()
    assert not np.isnan(design.shared[3]).all()


def stands_still(world: Any, seed: int) -> None:
    rows = records(world, seed)
    at = moment_of(rows, np.random.default_rng([seed, 2]))
    features = EngagementFeatures(MEASURES, dtype="float64")

    found = assert_point_in_time(
        features, engagement(world, rows), at=pd.Timestamp(at, unit="s", tz="UTC"), futures=1, seed=seed
    )

    assert found.leaks


@pytest.mark.parametrize("seed", range(3))
def test_no_value_moves_when_the_future_does(world: Any, seed: int) -> None:
    stands_still(world, seed)


@pytest.mark.slow
@pytest.mark.parametrize("tens", range(20))
def test_no_value_moves_in_two_hundred_futures(world: Any, tens: int) -> None:
    for seed in range(100 + 10 * tens, 110 + 10 * tens):
        stands_still(world, seed)
