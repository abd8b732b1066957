"""Prescriptions, by when they could first be read."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from nba.contracts import FOREVER, NEVER, Bools, Columns, Facet, Floats, Ints, Strings
from nba.errors import ArgumentError, NBAWarning
from nba.features.beside import Sight, TableMeasure
from nba.features.declare import declared
from nba.history import measures, places, sensitivity
from nba.history.panel import panel_sums
from nba.history.sensitivity import PLAUSIBLE, Sensitivity
from nba.tables import Engagement, as_moment, table_of

Figure = Literal["trx", "nrx", "nbrx"]
Level = Literal["hcp", "brick"]
FIGURES: tuple[Figure, ...] = ("trx", "nrx", "nbrx")
LEVELS: tuple[Level, ...] = ("hcp", "brick")


@dataclass(frozen=True)
class Sheet:
    """The figures of one level (HCPs or bricks), in the order of unit, product, period and availability.

    Attributes
    ----------
    units : (n_units,) sorted ids
    start : (n_units + 1,) where each unit's figures begin
    product, period, known : (n_figures,) index into the panel's products, int64 seconds each
    figures : (n_figures,) each, by name
    periods : (n_periods,) sorted; published : since when anything of each could be read
    """

    units: Strings
    start: NDArray[np.int64]
    product: NDArray[np.int64]
    period: NDArray[np.int64]
    known: NDArray[np.int64]
    figures: dict[str, Floats]
    periods: NDArray[np.int64]
    published: NDArray[np.int64]

    @classmethod
    def of(cls, columns: Columns, unit: Strings, product: Ints) -> Sheet:
        """Lay the rows of one level out; rows whose unit is empty are of another."""
        rows = np.flatnonzero(unit != "")
        order = rows[
            np.lexsort(
                (
                    columns["available_at"][rows], columns["period"][rows], product[rows],
                    unit[rows].astype(str),
                )
            )
        ]  # fmt: skip
        ids, first = np.unique(unit[order].astype(str), return_index=True)
        period, known = columns["period"][order], columns["available_at"][order]
        periods, place = np.unique(period, return_inverse=True)
        published = np.full(len(periods), FOREVER, dtype=np.int64)
        np.minimum.at(published, place, known)
        return cls(
            units=ids.astype(object),
            start=np.append(first, len(order)).astype(np.int64),
            product=product[order].astype(np.int64),
            period=period.astype(np.int64),
            known=known.astype(np.int64),
            figures={name: columns[name][order].astype(float) for name in (*FIGURES, "market_trx")},
            periods=periods.astype(np.int64),
            published=published,
        )

    def windows(self, at: Ints, *, periods: int, back: int = 0) -> tuple[Ints, Ints, Ints]:
        """(first, last, how many) of the latest periods published before each moment.

        Parameters
        ----------
        periods : how many periods a window has
        back : how many windows before the latest
        """
        first, last, count = [], [], []
        for version in range(len(self.periods) + 1):
            there = self._as_published(version)
            end = len(there) - back * periods
            window = there[max(end - periods, 0) : max(end, 0)]
            first.append(int(window[0]) if len(window) else 0)
            last.append(int(window[-1]) if len(window) else NEVER)
            count.append(len(window))
        place = np.searchsorted(np.sort(self.published), at, side="left")
        table = np.array([first, last, count], dtype=np.int64)[:, place]
        return table[0], table[1], table[2]

    def _as_published(self, version: int) -> Ints:
        """The periods that were there after so many had been published."""
        ordered = np.argsort(self.published, kind="stable")[:version]
        there: Ints = np.sort(self.periods[ordered])
        return there


@dataclass(frozen=True)
class Panel:
    """The prescriptions table as its measures read it: a sheet a level."""

    products: tuple[str, ...]
    sheets: dict[str, Sheet]

    @classmethod
    def of(cls, columns: Columns) -> Panel:
        """Lay the table out; rows that name an HCP are of that HCP, the others of their brick."""
        products, product = np.unique(columns["product_id"].astype(str), return_inverse=True)
        brick = np.where(columns["hcp_id"] == "", columns["brick_id"], "").astype(object)
        return cls(
            tuple(products.tolist()),
            {
                "hcp": Sheet.of(columns, columns["hcp_id"], product),
                "brick": Sheet.of(columns, brick, product),
            },
        )


@dataclass(frozen=True, kw_only=True)
class OfPanel(TableMeasure):
    """What all measures of prescriptions share.

    Nobody sees them but who may: they are set to missing for HCPs who opted out of prescriber data (PDRP),
    before anything is scored, and no card ever speaks of them.
    """

    table: ClassVar[str] = "prescriptions"
    known_by: ClassVar[tuple[str, str]] = ("period", "available_at")
    keys_by: ClassVar[tuple[str, ...]] = ("product_id",)
    own_by: ClassVar[tuple[str, ...]] = ("product_id",)
    visibility: ClassVar[Literal["rep", "hq", "restricted"]] = "restricted"
    group: ClassVar[str] = "prescriptions"

    @classmethod
    def lay_out(cls, columns: Columns) -> Panel:
        """The table as a panel."""
        return Panel.of(columns)

    def _family(self) -> Literal["behavioural", "clinical", "contextual"]:
        return "clinical"


@dataclass(frozen=True, kw_only=True)
class OfPrescriptions(OfPanel):
    """What measures of the latest periods share.

    Parameters
    ----------
    periods : how many of the latest periods published by the moment (months or weeks, as the table has them)
    level : "hcp", or "brick" for the figures of the HCP's brick
    by : "product_id" for a column a product; None is all products together
    """

    periods: int = 3
    level: Level = "hcp"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.level not in LEVELS:
            raise ArgumentError(f"level is {self.level!r}; expected one of {', '.join(LEVELS)}.")
        if not 1 <= self.periods <= 120:
            raise ArgumentError(f"periods is {self.periods}; expected 1 to 120.")

    def keys_met(self, laid: Panel, *, until: int) -> tuple[str, ...]:
        """The products of which anything was available before ``until``."""
        if self.by is None or self.own:
            return ("",)
        sheet = laid.sheets[self.level]
        met = np.unique(sheet.product[sheet.known < until])
        return tuple(laid.products[code] for code in met)

    def _sums(self, sight: Sight, laid: Panel, figure: str, *, back: int = 0) -> tuple[Floats, Ints]:
        """(n_rows, n_keys) sums over a window, NaN where nothing can be said; (n_rows,) its periods."""
        sheet = laid.sheets[self.level]
        unit = places(sheet.units, sight.hcps if self.level == "hcp" else sight.said("brick_id"))
        first, last, count = sheet.windows(sight.at, periods=self.periods, back=back)
        code = {key: i for i, key in enumerate(sight.keys)}
        into = [0 if self.by is None else code.get(product, -1) for product in laid.products]
        sums, seen = panel_sums(
            sheet.start, sheet.product, sheet.period, sheet.known, sheet.figures[figure],
            np.array(into, dtype=np.int64), unit, np.ascontiguousarray(sight.at, dtype=np.int64), first, last,
            len(sight.keys),
        )  # fmt: skip
        sums[~seen | protected(sight)] = np.nan
        return sums, count

    def _label(self, key: str) -> str:
        return f"prescriptions of {key}" if key else "prescriptions"

    def _tail(self) -> list[str]:
        return [f"{self.periods} periods", *(["brick"] if self.level == "brick" else [])]


def protected(sight: Sight) -> Bools:
    """(n_rows,) HCPs whose prescriptions may not be read, or of whom nobody knows whether they may."""
    closed = np.ones(len(sight.place), dtype=np.bool_)
    known = sight.place >= 0
    closed[known] = sight.people["pdrp_opt_out"][sight.place[known]]
    return closed


@dataclass(frozen=True, kw_only=True)
class OfFigure(OfPrescriptions):
    """What measures of one of the table's figures share.

    Parameters
    ----------
    of : "trx", "nrx" or "nbrx"
    """

    of: Figure = "trx"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_figure(self.of)

    @property
    def needs(self) -> tuple[tuple[str, ...], ...]:
        return ((f"prescriptions.{self.of}",),)

    def _of(self) -> list[str]:
        return [self.of]


@declared
@dataclass(frozen=True, kw_only=True)
class Prescriptions(OfFigure):
    """How much is prescribed: the mean a period, over the latest periods that were published by the moment.

    A period without a row counts as 0 for an HCP of whom anything is known, and is missing for others. Where
    a figure was corrected, the last correction available before the moment counts.
    """

    def read(self, sight: Sight, laid: Panel) -> list[Floats]:
        sums, count = self._sums(sight, laid, self.of)
        return [sight.viewed(_per(sums, count), otherwise=np.nan)]


@declared
@dataclass(frozen=True, kw_only=True)
class PrescriptionTrend(OfFigure):
    """The latest periods published by the moment against as many before: log((recent + 1) / (earlier + 1)).

    Missing until both windows are full.
    """

    def read(self, sight: Sight, laid: Panel) -> list[Floats]:
        recent, _ = self._sums(sight, laid, self.of)
        earlier, count = self._sums(sight, laid, self.of, back=1)
        block = measures.trend(_counted(recent), _counted(earlier))
        block[count < self.periods] = np.nan
        return [sight.viewed(block, otherwise=np.nan)]


@declared
@dataclass(frozen=True, kw_only=True)
class PrescriptionShare(OfPrescriptions):
    """A product's share of its market over the latest periods published by the moment: trx / market_trx."""

    by: str | None = "product_id"
    unit: ClassVar[str] = "share"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by is None:
            raise ArgumentError('PrescriptionShare(by=None) has no market; leave by="product_id".')

    @property
    def needs(self) -> tuple[tuple[str, ...], ...]:
        return ("prescriptions.market_trx",), ("prescriptions.trx",)

    def read(self, sight: Sight, laid: Panel) -> list[Floats]:
        part, _ = self._sums(sight, laid, "trx")
        whole, _ = self._sums(sight, laid, "market_trx")
        return [sight.viewed(measures.share(_counted(part), _counted(whole)), otherwise=np.nan)]


