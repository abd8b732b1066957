"""Random records of a small territory, and the slow way to read them."""

from __future__ import annotations

import datetime as dt
import math
import warnings
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nba.contracts import Action
from nba.errors import NBAWarning
from nba.features import Attribute, Count, Decayed, EngagementFeatures, Events, Fit, Rate, Recency, Streak
from nba.tables import Engagement

DAY = 86_400
START = 1_767_225_600  # 2026-01-01
STEP = 7_200  # a coarse grid of moments, so that ties are common

Record = dict[str, Any]


def iso(second: int) -> str:
    return dt.datetime.fromtimestamp(second, dt.UTC).isoformat()


def touch(key: str, hcp: str, ts: int, *, recorded: int, channel: str, content: str, outcome: str) -> Record:
    return {
        "interaction_id": key, "hcp_id": hcp, "ts": ts, "recorded_at": recorded, "channel": channel,
        "direction": "outbound", "outcome": outcome, "content_id": content, "parent_id": None,
        "topic": None, "is_machine": False,
    }  # fmt: skip


def random_records(seed: int, *, hcps: int = 6, touches: int = 70, days: int = 60) -> list[Record]:
    """Touches and answers with ties, late arrivals, strangers' parents and answers to nothing."""
    rng = np.random.default_rng(seed)
    found: list[Record] = []
    for i in range(touches):
        channel = str(rng.choice(["approved_email", "rep_visit", "push"]))
        ts = START + int(rng.integers(0, days * 12)) * STEP
        late = int(rng.integers(0, 60)) * STEP if rng.random() < 0.3 else 0
        outcome = str(rng.choice(["held", "declined"])) if channel == "rep_visit" else "sent"
        sent = touch(
            f"t{i}", f"h{rng.integers(hcps)}", ts, recorded=ts + late, channel=channel,
            content=f"c{rng.integers(5)}", outcome=outcome,
        )  # fmt: skip
        found.append(sent)
        answers = int(rng.integers(0, 4)) if channel != "rep_visit" else 0
        found += [random_answer(rng, f"r{i}.{j}", sent) for j in range(answers)]
    return found


def random_answer(rng: np.random.Generator, key: str, sent: Record) -> Record:
    ts = sent["ts"] + int(rng.choice([1, 2, 60, 60, STEP, 5 * STEP, 100 * STEP]))
    late = int(rng.integers(0, 60)) * STEP if rng.random() < 0.3 else 0
    kind = rng.random()
    return {
        **sent,
        "interaction_id": key,
        "hcp_id": sent["hcp_id"],
        "ts": ts,
        "recorded_at": ts + late,
        "direction": "inbound",
        "outcome": str(rng.choice(["opened", "clicked", "clicked", "completed"])),
        "parent_id": None if kind < 0.2 else sent["interaction_id"],
        "topic": "dosing" if kind > 0.9 else None,
        "is_machine": bool(rng.random() < 0.1),
    }


def content() -> pd.DataFrame:
    n = 5
    return pd.DataFrame(
        {
            "content_id": [f"c{i}" for i in range(n)],
            "document_number": [f"PM-{i}" for i in range(n)],
            "version": "1",
            "title": [f"Overview {i}" for i in range(n)],
            "channels": [["approved_email", "push", "rep_visit"]] * n,
            "content_type": "summary",
            "format": ["pdf", "video", "pdf", "video", "pdf"],
            "topic": ["mechanism", "dosing", "safety", "mechanism", None],
            "purpose": "educational",
            "audience_specialty": [["cardiology"], ["oncology", "cardiology"], [], ["oncology"], []],
            "language": "en",
            "country": [["US", "DE"]] * n,
            "approval_status": "approved",
            "approved_from": pd.Timestamp("2025-01-01", tz="UTC"),
            "expiry": pd.Timestamp("2027-01-01", tz="UTC"),
        }
    )


def hcps(n: int = 6) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "hcp_id": [f"h{i}" for i in range(n)],
            "country": ["US", "DE", "US", "US", "DE", "US"][:n],
            "specialty": ["cardiology", "oncology", None, "cardiology", "oncology", "dermatology"][:n],
            "decile": [1.0, 2.0, np.nan, 9.0, 10.0, 5.0][:n],
            "pdrp_opt_out": [False, True, False, False, False, True][:n],
        }
    )


