"""Models saved, logged and loaded as MLflow models."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nba import __version__
from nba.contracts import Tables
from nba.errors import ArgumentError, BundleError, NBAError
from nba.mlflow.catalogue import Catalogue
from nba.mlflow.served import DECISION_COLUMNS, Served
from nba.recommender import NextBestAction

if TYPE_CHECKING:
    import pandas as pd

FLAVOR = "nba"
"""The name of the flavor in MLmodel files."""

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

_HERE = "nba.mlflow"
_MODEL, _CATALOGUE = "model", "catalogue"
_TYPES = {"propensity": "double", "prior_only": "boolean", "selection_prob": "double", "explored": "boolean"}


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
    input_example : rows that are kept with the model; invent them, see :func:`nba.mlflow.example_input`
    signature : an MLflow signature; by default that of the decisions alone. MLflow quotes the input, ids and
        all, in its own errors about inputs, and this flavor checks its input itself
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
        selection = model.training_.get("selection", "")
        told = {"nba_version": __version__, "data": f"data/{FLAVOR}", "selection": selection}
        about.add_flavor(FLAVOR, **told, **digests)
        if signature is None:
            about.signature = _decisions()
        mlflow.pyfunc.save_model(
            path=os.fspath(path),
            loader_module=_HERE,
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
        flavor=sys.modules[_HERE],
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


def _decisions() -> Any:
    """The columns of a decision as an MLflow signature; nothing is said of the input."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    typed = [
        ColSpec(_TYPES.get(name, "string"), name, required=name != "propensity") for name in DECISION_COLUMNS
    ]
    return ModelSignature(outputs=Schema(typed))


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
