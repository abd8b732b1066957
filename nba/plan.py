"""The plan: one decision per HCP, with receipts and cards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nba import artifact, evaluation, explain, guardrails, policies
from nba.cards import Audience, Cards
from nba.changes import PlanDiff, diff
from nba.contracts import (
    DAY,
    DO_NOTHING,
    FOREVER,
    Action,
    Candidates,
    Columns,
    Contributions,
    Floats,
    Guardrail,
    Receipt,
)
from nba.decision import Known
from nba.errors import ArgumentError
from nba.messages import coverage_of
from nba.ranking import Ranked, Ranking, optionality
from nba.receipts import Receipts
from nba.tables import as_moment, check_table, rows_from_records
from nba.tables.objections import profiling_objections
from nba.why import Why

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Plan:
    """One decision for every HCP, as of one moment.

    ``plan["hcp_0042"]`` is the rep card; ``to_frame()`` one row a decision; ``receipts()`` everything
    needed to replay and audit; ``funnel()`` what each guardrail removed.

    Attributes
    ----------
    at : int seconds UTC
    references : usual response rate by channel, for the card's comparison
    """

    at: int
    references: Mapping[str, float]
    _receipts: Receipts
    _known: Known = field(repr=False)
    _rules: tuple[Guardrail, ...] = field(repr=False)
    _why: Why | None = field(default=None, repr=False)

    @property
    def batch(self) -> str:
        """The hash that names its decisions together."""
        return self._receipts.batch

    @cached_property
    def concentration(self) -> policies.Concentration | None:
        """How widely its probability is spread over actions and content."""
        parts = self._receipts.parts
        spread = policies.Spread.together([policies.Spread.of(part.settled.pmf) for part in parts])
        return spread.concentration(parts[0].candidates.actions) if parts else None

    @cached_property
    def lift(self) -> evaluation.Lift | None:
        """What its choices are expected to be worth beyond random ones among the eligible; None without any.

        Expected by the model whose priorities chose, so no better than it is; `assess.lift_from_log` tells
        what came of it. HCPs of a permanent holdout are left out: nobody chose for them.
        """
        found = [
            [worth[~part.settled.held] for worth in evaluation.expected_worth(part.settled.pmf)]
            for part in self._receipts.parts
        ]
        if not sum(len(chosen) for chosen, _ in found):
            return None
        chosen, at_random = (np.concatenate(pieces) for pieces in zip(*found, strict=True))
        return evaluation.expected_lift(chosen, at_random)

    def summary(self) -> dict[str, Any]:
        """How many HCPs, actions and test suggestions, and the lift over random eligible: plain values."""
        parts = self._receipts.parts
        return {
            "hcps": len(self),
            "with_action": sum(int((part.settled.choice.action > 0).sum()) for part in parts),
            "explored": sum(int(part.settled.choice.explored.sum()) for part in parts),
            "lift": None if self.lift is None else self.lift.to_dict(),
        }

    def __str__(self) -> str:
        told = self.summary()
        counts = (
            f"{told['hcps']:,} HCPs, {told['with_action']:,} with an action, {told['explored']:,} explored"
        )
        return counts if self.lift is None else f"{counts}\n{self.lift}"

    __repr__ = __str__

    def holding(self, receipts: Sequence[Receipt]) -> Plan:
        """The same plan around receipts of the same HCPs that were handed out before."""
        at = receipts[0].decided_at if receipts else self.at
        return replace(self, at=at, _receipts=replace(self._receipts, earlier=tuple(receipts)))

    def __len__(self) -> int:
        return len(self._receipts)

    def __iter__(self) -> Iterator[Receipt]:
        return iter(self._receipts)

    def __getitem__(self, hcp_id: str) -> explain.RepCard:
        return self.card(hcp_id)

    def receipt(self, hcp_id: str) -> Receipt:
        """The receipt of one HCP's decision."""
        return self._receipts.of(hcp_id)

    def receipts(self) -> Sequence[Receipt]:
        """All receipts, sorted by HCP; each is written when it is first read."""
        return self._receipts

    def card(
        self, hcp_id: str, *, audience: Audience = "rep", language: str = "en", contrast: bool | None = None
    ) -> explain.RepCard:
        """What the rep sees: what to do, why, what to watch.

        Parameters
        ----------
        audience : "hq" adds the numbers: exact log-odds, percentage points, the gap to the runner-up
        language : of a shipped template book, "en" or "de"
        contrast : say what decided against the runner-up; by default for "hq" alone: it scores once more
        """
        compare = audience == "hq" if contrast is None else contrast
        return self.cards.card(self.receipt(hcp_id), audience=audience, language=language, contrast=compare)

    def brief(self, hcp_id: str, *, language: str = "en") -> explain.Brief:
        """What to know about an HCP before a conversation: topics, latest engagements, friction, limits."""
        return self.cards.brief(self.receipt(hcp_id), language=language)

    def insights(self, *, language: str = "en") -> tuple[explain.Insight, ...]:
        """What is worth telling of HCPs without suggesting an action."""
        return self.cards.insights(self._receipts, language=language)

    def contrast(
        self, hcp_id: str, other: Action | tuple[str, str] | None = None, *, audience: Audience = "rep"
    ) -> explain.Contrast | None:
        """Why this action and not another eligible one, by default the runner-up; None where none is left.

        The gap in priority, term by term, the propensity's part by reasons; a rep gets signs alone.
        """
        wanted = None if other is None else Action(*other)
        found = self._asked_why().contrast(self.receipt(hcp_id), wanted)
        return None if found is None else explain.for_audience(found, audience)

    def why_not(self, hcp_id: str, action: Action | tuple[str, str], *, language: str = "en") -> str:
        """What stood against an action: the rule that removed it with its facts, or what weighed against it.

        Raises
        ------
        ArgumentError
            If the action was no candidate for this HCP.
        """
        return self.cards.why_not(self.receipt(hcp_id), Action(*action), language=language)

    def sheet(
        self,
        *,
        territory: str | None = None,
        audience: Audience = "rep",
        language: str = "en",
        contrast: bool = False,
    ) -> explain.Sheet:
        """The cards of all HCPs (or one territory's) with a suggestion on one page, best first."""
        return self.cards.sheet(
            self._receipts, territory=territory, audience=audience, language=language, contrast=contrast
        )

    def points(self, *, audience: Audience = "rep") -> explain.Grouped:
        """The reasons of all decisions that act, in log-odds and percentage points, a row each by HCP."""
        return explain.grouped(self.contributions()[0], audience=audience)

    def contributions(self, hcp_id: str | None = None) -> tuple[Contributions, Floats]:
        """Exact parts of the margins of all decisions that act, or of one HCP's, and what was read.

        Returns
        -------
        contributions : log-odds, a row a decision, in the HCPs' order; of features no rep may see as well
        values : (m, n_features) of the features
        """
        return self._receipts.explained(hcp_id)

    def to_shap(self, hcp_id: str | None = None, *, audience: Audience = "rep") -> Any:
        """Exact contributions as a ``shap.Explanation``, of one HCP's decision or of all that act."""
        return explain.to_shap(*self.contributions(hcp_id), audience=audience)

    def export(self, form: Literal["veeva", "salesforce", "journey"]) -> dict[str, list[dict[str, Any]]]:
        """Rows for a CRM or a journey tool, by table; ``explain.to_csv`` writes them safely."""
        chosen = [receipt for receipt in self._receipts if receipt.action != DO_NOTHING]
        cards = [self.cards.card(receipt) for receipt in chosen]
        if form == "veeva":
            return explain.veeva(chosen, cards, insights=self.insights())
        if form == "salesforce":
            return {"recommendations": explain.salesforce(chosen, cards)}
        if form == "journey":
            return {"decisions": explain.journey(chosen, cards)}
        raise ArgumentError(f"form is {form!r}; expected 'veeva', 'salesforce' or 'journey'.")

    @cached_property
    def cards(self) -> Cards:
        """What writes cards, briefs and sheets."""
        return Cards(self.at, self._known, self._why, self.references, self._receipts)

    def _asked_why(self) -> Why:
        if self._why is None:
            raise ArgumentError("This plan came without its model; take it from recommend() or decide().")
        return self._why

    def ranked(self, hcp_id: str, *, k: int | None = None) -> tuple[Ranked, ...]:
        """An HCP's eligible actions, best first, each with the terms of its priority.

        Parameters
        ----------
        k : only the best so many; None is all

        Raises
        ------
        ArgumentError
            If the model has learned since, or the plan came without it.
        """
        return self._ranking.of(self.receipt(hcp_id))[:k]

    def top(self, k: int = 3) -> pd.DataFrame:
        """The k best eligible actions of every HCP: a row each, best first."""
        return self._ranking.top(self._receipts, k)

    def by_channel(self) -> pd.DataFrame:
        """The next best action of every HCP in every channel that is open to it."""
        return self._ranking.by_channel(self._receipts)

    def sensitivity(self) -> pd.DataFrame:
        """What the plan hangs on: share of winners that change when a term or objective is left out."""
        return self._ranking.sensitivity(self._receipts)

    def optionality(self) -> pd.DataFrame:
        """How much there was to choose from, an HCP: eligible actions, channels, contents, and how openly."""
        return optionality(self._receipts)

    def diff(self, other: Plan) -> PlanDiff:
        """What changes from this plan to another, HCP by HCP, and why."""
        return diff(self._receipts, other._receipts)

    def message_coverage(
        self, start: object, end: object, *, with_plan: bool = False
    ) -> evaluation.MessageCoverage:
        """Which key messages of a cycle the plan's HCPs have heard by now, and who is behind.

        Parameters
        ----------
        start, end : the cycle, anything ``nba.tables.as_moment`` reads
        with_plan : count what this plan decides as heard

        Raises
        ------
        ArgumentError
            If the cycle is empty, or no content has a key message.
        """
        return coverage_of(
            self._known,
            self._receipts,
            at=self.at,
            start=as_moment(start, name="start"),
            end=as_moment(end, name="end"),
            planned=with_plan,
        )

    def governance(self, *, days: float = 30.0) -> guardrails.Governance:
        """What content runs out, is superseded and used all the same, lacks tags, and what rules blocked.

        Counted for the plan's HCPs: what went out in the last ``days``, and what this plan decides.

        Parameters
        ----------
        days : how far ahead content runs out, and how far back its use is counted
        """
        table, touched = self._known.tables.columns("hcps"), self._known.touched
        country = dict(zip(table["hcp_id"], table["country"], strict=True))
        mine = {receipt.hcp_id: country[receipt.hcp_id] for receipt in self}
        late = (touched["ts"] >= self.at - round(days * DAY)) & (touched["known"] < self.at)
        rows = np.flatnonzero(late)
        went = zip(touched["hcp_id"][rows], touched["content_id"][rows], strict=True)
        used = Counter((mine[hcp], content) for hcp, content in went if hcp in mine)
        used.update((mine[r.hcp_id], r.action.content) for r in self if r.action.content)
        blocked: Counter[str] = Counter()
        for step in self.funnel().steps:
            blocked[step.reason] += step.removed
        return guardrails.governance(
            self._known.tables.columns("content"),
            countries=sorted(set(mine.values())), used=used, blocked=blocked, at=self.at, days=days,
        )  # fmt: skip

    @property
    def _ranking(self) -> Ranking:
        why = self._asked_why()
        return Ranking(why.decider, why.known, why.actions)

    def funnel(self) -> guardrails.Funnel:
        """What each guardrail removed, over all HCPs."""
        return guardrails.add_up([part.funnel for part in self._receipts.parts])

    def to_frame(self) -> pd.DataFrame:
        """One row a decision; moments are UTC timestamps."""
        import pandas as pd

        rows = [
            {
                "hcp_id": r.hcp_id,
                "decision_id": r.decision_id,
                "channel": r.action.channel,
                "content_id": r.action.content,
                "document_number": r.document_number,
                "version": r.version,
                "propensity": np.nan if r.propensity is None else r.propensity,
                "spread": np.nan if r.spread is None else r.spread,
                "priority": r.priority,
                "selection_prob": r.selection_prob,
                "explored": r.explored,
                "prior_only": r.prior_only,
                "n_eligible": len(r.eligible),
                "n_removed": len(r.removed),
                "decided_at": pd.Timestamp(r.decided_at, unit="s", tz="UTC"),
                "valid_until": pd.Timestamp(r.valid_until, unit="s", tz="UTC"),
            }
            for r in self._receipts
        ]
        return pd.DataFrame(rows)

    def to_bytes(self) -> bytes:
        """All receipts as canonical JSON lines: the same plan gives the same bytes."""
        return b"\n".join(artifact.canonical_json(asdict(receipt)) for receipt in self._receipts) + b"\n"

    def to_folder(self, folder: str | Path, *, cards: int = 0) -> Path:
        """Write plan.parquet, receipts.jsonl, funnel.csv and some cards (HTML and text).

        Parameters
        ----------
        cards : how many cards, of the first HCPs with an action; they hold person-level facts
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.to_frame().to_parquet(folder / "plan.parquet", index=False)
        (folder / "receipts.jsonl").write_bytes(self.to_bytes())
        self.funnel().to_frame().to_csv(folder / "funnel.csv", index=False)
        acting = [r.hcp_id for r in self._receipts if r.action != DO_NOTHING][:cards]
        if acting:
            (folder / "cards").mkdir(exist_ok=True)
        for number, hcp_id in enumerate(acting, start=1):
            card = self.card(hcp_id, contrast=True)
            (folder / "cards" / f"card_{number}.html").write_text(card.to_html(), encoding="utf-8")
            (folder / "cards" / f"card_{number}.txt").write_text(card.text + "\n", encoding="utf-8")
        return folder

    def recheck(self, *, consent: Any = None) -> Callable[[Sequence[Receipt], Columns], list[str]]:
        """How a log checks decisions once more at commit: consent, caps and gaps, in the receipts' order.

        Parameters
        ----------
        consent : the newest consent: a frame, records, or a callable that gives them and is asked at every
            check; None checks what the plan was made with
        """
        if callable(consent):
            return lambda receipts, pending: self._rechecked(receipts, pending, _consent_columns(consent()))
        newest = _consent_columns(consent) if consent is not None else self._known.consent
        return lambda receipts, pending: self._rechecked(receipts, pending, newest)

    def _rechecked(self, receipts: Sequence[Receipt], pending: Columns, consent: Columns | None) -> list[str]:
        """Void reasons; several decisions for one HCP are checked one after another, each counting."""
        pending = _still_pending(pending, self._known.touched)
        reasons = [""] * len(receipts)
        for turn in _turns(receipts):
            found = self._check_once([receipts[i] for i in turn], pending, consent)
            for i, reason in zip(turn, found, strict=True):
                reasons[i] = reason
            pending = _with(pending, [receipts[i] for i in turn if not reasons[i]])
        return reasons

    def _check_once(
        self, receipts: Sequence[Receipt], pending: Columns, consent: Columns | None
    ) -> list[str]:
        """The first reason against each decision; every HCP stands here once, and all share their moments."""
        actions = (DO_NOTHING, *sorted({receipt.action for receipt in receipts}))
        hcps = np.array(sorted(receipt.hcp_id for receipt in receipts), dtype=object)
        candidates = Candidates(
            hcps=hcps,
            actions=actions,
            allowed=np.ones((len(hcps), len(actions)), dtype=bool),
            at=receipts[0].decided_at,
            valid_until=receipts[0].valid_until,
        )
        context = replace(self._known.context(candidates, pending), consent=consent)
        verdicts = [
            rule.check(_as_of_newest(candidates, consent) if rule.code == CONSENT else candidates, context)
            for rule in self._rules
        ]
        funnel = guardrails.funnel(candidates, verdicts)
        row = {hcp: i for i, hcp in enumerate(hcps)}
        objecting = _objecting_since(receipts[0].decided_at, consent)
        return [
            funnel.reason(row[r.hcp_id], actions.index(r.action)) or objecting.get(r.hcp_id, "")
            for r in receipts
        ]


CONSENT = guardrails.Consent().code


def _turns(receipts: Sequence[Receipt]) -> list[list[int]]:
    """Positions in turns: one HCP at most once a turn, and all of a turn at the same moment."""
    turns: dict[tuple[int, int, int], list[int]] = {}
    seen: dict[str, int] = {}
    for i, receipt in enumerate(receipts):
        turn = seen.get(receipt.hcp_id, 0)
        seen[receipt.hcp_id] = turn + 1
        turns.setdefault((turn, receipt.decided_at, receipt.valid_until), []).append(i)
    return [turns[key] for key in sorted(turns)]


def _as_of_newest(candidates: Candidates, consent: Columns | None) -> Candidates:
    """An opt-out that came after the decision counts as well: consent is read as of its newest row."""
    if consent is None or not len(consent["captured_at"]):
        return candidates
    return replace(candidates, at=max(candidates.at, int(consent["captured_at"].max()) + 1))


def _objecting_since(decided_at: int, consent: Columns | None) -> dict[str, str]:
    """The void reason of decisions made with a profile of somebody who has come to object to it."""
    before = profiling_objections(consent, at=decided_at)
    return dict.fromkeys(profiling_objections(consent, at=FOREVER) - before, "profiling_objection")


def _still_pending(pending: Columns, touched: Columns) -> Columns:
    """Pending decisions whose touch is not among the known touches; those count as touches already."""
    wanted = set(pending["hcp_id"])
    latest: dict[tuple[str, str, str], int] = {}
    for i, hcp in enumerate(touched["hcp_id"]):
        if hcp in wanted:
            key = (hcp, touched["channel"][i], touched["content_id"][i])
            latest[key] = max(latest.get(key, int(touched["ts"][i])), int(touched["ts"][i]))
    keys = zip(pending["hcp_id"], pending["channel"], pending["content_id"], strict=True)
    decided = pending.get("decided_at", pending["ts"])
    keep = np.array([latest.get(key, -1) < at for key, at in zip(keys, decided, strict=True)], dtype=bool)
    return {name: values[keep] for name, values in pending.items()}


def _with(pending: Columns, receipts: Sequence[Receipt]) -> Columns:
    """Pending touches and these decisions."""
    added = {
        "hcp_id": np.array([r.hcp_id for r in receipts], dtype=object),
        "ts": np.array([r.decided_at for r in receipts], dtype=np.int64),
        "channel": np.array([r.action.channel for r in receipts], dtype=object),
        "content_id": np.array([r.action.content for r in receipts], dtype=object),
    }
    return {name: np.concatenate([pending[name], values]) for name, values in added.items()}


def _consent_columns(consent: Any) -> Columns:
    """The newest consent, as columns: a checked frame, or plain records."""
    if isinstance(consent, list | tuple):
        return rows_from_records(consent, "consent")
    if isinstance(consent, Mapping):
        return consent
    return check_table(consent, "consent")
