"""Parameters read and set by name, as scikit-learn does."""

from __future__ import annotations

import inspect
from typing import Any, Self


class Params:
    """Gives a class ``get_params`` and ``set_params`` from its constructor, so that it can be cloned.

    Examples
    --------
    >>> from nba.models import SegmentBaseline
    >>> SegmentBaseline(strength=20.0).set_params(by=("tier",))
    SegmentBaseline(by=('tier',), strength=20.0)
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's parameters; ``deep`` is there for scikit-learn and changes nothing."""
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        return {name: getattr(self, name) for name in names}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, checked as the constructor checks them; what was fitted stays."""
        type(self).__init__(self, **(self.get_params() | params))
        return self

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({given})"
