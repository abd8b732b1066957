"""What the hcp table says about the HCPs of a design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from nba.contracts import Columns, Floats, Ints, Strings
from nba.features.asked import Asked
from nba.features.beside import TableMeasure
from nba.features.declare import Attribute, Declared, Fit
from nba.history import places
from nba.tables.arrays import factorize

NUMBER = ("",)
"""The levels of an attribute that is a number: one column, without a value of its own."""


def levels(attribute: Attribute, hcps: Columns) -> tuple[str, ...]:
    """The values that have a flag of their own: those that enough HCPs share, sorted."""
    values = hcps[attribute.column]
    if values.dtype != object:
        return NUMBER
    met, counts = np.unique(values[values != ""].astype(str), return_counts=True)
    return tuple(str(level) for level, n in zip(met, counts, strict=True) if n >= attribute.min_hcps)


PROFILES = frozenset({"segment", "tier", "decile", "kol_score"})
"""Columns of the hcp table that are themselves what somebody made of a person's behaviour."""


def is_profiling(measure: Declared) -> bool:
    """Whether a measure tells of behaviour or of a profile, and so is off for who objects to profiling.

    What an HCP is by profession (specialty, role, country) stays.

    Examples
    --------
    >>> from nba.features import Count
    >>> is_profiling(Count()), is_profiling(Attribute(column="tier")), is_profiling(Attribute(column="role"))
    (True, True, False)
    """
    if isinstance(measure, Attribute):
        return measure.visibility == "restricted" or measure.column in PROFILES
    if isinstance(measure, TableMeasure):
        return measure.is_profile
    return not isinstance(measure, Fit) or measure.column in PROFILES


@dataclass(frozen=True)
class Profiles:
    """The hcp table, sorted by ``hcp_id`` as canonical tables are, and the HCPs of a design's rows.

    ``part_of`` are others of which these are some: what those looked up is not sought again.
    """

    table: Columns
    hcps: Strings
    part_of: tuple[Profiles, Ints] | None = None

    @cached_property
    def place(self) -> Ints:
        """(n_rows,) which of the table's rows stands behind each; -1: not in it. Sought when asked for."""
        if self.part_of is not None:
            whole, which = self.part_of
            return whole.place[which]
        return places(self.table["hcp_id"], self.hcps)

    def some(self, which: Ints) -> Profiles:
        """Those of some of the rows."""
        return Profiles(self.table, self.hcps[which], (self, which))

    def flags(self, attribute: Attribute, columns: Sequence[str]) -> Floats:
        """(n_rows, n_columns): one flag a level, or the number; NaN where not known or protected."""
        known, place = self._known, self._there
        if attribute.visibility == "restricted" and "pdrp_opt_out" in self.table:
            open_ = ~self.table["pdrp_opt_out"][place]
            known, place = known[open_], place[open_]
        values = self.table[attribute.column][place]
        if tuple(columns) == NUMBER:
            block = np.full((len(self.place), 1), np.nan)
            block[known, 0] = values
            return block
        where, lines = _lines(tuple(columns))
        line = np.full(len(self.place), where[""])
        line[known] = [where.get(value, len(columns)) for value in values.tolist()]
        flags: Floats = lines[line]
        return flags

    @cached_property
    def _known(self) -> Ints:
        """Rows of the design whose HCP the table holds."""
        return np.flatnonzero(self.place >= 0)

    @cached_property
    def _there(self) -> Ints:
        """Where the table holds them."""
        found: Ints = self.place[self._known]
        return found

    def placed(self, column: str, groups: Sequence[str]) -> Floats:
        """(n_rows, 1): which of some groups each HCP is in; the first where in none of them."""
        place = {name: float(i) for i, name in enumerate(groups)}
        block = np.zeros((len(self.place), 1))
        block[self._known, 0] = [place.get(value, 0.0) for value in self.table[column][self._there]]
        return block

    def fits(self, fit: Fit, asked: Asked, *, row: Ints, pair: Ints) -> Floats:
        """(n_requests, 1): 1 where the HCP is in the content's audience, 0 where not, else NaN."""
        names = np.full(len(self.place), "", dtype=object)
        names[self._known] = self.table[fit.column][self._there]
        met, who = factorize(names)
        return asked.fits(fit.audience, met)[who[row], pair][:, None]


@lru_cache(maxsize=256)  # a service asks of one HCP after another
def _lines(levels: tuple[str, ...]) -> tuple[dict[str, int], Floats]:
    """Where each level's line of flags stands, then that of any other value and that of none."""
    n = len(levels)
    lines = np.vstack([np.eye(n), np.zeros(n), np.full(n, np.nan)])
    return {name: i for i, name in enumerate(levels)} | {"": n + 1}, lines
