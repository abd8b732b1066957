"""Veeva CRM's objects, read as our tables."""

from __future__ import annotations

import pandas as pd
import pytest

from nba.errors import NBAWarning, TableError
from nba.tables import VEEVA, Engagement, candidates, from_veeva, map_objects

Objects = dict[str, pd.DataFrame]


@pytest.fixture
def export() -> Objects:
    return {
        "Account": pd.DataFrame(
            {
                "Id": ["001a", "001b", "001h"],
                "IsPersonAccount": [True, True, False],
                "Specialty_1_vod__c": ["Cardiology", "Oncology", None],
                "Country_vod__c": ["cde", "cus", "cde"],
                "Language_vod__c": ["de", "en_US", None],
                "PDRP_Opt_Out_vod__c": ["false", "true", "false"],
                "Do_Not_Call_vod__c": ["No_vod", "Yes_vod", None],
            }
        ),
        "Country_vod__c": pd.DataFrame({"Id": ["cde", "cus"], "Alpha_2_Code_vod__c": ["DE", "US"]}),
        "TSF_vod__c": pd.DataFrame(
            {"Account_vod__c": ["001a", "001a", "001b"], "Territory_vod__c": ["T9", "T1", "T2"]}
        ),
        "Approved_Document_vod__c": pd.DataFrame(
            {
                "Id": ["d1", "d2", "d3"],
                "Name": ["Efficacy", "Old safety", "A fragment"],
                "Vault_Document_ID_vod__c": ["PM-1", "PM-2", "PM-3"],
                "RecordTypeId": ["rt", "rt", "rf"],
                "Status_vod__c": ["Approved_vod", "Expired_vod", "Approved_vod"],
                "Language_vod__c": ["en_US", "de", "de"],
                "Product_vod__c": ["p1", "p1", None],
                "Key_Message_vod__c": ["k1", "k1", None],
                "Document_Last_Mod_DateTime_vod__c": "2026-01-01T00:00:00.000Z",
            }
        ),
        "RecordType": pd.DataFrame(
            {
                "Id": ["rt", "rf", "rc"],
                "DeveloperName": ["Email_Template_vod", "Email_Fragment_vod", "Approved_Email_vod"],
            }
        ),
        "Key_Message_vod__c": pd.DataFrame({"Id": ["k1"], "Category_vod__c": ["Efficacy"]}),
        "CLM_Presentation_vod__c": pd.DataFrame(
            {
                "Id": ["s1", "s2"],
                "Name": ["Slides", "More"],
                "Presentation_Id_vod__c": ["P-1", "P-2"],
                "Approved_vod__c": [True, False],
                "Language_vod__c": ["de", "de"],
                "Start_Date_vod__c": "2026-01-01",
                "End_Date_vod__c": ["2027-01-01", None],
            }
        ),
        "Call2_vod__c": pd.DataFrame(
            {
                "Id": ["c1", "c2", "c3", "c4"],
                "Account_vod__c": ["001a", "001b", "001a", "001b"],
                "Call_Datetime_vod__c": [
                    "2026-02-01T10:00:00.000+0000",
                    "2026-02-02T10:00:00.000+0000",
                    "2026-03-02T10:00:00.000+0000",
                    None,
                ],
                "Call_Date_vod__c": ["2026-02-01", "2026-02-02", "2026-03-02", "2026-02-04"],
                "Call_Channel_vod__c": ["Face_to_face_vod", "Phone_vod", "Face_to_face_vod", None],
                "Remote_Meeting_vod__c": [None, None, None, "rm1"],
                "Status_vod__c": ["Submitted_vod", "Submitted_vod", "Planned_vod", "Submitted_vod"],
                "Duration_vod__c": [15, None, None, 30],
            }
        ),
        "Call2_Key_Message_vod__c": pd.DataFrame(
            {
                "Id": ["m2", "m1"],
                "Call2_vod__c": ["c1", "c1"],
                "Clm_Presentation_vod__c": ["s2", "s1"],
                "Display_Order_vod__c": [10, 2],
                "Reaction_vod__c": ["Positive", "Neutral"],
                "Duration_vod__c": [45, 20],
            }
        ),
        "Sent_Email_vod__c": pd.DataFrame(
            {
                # c1 is a call's id too: ids of two objects must not meet.
                "Id": ["c1", "e2", "e3", "e4"],
                "Account_vod__c": ["001a", "001b", "001b", None],
                "Email_Sent_Date_vod__c": [
                    "2026-02-03T09:00:00.000Z",
                    "2026-02-04T09:00:00.000Z",
                    None,
                    "2026-02-05T09:00:00.000Z",
                ],
                "Status_vod__c": ["Delivered_vod", "Bounced_vod", "Saved_vod", "Delivered_vod"],
                "Approved_Email_Template_vod__c": "d1",
                "Product_vod__c": "p1",
                "Last_Open_Date_vod__c": ["2026-02-03T18:00:00.000Z", None, None, None],
                "Last_Click_Date_vod__c": None,
            }
        ),
        "Email_Activity_vod__c": pd.DataFrame(
            {
                "Id": ["x1", "x2", "x3"],
                "Sent_Email_vod__c": ["c1", "c1", "e2"],
                "Event_type_vod__c": ["Opened_vod", "Clicked_vod", "Bounced_vod"],
                "Activity_DateTime_vod__c": [
                    "2026-02-03T18:00:00.000Z",
                    "2026-02-03T18:01:00.000Z",
                    "2026-02-04T09:00:30.000Z",
                ],
            }
        ),
        "EM_Event_vod__c": pd.DataFrame({"Id": ["v1"], "Start_Time_vod__c": ["2026-02-20T16:00:00.000Z"]}),
        "EM_Attendee_vod__c": pd.DataFrame(
            {
                "Id": ["a1", "a2", "a3"],
                "Event_vod__c": "v1",
                "Account_vod__c": ["001a", "001b", None],
                "Status_vod__c": ["Attended_vod", "Rejected_vod", "Attended_vod"],
                "CreatedDate": "2026-02-10T08:00:00.000Z",
                "LastModifiedDate": ["2026-02-21T08:00:00Z", "2026-02-12T08:00:00Z", "2026-02-21T08:00:00Z"],
            }
        ),
        "Multichannel_Consent_vod__c": pd.DataFrame(
            {
                "Id": ["o1", "o2", "o3", "o4"],
                "Account_vod__c": ["001a", "001b", "001a", "001b"],
                "RecordTypeId": "rc",
                "Opt_Type_vod__c": ["Opt_In_vod", "Opt_Out_vod", "Opt_In_Pending_vod", "Opt_In_vod"],
                "Capture_Datetime_vod__c": "2026-01-10T08:00:00.000Z",
                "Opt_Expiration_Date_vod__c": ["2027-01-10", None, None, None],
                "Optout_Event_Type_vod__c": [None, "Unsubscribed_vod", None, None],
                "Product_vod__c": ["p1", None, "p1", None],
                "Sub_Channel_Key_vod__c": [None, None, None, "newsletter"],
                "Channel_Value_vod__c": "somebody@example.org",
            }
        ),
    }


