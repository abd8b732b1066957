"""Random prescriptions, signals and networks, with corrections, late arrivals and ties of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nba.contracts import Action
from nba.features import (
    Adoption,
    PeerEngagement,
    PeerRank,
    Peers,
    Prescriptions,
    PrescriptionShare,
    PrescriptionTrend,
    SignalAge,
    Signals,
)

DAY = 86_400
START = 1_767_225_600  # 2026-01-01
MONTHS = [START + 10 * DAY * i for i in range(-6, 6)]
PRODUCTS = ("alpha", "beta", "gamma")


def moments(seconds: Any) -> Any:
    return pd.to_datetime(np.asarray(seconds, dtype=np.int64), unit="s", utc=True)


def prescriptions(seed: int, *, hcps: int = 5, level: str = "hcp") -> pd.DataFrame:
    """Figures of ten-day periods, published about twelve days after their end; some are corrected."""
    rng = np.random.default_rng([seed, 2])
    rows = []
    for unit in range(hcps):
        for period in MONTHS:
            for product in PRODUCTS:
                if rng.random() < 0.3:
                    continue
                trx = float(rng.integers(0, 20))
                known = period + 22 * DAY + int(rng.integers(0, 3)) * DAY
                rows += [
                    {
                        f"{level}_id": f"{level[0]}{unit}",
                        "period": pd.Timestamp(period, unit="s").date(),
                        "product_id": product,
                        "trx": trx + correction,
                        "nrx": float(rng.integers(0, 5)) if rng.random() < 0.9 else np.nan,
                        "market_trx": trx + float(rng.integers(1, 30)),
                        "available_at": known + correction * 9 * DAY,
                    }
                    for correction in range(1 + int(rng.random() < 0.3))
                ]
    table = pd.DataFrame(rows).sample(frac=1.0, random_state=seed)
    return table.assign(available_at=moments(table["available_at"]))


LAUNCHES = {("alpha", "US"): -35, ("alpha", "DE"): -20, ("beta", "US"): 8, ("gamma", "US"): -200}
"""Days after START at which products were launched where; gamma before there were any figures."""


def labels() -> pd.DataFrame:
    """Launches, a second indication that came later, and a product without a date."""
    rows = [(product, country, "first", days) for (product, country), days in LAUNCHES.items()]
    rows += [("alpha", "US", "second", 5), ("delta", "US", "first", None)]
    return pd.DataFrame(
        [
            {
                "product_id": product, "country": country, "indication": indication,
                "launch_date": None if days is None else pd.Timestamp(START + days * DAY, unit="s").date(),
            }
            for product, country, indication, days in rows
        ]
    )  # fmt: skip


def signals(seed: int, *, n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng([seed, 3])
    scopes = {
        "hcp": [f"h{i}" for i in range(8)],
        "hco": ["o0", "o1"],
        "brick": ["b0", "b1", "b2"],
        "country": ["US", "DE", "FR"],
        "global": [None],
    }
    rows = []
    for i in range(n):
        scope = str(rng.choice(list(scopes)))
        begin = START + int(rng.integers(-30, 60)) * DAY
        rows.append(
            {
                "signal_id": f"s{i}",
                "type": str(rng.choice(["guideline", "congress", "competitor_launch"])),
                "scope": scope,
                "scope_id": scopes[scope][int(rng.integers(len(scopes[scope])))],
                "topic": [None, "mechanism", "dosing"][int(rng.integers(3))],
                "product_id": [None, "alpha"][int(rng.integers(2))],
                "valid_from": begin,
                "valid_to": begin + int(rng.integers(1, 40)) * DAY if rng.random() < 0.6 else None,
                "recorded_at": begin + int(rng.integers(-10, 20)) * DAY,
                "strength": float(rng.integers(1, 5)) if rng.random() < 0.5 else np.nan,
            }
        )
    table = pd.DataFrame(rows)
    ends = pd.to_datetime(table["valid_to"].astype("float64"), unit="s", utc=True)
    return table.assign(
        valid_from=moments(table["valid_from"]), recorded_at=moments(table["recorded_at"]), valid_to=ends
    )


def network(seed: int, *, hcps: int = 6, n: int = 14) -> pd.DataFrame:
    rng = np.random.default_rng([seed, 4])
    ends = [rng.choice(hcps, 2, replace=False) for _ in range(n)]
    return pd.DataFrame(
        {
            "hcp_id_a": [f"h{a}" for a, _ in ends],
            "hcp_id_b": [f"h{b}" for _, b in ends],
            "relation": "congress",
            "weight": np.where(rng.random(n) < 0.7, rng.integers(1, 4, n).astype(float), np.nan),
            "valid_from": moments(START + rng.integers(-20, 50, n) * DAY),
        }
    )


# --- a family of measures a table -------------------------------------------------------------------------

PUSHED = (Action("push", "c0"), Action("push", "c1"), Action("push", "c4"))
PRODUCT_OF = {"c0": "alpha", "c1": "beta", "c2": "alpha", "c3": "delta", "c4": ""}


@dataclass(frozen=True)
class Family:
    """The measures of one table, a territory that has it, and a moment at which much is in force."""

    measures: tuple[Any, ...]
    engagement: Callable[[Any, int], Any]
    at: str


def _taken_up(table: pd.DataFrame, seed: int) -> Any:
    """Whether a unit had begun with a product: each at a moment of its own, some before its launch."""
    rng = np.random.default_rng([seed, 5])
    first = {pair: START + int(rng.integers(-70, 60)) * DAY for pair in sorted(set(_pairs(table)))}
    begun = pd.to_datetime(table["period"]).to_numpy("datetime64[s]").astype("int64")
    return begun >= np.array([first[pair] for pair in _pairs(table)])


def _pairs(table: pd.DataFrame) -> list[tuple[str, str]]:
    units = table["hcp_id"].fillna(table["brick_id"])
    return list(zip(units.tolist(), table["product_id"].tolist(), strict=True))


def _prescribing(world: Any, seed: int) -> Any:
    table = pd.concat([prescriptions(seed), prescriptions(seed + 1, hcps=3, level="brick")])
    table = table.assign(
        **{figure: table[figure].where(_taken_up(table, seed), 0.0) for figure in ("trx", "nrx")}
    )
    content = world.content().assign(product_id=[PRODUCT_OF[f"c{i}"] or None for i in range(5)])
    people = world.hcps().assign(brick_id=["b0", "b1", None, "b7", "b0", "b1"])
    return world.engagement(
        world.random_records(seed), content=content, hcps=people, prescriptions=table, labels=labels()
    )


def _signalled(world: Any, seed: int) -> Any:
    people = world.hcps().assign(
        brick_id=["b0", "b1", None, "b7", "b0", "b1"], hco_id=["o0", "o1", "o0", None, "o9", "o1"]
    )
    return world.engagement(world.random_records(seed), hcps=people, signals=signals(seed))


def _tied(world: Any, seed: int) -> Any:
    return world.engagement(world.random_records(seed), network=network(seed))


PRESCRIPTIONS = Family(
    (
        Prescriptions(),
        Prescriptions(of="nrx", by="product_id", periods=2),
        PrescriptionTrend(periods=2),
        PrescriptionTrend(of="nrx", by="product_id", own=True, periods=2),
        PrescriptionShare(periods=4),
        PrescriptionShare(own=True),
        Prescriptions(level="brick", own=True, by="product_id"),
        Adoption(least=2),
        Adoption(of="trx", by="product_id"),
        Adoption(by="product_id", own=True, least=1),
    ),
    _prescribing,
    at="2026-02-10",
)
SIGNALS = Family(
    (
        Signals(),
        Signals(by="type", window_days=30),
        Signals(of="guideline", by="topic"),
        Signals(strength=True),
        Signals(by="topic", own=True),
        Signals(of="congress", by="topic", own=True, window_days=20),
        SignalAge(),
        SignalAge(of="guideline", by="topic", own=True),
    ),
    _signalled,
    at="2026-01-20",
)
NETWORK = Family(
    (
        Peers(),
        PeerEngagement(window_days=30),
        PeerEngagement(of="touches", window_days=None),
        PeerRank(refresh_days=7),
    ),
    _tied,
    at="2026-02-10",
)
FAMILIES = {"prescriptions": PRESCRIPTIONS, "signals": SIGNALS, "network": NETWORK}
