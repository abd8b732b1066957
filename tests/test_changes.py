"""How plans differ, against comparing receipts by hand."""

import pytest
from hall import UNTIL, variant_of

from nba import guardrails
from nba.changes import diff


@pytest.fixture(scope="module")
def redrawn(model, territory):
    return model.recommend(territory.engagement, at=UNTIL, seed=8)


@pytest.fixture(scope="module")
def strict(model, territory):
    """The same model, with two rules more."""
    rules = (*model.guardrails, guardrails.Access(), guardrails.RepeatGap(60))
    return variant_of(model, guardrails=rules).recommend(territory.engagement, at=UNTIL, seed=7)


def test_a_plan_does_not_differ_from_itself(plan):
    same = plan.diff(plan)

    assert (same.changes, same.same, same.gone, same.new) == ((), len(plan), (), ())
    assert str(same) == f"0 of {len(plan)} HCPs get another action."


def test_another_seed_changes_nothing_but_draws(plan, redrawn):
    found = plan.diff(redrawn)

    changed = [r.hcp_id for r in plan if r.action != redrawn.receipt(r.hcp_id).action]
    assert [change.hcp_id for change in found.changes] == changed
    assert set(found.counts()) == {("draw", "")}
    assert found.same == len(plan) - len(changed)


def test_what_a_new_rule_removed_is_told_by_its_reason(plan, strict):
    found = plan.diff(strict)

    removed = [change for change in found.changes if change.cause == "removed"]
    assert removed
    for change in removed:
        assert change.code in {"no_see", "do_not_call", "limited_access", "asset_repeat"}
        assert dict(strict.receipt(change.hcp_id).removed)[change.before] == change.code
    back = {c.hcp_id: c for c in strict.diff(plan).changes}
    assert set(back) == {c.hcp_id for c in found.changes}
    assert "opened" in {c.cause for c in back.values()}
    for change in back.values():
        if change.cause == "opened":
            assert dict(strict.receipt(change.hcp_id).removed)[change.after] == change.code


def test_hcps_in_one_plan_only_are_named(plan):
    receipts = plan.receipts()

    found = diff(receipts[:-2], receipts[1:])

    assert found.gone == (receipts[0].hcp_id,)
    assert found.new == tuple(r.hcp_id for r in receipts[-2:])
    assert "1 HCPs are no longer in the plan, 2 are new." in str(found)


def test_the_frame_has_a_row_a_change(plan, redrawn):
    found = plan.diff(redrawn)

    frame = found.to_frame()

    assert len(frame) == len(found.changes)
    assert frame["hcp_id"].tolist() == [c.hcp_id for c in found.changes]
    assert list(plan.diff(plan).to_frame().columns) == list(frame.columns)
