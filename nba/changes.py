"""How one plan differs from another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nba.contracts import Action, Receipt

if TYPE_CHECKING:
    import pandas as pd

Cause = Literal["removed", "opened", "priorities", "draw"]


@dataclass(frozen=True)
class Change:
    """One HCP for whom another action was chosen.

    Attributes
    ----------
    hcp_id : who
    before, after : the chosen actions
    cause : "removed": the action before is no longer eligible; "opened": the action after was not eligible
        before; "priorities": both were, with other probabilities; "draw": the very same probabilities, drawn
        anew
    code : for "removed" the rule's reason, for "opened" the reason that no longer holds; "" where the action
        was or is no candidate at all
    """

    hcp_id: str
    before: Action
    after: Action
    cause: Cause
    code: str = ""


@dataclass(frozen=True)
class PlanDiff:
    """What changed from one plan to another.

    Attributes
    ----------
    changes : HCPs in both plans whose action is another, by HCP
    same : HCPs in both plans whose action is the same
    gone, new : HCPs in the first plan only, and in the second only
    """

    changes: tuple[Change, ...]
    same: int
    gone: tuple[str, ...]
    new: tuple[str, ...]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many changes have each (cause, code), the most frequent first."""
        found = Counter((change.cause, change.code) for change in self.changes)
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def to_frame(self) -> pd.DataFrame:
        """One row a change."""
        import pandas as pd

        names = ("hcp_id", "from_channel", "from_content", "to_channel", "to_content", "cause", "code")
        rows = [
            (change.hcp_id, *change.before, *change.after, change.cause, change.code)
            for change in self.changes
        ]
        return pd.DataFrame(rows, columns=list(names))

    def __str__(self) -> str:
        both = self.same + len(self.changes)
        lines = [f"{len(self.changes):,} of {both:,} HCPs get another action."]
        lines += [
            f"  {count:,}  {cause}{f' ({code})' if code else ''}"
            for (cause, code), count in self.counts().items()
        ]
        if self.gone or self.new:
            lines.append(f"{len(self.gone):,} HCPs are no longer in the plan, {len(self.new):,} are new.")
        return "\n".join(lines)


def diff(before: Sequence[Receipt], after: Sequence[Receipt]) -> PlanDiff:
    """Compare two plans, HCP by HCP.

    Parameters
    ----------
    before, after : receipts, each HCP at most once in each
    """
    was = {receipt.hcp_id: receipt for receipt in before}
    now = {receipt.hcp_id: receipt for receipt in after}
    both = sorted(was.keys() & now.keys())
    changes = tuple(_change(was[hcp], now[hcp]) for hcp in both if was[hcp].action != now[hcp].action)
    return PlanDiff(
        changes=changes,
        same=len(both) - len(changes),
        gone=tuple(sorted(was.keys() - now.keys())),
        new=tuple(sorted(now.keys() - was.keys())),
    )


def _change(was: Receipt, now: Receipt) -> Change:
    before, after = dict(was.eligible), dict(now.eligible)
    if was.action not in after:
        return Change(now.hcp_id, was.action, now.action, "removed", dict(now.removed).get(was.action, ""))
    if now.action not in before:
        return Change(now.hcp_id, was.action, now.action, "opened", dict(was.removed).get(now.action, ""))
    cause: Cause = "draw" if before == after else "priorities"
    return Change(now.hcp_id, was.action, now.action, cause)


__all__ = ["Change", "PlanDiff", "diff"]
