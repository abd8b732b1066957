"""What every policy has to hold, on random tables."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nba.contracts import Bools, Floats, Policy, Scores
from nba.errors import CheckError, NBAError
from nba.policies import draw, selection_pmf

_AT = 1_790_000_000


@dataclass(frozen=True)
class CheckedPolicy:
    """What a policy did on the tables it was checked on.

    Attributes
    ----------
    policy : its class
    decisions : how many were drawn
    least : the smallest selection probability it gave an eligible action
    z : how far draws lie from their probabilities: standard normal where they agree
    inverse_z : the same for the mean of 1 / selection probability, whose expectation is the eligible count
    """

    policy: str
    decisions: int
    least: float
    z: float
    inverse_z: float

    def __str__(self) -> str:
        return (
            f"{self.policy}: {self.decisions:,} decisions, smallest probability {self.least:.2g}; draws "
            f"agree with their probabilities (z {self.z:+.1f})"
        )


def check_policy(
    policy: Policy, *, tables: int = 20, draws: int = 20_000, seed: int = 0, responds: bool = True
) -> CheckedPolicy:
    """Check a policy of your own before you let it decide.

    On every random table its weights have to be a distribution over the eligible actions alone; be the
    same when asked again; leave what it is given untouched; be the same, to the bit, for an HCP alone as in
    the batch; follow the actions when they are renumbered, do_nothing staying first. Draws have to occur as
    often as their probabilities say, no draw may serve two HCPs, and over all tables the probabilities have
    to change with the priorities.

    Parameters
    ----------
    policy : anything with ``explore`` and ``weights(priorities, scores, eligible)``
    tables : random tables
    draws : HCPs that are drawn for
    seed : of the tables
    responds : False for a policy that rightly does not look at priorities, as an experiment

    Raises
    ------
    CheckError
        At the first thing that does not hold.

    Examples
    --------
    >>> from nba.policies import InverseGap
    >>> check_policy(InverseGap(), tables=3, draws=2_000).policy
    'InverseGap'
    """
    if not isinstance(policy, Policy):
        raise CheckError(f"{type(policy).__name__} is no policy: it needs `explore` and weights(...).")
    rng = np.random.default_rng(seed)
    moved = False
    for _ in range(tables):
        priorities, scores, eligible = _table(rng, 12, int(rng.integers(2, 9)))
        probs = _probs(policy, priorities, scores, eligible)
        _check_alone(policy, priorities, scores, eligible, probs)
        _check_order(policy, priorities, scores, eligible, probs, rng)
        moved |= bool((_probs(policy, -priorities, scores, eligible) != probs).any())
    if responds and not moved:
        raise _fault(
            policy, "its probabilities never change with the priorities", "use them, or responds=False"
        )
    return _check_draws(policy, draws, rng)


def _table(rng: np.random.Generator, n: int, k: int) -> tuple[Floats, Scores, Bools]:
    margin, spread = rng.normal(-2, 1, (n, k)), rng.uniform(0.05, 1, (n, k))
    margin[:, 0], spread[:, 0] = -np.inf, 0.0
    rows = rng.integers(0, 400, k).astype(np.float64)
    rows[0] = 0.0
    responses = np.floor(rows * rng.uniform(0, 0.3, k))
    scores = Scores(margin, spread, rows, rows == 0, responses=responses)
    eligible = rng.random((n, k)) < 0.6
    eligible[:, 0] = True
    priorities = scores.propensity * rng.uniform(0.5, 2, k) - rng.uniform(0, 0.1)
    priorities[:, 0] = 0.0
    return priorities, scores, eligible


def _probs(policy: Policy, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
    asked = priorities.copy(), eligible.copy(), scores.margin.copy(), scores.spread.copy(), scores.n.copy()
    given = asked[0].copy(), asked[1].copy()
    known = replace(scores, margin=asked[2].copy(), spread=asked[3].copy(), n=asked[4].copy())
    masked = np.where(given[1], given[0], -np.inf)
    before = masked.copy()
    try:
        policy.weights(masked, known, given[1])
        one = selection_pmf(policy, priorities=priorities, scores=scores, eligible=eligible).probs
        two = selection_pmf(policy, priorities=priorities, scores=scores, eligible=eligible).probs
    except NBAError as error:
        raise _fault(policy, f"its weights are refused ({error})", "mend weights()") from error
    same = (masked == before).all() and (given[1] == asked[1]).all() and (known.margin == asked[2]).all()
    if not (same and (known.spread == asked[3]).all() and (known.n == asked[4]).all()):
        raise _fault(policy, "weights() changed what it was given", "copy before you write into an array")
    if one.tobytes() != two.tobytes():
        raise _fault(policy, "asked twice, it says two things", "keep no state, draw nothing, read no clock")
    return one


def _check_alone(policy: Policy, priorities: Floats, scores: Scores, eligible: Bools, probs: Floats) -> None:
    for i in range(len(probs)):
        row = slice(i, i + 1)
        one = replace(scores, margin=scores.margin[row], spread=scores.spread[row])
        if _probs(policy, priorities[row], one, eligible[row]).tobytes() != probs[row].tobytes():
            raise _fault(
                policy, "an HCP alone has other probabilities than in the batch",
                "use nothing of other rows; add up with np.cumsum, which has one order",
            )  # fmt: skip


def _check_order(
    policy: Policy,
    priorities: Floats,
    scores: Scores,
    eligible: Bools,
    probs: Floats,
    rng: np.random.Generator,
) -> None:
    k = priorities.shape[1]
    order = np.concatenate([[0], 1 + rng.permutation(k - 1)])
    assert scores.responses is not None
    moved = Scores(
        scores.margin[:, order], scores.spread[:, order], scores.n[order], scores.prior_only[order],
        responses=scores.responses[order],
    )  # fmt: skip
    found = _probs(policy, priorities[:, order], moved, eligible[:, order])
    if np.abs(found - probs[:, order]).max() > 1e-9:
        raise _fault(policy, "renumbered actions get other probabilities", "use no action's position")


def _check_draws(policy: Policy, draws: int, rng: np.random.Generator) -> CheckedPolicy:
    priorities, scores, eligible = _table(rng, draws, 6)
    pmf = selection_pmf(policy, priorities=priorities, scores=scores, eligible=eligible)
    hcps = [f"h{i}" for i in range(draws)]
    choice = draw(pmf, hcps=hcps, seed=1, at=_AT)
    again = draw(pmf, hcps=hcps, seed=1, at=_AT)
    if (again.action != choice.action).any():
        raise _fault(policy, "a draw cannot be replayed", "give the same probabilities for the same table")
    if len(np.unique(choice.draw)) < draws:
        raise _fault(policy, "HCPs share a draw", "key draws by HCP")
    probs = pmf.probs
    hit = np.zeros(probs.shape)
    hit[np.arange(draws), choice.action] = 1.0
    variance = (probs * (1 - probs)).sum(axis=0)
    sums = (hit - probs).sum(axis=0)
    z = float(np.max(np.abs(sums) / np.sqrt(np.maximum(variance, 1e-9)) * (variance > 1e-6)))
    reached = np.where(probs > 0, 1.0, 0.0).sum(axis=1)
    inverse = 1.0 / choice.selection_prob
    noise = np.where(probs > 0, 1.0 / np.where(probs > 0, probs, 1.0), 0.0).sum(axis=1) - reached**2
    inverse_z = float((inverse - reached).sum() / np.sqrt(max(float(noise.sum()), 1e-9)))
    if z > 6 or abs(inverse_z) > 6:
        raise _fault(policy, "draws do not occur as often as their probabilities say", "mend weights()")
    return CheckedPolicy(type(policy).__name__, draws, float(probs[eligible].min()), z, inverse_z)


def _fault(policy: Policy, found: str, todo: str) -> CheckError:
    return CheckError(f"{type(policy).__name__}: {found}. To mend it: {todo}.")
