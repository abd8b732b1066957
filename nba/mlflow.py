"""The door to MLflow: save, log, load and serve a model.

A saved model holds the bundle that :meth:`NextBestAction.save` writes, and the content and channels tables as
a second bundle beside it: plain JSON and arrays, no pickle, no code, and no row about a person. So it loads
wherever nba is installed, and any copy decides the same. The content it holds is that of the day it was
saved: when content is approved or withdrawn, save a new version with ``data=`` today's tables.

As a pyfunc it takes one row per HCP and gives one decision a row. It keeps no log: decisions on their way do
not count against caps, and whoever sends them has to keep ``decision_id`` and ``selection_prob``.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nba import __version__, artifact
from nba.contracts import Columns, Receipt, Tables
from nba.errors import ArgumentError, BundleError, NBAError, TableError, TableTypeError
from nba.recommender import NextBestAction
from nba.tables import TABLES, as_moment, check_table
from nba.tables.arrays import empty_array

if TYPE_CHECKING:
    import pandas as pd

FLAVOR = "nba"
"""The name of the flavor in MLmodel files."""

REQUEST_COLUMNS = ("hcp_id", "at", "seed", "hcp", "history", "consent")
"""What a row of the pyfunc's input holds; consent may be left out."""

DECISION_COLUMNS = (
    "hcp_id",
    "decision_id",
    "channel",
    "content_id",
    "document_number",
    "version",
    "propensity",
    "selection_prob",
    "explored",
    "decided_at",
    "valid_until",
    "reasons",
)
"""What a row of the pyfunc's output holds."""

NEEDS = (
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "lightgbm",
    "joblib",
    "numba",
    "narwhals",
    "shap",
    "sqlalchemy",
)
"""What nba depends on; their versions are kept with a model, so that it is served as it was made."""

_KIND = "nba.mlflow.Catalogue"
_MODEL, _CATALOGUE = "model", "catalogue"
# Nothing decides by who owns a document, and the owner may be a person.
_LEFT_OUT = {("content", "owner")}


@dataclass(frozen=True)
class Catalogue:
    """The content and channels that travel with a model; it knows nobody.

    Gives ``columns`` as an Engagement does, for ``model.decide(..., data=catalogue)``.

    Examples
    --------
    >>> import nba
    >>> small = nba.simulate.territory(seed=1, hcps=40, days=60)
    >>> catalogue = Catalogue.of(small.engagement)
    >>> len(catalogue.columns("content")["content_id"]) == len(small.engagement.content)
    True
    >>> len(catalogue.columns("hcps")["hcp_id"])
    0
    """

    tables: Mapping[str, Columns]

    @classmethod
    def of(cls, tables: Tables) -> Catalogue:
        """Take the content and channels out of tables, and leave everything else."""
        kept = {
            name: {
                column.name: empty_array(column, len(table[schema.key]))
                if (name, column.name) in _LEFT_OUT or column.name not in table
                else table[column.name]
                for column in schema.columns
            }
            for name, schema, table in _reference(tables)
        }
        nobody = {column.name: empty_array(column, 0) for column in TABLES["hcps"].columns}
        return cls({**kept, "hcps": nobody})

    def columns(self, table: str) -> Columns:
        """A table as plain numpy arrays."""
        if table not in self.tables:
            raise ArgumentError(
                f"A saved model holds no table {table!r}. It holds: {', '.join(self.tables)}."
            )
        return self.tables[table]

    def save(self, folder: str | Path) -> str:
        """Write a bundle of plain JSON and arrays; gives its digest."""
        texts: dict[str, Any] = {}
        arrays = {}
        for name, schema, table in _reference(self):
            for column in schema.columns:
                if column.kind in ("id", "text", "list"):
                    texts[f"{name}.{column.name}"] = table[column.name].tolist()
                else:
                    arrays[f"{name}_{column.name}"] = table[column.name]
        return artifact.save(folder, manifest={"kind": _KIND, "texts": texts}, arrays=arrays)

    @classmethod
    def load(cls, folder: str | Path, *, digest: str) -> Catalogue:
        """Read the bundle that :meth:`save` wrote, and no other.

        Raises
        ------
        BundleError
            If it is incomplete, altered, or another one.
        """
        manifest, arrays, _ = artifact.load(folder, digest=digest)
        if manifest.get("kind") != _KIND:
            raise BundleError(f"The bundle holds {manifest.get('kind')!r}; expected {_KIND!r}.")
        tables: dict[str, Columns] = {}
        for name in ("content", "channels"):
            length = len(manifest["texts"][f"{name}.{TABLES[name].key}"])
            columns = {column.name: empty_array(column, length) for column in TABLES[name].columns}
            for column in TABLES[name].columns:
                cells = manifest["texts"].get(f"{name}.{column.name}")
                if cells is not None:
                    columns[column.name][:] = list(map(tuple, cells)) if column.kind == "list" else cells
                else:
                    columns[column.name] = arrays.get(f"{name}_{column.name}", columns[column.name])
            tables[name] = columns
        return cls.of(cls(tables))


