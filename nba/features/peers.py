"""What an HCP's peers do, from a network as of a moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nba.contracts import DAY, Columns, Floats, Ints, Strings
from nba.errors import ArgumentError
from nba.features.beside import Sight, TableMeasure, known_since
from nba.features.declare import HistoryMeasure, check_days, declared, span_of
from nba.history import Measure, Op, places, sweep
from nba.tables.objections import objects_to_profiling

DAMPING = 0.85
"""How often the random walk of a rank goes on to a peer instead of starting anew (Brin and Page 1998)."""
_ENOUGH = 1e-12
_MOST_STEPS = 200


@dataclass(frozen=True)
class Graph:
    """The network table with every tie from both sides.

    Attributes
    ----------
    hcps : (n,) sorted ids
    start : (n + 1,) where each HCP's ties begin
    other, known, weight : (n_ties,) whom with, since when, how strong; in the order of HCP, other and known
    """

    hcps: Strings
    start: NDArray[np.int64]
    other: NDArray[np.int64]
    known: NDArray[np.int64]
    weight: Floats
    _ranks: dict[int, Floats] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, columns: Columns) -> Graph:
        """Lay the table out: a tie is known once it holds and was recorded; without a weight it weighs 1."""
        ids, place = np.unique(
            np.concatenate([columns["hcp_id_a"], columns["hcp_id_b"]]).astype(str), return_inverse=True
        )
        one, two = np.split(place.astype(np.int64), 2)
        mine, other = np.concatenate([one, two]), np.concatenate([two, one])
        known = np.tile(known_since(columns, "valid_from", "recorded_at"), 2)
        weight = np.tile(np.where(np.isnan(columns["weight"]), 1.0, columns["weight"]), 2)
        order = np.lexsort((weight, known, other, mine))
        return cls(
            hcps=ids.astype(object),
            start=np.searchsorted(mine[order], np.arange(len(ids) + 1)).astype(np.int64),
            other=other[order],
            known=known[order],
            weight=weight[order],
        )

    def ties(self, who: Ints, at: Ints) -> tuple[Ints, Ints, Floats]:
        """(row, other, weight) of every peer of each row as of its moment: one a peer, weights added up.

        Parameters
        ----------
        who : (n_rows,) index into ``hcps``, -1 for one without ties
        at : (n_rows,) a tie counts if it was known strictly before
        """
        lengths = np.where(who >= 0, self.start[who + 1] - self.start[who], 0)
        row: Ints = np.repeat(np.arange(len(who)), lengths)
        first = np.cumsum(lengths) - lengths
        tie = np.arange(len(row)) - np.repeat(first - self.start[np.maximum(who, 0)], lengths)
        seen = self.known[tie] < np.asarray(at)[row]
        row, tie = row[seen], tie[seen]
        other = self.other[tie]
        new = np.ones(len(row), dtype=np.bool_)
        new[1:] = (row[1:] != row[:-1]) | (other[1:] != other[:-1])
        begins = np.flatnonzero(new)
        # One peer's ties are added in their own order, whoever else is asked about.
        weight = np.bincount(np.cumsum(new) - 1, weights=self.weight[tie], minlength=len(begins))
        return row[begins], other[begins], weight.astype(np.float64)  # without ties bincount counts

    def rank(self, at: int) -> Floats:
        """(n,) how central everybody was by what was known before a moment: PageRank times how many had ties.

        1 is average; NaN for who had no tie yet.

        References
        ----------
        Brin and Page (1998), Computer Networks 30:107-117; on a weighted, undirected graph.
        """
        version = int((self.known < at).sum())
        if version not in self._ranks:
            self._ranks[version] = self._rank(at)
        return self._ranks[version]

    def _rank(self, at: int) -> Floats:
        n = len(self.hcps)
        row, other, weight = self.ties(np.arange(n), np.full(n, at))
        strength = np.bincount(row, weights=weight, minlength=n)
        there = strength > 0
        if not there.any():
            return np.full(n, np.nan)
        share = weight / strength[row]
        rank = there / there.sum()
        for _ in range(_MOST_STEPS):
            flow = np.bincount(other, weights=rank[row] * share, minlength=n)
            after = np.where(there, (1 - DAMPING) / there.sum() + DAMPING * flow, 0.0)
            moved = float(np.abs(after - rank).sum())
            rank = after
            if moved < _ENOUGH:
                break
        found: Floats = np.where(there, rank * there.sum(), np.nan)
        return found


@dataclass(frozen=True, kw_only=True)
class OfPeers(TableMeasure):
    """What all measures of peers share: they are about somebody's circle, and so not for reps to read."""

    table: ClassVar[str] = "network"
    known_by: ClassVar[tuple[str, str]] = ("valid_from", "recorded_at")
    group: ClassVar[str] = "peers"

    @property
    def needs(self) -> tuple[tuple[str, ...], ...]:
        """The columns that are read, as :func:`nba.readiness` names them."""
        return (("network.hcp_id_a",),)

    @classmethod
    def lay_out(cls, columns: Columns) -> Graph:
        """The table as a graph."""
        return Graph.of(columns)


