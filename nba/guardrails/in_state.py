"""Some touches are only for HCPs in a state."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nba.contracts import Candidates, Context, Verdict
from nba.guardrails.contact import check_channel
from nba.guardrails.lookup import codes, is_touch, names_of, position_of
from nba.guardrails.registry import Described

_NO_TABLE = "No states table: nobody is in a state."


@dataclass(frozen=True)
class InState(Described):
    """Touches over a channel only while the ``states`` table has the HCP in a state.

    A row holds from its ``since`` (that second included) to its ``until``, which is not included. Fed with
    what ``nba.policies.Threshold.states`` writes, a channel (or everything) waits for a score and does not
    flap; the same state read by ``nba.policies.ContextWeight`` is a lever instead of a gate.

    Parameters
    ----------
    state : name of the state
    channel : only touches over this channel wait for it; None is all

    Raises
    ------
    ArgumentError
        If a setting is no name.

    Notes
    -----
    Facts: ``in_state_since``, int seconds UTC; -1 where the HCP is not in it. Without a states table nobody
    is in a state, and the funnel says so.

    Examples
    --------
    >>> InState("ready", channel="rep_visit")
    InState(state='ready', channel='rep_visit')
    """

    state: str
    channel: str | None = field(default=None, kw_only=True)
    code = "in_state"

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", names_of("InState", "state", [self.state])[0])
        check_channel("InState", self.channel)

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove touches of HCPs who are not in the state."""
        since = np.full(len(candidates.hcps), -1, dtype=np.int64)
        table = context.tables.get("states")
        if table is not None:
            hcp = codes(table["hcp_id"], position_of(candidates.hcps))
            holds = (hcp >= 0) & (table["state"] == self.state) & (table["since"] <= candidates.at)
            if "until" in table:
                holds &= table["until"] > candidates.at
            np.maximum.at(since, hcp[holds], table["since"][holds])
        about = is_touch(candidates, channel=self.channel)
        reason = ((since < 0)[:, None] & about).astype(np.int8)
        facts = {"in_state_since": np.where(about, since[:, None], -1)}
        about_what = self.state + (f" over {self.channel}" if self.channel else "")
        note = _NO_TABLE if table is None else ""
        return Verdict(self.code, reason, ("", "not_in_state"), facts, note=note, about=about_what)
