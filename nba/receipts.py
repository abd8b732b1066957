"""Decisions as columns, and their receipts when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, overload

import numpy as np

from nba import artifact, explain, guardrails, policies
from nba.contracts import (
    Action,
    Bools,
    Candidates,
    Columns,
    Contributions,
    Design,
    Evidence,
    Floats,
    Ints,
    Reason,
    Receipt,
    Strings,
    Tables,
    Verdict,
)
from nba.errors import ArgumentError, UnknownHCPError
from nba.kept import kept

PROFILING = "profiling"
"""Among the facts of a receipt: this HCP objects to profiling, so nothing of the kind was read."""


@dataclass(frozen=True)
class Stamp:
    """What every receipt of a batch says alike.

    Attributes
    ----------
    policy, model_digest : what decided
    horizon_days : how far ahead a response counts
    waivers : rules that were left out on purpose
    seed, stream : key of the draws, with HCP and moment
    """

    policy: str
    model_digest: str
    horizon_days: float
    waivers: tuple[str, ...]
    seed: int
    stream: str


@dataclass(frozen=True)
class Explained:
    """Exact parts of the decisions that act, a row each in the HCPs' order.

    Attributes
    ----------
    place : (n,) which row an HCP's decision has; -1 for do_nothing
    contributions : what the margins are made of
    spread : (m,) standard deviation of the margins
    design : the feature rows, one a request
    evidence : the counts behind the features, by name
    """

    place: Ints
    contributions: Contributions
    spread: Floats
    design: Design
    evidence: Sequence[Mapping[str, Evidence]]


@dataclass(frozen=True)
class Drawn:
    """A chunk of HCPs once their actions are drawn: everything that receipts are written from.

    Attributes
    ----------
    candidates : who was asked about, and for what
    tables : content, for names of topics and document numbers
    funnel, verdicts : what the rules left, and the facts they know
    propensity, priority, n, prior_only : (n,) of the chosen action
    terms : of the chosen action's priority, by name, (n,) each
    rest : (n,) the priority of do_nothing
    settled : probabilities and draws
    explained : parts of those that act
    stamp : what all receipts say alike
    hidden : (n,) HCPs who object to profiling, of whom nothing of the kind was read; None: nobody
    """

    candidates: Candidates
    tables: Tables
    funnel: guardrails.Funnel
    verdicts: Sequence[Verdict]
    propensity: Floats
    priority: Floats
    n: Floats
    prior_only: Bools
    terms: Mapping[str, Floats]
    rest: Floats
    settled: policies.Settled
    explained: Explained
    stamp: Stamp
    hidden: Bools | None

    def __len__(self) -> int:
        return len(self.candidates.hcps)

    def receipt(self, i: int) -> Receipt:
        """The receipt of the i-th HCP, its batch not yet named."""
        settled, choice = self.settled, self.settled.choice
        k, row = int(choice.action[i]), int(self.explained.place[i])
        action = self.candidates.actions[k]
        document = _documents(self.tables.columns("content")).get(action.content, ("", ""))
        left, design = self._lefts.of(i), self.explained.design
        terms = {name: float(values[i]) for name, values in self.terms.items()}
        facts = guardrails.facts_of(self.verdicts, row=i, action=k)
        hidden = self.hidden is not None and bool(self.hidden[i])
        receipt = Receipt(
            decision_id="",
            batch_id="",
            hcp_id=str(self.candidates.hcps[i]),
            decided_at=self.candidates.at,
            valid_until=self.candidates.valid_until,
            action=action,
            document_number=document[0],
            version=document[1],
            propensity=float(self.propensity[i]) if k else None,
            spread=float(self.explained.spread[row]) if k else None,
            n=float(self.n[i]),
            prior_only=bool(self.prior_only[i]) or (hidden and k > 0),
            terms=terms if k else {"do_nothing": float(self.rest[i])},
            priority=float(self.priority[i]),
            selection_prob=float(choice.selection_prob[i]),
            explored=bool(choice.explored[i]),
            draw=float(choice.draw[i]),
            eligible=tuple(zip(left.actions, settled.pmf.probs[i, left.places].tolist(), strict=True)),
            removed=left.removed,
            facts=facts | {PROFILING: {"objected": True}} if hidden else facts,
            reasons=self.reasons(i, book=explain.load_book()) if k else (),
            holdout=str(settled.arm[i]),
            policy=self.stamp.policy,
            model_digest=self.stamp.model_digest,
            features_digest=artifact.digest([design.shared[row], design.own[row]]) if k else "",
            horizon_days=self.stamp.horizon_days,
            seed=self.stamp.seed,
            stream=self.stamp.stream,
            waivers=self.stamp.waivers,
            book=explain.load_book().digest,
            arm_prob=float(settled.arm_prob[i]),
            group=str(settled.group[i]),
            prices=settled.prices[i],
        )
        return _stamped(receipt, decision_id=decision_id(receipt))

    def reasons(self, i: int, *, book: explain.Book) -> tuple[Reason, ...]:
        """Why the i-th HCP's action, in a book's words."""
        row, k = int(self.explained.place[i]), int(self.settled.choice.action[i])
        return explain.reasons(
            self.explained.contributions, row, evidence=self.explained.evidence[row], audience="hq",
            book=book, names=self._names(book).names(self.candidates.actions[k]),
        )  # fmt: skip

    def considered(self, i: int, receipt: Receipt) -> tuple[explain.Considered, ...]:
        """What stood against the alternatives of a decision, with the removing rule's facts."""
        found = []
        for other in explain.alternatives(receipt):
            removed = (a for a, code in receipt.removed if a.channel == other.channel and code == other.code)
            first = next(removed, None)
            rule = next((v for v in self.verdicts if first is not None and other.code in v.reasons), None)
            facts = rule.fact(i, self.candidates.actions.index(first)) if rule and first is not None else {}
            found.append(explain.Considered(other.channel, other.code, facts))
        return tuple(found)

    @cached_property
    def _lefts(self) -> _Lefts:
        return _Lefts(self.funnel, self.candidates.actions)

    @cached_property
    def _books(self) -> dict[str, Names]:
        return {}

    def _names(self, book: explain.Book) -> Names:
        if book.digest not in self._books:
            self._books[book.digest] = Names.of(self.tables, book=book)
        return self._books[book.digest]


