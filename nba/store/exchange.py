"""Decision logs from elsewhere, and this one as Parquet."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, insert, select

from nba.contracts import Action, Receipt
from nba.errors import ArgumentError, LogConflictError, OutcomeError
from nba.store import ledger
from nba.store.packing import Packed, Part
from nba.store.receipts import to_json
from nba.store.rows import IMPORTED, as_row, chunks
from nba.store.schema import decisions, feedback, origins, outcomes, parts

if TYPE_CHECKING:
    import pandas as pd

_NAMES = ("hcp_id", "decided_at", "channel", "content_id", "selection_prob", "reward", "batch_id")
_NEEDED = ("decided_at", "channel", "content_id", "selection_prob")
_FACT = "imported"
_AT_ONCE = 2_000


class Foreign:
    """A decision log from elsewhere, read and checked.

    Attributes
    ----------
    receipts : one a row, in the order of the frame; every cell of it stands in its facts
    rewards : (n,) NaN where there is none
    schema : the frame's columns and types
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        *,
        origin: str,
        mapping: Mapping[str, str],
        constants: Mapping[str, str],
        timezone: str | None,
        reward_range: tuple[float, float],
    ) -> None:
        _check_names(frame, origin=origin, mapping=mapping, constants=constants)
        table = _as_table(frame)
        self.schema = table.schema
        columns = {name: frame[theirs] for name, theirs in mapping.items()}
        moments = _moments(columns["decided_at"], timezone=timezone)
        self.rewards = _rewards(columns.get("reward"), len(frame), allowed=reward_range)
        n = len(frame)
        texts = {
            name: [str(cell) for cell in columns[name]] if name in columns else [constants.get(name)] * n
            for name in ("hcp_id", "channel", "content_id", "batch_id")
        }
        probs = columns["selection_prob"].to_numpy(dtype=np.float64).tolist()
        self.receipts: list[Receipt] = []
        for place, (name, cells) in enumerate(_named(table, origin)):
            hcp = texts["hcp_id"][place]
            self.receipts.append(
                _receipt(
                    name,
                    cells,
                    hcp_id=f"{origin}:{name[:12]}" if hcp is None else f"{origin}:{hcp}",
                    batch_id=texts["batch_id"][place] or origin,
                    decided_at=moments[place],
                    action=Action(str(texts["channel"][place]), str(texts["content_id"][place])),
                    prob=probs[place],
                    policy=origin,
                )
            )


def write_foreign(
    connection: Connection, foreign: Foreign, packed: Mapping[str, Packed], *, part: Part, origin: str
) -> int:
    """Keep a foreign log and its rewards; how many of its decisions are new."""
    _keep_schema(connection, foreign.schema, origin)
    receipts = {receipt.decision_id: receipt for receipt in foreign.receipts}
    there: set[str] = set()
    for chunk in chunks(receipts):
        query = select(decisions.c.decision_id).where(decisions.c.decision_id.in_(chunk))
        there |= set(connection.execute(query).scalars())
    fresh = [name for name in receipts if name not in there]
    if not fresh:
        return 0
    number = ledger.number_of(connection, part)
    same = {"status": IMPORTED, "origin": origin}
    ledger.insert_rows(
        connection, [as_row(receipts[name], packed[name], part=number) | same for name in fresh]
    )
    rewards = dict(zip(receipts, foreign.rewards.tolist(), strict=True))
    results = [
        {
            "decision_id": name,
            "state": "rewarded" if rewards[name] > 0 else "expired",
            "reward": rewards[name],
            "touched_at": receipts[name].decided_at,
            "settled_at": receipts[name].decided_at,
        }
        for name in fresh
        if not math.isnan(rewards[name])
    ]
    if results:
        connection.execute(insert(outcomes), results)
    return len(fresh)


