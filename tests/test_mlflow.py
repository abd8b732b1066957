"""The MLflow flavor, with a real SQLite store and registry; skipped where MLflow is not installed."""

import importlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hall import UNTIL, make_model

import nba
from nba.contracts import DO_NOTHING
from nba.errors import ArgumentError, BundleError, NBAError, NotFittedError, TableError, TableTypeError
from nba.mlflow import (
    DECISION_COLUMNS,
    NEEDS,
    Catalogue,
    Served,
    example_input,
    load_catalogue,
    load_model,
    log_model,
    save_model,
)

SEED = 7


@pytest.fixture(scope="module")
def mlflow():
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("mlflow", reason="MLflow is not installed (pip install nba[train])")
        importlib.import_module("mlflow.pyfunc")
    return module


@pytest.fixture(scope="module")
def saved(mlflow, model, territory, tmp_path_factory):
    path = tmp_path_factory.mktemp("mlflow") / "saved"
    save_model(model, path, input_example=example_input(territory.engagement))
    return path


@pytest.fixture(scope="module")
def store(mlflow, tmp_path_factory):
    """A SQLite store and registry; a fresh one runs all of MLflow's migrations, so there is one."""
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder}/mlflow.db"
    before = {name: text for name, text in os.environ.items() if name.startswith("MLFLOW_")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        mlflow.create_experiment("nba", artifact_location=(folder / "artifacts").as_uri())
        mlflow.set_experiment("nba")
    yield uri
    mlflow.set_registry_uri(None)
    mlflow.set_tracking_uri(None)
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]  # both addresses are left there for children, and tests are children
    os.environ.update(before)


@pytest.fixture(scope="module")
def champion(mlflow, store, model, territory):
    example = example_input(territory.engagement)
    with mlflow.start_run():
        info = log_model(
            model, name="nba", registered_model_name="territory", tags={"kind": "test"}, input_example=example
        )
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("territory", "champion", info.registered_model_version)
    return "models:/territory@champion"


@pytest.fixture(scope="module")
def requests(territory):
    return rows_of(territory.engagement, 50)


@pytest.fixture(scope="module")
def served(model, territory):
    return Served(model, Catalogue.of(territory.engagement))


def rows_of(engagement, number):
    """Input rows as JSON would carry them."""
    ids = engagement.hcps["hcp_id"].tolist()[:number]
    log = engagement.interactions.drop(columns=["machine", "touch", "engaged"])
    hcps, history, consent = (
        as_json(frame[frame["hcp_id"].isin(ids)]) for frame in (engagement.hcps, log, engagement.consent)
    )
    return [
        {
            "hcp_id": who,
            "at": UNTIL,
            "seed": SEED,
            "hcp": next(row for row in hcps if row["hcp_id"] == who),
            "history": [row for row in history if row["hcp_id"] == who],
            "consent": [row for row in consent if row["hcp_id"] == who],
        }
        for who in ids
    ]


def as_json(frame):
    text = frame.to_json(orient="records", date_format="iso", date_unit="s", double_precision=15)
    return [{name: cell for name, cell in row.items() if cell is not None} for row in json.loads(text)]


def changed(request, **changes):
    return [{**request, **changes}]


def expected_ids(plan, requests):
    return [plan.receipt(request["hcp_id"]).decision_id for request in requests]


def files_of(folder):
    return [path for path in Path(folder).rglob("*") if path.is_file()]


def test_a_model_that_was_saved_and_loaded_decides_the_same_to_the_last_byte(saved, territory, plan):
    again = load_model(saved).recommend(territory.engagement, at=UNTIL, seed=SEED)

    assert again.to_bytes() == plan.to_bytes()


