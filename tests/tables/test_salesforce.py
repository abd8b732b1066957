"""Salesforce's objects, read as our tables."""

from __future__ import annotations

import pandas as pd
import pytest

from nba.errors import ArgumentError, NBAWarning, TableError
from nba.tables import candidates, from_salesforce

Objects = dict[str, pd.DataFrame]
UNTIL = "2026-04-01"


@pytest.fixture
def export() -> Objects:
    return {
        "Account": pd.DataFrame(
            {
                "Id": ["001p", "001o"],
                "IsPersonAccount": [True, False],
                "PersonContactId": ["003p", None],
                "PersonIndividualId": ["0PKp", None],
                "BillingCountryCode": ["de", "DE"],
            }
        ),
        "Contact": pd.DataFrame(
            {
                "Id": ["003p", "003c"],
                "IsPersonAccount": [True, False],
                "IndividualId": ["0PKp", "0PKc"],
                "MailingCountryCode": [None, "US"],
                "HasOptedOutOfEmail": [False, True],
                "LastModifiedDate": "2026-02-01T00:00:00Z",
            }
        ),
        "Campaign": pd.DataFrame(
            {
                "Id": ["701w", "701e"],
                "Name": ["Webinar", "Mailing"],
                "Type": ["Webinar", "Email"],
                "Topic__c": "heart",
                "IsActive": [True, False],
                "StartDate": "2026-01-01",
                "EndDate": "2026-12-31",
            }
        ),
        "CampaignMember": pd.DataFrame(
            {
                "Id": ["m1", "m2"],
                "CampaignId": ["701w", "701e"],
                "ContactId": ["003p", "003c"],
                "Status": ["Attended", "Responded"],
                "CreatedDate": "2026-01-10T12:00:00Z",
                "FirstRespondedDate": ["2026-01-20", "2026-01-10"],
                "LastModifiedDate": "2026-01-21T09:00:00Z",
            }
        ),
        "Task": pd.DataFrame(
            {
                "Id": ["m1", "t2", "t3"],  # m1 is a campaign member's id too
                "WhoId": ["003p", "003c", "003c"],
                "TaskSubtype": ["Call", "Email", "Task"],
                "CallType": ["Outbound", None, None],
                "Status": "Completed",
                "CompletedDateTime": "2026-02-02T10:00:00Z",
            }
        ),
        "Event": pd.DataFrame(
            {
                "Id": ["ev1", "ev2"],
                "WhoId": ["003p", "003p"],
                "Type": ["Meeting", "Meeting"],
                "StartDateTime": ["2026-02-03T10:00:00Z", "2026-05-03T10:00:00Z"],
                "DurationInMinutes": [30, 30],
            }
        ),
        "Visit": pd.DataFrame(
            {
                "Id": ["vi1", "vi2"],
                "AccountId": ["001p", "001p"],
                "Channel": ["Remote", "In-Person"],
                "Status": ["Completed", "Planned"],
                "ActualVisitStartTime": ["2026-02-04T10:00:00Z", None],
            }
        ),
        "ContactPointTypeConsent": pd.DataFrame(
            {
                "Id": ["c1", "c2", "c3"],
                "PartyId": ["0PKp", "0PKc", "0PKp"],
                "ContactPointType": ["Email", "Phone", "Web"],
                "PrivacyConsentStatus": ["OptIn", "OptOut", "Seen"],
                "CaptureDate": "2026-01-05T00:00:00Z",
                "EffectiveFrom": ["2026-01-07T00:00:00Z", "2026-01-09T00:00:00Z", None],
                "EffectiveTo": ["2026-12-31T00:00:00Z", None, None],
            }
        ),
    }


def rows(frame: pd.DataFrame, *columns: str) -> list[list[str]]:
    cells = frame[list(columns)].astype(object)
    return cells.where(cells.notna(), "").astype(str).values.tolist()


def read(objects: Objects):
    return from_salesforce(objects, country="DE", language="en", observed_until=UNTIL)


@pytest.mark.filterwarnings("ignore::nba.errors.NBAWarning")
def test_an_export_becomes_the_tables_written_by_hand(export):
    data = read(export)

    assert rows(data.interactions, "interaction_id", "hcp_id", "channel", "outcome", "ts") == [
        ["CampaignMember:m1", "001p", "webinar", "sent", "2026-01-10 12:00:00+00:00"],
        ["CampaignMember:m1:answered", "001p", "webinar", "attended", "2026-01-20 00:00:00+00:00"],
        ["Task:m1", "001p", "phone", "held", "2026-02-02 10:00:00+00:00"],
        ["Event:ev1", "001p", "rep_visit", "held", "2026-02-03 10:00:00+00:00"],
        ["Visit:vi1", "001p", "remote_call", "held", "2026-02-04 10:00:00+00:00"],
        ["CampaignMember:m2", "003c", "hq_email", "sent", "2026-01-10 12:00:00+00:00"],
        ["CampaignMember:m2:answered", "003c", "hq_email", "clicked", "2026-01-10 12:00:00+00:00"],
        ["Task:t2", "003c", "approved_email", "sent", "2026-02-02 10:00:00+00:00"],
    ]
    assert rows(data.hcps, "hcp_id", "country") == [["001p", "DE"], ["003c", "US"]]
    assert rows(data.consent, "hcp_id", "channel", "opt_type", "captured_at") == [
        # An opt-in holds from when it is effective, an opt-out from when it was said.
        ["001p", "approved_email", "opt_in", "2026-01-07 00:00:00+00:00"],
        ["001p", "hq_email", "opt_in", "2026-01-07 00:00:00+00:00"],
        ["003c", "approved_email", "opt_out", "2026-02-01 00:00:00+00:00"],
        ["003c", "hq_email", "opt_out", "2026-02-01 00:00:00+00:00"],
        ["003c", "phone", "opt_out", "2026-01-05 00:00:00+00:00"],
    ]
    assert candidates(data, UNTIL).allowed[:, 1:].any()


