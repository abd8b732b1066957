"""How long features as of a moment take, beside Polars, DuckDB and pandas.

python -m benchmarks.features --quick

All engines compute the same 137 columns (counts in windows, recencies and fading totals, overall and by
channel and topic) strictly as of each row's moment, by event time and by arrival, and their values are
compared. The peers read columns of integers; each is timed by the better of two ways: a join of rows with all
earlier events, and running totals looked up by an as-of join. Ours is timed from compiled events, which any
number of designs share; what compiling them takes is printed beside it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.report import (
    Took,
    arguments,
    finish,
    forget_peak,
    growth_exponent,
    held_mb,
    peak_mb,
    timed,
)
from nba.features import Count, Decayed, EngagementFeatures, Events, Recency
from nba.tables import OneHCP
from training.console import table

DAY = 86_400
START = 1_700_000_000
CHANNELS, TOPICS, DAYS = 10, 12, 730
QUICK, FULL, LARGE = (50_000, 10_000), (1_000_000, 200_000), (10_000_000, 1_000_000)
HALF_LIFE = 30
MEASURES = (
    *(Count(of=of, window_days=days) for of in ("touches", "engagements") for days in (7, 30, 90, 365)),
    *(
        Count(of=of, by="channel", window_days=days)
        for of in ("touches", "engagements")
        for days in (30, 90, 365)
    ),
    *(Count(by="topic", window_days=days) for days in (90, 365)),
    Recency(of="touches"),
    Recency(),
    Recency(of="touches", by="channel"),
    Recency(by="channel"),
    Recency(by="topic"),
    Decayed(half_life_days=HALF_LIFE),
    Decayed(by="channel", half_life_days=HALF_LIFE),
)


class Column(NamedTuple):
    """One column as the peers are asked for it; ``by`` is "" for all events."""

    op: str
    flag: str
    by: str
    key: int
    days: int

    @property
    def name(self) -> str:
        return f"{self.op}_{self.flag}_{self.by}{self.key}_{self.days}"

    @property
    def kind(self) -> str:
        """Which events, whatever is computed of them."""
        return f"{self.flag}_{self.by}{self.key}"


def columns_asked() -> list[Column]:
    """The same columns in the same order as ``MEASURES`` gives them."""
    found = []
    for m in MEASURES:
        flag = "touch" if m.of == "touches" else "engaged"
        keys = {None: 1, "channel": CHANNELS, "topic": TOPICS}[m.by]
        op = {"Count": "count", "Recency": "recency", "Decayed": "decayed"}[type(m).__name__]
        found += [Column(op, flag, m.by or "", key, m.days or 0) for key in range(keys)]
    return found


@dataclass(frozen=True)
class Log:
    """Events sorted by HCP and time, and rows (HCP, moment); integers throughout."""

    events: dict[str, np.ndarray]
    rows: dict[str, np.ndarray]

    @classmethod
    def random(cls, n_events: int, n_rows: int, seed: int) -> Log:
        """Fifty events and ten rows an HCP; one event in ten arrives late; ties are common."""
        rng = np.random.default_rng(seed)
        n_hcps = max(n_events // 50, 1)
        hcp = np.sort(rng.integers(0, n_hcps, n_events))
        ts = START + rng.integers(0, DAYS * 24, n_events) * 3_600
        order = np.lexsort((ts, hcp))
        late = np.where(rng.random(n_events) < 0.1, rng.integers(0, 30 * 24, n_events) * 3_600, 0)
        touch = rng.random(n_events) < 0.6
        events = {
            "hcp": hcp, "ts": ts[order], "known": ts[order] + late,
            "channel": rng.integers(0, CHANNELS, n_events), "topic": rng.integers(0, TOPICS, n_events),
            "touch": touch, "engaged": ~touch | (rng.random(n_events) < 0.2),
        }  # fmt: skip
        rows = {
            "place": np.arange(n_rows),
            "hcp": np.sort(rng.integers(0, n_hcps, n_rows)),
            "moment": START + rng.integers(90 * 24, DAYS * 24, n_rows) * 3_600,
        }
        return cls(events, rows)


# --- ours -------------------------------------------------------------------------------------------------


def compiled(log: Log) -> Events:
    """The same events as the library takes them."""
    e = log.events
    n = len(e["ts"])
    texts = {
        name: np.array([f"{name[0]}{i:07d}" for i in range(most)], dtype=object)
        for name, most in (("hcp", e["hcp"].max() + 1), ("channel", CHANNELS), ("topic", TOPICS))
    }
    blank = np.full(n, "", dtype=object)
    interactions = {
        "hcp_id": texts["hcp"][e["hcp"]], "ts": e["ts"], "recorded_at": e["known"],
        "channel": texts["channel"][e["channel"]], "topic": texts["topic"][e["topic"]],
        "content_id": blank, "touch": e["touch"], "engaged": e["engaged"],
    }  # fmt: skip
    none: Any = np.zeros(0, dtype=object)
    content = {"content_id": none, "topic": none}
    return Events.from_columns(interactions, content=content, channels={})


def ours(log: Log, *, dtype: str = "float32") -> tuple[Callable[[], np.ndarray], EngagementFeatures, Events]:
    """A call that computes every row's columns."""
    events = compiled(log)
    features = EngagementFeatures(MEASURES, dtype=dtype)
    people = {"hcp_id": events.histories.hcps}
    features.fit_events(events, people, until=2**31)
    who = np.array([f"h{i:07d}" for i in range(log.events["hcp"].max() + 1)], dtype=object)[log.rows["hcp"]]
    none = np.zeros(0, dtype=np.int64)

    def run() -> np.ndarray:
        return features.design(
            events, people, hcps=who, at=log.rows["moment"], actions=(), row=none, pair=none
        ).shared

    return run, features, events