def save_model(
    model: NextBestAction,
    path: str | Path,
    *,
    data: Tables | None = None,
    input_example: pd.DataFrame | None = None,
    signature: Any = None,
    pip_requirements: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    mlflow_model: Any = None,
) -> None:
    """Write a fitted model as an MLflow model with the flavors ``nba`` and ``python_function``.

    Parameters
    ----------
    path : a folder that does not exist yet, or is empty
    data : gives the content and channels that travel along; by default the tables the model was fitted on
    input_example : rows that are kept with the model; invent them, see :func:`example_input`
    signature : an MLflow signature; none by default, because MLflow quotes the input, ids and all, in its
        own errors about signatures, and this flavor checks its input itself
    pip_requirements : what serving installs; by default nba and what it needs, at the versions in use
    metadata, mlflow_model : as for MLflow's other flavors

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    ArgumentError
        If the model was loaded without tables and no data is given, or MLflow is not installed.
    BundleError
        If the model could not be loaded again, for example because it has a rule of your own class.
    """
    mlflow = _mlflow()
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside, FLAVOR)
        digests = _write(model, folder, data)
        about = mlflow.models.Model() if mlflow_model is None else mlflow_model
        about.add_flavor(FLAVOR, nba_version=__version__, data=f"data/{FLAVOR}", **digests)
        mlflow.pyfunc.save_model(
            path=os.fspath(path),
            loader_module=__name__,
            data_path=os.fspath(folder),
            mlflow_model=about,
            input_example=input_example,
            signature=signature,
            pip_requirements=list(_requirements() if pip_requirements is None else pip_requirements),
            metadata=None if metadata is None else dict(metadata),
        )


def log_model(
    model: NextBestAction,
    *,
    name: str = "model",
    registered_model_name: str | None = None,
    **options: Any,
) -> Any:
    """Log a fitted model to the active MLflow run, and register it under a name.

    Parameters
    ----------
    name : what the logged model is called
    registered_model_name : makes a new version under this name
    options : those of :func:`save_model`, and of ``mlflow.models.Model.log`` (``tags``, ``params``, ...)

    Returns
    -------
    MLflow's ``ModelInfo``: ``model_uri``, ``registered_model_version`` and so on.
    """
    return _mlflow().models.Model.log(
        artifact_path=None,
        name=name,
        flavor=sys.modules[__name__],
        registered_model_name=registered_model_name,
        model=model,
        **options,
    )


def load_model(model_uri: str | Path) -> NextBestAction:
    """Read a model that was saved or logged; nothing in it is ever executed.

    Parameters
    ----------
    model_uri : a folder, ``models:/name@champion``, ``models:/name/3``, ``runs:/...``

    Returns
    -------
    The model without tables, as :meth:`NextBestAction.load` gives it: ``decide(..., data=...)`` takes today's
    tables, or those of :func:`load_catalogue`.

    Raises
    ------
    BundleError
        If it is no model of this flavor, or was altered.
    """
    with _downloaded(model_uri) as folder:
        return _read_model(folder)


