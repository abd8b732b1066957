"""What is asked about one HCP, and the key that answers it once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nba import artifact
from nba.contracts import Columns, Tables
from nba.errors import ArgumentError
from nba.tables import OneHCP, as_moment, rows_from_records

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Ask:
    """A question about one HCP: its records, as of when, and what makes it the same question again.

    Attributes
    ----------
    one : the HCP's tables, with the event that asks among its interactions
    at : int seconds UTC
    key : under which a log keeps the answer; None asks anew each time
    parameters : what has to be the same under that key
    """

    one: OneHCP
    at: int
    key: str | None
    parameters: Mapping[str, Any]


def ask(
    hcp_id: str,
    *,
    history: Sequence[Record],
    at: Any,
    seed: int,
    stream: str,
    reference: Tables,
    hcp: Record | None = None,
    consent: Sequence[Record] | None = None,
    request_key: str | None = None,
    trigger: Record | None = None,
) -> Ask:
    """Lay a question out; an event that asks is a part of the HCP's history, and its content is the key.

    Raises
    ------
    ArgumentError
        If there is no moment, the event is not known before it, or a key comes with an event.
    TableError
        If a record does not fit its table, or is about somebody else.
    """
    if trigger is None:
        if at is None:
            raise ArgumentError("at is missing: give the moment of the decision, or the event as trigger=.")
        one = OneHCP.from_records(hcp_id, history=history, reference=reference, hcp=hcp, consent=consent)
        if request_key is None:  # nothing has to be the same: a history's hash costs a tenth of a decision
            return Ask(one, as_moment(at), None, {})
        said = {
            "hcp_id": hcp_id, "at": as_moment(at), "seed": seed, "stream": stream,
            "history": _hash(one.columns("interactions")),
            "hcp": None if hcp is None else _hash(one.columns("hcps")),
            "consent": None if consent is None else _hash(one.columns("consent")),
        }  # fmt: skip
        return Ask(one, as_moment(at), request_key, said)
    if request_key is not None:
        raise ArgumentError("Found both trigger= and request_key=; an event is its own key. Leave one out.")
    event = rows_from_records([trigger])
    known = int(event["recorded_at"][0])
    moment = known + 1 if at is None else as_moment(at)
    if known >= moment:
        raise ArgumentError(
            "The event is not known before the moment it asks for; a decision reads what was known strictly "
            "before. Give a later at=, or leave at= out for the first second after the event."
        )
    every = [*history, trigger]  # one that stands in the history already is there once
    one = OneHCP.from_records(hcp_id, history=every, reference=reference, hcp=hcp, consent=consent)
    # delivered once more it may arrive later and find a longer history: it is the same event
    content = _hash({name: cells for name, cells in event.items() if name != "recorded_at"})
    key = artifact.digest(["trigger", hcp_id, stream, content])
    return Ask(one, moment, key, {"trigger": content, "hcp_id": hcp_id, "stream": stream, "seed": seed})


def _hash(table: Columns) -> str:
    return artifact.digest(dict(table))


__all__ = ["Ask", "ask"]
