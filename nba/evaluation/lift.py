"""What choices are worth beside choosing at random."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Floats, Pmf
from nba.errors import ArgumentError
from nba.evaluation.intervals import Interval, clustered_mean
from nba.evaluation.offpolicy import Logged, PolicyValue, snips


@dataclass(frozen=True)
class Lift:
    """What a policy earns per decision beyond choosing at random among the eligible.

    Attributes
    ----------
    basis : "model", what priorities expect (no better than the model is), or "log", what came of decisions
    chosen : worth of a decision under the policy, in value units
    at_random : worth of a decision that takes any eligible action alike, do_nothing among them
    better_by : the first less the second, decision by decision
    decisions : how many are behind it
    weighed : the estimate of ``at_random`` from a log, with its effective sample size; None for the model's

    Intervals are over HCPs (over capacity groups, in a log); NaN where there is but one.
    """

    basis: Literal["model", "log"]
    chosen: Interval
    at_random: Interval
    better_by: Interval
    decisions: int
    weighed: PolicyValue | None = None

    @property
    def times(self) -> float | None:
        """How many times the worth of random; None where random is worth nothing or less."""
        return self.chosen.mean / self.at_random.mean if self.at_random.mean > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, ready for JSON; what is not known is None."""
        figures = {
            f"{name}{part and '_' + part}": getattr(interval, part or "mean")
            for name, interval in vars(self).items()
            if isinstance(interval, Interval)
            for part in ("", "low", "high")
        }
        told = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        return {"basis": self.basis, "decisions": self.decisions, "times": self.times, **told}

    def __str__(self) -> str:
        by, times = self.better_by, self.times
        reach = f" [{by.low:+.4g}, {by.high:+.4g}]" if math.isfinite(by.low) else ""
        share = f", {times:.3g} times as much" if times is not None else ""
        source = {
            "model": "as the model expects",
            "log": f"from {self.decisions:,} logged decisions of {by.clusters:,} HCPs or groups",
        }[self.basis]
        if self.weighed is not None:
            source += f", effectively {self.weighed.ess:.0f}"
        return (
            f"lift over random eligible {by.mean:+.4g}{reach} a decision{share} "
            f"({self.chosen.mean:.4g} against {self.at_random.mean:.4g}; {source})"
        )


def expected_worth(pmf: Pmf) -> tuple[Floats, Floats]:
    """What each decision is expected to be worth: drawn from its probabilities, and at random.

    Parameters
    ----------
    pmf : probabilities and priorities of every HCP's actions

    Returns
    -------
    chosen : (n,) sum of probability times priority over the eligible
    at_random : (n,) mean priority of the eligible, do_nothing among them

    Examples
    --------
    >>> pmf = Pmf(probs=np.array([[0.0, 0.75, 0.25, 0.0]]), priorities=np.array([[0.0, 4.0, 2.0, -np.inf]]),
    ...           eligible=np.array([[True, True, True, False]]), explore=0.0)
    >>> chosen, at_random = expected_worth(pmf)
    >>> chosen.tolist(), at_random.tolist()
    ([3.5], [2.0])
    """
    priorities = np.where(pmf.eligible, pmf.priorities, 0.0)
    chosen: Floats = (pmf.probs * priorities).sum(axis=1)
    at_random: Floats = priorities.sum(axis=1) / pmf.eligible.sum(axis=1)
    return chosen, at_random


def expected_lift(chosen: Floats, at_random: Floats) -> Lift:
    """The lift that a model's priorities expect, from :func:`expected_worth` of HCPs, a row each.

    A model that errs upwards for what it prefers expects too much of its own choices: believe the log.

    Raises
    ------
    ArgumentError
        If there is no decision, or the two differ in length.

    Examples
    --------
    >>> expected_lift(np.array([3.0, 1.0]), np.array([1.0, 1.0])).better_by.mean
    1.0
    """
    if not len(chosen) or np.shape(chosen) != np.shape(at_random):
        raise ArgumentError(
            f"Found {len(chosen)} decisions and {len(at_random)} at random; expected one of each an HCP."
        )
    rows = np.arange(len(chosen))
    return Lift(
        "model", _mean(chosen, rows), _mean(at_random, rows), _mean(chosen - at_random, rows), len(rows)
    )


def logged_lift(worth: Floats, selection_prob: Floats, options: Floats, cluster: NDArray[Any]) -> Lift:
    """The lift that a log tells of, whatever any model believes.

    Random's worth is estimated by self-normalised inverse selection probabilities, target 1 / options: it
    does not move when all worths move by a constant, as a cost of every touch does.

    Parameters
    ----------
    worth : (n,) what came of each decision, in value units; doing nothing and void decisions belong in it
    selection_prob : (n,) how likely each drawn action was
    options : (n,) how many actions were eligible, do_nothing among them
    cluster : (n,) whose decision it is

    Raises
    ------
    SelectionError, ArgumentError
        As :class:`Logged`.

    Warns
    -----
    NBAWarning
        As :func:`snips`: where few effective decisions are behind it, or random was never in reach.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):  # four decisions are few, and it says so
    ...     found = logged_lift(np.array([1.0, 1.0, 1.0, 0.0]), np.array([0.75, 0.75, 0.75, 0.25]),
    ...                         np.full(4, 2), np.array(["a", "b", "c", "d"]))
    >>> found.chosen.mean, found.at_random.mean
    (0.75, 0.5)
    """
    logged = Logged(
        reward=worth, selection_prob=selection_prob, target_prob=1.0 / np.asarray(options), cluster=cluster
    )
    found = snips(logged)
    turned = found.better_by
    better = Interval(-turned.mean, -turned.high, -turned.low, turned.level, turned.clusters)
    return Lift("log", clustered_mean(worth, cluster), found.value, better, len(logged), found)


def _mean(values: Floats, rows: NDArray[Any]) -> Interval:
    if len(rows) < 2:
        return Interval(float(values.mean()), math.nan, math.nan, 0.95, len(rows))
    return clustered_mean(values, rows)
