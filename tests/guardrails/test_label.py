"""OnLabel against reading the labels row by row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import Plain

from nba.guardrails import OnLabel, check_all, funnel
from nba.testing import check_guardrail, random_world

SEEDS = st.integers(0, 10_000)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_on_label_equals_reading_the_labels_one_by_one(reasons, seed):
    world = random_world(seed)
    plain = Plain(world)

    assert reasons(OnLabel(), world) == plain.answers(plain.on_label)


def one(build, *, content=None, label=None, specialty="cardiology"):
    row = {"product_id": "A", "country": "US", "indication": "asthma", "topics": (), "specialties": ()}
    candidates, context = build(
        actions=[("email", "a")],
        content=[
            {
                "content_id": "a",
                "product_id": "A",
                "indication": "asthma",
                "topic": "dosing",
                **(content or {}),
            }
        ],
    )
    hcps = {**context.hcps, "specialty": np.array([specialty], dtype=object)}
    label = {**row, **(label or {})}
    table = {}
    for name, value in label.items():
        table[name] = np.empty(1, dtype=object)
        table[name][0] = value
    return candidates, replace(context, hcps=hcps, tables={"labels": table})


@pytest.mark.parametrize(
    ("content", "label", "reason"),
    [
        ({}, {}, ""),
        ({"product_id": ""}, {"product_id": "B"}, ""),
        ({"indication": "diabetes"}, {}, "off_label"),
        ({}, {"topics": ("safety",)}, "off_label"),
        ({"indication": "", "topic": "safety"}, {"topics": ("safety",)}, ""),
        ({"indication": ""}, {}, "label_unclear"),
        ({}, {"country": "DE"}, "no_label"),
        ({}, {"product_id": "B"}, "no_label"),
        ({}, {"specialties": ("oncology",)}, "other_specialty"),
        ({}, {"specialties": ("oncology", "cardiology")}, ""),
    ],
)
def test_content_stays_inside_the_labelled_indications_of_the_hcps_country(
    build, reasons, content, label, reason
):
    assert reasons(OnLabel(), one(build, content=content, label=label)) == [["", reason]]


def test_off_label_medical_content_is_never_offered_only_given_on_request(build, reasons):
    world = one(build, content={"indication": "diabetes", "purpose": "medical"})

    assert reasons(OnLabel(), world) == [["", "on_request_only"]]


def test_an_hcp_whose_specialty_nobody_knows_is_not_inside_a_label_for_some(build, reasons):
    world = one(build, label={"specialties": ("cardiology",)}, specialty="")

    assert reasons(OnLabel(), world) == [["", "other_specialty"]]


def test_without_a_labels_table_the_first_line_says_that_nothing_was_checked(build):
    candidates, context = build(actions=[("email", "a")], content=[{"content_id": "a", "product_id": "A"}])

    result = funnel(candidates, check_all([OnLabel()], candidates=candidates, context=context))

    assert str(result).splitlines()[0].startswith("No labels table")
    assert result.left == 1


def test_it_holds_what_every_guardrail_has_to():
    assert check_guardrail(OnLabel(), seeds=4).removed["off_label"] > 0
