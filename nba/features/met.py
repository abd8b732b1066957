"""One HCP's columns by kinds of events that were met before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nba.contracts import Bools, Columns, Floats, Ints
from nba.features.asked import Asked
from nba.features.beside import TableMeasure
from nba.features.declare import ON_THE_CLOCK, Attribute, Declared, Fit
from nba.features.events import Events
from nba.features.kinds import HAS_PARENT, MACHINE, MOST, RESPONDED, Fields, Kinds
from nba.history.blocks import Table, lay_out
from nba.history.kernel import sweep_one
from nba.tables import TABLES
from nba.tables.arrays import coded

if TYPE_CHECKING:
    from nba.features.engine import EngagementFeatures


@dataclass(frozen=True, eq=False)
class Met:
    """What events say beside their moments, laid out once for all HCPs that come one at a time.

    Attributes
    ----------
    columns : the features' columns, by which it is told whether they were fitted anew
    asked, channels : of whom and of what the kinds were laid out
    fields : columns of the log that are read; None where moments and ids are not all that differs
    kinds : of events, each laid out when it was first met
    """

    columns: object
    asked: Asked
    channels: Columns
    fields: Fields | None
    kinds: Kinds

    @classmethod
    def of(cls, features: EngagementFeatures, asked: Asked, *, content: Columns, channels: Columns) -> Met:
        """Nothing met yet."""

        def laid_out(events: Events) -> Table:
            blocks = features._all_blocks(events, asked)
            return lay_out([block for some in blocks for block in some], len(events.histories.ts))

        kinds = Kinds(laid_out, content=content, channels=channels)
        return cls(features.columns_, asked, channels, _fields_of(features.measures), kinds)

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()  # a copy elsewhere begins anew

    def belongs(self, features: EngagementFeatures, asked: Asked, channels: Columns) -> bool:
        """Whether its kinds are laid out for these very columns, actions and channels."""
        return self.columns is features.columns_ and self.asked is asked and self.channels is channels

    def take_up(self, events: Events) -> None:
        """Meet the kinds of many HCPs' events beforehand, the most frequent ones first."""
        log, n = events.interactions, len(events.histories.ts)
        if self.fields is None or not n:
            return
        bits = HAS_PARENT * (log["parent_id"] != "") + MACHINE * log["machine"]
        bits = bits + RESPONDED * events.answers()
        kind = bits.astype(np.int64)
        for name in self.fields:
            code = coded(log, name)[1] if log[name].dtype == object else log[name].astype(np.int64)
            kind = np.unique(kind * (code.max() + 1) + code, return_inverse=True)[1]
        _, first, count = np.unique(kind, return_index=True, return_counts=True)
        rows = first[np.lexsort((first, -count))][: MOST // 4]
        columns = [log[name][rows].tolist() for name in self.fields]
        self.kinds.meet(self.fields, list(zip(*columns, strict=True)), bits[rows].tolist())

    def swept(self, events: Events, at: int, pair: Ints, *, dtype: str) -> tuple[Floats, Floats] | None:
        """The kernel's shared and own columns of one HCP; None where a kind is new, and met by that.

        Parameters
        ----------
        events : one HCP's, or none at all
        pair : (n_requests,) which of the actions each looks at
        dtype : the kernel's
        """
        if self.fields is None:
            return None
        log, laid = events.interactions, self.kinds.laid
        said = list(zip(*(log[name].tolist() for name in self.fields), strict=True))
        codes = {} if laid is None else laid.codes.get(self.fields, {})
        if new := [answer for answer in dict.fromkeys(said) if answer not in codes]:
            self.kinds.meet(self.fields, new, [None] * len(new))
        if new or laid is None:
            return None
        order = events.histories.order
        code = np.array([codes[answer] for answer in said], dtype=np.int64)[order]
        bits = _bits(log, order, success=laid.success[code])
        kinds = laid.place[code, bits]
        if (unmet := np.flatnonzero(kinds < 0)).size:
            self.kinds.meet(self.fields, [said[order[i]] for i in unmet], bits[unmet].tolist())
            return None
        return sweep_one(
            laid.table, events.histories.ts, events.histories.known, kinds, at=at, pair=pair, dtype=dtype
        )


def _bits(log: Columns, order: Ints, *, success: Bools) -> Ints:
    """What each event is by the company it stands in, in the order of becoming known."""
    machine, has_parent = log["machine"][order], log["parent_id"][order] != ""
    responded = np.zeros(len(order), dtype=np.bool_)
    answered = set()
    for i in np.flatnonzero(success & ~machine).tolist():
        touch = log["parent_id" if has_parent[i] and not log["touch"][order[i]] else "interaction_id"][
            order[i]
        ]
        responded[i] = touch not in answered
        answered.add(touch)
    bits: Ints = HAS_PARENT * has_parent + MACHINE * machine + RESPONDED * responded
    return bits


def _fields_of(measures: Sequence[Declared]) -> Fields | None:
    """Columns of the log that measures look at beside moments and ids; None where that is not enough."""
    wanted = {"channel", "direction", "outcome", "is_machine"}
    for measure in measures:
        if isinstance(measure, (Attribute, Fit)):
            continue
        if isinstance(measure, TableMeasure):
            return None
        weights = {part.weight for part in measure.parts}
        keys = {measure.by, *(part.value for part in measure.parts)} - {None}
        if keys & set(ON_THE_CLOCK) or weights & {"amount", "duration_s"}:
            return None
        wanted |= {str(key) for key in keys if key in TABLES["interactions"].by_name}
        if keys - wanted or keys & set(TABLES["content"].by_name) or "depth_level" in weights:
            wanted.add("content_id")
    return tuple(sorted(wanted))
