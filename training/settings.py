"""The model of the commands, and what of it can be tuned."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import nba
from nba import guardrails, policies
from nba.errors import ArgumentError
from nba.features import STANDARD, EngagementFeatures
from nba.features.declare import Declared
from nba.recommender import NextBestAction

USUAL: dict[str, Any] = {"calibration_share": 0.2, "half_lives": 1.0, "windows": 1.0}
"""What a model is made with unless told otherwise."""

CHOICES: dict[str, tuple[Any, ...]] = {
    "calibration_share": (0.0, 0.1, 0.2, 0.3, 0.4),
    "half_lives": (0.5, 1.0, 2.0),
    "windows": (0.5, 1.0, 2.0),
}
"""What may be tuned: few settings, each shared by all pairs.

Strengths of pooling are not among them: the model estimates these from the data. ``half_lives`` and
``windows`` multiply the days of every fading sum, and of every count and rate.
"""

if "correction" in inspect.signature(nba.PairPropensity.__init__).parameters:
    USUAL["correction"] = inspect.signature(nba.PairPropensity.__init__).parameters["correction"].default
    CHOICES["correction"] = ("auto", None)


def read_settings(path: Path | None) -> dict[str, Any]:
    """The settings in a file that ``training.tune`` wrote; without one, the usual ones.

    Raises
    ------
    ArgumentError
        If the file cannot be read, or holds a setting or a value that is not among the choices.
    """
    if path is None:
        return dict(USUAL)
    try:
        given = json.loads(path.read_text("utf-8"))["params"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ArgumentError(
            f"{path} holds no settings ({type(error).__name__}). Expected the best.json of training.tune: "
            '{"params": {...}}.'
        ) from None
    wrong = sorted(set(given) - set(CHOICES)) if isinstance(given, dict) else ["params"]
    wrong += [] if wrong else sorted(name for name in given if given[name] not in CHOICES[name])
    if wrong:
        known = "; ".join(f"{name}: {list(choices)}" for name, choices in CHOICES.items())
        raise ArgumentError(f"{path} holds {', '.join(wrong)} that cannot be set so. Expected {known}.")
    return USUAL | given


def make_model(settings: Mapping[str, Any] = USUAL, **changes: Any) -> NextBestAction:
    """The model of the commands: standard features, pooled pairs, a cautious contact policy.

    Parameters
    ----------
    settings : by the names of :data:`CHOICES`
    changes : arguments of :class:`NextBestAction` given instead

    Examples
    --------
    >>> make_model({**USUAL, "half_lives": 2.0}).features.measures[6].half_life_days
    28
    """
    own = {name: value for name, value in settings.items() if name not in ("half_lives", "windows")}
    parts: dict[str, Any] = {
        "outcome": nba.Response(within_days=14.0),
        "features": EngagementFeatures([_stretched(measure, settings) for measure in STANDARD]),
        "scorer": nba.PairPropensity(**own),
        "policy": policies.InverseGap(explore=0.05),
        "guardrails": [
            guardrails.FrequencyCap(8, days=30),
            guardrails.MinimumGap(2),
            guardrails.MinimumGap(14, channel="rep_visit"),
            guardrails.MinimumGap(14, channel="remote_call"),
            guardrails.MinimumGap(21, channel="msl_visit"),
        ],
    }
    return NextBestAction(**(parts | changes))


def _stretched(measure: Declared, settings: Mapping[str, Any]) -> Declared:
    """A measure that looks back longer or shorter."""
    names = {field.name for field in fields(measure)}
    changes = {}
    for setting, name in (("half_lives", "half_life_days"), ("windows", "window_days")):
        days = getattr(measure, name) if name in names else None
        if days is not None:
            changes[name] = round(days * settings[setting] + 0.1)  # half a week is four days
    return replace(measure, **changes) if changes else measure
