"""Policies as plain JSON, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from nba.contracts import Policy
from nba.errors import ArgumentError


class Described:
    """Gives a policy as plain JSON: its class and its settings."""

    def describe(self) -> dict[str, Any]:
        """The class name and every setting, as plain JSON values.

        Examples
        --------
        >>> from nba.policies import EpsilonGreedy
        >>> EpsilonGreedy(0.1).describe()
        {'class': 'EpsilonGreedy', 'epsilon': 0.1}
        """
        settings = {item.name: _plain(getattr(self, item.name)) for item in fields(self)}  # type: ignore[arg-type]
        return {"class": type(self).__name__, **settings}

    @property
    def reads_spread(self) -> bool:
        """Whether ``Scores.spread`` moves its probabilities; where not, nobody need work it out."""
        return True


def reads_spread(policy: Policy) -> bool:
    """Whether a policy reads ``Scores.spread``; one that does not say is taken to.

    Examples
    --------
    >>> from nba.policies import Greedy, InverseGap, Thompson
    >>> reads_spread(Greedy()), reads_spread(InverseGap()), reads_spread(Thompson())
    (False, False, True)
    """
    return bool(getattr(policy, "reads_spread", True))


def from_dict(described: Mapping[str, Any]) -> Policy:
    """Build one of the shipped policies from what its ``describe()`` gave.

    Raises
    ------
    ArgumentError
        If the class is not one of ours, or a setting is not one it knows.

    Examples
    --------
    >>> from_dict({"class": "Greedy"})
    Greedy(explore=0.0)
    """
    known = _known()
    settings = dict(described)
    name = settings.pop("class", None)
    if name not in known:
        raise ArgumentError(
            f"Policy class {name!r} is not one of {sorted(known)}. "
            "Construct a policy of your own yourself and pass the object."
        )
    kind = known[name]
    allowed = {item.name for item in fields(kind)}
    if unknown := sorted(set(settings) - allowed):
        raise ArgumentError(f"{name} has no setting {unknown}; it has {sorted(allowed)}. Remove the others.")
    inner = {key: from_dict(part) if isinstance(part, Mapping) else part for key, part in settings.items()}
    policy: Policy = kind(**inner)
    return policy


def _plain(setting: Any) -> Any:
    """A setting as plain JSON: a policy inside another by its own description, one without by its name."""
    if isinstance(setting, Policy):
        described = getattr(setting, "describe", None)
        return described() if described else {"class": type(setting).__name__}
    return setting


def check_is_policy(found: object, *, name: str) -> None:
    """Refuse what is no policy, by the name of the setting it was given as.

    Raises
    ------
    ArgumentError
        If it has no ``explore`` or no ``weights(...)``.
    """
    if not isinstance(found, Policy):
        raise ArgumentError(
            f"The {name} is a {type(found).__name__}, expected a policy: something with explore and "
            "weights(...). Give one of nba.policies, or your own."
        )


def number_between(value: object, *, name: str, low: float, high: float = math.inf) -> float:
    """Check a setting's range, and give it as a float.

    Raises
    ------
    ArgumentError
        If it is not a finite number from ``low`` to ``high``.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value < math.inf or value > high:  # type: ignore[operator]
        limits = f"of at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        raise ArgumentError(
            f"Found {name}={value!r}, expected a finite number {limits}. Correct the setting."
        )
    return float(value)  # type: ignore[arg-type]


def _known() -> dict[str, Any]:
    from nba import policies

    kinds = (
        policies.Budget, policies.EpsilonGreedy, policies.ExploreCap, policies.Forgetting, policies.Greedy,
        policies.Holdout, policies.InverseGap, policies.Ramp, policies.Softmax, policies.Split,
        policies.Thompson, policies.Uniform,
    )  # fmt: skip
    return {kind.__name__: kind for kind in kinds}
