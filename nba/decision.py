"""From what is known at a moment to one decision per HCP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba import artifact, guardrails, policies
from nba.contracts import (
    DO_NOTHING,
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
    Scores,
    Strings,
    Tables,
    Term,
)
from nba.features import EngagementFeatures, Events, Seen
from nba.policies.worth import Worth
from nba.receipts import Drawn, Explained, Stamp
from nba.tables import consent_of, table_of
from nba.tables.objections import objects_to_profiling

BESIDE = ("labels", "reps", "states", "values")
"""Tables beside the needed ones that rules and values read."""

ENGAGEMENTS = ("hcp_id", "ts", "channel", "content_id", "outcome", "duration_s", "step")
"""What rules may read of each engagement with a content."""


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

    def prior_only(self, candidates: Candidates, of_pairs: Bools) -> Bools:
        """(n, K) where nothing but priors speaks: no row of the pair, or nothing is read of the HCP."""
        n, k = len(candidates.hcps), len(candidates.actions)
        found = np.broadcast_to(of_pairs, (n, k)).copy()
        profiled = self.profiled(candidates.hcps, np.full(n, candidates.at, dtype=np.int64))
        if profiled is not None:
            touches = np.array([action != DO_NOTHING for action in candidates.actions])
            found |= ~profiled[:, None] & touches
        return found

    @cached_property
    def engaged(self) -> tuple[Ints, Strings]:
        """Rows of the log by which a human engaged with a content, and whose they are: sorted by HCP."""
        table = self.tables.columns("interactions")
        rows = np.flatnonzero(table["engaged"] & (table["content_id"] != ""))
        return rows, table["hcp_id"][rows]

    def engagements(self, candidates: Candidates) -> Columns:
        """What these HCPs did with content, known strictly before the moment; nothing of who objects."""
        table, (rows, hcps) = self.tables.columns("interactions"), self.engaged
        who, places = _stretches(hcps, candidates.hcps)
        rows = rows[places]
        seen = np.maximum(table["ts"][rows], table["recorded_at"][rows]) < candidates.at
        at = np.full(len(candidates.hcps), candidates.at, dtype=np.int64)
        profiled = self.profiled(candidates.hcps, at)
        if profiled is not None:
            seen &= profiled[who]
        return {name: table[name][rows[seen]] for name in ENGAGEMENTS}

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
            tables={**self.beside, "engagements": Later(ENGAGEMENTS, lambda: self.engagements(candidates))},
        )


class Later(Mapping[str, NDArray[Any]]):
    """Columns that are made when the first of them is read: few rules read them.

    Examples
    --------
    >>> table = Later(("ts",), lambda: {"ts": np.array([3])})
    >>> list(table), table["ts"].tolist()
    (['ts'], [3])
    """

    def __init__(self, names: Sequence[str], make: Callable[[], Columns]) -> None:
        self._names, self._make = tuple(names), make

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @cached_property
    def _made(self) -> Columns:
        return self._make()


def touches_made(tables: Tables) -> Columns:
    """Every outbound touch: hcp_id, ts, known (when it was), channel, content_id, product_id."""
    interactions = tables.columns("interactions")
    rows = np.flatnonzero(interactions["touch"])
    names = ("hcp_id", "ts", "channel", "content_id", "product_id")
    touched = {name: interactions[name][rows] for name in names}
    return touched | {"known": np.maximum(touched["ts"], interactions["recorded_at"][rows])}


def touches_of(candidates: Candidates, touched: Columns, pending: Columns | None) -> Columns:
    """The touches that count against these candidates' caps: known ones, and those on their way."""
    who, rows = _stretches(touched["hcp_id"], candidates.hcps)
    seen = touched["known"][rows] < candidates.at
    sources = [(touched, who[seen], rows[seen], False)]
    if pending is not None:
        place = {hcp: i for i, hcp in enumerate(candidates.hcps)}
        found = np.fromiter((place.get(h, -1) for h in pending["hcp_id"]), np.int64, len(pending["ts"]))
        rows = np.flatnonzero(found >= 0)
        sources.append((pending, found[rows], rows, True))
    parts = [_counted(*source) for source in sources]
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _counted(source: Columns, who: Ints, rows: Ints, is_pending: bool) -> Columns:
    """Some touches of a table, whose they are and whether they are on their way."""
    product = source.get("product_id")  # decisions on their way are about their content's product
    return {
        "row": who,
        **{name: source[name][rows] for name in ("ts", "channel", "content_id")},
        "product_id": np.full(len(rows), "", object) if product is None else product[rows],
        "pending": np.full(len(rows), is_pending),
    }


