"""Exact parts of decisions, worked out again when asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nba import explain, guardrails, policies
from nba.contracts import (
    DO_NOTHING,
    Action,
    Candidates,
    Contributions,
    Design,
    Evidence,
    Floats,
    Receipt,
    Term,
    probability,
)
from nba.decision import Decider, Known
from nba.errors import ArgumentError
from nba.receipts import Names


@dataclass(frozen=True)
class Why:
    """Works out again what a decision came from: the same model, the same tables, the same moment.

    Nothing is kept with a plan that can be had again; a plan of a million decisions stays small.

    Attributes
    ----------
    decider, known : the fitted parts, and what may be read
    actions : all actions that were scored, so that models prepare for them once
    """

    decider: Decider
    known: Known
    actions: tuple[Action, ...]

    @property
    def learned_from(self) -> str:
        """How the rows of the scorer's training were chosen, "observational" or not; "" if unsaid."""
        return getattr(getattr(self.decider.scorer, "selection_", None), "kind", "")

    def contrast(
        self, receipt: Receipt, other: Action | None = None, *, book: explain.Book | None = None
    ) -> explain.Contrast | None:
        """The chosen action beside another eligible one, by default the runner-up; None where there is none.

        The runner-up has the highest priority among the other eligible actions.

        Raises
        ------
        ArgumentError
            If the other action was not eligible, or the model has learned since.
        """
        eligible = [action for action, _ in receipt.eligible]
        if other is not None and other not in eligible:
            raise ArgumentError("This action was not eligible, so it has no priority; ask why_not for it.")
        if receipt.action == DO_NOTHING or (other is None and len(eligible) < 2):
            return None
        asked = self._one_hcp(receipt, {action for action, _ in receipt.eligible})
        terms, priorities = self._priorities(asked)
        if other is None:
            rivals = [self.actions.index(action) for action in eligible if action != receipt.action]
            other = self.actions[min(rivals, key=lambda k: (-priorities[k], self.actions[k]))]
        sides = self._sides(receipt, [receipt.action, other], asked, terms, book or explain.load_book())
        return explain.contrast(sides[0], sides[1])

    def removed(self, receipt: Receipt, action: Action) -> explain.Considered:
        """The rule that removed an action, with its facts where they can be read again.

        Touches on their way at that moment are not known here: facts that they changed are left out.

        Raises
        ------
        ArgumentError
            If the receipt does not list the action as removed.
        """
        codes = dict(receipt.removed)
        if action not in codes:
            raise ArgumentError("This action was not removed from this decision; see the receipt's lists.")
        asked = self._one_hcp(receipt, {action})
        context = self.known.context(asked, None)
        found, place = explain.Considered(action.channel, codes[action]), self.actions.index(action)
        for verdict in guardrails.check_all(self.decider.rules, candidates=asked, context=context):
            if verdict.reasons[int(verdict.reason[0, place])] == found.code:
                return replace(found, facts=verdict.fact(0, place))
        return found

    def _sides(
        self,
        receipt: Receipt,
        actions: Sequence[Action],
        asked: Candidates,
        terms: Sequence[Term],
        book: explain.Book,
    ) -> list[explain.Side]:
        acting = [action for action in actions if action != DO_NOTHING]
        contributions, _, evidence = self.of([(receipt.hcp_id, a) for a in acting], at=receipt.decided_at)
        _check_same([receipt], contributions)
        names = Names.of(self.known.tables, book=book)
        kinds = {term.name: term.kind for term in terms}
        shape = asked.allowed.shape
        sides = [
            explain.Side(
                action,
                policies.terms_of(terms, shape=shape, row=0, action=asked.actions.index(action)),
                kinds,
                float(contributions.base[i]),
                explain.reasons(
                    contributions, i, evidence=evidence[i], audience="hq", book=book,
                    names=names.names(action),
                ),
            )
            for i, action in enumerate(acting)
        ]  # fmt: skip
        rest = self.decider.worth.rest(self.known.context(asked, None))
        nothing = {DO_NOTHING.channel: float(rest[0])}
        idle = [explain.Side(DO_NOTHING, nothing, {DO_NOTHING.channel: "times"})]
        return sides + idle * (len(actions) - len(acting))

    @cached_property
    def _asked(self) -> Any:
        """What the actions look at, made once."""
        return self.decider.features.ask(self.actions[1:], self.known.events.content)

    def _propensity(self, asked: Candidates) -> Floats:
        """(1, K) propensities of one HCP's eligible actions; 0 for all others."""
        pair, at = np.flatnonzero(asked.allowed[0, 1:]), np.array([asked.at])
        design = self.decider.features.design(
            self.known.events,
            self.known.tables.columns("hcps"),
            hcps=asked.hcps,
            at=at,
            actions=self._asked,
            row=np.zeros(len(pair), dtype=np.int64),
            pair=pair,
            profiled=self.known.profiled(asked.hcps, at),
        )
        margin = np.full(asked.allowed.shape, -np.inf)
        margin[0, pair + 1] = self.decider.scorer.score(design)[0]
        return probability(margin)

    def _priorities(self, asked: Candidates) -> tuple[Sequence[Term], Floats]:
        worth = self.decider.worth
        context = self.known.context(asked, None)
        terms = worth.factors(self._propensity(asked), asked.actions, context, at=asked.at)
        shape = asked.allowed.shape
        return terms, policies.priority(terms, shape=shape, do_nothing_value=worth.rest(context))[0]

    def _one_hcp(self, receipt: Receipt, actions: Set[Action]) -> Candidates:
        return Candidates(
            hcps=np.array([receipt.hcp_id], dtype=object),
            actions=self.actions,
            allowed=np.array([[k == 0 or action in actions for k, action in enumerate(self.actions)]]),
            at=receipt.decided_at,
            valid_until=receipt.valid_until,
        )

    def of(
        self, asked: Sequence[tuple[str, Action]], *, at: int
    ) -> tuple[Contributions, Design, Sequence[Mapping[str, Evidence]]]:
        """Exact contributions of any (HCP, action) at a moment, with feature rows and counts."""
        place = {action: k for k, action in enumerate(self.actions[1:])}
        hcps = np.array([hcp for hcp, _ in asked], dtype=object)
        moments = np.full(len(asked), at, dtype=np.int64)
        design, evidence = self.decider.features.evidence(
            self.known.events,
            self.known.tables.columns("hcps"),
            hcps=hcps,
            at=moments,
            actions=self._asked,
            pair=np.array([place[action] for _, action in asked], dtype=np.int64),
            profiled=self.known.profiled(hcps, moments),
        )
        return self.decider.scorer.contributions(design), design, evidence


def _check_same(receipts: Sequence[Receipt], contributions: Contributions) -> None:
    for receipt, margin in zip(receipts, contributions.margin, strict=False):
        known = receipt.propensity
        if known is None or not 0.0 < known < 1.0:
            continue
        if abs(1.0 / (1.0 + math.exp(-float(margin))) - known) > 1e-9:
            raise ArgumentError(
                "The model gives this decision another propensity than its receipt has: it has learned "
                "since. Load the model with the receipt's model_digest and recommend again."
            )


__all__ = ["Why"]
