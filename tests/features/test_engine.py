"""Every number is what one would count by hand, as of its moment, whatever stands beside it."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from nba.contracts import Action, Design, Evidence
from nba.errors import ArgumentError, NBAWarning, NotFittedError
from nba.features import Attribute, Count, EngagementFeatures, Rate
from nba.history import Histories, beta_prior
from nba.tables import rows_from_records

SEEDS = st.integers(0, 2**32 - 1)
HCPS = [f"h{i}" for i in range(6)]


def assert_same_bits(one: Design, other: Design) -> None:
    for name in ("shared", "own"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype
        assert_array_equal(a, b)


def fitted(
    world: Any, data: Any, *, until: int, dtype: str = "float64", n_jobs: int = 1
) -> EngagementFeatures:
    features: EngagementFeatures = world.fitted(world.MEASURES, data, until=until, dtype=dtype, n_jobs=n_jobs)
    return features


def a_moment(world: Any, records: list[dict[str, Any]], rng: np.random.Generator) -> int:
    """At an event or an arrival, where ties are, in the middle of the log."""
    times = sorted(record[name] for record in records for name in ("ts", "recorded_at"))
    return int(times[len(times) // 3 + int(rng.integers(len(times) // 3))]) + int(rng.integers(0, 2))


# --- the numbers ------------------------------------------------------------------------------------------


@given(seed=SEEDS)
@settings(max_examples=4, deadline=None)
def test_every_column_equals_going_through_the_rows(world: Any, seed: int) -> None:
    records = world.random_records(seed)
    data = world.engagement(records)
    at = [a_moment(world, records, np.random.default_rng([seed, i])) for i in range(len(HCPS))]
    features = fitted(world, data, until=max(at))

    design = world.design_of(features, data, hcps=HCPS, at=at)

    rows = world.rows_of(data)
    for i, hcp in enumerate(HCPS):
        reader = world.Reader(data, rows, hcp=hcp, at=at[i])
        shared, own = expected(features, reader, world.ACTIONS)
        assert_allclose(design.shared[i], shared, rtol=1e-12)
        assert_allclose(design.own[i * len(world.ACTIONS) : (i + 1) * len(world.ACTIONS)], own, rtol=1e-12)


def expected(
    features: EngagementFeatures, reader: Any, actions: Any
) -> tuple[list[float], list[list[float]]]:
    shared: list[float] = []
    own: list[list[float]] = [[] for _ in actions]
    own_names = {feature.name for feature in features.own_features_}
    for m, (measure, columns) in enumerate(zip(features.measures, features.columns_, strict=True)):
        for c, feature in enumerate(columns):
            prior = features.priors_[m][c] if m in features.priors_ else None
            if feature.name in own_names:
                for action, values in zip(actions, own, strict=True):
                    values.append(reader.value(measure, key="", action=action, prior=prior))
            else:
                shared.append(reader.value(measure, key=feature.key, action=None, prior=prior))
    return shared, own


def test_the_standard_set_equals_going_through_the_rows(world: Any) -> None:
    records = world.random_records(11)
    data = world.engagement(records)
    at = [a_moment(world, records, np.random.default_rng(i)) for i in range(len(HCPS))]
    features = EngagementFeatures.standard(dtype="float64")
    features.fit_events(features.events(data), data.columns("hcps"), until=max(at))

    design = world.design_of(features, data, hcps=HCPS, at=at)

    rows = world.rows_of(data)
    k = len(world.ACTIONS)
    for i, hcp in enumerate(HCPS):
        shared, own = expected(features, world.Reader(data, rows, hcp=hcp, at=at[i]), world.ACTIONS)
        known = [j for j, f in enumerate(features.shared_features_) if not f.name.startswith("attribute")]
        assert_allclose(design.shared[i, known], np.array(shared)[known], rtol=1e-12)
        assert_allclose(design.own[i * k : (i + 1) * k], own, rtol=1e-12)


def test_priors_are_learned_from_what_was_known_before_until(world: Any) -> None:
    data = world.engagement(world.random_records(4))
    until = world.START + 40 * world.DAY
    features = fitted(world, data, until=until)

    rows = world.rows_of(data)
    readers = [world.Reader(data, rows, hcp=hcp, at=until) for hcp in HCPS]
    since = until - 40 * world.DAY
    met = [
        (
            sum(r.channel == "approved_email" and r.ts >= since for r in reader.of("responses")),
            sum(r.channel == "approved_email" and r.ts >= since for r in reader.of("touches")),
        )
        for reader in readers
    ]
    place = features.measures.index(Rate(by="channel", window_days=40))
    assert features.keys_["channel"][0] == "approved_email"
    assert features.priors_[place][0] == beta_prior(*np.array(met, dtype=float).T)


def test_float32_is_float64_rounded(world: Any) -> None:
    data = world.engagement(world.random_records(2))
    at = [world.START + 30 * world.DAY] * len(HCPS)

    wide = world.design_of(fitted(world, data, until=at[0]), data, hcps=HCPS, at=at)
    narrow = world.design_of(fitted(world, data, until=at[0], dtype="float32"), data, hcps=HCPS, at=at)

    assert_array_equal(narrow.shared, wide.shared.astype("float32"))
    assert_array_equal(narrow.own, wide.own.astype("float32"))


# --- as of a moment ---------------------------------------------------------------------------------------


def another_future(world: Any, records: list[dict[str, Any]], at: int, rng: np.random.Generator) -> Any:
    """The same past, and a future with events dropped, added, moved, changed and delivered again."""

    def known(record: dict[str, Any]) -> int:
        return max(record["ts"], record["recorded_at"])

    past = [r for r in records if known(r) < at]
    future = [dict(r) for r in records if known(r) >= at and rng.random() < 0.5]
    for r in future:
        r["recorded_at"] = max(at, known(r)) + int(rng.integers(0, 9)) * world.STEP
        r["is_machine"] = bool(rng.random() < 0.5)
    again = [{**r, "recorded_at": at + int(rng.integers(0, 5))} for r in past if rng.random() < 0.2]
    touches = [r for r in past if r["parent_id"] is None and r["direction"] == "outbound"]
    answers = [world.random_answer(rng, f"x{i}", r) for i, r in enumerate(touches) if rng.random() < 0.5]
    for r in answers:
        r["recorded_at"] = max(at, known(r))
    late = [
        {**r, "interaction_id": f"y{i}", "recorded_at": at}
        for i, r in enumerate(touches)
        if rng.random() < 0.3
    ]
    mixed = [*past, *future, *again, *answers, *late]
    # What answered a dropped touch keeps naming it: as if the touch arrives later still.
    return world.engagement([mixed[i] for i in rng.permutation(len(mixed))])


def values_in_two_futures(world: Any, seed: int) -> tuple[Design, Design]:
    rng = np.random.default_rng(seed)
    records = world.random_records(seed)
    at = a_moment(world, records, rng)
    data, other = world.engagement(records), another_future(world, records, at, rng)
    moments = [at] * len(HCPS)
    return tuple(  # type: ignore[return-value]
        world.design_of(fitted(world, d, until=at), d, hcps=HCPS, at=moments) for d in (data, other)
    )


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_no_value_moves_when_the_future_does(world: Any, seed: int) -> None:
    one, other = values_in_two_futures(world, seed)

    assert one.features == other.features
    assert_same_bits(one, other)


@pytest.mark.slow
@given(seed=SEEDS)
@settings(max_examples=200, deadline=None)
def test_no_value_moves_in_two_hundred_futures(world: Any, seed: int) -> None:
    one, other = values_in_two_futures(world, seed)

    assert one.features == other.features
    assert_same_bits(one, other)


def as_of_ts_alone(interactions: Any) -> Histories:
    return AS_OF({**interactions, "recorded_at": interactions["ts"]})


def as_of_ties_too(interactions: Any) -> Histories:
    earlier = {name: interactions[name] - 1 for name in ("ts", "recorded_at")}
    return AS_OF({**interactions, **earlier})


AS_OF = Histories.from_columns


@pytest.mark.parametrize("leak", [as_of_ts_alone, as_of_ties_too])
def test_a_planted_leak_is_found(world: Any, monkeypatch: pytest.MonkeyPatch, leak: Any) -> None:
    monkeypatch.setattr(Histories, "from_columns", staticmethod(leak))

    found = 0
    for seed in range(6):
        one, other = values_in_two_futures(world, seed)
        same = np.array_equal(one.own, other.own, equal_nan=True)
        found += one.features != other.features or not same

    assert found >= 4


def test_what_happens_at_the_moment_itself_is_not_seen(world: Any) -> None:
    at = world.START + world.DAY
    sent = world.touch("a", "h0", at, recorded=at, channel="push", content="c0", outcome="sent")
    data = world.engagement([sent])
    features = EngagementFeatures([Count(of="touches")], dtype="float64")
    features.fit_events(features.events(data), data.columns("hcps"), until=at + 1)

    seen = [world.design_of(features, data, hcps=["h0"], at=[moment]).shared[0, 0] for moment in (at, at + 1)]

    assert seen == [0.0, 1.0]


# --- the same bits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(seed=SEEDS)
@settings(max_examples=8, deadline=None)
def test_one_hcp_from_plain_records_equals_the_batch(world: Any, dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    records = world.random_records(seed)
    data = world.engagement(records)
    at = a_moment(world, records, rng)
    features = fitted(world, data, until=at, dtype=dtype)

    batch = world.design_of(features, data, hcps=HCPS, at=[at] * len(HCPS))

    k = len(world.ACTIONS)
    for i, hcp in enumerate(HCPS):
        mine = [r for r in records if r["hcp_id"] == hcp]
        rows = rows_from_records(world.plain([mine[j] for j in rng.permutation(len(mine))]))
        alone = world.design_of_records(features, rows, data, hcp=hcp, at=at)
        assert_array_equal(alone.shared[0], batch.shared[i])
        assert_array_equal(alone.own, batch.own[i * k : (i + 1) * k])


def test_one_parent_named_by_two_hcps_is_answered_by_both(world: Any) -> None:
    sent = world.touch(
        "a", "h0", world.START, recorded=world.START, channel="push", content="c0", outcome="sent"
    )
    clicked = {**sent, "direction": "inbound", "outcome": "clicked", "parent_id": "a", "ts": world.START + 60}
    clicked["recorded_at"] = clicked["ts"]
    data = world.engagement([sent, {**clicked, "interaction_id": "b"},
                             {**clicked, "interaction_id": "c", "hcp_id": "h1"}])  # fmt: skip
    features = EngagementFeatures([Count(of="responses")])

    features.fit(data, until="2026-02-01")

    assert features.transform(data, at="2026-02-01", hcps=["h0", "h1"]).to_numpy().ravel().tolist() == [1, 1]


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_row_order_makes_no_difference(world: Any, seed: int) -> None:
    records = world.random_records(seed)
    shuffled = [records[i] for i in np.random.default_rng(seed).permutation(len(records))]
    at = world.START + 40 * world.DAY

    designs = [
        world.design_of(fitted(world, data, until=at), data, hcps=HCPS, at=[at] * len(HCPS))
        for data in (world.engagement(records), world.engagement(shuffled))
    ]

    assert_same_bits(*designs)


def test_other_hcps_make_no_difference(world: Any) -> None:
    records = world.random_records(8)
    data = world.engagement(records)
    at = world.START + 40 * world.DAY
    features = fitted(world, data, until=at)
    alone = world.engagement([r for r in records if r["hcp_id"] == "h2"])

    together = world.design_of(features, data, hcps=HCPS, at=[at] * len(HCPS))
    single = world.design_of(features, alone, hcps=["h2"], at=[at])

    k = len(world.ACTIONS)
    assert_array_equal(together.shared[2], single.shared[0])
    assert_array_equal(together.own[2 * k : 3 * k], single.own)


def test_chunks_of_rows_make_no_difference(world: Any) -> None:
    data = world.engagement(world.random_records(3))
    hcps = HCPS * 4
    at = [world.START + (10 + i) * world.DAY for i in range(len(hcps))]
    features = fitted(world, data, until=max(at))

    whole = world.design_of(features, data, hcps=hcps, at=at)
    parts = [world.design_of(features, data, hcps=hcps[i : i + 5], at=at[i : i + 5]) for i in range(0, 24, 5)]

    assert_array_equal(whole.shared, np.vstack([part.shared for part in parts]))
    assert_array_equal(whole.own, np.vstack([part.own for part in parts]))


def test_threads_make_no_difference(world: Any) -> None:
    data = world.engagement(world.random_records(3))
    hcps = HCPS * 400
    at = [world.START + (i % 70) * world.DAY // 2 for i in range(len(hcps))]

    one, two = (
        world.design_of(fitted(world, data, until=max(at), n_jobs=n), data, hcps=hcps, at=at) for n in (1, 2)
    )

    assert_same_bits(one, two)


def large_rows(world: Any, *, seed: int, n: int = 300) -> dict[str, Any]:
    """Rows of HCPs in any order, also of one without events, with requests of some of them."""
    rng = np.random.default_rng(seed)
    who = np.array([*HCPS, "nobody"], dtype=object)[rng.integers(len(HCPS) + 1, size=n)]
    row = np.sort(rng.integers(n, size=2 * n))
    return {
        "hcps": who, "at": world.START + rng.integers(20, 90, n) * world.DAY, "row": row,
        "pair": rng.integers(len(world.ACTIONS), size=2 * n), "profiled": rng.random(n) < 0.8,
    }  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["world", "standard", "raw"])
def test_a_large_design_is_made_in_pieces_with_the_bits_of_the_whole(
    world: Any, monkeypatch: pytest.MonkeyPatch, dtype: str, kind: str
) -> None:
    data = world.engagement(world.random_records(3))
    measures = {"world": world.MEASURES, "standard": EngagementFeatures.standard().measures,
                "raw": [Count(window_days=30), Count(by="channel", window_days=60)]}[kind]  # fmt: skip
    features = EngagementFeatures(measures, dtype=dtype)
    events, people = features.events(data), data.columns("hcps")
    features.fit_events(events, people, until=world.START + 60 * world.DAY)
    asked = large_rows(world, seed=5) | {"actions": world.ACTIONS}
    whole = features.seen(events, people, **asked).design

    for size in (1, 50_000, 400_000):  # a row a piece, and some
        monkeypatch.setattr("nba.features.engine._BYTES_AT_ONCE", size)
        assert_same_bits(features.design(events, people, **asked), whole)


def test_what_a_large_design_holds_beside_itself_does_not_grow_with_its_columns(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nba.features.engine._BYTES_AT_ONCE", 2**20)
    data = world.engagement(world.random_records(3))
    features = EngagementFeatures.standard()
    events, people = features.events(data), data.columns("hcps")
    features.fit_events(events, people, until=world.START + 60 * world.DAY)
    rows, none = large_rows(world, seed=6, n=20_000), np.zeros(0, dtype=np.int64)
    asked = {"hcps": rows["hcps"], "at": rows["at"], "actions": (), "row": none, "pair": none}
    features.design(events, people, **asked)  # what is kept for good is kept by now

    def held(make: Any) -> int:
        tracemalloc.start()
        try:
            design = make()
            return tracemalloc.get_traced_memory()[1] - int(design.shared.nbytes)
        finally:
            tracemalloc.stop()

    in_pieces = held(lambda: features.design(events, people, **asked))
    whole = held(lambda: features.seen(events, people, **asked).design)

    assert in_pieces < 6 * 2**20 + 100 * len(rows["at"])  # a piece and its parts, and a few numbers a row
    assert whole > 8 * rows["at"].size * len(features.shared_features_)


def test_a_state_gives_the_same_bits(world: Any) -> None:
    data = world.engagement(world.random_records(6))
    at = world.START + 40 * world.DAY
    features = fitted(world, data, until=at)

    state, arrays = features.to_state()
    again = EngagementFeatures.from_state((json.loads(json.dumps(state)), arrays))

    assert again.catalogue_ == features.catalogue_
    assert_same_bits(*(world.design_of(f, data, hcps=HCPS, at=[at] * 6) for f in (features, again)))


def test_actions_looked_up_before_give_the_same_bits(world: Any) -> None:
    data = world.engagement(world.random_records(6))
    features = fitted(world, data, until=world.START + 40 * world.DAY)
    events, people = features.events(data), data.columns("hcps")
    asked = features.ask(world.ACTIONS, data.columns("content"))
    rows = {
        "hcps": np.array(HCPS, dtype=object), "at": np.full(6, world.START + 40 * world.DAY),
        "row": np.arange(6), "pair": np.arange(6),
    }  # fmt: skip

    one = features.design(events, people, actions=asked, **rows)
    other = features.design(events, people, actions=world.ACTIONS, **rows)

    assert_same_bits(one, other)
    assert (one.actions, one.groups) == (other.actions, other.groups)


def test_two_fits_may_share_compiled_events(world: Any) -> None:
    data = world.engagement(world.random_records(6))
    early = EngagementFeatures([Count(of="touches", by="topic")], dtype="float64")
    events, people = early.events(data), data.columns("hcps")
    late = EngagementFeatures([Count(of="touches", by="topic")], dtype="float64")
    first = min(r.ts for r in world.rows_of(data)) + 1
    early.fit_events(events, people, until=max(first, world.START + 2 * world.DAY))
    late.fit_events(events, people, until=world.START + 60 * world.DAY)
    rows = {
        "hcps": np.array(HCPS, dtype=object), "at": np.full(6, world.START + 60 * world.DAY), "actions": (),
        "row": np.zeros(0, int), "pair": np.zeros(0, int),
    }  # fmt: skip

    early.design(events, people, **rows)
    shared = late.design(events, people, **rows).shared

    assert_array_equal(shared, late.design(late.events(data), people, **rows).shared)
    assert shared.shape == (6, len(late.keys_["topic"]))


# --- evidence ---------------------------------------------------------------------------------------------


def evidence_of(world: Any, hcp: str, action: Action) -> dict[str, Evidence]:
    data = world.engagement(world.random_records(6))
    at = world.START + 50 * world.DAY
    features = fitted(world, data, until=at)
    _, found = features.evidence(
        features.events(data), data.columns("hcps"), hcps=np.array([hcp], dtype=object), at=np.array([at]),
        actions=(action,), pair=np.zeros(1, dtype=np.int64),
    )  # fmt: skip
    return found[0]


def test_requests_of_a_large_design_have_the_bits_and_counts_they_have_alone(world: Any) -> None:
    data = world.engagement(world.random_records(6))
    at = world.START + 50 * world.DAY
    features, actions = fitted(world, data, until=at), (Action("push", "c0"), Action("email", "c1"))
    events, people = features.events(data), data.columns("hcps")
    who = people["hcp_id"]
    n, requests = len(who), np.array([1, 4, 5])
    seen = features.seen(
        events, people, hcps=who, at=np.full(n, at), actions=actions,
        row=np.repeat(np.arange(n), 2), pair=np.tile(np.arange(2), n),
    )  # fmt: skip

    some, found = seen.only(requests), seen.evidence(requests)

    alone, expected = features.evidence(
        events, people, hcps=who[requests // 2], at=np.full(3, at), actions=actions, pair=requests % 2
    )
    assert_same_bits(some, alone)
    assert [dict(one) for one in found] == [dict(one) for one in expected]


def test_what_is_known_of_actions_is_looked_up_anew_in_another_content_table(world: Any) -> None:
    data = world.engagement(world.random_records(6))
    features = fitted(world, data, until=world.START + 50 * world.DAY)
    content = data.columns("content")
    retagged = {**content, "topic": np.full(len(content["topic"]), "another topic", dtype=object)}
    actions = (Action("push", "c0"),)

    first, again, moved = (features.ask(actions, table) for table in (content, content, retagged))

    assert again is first
    assert "topic=another topic" in moved.groups[0]
    assert features.ask((*actions, Action("email", "c0")), retagged).actions[-1] == Action("email", "c0")


def test_evidence_counts_what_stands_behind_the_number(world: Any) -> None:
    data = world.engagement(world.random_records(6))
    reader = world.Reader(data, world.rows_of(data), hcp="h3", at=world.START + 50 * world.DAY)
    since = world.START + 30 * world.DAY

    found = evidence_of(world, "h3", Action("push", "c0"))

    touched = [r for r in reader.of("touches") if r.channel == "push"]
    assert found["count(touches, channel=push, 20d)"].count == sum(r.ts >= since for r in touched)
    answered = [r for r in reader.of("responses") if r.channel == "push"]
    rate = found["rate(responses, own channel, 50d)"]
    assert (rate.count, rate.of) == (min(len(answered), len(touched)), len(touched))
    assert found["recency(touches, all)"].days_ago == pytest.approx(
        (reader.at - max(r.ts for r in reader.of("touches"))) / world.DAY
    )


def test_an_attribute_is_one_for_those_who_have_it_and_silent_where_unknown(world: Any) -> None:
    push = Action("push", "c0")

    assert evidence_of(world, "h0", push)["attribute(specialty=cardiology)"] == Evidence(1)
    assert evidence_of(world, "h1", push)["attribute(specialty=cardiology)"] == Evidence(0)
    assert "attribute(specialty=cardiology)" not in evidence_of(world, "h2", push)


def test_a_restricted_attribute_has_no_evidence(world: Any) -> None:
    assert "attribute(decile)" not in evidence_of(world, "h0", Action("push", "c0"))


def test_a_match_is_one_and_none_where_either_side_is_unknown(world: Any) -> None:
    name = "fit(specialty, audience_specialty)"

    assert evidence_of(world, "h0", Action("push", "c0"))[name] == Evidence(1)
    assert evidence_of(world, "h1", Action("push", "c0"))[name] == Evidence(0)
    assert name not in evidence_of(world, "h0", Action("push", "c2"))
    assert name not in evidence_of(world, "h2", Action("push", "c0"))


def test_nothing_is_counted_of_a_topic_that_the_content_does_not_have(world: Any) -> None:
    assert "recency(engagements, own topic)" in evidence_of(world, "h0", Action("push", "c0"))
    assert "recency(engagements, own topic)" not in evidence_of(world, "h0", Action("push", "c4"))


def test_a_faded_sum_is_no_count(world: Any) -> None:
    assert not [name for name in evidence_of(world, "h0", Action("push", "c0")) if name.startswith("decayed")]


# --- borders ----------------------------------------------------------------------------------------------


def test_transform_names_its_columns_and_takes_new_hcps(world: Any) -> None:
    data = world.engagement(world.random_records(6))
    features = fitted(world, data, until=world.START + 40 * world.DAY)

    frame = features.transform(data, at="2026-02-10", hcps=["h0", "nobody yet"])

    assert frame.columns.tolist() == features.get_feature_names_out().tolist()
    new = frame.loc["nobody yet"]
    assert new["count(touches, all, 30d)"] == 0.0
    assert np.isnan(new[["recency(touches, all)", "attribute(specialty=oncology)"]].to_numpy(float)).all()


def test_restricted_values_are_missing_for_who_opted_out(world: Any) -> None:
    data = world.engagement(world.random_records(6))
    features = fitted(world, data, until=world.START + 40 * world.DAY)

    decile = features.transform(data, at="2026-02-10")["attribute(decile)"]

    assert_array_equal(decile.to_numpy(), [1.0, np.nan, np.nan, 9.0, 10.0, np.nan])


def test_a_value_that_few_share_has_no_flag(world: Any) -> None:
    data = world.engagement(world.random_records(6))

    features = fitted(world, data, until=world.START + 40 * world.DAY)

    assert features.levels_["specialty"] == ("cardiology", "oncology")


def test_what_has_no_column_is_noted(world: Any) -> None:
    data = world.engagement(world.random_records(6))
    features = EngagementFeatures([Attribute(column="role"), Count(by="stage")])

    features.fit(data, until="2026-02-10")

    assert len(features.notes_) == 2
    assert "role" in features.notes_[0]


def test_fitting_before_anything_was_known_warns(world: Any) -> None:
    data = world.engagement(world.random_records(6))

    with pytest.warns(NBAWarning, match="was known before `until`"):
        features = EngagementFeatures.standard().fit(data, until="2020-01-01")

    assert features.keys_ == {"channel": (), "topic": ()}


@pytest.mark.parametrize(
    "ask",
    [
        lambda features, data: features.catalogue_,
        lambda features, data: features.get_feature_names_out(),
        lambda features, data: features.to_state(),
        lambda features, data: features.transform(data, at="2026-02-01"),
    ],
)
def test_unfitted_features_say_so(world: Any, ask: Any) -> None:
    data = world.engagement(world.random_records(1))

    with pytest.raises(NotFittedError, match="call fit"):
        ask(EngagementFeatures.standard(), data)


@pytest.mark.parametrize(
    ("options", "said"), [({"dtype": "float16"}, "float16"), ({"n_jobs": 0}, "n_jobs is 0")]
)
def test_an_option_out_of_range_is_refused(options: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        EngagementFeatures.standard(**options)


def test_a_measure_declared_twice_is_refused() -> None:
    with pytest.raises(ArgumentError, match="twice"):
        EngagementFeatures([Count(), Count()])


def test_a_request_for_an_action_that_is_not_there_is_refused(world: Any) -> None:
    data = world.engagement(world.random_records(1))
    features = fitted(world, data, until=world.START + 40 * world.DAY)

    with pytest.raises(ArgumentError, match="request_pair"):
        features.design(
            features.events(data), data.columns("hcps"), hcps=np.array(["h0"], dtype=object),
            at=np.array([world.START]), actions=world.ACTIONS[:2], row=np.array([0]), pair=np.array([2]),
        )  # fmt: skip


def test_names_are_unique(world: Any) -> None:
    data = world.engagement(world.random_records(1))
    features = EngagementFeatures.standard().fit(data, until="2026-02-10")

    names = [feature.name for feature in features.catalogue_]

    assert len(set(names)) == len(names)
