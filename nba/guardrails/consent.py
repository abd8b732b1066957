"""Consent: per channel, product and purpose line."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nba.contracts import (
    FOREVER,
    NEVER,
    Action,
    Bools,
    Candidates,
    Columns,
    Context,
    Ints,
    Strings,
    Verdict,
)
from nba.errors import ArgumentError
from nba.guardrails.lookup import codes, content_tags, is_touch, numbered, position_of, text_column
from nba.guardrails.registry import Described
from nba.tables.kept import kept

CountryDefault: TypeAlias = Literal["opt_in_required", "opt_in_not_required", "never"]
Line: TypeAlias = tuple[str, str, str, str]
"""What a consent row is about: (channel, product_id, purpose, content_type); "" is all of them."""

_DEFAULTS = ("opt_in_required", "opt_in_not_required", "never")
_REASONS = ("", "consent_missing", "consent_opt_out", "consent_expired", "consent_pending", "consent_never")
MISSING, OPT_OUT, EXPIRED, PENDING, _NEVER_IN_COUNTRY = range(1, 6)
_NO_TABLE = "No consent table: every channel that needs consent is blocked for every HCP."


@dataclass(frozen=True)
class Consent(Described):
    """Only touches the HCP has consented to for the whole of [at, valid_until].

    A consent row is about a *line*: its channel ("" or "all" is every channel), product, purpose and content
    type ("" is every one). Of the rows whose line covers a candidate the latest ``captured_at`` counts:

    - an opt-out counts from its very moment on, opt-ins and pending opt-ins strictly after it; at the same
      moment an opt-out wins over a pending opt-in, and that over an opt-in;
    - an opt-out is lifted only by a later opt-in for a line at least as broad: a global opt-out outlives a
      later opt-in for a product (``consent_opt_out``). It never expires;
    - a pending opt-in is not consent (``consent_pending``);
    - an opt-in that ends before ``valid_until`` does not count (``consent_expired``);
    - without any row the HCP's country default speaks; without a default it is ``consent_missing``.

    A channel whose ``consent_required`` is False needs no opt-in, but an opt-out that covers it is still
    kept. A channel the table does not know needs consent.

    Parameters
    ----------
    country_default : by country, what holds for an HCP without a row: ``opt_in_required`` (blocked),
        ``opt_in_not_required`` (allowed), or ``never`` (channels that need consent are closed in this
        country whatever the rows say: ``consent_never``). Not consulted when there is no consent table at
        all, since opt-outs are then unknown.

    Raises
    ------
    ArgumentError
        If a default is not one of the three.

    Notes
    -----
    Facts: ``consent_since``, int seconds UTC, when the opt-in that is used was captured; -1 for none.

    Examples
    --------
    >>> Consent(country_default={"US": "opt_in_not_required"}).describe()
    {'class': 'Consent', 'country_default': {'US': 'opt_in_not_required'}}
    """

    country_default: Mapping[str, CountryDefault] = field(default_factory=dict, kw_only=True, hash=False)
    code = "consent"

    def __post_init__(self) -> None:
        if not isinstance(self.country_default, Mapping):
            raise ArgumentError(
                f"Consent found country_default of type {type(self.country_default).__name__}, "
                'expected a mapping such as {"DE": "opt_in_required"}.'
            )
        for country, default in self.country_default.items():
            if default not in _DEFAULTS:
                raise ArgumentError(
                    f"Consent found default {default!r} for country {country!r}, expected one of {_DEFAULTS}."
                )
        object.__setattr__(self, "country_default", dict(self.country_default))

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove candidates that the HCP has not consented to."""
        states = _states(candidates, context.consent)
        distinct, answer_of = _shared(*_lines(candidates, context.content), frozenset(states))
        resolved = [
            _resolve([(key, states[key]) for key in keys], candidates=candidates) for keys in distinct
        ]
        reason = np.column_stack([reasons for reasons, _ in resolved])[:, answer_of]
        since = np.column_stack([moments for _, moments in resolved])[:, answer_of]
        needs_consent = _needs_consent(
            candidates.actions, context.channels["channel"], context.channels["consent_required"]
        )
        if context.consent is not None:
            reason = self._apply_country(reason, context.hcps)
        kept = needs_consent | (reason == OPT_OUT)
        reason = np.where(is_touch(candidates) & kept, reason, np.int8(0))
        facts = {"consent_since": np.where((reason == 0) & is_touch(candidates), since, -1)}
        note = "" if context.consent is not None else _NO_TABLE
        return Verdict(rule=self.code, reason=reason, reasons=_REASONS, facts=facts, note=note)

    def _apply_country(self, reason: NDArray[np.int8], hcps: Columns) -> NDArray[np.int8]:
        if not self.country_default:
            return reason
        countries = text_column(hcps, "country", length=len(reason))
        numbers = {country: _DEFAULTS.index(default) for country, default in self.country_default.items()}
        default = codes(countries, numbers)[:, None]
        not_needed = (default == _DEFAULTS.index("opt_in_not_required")) & (reason == MISSING)
        closed = (default == _DEFAULTS.index("never")) & (reason != OPT_OUT)
        return np.where(closed, np.int8(_NEVER_IN_COUNTRY), np.where(not_needed, np.int8(0), reason))


