"""PairPropensity: one model a (content, channel) pair."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nba.artifact import under
from nba.contracts import DAY, Action, Contributions, Design, Feature, Floats, Ints, State
from nba.errors import ArgumentError, BundleError, NBAWarning, NotFittedError, SelectionError
from nba.models.base import HierarchicalLogistic
from nba.models.basis import WIDEST, Basis, features_read
from nba.models.border import (
    check_columns,
    check_outcomes,
    check_values,
    features_of,
    joined,
    outcomes_of,
)
from nba.models.calibration import AffineCalibration
from nba.models.correction import Correction, Named, Past, enough, named_groups
from nba.models.drift import Drift
from nba.models.levels import INTERCEPT, OWN, SHARED, Groups
from nba.models.order import request_order, row_hashes
from nba.models.parallel import one_blas_thread, threads
from nba.models.params import Params
from nba.models.scoring import Posterior, Prepared, gather, score
from nba.models.selection import Selection, checked_probs, fading, part_of, together
from nba.models.tangents import Piece, Rows
from nba.models.weights import Weights

CHUNK = 8_192
"""Rows of a pair that are summed at once; fixed, so that sums do not depend on threads or memory."""
KEPT_BYTES = 2**27
"""Of a fit's expanded rows: so many are kept from step to step, more are expanded anew at each."""
STRENGTH_ROWS = 400_000
"""Rows enough to estimate a dozen strengths from; more are thinned evenly for that step alone."""
LEAST_ROWS = 200
"""Rows under which nothing is kept back for calibration."""
WEIGHT_SHARE = 0.2
"""The latest share of rows that weights are earned on where no slice is kept for calibration."""
JUDGED_FROM = 0.75
"""Share of what stands before the last slice. From there on, and in the last slice, trees are judged
that were grown on the rows before."""
ROUGHLY = 0.03
"""Of the last step of a base that only tells what to correct; what is left is about the square of that."""
_BY_PAIR = ("n", "positives", "place", "pooled", "weight")
_Kept = tuple[tuple[tuple[Action, ...], tuple[Groups, ...]], Prepared]


@dataclass(frozen=True)
class _Training:
    """Training rows, and an order of their own in which all sums run.

    Attributes
    ----------
    pair, groups : the model of each request, and the groups of the models
    named : groups of the models by level of their trees
    curves : (n_rows, n_curves) of the shared columns
    order : requests by moment, those of one moment by what they hold
    weight : (n_rows,) what each counts; None is 1
    """

    design: Design
    y: Floats
    pair: NDArray[np.int64]
    groups: tuple[Groups, ...]
    named: tuple[Named, ...]
    curves: Floats
    moments: NDArray[np.int64]
    order: NDArray[np.int64]
    gap_seconds: int
    weight: Floats | None

    def moment_at(self, share: float) -> int:
        """The moment at which this share of rows is over."""
        return int(self.moments[self.order[min(int(len(self.order) * share), len(self.order) - 1)]])

    def before(self, cut: int) -> NDArray[np.int64]:
        """Rows whose windows end before a moment."""
        return self.order[self.moments[self.order] < cut - self.gap_seconds]

    def between(self, start: int, end: int | None) -> NDArray[np.int64]:
        """Rows from a moment on, up to another."""
        moments = self.moments[self.order]
        return self.order[(moments >= start) & (True if end is None else moments < end)]


