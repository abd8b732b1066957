"""What a cautious company starts with."""

from __future__ import annotations

from collections.abc import Mapping

from nba.contracts import Guardrail
from nba.guardrails.access import Access
from nba.guardrails.approval import Approved
from nba.guardrails.balance import EducationalFloor, OneProductADay
from nba.guardrails.capture import ConsentCapture
from nba.guardrails.consent import Consent, CountryDefault
from nba.guardrails.contact import FrequencyCap, MinimumGap
from nba.guardrails.hours import QuietHours
from nba.guardrails.label import OnLabel
from nba.guardrails.paused import Paused
from nba.guardrails.repeat import RepeatGap
from nba.guardrails.routing import Routing


def standard(*, country_default: Mapping[str, CountryDefault] | None = None) -> tuple[Guardrail, ...]:
    """The rules a cautious company would start with, in the order in which they count.

    First what the law and the label ask, then whom one may reach, then how much is too much. The numbers
    are a start, to be moved by what is seen: two contacts a week and six a month over all channels and
    brands, a visit every two weeks, three approved emails a month, an asset once in 90 days, a key message
    once in 14, one contact in five to learn from.

    Parameters
    ----------
    country_default : by country what holds for an HCP without a consent row, as of :class:`Consent`

    Examples
    --------
    >>> [rule.code for rule in standard()][:4]
    ['consent', 'approved', 'on_label', 'routing']
    """
    return (
        Consent(country_default=country_default or {}),
        Approved(),
        OnLabel(),
        Routing(),
        Access(),
        Paused(),
        ConsentCapture(),
        FrequencyCap(2, days=7),
        FrequencyCap(6, days=30),
        FrequencyCap(3, days=30, channel="approved_email"),
        MinimumGap(14, channel="rep_visit"),
        RepeatGap(90),
        RepeatGap(14, by="message"),
        OneProductADay(),
        EducationalFloor(0.2),
        QuietHours(),
    )
