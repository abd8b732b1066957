"""A request that comes again gets the decision it got before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, insert, select

from nba import artifact
from nba.contracts import Columns, Receipt
from nba.errors import ArgumentError, LogConflictError
from nba.store.rows import hashed
from nba.store.schema import requests


class Pending(Protocol):
    """What a draft asks of its log."""

    def pending(self, at: int, *, hcps: Iterable[str] | None = None, engagement: Any = None) -> Columns: ...

    def taken(self, at: int, *, since: int) -> Columns: ...

    def explored(self, at: int, *, since: int, hcps: Iterable[str] | None = None) -> dict[str, int]: ...


class Draft:
    """Stands for the log while a request is decided: it answers what is pending, and writes nothing yet."""

    def __init__(self, log: Pending) -> None:
        self._log = log

    def pending(self, at: int, *, hcps: Iterable[str] | None = None, engagement: Any = None) -> Columns:
        """As the log's."""
        return self._log.pending(at, hcps=hcps, engagement=engagement)

    def explored(self, at: int, *, since: int, hcps: Iterable[str] | None = None) -> dict[str, int]:
        """As the log's."""
        return self._log.explored(at, since=since, hcps=hcps)

    def taken(self, at: int, *, since: int) -> Columns:
        """As the log's."""
        return self._log.taken(at, since=since)

    def append(self, receipts: Sequence[Receipt]) -> None:
        """Nothing yet: what is decided is written together with its request."""


def request_hash(key: str) -> str:
    """A key may name a person, so only its hash is kept."""
    if not isinstance(key, str) or not key.strip():
        raise ArgumentError("A request key is blank or not text; pass the caller's own id of the request.")
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def parameters_hash(parameters: Mapping[str, Any]) -> str:
    """A hash of plain parameters, whatever their order."""
    return artifact.digest(dict(parameters))


def answered(connection: Connection, key: str, parameters: Mapping[str, Any]) -> list[str]:
    """Ids of what was decided for this request before, in their order; none where it is new.

    Raises
    ------
    LogConflictError
        If the key came with other parameters before.
    """
    query = select(requests.c.decision_id, requests.c.parameters).order_by(requests.c.place)
    rows = connection.execute(query.where(requests.c.request == request_hash(key))).all()
    if rows and rows[0].parameters != parameters_hash(parameters):
        raise LogConflictError(
            f"Request {hashed(key)} came with other parameters before; one key is one request. Use a new key."
        )
    return [str(row.decision_id) for row in rows]


def keep_answer(
    connection: Connection, key: str, parameters: Mapping[str, Any], names: Sequence[str]
) -> None:
    """Remember what was decided for a request."""
    same = {"request": request_hash(key), "parameters": parameters_hash(parameters)}
    rows = [same | {"place": place, "decision_id": name} for place, name in enumerate(names)]
    connection.execute(insert(requests), rows)
