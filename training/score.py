"""Decide for every HCP of a folder with a registered model.

python -m training.score --model nba@champion --data DIR --out decisions.parquet
python -m training.score --model models/2026-10 --data DIR --out decisions.parquet --log decisions.db

One parquet file, a row per HCP: what was decided, and the whole receipt as JSON. It is written aside and put
in place in one step. With --log every decision is in the log before it is in the file, what was decided
earlier counts against caps, and consent and caps are checked once more; without it only the file knows.
"""

from __future__ import annotations

import argparse
import os
import secrets
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import nba
from nba import artifact, assess
from nba.errors import ArgumentError, NBAError, NBAWarning
from nba.plan import Plan
from nba.recommender import NextBestAction
from nba.tables import Engagement, as_moment
from training.console import Progress, main, step
from training.stores import Store, imported
from training.train import iso

if TYPE_CHECKING:
    import pandas as pd

NOT_LOGGED = "not logged"
"""Status of decisions that were made without a log."""


def run(argv: list[str] | None = None) -> Plan:
    """Read, decide, write; gives the plan."""
    options = _options(argv)
    _check_free(options.out, overwrite=options.overwrite)
    with step(f"Loading the model {options.model}"):
        model = load(options.model, uri=options.tracking_uri, digest=options.digest)
        print(f"  {model.digest_}, fitted until {iso(model.fitted_until_)}")
    with step(f"Reading and checking the tables in {options.data}"):
        data = Engagement.from_folder(options.data, observed_until=options.observed_until)
        print(f"  {data!r}")
    at = data.observed_until if options.at is None else as_moment(options.at)
    if at < model.fitted_until_:
        raise ArgumentError(
            f"--at is {iso(at)}, but the model has learned from what came until {iso(model.fitted_until_)}. "
            "Decide at that moment or later."
        )
    log = None if options.log is None else nba.Log(options.log)
    with step(f"Deciding for every HCP as of {iso(at)}"):
        plan = model.recommend(data, at=iso(at), seed=options.seed, log=log, report=Progress())
        status = {} if log is None else log.commit(plan)
    frame = decisions(plan, status=status)
    with step(f"Writing {options.out}"):
        write_whole(frame, options.out, overwrite=options.overwrite)
    voids = sum(found != "committed" for found in status.values())
    print(f"{plan}" + (f"\n{voids:,} void" if status else ""))
    if log is not None:
        print(found_lift(log, data, at=iso(at)))
    else:
        print("No log was given: these decisions do not count against caps, nor can they be learned from.")
    return plan


def load(name: str, *, uri: str | None = None, digest: str | None = None) -> NextBestAction:
    """A model by its name in a registry, or by its folder.

    Parameters
    ----------
    name : ``nba@champion``, ``models:/nba/3``, ``runs:/...``, or a folder: a bundle, or a saved MLflow model
    uri : of the registry; None is ``MLFLOW_TRACKING_URI``
    digest : of a bundle; any other is refused

    Raises
    ------
    ArgumentError
        If the name is none of these, no registry is known, or it has no such model.
    BundleError
        If what is there is no model of ours, or was altered.
    """
    folder = Path(name)
    if (folder / "MLmodel").is_file():
        from nba.mlflow import load_model

        imported()
        return load_model(folder)
    if folder.is_dir():
        return nba.load(folder, digest=digest)
    registered = name if name.startswith(("models:/", "runs:/")) else f"models:/{name}" if "@" in name else ""
    address = uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not registered or not address:
        found = "is no folder" if not registered else "is in a registry, and no registry is named"
        raise ArgumentError(
            f"--model {name!r} {found}. Expected the folder of a model, or name@alias or models:/name/3 "
            "together with --tracking-uri (or MLFLOW_TRACKING_URI)."
        )
    return _registered(registered, Store.of(address, folder="."))


def decisions(plan: Plan, *, status: Mapping[str, str]) -> pd.DataFrame:
    """One row a decision: the plan's columns, its status in the log, and the receipt as canonical JSON.

    Parameters
    ----------
    status : by decision id, as ``log.commit`` gives it; empty where there is no log
    """
    frame = plan.to_frame()
    receipts = [artifact.canonical_json(asdict(receipt)).decode("ascii") for receipt in plan]
    states = [status.get(name, NOT_LOGGED) for name in frame["decision_id"]]
    return frame.assign(status=states, receipt=receipts)


def found_lift(log: nba.Log, data: Engagement, *, at: str) -> str:
    """What earlier choices earned beyond random ones, by what the log knows at a moment; or why not."""
    try:
        with warnings.catch_warnings(record=True) as doubts:
            warnings.simplefilter("always", NBAWarning)
            found = assess.lift_from_log(log, data, at=at)
    except NBAError as error:
        return f"No lift over random eligible can be told from the log yet: {error}"
    return "\n".join([f"Earlier decisions: {found}", *(f"  - {doubt.message}" for doubt in doubts)])


def write_whole(frame: pd.DataFrame, path: Path, *, overwrite: bool) -> None:
    """A parquet file that is there as a whole or not at all.

    Raises
    ------
    ArgumentError
        If something stands there and may not be overwritten.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.parent / f".{path.name}.{secrets.token_hex(6)}.writing"
    try:
        aside.touch(mode=0o600, exist_ok=False)  # it is about people
        frame.to_parquet(aside, index=False, compression="zstd")
        _sync(aside)
        if overwrite:
            os.replace(aside, path)
        else:
            os.link(aside, path)  # unlike a rename, it never replaces what appeared meanwhile
        _sync(path.parent)
    except FileExistsError:
        _check_free(path, overwrite=overwrite)
        raise
    finally:
        aside.unlink(missing_ok=True)


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.score",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="name@alias, models:/name/3, or the folder of a model")
    parser.add_argument("--tracking-uri", help="where the registry is (default: MLFLOW_TRACKING_URI)")
    parser.add_argument("--digest", help="of the bundle; refuse any other")
    parser.add_argument("--data", type=Path, required=True, help="folder of interactions, content, hcps ...")
    parser.add_argument("--observed-until", help="until when the log is complete (default: its last event)")
    parser.add_argument("--at", help="moment of the decisions (default: observed-until)")
    parser.add_argument("--seed", type=int, default=7, help="of the draws (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="parquet file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    parser.add_argument("--log", type=Path, help="decision log; decisions are in it before they are written")
    return parser.parse_args(argv)


def _check_free(path: Path, *, overwrite: bool) -> None:
    if path.is_dir():
        raise ArgumentError(f"--out {path} is a folder. Name a parquet file in it.")
    if path.exists() and not overwrite:
        raise ArgumentError(f"{path} is there already. Name another file, or pass --overwrite to replace it.")


def _registered(name: str, store: Store) -> NextBestAction:
    from nba.mlflow import load_model

    store.client()
    with store.in_force():
        try:
            return load_model(name)
        except NBAError:
            raise
        except Exception as error:  # stores raise whatever their drivers do
            said = str(error).partition("\n")[0][:300]
            raise ArgumentError(
                f"{name} cannot be had from {store.shown} ({type(error).__name__}: {said}). Expected a "
                "registered model there; training.train registers one."
            ) from error


def _sync(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return  # a folder cannot be opened there
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


if __name__ == "__main__":
    main(run)
