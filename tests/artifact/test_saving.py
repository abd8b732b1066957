"""Bundles are written aside and put in place in one step."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nba.artifact import load, save
from nba.errors import ArgumentError, BundleError

kept_dtypes = st.sampled_from(["f8", "f4", "i8", "i4", "u2", "u1", "?"])
arrays = st.dictionaries(
    st.from_regex(r"[a-z0-9_]{1,12}", fullmatch=True),
    kept_dtypes.flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))),
    max_size=4,
)


@settings(max_examples=25)
@given(arrays)
def test_what_is_saved_is_loaded_bit_for_bit(tmp_path_factory, given_arrays):
    folder = tmp_path_factory.mktemp("bundles") / "m"

    kept = save(folder, manifest={"x": [1.5, None, "ü"]}, arrays=given_arrays)
    manifest, found, same = load(folder, digest=kept)

    assert manifest == {"x": [1.5, None, "ü"]}
    assert same == kept
    assert set(found) == set(given_arrays)
    for name, array in given_arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def test_the_same_content_gives_the_same_digest_whatever_its_order_in_memory(tmp_path):
    table = np.arange(6.0).reshape(2, 3)

    one = save(tmp_path / "a", manifest={"p": 1, "q": 2}, arrays={"a": table, "b": table})
    two = save(tmp_path / "b", manifest={"q": 2, "p": 1}, arrays={"b": np.asfortranarray(table), "a": table})

    assert one == two


def test_numpy_reads_the_arrays_of_a_bundle(tmp_path):
    save(tmp_path / "m", manifest={}, arrays={"a": np.arange(5)})

    np.testing.assert_array_equal(np.load(tmp_path / "m" / "a.npy", allow_pickle=False), np.arange(5))


@pytest.mark.parametrize(
    "array",
    [np.array(["a"]), np.array([None]), np.array([1j]), np.zeros(2, "M8[s]"), np.zeros(2, "i2"), [1.0]],
)
def test_arrays_that_cannot_be_kept_plain_are_refused_before_anything_is_written(tmp_path, array):
    with pytest.raises(ArgumentError):
        save(tmp_path / "m", manifest={}, arrays={"a": array})

    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["../a", "A", "", "a b", "a" * 200])
def test_array_names_that_are_no_plain_words_are_refused(tmp_path, name):
    with pytest.raises(ArgumentError, match="name"):
        save(tmp_path / "m", manifest={}, arrays={name: np.zeros(1)})


def test_what_stands_there_is_replaced_only_when_asked_and_only_if_it_is_a_bundle(tmp_path):
    target = tmp_path / "m"
    save(target, manifest={"v": 1}, arrays={"a": np.zeros(2)})

    with pytest.raises(BundleError, match="overwrite=True"):
        save(target, manifest={"v": 2}, arrays={})
    save(target, manifest={"v": 2}, arrays={"b": np.ones(1)}, overwrite=True)

    assert load(target)[0] == {"v": 2}
    assert os.listdir(tmp_path) == ["m"]
    (target / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match="not a bundle"):
        save(target, manifest={"v": 3}, arrays={}, overwrite=True)
    assert (target / "notes.txt").read_text() == "mine"


def test_a_link_to_a_bundle_stays_a_link_when_it_is_saved_over(tmp_path):
    save(tmp_path / "real", manifest={"v": 1}, arrays={})
    (tmp_path / "current").symlink_to(tmp_path / "real")

    save(tmp_path / "current", manifest={"v": 2}, arrays={}, overwrite=True)

    assert (tmp_path / "current").is_symlink()
    assert load(tmp_path / "real")[0] == {"v": 2}


def test_a_file_system_without_exchange_refuses_to_replace_and_leaves_the_old(tmp_path, monkeypatch):
    save(tmp_path / "m", manifest={"v": 1}, arrays={})
    monkeypatch.setattr("nba.artifact.saving.ctypes.CDLL", lambda *_, **__: object())

    with pytest.raises(BundleError, match="cannot swap"):
        save(tmp_path / "m", manifest={"v": 2}, arrays={}, overwrite=True)

    assert load(tmp_path / "m")[0] == {"v": 1}
    assert os.listdir(tmp_path) == ["m"]


def test_a_full_disk_leaves_the_old_bundle_and_no_rubbish(tmp_path):
    save(tmp_path / "m", manifest={"v": 1}, arrays={})
    code = f"""
import resource, numpy as np
from nba.artifact import save
from nba.errors import BundleError
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    save({str(tmp_path / "m")!r}, manifest={{"v": 2}}, arrays={{"a": np.zeros(100_000)}}, overwrite=True)
except BundleError as error:
    print("refused:", error)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.startswith("refused:")
    assert load(tmp_path / "m")[0] == {"v": 1}
    assert os.listdir(tmp_path) == ["m"]


_SAVING = """
import itertools, sys, numpy as np
from nba.artifact import save
print("ready", flush=True)
for version in itertools.count(1):
    arrays = {name: np.full(2000, version) for name in ("a", "b", "c")}
    save(sys.argv[1], manifest={"version": version}, arrays=arrays, overwrite=True)
"""


def killed_while_saving(target, *, times, seed):
    """Kill a process that saves in a loop at random points; the versions found after each kill."""
    waits = random.Random(seed)
    found = []
    for _ in range(times):
        child = subprocess.Popen([sys.executable, "-c", _SAVING, str(target)], stdout=subprocess.PIPE)
        with child:
            assert child.stdout.readline() == b"ready\n"
            time.sleep(0.02 + waits.random() * 0.15)
            os.kill(child.pid, signal.SIGKILL)
        manifest, arrays, _ = load(target)
        assert all((array == manifest["version"]).all() for array in arrays.values())
        found.append(manifest["version"])
    return found


def test_a_kill_at_any_point_leaves_the_old_bundle_or_the_new(tmp_path):
    save(tmp_path / "m", manifest={"version": 0}, arrays={})

    assert max(killed_while_saving(tmp_path / "m", times=5, seed=1)) > 0


@pytest.mark.slow
def test_a_hundred_kills_leave_the_old_bundle_or_the_new(tmp_path):
    save(tmp_path / "m", manifest={"version": 0}, arrays={})

    assert max(killed_while_saving(tmp_path / "m", times=100, seed=2)) > 0


def test_a_reader_never_meets_a_mix_while_the_bundle_is_replaced(tmp_path):
    target = tmp_path / "m"
    save(target, manifest={"version": 0}, arrays={})
    seen = set()
    with subprocess.Popen([sys.executable, "-c", _SAVING, str(target)], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        reads, patience = 0, time.monotonic() + 60
        # On a busy machine the first two hundred reads can all come before the writer's first exchange.
        while reads < 200 or (len(seen) < 2 and time.monotonic() < patience):
            reads += 1
            try:
                manifest, arrays, _ = load(target)
            except BundleError:
                continue  # replaced and removed while it was being read: refused, not mixed
            assert all((array == manifest["version"]).all() for array in arrays.values())
            seen.add(manifest["version"])
        child.kill()

    assert len(seen) > 1
