"""Salesforce's objects, read as our tables."""

from __future__ import annotations

from collections.abc import Mapping

from nba.tables.engagement import Engagement
from nba.tables.objects import engagement_of, map_objects
from nba.tables.rules import (
    ELSEWHERE,
    KEEP,
    REFUSE,
    SET_ASIDE,
    Filled,
    Origin,
    Origins,
    Picklist,
    Rule,
    Rules,
    Via,
)

# Standard objects, those of Health and Life Sciences Cloud, and the results Marketing Cloud writes back
# (et4ae5__). Names marked k are general knowledge and may be spelled otherwise in an org; all others were
# seen in public documentation or code. Columns that an export does not have are passed over.

_RESULT = "et4ae5__IndividualEmailResult__c"
_DEFINITION = "et4ae5__SendDefinition__c"
_EMAIL_CHANNELS = ("approved_email", "hq_email")
_FAR = "2100-01-01"


def _person(key: Origin) -> tuple[Origin, ...]:
    """The HCP behind a contact: a person account is both, and counts as the account."""
    return (Via(key, "Account", "Id", on="PersonContactId"), key)


def _party(key: Origin) -> tuple[Origin, ...]:
    """The HCP behind an individual of the privacy objects."""
    return (
        Via(key, "Account", "Id", on="PersonIndividualId"),
        Via(key, "Contact", "Id", on="IndividualId"),
        Via(key, "Account", "Id"),
    )


_CHANNEL_OF_CAMPAIGN = Picklist(
    {
        "Email": ("hq_email",),
        "Webinar": ("webinar",),
        "Conference": ("event",),
        "Event": ("event",),  # k
        "Seminar / Conference": ("event",),  # k
        "Trade Show": ("event",),
        "Direct Mail": ("mail",),
    },
    otherwise=SET_ASIDE,
    empty=SET_ASIDE,
)
_CHANNEL_OF_MEMBER = Picklist(
    {name: channels[0] for name, channels in _CHANNEL_OF_CAMPAIGN.to.items()},
    otherwise=SET_ASIDE,
    empty=SET_ASIDE,
)
_STATUS_OF_MEMBER = {
    "Planned": SET_ASIDE,
    "Sent": "sent",
    "Received": "sent",
    "Responded": "sent",
    "Invited": "sent",  # k
    "Registered": "sent",  # k
    "Attended": "sent",  # k
    "No Show": "sent",  # k
    "Declined": "sent",  # k
}
_ANSWER_OF_MEMBER = dict.fromkeys(_STATUS_OF_MEMBER, ELSEWHERE) | {
    "Responded": "clicked",
    "Registered": "registered",
    "Attended": "attended",
    "No Show": "no_show",
    "Declined": "declined",
}

