"""The content and channels that travel with a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nba import artifact
from nba.contracts import DAY, Columns, Tables
from nba.errors import ArgumentError, BundleError
from nba.tables import TABLES, Table
from nba.tables.arrays import empty_array

if TYPE_CHECKING:
    import pandas as pd

_KIND = "nba.mlflow.Catalogue"
# Nothing decides by who owns a document, and the owner may be a person.
_LEFT_OUT = {("content", "owner")}


@dataclass(frozen=True)
class Catalogue:
    """The content and channels that travel with a model; it knows nobody.

    Gives ``columns`` as an Engagement does, for ``model.decide(..., data=catalogue)``.

    Examples
    --------
    >>> import nba
    >>> small = nba.simulate.territory(seed=1, hcps=40, days=60)
    >>> catalogue = Catalogue.of(small.engagement)
    >>> len(catalogue.columns("content")["content_id"]) == len(small.engagement.content)
    True
    >>> len(catalogue.columns("hcps")["hcp_id"])
    0
    """

    tables: Mapping[str, Columns]

    @classmethod
    def of(cls, tables: Tables) -> Catalogue:
        """Take the content and channels out of tables, and leave everything else."""
        kept = {
            name: {
                column.name: empty_array(column, len(table[schema.key]))
                if (name, column.name) in _LEFT_OUT or column.name not in table
                else table[column.name]
                for column in schema.columns
            }
            for name, schema, table in _reference(tables)
        }
        nobody = {column.name: empty_array(column, 0) for column in TABLES["hcps"].columns}
        return cls({**kept, "hcps": nobody})

    def columns(self, table: str) -> Columns:
        """A table as plain numpy arrays."""
        if table not in self.tables:
            raise ArgumentError(
                f"A saved model holds no table {table!r}. It holds: {', '.join(self.tables)}."
            )
        return self.tables[table]

    def save(self, folder: str | Path) -> str:
        """Write a bundle of plain JSON and arrays; gives its digest."""
        texts: dict[str, Any] = {}
        arrays = {}
        for name, schema, table in _reference(self):
            for column in schema.columns:
                if column.kind in ("id", "text", "list"):
                    texts[f"{name}.{column.name}"] = table[column.name].tolist()
                else:
                    arrays[f"{name}_{column.name}"] = table[column.name]
        return artifact.save(folder, manifest={"kind": _KIND, "texts": texts}, arrays=arrays)

    @classmethod
    def load(cls, folder: str | Path, *, digest: str) -> Catalogue:
        """Read the bundle that :meth:`save` wrote, and no other.

        Raises
        ------
        BundleError
            If it is incomplete, altered, or another one.
        """
        manifest, arrays, _ = artifact.load(folder, digest=digest)
        if manifest.get("kind") != _KIND:
            raise BundleError(f"The bundle holds {manifest.get('kind')!r}; expected {_KIND!r}.")
        tables: dict[str, Columns] = {}
        for name in ("content", "channels"):
            length = len(manifest["texts"][f"{name}.{TABLES[name].key}"])
            columns = {column.name: empty_array(column, length) for column in TABLES[name].columns}
            for column in TABLES[name].columns:
                cells = manifest["texts"].get(f"{name}.{column.name}")
                if cells is not None:
                    columns[column.name][:] = list(map(tuple, cells)) if column.kind == "list" else cells
                else:
                    columns[column.name] = arrays.get(f"{name}_{column.name}", columns[column.name])
            tables[name] = columns
        return cls.of(cls(tables))


def example_input(tables: Tables) -> pd.DataFrame:
    """Invent one row of the pyfunc's input that fits these contents: nobody's data, for an input example.

    Examples
    --------
    >>> import nba
    >>> small = nba.simulate.territory(seed=1, hcps=40, days=60)
    >>> example_input(small.engagement).columns.tolist()
    ['hcp_id', 'at', 'seed', 'hcp', 'history', 'consent']
    """
    import pandas as pd

    content, channels = tables.columns("content"), tables.columns("channels")
    outbound = set(channels["channel"][channels["direction"] == "outbound"])
    channel = next((name for name in content["channels"][0] if name in outbound), content["channels"][0][0])
    approved = int(content["approved_from"][0])
    who = "hcp_invented"
    touch = {
        "interaction_id": "touch_invented",
        "hcp_id": who,
        "ts": iso_text(approved + DAY),
        "channel": channel,
        "direction": "outbound",
        "outcome": "sent",
        "content_id": content["content_id"][0],
    }
    agreed = {"hcp_id": who, "channel": channel, "opt_type": "opt_in", "captured_at": iso_text(approved)}
    country = next(iter(content["country"][0]), "US")
    row = {
        "hcp_id": who,
        "at": iso_text(approved + 30 * DAY),
        "seed": 0,
        "hcp": {"country": country, "language": content["language"][0]},
        "history": [touch],
        "consent": [agreed],
    }
    return pd.DataFrame([row], columns=["hcp_id", "at", "seed", "hcp", "history", "consent"])


def iso_text(moment: int) -> str:
    """A moment as ISO text in UTC, as JSON can carry it.

    Examples
    --------
    >>> iso_text(0)
    '1970-01-01T00:00:00Z'
    """
    return f"{np.datetime64(moment, 's')}Z"


def _reference(tables: Tables) -> Iterator[tuple[str, Table, Columns]]:
    return ((name, TABLES[name], tables.columns(name)) for name in ("content", "channels"))
