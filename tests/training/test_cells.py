"""No line of a table is about fewer than ten HCPs."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.contracts import Action, Labels
from training.cells import by_pair


def touches(who, pair, y, *, n_pairs):
    n = len(who)
    return Labels(
        hcps=np.array([f"h{i}" for i in who], dtype=object),
        at=np.zeros(n, dtype=np.int64),
        row=np.arange(n),
        pair=np.array(pair, dtype=np.int64),
        y=np.array(y, dtype=float),
        actions=tuple(Action("email", f"c{k}") for k in range(n_pairs)),
        censored=0,
        selection_prob=np.full(n, np.nan),
    )


def made_up(seed, *, rows, hcps, n_pairs):
    rng = np.random.default_rng(seed)
    pair = np.minimum(rng.geometric(0.35, rows) - 1, n_pairs - 1)
    labels = touches(rng.integers(0, hcps, rows), pair, rng.integers(0, 2, rows), n_pairs=n_pairs)
    return labels, rng.normal(size=rows)


def test_a_pair_of_its_own_has_the_figures_that_grouping_by_hand_gives():
    labels, margin = made_up(1, rows=400, hcps=60, n_pairs=6)
    rows = pd.DataFrame(
        {"who": labels.hcps, "pair": labels.pair, "y": labels.y, "p": 1 / (1 + np.exp(-margin))}
    )

    lines = by_pair(labels, margin).set_index("content")

    assert {"c0", "c1", "c2"} <= set(lines.index)
    for k in (0, 1, 2):
        mine = rows[rows["pair"] == k]
        likelihood = np.where(mine["y"] == 1, mine["p"], 1 - mine["p"])
        assert lines.loc[f"c{k}", "touches"] == len(mine)
        assert lines.loc[f"c{k}", "hcps"] == mine["who"].nunique()
        assert lines.loc[f"c{k}", "responses"] == mine["y"].sum()
        assert lines.loc[f"c{k}", "mean_probability"] == pytest.approx(mine["p"].mean())
        assert lines.loc[f"c{k}", "log_loss"] == pytest.approx(-np.log(likelihood).mean())


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 200),
    hcps=st.integers(1, 40),
    n_pairs=st.integers(1, 9),
)
def test_no_line_speaks_of_fewer_than_ten_and_none_is_lost(seed, rows, hcps, n_pairs):
    labels, margin = made_up(seed, rows=rows, hcps=hcps, n_pairs=n_pairs)

    lines = by_pair(labels, margin)

    assert (lines["hcps"] >= 10).all()
    assert lines["touches"].sum() == (rows if len(set(labels.hcps)) >= 10 else 0)
    # A pair has a line of its own only if it is large; "other" is one line, and the last.
    assert (lines["content"] == "other").sum() <= 1
    assert "other" not in lines["content"].tolist()[:-1]


def test_a_small_rest_takes_the_next_smallest_pair_with_it():
    who = [*range(40), *range(12), *range(3)]
    pair = [0] * 40 + [1] * 12 + [2] * 3

    lines = by_pair(touches(who, pair, [0.0, 1.0] * 27 + [0.0], n_pairs=3), np.zeros(55))

    assert lines["content"].tolist() == ["c0", "other"]
    assert lines["touches"].tolist() == [40, 15]
