"""A design, kept together with the counts behind its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from nba.contracts import Bools, Design, Feature, Floats, Ints
from nba.features.asked import Asked
from nba.features.beside import TableMeasure
from nba.features.blocks import is_own
from nba.features.declare import Declared, HistoryMeasure
from nba.features.evidence import RowEvidence, Spot
from nba.features.profile import is_profiling
from nba.kept import kept


@dataclass(frozen=True)
class Seen:
    """A design, and the counts that its numbers were made of.

    Attributes
    ----------
    design : the rows and requests
    measures, columns : what was declared, and the columns each gave
    raw : per measure its parts: (n_rows, n_columns) each, or (n_requests, 1) for an own view
    asked : what was looked up of the actions
    hidden : (n_rows,) True where behaviour and profiles were not read; None is nowhere
    """

    design: Design
    measures: tuple[Declared, ...]
    columns: tuple[tuple[Feature, ...], ...]
    raw: tuple[tuple[Floats, ...], ...]
    asked: Asked
    hidden: Bools | None = None

    def evidence(self, requests: Ints) -> list[RowEvidence]:
        """The counts behind every number of some requests, by feature name.

        A feature is left out where there is nothing to count: an unknown or restricted attribute, a
        content without a topic, a faded sum.
        """
        rows, pairs = self.design.row[requests], self.design.pair[requests]
        of_rows, of_requests = self._cuts(rows, requests)
        keyed = {by: of[pairs] >= 0 for by, (_, of) in self.asked.own.items()}
        parts: list[list[Floats]] = []
        has_key: list[Bools | None] = []
        for measure, found in zip(self.measures, self.raw, strict=True):
            place = of_requests if is_own(measure) else of_rows
            parts.append([part[place] for part in found])
            has_key.append(self._has_key(measure, rows, keyed))
        spots = _Spots(self.measures, parts, has_key, _counted(self.measures, self.columns))
        return [RowEvidence(spots, row=i) for i in range(len(requests))]

    def _cuts(self, rows: Ints, requests: Ints) -> tuple[Ints | slice, Ints | slice]:
        """Where rows and requests stand in their parts; one HCP's are looked at where they are."""
        if len(self.design.shared) > 1 or len(requests) != 1:
            return rows, requests  # copies: a view of a batch's parts would hold all of them
        at = int(requests[0])
        return slice(0, 1), slice(at, at + 1)

    def only(self, requests: Ints) -> Design:
        """The design of some requests alone, each with a row of its own."""
        design = self.design
        return replace(
            design,
            shared=design.shared[design.row[requests]],
            own=design.own[requests],
            row=np.arange(len(requests), dtype=np.int64),
            pair=design.pair[requests],
        )

    def _has_key(self, measure: Declared, rows: Ints, keyed: Mapping[str, Bools]) -> Bools | None:
        """(n,) whether the measure looks at anything of each row's action and HCP; None where always.

        ``keyed`` says by kind of key which rows' actions have one.
        """
        has_key = None
        if isinstance(measure, (HistoryMeasure, TableMeasure)) and measure.own:
            has_key = keyed[str(measure.by)]
        if self.hidden is not None and is_profiling(measure):
            has_key = ~self.hidden[rows] if has_key is None else has_key & ~self.hidden[rows]
        return has_key


@dataclass(frozen=True, eq=False)
class _Spots(Mapping[str, Spot]):
    """Spots by feature name, made when they are asked for: a card asks for few."""

    measures: tuple[Declared, ...]
    parts: list[list[Floats]]
    has_key: list[Bools | None]
    places: Mapping[str, tuple[int, int]]

    def __getitem__(self, name: str) -> Spot:
        i, column = self.places[name]
        return Spot(self.measures[i], self.parts[i], column, self.has_key[i])

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


@kept
def _counted(
    measures: tuple[Declared, ...], columns: tuple[tuple[Feature, ...], ...]
) -> dict[str, tuple[int, int]]:
    """Each feature of which something can be counted: which measure's it is, and which of its columns."""
    return {
        feature.name: (i, column)
        for i, (measure, features) in enumerate(zip(measures, columns, strict=True))
        if not isinstance(measure, HistoryMeasure) or measure.is_counted
        for column, feature in enumerate(features)
    }