@pytest.fixture
def read(export):
    def _read(**changed):
        with pytest.warns(NBAWarning, match="topic"):  # presentations name none
            return from_veeva(export | changed, country="DE", language="de")

    return _read


def rows(frame: pd.DataFrame, *columns: str) -> list[list[str]]:
    return (
        frame[list(columns)]
        .astype(object)
        .where(frame[list(columns)].notna(), "")
        .astype(str)
        .values.tolist()
    )


def test_an_export_becomes_the_tables_written_by_hand(read):
    data = read()

    assert rows(data.interactions, "interaction_id", "hcp_id", "channel", "direction", "outcome", "ts") == [
        [*row.split(), f"{day} {time}+00:00"]
        for row, day, time in [
            ("Call2_Key_Message_vod__c:m1 001a rep_visit outbound held", "2026-02-01", "10:00:00"),
            ("Call2_Key_Message_vod__c:m2 001a rep_visit outbound held", "2026-02-01", "10:00:00"),
            ("Call2_vod__c:c1 001a rep_visit outbound held", "2026-02-01", "10:00:00"),
            ("Sent_Email_vod__c:c1 001a approved_email outbound sent", "2026-02-03", "09:00:00"),
            ("Email_Activity_vod__c:x1 001a approved_email inbound opened", "2026-02-03", "18:00:00"),
            ("Email_Activity_vod__c:x2 001a approved_email inbound clicked", "2026-02-03", "18:01:00"),
            ("EM_Attendee_vod__c:a1 001a event outbound sent", "2026-02-10", "08:00:00"),
            ("EM_Attendee_vod__c:a1:attended 001a event inbound attended", "2026-02-20", "16:00:00"),
            ("Call2_vod__c:c2 001b phone outbound held", "2026-02-02", "10:00:00"),
            ("Call2_vod__c:c4 001b remote_call outbound held", "2026-02-04", "00:00:00"),
            ("Sent_Email_vod__c:e2 001b approved_email outbound sent", "2026-02-04", "09:00:00"),
            ("Email_Activity_vod__c:x3 001b approved_email inbound bounced", "2026-02-04", "09:00:30"),
            ("EM_Attendee_vod__c:a2 001b event outbound sent", "2026-02-10", "08:00:00"),
            ("EM_Attendee_vod__c:a2:answered 001b event inbound declined", "2026-02-12", "08:00:00"),
        ]
    ]
    assert rows(
        data.hcps, "hcp_id", "country", "language", "territory_id", "pdrp_opt_out", "do_not_call"
    ) == [
        ["001a", "DE", "de", "T1", "False", "False"],
        ["001b", "US", "en", "T2", "True", "True"],
    ]
    assert rows(data.content, "content_id", "document_number", "language", "approval_status", "expiry") == [
        ["Approved_Document_vod__c:d1", "PM-1", "en", "approved", "2100-01-01 00:00:00+00:00"],
        ["Approved_Document_vod__c:d2", "PM-2", "de", "expired", "2100-01-01 00:00:00+00:00"],
        ["CLM_Presentation_vod__c:s1", "P-1", "de", "approved", "2027-01-01 00:00:00+00:00"],
        ["CLM_Presentation_vod__c:s2", "P-2", "de", "staged", "2100-01-01 00:00:00+00:00"],
    ]
    assert rows(
        data.consent, "hcp_id", "channel", "product_id", "opt_type", "expires_at", "optout_event"
    ) == [
        ["001a", "approved_email", "p1", "opt_in", "2027-01-10 00:00:00+00:00", ""],
        ["001a", "approved_email", "p1", "opt_in_pending", "", ""],
        ["001b", "approved_email", "", "opt_out", "", "unsubscribed"],
    ]


