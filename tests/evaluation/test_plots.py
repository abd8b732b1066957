"""Plots: the numbers that are drawn, what is refused, and that nothing is left behind."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from nba.contracts import Action
from nba.errors import ArgumentError
from nba.evaluation import auc, clustered_rate, plots

pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra 'plots')")

ACTIONS = [
    Action("approved_email", "c1"),
    Action("approved_email", "c2"),
    Action("rep_visit", "c1"),
    Action("rep_visit", "too_small"),
]


@pytest.fixture(scope="module")
def rows():
    """Outcomes, probabilities, pairs and HCPs of 1,500 touches."""
    rng = np.random.default_rng(4)
    pair = rng.choice(4, 1_500, p=[0.6, 0.25, 0.14, 0.01])
    margin = rng.normal(-1.5, 1.0, 1_500)
    p = 1 / (1 + np.exp(-margin))
    return (rng.random(1_500) < p).astype(float), p, pair, rng.integers(0, 200, 1_500)


def bars(ax):
    """Ends of the error bars that are drawn, (n, 2, 2), in percent."""
    return np.array([segment for lines in ax.collections for segment in lines.get_segments()])


def settings_of(plt):
    return {name: plt.rcParams[name] for name in sorted(plt.rcParams)}


def test_reliability_draws_rates_of_equal_groups_within_their_intervals(rows):
    y, p, _, hcps = rows

    ax = plots.reliability(y, p, clusters=hcps, bins=5)

    x, observed = next(line.get_data() for line in ax.lines if line.get_marker() == "o")
    by_hand = np.array_split(np.argsort(p), 5)
    assert x == pytest.approx([100 * p[group].mean() for group in by_hand])
    assert observed == pytest.approx([100 * y[group].mean() for group in by_hand])
    low, high = bars(ax)[:, :, 1].T
    found = [clustered_rate(y[group], hcps[group]) for group in by_hand]
    assert low == pytest.approx([100 * one.low for one in found])
    assert high == pytest.approx([100 * one.high for one in found])


def test_gains_pass_through_the_share_of_responses_among_the_likeliest(rows):
    y, p, _, hcps = rows

    ax = plots.gains(y, p, clusters=hcps)

    line = next(line for line in ax.lines if line.get_label() == "likeliest first")
    x, found = line.get_data()
    first = np.argsort(-p)[: len(y) // 5]
    assert found[list(x).index(20)] == pytest.approx(100 * y[first].sum() / y.sum())
    assert (found[0], found[-1]) == (0, 100)


def test_volume_draws_a_bubble_a_pair_at_its_auc_and_rate_with_its_rows_as_area(rows):
    y, p, pair, hcps = rows

    ax = plots.volume(y, p, pair=pair, actions=ACTIONS, clusters=hcps)

    (dots,) = [each for each in ax.collections if hasattr(each, "get_sizes") and len(each.get_sizes())]
    large = list(range(3))
    assert np.asarray(dots.get_offsets()) == pytest.approx(
        np.array([[100 * auc(p[pair == k], y[pair == k]), 100 * y[pair == k].mean()] for k in large])
    )
    counts = np.bincount(pair)[large]
    assert dots.get_sizes() / dots.get_sizes()[0] == pytest.approx(counts / counts[0])
    assert "1 too small" in ax.get_title()


def test_every_axis_says_what_it_shows_and_in_which_unit(rows):
    y, p, pair, _ = rows
    drawn = [
        plots.reliability(y, p, rows="months", positives="contacts"),
        plots.gains(y, p, rows="months", positives="contacts"),
        plots.volume(y, p, pair=pair, actions=ACTIONS, rows="months", positives="contacts"),
    ]

    for ax in drawn:
        assert "%" in ax.get_xlabel()
        assert "%" in ax.get_ylabel()
        assert "contacts" in ax.get_xlabel() + ax.get_ylabel()
        assert "touches" not in ax.get_xlabel() + ax.get_ylabel() + ax.get_title()


def test_a_notebook_shows_the_axes_and_pyplot_knows_nothing_of_it(rows):
    plt = pytest.importorskip("matplotlib.pyplot")
    before, settings = plt.get_fignums(), settings_of(plt)

    picture, size = plots.reliability(*rows[:2])._repr_png_()

    assert picture.startswith(b"\x89PNG")
    assert size["width"] > size["height"] > 100
    assert plt.get_fignums() == before
    assert settings_of(plt) == settings


def test_the_same_rows_give_the_same_picture_in_any_order(rows):
    y, p, pair, hcps = rows
    shuffled = np.random.default_rng(0).permutation(len(y))

    def picture(of):
        ax = plots.volume(y[of], p[of], pair=pair[of], actions=ACTIONS, clusters=hcps[of])
        return ax._repr_png_()

    assert picture(np.arange(len(y))) == picture(shuffled)


def test_axes_of_ones_own_are_drawn_on_and_given_back(rows):
    from matplotlib.figure import Figure

    y, p, pair, _ = rows
    figure = Figure()
    axes = figure.subplots(1, 3)

    drawn = [
        plots.reliability(y, p, ax=axes[0]),
        plots.gains(y, p, ax=axes[1]),
        plots.volume(y, p, pair=pair, actions=ACTIONS, ax=axes[2]),
    ]

    assert [a is b for a, b in zip(drawn, axes, strict=True)] == [True] * 3
    assert all(ax.has_data() for ax in axes)


def test_colours_stay_apart_for_eyes_without_red_or_green_cones():
    """Dichromats as Machado, Oliveira and Fernandes (2009) model them, at full severity."""
    from matplotlib.colors import to_rgb

    deuteranope = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
    protanope = np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]])
    seen = np.array([to_rgb(colour) for colour in plots.COLOURS])

    for eye in (deuteranope, protanope):
        apart = (seen @ eye.T)[:, None] - (seen @ eye.T)[None]
        distance = np.sqrt((apart**2).sum(axis=-1)) + 9 * np.eye(len(seen))
        assert distance.min() > 0.15


def test_formulas_and_dollar_signs_in_names_are_drawn_as_they_stand(rows):
    y, p, pair, _ = rows
    odd = [Action("a$b_{c$", f"$x_{{{k}") for k in range(4)]

    ax = plots.volume(y, p, pair=pair, actions=odd)

    assert ax._repr_png_()[0]
    assert {text.get_text() for text in ax.texts} == {rf"\$x_{{{k}" for k in range(3)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"y": np.array([0.0, 1.0, 2.0])}, "neither 0 nor 1"),
        ({"y": np.array([0.0, 1.0, np.nan])}, "neither 0 nor 1"),
        ({"p": np.array([0.1, 0.2, 1.5])}, "not log-odds"),
        ({"p": np.array([0.1, 0.2, np.nan])}, "1 values outside"),
        ({"p": np.array([0.1, 0.2])}, "expected one outcome and one probability a row"),
        ({"y": np.array([]), "p": np.array([])}, "expected one outcome"),
        ({"level": 95}, "such as 0.95"),
        ({"clusters": np.array(["a", "b"])}, "one a row"),
        ({"clusters": np.array(["a", "a", "a"])}, "at least two"),
    ],
)
@pytest.mark.parametrize("draw", [plots.reliability, plots.gains])
def test_what_does_not_fit_is_refused(draw, change, said):
    fits = {"y": np.array([0.0, 1.0, 0.0]), "p": np.array([0.1, 0.5, 0.3])}

    with pytest.raises(ArgumentError, match=said):
        draw(**(fits | change))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pair": np.array([0, 1, 4] * 100)}, "indices into 4 actions"),
        ({"pair": np.array([0.0] * 300)}, "of integers"),
        ({"least": 301}, "None of 4 pairs"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(change, said):
    fits = {"pair": np.zeros(300, dtype=int), "actions": ACTIONS}
    y, p = np.tile([0.0, 1.0, 0.0], 100), np.linspace(0, 1, 300)

    with pytest.raises(ArgumentError, match=said):
        plots.volume(y, p, **(fits | change))


def test_gains_without_a_response_are_refused():
    with pytest.raises(ArgumentError, match="no positive in 5 rows"):
        plots.gains(np.zeros(5), np.linspace(0, 1, 5))


def test_without_matplotlib_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['matplotlib'] = None; sys.modules['matplotlib.figure'] = None\n"
        "import numpy as np\n"
        "from nba.errors import ArgumentError\n"
        "from nba.evaluation import plots\n"
        "try: plots.reliability(np.array([0., 1.]), np.array([.2, .8]))\n"
        "except ArgumentError as error: print(error)\n"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert "pip install 'nba[plots]'" in said
