"""What may be told about a decision, and what each answer means."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from nba.errors import ArgumentError, OutcomeError
from nba.store.receipts import LONGEST

Meaning: TypeAlias = Literal["negative", "censored", "data_error", "safety"]

REP = ("viewed", "accepted", "executed", "modified", "snoozed", "dismissed", "marked_complete", "expired")
"""What a rep does with a suggestion; none of it is an outcome."""
DELIVERY = ("sent", "bounced")
"""What became of the message."""
REWARD = "reward"
"""What the HCP did, told directly: 0 to 1."""
RESPONSES = (*REP, *DELIVERY, REWARD)
MADE = frozenset({"sent", "executed", "marked_complete"})
"""Responses that say that the touch was made."""

DISMISS_REASONS: Mapping[str, Meaning] = {
    "not relevant to HCP": "negative",
    "wrong channel": "negative",
    "wrong content": "negative",
    "already done": "censored",
    "bad timing": "censored",
    "HCP unavailable/no-see": "censored",
    "relationship reason": "censored",
    "compliance concern": "censored",
    "other": "censored",
    "data is wrong": "data_error",
    "safety report": "safety",
}
"""The closed list, and what each means to a learner: a 0, nothing, a fault to mend, never to be learned."""

_FIELDS = (
    "decision_id", "ts", "response", "dismiss_reason", "reward", "user_id", "changed_to", "comment",
    "feedback_id",
)  # fmt: skip
_OPTIONAL = ("dismiss_reason", "user_id", "changed_to", "comment", "feedback_id")
_ONCE = frozenset({"dismissed", "sent", "bounced", REWARD})


class Told(NamedTuple):
    """One checked row of feedback."""

    feedback_id: str
    decision_id: str
    ts: int
    response: str
    dismiss_reason: str
    reward: float | None
    user_id: str
    changed_to: str
    comment: str

    @property
    def is_safety_report(self) -> bool:
        return DISMISS_REASONS.get(self.dismiss_reason) == "safety"

    @property
    def said(self) -> tuple[Any, ...]:
        """What must be the same where the id is: of what is told once, its moment may differ."""
        when = None if self.feedback_id.startswith("once:") else self.ts
        return self.decision_id, when, self.response, self.dismiss_reason, self.reward


@dataclass(frozen=True)
class FeedbackDone:
    """What became of the rows handed in.

    Attributes
    ----------
    kept : rows written now
    repeated : rows the log held already
    late : kept rows that came after every window of their decision had closed; they teach nothing
    routed : positions of the safety reports among the rows handed in
    """

    kept: int
    repeated: int
    late: int
    routed: tuple[int, ...]


def read_feedback(records: Any) -> list[Told]:
    """Check rows of feedback: a frame, records, or one record.

    Raises
    ------
    ArgumentError
        If a field is unknown, missing, or looks like patient data.
    OutcomeError
        If a reward or reason is outside what it may be.
    """
    rows = _as_records(records)
    _check_fields({str(name) for row in rows for name in row})
    return [_told(row, place) for place, row in enumerate(rows)]


def _as_records(records: Any) -> list[Mapping[str, Any]]:
    if isinstance(records, Mapping):
        return [records]
    if isinstance(records, Sequence) and not isinstance(records, str | bytes):
        rows = list(records)
    else:
        from nba.tables.checks import as_pandas  # brings pandas, which records do not need

        rows = as_pandas(records, name="feedback").to_dict("records")
    strange = [type(row).__name__ for row in rows if not isinstance(row, Mapping)]
    if strange:
        raise ArgumentError(f"Feedback holds a {strange[0]}; expected a frame, records, or one record.")
    return rows


def _check_fields(names: Iterable[str]) -> None:
    unknown = sorted(set(names) - set(_FIELDS))
    if not unknown:
        return
    from nba.tables.checks import is_about_patients

    if any(is_about_patients(name) for name in unknown):
        raise ArgumentError(
            "Feedback has a field that looks like patient data. Drop it: no patient data may enter."
        )
    near = get_close_matches(unknown[0], _FIELDS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ArgumentError(
        f"Feedback has {len(unknown)} unknown fields, first {unknown[0][:40]!a}; expected some of "
        f"{_FIELDS}.{hint}"
    )


def _told(row: Mapping[str, Any], place: int) -> Told:
    texts = {name: _text(row, name, place) for name in _OPTIONAL}
    decision_id, response = _text(row, "decision_id", place), _text(row, "response", place)
    if not decision_id or not response:
        raise ArgumentError(f"Feedback {place} has no decision_id or no response; every row needs both.")
    if response not in RESPONSES:
        raise ArgumentError(f"Feedback {place} has an unknown response; expected one of {RESPONSES}.")
    if (response == "dismissed") != (texts["dismiss_reason"] in DISMISS_REASONS):
        raise OutcomeError(
            f"Feedback {place}: a dismissal, and only a dismissal, has a dismiss_reason of the closed list "
            f"{tuple(DISMISS_REASONS)}."
        )
    reward = _reward(row.get("reward"), place)
    if (response == REWARD) != (reward is not None):
        raise OutcomeError(f"Feedback {place}: response 'reward', and only it, comes with a reward, 0 to 1.")
    told = Told(decision_id=decision_id, ts=_moment(row.get("ts"), place), response=response,
                reward=reward, **texts)  # fmt: skip
    return told if told.feedback_id else told._replace(feedback_id=_named(told))


def _text(row: Mapping[str, Any], name: str, place: int) -> str:
    value = row.get(name)
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) == "<NA>":
        return ""
    if not isinstance(value, str) or "\0" in value or any("\ud800" <= it <= "\udfff" for it in value):
        raise ArgumentError(f"Feedback {place} has a {name} that is not plain text.")
    if len(value) > LONGEST and name != "comment":
        raise ArgumentError(f"Feedback {place} has a {name} of more than {LONGEST} letters.")
    return value


def _reward(value: Any, place: int) -> float | None:
    if value is None or str(value) == "<NA>":
        return None
    if isinstance(value, float | np.floating) and math.isnan(value):
        return None
    number = value if isinstance(value, int | float | np.number | np.bool_) else math.nan
    if not 0.0 <= float(number) <= 1.0:
        raise OutcomeError(f"Feedback {place} has a reward that is not a number from 0 to 1.")
    return float(number)


def _moment(value: Any, place: int) -> int:
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    from nba.tables import as_moment  # brings pandas, which whole seconds do not need

    return as_moment(value, name=f"ts of feedback {place}")


def _named(told: Told) -> str:
    """The id of a row that came without: a content hash, of what can be told once its kind only."""
    if told.response in _ONCE:
        return "once:" + _sha([told.decision_id, told.response])
    return "told:" + _sha([told.decision_id, told.ts, told.response, told.user_id, told.changed_to])


def _sha(content: list[Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode("ascii")).hexdigest()[:32]