_ACCOUNTS = Rule(
    object="Account",
    table="hcps",
    columns={
        "hcp_id": "Id",
        "npi": Via("Id", "HealthcareProviderNpi", "Npi", on="AccountId", order="Id"),  # k
        "country": ("PersonMailingCountryCode", "BillingCountryCode", "ShippingCountryCode"),
        "language": "Language__pc",  # k
        "specialty": (
            "Specialty__pc",  # k
            Via("Id", "HealthcareProviderSpecialty", "Name", on="AccountId", order="Id"),  # k
        ),
        "do_not_call": "PersonDoNotCall",
    },
    ids={"hcp_id": "{}"},
    where={"IsPersonAccount": ("true", "1")},
)
_CONTACTS = Rule(
    object="Contact",
    table="hcps",
    columns={
        "hcp_id": "Id",
        "npi": Via("Id", "HealthcareProviderNpi", "Npi", on="PractitionerId", order="Id"),  # k
        "country": ("MailingCountryCode", "OtherCountryCode"),
        "language": ("Language__c", "Languages__c"),  # k
        "specialty": (
            "Specialty__c",  # k
            Via("Id", "HealthcareProviderSpecialty", "Name", on="PractitionerId", order="Id"),  # k
        ),
        "hco_id": "AccountId",
        "do_not_call": "DoNotCall",
    },
    ids={"hcp_id": "{}", "hco_id": "{}"},
    # A person account is a contact too; it is read once, as the account.
    where={"IsPersonAccount": ("false", "0", "")},
)
_CAMPAIGNS = Rule(
    object="Campaign",
    table="content",
    columns={
        "content_id": "Id",
        "document_number": "Id",
        "title": "Name",
        "channels": "Type",
        "topic": "Topic__c",  # k
        "approval_status": "IsActive",
        "approved_from": ("StartDate", "CreatedDate"),
        "expiry": "EndDate",
        "language": "Language__c",  # k
        "country": "Country__c",  # k
    },
    ids={"content_id": "Campaign:{}", "document_number": "{}"},
    values={
        "channels": _CHANNEL_OF_CAMPAIGN,
        "approval_status": Picklist(
            {"true": "approved", "1": "approved", "false": "expired", "0": "expired"}, empty="staged"
        ),
    },
    fill={
        "version": "1",
        "content_type": "campaign",
        "format": "campaign",
        "purpose": "promotional",
        "expiry": _FAR,
    },
    dates=("StartDate", "EndDate"),
    without="campaigns are no content to recommend",
)
_TEMPLATES = Rule(
    object="EmailTemplate",
    table="content",
    columns={
        "content_id": "Id",
        "document_number": ("DeveloperName", "Id"),
        "title": "Name",
        "approval_status": "IsActive",
        "approved_from": ("LastModifiedDate", "CreatedDate"),
        "language": "Language__c",  # k
        "country": "Country__c",  # k
    },
    ids={"content_id": "EmailTemplate:{}"},
    values={
        "approval_status": Picklist(
            {"true": "approved", "1": "approved", "false": "withdrawn", "0": "withdrawn"}, empty="staged"
        )
    },
    fill={
        "version": "1",
        "channels": ("approved_email",),
        "content_type": "email_template",
        "format": "email",
        "purpose": "promotional",
        "expiry": _FAR,
    },
    without="emails of reps are no content to recommend",
)
_DEFINITIONS = Rule(
    object=_DEFINITION,
    table="content",
    columns={"content_id": "Id", "document_number": "Id", "title": "Name", "approved_from": "CreatedDate"},
    ids={"content_id": _DEFINITION + ":{}", "document_number": "{}"},
    fill={
        "version": "1",
        "channels": ("hq_email",),
        "content_type": "email_send",
        "format": "email",
        "purpose": "promotional",
        # A send that has been made says nothing about being approved for another.
        "approval_status": "staged",
        "expiry": _FAR,
    },
    without="what marketing emails were about is not known",
)
_STATUS_OF_TASK = Picklist(
    {
        "Completed": "held",
        "Not Started": SET_ASIDE,
        "In Progress": SET_ASIDE,
        "Waiting on someone else": SET_ASIDE,
        "Deferred": SET_ASIDE,
    },
    empty=REFUSE,
)
_KIND_OF_TASK = ("TaskSubtype", "Type")
_PHONE_TASKS = Rule(
    object="Task",
    table="interactions",
    columns={
        "interaction_id": "Id",
        "hcp_id": _person("WhoId"),
        "ts": ("CompletedDateTime", "ActivityDate"),
        "recorded_at": "CreatedDate",
        "channel": _KIND_OF_TASK,
        "direction": "CallType",
        "outcome": "Status",
        "duration_s": "CallDurationInSeconds",
        "user_id": "OwnerId",
    },
    ids={"interaction_id": "Task:{}", "hcp_id": "{}", "user_id": "{}"},
    values={
        "channel": Picklist(
            {
                "Call": "phone",
                "Email": ELSEWHERE,
                "ListEmail": SET_ASIDE,
                "Task": SET_ASIDE,
                "Cadence": SET_ASIDE,
                "LinkedIn": SET_ASIDE,
                "Meeting": SET_ASIDE,
                "Other": SET_ASIDE,
            },
            otherwise=SET_ASIDE,
            empty=SET_ASIDE,
        ),
        "direction": Picklist(
            {"Outbound": "outbound", "Inbound": "inbound", "Internal": SET_ASIDE}, empty="outbound"
        ),
        "outcome": _STATUS_OF_TASK,
    },
    fill={"source": "Task"},
    dates=("ActivityDate",),
    without="no phone calls",
)
_EMAIL_TASKS = Rule(
    object="Task",
    table="interactions",
    columns={k: v for k, v in _PHONE_TASKS.columns.items() if k not in ("direction", "duration_s")},
    ids=_PHONE_TASKS.ids,
    values={
        "channel": Picklist({"Email": "approved_email"}, otherwise=ELSEWHERE, empty=ELSEWHERE),
        "outcome": Picklist({**_STATUS_OF_TASK.to, "Completed": "sent"}, empty=REFUSE),
    },
    fill={"direction": "outbound", "source": "Task"},
    dates=("ActivityDate",),
    unless="EmailMessageRelation",
)
_EVENTS = Rule(
    object="Event",
    table="interactions",
    columns={
        "interaction_id": "Id",
        "hcp_id": _person("WhoId"),
        "ts": ("StartDateTime", "ActivityDateTime", "ActivityDate"),
        "recorded_at": "CreatedDate",
        "channel": "Type",
        "duration_s": "DurationInMinutes",
        "user_id": "OwnerId",
    },
    ids={"interaction_id": "Event:{}", "hcp_id": "{}", "user_id": "{}"},
    values={
        "channel": Picklist(
            {"Meeting": "rep_visit", "Call": "phone", "Other": "rep_visit", "Email": SET_ASIDE},
            otherwise="rep_visit",
            empty="rep_visit",
        )
    },
    fill={"direction": "outbound", "outcome": "held", "source": "Event"},
    dates=("ActivityDate",),
    scale={"duration_s": 60.0},
    has_future=True,
    without="no meetings out of calendars",
)
_VISITS = Rule(
    object="Visit",
    table="interactions",
    columns={
        "interaction_id": "Id",
        "hcp_id": (*_person("ContactId"), "AccountId"),
        "ts": ("ActualVisitStartTime", "PlannedVisitStartTime"),
        "recorded_at": "CreatedDate",
        "channel": "Channel",
        "outcome": "Status",
        "user_id": ("VisitorId", "OwnerId"),
    },
    ids={"interaction_id": "Visit:{}", "hcp_id": "{}", "user_id": "{}"},
    values={
        "channel": Picklist(
            {
                "In-Person": "rep_visit",
                "Remote": "remote_call",
                "Phone": "phone",
                "Email": "email",
                "SMS": "sms",
                "WeChat": "wechat",
                "WhatsApp": "whatsapp",
            },
            otherwise="other_visit",
            empty="rep_visit",
        ),
        "outcome": Picklist(
            {
                "Completed": "held",
                "Submitted": "held",  # k
                "Planned": SET_ASIDE,
                "InProgress": SET_ASIDE,
                "Abandoned": SET_ASIDE,  # k
                "Cancelled": SET_ASIDE,  # k
            },
            empty=REFUSE,
        ),
    },
    fill={"direction": "outbound", "source": "Visit"},
    without="no visits",
)
_MESSAGE = "EmailMessageRelation:{}"
_MESSAGES = Rule(
    # One row a recipient: an email to three HCPs is three touches.
    object="EmailMessageRelation",
    table="interactions",
    columns={
        "interaction_id": "Id",
        "hcp_id": _person("RelationId"),
        "ts": Via("EmailMessageId", "EmailMessage", "MessageDate"),
        "outcome": Via("EmailMessageId", "EmailMessage", "Status"),
        "content_id": Via("EmailMessageId", "EmailMessage", "EmailTemplateId"),
        "user_id": Via("EmailMessageId", "EmailMessage", "CreatedById"),
    },
    ids={"interaction_id": _MESSAGE, "hcp_id": "{}", "content_id": "EmailTemplate:{}", "user_id": "{}"},
    values={
        "outcome": Picklist(
            {
                "3": "sent",
                "Sent": "sent",
                # New, read, replied and forwarded are mails that came in; 5 is a draft.
                "0": SET_ASIDE,
                "1": SET_ASIDE,
                "2": SET_ASIDE,
                "4": SET_ASIDE,
                "5": SET_ASIDE,
            },
            empty=REFUSE,
        )
    },
    fill={"channel": "approved_email", "direction": "outbound", "source": "EmailMessage"},
    where={"RelationType": ("ToAddress",)},
    needs=("EmailMessage",),
    without="emails of reps are known only as tasks",
)
_MESSAGE_OPENS = Rule(
    object="EmailMessageRelation",
    table="interactions",
    columns={
        **_MESSAGES.columns,
        "ts": Via("EmailMessageId", "EmailMessage", "FirstOpenedDate"),
        "parent_id": "Id",
        "outcome": Filled(Via("EmailMessageId", "EmailMessage", "FirstOpenedDate"), "opened"),
    },
    ids={**_MESSAGES.ids, "interaction_id": _MESSAGE + ":opened", "parent_id": _MESSAGE},
    values={"outcome": Picklist({"opened": "opened"}, empty=ELSEWHERE)},
    fill={**_MESSAGES.fill, "direction": "inbound"},
    where=_MESSAGES.where,
    needs=("EmailMessage",),
)
_RESULTS = Rule(
    object=_RESULT,
    table="interactions",
    columns={
        "interaction_id": "Id",
        "hcp_id": _person("et4ae5__Contact__c"),
        "ts": "et4ae5__DateSent__c",
        "content_id": "et4ae5__SendDefinition__c",
    },
    ids={"interaction_id": _RESULT + ":{}", "hcp_id": "{}", "content_id": _DEFINITION + ":{}"},
    fill={"channel": "hq_email", "direction": "outbound", "outcome": "sent", "source": _RESULT},
    if_filled="et4ae5__DateSent__c",
    without="no marketing emails",
)


