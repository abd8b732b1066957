"""The door to Spark: the same numbers, on data partitioned by HCP.

Tables that hold rows of HCPs (interactions, hcps, consent) come as Spark DataFrames; they are brought
together HCP by HCP, and each partition goes through the code that a single machine runs. Partitioning,
shuffles and retries are Spark's. Needs ``nba[spark]``, and nba installed wherever the executors run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nba.contracts import Tables as SomeTables
from nba.errors import ArgumentError
from nba.features import EngagementFeatures
from nba.features.beside import TableMeasure
from nba.recommender import NextBestAction
from nba.tables import Engagement, OneHCP, as_moment, check_table, rows_from_records

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Batches = Iterator[pa.RecordBatch]

BY_HCP = ("interactions", "hcps", "consent")
"""Tables that are partitioned; all others are small, and go wherever the work goes."""
EVERYWHERE = ("content", "channels")


def transform(
    features: EngagementFeatures,
    tables: Mapping[str, DataFrame],
    *,
    reference: Engagement,
    at: Any,
    partitions: int | None = None,
) -> DataFrame:
    """As :meth:`EngagementFeatures.transform`, on a cluster: the same bits, one row an HCP.

    Parameters
    ----------
    features : fitted
    tables : Spark DataFrames "interactions" and "hcps", with the columns that ``nba.Engagement`` takes
    reference : gives content and channels
    at : the moment; nothing that happened or became known at or after it is read
    partitions : of how many HCPs' histories one machine holds at once; None leaves it to Spark

    Returns
    -------
    DataFrame of ``hcp_id`` and the shared columns, in no order

    Raises
    ------
    ArgumentError
        If a table is missing or not one of HCPs, or if a feature reads a table beside the log. Rows that do
        not fit are refused, as they are everywhere, when Spark comes to them.
    """
    from pyspark.sql import types

    _check_features(features)
    number = types.FloatType() if features.dtype == "float32" else types.DoubleType()
    names = features.get_feature_names_out()
    schema = types.StructType(
        [types.StructField("hcp_id", types.StringType()), *(types.StructField(n, number) for n in names)]
    )
    work = partial(_features_of, features.to_state()[0])
    return _by_hcp(tables, work, schema, reference=reference, at=at, partitions=partitions)


def propensities(
    model: NextBestAction,
    tables: Mapping[str, DataFrame],
    *,
    reference: Engagement,
    at: Any,
    partitions: int | None = None,
) -> DataFrame:
    """As :meth:`NextBestAction.propensities`, on a cluster: the same bits, one row an HCP and action.

    Parameters
    ----------
    model : fitted
    tables : as for :func:`transform`; with a "consent" table, who objects to profiling is not profiled
    reference, at, partitions : as for :func:`transform`

    Returns
    -------
    DataFrame of ``hcp_id``, ``channel``, ``content_id``, ``propensity`` and ``prior_only`` (whether nothing
    but priors speaks for it), in no order; what channel, country or language rule out is left out
    """
    _check_features(model.features)
    schema = "hcp_id string, channel string, content_id string, propensity double, prior_only boolean"
    work = partial(_propensities_of, *_bundle(model))
    return _by_hcp(tables, work, schema, reference=reference, at=at, partitions=partitions)


# --- where the driver runs --------------------------------------------------------------------------------


def _by_hcp(
    tables: Mapping[str, DataFrame],
    work: Callable[[SomeTables, pd.Timestamp], pa.Table],
    schema: Any,
    *,
    reference: Engagement,
    at: Any,
    partitions: int | None,
) -> DataFrame:
    _check_tables(tables)
    moment = int(as_moment(at))
    small = {name: getattr(reference, name) for name in EVERYWHERE}
    together = _brought_together(tables)
    parted = (
        together.repartition("hcp_id") if partitions is None else together.repartition(partitions, "hcp_id")
    )
    return parted.mapInArrow(partial(_each_partition, work, small, moment), schema)


def _check_features(features: EngagementFeatures) -> None:
    beside = sorted({measure.table for measure in features.measures if isinstance(measure, TableMeasure)})
    if beside:
        raise ArgumentError(
            f"These features read {', '.join(beside)}, of which a partition holds a part alone. "
            "Leave them out, or compute them on one machine."
        )


def _check_tables(tables: Mapping[str, DataFrame]) -> None:
    missing = [name for name in ("interactions", "hcps") if name not in tables]
    other = sorted(set(tables) - set(BY_HCP))
    if missing or other:
        raise ArgumentError(
            f"tables are {sorted(tables)}. Expected interactions and hcps, and at most {', '.join(BY_HCP)}; "
            "content and channels come with `reference`."
        )


def _brought_together(tables: Mapping[str, DataFrame]) -> DataFrame:
    """All rows below each other, each in its own table's column, so that one shuffle moves them all."""
    from pyspark.sql import functions as f

    rows = []
    for name, table in tables.items():
        columns = [
            f.struct("*").alias(other)
            if other == name
            else f.lit(None).cast(tables[other].schema).alias(other)
            for other in tables
        ]
        rows.append(table.select(f.col("hcp_id").alias("hcp_id"), *columns))
    return reduce(lambda above, below: above.unionByName(below), rows)


