"""Whom one may visit and call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import DAY, FOREVER, NEVER, Candidates, Context, Verdict
from nba.guardrails.contact import last_touch, positive_days
from nba.guardrails.lookup import is_touch, names_of, over, text_column
from nba.guardrails.registry import Described

_REASONS = ("", "not_active", "no_see", "do_not_call", "limited_access")
_NOT_ACTIVE, _NO_SEE, _DO_NOT_CALL, _LIMITED = range(1, 5)


@dataclass(frozen=True)
class Access(Described):
    """Only HCPs who are there, and visits and calls only to those who take them.

    - An HCP who is not active over the whole of [at, valid_until] (``valid_from``, ``valid_to``) gets
      nothing (``not_active``).
    - An HCP of access level ``no_see`` gets no visit (``no_see``).
    - An HCP with ``do_not_call`` gets neither visits nor calls (``do_not_call``).
    - An HCP of access level ``limited`` gets a visit only when the last one was at least ``limited_days``
      ago (``limited_access``).

    An HCP whose access level is not known counts as open.

    Parameters
    ----------
    visits : channels that are visits in person
    calls : channels that are calls
    limited_days : days between visits to an HCP of limited access, more than 0

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Notes
    -----
    Facts: ``access_level`` of the HCP, "" where not known.

    Examples
    --------
    >>> Access(limited_days=60).limited_days
    60.0
    """

    visits: Sequence[str] = field(default=("rep_visit", "msl_visit"), kw_only=True)
    calls: Sequence[str] = field(default=("phone", "remote_call"), kw_only=True)
    limited_days: float = field(default=30.0, kw_only=True)
    code = "access"

    def __post_init__(self) -> None:
        object.__setattr__(self, "visits", names_of("Access", "visits", self.visits))
        object.__setattr__(self, "calls", names_of("Access", "calls", self.calls))
        object.__setattr__(self, "limited_days", positive_days("Access", self.limited_days))

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove visits and calls to HCPs who do not take them."""
        n, hcps = len(candidates.hcps), context.hcps
        level = text_column(hcps, "access_level", length=n)
        visit = over(candidates, self.visits)
        call = over(candidates, self.calls)
        gone = _moments(hcps.get("valid_from"), n, NEVER) > candidates.at
        gone |= _moments(hcps.get("valid_to"), n, FOREVER) < candidates.valid_until
        closed = np.zeros(n, dtype=np.bool_) if "do_not_call" not in hcps else hcps["do_not_call"]
        last = last_touch(candidates, context, channels=self.visits)
        seen = (level == "limited") & (last > candidates.at - round(self.limited_days * DAY))
        reason = np.zeros(candidates.allowed.shape, dtype=np.int8)
        for code, who, what in (  # the earlier reason has the last word
            (_LIMITED, seen, visit),
            (_DO_NOT_CALL, closed, visit | call),
            (_NO_SEE, level == "no_see", visit),
            (_NOT_ACTIVE, gone, is_touch(candidates)),
        ):
            reason[np.ix_(np.flatnonzero(who), np.flatnonzero(what))] = code
        return Verdict(self.code, reason, _REASONS, {"access_level": level[:, None]})


def _moments(column: NDArray[Any] | None, length: int, missing: int) -> NDArray[Any]:
    return np.full(length, missing, dtype=np.int64) if column is None else column