def floor_of(log: Log, width: int) -> Callable[[], np.ndarray]:
    """Read every input once, and write every output once."""

    def run() -> np.ndarray:
        total = sum(float(values.sum()) for values in (*log.events.values(), *log.rows.values()))
        return np.full((len(log.rows["moment"]), width), total, dtype="float32")

    return run


# --- peers ------------------------------------------------------------------------------------------------


def polars_join(log: Log, asked: Sequence[Column]) -> np.ndarray:
    """Every row beside all its HCP's earlier events, then one aggregation."""
    import polars as pl

    events, rows = pl.LazyFrame(log.events), pl.LazyFrame(log.rows)
    age = pl.col("moment") - pl.col("ts")

    def value(c: Column) -> pl.Expr:
        mine = pl.col(c.flag) & (pl.col(c.by) == c.key) if c.by else pl.col(c.flag)
        if c.op == "count":
            return (mine & (age <= c.days * DAY)).sum().alias(c.name)
        if c.op == "recency":
            return (age.filter(mine).min() / DAY).alias(c.name)
        return (2.0 ** (-age / (HALF_LIFE * DAY))).filter(mine).sum().alias(c.name)

    joined = rows.join(events, on="hcp").filter(
        (pl.col("ts") < pl.col("moment")) & (pl.col("known") < pl.col("moment"))
    )
    found = joined.group_by("place").agg([value(c) for c in asked])
    out = rows.select("place").join(found, on="place", how="left").sort("place").drop("place").collect()
    return _filled(out.to_numpy(), asked)


def duckdb_join(log: Log, asked: Sequence[Column]) -> np.ndarray:
    """The same in SQL."""
    import duckdb

    def value(c: Column) -> str:
        mine = f"{c.flag} AND {c.by} = {c.key}" if c.by else c.flag
        if c.op == "count":
            return f"count(*) FILTER (WHERE {mine} AND moment - ts <= {c.days * DAY}) AS {c.name}"
        if c.op == "recency":
            return f"min(moment - ts) FILTER (WHERE {mine}) / {DAY}.0::DOUBLE AS {c.name}"
        faded = f"pow(2.0::DOUBLE, -(moment - ts) / {HALF_LIFE * DAY}.0::DOUBLE)"
        return f"sum({faded}) FILTER (WHERE {mine}) AS {c.name}"

    with duckdb.connect() as db:
        db.register("events", pd.DataFrame(log.events))
        db.register("rows", pd.DataFrame(log.rows))
        out = db.sql(
            f"""SELECT r.place, {", ".join(value(c) for c in asked)}
            FROM rows r LEFT JOIN events e ON e.hcp = r.hcp AND e.ts < r.moment AND e.known < r.moment
            GROUP BY r.place ORDER BY r.place"""
        ).df()
    return _filled(out.drop(columns="place").to_numpy(dtype=float), asked)


