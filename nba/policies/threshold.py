"""Switching on a score without flapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nba.contracts import Bools, Floats
from nba.errors import ArgumentError
from nba.policies.registry import Described, number_between
from nba.tables import as_moment, check_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Threshold(Described):
    """Goes on at one score and off at a lower one: a score between the two changes nothing.

    Feed it with scores of one moment after the other. :meth:`states` keeps what it says in the ``states``
    table, where ``nba.guardrails.InState`` and ``Paused`` read it as a gate and ``ContextWeight(state=)`` as
    a lever, in ``recommend`` and ``decide`` alike.

    Parameters
    ----------
    on : the score from which it is on
    off : the score under which it is off again, below ``on``

    Examples
    --------
    >>> trigger, was = Threshold(on=0.3, off=0.2), np.zeros(1, dtype=bool)
    >>> for score in (0.25, 0.31, 0.25, 0.19, 0.25):
    ...     was = trigger.switch(np.array([score]), was=was)
    ...     print(was[0], end=" ")
    False True True False False
    """

    on: float
    off: float

    def __post_init__(self) -> None:
        number_between(self.on, name="on", low=-1e300)
        number_between(self.off, name="off", low=-1e300)
        if not self.off < self.on:
            raise ArgumentError(f"Found off={self.off} and on={self.on}, expected off below on. Swap them.")

    def switch(self, values: Floats, *, was: Bools) -> Bools:
        """(n,) whether it is on now, from the scores now and whether it was on before.

        Raises
        ------
        ArgumentError
            If the two do not fit, or a score is missing.
        """
        values, was = np.asarray(values, dtype=np.float64), np.asarray(was, dtype=bool)
        if values.shape != was.shape or np.isnan(values).any():
            raise ArgumentError(
                f"Found {values.size} scores, {int(np.isnan(values).sum())} of them missing, and {was.size} "
                "states; expected one of each an HCP. Leave out who has no score."
            )
        now: Bools = (values >= self.on) | (was & (values >= self.off))
        return now

    def states(
        self, scores: Mapping[str, float], *, at: object, state: str, before: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """The ``states`` table after scores of a moment: rows begin and end where it goes on and off.

        Parameters
        ----------
        scores : by HCP; who is not in it stays as it was
        at : the moment of the scores, anything ``nba.tables.as_moment`` reads
        state : what being on is called in the table
        before : the table so far, other states included; None is an empty one

        Raises
        ------
        TableError
            If ``before`` is no states table.
        ArgumentError
            If a score is missing.

        Examples
        --------
        >>> trigger, table = Threshold(on=0.3, off=0.2), None
        >>> for day, score in [("2026-09-01", 0.31), ("2026-09-02", 0.25), ("2026-09-03", 0.19)]:
        ...     table = trigger.states({"h1": score}, at=day, state="ready", before=table)
        >>> [str(moment.date()) for moment in table.loc[0, ["since", "until"]]]
        ['2026-09-01', '2026-09-03']
        """
        import pandas as pd

        moment = pd.Timestamp(as_moment(at), unit="s", tz="UTC")
        if before is not None:
            check_table(before, "states")
        rows: list[dict[str, Any]] = [] if before is None else _records(before)
        on: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            if row["state"] == state and row["since"] <= moment and not row["until"] <= moment:
                on.setdefault(row["hcp_id"], []).append(row)
        hcps = sorted(scores)
        was = np.array([hcp in on for hcp in hcps], dtype=bool)
        now = self.switch(np.array([scores[hcp] for hcp in hcps], dtype=np.float64), was=was)
        for hcp, is_on in zip(hcps, now.tolist(), strict=True):
            if is_on and hcp not in on:
                said = {"hcp_id": hcp, "state": state, "rule": f"threshold {self.on:g}/{self.off:g}"}
                rows.append({**said, "since": moment, "until": pd.NaT, "reason": ""})
            for row in [] if is_on else on.get(hcp, []):
                row["until"] = moment
        texts = {
            name: pd.Series([row[name] for row in rows], dtype=str)  # text also where it is empty
            for name in ("hcp_id", "state", "reason", "rule")
        }
        times = {
            name: pd.Series(pd.to_datetime([row[name] for row in rows], utc=True)).dt.as_unit("s")
            for name in ("since", "until")
        }
        return pd.DataFrame({**texts, **times})[list(_STATES)]


_STATES = ("hcp_id", "state", "since", "until", "reason", "rule")


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a states table; what is missing is "" or no moment."""
    import pandas as pd

    def column(name: str) -> list[Any]:
        is_moment = name in ("since", "until")
        cells = table[name].tolist() if name in table else [None] * len(table)
        missing = pd.NaT if is_moment else ""
        return [
            missing if pd.isna(cell) else pd.Timestamp(cell) if is_moment else str(cell) for cell in cells
        ]

    columns = [column(name) for name in _STATES]
    return [dict(zip(_STATES, row, strict=True)) for row in zip(*columns, strict=True)]
