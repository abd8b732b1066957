"""Random prescriptions, signals and networks, with corrections, late arrivals and ties of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

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
