"""From what is known at a moment to one decision per HCP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba import artifact, explain, guardrails, policies
from nba.contracts import (
    Action,
    Bools,
    Candidates,
    Choice,
    Columns,
    Context,
    Design,
    Floats,
    Guardrail,
    Ints,
    Policy,
    Reason,
    Receipt,
    Scores,
    Strings,
    Tables,
    Term,
    Verdict,
)
from nba.features import EngagementFeatures, Events, Seen
from nba.policies.worth import Worth
from nba.tables import consent_of, table_of
from nba.tables.kept import kept
from nba.tables.objections import objects_to_profiling

PROFILING = "profiling"
"""Among the facts of a receipt: this HCP objects to profiling, so nothing of the kind was read."""

BESIDE = ("labels", "reps", "states", "values")
"""Tables beside the needed ones that rules and values read."""


@dataclass(frozen=True)
class Known:
    """Everything that may be read for decisions: compiled events and the tables beside them."""

    tables: Tables
    events: Events
    consent: Columns | None
    touched: Columns
    """Every outbound touch: hcp_id, ts, known, channel, content_id, product_id."""
    beside: Mapping[str, Columns]
    """Further tables that rules and values read, those that are there."""

    @classmethod
    def of(cls, tables: Tables, features: EngagementFeatures) -> Known:
        touched = touches_made(tables)
        found = {name: table_of(tables, name) for name in BESIDE}
        beside = {name: table for name, table in found.items() if table is not None}
        return cls(tables, features.events(tables), _by_hcp(consent_of(tables)), touched, beside)

    def profiled(self, hcps: Strings, at: Ints) -> Bools | None:
        """(n,) whether behaviour and profiles may be read, each HCP as of its moment; None: of all."""
        if self.consent is None or not len(hcps):
            return None
        rows = _of_hcps(self.consent, np.array([min(hcps), max(hcps)], dtype=object))
        objects = objects_to_profiling(rows, hcps=hcps, at=at)
        return ~objects if objects.any() else None

    def context(self, candidates: Candidates, pending: Columns | None) -> Context:
        """What guardrails may read about these candidates, as of their moment."""
        table = self.tables.columns("hcps")
        rows = np.searchsorted(table["hcp_id"], candidates.hcps)
        return Context(
            hcps={name: table[name][rows] for name in table},
            content=self.tables.columns("content"),
            channels=self.tables.columns("channels"),
            consent=None if self.consent is None else _of_hcps(self.consent, candidates.hcps),
            touches=touches_of(candidates, self.touched, pending),
            tables=self.beside,
        )


def touches_made(tables: Tables) -> Columns:
    """Every outbound touch: hcp_id, ts, known (when it was), channel, content_id, product_id."""
    interactions = tables.columns("interactions")
    rows = np.flatnonzero(interactions["touch"])
    names = ("hcp_id", "ts", "channel", "content_id", "product_id")
    touched = {name: interactions[name][rows] for name in names}
    return touched | {"known": np.maximum(touched["ts"], interactions["recorded_at"][rows])}


def touches_of(candidates: Candidates, touched: Columns, pending: Columns | None) -> Columns:
    """The touches that count against these candidates' caps: known ones, and those on their way."""
    place = {hcp: i for i, hcp in enumerate(candidates.hcps)}
    touched = _of_hcps(touched, candidates.hcps)
    seen = touched["known"] < candidates.at
    sources = [(touched, np.flatnonzero(seen), False)]
    if pending is not None:
        sources.append((pending, np.arange(len(pending["ts"])), True))
    columns: dict[str, list[NDArray[Any]]] = {
        k: [] for k in ("row", "ts", "channel", "content_id", "product_id", "pending")
    }
    for source, rows, is_pending in sources:
        who = np.fromiter((place.get(h, -1) for h in source["hcp_id"][rows]), np.int64, count=len(rows))
        rows, who = rows[who >= 0], who[who >= 0]
        columns["row"].append(who)
        for name in ("ts", "channel", "content_id"):
            columns[name].append(source[name][rows])
        product = source.get("product_id")  # decisions on their way are about their content's product
        columns["product_id"].append(np.full(len(rows), "", object) if product is None else product[rows])
        columns["pending"].append(np.full(len(rows), is_pending))
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def _by_hcp(table: Columns | None) -> Columns | None:
    """A table in the order of its HCPs, whose own rows keep theirs."""
    if table is None or (table["hcp_id"][1:] >= table["hcp_id"][:-1]).all():
        return table
    order = np.argsort(table["hcp_id"], kind="stable")
    return {name: values[order] for name, values in table.items()}


