"""Tables out of the objects of any CRM, by rules that are data."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nba.errors import ArgumentError, NBAWarning, TableError
from nba.tables.columns import NEEDED, TABLES
from nba.tables.engagement import Engagement
from nba.tables.findings import Findings, raise_faults, shown
from nba.tables.localise import check_zone
from nba.tables.moments import seconds
from nba.tables.origins import Export
from nba.tables.reader import Reader
from nba.tables.rules import Rule, Rules


def from_objects(
    objects: Mapping[str, object],
    *,
    rules: Rules,
    country: str | None = None,
    language: str | None = None,
    zone: str | None = None,
    observed_until: object = None,
    salesforce_ids: bool = False,
) -> Engagement:
    """Bring the objects of a CRM under our schema, by rules of your own.

    Parameters
    ----------
    objects : pandas, polars or pyarrow tables by the objects' names; what is not there switches off what
        needs it, and ``notes`` says so
    rules : by names of your choice; ``nba.tables.VEEVA`` and ``SALESFORCE`` are examples to extend
    country, language : of HCPs and content whose rows name none
    zone : the time zone of moments that carry none; days without a time are 00:00 there (UTC without it)
    observed_until : as for :class:`Engagement`
    salesforce_ids : ids of 15 characters and of 18 are the same record

    Raises
    ------
    TableError
        With every fault of every object: columns that are missing, values no picklist names, moments
        without a zone.
    ArgumentError
        If the zone is none, a rule does not fit the schema, or the end of the log has to be said.

    Examples
    --------
    >>> from nba.tables.rules import SET_ASIDE, Picklist
    >>> rules = {
    ...     "doctors": Rule(object="Doctor", table="hcps", columns={"hcp_id": "Nr"}),
    ...     "visits": Rule(
    ...         object="Visit", table="interactions",
    ...         columns={"interaction_id": "Nr", "hcp_id": "Doctor", "ts": "When", "outcome": "State"},
    ...         ids={"interaction_id": "Visit:{}"}, fill={"channel": "rep_visit", "direction": "outbound"},
    ...         values={"outcome": Picklist({"done": "held", "open": SET_ASIDE})}),
    ...     "papers": Rule(
    ...         object="Paper", table="content", columns={"content_id": "Nr", "title": "Name"},
    ...         fill={"document_number": "P", "version": "1", "channels": ("rep_visit",), "topic": "heart",
    ...               "content_type": "paper", "format": "pdf", "purpose": "educational",
    ...               "approval_status": "approved", "approved_from": "2026-01-01", "expiry": "2027-01-01"}),
    ... }
    >>> export = {
    ...     "Doctor": pd.DataFrame({"Nr": ["d1"]}),
    ...     "Paper": pd.DataFrame({"Nr": ["p1"], "Name": ["Overview"]}),
    ...     "Visit": pd.DataFrame({"Nr": ["1", "2"], "Doctor": "d1", "State": ["done", "open"],
    ...                            "When": ["2026-02-03 09:00", "2026-05-06 09:00"]})}
    >>> data = from_objects(export, rules=rules, country="DE", language="de", zone="Europe/Berlin")
    >>> data.interactions[["interaction_id", "ts", "outcome"]].astype(str).values.tolist()
    [['Visit:1', '2026-02-03 08:00:00+00:00', 'held']]
    >>> [note for note in data.notes if note.startswith("Visit")]
    ["Visit (visits): 1 row with outcome 'open' was set aside."]
    """
    return engagement_of(
        map_objects(
            objects,
            rules=rules,
            country=country,
            language=language,
            zone=zone,
            salesforce_ids=salesforce_ids,
            stacklevel=3,
        ),
        objects=objects,
        rules=rules,
        observed_until=observed_until,
    )


@dataclass(frozen=True)
class Mapped:
    """What the rules made of an export.

    Attributes
    ----------
    tables : our tables by name, to look at or change before ``Engagement(**tables)`` checks them
    notes : what was set aside, filled in or switched off
    """

    tables: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...] = ()


def map_objects(
    objects: Mapping[str, object],
    *,
    rules: Rules,
    country: str | None = None,
    language: str | None = None,
    zone: str | None = None,
    salesforce_ids: bool = False,
    stacklevel: int = 2,
) -> Mapped:
    """Our tables out of a CRM's objects, before :class:`Engagement` checks them.

    Parameters and errors are those of :func:`from_objects`.

    Examples
    --------
    >>> rules = {"doctors": Rule(object="Doctor", table="hcps", columns={"hcp_id": "Nr"})}
    >>> export = {"Doctor": pd.DataFrame({"Nr": ["d1"]})}
    >>> map_objects(export, rules=rules, country="DE").tables["hcps"].to_dict("list")
    {'hcp_id': ['d1'], 'country': ['DE']}
    """
    check_zone(zone)
    _check_rules(rules)
    export = Export(objects, salesforce_ids=salesforce_ids)
    used = {name: rule for name, rule in rules.items() if _is_used(rule, export)}
    everywhere = {"country": country, "language": language}
    readers = [Reader(name, rule, export, zone=zone, everywhere=everywhere) for name, rule in used.items()]
    parts = [(reader.rule.table, reader.read()) for reader in readers]
    findings = [reader.findings for reader in readers]
    raise_faults(findings)
    tables = {
        table: _together([part for name, part in parts if name == table], key=TABLES[table].key)
        for table, _ in parts
    }
    if "interactions" in tables:
        findings.append(Findings("interactions"))
        tables["interactions"] = _in_time(tables["interactions"], findings[-1])
    for warning in dict.fromkeys(warning for f in findings for warning in f.warnings):
        warnings.warn(warning, NBAWarning, stacklevel=stacklevel)
    notes = dict.fromkeys((*_not_given(rules, export), *(note for f in findings for note in f.notes)))
    return Mapped(tables, tuple(notes))


def engagement_of(
    mapped: Mapped, *, objects: Mapping[str, object], rules: Rules, observed_until: object
) -> Engagement:
    """What was mapped, checked, with its notes in front of the others."""
    for name in NEEDED:
        if name not in mapped.tables:
            expected = sorted({rule.object for rule in rules.values() if rule.table == name})
            raise TableError(
                f"No object was given that makes {name}. Expected one of {', '.join(expected)}; "
                f"found {', '.join(sorted(shown(given) for given in objects)) or 'none'}."
            )
    if observed_until is None:
        _check_future(objects, rules)
    engagement = Engagement(**mapped.tables, observed_until=observed_until)
    engagement.notes = (*mapped.notes, *engagement.notes)
    return engagement


def _check_future(objects: Mapping[str, object], rules: Rules) -> None:
    given = {name.lower() for name in objects}
    ahead = sorted({r.object for r in rules.values() if r.has_future and r.object.lower() in given})
    if ahead:
        raise ArgumentError(
            f"{', '.join(ahead)} may hold what is still to come. Say when the export was made: "
            "observed_until='2026-10-01'."
        )


def _check_rules(rules: Rules) -> None:
    for name, rule in rules.items():
        if rule.table not in TABLES:
            raise ArgumentError(f"Rule {name!r} makes {rule.table!r}. Expected one of {', '.join(TABLES)}.")
        known = TABLES[rule.table].by_name
        unknown = sorted({*rule.columns, *rule.ids, *rule.values, *rule.fill, *rule.scale} - set(known))
        if unknown:
            raise ArgumentError(
                f"Rule {name!r}: {rule.table} knows no column {unknown}. It knows {', '.join(known)}."
            )


def _is_used(rule: Rule, export: Export) -> bool:
    given = rule.object in export and all(needed in export for needed in rule.needs)
    return given and not (rule.unless and rule.unless in export)


def _not_given(rules: Rules, export: Export) -> list[str]:
    notes = []
    for rule in rules.values():
        missing = [name for name in (rule.object, *rule.needs) if name not in export]
        if missing and rule.without and not (rule.unless and rule.unless in export):
            notes.append(f"{missing[0]}: not given, so {rule.without}.")
    return notes


def _together(parts: list[pd.DataFrame], *, key: str) -> pd.DataFrame:
    """The parts of one table below each other; rows without a key in an order that is not the export's."""
    columns = list(dict.fromkeys(name for part in parts for name in part.columns))
    frame = pd.DataFrame({name: _below_each_other(parts, name) for name in columns})
    if key:
        return frame
    texts = pd.DataFrame({name: frame[name].map(str) for name in columns})
    return frame.loc[texts.sort_values(columns, kind="stable").index].reset_index(drop=True)


