"""Deeper content waits for what comes before it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from nba.contracts import DAY, DO_NOTHING, FOREVER, NEVER, Candidates, Context, as_actions
from nba.errors import ArgumentError
from nba.guardrails import Deepening, from_dict, funnel
from nba.testing import check_guardrail, random_world

NOW = random_world(0).candidates.at
DEPTH = {"opened": 0.1, "clicked": 0.5, "branched": 0.5, "completed": 1.0, "downloaded": 1.0}


AT = 1_000 * DAY


def texts(values):
    return np.array(values, dtype=object)


def world(engagements, *, levels=(1.0, 2.0, 3.0), tags=({}, {}, {})):
    """Contents c0, c1, c2 at these levels of a topic, two minutes each, and what h0 did with them."""
    ids = [f"c{i}" for i in range(3)]
    usual = {"topic": "moa", "product_id": "", "language": "en", "country": (), "approval_status": "approved",
             "expiry": FOREVER}  # fmt: skip
    pieces = [usual | more for more in tags]
    content = {name: np.fromiter((piece[name] for piece in pieces), dtype=object) for name in usual}
    content |= {"content_id": texts(ids), "depth_level": np.array(levels), "minutes": np.full(3, 2.0),
                "approved_from": np.full(3, NEVER)}  # fmt: skip
    rows = [
        {"ts": AT - DAY, "content_id": "c0", "step": "", "duration_s": np.nan} | row for row in engagements
    ]
    table = {name: texts([row[name] for row in rows]) for name in ("content_id", "outcome", "step")} | {
        "hcp_id": texts(["h0"] * len(rows)),
        "ts": np.array([row["ts"] for row in rows], dtype=np.int64),
        "duration_s": np.array([row["duration_s"] for row in rows], dtype=float),
    }
    actions = (DO_NOTHING, *as_actions([("portal", one) for one in ids]))
    candidates = Candidates(texts(["h0"]), actions, np.ones((1, 4), dtype=bool), AT, AT + 7 * DAY)
    hcps = {"hcp_id": texts(["h0"]), "country": texts(["US"]), "language": texts(["en"])}
    return candidates, Context(hcps, content, {}, None, {}, {"engagements": table})


def branched(step, **more):
    return {"outcome": "branched", "step": step} | more


def left(rule, engagements, **more):
    """Which of the contents may go to h0."""
    return rule.check(*world(engagements, **more)).eligible[0, 1:].tolist()


def test_completion_branches_and_dwell_of_interactive_content_are_the_depth_that_opens_the_next_level():
    rule = Deepening(0.75)

    assert left(rule, []) == [True, False, False]
    assert left(rule, [{"outcome": "completed"}]) == [True, True, False]
    assert left(rule, [branched("yes")]) == [True, False, False]
    assert left(rule, [branched("yes"), branched("yes")]) == [True, False, False]  # the same way twice
    assert left(rule, [branched("yes"), branched("no")]) == [True, True, False]
    assert left(rule, [branched("yes", duration_s=120.0)]) == [True, True, False]
    assert left(rule, [branched("yes", duration_s=119.0)]) == [True, False, False]
    assert left(rule, [{"outcome": "opened", "duration_s": 9e9}]) == [True, False, False]  # it stood open


def test_going_deep_at_a_higher_level_opens_all_below_and_the_next_one_above():
    assert left(Deepening(), [branched("a", content_id="c1")]) == [True, True, True]
    assert left(Deepening(), [branched("a", content_id="c0")]) == [True, True, False]


def test_the_level_before_is_the_next_lower_one_there_is_for_the_hcp():
    assert left(Deepening(), [], levels=(2.0, 5.0, np.nan)) == [True, False, True]
    assert left(Deepening(), [branched("a")], levels=(2.0, 5.0, np.nan)) == [True, True, True]
    for hidden in ({"country": ("FR",)}, {"approval_status": "withdrawn"}, {"expiry": AT}):
        assert left(Deepening(), [], tags=[hidden, {}, {}]) == [True, True, False]  # nothing comes before c1


def test_topics_are_paths_of_their_own():
    tags = [{"topic": "moa"}, {"topic": "dosing"}, {"topic": "dosing"}]

    assert left(Deepening(), [branched("a")], levels=(1.0, 1.0, 2.0), tags=tags) == [True, True, False]
    same = [row | {"product_id": "A"} for row in tags]
    assert left(Deepening(by="product_id"), [branched("a")], levels=(1.0, 1.0, 2.0), tags=same) == [True] * 3


def test_nothing_at_or_after_the_moment_or_before_the_window_counts():
    for ts in (AT, AT + DAY, AT - 31 * DAY):
        assert left(Deepening(days=30), [branched("a", ts=ts)]) == [True, False, False]
    assert left(Deepening(days=30), [branched("a", ts=AT - 30 * DAY)]) == [True, True, False]


def test_facts_say_which_level_how_many_steps_and_how_far():
    candidates, context = world([branched("a"), branched("b"), {"outcome": "opened"}])

    verdict = Deepening(0.9).check(candidates, context)

    assert verdict.fact(0, 2) == {"level_before": 1.0, "steps": 3, "depth_percent": 77}
    assert verdict.fact(0, 1) == {"level_before": -1.0, "steps": 0, "depth_percent": 0}
    told = funnel(candidates, [verdict])
    assert told.reason(0, 2) == "not_deep_enough"
    assert "deepening (0.9 by topic, 365 days)" in str(told)


def test_without_a_table_of_engagements_only_the_lowest_levels_go_and_it_says_so():
    candidates, context = world([])

    verdict = Deepening().check(candidates, replace(context, tables={}))

    assert verdict.eligible[0].tolist() == [True, True, False, False]
    assert "No engagements are known" in verdict.note


def plain_depth(rows, minutes):
    steps = {(row["outcome"], row["step"]) for row in rows}
    missed = 1.0
    for outcome, _ in sorted(steps):
        missed *= 1.0 - DEPTH[outcome]
    dwell = sum(round(row["duration_s"]) for row in rows if row["duration_s"] == row["duration_s"])
    share = min(1.0, dwell / (60 * minutes)) if minutes == minutes else 0.0
    return 1.0 - missed * (1.0 - 0.5 * share), len(steps)


def rows_of(table):
    cells = zip(*(values.tolist() for values in table.values()), strict=True)
    return [dict(zip(table, row, strict=True)) for row in cells]


@pytest.mark.parametrize("least", [0.3, 0.8])
def test_it_says_what_a_plain_recount_row_by_row_says(least):
    bitten = 0
    for seed in range(12):
        candidates, context = random_world(seed)
        rows, pieces = rows_of(context.tables["engagements"]), rows_of(context.content)

        verdict = Deepening(least, days=200).check(candidates, context)

        by_id = {piece["content_id"]: piece for piece in pieces}
        for i, hcp in enumerate(candidates.hcps):
            country, language = context.hcps["country"][i], context.hcps["language"][i]
            mine = [r for r in rows if r["hcp_id"] == hcp and NOW - 200 * DAY <= r["ts"] < NOW]
            for k, action in enumerate(candidates.actions):
                piece = by_id.get(action.content)
                removed = False
                if piece and piece["topic"] and piece["depth_level"] == piece["depth_level"]:
                    path = [p for p in pieces if p["topic"] == piece["topic"]]
                    below = [
                        p["depth_level"] for p in path
                        if p["depth_level"] < piece["depth_level"] and p["approval_status"] == "approved"
                        and p["approved_from"] <= NOW < p["expiry"]
                        and (not p["country"] or country in p["country"])
                        and (not language or p["language"] == language)
                    ]  # fmt: skip
                    if below:
                        enough = [p for p in path if p["depth_level"] >= max(below)]
                        depths = [
                            plain_depth(
                                [r for r in mine if r["content_id"] == p["content_id"]], p["minutes"]
                            )[0]
                            for p in enough
                        ]
                        removed = max(depths) < least
                assert bool(verdict.reason[i, k]) == removed
                bitten += removed
    assert bitten > 50


def test_it_holds_what_every_rule_has_to_and_comes_back_from_its_description():
    checked = check_guardrail(Deepening(0.75), seeds=12)
    rule = Deepening(0.6, by="indication", days=90)

    assert checked.removed["not_deep_enough"] > 0
    assert from_dict(json.loads(json.dumps(rule.describe()))) == rule


@pytest.mark.parametrize(
    "settings", [{"least": 0}, {"least": 1.1}, {"least": True}, {"by": "title"}, {"days": 0}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ArgumentError, match="Deepening"):
        Deepening(**settings)
