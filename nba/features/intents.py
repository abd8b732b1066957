"""What HCPs may do next: outcomes that look ahead of a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, cast

import numpy as np

from nba.contracts import DAY, FOREVER, Action, Bools, Columns, Floats, Ints, Labels, Strings, Tables
from nba.errors import ArgumentError
from nba.features.events import content_tags
from nba.features.labels import ANY, Response, check_within_days, outcome_rule
from nba.features.prescriptions import FIGURES, Figure, Panel
from nba.history import places
from nba.history.panel import panel_sums
from nba.tables import TABLES, Engagement, table_of

KEYS = ("topic", "indication", "product_id", "content_type", "format")
"""Content tags that an intent may be about."""
ATTENDED = "attended"
_AT_EVENTS = {"attended", "registered"}


class IntentRule(Protocol):
    """What an outcome tells so that it can be asked of HCPs at any moment."""

    def labels(self, engagement: Engagement, *, until: int) -> Labels:
        """Rows whose window had closed by ``until``, judged by what was known before it."""
        ...

    def horizon_seconds(self, channels: Columns) -> int:
        """How far ahead of its moment a label looks, at the most."""
        ...

    def asked(self, tables: Tables) -> tuple[Action, ...]:
        """What can be asked, by the tables at hand."""
        ...

    def standing(self, content: Columns) -> Columns:
        """The content table in which features look up what is asked."""
        ...

    def is_open(self, tables: Tables, *, hcps: Strings, at: int, actions: Sequence[Action]) -> Bools:
        """(n, K) of whom each can be asked at a moment."""
        ...

    def called(self, action: Action) -> str:
        """What is asked, in a word."""
        ...

    @property
    def visibility(self) -> Literal["rep", "restricted"]:
        """Who may be told of it."""
        ...

    @property
    def is_exclusive(self) -> bool:
        """Whether at most one of what is asked can come true of an HCP at a moment."""
        ...

    @property
    def is_chosen(self) -> bool:
        """Whether its rows are HCPs whom somebody chose; else everybody is asked."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Ahead:
    """Panels of all HCPs at moments whose windows have closed, one window after another.

    Parameters
    ----------
    within_days : the window from the moment on
    by : what is asked about: "channel", or a content tag such as "topic"
    panels : how many moments are learned from, the latest first, each a window before the next
    """

    within_days: float = 14.0
    by: str = "channel"
    panels: int = 12

    allowed: ClassVar[tuple[str, ...]] = ("channel", *KEYS)
    is_exclusive: ClassVar[bool] = False
    is_chosen: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_within_days(self.within_days)
        if self.by not in self.allowed:
            raise ArgumentError(f"by is {self.by!r}; expected one of {', '.join(self.allowed)}.")
        _check_panels(self.panels)

    def horizon_seconds(self, channels: Columns) -> int:
        """How far ahead of its moment a label looks."""
        return int(self.within_days * DAY)

    def asked(self, tables: Tables) -> tuple[Action, ...]:
        """The channels that the channels table describes, or the values that content is tagged with."""
        if self.by == "channel":
            return tuple(
                Action(str(channel), "") for channel in sorted(tables.columns("channels")["channel"])
            )
        tags = content_tags(tables.columns("content"), self.by).values()
        return tuple(Action(ANY.channel, f"{self.by}={key}") for key in sorted({tag for tag in tags if tag}))

    def standing(self, content: Columns) -> Columns:
        """For each value of the tag a content of that name, tagged as most of those that have the value."""
        return content if self.by == "channel" else _standing_for(content, self.by)

    def called(self, action: Action) -> str:
        """The channel, or the value of the tag."""
        return action.channel if self.by == "channel" else action.content.partition("=")[2]

    @property
    def visibility(self) -> Literal["rep", "restricted"]:
        """Who may be told of it."""
        return "rep"

    def is_open(self, tables: Tables, *, hcps: Strings, at: int, actions: Sequence[Action]) -> Bools:
        """Of everybody."""
        return np.ones((len(hcps), len(actions)), dtype=np.bool_)

    def _moments(self, ts: Ints, until: int) -> Ints:
        """Moments in the order of time whose windows end at ``until`` or before, from the first event on."""
        window = int(self.within_days * DAY)
        latest = until - window * np.arange(1, self.panels + 1, dtype=np.int64)
        return np.sort(latest[latest > int(ts.min())]) if len(ts) else latest[:0]

    def _events(self, tables: Tables, until: int, actions: Sequence[Action]) -> tuple[Columns, Ints, Ints]:
        """(log, rows, keys): human engagements known before ``until`` that have one of the keys."""
        log = tables.columns("interactions")
        known = log["engaged"] & (np.maximum(log["ts"], log["recorded_at"]) < until)
        rows = np.flatnonzero(known)
        if self.by == "channel":
            names = log["channel"][rows].tolist()
        else:
            tags = content_tags(tables.columns("content"), self.by)
            told = log[self.by][rows] if self.by in log else np.full(len(rows), "", dtype=object)
            names = [own or tags.get(c, "") for own, c in zip(told, log["content_id"][rows], strict=True)]
        place = {self.called(action): i for i, action in enumerate(actions)}
        key = np.fromiter((place.get(name, -1) for name in names), dtype=np.int64, count=len(rows))
        return log, rows[key >= 0], key[key >= 0]


