"""Decide one HCP per call, over HTTP on this machine alone.

python examples/service.py --model models/2026-10 --data data --log decisions.db

POST /decide   one HCP's plain records in, one decision out: in the log before the answer leaves
POST /reload   take what is in the folders now; requests under way finish on the old model
GET  /health   which model answers, until when it was fitted, whether the log can be reached

Needs FastAPI and uvicorn: pip install 'nba[service]'. Bodies and ids never reach a log of the server.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

import nba
from nba.contracts import Receipt
from nba.errors import LogConflictError, LogError, NBAError, TableError
from nba.explain import build_card
from nba.tables import as_moment, check_table

KEYS = ("request_id", "hcp_id", "at", "history", "hcp", "consent")
NEEDED = ("request_id", "hcp_id", "at", "history")


@dataclass(frozen=True)
class Ask:
    """One request: whom to decide for, as of when, from which records.

    Attributes
    ----------
    request_id : the caller's own; the same request sent again gets the same decision, not a second one
    hcp_id : who
    at : the moment, "2026-10-01T09:00:00Z"; nothing that happened or was recorded at or after it is read
    history : the HCP's interactions as plain records, times as ISO texts with a zone
    hcp, consent : the HCP's row and consent rows; without them those of the service's tables
    """

    request_id: str
    hcp_id: str
    at: str
    history: list[dict[str, Any]]
    hcp: dict[str, Any] | None = None
    consent: list[dict[str, Any]] | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Ask:
        """The request in a body, checked; TableError says what does not fit, and never a value."""
        unknown, missing = len(set(body) - set(KEYS)), [key for key in NEEDED if key not in body]
        if unknown or missing:
            raise TableError(
                f"The request has {unknown} unknown keys and lacks {missing}. Expected {', '.join(KEYS)}."
            )
        for key in ("request_id", "hcp_id", "at"):
            if not isinstance(body[key], str) or not body[key].strip():
                raise TableError(f"{key} is a {type(body[key]).__name__} or blank. Expected text.")
        as_moment(body["at"])
        for key in ("history", "consent"):
            rows = body.get(key, [])
            if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
                raise TableError(f"{key} is a {type(rows).__name__}. Expected a list of objects, one a row.")
        return cls(**body)


def _person(hcp_id: str, row: Any) -> dict[str, Any] | None:
    """The HCP's row, checked as a table of one."""
    if row is None:
        return None
    if not isinstance(row, dict) or row.get("hcp_id", hcp_id) != hcp_id:
        raise TableError(f"hcp is a {type(row).__name__}, or about another HCP. Expected this HCP's row.")
    columns = check_table(pd.DataFrame([{**row, "hcp_id": hcp_id}]), "hcps")
    return {name: values[0] for name, values in columns.items()}


@dataclass(frozen=True)
class Snapshot:
    """A model and the tables it decides with; never changed, only replaced as a whole."""

    model: nba.NextBestAction
    data: nba.Engagement

    @classmethod
    def read(cls, model: Path, data: Path) -> Snapshot:
        tables = nba.Engagement.from_folder(data)
        return cls(nba.load(model).warm_up(tables), tables)


class Service:
    """Decisions of one model at a time, each in the log before it is handed out.

    Parameters
    ----------
    read : gives a snapshot of what is in the folders now
    log : where decisions are committed
    seed : draws are keyed by (seed, HCP, moment)
    """

    def __init__(self, read: Callable[[], Snapshot], log: nba.Log, *, seed: int = 7) -> None:
        self._read, self._log, self._seed = read, log, seed
        self._reloading = threading.Lock()
        self._snapshot = read()

    def decide(self, ask: Ask) -> dict[str, Any]:
        """One HCP's decision, durable in the log on return; LogError hands nothing out."""
        snapshot = self._snapshot  # once: a reload in the meantime is for the next request
        plan = snapshot.model.decide(
            ask.hcp_id,
            history=ask.history,
            hcp=_person(ask.hcp_id, ask.hcp),
            consent=ask.consent,
            at=ask.at,
            seed=self._seed,
            data=snapshot.data,
            log=self._log,
            request_key=ask.request_id,
        )
        (receipt,) = plan.receipts()
        done = self._log.commit(plan)
        return _answer(receipt, status=done[receipt.decision_id])

    def reload(self) -> dict[str, Any]:
        """Take what is in the folders now; the old model goes on if that cannot be read."""
        with self._reloading:
            self._snapshot = self._read()
        return self.about()

    def health(self) -> dict[str, Any]:
        """Which model answers; LogError where the log cannot be reached."""
        self._log.receipts(batch_id="")  # of no batch: a small question is enough
        return {"status": "ok", "log": "reachable", **self.about()}

    def about(self) -> dict[str, Any]:
        """The digest of the model, and until when it was fitted."""
        model = self._snapshot.model
        until = datetime.fromtimestamp(model.fitted_until_, tz=UTC).isoformat()
        return {"model_digest": model.digest_, "fitted_until": until}


