"""Key messages of a cycle, against going through the tables row by row."""

import pandas as pd
import pytest
from hall import UNTIL

from nba.contracts import DO_NOTHING
from nba.errors import ArgumentError
from nba.tables import Engagement

START, END = "2026-07-01", "2026-09-30"


def with_messages(data, **more):
    frames = {n: f for n, f in data.tables.items() if f is not None}
    log = frames["interactions"].drop(columns=["machine", "touch", "engaged"])
    topics = frames["content"]["topic"]
    content = frames["content"].assign(key_message_id=[f"M-{topic}" for topic in topics])
    changed = {"interactions": log, "content": content, **more}
    return Engagement(**(frames | changed), observed_until="2026-10-01")


@pytest.fixture(scope="module")
def data(territory):
    return with_messages(territory.engagement)


@pytest.fixture(scope="module")
def told(model, data):
    return model.recommend(data, at=UNTIL, seed=7)


def by_hand(data, plan, *, with_plan=False):
    at, start = pd.Timestamp(UNTIL, tz="UTC"), pd.Timestamp(START, tz="UTC")
    content = data.content.set_index("content_id")
    live = content[
        (content["approval_status"] == "approved")
        & (content["approved_from"] <= at)
        & (content["expiry"] > at)
    ]
    country = data.hcps.set_index("hcp_id")["country"]
    touches = data.interactions[data.interactions["touch"]]
    touches = touches[(touches["ts"] >= start) & (touches["ts"] < at) & (touches["recorded_at"] < at)]
    heard = {
        (hcp, content["key_message_id"].get(c))
        for hcp, c in zip(touches["hcp_id"], touches["content_id"], strict=True)
    }
    if with_plan:
        heard |= {(r.hcp_id, content["key_message_id"].get(r.action.content)) for r in plan}
    found = {}
    for receipt in plan:
        here = live[[country[receipt.hcp_id] in places for places in live["country"]]]
        for product, rows in here.groupby("product_id"):
            asked = set(rows["key_message_id"])
            found[receipt.hcp_id, product] = (
                len(asked),
                sorted(m for m in asked if (receipt.hcp_id, m) not in heard),
            )
    return found


@pytest.mark.parametrize("with_plan", [False, True])
def test_coverage_of_a_cycle_equals_going_through_the_tables(data, told, with_plan):
    coverage = told.message_coverage(START, END, with_plan=with_plan)

    expected = by_hand(data, told, with_plan=with_plan)
    assert {(r.hcp_id, r.product_id): (r.asked, list(r.missing)) for r in coverage.rows} == expected
    assert coverage.elapsed == pytest.approx(62 / 91)
    assert 0 < coverage.share < 1
    assert all(row.behind for row in coverage.overdue())


def test_what_the_plan_decides_can_only_cover_more(told):
    before, after = (told.message_coverage(START, END, with_plan=p) for p in (False, True))

    assert after.share > before.share
    assert any(r.action != DO_NOTHING for r in told)


def test_only_products_that_are_planned_in_the_cycle_are_asked_about(model, territory):
    product = territory.engagement.content["product_id"].iloc[0]
    some = territory.engagement.hcps["hcp_id"].iloc[:3].tolist()
    goals = pd.DataFrame(
        {
            "hcp_id": [*some, some[0]],
            "product_id": [product] * 4,
            "goal": [3.0, 3.0, 0.0, 3.0],
            "from": pd.to_datetime(["2026-08-01", "2026-01-01", "2026-08-01", "2026-01-01"]),
            "to": pd.to_datetime(["2026-10-31", "2026-06-30", "2026-10-31", "2026-06-30"]),
        }
    )
    data = with_messages(territory.engagement, plan=goals)
    plan = model.recommend(data, at=UNTIL, seed=7)

    coverage = plan.message_coverage(START, END)

    assert {(row.hcp_id, row.product_id) for row in coverage.rows} <= {(some[0], product)}
    assert coverage.rows


def test_a_cycle_that_is_none_and_content_without_messages_are_refused(told, plan):
    with pytest.raises(ArgumentError, match="cycle ends"):
        told.message_coverage(END, START)
    with pytest.raises(ArgumentError, match="key_message_id"):
        plan.message_coverage(START, END)
