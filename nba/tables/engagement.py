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

from nba.contracts import Bools, Columns
from nba.errors import ArgumentError, NBAWarning
from nba.tables.arrays import columns_of
from nba.tables.beside import check_beside
from nba.tables.checks import as_pandas, checked
from nba.tables.columns import NEEDED, TABLES
from nba.tables.defaults import default_channels, filled_channels
from nba.tables.findings import Findings, raise_faults
from nba.tables.folders import read_folder, read_observed_until, write_folder
from nba.tables.log import by_key, canonical_log, iso, known_log
from nba.tables.moments import arrow_of, as_moment


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
        if table not in self._columns:
            frame = self.tables.get(table)
            if frame is None:
                there = [name for name, frame in self.tables.items() if frame is not None]
                raise ArgumentError(f"There is no table {table!r}. There are: {', '.join(there)}.")
            self._columns[table] = columns_of(frame, TABLES[table])
        return self._columns[table]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_columns": {}}

    def __repr__(self) -> str:
        counts = [f"{len(frame):,} {name}" for name, frame in self.tables.items() if frame is not None]
        return f"Engagement({', '.join(counts)}; observed until {iso(self.observed_until)})"

    def _fill(self, given: Mapping[str, object], *, until: int | None, text: bool, stacklevel: int) -> None:
        frames, findings = _checked_tables(given, text=text)
        raise_faults(list(findings.values()))
        log = findings["interactions"]
        frames["interactions"], self.observed_until = known_log(
            frames["interactions"], until=until, findings=log
        )
        _settle_channels(frames, findings)
        _set_aside_unknown_hcps(frames, findings)
        frames["interactions"] = canonical_log(frames["interactions"], findings=log)
        _warn_of_unknown_content(frames, log)
        _check_windows(frames, findings)
        check_beside(frames, findings)
        raise_faults(list(findings.values()))
        for name in TABLES:
            setattr(self, name, frames.get(name))
        self._columns: dict[str, Columns] = {}
        self.notes = (*(note for f in findings.values() for note in f.notes), *_missing_tables(frames))
        for warning in (warning for f in findings.values() for warning in f.warnings):
            warnings.warn(warning, NBAWarning, stacklevel=stacklevel)


def check_table(table: object, name: str) -> Columns:
    """One table alone, checked and as plain arrays: a newer consent table, for example.

    Raises
    ------
    TableError, TableTypeError
        As for :class:`Engagement`.

    Examples
    --------
    >>> consent = pd.DataFrame({"hcp_id": ["h1"], "channel": ["phone"], "opt_type": ["opt_out"],
    ...                         "captured_at": pd.to_datetime(["2026-01-05T09:00Z"])})
    >>> check_table(consent, "consent")["opt_type"].tolist()
    ['opt_out']
    """
    frame, findings = checked(as_pandas(table, name=name), TABLES[name])
    raise_faults([findings])
    return columns_of(frame, TABLES[name])


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
        frames[name] = by_key(frame, TABLES[name].key) if name != "interactions" else frame
    return frames, findings


def _settle_channels(frames: dict[str, pd.DataFrame], findings: dict[str, Findings]) -> None:
    """Fill in the channels table, and say which channels nobody has described."""
    used = set(frames["interactions"]["channel"].unique())
    offered = {channel for channels in frames["content"]["channels"] for channel in channels}
    is_given = "channels" in frames
    table = filled_channels(frames["channels"]) if is_given else default_channels()
    unknown = sorted((used | offered) - set(table["channel"]))
    frames["channels"] = by_key(table if is_given else default_channels(unknown), "channel")
    if not unknown:
        return
    done = "They are never recommended." if is_given else "They need consent and count any answer as success."
    findings["interactions"].warn(
        "channel",
        f"{len(unknown)} channels are not in the channels table: {[name[:40] for name in unknown[:10]]}",
        f"{done} Describe them in a channels table.",
    )


_OF_HCPS = (
    ("interactions", "hcp_id"),
    ("consent", "hcp_id"),
    ("states", "hcp_id"),
    ("prescriptions", "hcp_id"),
    ("network", "hcp_id_a"),
    ("network", "hcp_id_b"),
)


def _set_aside_unknown_hcps(frames: dict[str, pd.DataFrame], findings: dict[str, Findings]) -> None:
    known = frames["hcps"]["hcp_id"]
    for name, column in _OF_HCPS:
        if name not in frames or column not in frames[name]:
            continue
        orphan = _absent(frames[name][column], known)
        if orphan.any():
            done = "They were set aside; add the HCPs to the hcps table."
            findings[name].warn(column, f"{int(orphan.sum())} rows of HCPs that hcps does not hold", done)
            frames[name] = frames[name][~orphan].reset_index(drop=True)


def _absent(texts: pd.Series, known: pd.Series) -> Bools:
    """Which texts are there but not among the known; each distinct text is looked up once."""
    encoded = arrow_of(texts).cast(pa.large_string()).dictionary_encode()
    among = pc.is_in(encoded.dictionary, arrow_of(known).cast(pa.large_string()))
    absent = ~among.to_numpy(zero_copy_only=False).astype(np.bool_)
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    of_row: Bools = np.r_[absent, False][codes]
    return of_row


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