class PairPropensity(Params):
    """How likely an HCP responds to each pair: a Bayesian logistic model a pair, held by all pairs.

    margin = line(base + weights * forests): on top of the additive base stand small forests of boosted trees
    for what the base cannot say: one for all pairs, then one for every channel and one for every pair that
    hold enough. Their weights are earned on later rows than any they were grown on, and are 0 where they
    earned nothing.

    A pair with many rows speaks for itself; one with few is held to its channel, its content's tags and
    to all pairs; one with none says ``prior_only`` and is wide. How strongly is estimated from the data.

    Parameters
    ----------
    calibration_share : the latest share of training rows that the affine calibration is learned on; the
        base is then refitted on all rows with the strengths it had found. 0 leaves calibration out
    correction : "auto" grows forests and lets them earn their weights; None leaves them out
    max_pairs : pairs with a model of their own, the most frequent first; what remains of a channel is
        modelled as one
    selection_clip : weight rows by 1 / (logged selection probability), none by more than so many times the
        mean of its pair; rows without one count 1. None (the usual) weights nothing: what the columns say of
        the choice needs no weight, and weights cost rows. See ``nba.models.Selection``
    half_life_days : a row counts half as much for every so many days that the latest one is later, in the fit
        and while learning; None forgets nothing
    n_jobs : threads; -1 takes every core. The numbers do not depend on it

    Attributes
    ----------
    actions_ : the pairs of the fit, and those met since
    n_, positives_ : (K,) training rows of each pair, and how many of them had a response
    place_ : (K,) which of the base's models is the pair's; -1 where it has no row
    pooled_ : (K,) True where that model is shared with what remains of the channel
    base_ : HierarchicalLogistic
    calibration_ : AffineCalibration
    correction_ : Correction; its ``levels`` hold no forest where none earned a weight
    weight_ : (K, 3) weights of the forests for all pairs, for the pair's channel, and for the pair
    weights_ : Weights of the forest for all pairs by channel and size of pair; prints, and has ``rows()`` for
        tables
    dropped_ : names of features that never differed in training
    selection_ : Selection: whether the choice of the training rows is known, and what weighting made of them;
        "observational" where nobody logged it
    drift_ : Drift of what was learned since the fit: ``drift_.alarm`` says when to fit again

    Notes
    -----
    With ``at``, fit and scores have the same bits in any order of rows; without, the last rows are taken for
    the latest. ``spread`` is that of the base and the calibration line, and where forests earned a
    weight one and a half times the variance by which they move margins: where trees gain, they have not
    found all.

    Examples
    --------
    >>> from nba.contracts import Action, Design, Feature
    >>> design = Design(
    ...     shared=np.array([[0.0], [1.0], [2.0], [3.0]]), own=np.zeros((4, 0)), row=np.arange(4),
    ...     pair=np.zeros(4, dtype=int), actions=(Action("hq_email", "safety"),),
    ...     groups=(("channel=hq_email",),), shared_features=(Feature("clicks", "clicks", unit="count"),),
    ...     own_features=(),
    ... )
    >>> model = PairPropensity().fit(design, np.array([0.0, 0.0, 1.0, 1.0]))
    >>> margin, spread = model.score(design)
    >>> bool(np.all(np.diff(margin) > 0)), model.support(design)
    (True, (array([4.]), array([False])))
    """

    def __init__(
        self,
        *,
        calibration_share: float = 0.2,
        correction: Literal["auto"] | None = "auto",
        max_pairs: int = 400,
        selection_clip: float | None = None,
        half_life_days: float | None = None,
        n_jobs: int = -1,
    ) -> None:
        if not 0.0 <= calibration_share < 0.9:
            raise ArgumentError(f"calibration_share is {calibration_share}; expected a share in [0, 0.9).")
        if correction not in ("auto", None):
            raise ArgumentError(f'correction is {correction!r}; expected "auto", or None for the base alone.')
        if max_pairs < 1:
            raise ArgumentError(f"max_pairs is {max_pairs}; expected 1 or more.")
        if selection_clip is not None and not 1.0 <= selection_clip < float("inf"):
            raise ArgumentError(
                f"selection_clip is {selection_clip}; expected 1 or more, or None for no weights."
            )
        if half_life_days is not None and not 0.0 < half_life_days < float("inf"):
            raise ArgumentError(f"half_life_days is {half_life_days}; expected above 0, or None to keep all.")
        if n_jobs < 1 and n_jobs != -1:
            raise ArgumentError(f"n_jobs is {n_jobs}; expected 1 or more threads, or -1 for every core.")
        self.calibration_share = calibration_share
        self.correction = correction
        self.max_pairs = max_pairs
        self.selection_clip = selection_clip
        self.half_life_days = half_life_days
        self.n_jobs = n_jobs
        self._prepared_for: _Kept | None = None

    def fit(
        self,
        design: Design,
        y: Floats,
        *,
        at: Ints | None = None,
        gap_seconds: int = 0,
        selection_prob: Floats | None = None,
        weight: Floats | None = None,
    ) -> PairPropensity:
        """Estimate strengths, coefficients, correction and calibration.

        Parameters
        ----------
        design : requests, one a training row
        y : (n_requests,) 0 or 1
        at : (n_requests,) int64 seconds, for the split in time; without it the last rows calibrate
        gap_seconds : rows this close before a later slice (of calibration, of the correction's weights) are
            left out of what is fitted for it, because their windows reach into it
        selection_prob : (n_requests,) logged probability with which each one's pair was chosen, in (0, 1];
            NaN where none was logged
        weight : (n_requests,) what each row counts, above 0: 2 is the row twice. Slices of time, and the
            fewest rows of a leaf, are counted in rows whatever they weigh

        Raises
        ------
        OutcomeError
            If an outcome is neither 0 nor 1, or there is none.
        ArgumentError
            If a feature is infinite, a weight is not above 0, or ``half_life_days`` has no ``at`` to go by.
        SelectionError
            If a selection probability is outside (0, 1], or ``selection_clip`` is set and none was logged.
        """
        y = outcomes_of(design, y)
        prob = checked_probs(selection_prob, len(y))
        self._check_weights(weight, at, len(y))
        self._check_logged(prob)
        check_outcomes(y)
        check_values(design)
        moments = np.arange(len(y)) if at is None else np.asarray(at, dtype=np.int64)
        k = len(design.actions)
        self.selection_ = Selection.of(design.pair, prob, n_pairs=k, clip=self.selection_clip)
        self.chosen_: tuple[Action, ...] = design.actions
        self.fitted_at_ = self.known_at_ = int(moments.max())
        self.drift_ = Drift.none()
        counts = together(
            weight if weight is None else np.asarray(weight, dtype=float),
            self.selection_.weights(design.pair, prob),
            self._fading(moments, self.known_at_),
        )
        # Rows that hold and count the same may change places.
        alike = y if counts is None else np.where(y > 0, counts, -counts)
        order = moments if at is None else request_order(design, alike, moments)
        self._choose_curves(design, order, counts)
        groups = self._choose_pairs(design, y)
        rows = _Training(
            design,
            y,
            pair=self.place_[design.pair],
            groups=tuple(groups),
            named=self._named(design, groups),
            curves=self.shared_basis_.expand(design.shared),
            moments=moments,
            order=order,
            gap_seconds=gap_seconds,
            weight=counts,
        )
        with one_blas_thread():
            cut = self._calibration_cut(rows)
            base = self._estimated(rows, order if cut is None else rows.before(cut))
            full = base if cut is None else self._refitted(base, rows, order)
            self.correction_, later, margin = self._corrected(base, full, rows, cut)
            self.weight_ = self._earned(rows)
            self.calibration_ = AffineCalibration.identity()
            if cut is not None:
                channel = [groups[k][0] for k in rows.pair[later]]
                late = part_of(counts, later)
                self.calibration_ = AffineCalibration.fit(margin, y[later], channel, weight=late)
        self.base_ = full
        self._prepared_for = None
        return self

    def score(self, design: Design) -> tuple[Floats, Floats]:
        """(margin, spread) of each request: calibrated log-odds of the mean, and its standard deviation."""
        return self._score(design, spreads=True)

    def margin(self, design: Design) -> Floats:
        """The margins of :meth:`score` alone, to the same bits, at a tenth of the time."""
        return self._score(design, spreads=False)[0]

    def _score(self, design: Design, *, spreads: bool) -> tuple[Floats, Floats]:
        self._check(design)
        check_values(design)
        pairs = self._prepared(design)
        return score(
            design,
            shared=self.shared_basis_,
            own=self.own_basis_,
            pairs=pairs,
            added=self.correction_.added(design, pairs.asked, n_jobs=self._threads()),
            spreads=spreads,
            n_jobs=self._threads(),
        )

    def support(self, design: Design) -> tuple[Floats, NDArray[np.bool_]]:
        """(n, prior_only) of each of the design's pairs: training rows, and whether there were none."""
        self._check_fitted()
        n = self._prepared(design).n
        return n.copy(), n == 0

    def responses(self, design: Design) -> Floats:
        """(K,) how many training rows of each of the design's pairs had a response."""
        self._check_fitted()
        of = dict(zip(self.actions_, self.positives_.tolist(), strict=True))
        return np.array([of.get(action, 0.0) for action in design.actions])

    def contributions(self, design: Design) -> Contributions:
        """Exact parts of each request's calibrated margin, against the average training row.

        A feature's part is the sum of its curves' coefficients times curves, and its exact Shapley value in
        the forest times the pair's weight, on the calibrated scale; a feature that never differed in training
        has none. ``base`` is the calibrated margin where every curve stands at its mean in training, plus
        the forest's weighted mean over its training rows.
        """
        margin, spread = self.score(design)
        pairs = self._prepared(design)
        z = np.hstack(
            [self.shared_basis_.expand(design.shared)[design.row], self.own_basis_.expand(design.own)]
        )
        coef, line = pairs.coef[design.pair], pairs.line[design.pair]
        values, mean = self.correction_.contributions(design, pairs.asked)
        first, source = features_read(
            self.shared_basis_.source, self.own_basis_.source, self.shared_basis_.n_features
        )
        if len(source):
            values[:, source] += np.add.reduceat(coef[:, 1:] * z, first, axis=1)
        values *= line[:, 1:2]
        base = line[:, 0] + line[:, 1] * (coef[:, 0] + mean)
        return Contributions(base, values, margin, features_of(design), spread)

    def learn(
        self, design: Design, y: Floats, *, at: Ints | None = None, selection_prob: Floats | None = None
    ) -> PairPropensity:
        """Absorb new outcomes: posteriors and calibration move; strengths, curves, trees and weights stay.

        Adding up: learning a and then b gives what learning both at once gives. New rows are read through
        the fit's calibration line; what the moved coefficients leave unexplained moves the line's shift.
        With ``half_life_days``, everything known so far counts less by the time that the new rows are later,
        and what it comes to is what the rows of the fit and all later ones give, weighed by their age: one
        solution of the same equations. Rows weighted by selection keep the factors of the fit.

        Before they are learned, outcomes are held against their forecasts: ``drift_`` warns, once, when
        these no longer hold.

        Parameters
        ----------
        at : (n_requests,) int64 seconds; needed with ``half_life_days``
        selection_prob : (n_requests,) as in :meth:`fit`

        Raises
        ------
        OutcomeError, ArgumentError, SelectionError
            As in :meth:`fit`.
        """
        self._check(design)
        check_values(design)
        y = outcomes_of(design, y)
        prob = checked_probs(selection_prob, len(y))
        self._check_weights(None, at, len(y))
        if not len(y):
            return self
        self._watch(design, y)
        counts, fade = self._counts_of_news(design, at, prob)
        pair, groups = self._make_room(design, y)
        # Always through the lines of the fit: lines that have moved would count what moved them twice.
        lines = np.array([self.calibration_.fitted_line(g[0]) for g in groups])
        index = {action: k for k, action in enumerate(self.actions_)}
        weight = self.weight_[[index[action] for action in design.actions]]
        asked = self.correction_.asked(design.actions, design.groups, weight)
        added = self.correction_.added(design, asked, n_jobs=self._threads())
        rows = self._rows(
            design,
            y,
            pair=pair,
            n_pairs=len(groups),
            take=np.arange(len(design)),
            curves=self.shared_basis_.expand(design.shared),
            added=added,
            weight=counts,
        )
        self.base_ = self.base_.absorb(rows, groups=groups, lines=lines, fade=fade)
        surplus = self.base_.surplus(lines[:, 1])
        kept = self._fading(np.array([self.fitted_at_]), self.known_at_)
        self.calibration_ = self.calibration_.absorb(
            surplus, [g[0] for g in groups], kept=1.0 if kept is None else float(kept[0])
        )
        self._prepared_for = None
        return self

    def to_state(self) -> State:
        """Plain JSON and arrays, for a bundle."""
        self._check_fitted()
        shared_plain, shared_arrays = self.shared_basis_.to_state("shared")
        own_plain, own_arrays = self.own_basis_.to_state("own")
        base_plain, base_arrays = self.base_.to_state()
        line_plain, line_arrays = self.calibration_.to_state()
        trees_plain, trees_arrays = self.correction_.to_state()
        selection_plain, selection_arrays = self.selection_.to_state()
        drift_plain, drift_arrays = self.drift_.to_state()
        plain: dict[str, Any] = {
            "calibration_share": self.calibration_share,
            "correction": self.correction,
            "max_pairs": self.max_pairs,
            "selection_clip": self.selection_clip,
            "half_life_days": self.half_life_days,
            "fitted_at": self.fitted_at_,
            "known_at": self.known_at_,
            "chosen": [list(action) for action in self.chosen_],
            "selection": selection_plain,
            "drift": drift_plain,
            "actions": [list(action) for action in self.actions_],
            "shared_features": [vars(f) for f in self.shared_features_],
            "own_features": [vars(f) for f in self.own_features_],
            "dropped": list(self.dropped_),
            "shared_basis": shared_plain,
            "own_basis": own_plain,
            "base": base_plain,
            "calibration": line_plain,
            "trees": trees_plain,
        }
        arrays = {name: getattr(self, f"{name}_") for name in _BY_PAIR}
        arrays |= {**shared_arrays, **own_arrays}
        arrays |= {f"base_{name}": array for name, array in base_arrays.items()}
        arrays |= {f"calibration_{name}": array for name, array in line_arrays.items()}
        arrays |= {f"trees_{name}": array for name, array in trees_arrays.items()}
        arrays |= {f"selection_{name}": array for name, array in selection_arrays.items()}
        arrays |= {f"drift_{name}": array for name, array in drift_arrays.items()}
        return plain, arrays

    @classmethod
    def from_state(cls, state: State) -> PairPropensity:
        """The fitted model that :meth:`to_state` described; ``n_jobs`` is the default again.

        Raises
        ------
        BundleError
            If an earlier version saved the model, or its trees are no trees.
        """
        plain, arrays = state
        missing = [name for name in ("trees", "selection", "drift") if name not in plain]
        if missing:
            raise BundleError(
                f"The bundle's PairPropensity lacks {missing}, so an earlier version saved it; "
                "this one cannot read it. Fit and save the model again."
            )
        model = cls(
            calibration_share=plain["calibration_share"],
            correction=plain["correction"],
            max_pairs=plain["max_pairs"],
            selection_clip=plain["selection_clip"],
            half_life_days=plain["half_life_days"],
        )
        model.actions_ = tuple(Action(*a) for a in plain["actions"])
        model.shared_features_ = tuple(Feature(**f) for f in plain["shared_features"])
        model.own_features_ = tuple(Feature(**f) for f in plain["own_features"])
        model.dropped_ = tuple(plain["dropped"])
        for name in _BY_PAIR:
            setattr(model, f"{name}_", arrays[name])
        model.shared_basis_ = Basis.from_state((plain["shared_basis"], arrays), "shared")
        model.own_basis_ = Basis.from_state((plain["own_basis"], arrays), "own")
        model.base_ = HierarchicalLogistic.from_state((plain["base"], under(arrays, "base_")))
        lines = under(arrays, "calibration_")
        model.calibration_ = AffineCalibration.from_state((plain["calibration"], lines))
        model.correction_ = Correction.from_state((plain["trees"], under(arrays, "trees_")))
        model.fitted_at_, model.known_at_ = int(plain["fitted_at"]), int(plain["known_at"])
        model.chosen_ = tuple(Action(*a) for a in plain["chosen"])
        model.selection_ = Selection.from_state((plain["selection"], under(arrays, "selection_")))
        model.drift_ = Drift.from_state((plain["drift"], under(arrays, "drift_")))
        return model

    @property
    def weights_(self) -> Weights:
        """The correction's weights by channel and size of pair."""
        self._check_fitted()
        return self.correction_.weights

    def _check_weights(self, weight: Floats | None, at: Ints | None, n: int) -> None:
        if weight is not None and (
            np.shape(weight) != (n,) or not np.all(np.isfinite(weight) & (np.asarray(weight) > 0))
        ):
            raise ArgumentError(
                f"Weights have shape {np.shape(weight)} or hold numbers that are not above 0; expected a "
                f"finite one above 0 for each of {n} requests. Leave rows out that are not to count."
            )
        if at is None and self.half_life_days is not None and n:
            raise ArgumentError(
                f"half_life_days is {self.half_life_days:g} and there is no at=; give the moment of each "
                "row, for its age is what it is forgotten by."
            )
        if at is not None and np.shape(at) != (n,):
            raise ArgumentError(f"Moments have shape {np.shape(at)}; expected one a request: ({n},).")

    def _check_logged(self, prob: Floats | None) -> None:
        if self.selection_clip is not None and (prob is None or not np.isfinite(prob).any()):
            raise SelectionError(
                "selection_clip is set, and no row has a selection probability: how rows were chosen is not "
                "known, so it cannot be undone. Give selection_prob, or leave selection_clip out; the model "
                "then says that it is observational."
            )

    def _fading(self, moments: Ints, until: int) -> Floats | None:
        if self.half_life_days is None:
            return None
        return fading(moments, until=until, half_life_seconds=self.half_life_days * DAY)

    def _counts_of_news(
        self, design: Design, at: Ints | None, prob: Floats | None
    ) -> tuple[Floats | None, float]:
        """What new rows count, and the share that is left of what all earlier ones counted."""
        place = {action: k for k, action in enumerate(self.chosen_)}
        known = np.array([place.get(action, -1) for action in design.actions], dtype=np.int64)
        chosen = self.selection_.weights(known[design.pair], prob)
        if at is None or self.half_life_days is None:
            return chosen, 1.0
        moments = np.asarray(at, dtype=np.int64)
        before, self.known_at_ = self.known_at_, max(self.known_at_, int(moments.max()))
        left = self._fading(np.array([before]), self.known_at_)
        assert left is not None
        return together(chosen, self._fading(moments, self.known_at_)), float(left[0])

    def _watch(self, design: Design, y: Floats) -> None:
        """Hold outcomes against the forecasts of them, and say when these no longer hold."""
        margin, spread = self.score(design)
        lines = [self.calibration_.line(groups[0]) for groups in design.groups]
        slopes = np.array([slope for _, slope in lines])
        cov = self.base_.level_covariance(design.groups) * np.outer(slopes, slopes)
        before = self.drift_
        self.drift_ = before.met(
            y,
            margin=margin,
            spread=spread,
            pair=design.pair,
            shared_cov=cov + self.calibration_.pooled_cov[0, 0],
            slope_var=float(self.calibration_.pooled_cov[1, 1]),
        )
        if self.drift_.alarm and not before.alarm:
            warnings.warn(f"Forecasts no longer hold: {self.drift_}.", NBAWarning, stacklevel=3)

    def _choose_curves(self, design: Design, order: Ints, counts: Floats | None) -> None:
        self.shared_features_, self.own_features_ = design.shared_features, design.own_features
        rows = np.argsort(row_hashes(design.shared), kind="stable")
        self.shared_basis_ = Basis.fit(design.shared_features, design.shared, order=rows)
        self.own_basis_ = Basis.fit(design.own_features, design.own, order=order, weight=counts)
        dropped = [self.shared_features_[j].name for j in self.shared_basis_.constant]
        self.dropped_ = (*dropped, *(self.own_features_[j].name for j in self.own_basis_.constant))

    def _choose_pairs(self, design: Design, y: Floats) -> list[Groups]:
        """Give pairs with rows a model of their own, the most frequent first; the groups of the models."""
        k = len(design.actions)
        self.actions_ = design.actions
        self.n_: Floats = np.bincount(design.pair, minlength=k).astype(float)
        self.positives_: Floats = np.asarray(np.bincount(design.pair, weights=y, minlength=k), dtype=float)
        self.pooled_ = np.zeros(k, dtype=bool)
        with_rows = np.flatnonzero(self.n_)
        if len(with_rows) > self.max_pairs:
            frequent = sorted(with_rows, key=lambda j: (-self.n_[j], design.actions[j]))
            self.pooled_[frequent[self.max_pairs :]] = True
            warnings.warn(
                f"{len(with_rows)} pairs have rows; the {self.max_pairs} most frequent get a model of their "
                "own, what remains of each channel is modelled as one. Raise max_pairs for more.",
                NBAWarning,
                stacklevel=3,
            )
        own = [j for j in with_rows if not self.pooled_[j]]
        channels = sorted({design.groups[j][0] for j in np.flatnonzero(self.pooled_)})
        self.place_: NDArray[np.int64] = np.full(k, -1, dtype=np.int64)
        self.place_[own] = np.arange(len(own))
        for j in np.flatnonzero(self.pooled_):
            self.place_[j] = len(own) + channels.index(design.groups[j][0])
        return [design.groups[j] for j in own] + [(channel,) for channel in channels]

    def _named(self, design: Design, groups: list[Groups]) -> tuple[Named, ...]:
        """Groups of the models by level of their trees; what remains of a channel has none of its own."""
        own = np.flatnonzero((self.place_ >= 0) & ~self.pooled_)
        action = {self.place_[j]: design.actions[j] for j in own}
        return tuple(named_groups(action.get(place), of) for place, of in enumerate(groups))

    def _make_room(self, design: Design, y: Floats) -> tuple[NDArray[np.int64], tuple[Groups, ...]]:
        """Count new rows, and give pairs with their first ones a model: (model of each request, groups)."""
        known = set(self.actions_)
        self.actions_ += tuple(action for action in design.actions if action not in known)
        index = {action: k for k, action in enumerate(self.actions_)}
        moved = np.array([index[action] for action in design.actions], dtype=np.int64)
        more = np.zeros(len(self.actions_) - len(self.n_))
        request = moved[design.pair]
        counts = np.bincount(request, minlength=len(self.actions_))
        self.n_ = np.append(self.n_, more) + counts.astype(float)
        self.positives_ = np.append(self.positives_, more) + np.bincount(
            request, weights=y, minlength=len(self.actions_)
        )
        self.pooled_ = np.append(self.pooled_, more > 0)
        self.place_ = np.append(self.place_, more - 1).astype(np.int64)
        channels = dict(zip(design.actions, (g[0] for g in design.groups), strict=True))
        new = [
            self.correction_.weight(named_groups(a, (channels[a],)), positives=0.0)
            for a in self.actions_[len(self.weight_) :]
        ]
        self.weight_ = np.vstack([self.weight_, *new])
        groups = list(self.base_.groups)
        for k, own in sorted(zip(moved.tolist(), design.groups, strict=True)):
            if counts[k] and self.place_[k] < 0:
                self.place_[k] = len(groups)
                groups.append(own)
        return self.place_[request], tuple(groups)

    def _calibration_cut(self, rows: _Training) -> int | None:
        """From when on rows calibrate; None where none do."""
        if self.calibration_share == 0 or len(rows.order) < LEAST_ROWS:
            return None
        cut = rows.moment_at(1 - self.calibration_share)
        early = rows.before(cut)
        if len(early) < len(rows.order) // 4:
            warnings.warn(
                f"Calibration is left out: only {len(early)} of {len(rows.order)} rows end before its slice. "
                "Give a longer history or calibration_share=0 to say so yourself.",
                NBAWarning,
                stacklevel=3,
            )
            return None
        return cut

    def _corrected(
        self,
        base: HierarchicalLogistic,
        full: HierarchicalLogistic,
        rows: _Training,
        cut: int | None,
    ) -> tuple[Correction, NDArray[np.int64], Floats]:
        """The correction, the rows from the cut on, and their margins by what was learned before it."""
        last = np.zeros(0, dtype=np.int64) if cut is None else rows.between(cut, None)
        if self.correction is None or len(rows.order) < LEAST_ROWS:
            return Correction.none(), last, self._margins(base, rows, last)
        final = rows.moment_at(1 - WEIGHT_SHARE) if cut is None else cut
        cuts = [rows.moment_at(float(np.mean(rows.moments < final)) * JUDGED_FROM), final]
        spans = [(rows.before(lo), rows.between(lo, hi)) for lo, hi in zip(cuts, [final, None], strict=True)]
        if not all(enough(rows.y[seen]) and enough(rows.y[later]) for seen, later in spans):
            return Correction.none(), last, self._margins(base, rows, last)

        def past(moment: int, seen: NDArray[np.int64], later: NDArray[np.int64]) -> Past:
            there = base if moment == cut else self._refitted(base, rows, seen, tolerance=ROUGHLY)
            margins = (self._margins(there, rows, some) for some in (seen, later))
            positives = _sums(rows.pair[seen], rows.y[seen], len(rows.groups))
            return Past(seen, next(margins), later, next(margins), positives)

        pasts = [past(moment, *span) for moment, span in zip(cuts, spans, strict=True)]
        positives = _sums(rows.pair, rows.y, len(rows.groups))
        now = Past(rows.order, self._margins(full, rows, rows.order), last[:0], np.zeros(0), positives)
        correction, added = Correction.grow(
            rows.design,
            rows.y,
            pasts=(*pasts, now),
            model=rows.pair,
            groups=rows.named,
            weight=rows.weight,
            n_jobs=self._threads(),
        )
        return correction, last, pasts[-1].ahead + added if cut is not None else np.zeros(0)

    def _earned(self, rows: _Training) -> Floats:
        """(K, 3) the correction's weights of each pair, by the size of its model's pair."""
        positives = _sums(rows.pair, rows.y, len(rows.groups))
        design = rows.design
        return np.array(
            [
                self.correction_.weight(
                    named_groups(action, groups), positives=positives[place] if place >= 0 else 0.0
                )
                for place, action, groups in zip(self.place_, design.actions, design.groups, strict=True)
            ]
        )

    def _estimated(self, rows: _Training, take: NDArray[np.int64]) -> HierarchicalLogistic:
        """A base with strengths estimated on these rows, or on a part of them where there are very many."""
        every = -(-len(take) // STRENGTH_ROWS)
        kinds = [INTERCEPT] + [SHARED] * len(self.shared_basis_) + [OWN] * len(self.own_basis_)
        k = len(rows.groups)
        start = np.zeros((k, len(kinds)))
        start[:, 0] = _start_levels(rows, k)
        base = HierarchicalLogistic.fit(
            self._rows(
                rows.design,
                rows.y,
                pair=rows.pair,
                n_pairs=k,
                take=take[::every],
                curves=rows.curves,
                weight=rows.weight,
            ),
            kinds=np.array(kinds, dtype=np.int64),
            groups=rows.groups,
            start=start,
            n_jobs=self._threads(),
        )
        return base if every == 1 else self._refitted(base, rows, take)

    def _refitted(
        self,
        base: HierarchicalLogistic,
        rows: _Training,
        take: NDArray[np.int64],
        *,
        tolerance: float = 1e-3,
    ) -> HierarchicalLogistic:
        """The base on other rows, with the strengths it has."""
        return HierarchicalLogistic.fit(
            self._rows(
                rows.design,
                rows.y,
                pair=rows.pair,
                n_pairs=len(base.groups),
                take=take,
                curves=rows.curves,
                weight=rows.weight,
            ),
            kinds=base.levels.kinds,
            groups=base.groups,
            start=base.coef,
            strengths=base.strengths,
            n_jobs=self._threads(),
            tolerance=tolerance,
        )

    def _threads(self) -> int:
        return threads(self.n_jobs)

    def _rows(
        self,
        design: Design,
        y: Floats,
        *,
        pair: NDArray[np.int64],
        n_pairs: int,
        take: NDArray[np.int64],
        curves: Floats,
        added: Floats | None = None,
        weight: Floats | None = None,
    ) -> Rows:
        """A pair's rows in fixed chunks, expanded when they are asked for; few enough are then kept."""
        order = take[np.argsort(pair[take], kind="stable")]
        bounds = np.searchsorted(pair[order], np.arange(n_pairs + 1))
        d = 1 + len(self.shared_basis_) + len(self.own_basis_)

        def rows(k: int) -> Iterator[Piece]:
            for lo in range(bounds[k], bounds[k + 1], CHUNK):
                piece = order[lo : min(lo + CHUNK, bounds[k + 1])]
                z = np.empty((len(piece), d))
                gather(curves, design.own[piece], design.row[piece], self.own_basis_.curves, WIDEST, z)
                yield z, y[piece], part_of(added, piece), part_of(weight, piece)

        if len(take) * d * 8 > KEPT_BYTES:
            return rows
        return cache(lambda k: list(rows(k)))

    def _margins(self, base: HierarchicalLogistic, rows: _Training, take: NDArray[np.int64]) -> Floats:
        """(len(take),) margins of some training rows by a base."""
        margin = np.empty(len(rows.design))
        position = np.arange(len(rows.design), dtype=float)
        with one_blas_thread():
            chunks = self._rows(
                rows.design, position, pair=rows.pair, n_pairs=len(base.coef), take=take, curves=rows.curves
            )
            for k in range(len(base.coef)):
                for z, here, *_ in chunks(k):
                    margin[here.astype(np.int64)] = z @ base.coef[k]
        taken: Floats = margin[take]
        return taken

    def _prepared(self, design: Design) -> Prepared:
        """What scoring needs of the design's pairs; kept until other pairs are asked for."""
        wanted = (design.actions, design.groups)
        kept = self._prepared_for
        if kept is None or kept[0] != wanted:
            index = {action: k for k, action in enumerate(self.actions_)}

            weight = np.array(
                [
                    self.weight_[index[action]]
                    if action in index
                    else self.correction_.weight(named_groups(action, groups), positives=0.0)
                    for action, groups in zip(*wanted, strict=True)
                ]
            )

            def posterior(i: int) -> Posterior:
                mean, cov, line, line_cov = self._posterior(
                    index.get(design.actions[i], -1), design.groups[i]
                )
                # What trees have not found yet is unknown whatever the columns say, as the shift is.
                unsaid = line[1] ** 2 * self.correction_.unsaid(weight[i])
                return mean, cov, line, line_cov + np.diag([unsaid, 0.0])

            n = np.array([self.n_[index[a]] if a in index else 0.0 for a in design.actions])
            asked = self.correction_.asked(*wanted, weight)
            kept = wanted, Prepared.of(n, self.base_.n_columns, posterior, asked=asked)
            self._prepared_for = kept
        return kept[1]

    def _posterior(self, k: int, groups: Groups) -> Posterior:
        base, line = self.base_, self.calibration_.line(groups[0])
        line_cov = self.calibration_.covariance(groups[0])
        place = self.place_[k] if k >= 0 else -1
        if place < 0:
            return *base.prior_of(groups), line, line_cov
        mean, cov = base.coef[place], base.cov[place]
        if self.pooled_[k]:  # its own difference from what remains of the channel is not known
            cov = cov + np.diag(1.0 / base.strengths.diagonal("pair", base.levels.kinds))
        return mean, cov, line, line_cov

    def _check(self, design: Design) -> None:
        self._check_fitted()
        check_columns(design, joined(self.shared_features_, self.own_features_))

    def _check_fitted(self) -> None:
        if not hasattr(self, "base_"):
            raise NotFittedError("PairPropensity is not fitted; call fit(design, y) first.")


def _sums(pair: NDArray[np.int64], y: Floats, n_pairs: int) -> Floats:
    """(n_pairs,) the sum of y by pair."""
    return np.asarray(np.bincount(pair, weights=y, minlength=n_pairs), dtype=float)


def _start_levels(rows: _Training, n_pairs: int) -> Floats:
    """Log-odds of every pair's rate, held to the rate of all by ten rows."""
    pair, y = rows.pair[rows.order], rows.y[rows.order]
    count = np.ones(len(y)) if rows.weight is None else rows.weight[rows.order]
    overall = (float((count * y).sum()) + 0.5) / (float(count.sum()) + 1.0)
    n = np.bincount(pair, weights=count, minlength=n_pairs)
    rates = (np.bincount(pair, weights=count * y, minlength=n_pairs) + 10 * overall) / (n + 10)
    levels: Floats = np.log(rates / (1 - rates))
    return levels