def engagement(records: Sequence[Record], **tables: Any) -> Engagement:
    frame = pd.DataFrame(list(records))
    for name in ("ts", "recorded_at"):
        frame[name] = pd.to_datetime(frame[name], unit="s", utc=True)
    for name in ("parent_id", "topic"):
        frame[name] = frame[name].astype("str" if pd.__version__ >= "3" else "string")
        frame.loc[[record[name] is None for record in records], name] = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NBAWarning)  # strangers among the HCPs are set aside aloud
        return Engagement(frame, tables.pop("content", content()), tables.pop("hcps", hcps()), **tables)


def plain(records: Sequence[Record]) -> list[Record]:
    """The records as a service gets them: times as ISO texts, nothing where nothing is."""
    return [
        {
            name: iso(value) if name in ("ts", "recorded_at") else value
            for name, value in record.items()
            if value is not None
        }
        for record in records
    ]


MEASURES = (
    Count(of="touches", window_days=30),
    Count(of="engagements", window_days=7),
    Count(of="inbound", window_days=30),
    Count(of="clicked"),
    Recency(of="touches"),
    Recency(of="engagements"),
    Streak(),
    Decayed(of="engagements", half_life_days=14),
    Count(of="touches", by="channel", window_days=20),
    Rate(by="channel", window_days=40),
    Rate(),
    Decayed(of="engagements", by="topic", half_life_days=20),
    Streak(by="channel"),
    Attribute(column="specialty", min_hcps=2),
    Attribute(column="decile", visibility="restricted"),
    Count(of="responses", by="channel", own=True, window_days=30),
    Rate(by="channel", own=True, window_days=50),
    Recency(of="responses", by="channel", own=True),
    Streak(by="channel", own=True),
    Count(of="engagements", by="topic", own=True, window_days=30),
    Recency(of="engagements", by="topic", own=True),
    Count(of="touches", by="content", own=True),
    Decayed(of="engagements", by="content", own=True, half_life_days=9),
    Count(of="responses", by="pair", own=True, window_days=30),
    Recency(of="touches", by="pair", own=True),
    Fit(),
)

ACTIONS = tuple(
    Action(channel, key)
    for channel in ("approved_email", "push", "rep_visit", "webinar")
    for key in ("c0", "c1", "c2", "c4", "c9")
)


def rows_of(data: Engagement) -> list[SimpleNamespace]:
    """The canonical log as plain rows."""
    columns = data.columns("interactions")
    names = [
        "interaction_id", "hcp_id", "ts", "recorded_at", "channel", "content_id", "topic", "outcome",
        "direction", "parent_id", "machine", "touch", "engaged",
    ]  # fmt: skip
    lists = [columns[name].tolist() for name in names]
    return [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in zip(*lists, strict=True)]


