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
from nba.kept import kept

_REASONS = (
    "", "not_approved", "not_yet_valid", "expired", "other_country", "superseded", "no_own_approval",
    "module_not_approved", "other_language",
)  # fmt: skip


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
        begun, ends = content["approved_from"], content["expiry"]
        # nothing changes from one content's beginning or end to the next: any moment between has one answer
        since = int(begun.max(initial=NEVER, where=begun <= candidates.at))
        until = int(ends.min(initial=FOREVER, where=ends >= candidates.valid_until))
        tags = [content.get(name) for name in _TAGS]
        against = [_against(country, heard, since, until, relevant, *tags) for country, heard in places]
        by_place = np.array(against, dtype=np.int8).reshape(len(places), len(relevant))
        reason = _of_actions(by_place, rows, candidates)[hcp_place]
        expiry = np.where(rows >= 0, content["expiry"][relevant][rows] if len(relevant) else FOREVER, FOREVER)
        facts = {"expiry": np.where(expiry >= FOREVER, -1, expiry)[None, :]}
        return Verdict(rule=self.code, reason=reason, reasons=_REASONS, facts=facts)


_TAGS = (
    "content_id", "document_number", "version", "country", "approval_status", "approved_from", "expiry",
    "language", "supersedes", "family_id", "module_ids",
)  # fmt: skip


@kept
def _against(
    country: str, heard: str, since: int, until: int, relevant: Ints, *tags: NDArray[Any] | None
) -> NDArray[np.int8]:
    """(n_contents,) first reason against each relevant content, in a country and a language."""
    content = {name: tag for name, tag in zip(_TAGS, tags, strict=True) if tag is not None}
    covers: Bools = usable_in(content["country"][relevant], (country,))[0]
    approved = content["approval_status"][relevant] == "approved"
    not_yet = content["approved_from"][relevant] > since
    expired = content["expiry"][relevant] < until
    superseded = _outdated(content, relevant, covers & approved & ~not_yet)
    superseded |= _replaced(content, relevant, at=since)
    borrowed = _borrowed(content, relevant, covers)
    unfit = _unfit(content, relevant, country=country, at=since, until=until)
    spoken = content.get("language")
    foreign = np.zeros(len(relevant), dtype=np.bool_)
    if spoken is not None and heard:
        foreign = speaks_otherwise(heard, spoken[relevant])
    conditions = [~approved, not_yet, expired, ~covers, superseded, borrowed, unfit, foreign]
    reason = np.zeros(len(relevant), dtype=np.int8)
    for code in range(len(conditions), 0, -1):  # the earlier condition has the last word
        reason[conditions[code - 1]] = code
    return reason


@kept
def _relevant(documents: Strings, rows: Ints) -> tuple[Ints, Ints]:
    """Rows of all versions of the candidates' documents, and where the candidates stand among them."""
    wanted = set(documents[rows[rows >= 0]])
    asked = np.zeros(len(documents), dtype=np.bool_)
    asked[rows[rows >= 0]] = True
    same_document = np.fromiter((d in wanted for d in documents), dtype=np.bool_, count=len(documents))
    relevant = np.flatnonzero(asked | same_document)
    return relevant, np.where(rows >= 0, np.searchsorted(relevant, rows), -1)


def _outdated(content: Columns, relevant: Ints, live: Bools) -> Bools:
    """(n_contents,) True where a live content has a higher version."""
    documents = content["document_number"][relevant]
    # content without a number has no other versions
    document, rank = codes(documents, numbered(documents)), _version_ranks(content["version"][relevant])
    newest = np.full(len(relevant) + 1, -1, dtype=np.int64)
    np.maximum.at(newest, document[live], rank[live])
    outdated: Bools = (rank < newest[document]) & (documents != "")
    return outdated


def _replaced(content: Columns, relevant: Ints, *, at: int) -> Bools:
    """(n_contents,) True where another approved and valid content says that it takes its place."""
    ids, supersedes = content["content_id"], content.get("supersedes")
    if supersedes is None:
        return np.zeros(len(relevant), dtype=np.bool_)
    live = (content["approval_status"] == "approved") & (content["approved_from"] <= at)
    named = set(supersedes[live & (supersedes != "") & (supersedes != ids)])
    return np.array([name in named for name in ids[relevant]], dtype=np.bool_)


def _borrowed(content: Columns, relevant: Ints, covers: Bools) -> Bools:
    """(n_contents,) True where another content of the family has the same approval."""
    blank = np.full(len(relevant), "", dtype=object)
    found = [content.get(tag) for tag in ("family_id", "document_number", "version", "language")]
    family, *approval = (blank if tag is None else tag[relevant] for tag in found)
    stamps = list(zip(family, *approval, strict=True))
    stamp = codes(stamps, numbered(stamps))
    is_variant = (family != "") & (approval[0] != "") & (content["content_id"][relevant] != family)
    sharing = np.bincount(stamp[covers], minlength=len(relevant))
    borrowed: Bools = covers & (sharing[stamp] > 1) & is_variant
    return borrowed


def _unfit(content: Columns, relevant: Ints, *, country: str, at: int, until: int) -> Bools:
    """(n_contents,) True where a module is not approved and valid over the whole time."""
    unfit = np.zeros(len(relevant), dtype=np.bool_)
    modules = content.get("module_ids")
    if modules is None or not any(modules[relevant]):
        return unfit
    row_of = position_of(content["content_id"])
    fit = (content["approval_status"] == "approved") & (content["approved_from"] <= at)
    fit &= (content["expiry"] >= until) & usable_in(content["country"], (country,))[0]
    for place, made_of in enumerate(modules[relevant]):
        rows = [row_of.get(module, -1) for module in made_of]
        unfit[place] = bool(rows) and (min(rows) < 0 or not fit[rows].all())  # -1: nobody knows it
    return unfit


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
