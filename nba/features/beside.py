"""Measures of tables beside the log, as of a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Columns, Evidence, Feature, Floats, Ints, Strings, Tables
from nba.errors import ArgumentError
from nba.tables import table_of

if TYPE_CHECKING:
    from nba.features.events import Events


@dataclass(frozen=True)
class Sight:
    """The rows and requests of a design, as a measure of another table sees them.

    Attributes
    ----------
    hcps, at : (n_rows,) who, and int64 seconds of the moment
    people : the hcp table
    place : (n_rows,) each HCP's row in it; -1 for one that it does not hold
    keys : what the measure's columns are about; for an own view the keys that any action has
    view : (K,) for an own view each action's key; -1 where it has none
    row, pair : (n_requests,) of an own view
    events : everybody's interactions
    learned : what fit learned of the measure
    """

    hcps: Strings
    at: Ints
    people: Columns
    place: Ints
    keys: tuple[str, ...]
    view: NDArray[np.int32] | None
    row: Ints
    pair: Ints
    events: Events
    learned: tuple[Any, ...] = ()

    def said(self, column: str) -> Strings:
        """(n_rows,) what the hcp table says of each HCP; "" where it says nothing."""
        texts = np.full(len(self.place), "", dtype=object)
        known = self.place >= 0
        texts[known] = self.people[column][self.place[known]]
        return texts

    def viewed(self, block: Floats, *, otherwise: float) -> Floats:
        """(n_requests, 1) of an own view out of (n_rows, n_keys); the block itself where it is none."""
        if self.view is None:
            return block
        key = self.view[self.pair]
        found = np.full((len(self.row), 1), otherwise)
        found[key >= 0, 0] = block[self.row[key >= 0], key[key >= 0]]
        return found


@dataclass(frozen=True, kw_only=True)
class TableMeasure:
    """What measures of tables beside the log share.

    Parameters
    ----------
    by : one column per value of this column of the table; None is one column for all
    own : look only at the key of the action in question (its product, its topic)
    """

    by: str | None = None
    own: bool = False

    table: ClassVar[str]
    """The table it reads; without it the measure has no column."""
    known_by: ClassVar[tuple[str, str]]
    """The columns that say when a row of the table began, and when it could first be read."""
    also: ClassVar[tuple[str, ...]] = ()
    """Further tables that it reads, as they are; without one of them it has no column either."""
    prior: ClassVar[type[Any] | None] = None
    """What it learns in fit, for each of its columns or for all of them; None is nothing."""
    keys_by: ClassVar[tuple[str, ...]] = ()
    """What ``by`` may be."""
    own_by: ClassVar[tuple[str, ...]] = ()
    """What ``by`` may be of an own view."""
    of_others: ClassVar[bool] = False
    """Whether it reads the histories of other HCPs."""
    is_profile: ClassVar[bool] = True
    """Whether it tells of a person, and so is off for who objects to profiling."""
    unit: ClassVar[str] = "number"
    visibility: ClassVar[Literal["rep", "hq", "restricted"]] = "hq"
    group: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if self.by is not None and self.by not in self.keys_by:
            expected = " or ".join([*(repr(key) for key in self.keys_by), "None"])
            raise ArgumentError(f"{type(self).__name__}: by is {self.by!r}; expected {expected}.")
        if self.own and self.by not in self.own_by:
            expected = " or ".join(repr(key) for key in self.own_by) or "own=False"
            raise ArgumentError(
                f"{type(self).__name__}(own=True): by is {self.by!r}; expected {expected}: "
                "the key of the action to look at."
            )

    @property
    def needs(self) -> tuple[tuple[str, ...], ...]:
        """Columns it reads, as :func:`nba.readiness` names them; of each group one is enough."""
        raise NotImplementedError

    @classmethod
    def lay_out(cls, columns: Columns) -> Any:
        """The table as the measure reads it, made once."""
        raise NotImplementedError

    def laid(self, beside: Mapping[str, Any]) -> Any:
        """What it reads, of all tables beside the log as they were laid out."""
        return beside[self.table]

    def keys_met(self, laid: Any, *, until: int) -> tuple[str, ...]:
        """What its columns are about, by what was known before ``until``."""
        return ("",)

    def learn(self, laid: Any, people: Columns, *, until: int) -> tuple[Any, ...]:
        """What it has to know of others, by what was known of the HCPs of a table before ``until``."""
        return ()

    def read(self, sight: Sight, laid: Any) -> list[Floats]:
        """Its values: (n_rows, n_keys), or (n_requests, 1) of an own view; counts behind them may follow."""
        raise NotImplementedError

    def combine(self, parts: Sequence[Floats], priors: Sequence[Any]) -> Floats:
        """The values themselves."""
        return parts[0]

    def evidence(self, parts: Sequence[float]) -> Evidence | None:
        """The counts behind one value; None where nothing can be said."""
        return None

    def name(self, key: str) -> str:
        """The column's name, stable across versions."""
        where = f"own {self.by}" if self.own else f"{self.by}={key}" if self.by else "all"
        return f"{type(self).__name__.lower()}({', '.join([*self._of(), where, *self._tail()])})"

    def _of(self) -> list[str]:
        return []

    def _tail(self) -> list[str]:
        return []

    def describe(self, key: str) -> Feature:
        """What the column for a key means."""
        return Feature(
            name=self.name(key),
            label=self._label(key),
            unit=self.unit,
            family=self._family(),
            visibility=self._visibility(key),
            group=self.group,
            window_days=self._window(),
            wording=self._wording(),
            key=key,
        )

    def _label(self, key: str) -> str:
        raise NotImplementedError

    def _family(self) -> Literal["behavioural", "clinical", "contextual"]:
        return "contextual"

    def _visibility(self, key: str) -> Literal["rep", "hq", "restricted"]:
        return self.visibility

    def _window(self) -> int | None:
        return None

    def _wording(self) -> str:
        return ""