def _of_hcps(table: Columns, hcps: Strings) -> Columns:
    """The stretch of a table sorted by HCP that holds these (sorted) HCPs: views, and no search of the rest.

    HCPs between them may be in it too.
    """
    if not len(hcps):
        return {name: values[:0] for name, values in table.items()}
    lo = np.searchsorted(table["hcp_id"], hcps[0], side="left")
    hi = np.searchsorted(table["hcp_id"], hcps[-1], side="right")
    return {name: values[lo:hi] for name, values in table.items()}


@dataclass(frozen=True)
class Decider:
    """The fitted parts that decide, wired; it computes nothing itself.

    Attributes
    ----------
    features, scorer, policy, rules, worth : the parts
    model_digest, policy_digest : what they are, for the receipts
    horizon_days : how far ahead a response counts
    waivers : rules that were left out on purpose
    """

    features: EngagementFeatures
    scorer: Any
    policy: Policy
    rules: tuple[Guardrail, ...]
    worth: Worth
    model_digest: str
    policy_digest: str
    horizon_days: float
    waivers: tuple[str, ...]
    holdout: policies.Holdout | None = None
    explore_cap: policies.ExploreCap | None = None

    def decide(
        self, known: Known, candidates: Candidates, *, pending: Columns | None, seed: int, stream: str,
        taken: policies.Taken | None = None, used: Columns | None = None,
        tried: Mapping[str, int] | None = None,
    ) -> Decided:  # fmt: skip
        """Score, mask, pmf, draw, explain: one receipt an HCP, in the candidates' order.

        Of what is scarce, ``taken`` (touches) or ``used`` (a table) is gone already; ``tried`` counts each
        HCP's exploratory choices against the cap on them.
        """
        artifact.digest([seed, stream])  # what cannot stand in a receipt is refused before the work
        seen = self._seen(known, candidates)
        scores = self._scores(seen.design, candidates)
        context = known.context(candidates, pending)
        verdicts = guardrails.check_all(self.rules, candidates=candidates, context=context)
        funnel = guardrails.funnel(candidates, verdicts)
        propensity = scores.propensity
        terms = self.worth.factors(propensity, candidates.actions, context, at=candidates.at)
        shape = candidates.allowed.shape
        priorities = policies.priority(terms, shape=shape, do_nothing_value=self.worth.rest(context))
        cap = self.explore_cap
        settled = policies.settle(
            self.policy, priorities=priorities, scores=replace(scores, slope=_slope(terms, shape)),
            eligible=funnel.eligible, hcps=list(candidates.hcps), seed=seed, at=candidates.at, stream=stream,
            holdout=self.holdout, limits=self._limits(known, candidates, context, taken, used),
            spent=None if cap is None else cap.spent(list(candidates.hcps), tried or {}),
        )  # fmt: skip
        choice = settled.choice
        drawn = _Drawn(
            candidates, _documents(context.content), scores, propensity, _Lefts(funnel, candidates.actions),
            verdicts, terms, priorities, settled, seed, stream, seen.hidden,
        )  # fmt: skip
        explained = self._explain(known, candidates, choice, seen)
        drafts = [self._receipt(drawn, i, *explained[i]) for i in range(len(candidates.hcps))]
        place = {action: k for k, action in enumerate(candidates.actions)}
        considered = {
            receipt.hcp_id: _considered(receipt, i, place, verdicts) for i, receipt in enumerate(drafts)
        }
        return Decided(tuple(drafts), funnel, considered, policies.Spread.of(settled.pmf))

    def _limits(
        self, known: Known, candidates: Candidates, context: Context, taken: policies.Taken | None,
        used: Columns | None,
    ) -> list[policies.Limit]:  # fmt: skip
        """What the capacity table leaves for these candidates; nothing is scarce without one."""
        capacity = table_of(known.tables, "capacity")
        if capacity is None:
            return []
        costs = dict(zip(context.channels["channel"], context.channels["cost"], strict=True))
        return policies.limits_of(
            capacity, actions=candidates.actions, hcps=context.hcps,
            costs=np.nan_to_num(np.array([costs.get(a.channel, 0.0) for a in candidates.actions])),
            at=candidates.at, valid_until=candidates.valid_until, taken=taken, used=used,
        )  # fmt: skip

    def score(self, known: Known, candidates: Candidates) -> Scores:
        """Scores of every allowed candidate; -inf where channel, country or language rule it out."""
        return self._scores(self._seen(known, candidates).design, candidates)

    def _scores(self, design: Design, candidates: Candidates) -> Scores:
        shape = candidates.allowed.shape
        margin, spread = np.full(shape, -np.inf), np.zeros(shape)
        at = design.row, design.pair + 1
        margin[at], spread[at] = self.scorer.score(design)
        n, prior_only = self.scorer.support(design)
        return Scores(margin, spread, np.concatenate([[0.0], n]), np.concatenate([[False], prior_only]))

    def _seen(self, known: Known, candidates: Candidates) -> Seen:
        """Features of every allowed candidate, in row-major order."""
        row, pair = np.nonzero(candidates.allowed[:, 1:])
        at = np.full(len(candidates.hcps), candidates.at, dtype=np.int64)
        return self.features.seen(
            known.events,
            known.tables.columns("hcps"),
            hcps=candidates.hcps,
            at=at,
            actions=candidates.actions[1:],
            row=row,
            pair=pair,
            profiled=known.profiled(candidates.hcps, at),
        )

    def _explain(
        self, known: Known, candidates: Candidates, choice: Choice, seen: Seen
    ) -> list[tuple[tuple[Reason, ...], str]]:
        """Reasons and the digest of the features of every chosen action; none for do_nothing."""
        acts = np.flatnonzero(choice.action > 0)
        explained: list[tuple[tuple[Reason, ...], str]] = [((), "")] * len(choice.action)
        if not len(acts):
            return explained
        before = np.cumsum(candidates.allowed[:, 1:]).reshape(len(candidates.hcps), -1) - 1
        requests = before[acts, choice.action[acts] - 1]
        design, evidence = seen.only(requests), seen.evidence(requests)
        parts = self.scorer.contributions(design)
        labels = Names.of(known.tables, book=explain.load_book())
        for j, i in enumerate(acts):
            action = candidates.actions[choice.action[i]]
            reasons = explain.reasons(
                parts, j, evidence=evidence[j], audience="hq", names=labels.names(action)
            )
            explained[i] = reasons, artifact.digest([design.shared[j], design.own[j]])
        return explained

    def _receipt(self, drawn: _Drawn, i: int, reasons: tuple[Reason, ...], features_digest: str) -> Receipt:
        candidates, scores, choice = drawn.candidates, drawn.scores, drawn.settled.choice
        settled = drawn.settled
        k = int(choice.action[i])
        action = candidates.actions[k]
        document = drawn.documents.get(action.content, ("", ""))
        left = drawn.lefts.of(i)
        hidden = drawn.hidden is not None and bool(drawn.hidden[i])
        facts = guardrails.facts_of(drawn.verdicts, row=i, action=k)
        receipt = Receipt(
            decision_id="",
            batch_id="",
            hcp_id=str(candidates.hcps[i]),
            decided_at=candidates.at,
            valid_until=candidates.valid_until,
            action=action,
            document_number=document[0],
            version=document[1],
            propensity=float(drawn.propensity[i, k]) if k else None,
            spread=float(scores.spread[i, k]) if k else None,
            n=float(scores.n[k]),
            prior_only=bool(scores.prior_only[k]) or (hidden and k > 0),
            terms=policies.terms_of(
                drawn.terms,
                shape=settled.pmf.probs.shape,
                row=i,
                action=k,
                do_nothing_value=float(drawn.priorities[i, 0]),
            ),
            priority=float(drawn.priorities[i, k]),
            selection_prob=float(choice.selection_prob[i]),
            explored=bool(choice.explored[i]),
            draw=float(choice.draw[i]),
            eligible=tuple(zip(left.actions, settled.pmf.probs[i, left.places].tolist(), strict=True)),
            removed=left.removed,
            facts=facts | {PROFILING: {"objected": True}} if hidden else facts,
            reasons=reasons,
            holdout=str(settled.arm[i]),
            policy=self.policy_digest,
            model_digest=self.model_digest,
            features_digest=features_digest,
            horizon_days=self.horizon_days,
            seed=drawn.seed,
            stream=drawn.stream,
            waivers=self.waivers,
            book=explain.load_book().digest,
            arm_prob=float(settled.arm_prob[i]),
            group=str(settled.group[i]),
            prices=settled.prices[i],
        )
        return stamped(receipt, decision_id=decision_id(receipt))


