"""Bayesian logistic regression per pair, shrunk to what pairs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nba.contracts import Floats, Ints, State

CHUNK = 32_768
"""Rows of a pair that are summed at once; fixed, so that sums do not depend on threads or memory."""

INTERCEPT, SHARED, OWN = range(3)

_CENTERS = {
    "global": (0.05, 10.0, 4.0),
    "channel": (1.0, 40.0, 20.0),
    "tag": (4.0, 0.0, 0.0),
    "pair": (4.0, 100.0, 40.0),
}
"""Centres of the hyperprior: 1 / variance of coefficients (intercept, shared, own columns) per level."""
_PSEUDO = 1.0
"""Weight of the hyperprior in coefficients: without it the strengths of hard worlds run away."""


@dataclass(frozen=True)
class Quadratic:
    """A pair's log likelihood near a point: -theta' G theta / 2 + b' theta; sums over rows."""

    gram: Floats
    moment: Floats

    def __add__(self, other: Quadratic) -> Quadratic:
        return Quadratic(self.gram + other.gram, self.moment + other.moment)


@dataclass(frozen=True)
class Strengths:
    """How strongly coefficients are held to the level above: 1 / variance, per level and kind of column."""

    values: dict[str, tuple[float, float, float]]

    def near(self, other: Strengths, *, factor: float = 1.15) -> bool:
        """Whether no strength differs by more than a factor."""
        return all(
            1 / factor < a / b < factor
            for level, mine in self.values.items()
            for a, b in zip(mine, other.values[level], strict=True)
            if b > 0
        )

    def diagonal(self, level: str, kinds: Ints) -> Floats:
        """(D,) the strength of each column's coefficient at a level."""
        diagonal: Floats = np.array(self.values[level])[kinds]
        return diagonal


Rows = Callable[[int], list[tuple[Floats, Floats]]]
"""For a pair its rows in chunks: (curves with a leading 1, (rows, D)) and outcomes (rows,)."""


