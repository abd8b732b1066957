"""Tables in a folder: parquet or CSV, one file a table."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from nba.errors import TableError
from nba.tables.columns import NEEDED, TABLES, Table
from nba.tables.moments import arrow_of, as_moment

_MOMENT_FILE = "engagement.json"


def read_folder(folder: str | Path, *, suffixes: tuple[str, ...]) -> tuple[dict[str, pd.DataFrame], bool]:
    """Read every table a folder holds.

    Parameters
    ----------
    folder : holds interactions, content and hcps, and any of the other tables, one file each
    suffixes : ".parquet", ".csv", or both; a folder of both kinds is refused

    Returns
    -------
    frames by table name, and whether their cells are all text (CSV)

    Raises
    ------
    TableError
        If the needed tables are not there, or a file cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise TableError(f"{str(folder)!r} is no folder. Expected a folder with {_expected(suffixes)}.")
    found = {s: [n for n in TABLES if (folder / f"{n}{s}").is_file()] for s in suffixes}
    kinds = [suffix for suffix in suffixes if found[suffix]]
    if len(kinds) > 1:
        raise TableError(
            f"{str(folder)!r} holds tables as {' and as '.join(kinds)}. Expected one kind. "
            "Use Engagement.from_parquet or Engagement.from_csv to say which."
        )
    suffix = kinds[0] if kinds else suffixes[0]
    missing = [name for name in NEEDED if name not in found[suffix]]
    if missing:
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:20]) or "nothing"
        raise TableError(
            f"{str(folder)!r} holds {there}. Missing: {', '.join(n + suffix for n in missing)}. "
            f"Expected {_expected(suffixes)}; rename your files, or load them and call Engagement(...)."
        )
    return {name: _read(folder / f"{name}{suffix}") for name in found[suffix]}, suffix == ".csv"


def read_observed_until(folder: str | Path) -> int | None:
    """Until when a saved engagement was complete, if that was saved with it."""
    path = Path(folder) / _MOMENT_FILE
    if not path.is_file():
        return None
    try:
        return as_moment(json.loads(path.read_text("utf-8"))["observed_until"], name="observed_until")
    except (ValueError, LookupError, TypeError):
        raise TableError(
            f'{str(path)!r} holds no moment. Expected {{"observed_until": "2026-10-01T00:00:00+00:00"}}. '
            "Pass observed_until=... or delete the file."
        ) from None


def write_folder(
    folder: str | Path, *, frames: Mapping[str, pd.DataFrame | None], observed_until: int
) -> None:
    """Write every table as parquet, so that ``read_folder`` gives it back."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        path = folder / f"{name}.parquet"
        if frame is None:
            path.unlink(missing_ok=True)
        else:
            pq.write_table(_as_arrow(frame, TABLES[name]), path)
    moment = dt.datetime.fromtimestamp(observed_until, dt.UTC).isoformat()
    (folder / _MOMENT_FILE).write_text(json.dumps({"observed_until": moment}) + "\n", "utf-8")


def _expected(suffixes: tuple[str, ...]) -> str:
    return " or ".join(", ".join(f"{name}{suffix}" for name in NEEDED) for suffix in suffixes)


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".csv":
            return pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
        # The single file, not a dataset: folder names must not become columns.
        frame: pd.DataFrame = pq.ParquetFile(path).read().to_pandas(ignore_metadata=True)
        return frame
    except (
        pa.ArrowException,
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        UnicodeDecodeError,
        OSError,
    ) as err:
        raise TableError(
            f"{path.name} cannot be read ({type(err).__name__}). Expected a whole {path.suffix[1:]} file. "
            "Write it again."
        ) from None


def _as_arrow(frame: pd.DataFrame, schema: Table) -> pa.Table:
    kinds = {
        "id": pa.large_string(),
        "text": pa.large_string(),
        "moment": pa.timestamp("ms", "UTC"),
        "day": pa.timestamp("ms", "UTC"),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "list": pa.list_(pa.large_string()),
    }
    columns = [column for column in schema.columns if column.name in frame]
    arrays = [arrow_of(frame[c.name]) for c in columns]
    cast = [array.cast(kinds[c.kind]) for array, c in zip(arrays, columns, strict=True)]
    return pa.table(cast, names=[c.name for c in columns])
