"""Tables out of the objects of any CRM."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

from nba.errors import ArgumentError, NBAWarning, TableError
from nba.tables import Picklist, Rule, map_objects
from nba.tables.rules import KEEP, SET_ASIDE

VISITS = Rule(
    object="Visit",
    table="interactions",
    columns={"interaction_id": "Nr", "hcp_id": "Doctor", "ts": "When", "outcome": "State"},
    ids={"interaction_id": "Visit:{}", "hcp_id": "{}"},
    values={"outcome": Picklist({"done": "held", "open": SET_ASIDE})},
    fill={"channel": "rep_visit", "direction": "outbound"},
)


def visits(**columns: list[object]) -> pd.DataFrame:
    said = {"Nr": ["1", "2"], "Doctor": ["d1", "d2"], "State": ["done", "open"]}
    return pd.DataFrame({**said, "When": ["2026-02-03T09:00Z", "2026-02-04T09:00Z"], **columns})


def mapped(frame: object, rule: Rule = VISITS) -> pd.DataFrame:
    return map_objects({"Visit": frame}, rules={"visits": rule}).tables["interactions"]


def test_any_kind_of_table_and_any_case_of_names_will_do():
    frame = visits().rename(columns=str.upper)

    from_arrow = map_objects({"VISIT": pa.Table.from_pandas(frame)}, rules={"visits": VISITS})

    pd.testing.assert_frame_equal(from_arrow.tables["interactions"], mapped(visits()))


def test_the_export_is_not_changed():
    frame = visits(IsDeleted=["false", "true"])
    before = frame.copy()

    mapped(frame)

    pd.testing.assert_frame_equal(frame, before)


def test_deleted_rows_are_set_aside_with_a_note():
    result = map_objects({"Visit": visits(IsDeleted=[True, False])}, rules={"visits": VISITS})

    assert "Visit (visits): 1 row deleted was set aside." in result.notes


def test_cells_of_rows_set_aside_are_no_reason_to_refuse_the_others():
    assert len(mapped(visits(When=["2026-02-03T09:00Z", "some day"]))) == 1


def test_an_unknown_value_never_echoes_other_cells():
    with pytest.raises(
        TableError, match=r"Visit\.State: 1 cell with values no picklist names: \['odd'\]"
    ) as told:
        mapped(visits(State=["done", "odd"]))

    assert "d2" not in str(told.value)


@pytest.mark.parametrize(("otherwise", "kept"), [(KEEP, "odd"), (SET_ASIDE, None), ("declined", "declined")])
def test_an_unknown_value_becomes_what_was_stated_with_a_warning(otherwise, kept):
    rule = VISITS.extended(values={"outcome": Picklist({"done": "held"}, otherwise=otherwise)})

    with pytest.warns(NBAWarning, match=r"Visit\.State: 1 cell with values no picklist names"):
        outcomes = mapped(visits(State=["done", "odd"]), rule)["outcome"].tolist()

    assert outcomes == ["held"] + ([kept] if kept else [])


def test_numbers_as_ids_and_missing_columns_are_told_together():
    frame = visits(Doctor=[1, 2]).drop(columns="When")

    with pytest.raises(TableError, match=r"(?s)Visit\.Doctor: 2 cells not text"):
        mapped(frame)
    with pytest.raises(TableError, match=r"Visit\.When: the column is missing, which ts needs"):
        mapped(visits().drop(columns="When"))


def test_an_empty_consent_object_is_not_a_missing_one():
    rule = Rule(
        object="Consent",
        table="consent",
        columns={"hcp_id": "Doctor", "channel": "Channel", "opt_type": "Opt", "captured_at": "When"},
    )
    empty = pd.DataFrame(columns=["Doctor", "Channel", "Opt", "When"])

    tables = map_objects({"Consent": empty}, rules={"consent": rule}).tables

    assert len(tables["consent"]) == 0
    assert "hcp_id" in tables["consent"]


def test_rules_and_zones_that_do_not_fit_are_refused():
    with pytest.raises(ArgumentError, match="knows no column \\['subject'\\]"):
        mapped(visits(), VISITS.extended(columns={"subject": "Nr"}))
    with pytest.raises(ArgumentError, match="no time zone"):
        map_objects({"Visit": visits()}, rules={"visits": VISITS}, zone="Mars/Olympus")
