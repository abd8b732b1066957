"""What is said of content that nobody has met: each content left out in turn."""

import numpy as np
import pytest

from nba.errors import ArgumentError
from training import cold_start


def test_fewer_than_two_contents_are_refused():
    with pytest.raises(ArgumentError, match="2 or more"):
        cold_start.run(["--contents", "1"])


@pytest.mark.slow
def test_content_left_out_says_prior_only_and_its_level_is_about_right(capsys):
    found = cold_start.run(["--hcps", "300", "--contents", "2"])

    assert found["prior_only"] == found["contents"] == 2
    assert found["left out"]["level_off"] < 1.5
    assert found["left out"]["auc_within"] > 0.6
    for side in ("left out", "known"):
        assert 0.0 < found[side]["coverage90"] <= 1.0
        assert 0.0 < found[side]["levels90"] <= 1.0
    assert found["left out"]["spread"] > found["known"]["spread"]
    for side in cold_start.SIDES:
        mean = found[side]["left_out_better_by"][0]
        assert mean == pytest.approx(found[side]["log_loss"] - found["left out"]["log_loss"])
    assert "hcp_" not in capsys.readouterr().out


def test_a_level_is_off_by_the_ratio_of_mean_forecast_and_true_rate():
    class Split:
        class labels:
            pair = np.repeat([0, 1], 30)
            y = np.zeros(60)

    def logit(p):
        return np.full(60, np.log(p / (1 - p)))

    left = cold_start.Left(
        "c", np.arange(60), {"left out": logit(0.2)}, {"left out": np.ones(60)},
        np.r_[logit(0.1)[:30], logit(0.4)[:30]], True,
    )  # fmt: skip

    assert np.exp(cold_start._levels(Split, [left], "left out")) == pytest.approx([2.0, 0.5])


def test_a_level_is_held_where_errors_of_touches_average_out_within_the_interval():
    class Split:
        class labels:
            pair = np.repeat([0, 1, 2], [30, 30, 5])

    own = np.tile([-3.0, 3.0], 33)[:65]
    truth = own + np.repeat([0.0, 2.0, 0.0], [30, 30, 5])
    left = cold_start.Left("c", np.arange(65), {"known": np.zeros(65)}, {"known": np.ones(65)}, truth, True)

    assert cold_start._levels_held(Split, [left], "known") == [True, False]
    assert cold_start._held(left, "known").sum() == 15  # those of the second pair whose errors cancel