@dataclass(frozen=True, eq=False)
class Receipts(Sequence[Receipt]):
    """The receipts of a batch, sorted by HCP; each is written when it is first asked for.

    Attributes
    ----------
    parts : the decisions, in chunks of HCPs
    earlier : receipts that were handed out before for the same question, which stand instead of new ones
    """

    parts: tuple[Drawn, ...]
    earlier: tuple[Receipt, ...] = ()
    _written: dict[int, Receipt] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return int(self._ends[-1]) if self.parts else 0

    @overload
    def __getitem__(self, place: int) -> Receipt: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Receipt, ...]: ...

    def __getitem__(self, place: int | slice) -> Receipt | tuple[Receipt, ...]:
        if isinstance(place, slice):
            return tuple(self[i] for i in range(*place.indices(len(self))))
        i = range(len(self))[place]
        if self.earlier:
            return self.earlier[i]
        if i not in self._written:
            part, row = self._at(i)
            self._written[i] = _stamped(part.receipt(row), batch_id=self.batch)
        return self._written[i]

    def __eq__(self, other: object) -> bool:
        """Whether another sequence has the same receipts."""
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def of(self, hcp_id: str) -> Receipt:
        """The receipt of one HCP's decision.

        Raises
        ------
        UnknownHCPError
            If it is not among them.
        """
        return self[self._place(hcp_id)]

    def considered(self, hcp_id: str) -> tuple[explain.Considered, ...]:
        """What else was considered for an HCP."""
        i = self._place(hcp_id)
        part, row = self._at(i)
        return part.considered(row, self[i])

    def reworded(self, hcp_id: str, *, book: explain.Book) -> Receipt:
        """The same decision with its reasons in another book's words, as long as they can be had again."""
        i = self._place(hcp_id)
        part, row = self._at(i)
        if not self._is_as_drawn(i):
            return self[i]
        return _stamped(self[i], reasons=part.reasons(row, book=book), book=book.digest)

    def explained(self, hcp_id: str | None = None) -> tuple[Contributions, Floats]:
        """Exact parts of one HCP's decision, or of all that act, and (m, n_features) values behind them."""
        if not all(self._is_as_drawn(i) for i in range(len(self.earlier))):
            raise ArgumentError(
                "This decision was made earlier, with something else on its way; its parts cannot be "
                "had again. Its receipt has the reasons."
            )
        if hcp_id is not None:
            part, row = self._at(self._place(hcp_id))
            return _explained([(part.explained, part.explained.place[[row]])])
        return _explained([(part.explained, part.explained.place) for part in self.parts])

    @cached_property
    def batch(self) -> str:
        """The hash that names these decisions together, however they were cut into chunks."""
        if self.earlier:
            return self.earlier[0].batch_id
        return artifact.digest(self._content)[:16] if self.parts else artifact.digest([])[:16]

    @property
    def _content(self) -> list[Any]:
        """What tells these decisions from others: who, what, from which pmf, seen with which features."""
        first = self.parts[0]
        columns = [
            (part.candidates.hcps, part.settled.choice.action, part.settled.pmf.probs,
             part.explained.design.shared, part.explained.design.own)
            for part in self.parts
        ]  # fmt: skip
        candidates = first.candidates
        together = columns[0] if len(columns) == 1 else map(np.concatenate, zip(*columns, strict=True))
        return [
            *together,
            _said(candidates.actions), candidates.at, candidates.valid_until,
            *vars(first.stamp).values(),
        ]  # fmt: skip

    @cached_property
    def _ends(self) -> Ints:
        """Where each part ends."""
        return np.cumsum([len(part) for part in self.parts])

    @cached_property
    def _places(self) -> dict[str, int]:
        return {hcp: i for i, hcp in enumerate(h for part in self.parts for h in part.candidates.hcps)}

    def _is_as_drawn(self, i: int) -> bool:
        """Whether a receipt is the one that its columns give; an earlier one may have known less."""
        part, row = self._at(i)
        return not self.earlier or part.receipt(row).decision_id == self.earlier[i].decision_id

    def _place(self, hcp_id: str) -> int:
        if hcp_id not in self._places:
            raise UnknownHCPError(f"The plan has {len(self)} HCPs, and this one is not among them.")
        return self._places[hcp_id]

    def _at(self, i: int) -> tuple[Drawn, int]:
        part = int(np.searchsorted(self._ends, i, side="right"))
        return self.parts[part], i - int(self._ends[part] - len(self.parts[part]))


