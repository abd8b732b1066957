"""Tuning is judged on several later windows, repeats, and goes on after a stop."""

import json
from itertools import pairwise

import numpy as np
import pytest

from nba import assess
from nba.contracts import DAY
from nba.errors import ArgumentError
from nba.tables import Engagement
from training.settings import USUAL, make_model, read_settings
from training.train import iso
from training.tune import Window, loss_on, run


@pytest.fixture
def optuna():
    return pytest.importorskip("optuna", reason="Optuna is not installed (pip install nba[train])")


def arguments(own_tables, out, *more):
    given = ["--data", str(own_tables), "--out", str(out), "--windows", "2", "--trials", "9", "--seed", "4"]
    return [*given, *(("--no-mlflow",) if "--tracking-uri" not in more else ()), *more]


def test_windows_follow_each_other_with_a_gap_after_what_is_learned():
    windows = [Window.before(1000 * DAY, back=back) for back in (3, 2, 1, 0)]

    closed = [(w.start, w.end - 14 * DAY) for w in windows]
    assert all(w.start - w.fit_until == 14 * DAY for w in windows)
    assert all(before[1] <= after[0] for before, after in pairwise(closed))
    assert windows[-1].end == 1000 * DAY


@pytest.mark.slow
def test_a_windows_loss_is_that_of_judging_the_model_end_to_end(own_tables):
    data = Engagement.from_folder(own_tables)
    window = Window.before(data.observed_until, back=0)

    judged = loss_on(data, window, USUAL)

    model = make_model().fit(data, until=iso(window.fit_until))
    expected = assess.later_window(model, data, start=iso(window.start), end=iso(window.end))
    assert judged.loss.mean() == pytest.approx(expected.log_loss, rel=1e-12)
    assert len(judged.loss) == len(judged.hcps) == expected.rows


@pytest.mark.parametrize(
    ("more", "found"),
    [(("--windows", "1"), "--windows is 1"), (("--trials", "0"), "--trials is 0")],
)
def test_one_window_is_never_enough(more, found, own_tables, tmp_path):
    with pytest.raises(ArgumentError, match=f"{found}; expected"):
        run(arguments(own_tables, tmp_path, *more))


def test_a_log_too_short_for_the_windows_is_refused(optuna, own_tables, tmp_path):
    with pytest.raises(ArgumentError, match=r"The log starts .* Take fewer --windows"):
        run(arguments(own_tables, tmp_path, "--windows", "9"))


@pytest.mark.slow
def test_the_same_seed_finds_the_same_best_and_a_stop_between_changes_nothing(optuna, own_tables, tmp_path):
    storage = ("--storage", f"sqlite:///{tmp_path}/tune.db")
    whole = run(arguments(own_tables, tmp_path / "whole"))

    run(arguments(own_tables, tmp_path / "first", *storage, "--trials", "2"))
    _leave_a_trial_as_a_kill_would(optuna, storage[1])
    resumed = run(arguments(own_tables, tmp_path / "then", *storage))

    assert resumed == whole | {"best_trial": resumed["best_trial"]}
    study = optuna.load_study(study_name="nba", storage=storage[1])
    states = [trial.state.name for trial in study.trials]
    assert len(states) == 10  # the killed one was done again
    assert states.count("RUNNING") == 1
    assert study.trials[0].params == {name: USUAL[name] for name in study.trials[0].params}
    with pytest.raises(ArgumentError, match="made with other seed"):
        run(arguments(own_tables, tmp_path / "other", *storage, "--seed", "5"))


def _leave_a_trial_as_a_kill_would(optuna, storage):
    optuna.load_study(study_name="nba", storage=storage).ask()


@pytest.mark.slow
def test_best_is_the_lowest_mean_over_windows_and_nested_in_one_run(optuna, store, own_tables, tmp_path):
    best = run(arguments(own_tables, tmp_path, "--tracking-uri", store.uri, "--trials", "4"))

    written = json.loads((tmp_path / "best.json").read_text())
    assert written == best
    assert read_settings(tmp_path / "best.json") == best["params"]
    data = Engagement.from_folder(own_tables)
    windows = [Window.before(data.observed_until, back=back) for back in (2, 1)]
    usual, found = (
        np.mean([loss_on(data, window, settings).loss.mean() for window in windows])
        for settings in (USUAL, best["tried"])
    )
    assert (best["usual_log_loss"], best["log_loss"]) == pytest.approx((usual, found), rel=1e-12)
    assert best["log_loss"] <= best["usual_log_loss"]
    gain = best["better_by"]
    assert best["params"] == (best["tried"] if gain and gain[0] > 0 else USUAL)
    _check_runs(store, best)


def _check_runs(store, best):
    client = store.client()
    runs = client.search_runs([client.get_experiment_by_name("nba").experiment_id])
    (parent,) = [found for found in runs if found.info.run_name == "training.tune"]
    children = [found for found in runs if found is not parent]
    assert len(children) == 4
    assert {found.data.tags["mlflow.parentRunId"] for found in children} == {parent.info.run_id}
    assert {found.info.status for found in children} <= {"FINISHED", "KILLED"}
    assert parent.data.metrics["log_loss"] == best["log_loss"]
    lowest = min(found.data.metrics["log_loss"] for found in children if found.info.status == "FINISHED")
    assert lowest == best["log_loss"]
    assert "best.json" in {item.path for item in client.list_artifacts(parent.info.run_id)}