def _result(outcome: str, column: str) -> Rule:
    """What one result says happened to its email."""
    return Rule(
        object=_RESULT,
        table="interactions",
        columns={**_RESULTS.columns, "ts": column, "parent_id": "Id"},
        ids={
            **_RESULTS.ids,
            "interaction_id": _RESULT + ":{}:" + outcome,
            "parent_id": _RESULT + ":{}",
        },
        fill={**_RESULTS.fill, "direction": "inbound", "outcome": outcome},
        if_filled=column,
    )


# A result says that it was clicked, not when: nobody can have known before its last tracking, and the first
# open would be the mail server's.
_RESULT_CLICKS = _result("clicked", "et4ae5__Tracking_As_Of__c").extended(
    where={"et4ae5__Clicked__c": ("true", "1")}
)

_MEMBER = "CampaignMember:{}"
_TYPE_OF_CAMPAIGN = Via("CampaignId", "Campaign", "Type")
_MEMBERS = Rule(
    object="CampaignMember",
    table="interactions",
    columns={
        "interaction_id": "Id",
        "hcp_id": _person("ContactId"),
        "ts": "CreatedDate",
        "channel": _TYPE_OF_CAMPAIGN,
        "outcome": "Status",
        "content_id": "CampaignId",
    },
    ids={"interaction_id": _MEMBER, "hcp_id": "{}", "content_id": "Campaign:{}"},
    values={"channel": _CHANNEL_OF_MEMBER, "outcome": Picklist(_STATUS_OF_MEMBER, empty=REFUSE)},
    fill={"direction": "outbound", "source": "CampaignMember"},
    needs=("Campaign",),
    without="no campaigns, webinars and events",
)
_MEMBER_ANSWERS = Rule(
    object="CampaignMember",
    table="interactions",
    columns={
        **_MEMBERS.columns,
        "ts": "FirstRespondedDate",
        "recorded_at": "LastModifiedDate",
        "parent_id": "Id",
    },
    ids={**_MEMBERS.ids, "interaction_id": _MEMBER + ":answered", "parent_id": _MEMBER},
    values={"channel": _CHANNEL_OF_MEMBER, "outcome": Picklist(_ANSWER_OF_MEMBER, empty=REFUSE)},
    fill={**_MEMBERS.fill, "direction": "inbound"},
    if_filled="FirstRespondedDate",
    dates=("FirstRespondedDate",),
    needs=("Campaign",),
)
# Where Marketing Cloud's own results are there, the members of email campaigns would count twice.
_NO_EMAIL = {_TYPE_OF_CAMPAIGN: tuple(name for name in _CHANNEL_OF_CAMPAIGN.to if name != "Email")}
_ONLY_EMAIL = {_TYPE_OF_CAMPAIGN: ("Email",)}

