"""A row's evidence holds what can be counted, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from nba.contracts import Evidence
from nba.features import Count, Decayed, Rate
from nba.features.evidence import RowEvidence, Spot


def test_counts_are_read_from_the_row_and_column_asked_for() -> None:
    parts = [np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]])]
    spots = {"rate": Spot(Rate(), parts, 1, np.array([True, True]))}

    assert RowEvidence(spots, row=1)["rate"] == Evidence(4, of=8)


def test_what_cannot_be_counted_is_not_in_it() -> None:
    one = [np.array([[1.0]])]
    spots = {
        "count": Spot(Count(), one, 0),
        "no key": Spot(Count(), one, 0, np.array([False])),
        "faded": Spot(Decayed(), one, 0),
    }

    found = RowEvidence(spots, row=0)

    assert dict(found) == {"count": Evidence(1)}
    assert len(found) == 1
    with pytest.raises(KeyError):
        found["faded"]