def test_activity_answers_its_email_and_what_was_shown_belongs_to_its_call(read):
    log = read().interactions.set_index("interaction_id")

    assert log.loc["Email_Activity_vod__c:x2", "parent_id"] == "Sent_Email_vod__c:c1"
    assert log.loc["Call2_Key_Message_vod__c:m2", "parent_id"] == "Call2_vod__c:c1"
    assert log.loc["Call2_vod__c:c1", "content_id"] == "CLM_Presentation_vod__c:s1"  # 2 comes before 10
    assert log.loc["Call2_Key_Message_vod__c:m2", "reaction"] == "pos"
    assert log.loc["Call2_vod__c:c1", "duration_s"] == 900.0
    assert log["touch"].sum() == 7


def test_what_happened_on_a_day_is_known_when_the_day_is_over(read):
    log = read().interactions.set_index("interaction_id")

    assert str(log.loc["Call2_vod__c:c4", "recorded_at"]) == "2026-02-05 00:00:00+00:00"


def test_notes_say_what_was_set_aside_and_no_address_comes_in(read):
    data = read()

    assert "Call2_vod__c (calls): 1 row with outcome 'Planned_vod' was set aside." in data.notes
    assert "Sent_Email_vod__c (emails): 1 row that name no HCP was set aside." in data.notes
    assert any("opt in for one Sub_Channel_Key_vod__c only" in note for note in data.notes)
    assert "somebody" not in "".join(frame.to_csv() for frame in data.tables.values() if frame is not None)


def test_an_export_read_twice_or_in_another_order_is_the_same(export, read):
    once = read()

    twice = read(**{name: pd.concat([f, f.iloc[::-1]]) for name, f in export.items()})
    shuffled = read(**{name: f.sample(frac=1, random_state=3) for name, f in export.items()})

    for other in (twice, shuffled):
        for name, frame in once.tables.items():
            if frame is not None:
                pd.testing.assert_frame_equal(frame, other.tables[name])


def test_of_a_record_exported_twice_the_newest_state_counts(export, read):
    calls = export["Call2_vod__c"].assign(SystemModstamp="2026-03-01T00:00:00.000Z")
    later = calls[calls["Id"] == "c3"].assign(
        Status_vod__c="Submitted_vod", SystemModstamp="2026-03-05T00:00:00.000Z"
    )

    log = read(Call2_vod__c=pd.concat([later, calls])).interactions

    assert "Call2_vod__c:c3" in set(log["interaction_id"])