def test_the_pyfunc_decides_for_fifty_hcps_as_the_batch_does(mlflow, saved, requests, plan):
    decided = mlflow.pyfunc.load_model(os.fspath(saved)).predict(pd.DataFrame(requests))

    assert decided["decision_id"].tolist() == expected_ids(plan, requests)
    assert decided["hcp_id"].tolist() == [request["hcp_id"] for request in requests]
    receipts = [plan.receipt(request["hcp_id"]) for request in requests]
    assert decided["selection_prob"].tolist() == [receipt.selection_prob for receipt in receipts]
    assert decided["document_number"].tolist() == [receipt.document_number for receipt in receipts]
    assert decided["propensity"].tolist() == [receipt.propensity for receipt in receipts]
    assert decided["prior_only"].tolist() == [receipt.prior_only for receipt in receipts]


def test_the_pyfunc_decides_for_one_hcp_as_the_model_does(served, model, territory, requests):
    request = requests[3]

    decided = served.predict([request])

    alone = model.decide(request["hcp_id"], history=request["history"], at=UNTIL, seed=SEED)
    assert decided["decision_id"].tolist() == [alone.receipt(request["hcp_id"]).decision_id]


def test_decisions_come_in_the_order_of_the_rows_and_keep_their_index(served, requests):
    frame = pd.DataFrame(requests[:6])
    turned = frame.iloc[::-1]

    decided, other = served.predict(frame), served.predict(turned)

    assert other.index.tolist() == turned.index.tolist()
    pd.testing.assert_frame_equal(other.loc[decided.index], decided)
    assert tuple(decided.columns) == DECISION_COLUMNS


def test_reasons_are_the_sentences_of_the_rep_card(served, requests, plan):
    decided = served.predict(requests[:20])

    acted = 0
    for who, text in zip(decided["hcp_id"], decided["reasons"], strict=True):
        reasons = json.loads(text)
        assert (tuple(reasons["why"]), tuple(reasons["watch"])) == (plan[who].why, plan[who].watch)
        acted += plan.receipt(who).action != DO_NOTHING
    assert acted


def test_without_consent_rows_nothing_that_needs_consent_is_chosen(served, requests, territory):
    channels = territory.engagement.channels
    closed = set(channels.loc[channels["consent_required"], "channel"])

    decided = served.predict([{k: v for k, v in row.items() if k != "consent"} for row in requests])

    assert not set(decided["channel"]) & closed


def test_one_hcp_may_be_asked_about_at_two_moments_with_two_rows_of_facts(served, requests):
    later = {**requests[0], "at": "2026-09-15", "hcp": {**requests[0]["hcp"], "decile": 2}}

    decided = served.predict([requests[0], later])

    assert decided["decided_at"].tolist() == ["2026-09-01T00:00:00Z", "2026-09-15T00:00:00Z"]
    assert decided["decision_id"].iloc[0] == served.predict([requests[0]])["decision_id"].iloc[0]


def test_decisions_are_strict_json_even_where_nothing_is_done(served, requests):
    nowhere = {**requests[0], "hcp": {"country": "ZZ"}}

    decided = served.predict([requests[0], nowhere])

    row = json.loads(json.dumps(decided.to_dict("records"), allow_nan=False))[1]
    assert (row["channel"], row["propensity"], row["selection_prob"]) == ("do_nothing", None, 1.0)


def test_no_rows_in_give_no_rows_out(served):
    assert tuple(served.predict([]).columns) == DECISION_COLUMNS


def test_a_frame_read_from_parquet_decides_the_same(served, requests, tmp_path):
    frame = pd.DataFrame(requests[:5])
    frame.to_parquet(tmp_path / "in.parquet")

    decided = served.predict(pd.read_parquet(tmp_path / "in.parquet"))

    pd.testing.assert_frame_equal(decided, served.predict(frame))


def test_the_example_is_of_nobody_and_is_decided(served, territory):
    example = example_input(territory.engagement)

    decided = served.predict(example)

    assert len(decided) == 1
    assert not set(example["hcp_id"]) & set(territory.engagement.hcps["hcp_id"])


