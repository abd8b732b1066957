"""What a model checks before any work is done."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numba import njit

from nba.contracts import Bools, Design, Feature, Floats
from nba.errors import ArgumentError, NBAWarning, OutcomeError
from nba.kept import kept
from nba.models.basis import HUGE


def outcomes_of(design: Design, y: Floats) -> Floats:
    """Outcomes as float64, one 0 or 1 a request; says so when they are all the same.

    Raises
    ------
    OutcomeError
        If they are no numbers, if the shape is not (n_requests,), or if one is neither 0 nor 1.
    """
    try:
        y = np.asarray(y, dtype=float)
    except (TypeError, ValueError):
        raise OutcomeError("Outcomes are not numbers; expected 0 or 1 a request.") from None
    if y.shape != (len(design),):
        raise OutcomeError(f"Outcomes have shape {y.shape}; expected one a request: ({len(design)},).")
    odd = np.flatnonzero(~((y == 0) | (y == 1)))
    if len(odd):
        raise OutcomeError(
            f"{len(odd)} outcomes are neither 0 nor 1 (first at row {odd[0]}). "
            "Leave rows without a known outcome out; an open window is not a 0."
        )
    return y


def check_outcomes(y: Floats) -> None:
    """Refuse to fit on no outcome at all, and say when outcomes are all the same."""
    if not len(y):
        raise OutcomeError(
            "There are no outcomes to fit on; expected one at least. Widen the training period."
        )
    if y.min() == y.max():
        warnings.warn(
            f"All {len(y)} outcomes are {int(y[0])}: the model can only say how sure that makes it.",
            NBAWarning,
            stacklevel=3,
        )


def check_values(design: Design) -> None:
    """Refuse infinite feature values, and name columns whose values are beyond belief.

    Raises
    ------
    ArgumentError
        If a value is infinite; NaN is missing and welcome.
    """
    for features, x in ((design.shared_features, design.shared), (design.own_features, design.own)):
        most = np.zeros(x.shape[1], dtype=np.float64)
        _largest(np.asarray(x), most)
        if not (most > HUGE).any():
            continue
        infinite = _named(features, np.isinf(most))
        if infinite:
            raise ArgumentError(
                f"Features hold infinite values: {infinite}. Expected finite numbers, or NaN where missing; "
                "nothing else is read as missing."
            )
        huge = _named(features, most > HUGE)
        if huge:
            warnings.warn(
                f"Features hold values beyond {HUGE:g}: {huge}; they are read as {HUGE:g}. Check their unit.",
                NBAWarning,
                stacklevel=3,
            )


@njit(cache=True, nogil=True)
def _largest(x, most):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The largest size of each column's values, in one pass; NaN has none."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            size = abs(x[i, j])
            if size > most[j]:
                most[j] = size


def check_columns(design: Design, fitted: Sequence[Feature]) -> None:
    """Refuse columns other than those of the fit, by name and order: a swapped column is silently wrong.

    Raises
    ------
    ArgumentError
        If a column is missing, extra or elsewhere.
    """
    if _are_named_alike(features_of(design), tuple(fitted)):
        return
    wanted = [f.name for f in fitted]
    found = [f.name for f in design.features]
    missing = sorted(set(wanted) - set(found))[:5]
    extra = sorted(set(found) - set(wanted))[:5]
    raise ArgumentError(
        f"The design's {len(found)} columns are not the {len(wanted)} the model was fitted on, in "
        f"their order (missing: {missing}, extra: {extra}). Use the features that were fitted with the model."
    )


@kept
def _are_named_alike(some: tuple[Feature, ...], others: tuple[Feature, ...]) -> bool:
    return [f.name for f in some] == [f.name for f in others]


def features_of(design: Design) -> tuple[Feature, ...]:
    """All columns of a design; the same object for the same ones, by which they are known again."""
    return joined(design.shared_features, design.own_features)


@kept
def joined(shared: tuple[Feature, ...], own: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """Shared columns and own ones, put together once."""
    return shared + own


def _named(features: Sequence[Feature], found: Bools) -> list[str]:
    """Names of the first five features with a find."""
    return [features[j].name for j in np.flatnonzero(found)[:5]]