class Lookups:
    """Running totals of every kind of event, in the order in which they can be looked up by an as-of join.

    An event is in a window of w seconds from its arrival until w after it happened; so a count is the
    running count in order of arrival less that in order of max(arrival, time + w).
    """

    def __init__(self, asked: Sequence[Column]) -> None:
        self.asked = asked
        self.counted = {c.kind: c for c in asked if c.op == "count"}
        self.latest = [c for c in asked if c.op == "recency"]
        self.faded = [c for c in asked if c.op == "decayed"]
        self.windows = sorted({c.days for c in asked if c.op == "count"})

    def value(self, c: Column, found: Callable[[str], np.ndarray], at: np.ndarray) -> np.ndarray:
        """One column from what was looked up; NaN where nothing was found."""
        if c.op == "count":
            return np.nan_to_num(found(f"n_{c.kind}")) - np.nan_to_num(found(f"n_{c.kind}_{c.days}"))
        if c.op == "recency":
            return (at - found(f"last_{c.kind}")) / DAY
        scale = np.exp2(-(at - START) / (HALF_LIFE * DAY))
        return np.nan_to_num(found(f"faded_{c.kind}")) * scale


def polars_asof(log: Log, asked: Sequence[Column]) -> np.ndarray:
    import polars as pl

    look = Lookups(asked)
    events, rows = pl.DataFrame(log.events), pl.DataFrame(log.rows).sort("moment")

    def is_of(c: Column) -> pl.Expr:
        return pl.col(c.flag) & (pl.col(c.by) == c.key) if c.by else pl.col(c.flag)

    def looked_up(totals: Sequence[pl.Expr], t: pl.Expr) -> pl.DataFrame:
        ordered = events.with_columns(t=t).sort("t").select("hcp", "t", *totals)
        keys = {"left_on": "moment", "right_on": "t", "by": "hcp"}
        return rows.join_asof(ordered, **keys, allow_exact_matches=False, check_sortedness=False)

    known = [is_of(c).cast(pl.Int64).cum_sum().over("hcp").alias(f"n_{k}") for k, c in look.counted.items()]
    known += [
        pl.when(is_of(c)).then(pl.col("ts")).cum_max().forward_fill().over("hcp").alias(f"last_{c.kind}")
        for c in look.latest
    ]
    grown = 2.0 ** ((pl.col("ts") - START) / (HALF_LIFE * DAY))
    known += [
        pl.when(is_of(c)).then(grown).otherwise(0.0).cum_sum().over("hcp").alias(f"faded_{c.kind}")
        for c in look.faded
    ]
    frames = [looked_up(known, pl.col("known"))]
    for days in look.windows:
        gone = [
            is_of(c).cast(pl.Int64).cum_sum().over("hcp").alias(f"n_{c.kind}_{days}")
            for c in asked
            if c.op == "count" and c.days == days
        ]
        frames.append(looked_up(gone, pl.max_horizontal("known", pl.col("ts") + days * DAY)))
    place = np.argsort(rows["place"].to_numpy(), kind="stable")
    where = {name: frame for frame in frames for name in frame.columns}

    def found(name: str) -> np.ndarray:
        return where[name][name].to_numpy().astype(float)[place]

    return np.column_stack([look.value(c, found, log.rows["moment"]) for c in asked])


