"""Pictures of how good probabilities are, each an Axes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nba.contracts import Action, Floats, Ints
from nba.errors import ArgumentError
from nba.evaluation.intervals import Interval, clustered_auc, clustered_gains, clustered_rate
from nba.evaluation.metrics import calibration_line, equal_groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours (2008), which every kind of colour vision tells apart; black is kept for text.
BLUE, ORANGE = "#0072B2", "#E69F00"
COLOURS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
GREY = "#767676"
_INCHES, _DOTS_PER_INCH, _SCREEN_DOTS_PER_INCH = (6.4, 4.4), 150, 96


def reliability(
    y: Floats,
    p: Floats,
    *,
    ax: Axes | None = None,
    clusters: NDArray[Any] | None = None,
    bins: int = 10,
    level: float = 0.95,
    rows: str = "touches",
    positives: str = "responses",
) -> Axes:
    """Draw how often what was predicted came true, in equally large groups by probability.

    Parameters
    ----------
    y : (n,) 0 or 1
    p : (n,) predicted probabilities in [0, 1]
    ax : where to draw; None makes a figure of its own, which a notebook shows
    clusters : (n,) whose row it is (HCP ids), for the intervals; None takes rows as independent
    bins : groups, at least 2; equal probabilities are never parted
    level : of the intervals, in (0, 1)
    rows, positives : what rows and ones are called in the labels

    Raises
    ------
    ArgumentError
        If an argument does not fit, or matplotlib is not installed.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.beta(2, 8, 500)
    >>> ax = reliability((rng.random(500) < p).astype(float), p)
    >>> ax.get_xlabel()
    'Predicted probability (%)'
    """
    y, p, who = _checked(y, p, clusters, level=level)
    if bins < 2:
        raise ArgumentError(f"bins is {bins}; expected at least 2.")
    groups = equal_groups(p, bins=bins)
    means = 100 * np.array([p[group].mean() for group in groups])
    rates = [clustered_rate(y[group], who[group], level=level) for group in groups]
    ax = _axes(ax)
    top = 1.05 * max(float(means.max()), *(100 * rate.high for rate in rates))
    ax.plot([0, top], [0, top], color=GREY, linestyle="--", linewidth=1, label="as predicted")
    _with_bars(ax, means, rates, label=f"observed, {100 * level:g} % interval")
    ax.set_xlim(0, top)
    ax.set_ylim(0, top)
    ax.set_xlabel("Predicted probability (%)")
    ax.set_ylabel(f"Observed {positives} (% of {rows})")
    ax.set_title(f"Reliability: {len(y):,} {rows}, {int(y.sum()):,} {positives}{_line(y, p)}")
    _finish(ax)
    ax.legend(frameon=False, loc="upper left")
    return ax


def gains(
    y: Floats,
    p: Floats,
    *,
    ax: Axes | None = None,
    clusters: NDArray[Any] | None = None,
    level: float = 0.95,
    rows: str = "touches",
    positives: str = "responses",
) -> Axes:
    """Draw which share of all positives the likeliest rows hold, beside chance and a perfect order.

    Parameters
    ----------
    y : (n,) 0 or 1, at least one 1
    p : (n,) predicted probabilities in [0, 1]
    ax, clusters, level, rows, positives : as in :func:`reliability`

    Raises
    ------
    ArgumentError
        If an argument does not fit, or matplotlib is not installed.

    Examples
    --------
    >>> ax = gains(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.4, 0.1, 0.3, 0.2]))
    >>> ax.get_ylabel()
    'Share of all responses found (%)'
    """
    y, p, who = _checked(y, p, clusters, level=level)
    shares = np.linspace(0, 1, 101)
    found = clustered_gains(p, y, who, shares=shares.tolist(), level=level)
    ax = _axes(ax)
    x = 100 * shares
    ax.fill_between(
        x,
        [100 * gain.low for gain in found],
        [100 * gain.high for gain in found],
        color=BLUE,
        alpha=0.2,
        linewidth=0,
        label=f"{100 * level:g} % interval at each share",
    )
    ax.plot(x, [100 * gain.mean for gain in found], color=BLUE, linewidth=2, label="likeliest first")
    ax.plot([0, 100 * y.mean(), 100], [0, 100, 100], color=ORANGE, linestyle=":", label="perfect order")
    ax.plot([0, 100], [0, 100], color=GREY, linestyle="--", linewidth=1, label="any order")
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 102)
    ax.set_xlabel(f"Share of {rows}, likeliest first (%)")
    ax.set_ylabel(f"Share of all {positives} found (%)")
    tenth, fifth = (100 * found[share].mean for share in (10, 20))
    ax.set_title(f"Gains: the first 10 % hold {tenth:.0f} % of {positives}, 20 % hold {fifth:.0f} %")
    _finish(ax)
    ax.legend(frameon=False, loc="lower right")
    return ax


def volume(
    y: Floats,
    p: Floats,
    *,
    pair: Ints,
    actions: Sequence[Action],
    ax: Axes | None = None,
    clusters: NDArray[Any] | None = None,
    least: int = 10,
    named: int = 3,
    level: float = 0.95,
    rows: str = "touches",
    positives: str = "responses",
) -> Axes:
    """Draw every pair as a bubble: how well it is ranked, how often it succeeds, how large it is.

    Known from the monitoring of adaptive models as the bubble chart. Top right is where a model knows whom
    to choose for what works; a large bubble near AUC 50 is what to look at first.

    Parameters
    ----------
    y : (n,) 0 or 1
    p : (n,) predicted probabilities in [0, 1]
    pair : (n,) index into ``actions``, as in ``Labels``
    actions : the (channel, content) pairs; a channel has one colour
    least : pairs with fewer ones, or fewer zeros, are not drawn but counted in the title; at least 1
    named : so many of the largest pairs carry their content's name
    ax, clusters, level, rows, positives : as in :func:`reliability`

    Raises
    ------
    ArgumentError
        If an argument does not fit, no pair is large enough, or matplotlib is not installed.

    References
    ----------
    The intervals are those of :func:`~nba.evaluation.clustered_auc` and
    :func:`~nba.evaluation.clustered_rate`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p, pair = rng.beta(2, 8, 800), rng.integers(0, 2, 800)
    >>> y = (rng.random(800) < p).astype(float)
    >>> ax = volume(y, p, pair=pair, actions=[Action("email", "c1"), Action("rep_visit", "c2")])
    >>> ax.get_xlabel()
    'AUC of the pair (%; 50 is chance)'
    """
    y, p, who = _checked(y, p, clusters, level=level)
    pair = _checked_pair(pair, y, actions)
    ones = np.bincount(pair, weights=y, minlength=len(actions))
    counts = np.bincount(pair, minlength=len(actions))
    drawn = np.flatnonzero(np.minimum(ones, counts - ones) >= max(least, 1))
    if not len(drawn):
        raise ArgumentError(
            f"None of {len(actions)} pairs has {max(least, 1)} {positives} and as many {rows} without; "
            "take a longer window or a smaller least=."
        )
    bubbles = [
        (
            clustered_auc(p[mine], y[mine], who[mine], level=level),
            clustered_rate(y[mine], who[mine], level=level),
        )
        for mine in (np.flatnonzero(pair == k) for k in drawn)
    ]
    ax = _axes(ax)
    shown = [actions[int(k)] for k in drawn]
    _draw_bubbles(ax, bubbles, counts[drawn], shown, named=named)
    ax.axvline(50, color=GREY, linestyle="--", linewidth=1)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("AUC of the pair (%; 50 is chance)")
    ax.set_ylabel(f"Success rate ({positives}, % of {rows})")
    rest = len(np.unique(pair)) - len(drawn)
    ax.set_title(f"{len(drawn)} pairs by volume" + (f" ({rest} too small to judge)" if rest else ""))
    _finish(ax)
    _legends(ax, counts[drawn], shown, rows)
    return ax


def _axes(ax: Axes | None) -> Axes:
    """The given Axes, or one of a new figure that no global list keeps and that a notebook shows."""
    if ax is not None:
        return ax
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ArgumentError(
            "matplotlib is not installed. Install it with: pip install 'nba[plots]'."
        ) from None
    figure = Figure(figsize=_INCHES, layout="constrained")
    own = figure.add_subplot()
    # A figure made without pyplot is kept by nobody, and so shown by nobody: the Axes shows it itself.
    own._repr_png_ = partial(_png, figure)  # type: ignore[attr-defined]
    return own


def _png(figure: Figure) -> tuple[bytes, dict[str, int]]:
    """The figure as a notebook takes it: bytes, and how large they are shown."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    width, height = (round(side * _SCREEN_DOTS_PER_INCH) for side in figure.get_size_inches())
    return buffer.getvalue(), {"width": width, "height": height}


