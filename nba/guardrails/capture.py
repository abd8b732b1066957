"""Asking for consent is an action, where there is something to ask for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Bools, Candidates, Columns, Context, Verdict
from nba.errors import ArgumentError
from nba.guardrails.consent import EXPIRED, MISSING, OPT_OUT, Line, answers
from nba.guardrails.lookup import content_tags, is_touch
from nba.guardrails.registry import Described

_REASONS = ("", "nothing_to_ask", "opted_out", "consent_unknown")
_NOTHING, _OPTED_OUT, _UNKNOWN = range(1, 4)
_NO_TABLE = "No consent table: nobody is asked for consent, since opt-outs are not known."


@dataclass(frozen=True)
class ConsentCapture(Described):
    """Content that asks for consent goes only to HCPs who have not answered.

    It asks about every outbound channel that needs consent, for the content's product. It fits when for at
    least one of them the HCP has no row yet, or an opt-in that ends before ``valid_until``. Whoever has
    answered for all of them, or whose answer is pending, has nothing to be asked (``nothing_to_ask``);
    whoever has opted out of what is left is not asked again (``opted_out``). :class:`Consent` holds for the
    channel over which one asks as for every touch.

    Parameters
    ----------
    content_type : the content type of content that asks

    Raises
    ------
    ArgumentError
        If it is no name.

    Notes
    -----
    Without a consent table nobody is asked (``consent_unknown``): opt-outs are not known. Fact: ``to_ask``,
    the number of channels to ask about; -1 for content that does not ask.

    Examples
    --------
    >>> ConsentCapture().describe()
    {'class': 'ConsentCapture', 'content_type': 'consent_capture'}
    """

    content_type: str = field(default="consent_capture", kw_only=True)
    code = "consent_capture"

    def __post_init__(self) -> None:
        if not isinstance(self.content_type, str) or not self.content_type.strip():
            raise ArgumentError(
                f"ConsentCapture found content_type={self.content_type!r}, expected a content type's name."
            )

    def check(self, candidates: Candidates, context: Context) -> Verdict:
        """Remove content that asks for consent where there is nothing to ask."""
        products, asks = self._asking(candidates, context.content)
        reason = np.zeros(candidates.allowed.shape, dtype=np.int8)
        to_ask = np.full(reason.shape, -1, dtype=np.int64)
        channels = _needing_consent(context.channels)
        for product in sorted(set(products[asks])):
            columns = np.flatnonzero(asks & (products == product))
            said = _said(channels, product, candidates, context)
            open_ = np.isin(said, (MISSING, EXPIRED)).sum(axis=1)
            out = (said == OPT_OUT).any(axis=1)
            code = np.where(open_ > 0, 0, np.where(out, _OPTED_OUT, _NOTHING))
            if context.consent is None:
                code = np.full(len(code), _UNKNOWN)
            reason[:, columns] = code[:, None]
            to_ask[:, columns] = open_[:, None]
        note = _NO_TABLE if context.consent is None and asks.any() else ""
        return Verdict(self.code, reason, _REASONS, {"to_ask": to_ask}, note=note)

    def _asking(self, candidates: Candidates, content: Columns) -> tuple[NDArray[np.object_], Bools]:
        """(K,) the product each action's content is about, and whether it asks for consent."""
        kind, product = (content_tags(candidates, content, name) for name in ("content_type", "product_id"))
        return product, is_touch(candidates) & (kind == self.content_type)


def _needing_consent(channels: Columns) -> list[str]:
    needs = channels["consent_required"].astype(np.bool_)
    if "direction" in channels:
        needs = needs & (channels["direction"] == "outbound")
    return sorted(set(channels["channel"][needs]))


def _said(channels: list[str], product: str, candidates: Candidates, context: Context) -> NDArray[np.int8]:
    """(n, channels) what each HCP has said of each channel, for a product."""
    lines: list[Line] = [(channel, product, "", "") for channel in channels]
    found = [reason for reason, _ in answers(lines, candidates=candidates, consent=context.consent)]
    return np.array(found, dtype=np.int8).reshape(len(channels), len(candidates.hcps)).T
