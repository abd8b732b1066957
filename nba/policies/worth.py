"""What a response is worth to whom, and what a touch costs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Action, Bools, Columns, Context, Floats, Strings, Term
from nba.errors import ArgumentError, NBAWarning
from nba.kept import kept

COSTS = ("cost", "minutes", "attention")
"""Terms that are subtracted, where there is a touch."""
TERMS = ("propensity", "context", "value", "lever", *COSTS)
"""Terms of the priority, in their order; each but propensity can be left out."""

DO_NOTHING_OBJECTIVE = "do_nothing"
"""The objective of the ``values`` table under which doing nothing has its own worth, by segment."""

CONTINUATION = "continuation"
"""The objective under which the table says what a further engagement is worth; it counts as often as one
follows a response to the action."""


@dataclass(frozen=True)
class ContextWeight:
    """A factor on the priority where HCP and action fit together at the moment.

    It applies where every named column of the HCP and of the content has the named value (or one of the
    named values), the channel is the named one, and the HCP is in the named state. What is not named is not
    asked. Several that apply multiply.

    Parameters
    ----------
    factor : 0 or more; above 1 is in favour
    hcp : values by column of the hcps table: {"specialty": "cardiology"}
    content : values by column of the content table: {"topic": ["outcomes", "safety"]}
    channel : a channel's name, "" for any
    state : a state of the ``states`` table that is in force at the moment, "" for any

    Raises
    ------
    ArgumentError
        If the factor is not a finite number of at least 0, or nothing is named.

    Examples
    --------
    >>> ContextWeight(1.5, hcp={"specialty": "cardiology"}, content={"topic": "outcomes"}).factor
    1.5
    """

    factor: float
    hcp: Mapping[str, Any] = field(default_factory=dict, kw_only=True, hash=False)
    content: Mapping[str, Any] = field(default_factory=dict, kw_only=True, hash=False)
    channel: str = field(default="", kw_only=True)
    state: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        _check_number("factor", self.factor, low=0.0)
        if not (self.hcp or self.content or self.channel or self.state):
            raise ArgumentError(
                "ContextWeight names nothing that has to fit; expected hcp=, content=, channel= or state=. "
                "For a factor on everything set the value."
            )
        object.__setattr__(self, "hcp", {name: _listed(v) for name, v in self.hcp.items()})
        object.__setattr__(self, "content", {name: _listed(v) for name, v in self.content.items()})

    def applies(self, actions: Sequence[Action], context: Context, *, at: int) -> tuple[Bools, Bools]:
        """(n,) HCPs and (K,) actions it is about; it applies where both are True."""
        n = len(next(iter(context.hcps.values())))
        who = _fits(self.hcp, context.hcps, "hcps", length=n)
        if self.state:
            who &= _in_state(self.state, context, at=at)
        rows = _rows(actions, context.content)
        fits = _fits(self.content, context.content, "content", length=len(context.content["content_id"]))
        what = np.append(fits, not self.content)[rows]
        what &= np.array([self.channel in ("", action.channel) for action in actions])
        return who, what


@dataclass(frozen=True)
class Worth:
    """What a response is worth, what a touch costs, and which way the brand leans.

    Priority = propensity x context x value x lever - cost - minutes - attention.

    Attributes
    ----------
    value : worth of one response, in value units; a factor on the ``values`` table where there is one
    levers : factors by channel or content id, 1 where not named
    terms : the terms in use, of ``TERMS``
    do_nothing : the value of doing nothing; the table's objective ``do_nothing`` is added by segment
    objectives : how much each objective of the ``values`` table counts; None is 1 for each
    contexts : factors where HCP and action fit together
    minute_cost : what a minute of the sender's (``channels.minutes``) costs, in value units
    attention_cost : what a minute of the HCP's with the content (``content.minutes``) costs, in value units
    continues : how likely another engagement follows a response, by channel and content, as
        ``nba.history.continuation_rates`` gives it; None where nobody has counted

    Notes
    -----
    A row of the ``values`` table says what a response is worth to one objective, for a product and a segment;
    an empty product or segment is any. Of an objective's rows the one that names more counts, the product
    before the segment. The objectives are added, each times its weight. One of them has a meaning of its own:
    what "continuation" is worth counts times P(next engagement | this one). What no row covers is worth
    nothing, with a warning; without a table every response is worth ``value``.
    """

    value: float = 1.0
    levers: Mapping[str, float] | None = None
    terms: tuple[str, ...] = TERMS
    do_nothing: float = 0.0
    objectives: Mapping[str, float] | None = None
    contexts: tuple[ContextWeight, ...] = ()
    minute_cost: float = 0.0
    attention_cost: float = 0.0
    continues: Mapping[str, Mapping[str, float]] | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.terms) - set(TERMS))
        if unknown or "propensity" not in self.terms:
            raise ArgumentError(f"terms are {self.terms}; expected 'propensity' and others of {TERMS}.")
        numbers = [self.value, self.do_nothing, *(self.levers or {}).values()]
        if not np.isfinite(numbers).all() or min((self.levers or {"": 1.0}).values()) < 0:
            raise ArgumentError("value, do_nothing and levers have to be finite numbers, levers 0 or more.")
        for name in ("minute_cost", "attention_cost"):
            _check_number(name, getattr(self, name), low=0.0)
        for name, weight in (self.objectives or {}).items():
            _check_number(f"objectives[{name!r}]", weight, low=0.0)

    def factors(
        self, propensity: Floats, actions: Sequence[Action], context: Context, *, at: int
    ) -> list[Term]:
        """The declared terms, broadcastable to (n, K).

        Parameters
        ----------
        propensity : (n, K)
        actions : K of them
        context : the tables, with the HCPs' rows in the order of ``propensity``
        at : int seconds UTC

        Raises
        ------
        ArgumentError
            If an objective or a column is named that the tables do not hold.
        """
        made = {
            "propensity": lambda: Term("propensity", propensity),
            "context": lambda: Term("context", self._contexts(actions, context, at=at)),
            "value": lambda: Term("value", self._values(actions, context)),
            "lever": lambda: Term("lever", self._levers(actions)),
            "cost": lambda: Term("cost", self._of_channel("cost", actions, context.channels), kind="minus"),
            "minutes": lambda: Term(
                "minutes",
                self.minute_cost * self._of_channel("minutes", actions, context.channels),
                kind="minus",
            ),
            "attention": lambda: Term(
                "attention", self.attention_cost * _minutes(actions, context.content), kind="minus"
            ),
        }
        return [made[name]() for name in self.terms]

    def quietly(
        self, propensity: Floats, actions: Sequence[Action], context: Context, *, at: int
    ) -> list[Term]:
        """The same as :meth:`factors`, for those who were warned when the decisions were made."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NBAWarning)
            return self.factors(propensity, actions, context, at=at)

    def rest(self, context: Context) -> Floats:
        """(n,) what doing nothing is worth with each HCP."""
        n = len(next(iter(context.hcps.values())))
        table = context.tables.get("values")
        rest = np.full(n, float(self.do_nothing))
        if table is None or DO_NOTHING_OBJECTIVE not in table["objective"]:
            return rest
        segments, segment_of = _distinct(context.hcps, "segment", n)
        by_segment, _ = _worth_to(DO_NOTHING_OBJECTIVE, table, segments, [""])
        worth: Floats = rest + by_segment[segment_of, 0]
        return worth

    def without(self, *, term: str = "", objective: str = "", known: Sequence[str] = ()) -> Worth:
        """The same without a term, or with an objective that counts nothing.

        Parameters
        ----------
        known : all objectives there are, where ``objectives`` is None
        """
        weights = self.objectives if self.objectives is not None else dict.fromkeys(known, 1.0)
        left = tuple(name for name in self.terms if name != term)
        return replace(
            self, terms=left, objectives={**weights, objective: 0.0} if objective else self.objectives
        )

    def weighed(self, table: Columns | None) -> dict[str, float]:
        """The objectives of the ``values`` table that count, and how much.

        Raises
        ------
        ArgumentError
            If an objective is named that the table does not hold.
        """
        if table is None:
            return {}
        there = sorted(set(table["objective"]) - {DO_NOTHING_OBJECTIVE})
        if self.objectives is None:
            return dict.fromkeys(there, 1.0)
        if unknown := sorted(set(self.objectives) - set(there)):
            raise ArgumentError(
                f"Objectives {unknown} are not in the values table, which has {there}. "
                "Add their rows, or leave them out."
            )
        return {name: float(weight) for name, weight in self.objectives.items() if weight}

    def _values(self, actions: Sequence[Action], context: Context) -> Floats:
        table = context.tables.get("values")
        if table is None:
            return np.array([float(self.value)])
        n = len(next(iter(context.hcps.values())))
        segments, segment_of = _distinct(context.hcps, "segment", n)
        products, product_of = _products(actions, context.content)
        total = np.zeros((len(segments), len(products)))
        further = np.zeros_like(total)
        covered = np.zeros_like(total, dtype=np.bool_)
        for name, weight in sorted(self.weighed(table).items()):
            worth, found = _worth_to(name, table, segments, products)
            (further if name == CONTINUATION else total)[...] += weight * worth
            covered |= found
        bare = sorted({products[k] for k in product_of[1:].tolist() if not covered[segment_of, k].all()})
        if bare:
            warnings.warn(
                f"The values table has no row for some segments of products {bare} ('' is content without a "
                "product): responses there are worth nothing. Add a row, with an empty product for all.",
                NBAWarning,
                stacklevel=2,
            )
        value: Floats = self.value * total[segment_of][:, product_of]
        if further.any():
            value += self.value * further[segment_of][:, product_of] * self._continuing(actions)
        return value

    def _continuing(self, actions: Sequence[Action]) -> Floats:
        """(K,) how likely another engagement follows a response to each action."""
        if self.continues is None:
            raise ArgumentError(
                f"The values table has the objective {CONTINUATION!r}, and the model was fitted without it: "
                "nobody has counted how often an engagement leads to another. Fit with the table, or leave "
                "the objective out with objectives=."
            )
        of_all = self.continues[""]
        by_channel = [self.continues.get(action.channel, of_all) for action in actions]
        return np.array([of.get(a.content, of[""]) for of, a in zip(by_channel, actions, strict=True)])

    def _contexts(self, actions: Sequence[Action], context: Context, *, at: int) -> Floats:
        if not self.contexts:
            return np.ones(1)
        factor = np.ones((len(next(iter(context.hcps.values()))), len(actions)))
        for weight in self.contexts:
            who, what = weight.applies(actions, context, at=at)
            factor[np.ix_(who, what)] *= weight.factor
        return factor

    def _levers(self, actions: Sequence[Action]) -> Floats:
        return _levers(tuple(actions), frozenset((self.levers or {}).items()))

    def _of_channel(self, name: str, actions: Sequence[Action], channels: Columns) -> Floats:
        """(K,) a number of each action's channel; 0 where there is none."""
        if name not in channels:
            return np.zeros(len(actions))
        return _of_channels(tuple(actions), channels["channel"], channels[name])


