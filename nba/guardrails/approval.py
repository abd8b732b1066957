"""Only approved, valid, newest content, country by country."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import (
    DO_NOTHING,
    FOREVER,
    Action,
    Bools,
    Candidates,
    Columns,
    Context,
    Ints,
    Strings,
    Verdict,
)
from nba.guardrails.lookup import (
    codes,
    content_rows,
    hcp_places,
    numbered,
    position_of,
    speaks_otherwise,
    usable_in,
)
from nba.guardrails.registry import Described
from nba.tables.kept import kept

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
        content = context.content
        hcp_place, places = hcp_places(candidates, context.hcps)
        relevant, rows = _relevant(content["document_number"], content_rows(candidates, content))
        countries = numbered(country for country, _ in places)
        covers = np.array([_open_in(c, content["country"], relevant) for c in countries], dtype=np.bool_)
        covers = covers.reshape(len(countries), len(relevant))
        by_country = _reasons(content, relevant, covers=covers, countries=tuple(countries), asked=candidates)
        by_place = by_country[codes([country for country, _ in places], countries)]
        heard = [_foreign(language, content.get("language"), relevant) for _, language in places]
        foreign = np.array(heard, dtype=np.bool_).reshape(by_place.shape)
        by_place = np.where((by_place == 0) & foreign, np.int8(_OTHER_LANGUAGE), by_place)
        reason = _of_actions(by_place, rows, candidates)[hcp_place]
        expiry = np.where(rows >= 0, content["expiry"][relevant][rows] if len(relevant) else FOREVER, FOREVER)
        facts = {"expiry": np.where(expiry >= FOREVER, -1, expiry)[None, :]}
        return Verdict(rule=self.code, reason=reason, reasons=_REASONS, facts=facts)


@kept
def _foreign(heard: str, languages: Strings | None, relevant: Ints) -> Bools:
    """(n_contents,) True where content and HCP are known to speak different languages."""
    if languages is None or not heard:
        return np.zeros(len(relevant), dtype=np.bool_)
    return speaks_otherwise(heard, languages[relevant])


@kept
def _open_in(country: str, countries: NDArray[Any], relevant: Ints) -> Bools:
    """(n_contents,) True where the content may be used in the country."""
    usable: Bools = usable_in(countries[relevant], (country,))[0]
    return usable


@kept
def _relevant(documents: Strings, rows: Ints) -> tuple[Ints, Ints]:
    """Rows of all versions of the candidates' documents, and where the candidates stand among them."""
    wanted = set(documents[rows[rows >= 0]])
    asked = np.zeros(len(documents), dtype=np.bool_)
    asked[rows[rows >= 0]] = True
    same_document = np.fromiter((d in wanted for d in documents), dtype=np.bool_, count=len(documents))
    relevant = np.flatnonzero(asked | same_document)
    return relevant, np.where(rows >= 0, np.searchsorted(relevant, rows), -1)


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
    document, rank, has_number = _versions(content["document_number"], content["version"], relevant)
    newest = np.full((live.shape[0], len(relevant) + 1), -1, dtype=np.int64)
    at_country, at_content = np.nonzero(live)
    np.maximum.at(newest, (at_country, document[at_content]), rank[at_content])
    outdated: Bools = (rank < newest[:, document]) & has_number
    return outdated


@kept
def _versions(documents: Strings, versions: Strings, relevant: Ints) -> tuple[Ints, Ints, Bools]:
    """(n_contents,) which document each is, the rank of its version, and whether it has a number."""
    documents = documents[relevant]
    # content without a number has no other versions
    return codes(documents, numbered(documents)), _version_ranks(versions[relevant]), documents != ""


def _replaced(content: Columns, relevant: Ints, *, at: int) -> Bools:
    """(n_contents,) True where another approved and valid content says that it takes its place."""
    ids, replaced = content["content_id"], np.zeros(len(relevant), dtype=np.bool_)
    by, what = _successors(ids, content.get("supersedes"), relevant)
    live = (content["approval_status"][by] == "approved") & (content["approved_from"][by] <= at)
    replaced[what[live]] = True
    return replaced


@kept
def _successors(ids: Strings, supersedes: Strings | None, relevant: Ints) -> tuple[Ints, Ints]:
    """Each pair of a content (its row) and a relevant one (its place) that it says it replaces."""
    if supersedes is None:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    rows = np.flatnonzero((supersedes != "") & (supersedes != ids))
    by_name: dict[str, list[int]] = {}
    for row in rows.tolist():
        by_name.setdefault(supersedes[row], []).append(row)
    found = [(row, place) for place, i in enumerate(ids[relevant]) for row in by_name.get(i, ())]
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _borrowed(content: Columns, relevant: Ints, covers: Bools) -> Bools:
    """(n_countries, n_contents) True where another content of the family has the same approval."""
    tags = ("family_id", "document_number", "version", "language")
    stamp, is_variant = _stamps(content["content_id"], relevant, *map(content.get, tags))
    sharing = np.zeros((len(covers), len(relevant)), dtype=np.int64)
    np.add.at(sharing, (np.arange(len(covers))[:, None], stamp), covers)
    borrowed: Bools = covers & (sharing[:, stamp] > 1) & is_variant
    return borrowed


@kept
def _stamps(ids: Strings, relevant: Ints, *tags: Strings | None) -> tuple[Ints, Bools]:
    """(n_contents,) which approval within its family each carries, and whether it is a variant of one."""
    blank = np.full(len(relevant), "", dtype=object)
    family, *approval = (blank if tag is None else tag[relevant] for tag in tags)
    stamps = list(zip(family, *approval, strict=True))
    is_variant = (family != "") & (approval[0] != "") & (ids[relevant] != family)
    return codes(stamps, numbered(stamps)), is_variant


def _unfit(content: Columns, relevant: Ints, *, countries: tuple[Any, ...], asked: Candidates) -> Bools:
    """(n_countries, n_contents) True where a module is not approved and valid over the whole time."""
    unfit = np.zeros((len(countries), len(relevant)), dtype=np.bool_)
    modules = content.get("module_ids")
    if modules is None:
        return unfit
    fit = (content["approval_status"] == "approved") & (content["approved_from"] <= asked.at)
    fit &= content["expiry"] >= asked.valid_until
    for place, parts in _modules(content["content_id"], modules, relevant):
        if min(parts) >= 0:
            covers = usable_in(content["country"][parts], countries)
            unfit[:, place] = ~(covers & fit[parts]).all(axis=1)
        else:  # a module that nobody knows
            unfit[:, place] = True
    return unfit


@kept
def _modules(ids: Strings, modules: NDArray[Any], relevant: Ints) -> tuple[tuple[int, list[int]], ...]:
    """Relevant contents that are made of modules: each one's place, and its modules' rows (-1: unknown)."""
    row_of = position_of(ids)
    parts = [[row_of.get(module, -1) for module in modules[i]] for i in relevant.tolist()]
    return tuple((place, rows) for place, rows in enumerate(parts) if rows)


def _of_actions(by_place: NDArray[np.int8], rows: Ints, candidates: Candidates) -> NDArray[np.int8]:
    """(n_places, K) reasons; unknown content is not approved, no content needs no approval."""
    unknown = np.full((len(by_place), 1), _REASONS.index("not_approved"), dtype=np.int8)
    of_actions = np.hstack([by_place, unknown])[:, rows]
    return np.where(_with_content(candidates.actions), of_actions, np.int8(0))


@kept
def _with_content(actions: tuple[Action, ...]) -> Bools:
    return np.array([action != DO_NOTHING and bool(action.content) for action in actions])


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
