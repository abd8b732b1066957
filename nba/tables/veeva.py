"""Veeva CRM's objects, read as our tables."""

from __future__ import annotations

from collections.abc import Mapping

from nba.tables.engagement import Engagement
from nba.tables.objects import engagement_of, map_objects
from nba.tables.rules import ELSEWHERE, REFUSE, SET_ASIDE, Filled, Picklist, Rule, Rules, Via

# Names marked k are general knowledge and may be spelled otherwise in an org; all others were seen in
# public code or documentation. Columns that an export does not have are passed over.

_RECORD_TYPE = ("RecordType.DeveloperName", Via("RecordTypeId", "RecordType", "DeveloperName"))
_COUNTRY = (
    "Country_vod__r.Alpha_2_Code_vod__c",
    Via("Country_vod__c", "Country_vod__c", "Alpha_2_Code_vod__c"),
    Via("Id", "Address_vod__c", "Country_vod__c", on="Account_vod__c", order="Id"),
    "Country_Code__c",
)
_DECISION = Via("Suggestion_vod__c", "Suggestion_vod__c", "External_Id_vod__c")  # k
_EMAIL = "Sent_Email_vod__c:{}"
_DOCUMENT = "Approved_Document_vod__c:{}"
_PRESENTATION = "CLM_Presentation_vod__c:{}"
_CALL = "Call2_vod__c:{}"
_INVITATION = "EM_Attendee_vod__c:{}"
_FAR = "2100-01-01"

_CHANNEL_OF_CALL = Picklist(
    {
        "Face_to_face_vod": "rep_visit",
        "Video_vod": "remote_call",
        "Phone_vod": "phone",
        # Nobody has described these channels: they are never recommended before a channels table does.
        "Message_vod": "message",
        "Email_vod": "email",
        "Other_vod": "other_call",
    },
    otherwise="other_call",
    empty="rep_visit",
)
_STATUS_OF_CALL = Picklist(
    {
        "Submitted_vod": "held",
        # A draft may never have taken place, and whoever cancelled need not have been the HCP.
        "Saved_vod": SET_ASIDE,
        "Planned_vod": SET_ASIDE,
        "Cancelled_vod": SET_ASIDE,
        "Declined_vod": "declined",  # k
        "No_Show_vod": "no_show",  # k
    },
    empty=REFUSE,
)
_STATUS_OF_EMAIL = Picklist(
    {
        "Sent_vod": "sent",
        "Delivered_vod": "sent",
        "Bounced_vod": "sent",
        "Unsubscribed_vod": "sent",
        "Marked_Spam_vod": "sent",
        "Scheduled_vod": SET_ASIDE,
        "Group_vod": SET_ASIDE,
        "Saved_vod": SET_ASIDE,
        "Pending_vod": SET_ASIDE,
        "Approved_vod": SET_ASIDE,
        "Failed_vod": SET_ASIDE,
        "Dropped_vod": SET_ASIDE,
    },
    empty=REFUSE,
)
_EVENT_OF_EMAIL = Picklist(
    {
        "Delivered_vod": "delivered",
        "Opened_vod": "opened",
        "Clicked_vod": "clicked",
        "Viewed_vod": "clicked",
        "Downloaded_vod": "downloaded",
        "Bounced_vod": "bounced",
        "Unsubscribe_vod": "unsubscribed",
        "Unsubscribed_vod": "unsubscribed",
        "Unsubscribed_All_vod": "unsubscribed",
        "Marked_as_Spam_vod": "complained",
        "Marked_Spam_vod": "complained",
        "Dropped_vod": SET_ASIDE,
    },
    otherwise=SET_ASIDE,
    empty=REFUSE,
)
_REACTION = Picklist(
    {
        "Positive": "pos",
        "Neutral": "neu",
        "Negative": "neg",
        "Positive_vod": "pos",
        "Neutral_vod": "neu",
        "Negative_vod": "neg",
    },
    otherwise=None,
)
_FORMAT_OF_EVENT = Picklist(
    {
        "In_Person_vod": "event",  # k
        "Face_To_Face_vod": "event",  # k
        "Hybrid_vod": "event",  # k
        "Virtual_vod": "webinar",  # k
        "Virtual_Event_vod": "webinar",  # k
    },
    otherwise="event",
    empty="event",
)
_STATUS_OF_ATTENDEE = {
    "Nominated_vod": SET_ASIDE,
    "Approved_vod": SET_ASIDE,
    "Cancelled_vod": SET_ASIDE,
    "Invited_vod": "sent",
    "Accepted_vod": "sent",
    "Rejected_vod": "sent",
    "Attended_vod": "sent",
    "Signed_vod": "sent",
    "Cleared_Signature_vod": "sent",
}
_ANSWER_OF_ATTENDEE = dict.fromkeys(_STATUS_OF_ATTENDEE, ELSEWHERE) | {
    "Accepted_vod": "registered",
    "Rejected_vod": "declined",
    "Attended_vod": "attended",
    "Signed_vod": "attended",
    "Cleared_Signature_vod": "attended",
}

