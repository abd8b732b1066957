"""A small territory to check tables with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

Frames = dict[str, pd.DataFrame]


def territory(*, seed: int = 0, hcps: int = 12, touches: int = 120, contents: int = 9) -> Frames:
    """Clean interactions, content, hcps and consent; rows shuffled, some moments tied."""
    rng = np.random.default_rng(seed)
    people = pd.DataFrame(
        {
            "hcp_id": [f"h{i:03d}" for i in range(hcps)],
            "country": rng.choice(["US", "DE"], hcps),
            "language": rng.choice(["en", "de"], hcps),
            "specialty": rng.choice(["cardiology", "oncology"], hcps),
        }
    )
    documents = pd.DataFrame(
        {
            "content_id": [f"c{i}" for i in range(contents)],
            "document_number": [f"PM-{i}" for i in range(contents)],
            "version": "1",
            "title": [f"Overview {i}" for i in range(contents)],
            "channels": [["approved_email", "push"] if i % 2 else ["rep_visit"] for i in range(contents)],
            "content_type": "summary",
            "format": "pdf",
            "topic": "mechanism",
            "purpose": "educational",
            "language": ["en" if i % 3 else "de" for i in range(contents)],
            "country": [["US", "DE"] if i % 4 else [] for i in range(contents)],
            "approval_status": "approved",
            "approved_from": pd.Timestamp("2025-01-01", tz="UTC"),
            "expiry": pd.Timestamp("2027-01-01", tz="UTC"),
        }
    )
    log = _log(rng, people, documents, touches)
    consent = pd.DataFrame(
        {
            "hcp_id": people["hcp_id"],
            "channel": "approved_email",
            "opt_type": rng.choice(["opt_in", "opt_out"], hcps),
            "captured_at": pd.Timestamp("2025-06-01", tz="UTC"),
        }
    )
    return {"interactions": log, "content": documents, "hcps": people, "consent": consent}


def _log(rng: np.random.Generator, people: pd.DataFrame, documents: pd.DataFrame, n: int) -> pd.DataFrame:
    channel = rng.choice(["approved_email", "rep_visit", "push"], n)
    visit = rng.choice(["held", "declined"], n)
    start = pd.Timestamp("2026-01-01", tz="UTC")
    ts = pd.Series(start + pd.to_timedelta(rng.integers(0, 40, n) * 7200, unit="s")).dt.as_unit("us")
    sent = pd.DataFrame(
        {
            "interaction_id": [f"t{i}" for i in range(n)],
            "hcp_id": rng.choice(people["hcp_id"].to_numpy(dtype=object), n),
            "ts": ts,
            "recorded_at": ts + pd.to_timedelta(rng.integers(0, 90, n) * 600, unit="s"),
            "channel": channel,
            "direction": "outbound",
            "outcome": np.where(channel == "rep_visit", visit, "sent"),
            "content_id": rng.choice(documents["content_id"].to_numpy(dtype=object), n),
            "parent_id": None,
            "is_machine": False,
            "duration_s": np.where(rng.random(n) < 0.5, 30.0, np.nan),
        }
    )
    answered = sent[(rng.random(n) < 0.6) & (channel != "rep_visit")]
    answers = pd.concat([answered.assign(k=k) for k in range(4)], ignore_index=True)
    later = pd.to_timedelta(rng.choice([1, 2, 3, 4, 900], len(answers)), unit="s")
    answers = answers.assign(
        parent_id=answers["interaction_id"],
        interaction_id=[f"r{i}" for i in range(len(answers))],
        ts=answers["ts"] + later,
        recorded_at=answers["recorded_at"] + pd.to_timedelta(rng.choice([0, 0, 7], len(answers)), unit="s"),
        direction="inbound",
        outcome=rng.choice(["opened", "clicked", "clicked", "completed"], len(answers)),
        is_machine=rng.random(len(answers)) < 0.05,
    ).drop(columns="k")
    answers["recorded_at"] = answers[["ts", "recorded_at"]].max(axis=1)
    both = pd.concat([sent.astype({"parent_id": answers["parent_id"].dtype}), answers], ignore_index=True)
    return both.sample(frac=1, random_state=int(rng.integers(1 << 30))).reset_index(drop=True)


@pytest.fixture(name="territory", scope="session")
def _territory() -> Callable[..., Frames]:
    return territory


@pytest.fixture
def frames() -> Frames:
    return territory()
