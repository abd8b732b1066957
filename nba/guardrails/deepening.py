"""Deeper content waits for what comes before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from nba.contracts import DAY, Bools, Candidates, Columns, Context, Floats, Ints, Verdict
from nba.errors import ArgumentError
from nba.guardrails.contact import positive_days
from nba.guardrails.lookup import (
    codes,
    content_rows,
    hcp_places,
    numbered,
    position_of,
    positions_in,
    speaks_otherwise,
    text_column,
    usable_in,
)
from nba.guardrails.registry import Described

_KEYS = ("topic", "indication", "product_id", "detail_group", "key_message_id", "family_id")
_NO_TABLE = "No engagements are known: nobody has gone into anything yet."


@dataclass(frozen=True)
class Deepening(Described):
    """Content of a higher depth level only once the HCP went deep enough into the level before it.

    How deep is told by steps (:func:`nba.history.measures.step_depth`): completion, the branches taken in
    scenario videos, visualisations and dashboards (outcome "branched", the branch in ``step``), and dwell
    (``duration_s`` beside ``content.minutes``). The level before is the next lower one that there is, on the
    same topic, for the HCP's country and language; the lowest goes to everybody, and going deep at that level
    or any higher one opens the next. Content without level or topic is not asked about.

    Parameters
    ----------
    least : how deep, above 0 and at most 1; 0.5 is one branch, or all of the time a content takes
    by : what levels belong together by, a tag of the content: "topic", "indication", "product_id",
        "detail_group", "key_message_id" or "family_id"
    days : how long an engagement counts, more than 0

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Notes
    -----
    Facts: ``level_before``, the level that is asked for (-1: none), ``steps`` of it the HCP took (distinct
    contents, outcomes and branches), and ``depth_percent`` reached. Engagements are those known strictly
    before the moment. Of an HCP who objects to profiling none are read, so that only the lowest levels go.

    Examples
    --------
    >>> Deepening(0.75, by="indication")
    Deepening(least=0.75, by='indication', days=365.0)
    """

    least: float = 0.5
    by: str = field(default="topic", kw_only=True)
    days: float = field(default=365.0, kw_only=True)
    code = "deepening"

    def __post_init__(self) -> None:
        number = isinstance(self.least, int | float | np.number) and not isinstance(self.least, bool)
        if not number or not 0 < self.least <= 1:
            raise ArgumentError(
                f"Deepening found least={self.least!r}, expected a number above 0 and at most 1, such as 0.5."
            )
        if self.by not in _KEYS:
            raise ArgumentError(f"Deepening found by={self.by!r}, expected one of {list(_KEYS)}.")
        object.__setattr__(self, "least", float(self.least))
        object.__setattr__(self, "days", positive_days("Deepening", self.days))

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove content whose level before was not gone into."""
        grid = _Grid.of(context.content, self.by)
        table = context.tables.get("engagements")
        depth, steps = self._gone_into(candidates, table, context.content, grid)
        mine = np.append(grid.spot, -1)[content_rows(candidates, context.content)]
        path, level = np.divmod(np.maximum(mine, 0), max(len(grid.levels), 1))
        before = np.where(mine >= 0, _level_before(grid, candidates, context)[:, path, level], -1)
        spot = np.arange(len(before))[:, None], path, np.maximum(before, 0)
        none = before < 0
        reached = np.where(none, 1.0, depth[spot])
        facts = {
            "level_before": np.where(none, -1.0, np.append(grid.levels, -1.0)[before]),
            "steps": np.where(none, 0, steps[spot]),
            "depth_percent": np.where(none, 0.0, np.floor(100.0 * reached + 1e-9)).astype(np.int64),
        }
        return Verdict(
            self.code, (reached < self.least).astype(np.int8), ("", "not_deep_enough"), facts,
            note=_NO_TABLE if table is None else "",
            about=f"{self.least:g} by {self.by}, {self.days:g} days",
        )  # fmt: skip

    def _gone_into(
        self, candidates: Candidates, table: Columns | None, content: Columns, grid: _Grid
    ) -> tuple[Floats, Ints]:
        """(n, paths, levels) how deep at a level or any above it, and the distinct steps taken at it."""
        shape = len(candidates.hcps), grid.paths, max(len(grid.levels), 1)
        depth, steps = np.zeros(shape), np.zeros(shape, dtype=np.int64)
        if table is None:
            return depth, steps
        hcp = codes(table["hcp_id"], position_of(candidates.hcps))
        row = codes(table["content_id"], positions_in(content["content_id"]))
        since = candidates.at - round(self.days * DAY)
        counts = (hcp >= 0) & (row >= 0) & (table["ts"] < candidates.at) & (table["ts"] >= since)
        counts &= np.append(grid.spot, -1)[row] >= 0
        rows = np.flatnonzero(counts)
        met = {name: table[name][rows] for name in ("outcome", "step", "duration_s")}
        who, what, found, taken = _depths(hcp[rows], row[rows], met, content)
        spot = who, *np.divmod(grid.spot[what], shape[2])
        np.maximum.at(depth, spot, found)
        np.add.at(steps, spot, taken)
        return np.maximum.accumulate(depth[:, :, ::-1], axis=2)[:, :, ::-1], steps