def duckdb_asof(log: Log, asked: Sequence[Column]) -> np.ndarray:
    import duckdb

    look = Lookups(asked)

    def is_of(c: Column) -> str:
        return f"({c.flag} AND {c.by} = {c.key})" if c.by else c.flag

    def total(what: str, name: str) -> str:
        return f"{what} OVER w AS {name}"

    known = [total(f"sum({is_of(c)}::INT)", f"n_{kind}") for kind, c in look.counted.items()]
    known += [total(f"max(CASE WHEN {is_of(c)} THEN ts END)", f"last_{c.kind}") for c in look.latest]
    grown = f"pow(2.0::DOUBLE, (ts - {START}) / {HALF_LIFE * DAY}.0::DOUBLE)"
    known += [
        total(f"sum(CASE WHEN {is_of(c)} THEN {grown} ELSE 0 END)", f"faded_{c.kind}") for c in look.faded
    ]
    orders = [("known", known)]
    for days in look.windows:
        gone = [
            total(f"sum({is_of(c)}::INT)", f"n_{c.kind}_{days}")
            for c in asked
            if c.op == "count" and c.days == days
        ]
        orders.append((f"greatest(known, ts + {days * DAY})", gone))
    looked: dict[str, np.ndarray] = {}
    with duckdb.connect() as db:
        db.register("events", pd.DataFrame(log.events))
        db.register("rows", pd.DataFrame(log.rows))
        for t, totals in orders:
            out = db.sql(
                f"""WITH e AS (SELECT hcp, {t} AS t, * EXCLUDE hcp,
                           row_number() OVER (ORDER BY hcp, {t}, ts) AS i FROM events),
                k AS (SELECT hcp, t, i, {", ".join(totals)} FROM e
                      WINDOW w AS (PARTITION BY hcp ORDER BY i ROWS UNBOUNDED PRECEDING)),
                l AS (SELECT * FROM k QUALIFY row_number() OVER (PARTITION BY hcp, t ORDER BY i DESC) = 1)
                SELECT r.place, l.* EXCLUDE (hcp, t, i) FROM rows r ASOF LEFT JOIN l
                ON r.hcp = l.hcp AND r.moment > l.t ORDER BY r.place"""
            ).df()
            looked |= {name: out[name].to_numpy(dtype=float) for name in out.columns if name != "place"}
    return np.column_stack([look.value(c, looked.__getitem__, log.rows["moment"]) for c in asked])


def pandas_asof(log: Log, asked: Sequence[Column]) -> np.ndarray:
    look = Lookups(asked)
    events, rows = pd.DataFrame(log.events), pd.DataFrame(log.rows).sort_values("moment", kind="stable")

    def is_of(c: Column) -> pd.Series:
        return events[c.flag] & (events[c.by] == c.key) if c.by else events[c.flag]

    def looked_up(columns: dict[str, tuple[pd.Series, str]], t: pd.Series) -> pd.DataFrame:
        order = np.argsort(t.to_numpy(), kind="stable")
        frame = pd.DataFrame({name: values for name, (values, _) in columns.items()}).iloc[order]
        hcp = events["hcp"].iloc[order]
        sums = [name for name, (_, how) in columns.items() if how == "sum"]
        tops = [name for name, (_, how) in columns.items() if how == "max"]
        parts = [frame[sums].groupby(hcp).cumsum()]
        if tops:
            parts.append(frame[tops].groupby(hcp).cummax().groupby(hcp).ffill())
        right = pd.concat([hcp, t.iloc[order].rename("t"), *parts], axis=1)
        return pd.merge_asof(rows, right, left_on="moment", right_on="t", by="hcp", allow_exact_matches=False)

    grown = np.exp2((events["ts"] - START) / (HALF_LIFE * DAY))
    known = {f"n_{kind}": (is_of(c).astype(float), "sum") for kind, c in look.counted.items()}
    known |= {f"last_{c.kind}": (events["ts"].where(is_of(c)).astype(float), "max") for c in look.latest}
    known |= {f"faded_{c.kind}": (grown.where(is_of(c), 0.0), "sum") for c in look.faded}
    looked = looked_up(known, events["known"])
    for days in look.windows:
        gone = {
            f"n_{c.kind}_{days}": (is_of(c).astype(float), "sum")
            for c in asked
            if c.op == "count" and c.days == days
        }
        more = looked_up(gone, np.maximum(events["known"], events["ts"] + days * DAY))
        looked = pd.concat([looked, more[list(gone)]], axis=1)
    looked = looked.set_index("place").sort_index()
    return np.column_stack(
        [look.value(c, lambda name: looked[name].to_numpy(dtype=float), log.rows["moment"]) for c in asked]
    )