def test_what_stands_on_priors_alone_says_so_in_the_rows_that_come_out(mlflow, champion, requests):
    """Who objects to profiling is decided about without anything that was learned of its like."""
    objection = {
        "hcp_id": requests[0]["hcp_id"], "purpose": "profiling", "opt_type": "opt_out",
        "captured_at": "2026-08-01T00:00:00Z",
    }  # fmt: skip
    asked = [
        {**row, "consent": [*row["consent"], {**objection, "hcp_id": row["hcp_id"]}]} for row in requests
    ]
    served = mlflow.pyfunc.load_model(champion)

    usual, bare = served.predict(pd.DataFrame(requests)), served.predict(pd.DataFrame(asked))

    acts = bare["channel"] != DO_NOTHING.channel
    assert bare["prior_only"].tolist() == acts.tolist()
    assert acts.any()
    assert not usual["prior_only"].all()


def test_the_signature_names_every_column_that_comes_out_and_nothing_that_goes_in(mlflow, champion, requests):
    about = mlflow.models.get_model_info(champion).signature

    decided = mlflow.pyfunc.load_model(champion).predict(pd.DataFrame(requests[:3]))

    assert about.inputs is None  # MLflow quotes what does not fit, and these are people
    assert about.outputs.input_names() == list(DECISION_COLUMNS) == list(decided.columns)
    types = dict(zip(about.outputs.input_names(), about.outputs.input_types(), strict=True))
    for name, kind in types.items():
        cells = [cell for cell in decided[name].tolist() if cell is not None]
        assert all(isinstance(cell, kind.to_python()) for cell in cells)


def test_a_champion_is_logged_registered_and_loaded_by_its_alias(champion, territory, plan):
    again = load_model(champion)

    assert again.recommend(territory.engagement, at=UNTIL, seed=SEED).to_bytes() == plan.to_bytes()


_ELSEWHERE = """
import json, sys
root, uri, rows = sys.argv[1], sys.argv[2], json.load(open("rows.json"))
import mlflow, pandas
mlflow.set_tracking_uri(root); mlflow.set_registry_uri(root)
served = mlflow.pyfunc.load_model(uri)
decided = served.predict(pandas.DataFrame(rows))
import nba.mlflow
model, catalogue = nba.mlflow.load_model(uri), nba.mlflow.load_catalogue(uri)
row = rows[0]
plan = model.decide(row["hcp_id"], history=row["history"], at=row["at"], seed=row["seed"],
                    hcp={"country": row["hcp"]["country"]}, consent=row["consent"], data=catalogue)
print(json.dumps({
    "ids": decided["decision_id"].tolist(), "alone": len(plan), "nba": nba.__file__,
    "heavy": sorted({"lightgbm", "shap"} & set(sys.modules)),
}))
"""


