"""One MLflow run a command; its files stay in a folder too.

What a command tells its run is written to a folder first and then sent to MLflow. Where MLflow is not
installed, cannot be reached, or stops answering midway, the work goes on, the loss is said aloud, and the
run in MLflow, if there is one by then, is marked as failed. No row of a table ever goes into a run.

    with Run("training.train", out="out/mine", wanted=Wanted.of(options)) as run:
        run.inputs(data, source="data/")
        run.params({"explore": 0.05})
        run.metrics({"log_loss": 0.3})
        run.table("by_pair", frame_of_aggregates)
        run.figure("reliability", lambda: plots.reliability(y, p))
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nba.errors import NBAError, NBAWarning
from nba.recommender import NextBestAction
from nba.tables import Engagement
from training.console import step
from training.inputs import Inputs
from training.stores import Store, TrackingError, imported

CHAMPION = "champion"
"""The alias of the version in force."""
_MOST_LETTERS = 500
"""Of a parameter's value; older stores refuse longer ones."""


@dataclass(frozen=True)
class Wanted:
    """What a command was asked about MLflow.

    Attributes
    ----------
    tracking : False leaves MLflow alone
    required : it is an error if MLflow cannot be had
    uri : of the store; None is a SQLite file in the output folder
    experiment : under which the run stands
    """

    tracking: bool = True
    required: bool = False
    uri: str | None = None
    experiment: str = "nba"

    @classmethod
    def of(cls, options: argparse.Namespace) -> Wanted:
        """As given on the command line, see :func:`add_options`, or by ``MLFLOW_TRACKING_URI``."""
        uri = options.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or None
        return cls(not options.no_mlflow, options.require_mlflow, uri, options.experiment)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options about MLflow that the commands share."""
    group = parser.add_argument_group("MLflow")
    group.add_argument(
        "--tracking-uri", help="store of runs (default: MLFLOW_TRACKING_URI, or a SQLite file under --out)"
    )
    group.add_argument("--experiment", default="nba", help="of the run (default: %(default)s)")
    either = group.add_mutually_exclusive_group()
    either.add_argument("--require-mlflow", action="store_true", help="without MLflow: stop with an error")
    either.add_argument("--no-mlflow", action="store_true", help="log nothing to MLflow")


class Run:
    """One run: a folder of its files, and the same in MLflow as far as that can be had.

    It is a context: what ends by an error is marked as failed, what is stopped as killed.

    Parameters
    ----------
    name : of the run
    out : output folder of the command; files go to ``out/run``, a store of our own to ``out/mlflow``
    wanted : what was asked about MLflow

    Attributes
    ----------
    folder : where the files are
    lost : why MLflow holds no run, or not a whole one; empty while all is well

    Raises
    ------
    TrackingError
        If MLflow is required and cannot be had (before any work), or did not take everything (at the end).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as out:
    ...     with Run("demo", out=out, wanted=Wanted(tracking=False)) as run:
    ...         run.metrics({"log_loss": 0.3})
    ...     sorted(path.name for path in (Path(out) / "run").iterdir())
    ['metrics.json']
    """

    def __init__(self, name: str, *, out: str | Path, wanted: Wanted) -> None:
        self.name = name
        self.folder = Path(out, "run")
        self.lost = ""
        self._wanted = wanted
        self._store = Store.of(wanted.uri, folder=Path(out, "mlflow"))
        self._client: Any = None
        self._experiment = self._id = ""
        self._kept: dict[str, dict[str, Any]] = {}

    @property
    def is_logged(self) -> bool:
        """Whether MLflow has taken everything so far."""
        return bool(self._id) and not self.lost

    @property
    def how_to_look(self) -> str:
        """How to see the run in MLflow's UI; empty where MLflow does not hold it."""
        if not self.is_logged:
            return ""
        shown = self._store.shown
        return shown if self._store.is_server else f"mlflow ui --backend-store-uri {shown}"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._wanted.tracking:
            self._attempt(self._open)
            self._check_required()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._send(lambda client: client.set_terminated(self._id, "FINISHED"))
            self._check_required()
        else:
            status = "KILLED" if issubclass(kind, KeyboardInterrupt | SystemExit) else "FAILED"
            self._send(lambda client: client.set_terminated(self._id, status))

    def params(self, values: Mapping[str, Any]) -> None:
        """Settings, by name."""
        self._keep("params", values)
        self._send(lambda client: _log_params(client, self._id, values))

    def metrics(self, values: Mapping[str, float | None]) -> None:
        """Numbers, by name; None and what is not finite is left out."""
        numbers = {name: float(v) for name, v in values.items() if v is not None and math.isfinite(v)}
        self._keep("metrics", numbers)
        self._send(lambda client: _log_metrics(client, self._id, [numbers]))

    def inputs(self, data: Engagement, *, source: str) -> Inputs:
        """Digest and schema of the tables that a command works on; never a row of them.

        Parameters
        ----------
        source : where they come from: a folder, or the call that simulates them
        """
        found = Inputs.of(data, source=source)
        self.json("input", found.to_dict())
        self.tags({"data_digest": found.digest})
        self._send(lambda client: _log_datasets(client, self._id, found))
        return found

    def tags(self, values: Mapping[str, str]) -> None:
        """Texts to find the run by."""
        self._send(lambda client: [client.set_tag(self._id, *item) for item in sorted(values.items())])

    def json(self, name: str, value: Any) -> None:
        """A file of plain values."""
        self.file(_write_json(self.folder / f"{name}.json", value))

    def table(self, name: str, frame: Any) -> None:
        """A frame as CSV; it must hold aggregates only."""
        path = self.folder / f"{name}.csv"
        frame.to_csv(path, index=False)
        self.file(path)

    def figure(self, name: str, draw: Callable[[], Any]) -> None:
        """What a plot function draws, as PNG; without matplotlib it is left out aloud.

        Parameters
        ----------
        draw : gives matplotlib's Axes
        """
        if find_spec("matplotlib") is None:
            _note(f"{name}.png is left out: matplotlib is not installed (pip install 'nba[plots]').")
            return
        path = self.folder / f"{name}.png"
        draw().figure.savefig(path, dpi=120)
        self.file(path)

    def file(self, path: str | Path, *, under: str | None = None) -> None:
        """A file or a folder of files that stands somewhere already."""
        place = Path(path)
        self._send(
            lambda client: (
                client.log_artifacts(self._id, os.fspath(place), under)
                if place.is_dir()
                else client.log_artifact(self._id, os.fspath(place), under)
            )
        )

    def child(
        self,
        name: str,
        *,
        params: Mapping[str, Any],
        steps: Sequence[Mapping[str, float]],
        completed: bool = True,
        started: float | None = None,
    ) -> None:
        """A run nested in this one, told at once when it is over.

        Parameters
        ----------
        steps : metrics of each of its steps
        completed : False marks it as killed
        started : seconds since 1970
        """

        def send(client: Any) -> None:
            tags = {"mlflow.parentRunId": self._id, "mlflow.source.name": self.name}
            since = None if started is None else int(1000 * started)
            run = client.create_run(self._experiment, run_name=name, tags=tags, start_time=since)
            _log_params(client, run.info.run_id, params)
            _log_metrics(client, run.info.run_id, steps)
            client.set_terminated(run.info.run_id, "FINISHED" if completed else "KILLED")

        self._send(send)

    def champion(
        self,
        model: NextBestAction,
        *,
        name: str,
        data: Engagement,
        decides: Callable[[NextBestAction], bytes],
    ) -> None:
        """Log and register a model; once what MLflow gives back decides the same, it is the champion.

        Parameters
        ----------
        name : of the registered model
        data : gives the content and channels that travel with the model
        decides : what a model decides, as bytes; asked of both
        """
        from nba.mlflow import example_input

        example = example_input(data)
        records = json.loads(example.to_json(orient="records"))
        _write_json(self.folder / "input_example.json", records)
        self._send(lambda client: self._promote(client, model, name, example, decides))

    def _promote(
        self,
        client: Any,
        model: NextBestAction,
        name: str,
        example: Any,
        decides: Callable[[NextBestAction], bytes],
    ) -> None:
        from nba.mlflow import load_model, log_model

        with self._store.in_force():
            mlflow = imported()
            mlflow.start_run(run_id=self._id)  # else it stands in the default experiment
            try:
                info = log_model(model, name=name, registered_model_name=name, input_example=example)
            finally:
                mlflow.end_run("RUNNING")  # no longer the active run, but not finished yet
            version = str(info.registered_model_version)
            if decides(load_model(f"models:/{name}/{version}")) != decides(model):
                raise TrackingError(f"Version {version} of {name}, read back, decides otherwise.")
            client.set_registered_model_alias(name, CHAMPION, version)
            client.set_tag(self._id, "champion", f"models:/{name}/{version}")
        print(f"  models:/{name}@{CHAMPION} is version {version}; read back, it decides the same")

    def _open(self) -> None:
        imported()  # first: where it is missing, one line is all there is to say
        with step(f"Opening MLflow's store {self._store.shown}"):
            self._client = self._store.client()
            self._start()

    def _start(self) -> None:
        from mlflow.tracking.context.registry import resolve_tags

        self._experiment = self._store.experiment(self._client, self._wanted.experiment)
        tags = resolve_tags({"mlflow.source.name": self.name})
        run = self._client.create_run(self._experiment, run_name=self.name, tags=tags)
        self._id = run.info.run_id

    def _keep(self, name: str, values: Mapping[str, Any]) -> None:
        """Add to a JSON file of the folder."""
        kept = self._kept.setdefault(name, {})
        kept |= values
        _write_json(self.folder / f"{name}.json", kept)

    def _send(self, send: Callable[[Any], Any]) -> None:
        if self.is_logged:
            self._attempt(lambda: send(self._client))

    def _attempt(self, work: Callable[[], Any]) -> None:
        """Do something with MLflow; what goes wrong there ends the logging, not the work."""
        try:
            work()
        except Exception as error:  # stores raise whatever their drivers do
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        said = str(error) if isinstance(error, NBAError) else f"{type(error).__name__}: {error}"
        self.lost = said.partition("\n")[0].replace(self._store.uri, self._store.shown)[:200]
        began = "The MLflow run broke off and is marked as failed" if self._id else "There is no MLflow run"
        _note(f"{began} ({self.lost}). The files of the run are in {self.folder}.")
        if self._id:
            _mark_failed(self._client, self._id)

    def _check_required(self) -> None:
        if self.lost and self._wanted.required:
            raise TrackingError(f"MLflow is required: {self.lost}")


def _log_params(client: Any, run_id: str, values: Mapping[str, Any]) -> None:
    for name, value in sorted(values.items()):
        client.log_param(run_id, name, str(value)[:_MOST_LETTERS])


def _log_metrics(client: Any, run_id: str, steps: Sequence[Mapping[str, float]]) -> None:
    from mlflow.entities import Metric

    now = int(1000 * time.time())
    metrics = [Metric(name, v, now, i) for i, step in enumerate(steps) for name, v in sorted(step.items())]
    client.log_batch(run_id, metrics=metrics)


def _log_datasets(client: Any, run_id: str, inputs: Inputs) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    use = [InputTag("mlflow.data.context", "training")]
    client.log_inputs(run_id, [DatasetInput(Dataset(**words), use) for words in inputs.datasets()])


def _mark_failed(client: Any, run_id: str) -> None:
    """What is half there must not look whole; where this fails too, the run stays "running"."""
    try:
        client.set_terminated(run_id, "FAILED")
    except Exception:
        return


def _write_json(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8")
    return path


def _note(message: str) -> None:
    warnings.warn(message, NBAWarning, stacklevel=3)