def load_catalogue(model_uri: str | Path) -> Catalogue:
    """Read the content and channels that were saved with a model."""
    with _downloaded(model_uri) as folder:
        return _read_catalogue(folder)


def example_input(tables: Tables) -> pd.DataFrame:
    """Invent one row of the pyfunc's input that fits these contents: nobody's data, for an input example.

    Examples
    --------
    >>> import nba
    >>> small = nba.simulate.territory(seed=1, hcps=40, days=60)
    >>> example_input(small.engagement).columns.tolist()
    ['hcp_id', 'at', 'seed', 'hcp', 'history', 'consent']
    """
    import pandas as pd

    content, channels = tables.columns("content"), tables.columns("channels")
    outbound = set(channels["channel"][channels["direction"] == "outbound"])
    channel = next((name for name in content["channels"][0] if name in outbound), content["channels"][0][0])
    approved = int(content["approved_from"][0])
    who = "hcp_invented"
    touch = {
        "interaction_id": "touch_invented",
        "hcp_id": who,
        "ts": _iso(approved + 86_400),
        "channel": channel,
        "direction": "outbound",
        "outcome": "sent",
        "content_id": content["content_id"][0],
    }
    agreed = {"hcp_id": who, "channel": channel, "opt_type": "opt_in", "captured_at": _iso(approved)}
    country = next(iter(content["country"][0]), "US")
    row = {
        "hcp_id": who,
        "at": _iso(approved + 30 * 86_400),
        "seed": 0,
        "hcp": {"country": country, "language": content["language"][0]},
        "history": [touch],
        "consent": [agreed],
    }
    return pd.DataFrame([row], columns=list(REQUEST_COLUMNS))


class Served:
    """What ``mlflow.pyfunc.load_model`` hands out: rows of HCPs in, rows of decisions out.

    An input row holds ``hcp_id``, ``at`` (the moment, a date or a time with a zone), ``seed``, ``hcp`` (the
    HCP's row as a dict, at least its country), ``history`` (its interactions as a list of dicts) and
    ``consent`` (its consent rows as a list of dicts; without them no channel that needs consent is open).
    An output row says what was decided and, as JSON, why, in sentences that a rep may see.
    """

    def __init__(self, model: NextBestAction, catalogue: Catalogue) -> None:
        self.model = model
        self.catalogue = catalogue

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Decide for every row of the input, in its order; one bad row refuses the whole input.

        Raises
        ------
        TableError, TableTypeError, ArgumentError
            If the input, or a record in it, does not fit; the message names the row, never its content.
        """
        import pandas as pd

        frame = _as_frame(model_input)
        requests = _requests(frame)
        rows = [self._decide(place, request) for place, request in enumerate(requests)]
        return pd.DataFrame(rows, columns=list(DECISION_COLUMNS), index=frame.index)

    def _decide(self, place: int, request: Mapping[str, Any]) -> dict[str, Any]:
        with _naming(place):
            plan = self.model.decide(**request, data=self.catalogue)
            card = plan[request["hcp_id"]]
        return _decision_row(plan.receipt(request["hcp_id"]), why=card.why, watch=card.watch)


def _load_pyfunc(path: str) -> Served:
    """What MLflow calls with the folder of the flavor's data."""
    root = Path(path).parents[1]
    return Served(_read_model(root), _read_catalogue(root))


def _mlflow() -> Any:
    try:
        import mlflow
        import mlflow.artifacts
        import mlflow.models
        import mlflow.pyfunc
    except ImportError:
        raise ArgumentError("MLflow is not installed. Install it with: pip install 'nba[train]'.") from None
    return mlflow


def _reference(tables: Tables) -> Iterator[tuple[str, Any, Columns]]:
    return ((name, TABLES[name], tables.columns(name)) for name in ("content", "channels"))