_ACCOUNTS = Rule(
    object="Account",
    table="hcps",
    columns={
        "hcp_id": "Id",
        "npi": "NPI_vod__c",
        "country": _COUNTRY,
        "language": "Language_vod__c",
        "specialty": "Specialty_1_vod__c",
        "credentials": "Credentials_vod__c",
        "role": "Account_Type__c",  # k
        "hco_id": "Primary_Parent_vod__c",
        # The first of several territories by name, as the CRM itself takes it.
        "territory_id": Via("Id", "TSF_vod__c", "Territory_vod__c", "Account_vod__c", "Territory_vod__c"),
        "pdrp_opt_out": "PDRP_Opt_Out_vod__c",
        "pdrp_opt_out_date": "PDRP_Opt_Out_Date_vod__c",
        "do_not_call": "Do_Not_Call_vod__c",
        "email_opt_type": "Approved_Email_Opt_Type_vod__c",
    },
    ids={"hcp_id": "{}", "hco_id": "{}"},
    values={"do_not_call": Picklist({"Yes_vod": True, "No_vod": False, "true": True, "false": False})},
    where={"IsPersonAccount": ("true", "1")},
)
_DOCUMENTS = Rule(
    object="Approved_Document_vod__c",
    table="content",
    columns={
        "content_id": "Id",
        "document_number": ("Vault_Document_Number_vod__c", "Vault_Document_ID_vod__c", "Document_ID_vod__c"),
        "version": ("Vault_Document_Version_vod__c", "Version_vod__c"),  # k
        "title": "Name",
        "channels": _RECORD_TYPE,
        "content_type": "Content_Type_vod__c",
        "topic": Via("Key_Message_vod__c", "Key_Message_vod__c", "Category_vod__c"),
        "product_id": "Product_vod__c",
        "detail_group": "Detail_Group_vod__c",
        "key_message_id": "Key_Message_vod__c",
        "language": "Language_vod__c",
        "country": ("Country_vod__c", "Country__c"),  # k
        "approval_status": "Status_vod__c",
        # When a document was approved is not said; its last change is never too early.
        "approved_from": ("Document_Last_Mod_DateTime_vod__c", "CreatedDate"),
        "expiry": "Expiration_Date_vod__c",  # k
    },
    ids={"content_id": _DOCUMENT, "product_id": "{}", "detail_group": "{}", "key_message_id": "{}"},
    values={
        "channels": Picklist(
            {
                "Email_Template_vod": ("approved_email",),
                "Email_Fragment_vod": SET_ASIDE,
                "Template_Fragment_vod": SET_ASIDE,  # k
                "Email_Receipt_vod": SET_ASIDE,
                "Engage_vod": SET_ASIDE,
                "Events_Management_vod": SET_ASIDE,
                "Medical_Inquiry_Template_vod": SET_ASIDE,
                "Remote_Meeting_vod": SET_ASIDE,
                "CoBrowse_Invite_Template_vod": SET_ASIDE,
                "Case_Template_vod": SET_ASIDE,
            },
            empty=("approved_email",),
        ),
        "approval_status": Picklist(
            {
                "Staged_vod": "staged",
                "Approved_vod": "approved",
                "Expired_vod": "expired",
                "Withdrawn_vod": "withdrawn",
            },
            empty=REFUSE,
        ),
    },
    fill={
        "version": "current",
        "content_type": "approved_email",
        "format": "email",
        "purpose": "promotional",
        "expiry": _FAR,
    },
    dates=("Expiration_Date_vod__c",),
    without="approved emails are no content to recommend",
)
_PRESENTATIONS = Rule(
    object="CLM_Presentation_vod__c",
    table="content",
    columns={
        "content_id": "Id",
        "document_number": ("Vault_Doc_Id_vod__c", "Presentation_Id_vod__c"),  # k
        "version": "Version_vod__c",  # k
        "title": "Name",
        "product_id": "Product_vod__c",
        "language": "Language_vod__c",  # k
        "country": ("Country_vod__c", "Country__c"),  # k
        "approval_status": "Approved_vod__c",  # k
        "approved_from": ("Start_Date_vod__c", "CreatedDate"),  # k
        "expiry": "End_Date_vod__c",  # k
    },
    ids={"content_id": _PRESENTATION, "product_id": "{}"},
    values={
        "approval_status": Picklist(
            {"true": "approved", "1": "approved", "false": "staged", "0": "staged"}, empty="staged"
        )
    },
    fill={
        "version": "current",
        "channels": ("rep_visit", "remote_call"),
        "content_type": "presentation",
        "format": "slides",
        "purpose": "promotional",
        "expiry": _FAR,
    },
    dates=("Start_Date_vod__c", "End_Date_vod__c"),
    without="presentations are no content to recommend",
)
_CALLS = Rule(
    object="Call2_vod__c",
    table="interactions",
    columns={
        "interaction_id": "Id",
        "hcp_id": "Account_vod__c",
        "ts": ("Call_Datetime_vod__c", "Call_Date_vod__c"),
        "recorded_at": "CreatedDate",
        "channel": ("Call_Channel_vod__c", Filled("Remote_Meeting_vod__c", "Video_vod")),
        "outcome": "Status_vod__c",
        # What was shown first; everything shown is a row of its own.
        "content_id": Via(
            "Id",
            "Call2_Key_Message_vod__c",
            "Clm_Presentation_vod__c",
            "Call2_vod__c",
            "Display_Order_vod__c",
        ),
        "product_id": Via(
            "Id", "Call2_Detail_vod__c", "Product_vod__c", "Call2_vod__c", "Detail_Priority_vod__c"
        ),
        "duration_s": "Duration_vod__c",
        "user_id": ("User_vod__c", "OwnerId"),
        "territory_id": "Territory_vod__c",
        "decision_id": _DECISION,
    },
    ids={
        "interaction_id": _CALL,
        "hcp_id": "{}",
        "content_id": _PRESENTATION,
        "product_id": "{}",
        "user_id": "{}",
    },
    values={"channel": _CHANNEL_OF_CALL, "outcome": _STATUS_OF_CALL},
    fill={"direction": "outbound", "source": "Call2_vod__c"},
    dates=("Call_Date_vod__c",),
    scale={"duration_s": 60.0},  # k: minutes
    without="no calls and visits",
)
_KEY_MESSAGES = Rule(
    object="Call2_Key_Message_vod__c",
    table="interactions",
    columns={
        "interaction_id": "Id",
        "hcp_id": (Via("Call2_vod__c", "Call2_vod__c", "Account_vod__c"), "Account_vod__c"),
        "ts": (
            "Start_Time_vod__c",
            Via("Call2_vod__c", "Call2_vod__c", "Call_Datetime_vod__c"),
            Via("Call2_vod__c", "Call2_vod__c", "Call_Date_vod__c"),
            "Call_Date_vod__c",
        ),
        "recorded_at": "CreatedDate",
        "channel": (
            Via("Call2_vod__c", "Call2_vod__c", "Call_Channel_vod__c"),
            Filled(Via("Call2_vod__c", "Call2_vod__c", "Remote_Meeting_vod__c"), "Video_vod"),
        ),
        "outcome": Via("Call2_vod__c", "Call2_vod__c", "Status_vod__c"),
        "content_id": "Clm_Presentation_vod__c",
        "product_id": "Product_vod__c",
        "topic": "Category_vod__c",
        "parent_id": "Call2_vod__c",
        "duration_s": "Duration_vod__c",
        "reaction": "Reaction_vod__c",
        "user_id": "User_vod__c",
    },
    ids={
        "interaction_id": "Call2_Key_Message_vod__c:{}",
        "parent_id": _CALL,
        "hcp_id": "{}",
        "content_id": _PRESENTATION,
        "product_id": "{}",
        "user_id": "{}",
    },
    values={"channel": _CHANNEL_OF_CALL, "outcome": _STATUS_OF_CALL, "reaction": _REACTION},
    fill={"direction": "outbound", "source": "Call2_Key_Message_vod__c"},
    dates=("Call_Date_vod__c",),
    needs=("Call2_vod__c",),
    without="what was shown in calls, and the reactions to it, are not known",
)
_EMAILS = Rule(
    object="Sent_Email_vod__c",
    table="interactions",
    columns={
        "interaction_id": "Id",
        "hcp_id": "Account_vod__c",
        "ts": "Email_Sent_Date_vod__c",
        "outcome": "Status_vod__c",
        "content_id": "Approved_Email_Template_vod__c",
        "product_id": "Product_vod__c",
        "user_id": ("User_vod__c", "OwnerId"),
        "territory_id": "Territory_vod__c",
        "decision_id": _DECISION,
    },
    ids={
        "interaction_id": _EMAIL,
        "hcp_id": "{}",
        "content_id": _DOCUMENT,
        "product_id": "{}",
        "user_id": "{}",
    },
    values={"outcome": _STATUS_OF_EMAIL},
    fill={"channel": "approved_email", "direction": "outbound", "source": "Sent_Email_vod__c"},
    without="no approved emails",
)
_EMAIL_ACTIVITY = Rule(
    object="Email_Activity_vod__c",
    table="interactions",
    columns={
        "interaction_id": "Id",
        "hcp_id": Via("Sent_Email_vod__c", "Sent_Email_vod__c", "Account_vod__c"),
        "ts": ("Activity_DateTime_vod__c", "Event_Datetime_vod__c"),
        "recorded_at": "CreatedDate",
        "outcome": "Event_type_vod__c",
        # An activity may name a fragment; what was sent is the template.
        "content_id": Via("Sent_Email_vod__c", "Sent_Email_vod__c", "Approved_Email_Template_vod__c"),
        "product_id": Via("Sent_Email_vod__c", "Sent_Email_vod__c", "Product_vod__c"),
        "parent_id": "Sent_Email_vod__c",
        "device": "Device_Type_vod__c",
    },
    ids={
        "interaction_id": "Email_Activity_vod__c:{}",
        "parent_id": _EMAIL,
        "hcp_id": "{}",
        "content_id": _DOCUMENT,
        "product_id": "{}",
    },
    values={"outcome": _EVENT_OF_EMAIL},
    fill={"channel": "approved_email", "direction": "inbound", "source": "Email_Activity_vod__c"},
    needs=("Sent_Email_vod__c",),
    without="of every email only the last open and the last click count, where Sent_Email_vod__c has them",
)


