"""The public face: sizes, seeds, truth."""

import time

import numpy as np
import pandas as pd
import pytest

import nba
from nba.contracts import DO_NOTHING
from nba.errors import ArgumentError, UnknownActionError, UnknownHCPError
from nba.simulate import Territory, territory
from nba.tables import Engagement, as_moment, seconds

SUCCESS = {
    "approved_email": {"clicked", "downloaded", "completed"},
    "hq_email": {"clicked", "downloaded", "completed"},
    "push": {"opened", "clicked", "completed"},
    "webinar": {"attended"},
    "event": {"attended"},
}


def touches_with_truth(world: Territory) -> pd.DataFrame:
    rows = world.engagement.interactions
    return rows[rows["interaction_id"].isin(world.truth["interaction_id"])].merge(
        world.truth, on="interaction_id"
    )


def successes_by_hand(world: Territory) -> dict[str, bool]:
    """Whether each touch succeeded, counted row by row from what people (not machines) did."""
    rows = world.engagement.interactions
    when = dict(zip(rows["interaction_id"], seconds(rows["ts"]), strict=True))
    way = dict(zip(rows["interaction_id"], rows["channel"], strict=True))
    found = {
        touch: outcome == "held"
        for touch, outcome in zip(rows["interaction_id"], rows["outcome"], strict=True)
        if outcome in ("sent", "held", "declined")
    }
    columns = (rows["parent_id"].fillna(""), rows["outcome"], rows["is_machine"], seconds(rows["ts"]))
    for parent, outcome, machine, ts in zip(*columns, strict=True):
        if not parent or machine:
            continue
        days = 30 if way[parent] in ("webinar", "event") else 14
        waited = ts - when[parent]
        if outcome in SUCCESS[way[parent]] and 3 < waited <= days * 86_400:
            found[parent] = True
    return found


@pytest.fixture(scope="module")
def done(year: Territory) -> dict[str, bool]:
    return successes_by_hand(year)


def test_the_same_seed_gives_the_same_tables_and_truth(small):
    again = territory(seed=11, hcps=60, days=120)

    for name, frame in small.engagement.tables.items():
        if frame is not None:
            pd.testing.assert_frame_equal(frame, again.engagement.tables[name])
    pd.testing.assert_frame_equal(small.truth, again.truth)


def test_another_seed_gives_another_history(small):
    other = territory(seed=12, hcps=60, days=120)

    assert len(other.truth) != len(small.truth)


def test_responses_come_as_often_as_the_truth_says(year, done):
    touches = touches_with_truth(year)
    closed = touches[touches["ts"] < pd.Timestamp("2026-08-01", tz="UTC")]

    for channel, rows in closed.groupby("channel"):
        p = rows["true_probability"].to_numpy()
        surplus = sum(done[touch] for touch in rows["interaction_id"]) - p.sum()
        assert abs(surplus) < 4.0 * np.sqrt((p * (1.0 - p)).sum()), channel


def test_truth_ranks_responses(year, done):
    touches = touches_with_truth(year)
    succeeded = touches["interaction_id"].map(done).astype(bool)

    visits = touches["channel"] == "rep_visit"
    likely = touches["true_probability"] > 0.7
    assert succeeded[visits & likely].mean() > succeeded[visits & ~likely].mean() + 0.25


def test_rates_are_those_of_the_field(year):
    rates = touches_with_truth(year).groupby("channel")["true_probability"].mean()

    bounds = {
        "hq_email": (0.02, 0.08),
        "approved_email": (0.02, 0.08),
        "rep_visit": (0.5, 0.75),
        "webinar": (0.05, 0.15),
        "remote_call": (0.25, 0.45),
        "push": (0.08, 0.15),
        "phone": (0.15, 0.30),
    }
    outside = {c: rates[c] for c, (low, high) in bounds.items() if not low <= rates[c] <= high}
    assert outside == {}