def _write(model: NextBestAction, folder: Path, data: Tables | None) -> dict[str, str]:
    """Both bundles, and their digests, which are kept apart from them in the MLmodel file."""
    digest = model.save(folder / _MODEL)
    _check_loads_again(model, folder / _MODEL)
    tables = data if data is not None else model._tables
    if tables is None:
        raise ArgumentError(
            "This model was loaded from a bundle, which holds no tables. Give data=, an Engagement with the "
            "content and channels in force."
        )
    return {"model_digest": digest, "catalogue_digest": Catalogue.of(tables).save(folder / _CATALOGUE)}


def _check_loads_again(model: NextBestAction, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a model warns of, it has said when it was made
        try:
            again = NextBestAction.load(folder)
        except NBAError as error:
            raise BundleError(
                f"The model could be saved but not loaded again: {error} A policy, rule or scorer of your "
                "own class cannot travel as data; use model.save(...), and give the object to nba.load(...)."
            ) from error
    if (again.digest_, again.policy_digest_) != (model.digest_, model.policy_digest_):
        raise BundleError(
            "The model, loaded again, would decide otherwise: a part of it is not described by its settings. "
            "Give parts of your own classes a describe() that holds all their settings."
        )


def _requirements() -> list[str]:
    """nba and what it needs, at the versions in use; asked of the installation, not of an index."""
    return [f"nba=={__version__}", *(f"{name}=={installed.version(name)}" for name in NEEDS)]


@contextmanager
def _downloaded(model_uri: str | Path) -> Iterator[Path]:
    where = os.fspath(model_uri)
    if os.path.isdir(where):
        yield Path(where)
        return
    with tempfile.TemporaryDirectory() as aside:
        yield Path(_mlflow().artifacts.download_artifacts(artifact_uri=where, dst_path=aside))


def _flavor(root: Path) -> dict[str, str]:
    """What the MLmodel file says of this flavor, checked."""
    found: Any = None
    if (root / "MLmodel").is_file():
        found = _mlflow().models.Model.load(os.fspath(root)).flavors.get(FLAVOR)
    wanted = ("model_digest", "catalogue_digest")
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in wanted):
        raise BundleError(
            "The folder holds no MLflow model of flavor 'nba'. Save one with nba.mlflow.save_model(...), or "
            "read a bundle of nba itself with nba.load(...)."
        )
    return found


def _read_model(root: Path) -> NextBestAction:
    return NextBestAction.load(root / "data" / FLAVOR / _MODEL, digest=_flavor(root)["model_digest"])


def _read_catalogue(root: Path) -> Catalogue:
    return Catalogue.load(root / "data" / FLAVOR / _CATALOGUE, digest=_flavor(root)["catalogue_digest"])


def _as_frame(model_input: Any) -> pd.DataFrame:
    import pandas as pd

    if isinstance(model_input, pd.DataFrame):
        frame = model_input
    elif isinstance(model_input, list) and all(isinstance(row, Mapping) for row in model_input):
        frame = pd.DataFrame(model_input, columns=None if model_input else list(REQUEST_COLUMNS))
    else:
        raise TableTypeError(
            f"The input is a {type(model_input).__name__}. Expected a frame or a list of dicts, one row per "
            f"HCP with {', '.join(REQUEST_COLUMNS)}."
        )
    names = [str(name) for name in frame.columns]
    missing = [name for name in REQUEST_COLUMNS if name not in names and name != "consent"]
    if missing or set(names) - set(REQUEST_COLUMNS) or len(set(names)) < len(names):
        raise TableError(
            f"The input has {len(names)} columns and lacks {missing}. Expected {', '.join(REQUEST_COLUMNS)}, "
            "each once and nothing else; consent may be left out."
        )
    return frame


