"""Recency and frequency: the marketer's table of rates."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nba import artifact
from nba.contracts import Action, Design, Feature
from nba.errors import ArgumentError
from nba.models import RecencyFrequency

FEATURES = (
    Feature("days since touch", "", unit="days"),
    Feature("touches", "", unit="count"),
    Feature("days since response", "", unit="days"),
    Feature("responses", "", unit="count"),
)


def drawn(n=4000, *, seed=0):
    """Rates fall with days since the last response and rise with their number."""
    rng = np.random.default_rng(seed)
    count = rng.poisson(1.0, n).astype(float)
    days = np.where(count > 0, rng.exponential(40, n), np.nan)
    own = np.stack([rng.exponential(10, n), rng.poisson(4.0, n), days, count], axis=1)
    pair = rng.integers(0, 3, n)
    p = 0.05 + 0.1 * np.minimum(count, 3) + 0.2 * (np.nan_to_num(days, nan=999) < 20) + 0.05 * pair
    design = Design(
        shared=np.zeros((n, 0)),
        own=own,
        row=np.zeros(n, dtype=int),
        pair=pair,
        actions=(Action("email", "a"), Action("email", "b"), Action("visit", "a")),
        groups=(("channel=email",), ("channel=email",), ("channel=visit",)),
        shared_features=(),
        own_features=FEATURES,
    )
    return design, (rng.random(n) < p).astype(float)


def logit(p):
    return np.log(p / (1 - p))


def test_the_columns_about_responses_are_taken_and_others_by_name():
    design, y = drawn(200)

    assert RecencyFrequency().fit(design, y).columns_ == ("days since response", "responses")
    named = RecencyFrequency(recency="days since touch", frequency="touches").fit(design, y)
    assert named.columns_ == ("days since touch", "touches")
    with pytest.raises(ArgumentError, match="days since touch"):
        RecencyFrequency(recency="nothing").fit(design, y)


def test_a_cells_rate_is_that_counted_by_hand():
    design, y = drawn()
    model = RecencyFrequency(cells=2, strength=3.0).fit(design, y)
    days, count = design.own[:, 2], design.own[:, 3]
    known = np.sort(days[~np.isnan(days)])
    recent, rare = days <= known[len(known) // 2], count <= np.sort(count)[len(count) // 2]
    email = design.pair < 2

    overall = (y.sum() + 0.5) / (len(y) + 1)
    of_email = (y[email].sum() + 3 * overall) / (email.sum() + 3)
    of_cell = (y[recent & rare].sum() + 3 * overall) / ((recent & rare).sum() + 3)
    above = 1 / (1 + np.exp(-(logit(of_email) + logit(of_cell) - logit(overall))))
    here = email & recent & rare
    found = (y[here].sum() + 3 * above) / (here.sum() + 3)
    first = design.pair == 0
    of_pair = (y[first].sum() + 3 * of_email) / (first.sum() + 3)
    margin = model.score(design)[0]
    assert margin[first & recent & rare] == pytest.approx(logit(of_pair) + logit(found) - logit(of_email))


def test_who_responded_lately_and_often_stands_above_who_never_did():
    design, y = drawn()

    margin, _ = RecencyFrequency().fit(design, y).score(design)

    never, lately = np.isnan(design.own[:, 2]), (design.own[:, 2] < 10) & (design.own[:, 3] > 1)
    assert margin[lately].mean() > margin[never].mean() + 1.0


def test_without_such_columns_a_pair_has_one_rate():
    design, y = drawn(300)
    bare = Design(
        shared=np.zeros((1, 0)), own=np.zeros((300, 0)), row=design.row, pair=design.pair,
        actions=design.actions, groups=design.groups, shared_features=(), own_features=(),
    )  # fmt: skip

    model = RecencyFrequency().fit(bare, y)

    assert model.columns_ == (None, None)
    assert len(set(model.score(bare)[0].tolist())) == 3


@pytest.mark.parametrize("options", [{"cells": 1}, {"strength": 0.0}, {"strength": np.inf}])
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ArgumentError, match=next(iter(options))):
        RecencyFrequency(**options)


def test_a_bundle_on_disk_gives_the_same_bits(tmp_path):
    design, y = drawn(500)
    model = RecencyFrequency(cells=3).fit(design, y)
    plain, arrays = model.to_state()

    artifact.save(tmp_path / "m", manifest=plain, arrays=arrays)
    back = RecencyFrequency.from_state(artifact.load(tmp_path / "m")[:2])

    assert_array_equal(back.score(design)[0], model.score(design)[0])
    assert back.get_params() == model.get_params()
