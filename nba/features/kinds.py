"""What records say beside when and whose, each distinct answer once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Bools, Columns, Ints
from nba.features.events import Events
from nba.history.blocks import Table
from nba.history.touches import is_success
from nba.tables import rows_from_records
from nba.tables.machine import QUICK_OUTCOMES

Fields = tuple[str, ...]
Said = tuple[Any, ...]

HAS_PARENT, MACHINE, RESPONDED = 1, 2, 4
"""What an event is by the company it stands in, as bits."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MOST = 20_000
"""Kinds kept; a service that meets more of them begins anew."""


@dataclass(frozen=True)
class Laid:
    """Kinds of events as the kernel takes them, as if each were an event.

    Attributes
    ----------
    codes : by the fields that were read, and what they said, the number of the answer
    table : the measures' blocks, over n kinds
    place : (m, 8) which of the n it is, by what was said (m answers) and by its bits; -1: not met yet
    alone : (m,) which of the n it is without a parent
    flagged, quick, clicked, sent, success : (m,) what machines and responses are told by
    """

    codes: dict[Fields, dict[Said, int]]
    table: Table
    place: NDArray[np.int64]
    alone: NDArray[np.int64]
    flagged: Bools
    quick: Bools
    clicked: Bools
    sent: Bools
    success: Bools


class Kinds:
    """Every kind of record met so far; new ones are taken up in batches.

    Parameters
    ----------
    lay_out : makes the kernel's table from events, one a kind
    """

    def __init__(self, lay_out: Callable[[Events], Table], *, content: Columns, channels: Columns) -> None:
        self._lay_out = lay_out
        self._content, self._channels = content, channels
        self._met: dict[tuple[Fields, Said], set[int]] = {}
        self._missed = 0
        self._lock = Lock()
        self.laid: Laid | None = None

    def meet(self, fields: Fields, said: Sequence[Said], bits: Sequence[int | None]) -> None:
        """Take up kinds that were checked and not laid out yet; None for the bits of one without a parent."""
        with self._lock:
            self._meet(fields, said, bits)

    def _meet(self, fields: Fields, said: Sequence[Said], bits: Sequence[int | None]) -> None:
        for answer, more in zip(said, bits, strict=True):
            known = self._met.setdefault((fields, answer), set())
            if more is not None:
                known.add(more)
        self._missed += len(said)
        if len(self._met) > MOST:
            self._met, self._missed, self.laid = {}, 0, None
        elif self._missed > len(self._met) // 8:  # laying out costs what all of them cost
            self._missed, self.laid = 0, self._lay_all()

    def _lay_all(self) -> Laid:
        columns = rows_from_records(
            [
                {**dict(zip(fields, said, strict=True)), "interaction_id": str(i), "hcp_id": "one",
                 "ts": _EPOCH + dt.timedelta(seconds=i)}
                for i, (fields, said) in enumerate(self._met)
            ]
        )  # fmt: skip
        outcome, success = columns["outcome"], is_success(columns, self._channels)
        alone = MACHINE * columns["machine"] + RESPONDED * success
        place = np.full((len(alone), 8), -1, dtype=np.int64)
        rows = [(i, b) for i, known in enumerate(self._met.values()) for b in sorted({*known, int(alone[i])})]
        take, bits = np.array(rows, dtype=np.int64).T
        place[take, bits] = np.arange(len(take))
        codes: dict[Fields, dict[Said, int]] = {}
        for i, (fields, said) in enumerate(self._met):
            codes.setdefault(fields, {})[said] = i
        return Laid(
            codes=codes,
            table=self._lay_out(self._events(columns, take, bits)),
            place=place,
            alone=place[np.arange(len(alone)), alone],
            flagged=columns["machine"],
            quick=np.isin(outcome, list(QUICK_OUTCOMES)),
            clicked=outcome == "clicked",
            sent=outcome == "sent",
            success=success,
        )

    def _events(self, columns: Columns, take: Ints, bits: Ints) -> Events:
        found = {name: values[take] for name, values in columns.items()}
        found["machine"] = (bits & MACHINE) > 0
        found["touch"] = found["touch"] & ((bits & HAS_PARENT) == 0)
        found["engaged"] = found["engaged"] & ~found["machine"]
        return Events.from_columns(
            found, content=self._content, channels=self._channels, responded=(bits & RESPONDED) > 0
        )