def _per(sums: Floats, count: Ints) -> Floats:
    found: Floats = sums / np.where(count > 0, count, np.nan)[:, None]
    return found


def _counted(sums: Floats) -> Floats:
    """Sums as counts, side by side in memory: returns may outweigh what was prescribed."""
    found: Floats = np.ascontiguousarray(np.maximum(sums, 0.0))
    return found


def check_figure(figure: Any) -> None:
    if figure not in FIGURES:
        raise ArgumentError(f"of is {figure!r}; expected one of {', '.join(FIGURES)}.")


def prescribing_sensitivity(
    data: Engagement, *, at: object, of: Figure = "nrx", product: str | None = None
) -> dict[str, Facet]:
    """How each HCP's prescribing has gone with their engagement, as of a moment: metric B, an elasticity.

    It is an association, restricted, and no feature: nothing is scored by it and no card speaks of it. HCPs
    who opted out of prescriber data (PDRP) are neither told of nor counted. Where engagement of the *future*
    seems to matter over half as much, representatives go to whom is growing anyway: nothing is told then.

    Parameters
    ----------
    at : figures available before it, and engagements known before it, are read
    of : "trx", "nrx" or "nbrx"
    product : only this product's figures; None is all together

    Returns
    -------
    a Facet an HCP of whom figures are known: value with a 90 % interval and the periods behind it;
    "prior_only" is the segment's value, "confounded" and "not_available" have none

    Raises
    ------
    ArgumentError
        If there is no prescriptions table.

    Warns
    -----
    NBAWarning
        If the mean elasticity is outside what the literature would believe (-0.1 to 0.6).
    """
    check_figure(of)
    moment, columns = as_moment(at), table_of(data, "prescriptions")
    if columns is None:
        raise ArgumentError("There is no prescriptions table. Give it to Engagement; nothing stands for it.")
    panel, people = Panel.of(columns), data.columns("hcps")
    who = people["hcp_id"][~people["pdrp_opt_out"]]
    sheet = panel.sheets["hcp"]
    who = who[places(sheet.units, who) >= 0]
    periods = sheet.periods[sheet.published < moment]
    figures = _figures(panel, who, periods, at=moment, of=of, product=product)
    engaged = _engaged(data, who, periods, at=moment)
    place = places(people["hcp_id"], who)
    found = sensitivity.prescribing_sensitivity(
        figures, engaged, regions=people["territory_id"][place], segments=people["specialty"][place]
    )
    if found.status == "ok" and not PLAUSIBLE[0] <= found.pooled <= PLAUSIBLE[1]:
        warnings.warn(
            f"Prescribing and engagement go together with a mean elasticity of {found.pooled:.2f}; the "
            f"literature finds {PLAUSIBLE[0]} to {PLAUSIBLE[1]}. Look for engagement that is recorded "
            "because of prescriptions, or figures that are counts of something else.",
            NBAWarning,
            stacklevel=2,
        )
    return {hcp: _facet(found, i) for i, hcp in enumerate(who.tolist())}


