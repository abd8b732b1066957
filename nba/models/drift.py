"""An alarm that says when forecasts no longer hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from nba.contracts import Floats, Ints, State

SHIFTS, SLOPES = (0.25, -0.25, 0.5, -0.5), (-0.35, -0.7)
ALTERNATIVES = (*((shift, 0.0) for shift in SHIFTS), *((0.0, slope) for slope in SLOPES))
"""(shift, slope) by which log-odds may stand off: less than half the smallest of a kind is no drift."""
FALSE_ALARMS = 0.01
"""Chance that a model whose forecasts hold ever rings, however often and whenever one looks."""


@dataclass(frozen=True, eq=False)
class Drift:
    """Evidence that outcomes have left the forecasts they were met with.

    Before outcomes are learned they are held against what the model, as it then stood, forecast of them.
    For each of a few ways in which log-odds may stand off (all higher, all lower, differences that tell less
    than they did) an e-value multiplies how much likelier the outcomes are that way; what the model itself
    does not know (the spread of a pair, what pairs share, the calibration line) is taken out of it. The mean
    of the e-values is at most 1 on average while forecasts hold, so it ever reaches 100 in one of a hundred
    such models (Ville's inequality), whenever one looks.

    An alarm stands until the next fit. ``learn`` follows a level that moves slowly; after an alarm strengths,
    trees and curves are those of another time, so fit again on later rows.

    Attributes
    ----------
    rows : outcomes held against forecasts since the fit
    expected, came : responses forecast of them, and those that came
    log_e : logarithms of the e-values of ``ALTERNATIVES``
    highest : logarithm of the largest mean e-value so far

    References
    ----------
    Ville (1939); Ramdas, Gruenwald, Vovk and Shafer (2023), Statistical Science 38:576-601.

    Examples
    --------
    >>> nothing = Drift.none()
    >>> nothing.alarm, nothing.p_value
    (False, 1.0)
    >>> margin, spread, pair = np.full(400, -2.0), np.full(400, 0.05), np.zeros(400, dtype=int)
    >>> y = (np.arange(400) % 4 == 0).astype(float)
    >>> print(nothing.met(y, margin=margin, spread=spread, pair=pair))
    100 responses among 400 outcomes, 47.7 forecast; 2.10 times as many (p 6.2e-08): fit again
    """

    rows: int
    expected: float
    came: float
    log_e: Floats
    highest: float = 0.0

    @classmethod
    def none(cls) -> Drift:
        """Nothing was held against anything yet."""
        return cls(0, 0.0, 0.0, np.zeros(len(ALTERNATIVES)))

    @property
    def e_value(self) -> float:
        """How much likelier outcomes were under a drift than under the forecasts; the mean over drifts."""
        return float(np.exp(_log_mean(self.log_e)))

    @property
    def p_value(self) -> float:
        """Chance of this much evidence, at any moment so far, while forecasts hold; in (0, 1]."""
        return float(np.exp(-max(self.highest, 0.0)))

    @property
    def alarm(self) -> bool:
        """Whether the model should be fitted again."""
        return self.p_value <= FALSE_ALARMS

    @property
    def kind(self) -> Literal["level", "differences"]:
        """What speaks most against the forecasts: their level, or the differences between HCPs."""
        return "level" if int(self.log_e.argmax()) < len(SHIFTS) else "differences"

    def met(
        self,
        y: Floats,
        *,
        margin: Floats,
        spread: Floats,
        pair: Ints,
        shared_cov: Floats | None = None,
        slope_var: float = 0.0,
    ) -> Drift:
        """Hold outcomes against their forecasts.

        Parameters
        ----------
        y : (n,) 0 or 1
        margin, spread : (n,) of the model before it learns them; the spread holds what pairs share, too
        pair : (n,) index of each row's pair
        shared_cov : (K, K) what the levels of pairs have in common, as covariance; None is nothing
        slope_var : variance of a slope that all margins have in common
        """
        if not len(y):
            return self
        seen = _Seen.of(
            y, margin=margin, spread=spread, pair=pair, shared_cov=shared_cov, slope_var=slope_var
        )
        log_e = self.log_e + np.array([seen.log_e(shift, slope) for shift, slope in ALTERNATIVES])
        return replace(
            self,
            rows=self.rows + len(y),
            expected=self.expected + float(seen.p.sum()),
            came=self.came + float(y.sum()),
            log_e=log_e,
            highest=max(self.highest, _log_mean(log_e)),
        )

    def __str__(self) -> str:
        said = f"{self.came:,.0f} responses among {self.rows:,} outcomes, {self.expected:,.1f} forecast"
        if not self.alarm:
            return f"{said}; forecasts hold (p {self.p_value:.2g})"
        way = "differences between HCPs tell less than they did"
        if self.kind == "level":
            way = f"{self.came / self.expected:.2f} times as many"
        return f"{said}; {way} (p {self.p_value:.2g}): fit again"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for dashboards and runs."""
        return {
            "rows": self.rows,
            "expected": self.expected,
            "came": self.came,
            "e_value": self.e_value,
            "p_value": self.p_value,
            "kind": self.kind,
            "alarm": self.alarm,
        }

    def to_state(self) -> State:
        """Plain JSON and arrays."""
        names = ("rows", "expected", "came", "highest")
        return {name: getattr(self, name) for name in names}, {"log_e": self.log_e}

    @classmethod
    def from_state(cls, state: State) -> Drift:
        """What :meth:`to_state` described."""
        plain, a = state
        return cls(
            int(plain["rows"]),
            float(plain["expected"]),
            float(plain["came"]),
            a["log_e"],
            float(plain["highest"]),
        )


@dataclass(frozen=True, eq=False)
class _Seen:
    """Outcomes beside their forecasts, and what the forecasts do not know, pair by pair."""

    y: Floats
    p: Floats
    apart: Floats  # margins about their pair's mean
    pair: Ints
    n_pairs: int
    unknown: Floats  # (K,) variance of a pair's level
    width: Floats  # (K,) variance of margins within a pair
    heard: Floats  # (K,) what of a drift a pair's own error leaves to be heard
    shared_cov: Floats
    slope_var: float

    @classmethod
    def of(
        cls,
        y: Floats,
        *,
        margin: Floats,
        spread: Floats,
        pair: Ints,
        shared_cov: Floats | None,
        slope_var: float,
    ) -> _Seen:
        # the mean of p where log-odds are Gaussian (MacKay 1992, Neural Computation 4:720-736, equation 10)
        p = 1.0 / (1.0 + np.exp(-margin / np.sqrt(1.0 + np.pi * spread**2 / 8)))
        v = p * (1 - p)
        k = int(pair.max()) + 1 if shared_cov is None else len(shared_cov)
        information = np.bincount(pair, v, k)
        held = np.maximum(information, 1e-300)
        common = np.zeros((k, k)) if shared_cov is None else shared_cov
        unknown = np.maximum(np.bincount(pair, v * spread**2, k) / held - np.diag(common), 0.0)
        mean = np.bincount(pair, v * margin, k) / held
        apart = margin - mean[pair]
        width = np.bincount(pair, v * apart**2, k) / held
        heard = 1.0 / (1.0 + information * unknown)
        return cls(y, p, apart, pair, k, unknown, width, heard, common, slope_var)

    def log_e(self, shift: float, slope: float) -> float:
        """How much likelier outcomes are where log-odds stand off so; less what the model does not know.

        With d the drift of each row, as far as it is heard: sum d (y - p) less the logarithm of what
        exp of it comes to, on average, over outcomes that follow p and errors of p that are Gaussian.
        """
        whole = shift + slope * self.apart
        drift = whole * self.heard[self.pair]
        moved = drift * self.p * (1 - self.p)
        drift /= 1.0 + self._common(moved) / max(float(whole @ moved), 1e-300)
        moved = drift * self.p * (1 - self.p)
        usual = float(np.log1p(self.p * np.expm1(drift)).sum() - drift @ self.p)
        level = np.bincount(self.pair, moved, self.n_pairs)
        turned = np.bincount(self.pair, moved * self.apart, self.n_pairs)
        own = self.unknown * (level**2 + turned**2 / np.maximum(self.width, 1e-300))
        unknown = float(own.sum()) + self._common(moved)
        return float(drift @ (self.y - self.p)) - usual - unknown / 2

    def _common(self, moved: Floats) -> float:
        """Variance of the sum of what errors that all pairs share make of a drift."""
        level = np.bincount(self.pair, moved, self.n_pairs)
        turned = float(moved @ self.apart)
        return float(level @ self.shared_cov @ level) + self.slope_var * turned**2


def _log_mean(log_e: Floats) -> float:
    top = float(log_e.max())
    return top + float(np.log(np.exp(log_e - top).mean()))
