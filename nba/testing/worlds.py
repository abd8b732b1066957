"""Small random worlds in which every rule has work to do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba.contracts import DAY, DO_NOTHING, FOREVER, NEVER, Action, Candidates, Columns, Context

AT = 20_333 * DAY + 13 * 3_600 + 1_234
"""A Wednesday afternoon UTC, the moment of every world."""

CHANNELS: Mapping[str, tuple[str, bool, bool, float, float]] = {
    "approved_email": ("commercial", True, True, 0.01, 3.0),
    "phone": ("commercial", True, True, 0.02, 10.0),
    "rep_visit": ("commercial", False, True, 0.1, 30.0),
    "msl_visit": ("medical", False, True, 0.12, 45.0),
    "mail": ("none", False, False, 0.005, 0.0),
}
"""function, consent_required, personal, cost and minutes of every channel."""

_COUNTRIES, _LANGUAGES = ("US", "DE", "FR"), ("en", "de", "fr")
_PRODUCTS, _INDICATIONS = ("A", "B"), ("asthma", "diabetes")
_TOPICS, _SPECIALTIES = ("dosing", "outcomes", "safety"), ("cardiology", "gp", "oncology")
_PURPOSES = ("promotional", "educational", "medical")
_ZONES = ("", "UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Pacific/Auckland")
_STATES = ("paused", "paused", "active", "nurture", "visits_declined")


class World(NamedTuple):
    """Candidates, and what rules may read about them."""

    candidates: Candidates
    context: Context


def random_world(
    seed: int, *, hcps: int = 10, contents: int = 9, touches: int = 50, without: Collection[str] = ()
) -> World:
    """HCPs, actions and tables at random: every column of the schema, every special case in reach.

    Parameters
    ----------
    seed : the same seed gives the same world
    hcps, contents, touches : how many; 0 is allowed
    without : tables that are missing: "consent", "labels", "reps", "states", "values", "engagements"

    Examples
    --------
    >>> world = random_world(1)
    >>> world.candidates.allowed.shape == (10, len(world.candidates.actions))
    True
    >>> sorted(world.context.tables)
    ['engagements', 'labels', 'reps', 'states', 'values']
    """
    dice = _Dice(np.random.default_rng(seed))
    ids = [f"h{i:02d}" for i in range(hcps)]
    later = _Dice(np.random.default_rng([seed, 1]))  # what came later moves no world there was
    content = {
        **_table([_content(dice, i, contents) for i in range(contents)], _CONTENT),
        "depth_level": np.array([later.pick(np.nan, 1.0, 2.0, 3.0) for _ in range(contents)]),
    }
    actions = sorted(
        Action(channel, row) for row in content["content_id"] for channel in CHANNELS if dice.chance(0.8)
    )
    further: dict[str, Callable[[], Columns]] = {
        "labels": lambda: _table([_label(dice) for _ in range(8)], _LABEL),
        "reps": lambda: _table([_rep(dice, i) for i in range(6)], _REP),
        "states": lambda: _table([_state(dice, ids) for _ in range(hcps)], _STATE),
        "values": lambda: _table([_value(dice) for _ in range(6)], _VALUE),
        "engagements": lambda: _table([_engagement(later, ids, contents) for _ in range(8 * hcps)], _ENGAGED),
    }
    consent = _table([_consent(dice, ids) for _ in range(5 * hcps)], _CONSENT)
    context = Context(
        hcps=_table([_hcp(dice, hcp) for hcp in ids], _HCP),
        content=content,
        channels=_channels(),
        consent=None if "consent" in without else consent,
        touches=_table([_touch(dice, hcps, contents) for _ in range(touches if hcps else 0)], _TOUCH),
        tables={name: make() for name, make in further.items() if name not in without},
    )
    allowed = dice.rng.random((hcps, len(actions) + 1)) < 0.9
    allowed[:, 0] = True
    valid_until = AT + int(dice.pick(2 * 3_600, 6 * 3_600, DAY, 3 * DAY, 7 * DAY, 14 * DAY))
    asked = Candidates(np.array(ids, dtype=object), (DO_NOTHING, *actions), allowed, AT, valid_until)
    return World(asked, context)


def locked(world: World) -> World:
    """The same world, in which nothing can be written; the arrays are shared, not copied."""
    asked, context = world
    return World(
        replace(asked, hcps=_locked(asked.hcps), allowed=_locked(asked.allowed)),
        replace(
            context,
            hcps=_sealed(context.hcps),
            content=_sealed(context.content),
            channels=_sealed(context.channels),
            consent=None if context.consent is None else _sealed(context.consent),
            touches=_sealed(context.touches),
            tables=MappingProxyType({name: _sealed(table) for name, table in context.tables.items()}),
        ),
    )


def _sealed(table: Columns) -> Columns:
    return MappingProxyType({name: _locked(values) for name, values in table.items()})


def _locked(values: NDArray[Any]) -> NDArray[Any]:
    view = values.view()
    view.flags.writeable = False
    return view


class _Dice:
    """Picks from a generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def pick(self, *values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def some(self, *values: str) -> tuple[str, ...]:
        return tuple(value for value in values if self.chance(0.5))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def day(self, low: int, high: int) -> int:
        """A whole day, from so many before the moment to so many after it."""
        return (AT // DAY + int(self.rng.integers(low, high))) * DAY

    def moment(self, low: float, high: float) -> int:
        return AT + int(self.rng.integers(round(low * DAY), round(high * DAY)))


_HCP: Mapping[str, type] = {
    "hcp_id": str, "country": str, "language": str, "specialty": str, "segment": str, "timezone": str,
    "territory_id": str, "access_level": str, "do_not_call": bool, "valid_from": int, "valid_to": int,
}  # fmt: skip
_CONTENT: Mapping[str, type] = {
    "content_id": str, "document_number": str, "version": str, "product_id": str, "purpose": str,
    "content_type": str, "topic": str, "indication": str, "language": str, "approval_status": str,
    "approved_from": int, "expiry": int, "country": tuple, "supersedes": str, "family_id": str,
    "key_message_id": str, "module_ids": tuple, "minutes": float,
}  # fmt: skip
_CONSENT: Mapping[str, type] = {
    "hcp_id": str, "channel": str, "product_id": str, "purpose": str, "content_type": str, "opt_type": str,
    "captured_at": int, "expires_at": int,
}  # fmt: skip
_TOUCH: Mapping[str, type] = {
    "row": int, "ts": int, "channel": str, "content_id": str, "product_id": str, "pending": bool,
}  # fmt: skip
_LABEL: Mapping[str, type] = {
    "product_id": str, "country": str, "indication": str, "topics": tuple, "specialties": tuple, "from": int,
    "to": int,
}  # fmt: skip
_REP: Mapping[str, type] = {
    "user_id": str, "function": str, "territory_id": str, "from": int, "to": int, "off_from": int,
    "off_to": int,
}  # fmt: skip
_STATE: Mapping[str, type] = {
    "hcp_id": str, "state": str, "since": int, "until": int, "reason": str, "rule": str,
}  # fmt: skip
_CHANNEL: Mapping[str, type] = {
    "channel": str, "direction": str, "function": str, "consent_required": bool, "personal": bool,
    "cost": float, "minutes": float,
}  # fmt: skip
_ENGAGED: Mapping[str, type] = {
    "hcp_id": str, "ts": int, "channel": str, "content_id": str, "outcome": str, "duration_s": float,
    "step": str,
}  # fmt: skip
_VALUE: Mapping[str, type] = {"objective": str, "product_id": str, "segment": str, "value": float}


def _hcp(dice: _Dice, hcp_id: str) -> dict[str, Any]:
    return {
        "hcp_id": hcp_id,
        "country": dice.pick(*_COUNTRIES, "US"),
        "language": dice.pick("", "en", *_LANGUAGES),
        "specialty": dice.pick("", *_SPECIALTIES),
        "segment": dice.pick("", "high", "low"),
        "timezone": dice.pick(*_ZONES),
        "territory_id": dice.pick("", "T1", "T2", "T3"),
        "access_level": dice.pick("", "open", "open", "limited", "no_see"),
        "do_not_call": dice.chance(0.25),
        "valid_from": dice.pick(NEVER, NEVER, NEVER, dice.day(-300, 3)),
        "valid_to": dice.pick(FOREVER, FOREVER, FOREVER, dice.day(-3, 30)),
    }


def _content(dice: _Dice, i: int, contents: int) -> dict[str, Any]:
    other = f"c{int(dice.rng.integers(contents + 1))}"  # one more than there are
    return {
        "content_id": f"c{i}",
        "document_number": f"D{i // 2}",
        "version": dice.pick("1", "1", "1", "2", "2.0", "9", "10"),
        "product_id": dice.pick("", *_PRODUCTS),
        "purpose": dice.pick(*_PURPOSES, "promotional"),
        "content_type": dice.pick("summary", "summary", "video", "consent_capture"),
        "topic": dice.pick("", *_TOPICS),
        "indication": dice.pick("", *_INDICATIONS),
        "language": dice.pick("en", "en", *_LANGUAGES),
        "approval_status": dice.pick("approved", "approved", "approved", "staged", "withdrawn"),
        "approved_from": dice.moment(-90, 10),
        "expiry": dice.pick(FOREVER, FOREVER, dice.moment(-10, 60)),
        "country": dice.pick((), ("US",), ("US", "DE"), ("FR", "DE")),
        "supersedes": dice.pick("", "", "", other),
        "family_id": dice.pick("", f"c{i // 2 * 2}"),
        "key_message_id": dice.pick("", "M1", "M2", "M3"),
        "module_ids": dice.pick((), (), (), (other,)),
        "minutes": dice.pick(np.nan, 2.0, 10.0),
    }


def _consent(dice: _Dice, ids: list[str]) -> dict[str, Any]:
    return {
        "hcp_id": dice.pick(*ids, "stranger"),
        "channel": dice.pick("", "all", *CHANNELS, "approved_email", "phone"),
        "product_id": dice.pick("", "", *_PRODUCTS),
        "purpose": dice.pick("", "", "promotional"),
        "content_type": dice.pick("", "", "", "video"),
        "opt_type": dice.pick("opt_in", "opt_in", "opt_in", "opt_out", "opt_in_pending"),
        "captured_at": dice.pick(AT, dice.moment(-100, 2)),
        "expires_at": dice.pick(FOREVER, FOREVER, dice.moment(-5, 40)),
    }


def _touch(dice: _Dice, hcps: int, contents: int) -> dict[str, Any]:
    pending = dice.chance(0.2)
    return {
        "row": int(dice.rng.integers(hcps)),
        "ts": dice.pick(dice.moment(-60, 0), dice.moment(-1, 0), dice.day(-20, 0) + AT % DAY) - 1,
        "channel": dice.pick(*CHANNELS, "approved_email", "approved_email"),
        "content_id": dice.pick("", f"c{int(dice.rng.integers(contents + 1))}", "c0", "c1"),
        "product_id": "" if pending else dice.pick("", "", *_PRODUCTS),
        "pending": pending,
    }


def _label(dice: _Dice) -> dict[str, Any]:
    return {
        "product_id": dice.pick(*_PRODUCTS),
        "country": dice.pick(*_COUNTRIES),
        "indication": dice.pick(*_INDICATIONS),
        "topics": dice.some(*_TOPICS),
        "specialties": dice.some(*_SPECIALTIES),
        "from": dice.pick(NEVER, NEVER, dice.day(-100, 3)),
        "to": dice.pick(FOREVER, FOREVER, dice.day(-3, 20)),
    }


def _rep(dice: _Dice, i: int) -> dict[str, Any]:
    off = dice.pick(NEVER, NEVER, dice.day(-3, 3))
    return {
        "user_id": f"u{i // 2}",
        "function": dice.pick("commercial", "medical"),
        "territory_id": dice.pick("", "T1", "T2", "T2"),
        "from": dice.pick(NEVER, dice.day(-9, 5)),
        "to": dice.pick(FOREVER, dice.day(-5, 9)),
        "off_from": off,
        "off_to": NEVER if off == NEVER else dice.pick(NEVER, off + 2 * DAY, off + 30 * DAY),
    }


def _state(dice: _Dice, ids: list[str]) -> dict[str, Any]:
    since = dice.pick(AT, dice.moment(-30, 3))
    return {
        "hcp_id": dice.pick(*ids),
        "state": dice.pick(*_STATES),
        "since": since,
        "until": dice.pick(FOREVER, FOREVER, since + 5 * DAY, since + 40 * DAY),
        "reason": "",
        "rule": "",
    }


def _value(dice: _Dice) -> dict[str, Any]:
    return {
        "objective": dice.pick("adoption", "expansion"),
        "product_id": dice.pick("", *_PRODUCTS),
        "segment": dice.pick("", "high", "low"),
        "value": float(dice.rng.integers(1, 9)),
    }


def _engagement(dice: _Dice, ids: list[str], contents: int) -> dict[str, Any]:
    outcome = dice.pick("opened", "clicked", "branched", "branched", "completed")
    return {
        "hcp_id": dice.pick(*ids),
        "ts": dice.moment(-400, 0) - 1,
        "channel": dice.pick("portal", *CHANNELS),
        "content_id": f"c{int(dice.rng.integers(contents + 1))}",
        "outcome": outcome,
        "duration_s": dice.pick(np.nan, 0.5, 30.0, 300.0),
        "step": dice.pick("intro", "yes", "no") if outcome == "branched" else "",
    }


def _channels() -> Columns:
    rows = [
        {"channel": channel, "direction": "outbound", **dict(zip(list(_CHANNEL)[2:], facts, strict=True))}
        for channel, facts in CHANNELS.items()
    ]
    return _table(rows, _CHANNEL)


def _table(rows: list[dict[str, Any]], columns: Mapping[str, type]) -> Columns:
    made = {}
    for name, kind in columns.items():
        values = [row[name] for row in rows]
        if kind in (str, tuple):
            made[name] = _texts(values)
        else:
            made[name] = np.array(values, dtype={int: np.int64, bool: np.bool_, float: np.float64}[kind])
    return made


def _texts(values: Any) -> NDArray[Any]:
    cells = np.empty(len(values), dtype=object)
    cells[:] = list(values)
    return cells
