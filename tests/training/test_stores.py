"""Stores are named without their secrets, and waited for briefly."""

import os
import time

import pytest

from training.stores import Store, TrackingError


def test_a_store_of_our_own_is_a_file_and_says_where_artifacts_go(tmp_path):
    store = Store.of(None, folder=tmp_path / "mlflow")

    assert store.uri == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    assert store.artifacts == tmp_path / "mlflow" / "artifacts"
    assert not store.is_server


@pytest.mark.parametrize(
    ("uri", "is_server"),
    [("https://mlflow.example/path", True), ("databricks", True), ("postgresql://db/runs", False)],
)
def test_only_servers_keep_artifacts_in_places_of_their_own(uri, is_server, tmp_path):
    assert Store.of(uri, folder=tmp_path).is_server == is_server


@pytest.mark.parametrize("scheme", ["postgresql", "https", "mysql+pymysql"])
def test_passwords_are_not_shown(scheme, tmp_path):
    shown = Store.of(f"{scheme}://me:secret@db.example:5432/runs", folder=tmp_path).shown

    assert "secret" not in shown
    assert "db.example" in shown


def test_a_database_that_cannot_be_opened_is_said_at_once_and_not_after_mlflows_minutes(tmp_path):
    pytest.importorskip("mlflow", reason="MLflow is not installed (pip install nba[train])")
    (tmp_path / "mlflow.db").mkdir()
    began = time.monotonic()

    with pytest.raises(TrackingError, match=r"sqlite:///.*cannot be reached"):
        Store.of(None, folder=tmp_path).client()

    assert time.monotonic() - began < 60  # importing MLflow takes most of it


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", None])
def test_the_settings_of_the_caller_come_back(tmp_path, monkeypatch, address):
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed (pip install nba[train])")
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if address is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri(), dict(os.environ)
    store = Store.of(None, folder=tmp_path)

    with store.in_force():
        assert mlflow.get_tracking_uri() == mlflow.get_registry_uri() == store.uri

    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == before[:2]
    assert {name: os.environ.get(name) for name in names} == {name: before[2].get(name) for name in names}
