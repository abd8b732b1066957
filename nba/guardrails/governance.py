"""Which content stands approved, how long, and what is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nba.contracts import DAY, DO_NOTHING, FOREVER, Action, Candidates, Columns, Context
from nba.guardrails.approval import Approved

if TYPE_CHECKING:
    import pandas as pd

TAGS = ("content_type", "topic", "product_id", "indication", "purpose", "key_message_id", "language")
"""Columns of the content table that rules, models and reasons read; an empty one switches something off."""
_SUPERSEDED = "superseded"


@dataclass(frozen=True)
class ContentState:
    """What governance has to know of one content.

    Attributes
    ----------
    content_id, document_number, version : which
    closed : by reason of :class:`nba.guardrails.Approved` the countries where it may not be used
    open : the countries where it may
    expires_in_days : from the moment on; None where it has no expiry
    used : by country how often it went out lately, and how often it is planned
    missing : tags that are empty
    """

    content_id: str
    document_number: str
    version: str
    closed: Mapping[str, tuple[str, ...]]
    open: tuple[str, ...]
    expires_in_days: float | None
    used: Mapping[str, int]
    missing: tuple[str, ...]

    @property
    def superseded_in_use(self) -> bool:
        """Whether it went out where newer content has taken its place."""
        return any(self.used.get(country) for country in self.closed.get(_SUPERSEDED, ()))


@dataclass(frozen=True)
class Governance:
    """What a content owner looks at: what runs out, what is out of date and used, what lacks tags.

    Attributes
    ----------
    states : every content, by id
    days : how far ahead, and how far back
    blocked : HCP x action combinations that rules removed, by reason, the most frequent first
    """

    states: tuple[ContentState, ...]
    days: float
    blocked: Mapping[str, int]

    @property
    def expiring(self) -> tuple[ContentState, ...]:
        """What is open somewhere and runs out within ``days``, the first to go first."""
        soon = [
            state
            for state in self.states
            if state.open and state.expires_in_days is not None and state.expires_in_days <= self.days
        ]
        return tuple(sorted(soon, key=lambda state: (state.expires_in_days, state.content_id)))

    @property
    def superseded_in_use(self) -> tuple[ContentState, ...]:
        """What went out where newer content has taken its place."""
        return tuple(state for state in self.states if state.superseded_in_use)

    @property
    def untagged(self) -> tuple[ContentState, ...]:
        """What is open somewhere and lacks a tag."""
        return tuple(state for state in self.states if state.open and state.missing)

    def to_frame(self) -> pd.DataFrame:
        """A row a content; lists are joined by ", "."""
        import pandas as pd

        rows = [
            {
                "content_id": state.content_id,
                "document_number": state.document_number,
                "version": state.version,
                "open": ", ".join(state.open),
                "closed": ", ".join(sorted(state.closed)),
                "expires_in_days": np.nan if state.expires_in_days is None else state.expires_in_days,
                "used": sum(state.used.values()),
                "superseded_in_use": state.superseded_in_use,
                "missing": ", ".join(state.missing),
            }
            for state in self.states
        ]
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        usable = sum(bool(state.open) for state in self.states)
        lines = [
            f"{len(self.states):,} contents, {usable:,} may be used somewhere.",
            f"Run out within {self.days:g} days: {_names(self.expiring)}.",
            f"Superseded, and used in the last {self.days:g} days: {_names(self.superseded_in_use)}.",
            f"Lack a tag: {_names(self.untagged)}.",
        ]
        return "\n".join([*lines, *(f"Blocked, {reason}: {n:,}." for reason, n in self.blocked.items())])


def governance(
    content: Columns,
    *,
    countries: Sequence[str],
    used: Mapping[tuple[str, str], int],
    blocked: Mapping[str, int],
    at: int,
    days: float = 30.0,
) -> Governance:
    """What stands approved in which country at a moment, beside what was used.

    Parameters
    ----------
    content : the content table
    countries : those that HCPs live in
    used : uses by (country, content_id)
    blocked : removed combinations by reason
    at : int seconds UTC
    days : what expires so soon is expiring
    """
    places = np.array(sorted(set(countries)), dtype=object)
    order = np.argsort(content["content_id"], kind="stable")
    actions = (DO_NOTHING, *(Action("any", content["content_id"][i]) for i in order))
    asked = Candidates(places, actions, np.ones((len(places), len(actions)), dtype=bool), at, at + 1)
    nothing: Columns = {}
    context = Context({"hcp_id": places, "country": places}, content, nothing, None, nothing)
    verdict = Approved().check(asked, context)
    states = []
    for k, i in enumerate(order.tolist(), start=1):
        name, expiry = str(content["content_id"][i]), int(content["expiry"][i])
        of_country = dict(
            zip(places.tolist(), (verdict.reasons[r] for r in verdict.reason[:, k]), strict=True)
        )
        reasons = sorted(set(of_country.values()) - {""})
        states.append(
            ContentState(
                name,
                str(content["document_number"][i]),
                str(content["version"][i]),
                closed={r: tuple(c for c, said in of_country.items() if said == r) for r in reasons},
                open=tuple(c for c, said in of_country.items() if not said),
                expires_in_days=None if expiry >= FOREVER else (expiry - at) / DAY,
                used={c: used[c, name] for c in places.tolist() if used.get((c, name))},
                missing=tuple(tag for tag in TAGS if tag not in content or not content[tag][i]),
            )
        )
    most_first = sorted(((n, reason) for reason, n in blocked.items() if n), key=lambda x: (-x[0], x[1]))
    return Governance(tuple(states), float(days), {reason: n for n, reason in most_first})


def _names(states: Sequence[ContentState]) -> str:
    return ", ".join(state.content_id for state in states) or "none"