def _explained(found: Sequence[tuple[Explained, Ints]]) -> tuple[Contributions, Floats]:
    """Those of the rows that are 0 or more, one below the other."""
    rows = [(one.contributions, one.design, at[at >= 0]) for one, at in found]
    parts = Contributions(
        base=np.concatenate([some.base[at] for some, _, at in rows]),
        values=np.concatenate([some.values[at] for some, _, at in rows]),
        margin=np.concatenate([some.margin[at] for some, _, at in rows]),
        features=rows[0][0].features,
    )
    return parts, np.concatenate([np.hstack([seen.shared[at], seen.own[at]]) for _, seen, at in rows])


def _stamped(receipt: Receipt, **values: Any) -> Receipt:
    """As ``dataclasses.replace``, at a tenth of its cost: every receipt of a batch is stamped twice."""
    made = object.__new__(Receipt)
    made.__dict__.update(receipt.__dict__, **values)
    return made


def decision_id(receipt: Receipt) -> str:
    """The content hash that names a decision: who, when, what, from which pmf, under which model and policy.

    The batch is not part of it: an HCP decided alone and in a batch is the same decision.
    """
    return artifact.plain_digest(
        [
            receipt.hcp_id, receipt.decided_at, receipt.valid_until, receipt.action, receipt.seed,
            receipt.stream, receipt.model_digest, receipt.policy, receipt.features_digest,
            receipt.eligible, receipt.waivers,
        ]
    )[:32]  # fmt: skip


@dataclass(frozen=True)
class Names:
    """What channels and topics are called in sentences of a book."""

    topic: dict[str, str]
    book: explain.Book

    @classmethod
    def of(cls, tables: Tables, *, book: explain.Book) -> Names:
        """The names that the tables and the book give."""
        return cls(topics_of(tables.columns("content")), book)

    def names(self, action: Action) -> dict[str, str]:
        """What words of labels stand for where the action is meant: "this channel", "this topic"."""
        names = {"this channel": explain.channel_name(action.channel, book=self.book)}
        topic = self.topic.get(action.content, "")
        return names | ({"this topic": topic.replace("_", " ")} if topic else {})


class _Left(NamedTuple):
    """What the rules left of an HCP's actions, and what they removed."""

    places: Ints
    actions: tuple[Action, ...]
    removed: tuple[tuple[Action, str], ...]


class _Lefts:
    """What was left of each HCP's actions: rules leave few patterns, and HCPs share them."""

    def __init__(self, funnel: guardrails.Funnel, actions: tuple[Action, ...]) -> None:
        self._funnel, self._actions = funnel, actions
        self._met: dict[bytes, _Left] = {}

    def of(self, row: int) -> _Left:
        """The pattern of one HCP."""
        key = self._funnel.step[row].tobytes()
        if key not in self._met:
            places = np.flatnonzero(self._funnel.eligible[row])
            self._met[key] = _Left(
                places,
                tuple([self._actions[k] for k in places.tolist()]),
                tuple([(self._actions[k], reason) for k, reason in self._funnel.removed(row)]),
            )
        return self._met[key]


@kept
def _said(actions: tuple[Action, ...]) -> str:
    """What tells actions from others."""
    return artifact.plain_digest(actions)


def topics_of(content: Columns) -> dict[str, str]:
    """Each content's topic."""
    return _topics_of(content["content_id"], content["topic"])


@kept
def _topics_of(ids: Strings, topics: Strings) -> dict[str, str]:
    return dict(zip(ids, topics, strict=True))


def _documents(content: Columns) -> dict[str, tuple[str, str]]:
    """Each content's document number and version."""
    return _documents_of(content["content_id"], content["document_number"], content["version"])


@kept
def _documents_of(ids: Strings, numbers: Strings, versions: Strings) -> dict[str, tuple[str, str]]:
    documents: dict[str, tuple[str, str]] = {}
    for key, number, version in zip(ids, numbers, versions, strict=True):
        documents.setdefault(key, (str(number), str(version)))
    return documents


__all__ = ["PROFILING", "Drawn", "Explained", "Names", "Receipts", "Stamp", "decision_id", "topics_of"]