class _Grid(NamedTuple):
    """Where content stands: its path (a topic) and its depth level.

    ``spot`` (C,) is path * levels + level, -1 where it has none; ``levels`` are those there are, rising.
    """

    spot: Ints
    levels: Floats
    paths: int

    @classmethod
    def of(cls, content: Columns, by: str) -> _Grid:
        n = len(content["content_id"])
        depth_level = content.get("depth_level", np.full(n, np.nan))
        key = text_column(content, by, length=n)
        index = numbered(sorted(set(key.tolist()) - {""}))
        path, known = codes(key, index), ~np.isnan(depth_level)
        levels = np.unique(depth_level[known])
        level = np.searchsorted(levels, np.where(known, depth_level, 0.0))
        spot = np.where((path >= 0) & known, path * len(levels) + level, -1)
        return cls(spot, levels, max(len(index), 1))


def _level_before(grid: _Grid, candidates: Candidates, context: Context) -> Ints:
    """(n, paths, levels) the next lower level there is for the HCP on the path; -1 is none."""
    width = max(len(grid.levels), 1)
    content = context.content
    place, places = hcp_places(candidates, context.hcps)
    there = np.zeros((len(places), grid.paths * width + 1), dtype=np.bool_)
    approved = _approved(content, candidates.at)
    spoken = text_column(content, "language", length=len(approved))
    for i, (country, language) in enumerate(places):
        for_them = usable_in(content["country"], (country,))[0] & ~speaks_otherwise(language, spoken)
        there[i, grid.spot[approved & for_them]] = True
    shown = there[:, :-1].reshape(len(places), grid.paths, width)
    before = np.full(shown.shape, -1, dtype=np.int64)
    for k in range(1, width):
        before[:, :, k] = np.where(shown[:, :, k - 1], k - 1, before[:, :, k - 1])
    found: Ints = before[place]
    return found


def _approved(content: Columns, at: int) -> Bools:
    n = len(content["content_id"])
    found: Bools = text_column(content, "approval_status", length=n) == "approved"
    return found & (content["approved_from"] <= at) & (content["expiry"] > at)


def _depths(hcp: Ints, row: Ints, met: Columns, content: Columns) -> tuple[Ints, Ints, Floats, Ints]:
    """For each HCP and content met: who, which, how deep, and the distinct steps taken.

    Sums of whole seconds and products in the outcomes' order, so that no bit hangs on the rows' order.
    """
    from nba.history.measures import DEPTHS, SHALLOW, step_depth  # brings compiled code no other rule needs

    n_contents = len(content["content_id"])
    pair, of_pair = np.unique(hcp * n_contents + row, return_inverse=True)
    weights = dict(sorted(DEPTHS.items()))
    outcome = codes(met["outcome"], numbered(weights))
    step = codes(met["step"], numbered(met["step"]))
    width = int(step.max(initial=0)) + 1
    distinct = np.unique((of_pair * (len(weights) + 1) + outcome + 1) * width + step)
    at, said = np.divmod(distinct // width, len(weights) + 1)
    missed = np.ones(len(pair))
    np.multiply.at(missed, at, 1.0 - np.array([SHALLOW, *weights.values()])[said])
    seconds = np.rint(np.nan_to_num(met["duration_s"])).astype(np.int64)
    dwell = np.zeros(len(pair), dtype=np.int64)
    np.add.at(dwell, of_pair, seconds)
    who, what = np.divmod(pair, max(n_contents, 1))
    minutes = content.get("minutes", np.full(n_contents, np.nan))
    depth = step_depth(missed, dwell.astype(np.float64), 60.0 * minutes[what])
    return who, what, depth, np.bincount(at, minlength=len(pair))