_OPT_TYPE = Picklist(
    {
        "OptIn": "opt_in",
        "OptOut": "opt_out",
        "Pending": "opt_in_pending",  # k
        # Whether somebody saw the question is no answer.
        "Seen": SET_ASIDE,
        "NotSeen": SET_ASIDE,
    },
    empty=REFUSE,
)
_POINT_TYPE = Picklist(
    {
        # The object knows email, not who sends it.
        "Email": _EMAIL_CHANNELS,
        "Phone": "phone",
        "MailingAddress": "mail",
        "Social": "social",
        "Web": "portal",
    },
    empty=REFUSE,
)
_PURPOSE = Picklist(
    {"Marketing": "promotional", "Medical": "medical", "Education": "educational"},  # k
    # A purpose nobody has named opens nothing and closes nothing but itself.
    otherwise=KEEP,
)
_CONSENT_COLUMNS: Mapping[str, Origins] = {
    "purpose": (Via("DataUsePurposeId", "DataUsePurpose", "Name"), "DataUsePurposeId"),
    "opt_type": "PrivacyConsentStatus",
    "captured_at": "CaptureDate",
    "expires_at": "EffectiveTo",
}
_TYPE_CONSENT = Rule(
    object="ContactPointTypeConsent",
    table="consent",
    columns={**_CONSENT_COLUMNS, "hcp_id": _party("PartyId"), "channel": "ContactPointType"},
    ids={"hcp_id": "{}"},
    values={"channel": _POINT_TYPE, "opt_type": _OPT_TYPE, "purpose": _PURPOSE},
    narrower={"BusinessBrandId": ""},
    effective="EffectiveFrom",
    without="no consent by kind of contact point; without any consent every channel that needs it is blocked",
)


