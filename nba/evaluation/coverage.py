"""How much of a cycle's messages has been heard."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nba.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Heard:
    """How far one HCP is with one product's key messages.

    Attributes
    ----------
    hcp_id, product_id : who, about what
    asked : key messages of the cycle
    heard : those of them that were delivered in the cycle
    missing : the others, by id
    behind : how many more an even pace would have delivered by now; 0 for none
    """

    hcp_id: str
    product_id: str
    asked: int
    heard: int
    missing: tuple[str, ...]
    behind: int


@dataclass(frozen=True)
class MessageCoverage:
    """Key messages of a cycle: asked, heard, overdue.

    Attributes
    ----------
    rows : one an HCP and product, by HCP and product
    elapsed : share of the cycle that is over, 0 to 1
    """

    rows: tuple[Heard, ...]
    elapsed: float

    @property
    def share(self) -> float:
        """Share of all asked messages that were heard; NaN where none is asked."""
        asked = sum(row.asked for row in self.rows)
        return sum(row.heard for row in self.rows) / asked if asked else math.nan

    def overdue(self) -> tuple[Heard, ...]:
        """Those who are behind an even pace, the furthest behind first."""
        late = [row for row in self.rows if row.behind]
        return tuple(sorted(late, key=lambda row: (-row.behind, row.hcp_id, row.product_id)))

    def to_frame(self) -> pd.DataFrame:
        """One row an HCP and product; ``missing`` is a tuple of message ids."""
        import pandas as pd

        names = ("hcp_id", "product_id", "asked", "heard", "missing", "behind")
        return pd.DataFrame(
            [tuple(getattr(row, name) for name in names) for row in self.rows], columns=list(names)
        )


def message_coverage(
    asked: Iterable[tuple[str, str, str]], heard: Iterable[tuple[str, str]], *, elapsed: float
) -> MessageCoverage:
    """Count which key messages of a cycle HCPs have heard, and who is behind.

    With m messages asked of an HCP for a product, an even pace has delivered floor(m * elapsed) of them.

    Parameters
    ----------
    asked : (hcp_id, product_id, key_message_id), in any order; doubles count once
    heard : (hcp_id, key_message_id) of touches in the cycle, in any order
    elapsed : share of the cycle that is over, 0 to 1

    Raises
    ------
    ArgumentError
        If ``elapsed`` is outside [0, 1].

    Examples
    --------
    >>> asked = [("h1", "A", "m1"), ("h1", "A", "m2"), ("h2", "A", "m1"), ("h2", "A", "m2")]
    >>> coverage = message_coverage(asked, [("h1", "m1")], elapsed=0.5)
    >>> coverage.share, [(row.hcp_id, row.behind, row.missing) for row in coverage.overdue()]
    (0.25, [('h2', 1, ('m1', 'm2'))])
    """
    if not 0 <= elapsed <= 1:
        raise ArgumentError(f"Found elapsed={elapsed!r}, expected a share of the cycle from 0 to 1.")
    told = set(heard)
    messages: dict[tuple[str, str], set[str]] = {}
    for hcp, product, message in asked:
        messages.setdefault((hcp, product), set()).add(message)
    rows = []
    for (hcp, product), all_of in sorted(messages.items()):
        missing = tuple(sorted(message for message in all_of if (hcp, message) not in told))
        delivered = len(all_of) - len(missing)
        # so little below a whole message that it is rounding only
        due = math.floor(len(all_of) * elapsed + 1e-9)
        rows.append(Heard(hcp, product, len(all_of), delivered, missing, max(due - delivered, 0)))
    return MessageCoverage(tuple(rows), elapsed)
