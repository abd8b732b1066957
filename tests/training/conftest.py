"""Small folders: contacts as Open Payments gives them, tables of our own, and an empty MLflow store."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nba import simulate
from nba.tables import Engagement
from training.stores import Store

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


@pytest.fixture(scope="session")
def own_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of five contents in three channels, which are fitted in a second; ids as a company has them."""
    path = tmp_path_factory.mktemp("own")
    data = simulate.territory(seed=3, hcps=80, days=330).engagement
    most = data.interactions["content_id"].value_counts().sort_index().nlargest(5).index
    log = data.interactions.drop(columns=["machine", "touch", "engaged"])
    kept = log["content_id"].isin(most) & log["channel"].isin(["hq_email", "rep_visit", "approved_email"])
    renamed = {who: f"Q{place:05d}X" for place, who in enumerate(data.hcps["hcp_id"])}
    tables = [
        frame.assign(hcp_id=frame["hcp_id"].map(renamed)) for frame in (log[kept], data.hcps, data.consent)
    ]
    Engagement(
        tables[0],
        data.content[data.content["content_id"].isin(most)],
        hcps=tables[1],
        consent=tables[2],
        channels=data.channels,
        observed_until="2026-10-01",
    ).to_folder(path)
    return path


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database; making one runs hundreds of migrations, copying it none."""
    pytest.importorskip("mlflow", reason="MLflow is not installed (pip install nba[train])")
    path = tmp_path_factory.mktemp("template")
    store = Store.of(None, folder=path)
    store.client().search_experiments()
    return path / "mlflow.db"


@pytest.fixture
def store(migrated: Path, tmp_path: Path) -> Store:
    """A tracking store of this test's own."""
    (tmp_path / "store").mkdir()
    shutil.copy(migrated, tmp_path / "store" / "mlflow.db")
    return Store.of(None, folder=tmp_path / "store")
