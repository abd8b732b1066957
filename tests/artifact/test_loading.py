"""Bundles are checked byte by byte before they are used."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random

import numpy as np
import pytest

import nba
from nba.artifact import canonical_json, load, save
from nba.errors import ArgumentError, BundleError, NBAWarning


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "m"
    arrays = {
        "weights": np.linspace(0, 1, 20),
        "flags": np.array([True, False]),
        "small": np.arange(3, dtype="u1"),
    }
    save(folder, manifest={"kind": "test"}, arrays=arrays)
    return folder


def rewrite(folder, **changes):
    """Change the manifest as someone would who keeps it canonical."""
    content = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_bytes(canonical_json(content | changes))


def test_every_flipped_byte_is_refused(bundle):
    kept = hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    choose = random.Random(3)
    for path in sorted(bundle.iterdir()):
        clean = path.read_bytes()
        for place in sorted(choose.sample(range(len(clean)), 40)):
            flipped = bytearray(clean)
            flipped[place] ^= 1 << choose.randrange(8)
            path.write_bytes(flipped)
            with pytest.raises(BundleError):
                load(bundle, digest=kept)
        path.write_bytes(clean)
    load(bundle, digest=kept)


def test_every_truncation_is_refused(bundle):
    for path in sorted(bundle.iterdir()):
        clean = path.read_bytes()
        for length in (0, 1, len(clean) // 2, len(clean) - 1):
            path.write_bytes(clean[:length])
            with pytest.raises(BundleError):
                load(bundle)
        path.write_bytes(clean)


def test_only_the_expected_digest_finds_a_bundle_rewritten_as_a_whole(bundle, tmp_path):
    forged = tmp_path / "forged"
    kept = save(tmp_path / "again", manifest={"kind": "test"}, arrays={})
    save(forged, manifest={"kind": "forged"}, arrays={})

    assert load(forged)[0] == {"kind": "forged"}
    with pytest.raises(BundleError, match="digest"):
        load(forged, digest=kept)
    with pytest.raises(ArgumentError, match="64 hex"):
        load(forged, digest="abc")


@pytest.mark.parametrize("name", ["extra.npy", "code.py", "__init__.py", "\x1b[31mred", ".hidden"])
def test_extra_members_are_refused(bundle, name):
    (bundle / name).write_bytes(b"x")

    with pytest.raises(BundleError) as caught:
        load(bundle)
    assert "\x1b" not in str(caught.value)


def test_a_folder_inside_is_refused(bundle):
    (bundle / "inner").mkdir()

    with pytest.raises(BundleError):
        load(bundle)


def test_a_missing_array_is_refused(bundle):
    (bundle / "weights.npy").unlink()

    with pytest.raises(BundleError, match="lacks 1"):
        load(bundle)


@pytest.mark.parametrize("name", ["weights.npy", "manifest.json"])
@pytest.mark.parametrize("kind", ["symlink", "hard link", "pipe", "folder"])
def test_members_that_are_not_plain_files_are_refused(bundle, tmp_path, name, kind):
    elsewhere = tmp_path / "elsewhere"
    (bundle / name).rename(elsewhere)
    if kind == "symlink":
        (bundle / name).symlink_to(elsewhere)
    elif kind == "hard link":
        os.link(elsewhere, bundle / name)
    elif kind == "pipe":
        os.mkfifo(bundle / name)
    else:
        (bundle / name).mkdir()

    with pytest.raises(BundleError):
        load(bundle)


class _Bomb:
    def __reduce__(self):
        return os.mkdir, ("was_executed",)


@pytest.mark.parametrize("name", ["weights.npy", "manifest.json"])
def test_a_pickle_in_any_place_is_refused_and_not_run(bundle, name, monkeypatch):
    monkeypatch.chdir(bundle.parent)
    (bundle / name).write_bytes(pickle.dumps(_Bomb()))

    with pytest.raises(BundleError):
        load(bundle)
    assert not os.path.exists("was_executed")


def test_a_pickled_object_array_with_right_hashes_is_refused(bundle, monkeypatch):
    monkeypatch.chdir(bundle.parent)
    np.save(bundle / "weights.npy", np.array([_Bomb()], dtype=object), allow_pickle=True)
    content = (bundle / "weights.npy").read_bytes()
    files = json.loads((bundle / "manifest.json").read_bytes())["files"]
    sha256 = hashlib.sha256(content).hexdigest()
    for dtype in ("|O", "<f8"):
        entry = {
            "sha256": sha256,
            "bytes": len(content),
            "dtype": dtype,
            "shape": [(len(content) - 128) // 8],
        }
        rewrite(bundle, files=files | {"weights.npy": entry})
        with pytest.raises(BundleError):
            load(bundle)
    assert not os.path.exists("was_executed")


def test_booleans_that_are_neither_true_nor_false_are_refused(bundle):
    content = (bundle / "flags.npy").read_bytes()[:-1] + b"\x07"
    (bundle / "flags.npy").write_bytes(content)
    files = json.loads((bundle / "manifest.json").read_bytes())["files"]
    files["flags.npy"]["sha256"] = hashlib.sha256(content).hexdigest()
    rewrite(bundle, files=files)

    with pytest.raises(BundleError, match="booleans"):
        load(bundle)


@pytest.mark.parametrize("name", ["../m2/weights.npy", "/etc/passwd", "a\\b.npy", "WEIGHTS.npy", "w.py"])
def test_listed_names_that_lead_elsewhere_are_refused(bundle, name):
    files = json.loads((bundle / "manifest.json").read_bytes())["files"]
    rewrite(bundle, files={name: files["weights.npy"]})

    with pytest.raises(BundleError):
        load(bundle)


def test_a_newer_format_is_refused_by_its_number(bundle):
    rewrite(bundle, format=2)

    with pytest.raises(BundleError, match="update nba"):
        load(bundle)


@pytest.mark.parametrize("version", [None, True, "1", 0, 1.0, -1])
def test_no_format_is_refused(bundle, version):
    rewrite(bundle, format=version)

    with pytest.raises(BundleError):
        load(bundle)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"format":1}',
        b'{"format":1,"format":1}',
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a":' + b"9" * 5_000 + b"}",
        b"9" * 3_000_000,
        b"[" * 3_000_000,
        b'{"a":' * 1_000_000,
        "{'format':1}".encode("utf-16"),
        b'{"files":{},"format":1,"libraries":[],"manifest":{}}',
    ],
    ids=lambda text: f"{text[:20]!r} {len(text)}",
)
def test_manifests_that_are_no_plain_json_of_ours_are_refused(bundle, text):
    (bundle / "manifest.json").write_bytes(text)

    with pytest.raises(BundleError):
        load(bundle)


def test_absurd_sizes_are_refused_before_anything_is_read(bundle):
    os.truncate(bundle / "weights.npy", 2**40)
    with pytest.raises(BundleError, match="bytes"):
        load(bundle)
    os.truncate(bundle / "manifest.json", 2**40)
    with pytest.raises(BundleError, match="bytes"):
        load(bundle)


def test_claimed_sizes_beyond_the_limit_are_refused(bundle):
    entry = {"sha256": "0" * 64, "bytes": 128 + 8 * 2**28, "dtype": "<f8", "shape": [2**28]}
    rewrite(bundle, files={"a.npy": entry, "b.npy": entry})

    with pytest.raises(BundleError):
        load(bundle)


def test_a_path_that_is_no_bundle_is_refused(tmp_path):
    (tmp_path / "file").write_text("{}")
    (tmp_path / "empty").mkdir()

    for name in ("absent", "file", "empty"):
        with pytest.raises(BundleError):
            load(tmp_path / name)


def test_loading_writes_nothing(bundle):
    before = {path.name: path.stat().st_mtime_ns for path in [bundle, *bundle.iterdir()]}

    load(bundle)

    assert {path.name: path.stat().st_mtime_ns for path in [bundle, *bundle.iterdir()]} == before


def test_a_bundle_of_another_version_is_read_with_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr("nba.artifact.saving.__version__", "99.1.0")
    save(tmp_path / "m", manifest={"v": 1}, arrays={})

    with pytest.warns(NBAWarning, match=r"99\.1\.0.*" + nba.__version__.replace(".", r"\.")):
        assert load(tmp_path / "m")[0] == {"v": 1}
