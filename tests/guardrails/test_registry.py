"""Guardrails survive the way through JSON."""

from __future__ import annotations

import json

import pytest

from nba.errors import ArgumentError
from nba.guardrails import (
    Access,
    Approved,
    Consent,
    ConsentCapture,
    EducationalFloor,
    FrequencyCap,
    MinimumGap,
    OneProductADay,
    OnLabel,
    Paused,
    QuietHours,
    RepeatGap,
    Routing,
    from_dict,
)

RULES = [
    Approved(),
    Consent(country_default={"US": "opt_in_not_required", "DE": "never"}),
    FrequencyCap(3, days=7, channel="email"),
    MinimumGap(days=2.5),
    Access(visits=["rep_visit"], calls=[], limited_days=45),
    ConsentCapture(content_type="opt_in_form"),
    EducationalFloor(0.3, days=90),
    OnLabel(),
    OneProductADay(),
    OneProductADay(contradictory=[("B", "A"), ("A", "C")]),
    Paused(states=["paused", "on_leave"], channel="phone"),
    QuietHours(start=19.25, end=8, weekend=False),
    RepeatGap(14, by="message"),
    Routing(senders=False),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_rule_comes_back_from_its_description(rule):
    assert from_dict(json.loads(json.dumps(rule.describe()))) == rule


def test_the_order_of_countries_does_not_change_the_description():
    one = Consent(country_default={"US": "never", "DE": "never"})
    other = Consent(country_default={"DE": "never", "US": "never"})

    assert json.dumps(one.describe()) == json.dumps(other.describe())


@pytest.mark.parametrize(
    "described",
    [{}, {"class": "Popen"}, {"class": "MinimumGap"}, {"class": "MinimumGap", "days": 1, "hours": 2}],
)
def test_a_description_that_is_not_ours_is_refused(described):
    with pytest.raises(ArgumentError):
        from_dict(described)
