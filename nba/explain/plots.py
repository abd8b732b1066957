"""Draws reasons: in points, beside the runner-up, and over all decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nba.errors import ArgumentError
from nba.explain.card import RepCard
from nba.explain.contrast import Contrast, for_audience
from nba.explain.inert import inert
from nba.explain.points import Grouped
from nba.explain.reasons import OTHER_FACTORS, Audience, check_audience
from nba.explain.wording import Book, load_book

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FOR, AGAINST, QUIET = "#0b5aa8", "#b4530a", "#566170"
"""Told apart by people who do not tell red from green."""


def waterfall(card: RepCard, *, ax: Axes | None = None) -> Axes:
    """From the base to the propensity, reason by reason, in percentage points that add up.

    Parameters
    ----------
    card : written for head office; points are not for reps
    ax : axes to draw on; new ones by default

    Raises
    ------
    ArgumentError
        The card is for reps, or nothing is suggested.

    Examples
    --------
    >>> from nba.explain import build_card, example_receipt
    >>> axes = waterfall(build_card(example_receipt(), audience="hq"))
    >>> axes.get_xlabel()
    'propensity, %'
    """
    if card.details is None or card.details.points is None:
        raise ArgumentError(
            "This card has no points to draw: it is for reps, or nothing is suggested. Take "
            "plan.card(hcp_id, audience='hq') of an HCP with a suggestion."
        )
    book, shown = card.book, card.details.points.rounded(1)
    names = [book.phrase("line", "base", reference=card.details.reference), *(n for n, _ in shown.parts)]
    starts = [shown.base]
    for _, part in shown.parts:
        starts.append(starts[-1] + part)
    ax = _axes(ax, rows=len(names) + 1)
    ax.barh([0], [shown.base], color=QUIET, height=0.6)
    for row, (start, (_, part)) in enumerate(zip(starts, shown.parts, strict=False), start=1):
        ax.barh([row], [part], left=start, color=FOR if part > 0 else AGAINST, height=0.6)
        ax.plot([start, start], [row - 1.3, row + 0.3], color=QUIET, lw=0.8)
        ax.annotate(book.number(part, 1, sign=True), (max(start, start + part), row), (4, 0),
                    textcoords="offset points", va="center", fontsize=9)  # fmt: skip
    ax.barh([len(names)], [shown.score], color=QUIET, height=0.6)
    heading = book.phrases["heading"]
    for row, value in ((0, shown.base), (len(names), shown.score)):
        ax.annotate(book.number(value, 1) + " %", (value, row), (4, 0), textcoords="offset points",
                    va="center", fontsize=9)  # fmt: skip
    _name_rows(ax, [*names, heading["score"]])
    ax.set_xlabel(f"{heading['score']}, %")
    ax.set_xlim(0, max(*starts, shown.score) * 1.15)
    _title(ax, card.headline)
    return ax


def contrast_bars(
    found: Contrast, *, audience: Audience = "rep", book: Book | None = None, ax: Axes | None = None
) -> Axes:
    """The gap to another action part by part: to the right speaks for the chosen one.

    For reps bars have one length, without a number, and hidden parts are not there.

    Examples
    --------
    >>> from nba.contracts import Action
    >>> from nba.explain import Part
    >>> gap = Contrast(Action("email", "a"), Action("call", "a"), 0.3, (Part("term", "cost", 0.3),))
    >>> len(contrast_bars(gap).patches)
    1
    """
    shown, book = for_audience(found, audience), book or load_book()
    ax = _axes(ax, rows=len(shown.parts))
    for row, part in enumerate(shown.parts):
        ax.barh([row], [part.value], color=FOR if part.value > 0 else AGAINST, height=0.6)
    _name_rows(ax, [part.name for part in shown.parts])
    ax.axvline(0.0, color=QUIET, lw=0.8)
    if audience == "rep":
        ax.set_xticks([])
        ax.set_xlim(-1.2, 1.2)
    else:
        ax.set_xlabel(f"{book.phrase('heading', 'gap')} {_plain(inert(found.other))}")
    _title(ax, f"{inert(found.chosen)} – {inert(found.other)}")
    return ax


def importance(
    groups: Grouped, *, audience: Audience = "rep", book: Book | None = None, ax: Axes | None = None
) -> Axes:
    """How much each reason moves propensities: mean absolute percentage points over decisions.

    For reps only visible reasons are there, in order and without a number.

    Parameters
    ----------
    groups : as ``grouped`` gives them

    Examples
    --------
    >>> groups = Grouped(("email",), ("rep",), np.array([[0.5]]), np.array([-1.0]), np.array([-0.5]))
    >>> importance(groups, audience="hq").get_xlabel()
    'mean absolute percentage points, n = 1'
    """
    check_audience(audience)
    sizes = np.abs(groups.points).mean(axis=0) * 100.0
    rows = [
        (size, name)
        for size, name, seen in zip(sizes.tolist(), groups.names, groups.visibility, strict=True)
        if audience == "hq" or (seen == "rep" and name != OTHER_FACTORS)
    ]
    rows.sort(key=lambda row: (-row[0], row[1]))
    ax = _axes(ax, rows=len(rows))
    # a rep sees the order alone: exact sizes of what is shown would tell what is not
    widths = [size if audience == "hq" else float(len(rows) - k) for k, (size, _) in enumerate(rows)]
    ax.barh(range(len(rows)), widths, color=FOR, height=0.6)
    _name_rows(ax, [name for _, name in rows])
    if audience == "hq":
        ax.set_xlabel(f"mean absolute percentage points, n = {len(groups.base):,}")
    else:
        ax.set_xticks([])
    return ax


def _axes(ax: Any, *, rows: int) -> Any:
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    # a figure of its own: pyplot would keep it in the process for ever
    return Figure(figsize=(7.5, 1.2 + 0.36 * max(rows, 1)), layout="constrained").subplots()


def _name_rows(ax: Any, names: Sequence[str]) -> None:
    ax.set_yticks(range(len(names)), [_plain(inert(name).replace("_", " ")) for name in names])
    ax.invert_yaxis()
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="y", length=0)


def _title(ax: Any, text: str) -> None:
    ax.set_title(_plain(text), loc="left", fontsize=11)


def _plain(text: str) -> str:
    """Text that is not read as mathematics."""
    return text.replace("$", "\\$")


__all__ = ["contrast_bars", "importance", "waterfall"]