@dataclass(frozen=True)
class HierarchicalLogistic:
    """theta_k = global + channel + tags + own deviation, each with a Gaussian prior.

    Attributes
    ----------
    kinds : (D,) INTERCEPT, SHARED or OWN
    groups : per pair its groups, "channel=..." first; tags move the intercept only
    strengths : estimated from the data by empirical Bayes with a hyperprior
    stats : per pair its Quadratic, linearised at ``anchor``; new rows add to it
    anchor : (K, D) where the statistics were taken
    coef : (K, D) posterior means
    cov : (K, D, D) posterior covariances, those of what is shared included
    upper, upper_cov : posterior of what is shared (global, channels, tags)
    slots : where each group starts in ``upper``
    level : prior mean of the global intercept, log-odds
    n_fitted : pairs that were there at the fit; later ones came by absorbing

    References
    ----------
    MacKay (1992), Neural Computation 4:415-447, evidence updates; Gelman and Hill (2007), chapter 13, for
    the model. The elimination of the pairs' deviations is the Schur complement of the joint Hessian.
    """

    kinds: NDArray[np.int64]
    groups: tuple[tuple[str, ...], ...]
    strengths: Strengths
    stats: tuple[Quadratic, ...]
    anchor: Floats
    coef: Floats
    cov: Floats
    upper: Floats
    upper_cov: Floats
    slots: dict[str, int] = field(default_factory=dict)
    level: float = 0.0
    n_fitted: int = 0

    @classmethod
    def fit(
        cls,
        rows: Rows,
        *,
        kinds: Ints,
        groups: Sequence[tuple[str, ...]],
        start: Floats,
        strengths: Strengths | None = None,
        n_jobs: int = 1,
        max_steps: int = 40,
        tolerance: float = 1e-3,
    ) -> HierarchicalLogistic:
        """Newton steps on all pairs at once; strengths are re-estimated on the way unless given.

        Parameters
        ----------
        start : (K, D) coefficients to start from; the mean intercept is also the prior's centre
        strengths : fixed strengths; None estimates them
        tolerance : of the last Newton step, in log-odds per typical difference; the posterior is then
            that of the quadratic there, whose error is the square of the step
        """
        kinds = np.asarray(kinds, dtype=np.int64)
        model = cls._empty(kinds, tuple(groups), strengths or Strengths(dict(_CENTERS)), start[:, 0].mean())
        model = replace(model, coef=start, upper=model._upper_prior()[0])
        with threadpool_limits(1):  # one BLAS thread each: the same bits whatever the machine offers
            best, before = -np.inf, model
            settled = strengths is not None
            moved = np.inf
            for _ in range(max_steps):
                stats, likelihood = _statistics(rows, model.coef, n_jobs)
                if likelihood - model._penalty() < best - 1e-9 * abs(best):
                    # The step left the range in which the quadratic holds: go a part of it.
                    model = model._between(before)
                    continue
                before = replace(model, stats=stats, anchor=model.coef)
                if not settled and moved < 0.5:  # strengths are read off quadratics that hold
                    held = before.strengths
                    before = before._estimate_strengths()
                    settled = before.strengths.near(held)
                model = before._solve(with_cov=False)
                best = likelihood - before._penalty()
                moved = float(np.max(np.abs(model.coef - before.coef), initial=0.0))
                if settled and moved < tolerance:
                    break
            return model._solve(with_cov=True)

    @property
    def n_columns(self) -> int:
        return len(self.kinds)

    def absorb(self, rows: Rows, *, groups: Sequence[tuple[str, ...]]) -> HierarchicalLogistic:
        """Add new rows of the first ``len(groups)`` pairs by one Newton step from the anchor.

        Sums only, so absorbing a and then b gives what absorbing both gives.
        """
        with threadpool_limits(1):
            model = self._extend(groups)
            new, _ = _statistics(rows, model.anchor, 1)
            stats = tuple(old + add for old, add in zip(model.stats, new, strict=True))
            return replace(model, stats=stats)._solve(with_cov=True)

    def prior_of(self, groups: tuple[str, ...]) -> tuple[Floats, Floats]:
        """Mean and covariance of a pair without a single row: what its channel and tags say."""
        d = self.n_columns
        at = self._index(groups)
        blocks = self._blocks(groups)
        spread = np.diag(1.0 / self.strengths.diagonal("pair", self.kinds))
        if blocks == 1:  # a channel never met: its own deviation is unknown
            spread += np.diag(1.0 / self.strengths.diagonal("channel", self.kinds))
        unknown = sum(1 for tag in groups[1:] if tag not in self.slots)
        spread[0, 0] += unknown / self.strengths.values["tag"][INTERCEPT]
        take = _columns(np.eye(d), blocks, len(at))
        return _lifted(self.upper[at], d, blocks), spread + take @ self.upper_cov[np.ix_(at, at)] @ take.T

    @classmethod
    def _empty(
        cls, kinds: NDArray[np.int64], groups: tuple[tuple[str, ...], ...], strengths: Strengths, level: float
    ) -> HierarchicalLogistic:
        d, k = len(kinds), len(groups)
        slots: dict[str, int] = {}
        end = d
        for name in sorted({g[0] for g in groups}):
            slots[name] = end
            end += d
        for name in sorted({tag for g in groups for tag in g[1:]}):
            slots[name] = end
            end += 1
        coef = np.zeros((k, d))
        coef[:, 0] = level
        zero = Quadratic(np.zeros((d, d)), np.zeros(d))
        return cls(
            kinds, groups, strengths, (zero,) * k, coef, coef, np.zeros((0, d, d)), np.zeros(end),
            np.zeros((end, end)), slots, level, k,
        )  # fmt: skip

    def _extend(self, groups: Sequence[tuple[str, ...]]) -> HierarchicalLogistic:
        """Room for pairs that came up after the fit, standing where their channel and tags put them."""
        new = list(groups[len(self.groups) :])
        if not new:
            return self
        d = self.n_columns
        zero = Quadratic(np.zeros((d, d)), np.zeros(d))
        anchor = np.vstack([self.anchor, *[self._anchor_of(g)[None, :] for g in new]])
        return replace(
            self,
            groups=self.groups + tuple(new),
            stats=self.stats + (zero,) * len(new),
            anchor=anchor,
            coef=anchor.copy(),
        )

    def _anchor_of(self, groups: tuple[str, ...]) -> Floats:
        """The linearisation point of a new pair: the mean anchor of its channel, or of all, at the fit."""
        same = [i for i, g in enumerate(self.groups[: self.n_fitted]) if g[0] == groups[0]]
        mean: Floats = self.anchor[same or list(range(self.n_fitted))].mean(axis=0)
        return mean

    def _blocks(self, groups: tuple[str, ...]) -> int:
        return 2 if groups[0] in self.slots else 1

    def _index(self, groups: tuple[str, ...]) -> NDArray[np.int64]:
        """Which entries of ``upper`` add up to a pair's prior mean: global, channel, tags."""
        d = self.n_columns
        parts = [np.arange(d)]
        if groups[0] in self.slots:
            parts.append(self.slots[groups[0]] + np.arange(d))
        tags = [self.slots[tag] for tag in groups[1:] if tag in self.slots]
        return np.concatenate([*parts, np.array(tags, dtype=np.int64)]).astype(np.int64)

    def _upper_prior(self) -> tuple[Floats, Floats]:
        """Prior mean and strength of every shared coefficient."""
        d = self.n_columns
        strength = np.empty(len(self.upper))
        strength[:d] = self.strengths.diagonal("global", self.kinds)
        for name, at in self.slots.items():
            if name.startswith("channel="):
                strength[at : at + d] = self.strengths.diagonal("channel", self.kinds)
            else:
                strength[at] = self.strengths.values["tag"][INTERCEPT]
        mean = np.zeros(len(self.upper))
        mean[0] = self.level
        return mean, strength

    def _penalty(self) -> float:
        """Minus the log prior density of the coefficients, up to a constant."""
        mean, strength = self._upper_prior()
        hold = self.strengths.diagonal("pair", self.kinds)
        total = float((strength * (self.upper - mean) ** 2).sum())
        for k, groups in enumerate(self.groups):
            prior = _lifted(self.upper[self._index(groups)], self.n_columns, self._blocks(groups))
            total += float((hold * (self.coef[k] - prior) ** 2).sum())
        return total / 2

    def _between(self, before: HierarchicalLogistic) -> HierarchicalLogistic:
        """A third of the way from an earlier model to this one."""
        return replace(
            self,
            coef=before.coef + (self.coef - before.coef) / 3,
            upper=before.upper + (self.upper - before.upper) / 3,
        )

    def _solve(self, *, with_cov: bool) -> HierarchicalLogistic:
        """The posterior given the quadratics and the strengths."""
        upper, upper_cov, inverse = self._solve_upper()
        hold = self.strengths.diagonal("pair", self.kinds)
        coef = np.empty((len(self.groups), self.n_columns))
        cov = np.empty((len(self.groups) if with_cov else 0, self.n_columns, self.n_columns))
        for k, groups in enumerate(self.groups):
            at = self._index(groups)
            prior = _lifted(upper[at], self.n_columns, self._blocks(groups))
            coef[k] = inverse[k] @ (self.stats[k].moment + hold * prior)
            if with_cov:
                pull = _columns(inverse[k] * hold[None, :], self._blocks(groups), len(at))
                cov[k] = inverse[k] + pull @ upper_cov[np.ix_(at, at)] @ pull.T
        return replace(self, coef=coef, cov=cov, upper=upper, upper_cov=upper_cov)

    def _solve_upper(self) -> tuple[Floats, Floats, list[Floats]]:
        """Posterior of what is shared, with every pair's deviation integrated out."""
        mean, strength = self._upper_prior()
        system = np.diag(strength)
        target = strength * mean
        hold = self.strengths.diagonal("pair", self.kinds)
        inverse = []
        for k, groups in enumerate(self.groups):
            inv = _inverse(self.stats[k].gram + np.diag(hold))
            inverse.append(inv)
            at = self._index(groups)
            left = np.diag(hold) - hold[:, None] * inv * hold[None, :]
            blocks = self._blocks(groups)
            system[np.ix_(at, at)] += _columns(_columns(left, blocks, len(at)).T, blocks, len(at))
            target[at] += _columns((hold * (inv @ self.stats[k].moment))[None, :], blocks, len(at))[0]
        upper_cov = _inverse(system)
        return upper_cov @ target, upper_cov, inverse

    def _estimate_strengths(self) -> HierarchicalLogistic:
        """One of MacKay's updates: effective number of coefficients over their sum of squares."""
        upper, upper_cov, inverse = self._solve_upper()
        d = self.n_columns
        hold = self.strengths.diagonal("pair", self.kinds)
        square, spread = np.zeros(d), np.zeros(d)
        for k, groups in enumerate(self.groups):
            at = self._index(groups)
            blocks = self._blocks(groups)
            prior = _lifted(upper[at], d, blocks)
            square += (inverse[k] @ (self.stats[k].moment - self.stats[k].gram @ prior)) ** 2
            pull = _columns(inverse[k] @ self.stats[k].gram, blocks, len(at))
            spread += np.diag(inverse[k]) + np.einsum("ij,ij->i", pull @ upper_cov[np.ix_(at, at)], pull)
        values = {"pair": self._update("pair", len(self.groups), hold, square, spread)}
        variance = np.diag(upper_cov)
        mean, strength = self._upper_prior()
        squares = (upper - mean) ** 2
        values["global"] = self._update("global", 1, strength[:d], squares[:d], variance[:d])
        channels = [at for name, at in self.slots.items() if name.startswith("channel=")]
        values["channel"] = self._update(
            "channel",
            len(channels),
            self.strengths.diagonal("channel", self.kinds),
            sum((squares[at : at + d] for at in channels), np.zeros(d)),
            sum((variance[at : at + d] for at in channels), np.zeros(d)),
        )
        tags = [at for name, at in self.slots.items() if not name.startswith("channel=")]
        one = np.zeros(d)
        values["tag"] = self._update(
            "tag",
            len(tags),
            one + self.strengths.values["tag"][INTERCEPT],
            one + (squares[tags].sum() if tags else 0.0),
            one + (variance[tags].sum() if tags else 0.0),
            only_intercept=True,
        )
        # The global intercept's prior only has to be wide; there is one, so nothing to estimate.
        values["global"] = (_CENTERS["global"][INTERCEPT], *values["global"][1:])
        return replace(self, strengths=Strengths(values))

    def _update(
        self,
        level: str,
        copies: int,
        strength: Floats,
        square: Floats,
        variance: Floats,
        *,
        only_intercept: bool = False,
    ) -> tuple[float, float, float]:
        out = []
        for kind in (INTERCEPT, SHARED, OWN):
            mine = self.kinds == kind
            center = _CENTERS[level][kind]
            if (only_intercept and kind != INTERCEPT) or not mine.any() or copies == 0:
                out.append(center)
                continue
            effective = float((copies - strength[mine] * variance[mine]).sum())
            total = float(square[mine].sum())
            update = (max(effective, 0.0) + _PSEUDO) / (total + _PSEUDO / center)
            held = self.strengths.values[level][kind]
            out.append(float(np.clip(update, max(held / 4, 1e-3), min(held * 4, 1e6))))
        return (out[0], out[1], out[2])

    def to_state(self) -> State:
        """Plain JSON and arrays."""
        return {
            "groups": [list(g) for g in self.groups],
            "strengths": {level: list(values) for level, values in self.strengths.values.items()},
            "slots": self.slots,
            "level": self.level,
            "n_fitted": self.n_fitted,
        }, {
            "kinds": self.kinds,
            "gram": np.stack([s.gram for s in self.stats]),
            "moment": np.stack([s.moment for s in self.stats]),
            "anchor": self.anchor,
            "coef": self.coef,
            "cov": self.cov,
            "upper": self.upper,
            "upper_cov": self.upper_cov,
        }

    @classmethod
    def from_state(cls, state: State) -> HierarchicalLogistic:
        """The model that :meth:`to_state` described."""
        plain, a = state
        stats = tuple(Quadratic(g, m) for g, m in zip(a["gram"], a["moment"], strict=True))
        strengths = Strengths({level: (v[0], v[1], v[2]) for level, v in plain["strengths"].items()})
        return cls(
            a["kinds"], tuple(tuple(g) for g in plain["groups"]), strengths, stats, a["anchor"], a["coef"],
            a["cov"], a["upper"], a["upper_cov"], {name: int(at) for name, at in plain["slots"].items()},
            float(plain["level"]), int(plain["n_fitted"]),
        )  # fmt: skip