def _last_of_email(outcome: str, column: str) -> Rule:
    """The roll-up of an email, read only where its activity is not given."""
    return Rule(
        object="Sent_Email_vod__c",
        table="interactions",
        columns={**_EMAILS.columns, "ts": column, "parent_id": "Id", "decision_id": ()},
        ids={**_EMAILS.ids, "interaction_id": _EMAIL + ":" + outcome, "parent_id": _EMAIL},
        values={
            "outcome": Picklist(
                {k: ELSEWHERE if v == SET_ASIDE else outcome for k, v in _STATUS_OF_EMAIL.to.items()},
                empty=REFUSE,
            )
        },
        fill={**_EMAILS.fill, "direction": "inbound"},
        if_filled=column,
        unless="Email_Activity_vod__c",
    )


_INVITATIONS = Rule(
    object="EM_Attendee_vod__c",
    table="interactions",
    columns={
        "interaction_id": "Id",
        "hcp_id": "Account_vod__c",
        # When the invitation went out is not said; the record is never made before the attendee was named.
        "ts": (
            "CreatedDate",
            "Start_Time_vod__c",
            Via("Event_vod__c", "EM_Event_vod__c", "Start_Time_vod__c"),
        ),
        "channel": Via("Event_vod__c", "EM_Event_vod__c", "Event_Format_vod__c"),  # k
        "outcome": "Status_vod__c",
    },
    ids={"interaction_id": _INVITATION, "hcp_id": "{}"},
    values={"channel": _FORMAT_OF_EVENT, "outcome": Picklist(_STATUS_OF_ATTENDEE, empty=REFUSE)},
    fill={"direction": "outbound", "source": "EM_Attendee_vod__c"},
    without="no events and webinars",
)
_ATTENDANCE = Rule(
    object="EM_Attendee_vod__c",
    table="interactions",
    columns={
        **_INVITATIONS.columns,
        "ts": ("Start_Time_vod__c", Via("Event_vod__c", "EM_Event_vod__c", "Start_Time_vod__c")),
        "parent_id": "Id",
        # The status holds only the latest answer: it was known when the record last changed.
        "recorded_at": "LastModifiedDate",
    },
    ids={"interaction_id": _INVITATION + ":attended", "parent_id": _INVITATION, "hcp_id": "{}"},
    values={
        "channel": _FORMAT_OF_EVENT,
        "outcome": Picklist(
            {k: v if v == "attended" else ELSEWHERE for k, v in _ANSWER_OF_ATTENDEE.items()},
            empty=REFUSE,
        ),
    },
    fill={"direction": "inbound", "source": "EM_Attendee_vod__c"},
)
_REPLIES = Rule(
    object="EM_Attendee_vod__c",
    table="interactions",
    columns={**_ATTENDANCE.columns, "ts": "LastModifiedDate", "recorded_at": ()},
    ids={**_ATTENDANCE.ids, "interaction_id": _INVITATION + ":answered"},
    values={
        "channel": _FORMAT_OF_EVENT,
        "outcome": Picklist(
            {k: ELSEWHERE if v == "attended" else v for k, v in _ANSWER_OF_ATTENDEE.items()},
            empty=REFUSE,
        ),
    },
    fill=_ATTENDANCE.fill,
    # Without the date of the record's last change nobody knows when it was answered.
    if_filled="LastModifiedDate",
)
_CONSENT = Rule(
    object="Multichannel_Consent_vod__c",
    table="consent",
    columns={
        "hcp_id": "Account_vod__c",
        "channel": _RECORD_TYPE,
        "product_id": "Product_vod__c",
        "content_type": "Content_Type_vod__c",
        "opt_type": "Opt_Type_vod__c",
        "captured_at": "Capture_Datetime_vod__c",
        "expires_at": "Opt_Expiration_Date_vod__c",
        "optout_event": "Optout_Event_Type_vod__c",
        # Channel_Value_vod__c is an address: nothing here needs it, so it does not come in.
    },
    ids={"hcp_id": "{}", "product_id": "{}"},
    values={
        "channel": Picklist(
            {
                "Approved_Email_vod": "approved_email",
                "Engage_vod": "remote_call",
                # Consent to be recorded during a presentation opens no channel.
                "CLM_vod": "clm",
                "Sample_Consent_vod": SET_ASIDE,
            },
            empty=REFUSE,
        ),
        "opt_type": Picklist(
            {"Opt_In_vod": "opt_in", "Opt_Out_vod": "opt_out", "Opt_In_Pending_vod": "opt_in_pending"},
            empty=REFUSE,
        ),
        "optout_event": Picklist(
            {
                "Consent_Capture_vod": "consent_capture",
                "Unsubscribed_vod": "unsubscribed",
                "Bounced_vod": "bounced",
                "Marked_Spam_vod": "marked_spam",
            },
            otherwise=None,
        ),
    },
    dates=("Opt_Expiration_Date_vod__c",),
    narrower={"Sub_Channel_Key_vod__c": "", "Detail_Group_vod__c": "Product_vod__c"},
    without="every channel that needs consent is blocked",
)