def _with_bars(ax: Axes, x: Floats, found: Sequence[Interval], *, label: str) -> None:
    means, reach = _percent(found)
    ax.errorbar(x, means, yerr=reach, color=BLUE, marker="o", linestyle="none", capsize=3, label=label)


def _percent(found: Sequence[Interval]) -> tuple[Floats, Floats]:
    """(n,) means and (2, n) reach below and above, in percent."""
    means = np.array([100 * one.mean for one in found])
    low, high = np.array([[100 * one.low, 100 * one.high] for one in found]).T
    # A mean that rounding puts outside its own bound must not give a bar of negative length.
    return means, np.maximum(np.stack([means - low, high - means]), 0)


def _draw_bubbles(
    ax: Axes,
    bubbles: Sequence[tuple[Interval, Interval]],
    counts: Ints,
    actions: Sequence[Action],
    *,
    named: int,
) -> None:
    areas, across = _percent([area for area, _ in bubbles])
    rates, upright = _percent([rate for _, rate in bubbles])
    ax.errorbar(
        areas, rates, xerr=across, yerr=upright, fmt="none", ecolor=GREY, elinewidth=0.6, alpha=0.45, zorder=1
    )
    colour = _colours(actions)
    # The largest first, so that no small bubble lies hidden under a large one.
    order = sorted(range(len(actions)), key=lambda k: (-counts[k], actions[k]))
    ax.scatter(
        areas[order],
        rates[order],
        s=_sizes(counts[order], counts),
        color=[colour[actions[k].channel] for k in order],
        edgecolor="white",
        alpha=0.8,
        linewidth=0.8,
        zorder=2,
    )
    for k in order[:named]:
        above = (0.0, float(np.sqrt(_sizes(counts[k], counts))) / 2 + 1)
        ax.annotate(
            _plain(actions[k].content),
            (areas[k], rates[k]),
            xytext=above,
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
            zorder=3,
        )