class LaidOut:
    """Tables beside the log as measures read them; each is laid out once for as long as it is the same."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Columns, Any]] = {}

    def out(self, measures: Iterable[TableMeasure], tables: Tables) -> dict[str, Any]:
        """What there is of the tables that the measures read, by name."""
        found: dict[str, Any] = {}
        for measure in measures:
            columns = table_of(tables, measure.table)
            if columns is not None:
                found[measure.table] = self.once(measure.table, columns, type(measure).lay_out)
            more = {name: table_of(tables, name) for name in measure.also}
            found |= {name: columns for name, columns in more.items() if columns is not None}
        return found

    def once(self, name: str, columns: Columns, make: Callable[[Columns], Any]) -> Any:
        """What was made of these columns before, or is made of them now."""
        last = self._last.get(name)
        if last is None or last[0] is not columns:
            last = self._last[name] = columns, make(columns)
        return last[1]

    def __reduce__(self) -> tuple[Any, ...]:
        return LaidOut, ()


def tables_of(measure: TableMeasure) -> tuple[str, ...]:
    """The tables beside the log that a measure reads."""
    return measure.table, *measure.also


def check_there(measures: Iterable[TableMeasure], laid: Mapping[str, Any]) -> None:
    """Refuse tables that lack what fitted columns are made of.

    Raises
    ------
    ArgumentError
        Naming the tables.
    """
    missing = sorted({name for measure in measures for name in tables_of(measure)} - set(laid))
    if missing:
        raise ArgumentError(
            f"The data hold no table {' and no table '.join(missing)}, which these features were fitted "
            "with. Give it as it was known at the moment; an empty table says that nothing was."
        )


def known_since(columns: Columns, *names: str) -> NDArray[np.int64]:
    """The latest of several moments a row, those that are empty left out."""
    found: NDArray[np.int64] = np.maximum.reduce([columns[name] for name in names])
    return found