VEEVA: Rules = {
    "accounts": _ACCOUNTS,
    "documents": _DOCUMENTS,
    "presentations": _PRESENTATIONS,
    "calls": _CALLS,
    "key_messages": _KEY_MESSAGES,
    "emails": _EMAILS,
    "email_activity": _EMAIL_ACTIVITY,
    "email_last_open": _last_of_email("opened", "Last_Open_Date_vod__c"),
    "email_last_click": _last_of_email("clicked", "Last_Click_Date_vod__c"),
    "invitations": _INVITATIONS,
    "attendance": _ATTENDANCE,
    "replies": _REPLIES,
    "consent": _CONSENT,
}
"""How Veeva CRM's objects become our tables: print it, replace a rule, add your own."""


def from_veeva(
    objects: Mapping[str, object],
    *,
    country: str | None = None,
    language: str | None = None,
    zone: str | None = None,
    observed_until: object = None,
    rules: Rules = VEEVA,
) -> Engagement:
    """Read an export of Veeva CRM.

    Only names and picklists are mapped; nothing is asked over a network. Ids say which object they are of
    (``Sent_Email_vod__c:a1B...``), except those of HCPs. A submitted call is a visit that was held; saved,
    planned and cancelled calls are set aside. Activity of an email answers it; opens by machines are
    recognised by :class:`Engagement`, as everywhere. Addresses and free texts do not come in.

    Parameters
    ----------
    objects : pandas, polars or pyarrow tables by object name; ``Account`` and one each of calls, emails or
        attendees and of ``Approved_Document_vod__c`` or ``CLM_Presentation_vod__c`` are needed
    country, language : of HCPs and content whose rows name none
    zone : the time zone of moments that carry none; days without a time are 00:00 there (UTC without it),
        and known when they are over
    observed_until : as for :class:`Engagement`
    rules : your own reading of your CRM: ``VEEVA | {"calls": VEEVA["calls"].extended(...)}``

    Raises
    ------
    TableError
        With every fault of every object.

    Examples
    --------
    >>> import pandas as pd
    >>> export = {
    ...     "Account": pd.DataFrame({"Id": ["001a"], "IsPersonAccount": True}),
    ...     "Approved_Document_vod__c": pd.DataFrame({
    ...         "Id": ["doc1"], "Name": ["Efficacy"], "Vault_Document_ID_vod__c": ["PM-1"],
    ...         "Status_vod__c": ["Approved_vod"], "CreatedDate": ["2026-01-01T00:00:00.000Z"],
    ...         "Key_Message_vod__c": ["km1"]}),
    ...     "Key_Message_vod__c": pd.DataFrame({"Id": ["km1"], "Category_vod__c": ["Efficacy"]}),
    ...     "Sent_Email_vod__c": pd.DataFrame({
    ...         "Id": ["e1"], "Account_vod__c": ["001a"], "Status_vod__c": ["Delivered_vod"],
    ...         "Email_Sent_Date_vod__c": ["2026-02-03T09:00:00.000Z"],
    ...         "Approved_Email_Template_vod__c": ["doc1"]}),
    ...     "Email_Activity_vod__c": pd.DataFrame({
    ...         "Id": ["x1"], "Sent_Email_vod__c": ["e1"], "Event_type_vod__c": ["Clicked_vod"],
    ...         "Activity_DateTime_vod__c": ["2026-02-03T18:30:00.000Z"]}),
    ... }
    >>> data = from_veeva(export, country="US", language="en")
    >>> data.interactions[["interaction_id", "outcome", "parent_id"]].fillna("").values.tolist()
    [['Sent_Email_vod__c:e1', 'sent', ''],
     ['Email_Activity_vod__c:x1', 'clicked', 'Sent_Email_vod__c:e1']]
    >>> [note for note in data.notes if note.startswith("Multichannel")]
    ['Multichannel_Consent_vod__c: not given, so every channel that needs consent is blocked.']
    """
    mapped = map_objects(
        objects,
        rules=rules,
        country=country,
        language=language,
        zone=zone,
        salesforce_ids=True,
        stacklevel=3,
    )
    return engagement_of(mapped, objects=objects, rules=rules, observed_until=observed_until)
