import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import nba
from nba import simulate
from nba.errors import ArgumentError
from training import train
from training.settings import USUAL
from training.stores import Store

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9"
AT = "2026-10-01"


def command(*arguments, **environment):
    settings = {name: text for name, text in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return subprocess.run(
        [sys.executable, "-m", "training.train", *arguments],
        cwd=ROOT, capture_output=True, text=True, env=settings | environment,
    )  # fmt: skip


def test_a_folder_without_tables_is_told_what_was_expected(tmp_path):
    done = command("--data", str(tmp_path), "--out", str(tmp_path / "out"))

    assert done.returncode == 2
    assert "error:" in done.stderr
    assert "interactions" in done.stderr
    assert "Traceback" not in done.stderr


def test_faulty_tables_are_told_all_faults_at_once(tmp_path):
    territory = simulate.territory(seed=1, hcps=20, days=60)
    territory.to_folder(tmp_path / "data")
    path = tmp_path / "data" / "interactions.parquet"
    frame = pd.read_parquet(path)
    frame.loc[3, "outcome"] = "bought"
    frame.loc[5, "hcp_id"] = None
    frame.to_parquet(path)

    done = command("--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"))

    assert done.returncode == 2
    assert "outcome" in done.stderr
    assert "hcp_id" in done.stderr


