"""The interactions in their one order, with what follows from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nba.contracts import Bools, Ints
from nba.tables.columns import ENGAGED_OUTCOMES, TOUCH_OUTCOMES
from nba.tables.findings import Findings
from nba.tables.machine import QUICK_OUTCOMES, machine_rows
from nba.tables.moments import arrow_of, as_datetimes, seconds
from nba.tables.times import PLAUSIBLE


def known_log(log: pd.DataFrame, *, until: int | None, findings: Findings) -> tuple[pd.DataFrame, int]:
    """The log as it was known at ``until``, with an arrival time in every row."""
    ts = seconds(log["ts"])
    recorded = seconds(log["recorded_at"]) if "recorded_at" in log else ts
    early = log["recorded_at"].notna().to_numpy() & (recorded < ts) if "recorded_at" in log else recorded < ts
    if early.any():
        done = "They count as recorded when they happened."
        findings.warn("recorded_at", f"{int(early.sum())} cells before the event itself", done, bad=early)
    known = np.maximum(ts, recorded)
    log = log.assign(recorded_at=as_datetimes(known))
    if until is None:
        plausible = known[known < PLAUSIBLE[1]]
        until = int(plausible.max() if len(plausible) else known.max()) + 1
        findings.notes.append(f"interactions: observed until {iso(until)}, one second after the last event.")
    later = known >= until
    if later.any():
        findings.notes.append(
            f"interactions: {int(later.sum())} rows that happened or arrived at or after {iso(until)} "
            "were set aside."
        )
        log = log[~later].reset_index(drop=True)
    return log, until


def canonical_log(log: pd.DataFrame, *, findings: Findings) -> pd.DataFrame:
    """Sort the log and say of every row whether it is a machine's, a touch, an engagement."""
    ts = seconds(log["ts"])
    order = _canonical_order(log, ts=ts)
    if (np.diff(order) != 1).any():
        log = log.take(order).reset_index(drop=True)
        ts = ts[order]
    parent = _parent_rows(log)
    _check_parents(ts, parent=parent, findings=findings)
    outcome = log["outcome"]
    flagged = log["is_machine"].to_numpy() if "is_machine" in log else np.zeros(len(log), dtype=np.bool_)
    machine = machine_rows(
        flagged=flagged,
        quick=outcome.isin(QUICK_OUTCOMES).to_numpy(),
        clicked=(outcome == "clicked").to_numpy(),
        sent=(outcome == "sent").to_numpy(),
        ts=ts,
        known=seconds(log["recorded_at"]),
        parent=parent,
    )
    if machine.any():
        findings.notes.append(
            f"interactions: {int(machine.sum())} opens and clicks by machines do not count as engagement "
            f"({int((machine & ~flagged).sum())} recognised, {int((machine & flagged).sum())} flagged)."
        )
    is_first = log["parent_id"].isna().to_numpy() if "parent_id" in log else np.ones(len(log), dtype=np.bool_)
    outbound = (log["direction"] == "outbound").to_numpy()
    return log.assign(
        machine=machine,
        touch=outbound & is_first & outcome.isin(TOUCH_OUTCOMES).to_numpy(),
        engaged=outcome.isin(ENGAGED_OUTCOMES).to_numpy() & ~machine,
    )


def _canonical_order(log: pd.DataFrame, *, ts: Ints) -> Ints:
    """Rows by HCP, moment and id. Ids are compared only where the moment is the same."""
    hcp = _ranks(log["hcp_id"])
    order = _order_by_two(hcp, ts)
    same = (hcp[order][1:] == hcp[order][:-1]) & (ts[order][1:] == ts[order][:-1])
    tied = np.unique(order[np.flatnonzero(np.r_[same, False] | np.r_[False, same])])
    if not len(tied):
        return order
    rank = np.zeros(len(log), dtype=np.int64)
    rank[tied] = _ranks(log["interaction_id"].iloc[tied])
    return np.lexsort((rank, ts, hcp))


def _order_by_two(first: Ints, second: Ints) -> Ints:
    """Rows by two keys; packed into one where they fit, which sorts several times faster."""
    if not len(first):
        return np.empty(0, dtype=np.int64)
    low, span = int(second.min()), int(np.ptp(second)) + 1
    if (int(first.max()) + 1) * span >= 2**62:
        return np.lexsort((second, first))
    return np.argsort(first * span + (second - low))


def _ranks(texts: pd.Series) -> Ints:
    """The place of each text in code-point order, whatever the locale."""
    encoded = arrow_of(texts).cast(pa.large_string()).dictionary_encode()
    rank = np.empty(len(encoded.dictionary), dtype=np.int64)
    rank[pc.sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(rank))
    ranks: Ints = rank[encoded.indices.to_numpy(zero_copy_only=False)]
    return ranks


def _parent_rows(log: pd.DataFrame) -> Ints:
    """The row each row answers; -1 where it answers none that the same HCP has."""
    if "parent_id" not in log or not log["parent_id"].notna().any():
        return np.full(len(log), -1, dtype=np.int64)
    ids = arrow_of(log["interaction_id"]).cast(pa.large_string())
    found = pc.index_in(arrow_of(log["parent_id"]).cast(pa.large_string()), value_set=ids, skip_nulls=True)
    parent = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    hcp = _ranks(log["hcp_id"])
    return np.where(hcp[parent] == hcp, parent, -1)


def _check_parents(ts: Ints, *, parent: Ints, findings: Findings) -> None:
    before: Bools = (parent >= 0) & (ts < ts[parent])
    if before.any():
        todo = "Correct the moments or the parent_id (rows count in the sorted log)."
        findings.refuse("ts", f"{int(before.sum())} responses before the touch they answer", todo, bad=before)


def iso(moment: int) -> str:
    """A moment as people read it."""
    return str(np.datetime64(moment, "s")) + "Z"


def by_key(frame: pd.DataFrame, key: str) -> pd.DataFrame:
    """A table in the order of its key."""
    return frame.take(np.argsort(_ranks(frame[key]))).reset_index(drop=True) if key in frame else frame
