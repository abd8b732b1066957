"""Rules as data."""

from __future__ import annotations

import pytest

from nba.tables import SALESFORCE, TABLES, VEEVA, Picklist

RULES = [(name, rule) for rules in (VEEVA, SALESFORCE) for name, rule in rules.items()]


@pytest.mark.parametrize(("name", "rule"), RULES, ids=[name for name, _ in RULES])
def test_every_shipped_rule_fits_the_schema_and_can_be_printed(name, rule):
    table = TABLES[rule.table]

    for column in (*rule.columns, *rule.ids, *rule.values, *rule.fill, *rule.scale):
        assert column in table.names
    for column, picklist in rule.values.items():
        allowed = table[column].values
        ours = {v for v in picklist.to.values() if isinstance(v, str) and not v.startswith("(")}
        assert not allowed or ours <= set(allowed)
    assert rule.object in repr(rule)


def test_extending_a_rule_leaves_the_shipped_one_as_it_is():
    calls = VEEVA["calls"]
    before = repr(calls)

    changed = calls.extended(
        columns={"recorded_at": ()}, values={"outcome": {"Saved_vod": "held"}}, without=""
    )

    assert repr(calls) == before
    assert changed.origins("recorded_at") == ()
    assert changed.values["outcome"].to["Saved_vod"] == "held"
    assert changed.extended(values={"outcome": Picklist({})}).values["outcome"].to == {}
