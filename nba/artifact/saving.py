"""Bundles are written aside and put in place in one step."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import platform
import secrets
import shutil
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba import __version__
from nba.artifact.canonical import canonical_json, little_endian
from nba.artifact.layout import (
    DTYPES,
    FORMAT,
    MANIFEST,
    MOST_BYTES,
    MOST_FILES,
    MOST_MANIFEST_BYTES,
    is_array_file,
    is_file_entry,
    npy_header,
    plain_reason,
)
from nba.errors import ArgumentError, BundleError


def save(
    folder: str | os.PathLike[str],
    *,
    manifest: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    overwrite: bool = False,
) -> str:
    """Write a bundle as a whole or not at all, and give its digest.

    Everything is written and synced in a folder beside the target and put in place by one rename. A process
    that is killed leaves the old bundle or the new one, and at worst a folder ``.<name>.<hex>.saving``
    beside it, which may be deleted.

    Parameters
    ----------
    folder : where the bundle shall stand; missing parents are made
    manifest : plain JSON (texts, numbers, booleans, None, lists, dicts with text keys); no NaN
    arrays : name to array; names of a-z, 0-9 and _; float64/32, int64/32, uint16/8 or bool
    overwrite : replace a bundle that stands there; anything that is not a bundle is left alone

    Returns
    -------
    The SHA-256 of the manifest's bytes, 64 hex digits, to be kept apart from the bundle.

    Raises
    ------
    ArgumentError
        If the manifest is not plain JSON or an array cannot be kept without loss.
    BundleError
        If something stands in the way or cannot be written; what stood there is intact.

    Examples
    --------
    >>> import tempfile
    >>> from nba.artifact import load
    >>> with tempfile.TemporaryDirectory() as place:
    ...     kept = save(f"{place}/m", manifest={"kind": "demo"}, arrays={"weights": np.array([1.0, 2.0])})
    ...     manifest, arrays, found = load(f"{place}/m", digest=kept)
    >>> manifest, arrays["weights"].tolist(), found == kept
    ({'kind': 'demo'}, [1.0, 2.0], True)
    """
    target = Path(os.path.realpath(os.fspath(folder)))
    files = _as_files(arrays)
    entries = {name: _describe(array) for name, array in files.items()}
    text = canonical_json(
        {"format": FORMAT, "libraries": _libraries(), "files": entries, "manifest": dict(manifest)}
    )
    _check_limits(text, entries)
    temporary = target.parent / f".{target.name}.{secrets.token_hex(6)}.saving"
    try:
        _check_target(target, overwrite=overwrite)
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_all(temporary, text, files)
        _put_in_place(temporary, target, overwrite=overwrite)
        _sync_folder(target.parent)
    except OSError as error:
        raise BundleError(
            f"The bundle {target.name!a} could not be written: {plain_reason(error)}. What stood there is "
            "intact; free space or choose another folder, and save again."
        ) from error
    finally:
        # After an exchange the old bundle stands under the temporary name.
        shutil.rmtree(temporary, ignore_errors=True)
    return hashlib.sha256(text).hexdigest()


def _as_files(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Each array under its file name, in memory as it will be on disk."""
    files = {}
    for name, array in sorted(arrays.items()):
        if not is_array_file(f"{name}.npy"):
            raise ArgumentError(f"The array name {name!a} is not made of a-z, 0-9 and _ only; rename it.")
        if not isinstance(array, np.ndarray):
            raise ArgumentError(f"{name!a} is a {type(array).__name__}, expected a numpy array.")
        if array.dtype.newbyteorder("<").str not in DTYPES:
            raise ArgumentError(
                f"The array {name!a} has dtype {array.dtype}, expected float64/32, int64/32, uint16/8 or "
                "bool; convert it, or put texts into the manifest."
            )
        files[f"{name}.npy"] = little_endian(array)
    return files


def _describe(array: NDArray[Any]) -> dict[str, Any]:
    header = npy_header(array.dtype.str, array.shape)
    hashed = hashlib.sha256(header)
    hashed.update(_raw(array))
    return {
        "sha256": hashed.hexdigest(),
        "bytes": len(header) + array.nbytes,
        "dtype": array.dtype.str,
        "shape": list(array.shape),
    }


def _raw(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _libraries() -> dict[str, str]:
    """Versions for the audit; asked of the installation, so that nothing is imported for it."""
    found = {"nba": __version__, "python": platform.python_version(), "numpy": np.__version__}
    for name in ("pandas", "scikit-learn", "lightgbm"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _check_limits(text: bytes, entries: Mapping[str, Mapping[str, Any]]) -> None:
    # What could not be loaded again must not be saved.
    if len(text) > MOST_MANIFEST_BYTES:
        raise ArgumentError(
            f"The manifest has {len(text)} bytes, at most {MOST_MANIFEST_BYTES} are kept; "
            "put numbers into arrays."
        )
    total = sum(entry["bytes"] for entry in entries.values())
    if total > MOST_BYTES or len(entries) > MOST_FILES or not all(map(is_file_entry, entries.values())):
        raise ArgumentError(
            f"{len(entries)} arrays take {total} bytes; a bundle holds at most {MOST_FILES} "
            f"arrays and {MOST_BYTES} bytes, 32 dimensions each."
        )


def _check_target(target: Path, *, overwrite: bool) -> None:
    if not os.path.lexists(target):
        return
    names = sorted(os.listdir(target)) if target.is_dir() else None
    if names == []:
        return
    if not overwrite:
        raise BundleError(f"{target.name!a} already exists; choose a new folder or pass overwrite=True.")
    if names is None or MANIFEST not in names or not all(map(_is_bundle_name, names)):
        raise BundleError(
            f"{target.name!a} exists and is not a bundle, so it is not replaced; choose another folder."
        )


def _is_bundle_name(name: str) -> bool:
    return name == MANIFEST or is_array_file(name)


def _write_all(folder: Path, text: bytes, files: Mapping[str, NDArray[Any]]) -> None:
    folder.mkdir()
    for name, array in files.items():
        _write(folder / name, npy_header(array.dtype.str, array.shape), _raw(array))
    _write(folder / MANIFEST, text)
    _sync_folder(folder)


def _write(path: Path, *parts: bytes | memoryview) -> None:
    with open(path, "xb") as stream:
        for part in parts:
            stream.write(part)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # elsewhere a folder cannot be opened, and the file system orders renames itself
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _put_in_place(new: Path, target: Path, *, overwrite: bool) -> None:
    """One rename: onto nothing (or an empty folder), or an exchange with the bundle that stands there."""
    if overwrite and target.is_dir() and os.listdir(target):
        _exchange(new, target)
    else:
        os.rename(new, target)


def _exchange(one: Path, other: Path) -> None:
    """Swap two folders in one step of the kernel.

    A plain rename cannot replace a folder that is not empty, and two renames can be torn by a kill.
    """
    library = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
    paths = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin" and library is not None and hasattr(library, "renamex_np"):
        failed = library.renamex_np(*paths, ctypes.c_uint(2))  # RENAME_SWAP
    elif library is not None and hasattr(library, "renameat2"):
        here = ctypes.c_int(-100)  # AT_FDCWD
        failed = library.renameat2(here, paths[0], here, paths[1], ctypes.c_uint(2))  # RENAME_EXCHANGE
    else:
        failed, _ = -1, ctypes.set_errno(errno.ENOSYS)
    if not failed:
        return
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EXDEV):
        raise BundleError(
            "This file system cannot swap two folders in one step, so the bundle is not replaced; save to a "
            "new folder and point to that one."
        )
    raise OSError(code, os.strerror(code))
