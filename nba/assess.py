"""Judging a fitted model end to end, on a later window."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nba import evaluation, explain, policies
from nba.contracts import (
    DAY,
    DO_NOTHING,
    Action,
    Columns,
    Contributions,
    Floats,
    Ints,
    Labels,
    Outcome,
    Receipt,
)
from nba.decision import Known
from nba.errors import ArgumentError
from nba.evaluation import Interval
from nba.models import SegmentBaseline
from nba.plan import Plan
from nba.tables import Engagement, as_moment
from nba.why import Why

if TYPE_CHECKING:
    from nba.store import Log


@dataclass(frozen=True)
class Window:
    """How good a model's probabilities are on rows later than everything it saw.

    Attributes
    ----------
    rows, positives, hcps : what stands behind the figures
    log_loss, baseline_log_loss : mean nats per row; lower is better
    better_by : baseline minus ours per row, with an interval over HCPs
    auc : ranking of rows over all pairs
    intercept, slope : calibration line; (0, 1) is perfect
    truth_log_loss : mean nats of the true probabilities, where they are known
    gap_to_truth : ours minus the truth per row, where it is known
    by_channel : log loss, baseline's, rows and positives of each channel
    """

    rows: int
    positives: int
    hcps: int
    log_loss: float
    baseline_log_loss: float
    better_by: Interval
    auc: float
    intercept: float
    slope: float
    truth_log_loss: float | None
    gap_to_truth: Interval | None
    by_channel: Mapping[str, Mapping[str, float]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def later_window(
    model: Any,
    data: Engagement,
    *,
    start: Any,
    end: Any = None,
    truth: Mapping[str, float] | None = None,
    baseline: Any = None,
) -> Window:
    """Score every touch from ``start`` to ``end`` as of its own moment, beside a segment baseline.

    The model has to be fitted until a moment at or before ``start``; the window between is the gap. The
    baseline is fitted on the rows that the model was fitted on.

    Parameters
    ----------
    truth : true probability by interaction id, from a simulator
    baseline : any scorer; the static segment by default

    Raises
    ------
    ArgumentError
        If the window overlaps the training, or holds no closed label of both outcomes.
    """
    labels = window_labels(model, data, start=start, end=end)
    known = Known.of(data, model.features)
    design = model.design(known, labels)
    margin = model.scorer.score(design)[0]
    past = model.outcome.labels(data, until=model.fitted_until_)
    rival = baseline if baseline is not None else SegmentBaseline()
    rival.fit(model.design(known, past), past.y, at=past.at[past.row])
    rival_margin = rival.score(design)[0]
    hcps = labels.hcps[labels.row]
    ours, theirs = evaluation.log_losses(margin, labels.y), evaluation.log_losses(rival_margin, labels.y)
    best = None if truth is None else _true_losses(data, labels, truth)
    intercept, slope = evaluation.calibration_line(margin, labels.y)
    return Window(
        rows=len(labels),
        positives=int(labels.y.sum()),
        hcps=len(set(hcps)),
        log_loss=float(ours.mean()),
        baseline_log_loss=float(theirs.mean()),
        better_by=evaluation.clustered_mean(theirs - ours, hcps),
        auc=evaluation.auc(margin, labels.y),
        intercept=intercept,
        slope=slope,
        truth_log_loss=None if best is None else float(best.mean()),
        gap_to_truth=None if best is None else evaluation.clustered_mean(ours - best, hcps),
        by_channel=_by_channel(labels, ours, theirs),
    )


def window_labels(model: Any, data: Engagement, *, start: Any, end: Any = None) -> Labels:
    """Touches from ``start`` on whose window had closed by ``end``, later than all that the model saw.

    Raises
    ------
    ArgumentError
        If they overlap the training, or are not of both outcomes.
    """
    first = as_moment(start)
    last = data.observed_until if end is None else as_moment(end)
    if first < model.fitted_until_:
        raise ArgumentError("The window starts before the model's training ends; start it later.")
    labels = _between(model.outcome.labels(data, until=last), first)
    if not 0 < labels.y.sum() < len(labels):
        raise ArgumentError(f"The window has {len(labels)} closed labels of one outcome; make it longer.")
    return labels


@dataclass(frozen=True)
class Worth:
    """What a plan is truly worth, where the true probabilities are known.

    Attributes
    ----------
    per_hcp : expected priority per HCP under the truth, with an interval over HCPs
    contacts : HCPs who get an action
    responses : expected number of responses
    """

    per_hcp: Interval
    contacts: int
    responses: float


def true_worth(plan: Plan, territory: Any, *, value: float, costs: Mapping[str, float]) -> Worth:
    """Judge a plan's choices by a simulator's true response probabilities.

    Parameters
    ----------
    territory : gives ``response_probability(hcp_ids, at, actions)``
    value, costs : worth of a response and cost of a touch by channel, as the model was given them
    """
    chosen = [(receipt.hcp_id, receipt.action) for receipt in plan]
    p = _true_probabilities(chosen, plan.at, territory)
    touched = np.array([action.content != "" for _, action in chosen])
    cost = np.array([costs.get(action.channel, 0.0) for _, action in chosen])
    worth = np.where(touched, p * value - cost, 0.0)
    hcps = np.array([hcp for hcp, _ in chosen], dtype=object)
    return Worth(evaluation.clustered_mean(worth, hcps), int(touched.sum()), float(p[touched].sum()))


def lift_from_log(log: Log, data: Engagement, *, at: Any = None) -> evaluation.Lift:
    """What a log's choices earned beyond random ones among what was eligible, whatever a model believes.

    A decision is worth what came of it: its priority with the result in the place of the propensity, costs
    only where there was a touch; doing nothing its own value, a void decision 0. It counts once every window
    of its moment has closed, whatever was chosen; censored ones and holdouts do not. Random takes any action
    that the rules left, scarce ones too.

    Parameters
    ----------
    at : what is known strictly before it; None is all that the tables have

    Raises
    ------
    SelectionError, ArgumentError
        If the log has no such decisions, or those of one HCP or capacity group only.

    Warns
    -----
    NBAWarning
        Where random is far from what was logged, so that few decisions tell of it.
    """
    moment = data.observed_until if at is None else min(as_moment(at), data.observed_until)
    frame = log.decisions()
    committed = set(frame.loc[frame["status"] == "committed", "decision_id"])
    outcomes = {row.decision_id: row for row in log.outcomes(data, at=moment, settle=False).rows}
    rows: list[tuple[Receipt, float]] = []
    for receipt in log.receipts():
        closed = receipt.valid_until + round(receipt.horizon_days * DAY) < moment
        if not closed or policies.is_held(receipt.holdout):
            continue
        found = _came_to(receipt, outcomes.get(receipt.decision_id), idle=receipt.decision_id in committed)
        if found is not None:
            rows.append((receipt, found))
    if not rows:
        raise ArgumentError("The log has no decision yet whose windows have closed; come back later.")
    return evaluation.logged_lift(
        worth=np.array([worth for _, worth in rows]),
        selection_prob=np.array([receipt.selection_prob for receipt, _ in rows]),
        options=np.array([float(len(receipt.eligible)) for receipt, _ in rows]),
        cluster=_tied([receipt for receipt, _ in rows]),
    )


def _came_to(receipt: Receipt, outcome: Outcome | None, *, idle: bool) -> float | None:
    """What a decision was worth; None where that is not known."""
    if receipt.action == DO_NOTHING:
        return receipt.priority if idle else None
    if outcome is None or outcome.state in ("pending", "censored"):
        return None
    costs = sum(receipt.terms.get(name, 0.0) for name in policies.COSTS)
    factors = [v for name, v in receipt.terms.items() if name not in (*policies.COSTS, "propensity")]
    earned = float(outcome.reward or 0.0) * math.prod(factors)
    return earned - (costs if outcome.touched_at is not None else 0.0)


def _tied(receipts: Sequence[Receipt]) -> NDArray[Any]:
    """Whose decision each is: HCPs whom a capacity group ever tied together are one."""
    leader: dict[str, str] = {}

    def first(name: str) -> str:
        while leader.setdefault(name, name) != name:
            leader[name] = name = leader[leader[name]]
        return name

    for receipt in receipts:
        if receipt.group:
            leader[first(f"hcp {receipt.hcp_id}")] = first(f"group {receipt.group}")
    return np.array([first(f"hcp {receipt.hcp_id}") for receipt in receipts], dtype=object)


@dataclass(frozen=True)
class Stability:
    """Whether the reasons that a card would name stay, had other HCPs been met.

    Attributes
    ----------
    kept : share of each decision's three strongest visible reasons that a refit names too, over HCPs
    refits, decisions : how many
    """

    kept: Interval
    refits: int
    decisions: int


def reason_stability(model: Any, data: Engagement, *, at: Any, refits: int = 10, seed: int = 0) -> Stability:
    """Refit the scorer on HCPs drawn with replacement; do the strongest reasons of today's actions stay?

    The actions are those the model would choose at ``at``; only their reasons are worked out anew.
    """
    plan = model.recommend(data, at=at, seed=seed)
    why = plan.cards.why
    if why is None or refits < 1:
        raise ArgumentError(f"refits is {refits}; expected 1 or more, of a fitted model.")
    asked = [(r.hcp_id, r.action) for r in plan if r.action != DO_NOTHING]
    contributions, design, _ = why.of(asked, at=plan.at)
    before = _strongest(contributions)
    labels = model.outcome.labels(data, until=model.fitted_until_)
    window = model.outcome.horizon_seconds(data.columns("channels"))
    rng = np.random.default_rng(seed)
    shares = np.zeros(len(asked))
    for _ in range(refits):
        drawn = _resampled(labels, rng)
        scorer = deepcopy(model.scorer)
        chosen = model._told({"selection_prob": drawn.selection_prob})
        moments = drawn.at[drawn.row]
        scorer.fit(model.design(why.known, drawn), drawn.y, at=moments, gap_seconds=window, **chosen)
        after = _strongest(scorer.contributions(design))
        shares += [len(a & b) / max(len(a), 1) for a, b in zip(before, after, strict=True)]
    hcps = np.array([hcp for hcp, _ in asked], dtype=object)
    return Stability(evaluation.clustered_mean(shares / refits, hcps), refits, len(asked))


@dataclass(frozen=True)
class Faithfulness:
    """Whether scores rest on what their reasons name.

    Attributes
    ----------
    moved : share of decisions whose score falls when the events of their strongest reason are taken away
    by_reason : (share, decisions) of each reason group
    n : decisions whose strongest reason for the action rests on events
    """

    moved: Interval
    by_reason: Mapping[str, tuple[float, int]]
    n: int


def reason_faithfulness(plan: Plan, *, most: int | None = None) -> Faithfulness:
    """Take the events of each decision's strongest reason away: does its score fall?

    Events are those of the action's channel, topic or content, or all contacts, whichever the reason is
    about; reasons that rest on an absence ("no contacts") or an attribute have none and are left out.

    Raises
    ------
    ArgumentError
        If the plan came without its model, or fewer than two decisions have such a reason.
    """
    why = plan.cards.why
    if why is None:
        raise ArgumentError("This plan came without its model; take it from recommend() or decide().")
    tables = why.known.tables
    named = _named_events(plan, tables, most)
    if len(named) < 2:
        raise ArgumentError(f"{len(named)} decisions have a reason that rests on events; expected 2 or more.")
    gone = np.concatenate([rows for _, _, rows in named])
    known = Known.of(Without(tables, gone), why.decider.features)
    asked = [(receipt.hcp_id, receipt.action) for receipt, _, _ in named]
    before = why.of(asked, at=plan.at)[0].margin
    after = Why(why.decider, known, why.actions).of(asked, at=plan.at)[0].margin
    fell = (after < before).astype(float)
    groups = np.array([group for _, group, _ in named], dtype=object)
    return Faithfulness(
        evaluation.clustered_mean(fell, np.array([hcp for hcp, _ in asked], dtype=object)),
        {g: (float(fell[groups == g].mean()), int((groups == g).sum())) for g in sorted(set(groups))},
        len(named),
    )


@dataclass(frozen=True)
class Without:
    """Tables in which some interactions never happened."""

    tables: Any
    gone: Ints

    def columns(self, table: str) -> Columns:
        columns: Columns = self.tables.columns(table)
        if table != "interactions":
            return columns
        keep = np.ones(len(columns["ts"]), dtype=bool)
        keep[self.gone] = False
        return {name: values[keep] for name, values in columns.items()}


def _named_events(plan: Plan, tables: Any, most: int | None) -> list[tuple[Any, str, Ints]]:
    interactions, content = tables.columns("interactions"), tables.columns("content")
    topics = dict(zip(content["content_id"], content["topic"], strict=True))
    found: list[tuple[Any, str, Ints]] = []
    for receipt in plan:
        favour = [
            r for r in receipt.reasons if r.log_odds > 0 and r.visibility == "rep" and r.group in _ABOUT
        ]
        if receipt.action == DO_NOTHING or not favour or (most is not None and len(found) >= most):
            continue
        group = max(favour, key=lambda r: r.log_odds).group
        mine = np.flatnonzero(interactions["hcp_id"] == receipt.hcp_id)
        about = {
            "channel": interactions["channel"][mine] == receipt.action.channel,
            "content": interactions["content_id"][mine] == receipt.action.content,
            "topic": np.array(
                [
                    topics.get(c, "") == topics[receipt.action.content]
                    for c in interactions["content_id"][mine]
                ],
                dtype=bool,
            ),
            "engaged": interactions["engaged"][mine],
        }[_ABOUT[group]]
        if about.any():
            found.append((receipt, group, mine[about]))
    return found


_ABOUT = {
    "channel_response": "channel",
    "topic_interest": "topic",
    "content_history": "content",
    "overall_engagement": "engaged",
}


def _strongest(contributions: Contributions) -> list[set[str]]:
    groups = explain.grouped(contributions, audience="rep")
    shown = [k for k, name in enumerate(groups.names) if name != explain.OTHER_FACTORS]
    order = np.argsort(-np.abs(groups.values[:, shown]), axis=1, kind="stable")[:, :3]
    return [{groups.names[shown[k]] for k in row} for row in order]


def _resampled(labels: Labels, rng: np.random.Generator) -> Labels:
    """The labels of as many HCPs, drawn with replacement."""
    names, code = np.unique(labels.hcps, return_inverse=True)
    drawn = np.sort(rng.integers(len(names), size=len(names)))
    rows_of = np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code))[:-1])
    rows = np.concatenate([rows_of[k] for k in drawn])
    starts = np.searchsorted(labels.row, np.arange(len(labels.hcps)))
    ends = np.searchsorted(labels.row, np.arange(len(labels.hcps)), side="right")
    requests = np.concatenate([np.arange(starts[row], ends[row]) for row in rows])
    return Labels(
        hcps=labels.hcps[rows],
        at=labels.at[rows],
        row=np.repeat(np.arange(len(rows)), ends[rows] - starts[rows]),
        pair=labels.pair[requests],
        y=labels.y[requests],
        actions=labels.actions,
        censored=labels.censored,
        selection_prob=labels.selection_prob[requests],
    )


def _between(labels: Labels, first: int) -> Labels:
    """The labels of rows at or after a moment."""
    keep = labels.at >= first
    place = np.cumsum(keep) - 1
    requests = keep[labels.row]
    return Labels(
        hcps=labels.hcps[keep],
        at=labels.at[keep],
        row=place[labels.row[requests]],
        pair=labels.pair[requests],
        y=labels.y[requests],
        actions=labels.actions,
        censored=labels.censored,
        selection_prob=labels.selection_prob[requests],
    )


def _true_losses(data: Engagement, labels: Labels, truth: Mapping[str, float]) -> Floats:
    """Log losses of the true probabilities of the same touches."""
    columns = data.columns("interactions")
    touches = np.flatnonzero(columns["touch"])
    keys = zip(
        columns["hcp_id"][touches],
        columns["ts"][touches].tolist(),
        columns["channel"][touches],
        columns["content_id"][touches],
        strict=True,
    )
    known = {
        key: truth[i] for key, i in zip(keys, columns["interaction_id"][touches], strict=True) if i in truth
    }
    p = np.array(
        [
            known[(hcp, at, *labels.actions[k])]
            for hcp, at, k in zip(
                labels.hcps[labels.row], labels.at[labels.row].tolist(), labels.pair, strict=True
            )
        ]
    )
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return evaluation.log_losses(np.log(p / (1 - p)), labels.y)


def _by_channel(labels: Labels, ours: Floats, theirs: Floats) -> dict[str, dict[str, float]]:
    names = np.array([action.channel for action in labels.actions], dtype=object)[labels.pair]
    return {
        name: {
            "rows": float((names == name).sum()),
            "positives": float(labels.y[names == name].sum()),
            "log_loss": float(ours[names == name].mean()),
            "baseline_log_loss": float(theirs[names == name].mean()),
        }
        for name in sorted(set(names))
    }


def _true_probabilities(chosen: list[tuple[str, Action]], at: int, territory: Any) -> Floats:
    """The truth of each HCP's own action, asked for once per action."""
    p = np.zeros(len(chosen))
    by_action: dict[Action, list[int]] = {}
    for i, (_, action) in enumerate(chosen):
        if action.content:
            by_action.setdefault(action, []).append(i)
    for action, rows in by_action.items():
        hcps = [chosen[i][0] for i in rows]
        p[rows] = territory.response_probability(hcps, np.full(len(hcps), at), [action])[:, 0]
    return p


__all__ = [
    "Faithfulness",
    "Stability",
    "Window",
    "Without",
    "Worth",
    "later_window",
    "lift_from_log",
    "reason_faithfulness",
    "reason_stability",
    "true_worth",
    "window_labels",
]
