"""Approved against a slower reading of the same table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import Plain

from nba.contracts import FOREVER, NEVER
from nba.guardrails import Approved
from nba.testing import check_guardrail, random_world

TIMES = {"at": 10, "valid_until": 20}
CONTENT = st.fixed_dictionaries(
    {
        "document_number": st.sampled_from(["D1", "D1", "D2", ""]),
        "version": st.sampled_from(["1", "2", "9", "10", "2.0", "2.1", "v3"]),
        "approval_status": st.sampled_from(["approved", "approved", "approved", "staged", "expired"]),
        "approved_from": st.sampled_from([NEVER, 5, 10, 11]),
        "expiry": st.sampled_from([FOREVER, 15, 20, 25]),
        "country": st.sampled_from([(), ("US",), ("US", "DE"), ("DE",)]),
        "supersedes": st.sampled_from(["", "", "", "c0", "c1"]),
    }
)


def number(version):
    major, _, minor = version.removeprefix("v").partition(".")
    return int(major) + int(minor or 0) / 100


def plain_answer(rows, row, country):
    def live(other):
        return other["approval_status"] == "approved" and other["approved_from"] <= 10

    def covers(other):
        return not other["country"] or country in other["country"]

    if row["approval_status"] != "approved":
        return "not_approved"
    if row["approved_from"] > 10:
        return "not_yet_valid"
    if row["expiry"] < 20:
        return "expired"
    if not covers(row):
        return "other_country"
    for other in rows:
        newer = number(other["version"]) > number(row["version"])
        same = row["document_number"] and other["document_number"] == row["document_number"]
        if live(other) and covers(other) and same and newer:
            return "superseded"
        if live(other) and other is not row and other["supersedes"] == row["content_id"]:
            return "superseded"
    return ""


@settings(max_examples=150, deadline=None)
@given(drawn=st.lists(CONTENT, min_size=1, max_size=8), asked=st.integers(1, 8))
def test_approved_equals_reading_the_table_one_by_one(build, reasons, drawn, asked):
    rows = [{"content_id": f"c{i}", **row} for i, row in enumerate(drawn)]
    world = build(
        actions=[("email", row["content_id"]) for row in rows[:asked]],
        hcps=["h0", "h1", "h2", "h3"],
        countries=["US", "DE", "", "US"],
        content=rows,
        **TIMES,
    )

    found = reasons(Approved(), world)

    for i, country in enumerate(["US", "DE", "", "US"]):
        assert found[i] == ["", *(plain_answer(rows, row, country) for row in rows[:asked])]


def test_approval_must_cover_the_whole_window(build, reasons):
    rows = [{"content_id": "a", "expiry": 19}, {"content_id": "b", "expiry": 20, "approved_from": 10}]

    world = build(actions=[("email", "a"), ("email", "b")], content=rows, **TIMES)

    assert reasons(Approved(), world) == [["", "expired", ""]]


@pytest.mark.parametrize(
    ("old", "new"), [("9", "10"), ("2.0", "2.1"), ("2", "2.1"), ("v2", "v10"), ("3", "3b"), ("3b", "3.1")]
)
def test_versions_compare_by_their_numbers(build, reasons, old, new):
    rows = [
        {"content_id": "old", "document_number": "D", "version": old},
        {"content_id": "new", "document_number": "D", "version": new},
    ]

    world = build(actions=[("email", "old"), ("email", "new")], content=rows)

    assert reasons(Approved(), world) == [["", "superseded", ""]]


def test_a_newer_version_that_is_no_candidate_still_supersedes(build, reasons):
    rows = [
        {"content_id": "old", "document_number": "D", "version": "1"},
        {"content_id": "new", "document_number": "D", "version": "2"},
    ]

    assert reasons(Approved(), build(actions=[("email", "old")], content=rows)) == [["", "superseded"]]


@pytest.mark.parametrize(
    "newer", [{"approved_from": 11}, {"approval_status": "staged"}, {"approval_status": "withdrawn"}]
)
@pytest.mark.parametrize("says_so", ["", "old"])
def test_a_version_that_may_not_be_used_yet_supersedes_nothing(build, reasons, newer, says_so):
    rows = [
        {"content_id": "old", "document_number": "D", "version": "1"},
        {"content_id": "new", "document_number": "D", "version": "2", "supersedes": says_so, **newer},
    ]

    assert reasons(Approved(), build(actions=[("email", "old")], content=rows, **TIMES)) == [["", ""]]


def test_an_old_version_does_not_come_back_when_the_newer_one_expires(build, reasons):
    rows = [
        {"content_id": "old", "document_number": "D", "version": "1"},
        {"content_id": "new", "document_number": "D", "version": "2", "expiry": 9},
    ]
    world = build(actions=[("email", "old"), ("email", "new")], content=rows, **TIMES)

    assert reasons(Approved(), world) == [["", "superseded", "expired"]]


def test_a_version_approved_elsewhere_does_not_supersede_here(build, reasons):
    rows = [
        {"content_id": "old", "document_number": "D", "version": "1"},
        {"content_id": "new", "document_number": "D", "version": "2", "country": ("DE",)},
    ]
    world = build(
        actions=[("email", "old"), ("email", "new")], hcps=["a", "b"], countries=["US", "DE"], content=rows
    )

    assert reasons(Approved(), world) == [["", "", "other_country"], ["", "superseded", ""]]


def test_unknown_content_is_not_approved_and_no_content_needs_no_approval(build, reasons):
    world = build(actions=[("email", "ghost"), ("rep_visit", "")], content=[{"content_id": "a"}])

    assert reasons(Approved(), world) == [["", "not_approved", ""]]


def test_an_empty_content_table_approves_nothing(build, reasons):
    assert reasons(Approved(), build(actions=[("email", "a")])) == [["", "not_approved"]]


def test_the_card_is_told_the_expiry(build):
    rows = [{"content_id": "a", "expiry": 99}, {"content_id": "b"}]
    verdict = Approved().check(*build(actions=[("email", "a"), ("email", "b")], content=rows, **TIMES))

    assert [verdict.fact(0, k)["expiry"] for k in range(3)] == [-1, 99, -1]


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_approved_equals_reading_whole_tables_one_by_one(reasons, seed):
    world = random_world(seed)
    plain = Plain(world)

    assert reasons(Approved(), world) == plain.answers(plain.approved)


@pytest.mark.parametrize(
    ("at", "valid_until", "expected"),
    [
        (4, 12, "not_yet_valid"),
        (5, 12, ""),
        (6, 15, ""),
        (8, 16, "expired"),
        (9, 12, "superseded"),  # the new version has begun
        (10, 12, "superseded"),
        (5, 15, ""),  # and an earlier moment is answered as before
    ],
)
def test_the_answer_between_two_dates_ends_with_the_second_of_them(reasons, build, at, valid_until, expected):
    rows = [
        {"content_id": "old", "document_number": "D", "approved_from": 5, "expiry": 15},
        {"content_id": "new", "document_number": "D", "version": "2", "approved_from": 9},
    ]
    for _ in range(2):  # the second time from what was kept
        world = build(actions=[("email", "old")], content=rows, at=at, valid_until=valid_until)
        assert reasons(Approved(), world) == [["", expected]]


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(CONTENT, min_size=1, max_size=5), moments=st.lists(st.integers(3, 12), max_size=6))
def test_the_same_table_at_other_moments_is_read_as_if_for_the_first_time(build, rows, moments):
    rows = [{**row, "content_id": f"c{i}"} for i, row in enumerate(rows)]
    actions = [("email", row["content_id"]) for row in rows]
    asked, context = build(actions=actions, content=rows, at=3, valid_until=10)
    for at in moments:
        again = replace(asked, at=at, valid_until=at + 10)
        _, anew = build(actions=actions, content=rows, at=3, valid_until=10)  # columns never met before

        found = Approved().check(again, context).reason.tolist()

        assert found == Approved().check(again, anew).reason.tolist()


def library(build, *rows, **columns):
    candidates, context = build(actions=[("email", row["content_id"]) for row in rows], content=rows)
    for name, values in columns.items():
        context.content[name] = np.empty(len(rows), dtype=object)
        context.content[name][:] = values
    return candidates, context


def test_a_variant_needs_an_approval_of_its_own(build, reasons):
    rows = [{"content_id": "a", "document_number": "D"}, {"content_id": "b", "document_number": "D"}]
    own = [rows[0], {"content_id": "b", "document_number": "D-b"}]

    assert reasons(Approved(), library(build, *rows, family_id=["a", "a"])) == [["", "", "no_own_approval"]]
    assert reasons(Approved(), library(build, *own, family_id=["a", "a"])) == [["", "", ""]]


def test_a_module_that_is_not_approved_takes_its_content_along(build, reasons):
    rows = [{"content_id": "a"}, {"content_id": "b", "approval_status": "staged"}, {"content_id": "c"}]
    world = library(build, *rows, module_ids=[("b",), (), ("ghost",)])

    assert reasons(Approved(), world) == [["", "module_not_approved", "not_approved", "module_not_approved"]]


def test_content_speaks_the_hcps_language_where_both_are_known(build, reasons):
    candidates, context = library(build, {"content_id": "a"}, {"content_id": "b"}, language=["de", "en"])
    context.hcps["language"] = np.array(["en"], dtype=object)

    assert reasons(Approved(), (candidates, context)) == [["", "other_language", ""]]


def test_it_holds_what_every_guardrail_has_to():
    assert check_guardrail(Approved(), seeds=4).removed["superseded"] > 0
