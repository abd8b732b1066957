"""Only what a product's label in the HCP's country covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba.contracts import DAY, FOREVER, Candidates, Columns, Context, Ints, Verdict
from nba.guardrails.lookup import codes, content_tags, is_touch, numbered, text_column
from nba.guardrails.registry import Described
from nba.kept import kept

_REASONS = ("", "other_specialty", "label_unclear", "off_label", "on_request_only", "no_label")
_OTHER_SPECIALTY, _UNCLEAR, _OFF_LABEL, _ON_REQUEST, _NO_LABEL = range(1, 6)
_NO_TABLE = "No labels table: content is not checked against labelled indications."


@dataclass(frozen=True)
class OnLabel(Described):
    """Only content inside the labelled indications of its product, where and for whom they hold.

    A row of the ``labels`` table speaks for a product in a country while its days cover the whole of
    [at, valid_until]. A content of the product is inside that row when its indication is the row's, its
    topic is one of the row's, and the HCP's specialty is one of the row's; what the row leaves empty it does
    not limit, and an indication the content leaves empty is not compared. One row is enough. Of all rows the
    one that comes nearest gives the reason:

    - ``other_specialty``: the label is for other specialties;
    - ``label_unclear``: neither indication nor topic can be compared, so nothing shows that it is on label;
    - ``off_label``: another indication or topic. Medical content is ``on_request_only`` instead: it may
      answer a question that the HCP asked, and is never offered;
    - ``no_label``: the product has no label in the country in this time.

    Content without a product is not this rule's matter.

    Notes
    -----
    Facts: ``product`` of the content. Without a labels table nothing is removed, and the funnel says so.

    Examples
    --------
    >>> OnLabel().describe()
    {'class': 'OnLabel'}
    """

    code = "on_label"

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove candidates whose content the label does not cover."""
        asked, kind_of = _asked(candidates, context.content)
        facts = {"product": np.array([kind.product for kind in asked], dtype=object)[kind_of][None, :]}
        labels = context.tables.get("labels")
        if labels is None:
            nothing = np.zeros(candidates.allowed.shape, dtype=np.int8)
            return Verdict(self.code, nothing, _REASONS, facts, note=_NO_TABLE)
        who, person_of = _people(context.hcps, len(candidates.hcps))
        rows = _rows(labels, candidates)
        table = [[_reason(kind, rows.get((kind.product, at), ()), who=s) for kind in asked] for at, s in who]
        reason = np.array(table, dtype=np.int8).reshape(len(who), len(asked))[:, kind_of][person_of]
        return Verdict(self.code, np.where(is_touch(candidates), reason, np.int8(0)), _REASONS, facts)


class _Kind(NamedTuple):
    """What a label has to say about a content."""

    product: str
    topic: str
    indication: str
    purpose: str


class _Label(NamedTuple):
    indication: str
    topics: tuple[str, ...]
    specialties: tuple[str, ...]


def _asked(candidates: Candidates, content: Columns) -> tuple[tuple[_Kind, ...], Ints]:
    """The distinct kinds of content, and which one each action carries; unknown content is of no product."""
    return _kinds(*(content_tags(candidates, content, f"{name}_id" if name == "product" else name)
                    for name in _Kind._fields))  # fmt: skip


@kept
def _kinds(*tags: NDArray[Any]) -> tuple[tuple[_Kind, ...], Ints]:
    kinds = [_Kind(*said) for said in zip(*tags, strict=True)]
    index = numbered(kinds)
    return tuple(index), codes(kinds, index)


def _people(hcps: Columns, length: int) -> tuple[list[tuple[str, str]], Ints]:
    """The distinct (country, specialty) of HCPs, and which one each HCP is."""
    pairs = list(
        zip(
            text_column(hcps, "country", length=length).tolist(),
            text_column(hcps, "specialty", length=length).tolist(),
            strict=True,
        )
    )
    index = numbered(pairs)
    return list(index), codes(pairs, index)


def _rows(labels: Columns, candidates: Candidates) -> dict[tuple[str, str], list[_Label]]:
    """The labels by (product, country) that hold over the whole of the candidates' time."""
    length = len(labels["product_id"])
    covers = _holds(labels, "from", "to", at=candidates.at, until=candidates.valid_until)
    found: dict[tuple[str, str], list[_Label]] = {}
    for i in np.flatnonzero(covers).tolist():
        lists = (labels[name][i] if name in labels else () for name in ("topics", "specialties"))
        label = _Label(text_column(labels, "indication", length=length)[i], *map(tuple, lists))
        found.setdefault((labels["product_id"][i], labels["country"][i]), []).append(label)
    return found


def _holds(table: Columns, start: str, end: str, *, at: int, until: int) -> NDArray[np.bool_]:
    """True for rows whose days, the last one included, cover the whole of [at, until]."""
    holds = np.ones(len(table["product_id"]), dtype=np.bool_)
    if start in table:
        holds &= table[start] <= at
    if end in table:
        last = table[end]
        holds &= np.where(last >= FOREVER, FOREVER, np.minimum(last, FOREVER - DAY) + DAY) >= until
    return holds


def _reason(kind: _Kind, labels: Sequence[_Label], *, who: str) -> int:
    """The reason of the row that comes nearest; 0 where one covers the content."""
    if not kind.product:
        return 0
    nearest = min((_against(kind, label, who=who) for label in labels), default=_NO_LABEL)
    return _ON_REQUEST if nearest == _OFF_LABEL and kind.purpose == "medical" else nearest


def _against(kind: _Kind, label: _Label, *, who: str) -> int:
    if (kind.indication and kind.indication != label.indication) or (
        label.topics and kind.topic not in label.topics
    ):
        return _OFF_LABEL
    if not kind.indication and not label.topics:
        return _UNCLEAR
    return _OTHER_SPECIALTY if label.specialties and who not in label.specialties else 0
