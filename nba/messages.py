"""Which key messages of a cycle HCPs have heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nba.contracts import DAY, FOREVER, Columns, Receipt, Tables
from nba.decision import Known
from nba.errors import ArgumentError
from nba.evaluation.coverage import MessageCoverage, message_coverage
from nba.tables import table_of


def coverage_of(
    known: Known, receipts: Sequence[Receipt], *, at: int, start: int, end: int, planned: bool
) -> MessageCoverage:
    """Key-message coverage of the HCPs of some receipts in a cycle, as known strictly before a moment.

    Asked of an HCP are the key messages of content that is approved, valid at the moment and for the HCP's
    country; where there is a ``plan`` table, only those of the products it plans for the HCP in the cycle.

    Parameters
    ----------
    at : int seconds UTC
    start, end : the cycle, int seconds UTC
    planned : count the receipts' own actions as heard

    Raises
    ------
    ArgumentError
        If the cycle is empty, or no content has a key message.
    """
    if not start < end:
        raise ArgumentError("The cycle ends before it starts; expected start before end.")
    content = known.tables.columns("content")
    message = content["key_message_id"]
    if not (message != "").any():
        raise ArgumentError(
            "No content has a key_message_id, so no message can be covered. Fill that column of the content "
            "table."
        )
    hcps = [receipt.hcp_id for receipt in receipts]
    of_content = dict(zip(content["content_id"], message, strict=True))
    heard = list(_touched(known, of_content, hcps, start=start, end=min(end, at)))
    if planned:
        heard += [(receipt.hcp_id, of_content.get(receipt.action.content, "")) for receipt in receipts]
    elapsed = (min(max(at, start), end) - start) / (end - start)
    asked = _asked(known.tables, content, hcps, at=at, cycle=(start, end))
    return message_coverage(asked, heard, elapsed=elapsed)


def _touched(
    known: Known, of_content: dict[str, str], hcps: Sequence[str], *, start: int, end: int
) -> Iterator[tuple[str, str]]:
    touched, wanted = known.touched, set(hcps)
    rows = np.flatnonzero((touched["ts"] >= start) & (touched["ts"] < end) & (touched["known"] < end))
    for hcp, content_id in zip(touched["hcp_id"][rows], touched["content_id"][rows], strict=True):
        if hcp in wanted:
            yield hcp, of_content.get(content_id, "")


def _asked(
    tables: Tables, content: Columns, hcps: Sequence[str], *, at: int, cycle: tuple[int, int]
) -> Iterator[tuple[str, str, str]]:
    live = (content["approval_status"] == "approved") & (content["approved_from"] <= at)
    rows = np.flatnonzero(live & (content["expiry"] > at) & (content["key_message_id"] != ""))
    people = tables.columns("hcps")
    country = dict(zip(people["hcp_id"], people["country"], strict=True))
    goals = _planned_products(tables, cycle)
    for hcp in hcps:
        for i in rows.tolist():
            places, product = content["country"][i], content["product_id"][i]
            if places and country[hcp] not in places:
                continue
            if goals is None or goals.get(hcp, set()) & {product, ""}:
                yield hcp, product, content["key_message_id"][i]


def _planned_products(tables: Tables, cycle: tuple[int, int]) -> dict[str, set[str]] | None:
    """The products planned for each HCP in the cycle ("" is all of them); None without a plan table."""
    table = table_of(tables, "plan")
    if table is None:
        return None
    start, end = cycle
    last = np.where(table["to"] >= FOREVER, FOREVER, np.minimum(table["to"], FOREVER - DAY) + DAY)
    goals: dict[str, set[str]] = {}
    for i in np.flatnonzero((table["from"] < end) & (last > start) & (table["goal"] > 0)).tolist():
        goals.setdefault(table["hcp_id"][i], set()).add(table["product_id"][i])
    return goals