def _colours(actions: Sequence[Action]) -> dict[str, str]:
    """One colour a channel; after the seventh they come again."""
    channels = sorted({action.channel for action in actions})
    return {channel: COLOURS[number % len(COLOURS)] for number, channel in enumerate(channels)}


def _sizes(counts: Ints, all_counts: Ints) -> Floats:
    """Areas of bubbles in square points, in proportion to their rows."""
    sizes: Floats = 500.0 * np.asarray(counts, dtype=float) / float(np.max(all_counts))
    return sizes


def _legends(ax: Axes, counts: Ints, actions: Sequence[Action], rows: str) -> None:
    """Channels by colour and volumes by area, beside the picture where no bubble is covered."""
    from matplotlib.lines import Line2D

    dot = partial(Line2D, [], [], marker="o", linestyle="none", alpha=0.8)
    channels = [
        dot(color=colour, label=_plain(channel.replace("_", " ")))
        for channel, colour in _colours(actions).items()
    ]
    by_colour = ax.legend(handles=channels, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    ax.add_artist(by_colour)
    by_colour.set_clip_on(False)  # an artist outside the axes has room in the layout only unclipped
    sizes = sorted({_round(int(count)) for count in np.quantile(counts, [0.0, 0.5, 1.0])})
    volumes = [
        dot(color=GREY, markersize=diameter, label=f"{size:,}")
        for size, diameter in zip(sizes, np.sqrt(_sizes(np.array(sizes), counts)), strict=True)
    ]
    ax.legend(
        handles=volumes,
        title=rows.capitalize(),
        loc="lower left",
        bbox_to_anchor=(1.0, 0.0),
        labelspacing=1.6,
        borderpad=1.0,
        frameon=False,
    )


def _round(count: int) -> int:
    """A count with two digits that matter."""
    return int(float(f"{count:.1e}"))


def _finish(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#E5E5E5", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.title.set_fontsize(10)


def _line(y: Floats, p: Floats) -> str:
    """The calibration line in words, where both outcomes are there to fit one."""
    if not 0 < y.sum() < len(y) or p.min() == p.max():
        return ""
    inside = np.clip(p, 1e-12, 1 - 1e-12)
    intercept, slope = calibration_line(np.log(inside / (1 - inside)), y)
    return (
        f"\ncalibration line in log-odds: intercept {intercept:.2f}, slope {slope:.2f} (0 and 1 are perfect)"
    )


def _plain(text: str) -> str:
    """Text that is drawn as it stands: two dollar signs would start a formula."""
    return text.replace("$", r"\$")


def _checked(
    y: Floats, p: Floats, clusters: NDArray[Any] | None, *, level: float
) -> tuple[Floats, Floats, NDArray[Any]]:
    """Outcomes, probabilities and clusters as arrays that fit each other."""
    y, p = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    if y.ndim != 1 or y.shape != p.shape or not len(y):
        raise ArgumentError(
            f"y has shape {y.shape}, p {p.shape}; expected one outcome and one probability a row."
        )
    strange = int((~np.isin(y, (0.0, 1.0))).sum())
    if strange:
        raise ArgumentError(
            f"y has {strange} values that are neither 0 nor 1; censored rows have no place here."
        )
    outside = int((~((p >= 0) & (p <= 1))).sum())
    if outside:
        raise ArgumentError(f"p has {outside} values outside [0, 1]; give probabilities, not log-odds.")
    if not 0 < level < 1:
        raise ArgumentError(f"level is {level}; expected between 0 and 1, such as 0.95.")
    who = np.arange(len(y)) if clusters is None else np.asarray(clusters)
    if who.shape != y.shape:
        raise ArgumentError(f"clusters have shape {who.shape}; expected {y.shape}, one a row.")
    if len(np.unique(who.astype(str))) < 2:
        raise ArgumentError("There is one cluster; an interval needs at least two.")
    return y, p, who


def _checked_pair(pair: Ints, y: Floats, actions: Sequence[Action]) -> Ints:
    pair = np.asarray(pair)
    if pair.shape != y.shape or not np.issubdtype(pair.dtype, np.integer):
        raise ArgumentError(
            f"pair has shape {pair.shape} and type {pair.dtype}; expected {y.shape} of integers."
        )
    if pair.min() < 0 or pair.max() >= len(actions):
        raise ArgumentError(
            f"pair runs from {pair.min()} to {pair.max()}; expected indices into {len(actions)} actions."
        )
    return pair
