"""The counts behind the numbers of one HCP, made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nba.contracts import Bools, Evidence, Floats
from nba.features.declare import Declared


class Spot(NamedTuple):
    """Where one column's counts stand.

    Attributes
    ----------
    measure : says what its parts mean
    parts : (n_rows, n_columns) each
    column : which of them
    has_key : (n_rows,) False where the row's action has nothing for the measure to look at; None is nowhere
    """

    measure: Declared
    parts: Sequence[Floats]
    column: int
    has_key: Bools | None = None


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
        found: Evidence | None = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def get(self, name: str, default: Any = None) -> Any:
        """The evidence of a feature; the default where nothing of it can be counted."""
        spot = self._spots.get(name)
        if spot is None or not (spot.has_key is None or spot.has_key[self._row]):
            return default
        at = self._row, spot.column
        found = spot.measure.evidence([part.item(at) for part in spot.parts])
        return default if found is None else found

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._spots if self.get(name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
