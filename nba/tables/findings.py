"""What a check found, and how it is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nba.contracts import Bools
from nba.errors import TableError
from nba.tables.columns import Column


@dataclass
class Findings:
    """What one pass over one table found.

    Attributes
    ----------
    faults : why the table is refused
    warnings : what was found odd and defined away
    notes : what was set aside as agreed
    """

    table: str
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, column: str, found: str, todo: str, *, bad: Bools | None = None) -> None:
        """Add a fault: what was found where, and what to do."""
        self.faults.append(f"{self.table}.{column}: {found}{_where(bad)}. {todo}")

    def warn(self, column: str, found: str, done: str, *, bad: Bools | None = None) -> None:
        """Add a warning: what was found where, and what was done."""
        self.warnings.append(f"{self.table}.{column}: {found}{_where(bad)}. {done}")


def raise_faults(all_findings: Sequence[Findings]) -> None:
    """Raise one error with all faults of all tables, if there are any.

    Raises
    ------
    TableError
        With one sentence a fault in ``faults``.
    """
    faults = tuple(fault for findings in all_findings for fault in findings.faults)
    if not faults:
        return
    names = sorted({findings.table for findings in all_findings if findings.faults})
    lines = "".join(f"\n  - {fault}" for fault in faults)
    count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
    raise TableError(f"{' and '.join(names)}: {count} found (rows count from 0).{lines}", faults=faults)


def check_missing(column: Column, findings: Findings, missing: Bools) -> None:
    """Say which cells are empty, where that matters."""
    if column.required and missing.any():
        findings.refuse(column.name, f"{cells(missing)} empty", "Fill them, or drop these rows.", bad=missing)
    elif column.expected and missing.any():
        findings.warn(column.name, f"{cells(missing)} empty", "These rows count as untagged.", bad=missing)


def cells(bad: Bools) -> str:
    """How many cells, in words."""
    count = int(bad.sum())
    return f"{count} cell{'s' if count > 1 else ''}"


def _where(bad: Bools | None) -> str:
    return "" if bad is None else f" (first at row {int(np.argmax(bad))})"


def shown(name: str) -> str:
    """A column's name, safe to print: short, without control characters."""
    return "".join(ch if ch.isprintable() else "?" for ch in name)[:60]
