"""Bayesian logistic regression per pair, shrunk to what pairs share."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nba.contracts import Floats, Ints, State
from nba.errors import NBAWarning
from nba.models.levels import Groups, Levels
from nba.models.parallel import one_blas_thread
from nba.models.strengths import Strengths, Tally, tallies
from nba.models.tangents import Rows, Tangent, inverse, tangents


@dataclass(frozen=True)
class HierarchicalLogistic:
    """theta_k = global + channel + tags + own deviation, each with a Gaussian prior.

    With G, b a pair's tangent at its anchor, H the strengths of deviations and P theta the sum of what
    pairs share: the deviations are integrated out (Schur complement), which leaves for the shared
    coefficients the precision P' (H - H (G + H)^-1 H) P + prior, and for a pair given them the mean
    (G + H)^-1 (b + H P shared).

    Attributes
    ----------
    levels : where global, channels and tags stand in ``shared``
    groups : per pair its groups, "channel=..." first; tags move the intercept only
    strengths : estimated from the data by empirical Bayes with a hyperprior
    fitted : per pair the tangent of the rows of the fit, at ``anchor``
    absorbed : per pair the tangent of the rows absorbed since, at ``anchor``
    anchor : (K, D) where tangents are taken
    coef : (K, D) posterior means
    cov : (K, D, D) posterior covariances, those of what is shared included
    shared, shared_cov : posterior of what is shared
    level : prior mean of the global intercept, log-odds
    n_fitted : pairs that were there at the fit; later ones came by absorbing

    References
    ----------
    Gelman and Hill (2007), chapter 13, for the model; MacKay (1992), Neural Computation 4:415-447, for the
    strengths; Lindley and Smith (1972), J. R. Stat. Soc. B 34:1-41, for the posterior of linear hierarchies.
    """

    levels: Levels
    groups: tuple[Groups, ...]
    strengths: Strengths
    fitted: tuple[Tangent, ...]
    absorbed: tuple[Tangent, ...]
    anchor: Floats
    coef: Floats
    cov: Floats
    shared: Floats
    shared_cov: Floats
    level: float = 0.0
    n_fitted: int = 0

    @classmethod
    def fit(
        cls,
        rows: Rows,
        *,
        kinds: Ints,
        groups: Sequence[Groups],
        start: Floats,
        strengths: Strengths | None = None,
        n_jobs: int = 1,
        max_steps: int = 60,
        tolerance: float = 1e-3,
    ) -> HierarchicalLogistic:
        """Newton steps on all pairs at once; strengths are re-estimated on the way unless given.

        Parameters
        ----------
        rows : for a pair its rows in chunks
        kinds : (D,) INTERCEPT, SHARED or OWN; the first column is the intercept
        start : (K, D) coefficients to start from; the mean intercept is also the prior's centre
        strengths : fixed strengths; None estimates them
        n_jobs : threads; the numbers do not depend on it
        tolerance : of the last Newton step, in log-odds per typical difference; the posterior is then
            that of the tangents there, whose error is the square of the step
        """
        search = _Search(rows, n_jobs=n_jobs, estimates=strengths is None)
        model = cls._empty(kinds, tuple(groups), strengths, start)
        with one_blas_thread():
            for _ in range(max_steps):
                model = search.step(model)
                if search.settled and search.moved < tolerance:
                    break
            else:
                warnings.warn(
                    f"The fit still moved by {search.moved:.2g} log-odds after {max_steps} steps; expected "
                    f"less than {tolerance:g}. Look for columns with extreme values, or raise max_steps.",
                    NBAWarning,
                    stacklevel=2,
                )
                model = replace(search.at(model)[0], strengths=model.strengths)
            return model.solved()

    @property
    def n_columns(self) -> int:
        """D, the coefficients of a pair, the intercept included."""
        return self.levels.n_columns

    def absorb(
        self,
        rows: Rows,
        *,
        groups: Sequence[Groups],
        lines: Floats | None = None,
        fade: float = 1.0,
    ) -> HierarchicalLogistic:
        """Add new rows of the first ``len(groups)`` pairs by one Newton step from the anchor.

        Sums only, so absorbing a and then b gives what absorbing both gives.

        Parameters
        ----------
        rows : for a pair its new rows
        groups : those of the pairs there are, in their order, and of new ones behind them
        lines : (len(groups), 2) shift and slope between a pair's margins and the log-odds of the new rows
        fade : share of what they weighed that all rows so far, those of the fit included, weigh from now on
        """
        model = self.extended(groups)
        if lines is None:
            lines = _identity(len(groups))
        with one_blas_thread():
            new, _ = tangents(rows, model.anchor, lines=lines, n_jobs=1)
            absorbed = tuple(old.faded(fade) + add for old, add in zip(model.absorbed, new, strict=True))
            fitted = tuple(tangent.faded(fade) for tangent in model.fitted)
            return replace(model, fitted=fitted, absorbed=absorbed).solved()

    def extended(self, groups: Sequence[Groups]) -> HierarchicalLogistic:
        """With room for pairs that came up after the fit, standing where the pairs of their channel stand."""
        new = tuple(groups[len(self.groups) :])
        if not new:
            return self
        levels = self.levels.extended(new)
        none = (Tangent.empty(self.n_columns),) * len(new)
        return replace(
            self,
            levels=levels,
            groups=self.groups + new,
            fitted=self.fitted + none,
            absorbed=self.absorbed + none,
            anchor=np.vstack([self.anchor, *[self._anchor_of(g)[None, :] for g in new]]),
            coef=np.vstack([self.coef, *[levels.mean(self._shared_in(levels), g)[None, :] for g in new]]),
            shared=self._shared_in(levels),
        )

    def prior_of(self, groups: Groups) -> tuple[Floats, Floats]:
        """Mean and covariance of a pair without a single row: what its channel and tags say."""
        kinds = self.levels.kinds
        spread = 1.0 / self.strengths.diagonal("pair", kinds)
        if groups[0] not in self.levels.channels:  # its own deviation is unknown
            spread += 1.0 / self.strengths.diagonal("channel", kinds)
        unknown = sum(1 for tag in dict.fromkeys(groups[1:]) if tag not in self.levels.tags)
        spread[0] += unknown / self.strengths.values["tag"][0]
        cov = self.levels.covariance(self.shared_cov, groups)
        return self.levels.mean(self.shared, groups), np.diag(spread) + cov

    def level_covariance(self, pairs: Sequence[Groups]) -> Floats:
        """(K, K) what the intercepts of pairs have in common: the covariance of what is shared."""
        there = np.zeros((len(pairs), self.levels.size))
        for k, groups in enumerate(pairs):
            at = [0, self.levels.channels.get(groups[0], 0)]
            there[k, at + [self.levels.tags[tag] for tag in groups[1:] if tag in self.levels.tags]] = 1.0
        cov: Floats = there @ self.shared_cov @ there.T
        return cov

    def surplus(self, slopes: Floats) -> Floats:
        """(K, 2) what absorbed rows say of a shift that the moved coefficients leave: gradient, curvature.

        ``slopes`` (K,) are those of the lines the rows were absorbed with.
        """
        out = np.zeros((len(self.groups), 2))
        for k, new in enumerate(self.absorbed):
            if new.rows:
                secant = new.secant()
                explained = secant * new.gram[0] @ (self.coef[k] - self.anchor[k]) / slopes[k]
                out[k] = new.positives - new.expected - explained, secant * new.gram[0, 0] / slopes[k] ** 2
        return out

    def solved(self) -> HierarchicalLogistic:
        """The posterior given the tangents and the strengths."""
        model, inverses = self._centred()
        hold = self.strengths.diagonal("pair", self.levels.kinds)
        cov = np.empty((len(self.groups), self.n_columns, self.n_columns))
        for k, groups in enumerate(self.groups):
            pull = inverses[k] * hold
            added = pull @ self.levels.covariance(model.shared_cov, groups) @ pull.T
            cov[k] = inverses[k] + (added + added.T) / 2  # bundles hold one triangle
        return replace(model, cov=cov)

    def to_state(self) -> State:
        """Plain JSON and arrays."""
        later = [k for k, tangent in enumerate(self.absorbed) if tangent.rows]
        return {
            "groups": [list(g) for g in self.groups],
            "channels": self.levels.channels,
            "tags": self.levels.tags,
            "strengths": {level: list(values) for level, values in self.strengths.values.items()},
            "level": self.level,
            "n_fitted": self.n_fitted,
        }, {
            "kinds": self.levels.kinds,
            "anchor": self.anchor,
            "coef": self.coef,
            "cov": _triangles(self.cov),
            "shared": self.shared,
            "shared_cov": _triangles(self.shared_cov[None])[0],
            "later": np.array(later, dtype=np.int64),
            **_packed("fitted", self.fitted[: self.n_fitted], self.n_columns),
            **_packed("absorbed", [self.absorbed[k] for k in later], self.n_columns),
        }

    @classmethod
    def from_state(cls, state: State) -> HierarchicalLogistic:
        """The model that :meth:`to_state` described."""
        plain, a = state
        channels, tags = (
            {name: int(at) for name, at in plain[which].items()} for which in ("channels", "tags")
        )
        levels = Levels(a["kinds"], channels, tags)
        groups = tuple(tuple(g) for g in plain["groups"])
        none = Tangent.empty(levels.n_columns)
        fitted = [*_unpacked("fitted", a), *[none] * (len(groups) - int(plain["n_fitted"]))]
        absorbed = [none] * len(groups)
        for k, tangent in zip(a["later"].tolist(), _unpacked("absorbed", a), strict=True):
            absorbed[k] = tangent
        return cls(
            levels=levels,
            groups=groups,
            strengths=Strengths({level: (v[0], v[1], v[2]) for level, v in plain["strengths"].items()}),
            fitted=tuple(fitted),
            absorbed=tuple(absorbed),
            anchor=a["anchor"],
            coef=a["coef"],
            cov=_squares(a["cov"]),
            shared=a["shared"],
            shared_cov=_squares(a["shared_cov"][None])[0],
            level=float(plain["level"]),
            n_fitted=int(plain["n_fitted"]),
        )

    @classmethod
    def _empty(
        cls, kinds: Ints, groups: tuple[Groups, ...], strengths: Strengths | None, start: Floats
    ) -> HierarchicalLogistic:
        """No rows yet: every pair stands at its start, the rest where the prior has it."""
        d, k = len(kinds), len(groups)
        levels = Levels.of(np.asarray(kinds, dtype=np.int64), groups)
        level = float(start[:, 0].mean())
        none = (Tangent.empty(d),) * k
        return cls(
            levels=levels,
            groups=groups,
            strengths=strengths or Strengths.usual(),
            fitted=none,
            absorbed=none,
            anchor=start,
            coef=start,
            cov=np.zeros((0, d, d)),
            shared=_prior_mean(levels, level),
            shared_cov=np.zeros((levels.size, levels.size)),
            level=level,
            n_fitted=k,
        )

    def _anchor_of(self, groups: Groups) -> Floats:
        """Where a new pair's tangent is taken: the mean anchor of its channel, or of all, at the fit."""
        same = [i for i, g in enumerate(self.groups[: self.n_fitted]) if g[0] == groups[0]]
        mean: Floats = self.anchor[same or list(range(self.n_fitted))].mean(axis=0)
        return mean

    def _shared_in(self, levels: Levels) -> Floats:
        """What is shared, with zeros for channels and tags that are new in ``levels``."""
        return np.concatenate([self.shared, np.zeros(levels.size - len(self.shared))])

    def _quadratic(self, k: int) -> tuple[Floats, Floats]:
        """A pair's (G, b) where its log likelihood is -theta' G theta / 2 + b' theta."""
        old, new = self.fitted[k], self.absorbed[k]
        gram = old.gram + new.secant() * new.gram if new.rows else old.gram
        moment: Floats = gram @ self.anchor[k] + old.gradient + new.gradient
        return gram, moment

    def _centred(self) -> tuple[HierarchicalLogistic, list[Floats]]:
        """Posterior means and the shared covariance, and every pair's (G + H)^-1."""
        levels = self.levels
        hold = self.strengths.diagonal("pair", levels.kinds)
        strength = self.strengths.shared(levels)
        system = np.diag(strength)
        target = strength * _prior_mean(levels, self.level)
        inverses, moments = [], []
        for k, groups in enumerate(self.groups):
            gram, moment = self._quadratic(k)
            inv = inverse(gram + np.diag(hold))
            left = np.diag(hold) - hold[:, None] * inv * hold
            levels.add(system, target, groups=groups, gram=left, moment=hold * (inv @ moment))
            inverses.append(inv)
            moments.append(moment)
        shared_cov = inverse(system)
        shared = shared_cov @ target
        coef = np.array(
            [
                inv @ (moment + hold * levels.mean(shared, groups))
                for inv, moment, groups in zip(inverses, moments, self.groups, strict=True)
            ]
        )
        return replace(self, coef=coef, shared=shared, shared_cov=shared_cov), inverses

    def _with_new_strengths(self) -> HierarchicalLogistic:
        """Strengths after one of MacKay's updates; coefficients stay."""
        levels = self.levels
        centred, inverses = self._centred()
        square, variance = np.zeros(self.n_columns), np.zeros(self.n_columns)
        for k, groups in enumerate(self.groups):
            square += (centred.coef[k] - levels.mean(centred.shared, groups)) ** 2
            pull = inverses[k] @ self._quadratic(k)[0]
            around = pull @ levels.covariance(centred.shared_cov, groups)
            variance += np.diag(inverses[k]) + np.einsum("ij,ij->i", around, pull)
        distance = centred.shared - _prior_mean(levels, self.level)
        found = tallies(levels, distance=distance, variance=np.diag(centred.shared_cov))
        found["pair"] = Tally(len(self.groups), square, variance)
        return replace(self, strengths=self.strengths.updated(found, levels.kinds))

    def _penalty(self) -> float:
        """Minus the log prior density of the coefficients, up to a constant."""
        hold = self.strengths.diagonal("pair", self.levels.kinds)
        distance = self.shared - _prior_mean(self.levels, self.level)
        total = float((self.strengths.shared(self.levels) * distance**2).sum())
        for k, groups in enumerate(self.groups):
            total += float((hold * (self.coef[k] - self.levels.mean(self.shared, groups)) ** 2).sum())
        return total / 2

    def _part_of_the_way_from(self, before: HierarchicalLogistic) -> HierarchicalLogistic:
        return replace(
            self,
            coef=before.coef + (self.coef - before.coef) / 3,
            shared=before.shared + (self.shared - before.shared) / 3,
        )