def _stretches(hcp: Strings, wanted: Strings) -> tuple[Ints, Ints]:
    """Of a column sorted by HCP the rows of the wanted: which HCP each is about, and where it stands."""
    first, last = (np.searchsorted(hcp, wanted, side=side) for side in ("left", "right"))
    many = last - first
    begins = np.cumsum(many) - many
    return np.repeat(np.arange(len(wanted)), many), np.arange(many.sum()) + np.repeat(first - begins, many)


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
    ) -> Drawn:  # fmt: skip
        """Score, mask, pmf, draw, explain: one decision an HCP, in the candidates' order.

        Of what is scarce, ``taken`` (touches) or ``used`` (a table) is gone already; ``tried`` counts each
        HCP's exploratory choices against the cap on them.
        """
        artifact.digest([seed, stream])  # what cannot stand in a receipt is refused before the work
        seen = self._seen(known, candidates)
        scores = self._scores(seen.design, candidates, spreads=policies.reads_spread(self.policy))
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
        chosen = np.arange(shape[0]), settled.choice.action
        return Drawn(
            candidates,
            known.tables,
            funnel,
            verdicts,
            propensity=propensity[chosen],
            priority=priorities[chosen],
            n=scores.n[chosen[1]],
            prior_only=scores.prior_only[chosen[1]],
            terms={
                term.name: policies.chosen_of(term.factor, shape=shape, action=chosen[1]) for term in terms
            },
            rest=priorities[:, 0].copy(),
            settled=settled,
            explained=self._explained(candidates, settled.choice, seen),
            hidden=seen.hidden,
            stamp=Stamp(self.policy_digest, self.model_digest, self.horizon_days, self.waivers, seed, stream),
        )

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
        return self._scores(self._seen(known, candidates).design, candidates, spreads=True)

    def _scores(self, design: Design, candidates: Candidates, *, spreads: bool) -> Scores:
        """Spreads cost most of scoring; without them they are NaN."""
        shape = candidates.allowed.shape
        at = design.row, design.pair + 1
        margin, spread = np.full(shape, -np.inf), np.zeros(shape)
        if spreads or not hasattr(self.scorer, "margin"):
            margin[at], spread[at] = self.scorer.score(design)
        else:
            margin[at], spread[at] = self.scorer.margin(design), np.nan
        n, prior_only = self.scorer.support(design)
        told = self.scorer.responses(design) if hasattr(self.scorer, "responses") else None
        return Scores(
            margin, spread, np.concatenate([[0.0], n]), np.concatenate([[False], prior_only]),
            responses=None if told is None else np.concatenate([[0.0], told]),
        )  # fmt: skip

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

    def _explained(self, candidates: Candidates, choice: Choice, seen: Seen) -> Explained:
        """Exact parts of every chosen action; do_nothing has none."""
        acts = np.flatnonzero(choice.action > 0)
        place = np.full(len(choice.action), -1, dtype=np.int64)
        place[acts] = np.arange(len(acts))
        before = np.cumsum(candidates.allowed[:, 1:]).reshape(len(candidates.hcps), -1) - 1
        requests = before[acts, choice.action[acts] - 1]
        design = seen.only(requests)
        parts = self.scorer.contributions(design)
        spread = self.scorer.score(design)[1] if parts.spread is None else parts.spread
        return Explained(place, parts, spread, design, seen.evidence(requests))


def _slope(terms: Sequence[Term], shape: tuple[int, int]) -> Floats:
    """(n, K) how much the priority grows with the propensity: everything else that is multiplied."""
    slope = np.ones(shape)
    for term in terms:
        if term.kind == "times" and term.name != "propensity":
            slope *= term.factor
    slope[:, 0] = 0.0
    return slope
