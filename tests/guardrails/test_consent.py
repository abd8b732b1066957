"""Consent against a second, dumber way to read the same rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.contracts import FOREVER
from nba.errors import ArgumentError
from nba.guardrails import Consent

ACTIONS = [("email", "a"), ("email", "b"), ("email", "plain"), ("push", "a"), ("rep_visit", "a")]
CONTENT = [
    {"content_id": "a", "product_id": "A", "purpose": "promotional"},
    {"content_id": "b", "product_id": "B", "purpose": "educational"},
    {"content_id": "plain", "product_id": "", "purpose": ""},
]
TIMES = {"at": 4, "valid_until": 6}

ROWS = st.fixed_dictionaries(
    {
        "hcp_id": st.sampled_from(["h0", "h1", "stranger"]),
        "channel": st.sampled_from(["", "all", "email", "email", "push", "rep_visit"]),
        "product_id": st.sampled_from(["", "", "A", "B"]),
        "purpose": st.sampled_from(["", "", "promotional", "educational"]),
        "opt_type": st.sampled_from(["opt_in", "opt_in", "opt_out", "opt_in_pending"]),
        "captured_at": st.integers(0, 5),
        "expires_at": st.sampled_from([FOREVER, FOREVER, 3, 5, 6, 7]),
    }
)


def plain_answer(rows, *, hcp, channel, product, purpose, needed, default):
    """(reason, since) by reading the rows one at a time."""

    def line(row):
        return ("" if row["channel"] == "all" else row["channel"], row["product_id"], row["purpose"])

    def about(broad, narrow):
        return all(b in ("", n) for b, n in zip(broad, narrow, strict=True))

    known = [
        r for r in rows if r["captured_at"] < 4 or (r["opt_type"] == "opt_out" and r["captured_at"] == 4)
    ]
    mine = [r for r in known if r["hcp_id"] == hcp and about(line(r), (channel, product, purpose))]
    opt_ins = [r for r in mine if r["opt_type"] == "opt_in"]
    for out in (r for r in mine if r["opt_type"] == "opt_out"):
        lifted = [r for r in opt_ins if r["captured_at"] > out["captured_at"] and about(line(r), line(out))]
        if not lifted:
            return "consent_opt_out", -1
    if default == "never" and needed:
        return "consent_never", -1
    asked = [r for r in mine if r["opt_type"] != "opt_out"]
    if not asked:
        missing = needed and default != "opt_in_not_required"
        return ("consent_missing" if missing else ""), -1
    last = max(r["captured_at"] for r in asked)
    latest = [r for r in asked if r["captured_at"] == last]
    if any(r["opt_type"] == "opt_in_pending" for r in latest):
        return ("consent_pending" if needed else ""), -1
    if min(r["expires_at"] for r in latest) < 6:
        return ("consent_expired" if needed else ""), -1
    return "", last


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(ROWS, max_size=12),
    default=st.sampled_from([None, "opt_in_required", "opt_in_not_required", "never"]),
)
def test_consent_equals_reading_the_rows_one_by_one(build, reasons, rows, default):
    candidates, context = build(
        actions=ACTIONS, hcps=["h0", "h1"], countries=["US", "FR"], content=CONTENT, consent=rows, **TIMES
    )
    rule = Consent(country_default={"US": default} if default else {})

    found = reasons(rule, (candidates, context))
    since = rule.check(candidates, context).facts["consent_since"]

    tags = {row["content_id"]: (row["product_id"], row["purpose"]) for row in CONTENT}
    for i, hcp in enumerate(["h0", "h1"]):
        assert found[i][0] == ""
        for k, (channel, content) in enumerate(ACTIONS, start=1):
            product, purpose = tags[content]
            expected = plain_answer(
                rows,
                hcp=hcp,
                channel=channel,
                product=product,
                purpose=purpose,
                needed=channel != "rep_visit",
                default=default if hcp == "h0" else None,
            )
            assert (found[i][k], since[i, k]) == expected


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(ROWS, max_size=10), seed=st.integers(0, 1000))
def test_row_order_makes_no_difference(build, rows, seed):
    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]

    one = Consent().check(*build(actions=ACTIONS, content=CONTENT, consent=rows, **TIMES))
    other = Consent().check(*build(actions=ACTIONS, content=CONTENT, consent=shuffled, **TIMES))

    assert (one.reason == other.reason).all()
    assert (one.facts["consent_since"] == other.facts["consent_since"]).all()


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(ROWS, max_size=10))
def test_an_opt_in_never_closes_and_an_opt_out_never_opens(build, rows):
    def eligible(*more):
        return (
            Consent()
            .check(*build(actions=ACTIONS, content=CONTENT, consent=[*rows, *more], **TIMES))
            .eligible
        )

    latest_in = {"channel": "", "opt_type": "opt_in", "captured_at": 3}
    latest_out = {"channel": "email", "opt_type": "opt_out", "captured_at": 4}

    assert (eligible(latest_out) <= eligible()).all()
    assert not eligible(latest_out)[0, 1:4].any()
    pending_now = any(r["opt_type"] == "opt_in_pending" and r["captured_at"] == 3 for r in rows)
    ends = any(r["opt_type"] == "opt_in" and r["captured_at"] == 3 and r["expires_at"] < 6 for r in rows)
    if not pending_now and not ends:
        assert (eligible() <= eligible(latest_in)).all()


def email_reason(build, reasons, rows, **more):
    world = build(actions=[("email", "a")], content=CONTENT, consent=rows, **{**TIMES, **more})
    return reasons(Consent(), world)[0][1]


def test_an_opt_out_counts_from_its_very_moment_an_opt_in_only_after_it(build, reasons):
    assert email_reason(build, reasons, [{"captured_at": 4}]) == "consent_missing"
    assert email_reason(build, reasons, [{"captured_at": 3}]) == ""
    now_out = [{"captured_at": 3}, {"captured_at": 4, "opt_type": "opt_out"}]
    assert email_reason(build, reasons, now_out) == "consent_opt_out"
    later_out = [{"captured_at": 3}, {"captured_at": 5, "opt_type": "opt_out"}]
    assert email_reason(build, reasons, later_out) == ""


def test_a_tie_goes_to_the_opt_out(build, reasons):
    rows = [{"captured_at": 2}, {"captured_at": 2, "opt_type": "opt_out"}]

    assert email_reason(build, reasons, rows) == "consent_opt_out"


def test_at_one_moment_a_pending_opt_in_wins_over_an_opt_in(build, reasons):
    rows = [{"captured_at": 2}, {"captured_at": 2, "opt_type": "opt_in_pending", "channel": ""}]

    assert email_reason(build, reasons, rows) == "consent_pending"
    assert email_reason(build, reasons, [*rows, {"captured_at": 3, "product_id": "A"}]) == ""


@pytest.mark.parametrize("everywhere", ["", "all"])
def test_a_global_opt_out_outlives_a_later_product_opt_in(build, reasons, everywhere):
    rows = [
        {"channel": everywhere, "captured_at": 1, "opt_type": "opt_out"},
        {"captured_at": 3, "product_id": "A"},
    ]

    assert email_reason(build, reasons, rows) == "consent_opt_out"


def test_a_later_opt_in_as_broad_lifts_an_opt_out(build, reasons):
    rows = [{"captured_at": 1, "opt_type": "opt_out"}, {"captured_at": 3, "channel": ""}]

    assert email_reason(build, reasons, rows) == ""


def test_consent_must_cover_the_whole_window(build, reasons):
    assert email_reason(build, reasons, [{"expires_at": 6}]) == ""
    assert email_reason(build, reasons, [{"expires_at": 5}]) == "consent_expired"


def test_without_a_consent_table_all_that_needs_consent_is_blocked_and_said_so(build, reasons):
    world = build(actions=[("email", "a"), ("rep_visit", "a")], content=CONTENT, consent=None)
    rule = Consent(country_default={"US": "opt_in_not_required"})

    assert reasons(rule, world) == [["", "consent_missing", ""]]
    assert rule.check(*world).note.startswith("No consent table")


def test_a_channel_the_table_does_not_know_needs_consent(build, reasons):
    candidates, context = build(actions=[("fax", "a")], content=CONTENT)
    context.channels["channel"][:] = "rep_visit"
    context.channels["consent_required"][:] = False

    assert reasons(Consent(), (candidates, context)) == [["", "consent_missing"]]


def test_a_table_without_the_optional_lines_will_do(build):
    candidates, context = build(actions=[("email", "a")], content=CONTENT, consent=[{"captured_at": 1}])
    for name in ("product_id", "purpose", "content_type"):
        del context.consent[name]
        del context.content[name]
    del context.consent["expires_at"]

    assert Consent().check(candidates, context).fact(0, 1) == {"consent_since": 1}


@pytest.mark.parametrize("default", [{"US": "maybe"}, [("US", "never")]])
def test_an_unknown_default_is_refused(default):
    with pytest.raises(ArgumentError, match="expected"):
        Consent(country_default=default)
