"""One spelling for plain values, and its hash."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.errors import ArgumentError

_MOST_DEPTH = 64
_MOST_INT = 2**64


def digest(value: Any) -> str:
    """SHA-256 of plain JSON and arrays, the same on every machine.

    Key order, memory order, byte order and list against tuple make no difference; 1 and 1.0 do.

    Parameters
    ----------
    value : texts, finite numbers, booleans, None, numpy scalars, and lists, tuples, dicts (text keys) and
        arrays of these (numbers of any width, texts)

    Raises
    ------
    ArgumentError
        If something in it has no canonical form.

    Examples
    --------
    >>> digest({"b": 1, "a": [True, None]}) == digest({"a": (True, None), "b": 1})
    True
    >>> digest(np.array([1, 2])) == digest([1, 2])
    False
    """
    return hashlib.sha256(canonical_json(_without_arrays(value, depth=0))).hexdigest()


def plain_digest(value: Any) -> str:
    """As :func:`digest`, of lists of texts, numbers and truths that are known to be plain.

    No part is looked at in Python: for what is hashed once an HCP, where ``digest`` would take most time.

    Raises
    ------
    ArgumentError
        If a number is not finite, or something is not plain.

    Examples
    --------
    >>> plain_digest(["h1", (("email", "c1"), 0.25)]) == digest(["h1", [["email", "c1"], 0.25]])
    True
    """
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError):
        return digest(value)  # says what is wrong with it
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def canonical_json(value: Any) -> bytes:
    """The one way to write plain JSON: sorted keys, no spaces, ASCII, finite numbers.

    Raises
    ------
    ArgumentError
        If ``value`` is not plain JSON: NaN, integers beyond 64 bits, other types, keys that are not texts,
        or nested deeper than 64.

    Examples
    --------
    >>> canonical_json({"b": 0.1, "a": ("x", None)})
    b'{"a":["x",null],"b":0.1}'
    """
    _check_plain(value, depth=0)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _check_plain(value: Any, *, depth: int) -> None:
    if depth > _MOST_DEPTH:
        raise ArgumentError(f"JSON is nested deeper than {_MOST_DEPTH} levels; flatten it.")
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                raise ArgumentError(f"A JSON key is a {type(key).__name__}, expected text; convert the key.")
            _check_plain(part, depth=depth + 1)
    elif isinstance(value, list | tuple):
        for part in value:
            _check_plain(part, depth=depth + 1)
    elif isinstance(value, int):
        if abs(value) > _MOST_INT:
            raise ArgumentError("A JSON integer is beyond 64 bits; write it as text.")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ArgumentError(f"A JSON number is {value}, expected a finite one; use None for missing.")
    else:
        raise ArgumentError(f"Found a {type(value).__name__} where plain JSON is expected; convert it.")


def _without_arrays(value: Any, *, depth: int) -> Any:
    """The same as plain JSON, arrays replaced by their hashes under a key no caller can use."""
    if depth > _MOST_DEPTH:
        raise ArgumentError(f"A value is nested deeper than {_MOST_DEPTH} levels; flatten it.")
    if isinstance(value, np.ndarray):
        return {"\0array": _array_content(value)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        if any(isinstance(key, str) and key.startswith("\0") for key in value):
            raise ArgumentError("A key starts with a NUL character, which is reserved; rename it.")
        return {key: _without_arrays(part, depth=depth + 1) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(part, depth=depth + 1) for part in value]
    return value


def _array_content(array: NDArray[Any]) -> list[Any]:
    shape = list(array.shape)
    if array.dtype.kind in "OU":
        return ["text", shape, [_as_text(part) for part in array.ravel().tolist()]]
    if array.dtype.kind not in "fiub":
        raise ArgumentError(
            f"An array has dtype {array.dtype}, expected numbers, booleans or texts; convert it."
        )
    plain = little_endian(array)
    return [plain.dtype.str, shape, hashlib.sha256(plain.tobytes()).hexdigest()]


def _as_text(part: Any) -> str | None:
    if part is None or isinstance(part, str):
        return part
    raise ArgumentError(f"An object array holds a {type(part).__name__}, expected texts; convert it.")


def little_endian(array: NDArray[Any]) -> NDArray[Any]:
    """The array in C order and little-endian bytes, of its own shape."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)
