"""What each rule removed, in order, with the reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Bools, Candidates, Context, Guardrail, Verdict
from nba.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

NOT_A_CANDIDATE = "not_a_candidate"
"""Reason of HCP x action combinations that channel, country or language rule out beforehand."""


@dataclass(frozen=True)
class Step:
    """How many combinations one rule removed first, for one reason.

    ``rule`` is the rule's code, with what tells it from others of its code: "minimum_gap (14 days)".
    """

    rule: str
    reason: str
    removed: int


@dataclass(frozen=True)
class Funnel:
    """From all HCP x action combinations to the eligible ones.

    Attributes
    ----------
    steps : one a (rule, reason), in the order the rules were applied; zeros included
    notes : what rules did about missing tables
    combinations : HCPs times actions, do_nothing not counted
    hcps : HCPs asked about
    abstaining : HCPs left with nothing but do_nothing
    eligible : (n, K) bool; column 0, do_nothing, is all true
    step : (n, K) int16, 0 is eligible, else 1 + the position in ``steps`` of what removed it first
    """

    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    combinations: int
    hcps: int
    abstaining: int
    eligible: Bools
    step: NDArray[np.int16]

    @property
    def left(self) -> int:
        """Eligible combinations, do_nothing not counted."""
        return self.combinations - sum(step.removed for step in self.steps)

    def removed(self, row: int) -> tuple[tuple[int, str], ...]:
        """The candidates of one HCP that a guardrail removed: (action index, first reason).

        Combinations that never were candidates are not among them.
        """
        steps, reasons = self.step[row], self._reasons
        at = np.flatnonzero(steps)
        found = zip(at.tolist(), map(reasons.__getitem__, steps[at].tolist()), strict=True)
        return tuple((k, reason) for k, reason in found if reason != NOT_A_CANDIDATE)

    def reason(self, row: int, action: int) -> str:
        """Why one candidate is not eligible: the first rule's reason; "" where it is eligible."""
        reason: str = self._reasons[int(self.step[row, action])]
        return reason

    @cached_property
    def _reasons(self) -> tuple[str, ...]:
        """What a number in ``step`` says; "" for eligible."""
        return ("", *(step.reason for step in self.steps))

    def to_frame(self) -> pd.DataFrame:
        """A row a step: rule, reason, removed, and how many combinations are left after it."""
        import pandas as pd

        removed = np.array([step.removed for step in self.steps], dtype=np.int64)
        return pd.DataFrame(
            {
                "rule": [step.rule for step in self.steps],
                "reason": [step.reason for step in self.steps],
                "removed": removed,
                "left": self.combinations - np.cumsum(removed),
            }
        )

    def __str__(self) -> str:
        rows = [("all combinations", "", "", f"{self.combinations:,}")]
        left = self.combinations
        for step in self.steps:
            left -= step.removed
            rows.append((step.rule, step.reason, f"{step.removed:,}", f"{left:,}"))
        last = f"{self.abstaining:,} of {self.hcps:,} HCPs are left with do_nothing only."
        return "\n".join([*self.notes, *_table(("rule", "reason", "removed", "left"), rows), last])


def check_all(rules: Sequence[Guardrail], *, candidates: Candidates, context: Context) -> tuple[Verdict, ...]:
    """Ask every rule about every candidate.

    Returns
    -------
    One verdict a rule, in the rules' order.

    Raises
    ------
    ArgumentError
        If a rule's verdict does not fit the candidates, or removes do_nothing.
    """
    verdicts = tuple(rule.check(candidates, context) for rule in rules)
    for verdict in verdicts:
        _check_verdict(verdict, candidates)
    return verdicts


def funnel(candidates: Candidates, verdicts: Sequence[Verdict]) -> Funnel:
    """Apply verdicts in order; the first that removes a candidate gives its reason.

    Parameters
    ----------
    candidates : combinations that are not ``allowed`` are removed first, by the rule "candidates"
    verdicts : one a rule, in the order in which they are to be counted

    Raises
    ------
    ArgumentError
        If a verdict does not fit the candidates, or removes do_nothing.

    Examples
    --------
    >>> from nba.contracts import DO_NOTHING, Action
    >>> allowed = np.array([[True, True, False]])
    >>> actions = (DO_NOTHING, Action("phone", "a"), Action("phone", "b"))
    >>> asked = Candidates(hcps=np.array(["h1"], dtype=object), actions=actions, allowed=allowed,
    ...                    at=0, valid_until=10)
    >>> print(funnel(asked, []))
    rule              reason           removed  left
    all combinations                               2
    candidates        not_a_candidate        1     1
    0 of 1 HCPs are left with do_nothing only.
    """
    first = ~candidates.allowed
    first[:, 0] = False
    step = first.astype(np.int16)
    steps = [Step("candidates", NOT_A_CANDIDATE, int(first.sum()))]
    left = np.flatnonzero(~first)
    flat = step.reshape(-1)
    for verdict in verdicts:
        _check_verdict(verdict, candidates)
        fresh = verdict.reason.reshape(-1)[left]
        is_removed = fresh > 0
        counts = np.zeros(len(verdict.reasons), dtype=np.int64)
        if is_removed.any():
            counts = np.bincount(fresh, minlength=len(verdict.reasons))
            flat[left[is_removed]] = fresh[is_removed] + np.int16(len(steps))
            left = left[~is_removed]
        removed = zip(verdict.reasons[1:], counts[1:].tolist(), strict=True)
        name = f"{verdict.rule} ({verdict.about})" if verdict.about else verdict.rule
        steps.extend(Step(name, reason, count) for reason, count in removed)
    eligible = step == 0
    return Funnel(
        steps=tuple(steps),
        notes=tuple(verdict.note for verdict in verdicts if verdict.note),
        combinations=len(candidates.hcps) * (len(candidates.actions) - 1),
        hcps=len(candidates.hcps),
        abstaining=int((~eligible[:, 1:].any(axis=1)).sum()),
        eligible=eligible,
        step=step,
    )