def answers(
    lines: Sequence[Line], *, candidates: Candidates, consent: Columns | None
) -> list[tuple[NDArray[np.int8], NDArray[np.int64]]]:
    """What the rows say of each line, for every HCP.

    Returns
    -------
    for each line (n,) 0 for an opt-in that holds or one of MISSING, OPT_OUT, EXPIRED, PENDING, and (n,) when
    the opt-in in use was captured; -1 for none
    """
    states = _states(candidates, consent)
    return [
        _resolve([(key, states[key]) for key in _covering(line, states)], candidates=candidates)
        for line in lines
    ]


class _State(NamedTuple):
    """What the rows of one line say, per HCP: the latest moments, NEVER where there is none."""

    opt_out: Ints
    opt_in: Ints
    pending: Ints
    expires: Ints


def _lines(candidates: Candidates, content: Columns) -> tuple[tuple[Line, ...], Ints]:
    """The distinct lines that candidates fall under, and which one each action falls under."""
    names = ("product_id", "purpose", "content_type")
    return _lines_of(candidates.actions, *(content_tags(candidates, content, name) for name in names))


@kept
def _lines_of(actions: tuple[Action, ...], *tags: NDArray[Any]) -> tuple[tuple[Line, ...], Ints]:
    of_actions: list[Any] = [
        (action.channel, *map(str, said)) for action, *said in zip(actions, *tags, strict=True)
    ]
    index = numbered(of_actions)
    return tuple(index), codes(of_actions, index)


@kept
def _shared(
    lines: tuple[Line, ...], line_of: Ints, with_rows: frozenset[Line]
) -> tuple[tuple[tuple[Line, ...], ...], Ints]:
    """The distinct sets of lines with rows that cover an action, and which one covers each action.

    Most products have no line of their own and share one answer.
    """
    covering = [_covering(line, with_rows) for line in lines]
    distinct = numbered(covering)
    return tuple(distinct), codes(covering, distinct)[line_of]


def _states(candidates: Candidates, consent: Columns | None) -> dict[Line, _State]:
    """What each line's own rows say, of the rows that count at the moment."""
    if consent is None:
        return {}
    hcp = codes(consent["hcp_id"], position_of(candidates.hcps))
    captured, is_out = consent["captured_at"], consent["opt_type"] == "opt_out"
    # an opt-out is obeyed from its very second on; anything else must be known strictly before
    counts = np.flatnonzero(
        (hcp >= 0) & np.where(is_out, captured <= candidates.at, captured < candidates.at)
    )
    index: dict[Line, int] = {}
    line = np.array(
        [index.setdefault(key, len(index)) for key in _row_lines(consent, counts)], dtype=np.int64
    )
    shape = (len(index), len(candidates.hcps))
    cell = line * shape[1] + hcp[counts]
    is_in = consent["opt_type"][counts] == "opt_in"
    captured, is_out, expires = captured[counts], is_out[counts], _ends(consent)[counts]
    opt_in = _latest(cell, captured, of=is_in, size=shape[0] * shape[1])
    parts = (
        _latest(cell, captured, of=is_out, size=opt_in.size),
        opt_in,
        _latest(cell, captured, of=~is_in & ~is_out, size=opt_in.size),
        _earliest_end(cell, expires, of=is_in & (captured == opt_in[cell]), size=opt_in.size),
    )
    by_line = [part.reshape(shape) for part in parts]
    return {key: _State(*(part[i] for part in by_line)) for key, i in index.items()}


