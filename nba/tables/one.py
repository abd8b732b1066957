"""One HCP's tables from plain records, for a service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import FOREVER, NEVER, Columns, Tables
from nba.errors import ArgumentError, TableError, UnknownHCPError
from nba.tables.arrays import rows_of
from nba.tables.columns import TABLES
from nba.tables.records import rows_from_records

Record = Mapping[str, Any]

_BESIDE = ("consent", "labels", "reps", "states", "values", "capacity")
"""What an HCP's decision may need of the reference beside content and channels."""

_WHOLE = ("prescriptions", "signals", "network")
"""Tables whose rows about others say something of the HCP too: they are laid out once, not cut anew."""


@dataclass(frozen=True)
class OneHCP:
    """Tables that hold one HCP, beside the whole content and channels tables of a reference.

    Gives ``columns`` as an Engagement does, so that one HCP goes the same way as a million.
    """

    tables: Mapping[str, Columns]
    reference: Tables | None = None
    """Where the histories of others are, for what is said of an HCP's peers."""

    @classmethod
    def from_records(
        cls,
        hcp_id: str,
        *,
        history: Sequence[Record],
        reference: Tables,
        hcp: Record | None = None,
        consent: Sequence[Record] | None = None,
    ) -> OneHCP:
        """Lay one HCP's records out as columns.

        Parameters
        ----------
        history : the HCP's interactions as dicts, in any order; those of others are refused
        reference : gives content, channels, labels, reps, states, values and capacity, and what ``hcp`` and
            ``consent`` leave out
        hcp : the HCP's row as a dict; None looks it up in the reference
        consent : the HCP's consent rows; None looks them up in the reference

        Raises
        ------
        TableError
            If a record does not fit its table, or is about someone else.
        UnknownHCPError
            If the reference does not hold the HCP and no row is given.
        """
        tables: dict[str, Columns] = {
            "interactions": history_of(hcp_id, history),
            "hcps": _row_of(hcp_id, hcp, reference),
            "content": reference.columns("content"),
            "channels": reference.columns("channels"),
        }
        if consent is not None:
            tables["consent"] = rows_from_records(list(consent), "consent")
        for name in _BESIDE:
            known = table_of(reference, name)
            if known is not None and name not in tables:
                tables[name] = _mine(known, hcp_id) if "hcp_id" in known else known
        whole = {name: table_of(reference, name) for name in _WHOLE}
        tables |= {name: known for name, known in whole.items() if known is not None}
        return cls(tables, reference)

    @property
    def observed_until(self) -> int:
        """Without end: a service hands in all it knows."""
        return FOREVER

    def columns(self, table: str) -> Columns:
        """A table as plain numpy arrays."""
        if table not in self.tables:
            raise ArgumentError(f"There is no table {table!r}. There are: {', '.join(self.tables)}.")
        return self.tables[table]


def history_of(hcp_id: str, records: Sequence[Record]) -> Columns:
    """One HCP's records as the interactions table; those of others are refused.

    Raises
    ------
    TableError
        If a record does not fit the table, or is about someone else.

    Examples
    --------
    >>> record = {"interaction_id": "i1", "hcp_id": "h1", "ts": "2026-01-05T09:00Z",
    ...     "channel": "rep_visit", "direction": "outbound", "outcome": "held"}
    >>> history_of("h1", [record])["touch"].tolist()
    [True]
    >>> history_of("h2", [record])
    Traceback (most recent call last):
        ...
    nba.errors.TableError: 1 of 1 records are about another HCP. Give the history of the HCP who is asked \
about, and of nobody else.
    """
    interactions = rows_from_records(list(records))
    strangers = int((interactions["hcp_id"] != hcp_id).sum())
    if strangers:
        raise TableError(
            f"{strangers} of {len(interactions['ts'])} records are about another HCP. "
            "Give the history of the HCP who is asked about, and of nobody else."
        )
    return interactions


def consent_of(tables: Tables) -> Columns | None:
    """The consent table, or None where there is none."""
    return table_of(tables, "consent")


def table_of(tables: Tables, name: str) -> Columns | None:
    """A table by its name, or None where there is none."""
    if isinstance(tables, OneHCP):
        return tables.tables.get(name)
    if getattr(tables, name, tables) is None:  # an Engagement's: an exception for each missing one adds up
        return None
    try:
        return tables.columns(name)
    except ArgumentError:
        return None


def _mine(table: Columns, hcp_id: str) -> Columns:
    rows = rows_of(table, "hcp_id", hcp_id)
    return {name: table[name][rows] for name in table}


def _row_of(hcp_id: str, hcp: Record | None, reference: Tables) -> Columns:
    known = reference.columns("hcps")
    if hcp is None:
        place = int(np.searchsorted(known["hcp_id"], hcp_id)) if len(known["hcp_id"]) else 0
        if place >= len(known["hcp_id"]) or known["hcp_id"][place] != hcp_id:
            raise UnknownHCPError("The HCP is not in the hcps table. Add the row, or give it as hcp={...}.")
        return {name: known[name][place : place + 1] for name in known}
    row = {"hcp_id": hcp_id, **hcp}
    unknown = sorted(set(row) - set(TABLES["hcps"].names))
    if unknown:
        raise TableError(f"The hcp record has columns {unknown} that the hcps table does not know.")
    if not row.get("country"):
        raise TableError("The hcp record has no country. Candidates are chosen by it; give country='US'.")
    return {column.name: _cell(row.get(column.name), column.kind, until=column.until)
            for column in TABLES["hcps"].columns}  # fmt: skip


def _cell(value: Any, kind: str, *, until: bool) -> NDArray[Any]:
    if kind == "flag":
        return np.array([bool(value)])
    if kind == "number":
        return np.array([np.nan if value is None else float(value)])
    if kind in ("moment", "day"):
        return np.array([(FOREVER if until else NEVER) if value is None else int(value)], dtype=np.int64)
    cell = np.empty(1, dtype=object)
    cell[0] = tuple(value or ()) if kind == "list" else str(value or "")
    return cell