@outcome_rule
@dataclass(frozen=True, kw_only=True)
class NextEngagement(_Ahead):
    """Which channel or topic the next engagement is in, if it comes within a number of days.

    Of each moment at most one is true: the key of the first engagement from the moment on that has one.
    What is forecast adds up to at most one, therefore; the rest is that none comes in time.

    Examples
    --------
    >>> NextEngagement(by="topic").within_days
    14.0
    """

    is_exclusive: ClassVar[bool] = True

    def labels(self, engagement: Engagement, *, until: int) -> Labels:
        """The panel HCP x moment x key over moments whose window closed by ``until``."""
        until = min(until, engagement.observed_until)
        actions = self.asked(engagement)
        log, rows, key = self._events(engagement, until, actions)
        hcps, moments = engagement.columns("hcps")["hcp_id"], self._moments(log["ts"], until)
        first = _first_from(log, rows, hcps=hcps, moments=moments, within=int(self.within_days * DAY))
        met = np.zeros((len(hcps) * len(moments), len(actions)))
        there = np.flatnonzero(first >= 0)
        met[there, key[first[there]]] = 1.0
        return _panel(hcps, moments, actions, met, kept=None)


@outcome_rule
@dataclass(frozen=True, kw_only=True)
class FirstEngagement(_Ahead):
    """Whether an HCP who never engaged with an indication does so for the first time within a number of days.

    What is new to everybody can be asked too: features look at the tags of its content. It is learned from
    the moments at which there was approved content about it.

    Examples
    --------
    >>> FirstEngagement().by
    'indication'
    """

    within_days: float = 30.0
    by: str = "indication"
    allowed: ClassVar[tuple[str, ...]] = KEYS

    def labels(self, engagement: Engagement, *, until: int) -> Labels:
        """The panel HCP x moment x key of those who had not engaged with the key before the moment."""
        until = min(until, engagement.observed_until)
        actions = self.asked(engagement)
        log = engagement.columns("interactions")
        hcps, moments = engagement.columns("hcps")["hcp_id"], self._moments(log["ts"], until)
        begun = self._begun(engagement, hcps=hcps, at=until, actions=actions)
        at = np.tile(moments, len(hcps))
        since = np.repeat(begun, len(moments), axis=0)
        met = (since >= at[:, None]) & (since < at[:, None] + int(self.within_days * DAY))
        there = self._there(engagement.columns("content"), actions)[None, :] <= at[:, None]
        return _panel(hcps, moments, actions, met.astype(float), kept=(since >= at[:, None]) & there)

    def is_open(self, tables: Tables, *, hcps: Strings, at: int, actions: Sequence[Action]) -> Bools:
        """Of those who are not known to have engaged with it before."""
        return self._begun(tables, hcps=hcps, at=at, actions=actions) >= at

    def _there(self, content: Columns, actions: Sequence[Action]) -> Ints:
        """(K,) since when there has been anything about each key: before, nobody could engage with it."""
        since: dict[str, int] = {}
        tags = content_tags(content, self.by)
        for key, approved in zip(content["content_id"], content["approved_from"].tolist(), strict=True):
            since[tags[key]] = min(since.get(tags[key], approved), approved)
        return np.array([since[self.called(action)] for action in actions], dtype=np.int64)

    def _begun(self, tables: Tables, *, hcps: Strings, at: int, actions: Sequence[Action]) -> Ints:
        """(n, K) when each HCP first engaged with each key, by what was known before ``at``; else never."""
        log, rows, key = self._events(tables, at, actions)
        who = places(hcps, log["hcp_id"][rows])
        begun = np.full((len(hcps), len(actions)), FOREVER, dtype=np.int64)
        np.minimum.at(begun, (who[who >= 0], key[who >= 0]), log["ts"][rows][who >= 0])
        return begun