def _statistics(rows: Rows, coef: Floats, n_jobs: int) -> tuple[tuple[Quadratic, ...], float]:
    """Each pair's Quadratic at its coefficients, and the log likelihood there."""

    def one(k: int) -> tuple[Quadratic, float]:
        d = coef.shape[1]
        gram, moment, likelihood = np.zeros((d, d)), np.zeros(d), 0.0
        for z, y in rows(k):
            eta = z @ coef[k]
            p = 1.0 / (1.0 + np.exp(-eta))
            w = np.maximum(p * (1.0 - p), 1e-10)
            half = z * np.sqrt(w)[:, None]
            gram += half.T @ half
            moment += z.T @ (w * eta + (y - p))
            likelihood += float((y * eta - np.logaddexp(0.0, eta)).sum())
        return Quadratic(gram, moment), likelihood

    if n_jobs == 1:
        parts = [one(k) for k in range(len(coef))]
    else:
        with ThreadPoolExecutor(n_jobs) as pool:
            parts = list(pool.map(one, range(len(coef))))
    return tuple(p[0] for p in parts), float(sum(p[1] for p in parts))


def _inverse(matrix: Floats) -> Floats:
    """Inverse of a symmetric positive definite matrix."""
    low = np.linalg.inv(np.linalg.cholesky(matrix))
    inverse: Floats = low.T @ low
    return inverse


def _columns(block: Floats, blocks: int, width: int) -> Floats:
    """A (m, D) block repeated for global and channel, and its first column for every tag."""
    d = block.shape[1]
    return np.hstack([block] * blocks + [block[:, :1]] * (width - blocks * d))


def _lifted(upper: Floats, d: int, blocks: int) -> Floats:
    """A pair's prior mean from its entries of ``upper``."""
    mean = upper[:d].copy()
    if blocks == 2:
        mean += upper[d : 2 * d]
    mean[0] += upper[blocks * d :].sum()
    return mean

