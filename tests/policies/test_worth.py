"""What responses are worth and touches cost, against reading tables row by row."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.contracts import DO_NOTHING, Action
from nba.errors import ArgumentError, NBAWarning
from nba.policies import TERMS, ContextWeight, Worth, priority, terms_of
from nba.testing import random_world

pytestmark = pytest.mark.filterwarnings("ignore:The values table has no row")

CONTEXTS = (
    ContextWeight(1.5, hcp={"specialty": ["cardiology", "gp"]}, content={"topic": "dosing"}),
    ContextWeight(0.5, channel="mail"),
    ContextWeight(2.0, state="nurture", content={"product_id": "A"}),
)


def rows_of(table):
    columns = [values.tolist() for values in table.values()]
    return [dict(zip(table, values, strict=True)) for values in zip(*columns, strict=True)]


def without_doubles(world):
    """The values table with one row an (objective, product, segment)."""
    table = world.context.tables["values"]
    keys = [(r["objective"], r["product_id"], r["segment"]) for r in rows_of(table)]
    first = np.array([keys.index(key) == i for i, key in enumerate(keys)])
    tables = {**world.context.tables, "values": {name: values[first] for name, values in table.items()}}
    return world._replace(context=replace(world.context, tables=tables))


def plain_terms(world, worth, hcp, action, propensity):
    """The terms of one candidate, looked up row by row."""
    asked, context = world
    content = {row["content_id"]: row for row in rows_of(context.content)}[action.content]
    channel = {row["channel"]: row for row in rows_of(context.channels)}[action.channel]
    value = 0.0
    for objective, weight in (worth.objectives or {"adoption": 1.0, "expansion": 1.0}).items():
        best = (-1, 0.0)
        for row in rows_of(context.tables["values"]):
            fits = row["product_id"] in ("", content["product_id"]) and row["segment"] in ("", hcp["segment"])
            named = 2 * (row["product_id"] != "") + (row["segment"] != "")
            if row["objective"] == objective and fits and named > best[0]:
                best = (named, row["value"])
        value += weight * best[1]
    states = {
        s["state"]
        for s in rows_of(context.tables["states"])
        if s["hcp_id"] == hcp["hcp_id"] and s["since"] <= asked.at < s["until"]
    }
    factor = 1.0
    if hcp["specialty"] in ("cardiology", "gp") and content["topic"] == "dosing":
        factor *= 1.5
    if action.channel == "mail":
        factor *= 0.5
    if "nurture" in states and content["product_id"] == "A":
        factor *= 2.0
    minutes = content["minutes"]
    return {
        "propensity": propensity,
        "context": factor,
        "value": worth.value * value,
        "lever": (worth.levers or {}).get(action.channel, 1.0),
        "cost": channel["cost"],
        "minutes": worth.minute_cost * channel["minutes"],
        "attention": worth.attention_cost * (0.0 if math.isnan(minutes) else minutes),
    }


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    objectives=st.sampled_from([None, {"adoption": 2.0}, {"adoption": 1.0, "expansion": 0.5}]),
)
def test_every_term_equals_looking_it_up_row_by_row(seed, objectives):
    world = without_doubles(random_world(seed, hcps=5))
    asked, context = world
    held = set(context.tables["values"]["objective"])
    objectives = {name: w for name, w in (objectives or {}).items() if name in held} or None
    worth = Worth(
        3.0, {"phone": 1.25}, objectives=objectives, contexts=CONTEXTS, minute_cost=0.01, attention_cost=0.02
    )
    propensity = np.random.default_rng(seed).random(asked.allowed.shape)

    terms = worth.factors(propensity, asked.actions, context, at=asked.at)
    found = priority(terms, shape=propensity.shape, do_nothing_value=worth.rest(context))

    assert [term.name for term in terms] == list(TERMS)
    for i, hcp in enumerate(rows_of(context.hcps)):
        for k, action in enumerate(asked.actions[1:], start=1):
            said = terms_of(terms, shape=propensity.shape, row=i, action=k)
            assert said == pytest.approx(plain_terms(world, worth, hcp, action, propensity[i, k]))
            product = said["propensity"] * said["context"] * said["value"] * said["lever"]
            assert found[i, k] == product - said["cost"] - said["minutes"] - said["attention"]


def small(**values):
    """One HCP of segment "high", one action of product A over mail, and a values table."""
    asked, context = random_world(1, hcps=1, contents=1)
    action = Action("mail", "c0")
    context.content["product_id"][0] = "A"
    context.hcps["segment"][0] = "high"
    tables = {} if not values else {"values": {k: np.array(v, dtype=object) for k, v in values.items()}}
    if values:
        tables["values"]["value"] = tables["values"]["value"].astype(float)
    return (DO_NOTHING, action), replace(context, tables=tables), asked.at


def value_of(worth, world):
    actions, context, at = world
    return dict(
        zip(TERMS, (t.factor for t in worth.factors(np.ones((1, 2)), actions, context, at=at)), strict=False)
    )["value"].reshape(-1)[-1]


def test_without_a_values_table_every_success_is_worth_the_one_value():
    assert value_of(Worth(7.0), small()) == 7.0


def test_of_an_objectives_rows_the_one_that_names_more_counts_the_product_before_the_segment():
    rows = {
        "objective": ["adoption"] * 4,
        "product_id": ["", "", "A", "A"],
        "segment": ["", "high", "", "high"],
        "value": [1.0, 2.0, 3.0, 4.0],
    }
    for kept, worth in ((4, 4.0), (3, 3.0), (2, 2.0), (1, 1.0)):
        world = small(**{name: values[:kept] for name, values in rows.items()})

        assert value_of(Worth(), world) == worth


def test_objectives_add_up_each_times_its_weight():
    world = small(
        objective=["adoption", "expansion"], product_id=["", ""], segment=["", ""], value=[2.0, 5.0]
    )

    assert value_of(Worth(), world) == 7.0
    assert value_of(Worth(objectives={"expansion": 3.0}), world) == 15.0
    assert value_of(Worth().without(objective="expansion", known=["adoption", "expansion"]), world) == 2.0


def test_what_a_further_engagement_is_worth_counts_as_often_as_one_follows():
    rows = {"objective": ["adoption", "continuation"], "product_id": ["", "A"], "segment": ["", "high"]}
    world = small(**rows, value=[2.0, 5.0])
    rates = {"": {"": 0.1}, "mail": {"": 0.3, "c0": 0.4}, "phone": {"": 0.9}}

    assert value_of(Worth(3.0, continues=rates), world) == 3.0 * (2.0 + 5.0 * 0.4)
    assert value_of(Worth(continues=rates | {"mail": {"": 0.3}}), world) == 2.0 + 5.0 * 0.3
    assert value_of(Worth(continues={"": {"": 0.1}}), world) == 2.0 + 5.0 * 0.1
    assert value_of(Worth(objectives={"adoption": 1.0}), world) == 2.0
    assert value_of(Worth(objectives={"continuation": 2.0}, continues=rates), world) == 2.0 * 5.0 * 0.4
    with pytest.raises(ArgumentError, match="Fit with the table"):
        value_of(Worth(), world)


@pytest.mark.filterwarnings("error")
def test_what_no_row_covers_is_worth_nothing_and_a_warning_names_the_product():
    world = small(objective=["adoption"], product_id=["B"], segment=[""], value=[2.0])

    with pytest.warns(NBAWarning, match=r"products \['A'\]"):
        assert value_of(Worth(), world) == 0.0
    assert Worth().quietly(np.ones((1, 2)), *world[:2], at=world[2])[2].factor.reshape(-1)[-1] == 0.0


def test_doing_nothing_has_its_own_value_by_segment():
    rows = {
        "objective": ["do_nothing", "do_nothing", "adoption"],
        "product_id": ["", "", ""],
        "segment": ["high", "", ""],
        "value": [0.25, 0.5, 1.0],
    }
    _, context, _ = world = small(**rows)

    assert Worth(do_nothing=0.1).rest(context).tolist() == [0.35]
    assert value_of(Worth(), world) == 1.0
    assert Worth(do_nothing=0.1).rest(small()[1]).tolist() == [0.1]


def test_a_term_that_is_switched_off_is_not_there():
    actions, context, at = small()

    terms = Worth(terms=("propensity", "cost")).factors(np.ones((1, 2)), actions, context, at=at)

    assert [term.name for term in terms] == ["propensity", "cost"]


def test_a_table_that_says_two_things_is_refused():
    world = small(objective=["a", "a"], product_id=["", ""], segment=["", ""], value=[1.0, 2.0])

    with pytest.raises(ArgumentError, match="more than one row"):
        value_of(Worth(), world)


def test_an_objective_that_the_table_does_not_hold_is_refused():
    world = small(objective=["a"], product_id=[""], segment=[""], value=[1.0])

    with pytest.raises(ArgumentError, match=r"\['b'\] are not in the values table, which has \['a'\]"):
        value_of(Worth(objectives={"b": 1.0}), world)


@pytest.mark.parametrize(
    "settings_",
    [
        {"terms": ("value",)},
        {"terms": ("propensity", "taste")},
        {"value": math.nan},
        {"levers": {"phone": -1.0}},
        {"minute_cost": -0.1},
        {"attention_cost": "much"},
        {"objectives": {"adoption": math.inf}},
    ],
)
def test_settings_that_are_none_are_refused(settings_):
    with pytest.raises(ArgumentError):
        Worth(**settings_)


def test_a_context_weight_survives_json_and_needs_something_to_fit():
    for weight in CONTEXTS:
        assert ContextWeight(**asdict(weight)) == weight
    with pytest.raises(ArgumentError, match="names nothing"):
        ContextWeight(2.0)
    with pytest.raises(ArgumentError, match="factor"):
        ContextWeight(-1.0, channel="mail")


def test_a_context_weight_on_a_column_that_is_not_there_is_refused():
    actions, context, at = small()

    with pytest.raises(ArgumentError, match="'shoe_size' of hcps"):
        Worth(contexts=(ContextWeight(2.0, hcp={"shoe_size": 9}),)).factors(
            np.ones((1, 2)), actions, context, at=at
        )