@outcome_rule
@dataclass(frozen=True, kw_only=True)
class Attendance:
    """Whether who is invited attends within a number of days: invitations are the touches of event channels.

    Event channels are those whose success is to attend, by the channels table. Who was invited was chosen: a
    scorer with ``selection_clip`` weights invitations by their logged selection probabilities.

    Examples
    --------
    >>> Attendance().within_days
    60.0
    """

    within_days: float = 60.0

    is_exclusive: ClassVar[bool] = False
    is_chosen: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_within_days(self.within_days)

    def horizon_seconds(self, channels: Columns) -> int:
        """How far ahead of its invitation a label looks."""
        return int(self.within_days * DAY)

    def labels(self, engagement: Engagement, *, until: int) -> Labels:
        """One row an invitation whose window closed by ``until``."""
        channels = _event_channels(engagement.columns("channels"))
        found = Response(within_days=self.within_days).labels(
            cast(Engagement, _Attended(engagement)), until=until
        )
        mine = [i for i, action in enumerate(found.actions) if action.channel in channels]
        place = np.full(len(found.actions), -1, dtype=np.int64)
        place[mine] = np.arange(len(mine))
        kept = np.flatnonzero(place[found.pair] >= 0)
        return Labels(
            hcps=found.hcps[found.row[kept]],
            at=found.at[found.row[kept]],
            row=np.arange(len(kept), dtype=np.int64),
            pair=place[found.pair[kept]],
            y=found.y[kept],
            actions=tuple(found.actions[i] for i in mine),
            censored=found.censored,
            selection_prob=found.selection_prob[kept],
        )

    def asked(self, tables: Tables) -> tuple[Action, ...]:
        """Every event that content is there for."""
        channels = _event_channels(tables.columns("channels"))
        content = tables.columns("content")
        pairs = zip(content["content_id"], content["channels"], strict=True)
        return tuple(sorted(Action(c, key) for key, through in pairs for c in through if c in channels))

    def standing(self, content: Columns) -> Columns:
        """The content itself."""
        return content

    def called(self, action: Action) -> str:
        """Channel and content."""
        return str(action)

    @property
    def visibility(self) -> Literal["rep", "restricted"]:
        """Who may be told of it."""
        return "rep"

    def is_open(self, tables: Tables, *, hcps: Strings, at: int, actions: Sequence[Action]) -> Bools:
        """Of everybody."""
        return np.ones((len(hcps), len(actions)), dtype=np.bool_)


