"""Hands contributions to shap, so that every shap plot works."""

from __future__ import annotations

from typing import Any

import numpy as np

from nba.contracts import Contributions, Floats
from nba.errors import ArgumentError
from nba.explain.inert import inert
from nba.explain.reasons import Audience, check_audience


def to_shap(contributions: Contributions, rows: Floats, *, audience: Audience = "rep") -> Any:
    """Contributions as a ``shap.Explanation``, in log-odds.

    For "hq", ``values`` and ``base_values`` add up to the margin. For reps columns that are not for them are
    left out and ``base_values`` are 0: with the margin, or the true base, what is missing could be told from
    what is there. Such an explanation says how visible features compare, not what the propensity is.

    Parameters
    ----------
    contributions : exact parts of margins
    rows : (m, n_features) values of the features

    Raises
    ------
    ArgumentError
        If ``rows`` is not of the contributions' shape.
    """
    check_audience(audience)
    if np.shape(rows) != contributions.values.shape:
        raise ArgumentError(
            f"The features' values have shape {np.shape(rows)}, the contributions "
            f"{contributions.values.shape}; expected the same. Give the rows that were explained."
        )
    import shap

    shown = [
        column
        for column, feature in enumerate(contributions.features)
        if audience == "hq" or feature.visibility == "rep"
    ]
    return shap.Explanation(
        values=contributions.values[:, shown].copy(),
        base_values=contributions.base.copy() if audience == "hq" else np.zeros(len(contributions.base)),
        data=np.asarray(rows, dtype=float)[:, shown],
        feature_names=[_label(contributions.features[column]) for column in shown],
    )


def _label(feature: Any) -> str:
    window = f", {feature.window_days} d" if feature.window_days is not None else ""
    return inert(f"{feature.label}{window}")


__all__ = ["to_shap"]
