"""Where MLflow keeps runs and models, and how to reach it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nba.errors import NBAError

SECONDS = 10
"""How long one answer is waited for; asked twice at most, so that no command hangs on MLflow."""
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOG_UV_FILES": "false",  # a project's lock file is no part of a model
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(SECONDS),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
"""MLflow reads them when it is imported or asked; what the environment says already counts more."""

_ADDRESSES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")


class TrackingError(NBAError, RuntimeError):
    """MLflow was required, and cannot be had or did not take everything."""


@dataclass(frozen=True)
class Store:
    """A tracking store with its registry.

    Attributes
    ----------
    uri : ``sqlite:///...``, ``https://...`` and so on
    artifacts : folder for artifacts of a store that has no server; a server has its own place
    """

    uri: str
    artifacts: Path

    @classmethod
    def of(cls, uri: str | None, *, folder: str | Path) -> Store:
        """A given store; without one, a SQLite file in a folder of ours.

        Examples
        --------
        >>> Store.of("sqlite:////srv/runs.db", folder="out").artifacts.as_posix()
        '/srv/artifacts'
        """
        if uri is None:
            place = Path(folder).resolve()
            return cls(f"sqlite:///{place}/mlflow.db", place / "artifacts")
        file = uri.removeprefix("sqlite:///")
        return cls(uri, (Path(folder) if file == uri else Path(file).parent).resolve() / "artifacts")

    @property
    def is_server(self) -> bool:
        """Whether there is a server, which keeps artifacts itself."""
        return "://" not in self.uri or self.uri.startswith(("http:", "https:"))

    @property
    def shown(self) -> str:
        """The address without its password.

        Examples
        --------
        >>> Store.of("postgresql://me:secret@db/runs", folder="out").shown
        'postgresql://me:***@db/runs'
        """
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            return make_url(self.uri).render_as_string(hide_password=True)
        except ArgumentError:
            return self.uri

    def client(self) -> Any:
        """MLflow's client of this store.

        Raises
        ------
        TrackingError
            If MLflow is not installed, or a database does not answer in time; what else is wrong, MLflow
            says at the first question.
        """
        mlflow = imported()
        if not self.is_server:
            self._ask_database()
        with self.in_force():
            return mlflow.MlflowClient(self.uri, self.uri)

    def experiment(self, client: Any, name: str) -> str:
        """The id of an experiment; a new one says where its artifacts go."""
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        place = None if self.is_server else self.artifacts.as_uri()
        return str(client.create_experiment(name, artifact_location=place))

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """MLflow's own functions mean this store, until the context ends."""
        mlflow = imported()
        before = {name: os.environ.get(name) for name in _ADDRESSES}
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(None)
            mlflow.set_registry_uri(None)
            for name, address in before.items():  # where MLflow keeps what was set, for its children
                os.environ.pop(name, None)
                if address is not None:
                    os.environ[name] = address

    def _ask_database(self) -> None:
        """MLflow tries for minutes to reach a database; one short question tells as much."""
        answers: list[Exception | None] = []
        asking = threading.Thread(target=lambda: answers.append(_connected(self.uri)), daemon=True)
        if self.uri.startswith("sqlite:///"):
            Path(self.uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        asking.start()
        asking.join(2 * SECONDS)
        if not answers or answers[0] is not None:
            found = "no answer in time" if not answers else type(answers[0]).__name__
            raise TrackingError(f"The database {self.shown} cannot be reached ({found}).")


def imported() -> Any:
    """MLflow with our settings: no telemetry, short waits, and no autologging.

    Raises
    ------
    TrackingError
        If MLflow is not installed.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import mlflow
    except ImportError:
        raise TrackingError("MLflow is not installed (pip install 'nba[train]').") from None
    mlflow.autolog(disable=True, silent=True)  # what is logged is what stands here, and nothing of the rows
    return mlflow


def _connected(uri: str) -> Exception | None:
    from sqlalchemy import create_engine

    try:
        engine = create_engine(uri)
        with engine.connect():
            return None
    except Exception as error:  # each driver has its own
        return error