def _bundle(model: NextBestAction) -> tuple[str, dict[str, bytes]]:
    """A model as its digest and the files it is saved as."""
    with tempfile.TemporaryDirectory() as place:
        digest = model.save(Path(place) / "model")
        files = {path.name: path.read_bytes() for path in (Path(place) / "model").iterdir()}
    return digest, files


# --- where the executors run ------------------------------------------------------------------------------


def _each_partition(
    work: Callable[[SomeTables, pd.Timestamp], pa.Table],
    small: Mapping[str, pd.DataFrame],
    moment: int,
    batches: Batches,
) -> Batches:
    held = list(batches)
    if not any(batch.num_rows for batch in held):
        return
    rows = pa.Table.from_batches(held)
    tables = {name: _unpacked(rows[name]) for name in rows.column_names if name != "hcp_id"}
    if tables["hcps"].num_rows:  # events of strangers alone say nothing of anybody asked about
        yield from work(_tables_of(tables, small), pd.Timestamp(moment, unit="s", tz="UTC")).to_batches()


def _unpacked(column: pa.ChunkedArray) -> pa.Table:
    """A table again, of the rows that are its own."""
    mine = pa.chunked_array([chunk.filter(pc.is_valid(chunk)) for chunk in column.chunks], type=column.type)
    return pa.Table.from_batches(
        [pa.RecordBatch.from_struct_array(chunk) for chunk in mine.chunks if len(chunk)],
        schema=pa.schema(list(column.type)),
    )


def _tables_of(tables: Mapping[str, pa.Table], small: Mapping[str, pd.DataFrame]) -> SomeTables:
    """The partition's tables, checked; that a few HCPs have no history is nothing to complain of."""
    given: dict[str, Any] = {name: table for name, table in {**tables, **small}.items() if len(table)}
    if "interactions" in given:
        return Engagement(**given)
    checked = {name: check_table(table, name) for name, table in given.items()}
    return OneHCP({"interactions": rows_from_records([]), **checked})


def _features_of(state: Mapping[str, Any], tables: SomeTables, at: pd.Timestamp) -> pa.Table:
    features = EngagementFeatures.from_state((dict(state), {})).set_output(transform="pyarrow")
    found: pa.Table = features.transform(tables, at=at)
    return found


def _propensities_of(digest: str, files: Mapping[str, bytes], tables: Any, at: pd.Timestamp) -> pa.Table:
    model = _model_of(digest, tuple(files.items()))
    found, prior_only = model.propensities(tables, at=at, return_prior_only=True)
    row, action = np.nonzero(found.notna().to_numpy())
    channels, contents = (found.columns.get_level_values(i).to_numpy(dtype=object) for i in (0, 1))
    return pa.table(
        {
            "hcp_id": pa.array(found.index.to_numpy(dtype=object)[row], type=pa.string()),
            "channel": pa.array(channels[action], type=pa.string()),
            "content_id": pa.array(contents[action], type=pa.string()),
            "propensity": found.to_numpy()[row, action],
            "prior_only": prior_only.to_numpy()[row, action],
        }
    )


@lru_cache(maxsize=1)
def _model_of(digest: str, files: tuple[tuple[str, bytes], ...]) -> NextBestAction:
    """The model of a bundle; a worker reads it once, however many partitions it works through."""
    with tempfile.TemporaryDirectory() as place:
        for name, content in files:
            (Path(place) / name).write_bytes(content)
        return NextBestAction.load(place, digest=digest)
