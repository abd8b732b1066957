"""What can be computed from the tables at hand, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nba.contracts import FOREVER, NEVER, Columns
from nba.features.beside import TableMeasure
from nba.features.declare import ON_THE_CLOCK, Attribute, Declared, Fit, HistoryMeasure
from nba.features.habits import Rhythm
from nba.features.standard import WIDE
from nba.features.standing import Standing
from nba.tables import TABLES, Engagement


@dataclass(frozen=True)
class Lack:
    """A column nobody filled in, and what it would add.

    Attributes
    ----------
    columns : any one of these would do: "interactions.device"
    adds : names of what could then be computed
    """

    columns: tuple[str, ...]
    adds: tuple[str, ...]

    def __str__(self) -> str:
        return f"{' or '.join(self.columns)} is empty; it would add {len(self.adds)}: {', '.join(self.adds)}"


@dataclass(frozen=True)
class Readiness:
    """What declared features the tables allow.

    Attributes
    ----------
    ready : names of what can be computed
    lacks : what is missing for the others, what adds most first
    filled : for each column that something reads, the share of its table's rows that say something
    tables : tables that were not given, and what that switches off
    """

    ready: tuple[str, ...]
    lacks: tuple[Lack, ...]
    filled: dict[str, float]
    tables: tuple[str, ...]

    def __str__(self) -> str:
        n = len(self.ready) + len({name for lack in self.lacks for name in lack.adds})
        lines = [f"{len(self.ready)} of {n} declared features can be computed."]
        lines += [str(lack) for lack in self.lacks]
        lines += [f"{name} {share:.0%} filled" for name, share in self.filled.items() if 0 < share < 0.5]
        return "\n".join([*lines, *self.tables])


def readiness(data: Engagement, measures: Sequence[Declared] | None = None) -> Readiness:
    """Which declared features the tables allow, what is missing, and what it would add.

    A column counts as there where at least one row says something. Clocks without ``hcps.timezone`` are read
    in UTC, which this reports as missing.

    Parameters
    ----------
    data : engagement tables
    measures : what is wanted; None is the wide set

    Examples
    --------
    >>> from nba import simulate
    >>> from nba.features import Count
    >>> data = simulate.territory(seed=1, hcps=30, days=60).engagement
    >>> report = readiness(data, [Count(of="touches"), Count(by="device")])
    >>> report.ready
    ('count(touches, all)',)
    >>> print(report.lacks[0])
    interactions.device is empty; it would add 1: count(engagements, device=...)
    """
    wanted = tuple(WIDE if measures is None else measures)
    paths = sorted({path for measure in wanted for needs in needs_of(measure) for path in needs})
    filled = {path: _filled(data, path) for path in paths}
    ready: list[str] = []
    adds: dict[tuple[str, ...], list[str]] = {}
    for measure in wanted:
        missing = [needs for needs in needs_of(measure) if not any(filled[path] for path in needs)]
        if not missing:
            ready.append(_name(measure))
        for needs in missing:
            adds.setdefault(needs, []).append(_name(measure))
    lacks = [Lack(columns, tuple(names)) for columns, names in adds.items()]
    return Readiness(
        ready=tuple(ready),
        lacks=tuple(sorted(lacks, key=lambda lack: (-len(lack.adds), lack.columns))),
        filled=filled,
        tables=tuple(
            f"{table.name}: not given, so {table.without}."
            for table in TABLES.values()
            if data.tables[table.name] is None and table.without
        ),
    )


def needs_of(measure: Declared) -> tuple[tuple[str, ...], ...]:
    """Columns that a measure reads beside the log's own times and outcomes; of each group one is enough.

    Examples
    --------
    >>> from nba.features import Count
    >>> needs_of(Count(by="topic"))
    (('interactions.topic', 'content.topic'),)
    """
    if isinstance(measure, Attribute):
        return ((f"hcps.{measure.column}",),)
    if isinstance(measure, Fit):
        return (f"hcps.{measure.column}",), (f"content.{measure.audience}",)
    if isinstance(measure, TableMeasure):
        return measure.needs
    keys = {measure.by, *(part.value for part in measure.parts)} - {None, "channel", "direction", "outcome"}
    weights = {part.weight for part in measure.parts} - {None, "depth"}
    clocks = {"hour"} if isinstance(measure, Rhythm) else set()
    found = {_columns_of(str(key)) for key in keys | clocks}
    found |= {("content.depth_level",) if w == "depth_level" else (f"interactions.{w}",) for w in weights}
    if isinstance(measure, Standing):
        found.add((f"hcps.{measure.among}",))
    return tuple(sorted(found))


def _columns_of(key: str) -> tuple[str, ...]:
    if key in ON_THE_CLOCK:
        return ("hcps.timezone",)
    if key in ("content", "pair"):
        return ("interactions.content_id",)
    return tuple(f"{table}.{key}" for table in ("interactions", "content") if key in TABLES[table].by_name)


def _filled(data: Engagement, path: str) -> float:
    table, _, column = path.partition(".")
    columns: Columns = {} if data.tables[table] is None else data.columns(table)
    if column not in columns or not len(columns[column]):
        return 0.0
    values = columns[column]
    if values.dtype == object:
        return float(np.mean([bool(value) for value in values]))
    if values.dtype.kind == "i":
        return float(np.mean((values != NEVER) & (values != FOREVER)))
    return float(np.mean(~np.isnan(values))) if values.dtype.kind == "f" else 1.0


def _name(measure: Declared) -> str:
    if isinstance(measure, HistoryMeasure | TableMeasure):
        return measure.name("...")
    return measure.describe("").name if isinstance(measure, Attribute) else measure.describe().name
