"""Random logs, and the slow way to read them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from nba.history import Histories, Op

DAY = 86_400


@dataclass(frozen=True)
class RandomLog:
    """A log with ties, late arrivals and HCPs without events, and keys for every event."""

    columns: dict[str, np.ndarray]
    histories: Histories
    keys: np.ndarray
    ends: np.ndarray
    n_keys: int

    def measured(self, op: Op, hcp: str, *, key: int, at: int, span: int) -> float:
        """One number by going through all rows one at a time."""
        rows = [
            (int(ts), int(max(ts, recorded)), int(k), int(e))
            for who, ts, recorded, k, e in zip(
                self.columns["hcp_id"], self.columns["ts"], self.columns["recorded_at"], self.keys, self.ends,
                strict=True,
            )
            if who == hcp
        ]  # fmt: skip
        seen = [(ts, k, e) for ts, known, k, e in rows if ts < at and known < at]
        mine = [ts for ts, k, _ in seen if k == key]
        if op == Op.COUNT:
            return float(sum(ts >= at - span for ts in mine))
        if op == Op.RECENCY:
            return (at - max(mine)) / DAY if mine else math.nan
        if op == Op.DECAYED:
            return math.fsum(2.0 ** (-(at - ts) / span) for ts in mine)
        ended = max((ts for ts, _, e in seen if e == key), default=-math.inf)
        return float(sum(ts > ended for ts in mine))


def random_log(seed: int, *, hcps: int = 6, events: int = 90, n_keys: int = 3, days: int = 40) -> RandomLog:
    """Times on a coarse grid, so that ties are common; one event in three arrives late."""
    rng = np.random.default_rng(seed)
    ts = rng.integers(0, days * 6, events) * (DAY // 6) + 1_700_000_000
    recorded = ts + np.where(rng.random(events) < 0.3, rng.integers(0, 60, events) * (DAY // 6), 0)
    who = rng.choice(np.array([f"h{i}" for i in range(hcps)], dtype=object), events)
    order = np.lexsort((ts, who.astype(str)))
    columns: dict[str, Any] = {"hcp_id": who[order], "ts": ts[order], "recorded_at": recorded[order]}
    keys = rng.integers(-1, n_keys, events).astype(np.int32)
    ends = np.where(rng.random(events) < 0.3, rng.integers(0, n_keys, events), -1).astype(np.int32)
    return RandomLog(columns, Histories.from_columns(columns), keys, ends, n_keys)


@pytest.fixture(name="random_log", scope="session")
def _random_log() -> Any:
    return random_log
