"""Uplift: what an action changes, from randomised data."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nba.artifact import under
from nba.contracts import Action, Bools, Design, Feature, Floats, Ints, State
from nba.errors import ArgumentError, NBAWarning, NotFittedError, SelectionError, UnknownActionError
from nba.models.basis import Basis
from nba.models.border import check_columns, check_outcomes, check_values, outcomes_of
from nba.models.order import request_order, row_hashes
from nba.models.pairs import PairPropensity
from nba.models.params import Params

_FOLDS = 5
_LEAST_PROB = 0.01
"""Selection probabilities below are read as this: one row must not weigh more than a hundred."""
_PENALTIES = np.append(np.logspace(1, 7, 25), np.inf)
"""Of the regression on effects, in rows; infinity is one effect for all."""

_Line: TypeAlias = tuple[Floats, Floats]
"""Coefficients of the curves, intercept first (D,), and their covariance (D, D)."""


class Uplift(Params):
    """How much likelier a response becomes by an action than by the control, per HCP.

    The arms stand as pairs in a design, one of them the control; a request is a randomised unit. Outcome
    models are ``PairPropensity``, so arms are held by each other as pairs are; for regressions they are
    fitted on the folds that a row is not in. Effects are then

    * "T": the difference of two forecasts;
    * "X": a regression on y - (forecast without the action) of those who had it, and on (forecast with it)
      - y of those who had not, weighted by who is rarer (Kuenzel et al. 2019, PNAS 116:4156-4165);
    * "DR": a regression on the doubly robust effect of each row, whose mean is right whatever the forecasts
      say (Kennedy 2023, Electronic Journal of Statistics 17:3008-3049).

    Regressions are ridges on the outcome models' curves, held to one effect for all as strongly as
    generalised cross-validation asks, which may be altogether.

    Parameters
    ----------
    control : the arm that effects are measured against
    learner : "T", "X" or "DR"
    n_jobs : threads of the outcome models

    Attributes
    ----------
    actions_ : the arms of the fit
    share_ : (K,) of rows in each arm
    penalty_ : (K,) of each arm's regression; infinite where one effect for all served best; None for "T"
    average_ : (K, 2) each arm's mean effect and its standard error, 0 for the control

    Notes
    -----
    Without randomisation, logged or declared, an effect is not identified, and the fit refuses. An uplift
    is a difference of probabilities; it is neither a propensity nor a selection probability.

    Examples
    --------
    >>> Uplift(control=Action("none", ""), learner="T")
    Uplift(control=Action(channel='none', content=''), learner='T', n_jobs=-1)
    """

    def __init__(self, *, control: Action, learner: Literal["T", "X", "DR"] = "DR", n_jobs: int = -1) -> None:
        if learner not in ("T", "X", "DR"):
            raise ArgumentError(f'learner is {learner!r}; expected "T", "X" or "DR".')
        if n_jobs < 1 and n_jobs != -1:
            raise ArgumentError(f"n_jobs is {n_jobs}; expected 1 or more threads, or -1 for every core.")
        self.control = control
        self.learner = learner
        self.n_jobs = n_jobs

    def fit(
        self,
        design: Design,
        y: Floats,
        *,
        selection_prob: Floats | None = None,
        randomised: bool = False,
        at: Ints | None = None,
    ) -> Uplift:
        """Learn effects from randomised rows.

        Parameters
        ----------
        design : requests, one a unit, the pair being its arm; columns of the HCP only
        y : (n_requests,) 0 or 1
        selection_prob : (n_requests,) logged probability of the arm that was drawn, each in (0, 1]; below .01
            it is read as .01, and said
        randomised : declares that arms were drawn with the same chances for all; those are then counted
        at : (n_requests,) int64 seconds, for the outcome models' later slices; without, the order is random

        Raises
        ------
        SelectionError
            If randomisation is neither logged nor declared, or a probability is outside (0, 1].
        UnknownActionError
            If the control is not among the arms, or had no row.
        OutcomeError, ArgumentError
            If outcomes or columns cannot be read.
        """
        y = outcomes_of(design, y)
        check_outcomes(y)
        self._check_arms(design)
        prob = _checked_prob(design, selection_prob, randomised=randomised)
        check_values(design)
        self.actions_, self.features_ = design.actions, design.features
        self.share_: Floats = np.bincount(design.pair, minlength=len(design.actions)) / len(y)
        order = request_order(design, y, np.zeros(len(y), dtype=np.int64))
        moments = np.empty(len(y), dtype=np.int64)
        moments[order] = np.arange(len(y))
        if at is not None:
            moments = np.asarray(at, dtype=np.int64)
        self.outcome_ = self._outcome_model().fit(design, y, at=moments)
        p = self._crossed(design, y, moments)
        own = p[np.arange(len(y)), design.pair]
        c = design.actions.index(self.control)
        robust = p + np.eye(len(self.actions_))[design.pair] * ((y - own) / prob)[:, None]
        effect = robust - robust[:, [c]]
        self.average_ = np.stack([effect.mean(axis=0), effect.std(axis=0) / np.sqrt(len(y))], axis=1)
        self.lines_: dict[int, tuple[_Line, ...]] = {}
        self.penalty_: Floats | None = None
        if self.learner != "T":
            self._regress(design, y, p=p, effect=effect, order=order)
        return self

    def effects(self, design: Design) -> tuple[Floats, Floats]:
        """(uplift, standard error) of each request's arm against the control, as differences of probability.

        For "T" the forecasts' errors are taken as independent, though they share what arms share; for "DR"
        the error is that of the regression; "X" has both, and is too narrow where few rows hold the forecasts
        it imputes with to each other. Where an error matters, take "DR".
        """
        self._check_fitted()
        check_columns(design, self.features_)
        index = {action: k for k, action in enumerate(self.actions_)}
        unknown = [str(action) for action in design.actions if action not in index]
        if unknown:
            raise UnknownActionError(
                f"{len(unknown)} arms were not in the fit (first: {unknown[0]!r}); effects need randomised "
                f"rows of its arm. Arms of the fit: {[str(a) for a in self.actions_]}."
            )
        arm = np.array([index[action] for action in design.actions], dtype=np.int64)[design.pair]
        c = self.actions_.index(self.control)
        effect, error = self._by_arm(design)
        rows = design.row
        zero = arm == c
        return np.where(zero, 0.0, effect[rows, arm]), np.where(zero, 0.0, error[rows, arm])

    def to_state(self) -> State:
        """Plain JSON and arrays, for a bundle."""
        self._check_fitted()
        outcome_plain, outcome_arrays = self.outcome_.to_state()
        plain: dict[str, Any] = {
            "control": list(self.control),
            "learner": self.learner,
            "actions": [list(action) for action in self.actions_],
            "groups": [list(groups) for groups in self.groups_],
            "features": [vars(f) for f in self.features_],
            "arms": sorted(self.lines_),
            "outcome": outcome_plain,
        }
        arrays = {f"outcome_{name}": array for name, array in outcome_arrays.items()}
        arrays |= {"share": self.share_, "average": self.average_}
        if self.penalty_ is not None:
            arrays["penalty"] = self.penalty_
        for arm, lines in self.lines_.items():
            for i, (coef, cov) in enumerate(lines):
                arrays |= {f"coef_{arm}_{i}": coef, f"cov_{arm}_{i}": cov}
        return plain, arrays

    @classmethod
    def from_state(cls, state: State) -> Uplift:
        """The fitted model that :meth:`to_state` described; ``n_jobs`` is the default again."""
        plain, arrays = state
        model = cls(control=Action(*plain["control"]), learner=plain["learner"])
        model.actions_ = tuple(Action(*action) for action in plain["actions"])
        model.groups_ = tuple(tuple(groups) for groups in plain["groups"])
        model.features_ = tuple(Feature(**feature) for feature in plain["features"])
        model.outcome_ = PairPropensity.from_state((plain["outcome"], under(arrays, "outcome_")))
        model.share_, model.average_ = arrays["share"], arrays["average"]
        model.penalty_ = arrays.get("penalty")
        model.lines_ = {
            int(arm): tuple(
                (arrays[f"coef_{arm}_{i}"], arrays[f"cov_{arm}_{i}"])
                for i in range(1 if model.learner == "DR" else 2)
            )
            for arm in plain["arms"]
        }
        return model

    def _by_arm(self, design: Design) -> tuple[Floats, Floats]:
        """(n_rows, K) effects of every arm on every row, and their errors."""
        k, c = len(self.actions_), self.actions_.index(self.control)
        if self.learner != "DR":
            margin, spread = (part.reshape(-1, k) for part in self.outcome_.score(self._grid(design.shared)))
            p = 1.0 / (1.0 + np.exp(-margin))
            unsure = p * (1 - p) * spread
            if self.learner == "T":
                return p - p[:, [c]], np.hypot(unsure, unsure[:, [c]])
        z = self._curves(design.shared)
        effect, variance = np.zeros((len(z), k)), np.zeros((len(z), k))
        for arm, lines in self.lines_.items():
            imputed = (c, arm)  # what treated and control rows are set against, where that is a forecast
            for i, (weight, (coef, cov)) in enumerate(zip(self._weights(arm), lines, strict=True)):
                effect[:, arm] += weight * (z @ coef)
                variance[:, arm] += weight**2 * np.einsum("ij,jk,ik->i", z, cov, z)
                if self.learner == "X":
                    variance[:, arm] += (weight * unsure[:, imputed[i]]) ** 2
        return effect, np.sqrt(variance)

    def _weights(self, arm: int) -> Floats:
        """How the regressions on treated and on control rows share: the rarer arm's count less."""
        if self.learner == "DR":
            return np.ones(1)
        c = self.actions_.index(self.control)
        treated = self.share_[arm] / (self.share_[arm] + self.share_[c])
        return np.array([1.0 - treated, treated])

    def _regress(self, design: Design, y: Floats, *, p: Floats, effect: Floats, order: Ints) -> None:
        z, c = self._curves(design.shared), self.actions_.index(self.control)
        penalty = np.full(len(self.actions_), np.inf)
        for arm in np.flatnonzero(self.share_):
            if arm == c:
                continue
            if self.learner == "DR":
                parts = [(order, effect[order, arm])]
            else:
                treated, held = (order[design.pair[order] == which] for which in (arm, c))
                parts = [(treated, y[treated] - p[treated, c]), (held, p[held, arm] - y[held])]
            found = [_ridge(z[design.row[rows]], imputed) for rows, imputed in parts]
            self.lines_[int(arm)] = tuple(line for line, _ in found)
            penalty[arm] = max(held for _, held in found)
        self.penalty_ = penalty

    def _crossed(self, design: Design, y: Floats, moments: Ints) -> Floats:
        """(n_requests, K) probability of a response in every arm, by models of other folds."""
        fold = (row_hashes(design.shared) >> np.uint64(7)) % np.uint64(_FOLDS)
        fold = fold[design.row]
        p = np.empty((len(y), len(self.actions_)))
        for f in range(_FOLDS):
            rest, held = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
            if not len(held):
                continue
            model = self.outcome_ if not len(rest) else self._outcome_model()
            if len(rest):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", NBAWarning)  # what is said of all rows was said above
                    model.fit(_taken(design, rest), y[rest], at=moments[rest])
            grid = self._grid(design.shared[design.row[held]])
            margin = model.score(grid)[0].reshape(len(held), -1)
            p[held] = 1.0 / (1.0 + np.exp(-margin))
        return p

    def _grid(self, shared: Floats) -> Design:
        """Every row asked for under every arm."""
        k = len(self.actions_)
        return Design(
            shared=shared,
            own=np.zeros((len(shared) * k, 0)),
            row=np.repeat(np.arange(len(shared)), k),
            pair=np.tile(np.arange(k), len(shared)),
            actions=self.actions_,
            groups=self.groups_,
            shared_features=self.features_,
            own_features=(),
        )

    def _curves(self, shared: Floats) -> Floats:
        basis: Basis = self.outcome_.shared_basis_
        return np.hstack([np.ones((len(shared), 1)), basis.expand(shared)])

    def _outcome_model(self) -> PairPropensity:
        return PairPropensity(calibration_share=0.0, n_jobs=self.n_jobs)

    def _check_arms(self, design: Design) -> None:
        if design.own_features:
            raise ArgumentError(
                f"The design has {len(design.own_features)} columns of the pair's own; a unit has none for "
                "the arms it was not in. Give columns of the HCP only."
            )
        counts = dict(
            zip(design.actions, np.bincount(design.pair, minlength=len(design.actions)), strict=True)
        )
        if not counts.get(self.control):
            raise UnknownActionError(
                f"The control {str(self.control)!r} has no row. Arms with rows: "
                f"{[str(action) for action, n in counts.items() if n]}; name one of them as control."
            )
        self.groups_ = design.groups

    def _check_fitted(self) -> None:
        if not hasattr(self, "average_"):
            raise NotFittedError("Uplift is not fitted; call fit(design, y, selection_prob=...) first.")