def _filled(found: np.ndarray, asked: Sequence[Column]) -> np.ndarray:
    """Nothing is 0, except where a recency is asked for."""
    values = found.astype(float)
    counted = np.array([c.op != "recency" for c in asked])
    values[:, counted] = np.nan_to_num(values[:, counted])
    return values


PEERS: dict[str, tuple[Callable[..., np.ndarray], ...]] = {
    "Polars": (polars_join, polars_asof),
    "DuckDB": (duckdb_join, duckdb_asof),
    "pandas": (pandas_asof,),
}


# --- one HCP, and starting --------------------------------------------------------------------------------


def one_hcp(features: EngagementFeatures, *, calls: int) -> tuple[np.ndarray, np.ndarray]:
    """Microseconds a call for one HCP with 300 plain records, and where answers name what they answer."""
    log = Log.random(15_000, 10, seed=3)
    e = {name: values[:300] for name, values in log.events.items()}
    records = [
        {
            "interaction_id": f"i{i:03d}", "hcp_id": "h0000000", "channel": f"c{channel:07d}",
            "topic": f"t{topic:07d}", "direction": "outbound" if touch else "inbound",
            "outcome": "sent" if touch else "clicked",
            "ts": pd.Timestamp(ts, unit="s", tz="UTC").to_pydatetime(),
        }
        for i, (ts, channel, topic, touch) in enumerate(
            zip(sorted(e["ts"].tolist()), e["channel"], e["topic"], e["touch"], strict=True)
        )
    ]  # fmt: skip
    answers, latest = [], None
    for record in records:
        is_touch = record["direction"] == "outbound"
        answers.append({**record, "parent_id": None if is_touch else latest})
        latest = record["interaction_id"] if is_touch else latest
    none: Any = np.zeros(0, dtype=object)
    content, channels = {"content_id": none, "topic": none}, {"channel": none, "success": none}
    one = features.compiled(OneHCP({"content": content, "channels": channels, "hcps": {"hcp_id": none}}))
    at = pd.Timestamp(START + DAYS * DAY, unit="s", tz="UTC").to_pydatetime()

    def ask(history: list[dict[str, Any]]) -> Callable[[], Any]:
        return partial(one.transform, "h0000000", history=history, at=at)

    return _each_call(ask(records), calls), _each_call(ask(answers), calls)


def _each_call(call: Callable[[], Any], calls: int) -> np.ndarray:
    for _ in range(5):
        call()
    took = []
    for _ in range(calls):
        begin = time.perf_counter()
        call()
        took.append((time.perf_counter() - begin) * 1e6)
    return np.array(took)


