"""The channels that ship, and what counts as success in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

_FUNCTION = (
    "function",
    "direction",
    "consent_required",
    "success",
    "attribution_days",
    "cost",
    "minutes",
    "personal",
)

_ANSWERED = ("clicked", "downloaded", "completed")
_DEFAULTS: dict[str, tuple[Any, ...]] = {
    # Costs are in value units, where 1 is the worth of one success; minutes are a rep's.
    "rep_visit": ("commercial", "outbound", False, ("held",), 14.0, 0.10, 30.0, True),
    "remote_call": ("commercial", "outbound", True, ("held",), 14.0, 0.05, 20.0, True),
    "phone": ("commercial", "outbound", True, ("held",), 14.0, 0.02, 10.0, True),
    "approved_email": ("commercial", "outbound", True, _ANSWERED, 14.0, 0.005, 3.0, True),
    "hq_email": ("commercial", "outbound", True, _ANSWERED, 14.0, 0.001, 0.0, False),
    "webinar": ("commercial", "outbound", True, ("attended",), 30.0, 0.02, 0.0, False),
    "event": ("commercial", "outbound", False, ("attended",), 30.0, 0.20, 60.0, True),
    "push": ("commercial", "outbound", True, ("opened", "clicked", "completed"), 14.0, 0.001, 0.0, False),
    "portal": ("none", "inbound", False, _ANSWERED, 14.0, 0.0, 0.0, False),
    "mail": ("commercial", "outbound", False, ("completed", "clicked"), 14.0, 0.005, 0.0, False),
    "msl_visit": ("medical", "outbound", False, ("held",), 14.0, 0.12, 45.0, True),
}
_ANY_SUCCESS = ("clicked", "downloaded", "completed", "attended", "held")
# A channel nobody has described needs consent: the error to make is the one that sends nothing.
_UNDESCRIBED = ("commercial", "outbound", True, _ANY_SUCCESS, 14.0, 0.01, 0.0, False)


def default_channels(also: Iterable[str] = ()) -> pd.DataFrame:
    """The channels table that is used where none is given.

    Parameters
    ----------
    also : further channels seen in the tables; they need consent and succeed by any answer

    Examples
    --------
    >>> default_channels().set_index("channel").loc["webinar", "success"]
    ('attended',)
    """
    rows = {**_DEFAULTS, **dict.fromkeys(sorted(set(also) - set(_DEFAULTS)), _UNDESCRIBED)}
    return _frame(rows)


def filled_channels(given: pd.DataFrame) -> pd.DataFrame:
    """A channels table with its empty cells filled from the shipped defaults.

    Examples
    --------
    >>> filled_channels(pd.DataFrame({"channel": ["webinar"], "cost": [0.5]}))["attribution_days"].tolist()
    [30.0]
    """
    names = given["channel"].tolist()
    filled = _frame({name: _DEFAULTS.get(name, _UNDESCRIBED) for name in names})
    for column in filled.columns.intersection(given.columns):
        said = given[column]
        is_said = said.map(bool) if column == "success" else said.notna()
        filled[column] = said.where(is_said.astype(bool), filled[column])
    return filled


def _frame(rows: dict[str, tuple[Any, ...]]) -> pd.DataFrame:
    columns: dict[str, Any] = {"channel": list(rows)}
    for position, name in enumerate(_FUNCTION):
        columns[name] = [row[position] for row in rows.values()]
    return pd.DataFrame(columns)
