"""How a bundle looks on disk."""

from __future__ import annotations

import io

import numpy as np
import pytest

from nba.artifact.layout import DTYPES, is_array_file, is_file_entry, npy_header, under


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (1, 0, 4)])
def test_numpy_reads_our_headers(dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)

    found = np.load(io.BytesIO(npy_header(dtype, shape) + array.tobytes()), allow_pickle=False)

    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    "name", ["../a.npy", "a/b.npy", "A.npy", "a.npz", ".npy", "a.npy\n", "ä.npy", "a\\b.npy"]
)
def test_names_that_could_lead_elsewhere_are_no_array_files(name):
    assert not is_array_file(name)


def test_an_entry_whose_sizes_do_not_agree_is_refused():
    entry = {"sha256": "0" * 64, "bytes": 128 + 24, "dtype": "<f8", "shape": [3]}

    assert is_file_entry(entry)
    for change in (
        {"bytes": 128 + 25},
        {"shape": [4]},
        {"shape": [True, 3]},
        {"shape": [-3]},
        {"shape": [0, 2**60]},
        {"dtype": "|O8"},
        {"dtype": ["<f8"]},
        {"sha256": "x"},
        {"more": 1},
    ):
        assert not is_file_entry(entry | change)


def test_arrays_under_a_prefix_are_those_that_were_put_there():
    part, other = {"value": np.arange(2), "value_2": np.arange(3)}, {"value": np.arange(5)}
    arrays = {f"trees_{name}": a for name, a in part.items()} | {
        f"base_{name}": a for name, a in other.items()
    }

    found = under(arrays, "trees_")

    assert found.keys() == part.keys()
    assert all(found[name] is part[name] for name in part)
    assert under(arrays, "lines_") == {}
