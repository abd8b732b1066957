"""Only approved, valid, newest content, country by country."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import FOREVER, Bools, Candidates, Columns, Context, Ints, Verdict
from nba.guardrails.lookup import codes, content_rows, is_touch, numbered, text_column
from nba.guardrails.registry import Described

_REASONS = ("", "not_approved", "not_yet_valid", "expired", "other_country", "superseded")


@dataclass(frozen=True)
class Approved(Described):
    """Only content whose approval covers the HCP's country and the whole of [at, valid_until].

    Content is removed, with the first reason that applies, when its status is not ``approved``
    (``not_approved``, also for content the table does not hold), its ``approved_from`` lies ahead
    (``not_yet_valid``), its ``expiry`` comes before ``valid_until`` (``expired``), it is not for the HCP's
    country (``other_country``; an empty list is every country), or newer content has taken its place
    (``superseded``).

    A version is superseded in a country once a higher version of the same document is approved and valid
    there; when that one expires the old one does not come back. Content named in another approved and valid
    content's ``supersedes`` is out in every country. Versions compare number by number: "10" is above "9",
    "2.1" above "2.0". An action without content carries no material and is not this rule's matter.

    Notes
    -----
    Facts: ``expiry`` of the content, int seconds UTC; -1 where it has none.

    Examples
    --------
    >>> Approved().code
    'approved'
    """

    code = "approved"

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove candidates whose content may not be used with the HCP now."""
        content, rows = context.content, content_rows(candidates, context.content)
        hcp_country, countries = _hcp_countries(candidates, context.hcps)
        relevant, rows = _relevant(content, rows)
        covers = _covers(content["country"][relevant], countries)
        by_country = _reasons(content, relevant, covers=covers, candidates=candidates)
        reason = _of_actions(by_country, rows, candidates)[hcp_country]
        expiry = np.where(rows >= 0, content["expiry"][relevant][rows] if len(relevant) else FOREVER, FOREVER)
        facts = {"expiry": np.where(expiry >= FOREVER, -1, expiry)[None, :]}
        return Verdict(rule=self.code, reason=reason, reasons=_REASONS, facts=facts)


def _hcp_countries(candidates: Candidates, hcps: Columns) -> tuple[Ints, tuple[Any, ...]]:
    of_hcp = text_column(hcps, "country", length=len(candidates.hcps))
    index = numbered(of_hcp)
    return codes(of_hcp, index), tuple(index)


def _relevant(content: Columns, rows: Ints) -> tuple[Ints, Ints]:
    """Rows of all versions of the candidates' documents, and where the candidates stand among them."""
    documents = content["document_number"]
    wanted = set(documents[rows[rows >= 0]])
    asked = np.zeros(len(documents), dtype=np.bool_)
    asked[rows[rows >= 0]] = True
    same_document = np.fromiter((d in wanted for d in documents), dtype=np.bool_, count=len(documents))
    relevant = np.flatnonzero(asked | same_document)
    return relevant, np.where(rows >= 0, np.searchsorted(relevant, rows), -1)


def _covers(content_countries: NDArray[Any], countries: tuple[Any, ...]) -> Bools:
    """(n_countries, n_contents) True where the content may be used in the country."""
    everywhere = [not len(of_content) for of_content in content_countries]
    rows = [
        [open_ or country in of for open_, of in zip(everywhere, content_countries, strict=True)]
        for country in countries
    ]
    return np.array(rows, dtype=np.bool_).reshape(len(countries), len(content_countries))


def _reasons(content: Columns, relevant: Ints, *, covers: Bools, candidates: Candidates) -> NDArray[np.int8]:
    """(n_countries, n_contents) first reason against each relevant content."""
    approved = content["approval_status"][relevant] == "approved"
    not_yet = content["approved_from"][relevant] > candidates.at
    expired = content["expiry"][relevant] < candidates.valid_until
    superseded = _outdated(content, relevant, covers & approved & ~not_yet)
    superseded |= _replaced(content, relevant, at=candidates.at)
    conditions = [~approved, not_yet, expired, ~covers, superseded]
    reason = np.zeros(covers.shape, dtype=np.int8)
    for code in range(len(conditions), 0, -1):  # the earlier condition has the last word
        reason = np.where(conditions[code - 1], np.int8(code), reason)
    return reason


def _outdated(content: Columns, relevant: Ints, live: Bools) -> Bools:
    """(n_countries, n_contents) True where a live content of the country has a higher version."""
    documents = content["document_number"][relevant]
    document = codes(documents, numbered(documents))
    rank = _version_ranks(content["version"][relevant])
    newest = np.full((live.shape[0], len(relevant) + 1), -1, dtype=np.int64)
    at_country, at_content = np.nonzero(live)
    np.maximum.at(newest, (at_country, document[at_content]), rank[at_content])
    has_number = documents != ""  # content without a number has no other versions
    outdated: Bools = (rank < newest[:, document]) & has_number
    return outdated


def _replaced(content: Columns, relevant: Ints, *, at: int) -> Bools:
    """(n_contents,) True where another approved and valid content says that it takes its place."""
    successors = text_column(content, "supersedes", length=len(content["content_id"]))
    live = (content["approval_status"] == "approved") & (content["approved_from"] <= at)
    live &= (successors != "") & (successors != content["content_id"])
    gone = set(successors[live])
    ids = content["content_id"][relevant]
    return np.fromiter((i in gone for i in ids), dtype=np.bool_, count=len(ids))


def _of_actions(by_country: NDArray[np.int8], rows: Ints, candidates: Candidates) -> NDArray[np.int8]:
    """(n_countries, K) reasons; unknown content is not approved, no content needs no approval."""
    unknown = np.full((len(by_country), 1), _REASONS.index("not_approved"), dtype=np.int8)
    of_actions = np.hstack([by_country, unknown])[:, rows]
    with_content = is_touch(candidates) & np.array([bool(a.content) for a in candidates.actions])
    return np.where(with_content, of_actions, np.int8(0))


def _version_ranks(versions: NDArray[Any]) -> Ints:
    keys = {version: _version_key(version) for version in dict.fromkeys(versions)}
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys.values())))}
    return np.fromiter((ranks[keys[v]] for v in versions), dtype=np.int64, count=len(versions))


@lru_cache(maxsize=4096)
def _version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts versions by their numbers.

    >>> _version_key("9") < _version_key("v10") and _version_key("2") == _version_key("2.0")
    True
    """
    text = version.strip().lower().removeprefix("v")
    parts = [(1, int(p), "") if p.isdigit() else (0, 0, p) for p in re.findall(r"[0-9]+|[^\W0-9_]+", text)]
    while parts and parts[-1] == (1, 0, ""):  # "2.0" is the same version as "2"
        parts.pop()
    return tuple(parts)