def test_every_touch_in_the_table_has_a_truth_and_nothing_else_has(small):
    rows = small.engagement.interactions
    touches = rows[rows["touch"]]

    assert sorted(touches["interaction_id"]) == list(small.truth["interaction_id"])
    assert small.truth["true_probability"].between(0.0, 1.0, inclusive="neither").all()


def test_truth_beside_the_tables_is_the_counterfactual_truth_at_that_moment(small):
    touches = touches_with_truth(small)
    pairs = sorted(set(zip(touches["channel"], touches["content_id"], strict=True)))
    column = {pair: index for index, pair in enumerate(pairs)}
    chosen = [column[pair] for pair in zip(touches["channel"], touches["content_id"], strict=True)]

    truth = small.response_probability(touches["hcp_id"].to_numpy(), seconds(touches["ts"]), pairs)

    beside = touches["true_probability"].to_numpy()
    np.testing.assert_allclose(truth[np.arange(len(touches)), chosen], beside, rtol=0, atol=1e-12)


def test_the_truth_of_a_moment_does_not_depend_on_what_was_asked_before(small):
    ids, pair = list(small.engagement.hcps["hcp_id"][:5]), [("push", "c01_en_v1")]
    days = ["2026-09-20", "2026-08-01", "2026-09-20", "2026-09-21"]

    one_by_one = [small.response_probability(ids, day, pair) for day in days]

    moments = np.repeat([as_moment(day) for day in days], len(ids))
    together = small.response_probability(ids * len(days), moments, pair)
    np.testing.assert_array_equal(np.concatenate(one_by_one), together)


def test_doing_nothing_never_succeeds(small):
    ids = list(small.engagement.hcps["hcp_id"])

    truth = small.response_probability(ids, "2026-09-01", [DO_NOTHING, ("push", "c01_en_v1")])

    assert (truth[:, 0] == 0.0).all()
    assert (truth[:, 1] > 0.0).all()


def test_what_is_not_of_the_territory_is_refused(small):
    known = list(small.engagement.hcps["hcp_id"][:1])

    with pytest.raises(UnknownHCPError, match="1 of 2 HCPs"):
        small.response_probability([*known, "nobody"], "2026-09-01", [DO_NOTHING])
    with pytest.raises(UnknownActionError, match="pigeon"):
        small.response_probability(known, "2026-09-01", [("pigeon", "c01_en_v1")])
    with pytest.raises(ArgumentError, match="before the first simulated day"):
        small.response_probability(known, "2020-01-01", [DO_NOTHING])


@pytest.mark.parametrize("sizes", [{"hcps": 3}, {"days": 10}, {"contents": 5}, {"contents": 100}])
def test_sizes_that_cannot_be_simulated_are_refused(sizes):
    with pytest.raises(ArgumentError, match="cannot be simulated"):
        territory(seed=1, **sizes)


@pytest.mark.parametrize("seed", range(3))
def test_the_smallest_territory_is_whole(seed):
    tiny = territory(seed=seed, hcps=20, days=60, contents=20)

    assert len(tiny.truth) > 0
    assert tiny.engagement.hcps["country"].nunique() >= 3


def test_a_small_territory_takes_less_than_a_second_of_computing():
    territory(seed=1, hcps=60, days=120)

    start = time.process_time()
    territory(seed=2, hcps=60, days=120)
    assert time.process_time() - start < 1.0


def test_a_saved_territory_is_read_back_equal(small, tmp_path):
    small.to_folder(tmp_path)

    back = Engagement.from_folder(tmp_path)
    for name, frame in small.engagement.tables.items():
        if frame is not None:
            pd.testing.assert_frame_equal(frame, back.tables[name])
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "truth.parquet"), small.truth, check_dtype=False)


def test_the_public_door_is_lazy_and_there():
    assert nba.simulate.territory is territory


@pytest.mark.slow
def test_the_default_territory_has_the_promised_size():
    whole = territory(seed=7)

    touches = len(whole.truth) / 3000
    assert 60 <= touches <= 90
    assert 200_000 <= len(whole.engagement.interactions) <= 320_000
