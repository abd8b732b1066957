"""What no single column can say of prescriptions, signals and networks is checked, all at once."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest
from beside_tables import network, prescriptions, signals

from nba.errors import NBAWarning, TableError
from nba.tables import Engagement


def engagement(frames, **tables):
    people = pd.DataFrame({"hcp_id": [f"h{i}" for i in range(8)], "country": "US"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NBAWarning)
        log = frames["interactions"].assign(hcp_id="h0", parent_id=None)
        return Engagement(log, frames["content"], people, **tables)


def faults_of(frames, **tables):
    with pytest.raises(TableError) as found:
        engagement(frames, **tables)
    return found.value.faults


def test_tables_beside_the_log_go_to_a_folder_and_come_back_equal(frames, tmp_path):
    data = engagement(frames, prescriptions=prescriptions(1), signals=signals(1), network=network(1))

    data.to_folder(tmp_path)
    again = Engagement.from_folder(tmp_path)

    for name in ("prescriptions", "signals", "network"):
        pd.testing.assert_frame_equal(data.tables[name], again.tables[name])


def test_prescriptions_of_nobody_and_nowhere_are_refused(frames):
    table = prescriptions(1).reset_index(drop=True)
    table.loc[3, "hcp_id"] = None

    (fault,) = faults_of(frames, prescriptions=table)

    assert fault.startswith("prescriptions.hcp_id or brick_id: 1 rows with neither (first at row 3)")


def test_figures_known_before_their_period_are_refused(frames):
    table = prescriptions(1)
    table = table.assign(available_at=pd.to_datetime(table["period"], utc=True) - pd.Timedelta(days=1))

    faults = faults_of(frames, prescriptions=table)

    assert any(f.startswith("prescriptions.available_at") and "before the period" in f for f in faults)


def test_two_figures_of_one_period_at_one_moment_are_refused_and_a_row_sent_twice_is_not(frames):
    table = prescriptions(1)
    other = table.head(2).assign(trx=lambda rows: rows["trx"] + 100.0)

    (fault,) = faults_of(frames, prescriptions=pd.concat([table, other]))
    again = engagement(frames, prescriptions=pd.concat([table, table.head(2)]))

    assert "2 rows with other figures" in fault
    assert len(again.prescriptions) == len(table)
    assert "prescriptions: 2 rows delivered again were dropped." in again.notes


def said_of(frames, people, table):
    log = frames["interactions"].assign(hcp_id="h0", parent_id=None)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", NBAWarning)
        data = Engagement(log, frames["content"], people, prescriptions=table)
    assert len(data.prescriptions) == len(table)
    return [str(one.message) for one in said if str(one.message).startswith("prescriptions.")]


def test_prescriptions_of_single_hcps_outside_the_us_are_warned_of_once_and_read(frames):
    table = prescriptions(1).reset_index(drop=True)
    countries = ["US", "de", "usa", "FR", "US", "DE", "US", "US"]
    people = pd.DataFrame({"hcp_id": [f"h{i}" for i in range(8)], "country": countries})
    abroad = table["hcp_id"].isin(["h1", "h3"]).to_numpy()

    (said,) = said_of(frames, people, table)

    assert f"hcp_id: {abroad.sum()} rows of single HCPs outside the US (FR, de)" in said
    assert f"(first at row {abroad.argmax()})" in said
    assert "for your counsel to say; elsewhere give their brick_id alone" in said
    assert said_of(frames, people.assign(country="US"), table) == []


def test_prescriptions_by_brick_may_be_of_any_country(frames):
    table = prescriptions(1, level="brick")
    people = pd.DataFrame({"hcp_id": [f"h{i}" for i in range(8)], "country": "DE"})

    assert said_of(frames, people, table) == []


def test_a_signal_for_somebody_has_to_say_for_whom(frames):
    table = signals(1)
    table.loc[table["scope"] == "brick", "scope_id"] = None

    (fault,) = faults_of(frames, signals=table)

    assert fault.startswith("signals.scope_id")
    assert "global" in fault


def test_ties_of_an_hcp_with_themselves_and_rows_of_strangers_are_set_aside_aloud(frames):
    table = network(1)
    table.loc[0, "hcp_id_b"] = table.loc[0, "hcp_id_a"]
    table.loc[1, "hcp_id_a"] = "nobody"

    people = pd.DataFrame({"hcp_id": [f"h{i}" for i in range(8)], "country": "US"})
    log = frames["interactions"].assign(hcp_id="h0", parent_id=None)
    with pytest.warns(NBAWarning) as said:
        data = Engagement(log, frames["content"], people, network=table)

    assert len(data.network) == len(table) - 2
    texts = [str(warning.message) for warning in said]
    assert any("network.hcp_id_b: 1 rows of an HCP with themselves" in text for text in texts)
    assert any("network.hcp_id_a: 1 rows of HCPs that hcps does not hold" in text for text in texts)
