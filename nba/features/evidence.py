"""The counts behind the numbers of one HCP, made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from nba.contracts import Bools, Evidence, Floats
from nba.features.declare import Declared


class Spot(NamedTuple):
    """Where one column's counts stand.

    Attributes
    ----------
    measure : says what its parts mean
    parts : (n_rows, n_columns) each
    column : which of them
    has_key : (n_rows,) False where the row's action has nothing for the measure to look at
    """

    measure: Declared
    parts: Sequence[Floats]
    column: int
    has_key: Bools


class RowEvidence(Mapping[str, Evidence]):
    """Evidence by feature name, of one row; a card asks for a handful of a hundred features.

    Only features of which something can be counted are in it.

    Examples
    --------
    >>> from nba.features import Count
    >>> import numpy as np
    >>> spot = Spot(Count(), [np.array([[4.0]])], 0, np.array([True]))
    >>> RowEvidence({"engagements": spot}, row=0)["engagements"].count
    4
    """

    def __init__(self, spots: Mapping[str, Spot], *, row: int) -> None:
        self._spots = spots
        self._row = row

    def __getitem__(self, name: str) -> Evidence:
        spot = self._spots[name]
        if spot.has_key[self._row]:
            counts = [float(part[self._row, spot.column]) for part in spot.parts]
            found = spot.measure.evidence(counts)
            if found is not None:
                return found
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._spots if self.get(name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
