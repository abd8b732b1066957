"""Answers about the same tables, kept for the next who asks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

_P = ParamSpec("_P")
_T = TypeVar("_T")

_MOST = 64  # answers a function; a service asks about one set of actions over and over


_BY_IDENTITY = (np.ndarray, tuple)


class _Kept(NamedTuple):
    about: tuple[Any, ...]
    """Held, so that no other object can come to stand at the same address."""
    said: tuple[Any, ...]
    answer: Any


def kept(make: Callable[_P, _T]) -> Callable[_P, _T]:
    """Keep the last answers of a function of columns, actions and settings, one HCP after another.

    Columns (arrays) and actions (tuples) are told apart by which object they are, so that a look-up does not
    cost what the answer does; everything else by value. A column that has been written to since is asked
    about afresh. Arrays in the answers cannot be written to. For what is the same for everybody: content,
    channels, actions; never for columns of persons.

    Parameters
    ----------
    make : a function of positional, hashable or array arguments, that gives the same for the same

    Examples
    --------
    >>> places = kept(lambda names: {name: i for i, name in enumerate(names)})
    >>> names = np.array(["a", "b"], dtype=object)
    >>> places(names) is places(names), places(names) is places(names.copy())
    (True, False)
    """
    found: OrderedDict[tuple[Any, ...], _Kept] = OrderedDict()
    lock = Lock()

    @wraps(make)
    def answer(*about: _P.args, **options: _P.kwargs) -> _T:
        key = tuple([id(part) if isinstance(part, _BY_IDENTITY) else part for part in about])
        known = found.get(key)
        if known is not None and known.said == _said(about):
            return known.answer  # type: ignore[no-any-return]
        made = make(*about, **options)
        _freeze(made)
        with lock:
            found[key] = _Kept(about, _said(about), made)
            while len(found) > _MOST:
                found.popitem(last=False)
        return made

    return answer


def _said(about: tuple[Any, ...]) -> tuple[Any, ...]:
    """What columns say: texts are compared by identity first, so that this is no look-up of each."""
    return tuple(
        [
            (part.tolist() if part.dtype == object else part.tobytes())
            for part in about
            if isinstance(part, np.ndarray)
        ]
    )


def _freeze(answer: Any) -> None:
    if isinstance(answer, np.ndarray):
        answer.setflags(write=False)
    elif isinstance(answer, tuple):
        for part in answer:
            _freeze(part)
