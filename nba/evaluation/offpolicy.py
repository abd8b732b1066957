"""What another policy would have earned, from a log."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Bools, Floats, Ints
from nba.errors import ArgumentError, NBAWarning, SelectionError
from nba.evaluation.intervals import Interval, clustered_mean

SMALL_ESS = 100.0
"""Below so many effective decisions the intervals cover too rarely (measured: 60 to 68 % at nominal 95 %)."""
FEW_REWARDED = 10.0
"""So many effective rewarded decisions at least; fewer say little about a rate."""
TINY_PROB = 1e-6
"""Selection probabilities below it give single decisions the weight of a million."""


@dataclass(frozen=True, eq=False)
class Logged:
    """Decisions as they were logged, and how likely a target policy would have made each.

    It is checked once, here; estimators take it as it stands. Only what was decided *by a draw from the
    logged probabilities* belongs in it: void decisions with their reward of 0 (intention to treat), never
    pending or censored ones.

    Attributes
    ----------
    reward : (n,) finite, in the reward's own unit; 0 or 1 for responses
    selection_prob : (n,) logged probability of the action that was drawn, each in (0, 1]
    target_prob : (n,) the target policy's probability of the same action, each in [0, 1]
    cluster : (n,) whose decision it is (HCP ids; groups where a capacity tied HCPs together), at least two

    Raises
    ------
    SelectionError
        If selection probabilities are missing or outside (0, 1], target probabilities are outside [0, 1], or
        the target would have made none of the logged decisions.
    ArgumentError
        If shapes differ, rewards are not finite, or there are fewer than two clusters.

    Examples
    --------
    >>> logged = Logged(
    ...     reward=[1.0, 0.0], selection_prob=[0.5, 0.5], target_prob=[1.0, 0.0], cluster=["a", "b"]
    ... )
    >>> logged.weight.tolist()
    [2.0, 0.0]
    """

    reward: Floats
    selection_prob: Floats
    target_prob: Floats
    cluster: NDArray[Any]

    def __post_init__(self) -> None:
        if self.selection_prob is None:
            raise SelectionError(_NO_PROBS)
        for name in ("reward", "selection_prob", "target_prob"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=float))
        object.__setattr__(self, "cluster", np.asarray(self.cluster))
        _check_shapes(self)
        _check_values(self)

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def weight(self) -> Floats:
        """(n,) how many times likelier the target would have made each decision; their mean is about 1."""
        weight: Floats = self.target_prob / self.selection_prob
        return weight


@dataclass(frozen=True)
class PolicyValue:
    """What a target policy would have earned per decision, and how far the log can tell.

    Attributes
    ----------
    method : "IPS" or "SNIPS"
    value : mean reward per decision under the target policy, with an interval over clusters
    better_by : the same minus the log's own mean reward, decision by decision
    rows : decisions
    ess : effective sample size: so many decisions of the target itself would tell as much (Kish)
    rewarded : the effective number of decisions with a reward
    mean_weight : about 1 where the logged probabilities are right and cover the target
    largest_weight : before clipping
    clip, clipped : weights above ``clip`` were cut to it, in so many rows; None is no clipping
    """

    method: Literal["IPS", "SNIPS"]
    value: Interval
    better_by: Interval
    rows: int
    ess: float
    rewarded: float
    mean_weight: Interval
    largest_weight: float
    clip: float | None
    clipped: int

    def __str__(self) -> str:
        cut = f"; {self.clipped} weights clipped at {self.clip:g}, so biased" if self.clip is not None else ""
        return (
            f"{self.method} {self.value}, {self.better_by.mean:+.4g} "
            f"[{self.better_by.low:.4g}, {self.better_by.high:.4g}] against the log; ESS {self.ess:.0f} of "
            f"{self.rows} decisions of {self.value.clusters} HCPs{cut}"
        )


def ips(logged: Logged, *, clip: float | None = None, level: float = 0.95) -> PolicyValue:
    """Value a target policy by inverse selection probabilities: unbiased, at times very wide.

    The mean of ``reward * target_prob / selection_prob``. Without clipping it is unbiased whenever every
    action the target may choose could have been logged.

    Parameters
    ----------
    clip : cut weights to at most this, at the price of a bias of unknown size; None leaves them as they are
    level : of the intervals, in (0, 1)

    Raises
    ------
    ArgumentError
        If ``clip`` is not above 0, or ``level`` is outside (0, 1).

    Warns
    -----
    NBAWarning
        If few effective decisions or rewards are behind it, weights do not average to 1, probabilities are
        tiny, or the log never had a choice.

    Notes
    -----
    The interval is that of a clustered mean. Where overlap is poor it covers too rarely, since the few large
    weights that would widen it are mostly not in the sample: the warning about ESS says so.

    References
    ----------
    Horvitz and Thompson (1952), JASA 47:663-685, equation 7; Kish (1965), Survey Sampling, for the ESS.

    Examples
    --------
    >>> import warnings
    >>> logged = Logged(
    ...     reward=[1.0, 0.0, 1.0],
    ...     selection_prob=[0.5, 0.25, 0.5],
    ...     target_prob=[0.25, 0.5, 1.0],
    ...     cluster=["a", "b", "c"],
    ... )
    >>> with warnings.catch_warnings(action="ignore"):  # three decisions are few, and it says so
    ...     found = ips(logged)
    >>> round(found.value.mean, 4), round(found.ess, 4)
    (0.8333, 2.4545)
    """
    return _value(logged, "IPS", _weighted_mean, clip=clip, level=level)


def snips(logged: Logged, *, clip: float | None = None, level: float = 0.95) -> PolicyValue:
    """Value a target policy by self-normalised inverse selection probabilities: steadier, a little biased.

    The weighted mean of rewards with weights ``target_prob / selection_prob``. It stays within the range of
    the rewards; its bias vanishes as fast as one over the number of decisions.

    Parameters
    ----------
    clip, level : as in :func:`ips`

    Raises
    ------
    ArgumentError
        As :func:`ips`.

    Warns
    -----
    NBAWarning
        As :func:`ips`.

    References
    ----------
    Swaminathan and Joachims (2015), The self-normalized estimator for counterfactual learning, equation 8;
    the interval is the linearised one of a ratio, Cochran (1977), section 6.13.

    Examples
    --------
    >>> import warnings
    >>> logged = Logged(
    ...     reward=[1.0, 0.0, 1.0],
    ...     selection_prob=[0.5, 0.25, 0.5],
    ...     target_prob=[0.25, 0.5, 1.0],
    ...     cluster=["a", "b", "c"],
    ... )
    >>> with warnings.catch_warnings(action="ignore"):
    ...     found = snips(logged)
    >>> round(found.value.mean, 4)
    0.5556
    """
    return _value(logged, "SNIPS", _ratio, clip=clip, level=level)


def chosen_probs(pmf: Floats, action: Ints) -> Floats:
    """A policy's probability of each logged action, from its whole pmf.

    Parameters
    ----------
    pmf : (n, K) probabilities; every row sums to one
    action : (n,) index of the logged action

    Raises
    ------
    SelectionError
        If an entry is outside [0, 1], or a row does not sum to one.
    ArgumentError
        If shapes do not fit, or an index is outside the K actions.

    Examples
    --------
    >>> chosen_probs(np.array([[0.2, 0.8], [0.5, 0.5]]), np.array([1, 0])).tolist()
    [0.8, 0.5]
    """
    pmf, action = np.asarray(pmf, dtype=float), np.asarray(action)
    if pmf.ndim != 2 or action.shape != pmf.shape[:1] or not np.issubdtype(action.dtype, np.integer):
        raise ArgumentError(
            f"pmf has shape {pmf.shape}, action {action.shape} of {action.dtype}; expected (n, K) and n "
            "integers."
        )
    inside: Bools = np.all((pmf >= 0) & (pmf <= 1), axis=1)
    _refuse_where(~inside, "pmf has entries outside [0, 1]")
    sums = pmf.sum(axis=1)
    wrong = np.abs(sums - 1) > 1e-6
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise SelectionError(
            f"{int(wrong.sum())} rows of pmf do not sum to one; row {first} sums to {sums[first]:.6g}. "
            "Give every action the policy may choose, do_nothing among them."
        )
    if ((action < 0) | (action >= pmf.shape[1])).any():
        raise ArgumentError(f"action has indices outside the {pmf.shape[1]} columns of pmf.")
    probs: Floats = pmf[np.arange(len(pmf)), action]
    return probs


_NO_PROBS = (
    "The log holds no selection probabilities. Another policy can be valued only from decisions whose "
    "probability was logged when they were drawn; models can still be trained on this history."
)

_Estimate = Callable[[Floats, Floats], tuple[float, Floats]]
"""(reward, weight) to the estimate, and what each decision adds to it beyond the mean: (n,), of mean 0."""


def _weighted_mean(reward: Floats, weight: Floats) -> tuple[float, Floats]:
    mean = float((weight * reward).mean())
    return mean, weight * reward - mean


def _ratio(reward: Floats, weight: Floats) -> tuple[float, Floats]:
    mean = float((weight * reward).sum() / weight.sum())
    return mean, weight * (reward - mean) / weight.mean()


def _value(
    logged: Logged,
    method: Literal["IPS", "SNIPS"],
    estimate: _Estimate,
    *,
    clip: float | None,
    level: float,
) -> PolicyValue:
    if clip is not None and not clip > 0:
        raise ArgumentError(f"clip is {clip}; expected a weight above 0, such as 20, or None.")
    if not 0 < level < 1:
        raise ArgumentError(f"level is {level}; expected between 0 and 1, such as 0.95.")
    weight = logged.weight if clip is None else np.minimum(logged.weight, clip)
    mean, parts = estimate(logged.reward, weight)
    own = float(logged.reward.mean())
    found = PolicyValue(
        method=method,
        value=clustered_mean(mean + parts, logged.cluster, level=level),
        better_by=clustered_mean(mean - own + parts - (logged.reward - own), logged.cluster, level=level),
        rows=len(logged),
        ess=_effective(weight),
        rewarded=_effective(weight * (logged.reward != 0)),
        mean_weight=clustered_mean(logged.weight, logged.cluster, level=level),
        largest_weight=float(logged.weight.max()),
        clip=clip,
        clipped=0 if clip is None else int((logged.weight > clip).sum()),
    )
    for warning in _doubts(logged, found):
        warnings.warn(warning, NBAWarning, stacklevel=3)
    return found


def _effective(weight: Floats) -> float:
    """Kish's effective number of rows."""
    largest = float(weight.max())
    if largest == 0:
        return 0.0
    scaled = weight / largest  # squares of weights of tiny probabilities would overflow
    return float(scaled.sum() ** 2 / (scaled**2).sum())