def frame_of(connection: Connection, receipts: Sequence[Receipt], origin: str) -> pd.DataFrame:
    """The frame that was taken in, with its columns and types; by moment and id."""
    kept = connection.execute(select(origins.c.frame).where(origins.c.origin == origin)).scalar()
    import pandas as pd

    if kept is None:
        raise ArgumentError("The log holds nothing of this origin; check its name.")
    schema = pa.ipc.read_schema(pa.py_buffer(bytes(kept)))
    rows = [receipt.facts[_FACT] for receipt in receipts]
    arrays = [_as_arrow([row[column.name] for row in rows], column.type) for column in schema]
    frame: pd.DataFrame = pa.Table.from_arrays(arrays, schema=schema).to_pandas()
    for column, array in zip(schema, arrays, strict=True):
        if array.null_count and pa.types.is_integer(column.type):  # pandas' plain ones have no missing cells
            kind = str(column.type).replace("int", "Int").replace("uI", "UI")
            frame[column.name] = pd.array(array.to_pylist(), dtype=kind)
    return frame


def write_parquet(connection: Connection, folder: Path) -> dict[str, int]:
    """Decisions with receipts as JSON text, feedback and outcomes as files; how many rows each has."""
    folder.mkdir(parents=True, exist_ok=True)
    targets = {name: folder / f"{name}.parquet" for name in ("decisions", "feedback", "outcomes")}
    there = sorted(path.name for path in targets.values() if path.exists())
    if there:
        raise ArgumentError(f"The folder holds {there} already; export into a new one.")
    if connection.dialect.name == "postgresql":  # all three files of one moment
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    counts = {"decisions": _write_file(targets["decisions"], _decision_pages(connection))}
    for name, table in (("feedback", feedback), ("outcomes", outcomes)):
        query = select(table).order_by(*table.primary_key.columns)
        rows = [dict(row) for row in connection.execute(query).mappings()]
        counts[name] = _write_file(targets[name], iter([rows]), names=[c.name for c in table.columns])
    return counts


def _decision_pages(connection: Connection) -> Iterator[list[dict[str, Any]]]:
    known: dict[int, Part] = {
        row.part: Part.from_bytes(bytes(row.content)) for row in connection.execute(select(parts))
    }
    after = ""
    query = select(decisions).order_by(decisions.c.decision_id).limit(_AT_ONCE)
    while rows := connection.execute(query.where(decisions.c.decision_id > after)).mappings().all():
        after = rows[-1]["decision_id"]
        yield [_exported(dict(row), known) for row in rows]


def _exported(row: dict[str, Any], known: Mapping[int, Part]) -> dict[str, Any]:
    body, part = row.pop("receipt"), row.pop("receipt_part")
    del row["receipt_sha256"]
    text = None if body is None else to_json(known[part].unpack(bytes(body))[0])
    return row | {"receipt": text}


_TYPES = {
    **dict.fromkeys(
        ("decided_at", "valid_until", "closes_at", "sent_at", "bounced_at", "dismissed_at", "reward_at", "ts",
         "touched_at", "settled_at"),
        pa.timestamp("s", "UTC"),
    ),
    **dict.fromkeys(("selection_prob", "reward"), pa.float64()),
    **dict.fromkeys(
        ("explored", "rechecked", "consent_rechecked", "forgotten", "safety_report", "late"), pa.bool_()
    ),
}  # fmt: skip


def _write_file(
    path: Path, pages: Iterator[list[dict[str, Any]]], *, names: Sequence[str] | None = None
) -> int:
    count = 0
    columns = list(names or [c.name for c in decisions.columns if not c.name.startswith("receipt_")])
    schema = pa.schema([(name, _TYPES.get(name, pa.string())) for name in columns])
    path.touch(mode=0o600)
    with pq.ParquetWriter(path, schema) as writer:
        for rows in pages:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def _as_table(frame: pd.DataFrame) -> pa.Table:
    from nba.tables.moments import arrow_of

    try:
        return pa.table({str(name): arrow_of(frame[name]) for name in frame.columns})
    except (pa.ArrowException, TypeError, OverflowError, UnicodeEncodeError):
        raise ArgumentError(
            "A column of the frame is of no one type; convert it to numbers, texts or moments first."
        ) from None