def _checked_prob(design: Design, prob: Floats | None, *, randomised: bool) -> Floats:
    """(n_requests,) how likely each unit was to be in its arm."""
    if prob is None:
        if not randomised:
            raise SelectionError(
                "Neither selection probabilities are given nor is randomisation declared; without either "
                "an effect is not identified. Give selection_prob, or randomised=True where arms were drawn "
                "with the same chances for all."
            )
        counted: Floats = np.bincount(design.pair, minlength=len(design.actions)) / len(design)
        return counted[design.pair]
    prob = np.asarray(prob, dtype=float)
    if prob.shape != (len(design),):
        raise SelectionError(
            f"Selection probabilities have shape {prob.shape}; expected one a request: ({len(design)},)."
        )
    odd: Bools = ~((prob > 0) & (prob <= 1))
    if odd.any():
        raise SelectionError(
            f"{int(odd.sum())} selection probabilities are missing or outside (0, 1] (first at row "
            f"{int(np.flatnonzero(odd)[0])}). Leave rows out whose arm was not drawn."
        )
    if (prob == 1).all() and len(set(design.pair.tolist())) > 1:
        raise SelectionError(
            "Every selection probability is 1 though arms differ: nothing was drawn. An effect needs rows "
            "that could have been in another arm."
        )
    few = int((prob < _LEAST_PROB).sum())
    if few:
        warnings.warn(
            f"{few} selection probabilities are below {_LEAST_PROB:g} and are read as that, which "
            "biases effects a little towards what the outcome models say.",
            NBAWarning,
            stacklevel=3,
        )
    return np.maximum(prob, _LEAST_PROB)