class _Search:
    """Newton's method with steps shortened where a tangent does not hold, strengths estimated on the way."""

    def __init__(self, rows: Rows, *, n_jobs: int, estimates: bool) -> None:
        self.rows, self.n_jobs = rows, n_jobs
        self.settled = not estimates
        self.moved = np.inf
        self.best = -np.inf
        self.before: HierarchicalLogistic | None = None

    def at(self, model: HierarchicalLogistic) -> tuple[HierarchicalLogistic, float]:
        """The model with tangents taken where it stands, and the log likelihood there."""
        fitted, likelihood = tangents(
            self.rows, model.coef, lines=_identity(len(model.coef)), n_jobs=self.n_jobs
        )
        return replace(model, fitted=tuple(fitted), anchor=model.coef), likelihood

    def step(self, model: HierarchicalLogistic) -> HierarchicalLogistic:
        """One step on, or, where the last one led down, a part of it."""
        here, likelihood = self.at(model)
        if self.before is not None and likelihood - here._penalty() < self.best - 1e-9 * abs(self.best):
            return model._part_of_the_way_from(self.before)
        if not self.settled and self.moved < 0.5:  # strengths are read off tangents that hold
            held = here.strengths
            here = here._with_new_strengths()
            self.settled = here.strengths.near(held)
        after = here._centred()[0]
        self.best = likelihood - here._penalty()
        self.moved = float(np.max(np.abs(after.coef - here.coef), initial=0.0))
        self.before = here
        return after


