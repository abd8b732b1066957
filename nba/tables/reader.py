"""One rule at work: rows of an object become rows of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from nba.contracts import Bools
from nba.tables.columns import TABLES, Column
from nba.tables.findings import Findings, cells, shown
from nba.tables.localise import read_moments
from nba.tables.origins import Export, said
from nba.tables.rules import ELSEWHERE, KEEP, REFUSE, SET_ASIDE, Filled, Origin, Picklist, Rule, Via

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_DAY = pd.Timedelta(days=1)


class Reader:
    """Reads one object of an export by one rule; what it finds goes to ``findings``.

    Parameters
    ----------
    name : the rule's
    rule, export : what to read, and where
    zone : of moments that carry none
    everywhere : country and language of rows that name none
    """

    def __init__(
        self,
        name: str,
        rule: Rule,
        export: Export,
        *,
        zone: str | None,
        everywhere: Mapping[str, str | None],
    ) -> None:
        self.rule = rule
        self.findings = Findings(rule.object)
        self._name = f"{rule.object} ({name})"
        self._export = export
        self._zone = zone
        self._everywhere = everywhere
        self._kept: Bools = np.ones(len(export.frame(rule.object)), dtype=np.bool_)

    def read(self) -> pd.DataFrame:
        """The table's rows; empty where there are faults."""
        self._take_out_rows()
        if not self._kept.any():
            return self._no_rows()
        made: dict[str, pd.Series] = {}
        days: dict[str, Bools] = {}
        # Picklists first: they say which rows are set aside, whose other cells then do not matter.
        for column in sorted(TABLES[self.rule.table].columns, key=lambda c: c.name not in self.rule.values):
            cells_, is_day = self._column(column)
            if cells_ is not None:
                made[column.name] = cells_
                days[column.name] = is_day
        if not self.findings.faults:
            self._check_required(made)
        if not self.findings.faults:
            self._keep_consent_narrow(made)
        if self.findings.faults or not self._kept.any():
            return self._no_rows()
        if self.rule.table == "interactions":
            _say_when_days_are_known(made, days)
        made = {name: made[name] for name in TABLES[self.rule.table].names if name in made}
        frame = pd.DataFrame(made)[self._kept].reset_index(drop=True)
        if frame.get("channel", pd.Series(dtype=object)).map(lambda c: isinstance(c, tuple)).any():
            frame = frame.explode("channel", ignore_index=True)
        return frame

    def _no_rows(self) -> pd.DataFrame:
        """A table that was given and is empty is not a table that was not given."""
        names = [name for name in (*self.rule.columns, *self.rule.fill) if self.rule.columns.get(name) != ()]
        return pd.DataFrame({name: pd.Series(dtype=object) for name in names})

    def _take_out_rows(self) -> None:
        deleted = self._cells("IsDeleted")
        if deleted is not None:
            self._set_aside(deleted.map(said).to_numpy() == "true", "deleted")
        for origin, wanted in self.rule.where.items():
            found = self._cells(origin)
            if found is not None:
                other = ~found.map(lambda cell: "" if cell is None else said(cell)).isin(wanted).to_numpy()
                self._set_aside(other, f"whose {_written(origin)} is not {' or '.join(wanted)}")
        if self.rule.if_filled:
            filled = self._cells(self.rule.if_filled)
            if filled is None:
                self.findings.notes.append(
                    f"{self._name}: no column {self.rule.if_filled}, nothing was read."
                )
            self._kept &= False if filled is None else filled.notna().to_numpy()

    def _set_aside(self, out: Bools, which: str) -> None:
        out = out & self._kept
        if out.any():
            self._kept &= ~out
            rows = "1 row" if out.sum() == 1 else f"{int(out.sum())} rows"
            verb = "was" if out.sum() == 1 else "were"
            self.findings.notes.append(f"{self._name}: {rows} {which} {verb} set aside.")

    def _cells(self, origin: Origin) -> pd.Series | None:
        return self._export.cells(self.rule.object, origin)

    def _column(self, column: Column) -> tuple[pd.Series | None, Bools]:
        """A column of ours out of its origins, and which of its cells name only a day."""
        result: pd.Series | None = None
        is_day = np.zeros(len(self._kept), dtype=np.bool_)
        for origin in self.rule.origins(column.name):
            found = self._cells(origin)
            if found is None:
                continue
            if column.kind == "moment":
                found, days = self._moments(found, origin)
                is_day |= days if result is None else days & result.isna().to_numpy()
            result = found if result is None else result.where(result.notna(), found)
        if column.name in self.rule.values:
            result = self._picked(column.name, result)
        if result is not None:
            result = self._formed(column, result)
        return self._filled(column, result), is_day

    def _moments(self, found: pd.Series, origin: Origin) -> tuple[pd.Series, Bools]:
        # Cells of rows that are set aside must not be a reason to refuse the others.
        return read_moments(
            found.where(pd.Series(self._kept), None if found.dtype == object else pd.NaT),
            zone=self._zone,
            days=_last_column(origin) in self.rule.dates,
            column=_written(origin),
            findings=self.findings,
        )

    def _picked(self, name: str, found: pd.Series | None) -> pd.Series | None:
        picklist = self.rule.values[name]
        if found is None:
            if picklist.empty == REFUSE:
                tried = " or ".join(_written(origin) for origin in self.rule.origins(name))
                self.findings.refuse(tried, f"the column is missing, which {name} needs", _EXPORT_IT)
                return None
            found = pd.Series([None] * len(self._kept), dtype=object)
        texts = found.map(lambda cell: None if cell is None else said(cell))
        codes, distinct = pd.factorize(texts, use_na_sentinel=True)
        holder = np.empty(len(distinct) + 1, dtype=object)
        for place, text in enumerate(distinct):
            holder[place] = picklist.to.get(text, text if picklist.otherwise == KEEP else picklist.otherwise)
        holder[-1] = picklist.empty
        unknown = np.array([text not in picklist.to for text in distinct] + [False])[codes] & self._kept
        if unknown.any():
            self._unknown(name, picklist, [str(t) for t in distinct], codes, unknown)
        picked = pd.Series(holder[codes], dtype=object)
        self._refuse_or_set_aside(name, picked, texts)
        return picked.where(~picked.isin((SET_ASIDE, ELSEWHERE)), None)

    def _unknown(
        self, name: str, picklist: Picklist, distinct: list[str], codes: Any, unknown: Bools
    ) -> None:
        values = [shown(distinct[code]) for code in np.unique(codes[unknown])]
        found = f"{cells(unknown)} with values no picklist names: {sorted(values)[:10]}"
        written = " or ".join(_written(origin) for origin in self.rule.origins(name))
        if picklist.otherwise == REFUSE:
            todo = (
                f"Say what they mean: rule.extended(values={{{name!r}: {{...}}}}); known are "
                f"{', '.join(picklist.to)}."
            )
            self.findings.refuse(written, found, todo, bad=unknown)
            return
        done = {KEEP: "They stay as they are", SET_ASIDE: "These rows were set aside"}.get(
            picklist.otherwise, f"They count as {picklist.otherwise}"
        )
        done = f"{name} was left empty" if picklist.otherwise is None else done
        self.findings.warn(written, found, f"{done}; say what they mean with rule.extended(values=...).")

    def _refuse_or_set_aside(self, name: str, picked: pd.Series, texts: pd.Series) -> None:
        empty = texts.isna().to_numpy() & self._kept
        if self.rule.values[name].empty == REFUSE and empty.any():
            written = " or ".join(_written(origin) for origin in self.rule.origins(name))
            self.findings.refuse(written, f"{cells(empty)} empty, which {name} needs", _EXPORT_IT, bad=empty)
        self._kept &= (picked != ELSEWHERE).to_numpy()
        out = (picked == SET_ASIDE).to_numpy()
        for text in sorted(set(texts[out & self._kept].fillna(""))):
            said_so = out & (texts.fillna("") == text).to_numpy()
            self._set_aside(said_so, f"with {name} {shown(text)!r}" if text else f"without {name}")

    def _formed(self, column: Column, found: pd.Series) -> pd.Series:
        if column.name in self.rule.ids:
            return self._ids(column.name, found)
        if column.kind == "flag":
            return found.map(lambda cell: None if cell is None else _TRUTH.get(said(cell).lower(), cell))
        if column.kind == "number":
            return self._numbers(column.name, found)
        if column.name == "language":
            return _each_text(found, lambda text: re.split(r"[_-]", text)[0].lower())
        if column.name == "country":
            return _each_text(found, str.upper)
        return found

    def _ids(self, name: str, found: pd.Series) -> pd.Series:
        not_text = found.map(lambda cell: cell is not None and not isinstance(cell, str)).to_numpy(bool)
        if (not_text & self._kept).any():
            written = " or ".join(_written(origin) for origin in self.rule.origins(name))
            todo = "Read the column as str at the source: numbers have lost leading zeros."
            self.findings.refuse(written, f"{cells(not_text)} not text", todo, bad=not_text)
            return found
        template = self.rule.ids[name]
        return _each_text(self._export.record_ids(found), lambda text: template.format(text.strip()))

    def _numbers(self, name: str, found: pd.Series) -> pd.Series:
        numbers = pd.to_numeric(found, errors="coerce").astype("float64") * self.rule.scale.get(name, 1.0)
        unread = (numbers.isna() & found.notna()).to_numpy() & self._kept
        if unread.any():
            written = " or ".join(_written(origin) for origin in self.rule.origins(name))
            self.findings.refuse(written, f"{cells(unread)} no numbers", "Expected numbers.", bad=unread)
        return numbers

    def _filled(self, column: Column, found: pd.Series | None) -> pd.Series | None:
        default = self.rule.fill.get(column.name)
        is_everywhere = self.rule.table in ("hcps", "content") and self._everywhere.get(column.name)
        if default is None and is_everywhere:
            default = self._everywhere[column.name]
        if default is None:
            return found
        if column.kind == "moment":
            default = pd.Timestamp(default)
            default = default.tz_localize("UTC") if default.tzinfo is None else default
        holder = np.empty(len(self._kept), dtype=object)
        holder[:] = [default] * len(holder)
        filling: pd.Series = pd.Series(holder)
        if column.kind == "moment":
            filling = filling.astype("datetime64[s, UTC]")
        if found is None:
            return filling
        gap = found.isna().to_numpy() & self._kept
        if gap.any() and column.required:
            self.findings.notes.append(
                f"{self._name}: {column.name} is empty in {int(gap.sum())} rows and was filled in: "
                f"{self.rule.fill.get(column.name, default)}."
            )
        return found.where(found.notna(), filling)

    def _keep_consent_narrow(self, made: dict[str, pd.Series]) -> None:
        """Let no opt-in open more than it says, nor hold before it does."""
        if self.rule.table != "consent":
            return
        is_out = (made["opt_type"] == "opt_out").to_numpy()
        for theirs, same in self.rule.narrower.items():
            narrow = self._cells(theirs)
            if narrow is None:
                continue
            said_by = self._cells(same) if same else None
            more = narrow.notna().to_numpy() & (True if said_by is None else said_by.isna().to_numpy())
            self._set_aside(more & ~is_out, f"that opt in for one {theirs} only")
        effective = self._cells(self.rule.effective) if self.rule.effective else None
        if effective is not None:
            later, _ = self._moments(effective, self.rule.effective)
            captured = made["captured_at"]
            holds_later = (later > captured).to_numpy() & ~is_out
            made["captured_at"] = captured.where(~pd.Series(holds_later), later)

    def _check_required(self, made: dict[str, pd.Series]) -> None:
        if "hcp_id" in made and self.rule.table in ("interactions", "consent"):
            # A call on a hospital, an attendee who is an employee, an email tracked without a name.
            self._set_aside(made["hcp_id"].isna().to_numpy(), "that name no HCP")
        for column in TABLES[self.rule.table].columns:
            if not column.required and column.name != "channel":
                continue
            origins = " or ".join(_written(origin) for origin in self.rule.origins(column.name))
            if column.name not in made:
                if column.required:
                    found = f"the column is missing, which {column.name} needs"
                    self.findings.refuse(origins or column.name, found, _TODO.get(column.name, _EXPORT_IT))
                continue
            empty = made[column.name].isna().to_numpy() & self._kept
            # An empty channel of a consent row would be every channel.
            if empty.any():
                found = f"{cells(empty)} empty, which {column.name} needs"
                todo = _TODO.get(column.name, "Fill them, or drop these rows.")
                self.findings.refuse(origins or column.name, found, todo, bad=empty)


