"""Guardrails as plain JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from nba.contracts import Guardrail
from nba.errors import ArgumentError


class Described:
    """Gives a rule as plain JSON: its class and its settings."""

    def describe(self) -> dict[str, Any]:
        """The class name and every setting, as plain JSON values.

        Examples
        --------
        >>> from nba.guardrails import FrequencyCap
        >>> FrequencyCap(3, days=7).describe()
        {'class': 'FrequencyCap', 'max_touches': 3, 'days': 7.0, 'channel': None}
        """
        settings = {item.name: getattr(self, item.name) for item in fields(self)}  # type: ignore[arg-type]
        return {"class": type(self).__name__, **{k: _plain(v) for k, v in settings.items()}}


def from_dict(described: Mapping[str, Any]) -> Guardrail:
    """Build one of the shipped guardrails from what its ``describe()`` gave.

    Raises
    ------
    ArgumentError
        If the class is not one of ours, or a setting is not one it knows.

    Examples
    --------
    >>> from_dict({"class": "MinimumGap", "days": 5})
    MinimumGap(days=5.0, channel=None)
    """
    known = _known()
    settings = dict(described)
    name = settings.pop("class", None)
    if name not in known:
        raise ArgumentError(
            f"Guardrail class {name!r} is not one of {sorted(known)}. "
            "Construct a rule of your own yourself and pass the object."
        )
    kind = known[name]
    allowed = {item.name for item in fields(kind)}
    if unknown := sorted(set(settings) - allowed):
        raise ArgumentError(f"{name} has no setting {unknown}; it has {sorted(allowed)}. Remove the others.")
    try:
        rule: Guardrail = kind(**settings)
    except TypeError as error:
        raise ArgumentError(f"{name} cannot be built from {sorted(settings)}: {error}.") from error
    return rule


def _known() -> dict[str, Any]:
    """The shipped rules by their class names."""
    from nba import guardrails

    offered = (getattr(guardrails, name) for name in guardrails.__all__)
    return {kind.__name__: kind for kind in offered if isinstance(kind, type) and issubclass(kind, Described)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: value[key] for key in sorted(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