def test_without_activity_the_last_open_of_an_email_counts(export):
    del export["Email_Activity_vod__c"]

    with pytest.warns(NBAWarning):
        data = from_veeva(export, country="DE", language="de")

    log = data.interactions.set_index("interaction_id")
    assert log.loc["Sent_Email_vod__c:c1:opened", "parent_id"] == "Sent_Email_vod__c:c1"
    assert any(note.startswith("Email_Activity_vod__c: not given") for note in data.notes)


def test_only_accounts_documents_and_emails_are_needed(export):
    small = {name: export[name] for name in ("Account", "Approved_Document_vod__c", "Sent_Email_vod__c")}

    with pytest.warns(NBAWarning):
        data = from_veeva(small, country="DE", language="de")

    assert data.consent is None
    assert (
        "Multichannel_Consent_vod__c: not given, so every channel that needs consent is blocked."
        in data.notes
    )
    with pytest.raises(TableError, match="No object was given that makes content"):
        from_veeva({name: small[name] for name in ("Account", "Sent_Email_vod__c")}, country="DE")


def test_unknown_values_are_refused_by_name_or_counted_as_stated(export):
    odd = export["Call2_vod__c"].assign(Status_vod__c="Blessed_vod")
    with pytest.raises(TableError, match=r"Status_vod__c: 4 cells .*'Blessed_vod'.*extended"):
        from_veeva(export | {"Call2_vod__c": odd}, country="DE", language="de")

    rules = VEEVA | {"calls": VEEVA["calls"].extended(values={"outcome": {"Blessed_vod": "held"}})}
    rules |= {"key_messages": VEEVA["key_messages"].extended(values={"outcome": {"Blessed_vod": "held"}})}
    odd = odd.assign(Call_Channel_vod__c="Pigeon_vod")
    with pytest.warns(NBAWarning, match="'Pigeon_vod'.*count as other_call"):
        mapped = map_objects(export | {"Call2_vod__c": odd}, rules=rules, country="DE", language="de")
    assert mapped.tables["interactions"]["channel"].eq("other_call").sum() == 6


def test_consent_without_a_channel_is_refused_since_it_would_open_every_channel(export):
    no_type = export["Multichannel_Consent_vod__c"].drop(columns="RecordTypeId")

    with pytest.raises(TableError, match=r"Multichannel_Consent_vod__c.*missing, which channel needs"):
        from_veeva(export | {"Multichannel_Consent_vod__c": no_type}, country="DE", language="de")


def test_moments_without_a_zone_need_one(export, read):
    naive = export["Sent_Email_vod__c"].assign(
        Email_Sent_Date_vod__c=pd.to_datetime(
            ["2026-02-03 09:00", "2026-02-04 09:00", None, "2026-02-05 09:00"]
        )
    )
    export["Sent_Email_vod__c"] = naive

    with pytest.raises(TableError, match=r"Email_Sent_Date_vod__c: 3 cells without a time zone.*zone="):
        from_veeva(export, country="DE", language="de")
    with pytest.warns(NBAWarning):
        data = from_veeva(export, country="DE", language="de", zone="Europe/Berlin")

    log = data.interactions.set_index("interaction_id")
    assert str(log.loc["Sent_Email_vod__c:c1", "ts"]) == "2026-02-03 08:00:00+00:00"


def test_fifteen_and_eighteen_characters_name_one_account(export, read):
    short, long = "001A0000006Vm9u", "001A0000006Vm9uIAC"
    accounts = export["Account"].replace({"Id": {"001a": long}})
    calls = export["Call2_vod__c"].replace({"Account_vod__c": {"001a": short}})

    mapped = map_objects(
        {"Account": accounts, "Call2_vod__c": calls}, rules=VEEVA, country="DE", salesforce_ids=True
    )

    assert long in set(mapped.tables["interactions"]["hcp_id"]) & set(mapped.tables["hcps"]["hcp_id"])


def test_what_is_read_can_be_recommended_from(read):
    data = read()

    offered = candidates(data, data.observed_until)

    assert isinstance(data, Engagement)
    assert {action.channel for action in offered.actions[1:]} == {
        "approved_email",
        "rep_visit",
        "remote_call",
    }
    assert offered.allowed[:, 1:].any()
