"""Judging a fitted model end to end, on a later window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nba import evaluation
from nba.contracts import Action, Floats, Labels
from nba.decision import Known
from nba.errors import ArgumentError
from nba.evaluation import Interval
from nba.models import SegmentBaseline
from nba.plan import Plan
from nba.tables import Engagement, as_moment


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


__all__ = ["Window", "Worth", "later_window", "true_worth", "window_labels"]
