"""How rows came to be chosen, and weights that undo it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nba.contracts import Bools, Floats, Ints, State
from nba.errors import SelectionError


@dataclass(frozen=True, eq=False)
class Selection:
    """Whether the choice of training rows is known, and what weighting by it made of them.

    A pair's rows are those that somebody chose. Where the choice hangs on what the model sees, it does no
    harm; where it hangs on what the model does not see (a rep knew better), the rate among the chosen is not
    the rate of all. Rows weigh 1 / (selection probability) then, against the mean of their pair:

        weight = min(f / p, clip) * s,  f = n / sum(1 / p),  s = sum w / sum w^2

    so a pair's weights add up to the rows that it is worth after weighting (Kish), and its spread and its
    shrinkage are as wide as that few rows ask for. The clip bounds what one row may weigh, at the price of
    that part of the bias which the rows beyond it hold.

    Attributes
    ----------
    rows, logged : training rows, and how many came with a selection probability
    clip : a row's largest weight, in means of its pair; None where nothing was weighted
    clipped : rows that the clip held
    effective : rows that the weighted ones are worth; ``rows`` where nothing was weighted
    factor, scale : (K + 1,) f and s of each pair, those of all rows together last

    References
    ----------
    Horvitz and Thompson (1952), J. Am. Stat. Assoc. 47:663-685, for the weights; Cole and Hernan (2008),
    Am. J. Epidemiology 168:656-664, for stabilising and clipping; Kish (1965), Survey Sampling, for the
    rows they are worth.

    Examples
    --------
    >>> told = Selection.of(np.array([0, 0, 0]), np.array([0.8, 0.8, 0.1]), n_pairs=1, clip=10.0)
    >>> told.kind, told.weighted, round(told.effective, 2)
    ('logged', True, 1.52)
    >>> print(told)
    logged: 3 of 3 rows with a selection probability; weighted by it, 0 rows held to 10 times their
    pair's mean, worth 1.5 rows
    """

    rows: int
    logged: int
    clip: float | None
    clipped: int
    effective: float
    factor: Floats
    scale: Floats

    @classmethod
    def of(
        cls, pair: Ints, selection_prob: Floats | None, *, n_pairs: int, clip: float | None = None
    ) -> Selection:
        """Look at training rows, and find what weighs them where a clip is given.

        Parameters
        ----------
        pair : (n,) of each row
        selection_prob : (n,) in (0, 1], NaN where none was logged; None is none at all
        """
        n = len(pair)
        prob = np.full(n, np.nan) if selection_prob is None else selection_prob
        told = np.isfinite(prob)
        nothing = np.ones(n_pairs + 1)
        found = cls(n, int(told.sum()), None, 0, float(n), nothing, nothing)
        if clip is None or not found.logged:
            return found
        # one group a pair, and all rows together for pairs that come up later
        group = np.concatenate([np.asarray(pair)[told], np.full(found.logged, n_pairs)])
        inverse = np.tile(1.0 / prob[told], 2)
        count, total = _sums(group, np.ones(len(group)), n_pairs), _sums(group, inverse, n_pairs)
        factor = np.divide(count, total, out=np.ones(n_pairs + 1), where=total > 0)
        weight = np.minimum(factor[group] * inverse, clip)
        sums, squares = _sums(group, weight, n_pairs), _sums(group, weight**2, n_pairs)
        scale = np.divide(sums, squares, out=np.ones(n_pairs + 1), where=squares > 0)
        of_rows = slice(0, found.logged)
        clipped = int((factor[group] * inverse > clip)[of_rows].sum())
        effective = float((scale[group] * weight)[of_rows].sum()) + n - found.logged
        return cls(n, found.logged, clip, clipped, effective, factor, scale)

    @property
    def kind(self) -> Literal["observational", "partly logged", "logged"]:
        """What is known of the choice of rows: nothing, of some, of all.

        From "observational" rows a propensity is that of HCPs as they were chosen; what an action would do
        with HCPs whom nobody chose for it is not known.
        """
        if not self.logged:
            return "observational"
        return "logged" if self.logged == self.rows else "partly logged"

    @property
    def weighted(self) -> bool:
        """Whether rows were weighted by their selection probabilities."""
        return self.clip is not None

    def weights(self, pair: Ints, selection_prob: Floats | None) -> Floats | None:
        """(n,) of rows, with the factors of the fit; 1 where none was logged, None where nothing weighs.

        ``pair`` -1 is one that the fit did not have.
        """
        if self.clip is None or selection_prob is None:
            return None
        told = np.isfinite(selection_prob)
        factor, scale = self.factor[pair], self.scale[pair]
        inverse = 1.0 / np.where(told, selection_prob, 1.0)
        return np.where(told, np.minimum(factor * inverse, self.clip) * scale, 1.0)

    def __str__(self) -> str:
        said = f"{self.kind}: {self.logged:,} of {self.rows:,} rows with a selection probability"
        if not self.weighted:
            return f"{said}; not weighted by it" if self.logged else said
        return (
            f"{said}; weighted by it, {self.clipped:,} rows held to {self.clip:g} times their pair's mean, "
            f"worth {self.effective:,.1f} rows"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for settings and runs."""
        return {
            "kind": self.kind,
            "rows": self.rows,
            "logged": self.logged,
            "clip": self.clip,
            "clipped": self.clipped,
            "effective": self.effective,
        }

    def to_state(self) -> State:
        """Plain JSON and arrays."""
        return self.to_dict(), {"factor": self.factor, "scale": self.scale}

    @classmethod
    def from_state(cls, state: State) -> Selection:
        """What :meth:`to_state` described."""
        plain, a = state
        clip = None if plain["clip"] is None else float(plain["clip"])
        return cls(
            int(plain["rows"]),
            int(plain["logged"]),
            clip,
            int(plain["clipped"]),
            float(plain["effective"]),
            a["factor"],
            a["scale"],
        )