_EXPORT_IT = "Export it, or name another: rule.extended(columns={...})."
_TODO = {
    "country": "Export it, or say country='US' where all are of one.",
    "language": "Export it, or say language='en' where all are in one.",
}


def _written(origin: Origin) -> str:
    """An origin as people write it."""
    if isinstance(origin, Via):
        return f"{origin.object}.{origin.column}"
    return _written(origin.origin) if isinstance(origin, Filled) else origin


def _last_column(origin: Origin) -> str:
    return _written(origin).rsplit(".", 1)[-1] if isinstance(origin, Via) else _written(origin)


def _each_text(found: pd.Series, change: Any) -> pd.Series:
    codes, distinct = pd.factorize(found, use_na_sentinel=True)
    holder = np.empty(len(distinct) + 1, dtype=object)
    holder[:-1] = [change(cell) if isinstance(cell, str) else cell for cell in distinct]
    return pd.Series(holder[codes], dtype=object)


def _say_when_days_are_known(made: dict[str, pd.Series], days: Mapping[str, Bools]) -> None:
    """What happened on a day is known when the day is over, wherever no arrival says otherwise."""
    if not days["ts"].any():
        return
    over = (made["ts"] + _DAY).where(pd.Series(days["ts"]), made["ts"])
    recorded = made.get("recorded_at")
    made["recorded_at"] = over if recorded is None else recorded.where(recorded >= over, over)