def _below_each_other(parts: list[pd.DataFrame], name: str) -> pd.Series:
    parts = [part for part in parts if len(part)] or parts[:1]
    # Of parts without the column any dtype will do; of the others it is the column's.
    dtype = next((part[name].dtype for part in parts if name in part), np.dtype(object))
    cells = [
        part[name] if name in part else pd.Series([None] * len(part), dtype=object).astype(dtype)
        for part in parts
    ]
    return pd.concat(cells, ignore_index=True)


def _in_time(log: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """No response before its touch, nothing recorded before it happened."""
    if "parent_id" in log:
        first = log.drop_duplicates("interaction_id").set_index("interaction_id")["ts"]
        touched = log["parent_id"].map(first.astype(object).to_dict())
        touched = pd.Series(pd.DatetimeIndex(touched.tolist(), tz="UTC")).dt.as_unit("s")
        early = (log["ts"] < touched).to_numpy()
        if early.any():
            done = "They count at the moment of the touch: clocks differ, or only the day is known."
            findings.warn("ts", f"{int(early.sum())} responses before the touch they answer", done)
            log = log.assign(ts=log["ts"].where(~pd.Series(early), touched))
    if "recorded_at" in log:
        # A planned record is created before it happens; that is no skewed clock.
        known = log["recorded_at"].isna().to_numpy() | (seconds(log["recorded_at"]) < seconds(log["ts"]))
        log = log.assign(recorded_at=log["recorded_at"].where(~pd.Series(known), log["ts"]))
    return log