def fading(at: Ints, *, until: int, half_life_seconds: float) -> Floats:
    """(n,) weight of rows by age: one half for every half-life before ``until``.

    Examples
    --------
    >>> fading(np.array([0, 86_400]), until=86_400, half_life_seconds=86_400.0)
    array([0.5, 1. ])
    """
    weight: Floats = np.exp2((np.asarray(at, dtype=np.int64) - until) / half_life_seconds)
    return weight


def checked_probs(selection_prob: Floats | None, n: int) -> Floats | None:
    """Logged probabilities as float64, each in (0, 1] or NaN.

    Raises
    ------
    SelectionError
        If the shape is not (n,), or one is outside (0, 1].
    """
    if selection_prob is None:
        return None
    prob = np.asarray(selection_prob, dtype=float)
    if prob.shape != (n,):
        raise SelectionError(
            f"Selection probabilities have shape {prob.shape}; expected one a request: ({n},)."
        )
    odd = np.flatnonzero(~(((prob > 0) & (prob <= 1)) | np.isnan(prob)))
    if len(odd):
        raise SelectionError(
            f"{len(odd)} selection probabilities are outside (0, 1] (first at row {odd[0]}). Expected the "
            "probability with which the row's action was chosen, or NaN where none was logged."
        )
    return prob


def part_of(weight: Floats | None, rows: Ints | Bools) -> Floats | None:
    """The weights of some rows; None is 1 for every row, and stays None."""
    return None if weight is None else weight[rows]


def together(*weights: Floats | None) -> Floats | None:
    """The product of weights; None is 1 for every row."""
    given = [weight for weight in weights if weight is not None]
    return math.prod(given[1:], start=given[0]) if given else None


def _sums(group: Ints, values: Floats, n_pairs: int) -> Floats:
    return np.asarray(np.bincount(group, weights=values, minlength=n_pairs + 1), dtype=float)