def _requests(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The arguments of ``decide`` for every row, all checked before any work is done."""
    requests = []
    columns = {name: frame[name].tolist() for name in frame.columns}
    for place in range(len(frame)):
        row = {name: cells[place] for name, cells in columns.items()}
        with _naming(place):
            requests.append(_request(row))
    people = _people([request["hcp"] for request in requests])
    return [{**request, "hcp": person} for request, person in zip(requests, people, strict=True)]


def _request(row: Mapping[str, Any]) -> dict[str, Any]:
    hcp_id, seed = row["hcp_id"], row["seed"]
    if not isinstance(hcp_id, str) or not hcp_id.strip():
        raise TableError(f"hcp_id is a {type(hcp_id).__name__} or blank. Expected text that is not empty.")
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool):
        raise ArgumentError(f"seed is a {type(seed).__name__}. Expected a whole number.")
    as_moment(row["at"])
    hcp = row["hcp"]
    if not isinstance(hcp, Mapping) or hcp.get("hcp_id", hcp_id) != hcp_id:
        raise TableError(
            f"hcp is a {type(hcp).__name__}, or about another HCP. Expected this HCP's row as a dict with at "
            "least its country: candidates are chosen by it."
        )
    history, consent = _records(row["history"], "history"), row.get("consent")
    return {
        "hcp_id": hcp_id,
        "at": row["at"],
        "seed": int(seed),
        "hcp": hcp,
        "history": history,
        "consent": None if _is_missing(consent) else _records(consent, "consent"),
    }


def _records(cell: Any, name: str) -> list[Mapping[str, Any]]:
    records = list(cell) if isinstance(cell, list | tuple | np.ndarray) else None
    if records is None or not all(isinstance(record, Mapping) for record in records):
        raise TableTypeError(
            f"{name} is a {type(cell).__name__}. Expected a list of dicts, one a row; [] where there is none."
        )
    return records


def _is_missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and cell != cell)


def _people(hcps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The HCPs' rows, checked as a table once; two rows about one HCP may differ, as their moments do."""
    import pandas as pd

    if not hcps:
        return []
    schema = TABLES["hcps"]
    unknown = sorted({str(name) for hcp in hcps for name in hcp} - set(schema.names))
    if unknown:
        raise TableError(
            f"hcp has {len(unknown)} keys that the hcps table does not know. Expected some of: "
            f"{', '.join(schema.names)}."
        )
    moments = {column.name for column in schema.columns if column.kind == "moment"}
    rows = [{name: _as_time(hcp[name]) if name in moments else hcp[name] for name in hcp} for hcp in hcps]
    places = [f"row {place}" for place in range(len(hcps))]
    columns = check_table(pd.DataFrame(rows).assign(hcp_id=places), "hcps")
    names = [name for name in columns if name != "hcp_id"]
    return [{name: columns[name][place] for name in names} for place in range(len(hcps))]


def _as_time(cell: Any) -> Any:
    """JSON has no times: an ISO text becomes one, and what is none is left for the check to refuse."""
    try:
        return dt.datetime.fromisoformat(cell) if isinstance(cell, str) else cell
    except ValueError:
        return cell


def _decision_row(receipt: Receipt, *, why: Sequence[str], watch: Sequence[str]) -> dict[str, Any]:
    return {
        "hcp_id": receipt.hcp_id,
        "decision_id": receipt.decision_id,
        "channel": receipt.action.channel,
        "content_id": receipt.action.content,
        "document_number": receipt.document_number,
        "version": receipt.version,
        "propensity": np.nan if receipt.propensity is None else receipt.propensity,
        "selection_prob": receipt.selection_prob,
        "explored": receipt.explored,
        "decided_at": _iso(receipt.decided_at),
        "valid_until": _iso(receipt.valid_until),
        "reasons": json.dumps({"why": list(why), "watch": list(watch)}, ensure_ascii=False),
    }


def _iso(moment: int) -> str:
    return f"{np.datetime64(moment, 's')}Z"


@contextmanager
def _naming(place: int) -> Iterator[None]:
    """Errors about a row of the input say which one; a stack trace is all that a server passes on."""
    try:
        yield
    except NBAError as error:
        error.args = (f"Row {place} of the input: {error}",)
        raise


__all__ = [
    "DECISION_COLUMNS",
    "FLAVOR",
    "REQUEST_COLUMNS",
    "Catalogue",
    "Served",
    "example_input",
    "load_catalogue",
    "load_model",
    "log_model",
    "save_model",
]
