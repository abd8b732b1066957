"""Bank marketing by time: a rate that drifts, met by learning week by week."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from nba.errors import ArgumentError
from training import drift

DATA = Path(__file__).parents[3] / "shared" / "data" / "uci_bank_marketing"


def contacts(n=900, *, seed=0):
    """Contacts from October 2008 to February 2009; the rate triples in the new year."""
    rng = np.random.default_rng(seed)
    days = np.sort(rng.integers(0, 140, n))
    dates = pd.Timestamp("2008-10-01") + pd.to_timedelta(days, unit="D")
    rate = np.where(dates < pd.Timestamp(drift.CUT), 0.15, 0.45)
    plain = {name: rng.integers(0, 5, n) for name in (*drift.COUNTS, *drift.NUMBERS)}
    texts = {name: rng.choice(["a", "b"], n) for name in drift.TEXTS}
    return pd.DataFrame(
        {
            "event_date": dates,
            **plain,
            "pdays": np.where(rng.random(n) < 0.5, -1, 30),
            **texts,
            "contact": rng.choice(["cellular", "telephone"], n),
            "duration": rng.integers(10, 900, n),
            "y": (rng.random(n) < rate).astype(int),
        }
    )


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bank")
    contacts().to_parquet(folder / "bank_full.parquet")
    return drift.read(folder / "bank_full.parquet")


def test_the_length_of_a_call_is_not_read_and_never_contacted_is_missing(read):
    design, _, at = read

    names = [feature.name for feature in design.shared_features]
    assert "duration" not in names
    assert 0.4 < np.isnan(design.shared[:, names.index("pdays")]).mean() < 0.6
    assert pd.Timestamp(at[0], unit="s").year == 2008


def test_what_comes_later_changes_no_forecast(read):
    design, y, at = read
    cut = int(pd.Timestamp(drift.CUT).timestamp())
    third_week = cut + 2 * drift.WEEK
    other = np.where(at >= third_week, 1 - y, y)
    early = at[at >= cut] < third_week + drift.WEEK

    (one, _), (two, _) = drift.forecasts(design, y, at), drift.forecasts(design, other, at)

    for name, margin in one.items():
        assert_array_equal(margin[early], two[name][early])
    later = ~early
    assert not np.array_equal(one[drift.OURS][later], two[drift.OURS][later])


def test_learning_follows_the_rate(read):
    design, y, at = read
    found, rung = drift.forecasts(design, y, at)

    def rate(name):
        return (1 / (1 + np.exp(-found[name][-100:]))).mean()

    assert rate(drift.OURS) > rate("ours, fitted once") + 0.1
    assert rung.keys() == {drift.OURS, drift.FORGETS}


def test_a_folder_without_the_contacts_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="bank_full"):
        drift.run(["--data", str(tmp_path)])


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="the bank's contacts are not here")
def test_on_the_banks_contacts_learning_is_worth_a_tenth_of_the_log_loss(capsys):
    figures = drift.run(["--data", str(DATA)])

    once, learned = (figures[name] for name in ("ours, fitted once", drift.OURS))
    assert learned["log_loss"] < 0.92 * once["log_loss"]
    assert 0.8 < learned["slope"] < 1.2
    assert figures[drift.FORGETS]["log_loss"] < learned["log_loss"]
    assert "8,439" in capsys.readouterr().out