@kept
def _levers(actions: tuple[Action, ...], levers: frozenset[tuple[str, float]]) -> Floats:
    of = dict(levers)
    return np.array([of.get(a.channel, 1.0) * of.get(a.content, 1.0) for a in actions])


@kept
def _of_channels(actions: tuple[Action, ...], channels: Strings, numbers: Floats) -> Floats:
    of = dict(zip(channels, numbers, strict=True))
    found: Floats = np.nan_to_num(np.array([of.get(a.channel, 0.0) for a in actions]))
    return found


def _worth_to(
    objective: str, table: Columns, segments: Sequence[str], products: Sequence[str]
) -> tuple[Floats, Bools]:
    """(S, P) what a response is worth to an objective, and whether a row says so."""
    rows = np.flatnonzero(table["objective"] == objective)
    said: dict[tuple[str, str], float] = {}
    for i in rows.tolist():
        key = (_cell(table, "product_id", i), _cell(table, "segment", i))
        if key in said:
            raise ArgumentError(
                f"The values table has more than one row of objective {objective!r} for product {key[0]!r} "
                f"and segment {key[1]!r}, expected one. Leave one of them."
            )
        said[key] = float(table["value"][i])
    worth = np.zeros((len(segments), len(products)))
    found = np.zeros_like(worth, dtype=np.bool_)
    for s, segment in enumerate(segments):
        for p, product in enumerate(products):
            for key in ((product, segment), (product, ""), ("", segment), ("", "")):
                if key in said:
                    worth[s, p], found[s, p] = said[key], True
                    break
    return worth, found