def _doubts(logged: Logged, found: PolicyValue) -> list[str]:
    """What a reader has to know before believing the figure."""
    doubts = []
    if (logged.selection_prob == 1).all():
        doubts.append(
            "Every selection probability is 1: the log never had a choice, so it says nothing of actions it "
            "did not take. Log decisions that explore."
        )
    tiny = int((logged.selection_prob < TINY_PROB).sum())
    if tiny:
        doubts.append(
            f"{tiny} of {len(logged)} selection probabilities are below {TINY_PROB:g}; single decisions "
            f"weigh up to {found.largest_weight:.3g}. Let the logging policy explore more, or state a clip=."
        )
    if found.ess < SMALL_ESS or found.rewarded < FEW_REWARDED:
        doubts.append(
            f"The effective sample is small: {found.ess:.1f} of {len(logged)} decisions, "
            f"{found.rewarded:.1f} of them rewarded (largest weight {found.largest_weight:.3g}). The "
            "interval covers too rarely; log more, or compare with a policy closer to the log's."
        )
    far = clustered_mean(logged.weight, logged.cluster, level=0.999)
    if not far.low <= 1 <= far.high:
        doubts.append(
            f"Weights average {far.mean:.3g} [{far.low:.3g}, {far.high:.3g}], not 1: the target chooses "
            "what the log never could, or logged probabilities are not those of the draw."
        )
    return doubts


