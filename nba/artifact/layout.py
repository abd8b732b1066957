"""How a bundle looks on disk: names, sizes, dtypes, headers."""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = 1
"""Version of the layout on disk; a bundle of a later one is refused."""

MANIFEST = "manifest.json"
DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
DTYPES = ("<f8", "<f4", "<i8", "<i4", "<u2", "|u1", "|b1")
FIELDS = {"format", "libraries", "files", "manifest"}
MOST_FILES = 4096
MOST_MANIFEST_BYTES = 32 * 2**20
# Two gigabytes are hashed in a few seconds; what is larger is not one of our models.
MOST_BYTES = 2 * 2**30

_ARRAY_FILE = re.compile(r"[a-z0-9_]{1,100}\.npy", re.ASCII)
_FILE_FIELDS = {"sha256", "bytes", "dtype", "shape"}
_MOST_DIMENSIONS = 32


def is_array_file(name: str) -> bool:
    """Whether a file name is one that an array may have."""
    return _ARRAY_FILE.fullmatch(name) is not None


def under(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin with a prefix, by their names without it.

    So a part of a model keeps its arrays in one flat bundle beside those of other parts.

    Examples
    --------
    >>> sorted(under({"trees_value": np.zeros(2), "trees_left": np.zeros(2), "n": np.zeros(1)}, "trees_"))
    ['left', 'value']
    """
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def plain_reason(error: OSError) -> str:
    """What the system said, without the path."""
    return f"{error.strerror or type(error).__name__} ({errno.errorcode.get(error.errno or 0, 'unknown')})"


def npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The first bytes of a .npy file (format 1.0), written here so that reading never has to parse them."""
    described = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape!r}, }}"
    length = math.ceil((10 + len(described) + 1) / 64) * 64
    padded = described.ljust(length - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + (length - 10).to_bytes(2, "little") + padded.encode("ascii")


def is_file_entry(entry: Any) -> bool:
    """Whether an array file is described as `save` does it, with sizes that agree with each other."""
    if not isinstance(entry, dict) or set(entry) != _FILE_FIELDS or entry["dtype"] not in DTYPES:
        return False
    if not isinstance(entry["sha256"], str) or not DIGEST.fullmatch(entry["sha256"]):
        return False
    shape = entry["shape"]
    if not isinstance(shape, list) or len(shape) > _MOST_DIMENSIONS or not all(map(_is_size, shape)):
        return False
    # An empty array may not have absurd other dimensions either: numpy cannot make it.
    if math.prod(max(1, size) for size in shape) > MOST_BYTES or not _is_size(entry["bytes"]):
        return False
    content = math.prod(shape) * np.dtype(entry["dtype"]).itemsize
    return bool(len(npy_header(entry["dtype"], tuple(shape))) + content == entry["bytes"])


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 2 * MOST_BYTES
