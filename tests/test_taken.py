"""What has been taken of scarce things is gone, for a batch and for one HCP in a service."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hall import UNTIL, make_model

import nba
from nba import policies
from nba.contracts import DO_NOTHING
from nba.errors import ArgumentError
from nba.tables import Engagement, as_moment
from nba.taken import since, taken_of

WEEK = {"resource": "visit", "scope": "territory", "period": "week", "from": "2026-08-31", "to": "2026-09-07"}


def with_capacity(engagement, rows):
    frames = {
        name: frame.drop(columns=["machine", "touch", "engaged"], errors="ignore")
        for name, frame in engagement.tables.items()
        if frame is not None
    }
    frames["interactions"]["is_machine"] = engagement.interactions["machine"]
    table = pd.DataFrame(rows).astype({"units": float})
    until = pd.Timestamp(engagement.observed_until, unit="s", tz="UTC")
    return Engagement(**frames, capacity=table, observed_until=until)


def week(territory_id, units):
    days = {"from": pd.Timestamp(WEEK["from"]), "to": pd.Timestamp(WEEK["to"])}
    return WEEK | days | {"scope_id": territory_id, "channel": None, "units": units}


@pytest.fixture(scope="module")
def visiting(territory):
    """A model that visits as soon as it may."""
    pushed = make_model(
        scorer=nba.SegmentBaseline(), policy=policies.Greedy(), guardrails=[], levers={"rep_visit": 1e4}
    )
    return pushed.fit(territory.engagement, until=UNTIL)


def visits(receipts):
    return [r for r in receipts if "visit" in r.action.channel]


@pytest.fixture(scope="module")
def busiest(territory, visiting):
    """The territory with most visits where there is no limit, and its HCPs."""
    free = visiting.recommend(territory.engagement, at=UNTIL, seed=1)
    hcps = territory.engagement.hcps.set_index("hcp_id")["territory_id"]
    counts = hcps[[r.hcp_id for r in visits(free)]].value_counts()
    name = sorted(counts.index[counts == counts.max()])[0]
    return name, sorted(hcps.index[hcps == name]), int(counts.max())


def test_a_second_plan_has_what_the_first_left(territory, visiting, busiest, tmp_path):
    name, hcps, wanted = busiest
    units = wanted - 2
    data = with_capacity(territory.engagement, [week(name, units)])
    log = nba.Log(tmp_path / "log.db")

    first = visiting.recommend(data, at=UNTIL, seed=1, log=log, hcps=hcps[::2])
    log.commit(first)
    second = visiting.recommend(data, at="2026-09-02", seed=1, log=log, hcps=hcps[1::2])
    log.commit(second)
    third = visiting.recommend(data, at="2026-09-03", seed=1, log=log)

    made = len(visits(first)) + len(visits(second))
    assert visits(first)
    assert made <= units
    assert len([r for r in visits(third) if r.hcp_id in set(hcps)]) <= units - made


def test_visits_made_in_the_week_are_gone_and_those_before_it_are_not(territory, visiting, busiest):
    name, hcps, _ = busiest
    frame = territory.engagement.interactions
    frame = frame[frame["touch"] & frame["hcp_id"].isin(hcps) & frame["channel"].str.contains("visit")]
    start, at = (pd.Timestamp(day, tz="UTC") for day in ("2026-07-01", UNTIL))
    made = int(((frame["ts"] >= start) & (frame["ts"] < at) & (frame["recorded_at"] < at)).sum())
    row = week(name, made + 2) | {"from": pd.Timestamp("2026-07-01")}

    plan = visiting.recommend(with_capacity(territory.engagement, [row]), at=UNTIL, seed=1)

    assert made > 0
    assert len([r for r in visits(plan) if r.hcp_id in set(hcps)]) == 2


def test_a_service_gives_out_what_is_left_and_no_more(territory, visiting, busiest, tmp_path):
    name, hcps, wanted = busiest
    units = max(2, wanted // 2)
    data = with_capacity(territory.engagement, [week(name, units)])
    log = nba.Log(tmp_path / "log.db")
    made = []

    for number, hcp in enumerate(hcps):
        plan = visiting.decide(
            hcp, history=[], at=f"2026-09-01T{number // 60:02d}:{number % 60:02d}:00Z", seed=1, log=log,
            data=data, request_key=str(number),
        )  # fmt: skip
        log.commit(plan)
        made += plan.receipts()

    assert len(visits(made)) == units
    late = [r for r in made if r not in visits(made) and any("visit" in a.channel for a, _ in r.eligible)]
    assert late, "somebody could be visited and was not"
    assert all(p == 0.0 for r in late for a, p in r.eligible if "visit" in a.channel)
    assert all(r.prices for r in made)


def test_a_table_of_what_is_used_is_believed(territory, visiting, busiest):
    name, hcps, wanted = busiest
    data = with_capacity(territory.engagement, [week(name, wanted)])
    gone = pd.DataFrame([week(name, wanted - 1)]).astype({"units": float})

    plan = visiting.recommend(data, at=UNTIL, seed=1, used=gone)
    alone = [visiting.decide(h, history=[], at=UNTIL, seed=1, data=data,
                             used=gone.assign(units=float(wanted))).receipt(h) for h in hcps[:5]]  # fmt: skip

    assert len([r for r in visits(plan) if r.hcp_id in set(hcps)]) == 1
    assert not visits(alone)
    with pytest.raises(ArgumentError, match="does not have in force"):
        visiting.recommend(data, at=UNTIL, seed=1, used=gone.assign(scope_id="nowhere"))


def test_without_a_capacity_table_nothing_is_counted(territory):
    assert taken_of(territory.engagement, at=as_moment(UNTIL)) is None


def test_what_is_counted_begins_with_the_first_row_in_force():
    table = {"from": np.array([5, 50, -(2**62)]), "to": np.array([40, 90, 2**62])}

    assert since(table, at=30) == 5
    assert since(table, at=60) == 50
    assert since(table, at=95) == 95


def test_what_no_limit_is_about_is_decided_as_before(territory, visiting, busiest):
    data = with_capacity(territory.engagement, [week(busiest[0], 10_000)])
    free = visiting.recommend(territory.engagement, at=UNTIL, seed=1)

    plan = visiting.recommend(data, at=UNTIL, seed=1)

    assert [r.action for r in plan] == [r.action for r in free]
    assert any(r.action != DO_NOTHING for r in plan)