def _prior_mean(levels: Levels, level: float) -> Floats:
    mean = np.zeros(levels.size)
    mean[0] = level
    return mean


def _identity(k: int) -> Floats:
    """(K, 2) the lines that change nothing."""
    return np.tile([0.0, 1.0], (k, 1))


def _packed(prefix: str, some: Sequence[Tangent], d: int) -> dict[str, Floats]:
    return {
        f"{prefix}_gram": _triangles(np.array([t.gram for t in some]).reshape(-1, d, d)),
        f"{prefix}_gradient": np.array([t.gradient for t in some]).reshape(-1, d),
        f"{prefix}_sums": np.array([(t.rows, t.positives, t.expected) for t in some]).reshape(-1, 3),
    }


def _unpacked(prefix: str, arrays: dict[str, Floats]) -> list[Tangent]:
    parts = _squares(arrays[f"{prefix}_gram"]), arrays[f"{prefix}_gradient"], arrays[f"{prefix}_sums"]
    return [Tangent(gram, gradient, *sums.tolist()) for gram, gradient, sums in zip(*parts, strict=True)]


def _triangles(symmetric: Floats) -> Floats:
    """(n, D (D + 1) / 2) the lower triangles of (n, D, D): half of a bundle's size."""
    rows, columns = np.tril_indices(symmetric.shape[-1])
    return np.ascontiguousarray(symmetric[:, rows, columns])


def _squares(triangles: Floats) -> Floats:
    """(n, D, D) the symmetric matrices whose lower triangles these are."""
    d = round((np.sqrt(8 * triangles.shape[-1] + 1) - 1) / 2)
    rows, columns = np.tril_indices(d)
    squares = np.zeros((len(triangles), d, d))
    squares[:, rows, columns] = triangles
    squares[:, columns, rows] = triangles
    return squares
