"""What a command's tables were: digest and schema, no row."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nba.tables import TABLES, Engagement

_KINDS = {"f": "double", "i": "long", "u": "long", "b": "boolean", "M": "datetime"}
_SEED = np.uint64(1099511628211)


@dataclass(frozen=True)
class TableInput:
    """One table: how many rows, which columns of which type, and a digest of its content."""

    rows: int
    columns: dict[str, str]
    digest: str


@dataclass(frozen=True)
class Inputs:
    """The tables of an engagement, without a cell of them.

    Attributes
    ----------
    source : where they come from
    observed_until : int seconds UTC
    tables : by name
    digest : of all of it; the order of rows does not move it

    Examples
    --------
    >>> import nba
    >>> small = nba.simulate.territory(seed=1, hcps=40, days=60)
    >>> found = Inputs.of(small.engagement, source="simulated")
    >>> found.tables["hcps"].rows, len(found.digest)
    (40, 32)
    """

    source: str
    observed_until: int
    tables: dict[str, TableInput]
    digest: str

    @classmethod
    def of(cls, data: Engagement, *, source: str) -> Inputs:
        """Read digest and schema off the tables."""
        frames = {name: getattr(data, name) for name in TABLES if getattr(data, name) is not None}
        tables = {name: _table(frame) for name, frame in frames.items()}
        until = data.observed_until
        texts = [f"{name}={table.digest}" for name, table in sorted(tables.items())]
        return cls(source, until, tables, _short("\n".join([str(until), *texts]).encode()))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    def datasets(self) -> list[dict[str, str]]:
        """The same in the words of MLflow's datasets, one a table."""
        return [
            {
                "name": name,
                "digest": table.digest,
                "source_type": "local",
                "source": json.dumps({"uri": self.source}),
                "schema": json.dumps({"mlflow_colspec": _colspec(table.columns)}),
                "profile": json.dumps({"num_rows": table.rows}),
            }
            for name, table in self.tables.items()
        ]


def _table(frame: pd.DataFrame) -> TableInput:
    columns = {str(name): str(frame[name].dtype) for name in frame.columns}
    return TableInput(len(frame), columns, _digest(frame))


def _digest(frame: pd.DataFrame) -> str:
    """Of the set of rows: every row is hashed, and the sorted hashes are hashed."""
    rows = np.zeros(len(frame), dtype=np.uint64)
    for name in sorted(map(str, frame.columns)):
        rows = rows * _SEED ^ _hashes(frame[name])
    names = ",".join(sorted(map(str, frame.columns)))
    return _short(names.encode() + np.sort(rows).astype("<u8").tobytes())


def _hashes(column: pd.Series) -> NDArray[np.uint64]:
    """(n,) one number a cell, whatever type the column came in."""
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind == "M":
        values: Any = column.astype("datetime64[s, UTC]").astype("int64").to_numpy()
    elif column.dtype.kind in "fiub":
        values = column.to_numpy().astype(float)
    else:
        cells = column.astype(object).where(column.notna(), None)
        values = np.array([_text(cell) for cell in cells], dtype=object)
    hashed: NDArray[np.uint64] = pd.util.hash_array(values)
    return hashed


def _text(cell: Any) -> str:
    if cell is None:
        return "\0"
    return cell if isinstance(cell, str) else "\0".join(map(str, cell))


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]  # MLflow takes 36 letters


def _colspec(columns: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"name": name, "type": _colspec_type(dtype), "required": False} for name, dtype in columns.items()
    ]


def _colspec_type(dtype: str) -> str:
    if dtype.startswith("datetime64"):
        return "datetime"
    try:
        return _KINDS.get(np.dtype(dtype).kind, "string")
    except TypeError:
        return "string"