def _point(object_name: str, kind: str) -> tuple[Via, Filled]:
    """Whose an address is, and what kind of address."""
    owner = Via("ContactPointId", object_name, "ParentId")
    return owner, Filled(owner, kind)


_POINTS = (
    _point("ContactPointEmail", "Email"),
    _point("ContactPointPhone", "Phone"),
    _point("ContactPointAddress", "MailingAddress"),
)
_POINT_CONSENT = Rule(
    object="ContactPointConsent",
    table="consent",
    columns={
        **_CONSENT_COLUMNS,
        "hcp_id": tuple(origin for owner, _ in _POINTS for origin in _party(owner)),
        "channel": tuple(kind for _, kind in _POINTS),
    },
    ids={"hcp_id": "{}"},
    values={"channel": _POINT_TYPE, "opt_type": _OPT_TYPE, "purpose": _PURPOSE},
    narrower={"BusinessBrandId": ""},
    effective="EffectiveFrom",
    without="no consent by contact point",
)


def _email_opt_out(object_name: str, column: str) -> Rule:
    """The box "email opt out", which knows no date but that of its record's last change."""
    return Rule(
        object=object_name,
        table="consent",
        columns={"hcp_id": "Id", "channel": column, "captured_at": ("LastModifiedDate", "CreatedDate")},
        ids={"hcp_id": "{}"},
        values={"channel": Picklist({"true": _EMAIL_CHANNELS, "1": _EMAIL_CHANNELS}, ELSEWHERE, ELSEWHERE)},
        fill={"opt_type": "opt_out"},
        if_filled=column,
    )


