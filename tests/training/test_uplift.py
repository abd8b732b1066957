"""Uplift on public randomised trials, beside plain rivals."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nba.errors import ArgumentError
from training import uplift

DATA = Path(__file__).parents[3] / "shared" / "data"
LEGISLATORS = DATA / "legislator_email_rct" / "logged.parquet"


def trial(n=600, *, seed=0):
    rng = np.random.default_rng(seed)
    sent = rng.random(n) < 0.5
    return pd.DataFrame(
        {
            "unit_id": np.arange(n),
            "action": np.where(sent, "promo|offer", "none"),
            "propensity": 0.5,
            "reward": (rng.random(n) < 0.1 + 0.1 * sent).astype(int),
            "x_V1": rng.integers(0, 4, n),
        }
    )


def test_a_folder_without_a_trial_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="starbucks_promo_rct"):
        uplift.read_trials(tmp_path)


def test_what_is_chosen_is_valued_as_counted_by_hand(tmp_path):
    folder = tmp_path / "starbucks_promo_rct"
    folder.mkdir()
    trial().to_parquet(folder / "train.parquet")
    (found,) = uplift.read_trials(tmp_path)
    effects = np.stack([np.zeros(600), np.where(found.design.shared[:, 0] > 1, 0.1, 0.0)], axis=1)

    row = uplift._row("by hand", found, effects, 0)

    chosen, sent = found.design.shared[:, 0] > 1, found.design.pair == 1
    assert row.acted == chosen.mean()
    sold = 10 * (found.y[chosen & sent].sum() - found.y[chosen & ~sent].sum())
    assert row.net == pytest.approx(sold - 0.15 * (chosen & sent).sum())
    worth = 10 * found.y - 0.15 * sent
    centred = (worth - worth.mean()) / 0.5
    policy, nobody = (centred[sent == chosen]).sum() / 600, centred[~sent].sum() / 600
    assert row.gain.mean == pytest.approx(1000 * (policy - nobody))


@pytest.mark.slow
@pytest.mark.skipif(not LEGISLATORS.exists(), reason="the trial of e-mails to legislators is not here")
def test_on_legislators_there_is_nothing_to_gain_and_nothing_is_claimed(tmp_path, capsys):
    (tmp_path / "legislator_email_rct").mkdir()
    shutil.copy(LEGISLATORS, tmp_path / "legislator_email_rct")

    figures = uplift.run(["--data", str(tmp_path)])

    found = figures["legislators"]
    assert found["best_constant"] == "email / in_district"
    for kind in ("T", "X", "DR"):
        assert abs(found["learners"][f"{kind}-learner"]["gain"][0]) < 10
    assert "legislator" in capsys.readouterr().out
