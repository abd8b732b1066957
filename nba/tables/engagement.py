"""All engagement tables of a territory, checked."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nba.contracts import Bools, Columns, Ints
from nba.errors import ArgumentError, NBAWarning
from nba.tables.arrays import columns_of
from nba.tables.checks import PLAUSIBLE, Findings, as_pandas, checked, raise_faults
from nba.tables.columns import ENGAGED_OUTCOMES, NEEDED, TABLES, TOUCH_OUTCOMES
from nba.tables.defaults import default_channels, filled_channels
from nba.tables.folders import read_folder, read_observed_until, write_folder
from nba.tables.machine import QUICK_OUTCOMES, machine_rows
from nba.tables.moments import arrow_of, as_datetimes, as_moment, seconds


class Engagement:
    """All tables about HCPs, what was sent to them and what they did, checked at the border.

    Only interactions, content and hcps are needed; what is missing switches off what needs it, and
    ``notes`` says so. Tables may be pandas, polars or pyarrow; they are never changed in place.

    Parameters
    ----------
    interactions : one row a touch or a response
    content : one row a version of a document
    hcps : one row an HCP
    consent, channels, labels, reps, states, values, capacity, prescriptions, signals, network, plan
        further tables; their columns stand in ``nba.tables.TABLES``
    observed_until : until when the log is complete (anything ``as_moment`` reads); what happened or
        arrived later is set aside. By default one second after the latest event or arrival.

    Attributes
    ----------
    interactions : sorted by hcp_id, ts, interaction_id, with three bool columns more:
        ``machine`` (no human did it), ``touch`` (an outbound contact attempt), ``engaged``
    observed_until : int seconds UTC
    notes : what was set aside, and what the missing tables switch off

    Raises
    ------
    TableError
        With every fault of every table.
    TableTypeError
        If something is no table.

    Examples
    --------
    >>> log = pd.DataFrame({
    ...     "interaction_id": ["i1"], "hcp_id": ["h1"], "ts": pd.to_datetime(["2026-01-05T09:00Z"]),
    ...     "channel": ["rep_visit"], "direction": ["outbound"], "outcome": ["held"]})
    >>> content = pd.DataFrame({
    ...     "content_id": ["c1"], "document_number": ["PM-1"], "version": ["1"], "title": ["Overview"],
    ...     "channels": [["rep_visit"]], "content_type": ["summary"], "format": ["pdf"],
    ...     "topic": ["mechanism"], "purpose": ["educational"], "language": ["en"], "country": [["US"]],
    ...     "approval_status": ["approved"], "approved_from": pd.to_datetime(["2026-01-01T00Z"]),
    ...     "expiry": pd.to_datetime(["2027-01-01T00Z"])})
    >>> hcps = pd.DataFrame({"hcp_id": ["h1"], "country": ["US"]})
    >>> data = Engagement(log, content, hcps=hcps)
    >>> data.columns("interactions")["touch"].tolist()
    [True]
    """

    interactions: pd.DataFrame
    content: pd.DataFrame
    hcps: pd.DataFrame
    consent: pd.DataFrame | None
    channels: pd.DataFrame
    labels: pd.DataFrame | None
    reps: pd.DataFrame | None
    states: pd.DataFrame | None
    values: pd.DataFrame | None
    capacity: pd.DataFrame | None
    prescriptions: pd.DataFrame | None
    signals: pd.DataFrame | None
    network: pd.DataFrame | None
    plan: pd.DataFrame | None

    def __init__(
        self,
        interactions: object,
        content: object,
        hcps: object,
        *,
        consent: object = None,
        channels: object = None,
        labels: object = None,
        reps: object = None,
        states: object = None,
        values: object = None,
        capacity: object = None,
        prescriptions: object = None,
        signals: object = None,
        network: object = None,
        plan: object = None,
        observed_until: object = None,
    ) -> None:
        given = {
            "interactions": interactions,
            "content": content,
            "hcps": hcps,
            "consent": consent,
            "channels": channels,
            "labels": labels,
            "reps": reps,
            "states": states,
            "values": values,
            "capacity": capacity,
            "prescriptions": prescriptions,
            "signals": signals,
            "network": network,
            "plan": plan,
        }
        until = None if observed_until is None else as_moment(observed_until, name="observed_until")
        self._fill(given, until=until, text=False, stacklevel=3)

    @classmethod
    def from_parquet(cls, folder: str | Path, *, observed_until: object = None) -> Engagement:
        """Read ``interactions.parquet``, ``content.parquet``, ``hcps.parquet`` and what else is there."""
        return cls._from_folder(folder, (".parquet",), observed_until)

    @classmethod
    def from_csv(cls, folder: str | Path, *, observed_until: object = None) -> Engagement:
        """Read ``interactions.csv`` and so on: ISO times with a zone, lists set apart by ``|``."""
        return cls._from_folder(folder, (".csv",), observed_until)

    @classmethod
    def from_folder(cls, folder: str | Path, *, observed_until: object = None) -> Engagement:
        """Read a folder of parquet or of CSV tables, whichever it holds."""
        return cls._from_folder(folder, (".parquet", ".csv"), observed_until)

    @classmethod
    def _from_folder(
        cls, folder: str | Path, suffixes: tuple[str, ...], observed_until: object
    ) -> Engagement:
        frames, text = read_folder(folder, suffixes=suffixes)
        if observed_until is None:
            until = read_observed_until(folder)
        else:
            until = as_moment(observed_until, name="observed_until")
        self = cls.__new__(cls)
        self._fill(frames, until=until, text=text, stacklevel=4)
        return self

    def to_folder(self, folder: str | Path) -> None:
        """Write all tables as parquet; ``from_folder`` reads them back equal."""
        write_folder(folder, frames=self.tables, observed_until=self.observed_until)

    @property
    def tables(self) -> dict[str, pd.DataFrame | None]:
        """All tables by name, None where there is none."""
        return {name: getattr(self, name) for name in TABLES}

    def columns(self, table: str) -> Columns:
        """A table as plain numpy arrays, every column of its schema there.

        Parameters
        ----------
        table : "interactions", "content", ...

        Returns
        -------
        mapping of column to array: texts are objects ("" is missing), moments int64 seconds UTC,
        numbers float64, flags bool, lists tuples of str. Made once and shared: do not write to them.

        Raises
        ------
        ArgumentError
            If there is no such table.
        """
        frame = self.tables.get(table)
        if frame is None:
            there = [name for name, frame in self.tables.items() if frame is not None]
            raise ArgumentError(f"There is no table {table!r}. There are: {', '.join(there)}.")
        if table not in self._columns:
            self._columns[table] = columns_of(frame, TABLES[table])
        return self._columns[table]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_columns": {}}

    def __repr__(self) -> str:
        counts = [f"{len(frame):,} {name}" for name, frame in self.tables.items() if frame is not None]
        return f"Engagement({', '.join(counts)}; observed until {_iso(self.observed_until)})"

    def _fill(self, given: Mapping[str, object], *, until: int | None, text: bool, stacklevel: int) -> None:
        frames, findings = _checked_tables(given, text=text)
        raise_faults(list(findings.values()))
        log = findings["interactions"]
        frames["interactions"], self.observed_until = _known(
            frames["interactions"], until=until, findings=log
        )
        _settle_channels(frames, findings)
        _set_aside_unknown_hcps(frames, findings)
        frames["interactions"] = _canonical_log(frames["interactions"], findings=log)
        _warn_of_unknown_content(frames, log)
        _check_windows(frames, findings)
        raise_faults(list(findings.values()))
        for name in TABLES:
            setattr(self, name, frames.get(name))
        self._columns: dict[str, Columns] = {}
        self.notes = (*(note for f in findings.values() for note in f.notes), *_missing_tables(frames))
        for warning in (warning for f in findings.values() for warning in f.warnings):
            warnings.warn(warning, NBAWarning, stacklevel=stacklevel)


def _checked_tables(
    given: Mapping[str, object], *, text: bool
) -> tuple[dict[str, pd.DataFrame], dict[str, Findings]]:
    taken = {
        name: as_pandas(table, name=name)
        for name, table in given.items()
        if table is not None or name in NEEDED
    }
    frames: dict[str, pd.DataFrame] = {}
    findings: dict[str, Findings] = {}
    for name, frame in taken.items():
        frame, findings[name] = checked(frame, TABLES[name], text=text)
        # Keyed tables stand in the order of their key; the log gets its own order later.
        frames[name] = _by_key(frame, TABLES[name].key) if name != "interactions" else frame
    return frames, findings


def _by_key(frame: pd.DataFrame, key: str) -> pd.DataFrame:
    return frame.take(np.argsort(_ranks(frame[key]))).reset_index(drop=True) if key in frame else frame


def _known(log: pd.DataFrame, *, until: int | None, findings: Findings) -> tuple[pd.DataFrame, int]:
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
        findings.notes.append(f"interactions: observed until {_iso(until)}, one second after the last event.")
    later = known >= until
    if later.any():
        findings.notes.append(
            f"interactions: {int(later.sum())} rows that happened or arrived at or after {_iso(until)} "
            "were set aside."
        )
        log = log[~later].reset_index(drop=True)
    return log, until


def _settle_channels(frames: dict[str, pd.DataFrame], findings: dict[str, Findings]) -> None:
    """Fill in the channels table, and say which channels nobody has described."""
    used = set(frames["interactions"]["channel"].unique())
    offered = {channel for channels in frames["content"]["channels"] for channel in channels}
    is_given = "channels" in frames
    table = filled_channels(frames["channels"]) if is_given else default_channels()
    unknown = sorted((used | offered) - set(table["channel"]))
    frames["channels"] = _by_key(table if is_given else default_channels(unknown), "channel")
    if not unknown:
        return
    done = "They are never recommended." if is_given else "They need consent and count any answer as success."
    findings["interactions"].warn(
        "channel",
        f"{len(unknown)} channels are not in the channels table: {[name[:40] for name in unknown[:10]]}",
        f"{done} Describe them in a channels table.",
    )


def _set_aside_unknown_hcps(frames: dict[str, pd.DataFrame], findings: dict[str, Findings]) -> None:
    known = frames["hcps"]["hcp_id"]
    for name in ("interactions", "consent", "states"):
        if name not in frames:
            continue
        orphan = _absent(frames[name]["hcp_id"], known)
        if orphan.any():
            done = "They were set aside; add the HCPs to the hcps table."
            findings[name].warn("hcp_id", f"{int(orphan.sum())} rows of HCPs that hcps does not hold", done)
            frames[name] = frames[name][~orphan].reset_index(drop=True)


def _absent(texts: pd.Series, known: pd.Series) -> Bools:
    """Which texts are there but not among the known; each distinct text is looked up once."""
    encoded = arrow_of(texts).cast(pa.large_string()).dictionary_encode()
    among = pc.is_in(encoded.dictionary, arrow_of(known).cast(pa.large_string()))
    absent = ~among.to_numpy(zero_copy_only=False).astype(np.bool_)
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    of_row: Bools = np.r_[absent, False][codes]
    return of_row


def _canonical_log(log: pd.DataFrame, *, findings: Findings) -> pd.DataFrame:
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


def _warn_of_unknown_content(frames: dict[str, pd.DataFrame], findings: Findings) -> None:
    if "content_id" not in frames["interactions"]:
        return
    unknown = _absent(frames["interactions"]["content_id"], frames["content"]["content_id"])
    if unknown.any():
        done = "They count as touches of their channel only; add the content to the content table."
        findings.warn(
            "content_id", f"{int(unknown.sum())} rows with content that content does not hold", done
        )


_WINDOWS = (
    ("content", "approved_from", "expiry"),
    ("hcps", "valid_from", "valid_to"),
    ("consent", "captured_at", "expires_at"),
    ("states", "since", "until"),
    ("signals", "valid_from", "valid_to"),
    ("labels", "from", "to"),
    ("reps", "from", "to"),
    ("plan", "from", "to"),
    ("capacity", "from", "to"),
)


def _check_windows(frames: dict[str, pd.DataFrame], findings: dict[str, Findings]) -> None:
    for name, start, end in _WINDOWS:
        if name not in frames or not {start, end} <= set(frames[name].columns):
            continue
        bad = (frames[name][end] < frames[name][start]).to_numpy()
        if bad.any():
            found = f"{int(bad.sum())} cells before {start}"
            findings[name].refuse(end, found, f"Correct {start} or {end}.", bad=bad)


def _missing_tables(frames: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    return tuple(
        f"{table.name}: not given, so {table.without}."
        for table in TABLES.values()
        if table.name not in frames and table.without
    )


def _iso(moment: int) -> str:
    return str(np.datetime64(moment, "s")) + "Z"
