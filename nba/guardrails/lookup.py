"""Texts as integer codes, looked up once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import DO_NOTHING, Bools, Candidates, Columns, Ints


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


def text_column(columns: Columns, name: str, *, length: int) -> NDArray[Any]:
    """A text column, or blanks where the table does not have it."""
    found = columns.get(name)
    return np.full(length, "", dtype=object) if found is None else found


def is_touch(candidates: Candidates, *, channel: str | None = None) -> Bools:
    """(K,) True for actions that contact the HCP, over one channel or over any."""
    return np.fromiter(
        (a != DO_NOTHING and channel in (None, a.channel) for a in candidates.actions),
        dtype=np.bool_,
        count=len(candidates.actions),
    )


def content_rows(candidates: Candidates, content: Columns) -> Ints:
    """(K,) row of each action's content in the content table; -1 where it is not there."""
    rows = position_of(content["content_id"])
    return codes([action.content for action in candidates.actions], rows)