@declared
@dataclass(frozen=True, kw_only=True)
class Peers(OfPeers):
    """How many peers the HCP had ties with at the moment; 0 for one whom the network does not know."""

    unit: ClassVar[str] = "count"

    def read(self, sight: Sight, laid: Graph) -> list[Floats]:
        """Counts."""
        row, _, _ = laid.ties(places(laid.hcps, sight.hcps), sight.at)
        return [np.bincount(row, minlength=len(sight.hcps)).astype(float)[:, None]]

    def _label(self, key: str) -> str:
        return "peers"


@declared
@dataclass(frozen=True, kw_only=True)
class PeerEngagement(OfPeers):
    """How much the HCP's peers engaged: the mean over them, by the strength of their ties.

    Their histories are read as of the same moment; NaN without peers. A peer who objects to profiling at that
    moment is not read, as if there were no tie. It is the one measure that depends on
    other HCPs' histories: one HCP in a service has the batch's bits where the reference tables hold its
    peers' histories, and is refused where they hold none.

    Parameters
    ----------
    of : which events: "engagements", "responses", "touches", an outcome
    window_days : how far back; None is the whole history
    """

    of: str = "engagements"
    window_days: int | None = 90
    of_others: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_days("window_days", self.window_days)
        HistoryMeasure(of=self.of)  # what may be counted of peers is what may be counted of an HCP

    def read(self, sight: Sight, laid: Graph) -> list[Floats]:
        """Weighted means."""
        row, other, weight = laid.ties(places(laid.hcps, sight.hcps), sight.at)
        at = np.asarray(sight.at)
        read = ~objects_to_profiling(sight.events.objections, hcps=laid.hcps[other], at=at[row])
        row, other, weight = row[read], other[read], weight[read]
        events = sight.events.others
        histories = events.histories
        count = Measure(Op.COUNT, events.cells(None, self.of, ("",)), span_of(self.window_days), 1)
        counts, _ = sweep(histories, [count], hcp=histories.find(laid.hcps)[other], at=at[row])
        n = len(sight.hcps)
        total = np.bincount(row, weights=weight * counts[:, 0], minlength=n)
        whole = np.bincount(row, weights=weight, minlength=n)
        found = np.where(whole > 0, total / np.where(whole > 0, whole, 1.0), np.nan)
        return [found[:, None]]

    def _of(self) -> list[str]:
        return [self.of]

    def _tail(self) -> list[str]:
        return [] if self.window_days is None else [f"{self.window_days}d"]

    def _window(self) -> int | None:
        return self.window_days

    def _label(self, key: str) -> str:
        return f"{self.of} of peers"


@declared
@dataclass(frozen=True, kw_only=True)
class PeerRank(OfPeers):
    """How central the HCP is in the network: PageRank over ties, 1 is average, missing without ties.

    Parameters
    ----------
    refresh_days : the rank is worked out anew every so many days, by the ties known before that day; between
        them it stands still, so that a history of moments costs few ranks
    """

    refresh_days: int = 28

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.refresh_days <= 366:
            raise ArgumentError(f"refresh_days is {self.refresh_days}; expected 1 to 366.")

    def read(self, sight: Sight, laid: Graph) -> list[Floats]:
        """Ranks."""
        who = places(laid.hcps, sight.hcps)
        step = self.refresh_days * DAY
        days, place = np.unique(np.asarray(sight.at) // step * step, return_inverse=True)
        found = np.full(len(who), np.nan)
        for i, day in enumerate(days):
            mine = (place == i) & (who >= 0)
            found[mine] = laid.rank(int(day))[who[mine]]
        return [found[:, None]]

    def _tail(self) -> list[str]:
        return [f"every {self.refresh_days}d"]

    def _label(self, key: str) -> str:
        return "standing among peers"
