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
from nba.kept import kept

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
        spoken = _spoken(candidates, context.consent)
        lines, line_of = _lines(candidates, context.content)
        covering, broader, answer_of = _shared(lines, frozenset(spoken.lines))
        reasons, moments = _resolve(spoken, covering, broader, valid_until=candidates.valid_until)
        which = answer_of[line_of]
        reason, since = reasons[which].T, moments[which].T
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
    spoken = _spoken(candidates, consent)
    covering, broader, answer_of = _shared(tuple(lines), frozenset(spoken.lines))
    reasons, moments = _resolve(spoken, covering, broader, valid_until=candidates.valid_until)
    return [(reasons[i], moments[i]) for i in answer_of.tolist()]


class _Spoken(NamedTuple):
    """What rows say, a line each in sorted order and one more that says nothing: the latest moments.

    Attributes
    ----------
    lines : L that rows are about
    opt_out, opt_in, pending : (L + 1, n) of each HCP, NEVER where there is none
    expires : (L + 1, n) when the latest opt-in ends
    """

    lines: tuple[Line, ...]
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
def _shared(lines: tuple[Line, ...], with_rows: frozenset[Line]) -> tuple[Ints, Ints, Ints]:
    """Which lines with rows cover others, as places in their sorted order; one past them is none.

    Returns
    -------
    covering : (d, m) the distinct sets that cover any of ``lines``; most products have no line of their own
    broader : (L, m') of each line with rows, those at least as broad
    answer_of : (len(lines),) which of the d covers each
    """
    of_lines = [_covering(line, with_rows) for line in lines]
    distinct, spoken = numbered(of_lines), sorted(with_rows)
    broader = [_covering(line, with_rows) for line in spoken]
    return _padded(list(distinct), spoken), _padded(broader, spoken), codes(of_lines, distinct)


def _padded(sets: Sequence[tuple[Line, ...]], spoken: Sequence[Line]) -> Ints:
    place = {line: i for i, line in enumerate(spoken)}
    found: Ints = np.full((len(sets), max(map(len, sets), default=0)), len(spoken), dtype=np.int64)
    for i, some in enumerate(sets):
        found[i, : len(some)] = [place[line] for line in some]
    return found


def _spoken(candidates: Candidates, consent: Columns | None) -> _Spoken:
    """What each line's own rows say, of the rows that count at the moment."""
    n = len(candidates.hcps)
    if consent is None:
        never, forever = np.full((1, n), NEVER, dtype=np.int64), np.full((1, n), FOREVER, dtype=np.int64)
        return _Spoken((), never, never, never, forever)
    hcp = codes(consent["hcp_id"], position_of(candidates.hcps))
    captured, is_out = consent["captured_at"], consent["opt_type"] == "opt_out"
    # an opt-out is obeyed from its very second on; anything else must be known strictly before
    rows = np.flatnonzero((hcp >= 0) & (captured < candidates.at + is_out))
    of_rows = _row_lines(consent, rows)
    lines = sorted(set(of_rows))
    place = {line: i for i, line in enumerate(lines)}
    cell = np.array([place[line] for line in of_rows], dtype=np.int64) * n + hcp[rows]
    shape = (len(lines) + 1, n)
    is_in = consent["opt_type"][rows] == "opt_in"
    captured, is_out, expires = captured[rows], is_out[rows], _ends(consent)[rows]
    opt_in = _latest(cell, captured, of=is_in, shape=shape)
    return _Spoken(
        tuple(lines),
        _latest(cell, captured, of=is_out, shape=shape),
        opt_in,
        _latest(cell, captured, of=~is_in & ~is_out, shape=shape),
        _earliest_end(cell, expires, of=is_in & (captured == opt_in.reshape(-1)[cell]), shape=shape),
    )


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


def _latest(cell: Ints, moments: Ints, *, of: Bools, shape: tuple[int, int]) -> Ints:
    latest: NDArray[np.int64] = np.full(shape, NEVER, dtype=np.int64)
    np.maximum.at(latest.reshape(-1), cell[of], moments[of])
    return latest


def _earliest_end(cell: Ints, ends: Ints, *, of: Bools, shape: tuple[int, int]) -> Ints:
    earliest: NDArray[np.int64] = np.full(shape, FOREVER, dtype=np.int64)
    np.minimum.at(earliest.reshape(-1), cell[of], ends[of])
    return earliest


def _resolve(
    spoken: _Spoken, covering: Ints, broader: Ints, *, valid_until: int
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """(d, n) reason and (d, n) moment of the opt-in in use, from all lines of each covering set."""
    # a broader line than one of a set is in the set too: when an opt-out is lifted does not depend on the set
    lifted = _most(spoken.opt_in, broader)
    stands = np.zeros(spoken.opt_out.shape, dtype=np.bool_)
    stands[:-1] = (spoken.opt_out[:-1] > NEVER) & (spoken.opt_out[:-1] >= lifted)
    latest_in, latest_pending = _most(spoken.opt_in, covering), _most(spoken.pending, covering)
    expires, out = (
        np.full(latest_in.shape, FOREVER, dtype=np.int64),
        np.zeros(latest_in.shape, dtype=np.bool_),
    )
    for some in covering.T:
        used = spoken.opt_in[some] == latest_in
        np.minimum(expires, spoken.expires[some], out=expires, where=used)
        out |= stands[some]
    reason = np.where(latest_in > NEVER, np.int8(0), np.int8(MISSING))
    reason[(latest_in > NEVER) & (expires < valid_until)] = EXPIRED
    reason[(latest_pending > NEVER) & (latest_pending >= latest_in)] = PENDING
    reason[out] = OPT_OUT
    return reason, np.where(reason == 0, latest_in, -1)


def _most(moments: Ints, sets: Ints) -> Ints:
    """(d, n) the latest moment among each set of lines; set by set would cost a service most of a check."""
    latest = np.full((len(sets), moments.shape[1]), NEVER, dtype=np.int64)
    for some in sets.T:
        np.maximum(latest, moments[some], out=latest)
    return latest


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