class Reader:
    """Reads one HCP as of one moment, a row at a time."""

    def __init__(self, data: Engagement, rows: Sequence[SimpleNamespace], *, hcp: str, at: int) -> None:
        documents, people = data.columns("content"), data.columns("hcps")
        self.topics = dict(zip(documents["content_id"], documents["topic"], strict=True))
        self.audiences = dict(zip(documents["content_id"], documents["audience_specialty"], strict=True))
        self.person = {
            name: people[name][list(people["hcp_id"]).index(hcp)]
            for name in ("specialty", "decile", "pdrp_opt_out")
        }
        channels = data.columns("channels")
        self.success = dict(zip(channels["channel"], channels["success"], strict=True))
        self.at = at
        seen = [r for r in rows if r.hcp_id == hcp and r.ts < at and max(r.ts, r.recorded_at) < at]
        self.rows = sorted(seen, key=lambda r: (max(r.ts, r.recorded_at), r.ts, r.interaction_id))

    def of(self, kind: str) -> list[SimpleNamespace]:
        if kind == "touches":
            return [r for r in self.rows if r.touch]
        if kind == "engagements":
            return [r for r in self.rows if r.engaged]
        if kind == "inbound":
            return [r for r in self.rows if r.engaged and r.direction == "inbound"]
        if kind == "responses":
            return self.responses()
        return [r for r in self.rows if r.outcome == kind and not r.machine]

    def responses(self) -> list[SimpleNamespace]:
        answered, found = set(), []
        for r in self.rows:
            about = r.interaction_id if r.touch or not r.parent_id else r.parent_id
            if not r.machine and r.outcome in self.success.get(r.channel, ()) and about not in answered:
                answered.add(about)
                found.append(r)
        return found

    def key(self, row: SimpleNamespace, by: str | None) -> Any:
        if by is None:
            return ""
        if by == "pair":
            return (row.channel, row.content_id)
        if by == "topic":
            return row.topic or self.topics.get(row.content_id, "")
        return {"channel": row.channel, "content": row.content_id}[by]

    def value(self, measure: Any, *, key: Any, action: Action | None, prior: Any) -> float:
        if isinstance(measure, Attribute):
            return self.attribute(measure, key)
        if isinstance(measure, Fit):
            wanted = self.audiences.get(action.content if action else "", ())
            mine = self.person["specialty"]
            return math.nan if not wanted or not mine else float(mine in wanted)
        if measure.own and action is not None:
            topic = self.topics.get(action.content, "")
            key = {
                "channel": action.channel,
                "content": action.content,
                "pair": tuple(action),
                "topic": topic,
            }[measure.by]
            if key == "":
                return math.nan if isinstance(measure, Recency) else 0.0

        def mine(kind: str, days: float = math.inf) -> list[int]:
            return [
                r.ts for r in self.of(kind)
                if self.key(r, measure.by) == key and r.ts >= self.at - days * DAY
            ]  # fmt: skip

        if isinstance(measure, Count):
            return float(len(mine(measure.of, measure.window_days or math.inf)))
        if isinstance(measure, Recency):
            times = mine(measure.of)
            return (self.at - max(times)) / DAY if times else math.nan
        if isinstance(measure, Decayed):
            return math.fsum(2 ** (-(self.at - t) / (measure.half_life_days * DAY)) for t in mine(measure.of))
        if isinstance(measure, Streak):
            answered = max(mine("responses"), default=-math.inf)
            return float(sum(t > answered for t in mine("touches")))
        touched = len(mine("touches", measure.window_days or math.inf))
        answered = min(len(mine("responses", measure.window_days or math.inf)), touched)
        return (answered + prior.strength * prior.mean) / (touched + prior.strength)

    def attribute(self, measure: Attribute, key: str) -> float:
        if measure.visibility == "restricted" and self.person["pdrp_opt_out"]:
            return math.nan
        if not key:
            return float(self.person[measure.column])
        return float(self.person[measure.column] == key) if self.person[measure.column] else math.nan


def fitted(measures: Any, data: Engagement, *, until: int, dtype: str = "float64", **more: Any) -> Any:
    """Features that have met what was known before a moment."""
    features = EngagementFeatures(measures, dtype=dtype, **more)
    return features.fit_events(features.events(data), data.columns("hcps"), until=until)


def design_of(
    features: EngagementFeatures,
    data: Any,
    *,
    hcps: Sequence[str],
    at: Sequence[int],
    actions: Sequence[Action] = ACTIONS,
) -> Any:
    """All actions asked of every (HCP, moment) row."""
    n, k = len(hcps), len(actions)
    return features.design(
        features.events(data),
        data.columns("hcps"),
        hcps=np.array(hcps, dtype=object),
        at=np.array(at, dtype=np.int64),
        actions=tuple(actions),
        row=np.repeat(np.arange(n), k),
        pair=np.tile(np.arange(k), n),
    )


def design_of_records(features: EngagementFeatures, rows: Any, data: Engagement, *, hcp: str, at: int) -> Any:
    """The same for one HCP from plain records."""
    events = Events.from_columns(rows, content=data.columns("content"), channels=data.columns("channels"))
    people = data.columns("hcps")
    mine = {name: people[name][people["hcp_id"] == hcp] for name in people}
    k = len(ACTIONS)
    return features.design(
        events, mine, hcps=np.array([hcp], dtype=object), at=np.array([at]), actions=ACTIONS,
        row=np.zeros(k, dtype=np.int64), pair=np.arange(k),
    )  # fmt: skip


@pytest.fixture(scope="session")
def world() -> SimpleNamespace:
    """Everything above under one name; a conftest cannot be imported."""
    return SimpleNamespace(
        ACTIONS=ACTIONS, DAY=DAY, MEASURES=MEASURES, START=START, STEP=STEP, Reader=Reader, content=content,
        design_of=design_of, design_of_records=design_of_records, engagement=engagement, fitted=fitted,
        hcps=hcps, plain=plain, random_answer=random_answer, random_records=random_records, rows_of=rows_of,
        touch=touch,
    )  # fmt: skip
