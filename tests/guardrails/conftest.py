"""Small worlds for guardrails, built from plain rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nba.contracts import DAY, DO_NOTHING, FOREVER, NEVER, Candidates, Context, as_actions

AT = 1_000 * DAY
FREE_CHANNELS = ("rep_visit",)


def texts(values: Sequence[str]) -> np.ndarray:
    return np.array(list(values), dtype=object)


def tuples(values: Sequence[tuple[str, ...]]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


def columns(rows: Sequence[dict[str, Any]], defaults: dict[str, Any]) -> dict[str, np.ndarray]:
    filled = [{**defaults, **row} for row in rows]
    made = {}
    for name, default in defaults.items():
        values = [row[name] for row in filled]
        if isinstance(default, str):
            made[name] = texts(values)
        elif isinstance(default, tuple):
            made[name] = tuples(values)
        else:
            made[name] = np.array(values, dtype=type(default))
    return made


CONTENT = {
    "content_id": "",
    "document_number": "",
    "version": "1",
    "product_id": "",
    "purpose": "promotional",
    "content_type": "summary",
    "approval_status": "approved",
    "approved_from": NEVER,
    "expiry": FOREVER,
    "country": (),
    "supersedes": "",
    "topic": "",
    "indication": "",
}
CONSENT = {
    "hcp_id": "h0",
    "channel": "email",
    "product_id": "",
    "purpose": "",
    "content_type": "",
    "opt_type": "opt_in",
    "captured_at": 0,
    "expires_at": FOREVER,
}
TOUCH = {"row": 0, "ts": 0, "channel": "email", "content_id": "", "pending": False}


def build_world(
    *,
    actions: Sequence[tuple[str, str]],
    hcps: Sequence[str] = ("h0",),
    countries: Sequence[str] | None = None,
    content: Sequence[dict[str, Any]] = (),
    consent: Sequence[dict[str, Any]] | None = (),
    touches: Sequence[dict[str, Any]] = (),
    at: int = AT,
    valid_until: int | None = None,
) -> tuple[Candidates, Context]:
    channels = sorted({channel for channel, _ in actions} | set(FREE_CHANNELS))
    candidates = Candidates(
        hcps=texts(hcps),
        actions=(DO_NOTHING, *as_actions(actions)),
        allowed=np.ones((len(hcps), len(actions) + 1), dtype=bool),
        at=at,
        valid_until=at + 7 * DAY if valid_until is None else valid_until,
    )
    context = Context(
        hcps={"hcp_id": texts(hcps), "country": texts(countries or ["US"] * len(hcps))},
        content=columns(content, CONTENT),
        channels={
            "channel": texts(channels),
            "consent_required": np.array([channel not in FREE_CHANNELS for channel in channels]),
        },
        consent=None if consent is None else columns(consent, CONSENT),
        touches=columns(touches, TOUCH),
    )
    return candidates, context


def reasons_of(rule: Any, world: tuple[Candidates, Context]) -> list[list[str]]:
    verdict = rule.check(*world)
    return [[verdict.reasons[code] for code in row] for row in verdict.reason.tolist()]


@pytest.fixture(scope="session")
def build() -> Callable[..., tuple[Candidates, Context]]:
    return build_world


@pytest.fixture(scope="session")
def reasons() -> Callable[..., list[list[str]]]:
    return reasons_of


@pytest.fixture(scope="session")
def random_world() -> Callable[[int], tuple[Candidates, Context]]:
    return make_random_world


def make_random_world(seed: int) -> tuple[Candidates, Context]:
    """A dozen HCPs, thirty actions, and tables in which every rule has something to remove."""
    rng = np.random.default_rng(seed)
    day = lambda low, high: AT + int(rng.integers(low * DAY, high * DAY))  # noqa: E731
    pick = lambda *values: values[int(rng.integers(len(values)))]  # noqa: E731
    hcps = [f"h{i:02d}" for i in range(12)]
    content = [
        {
            "content_id": f"c{i}",
            "document_number": f"d{i // 2}",
            "version": pick("1", "2", "9", "10", "2.0", "2.1"),
            "product_id": pick("", "A", "B"),
            "approval_status": pick("approved", "approved", "approved", "staged", "withdrawn"),
            "approved_from": day(-90, 10),
            "expiry": pick(FOREVER, day(-10, 60)),
            "country": pick((), ("US",), ("US", "DE"), ("FR",)),
            "supersedes": pick("", "", "", f"c{int(rng.integers(10))}"),
        }
        for i in range(10)
    ]
    channels = ("email", "push", "rep_visit")
    consent = [
        {
            "hcp_id": pick(*hcps),
            "channel": pick("", "all", *channels),
            "product_id": pick("", "", "A", "B"),
            "opt_type": pick("opt_in", "opt_in", "opt_out", "opt_in_pending"),
            "captured_at": day(-100, 5),
            "expires_at": pick(FOREVER, FOREVER, day(-5, 30)),
        }
        for _ in range(40)
    ]
    touches = [
        {
            "row": int(rng.integers(12)),
            "ts": day(-20, 0),
            "channel": pick(*channels),
            "pending": pick(True, False),
        }
        for _ in range(60)
    ]
    return build_world(
        actions=[(channel, row["content_id"]) for channel in channels for row in content],
        hcps=hcps,
        countries=[pick("US", "DE", "FR", "") for _ in hcps],
        content=content,
        consent=consent,
        touches=touches,
    )


@pytest.fixture(scope="session")
def clock() -> SimpleNamespace:
    return SimpleNamespace(at=AT, day=DAY)
