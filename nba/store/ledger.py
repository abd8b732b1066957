"""What happens to decisions inside one transaction of the log."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, Dialect, Select, func, insert, or_, select, update

from nba.contracts import DO_NOTHING, Columns, Receipt
from nba.errors import ArgumentError, LogConflictError
from nba.store.packing import Packed, Part
from nba.store.rows import COMMITTED, PROPOSED, VOID, Row, as_pending, as_row, chunks, hashed
from nba.store.schema import decisions, forgotten, parts, settings

Recheck: TypeAlias = Callable[[Sequence[Receipt], Columns], Sequence[str]]
"""(receipts, pending) -> for each receipt "" or the reason why it is void."""

FORGOTTEN = "forgotten"
"""What a commit says of a decision that was forgotten in between."""

PENDING = (
    "decision_id", "hcp_id", "decided_at", "valid_until", "channel", "content_id", "status", "sent_at"
)  # fmt: skip
"""Columns that say what holds a place."""


class _Final(NamedTuple):
    """How a decision ended."""

    status: str
    void_reason: str
    rechecked: bool
    consent_rechecked: bool

    @property
    def said(self) -> str:
        return self.void_reason or self.status


def append(
    connection: Connection, receipts: Mapping[str, Receipt], packed: Mapping[str, Packed], *, part: Part
) -> None:
    """Insert what is new as proposed; what was there with the same content stays as it is."""
    found = _found(connection, receipts, packed)
    gone = _forgotten(connection, receipts)
    fresh = [name for name in receipts if name not in found and name not in gone]
    if fresh:
        number = number_of(connection, part)
        insert_rows(connection, [as_row(receipts[name], packed[name], part=number) for name in fresh])


def commit(
    connection: Connection,
    receipts: Mapping[str, Receipt],
    packed: Mapping[str, Packed],
    *,
    part: Part,
    recheck: Recheck | None,
    with_consent: bool,
) -> dict[str, str]:
    """Make what is proposed final; give "committed" or the void reason of every decision."""
    found = _found(connection, receipts, packed)
    gone = _forgotten(connection, receipts)
    said = {name: reason or status for name, (status, reason) in found.items() if status != PROPOSED}
    said |= dict.fromkeys(gone, FORGOTTEN)
    due = [name for name in receipts if name not in said]
    checked = [name for name in due if receipts[name].action != DO_NOTHING] if recheck else []
    reasons = dict.fromkeys(due, "")
    if recheck and checked:
        reasons |= _rechecked(connection, [receipts[name] for name in checked], recheck)
    asked = set(checked)
    final = {
        name: _Final(VOID if why else COMMITTED, why, name in asked, name in asked and with_consent)
        for name, why in reasons.items()
    }
    _set_final(connection, {name: end for name, end in final.items() if name in found})
    fresh = [name for name in final if name not in found]
    if fresh:
        number = number_of(connection, part)
        rows = [as_row(receipts[name], packed[name], part=number) | final[name]._asdict() for name in fresh]
        insert_rows(connection, rows)
    said |= {name: end.said for name, end in final.items()}
    return {name: said[name] for name in receipts}


def insert_rows(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert decisions; plain values go straight to the driver, which is three times as fast."""
    names = tuple(rows[0])
    query, order = _insertion(connection.dialect, names)
    if order is None:
        connection.exec_driver_sql(query, list(rows))
    else:
        pick = itemgetter(*order)
        connection.exec_driver_sql(query, [pick(row) for row in rows])


@lru_cache(maxsize=16)
def _insertion(dialect: Dialect, names: tuple[str, ...]) -> tuple[str, tuple[str, ...] | None]:
    """The statement, and in which order it takes its values; None where by name."""
    query = insert(decisions).compile(dialect=dialect, column_keys=names)
    return str(query), tuple(query.positiontup or names) if query.positional else None


def _found(
    connection: Connection, receipts: Mapping[str, Receipt], packed: Mapping[str, Packed]
) -> dict[str, tuple[str, str]]:
    """(status, void reason) of what is there already, by id."""
    table = decisions.c
    query = select(table.decision_id, table.receipt_sha256, table.status, table.void_reason)
    found = {}
    for chunk in chunks(receipts):
        for name, sha256, status, reason in connection.execute(query.where(table.decision_id.in_(chunk))):
            if sha256 != packed[name].sha256:
                raise LogConflictError(
                    f"The log holds decision {hashed(name)} of HCP {hashed(receipts[name].hcp_id)} with "
                    "other content. Nothing was written; a new decision needs a new id (another seed, moment "
                    "or stream)."
                )
            found[name] = (status, reason)
    return found


