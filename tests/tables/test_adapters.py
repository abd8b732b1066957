"""Tables under other names."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from nba.errors import ArgumentError, TableError
from nba.tables import Engagement, from_frame, open_payments

IOWA = Path(__file__).parents[2] / "../shared/data/open_payments_iowa"


def test_a_mapped_table_is_as_good_as_ours(frames):
    theirs = {name: f"{name}__c" for name in frames["interactions"].columns}
    crm = frames["interactions"].rename(columns=theirs).drop(columns="direction__c")
    crm["outcome__c"] = crm["outcome__c"].replace({"sent": "Sent_vod"})
    crm["ts__c"] = crm["ts__c"].dt.tz_localize(None)
    inbound = crm["parent_id__c"].notna()

    parts = [
        from_frame(
            crm[inbound == answered],
            mapping={ours: name for ours, name in theirs.items() if ours != "direction"},
            constants={"direction": direction},
            values={"outcome": {"Sent_vod": "sent"}},
            zone="UTC",
        )
        for answered, direction in ((False, "outbound"), (True, "inbound"))
    ]

    mapped = Engagement(**frames | {"interactions": pd.concat(parts)})
    pd.testing.assert_frame_equal(mapped.interactions, Engagement(**frames).interactions)


def test_a_mapping_of_unknown_names_is_refused_with_a_hint():
    crm = pd.DataFrame({"Account": ["h1"]})

    with pytest.raises(ArgumentError, match="hcp"):
        from_frame(crm, mapping={"hcp": "Account"}, table="hcps")
    with pytest.raises(TableError, match="Did you mean 'Account'"):
        from_frame(crm, mapping={"hcp_id": "Acount"}, table="hcps")
    with pytest.raises(ArgumentError, match="no table 'people'"):
        from_frame(crm, mapping={}, table="people")


def write_contacts(folder: Path, events: pd.DataFrame) -> None:
    events.to_parquet(folder / "events.parquet")
    hcps = pd.DataFrame({"hcp_id": ["a", "b"], "primary_type": "MD", "specialty": "Surgery", "zip3": "522"})
    hcps.to_parquet(folder / "hcps.parquet")


@pytest.fixture
def events() -> pd.DataFrame:
    days = ["2014-01-02", "2014-01-02", "2014-01-02", "2014-03-01", "2014-09-01"]
    return pd.DataFrame(
        {
            "hcp_id": ["a", "a", "a", "b", "b"],
            "event_time": pd.to_datetime(days).as_unit("us"),
            "channel": ["meal_visit", "meal_visit", "travel", "meal_visit", "grant"],
            "content": ["X", "X", "(none)", "Y", "Z"],
            "manufacturer": ["Beta", "Alpha", "Alpha", "Gamma", "Alpha"],
            "amount_usd": [10.0, 10.0, 5.0, 1.0, 2.0],
        }
    )


def test_contacts_are_held_touches_and_repeats_are_kept(events, tmp_path):
    write_contacts(tmp_path, events)

    log = open_payments(tmp_path).columns("interactions")

    assert log["touch"].all()
    assert log["engaged"].all()
    assert sorted(log["content_id"]) == ["", "X", "X", "Y", "Z"]


def test_a_drug_belongs_to_the_company_that_reported_it_most_often(events, tmp_path):
    write_contacts(tmp_path, events.assign(content=["X", "X", "X", "Y", "Y"]))

    content = open_payments(tmp_path).content

    assert content["content_id"].tolist() == ["X", "Y"]
    assert content["detail_group"].tolist() == ["Alpha", "Alpha"]  # of Y's equals the first by name


def test_ids_of_contacts_do_not_depend_on_the_order_of_rows(events, tmp_path):
    write_contacts(tmp_path, events)
    first = open_payments(tmp_path)
    write_contacts(tmp_path, events.iloc[::-1].reset_index(drop=True))

    pd.testing.assert_frame_equal(first.interactions, open_payments(tmp_path).interactions)


def test_drugs_of_later_contacts_do_not_show_earlier(events, tmp_path):
    write_contacts(tmp_path, events)

    data = open_payments(tmp_path, observed_until="2014-06-01")

    assert data.content["content_id"].tolist() == ["X", "Y"]
    assert data.channels["channel"].tolist() == ["meal_visit", "travel"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TableError, match=r"no events\.parquet"):
        open_payments(tmp_path)


@pytest.mark.slow
def test_every_contact_of_iowa_is_read():
    if not IOWA.is_dir():
        pytest.skip("../shared/data/open_payments_iowa is not here")

    data = open_payments(IOWA)

    events = pd.read_parquet(IOWA / "events.parquet")
    assert len(data.interactions) == len(events)
    assert (data.interactions["content_id"].isna().sum()) == (events["content"] == "(none)").sum()
