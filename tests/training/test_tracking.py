"""A run is whole, or says that it is not."""

import argparse
import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest

from nba.errors import ArgumentError, NBAWarning
from nba.tables import Engagement
from training import tracking
from training.settings import make_model
from training.stores import Store, TrackingError
from training.tracking import Run, Wanted

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9"


def wanted(store, **changes):
    return Wanted(**{"uri": store.uri, **changes})


def runs_of(store, experiment="nba"):
    client = store.client()
    found = client.get_experiment_by_name(experiment)
    return client.search_runs([found.experiment_id]) if found else []


def tell(run):
    run.params({"explore": 0.05})
    run.metrics({"log_loss": 0.3, "unknown": None, "endless": float("inf")})
    run.json("figures", {"n": 3})
    run.table("by_pair", pd.DataFrame({"pair": ["a"], "n": [12]}))
    run.child("part", params={"k": 1}, steps=[{"log_loss": 0.4}])


FILES = {"params.json", "metrics.json", "figures.json", "by_pair.csv"}


def test_without_tracking_the_files_are_kept(tmp_path):
    with Run("demo", out=tmp_path, wanted=Wanted(tracking=False)) as run:
        tell(run)

    assert {path.name for path in run.folder.iterdir()} == FILES
    assert json.loads((run.folder / "metrics.json").read_text()) == {"log_loss": 0.3}
    assert run.how_to_look == ""
    assert not (tmp_path / "mlflow").exists()


_WITHOUT = """
import sys
sys.modules["mlflow"] = None  # as where it is not installed
from training.console import main
from training.tracking import Run, Wanted
def run(required):
    with Run("demo", out=sys.argv[1], wanted=Wanted(required=required)) as run:
        run.metrics({"log_loss": 0.3})
        print("worked on, required:", required)
main(lambda: run(False))
print("--", file=sys.stderr)
main(lambda: run(True))
"""


def test_without_mlflow_one_line_says_so_and_only_a_requirement_stops(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )

    optional, required = done.stderr.split("--\n")
    assert optional.count("\n") == 1
    assert "MLflow is not installed" in optional
    assert "error: MLflow is required" in required
    assert done.returncode == 2
    assert done.stdout == "worked on, required: False\n"
    assert "Traceback" not in done.stderr


def test_options_say_what_was_asked_and_the_environment_comes_after(monkeypatch):
    parser = argparse.ArgumentParser()
    tracking.add_options(parser)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://from.environment")

    plain = Wanted.of(parser.parse_args([]))
    given = Wanted.of(parser.parse_args(["--tracking-uri", "sqlite:///x.db", "--require-mlflow"]))

    assert plain == Wanted(uri="http://from.environment")
    assert given == Wanted(uri="sqlite:///x.db", required=True)
    assert not Wanted.of(parser.parse_args(["--no-mlflow"])).tracking


def test_an_address_where_nothing_answers_is_said_and_the_files_are_kept(tmp_path):
    pytest.importorskip("mlflow", reason="MLflow is not installed (pip install nba[train])")

    with (
        pytest.warns(NBAWarning, match="There is no MLflow run"),
        Run("demo", out=tmp_path, wanted=Wanted(uri=NOWHERE)) as run,
    ):
        tell(run)

    assert {path.name for path in run.folder.iterdir()} == FILES
    assert not run.is_logged


def test_an_address_where_nothing_answers_stops_before_any_work_if_mlflow_is_required(tmp_path):
    pytest.importorskip("mlflow", reason="MLflow is not installed (pip install nba[train])")

    with (
        pytest.raises(TrackingError, match="MLflow is required"),
        pytest.warns(NBAWarning),
        Run("demo", out=tmp_path, wanted=Wanted(uri=NOWHERE, required=True)),
    ):
        pytest.fail("work was begun")


@pytest.mark.slow
def test_a_run_holds_what_it_was_told_and_its_parts_are_nested(store, tmp_path):
    with Run("demo", out=tmp_path, wanted=wanted(store)) as run:
        tell(run)

    part, whole = sorted(runs_of(store), key=lambda found: found.info.run_name, reverse=True)
    assert (whole.info.run_name, whole.info.status) == ("demo", "FINISHED")
    assert whole.data.params == {"explore": "0.05"}
    assert whole.data.metrics == {"log_loss": 0.3}
    assert part.data.tags["mlflow.parentRunId"] == whole.info.run_id
    assert (part.data.params, part.data.metrics) == ({"k": "1"}, {"log_loss": 0.4})
    files = {item.path for item in store.client().list_artifacts(whole.info.run_id)}
    assert files == {"figures.json", "by_pair.csv"}
    assert Path(store.artifacts, whole.info.run_id, "artifacts", "figures.json").is_file()
    assert run.how_to_look == f"mlflow ui --backend-store-uri {store.uri}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ArgumentError("no such table"), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(143), "KILLED"),
    ],
)
def test_work_that_ends_early_leaves_no_run_that_looks_finished(store, tmp_path, error, status):
    with pytest.raises(type(error)), Run("demo", out=tmp_path, wanted=wanted(store)):
        raise error

    assert [found.info.status for found in runs_of(store)] == [status]


@pytest.mark.slow
@pytest.mark.parametrize("required", [False, True])
def test_a_store_that_breaks_midway_leaves_a_failed_run_and_the_work_goes_on(store, tmp_path, required):
    refused = pytest.raises(TrackingError) if required else nullcontext()

    store.artifacts.write_text("a file stands where the folder should be")
    run = Run("demo", out=tmp_path, wanted=wanted(store, required=required))

    with pytest.warns(NBAWarning, match="is marked as failed"), refused, run:
        tell(run)

    assert [found.info.status for found in runs_of(store)] == ["FAILED"]
    assert {path.name for path in run.folder.iterdir()} == FILES


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, which pytest.warns hands on
def test_a_model_that_decides_otherwise_once_read_back_is_no_champion(store, tmp_path, own_tables):
    data = Engagement.from_folder(own_tables)
    model = make_model().fit(data, until="2026-09-01")

    with (
        pytest.warns(NBAWarning, match="read back, decides otherwise"),
        Run("demo", out=tmp_path, wanted=wanted(store)) as run,
    ):
        run.champion(model, name="nba", data=data, decides=lambda asked: str(asked is model).encode())

    assert [found.info.status for found in runs_of(store)] == ["FAILED"]
    assert not store.client().get_registered_model("nba").aliases


@pytest.mark.slow
def test_a_store_of_its_own_stands_in_the_output_folder(migrated, tmp_path):
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_bytes(migrated.read_bytes())

    with Run("demo", out=tmp_path, wanted=Wanted(experiment="other")) as run:
        tell(run)

    store = Store.of(None, folder=tmp_path / "mlflow")
    assert len(runs_of(store, "other")) == 2
    assert run.is_logged


_STOPPED = """
import sys, time
from training.console import main
from training.tracking import Run, Wanted
def run():
    with Run("demo", out=sys.argv[1], wanted=Wanted(uri=sys.argv[2], required=True)):
        print("ready", flush=True)
        time.sleep(600)
main(run)
"""


@pytest.mark.slow
def test_a_command_told_to_stop_leaves_a_killed_run(store, tmp_path):
    command = [sys.executable, "-c", _STOPPED, str(tmp_path), store.uri]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert any(line == "ready\n" for line in process.stdout)
        process.terminate()
        process.wait(timeout=120)

    assert process.returncode == 143
    assert [found.info.status for found in runs_of(store)] == ["KILLED"]
