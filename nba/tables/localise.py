"""Moments of an export: ISO texts, days, and times without a zone."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd

from nba.contracts import Bools
from nba.errors import ArgumentError
from nba.tables.findings import Findings, cells
from nba.tables.moments import as_datetimes, seconds, seconds_of_datetime
from nba.tables.zones import known_zone


def check_zone(zone: str | None) -> None:
    """Refuse a time zone that nobody knows.

    Raises
    ------
    ArgumentError
        If it is no name of a zone.
    """
    if zone is not None and known_zone(zone) is None:
        raise ArgumentError(
            f"zone is {zone!r}, which is no time zone. Expected a name such as 'Europe/Berlin'."
        )


def localised(naive: pd.Series, zone: str) -> pd.Series:
    """Datetimes without a zone, read in one.

    An hour that the clock skipped counts forwards; of an hour that came twice the later is taken, so that
    nothing is known too early.

    Examples
    --------
    >>> localised(pd.Series(pd.to_datetime(["2025-10-26 02:30"])), "Europe/Berlin").dt.tz_convert("UTC")[0]
    Timestamp('2025-10-26 01:30:00+0000', tz='UTC')
    """
    # tz_localize takes one bool a row or one for all; False is the clock after summer time.
    aware: pd.Series = naive.dt.tz_localize(zone, nonexistent="shift_forward", ambiguous=False)
    return aware


def read_moments(
    series: pd.Series, *, zone: str | None, days: bool, column: str, findings: Findings
) -> tuple[pd.Series, Bools]:
    """A column of an export in whole seconds UTC, and which cells name only a day.

    Parameters
    ----------
    series : datetimes, dates or ISO texts
    zone : the zone of cells that carry none
    days : cells without a time are expected and mean 00:00 in ``zone``, UTC where that is None
    column : its name, for what is found
    findings : where cells that are no times go

    Returns
    -------
    zone-aware datetimes, and array of shape (n,), bool
    """
    series = series.reset_index(drop=True)
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        return as_datetimes(seconds(series), missing=series.isna().to_numpy()), _no(series)
    codes, distinct = pd.factorize(series.astype(object), use_na_sentinel=True)
    read = [_read(cell) for cell in distinct]
    whole = np.array([moment for moment, _ in read] + [0], dtype=np.int64)[codes]
    kind = np.array([name for _, name in read] + ["missing"], dtype=object)[codes]
    is_day = (kind == "day") | ((kind == "naive") & days & (whole % 86_400 == 0))
    _check(kind, is_day, zone=zone, days=days, column=column, findings=findings)
    # A copy of its own: pandas before 3 takes writing into it for a slip.
    at = as_datetimes(whole, missing=(kind == "missing") | (kind == "unreadable")).copy()
    naive = is_day | (kind == "naive")
    if naive.any():
        at[naive] = localised(at[naive].dt.tz_localize(None), zone or "UTC").dt.tz_convert("UTC")
    return at, is_day


def _no(series: pd.Series) -> Bools:
    return np.zeros(len(series), dtype=np.bool_)


def _read(cell: Any) -> tuple[int, str]:
    """Seconds of the cell's clock, and what kind of moment it is."""
    if isinstance(cell, np.datetime64):
        cell = pd.Timestamp(cell)
    if isinstance(cell, str):
        text = cell.strip()
        try:
            cell = dt.date.fromisoformat(text) if len(text) <= 10 else dt.datetime.fromisoformat(text)
        except ValueError:
            return 0, "unreadable"
    if isinstance(cell, dt.datetime):
        if cell.tzinfo is not None and cell.utcoffset() is not None:
            return seconds_of_datetime(cell), "aware"
        return seconds_of_datetime(cell.replace(tzinfo=dt.UTC)), "naive"
    if isinstance(cell, dt.date):
        return seconds_of_datetime(dt.datetime(cell.year, cell.month, cell.day, tzinfo=dt.UTC)), "day"
    return 0, "unreadable"


def _check(
    kind: Any, is_day: Bools, *, zone: str | None, days: bool, column: str, findings: Findings
) -> None:
    if (bad := kind == "unreadable").any():
        todo = "Expected datetimes or ISO texts such as 2026-10-01T07:30:00+02:00."
        findings.refuse(column, f"{cells(bad)} no moments", todo, bad=bad)
    bad = (is_day & (not days)) | ((kind == "naive") & ~is_day)
    if zone is None and bad.any():
        todo = "Say in which zone they were written: zone='UTC', zone='Europe/Berlin', ..."
        findings.refuse(column, f"{cells(bad)} without a time zone", todo, bad=bad)
