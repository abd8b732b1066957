"""Events of many HCPs, in the order in which they became known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nba.contracts import Columns, Strings

_FEW = 16  # ids that are sought one by one sooner than by a dict


@dataclass(frozen=True)
class Histories:
    """Events of many HCPs, each HCP's in the order in which they became known.

    Attributes
    ----------
    hcps : (n_hcps,) str, sorted, unique
    start : (n_hcps + 1,) where each HCP's events begin
    ts, known : (n_events,) int64 seconds: when it happened, and when we could first have known
    order : (n_events,) the position of each event in the columns it was made from
    """

    hcps: Strings
    start: NDArray[np.int64]
    ts: NDArray[np.int64]
    known: NDArray[np.int64]
    order: NDArray[np.int64]

    @classmethod
    def from_columns(cls, interactions: Columns) -> Histories:
        """Arrange interactions (canonical columns, sorted by HCP) in order of becoming known."""
        hcp = interactions["hcp_id"]
        ts = interactions["ts"]
        known = np.maximum(ts, interactions["recorded_at"])
        first = np.ones(len(hcp), dtype=bool)
        first[1:] = hcp[1:] != hcp[:-1]
        code = np.cumsum(first) - 1
        # Ties in both times keep the canonical order (by interaction id), so row order never matters.
        order = _by_known(code, known, ts)
        start = np.append(np.flatnonzero(first), len(hcp)).astype(np.int64)
        return cls(hcps=hcp[first], start=start, ts=ts[order], known=known[order], order=order)

    def find(self, hcps: Sequence[str] | Strings) -> NDArray[np.int64]:
        """Where each HCP's history is; -1 for one without any event."""
        return places(self.hcps, hcps)

    def between(self, lo: int, hi: int) -> Histories:
        """The histories of ``hcps[lo:hi]`` alone; ``order`` still points into all columns."""
        first, last = int(self.start[lo]), int(self.start[hi])
        part = slice(first, last)
        return Histories(
            self.hcps[lo:hi],
            self.start[lo : hi + 1] - first,
            self.ts[part],
            self.known[part],
            self.order[part],
        )


def _by_known(code: NDArray[np.int64], known: NDArray[np.int64], ts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The order by HCP, then by when it was known, then by when it happened.

    Rows that stand by HCP and time already are put in order by one number each: what was recorded late has
    only a few places to move, and a sort that looks for runs has little to do.
    """
    if not len(code):
        return np.zeros(0, dtype=np.int64)
    span = int(known.max()) - int(known.min()) + 1
    by_time = bool(((ts[1:] >= ts[:-1]) | (code[1:] > code[:-1])).all())
    if not by_time or (int(code[-1]) + 1) * span > np.iinfo(np.int64).max:
        return np.lexsort((ts, known, code))
    return np.argsort(code * span + (known - known.min()), kind="stable")


def places(ids: Strings, wanted: Sequence[str] | Strings) -> NDArray[np.int64]:
    """Where each wanted id stands among sorted, unique ids; -1 where it does not.

    Examples
    --------
    >>> places(np.array(["h1", "h2"], dtype=object), ["h2", "h9"])
    array([ 1, -1])
    """
    if not len(ids):
        return np.full(len(wanted), -1, dtype=np.int64)
    if len(wanted) > max(_FEW, len(ids) // 64):
        sought = pd.Index(np.asarray(wanted, dtype=object), dtype=object)
        return np.asarray(pd.Index(ids, dtype=object).get_indexer(sought), dtype=np.int64)
    # A service asks for one HCP of a large table: no dict of all of them for that.
    sought = np.asarray(wanted, dtype=object)
    near = np.minimum(np.searchsorted(ids, sought), len(ids) - 1)
    return np.where(ids[near] == sought, near, -1).astype(np.int64)
