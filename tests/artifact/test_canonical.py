"""One spelling for plain values."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.artifact import canonical_json, digest
from nba.errors import ArgumentError

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_canonical_json_reads_back_as_the_same_value_and_is_written_the_same_again(value):
    text = canonical_json(value)

    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**65, {1: 2}, {"a": {3}}, np.float32(1), [[[object()]]]]
)
def test_what_is_not_plain_json_is_refused(value):
    with pytest.raises(ArgumentError):
        canonical_json(value)


def test_deep_nesting_is_refused_and_not_followed():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(ArgumentError, match="nested"):
        canonical_json(deep)
    with pytest.raises(ArgumentError, match="nested"):
        digest(deep)


def test_digest_knows_values_dtypes_and_shapes_but_not_memory_order():
    table = np.arange(6.0).reshape(2, 3)

    assert digest(table) == digest(np.asfortranarray(table)) == digest(table.astype(">f8"))
    different = [table, table.T, table.ravel(), table.astype(np.float32), table + 1, table.tolist()]
    assert len({digest(value) for value in different}) == len(different)


def test_digest_reads_texts_in_object_arrays_and_refuses_what_has_no_spelling():
    assert digest(np.array(["a", ""], dtype=object)) == digest(np.array(["a", ""]))
    assert digest(np.array(["ab", "c"])) != digest(np.array(["a", "bc"]))
    for value in (np.array([{1}]), np.array(["2026"], dtype="M8[s]"), {"\0array": 1}):
        with pytest.raises(ArgumentError):
            digest(value)


def test_digest_does_not_depend_on_hash_seed_locale_or_zone():
    code = "import nba.artifact as a; print(a.digest({k: {'i': 1.5} for k in {'x', 'y', 'İ', 'ı'}}))"
    settings = [{"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Tokyo"}]
    found = {
        subprocess.run(
            [sys.executable, "-X", "utf8", "-c", code],
            env=os.environ | extra,
            capture_output=True,
            check=True,
        ).stdout
        for extra in settings
    }

    assert len(found) == 1
