"""A fitted model as plain JSON and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from nba import artifact, guardrails, models, policies
from nba.contracts import Guardrail, Policy
from nba.errors import BundleError
from nba.features import EngagementFeatures, OutcomeRule, outcome_from_json, outcome_to_json
from nba.policies.worth import ContextWeight, Worth

Manifest = dict[str, Any]
Arrays = dict[str, NDArray[Any]]

_KIND = "nba.NextBestAction"
_SCORERS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        models.PairPropensity,
        models.LightGBMPerPair,
        models.NaiveBayesPerPair,
        models.RecencyFrequency,
        models.SegmentBaseline,
    )
}
_Part = TypeVar("_Part")


class Fitted(Protocol):
    """What a bundle holds of a model: its settings, what the fit counted, and what was learned since."""

    outcome: OutcomeRule
    features: EngagementFeatures
    scorer: Any
    policy: Policy
    holdout: policies.Holdout | None
    explore_cap: policies.ExploreCap | None
    guardrails: tuple[Guardrail, ...]
    waive: tuple[str, ...]
    valid_days: float
    worth: Worth
    rates_: dict[str, float]
    continuation_: dict[str, dict[str, float]] | None
    fitted_until_: int
    horizon_days_: float
    training_: dict[str, Any]
    learned_: dict[bytes, float]


def state_of(model: Fitted) -> tuple[Manifest, Arrays]:
    """Everything that a fitted model decides with, and what it has learned."""
    scorer, arrays = model.scorer.to_state() if hasattr(model.scorer, "to_state") else ({}, {})
    features, _ = model.features.to_state()
    keys = sorted(model.learned_)
    worth = asdict(model.worth)
    del worth["continues"]  # counted at the fit, kept beside the rates
    manifest = {
        "kind": _KIND,
        "outcome": _listed(outcome_to_json(model.outcome)),
        "features": _listed(features),
        "scorer": {"class": type(model.scorer).__name__, **scorer},
        "policy": _described(model.policy),
        "holdout": None if model.holdout is None else model.holdout.describe(),
        "explore_cap": None if model.explore_cap is None else model.explore_cap.describe(),
        "guardrails": [_described(rule) for rule in model.guardrails],
        "waive": list(model.waive),
        "valid_days": model.valid_days,
        "worth": _listed(worth),
        "rates": model.rates_,
        "continuation": model.continuation_,
        "fitted_until": model.fitted_until_,
        "horizon_days": model.horizon_days_,
        "training": model.training_,
    }
    learned = {
        "learned_keys": np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 16),
        "learned_rewards": np.array([model.learned_[key] for key in keys], dtype=float),
    }
    return manifest, {**{f"scorer_{name}": a for name, a in arrays.items()}, **learned}


def settings_of(
    manifest: Manifest, arrays: Arrays, *, policy: Policy | None, rules: Sequence[Guardrail] | None
) -> dict[str, Any]:
    """What the model is made from: the arguments of ``NextBestAction``.

    Parameters
    ----------
    policy, rules : those of the caller's own classes, instead of the described ones

    Raises
    ------
    BundleError
        If the manifest is of something else, or names a part that does not exist.
    """
    if manifest.get("kind") != _KIND:
        raise BundleError(f"The bundle holds {manifest.get('kind')!r}; expected {_KIND!r}.")
    scorer = _SCORERS.get(manifest["scorer"]["class"])
    if scorer is None:
        raise BundleError(
            f"The bundle's scorer {manifest['scorer']['class']!r} is not one of {sorted(_SCORERS)}."
        )
    worth = manifest["worth"]
    return {
        "outcome": outcome_from_json(manifest["outcome"]),
        "features": EngagementFeatures.from_state((manifest["features"], {})),
        "scorer": scorer.from_state((manifest["scorer"], artifact.under(arrays, "scorer_"))),
        "policy": policy if policy is not None else policies.from_dict(manifest["policy"]),
        "holdout": _part(manifest.get("holdout"), policies.Holdout),
        "explore_cap": _part(manifest.get("explore_cap"), policies.ExploreCap),
        "guardrails": rules
        if rules is not None
        else [guardrails.from_dict(described) for described in manifest["guardrails"]],
        "waive": manifest["waive"],
        "valid_days": manifest["valid_days"],
        "value": worth["value"],
        "levers": worth["levers"],
        "terms": worth["terms"],
        "do_nothing_value": worth["do_nothing"],
        "objectives": worth["objectives"],
        "contexts": [ContextWeight(**weight) for weight in worth["contexts"]],
        "minute_cost": worth["minute_cost"],
        "attention_cost": worth["attention_cost"],
    }


def take_up(model: Fitted, manifest: Manifest, arrays: Arrays) -> None:
    """Give a model made from its settings what the fit counted, and what was learned since."""
    model.rates_ = manifest["rates"]
    model.continuation_ = manifest.get("continuation")
    model.fitted_until_ = int(manifest["fitted_until"])
    model.horizon_days_ = float(manifest["horizon_days"])
    model.training_ = manifest["training"]
    keys, rewards = arrays["learned_keys"], arrays["learned_rewards"]
    model.learned_ = {bytes(key): float(r) for key, r in zip(keys, rewards, strict=True)}


def _described(part: Any) -> dict[str, Any]:
    """A policy or rule as plain JSON; one without ``describe`` is named only, and must be given at load."""
    if hasattr(part, "describe"):
        plain: dict[str, Any] = _listed(part.describe())
        return plain
    return {"class": type(part).__name__}


def _part(described: Any, kind: type[_Part]) -> _Part | None:
    found: Any = None if described is None else policies.from_dict(described)
    if found is not None and not isinstance(found, kind):
        raise BundleError(f"The bundle holds a {type(found).__name__}; expected a {kind.__name__}.")
    return found


def _listed(value: Any) -> Any:
    """Plain JSON as it reads back: tuples are lists."""
    if isinstance(value, Mapping):
        return {str(name): _listed(item) for name, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value


__all__ = ["settings_of", "state_of", "take_up"]