def add_up(funnels: Sequence[Funnel]) -> Funnel:
    """One funnel over chunks of HCPs that went through the same rules.

    Raises
    ------
    ArgumentError
        If there is none, or they counted different steps.
    """
    if not funnels:
        raise ArgumentError("There is no funnel to add up; expected one a chunk of HCPs.")
    names = {tuple((step.rule, step.reason) for step in funnel.steps) for funnel in funnels}
    if len(names) > 1:
        raise ArgumentError("The funnels counted different steps; add up chunks of one batch only.")
    first = funnels[0]
    removed = np.sum([[step.removed for step in funnel.steps] for funnel in funnels], axis=0)
    return Funnel(
        steps=tuple(
            Step(step.rule, step.reason, int(n)) for step, n in zip(first.steps, removed, strict=True)
        ),
        notes=tuple(dict.fromkeys(note for funnel in funnels for note in funnel.notes)),
        combinations=sum(funnel.combinations for funnel in funnels),
        hcps=sum(funnel.hcps for funnel in funnels),
        abstaining=sum(funnel.abstaining for funnel in funnels),
        eligible=np.concatenate([funnel.eligible for funnel in funnels]),
        step=np.concatenate([funnel.step for funnel in funnels]),
    )


def facts_of(verdicts: Sequence[Verdict], *, row: int, action: int) -> dict[str, dict[str, Any]]:
    """What every rule knows about one candidate, by rule, for the receipt and the card.

    A second rule of the same code is told apart by its position: "frequency_cap", "frequency_cap#2".

    Examples
    --------
    >>> verdict = Verdict(rule="cap", reason=np.zeros((1, 2), dtype=np.int8), reasons=("", "cap"),
    ...                   facts={"contacts": np.array([[2]]), "cap": np.array([[4]])})
    >>> facts_of([verdict], row=0, action=1)
    {'cap': {'contacts': 2, 'cap': 4}}
    """
    names = _names(tuple([verdict.rule for verdict in verdicts]))
    return {name: verdict.fact(row, action) for name, verdict in zip(names, verdicts, strict=True)}


@lru_cache(maxsize=256)  # every receipt of a plan asks
def _names(rules: tuple[str, ...]) -> tuple[str, ...]:
    """The rules' codes, those that stand twice told apart."""
    found: list[str] = []
    for rule in rules:
        same = sum(name.split("#")[0] == rule for name in found)
        found.append(f"{rule}#{same + 1}" if same else rule)
    return tuple(found)


def _check_verdict(verdict: Verdict, candidates: Candidates) -> None:
    shape = candidates.allowed.shape
    if verdict.reason.shape != shape:
        raise ArgumentError(
            f"Rule {verdict.rule!r} gave reasons of shape {verdict.reason.shape}, expected {shape}: "
            "one for every HCP and action. Mend the rule's check()."
        )
    if not _are_among(verdict.reason, len(verdict.reasons)):
        raise ArgumentError(
            f"Rule {verdict.rule!r} gave reasons from {verdict.reason.min()} to {verdict.reason.max()}, "
            f"expected 0 to {len(verdict.reasons) - 1}. List every reason in Verdict.reasons, '' first."
        )
    if verdict.reason[:, 0].any():
        raise ArgumentError(
            f"Rule {verdict.rule!r} removed do_nothing for {int((verdict.reason[:, 0] > 0).sum())} HCPs, "
            "expected none: doing nothing is always allowed. Leave column 0 at 0."
        )


def _are_among(codes: NDArray[Any], n: int) -> bool:
    """Whether all codes are from 0 to n - 1; read without their sign, negative ones are the largest."""
    if codes.dtype == np.int8:
        return int(codes.view(np.uint8).max(initial=0)) < min(n, 128)
    return not codes.size or bool(0 <= codes.min() <= codes.max() < n)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    # the first two columns are words, the others numbers
    return [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
