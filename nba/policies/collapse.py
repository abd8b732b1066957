"""Has choosing collapsed onto a few actions."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nba.contracts import Action, Floats, Ints, Pmf, Policy
from nba.errors import NBAWarning
from nba.policies.arms import Split
from nba.policies.simple import Greedy
from nba.policies.within import Budget, Forgetting, Ramp


@dataclass(frozen=True)
class Concentration:
    """How widely a plan's probability is spread.

    Attributes
    ----------
    entropy : mean over HCPs with a choice of the entropy as a share of the largest possible, 0 to 1;
        1.0 where nobody has a choice
    largest : the 95th percentile over HCPs with a choice of the largest selection probability
    top : the action with most probability, and its share of all that was given to actions
    untouched : content that was eligible somewhere and expects less than one decision
    hcps : how many HCPs have a choice
    """

    entropy: float
    largest: float
    top: tuple[Action, float] | None
    untouched: tuple[str, ...]
    hcps: int = 0

    def warn(
        self,
        *,
        least_entropy: float = 0.02,
        most_share: float = 0.9,
        least_hcps: int = 0,
        stacklevel: int = 2,
    ) -> bool:
        """Warn where the spread is below or one action above the bound; says whether it did.

        Parameters
        ----------
        least_hcps : where fewer HCPs have a choice nothing is said: few may well be alike
        """
        if self.hcps < least_hcps:
            return False
        found = []
        if self.entropy < least_entropy:
            found.append(f"the probabilities' mean entropy is {self.entropy:.3f} of the largest possible")
        if self.top is not None and self.top[1] > most_share:
            found.append(f"{self.top[0]} gets {self.top[1]:.0%} of all that goes to actions")
        if found:
            warnings.warn(
                f"Choosing has collapsed: {' and '.join(found)}. What is not tried is not learned about; "
                "raise explore, or look at what the scores rest on.",
                NBAWarning,
                stacklevel=stacklevel,
            )
        return bool(found)


def concentration(pmf: Pmf, actions: Sequence[Action]) -> Concentration:
    """Say how widely the probabilities are spread over actions and content.

    Parameters
    ----------
    pmf : (n, K)
    actions : the K actions, do_nothing first

    Examples
    --------
    >>> pmf = Pmf(probs=np.array([[0.0, 1.0, 0.0]] * 9), priorities=np.zeros((9, 3)),
    ...           eligible=np.ones((9, 3), dtype=bool), explore=0.0)
    >>> found = concentration(pmf, [Action("do_nothing", ""), Action("email", "A"), Action("email", "B")])
    >>> found.entropy, found.largest, found.untouched
    (0.0, 1.0, ('B',))
    """
    return Spread.of(pmf).concentration(actions)


@dataclass(frozen=True)
class Spread:
    """What a part of a plan adds to its concentration; parts may come in any number.

    Attributes
    ----------
    entropy, largest : (m,) of HCPs with a choice
    given, reachable : (K,) probability that each action got, and HCPs it was eligible for
    """

    entropy: Floats
    largest: Floats
    given: Floats
    reachable: Ints

    @classmethod
    def of(cls, pmf: Pmf) -> Spread:
        """The spread of some rows of probabilities."""
        options = pmf.eligible.sum(axis=1)
        rows = np.flatnonzero(options > 1)
        probs = pmf.probs[rows]
        parts = np.where(probs > 0, probs * np.log(np.where(probs > 0, probs, 1.0)), 0.0)
        return cls(
            entropy=-parts.sum(axis=1) / np.log(options[rows]),
            largest=probs.max(axis=1, initial=0.0),
            given=pmf.probs.sum(axis=0),
            reachable=pmf.eligible.sum(axis=0),
        )

    @classmethod
    def together(cls, parts: Sequence[Spread]) -> Spread:
        """The spread of all parts of a plan, one or more of the same actions."""
        return cls(
            np.concatenate([part.entropy for part in parts]),
            np.concatenate([part.largest for part in parts]),
            np.sum([part.given for part in parts], axis=0),
            np.sum([part.reachable for part in parts], axis=0),
        )

    def concentration(self, actions: Sequence[Action]) -> Concentration:
        """How widely it is, over these K actions."""
        given = self.given[1:]
        total = float(given.sum())
        best = int(np.argmax(given)) if len(given) else 0
        by_content: dict[str, float] = {}
        for k, reachable in enumerate(self.reachable[1:].tolist(), start=1):
            if reachable:
                content = actions[k].content
                by_content[content] = by_content.get(content, 0.0) + float(given[k - 1])
        some = len(self.entropy)
        return Concentration(
            entropy=float(np.mean(self.entropy)) + 0.0 if some else 1.0,
            largest=float(np.quantile(self.largest, 0.95)) if some else 1.0,
            top=(actions[best + 1], float(given[best]) / total) if total > 0 else None,
            untouched=tuple(sorted(name for name, expected in by_content.items() if name and expected < 1.0)),
            hcps=some,
        )


def tries(policy: Policy) -> bool:
    """Whether a policy tries anything but the best; one that does not cannot collapse.

    Examples
    --------
    >>> from nba.policies import Greedy, InverseGap, Ramp
    >>> tries(InverseGap()), tries(Greedy()), tries(Ramp(Greedy())), tries(Greedy(explore=0.1))
    (True, False, False, True)
    """
    if isinstance(policy, Split):
        return tries(policy.champion) or tries(policy.challenger)
    if isinstance(policy, Budget | Forgetting | Ramp):
        return tries(policy.policy)
    return not isinstance(policy, Greedy) or policy.explore > 0