@outcome_rule
@dataclass(frozen=True, kw_only=True)
class Switch:
    """Whether an HCP's prescribing moves from one product to another within a number of days.

    True where the share of ``to_product`` grows, and that of ``from_product`` falls, by ``share`` or more,
    from the periods of as many days before the moment to those of the days after it. Asked only of HCPs of
    whom figures are known and who did not opt out of prescriber data; without a prescriptions table it is not
    available, and nothing stands for it.

    Parameters
    ----------
    from_product, to_product : as in the prescriptions table
    share : in (0, 1], the least change of both shares of the market
    within_days : the horizon
    of : which figures move
    market : the products of the market; () is all of the table
    panels : how many moments are learned from, each a window before the next

    Examples
    --------
    >>> Switch(from_product="alpha", to_product="beta").called(ANY)
    'alpha to beta'
    """

    from_product: str
    to_product: str
    share: float = 0.1
    within_days: float = 91.0
    of: Figure = "nbrx"
    market: tuple[str, ...] = ()
    panels: int = 12

    is_exclusive: ClassVar[bool] = False
    is_chosen: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_within_days(self.within_days)
        if self.from_product == self.to_product:
            raise ArgumentError("from_product and to_product are the same. Expected two products.")
        if not 0 < self.share <= 1:
            raise ArgumentError(f"share is {self.share}; expected above 0 and at most 1.")
        if self.of not in FIGURES:
            raise ArgumentError(f"of is {self.of!r}; expected one of {', '.join(FIGURES)}.")
        _check_panels(self.panels)

    def horizon_seconds(self, channels: Columns) -> int:
        """How far ahead of its moment a label looks."""
        return int(self.within_days * DAY)

    def asked(self, tables: Tables) -> tuple[Action, ...]:
        """The one switch."""
        return (ANY,)

    def standing(self, content: Columns) -> Columns:
        """The content itself; nothing is looked up in it."""
        return content

    def called(self, action: Action) -> str:
        """From which product to which."""
        return f"{self.from_product} to {self.to_product}"

    @property
    def visibility(self) -> Literal["rep", "restricted"]:
        """Who may be told of it."""
        return "restricted"

    def is_open(self, tables: Tables, *, hcps: Strings, at: int, actions: Sequence[Action]) -> Bools:
        """Of those of whom figures were available, and who did not opt out of prescriber data."""
        people, panel = tables.columns("hcps"), self._panel(tables)
        sheet = panel.sheets["hcp"]
        place = places(people["hcp_id"], hcps)
        told = (place >= 0) & ~np.append(people["pdrp_opt_out"], True)[place]
        unit = places(sheet.units, hcps)
        first = np.minimum.reduceat(sheet.known, sheet.start[:-1]) if len(sheet.units) else sheet.known
        seen = (unit >= 0) & (np.append(first, FOREVER)[unit] < at)
        found: Bools = (told & seen)[:, None]
        return found

    def labels(self, engagement: Engagement, *, until: int) -> Labels:
        """The panel HCP x moment over moments whose periods were all published before ``until``."""
        until = min(until, engagement.observed_until)
        panel = self._panel(engagement)
        sheet = panel.sheets["hcp"]
        window = self.horizon_seconds({})
        there = sheet.periods[sheet.published < until]
        # A period counts as over when the next begins; the last one's length is that of the one before it.
        over = int(2 * there[-1] - there[-2]) if len(there) > 1 else 0
        latest = over - window * np.arange(1, self.panels + 1, dtype=np.int64)
        moments = np.sort(latest[latest - window >= there[0]]) if len(there) > 1 else latest[:0]
        people = engagement.columns("hcps")
        hcps = people["hcp_id"]
        unit = np.where(people["pdrp_opt_out"], -1, places(sheet.units, hcps))
        before = self._shares(panel, unit, moments - window, moments - 1, until)
        after = self._shares(panel, unit, moments, moments + window - 1, until)
        moved = after - before
        least = self.share - 1e-12
        met = (moved[:, 1:] >= least) & (-moved[:, :1] >= least)
        kept: Bools = ~np.isnan(moved[:, :1] + moved[:, 1:])
        return _panel(hcps, moments, (ANY,), met.astype(float), kept=kept)

    def _shares(self, panel: Panel, unit: Ints, first: Ints, last: Ints, until: int) -> Floats:
        """(n_hcps * n_moments, 2) the shares of both products; NaN where the market has no figures."""
        sheet = panel.sheets["hcp"]
        column = {self.from_product: 0, self.to_product: 1}
        market = self.market or panel.products
        into = [column.get(product, 2) if product in market else -1 for product in panel.products]
        n, m = len(unit), len(first)
        sums, _ = panel_sums(
            sheet.start, sheet.product, sheet.period, sheet.known, sheet.figures[self.of],
            np.array(into, dtype=np.int64), np.repeat(unit, m), np.full(n * m, until, dtype=np.int64),
            np.tile(first, n), np.tile(last, n), 3,
        )  # fmt: skip
        whole = sums[:, 0] + sums[:, 1] + sums[:, 2]
        shares: Floats = sums[:, :2] / np.where(whole > 0, whole, np.nan)[:, None]
        return shares

    def _panel(self, tables: Tables) -> Panel:
        columns = table_of(tables, "prescriptions")
        if columns is None:
            raise ArgumentError(
                "Switching is not available: there is no prescriptions table. Give it to Engagement; "
                "nothing stands for it."
            )
        panel = Panel.of(columns)
        unknown = sorted({self.from_product, self.to_product, *self.market} - set(panel.products))
        if unknown:
            raise ArgumentError(
                f"Products {unknown} are not in the prescriptions table; it has {list(panel.products)[:20]}."
            )
        return panel


