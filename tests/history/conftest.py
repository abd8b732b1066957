"""Random logs, and the slow way to read them."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
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
    kinds: np.ndarray
    weights: np.ndarray

    def values(self) -> np.ndarray:
        """Each event's kind, numbered within its key; -1 where it has none."""
        numbered = np.where(self.keys >= 0, self.keys, 0) * 4 + self.kinds
        return np.where(self.kinds >= 0, numbered, -1).astype(np.int32)

    def measured(self, op: Op, hcp: str, *, key: int, at: int, span: int, skip: int = 0) -> float:
        """One number by going through all rows one at a time."""
        if op in (Op.COUNT, Op.RECENCY, Op.DECAYED, Op.STREAK):
            return self.on_the_way(op, hcp, key=key, at=at, span=span)
        order = self.histories.order
        rows = [
            (int(ts), int(kind), float(weight))
            for who, ts, recorded, k, kind, weight in zip(
                self.columns["hcp_id"][order], self.columns["ts"][order], self.columns["recorded_at"][order],
                self.keys[order], self.kinds[order], self.weights[order], strict=True,
            )
            if who == hcp and k == key and at - span <= ts < at - skip and max(ts, recorded) < at
        ]  # fmt: skip
        rows.sort(key=lambda row: row[0])
        times, kinds = [ts for ts, _, _ in rows], [kind for _, kind, _ in rows if kind >= 0]
        if op == Op.SUM:
            return math.fsum(weight for _, _, weight in rows if not math.isnan(weight))
        if op == Op.FIRST:
            return (at - skip - times[0]) / DAY if times else math.nan
        if op == Op.SPREAD:
            gaps = [(b - a) / DAY for a, b in itertools.pairwise(times)]
            return statistics.stdev(gaps) if len(gaps) > 1 else math.nan
        if op == Op.DISTINCT:
            return float(len(set(kinds)))
        if op == Op.LOGS:
            return math.fsum(n * math.log(n) for n in Counter(kinds).values())
        if op == Op.SWITCHES:
            return float(sum(a != b for a, b in itertools.pairwise(kinds)))
        points = [(ts, weight) for ts, _, weight in rows if not math.isnan(weight)]
        pairs = itertools.combinations(points[-100:], 2)
        slopes = [(w - v) / ((t - s) / DAY) for (s, v), (t, w) in pairs if s != t]
        return statistics.median(slopes) if slopes else math.nan

    def on_the_way(self, op: Op, hcp: str, *, key: int, at: int, span: int) -> float:
        """As :meth:`measured`, for the ops without a window of their own."""
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
    kinds = rng.integers(-1, 4, events).astype(np.int32)
    weights = np.where(rng.random(events) < 0.8, rng.normal(size=events), np.nan)
    return RandomLog(columns, Histories.from_columns(columns), keys, ends, n_keys, kinds, weights)


@pytest.fixture(name="random_log", scope="session")
def _random_log() -> Any:
    return random_log
