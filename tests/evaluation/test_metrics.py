import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from nba.errors import ArgumentError
from nba.evaluation import auc, calibration_line, log_loss, reliability


@given(st.lists(st.tuples(st.integers(-6, 6), st.booleans()), min_size=2, max_size=60))
def test_auc_and_log_loss_are_scikit_learns(rows):
    margin = np.array([m for m, _ in rows], dtype=float)
    y = np.array([float(won) for _, won in rows])
    if 0 < y.sum() < len(y):
        assert auc(margin, y) == pytest.approx(roc_auc_score(y, margin), abs=1e-12)
        p = 1 / (1 + np.exp(-margin))
        assert log_loss(margin, y) == pytest.approx(sklearn_log_loss(y, p), abs=1e-9)


def test_auc_of_one_class_is_refused():
    with pytest.raises(ArgumentError, match="both outcomes"):
        auc(np.zeros(3), np.zeros(3))


def test_the_calibration_line_finds_a_planted_distortion():
    rng = np.random.default_rng(5)
    truth = rng.normal(-1, 1.2, 60_000)
    y = (rng.random(60_000) < 1 / (1 + np.exp(-truth))).astype(float)

    intercept, slope = calibration_line((truth - 0.4) / 0.7, y)

    assert intercept == pytest.approx(0.4, abs=0.05)
    assert slope == pytest.approx(0.7, abs=0.03)


def test_reliability_of_what_is_beyond_all_doubt_is_said_without_a_warning():
    table = reliability(np.array([-2_000.0, 2_000.0]), np.array([0.0, 1.0]), bins=2)

    assert table.tolist() == [[0.0, 0.0, 1.0], [1.0, 1.0, 1.0]]


def test_reliability_rows_add_up_to_all_rows():
    margin = np.random.default_rng(0).normal(size=103)

    table = reliability(margin, (margin > 0).astype(float))

    assert table[:, 2].sum() == 103
    assert (np.diff(table[:, 0]) >= 0).all()


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=40), st.integers(1, 12))
def test_reliability_never_parts_equal_probabilities(rows, bins):
    margin = np.array([m for m, _ in rows], dtype=float)
    y = np.array([float(won) for _, won in rows])

    table = reliability(margin, y, bins=bins)

    assert table[:, 2].sum() == len(rows)
    assert (np.diff(table[:, 0]) > 0).all()
    assert len(table) <= bins
