"""A small folder of contacts as Open Payments gives them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

AREAS, SPECIALTIES = ("502", "503", "522"), ("Surgery", "Cardiology")
NATURES, DRUGS = ("meal_visit", "travel"), ("(none)", "X", "Y", "Z")


def made_up(seed: int, *, hcps: int = 40, contacts: int = 1500) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Contacts of 2013-08 to 2015-06; each HCP keeps to the drugs and natures they like."""
    rng = np.random.default_rng(seed)
    names = [f"p{i:03d}" for i in range(hcps)]
    taste = rng.dirichlet(np.full(len(NATURES) * len(DRUGS), 0.3), size=hcps)
    who = rng.choice(hcps, size=contacts, p=rng.dirichlet(np.full(hcps, 0.7)))
    pair = np.array([rng.choice(taste.shape[1], p=taste[i]) for i in who])
    days = pd.to_datetime("2013-08-01") + pd.to_timedelta(rng.integers(0, 699, contacts), unit="D")
    events = pd.DataFrame(
        {
            "hcp_id": [names[i] for i in who],
            "event_time": days.as_unit("us"),
            "channel": [NATURES[p % 2] for p in pair],
            "content": [DRUGS[p // 2] for p in pair],
            "manufacturer": [f"company {'AAB'[p // 2 % 3]}" for p in pair],
            "amount_usd": rng.integers(5, 50, contacts).astype(float),
        }
    )
    table = pd.DataFrame(
        {
            "hcp_id": names,
            "primary_type": "MD",
            "specialty": rng.choice(SPECIALTIES, hcps),
            "zip3": rng.choice(AREAS, hcps),
        }
    )
    return events, table


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("contacts")
    events, hcps = made_up(5)
    events.to_parquet(path / "events.parquet")
    hcps.to_parquet(path / "hcps.parquet")
    return path
