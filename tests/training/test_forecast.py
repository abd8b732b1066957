"""The forecast of contacts beats what it has to beat, and names nobody."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nba.contracts import Action, Feature
from nba.errors import ArgumentError, TableError
from nba.tables.adapters import open_payments
from training import forecast, panel
from training.console import main

IOWA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "open_payments_iowa"
needs_iowa = pytest.mark.skipif(
    not (IOWA / "events.parquet").is_file(), reason=f"the Open Payments contacts are not in {IOWA}"
)


@pytest.fixture(scope="module")
def part_of_iowa(tmp_path_factory):
    """300 of the physicians: enough to learn from, quick enough for every run."""
    path = tmp_path_factory.mktemp("iowa")
    hcps = pd.read_parquet(IOWA / "hcps.parquet").sort_values("hcp_id").iloc[::6].head(300)
    events = pd.read_parquet(IOWA / "events.parquet")
    events[events["hcp_id"].isin(hcps["hcp_id"])].to_parquet(path / "events.parquet")
    hcps.to_parquet(path / "hcps.parquet")
    return path


@needs_iowa
def test_a_part_of_iowa_is_forecast_better_than_by_its_base_rate(part_of_iowa, capsys, tmp_path):
    figures = forecast.run(
        ["--data", str(part_of_iowa), "--pairs", "20", "--out", str(tmp_path), "--no-mlflow"]
    )

    assert figures.rows == 300 * 6 * 21
    assert figures.better["base rate"].low > 0
    assert figures.auc["forecast"] > 0.8
    said = capsys.readouterr().out + (tmp_path / "run" / "forecast.json").read_text()
    people = pd.read_parquet(part_of_iowa / "hcps.parquet")["hcp_id"]
    assert not [hcp for hcp in people if hcp in said]
    assert "never a recommendation" in said
    assert "look into the future" in said


@needs_iowa
@pytest.mark.slow
def test_iowa_is_forecast_at_six_tenths_of_the_base_rates_loss_and_beats_every_rival(tmp_path):
    figures = forecast.run(["--data", str(IOWA), "--out", str(tmp_path), "--no-mlflow"])

    assert figures.ratio.mean <= 0.60
    assert all(gain.low > 0 for gain in figures.better.values())
    # Nor do the rivals win as fitted, or when they are kept level too.
    assert all(gain.low > 0 for gain in figures.better_once.values())
    assert min(figures.kept_level, key=lambda name: figures.kept_level[name]) == "forecast"
    assert all(group.better.high > 0 for group in figures.sizes)
    anything = figures.any_contact
    for counts in ("count", "trees on counts"):  # trees on all of the forecast's columns are better still
        assert anything.better[counts].low > 0
        assert anything.auc["forecast"] > anything.auc[counts]


def test_made_up_contacts_go_all_the_way_to_figures_that_add_up(folder, capsys, tmp_path):
    figures = forecast.run(["--data", str(folder), "--pairs", "4", "--out", str(tmp_path), "--no-mlflow"])

    pairs = np.array([size.pairs for size in figures.sizes])
    losses = np.array([size.losses["forecast"] for size in figures.sizes])[pairs > 0]
    assert pairs.sum() == 5
    assert figures.losses["forecast"] == pytest.approx((losses * pairs[pairs > 0]).sum() / 5)
    assert figures.ratio.mean == pytest.approx(figures.losses["forecast"] / figures.losses["base rate"])
    assert figures.once["base rate"] == pytest.approx(figures.losses["base rate"])
    assert figures.kept_level["forecast"] == pytest.approx(figures.losses["forecast"])
    assert figures.better["logistic"].mean == pytest.approx(
        figures.losses["logistic"] - figures.losses["forecast"]
    )
    written = json.loads((tmp_path / "run" / "forecast.json").read_text())
    assert written["losses"] == figures.losses
    assert not [i for i in range(40) if f"p{i:03d}" in capsys.readouterr().out]


@pytest.mark.slow
def test_a_forecast_is_logged_like_any_training_without_a_row_of_the_data(folder, store, tmp_path):
    figures = forecast.run(
        ["--data", str(folder), "--pairs", "4", "--out", str(tmp_path), "--tracking-uri", store.uri]
    )

    client = store.client()
    (found,) = client.search_runs([client.get_experiment_by_name("nba").experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.metrics["loss/forecast"] == pytest.approx(figures.losses["forecast"])
    written = "".join(path.read_text() for path in store.artifacts.rglob("*.json"))
    assert "any_contact" in written
    assert not [i for i in range(40) if f"p{i:03d}" in written + str(found.data)]


def test_training_knows_nothing_of_the_months_it_is_judged_on(folder, tmp_path):
    events = pd.read_parquet(folder / "events.parquet")
    events[events["event_time"] < "2015-01-01"].to_parquet(tmp_path / "events.parquet")
    pd.read_parquet(folder / "hcps.parquet").to_parquet(tmp_path / "hcps.parquet")
    long, short = (forecast.History.read("open_payments", path) for path in (folder, tmp_path))

    panels = [forecast.training_panel(history, forecast.pair_rule(history, 3)) for history in (long, short)]

    assert panels[0].labels.actions == panels[1].labels.actions
    assert np.array_equal(panels[0].y, panels[1].y)
    assert np.array_equal(panels[0].design.shared, panels[1].design.shared, equal_nan=True)
    assert np.array_equal(panels[0].design.own, panels[1].design.own, equal_nan=True)


def test_the_most_frequent_pairs_are_those_one_would_count(folder):
    data = open_payments(folder, observed_until="2015-01-01")
    log = data.interactions.assign(content_id=data.interactions["content_id"].fillna(""))
    counted = log.groupby(["channel", "content_id"]).size().sort_values(ascending=False)

    pairs = panel.most_frequent(data, 3)

    assert pairs == tuple(sorted(Action(*key) for key in counted.index[:3]))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("recency(touches, own pair)", "this drug by this nature"),
        ("count(touches, own detail_group, 30d)", "the same company's drugs"),
        ("peers(brick_id, 30d)", "contacts of the pair with others"),
        ("attribute(specialty=Surgery)", "specialty and role"),
        ("count(touches, channel=travel, 180d)", "all contacts of the physician"),
    ],
)
def test_every_column_belongs_to_a_reason(name, reason):
    assert forecast.reason_of(Feature(name, name)) == reason


def test_a_missing_folder_is_said_with_what_to_do(tmp_path, capsys, monkeypatch):
    with pytest.raises(TableError, match=r"has no events.parquet. Expected a folder"):
        forecast.run(["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path), "--no-mlflow"])

    monkeypatch.setattr(
        sys, "argv", ["forecast", "--data", str(tmp_path), "--out", str(tmp_path), "--no-mlflow"]
    )
    with pytest.raises(SystemExit) as stop:
        main(forecast.run)
    assert stop.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_no_pairs_are_refused(folder):
    with pytest.raises(ArgumentError, match="--pairs is 0"):
        forecast.run(["--data", str(folder), "--pairs", "0"])