def _taken(design: Design, requests: NDArray[np.int64]) -> Design:
    return replace(design, row=design.row[requests], pair=design.pair[requests], own=design.own[requests])


def _ridge(z: Floats, y: Floats) -> tuple[_Line, float]:
    """Coefficients held to 0, the intercept free, with a penalty by generalised cross-validation.

    The covariance is that of the posterior whose prior the penalty is, so what is held back is in it.

    References
    ----------
    Golub, Heath and Wahba (1979), Technometrics 21:215-223.
    """
    n, d = z.shape
    with threadpool_limits(1):  # the same bits whatever the machine offers
        mean = z[:, 1:].mean(axis=0)
        x, level = z[:, 1:] - mean, y.mean()
        values, vectors = np.linalg.eigh(x.T @ x)
        values = np.maximum(values, 0.0)
        along = vectors.T @ (x.T @ (y - level))
        total = float(((y - level) ** 2).sum())
        best, penalty, kept = np.inf, np.inf, np.zeros(d - 1)
        for held in _PENALTIES:
            keep = np.zeros(d - 1) if np.isinf(held) else 1.0 / (values + held)
            freedom = 1.0 + float((values * keep).sum())
            left = total - float((2 * keep * along**2 - values * (keep * along) ** 2).sum())
            loss = n * left / max(n - freedom, 1e-9) ** 2
            if loss < best:
                best, penalty, kept = loss, float(held), keep
        slopes = vectors @ (kept * along)
        noise = float(((y - level - x @ slopes) ** 2).sum()) / max(
            n - 1.0 - float((values * kept).sum()), 1.0
        )
        cov = np.zeros((d, d))
        cov[0, 0] = noise / n
        cov[1:, 1:] = noise * (vectors * kept) @ vectors.T
    # Back from centred curves: the intercept is that of curves of 0.
    back = np.eye(d)
    back[0, 1:] = -mean
    return (back @ np.append(level, slopes), back @ cov @ back.T), penalty