def _row_lines(consent: Columns, rows: Ints) -> list[Line]:
    length = len(consent["hcp_id"])
    columns = [
        text_column(consent, name, length=length)[rows].tolist()
        for name in ("channel", "product_id", "purpose", "content_type")
    ]
    return [("" if c == "all" else c, p, u, t) for c, p, u, t in zip(*columns, strict=True)]


def _ends(consent: Columns) -> Ints:
    found = consent.get("expires_at")
    return np.full(len(consent["hcp_id"]), FOREVER, dtype=np.int64) if found is None else found


def _latest(cell: Ints, moments: Ints, *, of: Bools, size: int) -> Ints:
    latest: NDArray[np.int64] = np.full(size, NEVER, dtype=np.int64)
    np.maximum.at(latest, cell[of], moments[of])
    return latest


def _earliest_end(cell: Ints, ends: Ints, *, of: Bools, size: int) -> Ints:
    earliest: NDArray[np.int64] = np.full(size, FOREVER, dtype=np.int64)
    np.minimum.at(earliest, cell[of], ends[of])
    return earliest


def _resolve(
    covering: Sequence[tuple[Line, _State]], *, candidates: Candidates
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """(n,) reason and (n,) moment of the opt-in in use, from all lines that cover a candidate."""
    n = len(candidates.hcps)
    out = np.zeros(n, dtype=np.bool_)
    latest_in, latest_pending = np.full(n, NEVER, dtype=np.int64), np.full(n, NEVER, dtype=np.int64)
    for _, state in covering:
        np.maximum(latest_in, state.opt_in, out=latest_in)
        np.maximum(latest_pending, state.pending, out=latest_pending)
    expires = np.full(n, FOREVER, dtype=np.int64)
    for broad, state in covering:
        used = state.opt_in == latest_in
        np.minimum(expires, np.where(used, state.expires, FOREVER), out=expires)
        out |= (state.opt_out > NEVER) & (state.opt_out >= _lifted_at(broad, covering))
    reason = np.full(n, MISSING, dtype=np.int8)
    reason[latest_in > NEVER] = 0
    reason[(latest_in > NEVER) & (expires < candidates.valid_until)] = EXPIRED
    reason[(latest_pending > NEVER) & (latest_pending >= latest_in)] = PENDING
    reason[out] = OPT_OUT
    return reason, np.where(reason == 0, latest_in, -1)


def _lifted_at(line: Line, covering: Sequence[tuple[Line, _State]]) -> Ints:
    """(n,) when the latest opt-in for a line at least as broad was captured."""
    as_broad = [state.opt_in for other, state in covering if _covers(other, line)]
    latest: Ints = np.maximum.reduce(as_broad)
    return latest


def _covers(broad: Line, narrow: Line) -> bool:
    return all(b in ("", n) for b, n in zip(broad, narrow, strict=True))


def _covering(line: Line, with_rows: Container[Line]) -> tuple[Line, ...]:
    """The lines with rows that cover a line."""
    return tuple(broad for broad in _broader(line) if broad in with_rows)


def _broader(line: Line) -> list[Line]:
    """The line itself and every broader one, without doubles."""
    parts = [dict.fromkeys((part, "")) for part in line]
    return list(product(parts[0], parts[1], parts[2], parts[3]))


@kept
def _needs_consent(actions: tuple[Action, ...], channels: Strings, required: NDArray[Any]) -> Bools:
    """(K,) True unless the channels table says that the action's channel needs no consent."""
    free = set(channels[~required.astype(np.bool_)])
    return np.array([action.channel not in free for action in actions], dtype=np.bool_)
