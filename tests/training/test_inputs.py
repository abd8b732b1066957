"""The digest knows every cell, and gives none away."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from nba.tables import Engagement
from training.inputs import Inputs


@pytest.fixture(scope="module")
def data(own_tables):
    return Engagement.from_folder(own_tables)


def given(data, **changes):
    """The same engagement with some tables exchanged."""
    log = data.interactions.drop(columns=["machine", "touch", "engaged"])
    tables = {"interactions": log, "content": data.content, "hcps": data.hcps, "consent": data.consent}
    more = {
        "channels": data.channels,
        "observed_until": pd.Timestamp(data.observed_until, unit="s", tz="UTC"),
    }
    return Engagement(**(tables | more | changes))


def test_the_order_of_rows_and_columns_does_not_move_the_digest(data):
    turned = data.consent.iloc[::-1, ::-1].reset_index(drop=True)

    again = Inputs.of(given(data, consent=turned), source="x")

    assert again.digest == Inputs.of(given(data), source="x").digest


@pytest.mark.parametrize("table", ["hcps", "consent", "content"])
def test_every_changed_cell_changes_the_digest(data, table):
    before = Inputs.of(data, source="x")
    frame = getattr(data, table)
    rng = np.random.default_rng(1)

    for name in frame.columns:
        column = frame[name]
        row = int(rng.integers(len(frame)))
        other = [k for k in range(len(frame)) if str(column.iloc[k]) != str(column.iloc[row])]
        if not other:
            continue
        cells = column.tolist()
        cells[row] = cells[other[0]]
        changed = frame.assign(**{name: pd.Series(cells, index=frame.index, dtype=column.dtype)})
        altered = object.__new__(Engagement)
        altered.__dict__ = {**data.__dict__, table: changed}
        assert Inputs.of(altered, source="x").tables[table].digest != before.tables[table].digest, name


def test_it_holds_names_and_types_of_columns_and_no_cell(data):
    found = Inputs.of(data, source="a folder")

    told = str(dataclasses.asdict(found)) + str(found.datasets())

    assert found.tables["hcps"].columns == {n: str(t) for n, t in data.hcps.dtypes.astype(str).items()}
    assert found.tables["interactions"].rows == len(data.interactions)
    for table, names in (("hcps", ["hcp_id"]), ("interactions", ["interaction_id", "hcp_id"])):
        for name in names:
            assert not [cell for cell in getattr(data, table)[name] if cell in told]


def test_the_digest_is_short_enough_for_mlflow_and_the_moment_counts(data):
    earlier = given(data, observed_until="2026-09-30")

    assert len(Inputs.of(data, source="x").digest) <= 36
    assert Inputs.of(earlier, source="x").digest != Inputs.of(data, source="x").digest