def _slope(terms: Sequence[Term], shape: tuple[int, int]) -> Floats:
    """(n, K) how much the priority grows with the propensity: everything else that is multiplied."""
    slope = np.ones(shape)
    for term in terms:
        if term.kind == "times" and term.name != "propensity":
            slope *= term.factor
    slope[:, 0] = 0.0
    return slope


@dataclass(frozen=True)
class _Drawn:
    """A chunk of HCPs once their actions are drawn: everything that receipts are written from."""

    candidates: Candidates
    documents: Mapping[str, tuple[str, str]]
    scores: Scores
    propensity: Floats
    lefts: _Lefts
    verdicts: Sequence[Verdict]
    terms: Sequence[Term]
    priorities: Floats
    settled: policies.Settled
    seed: int
    stream: str
    hidden: Bools | None


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
                tuple(self._actions[k] for k in places.tolist()),
                tuple((self._actions[k], reason) for k, reason in self._funnel.removed(row)),
            )
        return self._met[key]


@dataclass(frozen=True)
class Decided:
    """Receipts of a chunk of HCPs, what was ruled out, and what else was considered."""

    receipts: tuple[Receipt, ...]
    funnel: guardrails.Funnel
    considered: dict[str, tuple[explain.Considered, ...]]
    spread: policies.Spread