def test_another_process_elsewhere_loads_the_champion_without_pickle_and_decides_the_same(
    store, champion, requests, plan, tmp_path
):
    (tmp_path / "rows.json").write_text(json.dumps(requests[:3]), encoding="utf-8")
    # A copy stands for the installed package: this repository is not on the path.
    copy = tmp_path / "site" / "nba"
    shutil.copytree(Path(nba.__file__).parent, copy)
    refused = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "PYTHONHASHSEED": "5"}

    done = subprocess.run(
        [sys.executable, "-P", "-c", _ELSEWHERE, store, champion],
        capture_output=True, text=True, cwd=tmp_path, timeout=300,
        env={**os.environ, **refused, "PYTHONPATH": str(copy.parent)},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["nba"] == str(copy / "__init__.py")
    assert told["ids"] == expected_ids(plan, requests[:3])
    assert told["alone"] == 1
    assert told["heavy"] == []


def test_a_saved_model_holds_no_person_no_code_and_no_pickle(saved, territory):
    engagement = territory.engagement
    ids = {*engagement.hcps["hcp_id"], *engagement.interactions["interaction_id"]}
    others = [*engagement.reps["user_id"], *engagement.content["owner"].dropna().unique()]

    files = files_of(saved)

    kinds = {path.suffix for path in files if path.is_relative_to(saved / "data")}
    assert kinds == {".json", ".npy"}
    assert not [path for path in files if path.suffix in (".py", ".pkl", ".pickle", ".joblib")]
    for path in files:
        content = path.read_bytes()
        assert not ids & set(re.findall(r"\w+", content.decode("latin-1"))), path.name
        assert not [who for who in others if who.encode() in content], path.name


def test_what_serving_installs_is_nba_and_its_needs_each_at_one_version(saved):
    lines = (saved / "requirements.txt").read_text("utf-8").split()

    assert f"nba=={nba.__version__}" in lines
    assert {line.partition("==")[0] for line in lines} >= {"mlflow", "nba", "numpy", "pandas", "numba"}
    assert all("==" in line for line in lines)


def test_the_catalogue_travels_without_loss_but_for_the_owner(saved, territory):
    again = load_catalogue(saved)

    for table in ("content", "channels"):
        before, after = territory.engagement.columns(table), again.columns(table)
        assert set(after) == set(before)
        for name in set(before) - {"owner"}:
            assert before[name].dtype == after[name].dtype
            np.testing.assert_array_equal(before[name], after[name])
    assert not any(again.columns("content")["owner"])
    with pytest.raises(ArgumentError, match="no table 'interactions'"):
        again.columns("interactions")


def test_the_needs_kept_with_a_model_are_those_of_the_package():
    project = Path(__file__).resolve().parents[1] / "pyproject.toml"
    if not project.exists():
        pytest.skip("the installed package is tested, without its source")
    lines = tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"]

    assert list(NEEDS) == [re.match(r"[\w-]+", line)[0] for line in lines]


@pytest.mark.parametrize("part", ["model", "catalogue"])
def test_an_altered_or_exchanged_bundle_is_refused(mlflow, saved, model, territory, tmp_path, part):
    path = tmp_path / "m"
    save_model(model, path)
    bundle = path / "data" / "nba" / part
    if part == "model":
        make_model(value=2.0).fit(territory.engagement, until="2026-08-01").save(bundle, overwrite=True)
    else:
        manifest = bundle / "manifest.json"
        manifest.write_bytes(manifest.read_bytes().replace(b"approved", b"approvee"))

    with pytest.raises(BundleError):
        mlflow.pyfunc.load_model(os.fspath(path))


def test_a_folder_that_is_no_model_of_this_flavor_is_refused(mlflow, model, tmp_path):
    model.save(tmp_path / "bundle")

    with pytest.raises(BundleError, match=r"no MLflow model of flavor 'nba'.*nba\.load"):
        load_model(tmp_path / "bundle")


def test_a_model_that_is_not_fitted_is_refused(mlflow, tmp_path):
    with pytest.raises(NotFittedError):
        save_model(make_model(), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_loaded_model_is_saved_again_only_with_the_tables_to_travel(mlflow, saved, territory, tmp_path):
    again = load_model(saved)

    with pytest.raises(ArgumentError, match="Give data="):
        save_model(again, tmp_path / "m")
    save_model(again, tmp_path / "m", data=territory.engagement)

    assert load_model(tmp_path / "m").digest_ == again.digest_


class _OwnRule:
    code = "own"

    def check(self, candidates, context):
        raise AssertionError("not called")


def test_a_rule_of_ones_own_class_is_refused_when_the_model_is_saved(mlflow, territory, tmp_path):
    own = make_model(guardrails=[_OwnRule()]).fit(territory.engagement, until="2026-08-01")

    with pytest.raises(BundleError, match=r"of your own class cannot travel.*nba\.load"):
        save_model(own, tmp_path / "m")
    assert not (tmp_path / "m").exists()


WRONG = {
    "not a table": (TableTypeError, "a list of dicts", lambda r: "hcp_0001"),
    "no history column": (
        TableError,
        "lacks .'history'",
        lambda r: [{k: v for k, v in r.items() if k != "history"}],
    ),
    "a column too many": (TableError, "nothing else", lambda r: changed(r, consents=[])),
    "an id that is a number": (TableError, "Row 0.*hcp_id is a int", lambda r: changed(r, hcp_id=17)),
    "a seed that is a text": (ArgumentError, "Row 0.*seed is a str", lambda r: changed(r, seed="7")),
    "a seed that is a share": (ArgumentError, "Row 0.*seed is a float", lambda r: changed(r, seed=0.5)),
    "a moment without a zone": (
        ArgumentError,
        "Row 0.*without a zone",
        lambda r: changed(r, at="2026-09-01T08:00"),
    ),
    "a moment that is a number": (ArgumentError, "Row 0.*at is a int", lambda r: changed(r, at=5)),
    "no hcp": (TableError, "Row 0.*hcp is a NoneType", lambda r: changed(r, hcp=None)),
    "no country": (TableError, "country", lambda r: changed(r, hcp={"language": "en"})),
    "an unknown fact": (TableError, "does not know", lambda r: changed(r, hcp={**r["hcp"], "shoe": "44"})),
    "a decile that is a text": (
        TableError,
        "decile",
        lambda r: changed(r, hcp={**r["hcp"], "decile": "secret"}),
    ),
    "a text that is no time": (
        TableError,
        "valid_from",
        lambda r: changed(r, hcp={**r["hcp"], "valid_from": "secret"}),
    ),
    "another's facts": (
        TableError,
        "another HCP",
        lambda r: changed(r, hcp={**r["hcp"], "hcp_id": "secret"}),
    ),
    "another's history": (
        TableError,
        "Row 0.*another HCP",
        lambda r: changed(r, history=[{**r["history"][0], "hcp_id": "secret"}]),
    ),
    "no history": (TableTypeError, "Row 0.*history is a NoneType", lambda r: changed(r, history=None)),
    "an unknown outcome": (
        TableError,
        "Row 0.*outcome",
        lambda r: changed(r, history=[{**r["history"][0], "outcome": "secret"}]),
    ),
    "consent that is a text": (
        TableTypeError,
        "Row 0.*consent is a str",
        lambda r: changed(r, consent="secret"),
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_refused_by_name_and_never_quoted(served, requests, case):
    kind, found, wrong = WRONG[case]
    request = requests[3]

    with pytest.raises(kind, match=f"(?s){found}") as caught:
        served.predict(wrong(request))

    assert isinstance(caught.value, NBAError)
    assert "secret" not in str(caught.value)
    assert request["hcp_id"] not in str(caught.value)


def test_the_row_at_fault_is_named_by_its_position(served, requests):
    rows = [*requests[:2], {**requests[2], "seed": "x"}]

    with pytest.raises(ArgumentError, match="Row 2 of the input: seed"):
        served.predict(rows)


@dataclass
class Server:
    """A scoring server on loopback, ended by its own process group."""

    folder: Path
    log: Path

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(self.folder), "-p"]
        command += [str(self.port), "--host", "127.0.0.1", "--env-manager", "local", "--workers", "1"]
        environment = {**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                command, stdout=stream, stderr=stream, cwd=self.log.parent,
                env={**environment, "PATH": path, "PYTHONPATH": str(Path(nba.__file__).parents[1])},
                start_new_session=True,
            )  # fmt: skip
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=20)

    def wait(self, *, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        pytest.fail(f"the server did not answer: {self.log.read_text('utf-8', 'replace')[-2000:]}")

    def ask(self, rows):
        body = json.dumps({"dataframe_records": rows}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/invocations", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode("utf-8")


@pytest.mark.slow
def test_a_model_server_answers_http_requests_with_the_same_decisions(saved, requests, plan, tmp_path):
    pytest.importorskip("uvicorn", reason="serving needs the whole of MLflow")
    with Server(saved, tmp_path / "server.log") as server:
        server.wait(seconds=180)

        status, answer = server.ask(requests[:5])
        wrong, refusal = server.ask(changed(requests[0], seed="x"))

    assert status == 200
    assert [row["decision_id"] for row in answer["predictions"]] == expected_ids(plan, requests[:5])
    assert wrong == 400
    assert "seed is a str" in refusal
    assert requests[0]["hcp_id"] not in refusal
