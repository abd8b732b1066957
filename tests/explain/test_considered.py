"""What else was considered comes from the receipt, worded by the book."""

from __future__ import annotations

import pytest

from nba.contracts import DO_NOTHING, Action
from nba.explain.considered import RANKED_LOWER, Considered, alternatives, in_words
from nba.explain.example import example_receipt
from nba.explain.wording import load_book

BOOK = load_book()
EMAIL, EMAIL_2 = Action("approved_email", "a"), Action("approved_email", "b")
CALL, VISIT, PUSH = Action("remote_call", "a"), Action("rep_visit", "a"), Action("push", "a")


def test_the_runner_up_comes_first_then_channels_ruled_out_as_a_whole() -> None:
    receipt = example_receipt(
        action=EMAIL,
        eligible=((EMAIL, 0.5), (EMAIL_2, 0.3), (PUSH, 0.05), (CALL, 0.1), (DO_NOTHING, 0.05)),
        removed=((VISIT, "minimum_gap"), (Action("push", "b"), "expired")),
    )

    assert alternatives(receipt) == (
        Considered("remote_call", RANKED_LOWER),
        Considered("rep_visit", "minimum_gap"),
    )


def test_a_channel_is_given_the_rule_that_removed_most_of_it() -> None:
    removed = (
        (VISIT, "expired"),
        (Action("rep_visit", "b"), "minimum_gap"),
        (Action("rep_visit", "c"), "minimum_gap"),
    )
    receipt = example_receipt(action=EMAIL, eligible=((EMAIL, 1.0),), removed=removed)

    assert alternatives(receipt) == (Considered("rep_visit", "minimum_gap"),)


def test_the_order_in_the_receipt_does_not_matter() -> None:
    receipt = example_receipt(
        action=EMAIL,
        eligible=((EMAIL, 0.5), (CALL, 0.25), (PUSH, 0.25)),
        removed=((VISIT, "a"), (Action("rep_visit", "b"), "b")),
    )
    turned = example_receipt(action=EMAIL, eligible=receipt.eligible[::-1], removed=receipt.removed[::-1])

    assert alternatives(receipt) == alternatives(turned)


@pytest.mark.parametrize(
    ("code", "facts", "said"),
    [
        (
            "minimum_gap",
            {"last_days_ago": 4.2, "gap_days": 7.0},
            "last contact 4 days ago, minimum gap 7 days",
        ),
        (
            "minimum_gap",
            {"last_days_ago": 0.4, "gap_days": 1},
            "last contact less than a day ago, minimum gap 1 day",
        ),
        ("minimum_gap", {"last_days_ago": -1.0, "gap_days": 7.0}, "contacted too recently"),
        ("minimum_gap", {"last_days_ago": 1.0, "gap_days": 0.5}, "contacted too recently"),
        (
            "frequency_cap",
            {"contacts": 4, "cap": 4, "days": 30.0},
            "contact limit reached: 4 of 4 in 30 days",
        ),
        ("frequency_cap", {}, "contact limit reached"),
        ("consent_opt_out", {"consent_since": -1}, "opted out"),
        ("some_private_rule", {"trx": 12}, "not available now"),
        (RANKED_LOWER, {}, "possible, ranked lower"),
    ],
)
def test_facts_are_said_where_all_of_them_are_known(code: str, facts: dict[str, float], said: str) -> None:
    assert in_words(Considered("rep_visit", code, facts), book=BOOK) == said
