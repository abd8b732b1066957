"""The decision log: durable first, handed out second."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from sqlalchemy import Connection, and_, func, or_, select

from nba.contracts import DAY, DO_NOTHING, NEVER, Action, Columns, Outcomes, Receipt
from nba.errors import ArgumentError, LogError, NBAWarning
from nba.store import ledger, privacy, requests
from nba.store.database import Database
from nba.store.feedback import write_feedback
from nba.store.ledger import PENDING, Recheck, select_of
from nba.store.migrations import migrate
from nba.store.packing import Packed, Part
from nba.store.responses import FeedbackDone, read_feedback
from nba.store.rows import COMMITTED, PROPOSED, VOID, Row, as_pending, by_id, hashed
from nba.store.schema import (
    SCHEMA_VERSION,
    decisions,
    feedback,
    outcomes,
    parts,
    prepare_schema,
    schema_version,
)

if TYPE_CHECKING:
    import pandas as pd

    from nba.store.outcomes import Judged, Tables

_logger = logging.getLogger("nba.store")
_LOOK_BACK = 366 * DAY  # no cap or gap counts touches older than a year
_FRAME = (
    *PENDING[:6],
    "batch_id",
    "selection_prob",
    "explored",
    "holdout",
    "origin",
    "status",
    "void_reason",
    "rechecked",
    "consent_rechecked",
    "forgotten",
)


@runtime_checkable
class Committable(Protocol):
    """A plan: its receipts, and how they are checked once more against the newest consent."""

    def receipts(self) -> Sequence[Receipt]: ...

    def recheck(self, *, consent: Any = None) -> Recheck: ...


class Log:
    """Decisions and their receipts in a database, each written before it is handed out.

    One SQLite file by default: private to its user, journalled, synced at every transaction; PostgreSQL by
    URL. Every method is one transaction, and writers take turns, so that processes and threads may share a
    log; a locked database is waited for, then refused. A log of an older nba is migrated when it is opened,
    with a warning.

    Parameters
    ----------
    url : a file path, or a database URL such as ``sqlite:///log.db`` or ``postgresql://user@host/name``
    wait_seconds : how long to wait in all for a database that others have locked
    keep_comments : keep the free text of feedback, which may hold anything; by default it is dropped
    on_safety_report : called with each row of feedback that is a safety report, before anything is written;
        where it fails, nothing is kept and the row may be handed in again

    Raises
    ------
    ArgumentError
        If ``url`` names no lasting database.
    LogError
        If the log cannot be opened, or was written by a newer nba.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place, Log(f"{place}/log.db") as log:
    ...     len(log), log.voids()
    (0, {})
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        *,
        wait_seconds: float = 10.0,
        keep_comments: bool = False,
        on_safety_report: Callable[[Mapping[str, Any]], object] | None = None,
    ) -> None:
        self._database = Database(url, wait_seconds=wait_seconds)
        self._keep_comments = keep_comments
        self._on_safety_report = on_safety_report
        self._part: Part | None = None
        self._prepare()

    def _prepare(self) -> None:
        found = self._database.read(schema_version)
        if found is None:
            self._database.write(prepare_schema)
        elif found > SCHEMA_VERSION:
            raise LogError(
                f"The log has schema version {found}, this nba reads up to {SCHEMA_VERSION}; update nba."
            )
        elif found < SCHEMA_VERSION:
            moved = self._database.write(migrate)
            warnings.warn(
                f"The log was of schema version {found}; its {moved} decisions are now in version "
                f"{SCHEMA_VERSION}, and an older nba can no longer read it.",
                NBAWarning,
                stacklevel=3,
            )

    def __len__(self) -> int:
        """How many decisions it holds, whatever their status."""
        count = self._database.read(
            lambda it: it.execute(select(func.count()).select_from(decisions)).scalar_one()
        )
        return int(count)

    def __bool__(self) -> bool:
        # Without this an empty log would be false, and `if log:` would skip writing to it.
        return True

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections it keeps; it opens one again when it is used."""
        self._database.close()

    def append(self, receipts: Sequence[Receipt]) -> None:
        """Write receipts as proposed decisions, all or none; on return they are on disk.

        The same receipt again changes nothing, also where it was forgotten since.

        Raises
        ------
        ArgumentError, SelectionError
            If a receipt cannot be kept.
        LogConflictError
            If the log holds another receipt under one of the decision ids.
        LogError
            If the log cannot be written; nothing may be handed out then.
        """
        found = by_id(receipts)
        if not found:
            return
        part, packed = self._packed(found)
        self._database.write(lambda it: ledger.append(it, found, packed, part=part))
        _logger.info("appended %d decisions", len(found))

    def once(
        self, key: str, decide: Callable[[Any], Iterable[Receipt]], *, parameters: Mapping[str, Any]
    ) -> list[Receipt]:
        """Decide a request once: the same key with the same parameters gives the same receipts.

        Parameters
        ----------
        key : the caller's id of the request; only its hash is kept
        decide : called with what stands for the log where the request is new; gives receipts or a plan, which
            are appended together with the request. Of two processes with one new key both get the receipts
            of the first.
        parameters : plain values that make the request

        Raises
        ------
        LogConflictError
            If the key came with other parameters before.
        LogError
            If the log cannot be read or written, or what was decided has been forgotten since.

        Examples
        --------
        ``log.once(key, lambda draft: model.decide(hcp, history=h, at=at, seed=7, log=draft),
        parameters={"hcp": hcp, "at": at, "seed": 7})``
        """
        before = self._database.read(lambda it: requests.answered(it, key, parameters))
        if not before:
            found = by_id(list(decide(requests.Draft(self))))
            if not found:
                raise ArgumentError("decide gave no receipt; a request has at least one decision.")
            part, packed = self._packed(found)

            def write(connection: Connection) -> list[str]:
                first = requests.answered(connection, key, parameters)
                if first:
                    return first
                ledger.append(connection, found, packed, part=part)
                requests.keep_answer(connection, key, parameters, list(found))
                return list(found)

            before = self._database.write(write)
        return [self.receipt(name) for name in before]

    def commit(
        self,
        receipts: Sequence[Receipt] | Committable,
        *,
        recheck: Recheck | None = None,
        consent: Any = None,
    ) -> dict[str, str]:
        """Make proposed decisions final: each committed, or void with a reason, in one transaction.

        No other process can commit between the check and the write, so that two can never both take the last
        allowed touch. What was committed or void before stays so. Receipts that were never appended are
        appended in the same transaction. A decision that was forgotten in between is ``"forgotten"``.

        Parameters
        ----------
        receipts : receipts, or a plan that gives them (and how to check them once more)
        recheck : called inside the transaction with the receipts not yet final that touch someone, and the
            `pending` columns of what is committed for the same HCPs and still holds, or was sent; it gives ""
            or a void reason for each receipt, in order, and may be called again after a lost race. A proposed
            decision holds no place here: the first to commit takes it.
        consent : the newest consent, handed to the plan's ``recheck``: a table, or a callable that gives one
            and is called inside the transaction. Without it the rows say that only caps were checked again
            (``consent_rechecked`` is false).

        Returns
        -------
        decision id to "committed" or the void reason

        Raises
        ------
        ArgumentError, SelectionError, LogConflictError, LogError
            As `append`; nothing is committed then.
        """
        with_consent = consent is not None and recheck is None
        if isinstance(receipts, Committable):
            recheck = recheck or receipts.recheck(consent=consent)
            receipts = receipts.receipts()
        elif consent is not None:
            raise ArgumentError("consent= needs a plan that can check it; pass the plan, or pass recheck=.")
        found = by_id(receipts)
        if not found:
            return {}
        part, packed = self._packed(found)
        done = self._database.write(
            lambda it: ledger.commit(it, found, packed, part=part, recheck=recheck, with_consent=with_consent)
        )
        _logger.info("committed %d of %d decisions", list(done.values()).count(COMMITTED), len(done))
        return done

    def feedback(self, records: Any) -> FeedbackDone:
        """Keep what was told about decisions, all rows or none.

        The same row again is kept once. What comes after every window of its decision has closed is kept,
        marked late, and teaches nothing. A safety report goes to ``on_safety_report`` first, its words are
        never kept, and its decision is never learned from.

        Parameters
        ----------
        records : a frame, records, or one record: decision_id, ts (int seconds UTC, or anything
            ``nba.tables.as_moment`` reads), response (one of ``RESPONSES``), and where they apply
            dismiss_reason (one of ``DISMISS_REASONS``), reward (0 to 1), user_id, changed_to, comment,
            feedback_id

        Raises
        ------
        ArgumentError
            If a field is unknown, missing, or looks like patient data.
        OutcomeError
            If a decision is unknown, the moment is before it, or a reward or reason is not one.
        LogConflictError
            If the log was told something else before.
        """
        told = read_feedback(records)
        reports = [row for row in told if row.is_safety_report]
        for row in reports if self._on_safety_report else []:
            self._on_safety_report(row._asdict())  # type: ignore[misc]
        done = self._database.write(lambda it: write_feedback(it, told, keep_comments=self._keep_comments))
        if reports and self._on_safety_report is None:
            warnings.warn(
                f"{len(reports)} rows of feedback are safety reports and went nowhere: hand them to "
                "pharmacovigilance now, and pass on_safety_report= to the log. Their words are not kept.",
                NBAWarning,
                stacklevel=2,
            )
        _logger.info("kept %d rows of feedback, %d late", done.kept, done.late)
        return done

    def pending(
        self, at: int, *, hcps: Iterable[str] | None = None, engagement: Tables | None = None
    ) -> Columns:
        """Touches decided and not yet seen: proposed or committed, decided_at <= at < valid_until.

        What bounced or was dismissed before ``at`` holds no place.

        Parameters
        ----------
        at : int seconds UTC
        hcps : only these; None is all
        engagement : decisions whose touch it holds (known strictly before ``at``) are left out, because the
            touch itself counts from then on; what was told to be sent and is not there yet counts as well,
            also where it no longer holds

        Returns
        -------
        hcp_id, ts (when it was sent, or else decided, int64 seconds), decided_at, channel, content_id,
        decision_id; by moment of the decision and id
        """
        table = decisions.c
        query = select(*(table[name] for name in PENDING)).where(
            table.status.in_((PROPOSED, COMMITTED)),
            table.channel != DO_NOTHING.channel,
            table.forgotten.is_(False),
            table.decided_at <= at,
            or_(table.bounced_at.is_(None), table.bounced_at >= at),
            or_(table.dismissed_at.is_(None), table.dismissed_at >= at, table.sent_at < at),
        )
        holds = table.valid_until > at
        if engagement is None:
            return as_pending(self._database.read(lambda it: select_of(it, query.where(holds), hcps)))
        sent = and_(table.sent_at > at - _LOOK_BACK, table.sent_at < at)
        # Earlier decisions of the same HCPs claim their touches first.
        theirs = select(decisions.c.hcp_id).where(or_(holds, sent))
        query = query.where(table.hcp_id.in_(theirs))
        rows = self._database.read(lambda it: select_of(it, query, hcps))
        rows = _not_touched(rows, engagement, at=at)
        return as_pending([row for row in rows if row["valid_until"] > at or (row["sent_at"] or at) < at])

    def explored(self, at: int, *, since: int, hcps: Iterable[str] | None = None) -> dict[str, int]:
        """How many exploratory decisions each HCP got after ``since`` and until ``at``, those who got one.

        Void ones do not count, nor do those of a holdout, nor those of other systems.
        """
        table = decisions.c
        query = select(table.hcp_id, table.decided_at, table.decision_id).where(
            table.explored.is_(True),
            table.status.in_((PROPOSED, COMMITTED)),
            table.forgotten.is_(False),
            ~table.holdout.startswith("holdout"),
            table.decided_at > since,
            table.decided_at <= at,
        )
        rows = self._database.read(lambda it: select_of(it, query, hcps))
        counts: dict[str, int] = {}
        for row in rows:
            counts[row["hcp_id"]] = counts.get(row["hcp_id"], 0) + 1
        return counts

    def taken(self, at: int, *, since: int) -> Columns:
        """Decisions that take a place of what is scarce: those still to be made, and those made since.

        A committed decision of which nobody has said that it was sent, bounced or dismissed counts from its
        own moment on, also when it no longer holds.

        Parameters
        ----------
        at, since : int seconds UTC

        Returns
        -------
        as `pending`, with ``sent`` (bool): made at ``ts``, not on its way
        """
        table = decisions.c
        query = select(*(table[name] for name in PENDING)).where(
            table.status.in_((PROPOSED, COMMITTED)),
            table.channel != DO_NOTHING.channel,
            table.forgotten.is_(False),
            table.decided_at <= at,
            or_(table.bounced_at.is_(None), table.bounced_at >= at),
            or_(table.dismissed_at.is_(None), table.dismissed_at >= at, table.sent_at < at),
            or_(
                table.valid_until > at,
                table.sent_at >= since,
                and_(table.status == COMMITTED, table.sent_at.is_(None), table.decided_at >= since),
            ),
        )
        rows = self._database.read(lambda it: select_of(it, query, None))
        made = [row["sent_at"] is not None or row["valid_until"] <= at for row in rows]
        return {**as_pending(rows), "sent": np.array(made, dtype=np.bool_)}

    def outcomes(self, engagement: Tables, *, at: object, settle: bool = True) -> Outcomes:
        """What came of every decision made before ``at``, as known strictly before it.

        Committed decisions are rewarded (1), expired (0), pending or censored (see `nba.store.outcomes`),
        refused ones void. Decisions to do nothing, proposals that were never committed, and the forgotten
        have no outcome. Where the engagement is complete only until an earlier moment, that moment counts.

        A result that is handed out is settled: it is kept, and given again unchanged whatever arrives later.
        So a decision is learned from once, in whatever order its touch and response come in.

        Parameters
        ----------
        engagement : the tables outcomes are joined from
        at : int seconds UTC, or anything ``nba.tables.as_moment`` reads
        settle : False only looks, and writes nothing

        Raises
        ------
        OutcomeError
            If a decision's channel is not in the channels table.
        LogError
            If the log cannot be read.
        """
        from nba.store import outcomes as judging  # brings compiled code that writing does not need

        moment = min(_moment(at), engagement.observed_until)
        table = decisions.c
        query = select(*(table[name] for name in (*PENDING[:7], "selection_prob", *judging.TOLD))).where(
            table.status.in_((COMMITTED, VOID)),
            table.channel != DO_NOTHING.channel,
            table.forgotten.is_(False),
            table.decided_at < moment,
        )
        rows = self._database.read(lambda it: select_of(it, query, None))
        committed = [row for row in rows if row["status"] == COMMITTED]
        found = judging.judge(committed, engagement, at=moment)
        judged = {row["decision_id"]: one for row, one in zip(committed, found, strict=True)}
        settled = self._settled(judged, at=moment, settle=settle)
        nothing = judging.Judged("void", None, None)
        return Outcomes(
            rows=tuple(
                judging.as_outcome(
                    row,
                    judging.final(row, judged[name], settled.get(name), at=moment)
                    if (name := row["decision_id"]) in judged
                    else nothing,
                )
                for row in rows
            ),
            engagement=engagement,
        )

    def _settled(self, judged: Mapping[str, Judged], *, at: int, settle: bool) -> dict[str, Any]:
        from nba.store import outcomes as judging

        before = self._database.read(lambda it: judging.settled_results(it, judged))
        fresh = {
            name: one for name, one in judged.items() if one.state in judging.SETTLED and name not in before
        }
        if settle and fresh:
            before |= self._database.write(lambda it: judging.settle(it, fresh, at=at))
        return before

    def decisions(
        self, *, batch_id: str | None = None, hcp_id: str | None = None, last: int | None = None
    ) -> pd.DataFrame:
        """Decisions as a frame, one row each, by moment and id; moments are UTC timestamps.

        Parameters
        ----------
        last : only so many, the latest
        """
        import pandas as pd  # not needed to write, and a service that decides should start at once

        query = select(*(decisions.c[name] for name in _FRAME)).where(
            *_conditions(batch_id=batch_id, hcp_id=hcp_id)
        )
        if last is not None:
            query = query.order_by(decisions.c.decided_at.desc(), decisions.c.decision_id.desc()).limit(last)
            latest = query.subquery()
            query = select(latest).order_by(latest.c.decided_at, latest.c.decision_id)
        else:
            query = query.order_by(decisions.c.decided_at, decisions.c.decision_id)
        rows = self._database.read(lambda it: [dict(row) for row in it.execute(query).mappings()])
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
            If there is no such decision, or its receipt was altered.
        """
        found = self._receipts(decisions.c.decision_id == decision_id)
        if not found:
            raise LogError(
                f"The log has no decision {hashed(decision_id)}; check the id and which log is open."
            )
        return found[0]

    def receipts(self, *, batch_id: str | None = None, hcp_id: str | None = None) -> list[Receipt]:
        """The receipts of a batch, of an HCP, or all, by moment and id; the forgotten have none."""
        conditions = _conditions(batch_id=batch_id, hcp_id=hcp_id)
        return self._receipts(*conditions)

    def voids(self, *, batch_id: str | None = None) -> dict[str, int]:
        """How many decisions are void, by reason."""
        counts: dict[str, int] = {}
        for (_, reason), count in self.voids_by_action(batch_id=batch_id).items():
            counts[reason] = counts.get(reason, 0) + count
        return dict(sorted(counts.items()))

    def voids_by_action(self, *, batch_id: str | None = None) -> dict[tuple[Action, str], int]:
        """How many decisions are void, by action and reason."""
        table = decisions.c
        key = (table.channel, table.content_id, table.void_reason)
        query = select(*key, func.count()).where(table.status == VOID)
        query = query.where(*_conditions(batch_id=batch_id, hcp_id=None)).group_by(*key)
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return {(Action(row[0], row[1]), row[2]): int(row[3]) for row in sorted(map(tuple, rows))}

    def funnel(self, *, batch_id: str | None = None) -> dict[str, int]:
        """How far decisions came: a count for each step from "decided" to "rewarded" and "expired".

        The last two are results that were settled (see `outcomes`).
        """
        table = decisions.c
        idle = table.channel == DO_NOTHING.channel
        parts_of = {
            "decided": table.decision_id.is_not(None),
            "do_nothing": idle,
            "proposed": and_(~idle, table.status == PROPOSED),
            "void": table.status == VOID,
            "committed": and_(~idle, table.status == COMMITTED),
            "sent": table.sent_at.is_not(None),
            "bounced": table.bounced_at.is_not(None),
            "dismissed": table.dismiss_reason.is_not(None),
            "rewarded": outcomes.c.state == "rewarded",
            "expired": outcomes.c.state == "expired",
        }
        both = decisions.outerjoin(outcomes, outcomes.c.decision_id == table.decision_id)
        query = select(*(func.count().filter(which).label(name) for name, which in parts_of.items()))
        query = query.select_from(both).where(*_conditions(batch_id=batch_id, hcp_id=None))
        row = self._database.read(lambda it: it.execute(query).mappings().one())
        return {name: int(row[name]) for name in parts_of}

    def dismissals(self) -> dict[str, int]:
        """How many rows of feedback dismissed a decision, by reason."""
        query = select(feedback.c.dismiss_reason, func.count()).where(feedback.c.dismiss_reason != "")
        rows = self._database.read(lambda it: it.execute(query.group_by(feedback.c.dismiss_reason)).all())
        return {str(reason): int(count) for reason, count in sorted(map(tuple, rows))}

    def forget(self, hcp_id: str, *, at: object = None) -> int:
        """Take a person out of the log for good; gives how many decisions it held of it.

        The rows stay for the totals, under random ids and whole days, without person, receipt, comment or
        user, and no key leads back. What was decided for the person until then does not come back: appended
        again it is not kept, and committed it is ``"forgotten"``.

        Parameters
        ----------
        at : decisions made until this moment do not come back; by default until the last one the log holds
        """
        until = None if at is None else _moment(at)
        count = self._database.write(lambda it: privacy.forget(it, hcp_id, at=until))
        self._overwrite()
        _logger.info("forgot an HCP with %d decisions", count)
        return count

    def retain(self, *, days: float, at: object) -> int:
        """Take people out of decisions older than so many days, as `forget` does; gives how many there were.

        Raises
        ------
        ArgumentError
            If ``days`` is not a number above 0.
        """
        if not 0 < days < 1e6:
            raise ArgumentError(f"days is {days!r}, expected a number above 0.")
        before = _moment(at) - round(days * DAY)
        count = self._database.write(lambda it: privacy.forget_before(it, before))
        self._overwrite()
        _logger.info("%d decisions were past retention", count)
        return count

    def take_in(
        self,
        frame: Any,
        *,
        origin: str,
        mapping: Mapping[str, str],
        constants: Mapping[str, str] | None = None,
        timezone: str | None = None,
        reward_range: tuple[float, float] = (0.0, 1.0),
    ) -> int:
        """Take in a decision log that another system wrote, without loss; gives how many decisions are new.

        Its decisions are ``"imported"``: they hold no place against caps, and `outcomes` leaves them out;
        their rewards are in ``settled(origin)``, every cell in ``imported(origin)``. Taking in the same rows
        again changes nothing.

        Parameters
        ----------
        frame : a pandas, polars or pyarrow table
        origin : where it comes from, at most 50 letters; it stands before every HCP's id
        mapping : our names to the frame's: decided_at and selection_prob, and where they apply hcp_id,
            channel, content_id, reward, batch_id. Without hcp_id every row is of somebody else.
        constants : channel, content_id or batch_id where all rows have the same
        timezone : the zone of moments that carry none
        reward_range : rewards outside are refused

        Raises
        ------
        ArgumentError, SelectionError, OutcomeError
            If a column is missing or looks like patient data, or a value is outside its range.
        LogConflictError
            If the log holds other columns under this origin.
        """
        from nba.store.exchange import Foreign, write_foreign  # brings pyarrow, which deciding does not need
        from nba.tables.checks import as_pandas

        foreign = Foreign(
            as_pandas(frame, name="frame"),
            origin=origin,
            mapping=mapping,
            constants=constants or {},
            timezone=timezone,
            reward_range=reward_range,
        )
        found = by_id(foreign.receipts)
        if not found:
            return 0
        part, packed = self._packed(found)
        count = self._database.write(lambda it: write_foreign(it, foreign, packed, part=part, origin=origin))
        _logger.info("took in %d decisions", count)
        return count

    def imported(self, origin: str) -> pd.DataFrame:
        """What `take_in` took in, with the frame's own columns and types; by moment and id."""
        from nba.store.exchange import frame_of

        receipts = self._receipts(decisions.c.origin == origin)
        return self._database.read(lambda it: frame_of(it, receipts, origin))

    def settled(self, origin: str = "") -> Outcomes:
        """Results that were handed out by `outcomes`, or taken in from elsewhere; without an engagement."""
        from nba.store import outcomes as judging

        table = decisions.c
        names = (*PENDING[:7], "selection_prob")
        query = select(
            *(table[name] for name in names), outcomes.c.state, outcomes.c.reward, outcomes.c.touched_at
        ).join_from(decisions, outcomes, outcomes.c.decision_id == table.decision_id)
        query = query.where(table.origin == origin, table.forgotten.is_(False))
        rows = self._database.read(lambda it: select_of(it, query, None))
        return Outcomes(
            rows=tuple(
                judging.as_outcome(row, judging.Judged(row["state"], row["reward"], row["touched_at"]))
                for row in rows
            ),
            engagement=None,
        )

    def export(self, folder: str | os.PathLike[str]) -> dict[str, int]:
        """Write decisions.parquet (receipts as JSON text), feedback.parquet and outcomes.parquet.

        The files are private to their user; gives how many rows each has.

        Raises
        ------
        ArgumentError
            If the folder holds such files already.
        """
        from nba.store.exchange import write_parquet

        return self._database.read(lambda it: write_parquet(it, Path(folder)))

    def _overwrite(self) -> None:
        if not self._database.vacuum():
            warnings.warn(
                "What was forgotten is out of the log, but its journal could not be cleared while others "
                "read; call forget again when they are done.",
                NBAWarning,
                stacklevel=3,
            )

    def _packed(self, receipts: Mapping[str, Receipt]) -> tuple[Part, dict[str, Packed]]:
        """Receipts as bytes, made before the write lock is taken."""
        made = list(receipts.values())
        part = self._part or self._database.read(ledger.newest_part) or Part.of(made)
        try:
            packed = {name: part.pack(receipt) for name, receipt in receipts.items()}
        except KeyError:  # an action or code that the last batches did not name
            part = Part.of(made, before=part)
            packed = {name: part.pack(receipt) for name, receipt in receipts.items()}
        self._part = part
        return part, packed

    def _receipts(self, *conditions: Any) -> list[Receipt]:
        table = decisions.c
        query = select(table.receipt, table.receipt_sha256, table.receipt_part).where(*conditions)
        query = query.where(table.forgotten.is_(False)).order_by(table.decided_at, table.decision_id)

        def read(connection: Connection) -> tuple[list[Any], dict[int, bytes]]:
            rows = list(connection.execute(query).all())
            numbers = sorted({row.receipt_part for row in rows})
            shared = select(parts.c.part, parts.c.content).where(parts.c.part.in_(numbers))
            return rows, {row.part: row.content for row in connection.execute(shared)}

        rows, shared = self._database.read(read)
        return _unpacked(rows, shared)


