"""check_guardrail finds what is wrong with a rule, by name."""

from __future__ import annotations

import numpy as np
import pytest

from nba.contracts import Verdict
from nba.errors import CheckError, NBAError
from nba.guardrails import standard
from nba.testing import check_guardrail


@pytest.mark.parametrize(
    "rule", standard(), ids=lambda rule: f"{rule.code}-{rule.describe().get('days', '')}"
)
def test_every_standard_rule_passes(rule):
    checked = check_guardrail(rule, seeds=6)

    assert checked.rule == rule.code
    assert sum(checked.removed.values()) > 0
    assert rule.code in str(checked)


class Fine:
    """Removes every mail: what the broken ones below differ from in one thing each."""

    code = "no_mail"

    def check(self, candidates, context):
        return self.verdict(np.tile(mails(candidates), (len(candidates.hcps), 1)))

    def verdict(self, removed, **changes):
        reason = removed.astype(np.int8)
        return Verdict(**({"rule": self.code, "reason": reason, "reasons": ("", "mail")} | changes))


def mails(candidates):
    return np.array([a.channel == "mail" for a in candidates.actions])


def test_a_rule_that_is_right_passes():
    assert check_guardrail(Fine(), seeds=2).removed["mail"] > 0


class Forgetful(Fine):
    """Says something else the second time."""

    def __init__(self):
        self.turn = 0

    def check(self, candidates, context):
        self.turn += 1
        removed = np.tile(mails(candidates), (len(candidates.hcps), 1))
        return self.verdict(removed & (self.turn % 2 == 0))


class Meddling(Fine):
    def check(self, candidates, context):
        context.touches["ts"][:] = 0
        return super().check(candidates, context)


class LooksAtOthers(Fine):
    """Removes mails once anybody of the batch has had many touches."""

    def check(self, candidates, context):
        removed = np.tile(mails(candidates), (len(candidates.hcps), 1))
        return self.verdict(removed & (len(context.touches["row"]) > 20))


class CountsPositions(Fine):
    def check(self, candidates, context):
        removed = np.zeros(candidates.allowed.shape, dtype=bool)
        removed[:, 3:] = True
        return self.verdict(removed)


class ReadsTheFirstRow(Fine):
    def check(self, candidates, context):
        removed = np.tile(mails(candidates), (len(candidates.hcps), 1))
        content = context.content["content_id"]
        return self.verdict(removed & (len(content) > 0 and content[0] == "c0"))


class NeedsLabels(Fine):
    def check(self, candidates, context):
        context.tables["labels"]
        return super().check(candidates, context)


class SpeaksInSentences(Fine):
    def verdict(self, removed, **changes):
        return super().verdict(removed, reasons=("", "No mail, please"))


class HandsOutSets(Fine):
    def verdict(self, removed, **changes):
        facts = np.empty((1, 1), dtype=object)
        facts[0, 0] = {1, 2}
        return super().verdict(removed, facts={"numbers": facts})


class HandsOutAnything(Fine):
    def verdict(self, removed, **changes):
        return super().verdict(removed, facts={"numbers": np.zeros(7777)})


class UnderAnotherName(Fine):
    def verdict(self, removed, **changes):
        return super().verdict(removed, rule="post")


class RemovesNothing(Fine):
    def verdict(self, removed, **changes):
        return super().verdict(np.zeros_like(removed))


class RemovesAll(Fine):
    def verdict(self, removed, **changes):
        removed = np.ones_like(removed)
        removed[:, 0] = False
        return super().verdict(removed)


class RemovesSilence(Fine):
    def verdict(self, removed, **changes):
        return super().verdict(np.ones_like(removed))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Forgetful(), "two things"),
        (Meddling(), "changed what it was given"),
        (LooksAtOthers(), "alone than in the batch"),
        (CountsPositions(), "order of the actions"),
        (ReadsTheFirstRow(), "order of a table's rows"),
        (NeedsLabels(), "without the table 'labels'"),
        (SpeaksInSentences(), "is no code"),
        (HandsOutSets(), "no plain values"),
        (HandsOutAnything(), "shape"),
        (UnderAnotherName(), "called 'post'"),
        (RemovesNothing(), "removed none"),
        (RemovesAll(), "removed all"),
        (RemovesSilence(), "do_nothing"),
        (object(), "no guardrail"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_what_is_wrong_with_a_rule_is_said_by_name(rule, message):
    with pytest.raises(NBAError, match=message):
        check_guardrail(rule, seeds=4)


def test_a_rule_may_rightly_find_nothing():
    assert check_guardrail(RemovesNothing(), seeds=2, must_remove=False).removed == {"mail": 0}


def test_a_failed_check_fails_a_test():
    assert issubclass(CheckError, AssertionError)