def _forgotten(connection: Connection, receipts: Mapping[str, Receipt]) -> set[str]:
    """Ids of decisions that were made for a person before that person was forgotten."""
    if not connection.execute(select(func.count()).select_from(forgotten)).scalar():
        return set()
    salt = salt_of(connection)
    who = {receipt.hcp_id: keyed(receipt.hcp_id, salt) for receipt in receipts.values()}
    until: dict[str, int] = {}
    for chunk in chunks(who.values()):
        query = select(forgotten.c.who, forgotten.c.until).where(forgotten.c.who.in_(chunk))
        until |= {row.who: row.until for row in connection.execute(query)}
    return {
        name
        for name, receipt in receipts.items()
        if receipt.decided_at <= until.get(who[receipt.hcp_id], receipt.decided_at - 1)
    }


def salt_of(connection: Connection) -> bytes:
    """The log's own salt."""
    return bytes(connection.execute(select(settings.c.value).where(settings.c.name == "salt")).scalar_one())


def keyed(name: str, salt: bytes) -> str:
    """A hash of an id that says nothing without the log's salt."""
    return hmac.new(salt, name.encode("utf-8", "surrogatepass"), "sha256").hexdigest()


def _rechecked(connection: Connection, due: list[Receipt], recheck: Recheck) -> dict[str, str]:
    """Void reasons by decision id, "" where the decision may stand."""
    table = decisions.c
    # Another process may have decided later and committed first: what it took counts as well, and so does
    # what was sent and may not have reached the tables yet. What bounced or was dismissed holds no place.
    query = select(*(table[name] for name in PENDING)).where(
        table.status == COMMITTED,
        table.channel != DO_NOTHING.channel,
        table.bounced_at.is_(None),
        or_(table.sent_at.is_not(None), table.dismissed_at.is_(None)),
        or_(
            table.sent_at.is_not(None),
            table.valid_until > min(receipt.decided_at for receipt in due),
        ),
    )
    rows = select_of(connection, query, {receipt.hcp_id for receipt in due})
    reasons = list(recheck(due, as_pending(rows)))
    if len(reasons) != len(due) or not all(isinstance(why, str) and why != COMMITTED for why in reasons):
        raise ArgumentError(
            f'recheck gave {len(reasons)} answers for {len(due)} receipts; expected one text for each, "" or '
            "a void reason. Nothing was committed."
        )
    return {receipt.decision_id: why for receipt, why in zip(due, reasons, strict=True)}


def _set_final(connection: Connection, final: Mapping[str, _Final]) -> None:
    alike: dict[_Final, list[str]] = {}
    for name, end in final.items():
        alike.setdefault(end, []).append(name)
    for end, names in alike.items():
        for chunk in chunks(names):
            where = decisions.c.decision_id.in_(chunk)
            connection.execute(update(decisions).where(where).values(**end._asdict()))


def newest_part(connection: Connection) -> Part | None:
    """What the receipts written last shared, None in a log without any."""
    query = select(parts.c.content).order_by(parts.c.part.desc()).limit(1)
    content = connection.execute(query).scalar()
    return None if content is None else Part.from_bytes(bytes(content))


def number_of(connection: Connection, part: Part) -> int:
    """The number of a part in this log; a new one is written."""
    content = part.to_bytes()
    sha256 = hashlib.sha256(content).digest()
    found = connection.execute(select(parts.c.part).where(parts.c.sha256 == sha256)).scalar()
    if found is not None:
        return int(found)
    number = int(connection.execute(select(func.coalesce(func.max(parts.c.part), 0))).scalar_one()) + 1
    connection.execute(insert(parts), {"part": number, "sha256": sha256, "content": content})
    return number


def select_of(connection: Connection, query: Select[Any], hcps: Iterable[str] | None) -> list[Row]:
    """Rows of a query, of these HCPs only, by moment and id."""
    wanted = None if hcps is None else set(hcps)
    if wanted is not None and len(wanted) <= 500:
        query = query.where(decisions.c.hcp_id.in_(sorted(wanted)))
    rows = connection.execute(query.order_by(decisions.c.decided_at, decisions.c.decision_id)).mappings()
    return [dict(row) for row in rows if wanted is None or row["hcp_id"] in wanted]
