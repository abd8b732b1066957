"""Receipts as text and back, without loss."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any

import numpy as np

from nba.contracts import Action, Reason, Receipt
from nba.errors import ArgumentError, SelectionError

_NAMES = tuple(part.name for part in fields(Receipt))
_REASON_NAMES = tuple(part.name for part in fields(Reason))
_TUPLE, _FLOAT = "$tuple", "$float"
_AS_IS = {str, int, bool, type(None)}
_SCALARS = _AS_IS | {float}
_KEYS: set[str] = set()

LONGEST = 200
"""Letters of the longest id the tables take."""


def to_json(receipt: Receipt) -> str:
    """A receipt as ASCII text: every float with all its digits, terms and facts in their order.

    The order is kept because a product of terms has other bits in another order.

    Raises
    ------
    ArgumentError
        If a field or fact is not a plain value.
    """
    content = _head(receipt, _plain)
    content["eligible"] = [[*action, _plain(prob)] for action, prob in receipt.eligible]
    content["removed"] = [[*action, code] for action, code in receipt.removed]
    return _dumps(content)


def from_json(text: str) -> Receipt:
    """The receipt that `to_json` wrote, equal in every bit."""
    content = json.loads(text)
    return _from_head(
        content,
        eligible=tuple((Action(one, two), _value(prob)) for one, two, prob in content.pop("eligible")),
        removed=tuple((Action(one, two), code) for one, two, code in content.pop("removed")),
    )


def to_head(receipt: Receipt) -> bytes:
    """Everything of a receipt but its lists of actions, as `to_json` writes it."""
    try:
        text = _dumps(_head(receipt, _same))
    except ValueError:  # a float that JSON has no word for, or something rare: marked one by one
        text = _dumps(_head(receipt, _plain))
    return text.encode("ascii")


def from_head(
    head: bytes, *, eligible: tuple[tuple[Action, float], ...], removed: tuple[tuple[Action, str], ...]
) -> Receipt:
    """The receipt of a head and its lists of actions."""
    return _from_head(json.loads(head), eligible=eligible, removed=removed)


_SPECIAL = {"action", "eligible", "removed", "reasons", "waivers"}
_PLAIN_NAMES = tuple(name for name in _NAMES if name not in _SPECIAL)
_plain_fields = attrgetter(*_PLAIN_NAMES)
_reason_fields = attrgetter(*_REASON_NAMES)
_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _head(receipt: Receipt, plain: Callable[[Any], Any]) -> dict[str, Any]:
    content = {name: plain(value) for name, value in zip(_PLAIN_NAMES, _plain_fields(receipt), strict=True)}
    content["action"] = list(receipt.action)
    content["reasons"] = [[plain(part) for part in _reason_fields(why)] for why in receipt.reasons]
    content["waivers"] = list(receipt.waivers)
    return content


def _from_head(content: dict[str, Any], **lists: Any) -> Receipt:
    special = {
        "action": Action(*content["action"]),
        "reasons": tuple(Reason(*map(_value, why)) for why in content["reasons"]),
        "waivers": tuple(content["waivers"]),
    }
    plain = {name: _value(part) for name, part in content.items() if name not in special}
    return Receipt(**plain | special | lists)


def fingerprint(text: str) -> str:
    """SHA-256 of a receipt's text: two decisions are the same where it is."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def check_receipt(receipt: Receipt, *, place: int) -> None:
    """Refuse what no log may hold; ``place`` counts from 0 and stands for the HCP in the message.

    Raises
    ------
    ArgumentError
        If it is not a receipt, or ids or moments cannot be kept.
    SelectionError
        If the selection probability is outside (0, 1].
    """
    if not isinstance(receipt, Receipt):
        raise ArgumentError(f"Item {place} is a {type(receipt).__name__}, expected a Receipt.")
    ids = (receipt.decision_id, receipt.batch_id, receipt.hcp_id, *receipt.action)
    if not all(isinstance(part, str) and _is_storable(part) for part in ids):
        raise ArgumentError(
            f"Receipt {place} has an id that is not plain text; check the tables it came from."
        )
    if max(map(len, ids)) > LONGEST:
        raise ArgumentError(
            f"Receipt {place} has an id of more than {LONGEST} letters, which no database of ours keeps."
        )
    if not receipt.decision_id.strip() or not receipt.hcp_id.strip():
        raise ArgumentError(f"Receipt {place} has a blank decision_id or hcp_id; every decision needs both.")
    moments = (receipt.decided_at, receipt.valid_until)
    if not all(isinstance(part, int | np.integer) and not isinstance(part, bool) for part in moments):
        raise ArgumentError(f"Receipt {place} has a moment that is not whole seconds UTC; convert it to int.")
    if not -(2**63) <= receipt.decided_at < receipt.valid_until < 2**63:
        raise ArgumentError(
            f"Receipt {place} is valid until a moment at or before its decision; check valid_until."
        )
    if not 0.0 < receipt.selection_prob <= 1.0:
        raise SelectionError(
            f"Receipt {place} has selection probability {float(receipt.selection_prob)!r}, expected within "
            "(0, 1]."
        )


def _is_storable(text: str) -> bool:
    # Lone surrogates and NUL have no place in a database's text.
    return "\0" not in text and (text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text))


def _same(value: Any) -> Any:
    """As `_plain` says it, in the shortest way; ValueError where it takes more care."""
    kind = type(value)
    if kind in _AS_IS or kind is float:  # JSON itself refuses a float that is not finite
        return value
    if kind is tuple:
        return {_TUPLE: [_same(part) for part in value]}
    if kind is dict and (value.keys() <= _KEYS or _add_keys(value)):
        flat = _SCALARS.issuperset(map(type, value.values()))
        return value if flat else {key: _same(part) for key, part in value.items()}
    raise ValueError


def _add_keys(value: dict[Any, Any]) -> bool:
    """Whether its keys may be kept; they are known from then on."""
    good = all(type(key) is str and not key.startswith("$") for key in value)
    if good and len(_KEYS) < 10_000:
        _KEYS.update(value)
    return good


def _plain(value: Any) -> Any:
    """The same in JSON's own types; what JSON lacks is marked so that `_value` finds it again."""
    kind = type(value)
    if kind in _AS_IS or (kind is float and math.isfinite(value)):  # nearly all of a receipt
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {_FLOAT: repr(value)}
    if isinstance(value, tuple):
        return {_TUPLE: [_plain(part) for part in value]}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, dict) and all(isinstance(key, str) and not key.startswith("$") for key in value):
        return {key: _plain(part) for key, part in value.items()}
    raise ArgumentError(
        f"A receipt holds a {type(value).__name__} that is not plain JSON (keys: texts not starting with $); "
        "convert facts and terms to numbers and texts."
    )


def _value(part: Any) -> Any:
    if isinstance(part, list):
        return [_value(inner) for inner in part]
    if isinstance(part, dict):
        if _FLOAT in part:
            return float(part[_FLOAT])
        if _TUPLE in part:
            return tuple(_value(inner) for inner in part[_TUPLE])
        return {key: _value(inner) for key, inner in part.items()}
    return part
