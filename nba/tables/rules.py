"""How rows of a CRM's objects become rows of our tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

SET_ASIDE = "(set aside)"
"""A picklist's value that takes its row out; a note counts them."""
ELSEWHERE = "(elsewhere)"
"""A picklist's value whose rows another rule reads; they are left out without a note."""
REFUSE = "(refuse)"
"""Values a picklist does not name are an error."""
KEEP = "(keep)"
"""Values a picklist does not name stay as they are, with a warning."""


@dataclass(frozen=True)
class Via:
    """A cell of another object that a row points at.

    Attributes
    ----------
    key : what of this row points there
    object, column : the other object, and its column that is wanted
    on : the other object's column that ``key`` is compared with
    order : of several rows that match, the first by this column counts

    Examples
    --------
    >>> Via("Sent_Email_vod__c", "Sent_Email_vod__c", "Account_vod__c").on
    'Id'
    """

    key: Origin
    object: str
    column: str
    on: str = "Id"
    order: str = ""


@dataclass(frozen=True)
class Filled:
    """One value where an origin holds anything at all.

    Examples
    --------
    >>> Filled("Remote_Meeting_vod__c", "Video_vod").value
    'Video_vod'
    """

    origin: Origin
    value: str


Origin: TypeAlias = "str | Via | Filled"
"""Where a cell comes from: a column, another object, or a value where something is filled."""


@dataclass(frozen=True)
class Picklist:
    """Which of our values stands for each of theirs.

    Attributes
    ----------
    to : their value to ours; ``SET_ASIDE`` and ``ELSEWHERE`` take the row out; a tuple of channels makes a
        row of each
    otherwise : for values not named: ``REFUSE``, ``KEEP``, ``SET_ASIDE``, None (an empty cell) or a value
        of ours; all but the first with a warning
    empty : for empty cells, the same; None leaves them empty

    Examples
    --------
    >>> Picklist({"Opt_In_vod": "opt_in"}).otherwise
    '(refuse)'
    """

    to: Mapping[str, Any]
    otherwise: Any = REFUSE
    empty: Any = None


Origins: TypeAlias = "Origin | tuple[Origin, ...]"
"""One origin, or several of which the first that is filled counts."""
_MERGED = ("columns", "ids", "values", "fill", "where", "scale", "narrower")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How one object's rows become rows of one table.

    Attributes
    ----------
    object : the object's name in the export
    table : the table of ours
    columns : our column to where it comes from; of several origins the first that is filled counts, and
        an empty tuple leaves the column out
    ids : our column to how its id is written, ``"Call2_vod__c:{}"``, so that ids of two objects never meet;
        all columns named here hold ids of the system
    values : our column to its picklist
    fill : our column to the value of cells that are still empty
    where : only rows whose origin holds one of these texts
    if_filled : only rows in which this column is filled
    dates : their columns that hold days without a time
    scale : our number column to what theirs is multiplied by
    narrower : for consent: their columns that narrow a row further than our table can say, and the column
        of theirs which, where filled, says the same; such opt-ins are set aside, such opt-outs kept as broad
    effective : for consent: their column from which on an opt-in holds
    needs : objects without which the rule is not used
    unless : the rule is not used where this object is given
    has_future : rows may lie in the future, so that the end of the log has to be said
    without : what is missing where the object is

    Examples
    --------
    >>> rule = Rule(object="Visit__c", table="interactions", columns={"hcp_id": "Doctor__c"})
    >>> rule.extended(columns={"topic": "Topic__c"}).columns
    {'hcp_id': 'Doctor__c', 'topic': 'Topic__c'}
    """

    object: str
    table: str
    columns: Mapping[str, Origins]
    ids: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Picklist] = field(default_factory=dict)
    fill: Mapping[str, Any] = field(default_factory=dict)
    where: Mapping[Origin, tuple[str, ...]] = field(default_factory=dict)
    if_filled: str = ""
    dates: tuple[str, ...] = ()
    scale: Mapping[str, float] = field(default_factory=dict)
    narrower: Mapping[str, str] = field(default_factory=dict)
    effective: str = ""
    needs: tuple[str, ...] = ()
    unless: str = ""
    has_future: bool = False
    without: str = ""

    def extended(self, **changes: Any) -> Rule:
        """The rule with more said: mappings are merged, everything else is replaced.

        Parameters
        ----------
        changes : fields of the rule; in ``values`` a plain mapping adds to the picklist that is there

        Examples
        --------
        >>> calls = Rule(object="Call__c", table="interactions", columns={"outcome": "Status__c"},
        ...              values={"outcome": Picklist({"Done": "held"})})
        >>> calls.extended(values={"outcome": {"Refused": "declined"}}).values["outcome"].to
        {'Done': 'held', 'Refused': 'declined'}
        """
        if "values" in changes:
            changes["values"] = {name: self._picklist(name, v) for name, v in changes["values"].items()}
        merged = {name: {**getattr(self, name), **changes[name]} for name in _MERGED if name in changes}
        return replace(self, **{**changes, **merged})

    def _picklist(self, column: str, more: Picklist | Mapping[str, Any]) -> Picklist:
        if isinstance(more, Picklist):
            return more
        there = self.values.get(column, Picklist({}))
        return replace(there, to={**there.to, **more})

    def origins(self, column: str) -> tuple[Origin, ...]:
        """Where a column of ours comes from, first choice first."""
        found = self.columns.get(column, ())
        return found if isinstance(found, tuple) else (found,)


Rules: TypeAlias = Mapping[str, Rule]
"""Rules by names of one's own choice."""
