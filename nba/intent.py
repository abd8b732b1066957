"""What HCPs are likely to do next, whoever contacts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nba import artifact, models
from nba.contracts import (
    DAY,
    Action,
    Bools,
    Design,
    Facet,
    Floats,
    Ints,
    Labels,
    Strings,
    Tables,
    probability,
)
from nba.decision import Known
from nba.errors import ArgumentError, BundleError, NotFittedError, SelectionError
from nba.features import (
    Asked,
    EngagementFeatures,
    IntentRule,
    PrescriptionShare,
    PrescriptionTrend,
    Switch,
    outcome_from_json,
    outcome_to_json,
)
from nba.features.standard import STANDARD
from nba.models.exclusive import held_to_one
from nba.tables import Engagement, as_moment

if TYPE_CHECKING:
    import pandas as pd

EVERYBODY = "everybody"
"""What an intent says of the choice of its training rows where nobody chose: all HCPs were asked."""
_KIND = "nba.Intent"
_SCORERS: dict[str, Any] = {
    kind.__name__: kind for kind in (models.PairPropensity, models.LightGBMPerPair, models.SegmentBaseline)
}
_Z90 = 1.6448536269514722


@dataclass(frozen=True)
class Intents:
    """How likely HCPs do something within a horizon, as of a moment.

    Attributes
    ----------
    asof : int seconds UTC; nothing that happened or became known at or after it was read
    horizon_days : how far ahead they look
    calibrated : whether a later slice of the training rows calibrated the probabilities
    selection : how training rows came to be chosen: "everybody" was asked; or somebody chose them, which is
        "observational", "partly logged" or "logged"
    visibility : "restricted" where they are about prescriptions: never for reps
    hcps : (n,) sorted; keys : (K,) what may happen
    margin, spread : (n, K) log-odds and their standard deviation; NaN where it is not asked: engaged with it
        before, or nothing may be said
    n : (K,) training rows; prior_only : (K,) True where there were none
    """

    asof: int
    horizon_days: float
    calibrated: bool
    selection: str
    visibility: Literal["rep", "restricted"]
    hcps: Strings
    keys: tuple[str, ...]
    margin: Floats
    spread: Floats
    n: Floats
    prior_only: Bools

    @property
    def propensity(self) -> Floats:
        """(n, K) probabilities; NaN where it is not asked."""
        return probability(self.margin)

    def to_frame(self) -> pd.DataFrame:
        """One row an HCP, one column a key; ``attrs`` has asof, horizon_days and calibrated."""
        import pandas as pd

        frame = pd.DataFrame(
            self.propensity, index=pd.Index(self.hcps, name="hcp_id"), columns=list(self.keys)
        )
        frame.attrs = {"asof": self.asof, "horizon_days": self.horizon_days, "calibrated": self.calibrated}
        return frame

    def __getitem__(self, hcp: str) -> tuple[Facet, ...]:
        """What may happen with one HCP, the likeliest first, each with its 90 % interval."""
        place = np.flatnonzero(self.hcps == hcp)
        if not len(place):
            raise ArgumentError(
                "The HCP is not among those that were asked about. Predict again with hcps=[...]."
            )
        row = int(place[0])
        order = sorted(
            range(len(self.keys)), key=lambda k: (-np.nan_to_num(self.margin[row, k], nan=-1e9), k)
        )
        return tuple(self._facet(row, k) for k in order)

    def _facet(self, row: int, k: int) -> Facet:
        margin, spread, n = float(self.margin[row, k]), float(self.spread[row, k]), float(self.n[k])
        if np.isnan(margin):
            return Facet(self.keys[k], None, n=n, status="not_available")
        low, high = probability(np.array([margin - _Z90 * spread, margin + _Z90 * spread])).tolist()
        status: Literal["prior_only", "ok"] = "prior_only" if self.prior_only[k] else "ok"
        return Facet(
            self.keys[k], float(probability(np.array([margin]))[0]), n=n, interval=(low, high), status=status
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.hcps)

    def __str__(self) -> str:
        asof = np.datetime64(self.asof, "s")
        how = "calibrated" if self.calibrated else "not calibrated"
        how += "" if self.selection == EVERYBODY else f", {self.selection}"
        return (
            f"{len(self):,} HCPs x {len(self.keys)} as of {asof}Z, within {self.horizon_days:g} days, {how}"
        )


class Intent:
    """Forecasts what HCPs do next with the machinery of propensities, and another outcome.

    It answers no "what if we sent": what is forecast happens with whatever is sent as usual. What is chosen
    stays the business of :class:`nba.NextBestAction`.

    Parameters
    ----------
    outcome : ``NextEngagement`` (channel or topic), ``FirstEngagement`` (with an indication), ``Attendance``
        (of who is invited) or ``Switch`` (from one product to another)
    features : declared features; the standard set by default, with shares of prescriptions for a ``Switch``
    scorer : one model a channel, topic, indication or event; pooled by default. With ``selection_clip`` it
        weights invitations by their logged selection probabilities; of other outcomes everybody is asked, and
        there is no choice to undo

    Attributes
    ----------
    features, scorer : as given; fitted once ``fit`` was called
    fitted_until_ : int seconds; no label read past it
    training_ : rows and positives; with_selection_prob, how many rows have one; and selection, as in
        :class:`Intents`

    Raises
    ------
    ArgumentError
        If the outcome is none that can be asked at any moment.
    SelectionError
        If the scorer has a ``selection_clip``, and nobody chose the outcome's rows.

    Examples
    --------
    >>> import nba
    >>> from nba import simulate
    >>> data = simulate.territory(seed=1, hcps=40, days=150, contents=20).engagement
    >>> intent = Intent(nba.NextEngagement(by="topic"), scorer=nba.SegmentBaseline())
    >>> found = intent.fit(data, until="2026-09-01").predict(data, at="2026-09-01", hcps=["hcp_0001"])
    >>> found.horizon_days, found.calibrated, len(found["hcp_0001"]) == len(found.keys)
    (14.0, False, True)
    """

    def __init__(
        self, outcome: IntentRule, *, features: EngagementFeatures | None = None, scorer: Any = None
    ) -> None:
        if not hasattr(outcome, "standing"):
            raise ArgumentError(
                f"{type(outcome).__name__} cannot be asked of HCPs at any moment. Expected NextEngagement, "
                "FirstEngagement, Attendance or Switch; a Response belongs to NextBestAction."
            )
        self.outcome = outcome
        self.features = features if features is not None else _features_for(outcome)
        self.scorer = scorer if scorer is not None else models.PairPropensity()
        if getattr(self.scorer, "selection_clip", None) is not None and not outcome.is_chosen:
            raise SelectionError(
                f"The scorer has a selection_clip, but {type(outcome).__name__} asks every HCP at every "
                "moment: nobody chose its rows, and no choice can be undone. Leave selection_clip out."
            )

    def fit(self, data: Engagement, *, until: Any = None) -> Intent:
        """Learn from labels whose window closed by ``until``, by default ``data.observed_until``.

        Raises
        ------
        ArgumentError
            If no window closed by then, or the tables do not allow the outcome at all.
        SelectionError
            If the scorer has a ``selection_clip``, and no row has a logged selection probability.
        """
        end = data.observed_until if until is None else min(as_moment(until), data.observed_until)
        labels = self.outcome.labels(data, until=end)
        if not len(labels):
            raise ArgumentError(
                "No window of the outcome has closed by the given moment. Give a longer history, a later "
                "until, or a shorter within_days."
            )
        self.features.fit_events(self.features.events(data), data.columns("hcps"), until=end)
        known = Known.of(data, self.features)
        design = self._design(
            known, hcps=labels.hcps, at=labels.at, actions=labels.actions, row=labels.row, pair=labels.pair
        )
        window = self.outcome.horizon_seconds(data.columns("channels"))
        # Plain models weigh all rows alike; where everybody is asked there is nothing to tell.
        pooled = isinstance(self.scorer, models.PairPropensity) and self.outcome.is_chosen
        told = {"selection_prob": labels.selection_prob} if pooled else {}
        self.scorer.fit(design, labels.y, at=labels.at[labels.row], gap_seconds=window, **told)
        self.fitted_until_, self.horizon_days_ = end, window / DAY
        self.training_: dict[str, Any] = {
            "rows": len(labels),
            "positives": int(labels.y.sum()),
            "with_selection_prob": int(np.isfinite(labels.selection_prob).sum()),
            "selection": self._selection(labels),
        }
        return self

    def predict(
        self, data: Tables, *, at: Any, hcps: Sequence[str] | None = None, chunk: int = 2_000
    ) -> Intents:
        """What HCPs are likely to do next, as of a moment.

        Parameters
        ----------
        data : an Engagement, or one HCP's tables (``nba.tables.OneHCP``): the same bits
        at : nothing that happened or became known at or after it is read
        hcps : which; None is all of the hcp table
        """
        self._check_fitted()
        moment = as_moment(at)
        who = np.array(sorted(data.columns("hcps")["hcp_id"] if hcps is None else set(hcps)), dtype=object)
        actions = self.outcome.asked(data)
        known = Known.of(data, self.features)
        parts = [
            self._predicted(known, who[lo : lo + chunk], moment, actions)
            for lo in range(0, max(len(who), 1), chunk)
        ]
        n, prior_only = self._support(known, actions)
        return Intents(
            asof=moment,
            horizon_days=self.horizon_days_,
            calibrated=bool(getattr(getattr(self.scorer, "calibration_", None), "groups", ())),
            selection=self.training_["selection"],
            visibility=self.outcome.visibility,
            hcps=who,
            keys=tuple(self.outcome.called(action) for action in actions),
            margin=np.concatenate([margin for margin, _ in parts]),
            spread=np.concatenate([spread for _, spread in parts]),
            n=n,
            prior_only=prior_only,
        )

    def save(self, folder: str | Path, *, overwrite: bool = False) -> str:
        """Write what was fitted as a bundle of plain JSON and arrays; gives its digest."""
        self._check_fitted()
        plain, arrays = self.scorer.to_state()
        manifest = {
            "kind": _KIND,
            "outcome": outcome_to_json(self.outcome),
            "features": self.features.to_state()[0],
            "scorer": {"class": type(self.scorer).__name__, **plain},
            "fitted_until": self.fitted_until_,
            "horizon_days": self.horizon_days_,
            "training": self.training_,
        }
        return artifact.save(folder, manifest=manifest, arrays=arrays, overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | Path, *, digest: str | None = None) -> Intent:
        """Read a bundle that :meth:`save` wrote; nothing in it is ever executed.

        Raises
        ------
        BundleError
            If it is incomplete, altered, newer than this library, or of something else.
        """
        manifest, arrays, _ = artifact.load(folder, digest=digest)
        if manifest.get("kind") != _KIND:
            raise BundleError(f"The bundle holds {manifest.get('kind')!r}; expected {_KIND!r}.")
        scorer = _SCORERS.get(manifest["scorer"]["class"])
        if scorer is None:
            raise BundleError(
                f"The bundle's scorer is not one of {sorted(_SCORERS)}. Save it with one of them."
            )
        intent = cls(
            _as_intent(outcome_from_json(manifest["outcome"])),
            features=EngagementFeatures.from_state((manifest["features"], {})),
            scorer=scorer.from_state((manifest["scorer"], arrays)),
        )
        intent.fitted_until_ = int(manifest["fitted_until"])
        intent.horizon_days_ = float(manifest["horizon_days"])
        intent.training_ = manifest["training"]
        return intent

    def _predicted(
        self, known: Known, who: Strings, at: int, actions: Sequence[Action]
    ) -> tuple[Floats, Floats]:
        asked = self.outcome.is_open(known.tables, hcps=who, at=at, actions=actions)
        margin, spread = np.full(asked.shape, np.nan), np.full(asked.shape, np.nan)
        row, pair = np.nonzero(asked)
        if len(row):
            moments = np.full(len(who), at, dtype=np.int64)
            design = self._design(known, hcps=who, at=moments, actions=actions, row=row, pair=pair)
            margin[row, pair], spread[row, pair] = self.scorer.score(design)
        return held_to_one(margin) if self.outcome.is_exclusive else margin, spread

    def _selection(self, labels: Labels) -> str:
        if not self.outcome.is_chosen:
            return EVERYBODY
        return models.Selection.of(labels.pair, labels.selection_prob, n_pairs=0).kind

    def _support(self, known: Known, actions: Sequence[Action]) -> tuple[Floats, Bools]:
        none, nobody = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=object)
        design = self._design(known, hcps=nobody, at=none, actions=actions, row=none, pair=none)
        n, prior_only = self.scorer.support(design)
        return n, prior_only

    def _design(
        self, known: Known, *, hcps: Strings, at: Ints, actions: Sequence[Action], row: Ints, pair: Ints
    ) -> Design:
        content = self.outcome.standing(known.tables.columns("content"))
        return self.features.design(
            known.events,
            known.tables.columns("hcps"),
            hcps=hcps,
            at=at,
            actions=Asked.of(actions, measures=self.features.measures, content=content),
            row=row,
            pair=pair,
            profiled=known.profiled(hcps, at),
        )

    def _check_fitted(self) -> None:
        if not hasattr(self, "fitted_until_"):
            raise NotFittedError(
                "This intent is not fitted; call fit(data, until=...) or Intent.load(...) first."
            )


def _features_for(outcome: IntentRule) -> EngagementFeatures:
    if not isinstance(outcome, Switch):
        return EngagementFeatures.standard()
    of_products = PrescriptionShare(), PrescriptionTrend(of=outcome.of, by="product_id")
    return EngagementFeatures([*STANDARD, *of_products])


def _as_intent(outcome: Any) -> IntentRule:
    if not hasattr(outcome, "standing"):
        raise BundleError(f"The bundle's outcome is a {type(outcome).__name__}, which is no intent.")
    rule: IntentRule = outcome
    return rule


__all__ = ["Intent", "Intents"]
