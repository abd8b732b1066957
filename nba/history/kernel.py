"""The as-of kernel: one sweep over time-ordered events."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from nba.contracts import DAY, Floats, Ints
from nba.errors import ArgumentError
from nba.history.blocks import Measure, Op, Table, lay_out
from nba.history.compiled import sweep_rows
from nba.history.histories import Histories


def sweep(
    histories: Histories,
    measures: Sequence[Measure],
    *,
    hcp: Ints,
    at: Ints,
    request_row: Ints | None = None,
    request_pair: Ints | None = None,
    dtype: str = "float64",
    n_jobs: int = 1,
) -> tuple[Floats, Floats]:
    """Compute every measure for every (HCP, moment) row, strictly as of the moment.

    An event counts when it happened before the moment *and* was known before it. The numbers of one row
    depend on nothing but that HCP's visible events: not on other rows, other HCPs, or threads.

    Parameters
    ----------
    hcp : (n_rows,) index into ``histories.hcps``, -1 for an HCP without events
    at : (n_rows,) int64 seconds
    request_row, request_pair : (n_requests,) rows (never decreasing) and pairs of the own views
    dtype : "float64" or "float32" of the output

    Returns
    -------
    shared : (n_rows, total keys of the measures without ``own``)
    own : (n_requests, number of measures with ``own``)

    Raises
    ------
    ArgumentError
        If an index points outside what it indexes, or requests are not in the order of their rows.

    Examples
    --------
    >>> log = {"hcp_id": np.array(["h1", "h1"], dtype=object), "ts": np.array([0, 86400]),
    ...        "recorded_at": np.array([0, 90000])}
    >>> contacts = Measure(Op.COUNT, np.zeros(2, dtype=np.int32), 30 * 86400, 1)
    >>> who, at = np.array([0, 0]), np.array([90000, 90001])
    >>> sweep(Histories.from_columns(log), [contacts], hcp=who, at=at)[0].ravel()
    array([1., 2.])
    """
    if dtype not in ("float32", "float64"):
        raise ArgumentError(f"dtype is {dtype!r}; expected 'float32' or 'float64'.")
    # Contiguous int64 throughout: any other layout would be compiled anew, inside a request.
    at = np.ascontiguousarray(at, dtype=np.int64)
    hcp = np.ascontiguousarray(hcp, dtype=np.int64)
    row = np.ascontiguousarray([] if request_row is None else request_row, dtype=np.int64)
    pair = np.ascontiguousarray([] if request_pair is None else request_pair, dtype=np.int64)
    table = lay_out(measures, len(histories.ts))
    _check_rows(hcp, at, row, pair, n_hcps=len(histories.hcps), n_pairs=table.n_pairs)
    first_request = _first_requests(row, len(at))
    shared = np.empty((len(at), table.n_shared), dtype=dtype)
    own = np.empty((len(pair), table.n_own), dtype=dtype)
    # Rows are visited HCP by HCP; where they stand in the output is theirs to keep.
    rows = _by_hcp(hcp)
    bounds = _cut(hcp[rows], n_jobs)

    def run(lo: int, hi: int) -> None:
        sweep_rows(
            histories.start, histories.ts, histories.known, rows[lo:hi], hcp, at, first_request, pair,
            table.spec, table.view, table.cells, table.weights, table.views, table.n_values, shared, own,
        )  # fmt: skip

    if len(bounds) == 2:
        run(bounds[0], bounds[1])
    else:
        with ThreadPoolExecutor(n_jobs) as pool:
            list(pool.map(run, bounds[:-1], bounds[1:]))
    return shared, own


def sweep_one(
    table: Table, ts: Ints, known: Ints, kinds: Ints, *, at: int, pair: Ints, dtype: str
) -> tuple[Floats, Floats]:
    """As :func:`sweep`, for one HCP at one moment, whose events are of kinds that were laid out before.

    Parameters
    ----------
    table : measures laid out over kinds, as if each were an event
    ts, known : (n_events,) int64 seconds, in the order of becoming known
    kinds : (n_events,) which column of the table's arrays each event is like
    pair : (n_requests,) the pairs of the own views

    Returns
    -------
    shared : (1, n_shared)
    own : (n_requests, n_own)
    """
    shared, own = np.empty((1, table.n_shared), dtype=dtype), np.empty((len(pair), table.n_own), dtype=dtype)
    sweep_rows(
        np.array([0, len(ts)], dtype=np.int64), ts, known, _FIRST, _FIRST, np.array([at], dtype=np.int64),
        np.array([0, len(pair)], dtype=np.int64), pair, table.spec, table.view,
        table.cells.take(kinds, axis=1, mode="clip"), table.weights.take(kinds, axis=1, mode="clip"),
        table.views, table.n_values, shared, own,
    )  # fmt: skip
    return shared, own


_FIRST = np.zeros(1, dtype=np.int64)


def warm_up() -> None:
    """Compile the kernel for both dtypes, or load it from the cache, before the first request."""
    one = np.zeros(1, dtype=np.int64)
    histories = Histories(np.array(["a"], dtype=object), np.array([0, 1], dtype=np.int64), one, one, one)
    cell = np.zeros(1, dtype=np.int32)
    measures = [Measure(Op.COUNT, cell, DAY, 1), Measure(Op.COUNT, cell, DAY, 1, own=cell)]
    for dtype in ("float32", "float64"):
        sweep(histories, measures, hcp=one, at=one + 1, request_row=one, request_pair=one, dtype=dtype)


def _check_rows(hcp: Ints, at: Ints, row: Ints, pair: Ints, *, n_hcps: int, n_pairs: int) -> None:
    if len(hcp) != len(at) or len(row) != len(pair):
        lengths = f"{len(hcp)} and {len(at)}, {len(row)} and {len(pair)}"
        raise ArgumentError(
            f"hcp and at, request_row and request_pair: {lengths} long. Expected equal pairs."
        )
    _check_inside("hcp", hcp, -1, n_hcps)
    _check_inside("request_row", row, 0, len(at))
    _check_inside("request_pair", pair, 0, n_pairs)
    if (row[1:] < row[:-1]).any():
        raise ArgumentError("request_row goes down. Expected requests in the order of their rows.")


def _check_inside(name: str, index: Ints, low: int, high: int) -> None:
    if len(index) and (index.min() < low or index.max() >= high):
        found = f"{int(index.min())} to {int(index.max())}"
        raise ArgumentError(f"{name} runs from {found}; expected {low} to {high - 1}.")


def _first_requests(row: Ints, n_rows: int) -> Ints:
    """(n_rows + 1,) where the requests of each row begin."""
    if not len(row):
        return np.zeros(n_rows + 1, dtype=np.int64)
    return np.searchsorted(row, np.arange(n_rows + 1)).astype(np.int64)


def _by_hcp(hcp: Ints) -> Ints:
    """Rows in the order of their HCPs."""
    if (hcp[1:] >= hcp[:-1]).all():
        return np.arange(len(hcp), dtype=np.int64)
    return np.argsort(hcp, kind="stable").astype(np.int64)


def _cut(hcp: Ints, n_jobs: int) -> list[int]:
    """Cut sorted rows into a piece a thread, never inside an HCP."""
    if n_jobs <= 1 or len(hcp) < 2_000:
        return [0, len(hcp)]
    inner = [int(np.searchsorted(hcp, hcp[len(hcp) * j // n_jobs])) for j in range(1, n_jobs)]
    return sorted({0, *inner, len(hcp)})