def _cell(table: Columns, name: str, row: int) -> str:
    return str(table[name][row]) if name in table else ""


def _distinct(table: Columns, name: str, length: int) -> tuple[list[str], NDArray[np.int64]]:
    """The distinct texts of a column ("" where there is none), and which one each row has."""
    texts = table[name].tolist() if name in table else [""] * length
    index = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    return list(index), np.array([index[text] for text in texts], dtype=np.int64)


def _products(actions: Sequence[Action], content: Columns) -> tuple[list[str], NDArray[np.int64]]:
    rows = _rows(actions, content)
    length = len(content["content_id"])
    names = content["product_id"] if "product_id" in content else np.full(length, "", dtype=object)
    return _distinct({"product_id": np.append(names, "").astype(object)[rows]}, "product_id", len(actions))


def _minutes(actions: Sequence[Action], content: Columns) -> Floats:
    """(K,) minutes of each action's content; 0 where nobody says."""
    if "minutes" not in content:
        return np.zeros(len(actions))
    minutes: Floats = np.nan_to_num(np.append(content["minutes"], 0.0)[_rows(actions, content)])
    return minutes


def _rows(actions: Sequence[Action], content: Columns) -> NDArray[np.int64]:
    """(K,) row of each action's content; -1 where it has none."""
    return _places(tuple(actions), content["content_id"])