def stamped(receipt: Receipt, **values: Any) -> Receipt:
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


def batch_id(receipts: Sequence[Receipt]) -> str:
    """The hash of a batch's decision ids."""
    return artifact.digest([receipt.decision_id for receipt in receipts])[:16]


@dataclass(frozen=True)
class Names:
    """What channels and topics are called in sentences of a book."""

    topic: dict[str, str]
    book: explain.Book

    @classmethod
    def of(cls, tables: Tables, *, book: explain.Book) -> Names:
        """The names that the tables and the book give."""
        content = tables.columns("content")
        return cls(dict(zip(content["content_id"], content["topic"], strict=True)), book)

    def names(self, action: Action) -> dict[str, str]:
        """What words of labels stand for where the action is meant: "this channel", "this topic"."""
        names = {"this channel": explain.channel_name(action.channel, book=self.book)}
        topic = self.topic.get(action.content, "")
        return names | ({"this topic": topic.replace("_", " ")} if topic else {})


def _considered(
    receipt: Receipt, row: int, place: Mapping[Action, int], verdicts: Sequence[Verdict]
) -> tuple[explain.Considered, ...]:
    """What stood against the alternatives, with the removing rule's facts."""
    found = []
    for other in explain.alternatives(receipt):
        removed = (a for a, code in receipt.removed if a.channel == other.channel and code == other.code)
        first = next(removed, None)
        rule = next((v for v in verdicts if first is not None and other.code in v.reasons), None)
        facts = rule.fact(row, place[first]) if rule and first is not None else {}
        found.append(explain.Considered(other.channel, other.code, facts))
    return tuple(found)


def _documents(content: Columns) -> dict[str, tuple[str, str]]:
    """Each content's document number and version."""
    return _documents_of(content["content_id"], content["document_number"], content["version"])


@kept
def _documents_of(ids: Strings, numbers: Strings, versions: Strings) -> dict[str, tuple[str, str]]:
    documents: dict[str, tuple[str, str]] = {}
    for key, number, version in zip(ids, numbers, versions, strict=True):
        documents.setdefault(key, (str(number), str(version)))
    return documents
