"""Who objects to being profiled."""

from __future__ import annotations

import numpy as np
import pytest

from nba.tables.objections import objects_to_profiling, profiling_objections


def consent(*rows):
    names = ("hcp_id", "purpose", "opt_type", "captured_at")
    return {
        name: np.array([row[p] for row in rows], dtype=object if p < 3 else np.int64)
        for p, name in enumerate(names)
    }


def test_without_rows_about_profiling_nobody_objects():
    assert profiling_objections(None, at=9) == frozenset()
    assert profiling_objections({"hcp_id": np.array(["h"])}, at=9) == frozenset()
    assert profiling_objections(consent(("h1", "promotional", "opt_out", 1)), at=9) == frozenset()


@pytest.mark.parametrize(
    ("rows", "at", "objects"),
    [
        ([("opt_out", 5)], 4, False),
        ([("opt_out", 5)], 5, True),
        ([("opt_out", 5), ("opt_in", 7)], 7, True),
        ([("opt_out", 5), ("opt_in", 7)], 8, False),
        ([("opt_in", 7), ("opt_out", 5)], 8, False),
        ([("opt_out", 5), ("opt_in", 5)], 8, True),
        ([("opt_out", 5), ("opt_in_pending", 6)], 8, False),
    ],
)
def test_the_latest_word_counts_an_opt_out_from_its_very_moment(rows, at, objects):
    table = consent(*(("h1", "profiling", word, moment) for word, moment in rows))

    assert (profiling_objections(table, at=at) == {"h1"}) == objects


def test_each_row_is_asked_as_of_its_own_moment():
    words = [
        ("h1", "profiling", "opt_out", 5),
        ("h1", "profiling", "opt_in", 7),
        ("h2", "email", "opt_out", 1),
    ]
    table = consent(*words)
    hcps = np.repeat(np.array(["h1", "h2", "h3"], dtype=object), 10)
    at = np.tile(np.arange(10), 3)

    found = objects_to_profiling(table, hcps=hcps, at=at)

    one_by_one = [hcp in profiling_objections(table, at=moment) for hcp, moment in zip(hcps, at, strict=True)]
    assert found.tolist() == one_by_one
    assert found.sum() == 3
