"""A cluster gives the bits of a single machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import nba
from nba import simulate
from nba.errors import ArgumentError, NBAWarning
from nba.features import (
    Attribute,
    Count,
    Decayed,
    Distinct,
    EngagementFeatures,
    Gap,
    Prescriptions,
    Rate,
    Recency,
    Rhythm,
    Silence,
    Trend,
)
from nba.tables.adapters import open_payments

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support:FutureWarning")
ROOT = Path(__file__).resolve().parents[1]
IOWA = ROOT.parent / "shared" / "data" / "open_payments_iowa"
AT = "2014-06-01"
MEASURES = (
    *(Count(of="touches", window_days=days) for days in (30, 90, 365)),
    Count(of="touches", by="channel", window_days=180),
    Recency(of="touches"),
    Decayed(of="touches", by="channel", half_life_days=90),
    Rate(by="channel"),
    Distinct(of="touches", over="content", window_days=365),
    Gap(of="touches"),
    Trend(of="touches", window_days=90),
    Silence(of="touches"),
    Rhythm(of="touches"),
    Attribute(column="specialty"),
)


def java() -> str | None:
    found = shutil.which("java")
    if found is None or subprocess.run([found, "-version"], capture_output=True, check=False).returncode:
        return None
    return found


@pytest.fixture(scope="module", name="spark")
def _spark(tmp_path_factory):
    """A real Spark on this machine, its clock in another zone than the tables'."""
    pytest.importorskip("pyspark", reason="pyspark is not installed: nba[spark]")
    if java() is None:
        pytest.skip("there is no Java that runs; Spark needs one")
    from pyspark.sql import SparkSession

    before = {name: os.environ.get(name) for name in ("PYSPARK_PYTHON", "PYTHONPATH")}
    # Workers import the nba that is tested here.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = str(Path(nba.__file__).resolve().parents[1])
    place = tmp_path_factory.mktemp("spark")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = (
            SparkSession.builder.master("local[2]")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.session.timeZone", "Asia/Kolkata")
            .config("spark.sql.warehouse.dir", str(place / "warehouse"))
            .config("spark.driver.memory", "1g")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("ERROR")
        yield session
        session.stop()
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def read(spark, data, folder, names):
    """The tables as Spark reads them from where they lie."""
    data.to_folder(folder)
    return {name: spark.read.parquet(str(folder / f"{name}.parquet")) for name in names}


def collected(frame):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Spark's own, of the newest pandas
        return frame.toArrow().to_pandas()


@pytest.mark.slow
@pytest.mark.skipif(not IOWA.is_dir(), reason=f"the Open Payments contacts are not in {IOWA}")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_cluster_gives_the_same_bits_on_real_contacts(spark, dtype, tmp_path):
    from nba import spark as door

    with warnings.catch_warnings(action="ignore", category=NBAWarning):
        data = open_payments(IOWA, observed_until="2015-01-01")
        features = EngagementFeatures(MEASURES, dtype=dtype).fit(data, until=AT)
        local = features.transform(data, at=AT)
    tables = read(spark, data, tmp_path / "tables", ("interactions", "hcps"))

    found = collected(door.transform(features, tables, reference=data, at=AT, partitions=3))

    found = found.set_index("hcp_id").sort_index()
    assert list(found.columns) == list(local.columns)
    assert found.index.tolist() == local.index.tolist()
    assert_array_equal(found.to_numpy(), local.to_numpy())
    assert set(found.dtypes) == {np.dtype(dtype)}
    assert (local.to_numpy() > 0).any(axis=0).sum() > 20


@pytest.mark.slow
def test_a_cluster_scores_as_a_single_machine_does(spark, tmp_path):
    from nba import spark as door

    with warnings.catch_warnings(action="ignore", category=NBAWarning):
        data = simulate.territory(seed=4, hcps=60, days=200, contents=20).engagement
        model = nba.NextBestAction(scorer=nba.SegmentBaseline()).fit(data, until="2026-08-01")
        local, prior_only = model.propensities(data, at="2026-08-01", return_prior_only=True)
    tables = read(spark, data, tmp_path / "tables", ("interactions", "hcps", "consent"))

    found = collected(door.propensities(model, tables, reference=data, at="2026-08-01", partitions=8))

    wide = found.pivot(index="hcp_id", columns=["channel", "content_id"], values="propensity")
    wide = wide.reindex(index=local.index, columns=local.columns)
    assert_array_equal(wide.to_numpy(), local.to_numpy())
    assert len(found) == int(local.notna().to_numpy().sum()) > 100
    said = found.set_index(["hcp_id", "channel", "content_id"])["prior_only"]
    here = prior_only.stack(["channel", "content_id"], future_stack=True).reindex(said.index)
    assert_array_equal(said.to_numpy(bool), here.to_numpy(bool))
    assert 0 < said.sum() < len(said)


def test_tables_that_do_not_belong_to_hcps_are_refused():
    from nba import spark as door

    features = EngagementFeatures([Count()])

    with pytest.raises(ArgumentError, match="Expected interactions and hcps"):
        door._check_tables({"interactions": features})
    with pytest.raises(ArgumentError, match="content and channels come with"):
        door._check_tables({"interactions": 1, "hcps": 2, "content": 3})


def test_features_of_what_a_partition_does_not_hold_are_refused():
    from nba import spark as door

    with pytest.raises(ArgumentError, match="read prescriptions, of which a partition holds a part alone"):
        door._check_features(EngagementFeatures([Count(), Prescriptions()]))


def test_a_partition_whose_hcps_have_no_history_is_computed_too():
    from nba import spark as door

    data = simulate.territory(seed=4, hcps=20, days=60).engagement
    features = EngagementFeatures([Count(of="touches"), Recency(), Attribute(column="country", min_hcps=1)])
    until = pd.Timestamp(data.observed_until, unit="s", tz="UTC")
    features.fit(data, until=until)
    empty = data.interactions.iloc[:0]
    small = {name: getattr(data, name) for name in door.EVERYWHERE}

    tables = door._tables_of({"interactions": empty, "hcps": data.hcps}, small)
    found = door._features_of(features.to_state()[0], tables, until)

    assert found.num_rows == 20
    assert set(found.column("count(touches, all)").to_pylist()) == {0.0}