def _check_names(
    frame: pd.DataFrame, *, origin: str, mapping: Mapping[str, str], constants: Mapping[str, str]
) -> None:
    from nba.tables.checks import is_about_patients

    if not isinstance(origin, str) or not origin.strip() or len(origin) > 50:
        raise ArgumentError("origin is blank or longer than 50 letters; name where the log comes from.")
    unknown = sorted((set(mapping) | set(constants)) - set(_NAMES))
    if unknown:
        raise ArgumentError(f"mapping and constants name {unknown}; expected some of {_NAMES}.")
    missing = [name for name in _NEEDED if name not in mapping and name not in constants]
    if missing or "decided_at" not in mapping or "selection_prob" not in mapping:
        raise ArgumentError(
            f"mapping lacks {missing or ['decided_at', 'selection_prob']}; say which column each is, or give "
            "channel and content_id as constants."
        )
    columns = [str(name) for name in frame.columns]
    absent = sorted(set(mapping.values()) - set(columns))
    if absent or len(set(columns)) != len(columns):
        raise ArgumentError(
            f"The frame lacks columns {absent}, or has two of one name; it has {columns[:20]}."
        )
    if any(is_about_patients(name) for name in columns):
        raise ArgumentError("A column looks like patient data. Drop it: no patient data may enter.")


def _moments(series: pd.Series, *, timezone: str | None) -> list[int]:
    from nba.tables import seconds

    if not hasattr(series, "dt"):
        raise ArgumentError("decided_at is no column of timestamps; convert it with its unit and zone first.")
    if series.dt.tz is None:
        if timezone is None:
            raise ArgumentError('decided_at has no zone; say which it is in: timezone="UTC".')
        series = series.dt.tz_localize(timezone)
    if series.isna().any():
        raise ArgumentError(f"decided_at is missing in {int(series.isna().sum())} rows; drop or fill them.")
    return [int(moment) for moment in seconds(series)]


def _rewards(series: pd.Series | None, count: int, *, allowed: tuple[float, float]) -> Any:
    if series is None:
        return np.full(count, np.nan)
    values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(~np.isnan(values) & ~((values >= allowed[0]) & (values <= allowed[1])))
    if len(bad):
        raise OutcomeError(
            f"{len(bad)} rewards are outside {allowed}, first in row {int(bad[0])}; give their reward_range, "
            "or mend them."
        )
    return values


def _named(table: pa.Table, origin: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(decision id, cells) of every row; the id is a hash of the cells and of how often they came before."""
    seen: Counter[bytes] = Counter()
    plain = {column: _as_plain(table[column]) for column in table.column_names}
    for values in zip(*plain.values(), strict=True):
        cells = dict(zip(plain, values, strict=True))
        said = hashlib.sha256(json.dumps([origin, cells], sort_keys=True).encode("ascii")).digest()
        seen[said] += 1
        yield hashlib.sha256(said + seen[said].to_bytes(8, "little")).hexdigest()[:32], cells


def _as_plain(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.int64() if column.type.bit_width == 64 else pa.int32())
    values: list[Any] = column.to_pylist()
    return values


def _as_arrow(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_temporal(kind):
        return pa.array(values, pa.int64() if kind.bit_width == 64 else pa.int32()).cast(kind)
    return pa.array(values, kind)


def _receipt(
    name: str,
    cells: dict[str, Any],
    *,
    hcp_id: str,
    batch_id: str,
    decided_at: int,
    action: Action,
    prob: float,
    policy: str,
) -> Receipt:
    """What can be said of a decision that another system made: the rest is "", 0 or None."""
    return Receipt(
        decision_id=name,
        batch_id=batch_id,
        hcp_id=hcp_id,
        decided_at=decided_at,
        valid_until=decided_at + 1,
        action=action,
        document_number="",
        version="",
        propensity=None,
        spread=None,
        n=0.0,
        prior_only=True,
        terms={},
        priority=0.0,
        selection_prob=prob,
        explored=False,
        draw=0.0,
        eligible=((action, prob),),
        removed=(),
        facts={_FACT: cells},
        reasons=(),
        holdout="none",
        policy=policy,
        model_digest="",
        features_digest="",
        horizon_days=0.0,
        seed=0,
        stream="",
    )


def _keep_schema(connection: Connection, schema: pa.Schema, origin: str) -> None:
    content = schema.serialize().to_pybytes()
    before = connection.execute(select(origins.c.frame).where(origins.c.origin == origin)).scalar()
    if before is None:
        connection.execute(insert(origins), {"origin": origin, "frame": content})
    elif not pa.ipc.read_schema(pa.py_buffer(bytes(before))).equals(schema):
        raise LogConflictError(
            "The log holds decisions of this origin with other columns or types; take these in under another."
        )