def test_a_folder_of_other_files_is_not_cleared(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")

    done = command("--out", str(tmp_path), "--hcps", "20")

    assert done.returncode == 2
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_labels_from_after_the_plan_are_refused(own_tables, tmp_path):
    arguments = ["--data", str(own_tables), "--out", str(tmp_path), "--no-mlflow"]

    with pytest.raises(ArgumentError, match=r"--until is 2026-09-02.*after the moment of the plan"):
        train.run([*arguments, "--until", "2026-09-02", "--at", "2026-09-01"])


def test_mlflow_that_is_required_and_down_stops_before_any_work(own_tables, tmp_path):
    pytest.importorskip("mlflow", reason="MLflow is not installed (pip install nba[train])")

    done = command(
        "--data", str(own_tables), "--out", str(tmp_path), "--require-mlflow", MLFLOW_TRACKING_URI=NOWHERE
    )

    assert done.returncode == 2
    assert "error: MLflow is required" in done.stderr
    assert "Fitting" not in done.stdout


@pytest.mark.slow
def test_mlflow_that_is_down_is_said_and_the_training_goes_on(own_tables, tmp_path):
    pytest.importorskip("mlflow", reason="MLflow is not installed (pip install nba[train])")

    done = command("--data", str(own_tables), "--out", str(tmp_path), MLFLOW_TRACKING_URI=NOWHERE)

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("There is no MLflow run") == 1
    kept = {path.name for path in (tmp_path / "run").iterdir()}
    assert kept >= {"params.json", "metrics.json", "by_pair.csv", "input.json", "input_example.json"}
    assert nba.load(tmp_path / "model").fitted_until_ == nba.tables.as_moment(AT)


@pytest.fixture(scope="module")
def trained(own_tables, migrated, tmp_path_factory):
    """Two trainings into one folder with a store of its own; the second with settings from a file."""
    out = tmp_path_factory.mktemp("trained") / "out"
    (out / "mlflow").mkdir(parents=True)
    shutil.copy(migrated, out / "mlflow" / "mlflow.db")
    (out / ".written-by-nba").touch()
    best = out.parent / "best.json"
    best.write_text(json.dumps({"params": {"half_lives": 2.0}}))
    arguments = ("--data", str(own_tables), "--out", str(out), "--seed", "3", "--at", AT, "--require-mlflow")
    for more in ((), ("--params", str(best), "--until", "2026-09-20")):
        done = command(*arguments, *more)
        assert done.returncode == 0, done.stderr
        assert "mlflow ui --backend-store-uri sqlite:///" in done.stdout
    return out, Store.of(None, folder=out / "mlflow")


def runs_of(store):
    client = store.client()
    runs = client.search_runs([client.get_experiment_by_name("nba").experiment_id])
    return client, sorted(runs, key=lambda found: found.info.start_time)


@pytest.mark.slow
def test_a_run_holds_settings_figures_pictures_and_what_the_data_were(trained, own_tables):
    out, store = trained
    client, runs = runs_of(store)

    assert [found.info.status for found in runs] == ["FINISHED", "FINISHED"]
    first, second = (found.data for found in runs)
    assert {name: first.params[name] for name in USUAL} == {name: str(USUAL[name]) for name in USUAL}
    assert (first.params["half_lives"], second.params["half_lives"]) == ("1.0", "2.0")
    assert second.params["until"].startswith("2026-09-20")
    figures = json.loads((out / "figures.json").read_text())
    assert second.metrics["log_loss"] == figures["window"]["log_loss"]
    assert second.metrics["better_by.low"] == figures["window"]["better_by"]["low"]
    assert second.metrics["plan.lift.better_by"] == figures["plan"]["lift"]["better_by"] > 0
    (artifacts,) = [Path(store.artifacts, found.info.run_id, "artifacts") for found in runs[1:]]
    files = {path.name for path in artifacts.iterdir()}
    assert files == {"by_pair.csv", "figures.json", "gains.png", "input.json", "reliability.png"}
    for name in ("gains.png", "reliability.png"):
        assert (artifacts / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert (artifacts / name).stat().st_size > 10_000
    lines = pd.read_csv(artifacts / "by_pair.csv")
    assert (lines["hcps"] >= 10).all()
    assert lines["touches"].sum() == figures["window"]["rows"]
    assert lines["responses"].sum() == figures["window"]["positives"]
    data = nba.Engagement.from_folder(own_tables)
    inputs = {given.dataset.name: given.dataset for given in runs[1].inputs.dataset_inputs}
    assert json.loads(inputs["hcps"].profile) == {"num_rows": len(data.hcps)}
    names = [column["name"] for column in json.loads(inputs["hcps"].schema)["mlflow_colspec"]]
    assert names == list(data.hcps.columns)
    assert first.tags["data_digest"] == second.tags["data_digest"]
    assert client.get_run(runs[1].info.run_id).outputs.model_outputs


@pytest.mark.slow
def test_no_row_of_the_data_is_in_the_store(trained, own_tables):
    out, _ = trained
    people = nba.Engagement.from_folder(own_tables)
    ids = {*people.hcps["hcp_id"], *people.interactions["interaction_id"]}
    files = [path for place in (out / "mlflow", out / "run") for path in place.rglob("*") if path.is_file()]

    assert re.fullmatch(r"Q\d{5}X", people.hcps["hcp_id"].iloc[0])
    assert {path.name for path in files} >= {
        "mlflow.db",
        "MLmodel",
        "manifest.json",
        "figures.json",
        "input.json",
    }
    for path in files:
        words = set(re.findall(r"\w+", path.read_bytes().decode("latin-1")))
        assert not ids & words, path.name
        assert not [word for word in words if re.search(r"Q\d{5}X", word)], path.name


_ELSEWHERE = """
import sys
import mlflow
mlflow.set_tracking_uri(sys.argv[1]); mlflow.set_registry_uri(sys.argv[1])
import nba, nba.mlflow
model = nba.mlflow.load_model("models:/nba@champion")
data = nba.Engagement.from_folder(sys.argv[2])
sys.stdout.buffer.write(model.recommend(data, at=sys.argv[3], seed=3).to_bytes())
"""


@pytest.mark.slow
def test_the_champion_is_the_newest_and_decides_the_same_elsewhere(trained, own_tables, tmp_path):
    out, store = trained
    client, runs = runs_of(store)

    done = subprocess.run(
        [sys.executable, "-P", "-c", _ELSEWHERE, store.uri, str(own_tables), AT],
        capture_output=True, cwd=tmp_path,
        env={
            **os.environ,
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "PYTHONPATH": str(Path(nba.__file__).parents[1]),
            "PYTHONHASHSEED": "5",
        },
    )  # fmt: skip

    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == (out / "receipts.jsonl").read_bytes()
    champion = client.get_model_version_by_alias("nba", "champion")
    logged = client.get_logged_model(runs[1].outputs.model_outputs[0].model_id)
    assert logged.artifact_location.startswith(store.artifacts.as_uri())
    assert (str(champion.version), champion.run_id) == ("2", runs[1].info.run_id)
    assert runs[0].data.tags["champion"] == "models:/nba/1"


@pytest.mark.slow
def test_scoring_with_the_champion_by_name_decides_as_the_training_did(trained, own_tables, tmp_path):
    out, store = trained
    target = tmp_path / "decisions.parquet"

    done = subprocess.run(
        [
            sys.executable, "-m", "training.score", "--model", "nba@champion", "--tracking-uri", store.uri,
            "--data", str(own_tables), "--at", AT, "--seed", "3", "--out", str(target),
        ],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    receipts = pd.read_parquet(target)["receipt"]
    assert "\n".join(receipts) + "\n" == (out / "receipts.jsonl").read_text()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    out = tmp_path_factory.mktemp("simulated") / "out"
    done = command("--hcps", "60", "--out", str(out), "--seed", "3")
    assert done.returncode == 0, done.stderr
    return out, done


@pytest.mark.slow
def test_the_whole_job_runs_on_a_folder_as_on_the_simulation(simulated, tmp_path):
    out, done = simulated
    assert "What each guardrail removed" in done.stdout
    assert "gap to the truth" in done.stdout
    assert "%|" not in done.stderr  # no progress bar where there is no terminal

    simulate.territory(seed=3, hcps=60).to_folder(tmp_path / "data")
    mine = ("--data", str(tmp_path / "data"), "--out", str(tmp_path / "mine"), "--seed", "3", "--no-mlflow")
    again = command(*mine)

    assert again.returncode == 0, again.stderr
    one, two = (json.loads((place / "figures.json").read_text()) for place in (out, tmp_path / "mine"))
    assert one["funnel"] == two["funnel"]
    assert one["window"]["log_loss"] == two["window"]["log_loss"]
    plans = [(place / "receipts.jsonl").read_bytes() for place in (out, tmp_path / "mine")]
    assert plans[0] == plans[1]
    assert len(nba.Log(tmp_path / "mine" / "decisions.db")) == 60
    inputs = [json.loads((place / "run" / "input.json").read_text()) for place in (out, tmp_path / "mine")]
    assert inputs[0]["digest"] == inputs[1]["digest"]


@pytest.mark.slow
def test_cards_of_invented_people_go_into_the_run(simulated):
    pytest.importorskip("mlflow", reason="MLflow is not installed (pip install nba[train])")
    out, _ = simulated
    store = Store.of(None, folder=out / "mlflow")
    _, (only,) = runs_of(store)

    cards = Path(store.artifacts, only.info.run_id, "artifacts", "cards")

    assert {path.name for path in cards.iterdir()} == {path.name for path in (out / "cards").iterdir()}
    assert only.data.metrics["gap_to_truth.mean"] > 0
