"""A policy of your own, checked before it decides.

python examples/own_policy.py
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nba.contracts import Bools, Floats, Scores
from nba.testing import check_policy


@dataclass(frozen=True)
class BestThree:
    """One of the three best eligible actions, each alike; 5 % goes to all eligible."""

    explore: float = 0.05

    def weights(self, priorities: Floats, scores: Scores, eligible: Bools) -> Floats:
        """(n, K) a third for each of the three best of a row."""
        ranked = np.argsort(np.argsort(-priorities, axis=1, kind="stable"), axis=1)
        among = eligible & (ranked < 3)
        weights: Floats = among / among.sum(axis=1)[:, None]
        return weights

    def describe(self) -> dict[str, object]:
        """Goes into the model's digest; hand the object to nba.load(..., policy=BestThree())."""
        return {"class": "BestThree", "explore": self.explore}


if __name__ == "__main__":
    print(check_policy(BestThree()))
    # model = nba.NextBestAction(policy=BestThree())