@pytest.mark.filterwarnings("ignore::nba.errors.NBAWarning")
def test_calendars_need_the_moment_of_their_export(export):
    with pytest.raises(ArgumentError, match="Event may hold what is still to come"):
        from_salesforce(export, country="DE", language="en")


@pytest.mark.filterwarnings("ignore::nba.errors.NBAWarning")
def test_a_response_before_its_touch_counts_at_the_touch_with_a_warning(export):
    with pytest.warns(NBAWarning, match="1 responses before the touch"):
        read(export)


@pytest.mark.filterwarnings("ignore::nba.errors.NBAWarning")
def test_results_of_marketing_emails_are_one_row_an_event_and_members_do_not_count_twice(export):
    export["et4ae5__SendDefinition__c"] = pd.DataFrame(
        {"Id": ["s1"], "Name": ["Mailing"], "CreatedDate": ["2026-01-09T00:00:00Z"]}
    )
    export["et4ae5__IndividualEmailResult__c"] = pd.DataFrame(
        {
            "Id": ["r1"],
            "et4ae5__Contact__c": ["003p"],
            "et4ae5__SendDefinition__c": ["s1"],
            "et4ae5__DateSent__c": ["2026-01-10T08:00:00Z"],
            "et4ae5__DateOpened__c": ["2026-01-10T09:00:00Z"],
            "et4ae5__DateBounced__c": [None],
            "et4ae5__Clicked__c": [True],
            "et4ae5__Tracking_As_Of__c": ["2026-01-12T00:00:00Z"],
        }
    )

    log = read(export).interactions

    emails = log[log["channel"] == "hq_email"]
    assert rows(emails, "outcome", "hcp_id", "ts") == [
        ["sent", "001p", "2026-01-10 08:00:00+00:00"],
        ["opened", "001p", "2026-01-10 09:00:00+00:00"],
        ["clicked", "001p", "2026-01-12 00:00:00+00:00"],
    ]
    assert set(emails["parent_id"].dropna()) == {"et4ae5__IndividualEmailResult__c:r1"}


@pytest.mark.filterwarnings("ignore::nba.errors.NBAWarning")
def test_an_email_to_two_hcps_is_two_touches_and_its_task_none(export):
    export["EmailMessage"] = pd.DataFrame(
        {
            "Id": ["02s1"],
            "Status": ["3"],
            "MessageDate": ["2026-02-05T08:00:00Z"],
            "FirstOpenedDate": ["2026-02-05T09:00:00Z"],
            "EmailTemplateId": ["00X1"],
        }
    )
    export["EmailMessageRelation"] = pd.DataFrame(
        {
            "Id": ["r1", "r2", "r3"],
            "EmailMessageId": "02s1",
            "RelationId": ["003p", "003c", "005u"],
            "RelationType": ["ToAddress", "ToAddress", "FromAddress"],
        }
    )

    log = read(export).interactions

    emails = log[log["channel"] == "approved_email"]
    assert sorted(emails["outcome"]) == ["opened", "opened", "sent", "sent"]
    assert set(emails["hcp_id"]) == {"001p", "003c"}


@pytest.mark.filterwarnings("ignore::nba.errors.NBAWarning")
def test_an_opt_in_for_a_purpose_nobody_named_opens_only_that(export):
    export["ContactPointTypeConsent"]["DataUsePurposeId"] = ["0ZW1", None, None]

    consent = read(export).consent

    assert consent.loc[consent["opt_type"] == "opt_in", "purpose"].tolist() == ["0ZW1", "0ZW1"]


@pytest.mark.filterwarnings("ignore::nba.errors.NBAWarning")
def test_row_order_and_repeated_rows_do_not_matter(export):
    once = read(export)

    again = read({name: pd.concat([f.iloc[::-1], f]) for name, f in export.items()})

    for name, frame in once.tables.items():
        if frame is not None:
            pd.testing.assert_frame_equal(frame, again.tables[name])


def test_every_fault_of_every_object_is_told_at_once(export):
    export["Visit"]["Status"] = "Dreamt"
    export["ContactPointTypeConsent"] = export["ContactPointTypeConsent"].drop(columns="CaptureDate")

    with pytest.raises(TableError, match=r"(?s)Visit\.Status.*Dreamt.*CaptureDate"):
        read(export)
