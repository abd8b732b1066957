"""Writes moments as dates in the HCP's own time zone."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

from nba.errors import ArgumentError
from nba.explain.wording import Book
from nba.tables.zones import known_zone

_YEAR_9999 = 253_370_764_800


def zone(name: str) -> tzinfo:
    """The time zone of a name; "" is UTC.

    Raises
    ------
    ArgumentError
        There is no such zone.

    Examples
    --------
    >>> str(zone("Europe/Berlin")), str(zone(""))
    ('Europe/Berlin', 'UTC')
    """
    if name in ("", "UTC"):
        return UTC
    found = known_zone(name)
    if found is None:
        raise ArgumentError(
            f"Time zone {name!r} is not known here; expected an IANA name such as 'Europe/Berlin'. "
            "Correct it in the hcp table, or leave it empty for UTC."
        )
    return found


def is_moment(moment: Any) -> bool:
    """Whether a value is a real moment: whole seconds UTC, neither "no start" nor "no end".

    Examples
    --------
    >>> is_moment(1_800_000_000), is_moment(2**62), is_moment(None)
    (True, False, False)
    """
    try:
        seconds = int(moment)
    except (TypeError, ValueError, OverflowError):
        return False
    return 0 < seconds < _YEAR_9999  # leaves out both NEVER and FOREVER


def date(moment: int, *, tz: tzinfo = UTC, book: Book) -> str:
    """A moment as a date, with the book's names of months whatever the machine's language.

    Examples
    --------
    >>> from nba.explain.wording import load_book
    >>> date(1_806_451_199, tz=zone("UTC"), book=load_book())
    '30 Mar 2027'
    """
    local = datetime.fromtimestamp(int(moment), tz)
    return book.phrase("line", "date", day=local.day, month=book.months[local.month - 1], year=local.year)


def until(moment: int, *, tz: tzinfo, book: Book) -> str:
    """The end of a span: a day's end where it falls on midnight, else with the time of day.

    Examples
    --------
    >>> from nba.explain.wording import load_book
    >>> until(1_806_451_200, tz=zone("UTC"), book=load_book())
    'the end of 30 Mar 2027'
    """
    local = datetime.fromtimestamp(int(moment), tz)
    if (local.hour, local.minute) == (0, 0):
        return book.phrase("line", "end_of", date=date(int(moment) - 60, tz=tz, book=book))
    return f"{date(moment, tz=tz, book=book)}, {local.hour:02d}:{local.minute:02d}"
