"""Scores that say nothing, for policies that need them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nba.contracts import Scores


@pytest.fixture(scope="session")
def scores_of() -> Callable[..., Scores]:
    def make(shape: tuple[int, int], *, n: float = 0.0, seed: int | None = None) -> Scores:
        rng = np.random.default_rng(seed)
        blank = np.zeros(shape)
        margin = blank if seed is None else rng.normal(-3, 1, size=shape)
        spread = blank if seed is None else rng.random(shape)
        rows = np.full(shape[1], n)
        rows[0] = 0.0
        responses = None if seed is None else rng.integers(0, rows + 1).astype(float)
        return Scores(margin=margin, spread=spread, n=rows, prior_only=rows == 0, responses=responses)

    return make
