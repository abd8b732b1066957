"""Only approved, valid, newest content, country by country."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import FOREVER, Bools, Candidates, Columns, Context, Ints, Verdict
from nba.guardrails.lookup import codes, content_rows, is_touch, numbered, position_of, text_column
from nba.guardrails.registry import Described

_REASONS = (
    "", "not_approved", "not_yet_valid", "expired", "other_country", "superseded", "no_own_approval",
    "module_not_approved", "other_language",
)  # fmt: skip
_OTHER_LANGUAGE = _REASONS.index("other_language")


@dataclass(frozen=True)
class Approved(Described):
    """Only content whose approval covers the HCP's country and the whole of [at, valid_until].

    Content is removed, with the first reason that applies, when its status is not ``approved``
    (``not_approved``, also for content the table does not hold), its ``approved_from`` lies ahead
    (``not_yet_valid``), its ``expiry`` comes before ``valid_until`` (``expired``), it is not for the HCP's
    country (``other_country``; an empty list is every country), newer content has taken its place
    (``superseded``), it is a variant that borrows another's approval (``no_own_approval``), a module it is
    made of is not approved and valid in the country (``module_not_approved``), or it speaks another language
    than the HCP (``other_language``; where both are known).

    A version is superseded in a country once a higher version of the same document is approved and valid
    there; when that one expires the old one does not come back. Content named in another approved and valid
    content's ``supersedes`` is out in every country. Versions compare number by number: "10" is above "9",
    "2.1" above "2.0".

    A variant needs an approval of its own, that is a document number and version that no other content of its
    family (``family_id``) carries in the same language and country; the content whose id is the family's is
    the one that was approved. An action without content carries no material and is not this rule's matter.

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
        hcp_place, places = _hcp_places(candidates, context.hcps)
        relevant, rows = _relevant(content, rows)
        countries = numbered(country for country, _ in places)
        covers = _covers(content["country"][relevant], tuple(countries))
        by_country = _reasons(content, relevant, covers=covers, countries=tuple(countries), asked=candidates)
        by_place = by_country[codes([country for country, _ in places], countries)]
        foreign = _foreign(content, relevant, [language for _, language in places])
        by_place = np.where((by_place == 0) & foreign, np.int8(_OTHER_LANGUAGE), by_place)
        reason = _of_actions(by_place, rows, candidates)[hcp_place]
        expiry = np.where(rows >= 0, content["expiry"][relevant][rows] if len(relevant) else FOREVER, FOREVER)
        facts = {"expiry": np.where(expiry >= FOREVER, -1, expiry)[None, :]}
        return Verdict(rule=self.code, reason=reason, reasons=_REASONS, facts=facts)


def _hcp_places(candidates: Candidates, hcps: Columns) -> tuple[Ints, list[tuple[str, str]]]:
    """The distinct (country, language) of HCPs, and which one each HCP is."""
    n = len(candidates.hcps)
    country, language = (text_column(hcps, name, length=n).tolist() for name in ("country", "language"))
    pairs = list(zip(country, language, strict=True))
    index = numbered(pairs)
    return codes(pairs, index), list(index)


def _foreign(content: Columns, relevant: Ints, languages: list[str]) -> Bools:
    """(n_places, n_contents) True where content and HCP are known to speak different languages."""
    spoken = text_column(content, "language", length=len(content["content_id"]))[relevant]
    heard = np.array(languages, dtype=object)[:, None]
    foreign: Bools = (heard != "") & (spoken != "") & (heard != spoken)
    return foreign.reshape(len(languages), len(relevant))


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


def _reasons(
    content: Columns, relevant: Ints, *, covers: Bools, countries: tuple[Any, ...], asked: Candidates
) -> NDArray[np.int8]:
    """(n_countries, n_contents) first reason against each relevant content."""
    approved = content["approval_status"][relevant] == "approved"
    not_yet = content["approved_from"][relevant] > asked.at
    expired = content["expiry"][relevant] < asked.valid_until
    superseded = _outdated(content, relevant, covers & approved & ~not_yet)
    superseded |= _replaced(content, relevant, at=asked.at)
    borrowed = _borrowed(content, relevant, covers)
    unfit = _unfit(content, relevant, countries=countries, asked=asked)
    conditions = [~approved, not_yet, expired, ~covers, superseded, borrowed, unfit]
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


def _borrowed(content: Columns, relevant: Ints, covers: Bools) -> Bools:
    """(n_countries, n_contents) True where another content of the family has the same approval."""
    length = len(content["content_id"])
    tags = ("family_id", "document_number", "version", "language")
    family, *approval = (text_column(content, tag, length=length)[relevant] for tag in tags)
    stamps = list(zip(family, *approval, strict=True))
    stamp = codes(stamps, numbered(stamps))
    sharing = np.zeros((len(covers), len(relevant)), dtype=np.int64)
    np.add.at(sharing, (np.arange(len(covers))[:, None], stamp), covers)
    is_variant = (family != "") & (approval[0] != "") & (content["content_id"][relevant] != family)
    borrowed: Bools = covers & (sharing[:, stamp] > 1) & is_variant
    return borrowed


def _unfit(content: Columns, relevant: Ints, *, countries: tuple[Any, ...], asked: Candidates) -> Bools:
    """(n_countries, n_contents) True where a module is not approved and valid over the whole time."""
    unfit = np.zeros((len(countries), len(relevant)), dtype=np.bool_)
    modules = content.get("module_ids")
    if modules is None:
        return unfit
    fit = (content["approval_status"] == "approved") & (content["approved_from"] <= asked.at)
    fit &= content["expiry"] >= asked.valid_until
    row_of = position_of(content["content_id"])
    for place, i in enumerate(relevant.tolist()):
        parts = [row_of.get(module, -1) for module in modules[i]]
        if parts and min(parts) >= 0:
            covers = _covers(content["country"][parts], countries)
            unfit[:, place] = ~(covers & fit[parts]).all(axis=1)
        elif parts:  # a module that nobody knows
            unfit[:, place] = True
    return unfit


def _of_actions(by_place: NDArray[np.int8], rows: Ints, candidates: Candidates) -> NDArray[np.int8]:
    """(n_places, K) reasons; unknown content is not approved, no content needs no approval."""
    unknown = np.full((len(by_place), 1), _REASONS.index("not_approved"), dtype=np.int8)
    of_actions = np.hstack([by_place, unknown])[:, rows]
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
