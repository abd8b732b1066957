"""Bundles are checked byte by byte before they are used."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba import __version__
from nba.artifact.canonical import canonical_json
from nba.artifact.layout import (
    DIGEST,
    FIELDS,
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
from nba.errors import ArgumentError, BundleError, NBAWarning


def load(
    folder: str | os.PathLike[str], *, digest: str | None = None
) -> tuple[dict[str, Any], dict[str, NDArray[Any]], str]:
    """Read a bundle after checking every byte of it.

    Parameters
    ----------
    folder : a folder written by `save`
    digest : what `save` returned; without it, a bundle rewritten as a whole cannot be told from a real one

    Returns
    -------
    manifest, arrays and the bundle's digest, as given to and by `save`.

    Raises
    ------
    ArgumentError
        If ``digest`` is not 64 hex digits.
    BundleError
        If the folder is not a bundle, is incomplete, altered, too large, of a newer format, or has another
        digest than expected. Nothing is executed or written.

    Warns
    -----
    NBAWarning
        If another version (major or minor) of nba wrote it.
    """
    expected = _expected_digest(digest)
    try:
        with _opened_folder(folder) as where:
            text = _read(where, MANIFEST, most=MOST_MANIFEST_BYTES).tobytes()
            found = hashlib.sha256(text).hexdigest()
            if expected is not None and found != expected:
                raise BundleError(
                    f"The bundle's digest is {found}, expected {expected}. It is another bundle or was "
                    "altered; take it again from where it was saved."
                )
            content = _parse_manifest(text)
            _check_names(where, set(content["files"]) | {MANIFEST})
            arrays = {
                name.removesuffix(".npy"): _read_array(where, name, entry)
                for name, entry in content["files"].items()
            }
    except OSError as error:
        raise BundleError(
            f"The bundle cannot be read: {plain_reason(error)}. Expected a folder written by nba's "
            f"save, with {MANIFEST} and the arrays it lists as regular files; check path and permissions."
        ) from error
    _warn_if_other_version(content["libraries"])
    return content["manifest"], arrays, found


def _expected_digest(given: str | None) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not DIGEST.fullmatch(given.strip().lower()):
        raise ArgumentError("digest is not 64 hex digits; pass what save returned, or None to accept any.")
    return given.strip().lower()


@contextmanager
def _opened_folder(folder: str | os.PathLike[str]) -> Iterator[int | Path]:
    """A handle that all files are opened through, so that one folder is read even if it is being replaced."""
    if os.open not in os.supports_dir_fd:
        yield Path(folder)
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield handle
    finally:
        os.close(handle)


def _check_names(where: int | Path, expected: set[str]) -> None:
    missing = set(expected)
    with os.scandir(where) as entries:
        for entry in entries:
            if entry.name not in expected:
                raise BundleError(
                    f"The bundle holds a file it does not list: {entry.name[:80]!a}. Expected exactly the "
                    "files of its manifest; it was altered, take it again from where it was saved."
                )
            missing.discard(entry.name)
    if missing:
        raise BundleError(
            f"The bundle lacks {len(missing)} of its files, first {min(missing)!a}; copy it again as a whole."
        )


def _read(where: int | Path, name: str, *, most: int, exactly: int | None = None) -> NDArray[np.uint8]:
    """All bytes of one regular file, its size checked before any is read."""
    # O_NONBLOCK: opening a named pipe must not wait for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= getattr(os, "O_BINARY", 0)
    handle = _handle(where, name, flags)
    with open(handle, "rb", buffering=0) as stream:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            raise BundleError(
                f"{name!a} is a link or not a regular file. Expected plain files only; copy the bundle with "
                "its files, not links to them."
            )
        if facts.st_size > most or (exactly is not None and facts.st_size != exactly):
            wanted = f"at most {most}" if exactly is None else f"{exactly}"
            raise BundleError(
                f"{name!a} has {facts.st_size} bytes, expected {wanted}; it is truncated or altered, copy "
                "the bundle again."
            )
        content = np.empty(facts.st_size, dtype=np.uint8)
        done = 0
        while done < len(content):
            count = stream.readinto(content.data[done:])
            if not count:
                raise BundleError(f"{name!a} ended early; it is being changed, copy the bundle again.")
            done += count
    return content


def _handle(where: int | Path, name: str, flags: int) -> int:
    return os.open(where / name, flags) if isinstance(where, Path) else os.open(name, flags, dir_fd=where)


def _parse_manifest(text: bytes) -> dict[str, Any]:
    try:
        content = json.loads(text.decode("ascii"))
        # A text that is not the canonical one has doubled keys, NaN, or was not written by save.
        if canonical_json(content) != text:
            raise BundleError(
                f"{MANIFEST} is not written as nba writes it; it was altered, copy the bundle again."
            )
    except BundleError:
        raise
    except (ValueError, RecursionError):
        # The message of the parser may quote the text, so it is not passed on.
        raise BundleError(
            f"{MANIFEST} is not plain JSON of this library (text, depth, numbers); it was altered or is no "
            "bundle, copy it again."
        ) from None
    _check_format(content)
    _check_fields(content)
    return dict(content)


def _check_format(content: Any) -> None:
    version = content.get("format") if isinstance(content, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BundleError(f"{MANIFEST} names no format of nba; it is no bundle of this library.")
    if version > FORMAT:
        raise BundleError(
            f"The bundle has format {version}, this nba {__version__} reads up to {FORMAT}; update nba."
        )


def _check_fields(content: dict[str, Any]) -> None:
    parts = (content.get(name) for name in ("libraries", "files", "manifest"))
    if set(content) != FIELDS or not all(isinstance(part, dict) for part in parts):
        raise BundleError(
            f"{MANIFEST} does not have the fields {sorted(FIELDS)}; it is no bundle of this library."
        )
    files = content["files"]
    if len(files) > MOST_FILES or not all(map(is_array_file, files)):
        raise BundleError(
            f"{MANIFEST} lists too many files or file names that nba never writes; do not use it."
        )
    if not all(map(is_file_entry, files.values())):
        raise BundleError(f"{MANIFEST} describes an array in a way that nba never writes; do not use it.")
    total = sum(entry["bytes"] for entry in files.values())
    if total > MOST_BYTES:
        raise BundleError(f"The bundle claims {total} bytes of arrays, at most {MOST_BYTES} are read.")


def _read_array(where: int | Path, name: str, entry: Mapping[str, Any]) -> NDArray[Any]:
    content = _read(where, name, most=entry["bytes"], exactly=entry["bytes"])
    shape = tuple(entry["shape"])
    header = npy_header(entry["dtype"], shape)
    if hashlib.sha256(content.data).hexdigest() != entry["sha256"]:
        raise BundleError(
            f"{name!a} does not have the SHA-256 of the manifest; it was altered, copy it again."
        )
    if content[: len(header)].tobytes() != header:
        raise BundleError(
            f"{name!a} is not the array that the manifest describes; it was altered, do not use it."
        )
    values = content[len(header) :]
    if entry["dtype"] == "|b1" and values.size and values.max() > 1:
        raise BundleError(f"{name!a} holds booleans that are neither 0 nor 1; it was altered, do not use it.")
    array: NDArray[Any] = values.view(entry["dtype"]).reshape(shape)
    return array


def _warn_if_other_version(libraries: Mapping[str, Any]) -> None:
    written = str(libraries.get("nba", "unknown"))
    if written.split(".")[:2] != __version__.split(".")[:2]:
        warnings.warn(
            f"The bundle was written by nba {written[:20]!a}, this is {__version__}. It is read; refit and "
            "save again if its results must be exactly those of this version.",
            NBAWarning,
            stacklevel=3,
        )