@dataclass(frozen=True)
class _Attended:
    """An engagement in which nothing but attending is a success."""

    engagement: Engagement

    @property
    def observed_until(self) -> int:
        return self.engagement.observed_until

    def columns(self, table: str) -> Columns:
        columns = self.engagement.columns(table)
        if table != "channels":
            return columns
        success = np.empty(len(columns["channel"]), dtype=object)
        success[:] = [(ATTENDED,)] * len(success)
        return {**columns, "success": success}


def _check_panels(panels: int) -> None:
    if not 1 <= panels <= 1_000:
        raise ArgumentError(f"panels is {panels}; expected 1 to 1000.")


def _event_channels(channels: Columns) -> frozenset[str]:
    described = zip(channels["channel"], channels["success"], strict=True)
    found = {channel for channel, wins in described if ATTENDED in wins and {*wins} <= _AT_EVENTS}
    if not found:
        raise ArgumentError(
            'Attendance is not available: no channel of the channels table counts "attended" as its success. '
            "Describe the channels of events there."
        )
    return frozenset(found)


def _first_from(log: Columns, rows: Ints, *, hcps: Strings, moments: Ints, within: int) -> Ints:
    """(n_hcps * n_moments,) which of ``rows`` is each HCP's first from each moment on; -1 for none."""
    who = places(hcps, log["hcp_id"][rows])
    order = np.flatnonzero(who >= 0)  # the log is in the order of HCPs and moments already
    ts = log["ts"][rows]
    start = np.searchsorted(who[order], np.arange(len(hcps) + 1))
    found = np.full((len(hcps), len(moments)), -1, dtype=np.int64)
    for h in np.flatnonzero(start[1:] > start[:-1]):
        mine = order[start[h] : start[h + 1]]
        next_ = np.searchsorted(ts[mine], moments, side="left")
        there = next_ < len(mine)
        there[there] = ts[mine[next_[there]]] < moments[there] + within
        found[h, there] = mine[next_[there]]
    return found.reshape(-1)


def _panel(
    hcps: Strings, moments: Ints, actions: tuple[Action, ...], met: Floats, *, kept: Bools | None
) -> Labels:
    """HCP x moment x action as labels; rows that are not kept are left out."""
    n, k = len(hcps) * len(moments), len(actions)
    row, pair = np.repeat(np.arange(n, dtype=np.int64), k), np.tile(np.arange(k, dtype=np.int64), n)
    y = met.reshape(-1)
    if kept is not None:
        which = kept.reshape(-1)
        row, pair, y = row[which], pair[which], y[which]
    return Labels(
        hcps=np.repeat(hcps, len(moments)),
        at=np.tile(moments, len(hcps)),
        row=row,
        pair=pair,
        y=y,
        actions=actions,
        censored=0,
        selection_prob=np.full(len(y), np.nan),
    )


def _standing_for(content: Columns, by: str) -> Columns:
    """A content for each value of a tag, tagged as most of the contents that have it."""
    tags = content_tags(content, by)
    value = np.array([tags[key] for key in content["content_id"]], dtype=object)
    keys = sorted({tag for tag in value if tag})
    found: dict[str, Any] = {"content_id": np.array([f"{by}={key}" for key in keys], dtype=object)}
    for column in TABLES["content"].columns:
        if (
            column.name in content
            and column.kind in ("id", "text", "number", "list")
            and column.name != "content_id"
        ):
            cells = [content[column.name][value == key].tolist() for key in keys]
            found[column.name] = _most(cells, column.kind)
    return found


def _most(cells: list[list[Any]], kind: str) -> Any:
    """The most frequent cell of each, the first by name of equals; of lists all that is in any."""
    if kind == "list":
        lists = np.empty(len(cells), dtype=object)
        lists[:] = [tuple(sorted({item for cell in mine for item in cell})) for mine in cells]
        return lists
    missing: Any = np.nan if kind == "number" else ""
    said = [[cell for cell in mine if cell == cell and cell != ""] for mine in cells]
    most = [max(sorted(set(mine)), key=mine.count) if mine else missing for mine in said]
    return np.array(most, dtype=float if kind == "number" else object)


__all__ = ["Attendance", "FirstEngagement", "IntentRule", "NextEngagement", "Switch"]