def _unpacked(rows: Sequence[Any], shared: Mapping[int, bytes]) -> list[Receipt]:
    """Receipts of rows of (receipt, sha256, part); altered ones are refused."""
    found: list[Receipt] = []
    altered = 0
    known: dict[int, Part] = {}
    for body, sha256, number in rows:
        try:
            if number not in known:
                known[number] = Part.from_bytes(bytes(shared[number]))
            receipt, says = known[number].unpack(bytes(body))
        except Exception:  # whatever altered bytes make of it
            altered += 1
            continue
        altered += says != bytes(sha256)
        found.append(receipt)
    if altered:
        raise LogError(f"{altered} receipts do not have their SHA-256; the log was altered, restore a copy.")
    return found


def _not_touched(rows: list[Row], engagement: Tables, *, at: int) -> list[Row]:
    from nba.store.attribution import attribute  # brings compiled code that writing does not need
    from nba.store.rows import as_columns

    committed = [row for row in rows if row["status"] == COMMITTED]
    interactions, channels = engagement.columns("interactions"), engagement.columns("channels")
    found = attribute(as_columns(committed), interactions, channels, at=at)
    touched = {row["decision_id"] for row, ts in zip(committed, found.touched_at, strict=True) if ts != NEVER}
    return [row for row in rows if row["decision_id"] not in touched]


def _moment(at: object) -> int:
    if isinstance(at, int):
        return at
    from nba.tables import as_moment  # brings pandas, which writing does not need

    return as_moment(at)


def _conditions(*, batch_id: str | None, hcp_id: str | None) -> list[Any]:
    asked = {"batch_id": batch_id, "hcp_id": hcp_id}
    return [decisions.c[name] == value for name, value in asked.items() if value is not None]