def _answer(receipt: Receipt, *, status: str) -> dict[str, Any]:
    """What the caller gets: what to do and why, or that nothing may be done now."""
    answer = {
        "decision_id": receipt.decision_id,
        "hcp_id": receipt.hcp_id,
        "status": status if status == "committed" else "void",
        "model_digest": receipt.model_digest,
    }
    if status != "committed":
        return {**answer, "void_reason": status}
    card = build_card(receipt)
    return {
        **answer,
        "channel": receipt.action.channel,
        "content_id": receipt.action.content,
        "document_number": receipt.document_number,
        "version": receipt.version,
        "propensity": receipt.propensity,
        "selection_prob": receipt.selection_prob,
        "explored": receipt.explored,
        "valid_until": datetime.fromtimestamp(receipt.valid_until, tz=UTC).isoformat(),
        "headline": card.headline,
        "basis": card.basis,
        "why": list(card.why),
        "watch": list(card.watch),
    }


def make_app(service: Service) -> Any:
    """The service as a FastAPI application."""
    from fastapi import FastAPI
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse

    app = FastAPI(title="nba", docs_url=None, redoc_url=None)

    # Plain functions: each runs in a thread of its own, so that one slow request holds up no other.
    @app.post("/decide")
    def decide(body: dict[str, Any]) -> Any:
        return _answered(lambda: service.decide(Ask.of(body)))

    @app.post("/reload")
    def reload() -> Any:
        return _answered(service.reload)

    @app.get("/health")
    def health() -> Any:
        return _answered(service.health)

    @app.exception_handler(RequestValidationError)
    def not_json(_: Any, error: RequestValidationError) -> JSONResponse:
        # FastAPI's own answer would repeat the values it was sent.
        return JSONResponse({"error": "The body is not a JSON object. Send one request as one object."}, 422)

    return app


def _answered(work: Callable[[], dict[str, Any]]) -> Any:
    """The work's result, or its error under the status that says whose it is."""
    from fastapi.responses import JSONResponse

    try:
        return JSONResponse(work())
    except LogConflictError as error:
        return JSONResponse({"error": str(error)}, 409)
    except LogError as error:
        return JSONResponse({"error": str(error), "log": "not reachable"}, 503)
    except NBAError as error:
        return JSONResponse({"error": str(error)}, 422)
    except Exception as error:  # a stack trace would show records of a person; its kind and place do not
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else ""
        print(f"error: {type(error).__name__} at {where}", file=sys.stderr)
        return JSONResponse(
            {"error": "The request could not be worked on. The server's log says where."}, 500
        )


def main(argv: list[str] | None = None) -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="bundle that model.save wrote")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of tables: content, channels, hcps, ..."
    )
    parser.add_argument("--log", required=True, help="decision log: a SQLite file, or a database URL")
    parser.add_argument("--port", type=int, default=8000, help="on 127.0.0.1 (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of the draws (default: %(default)s)")
    options = parser.parse_args(argv)
    try:
        import fastapi  # noqa: F401
        import uvicorn
    except ImportError:
        parser.exit(
            1, "FastAPI and uvicorn are not installed. Install them with: pip install 'nba[service]'\n"
        )
    service = Service(
        lambda: Snapshot.read(options.model, options.data), nba.Log(options.log), seed=options.seed
    )
    print(
        f"http://127.0.0.1:{options.port} answers with model {service.about()['model_digest'][:12]}",
        flush=True,
    )
    # Loopback only: whatever stands in front of it has to say who may ask.
    uvicorn.run(make_app(service), host="127.0.0.1", port=options.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
