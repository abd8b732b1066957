"""Nobody who is paused is contacted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nba.contracts import FOREVER, NEVER, Bools, Candidates, Columns, Context, Ints, Verdict
from nba.guardrails.contact import check_channel
from nba.guardrails.lookup import among, codes, is_touch, names_of, position_of
from nba.guardrails.registry import Described

_NO_TABLE = "No states table: nobody is paused."


@dataclass(frozen=True)
class Paused(Described):
    """No touch while a state of the ``states`` table pauses the HCP.

    A row pauses from its ``since`` (that second included, as an opt-out) to its ``until``, unless a row of
    ``resumed_by`` came after it by the moment; rows that begin after the moment are not read.

    Parameters
    ----------
    states : names of states that pause
    resumed_by : names of states that end a pause that began before them
    channel : only touches over this channel are paused; None is all

    Raises
    ------
    ArgumentError
        If a setting is no name.

    Notes
    -----
    Facts: ``paused_since`` and ``paused_until``, int seconds UTC; -1 where there is none. Without a states
    table nobody is paused, and the funnel says so.

    Examples
    --------
    >>> Paused(states=["visits_declined"], channel="rep_visit")
    Paused(states=('visits_declined',), resumed_by=('active',), channel='rep_visit')
    """

    states: Sequence[str] = field(default=("paused",), kw_only=True)
    resumed_by: Sequence[str] = field(default=("active",), kw_only=True)
    channel: str | None = field(default=None, kw_only=True)
    code = "paused"

    def __post_init__(self) -> None:
        object.__setattr__(self, "states", names_of("Paused", "states", self.states))
        object.__setattr__(self, "resumed_by", names_of("Paused", "resumed_by", self.resumed_by))
        check_channel("Paused", self.channel)

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove touches of HCPs who are paused."""
        table = context.tables.get("states")
        n = len(candidates.hcps)
        none: Ints = np.full(n, -1, dtype=np.int64)
        nobody = (none, none, np.zeros(n, dtype=np.bool_))
        since, until, paused = nobody if table is None else self._pauses(candidates, table)
        about = is_touch(candidates, channel=self.channel)
        reason = (paused[:, None] & about).astype(np.int8)
        facts = {
            "paused_since": np.where(about, since[:, None], -1),
            "paused_until": np.where(about, until[:, None], -1),
        }
        about_what = ", ".join(self.states) + (f" over {self.channel}" if self.channel else "")
        note = _NO_TABLE if table is None else ""
        return Verdict(self.code, reason, ("", self.code), facts, note=note, about=about_what)

    def _pauses(self, candidates: Candidates, table: Columns) -> tuple[Ints, Ints, Bools]:
        """(n,) first moment, last end and whether there is one, of the pauses in force."""
        n, at = len(candidates.hcps), candidates.at
        hcp = codes(table["hcp_id"], position_of(candidates.hcps))
        known = (hcp >= 0) & (table["since"] <= at)
        resumed = _latest(hcp, table["since"], of=known & among(table["state"], self.resumed_by), n=n)
        ends = table["until"] if "until" in table else np.full(len(hcp), FOREVER, dtype=np.int64)
        holds = np.flatnonzero(known & among(table["state"], self.states) & (ends > at))
        holds = holds[table["since"][holds] >= resumed[hcp[holds]]]
        since: NDArray[np.int64] = np.full(n, FOREVER, dtype=np.int64)
        np.minimum.at(since, hcp[holds], table["since"][holds])
        until = _latest(hcp, ends, of=holds, n=n)
        paused = until > NEVER
        endless = ~paused | (until >= FOREVER)
        return np.where(paused, since, -1), np.where(endless, -1, until), paused


def _latest(hcp: Ints, moments: Ints, *, of: Bools | Ints, n: int) -> Ints:
    latest: NDArray[np.int64] = np.full(n, NEVER, dtype=np.int64)
    np.maximum.at(latest, hcp[of], moments[of])
    return latest
