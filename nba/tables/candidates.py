"""Which actions exist, and which HCPs may get them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from nba.contracts import DAY, DO_NOTHING, Action, Bools, Candidates, Columns, Ints, Strings, Tables
from nba.errors import ArgumentError, UnknownActionError, UnknownHCPError
from nba.kept import kept
from nba.tables.arrays import factorize
from nba.tables.moments import as_moment


def candidates(
    engagement: Tables,
    at: object,
    *,
    valid_days: float = 7.0,
    hcps: Sequence[str] | Strings | None = None,
    channels: Sequence[str] | None = None,
) -> Candidates:
    """Give the HCP x action combinations that channel, country and language allow.

    An action exists for each outbound channel of the channels table that a content lists. It is
    allowed where the content is for the HCP's country (no country is everywhere) and speaks the
    HCP's language (where that is known). Status, version and dates are left to the guardrails.

    Parameters
    ----------
    engagement : the tables, an Engagement or one HCP's
    at : anything ``as_moment`` reads, or int seconds UTC
    valid_days : how long a decision holds, > 0
    hcps : only these; None is all. A chunk costs no more than its own size.
    channels : only these; None is all

    Returns
    -------
    Candidates with sorted unique HCPs, DO_NOTHING first and the other actions sorted

    Raises
    ------
    UnknownHCPError, UnknownActionError
        If an HCP or a channel is asked for that the tables do not hold.
    ArgumentError
        If ``valid_days`` is not a positive number.

    Examples
    --------
    >>> import pandas as pd
    >>> from nba.tables import Engagement
    >>> log = pd.DataFrame({
    ...     "interaction_id": ["i1"], "hcp_id": ["h1"], "ts": pd.to_datetime(["2026-01-05T09:00Z"]),
    ...     "channel": ["rep_visit"], "direction": ["outbound"], "outcome": ["held"]})
    >>> content = pd.DataFrame({
    ...     "content_id": ["c1"], "document_number": ["PM-1"], "version": ["1"], "title": ["Overview"],
    ...     "channels": [["rep_visit"]], "content_type": ["summary"], "format": ["pdf"],
    ...     "topic": ["mechanism"], "purpose": ["educational"], "language": ["en"], "country": [["US"]],
    ...     "approval_status": ["approved"], "approved_from": pd.to_datetime(["2026-01-01T00Z"]),
    ...     "expiry": pd.to_datetime(["2027-01-01T00Z"])})
    >>> hcps = pd.DataFrame({"hcp_id": ["h1", "h2"], "country": ["US", "DE"]})
    >>> candidates(Engagement(log, content, hcps), "2026-03-01").allowed
    array([[ True,  True],
           [ True, False]])
    """
    if not 0 < valid_days < np.inf:
        raise ArgumentError(f"valid_days is {valid_days}. Expected a positive number of days, such as 7.")
    start = at if isinstance(at, int) and not isinstance(at, bool) else as_moment(at)
    people = engagement.columns("hcps")
    rows = _rows_of(people["hcp_id"], hcps)
    content = engagement.columns("content")
    outbound = frozenset(_outbound(engagement.columns("channels"), channels))
    actions, content_rows = _actions(content["content_id"], content["channels"], outbound)
    return Candidates(
        hcps=people["hcp_id"][rows],
        actions=actions,
        allowed=_allowed(people["country"][rows], people["language"][rows], content, content_rows),
        at=start,
        valid_until=start + int(valid_days * DAY),
    )


def _rows_of(known: Strings, wanted: Sequence[str] | Strings | None) -> Ints:
    """Rows of the wanted HCPs in the sorted hcps table."""
    if wanted is None:
        return np.arange(len(known))
    if isinstance(wanted, str):
        raise ArgumentError("hcps is one text. Expected a list of ids: hcps=[...].")
    asked = np.array(sorted(set(wanted)), dtype=object)
    rows = np.searchsorted(known, asked) if len(asked) else np.empty(0, dtype=np.int64)
    found = known[np.minimum(rows, len(known) - 1)] == asked
    if not np.all(found):
        raise UnknownHCPError(
            f"{int((~found).sum())} of {len(asked)} HCPs are not among the {len(known)} of the hcps table. "
            "Add them to the hcps table, or leave them out."
        )
    return rows


def _outbound(channels: Columns, wanted: Sequence[str] | None) -> set[str]:
    known = set(channels["channel"])
    unknown = sorted(set(wanted or ()) - known)
    if unknown:
        raise UnknownActionError(
            f"Channels {unknown} are not in the channels table. Known channels: {sorted(known)}. "
            "Describe them in the channels table, or leave them out."
        )
    outbound = set(channels["channel"][channels["direction"] == "outbound"])
    return outbound if wanted is None else outbound & set(wanted)


@kept
def _actions(
    content_ids: Strings, channels_of: Strings, outbound: frozenset[str]
) -> tuple[tuple[Action, ...], Ints]:
    """The sorted actions, DO_NOTHING before them, and the row in the content table of each but that."""
    pairs = sorted(
        (Action(channel, content_id), row)
        for row, (content_id, channels) in enumerate(zip(content_ids, channels_of, strict=True))
        for channel in channels
        if channel in outbound
    )
    rows = np.array([row for _, row in pairs], dtype=np.int64)
    return (DO_NOTHING, *(action for action, _ in pairs)), rows


def _allowed(country: Strings, language: Strings, content: Columns, content_rows: Ints) -> Bools:
    """(n, K) with the column of DO_NOTHING first; countries and languages are compared once each."""
    (countries, country_code), (languages, language_code) = factorize(country), factorize(language)
    n_languages = max(len(languages), 1)
    of_content = content["country"], content["language"]
    fits = np.array(
        [_fits(c, spoken, *of_content) for c, spoken in product(countries, languages)], dtype=np.bool_
    ).reshape(-1, len(content["content_id"]))
    by_action = np.concatenate([np.ones((len(fits), 1), dtype=np.bool_), fits[:, content_rows]], axis=1)
    allowed: Bools = by_action[country_code * n_languages + language_code]
    return allowed


@kept
def _fits(country: str, language: str, countries: Strings, languages: Strings) -> Bools:
    return np.array(
        [
            (not places or country in places) and (not language or language == spoken)
            for places, spoken in zip(countries, languages, strict=True)
        ],
        dtype=np.bool_,
    )
