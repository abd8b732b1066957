"""Policies around a policy: ramps, budgets and forgetting."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from nba.contracts import Bools, Floats, Policy, Scores
from nba.policies.pmf import selection_pmf
from nba.policies.registry import Described, check_is_policy, number_between, reads_spread


@dataclass(frozen=True)
class _Around(Described):
    """Another policy with its explore share already in its weights; nothing is spread on top."""

    policy: Policy

    def __post_init__(self) -> None:
        check_is_policy(self.policy, name=f"policy inside {type(self).__name__}")

    @property
    def explore(self) -> float:
        """0: the inner policy's share is within the weights."""
        return 0.0

    @property
    def reads_spread(self) -> bool:
        """What the policy inside says."""
        return reads_spread(self.policy)

    def _inner(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        pmf = selection_pmf(self.policy, priorities=priorities, scores=scores, eligible=eligible)
        return pmf.probs


@dataclass(frozen=True)
class Ramp(_Around):
    """Lets new content grow into its share: an action with few rows is chosen for few.

    An action with n training rows gets at most ``first + (1 - first) * n / full_rows`` of an HCP's
    probability; what it has to give up goes to the row's other actions in proportion. do_nothing has no
    limit, so there is always room.

    Parameters
    ----------
    policy : the policy inside
    first : the most that content without any row may get, above 0 and up to 1
    full_rows : training rows from which there is no limit

    Examples
    --------
    >>> from nba.policies import Greedy
    >>> scores = Scores(margin=np.zeros((1, 3)), spread=np.zeros((1, 3)), n=np.array([0.0, 0.0, 900.0]),
    ...                 prior_only=np.zeros(3, dtype=bool))
    >>> table, eligible = np.array([[0.0, 2.0, 1.0]]), np.ones((1, 3), dtype=bool)
    >>> Ramp(Greedy(explore=0.3)).weights(table, scores, eligible).round(3).tolist()
    [[0.49, 0.02, 0.49]]
    """

    first: float = field(default=0.02, kw_only=True)
    full_rows: float = field(default=200.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "first", number_between(self.first, name="first", low=1e-6, high=1))
        object.__setattr__(self, "full_rows", number_between(self.full_rows, name="full_rows", low=1))

    def weights(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        """(n, K) the inner policy's probabilities, none above its action's limit."""
        limit = np.minimum(1.0, self.first + (1.0 - self.first) * np.asarray(scores.n) / self.full_rows)
        limit[0] = 1.0
        weights = self._inner(priorities, scores, eligible)
        held = np.zeros(weights.shape, dtype=bool)
        for _ in range(weights.shape[1]):
            over = weights > limit
            if not over.any():
                break
            held |= over
            weights = np.where(held & eligible, np.minimum(weights, limit), weights)
            missing = 1.0 - np.cumsum(weights, axis=1)[:, -1:]
            free = np.where(held, 0.0, weights)
            room = np.cumsum(free, axis=1)[:, -1:]
            share = free / np.where(room > 0, room, 1.0)
            share[:, 0] = np.where(room[:, 0] > 0, share[:, 0], 1.0)  # nobody else is left to take it
            # only where something was over: a row's bits are its own
            weights = np.where(over.any(axis=1)[:, None], weights + missing * share, weights)
        return weights


@dataclass(frozen=True)
class Budget(_Around):
    """Limits what exploring may cost an HCP's decision, in the unit of the priorities.

    The expected priority given up against the best action, ``sum of p * (best - priority)``, is at most
    ``give_up``: where the inner policy would give up more, it is mixed with the best action until it does
    not. The probabilities stay known; support shrinks where exploring is dear, and the receipts say so.

    Parameters
    ----------
    policy : the policy inside
    give_up : the most a decision may give up in expectation, 0 or more

    Examples
    --------
    >>> from nba.policies import Uniform
    >>> scores = Scores(margin=np.zeros((1, 2)), spread=np.zeros((1, 2)), n=np.zeros(2),
    ...                 prior_only=np.zeros(2, dtype=bool))
    >>> table, eligible = np.array([[0.0, 10.0]]), np.ones((1, 2), dtype=bool)
    >>> Budget(Uniform(), give_up=1.0).weights(table, scores, eligible).tolist()
    [[0.1, 0.9]]
    """

    give_up: float = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "give_up", number_between(self.give_up, name="give_up", low=0))

    def weights(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        """(n, K) the inner policy's probabilities, moved to the best where they cost too much."""
        weights = self._inner(priorities, scores, eligible)
        best = np.argmax(np.where(eligible, priorities, -np.inf), axis=1)
        rows = np.arange(len(weights))
        behind = np.where(eligible, priorities[rows, best][:, None] - priorities, 0.0)
        cost = np.cumsum(weights * behind, axis=1)[:, -1]
        keep = np.where(cost > self.give_up, self.give_up / np.where(cost > 0, cost, 1.0), 1.0)
        mixed: Floats = weights * keep[:, None]
        mixed[rows, best] += 1.0 - keep
        return mixed


@dataclass(frozen=True)
class Forgetting(_Around):
    """Never believes that it knows more than its last so many rows could teach.

    What was learned long ago counts less: n rows count as ``memory_rows * (1 - exp(-n / memory_rows))``,
    what n rows weigh when each new one fades the others by that rate, and spreads widen by the square root
    of the ratio. So exploring never dies out where the world may change.

    Parameters
    ----------
    policy : the policy inside
    memory_rows : rows of a pair that are remembered, 1 or more

    Examples
    --------
    >>> from nba.policies import InverseGap
    >>> Forgetting(InverseGap(), memory_rows=1000).describe()["memory_rows"]
    1000.0
    """

    memory_rows: float = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "memory_rows", number_between(self.memory_rows, name="memory_rows", low=1))

    def weights(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        """(n, K) the inner policy's probabilities for what is remembered."""
        rows = np.asarray(scores.n, dtype=np.float64)
        kept = self.memory_rows * -np.expm1(-rows / self.memory_rows)
        wider = np.sqrt(np.where(kept > 0, rows / np.where(kept > 0, kept, 1.0), 1.0))
        faded = replace(scores, n=kept, spread=scores.spread * wider)
        if scores.responses is not None:  # of what is remembered the same share responded
            share = np.divide(scores.responses, rows, out=np.zeros(len(rows)), where=rows > 0)
            faded = replace(faded, responses=kept * share)
        return self._inner(priorities, faded, eligible)