_NAME = "prescribing_sensitivity"
_Z90 = 1.6448536269514722


def _facet(found: Sensitivity, i: int) -> Facet:
    if found.status != "ok":
        return Facet(_NAME, None, n=float(found.n[i]), status=found.status)
    value, reach = float(found.value[i]), _Z90 * float(found.spread[i])
    return Facet(
        _NAME, value, n=float(found.n[i]), interval=(value - reach, value + reach),
        status="prior_only" if found.prior_only[i] else "ok",
    )  # fmt: skip


def _figures(panel: Panel, who: Strings, periods: Ints, *, at: int, of: str, product: str | None) -> Floats:
    """(n, m) what each HCP prescribed in each period, as told before a moment; 0 where no row is there."""
    sheet = panel.sheets["hcp"]
    n, m = len(who), len(periods)
    unit = np.repeat(places(sheet.units, who), m)
    each = np.tile(periods, n)
    into = np.array([0 if product in (None, name) else -1 for name in panel.products], dtype=np.int64)
    sums, seen = panel_sums(
        sheet.start, sheet.product, sheet.period, sheet.known, sheet.figures[of], into, unit,
        np.full(n * m, at, dtype=np.int64), each, each, 1,
    )  # fmt: skip
    found: Floats = np.where(seen, sums[:, 0], np.nan).reshape(n, m)
    return found


def _engaged(data: Engagement, who: Strings, periods: Ints, *, at: int) -> Floats:
    """(n, m) engagements from each period's start to the next one's."""
    log = data.columns("interactions")
    mine = places(who, log["hcp_id"])
    seen = log["engaged"] & (np.maximum(log["ts"], log["recorded_at"]) < at) & (mine >= 0)
    period = np.searchsorted(periods, log["ts"][seen], side="right") - 1
    counts = np.zeros((len(who), len(periods)))
    inside = period >= 0
    np.add.at(counts, (mine[seen][inside], period[inside]), 1.0)
    return counts