def _check_shapes(logged: Logged) -> None:
    shapes = {name: getattr(logged, name).shape for name in ("selection_prob", "target_prob", "cluster")}
    shape = logged.reward.shape
    if len(shape) != 1 or any(other != shape for other in shapes.values()):
        raise ArgumentError(f"reward has shape {shape}, {shapes}; expected one number a decision in each.")
    if not len(logged):
        raise ArgumentError("There are no decisions; expected at least two, of two clusters.")


def _check_values(logged: Logged) -> None:
    probs, target = logged.selection_prob, logged.target_prob
    missing = np.isnan(probs)
    if missing.all():
        raise SelectionError(_NO_PROBS)
    if missing.any():
        raise SelectionError(
            f"{int(missing.sum())} of {len(probs)} decisions have no selection probability (first: row "
            f"{int(np.flatnonzero(missing)[0])}). Leave out what was not drawn from logged probabilities."
        )
    _refuse_where(~((probs > 0) & (probs <= 1)), "selection_prob has values outside (0, 1]")
    _refuse_where(~((target >= 0) & (target <= 1)), "target_prob has values outside [0, 1]")
    unknown = int((~np.isfinite(logged.reward)).sum())
    if unknown:
        raise ArgumentError(
            f"{unknown} of {len(probs)} rewards are not finite; leave out pending and censored decisions."
        )
    if not target.any():
        raise SelectionError(
            f"The target policy would have made none of the {len(probs)} logged decisions: its value is not "
            "identified by this log. Compare with a policy that shares actions with it."
        )
    if len(np.unique(logged.cluster.astype(str))) < 2:
        raise ArgumentError("There is one cluster; an interval needs decisions of at least two HCPs.")


def _refuse_where(wrong: Bools, fault: str) -> None:
    if wrong.any():
        rows = np.flatnonzero(wrong)
        raise SelectionError(
            f"{fault}: {len(rows)} of {len(wrong)} rows, first row {int(rows[0])}. Give probabilities as "
            "they were computed before the draw."
        )
