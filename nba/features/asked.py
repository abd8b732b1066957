"""What is asked of histories: the actions, and the keys they look up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Action, Columns, Floats
from nba.features.beside import TableMeasure
from nba.features.declare import Declared, Fit, HistoryMeasure
from nba.features.events import action_groups, content_tags
from nba.kept import kept


@dataclass(frozen=True)
class Asked:
    """Everything that depends on the actions alone, made once for any number of designs.

    Attributes
    ----------
    actions : the pairs, K of them
    groups : for each pair the groups it is shrunk to
    own : by kind of key the distinct keys, and (K,) which is whose (-1: the action has none)
    audiences : by column of the content table each action's audience; () where it is not known
    """

    actions: tuple[Action, ...]
    groups: tuple[tuple[str, ...], ...]
    own: Mapping[str, tuple[tuple[Any, ...], NDArray[np.int32]]]
    audiences: Mapping[str, tuple[tuple[str, ...], ...]]

    @classmethod
    def of(cls, actions: Sequence[Action], *, measures: Sequence[Declared], content: Columns) -> Asked:
        """Look up what these measures need to know of the actions."""
        viewing = (m for m in measures if isinstance(m, HistoryMeasure | TableMeasure) and m.own)
        kinds = {m.by for m in viewing if m.by is not None}
        columns = {m.audience for m in measures if isinstance(m, Fit)}
        return cls(
            actions=tuple(actions),
            groups=action_groups(actions, content),
            own={by: _own_keys(by, actions, content) for by in sorted(kinds)},
            audiences={column: _audiences(column, actions, content) for column in sorted(columns)},
        )

    @cached_property
    def together(self) -> NDArray[np.int32]:
        """(K,) the one key of what is counted over all keys at once."""
        return np.zeros(len(self.actions), dtype=np.int32)

    def fits(self, audience: str, names: Sequence[str]) -> Floats:
        """(n_names, K): 1 where the name is in the action's audience, 0 where not, NaN where not known."""
        audiences = self.audiences[audience]
        return np.array([_fits(name, audiences) for name in names]).reshape(len(names), len(audiences))


@kept
def _fits(name: str, audiences: tuple[tuple[str, ...], ...]) -> Floats:
    return np.array([float(name in wanted) if name and wanted else np.nan for wanted in audiences])


def _own_keys(
    by: str, actions: Sequence[Action], content: Columns
) -> tuple[tuple[Any, ...], NDArray[np.int32]]:
    of: list[Any]
    if by == "pair":
        of = list(actions)
    elif by in ("channel", "content"):
        of = [getattr(action, by) for action in actions]
    else:
        tags = content_tags(content, by)
        of = [tags.get(action.content, "") for action in actions]
    keys = tuple(sorted({key for key in of if key != ""}))
    place = {key: i for i, key in enumerate(keys)}
    return keys, np.array([place.get(key, -1) for key in of], dtype=np.int32)


def _audiences(column: str, actions: Sequence[Action], content: Columns) -> tuple[tuple[str, ...], ...]:
    of = dict(zip(content["content_id"], content.get(column, ()), strict=column in content))
    return tuple(of.get(action.content, ()) for action in actions)