SALESFORCE: Rules = {
    "accounts": _ACCOUNTS,
    "contacts": _CONTACTS,
    "campaigns": _CAMPAIGNS,
    "templates": _TEMPLATES,
    "sends": _DEFINITIONS,
    "phone_tasks": _PHONE_TASKS,
    "email_tasks": _EMAIL_TASKS,
    "events": _EVENTS,
    "visits": _VISITS,
    "messages": _MESSAGES,
    "message_opens": _MESSAGE_OPENS,
    "results": _RESULTS,
    "result_opens": _result("opened", "et4ae5__DateOpened__c"),
    "result_clicks": _RESULT_CLICKS,
    "result_bounces": _result("bounced", "et4ae5__DateBounced__c"),
    "result_unsubscribes": _result("unsubscribed", "et4ae5__DateUnsubscribed__c"),
    "members": _MEMBERS.extended(where=_NO_EMAIL),
    "member_answers": _MEMBER_ANSWERS.extended(where=_NO_EMAIL),
    "email_members": _MEMBERS.extended(where=_ONLY_EMAIL, unless=_RESULT, without=""),
    "email_member_answers": _MEMBER_ANSWERS.extended(where=_ONLY_EMAIL, unless=_RESULT),
    "type_consent": _TYPE_CONSENT,
    "point_consent": _POINT_CONSENT,
    "account_email_opt_out": _email_opt_out("Account", "PersonHasOptedOutOfEmail"),
    "contact_email_opt_out": _email_opt_out("Contact", "HasOptedOutOfEmail"),
}
"""How Salesforce's objects become our tables: print it, replace a rule, add your own."""


def from_salesforce(
    objects: Mapping[str, object],
    *,
    country: str | None = None,
    language: str | None = None,
    zone: str | None = None,
    observed_until: object = None,
    rules: Rules = SALESFORCE,
) -> Engagement:
    """Read an export of Salesforce: Health or Life Sciences Cloud, Marketing Cloud's results, or plain.

    Only names and picklists are mapped; nothing is asked over a network. HCPs are person accounts, and the
    contacts that are none. Ids say which object they are of (``Task:00T...``), except those of HCPs.
    Addresses, subjects and free texts do not come in.

    Parameters
    ----------
    objects : pandas, polars or pyarrow tables by object name; ``Account`` or ``Contact``, one object of
        touches and one of ``Campaign``, ``EmailTemplate`` or ``et4ae5__SendDefinition__c`` are needed
    country, language : of HCPs and content whose rows name none
    zone : the time zone of moments that carry none; days without a time are 00:00 there (UTC without it),
        and known when they are over
    observed_until : as for :class:`Engagement`; has to be said where ``Event`` is given, since calendars
        hold what is still to come
    rules : your own reading of your CRM: ``SALESFORCE | {"visits": SALESFORCE["visits"].extended(...)}``

    Raises
    ------
    TableError
        With every fault of every object.
    ArgumentError
        If the end of the log has to be said.

    Examples
    --------
    >>> import pandas as pd
    >>> export = {
    ...     "Contact": pd.DataFrame({"Id": ["003a"], "IndividualId": ["0PKa"]}),
    ...     "Campaign": pd.DataFrame({"Id": ["701a"], "Name": ["Heart failure"], "Type": ["Webinar"],
    ...                               "IsActive": [True], "StartDate": ["2026-01-01"]}),
    ...     "CampaignMember": pd.DataFrame({
    ...         "Id": ["00va"], "CampaignId": ["701a"], "ContactId": ["003a"], "Status": ["Attended"],
    ...         "CreatedDate": ["2026-01-10T08:00:00.000+0000"], "FirstRespondedDate": ["2026-01-20"],
    ...         "LastModifiedDate": ["2026-01-21T06:00:00.000+0000"]}),
    ...     "ContactPointTypeConsent": pd.DataFrame({
    ...         "Id": ["0ZXa"], "PartyId": ["0PKa"], "ContactPointType": ["Email"],
    ...         "PrivacyConsentStatus": ["OptOut"], "CaptureDate": ["2026-01-05T00:00:00.000+0000"]}),
    ... }
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # the campaign names no topic
    ...     data = from_salesforce(export, country="US", language="en")
    >>> data.interactions[["channel", "outcome", "content_id"]].values.tolist()
    [['webinar', 'sent', 'Campaign:701a'], ['webinar', 'attended', 'Campaign:701a']]
    >>> data.consent[["channel", "opt_type"]].values.tolist()
    [['approved_email', 'opt_out'], ['hq_email', 'opt_out']]
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