@kept
def _places(actions: tuple[Action, ...], content_ids: Strings) -> NDArray[np.int64]:
    place: dict[str, int] = {}
    for i, name in enumerate(content_ids):
        place.setdefault(name, i)
    return np.array([place.get(action.content, -1) for action in actions], dtype=np.int64)


def _fits(wanted: Mapping[str, Sequence[Any]], table: Columns, name: str, *, length: int) -> Bools:
    """(length,) True for rows of a table in which every named column has one of the named values."""
    fits = np.ones(length, dtype=np.bool_)
    for column, values in wanted.items():
        if column not in table:
            raise ArgumentError(
                f"ContextWeight asks for column {column!r} of {name}, which has {sorted(table)}. Rename it."
            )
        fits &= np.logical_or.reduce([table[column] == value for value in values])
    return fits


def _in_state(state: str, context: Context, *, at: int) -> Bools:
    """(n,) True for HCPs who are in a state at the moment."""
    table = context.tables.get("states")
    if table is None:
        return np.zeros(len(context.hcps["hcp_id"]), dtype=np.bool_)
    rows = np.flatnonzero((table["state"] == state) & (table["since"] <= at) & (table["until"] > at))
    there = set(table["hcp_id"][rows])
    return np.array([hcp in there for hcp in context.hcps["hcp_id"]], dtype=np.bool_)


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)


def _check_number(name: str, value: object, *, low: float) -> None:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not low <= value < np.inf:  # type: ignore[operator]
        raise ArgumentError(f"Found {name}={value!r}, expected a finite number of at least {low:g}.")
