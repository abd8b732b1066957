"""The model as a pyfunc: rows of HCPs in, decisions out."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from nba.contracts import Receipt
from nba.errors import ArgumentError, NBAError, TableError, TableTypeError
from nba.mlflow.catalogue import Catalogue, iso_text
from nba.recommender import NextBestAction
from nba.tables import TABLES, as_moment, check_table

if TYPE_CHECKING:
    import pandas as pd

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
    "prior_only",
    "selection_prob",
    "explored",
    "decided_at",
    "valid_until",
    "reasons",
)
"""What a row of the pyfunc's output holds."""


class Served:
    """What ``mlflow.pyfunc.load_model`` hands out: rows of HCPs in, rows of decisions out.

    An input row holds ``hcp_id``, ``at`` (the moment, a date or a time with a zone), ``seed``, ``hcp`` (the
    HCP's row as a dict, at least its country), ``history`` (its interactions as a list of dicts) and
    ``consent`` (its consent rows as a list of dicts; without them no channel that needs consent is open).
    An output row says what was decided and, as JSON, why, in sentences that a rep may see. Doing nothing has
    no propensity: None there. ``prior_only`` is true where nothing but priors speaks for the propensity: the
    pair had no training row, or the HCP objects to profiling.
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
        decided = pd.DataFrame(rows, columns=list(DECISION_COLUMNS), index=frame.index)
        # NaN is no JSON, and a server would write it as such; None becomes null.
        propensity = pd.Series([row["propensity"] for row in rows], index=frame.index, dtype=object)
        return decided.assign(propensity=propensity)

    def _decide(self, place: int, request: Mapping[str, Any]) -> dict[str, Any]:
        with _naming(place):
            plan = self.model.decide(**request, data=self.catalogue)
            card = plan[request["hcp_id"]]
        return _decision_row(plan.receipt(request["hcp_id"]), why=card.why, watch=card.watch)


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
        "propensity": receipt.propensity,
        "prior_only": receipt.prior_only,
        "selection_prob": receipt.selection_prob,
        "explored": receipt.explored,
        "decided_at": iso_text(receipt.decided_at),
        "valid_until": iso_text(receipt.valid_until),
        "reasons": json.dumps({"why": list(why), "watch": list(watch)}, ensure_ascii=False),
    }


@contextmanager
def _naming(place: int) -> Iterator[None]:
    """Errors about a row of the input say which one; a stack trace is all that a server passes on."""
    try:
        yield
    except NBAError as error:
        error.args = (f"Row {place} of the input: {error}",)
        raise
