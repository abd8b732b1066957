"""How early an HCP takes up what is new, by prescriptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nba.contracts import DAY, FOREVER, NEVER, Bools, Columns, Floats, Ints, Strings
from nba.errors import ArgumentError
from nba.features.beside import Sight
from nba.features.declare import check_column, declared
from nba.features.prescriptions import Figure, OfPanel, Panel, Sheet, check_figure, protected
from nba.history import Uptake, places
from nba.history.panel import first_told


@dataclass(frozen=True)
class Launched:
    """Prescriptions by HCP, and when products were launched where.

    Attributes
    ----------
    panel : the prescriptions table, laid out
    launches : by (product, country) the first launch, int64 seconds
    """

    panel: Panel
    launches: dict[tuple[str, str], int]

    @classmethod
    def of(cls, panel: Panel, labels: Columns) -> Launched:
        """The earliest launch counts where a product has several indications."""
        launches: dict[tuple[str, str], int] = {}
        said = zip(labels["product_id"], labels["country"], labels["launch_date"].tolist(), strict=True)
        for product, country, launch in said:
            if launch != NEVER:
                key = str(product), str(country)
                launches[key] = min(launch, launches.get(key, FOREVER))
        return cls(panel, launches)

    @property
    def sheet(self) -> Sheet:
        return self.panel.sheets["hcp"]

    def since(self, until: int) -> int:
        """The first period of which anything was published before a moment; FOREVER where there is none."""
        sheet = self.sheet
        return int(np.min(sheet.periods[sheet.published < until], initial=FOREVER))

    def products(self, until: int) -> tuple[str, ...]:
        """Those launched before a moment, somewhere, while figures were there already."""
        since = self.since(until)
        met = {product for (product, _), launch in self.launches.items() if since <= launch < until}
        return tuple(name for name in self.panel.products if name in met)

    def times(
        self,
        hcps: Strings,
        countries: Strings,
        at: Ints,
        *,
        of: Figure,
        products: tuple[str, ...],
        since: int,
    ) -> tuple[Floats, Bools, Bools]:
        """Days from each product's launch to its first prescription, by what was available at a moment.

        Parameters
        ----------
        hcps, countries, at : (n_rows,) who, where, and when
        since : launches before it were over before the figures begin

        Returns
        -------
        days : (n_rows, n_products) to the first prescription; to the last period where there is none
        adopted : whether there is one
        there : whether anything can be said: the HCP is known, the product was launched, and a period
            that began after its launch has been published
        """
        sheet, code = self.sheet, {product: k for k, product in enumerate(products)}
        into = np.array([code.get(name, -1) for name in self.panel.products], dtype=np.int64)
        moments = np.ascontiguousarray(at, dtype=np.int64)
        first, seen = first_told(
            sheet.start, sheet.product, sheet.period, sheet.known, sheet.figures[of], into,
            places(sheet.units, hcps), moments, len(products),
        )  # fmt: skip
        _, last, _ = sheet.windows(moments, periods=1)
        launch = self._launches_in(countries, products)
        there = seen[:, None] & (since <= launch) & (launch < moments[:, None]) & (launch <= last[:, None])
        adopted = first < FOREVER
        reached = np.where(adopted, first, last[:, None])
        days: Floats = np.where(there, np.maximum(reached - np.where(there, launch, 0), 0) / DAY, np.nan)
        return days, adopted, there

    def _launches_in(self, countries: Strings, products: tuple[str, ...]) -> NDArray[np.int64]:
        """(n_rows, n_products) launches where each HCP is; FOREVER where there is none."""
        met, place = np.unique(countries.astype(str), return_inverse=True)
        table = np.full((len(met), len(products)), FOREVER, dtype=np.int64)
        for i, country in enumerate(met.tolist()):
            table[i] = [self.launches.get((product, country), FOREVER) for product in products]
        return table[place]


@declared
@dataclass(frozen=True, kw_only=True)
class Adoption(OfPanel):
    """How early the HCP takes up what is launched: the share of colleagues who do it later, ties half.

    Counted from the launch date of the labels table in the HCP's country to the first period with a
    prescription, by what was available before the moment. Who has not taken a product up yet stands where
    half of those who are waiting would: 0.5 right after a launch, and less with every month. Over all
    products it is the mean of them. What colleagues did is learned in fit (``priors_``: an
    :class:`~nba.history.Uptake` a product and group, which prints the days within which a tenth and a half of
    them took it up), so an HCP's standing moves with their own prescriptions alone, until the next fit.

    Products count that were launched while there were figures: of others nobody knows who was first. Missing
    for who is in no figure, and until a period after the launch has been published.

    Parameters
    ----------
    of : "nrx", "nbrx" or "trx": what counts as taking a product up
    among : column of the hcp table that says who is a colleague
    least : colleagues under which the group says nothing; its HCPs stand among everybody

    Examples
    --------
    >>> Adoption(by="product_id").name("alpha")
    'adoption(nrx, product_id=alpha, among specialty)'
    """

    of: Figure = "nrx"
    among: str = "specialty"
    least: int = 20
    also: ClassVar[tuple[str, ...]] = ("labels",)
    prior: ClassVar[type[Any] | None] = Uptake
    unit: ClassVar[str] = "share"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_figure(self.of)
        check_column(self.among, "hcps", ("id", "text"))
        if self.least < 1:
            raise ArgumentError(f"least is {self.least}; expected 1 or more.")

    @property
    def needs(self) -> tuple[tuple[str, ...], ...]:
        return ("labels.launch_date",), (f"prescriptions.{self.of}",), (f"hcps.{self.among}",)

    def laid(self, beside: Mapping[str, Any]) -> Launched:
        return Launched.of(beside["prescriptions"], beside["labels"])

    def keys_met(self, laid: Launched, *, until: int) -> tuple[str, ...]:
        """Products launched before ``until`` while there were figures."""
        products = laid.products(until)
        return products if self.by is not None and not self.own else ("",) if products else ()

    def learn(self, laid: Launched, people: Columns, *, until: int) -> tuple[Uptake, ...]:
        """How fast everybody, and each group that is large enough, took each product up.

        HCPs who opted out of prescriber data (PDRP) are not counted.
        """
        open_to_read = ~people["pdrp_opt_out"]
        who, countries, groups = (people[name][open_to_read] for name in ("hcp_id", "country", self.among))
        products, since = laid.products(until), laid.since(until)
        moments = np.full(len(who), until, dtype=np.int64)
        days, adopted, there = laid.times(who, countries, moments, of=self.of, products=products, since=since)
        found = []
        for k, product in enumerate(products):
            rows = there[:, k]
            met, counts = np.unique(groups[rows & (groups != "")].astype(str), return_counts=True)
            large = [str(name) for name, n in zip(met, counts, strict=True) if n >= self.least]
            for group in ("", *large):
                mine = rows if not group else rows & (groups == group)
                found.append(
                    Uptake.of(product, group, since=since, days=days[mine, k], adopted=adopted[mine, k])
                )
        return tuple(found)

    def read(self, sight: Sight, laid: Launched) -> list[Floats]:
        learned: tuple[Uptake, ...] = sight.learned
        launched = tuple(sorted({uptake.product for uptake in learned}))
        products = launched if self.by is None else tuple(str(key) for key in sight.keys)
        days, adopted, there = laid.times(
            sight.hcps, sight.said("country"), sight.at, of=self.of, products=products, since=learned[0].since
        )
        there &= ~protected(sight)[:, None]
        met, code = np.unique(sight.said(self.among).astype(str), return_inverse=True)
        place = {group: i for i, group in enumerate(met.tolist())}
        ranks = np.full(days.shape, np.nan)
        # Everybody's curve comes first, and that of a group of one's own in its stead.
        for uptake in sorted(learned, key=lambda uptake: (uptake.product, uptake.group)):
            if uptake.product in products:
                k = products.index(uptake.product)
                mine = there[:, k] & ((code == place.get(uptake.group, -1)) | (uptake.group == ""))
                ranks[mine, k] = uptake.rank(days[mine, k], adopted[mine, k])
        return [sight.viewed(_mean(ranks) if self.by is None else ranks, otherwise=np.nan)]

    def _of(self) -> list[str]:
        return [self.of]

    def _tail(self) -> list[str]:
        return [f"among {self.among}"]

    def _label(self, key: str) -> str:
        if self.own:
            return "early use of this product"
        return f"early use of {key}" if key else "early use of new products"


def _mean(ranks: Floats) -> Floats:
    """(n_rows, 1) over the columns that are known, added in their order."""
    total, n = np.zeros(len(ranks)), np.zeros(len(ranks))
    for column in ranks.T:
        known = ~np.isnan(column)
        total[known] += column[known]
        n += known
    found: Floats = np.where(n > 0, total / np.maximum(n, 1.0), np.nan)
    return found[:, None]
