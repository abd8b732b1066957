"""What else could be done, and what a plan hangs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nba import policies
from nba.contracts import DO_NOTHING, Action, Bools, Candidates, Context, Floats, Ints, Receipt, Term
from nba.decision import Decider, Known
from nba.errors import ArgumentError
from nba.policies.value import changed_without, winners

if TYPE_CHECKING:
    import pandas as pd

_CHUNK = 2_000


@dataclass(frozen=True)
class Ranked:
    """One eligible action of an HCP, with what its priority is made of.

    Attributes
    ----------
    action : what may be done; do_nothing is among them
    rank : 1 is the highest priority; of equals the one earlier in the plan's actions comes first
    priority : propensity times the factors less the costs
    terms : the parts of the priority, by name
    selection_prob : how likely the policy was to choose it
    chosen : whether it was
    prior_only : whether nothing but priors speaks for its propensity: the pair had no training row, or the
        HCP objects to profiling; never of do_nothing
    """

    action: Action
    rank: int
    priority: float
    terms: dict[str, float]
    selection_prob: float
    chosen: bool
    prior_only: bool


@dataclass(frozen=True)
class Ranking:
    """Ranks the eligible actions of decisions, worked out again from the same model and tables.

    Attributes
    ----------
    decider, known : the fitted parts, and what may be read
    actions : all actions that were scored
    """

    decider: Decider
    known: Known
    actions: tuple[Action, ...]

    def of(self, receipt: Receipt) -> tuple[Ranked, ...]:
        """The eligible actions of one HCP, best first.

        Raises
        ------
        ArgumentError
            If the model has learned since.
        """
        (chunk,) = self._chunks([receipt])
        shape = chunk.eligible.shape
        rest = float(chunk.rest[0])
        return tuple(
            Ranked(
                self.actions[k],
                rank,
                float(chunk.priorities[0, k]),
                policies.terms_of(chunk.terms, shape=shape, row=0, action=k, do_nothing_value=rest),
                float(chunk.probs[0, k]),
                self.actions[k] == receipt.action,
                bool(chunk.prior_only[0, k]),
            )
            for rank, k in enumerate(_order(chunk)[0, : chunk.eligible.sum()].tolist(), start=1)
        )

    def top(self, receipts: Sequence[Receipt], k: int) -> pd.DataFrame:
        """The k best eligible actions of every HCP, do_nothing among them where it is one."""
        if k < 1:
            raise ArgumentError(f"Found k={k}, expected 1 or more actions an HCP.")
        return self._frame(receipts, lambda chunk: _first(_order(chunk), chunk.eligible, k))

    def by_channel(self, receipts: Sequence[Receipt]) -> pd.DataFrame:
        """The best eligible action of every HCP in every channel."""
        return self._frame(receipts, self._best_of_channels)

    def sensitivity(self, receipts: Sequence[Receipt]) -> pd.DataFrame:
        """How many winners change when a term, or an objective of the values table, is left out.

        The winner is the eligible action of highest priority. A term left out is 1 where it is multiplied,
        0 where it is subtracted; an objective counts nothing. Only HCPs with something to choose from count.
        """
        import pandas as pd

        counts: dict[str, int] = {}
        choosing = 0
        for chunk in self._chunks(receipts):
            some = chunk.eligible[:, 1:].any(axis=1)
            choosing += int(some.sum())
            for name, changed in self._changed(chunk).items():
                counts[name] = counts.get(name, 0) + int((changed & some).sum())
        return pd.DataFrame(
            {
                "left_out": list(counts),
                "changed": list(counts.values()),
                "hcps": choosing,
                "share": [count / choosing if choosing else 0.0 for count in counts.values()],
            }
        )

    def _changed(self, chunk: _Valued) -> dict[str, Bools]:
        changed = changed_without(chunk.terms, chunk.eligible, do_nothing_value=chunk.rest)
        worth, context = self.decider.worth, chunk.context
        objectives = worth.weighed(context.tables.get("values")) if "value" in worth.terms else {}
        usual = winners(chunk.priorities, chunk.eligible)
        for name in objectives if len(objectives) > 1 else {}:
            fewer = worth.without(objective=name, known=list(objectives))
            terms = fewer.quietly(chunk.propensity, self.actions, context, at=chunk.at)
            found = policies.priority(terms, shape=chunk.eligible.shape, do_nothing_value=chunk.rest)
            changed[f"value: {name}"] = winners(found, chunk.eligible) != usual
        return changed

    def _best_of_channels(self, chunk: _Valued) -> Bools:
        order = _order(chunk)
        channel = {name: i for i, name in enumerate(dict.fromkeys(a.channel for a in self.actions))}
        of_action = np.array([channel[a.channel] for a in self.actions])[order]
        rows = np.arange(len(order))[:, None]
        eligible = chunk.eligible[rows, order]
        first = np.zeros_like(eligible)
        for number in channel.values():
            mine = eligible & (of_action == number)
            has = mine.any(axis=1)
            first[np.flatnonzero(has), mine.argmax(axis=1)[has]] = True
        kept = np.zeros_like(chunk.eligible)
        kept[rows, order] = first
        return kept

    def _frame(self, receipts: Sequence[Receipt], keep: Callable[[_Valued], Bools]) -> pd.DataFrame:
        """One row an HCP and kept action, best first."""
        import pandas as pd

        parts = []
        for chunk in self._chunks(receipts):
            order = _order(chunk)
            rank = np.empty_like(order)
            rank[np.arange(len(order))[:, None], order] = np.arange(1, order.shape[1] + 1)
            row, k = np.nonzero(keep(chunk))
            best_first = np.lexsort((rank[row, k], row))
            row, k = row[best_first], k[best_first]
            parts.append(
                pd.DataFrame(
                    {
                        "hcp_id": chunk.hcps[row],
                        "rank": rank[row, k],
                        "channel": np.array([a.channel for a in self.actions], dtype=object)[k],
                        "content_id": np.array([a.content for a in self.actions], dtype=object)[k],
                        "priority": chunk.priorities[row, k],
                        "propensity": np.where(k > 0, chunk.propensity[row, k], np.nan),
                        "selection_prob": chunk.probs[row, k],
                        "chosen": k == chunk.chosen[row],
                        "prior_only": chunk.prior_only[row, k],
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    def _chunks(self, receipts: Sequence[Receipt]) -> Iterator[_Valued]:
        for lo in range(0, max(len(receipts), 1), _CHUNK):
            yield self._valued(receipts[lo : lo + _CHUNK])

    def _valued(self, receipts: Sequence[Receipt]) -> _Valued:
        place = {action: k for k, action in enumerate(self.actions)}
        probs = np.zeros((len(receipts), len(self.actions)))
        eligible = np.zeros(probs.shape, dtype=np.bool_)
        eligible[:, 0] = True
        for i, receipt in enumerate(receipts):
            for action, prob in receipt.eligible:
                probs[i, place[action]], eligible[i, place[action]] = prob, True
        at = receipts[0].decided_at if receipts else 0
        asked = Candidates(
            hcps=np.array([receipt.hcp_id for receipt in receipts], dtype=object),
            actions=self.actions,
            allowed=eligible,
            at=at,
            valid_until=receipts[0].valid_until if receipts else at,
        )
        context = self.known.context(asked, None)
        worth = self.decider.worth
        scores = self.decider.score(self.known, asked)
        propensity = scores.propensity
        terms = worth.quietly(propensity, self.actions, context, at=at)
        rest = worth.rest(context)
        priorities = policies.priority(terms, shape=eligible.shape, do_nothing_value=rest)
        chosen = np.array([place[receipt.action] for receipt in receipts], dtype=np.int64)
        _check_same(receipts, priorities, chosen)
        prior_only = self.known.prior_only(asked, scores.prior_only)
        return _Valued(
            asked.hcps, at, propensity, prior_only, terms, rest, priorities, eligible, probs, chosen, context
        )


@dataclass(frozen=True)
class _Valued:
    """A chunk of decisions with everything their priorities were made of."""

    hcps: np.ndarray[tuple[int, ...], np.dtype[np.object_]]
    at: int
    propensity: Floats
    prior_only: Bools
    terms: Sequence[Term]
    rest: Floats
    priorities: Floats
    eligible: Bools
    probs: Floats
    chosen: Ints
    context: Context


def optionality(receipts: Sequence[Receipt]) -> pd.DataFrame:
    """How much there was to choose from, an HCP: the eligible, and how open the choice among them was."""
    import pandas as pd

    rows = []
    for receipt in receipts:
        touches = [action for action, _ in receipt.eligible if action != DO_NOTHING]
        probs = np.array([[prob for _, prob in receipt.eligible]])
        rows.append(
            {
                "hcp_id": receipt.hcp_id,
                "actions": len(touches),
                "channels": len({action.channel for action in touches}),
                "contents": len({action.content for action in touches}),
                "effective": float(policies.effective_actions(probs)[0]),
            }
        )
    return pd.DataFrame(rows, columns=["hcp_id", "actions", "channels", "contents", "effective"])


def _order(chunk: _Valued) -> Ints:
    """(n, K) actions of each row by falling priority, the ineligible last; equals in the actions' order."""
    order: Ints = np.argsort(-np.where(chunk.eligible, chunk.priorities, -np.inf), axis=1, kind="stable")
    return order


def _first(order: Ints, eligible: Bools, k: int) -> Bools:
    kept = np.zeros_like(eligible)
    kept[np.arange(len(order))[:, None], order[:, :k]] = True
    return kept & eligible


def _check_same(receipts: Sequence[Receipt], priorities: Floats, chosen: Ints) -> None:
    found = priorities[np.arange(len(receipts)), chosen]
    said = np.array([receipt.priority for receipt in receipts])
    if not np.allclose(found, said, rtol=1e-9, atol=1e-12):
        raise ArgumentError(
            "The model gives these decisions other priorities than their receipts have: it has learned "
            "since. Load the model with the receipts' model_digest and recommend again."
        )