def starts() -> tuple[float, float]:
    """CPU seconds until a fresh process is ready: compiling the kernel, and reading it from the cache."""
    code = "import time, nba; nba.features.warm_up(); print(time.process_time())"
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "NUMBA_CACHE_DIR": folder}
        took = [
            float(
                subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout
            )
            for _ in range(2)
        ]
    return took[0], took[1]


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table for people, then one JSON line."""
    flags = arguments("Features as of a moment, beside Polars, DuckDB and pandas.", argv)
    n_events, n_rows = QUICK if flags.quick else FULL
    log, asked = Log.random(n_events, n_rows, flags.seed), columns_asked()
    run, features, _ = ours(log)
    run()
    took, narrow = timed(run)
    coding, _ = timed(lambda: ours(log), repeats=1)
    exact = ours(log, dtype="float64")[0]()
    floor, _ = timed(floor_of(log, narrow.shape[1]))
    spent, worst = race(log, asked, exact)
    plain, parents = one_hcp(features, calls=500)
    cold, cached = starts()
    print(f"{n_events:,} events, {n_rows:,} rows, {len(asked)} columns. CPU seconds of all threads.\n")
    rows = [("ours", took), *spent.items()]
    print(
        table(
            ["engine", "CPU s", "wall s", "times ours"],
            [[name, f"{t.cpu:.3f}", f"{t.wall:.3f}", f"{t.cpu / took.cpu:.1f}"] for name, t in rows],
        )
    )
    print(f"\ncompiling the events and learning which keys there are took {coding.cpu:.2f} CPU s, once")
    print(
        f"one HCP, 300 events from plain records: {np.median(plain):.0f} us; "
        f"{np.median(parents):.0f} us where every answer names what it answers"
    )
    figures: dict[str, Any] = {
        "events": n_events, "rows": n_rows, "features": len(asked), "cpu_s": took.cpu,
        **{
            f"ratio_{peer.lower()}": min(t.cpu for n, t in spent.items() if n.startswith(peer)) / took.cpu
            for peer in PEERS
        },
        "floor_multiple": took.cpu / floor.cpu, "online_us_p50": np.median(plain),
        "online_us_p99": np.percentile(plain, 99), "cold_start_s": cold, "cached_start_s": cached,
        "max_rel_diff": worst, "online_parents_us_p50": np.median(parents),
    }  # fmt: skip
    if not flags.quick:
        figures |= _grown(flags.seed)
    finish({**figures, "peak_mb": peak_mb()})


def race(log: Log, asked: Sequence[Column], exact: np.ndarray) -> tuple[dict[str, Took], float]:
    """What each way of each peer took, and how far its values lie from ours at the most."""
    spent: dict[str, Took] = {}
    worst = 0.0
    for name, ways in PEERS.items():
        for way in ways:
            how = way.__name__.rpartition("_")[2]
            spent[f"{name}, {how}"], values = timed(partial(way, log, asked), repeats=1)
            worst = max(worst, _difference(values, exact))
    return spent, worst


def grow(sizes: Sequence[tuple[int, int]], seed: int) -> dict[str, float]:
    """How CPU time grows from size to size, and what the largest holds beside its events and its output.

    Run it in a process of its own: what peers took, and memory once had, would be counted else. The time in
    the kernel is that of fresh memory for the output; it is told apart, since it is the machine's.
    """
    all_cpu, own, held = [], [], 0.0
    for n_events, n_rows in sizes:
        run = ours(Log.random(n_events, n_rows, seed))[0]
        run()  # what is laid out once is laid out
        before, took = held_mb(), []
        for _ in range(3):
            forget_peak()
            begun = resource.getrusage(resource.RUSAGE_SELF)
            size = run().nbytes
            ended = resource.getrusage(resource.RUSAGE_SELF)
            took.append((ended.ru_utime - begun.ru_utime, ended.ru_stime - begun.ru_stime))
            held = peak_mb() - before - size / 2**20
        user, system = np.maximum(np.median(took, axis=0), 1e-6)  # a clock of ticks may see none of it
        all_cpu.append(user + system)
        own.append(user)
    events = [n for n, _ in sizes]
    return {
        "growth_exponent": growth_exponent(events, all_cpu),
        "growth_exponent_user": growth_exponent(events, own),
        "large_cpu_s": all_cpu[-1],
        "large_user_s": own[-1],
        "large_held_mb": held,
    }


def _grown(seed: int) -> dict[str, float]:
    """From a million events to ten, in a fresh process."""
    code = f"import json; from benchmarks.features import *; print(json.dumps(grow([FULL, LARGE], {seed})))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    grown: dict[str, float] = json.loads(found.splitlines()[-1])
    return grown


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest relative difference; missing on one side alone is infinite."""
    if (np.isnan(found) != np.isnan(expected)).any():
        return float("inf")
    scale = np.maximum(np.abs(expected), 1e-9)
    return float(np.nanmax(np.abs(found - expected) / scale))


if __name__ == "__main__":
    main()
