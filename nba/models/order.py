"""An order of training rows that is their own, not the table's."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nba.contracts import Design, Floats, Ints

_PIECE = 65_536


def request_order(design: Design, y: Floats, at: Ints) -> NDArray[np.int64]:
    """Where each request stands when they are ordered by moment, then by what they hold.

    Within a moment the order is that of a hash of pair, outcome and columns: it depends on nothing else, and
    rows next to each other are no more alike than any. Requests that tie hold the same, so their order
    changes no sum.
    """
    rank = np.argsort(np.argsort(np.array([str(a) for a in design.actions], dtype=object), kind="stable"))
    start = row_hashes(design.shared)[design.row]
    start = _mixed(start, rank[design.pair].astype(np.uint64))
    start = _mixed(start, np.asarray(y, dtype=np.float64).view(np.uint64))
    order: NDArray[np.int64] = np.lexsort((row_hashes(design.own, start), at))
    return order


def row_hashes(x: Floats, start: NDArray[np.uint64] | None = None) -> NDArray[np.uint64]:
    """(n,) one hash a row; equal numbers have equal hashes, whatever their dtype and the sign of zeros."""
    out = np.zeros(len(x), dtype=np.uint64) if start is None else start.copy()
    for lo in range(0, len(x), _PIECE):
        piece = x[lo : lo + _PIECE].astype(np.float64, order="C") + 0.0  # no minus zero
        piece[np.isnan(piece)] = np.nan
        _add_rows(piece.view(np.uint64), out[lo : lo + _PIECE])
    return out


def _mixed(state: NDArray[np.uint64], value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    out = state.copy()
    _add_rows(np.ascontiguousarray(value[:, None]), out)
    return out


@njit(cache=True, nogil=True)
def _add_rows(bits, state):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Steele, Lea and Flood (2014), SplitMix, over the columns of each row."""
    for r in range(bits.shape[0]):
        h = state[r]
        for c in range(bits.shape[1]):
            h = (h ^ bits[r, c]) + np.uint64(0x9E3779B97F4A7C15)
            h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            h = h ^ (h >> np.uint64(31))
        state[r] = h
