"""The static segment baseline: the thing to beat."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nba import artifact
from nba.contracts import Action, Design, Feature
from nba.errors import ArgumentError
from nba.models import SegmentBaseline


def design_of(segments, pairs, *, names=("attribute(specialty=cardiology)", "days since visit")):
    """One row a request, segment 0 or 1 by its first flag."""
    n = len(segments)
    return Design(
        shared=np.c_[np.array(segments, dtype=float), np.arange(n)],
        own=np.zeros((n, 0)),
        row=np.arange(n),
        pair=np.array(pairs),
        actions=(Action("email", "a"), Action("email", "b"), Action("visit", "a")),
        groups=(("channel=email",), ("channel=email",), ("channel=visit",)),
        shared_features=tuple(Feature(name, name, unit="flag") for name in names),
        own_features=(),
    )


def test_rates_are_those_counted_by_hand():
    design = design_of([1, 1, 1, 0, 0], [0, 0, 1, 0, 2])
    y = np.array([1.0, 0.0, 1.0, 0.0, 1.0])

    margin, spread = SegmentBaseline(strength=2.0).fit(design, y).score(design)

    overall = 3.5 / 6
    email = (2 + 2 * overall) / (4 + 2)
    email_a = (1 + 2 * email) / (3 + 2)
    cardiology_email_a = (1 + 2 * email_a) / (2 + 2)
    assert 1 / (1 + np.exp(-margin[0])) == pytest.approx(cardiology_email_a)
    assert spread[0] == pytest.approx((4 * cardiology_email_a * (1 - cardiology_email_a)) ** -0.5)


def test_a_segment_never_met_gets_the_pairs_rate_and_a_new_pair_its_channels():
    fit_on = design_of([1, 1, 1, 1], [0, 0, 0, 2])
    model = SegmentBaseline(strength=2.0).fit(fit_on, np.array([1.0, 0.0, 0.0, 1.0]))

    margin, _ = model.score(design_of([0, 1], [0, 1]))

    rates = 1 / (1 + np.exp(-margin))
    assert rates[0] == pytest.approx(model.pairs_["email / a"])
    assert rates[1] == pytest.approx(model.channels_["channel=email"])
    assert_array_equal(model.support(fit_on)[1], [False, True, False])


def test_without_attributes_there_is_one_segment():
    design = design_of([1, 0], [0, 0], names=("clicks", "visits"))

    margin, _ = SegmentBaseline().fit(design, np.array([1.0, 0.0])).score(design)

    assert margin[0] == margin[1]


def test_a_design_without_the_segments_columns_is_refused():
    model = SegmentBaseline().fit(design_of([1, 0], [0, 0]), np.array([1.0, 0.0]))

    with pytest.raises(ArgumentError, match="specialty"):
        model.score(design_of([1, 0], [0, 0], names=("clicks", "visits")))


def test_everything_a_segment_says_is_in_the_base():
    design = design_of([1, 0], [0, 2])
    model = SegmentBaseline().fit(design, np.array([1.0, 0.0]))

    parts = model.contributions(design)

    assert_allclose(parts.base, parts.margin)
    assert_array_equal(parts.values, 0.0)


@pytest.mark.parametrize("strength", [0.0, -1.0, np.inf, np.nan])
def test_a_strength_that_is_no_number_of_touches_is_refused(strength):
    with pytest.raises(ArgumentError, match="strength"):
        SegmentBaseline(strength=strength)


def test_a_single_text_for_by_is_refused():
    with pytest.raises(ArgumentError, match="specialty"):
        SegmentBaseline(by="specialty")


def test_a_bundle_on_disk_gives_the_same_bits(tmp_path):
    design = design_of([1, 1, 0, 0], [0, 1, 2, 0])
    model = SegmentBaseline(by=("specialty",)).fit(design, np.array([1.0, 0.0, 1.0, 0.0]))
    plain, arrays = model.to_state()

    artifact.save(tmp_path / "m", manifest=plain, arrays=arrays)
    back = SegmentBaseline.from_state(artifact.load(tmp_path / "m")[:2])

    assert_array_equal(back.score(design)[0], model.score(design)[0])
    assert back.get_params() == model.get_params()
