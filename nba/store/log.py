"""The decision log: durable first, handed out second."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from nba.contracts import DO_NOTHING, NEVER, Columns, Outcomes, Receipt
from nba.errors import ArgumentError, LogError
from nba.store.ledger import PENDING, Recheck, commit, insert_missing, select_of
from nba.store.receipts import fingerprint, from_json
from nba.store.rows import COMMITTED, PROPOSED, VOID, Row, as_columns, as_outcome, as_pending, as_rows, hashed
from nba.store.schema import (
    SCHEMA_VERSION,
    WRITES,
    decisions,
    open_engine,
    prepare_schema,
    schema_version,
)

if TYPE_CHECKING:
    import pandas as pd

    from nba.store.attribution import Attributed

_Result = TypeVar("_Result")

_logger = logging.getLogger("nba.store")
_TRIES = 3
_FRAME = (
    *PENDING[:6],
    "batch_id",
    "selection_prob",
    "explored",
    "holdout",
    "status",
    "void_reason",
    "rechecked",
)


class Tables(Protocol):
    """What outcomes are joined from: an `Engagement`."""

    @property
    def observed_until(self) -> int: ...

    def columns(self, table: str, /) -> Columns: ...


@runtime_checkable
class Committable(Protocol):
    """A plan: its receipts, and how they are checked once more against the newest consent."""

    def receipts(self) -> Sequence[Receipt]: ...

    def recheck(self, *, consent: Any = None) -> Recheck: ...


class Log:
    """Decisions and their receipts in a database, each written before it is handed out.

    One SQLite file by default: private to its user, journalled, synced at every transaction. Every method is
    one transaction, so that processes may share a log; a locked database is waited for, then refused.

    Parameters
    ----------
    url : a file path, or a database URL such as ``sqlite:///log.db``
    wait_seconds : how long to wait in all for a database that others have locked

    Raises
    ------
    ArgumentError
        If ``url`` names no lasting database.
    LogError
        If the log cannot be opened, or was written by a newer nba.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     log = Log(f"{place}/log.db")
    ...     len(log), log.voids()
    (0, {})
    """

    def __init__(self, url: str | os.PathLike[str], *, wait_seconds: float = 10.0) -> None:
        if not (math.isfinite(wait_seconds) and wait_seconds > 0):
            raise ArgumentError(f"wait_seconds is {wait_seconds!r}, expected a number above 0.")
        self._pause = wait_seconds / _TRIES
        self._engine = open_engine(url, wait_seconds=self._pause)
        found = self._transact(schema_version)
        if found is None:
            self._transact(prepare_schema, writes=True)
        elif found > SCHEMA_VERSION:
            raise LogError(
                f"The log has schema version {found}, this nba reads up to {SCHEMA_VERSION}; update nba."
            )

    def __len__(self) -> int:
        """How many decisions it holds, whatever their status."""
        count = self._transact(
            lambda it: it.execute(select(func.count()).select_from(decisions)).scalar_one()
        )
        return int(count)

    def __bool__(self) -> bool:
        # Without this an empty log would be false, and `if log:` would skip writing to it.
        return True

    def append(self, receipts: Sequence[Receipt]) -> None:
        """Write receipts as proposed decisions, all or none; on return they are on disk.

        The same receipt again changes nothing.

        Raises
        ------
        ArgumentError, SelectionError
            If a receipt cannot be kept.
        LogConflictError
            If the log holds another receipt under one of the decision ids.
        LogError
            If the log cannot be written; nothing may be handed out then.
        """
        rows = as_rows(receipts)
        self._transact(lambda connection: insert_missing(connection, rows), writes=True)
        _logger.info("appended %d decisions", len(rows))

    def commit(
        self,
        receipts: Sequence[Receipt] | Committable,
        *,
        recheck: Recheck | None = None,
        consent: Any = None,
    ) -> dict[str, str]:
        """Make proposed decisions final: each committed, or void with a reason, in one transaction.

        No other process can commit between the check and the write. What was committed or void before stays
        so. Receipts that were never appended are appended in the same transaction.

        Parameters
        ----------
        receipts : receipts, or a plan that gives them (and how to check them once more)
        recheck : called inside the transaction with the receipts not yet final that touch someone, and the
            `pending` columns of what is committed for the same HCPs and still holds; it gives "" or a void
            reason for each receipt, in order, and may be called again after a lost race. A proposed decision
            holds no place here: the first to commit takes it.
        consent : the newest consent, handed to the plan's ``recheck``

        Returns
        -------
        decision id to "committed" or the void reason

        Raises
        ------
        ArgumentError, SelectionError, LogConflictError, LogError
            As `append`; nothing is committed then.
        """
        if isinstance(receipts, Committable):
            recheck = recheck or receipts.recheck(consent=consent)
            receipts = receipts.receipts()
        elif consent is not None:
            raise ArgumentError("consent= needs a plan that can check it; pass the plan, or pass recheck=.")
        rows = as_rows(receipts)
        by_id = {receipt.decision_id: receipt for receipt in receipts}
        done = self._transact(lambda it: commit(it, rows, by_id, recheck=recheck), writes=True)
        _logger.info("committed %d of %d decisions", list(done.values()).count(COMMITTED), len(done))
        return done

    def pending(
        self, at: int, *, hcps: Iterable[str] | None = None, engagement: Tables | None = None
    ) -> Columns:
        """Touches decided and not yet seen: proposed or committed, decided_at <= at < valid_until.

        Parameters
        ----------
        at : int seconds UTC
        hcps : only these; None is all
        engagement : decisions whose touch it holds (known strictly before ``at``) are left out, because the
            touch itself counts from then on

        Returns
        -------
        hcp_id, ts (when it was decided, int64 seconds), channel, content_id, decision_id; by ts and id
        """
        table = decisions.c
        query = select(*(table[name] for name in PENDING)).where(
            table.status.in_((PROPOSED, COMMITTED)),
            table.channel != DO_NOTHING.channel,
            table.decided_at <= at,
        )
        if engagement is None:
            query = query.where(table.valid_until > at)
        rows = self._transact(lambda connection: select_of(connection, query, hcps))
        rows = rows if engagement is None else _not_touched(rows, engagement, at=at)
        return as_pending([row for row in rows if row["valid_until"] > at])

    def outcomes(self, engagement: Tables, *, at: object) -> Outcomes:
        """What came of every decision made before ``at``, as known strictly before it.

        ``at`` is int seconds UTC, or anything ``nba.tables.as_moment`` reads.
        Committed decisions are rewarded (1), expired (0), pending or censored (see `attribution`),
        refused ones void. Decisions to do nothing and proposals that were never committed have no outcome.
        Where the engagement is complete only until an earlier moment, that moment counts.

        Raises
        ------
        OutcomeError
            If a decision's channel is not in the channels table.
        LogError
            If the log cannot be read.
        """
        moment = min(_moment(at), engagement.observed_until)
        table = decisions.c
        query = select(*(table[name] for name in (*PENDING, "selection_prob"))).where(
            table.status.in_((COMMITTED, VOID)),
            table.channel != DO_NOTHING.channel,
            table.decided_at < moment,
        )
        rows = self._transact(lambda connection: select_of(connection, query, None))
        committed = [row for row in rows if row["status"] == COMMITTED]
        found = _attributed(committed, engagement, at=moment)
        states = dict(zip((row["decision_id"] for row in committed), zip(*found, strict=True), strict=True))
        nothing = (VOID, NEVER)
        outcomes = tuple(as_outcome(row, *states.get(row["decision_id"], nothing)) for row in rows)
        return Outcomes(rows=outcomes, engagement=engagement)

    def decisions(self, *, batch_id: str | None = None, hcp_id: str | None = None) -> pd.DataFrame:
        """Decisions as a frame, one row each, by moment and id; moments are UTC timestamps."""
        import pandas as pd  # not needed to write, and a service that decides should start at once

        query = select(*(decisions.c[name] for name in _FRAME)).where(
            *_conditions(batch_id=batch_id, hcp_id=hcp_id)
        )
        rows = self._transact(lambda connection: select_of(connection, query, None))
        frame = pd.DataFrame(rows, columns=list(_FRAME))
        for name in ("decided_at", "valid_until"):
            seconds = frame[name].to_numpy(dtype=np.int64).astype("datetime64[s]")
            frame[name] = pd.Series(seconds, index=frame.index).dt.tz_localize("UTC")
        return frame

    def receipt(self, decision_id: str) -> Receipt:
        """The receipt of one decision, equal to the one appended in every bit.

        Raises
        ------
        LogError
            If there is no such decision, or its text was altered.
        """
        found = self._receipts(decisions.c.decision_id == decision_id)
        if not found:
            raise LogError(
                f"The log has no decision {hashed(decision_id)}; check the id and which log is open."
            )
        return found[0]

    def receipts(self, *, batch_id: str | None = None, hcp_id: str | None = None) -> list[Receipt]:
        """The receipts of a batch, of an HCP, or all, by moment and id."""
        conditions = _conditions(batch_id=batch_id, hcp_id=hcp_id)
        return self._receipts(*conditions)

    def voids(self, *, batch_id: str | None = None) -> dict[str, int]:
        """How many decisions are void, by reason."""
        table = decisions.c
        query = select(table.void_reason, func.count()).where(table.status == VOID)
        query = query.where(*_conditions(batch_id=batch_id, hcp_id=None)).group_by(table.void_reason)
        rows = self._transact(lambda connection: connection.execute(query).all())
        return {str(reason): int(count) for reason, count in sorted((row[0], row[1]) for row in rows)}

    def _receipts(self, *conditions: Any) -> list[Receipt]:
        table = decisions.c
        query = select(table.receipt, table.receipt_sha256).where(*conditions)
        query = query.order_by(table.decided_at, table.decision_id)
        rows = self._transact(lambda connection: connection.execute(query).all())
        altered = sum(fingerprint(text) != expected for text, expected in rows)
        if altered:
            raise LogError(
                f"{altered} receipts do not have their SHA-256; the log was altered, restore a copy."
            )
        return [from_json(text) for text, _ in rows]

    def _transact(self, work: Callable[[Connection], _Result], *, writes: bool = False) -> _Result:
        """Do ``work`` in one transaction; try a few times where others hold the lock."""
        for trial in range(1, _TRIES + 1):
            try:
                with self._engine.connect() as plain:
                    connection = plain.execution_options(**{WRITES: writes})
                    with connection.begin():
                        return work(connection)
            except OperationalError as error:
                if not _is_lock(error) or trial == _TRIES:
                    raise _as_log_error(error) from error
                time.sleep(min(self._pause, 0.05 * trial))
            except SQLAlchemyError as error:
                raise _as_log_error(error) from error
        raise LogError("The log was locked at every try.")  # pragma: no cover


def _not_touched(rows: list[Row], engagement: Tables, *, at: int) -> list[Row]:
    committed = [row for row in rows if row["status"] == COMMITTED]
    found = _attributed(committed, engagement, at=at)
    touched = {row["decision_id"] for row, ts in zip(committed, found.touched_at, strict=True) if ts != NEVER}
    return [row for row in rows if row["decision_id"] not in touched]


def _attributed(rows: list[Row], engagement: Tables, *, at: int) -> Attributed:
    from nba.store.attribution import attribute  # brings compiled code that writing does not need

    interactions, channels = engagement.columns("interactions"), engagement.columns("channels")
    return attribute(as_columns(rows), interactions, channels, at=at)


def _moment(at: object) -> int:
    if isinstance(at, int):
        return at
    from nba.tables import as_moment  # brings pandas, which writing does not need

    return as_moment(at)


def _is_lock(error: OperationalError) -> bool:
    said = str(error.orig).lower()
    return any(word in said for word in ("locked", "busy", "serializ", "deadlock"))


def _as_log_error(error: SQLAlchemyError) -> LogError:
    said = getattr(error, "orig", None) or type(error).__name__
    return LogError(
        f"The log cannot be read or written: {said}. Check that its database is there, unlocked and has "
        "space; no decision was handed out."
    )


def _conditions(*, batch_id: str | None, hcp_id: str | None) -> list[Any]:
    asked = {"batch_id": batch_id, "hcp_id": hcp_id}
    return [decisions.c[name] == value for name, value in asked.items() if value is not None]
