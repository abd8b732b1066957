"""Which HCPs a policy may decide for: a permanent holdout, and champion against challenger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from nba.contracts import DAY, Bools, Floats, Policy, Receipt, Scores
from nba.errors import ArgumentError
from nba.policies.pmf import keyed_uniforms, selection_pmf
from nba.policies.registry import Described, check_is_policy, number_between, reads_spread
from nba.policies.simple import Greedy, Uniform


@dataclass(frozen=True)
class Arm:
    """A part of the HCPs that one way of choosing decides for.

    Attributes
    ----------
    name : what receipts call it
    prob : how likely an HCP is to be in it
    rows : (m,) indices of its HCPs
    """

    name: str
    prob: float
    rows: np.ndarray


@dataclass(frozen=True)
class Holdout(Described):
    """HCPs whom the policy does not decide for, drawn anew each period and the same all through it.

    Who is held depends on ``seed``, HCP and period alone: no policy, model or plan's seed can move it, so
    the difference to the others is the effect of deciding. Guardrails hold for them as well.

    Parameters
    ----------
    share : share of the HCPs, 0 to 1
    give : what the held get: "do_nothing", or "random", any eligible action alike
    days : length of a period; periods are counted from 1970-01-01 UTC
    seed : another seed is another, independent holdout

    Examples
    --------
    >>> held = Holdout(0.1).held([f"h{i}" for i in range(1000)], at=1_790_000_000)
    >>> bool(60 < held.sum() < 140)
    True
    """

    share: float
    give: Literal["do_nothing", "random"] = field(default="do_nothing", kw_only=True)
    days: int = field(default=91, kw_only=True)
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", number_between(self.share, name="share", low=0, high=1))
        number_between(self.days, name="days", low=1)
        if self.give not in ("do_nothing", "random"):
            raise ArgumentError(f"Found give={self.give!r}, expected 'do_nothing' or 'random'. Correct it.")

    def held(self, hcps: Sequence[str], *, at: int) -> Bools:
        """(n,) True for the HCPs that are held in the period of this moment."""
        return _below(hcps, at=at, share=self.share, days=self.days, seed=self.seed, stream="holdout")


@dataclass(frozen=True)
class Split(Described):
    """Champion against challenger: a share of the HCPs is decided by the challenger, for a period each.

    An HCP's arm is drawn from (seed, HCP, period); its action is then drawn from the arm's own
    probabilities, and its receipt has both: ``arm_prob`` and ``selection_prob``. Their product is how
    likely this arm and this action were together. Asked without HCPs, as off-policy evaluation asks, the
    weights are those of both arms together.

    Parameters
    ----------
    champion, challenger : policies
    share : the challenger's share of HCPs, 0 to 1
    days, seed : as in :class:`Holdout`

    Examples
    --------
    >>> from nba.policies import Greedy
    >>> scores = Scores(margin=np.zeros((1, 2)), spread=np.zeros((1, 2)), n=np.zeros(2),
    ...                 prior_only=np.zeros(2, dtype=bool))
    >>> table, eligible = np.array([[0.0, 1.0]]), np.ones((1, 2), dtype=bool)
    >>> Split(Greedy(), Uniform(), share=0.2).weights(table, scores, eligible).tolist()
    [[0.1, 0.9]]
    """

    champion: Policy
    challenger: Policy
    share: float = field(default=0.1, kw_only=True)
    days: int = field(default=91, kw_only=True)
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", number_between(self.share, name="share", low=0, high=1))
        number_between(self.days, name="days", low=1)
        for name in ("champion", "challenger"):
            check_is_policy(getattr(self, name), name=name)

    @property
    def explore(self) -> float:
        """0: each arm spreads its own share."""
        return 0.0

    @property
    def reads_spread(self) -> bool:
        """Where one of the two does."""
        return reads_spread(self.champion) or reads_spread(self.challenger)

    def weights(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        """(n, K) the probabilities of both arms, each times its share."""
        one = selection_pmf(self.champion, priorities=priorities, scores=scores, eligible=eligible)
        two = selection_pmf(self.challenger, priorities=priorities, scores=scores, eligible=eligible)
        mixed: Floats = (1.0 - self.share) * one.probs + self.share * two.probs
        return mixed

    def challenged(self, hcps: Sequence[str], *, at: int) -> Bools:
        """(n,) True for the HCPs that the challenger decides for in the period of this moment."""
        return _below(hcps, at=at, share=self.share, days=self.days, seed=self.seed, stream="challenger")


@dataclass(frozen=True)
class ExploreCap(Described):
    """At most so many exploratory choices of an HCP in the last days; from then on the best, surely.

    An exploratory choice is one that was not of highest priority (a receipt's ``explored``), do_nothing
    included. They are counted from the log, or from earlier receipts. Who has had its share gets the best
    eligible action with probability 1 until the window has moved on, and that is what its receipt says.
    A random holdout goes on, and is not counted. Capacity outranks the cap: what is scarce may still
    have to be drawn for.

    Parameters
    ----------
    picks : exploratory choices from which on there is no further one, 0 or more
    days : length of the window, more than 0

    Examples
    --------
    >>> cap = ExploreCap(1, days=30)
    >>> cap.spent(["a", "b"], {"b": 1}).tolist()
    [False, True]
    """

    picks: int
    days: float = field(default=30.0, kw_only=True)

    def __post_init__(self) -> None:
        number_between(self.picks, name="picks", low=0)
        if self.picks != int(self.picks):
            raise ArgumentError(f"Found picks={self.picks!r}, expected a whole number. Correct it.")
        object.__setattr__(self, "days", number_between(self.days, name="days", low=1 / DAY))

    def since(self, at: int) -> int:
        """The moment after which choices count, int seconds UTC."""
        return at - round(self.days * DAY)

    def spent(self, hcps: Sequence[str], tried: Mapping[str, int]) -> Bools:
        """(n,) True for the HCPs that have had their share, from their counts in the window."""
        spent: Bools = np.array([tried.get(hcp, 0) >= self.picks for hcp in hcps], dtype=np.bool_)
        return spent


def tried_of(receipts: Iterable[Receipt], *, since: int, until: int) -> dict[str, int]:
    """Exploratory choices by HCP among receipts decided after ``since`` and not after ``until``."""
    tried: dict[str, int] = {}
    for receipt in receipts:
        if receipt.explored and since < receipt.decided_at <= until and not is_held(receipt.holdout):
            tried[receipt.hcp_id] = tried.get(receipt.hcp_id, 0) + 1
    return tried


def is_held(arm: str) -> bool:
    """Whether an arm's name is a holdout's."""
    return arm.startswith("holdout")


def without_trying(arms: list[tuple[Arm, Policy]], spent: Bools | None) -> list[tuple[Arm, Policy]]:
    """The arms, those of their HCPs who have had their share of exploring apart; a holdout stays whole."""
    if spent is None or not spent.any():
        return arms
    found: list[tuple[Arm, Policy]] = []
    for arm, kind in arms:
        done = spent[arm.rows] & (not is_held(arm.name))
        found.append((replace(arm, rows=arm.rows[~done]), kind))
        found.append((replace(arm, rows=arm.rows[done]), Greedy()))
    return [(arm, kind) for arm, kind in found if len(arm.rows)]


def arms_of(
    policy: Policy, holdout: Holdout | None, *, hcps: Sequence[str], at: int
) -> list[tuple[Arm, Policy]]:
    """The arms that have HCPs, and what decides in each; the holdout is drawn first.

    The arms' names are "none" (no holdout, no split), "holdout_do_nothing", "holdout_random", "champion" and
    "challenger".
    """
    n = len(hcps)
    held = np.zeros(n, dtype=bool) if holdout is None else holdout.held(hcps, at=at)
    rest = 1.0 if holdout is None else 1.0 - holdout.share
    found: list[tuple[Arm, Policy]] = []
    if holdout is not None:
        kind: Policy = Uniform() if holdout.give == "random" else _DoNothing()
        found.append((Arm(f"holdout_{holdout.give}", holdout.share, np.flatnonzero(held)), kind))
    if isinstance(policy, Split):
        second = policy.challenged(hcps, at=at) & ~held
        found.append(
            (Arm("champion", rest * (1 - policy.share), np.flatnonzero(~held & ~second)), policy.champion)
        )
        found.append((Arm("challenger", rest * policy.share, np.flatnonzero(second)), policy.challenger))
    else:
        found.append((Arm("none", rest, np.flatnonzero(~held)), policy))
    return [(arm, kind) for arm, kind in found if len(arm.rows)]


def scores_of(scores: Scores, rows: np.ndarray) -> Scores:
    """The scores of some rows."""
    slope = None if scores.slope is None else scores.slope[rows]
    return replace(scores, margin=scores.margin[rows], spread=scores.spread[rows], slope=slope)


@dataclass(frozen=True)
class _DoNothing:
    """Leaves the HCP alone."""

    explore: float = 0.0

    def weights(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        weights = np.zeros(priorities.shape)
        weights[:, 0] = 1.0
        return weights


def _below(hcps: Sequence[str], *, at: int, share: float, days: int, seed: int, stream: str) -> Bools:
    period = at // (days * DAY)
    below: Bools = keyed_uniforms(hcps, seed=seed, at=period, stream=stream) < share
    return below
