"""Texts as integer codes, looked up once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import DO_NOTHING, Action, Bools, Candidates, Columns, Ints, Strings
from nba.errors import ArgumentError
from nba.kept import kept


def position_of(values: Iterable[Any]) -> dict[Any, int]:
    """Give every value the position where it stands first.

    Examples
    --------
    >>> position_of(["a", "b", "a"])
    {'a': 0, 'b': 1}
    """
    positions: dict[Any, int] = {}
    for i, value in enumerate(values):
        positions.setdefault(value, i)
    return positions


def numbered(values: Iterable[Any]) -> dict[Any, int]:
    """Number the distinct values 0, 1, 2, ... in the order they appear.

    Examples
    --------
    >>> numbered(["b", "b", "a"])
    {'b': 0, 'a': 1}
    """
    return {value: code for code, value in enumerate(dict.fromkeys(values))}


def codes(values: Any, index: Mapping[Any, int]) -> Ints:
    """Look every value up in an index; -1 where it is not there.

    Examples
    --------
    >>> codes(["b", "x"], {"a": 0, "b": 1}).tolist()
    [1, -1]
    """
    return np.fromiter(map(index.get, values, repeat(-1)), dtype=np.int64, count=len(values))


def among(values: NDArray[Any], names: Iterable[str]) -> Bools:
    """True where a text is one of a few names.

    Examples
    --------
    >>> among(np.array(["a", "b"], dtype=object), ["b", "c"]).tolist()
    [False, True]
    """
    found = np.zeros(len(values), dtype=np.bool_)
    for name in names:
        found |= values == name
    return found


def text_column(columns: Columns, name: str, *, length: int) -> NDArray[Any]:
    """A text column, or blanks where the table does not have it."""
    found = columns.get(name)
    return np.full(length, "", dtype=object) if found is None else found


def is_touch(candidates: Candidates, *, channel: str | None = None) -> Bools:
    """(K,) True for actions that contact the HCP, over one channel or over any."""
    return _touches(candidates.actions, channel)


def content_rows(candidates: Candidates, content: Columns) -> Ints:
    """(K,) row of each action's content in the content table; -1 where it is not there."""
    return _content_rows(candidates.actions, content["content_id"])


def content_tags(candidates: Candidates, content: Columns, name: str) -> NDArray[Any]:
    """(K,) a text of each action's content; "" where it has none, or is not in the table."""
    return _content_tags(candidates.actions, content["content_id"], content.get(name))


def over(candidates: Candidates, channels: Sequence[str]) -> Bools:
    """(K,) True for actions over one of some channels."""
    return _over(candidates.actions, tuple(channels))


def positions_in(content_ids: NDArray[Any]) -> dict[Any, int]:
    """Where each content stands first in the content table; looked up once a table."""
    return _positions_in(content_ids)


@kept
def _touches(actions: tuple[Action, ...], channel: str | None) -> Bools:
    return np.fromiter(
        (a != DO_NOTHING and channel in (None, a.channel) for a in actions),
        dtype=np.bool_,
        count=len(actions),
    )


@kept
def _over(actions: tuple[Action, ...], channels: tuple[str, ...]) -> Bools:
    return np.array([action.channel in channels for action in actions], dtype=np.bool_)


@kept
def _positions_in(content_ids: NDArray[Any]) -> dict[Any, int]:
    return position_of(content_ids)


@kept
def _content_rows(actions: tuple[Action, ...], content_ids: NDArray[Any]) -> Ints:
    return codes([action.content for action in actions], positions_in(content_ids))


@kept
def _content_tags(
    actions: tuple[Action, ...], content_ids: NDArray[Any], column: NDArray[Any] | None
) -> NDArray[Any]:
    if column is None:
        return np.full(len(actions), "", dtype=object)
    tags: NDArray[Any] = np.append(column, "").astype(object)[_content_rows(actions, content_ids)]
    return tags


def names_of(rule: str, setting: str, names: object) -> tuple[str, ...]:
    """Names a rule was given, as a tuple.

    Raises
    ------
    ArgumentError
        If they are one text, or not all of them are names.
    """
    if (
        isinstance(names, str)
        or not isinstance(names, Sequence)
        or not all(isinstance(name, str) and name.strip() for name in names)
    ):
        raise ArgumentError(
            f'{rule} found {setting}={names!r}, expected a list of names, such as ["a", "b"].'
        )
    return tuple(names)


def hcp_places(candidates: Candidates, hcps: Columns) -> tuple[Ints, list[tuple[str, str]]]:
    """The distinct (country, language) of HCPs, and which one each HCP is."""
    n = len(candidates.hcps)
    country, language = (text_column(hcps, name, length=n).tolist() for name in ("country", "language"))
    pairs = list(zip(country, language, strict=True))
    index = numbered(pairs)
    return codes(pairs, index), list(index)


def usable_in(content_countries: NDArray[Any], countries: tuple[Any, ...]) -> Bools:
    """(n_countries, n_contents) True where the content may be used in the country."""
    everywhere = [not len(of_content) for of_content in content_countries]
    rows = [
        [open_ or country in of for open_, of in zip(everywhere, content_countries, strict=True)]
        for country in countries
    ]
    return np.array(rows, dtype=np.bool_).reshape(len(countries), len(content_countries))


def speaks_otherwise(heard: str, spoken: Strings) -> Bools:
    """(n_contents,) True where content and HCP are known to speak different languages."""
    foreign: Bools = ((spoken != "") & (spoken != heard) & (heard != "")).astype(np.bool_)
    return foreign
