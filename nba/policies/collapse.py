"""Has choosing collapsed onto a few actions."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nba.contracts import Action, Pmf
from nba.errors import NBAWarning


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
    """

    entropy: float
    largest: float
    top: tuple[Action, float] | None
    untouched: tuple[str, ...]

    def warn(self, *, least_entropy: float = 0.02, most_share: float = 0.9) -> bool:
        """Warn where the spread is below or one action above the bound; says whether it did."""
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
                stacklevel=2,
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
    options = pmf.eligible.sum(axis=1)
    open_rows = np.flatnonzero(options > 1)
    given = pmf.probs.sum(axis=0)[1:]
    total = float(given.sum())
    best = int(np.argmax(given)) if len(given) else 0
    by_content: dict[str, float] = {}
    for k, reachable in enumerate(pmf.eligible[:, 1:].sum(axis=0).tolist(), start=1):
        if reachable:
            content = actions[k].content
            by_content[content] = by_content.get(content, 0.0) + float(given[k - 1])
    entropy, largest = 1.0, 1.0
    if len(open_rows):
        probs = pmf.probs[open_rows]
        parts = np.where(probs > 0, probs * np.log(np.where(probs > 0, probs, 1.0)), 0.0)
        entropy = float(np.mean(-parts.sum(axis=1) / np.log(options[open_rows])))
        largest = float(np.quantile(probs.max(axis=1), 0.95))
    return Concentration(
        entropy=entropy + 0.0,
        largest=largest,
        top=(actions[best + 1], float(given[best]) / total) if total > 0 else None,
        untouched=tuple(sorted(name for name, expected in by_content.items() if name and expected < 1.0)),
    )
