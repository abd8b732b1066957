# %% [markdown]
# # Your own data: from the columns you have to the first recommendation
# Three ways lead in: map the columns of frames you have, read an export of Veeva CRM or Salesforce, or
# write rules for the objects of any other CRM. They map names and vocabularies; nothing is asked over a
# network.
#
# The tables here are invented. Put yours in their place, cell by cell.

# %%
import warnings

import pandas as pd

import nba
from nba import guardrails, tables

ZONE = "Europe/Berlin"


def invented_crm():
    """Four frames as a CRM might give them: other names, codes for words, local times without a zone."""
    known = nba.simulate.territory(seed=3, hcps=120, days=180, until="2026-09-01", contents=20).engagement
    log, content, consent = known.interactions, known.content, known.consent
    log = log[log["channel"].isin(["rep_visit", "approved_email", "remote_call"])]
    codes = {"held": "DONE", "declined": "REFUSED", "sent": "SENT", "opened": "OPEN", "clicked": "CLICK"}
    log = log[log["outcome"].isin(codes)]
    kinds = {"rep_visit": "F2F", "approved_email": "EML", "remote_call": "REM"}
    return {
        "activities": pd.DataFrame(
            {
                "ActivityNo": log["interaction_id"],
                "Doctor": log["hcp_id"],
                "LocalTime": log["ts"].dt.tz_convert(ZONE).dt.tz_localize(None),
                "Kind": log["channel"].map(kinds),
                "Result": log["outcome"].map(codes),
                "Material": log["content_id"],
                "AnswerTo": log["parent_id"],
            }
        ),
        "materials": content.rename(
            columns={"content_id": "Material", "document_number": "DocNo", "topic": "Subject"}
        ),
        "doctors": known.hcps[["hcp_id", "country", "language", "specialty"]].rename(
            columns={"hcp_id": "Doctor", "country": "Country", "language": "Language", "specialty": "Field"}
        ),
        "permissions": pd.DataFrame(
            {
                "Doctor": consent["hcp_id"],
                "Kind": consent["channel"].map({"approved_email": "EML", "remote_call": "REM"}),
                "Status": consent["opt_type"].map(
                    {"opt_in": "YES", "opt_out": "NO", "opt_in_pending": "ASKED"}
                ),
                "Since": consent["captured_at"].dt.tz_convert(ZONE).dt.tz_localize(None),
            }
        ).dropna(subset=["Kind"]),
    }


crm = invented_crm()
crm["activities"].head()

# %% [markdown]
# ## Map the columns
# A mapping says `{our name: your name}`; `values` says what your codes mean. Our names stand in
# `nba.tables.TABLES`; these are needed, and everything else switches something on.

# %%
for name in ("interactions", "content", "hcps"):
    print(f"{name}: {', '.join(column.name for column in tables.TABLES[name].columns if column.required)}")

# %% [markdown]
# A first try, with slips that are easily made: no zone for local times, a code that was forgotten, a column
# that is named otherwise. All faults of all tables are said at once, each with its column, its count, its
# first row, and what to do. A cell that may be about a person is never repeated.

# %%
hasty = tables.from_frame(
    crm["activities"],
    mapping={
        "interaction_id": "ActivityNo",
        "hcp_id": "Doctor",
        "ts": "LocalTime",
        "channel": "Kind",
        "direction": "Result",
        "outcome": "Result",
        "content_id": "Material",
    },
    values={
        "direction": {
            "DONE": "outbound",
            "REFUSED": "outbound",
            "SENT": "outbound",
            "OPEN": "inbound",
            "CLICK": "inbound",
        },
        "outcome": {"DONE": "held", "SENT": "sent", "OPEN": "opened", "CLICK": "clicked"},
    },
)
try:
    nba.Engagement(hasty, crm["materials"], crm["doctors"])
except nba.NBAError as error:
    print(error)

# %% [markdown]
# The mapping as it should be. An answer (an open, a click) is inbound, and `parent_id` says which touch it
# answers.

# %%
KINDS = {"F2F": "rep_visit", "EML": "approved_email", "REM": "remote_call"}

interactions = tables.from_frame(
    crm["activities"],
    mapping={
        "interaction_id": "ActivityNo",
        "hcp_id": "Doctor",
        "ts": "LocalTime",
        "channel": "Kind",
        "direction": "Result",
        "outcome": "Result",
        "content_id": "Material",
        "parent_id": "AnswerTo",
    },
    values={
        "channel": KINDS,
        "direction": dict.fromkeys(["DONE", "REFUSED", "SENT"], "outbound")
        | dict.fromkeys(["OPEN", "CLICK"], "inbound"),
        "outcome": {
            "DONE": "held",
            "REFUSED": "declined",
            "SENT": "sent",
            "OPEN": "opened",
            "CLICK": "clicked",
        },
    },
    zone=ZONE,
)
same = {column: column for column in tables.TABLES["content"].names if column in crm["materials"]}
content = tables.from_frame(
    crm["materials"],
    mapping=same | {"content_id": "Material", "document_number": "DocNo", "topic": "Subject"},
    table="content",
)
hcps = tables.from_frame(
    crm["doctors"],
    mapping={"hcp_id": "Doctor", "country": "Country", "language": "Language", "specialty": "Field"},
    table="hcps",
)
data = nba.Engagement(interactions, content, hcps)
print(data)

# %% [markdown]
# ## What do the tables allow?
# What is missing switches off what depends on it, and the notes say so. Then how much there is to learn
# from: touches whose window has closed, and what came of them.

# %%
for note in data.notes:
    print("-", note)

# %%
labels = nba.Response(within_days=14).labels(data, until=data.observed_until)
pairs = pd.DataFrame({"channel": [labels.actions[k].channel for k in labels.pair], "responses": labels.y})
by_channel = pairs.groupby("channel")["responses"].agg(touches="size", responses="sum", rate="mean")
print(f"{labels.censored} touches are too recent to tell: their window is still open")
by_channel.round(3)

# %% [markdown]
# ## Fit and recommend, without consent first
# Without a consent table everything that needs consent is blocked, and the funnel says so in its first
# line.

# %%
model = nba.NextBestAction(
    outcome=nba.Response(within_days=14),
    guardrails=[guardrails.FrequencyCap(6, days=30)],
)
model.fit(data)
print(model.training_)

plan = model.recommend(data, at="2026-09-01", seed=7)
print(plan.funnel())

# %% [markdown]
# With the permissions mapped as well, emails and remote calls open for those who agreed.
# `with_selection_prob` is 0 above: a history without logged probabilities can be learned from, but not used
# to value another policy. From the first decision on, the log keeps them.

# %%
consent = tables.from_frame(
    crm["permissions"],
    mapping={"hcp_id": "Doctor", "channel": "Kind", "opt_type": "Status", "captured_at": "Since"},
    values={"channel": KINDS, "opt_type": {"YES": "opt_in", "NO": "opt_out", "ASKED": "opt_in_pending"}},
    table="consent",
    zone=ZONE,
)
data = nba.Engagement(interactions, content, hcps, consent=consent)
plan = model.recommend(data, at="2026-09-01", seed=7)
chosen = plan.to_frame()
chosen["channel"].value_counts().rename("decisions").to_frame()

# %%
acting = chosen[chosen["channel"] != "do_nothing"]
plan[acting["hcp_id"].iloc[0]]

# %% [markdown]
# ## An export of Veeva CRM or Salesforce
# Objects under their own names go in as they are. Rules of your own stand beside ours: here the CRM has a
# status of calls that only this company knows.

# %%
export = {
    "Account": pd.DataFrame({"Id": ["001a"], "IsPersonAccount": True}),
    "Approved_Document_vod__c": pd.DataFrame(
        {
            "Id": ["doc1"],
            "Name": ["Efficacy"],
            "Vault_Document_ID_vod__c": ["PM-1"],
            "Status_vod__c": ["Approved_vod"],
            "CreatedDate": ["2026-01-01T00:00:00.000Z"],
        }
    ),
    "Call2_vod__c": pd.DataFrame(
        {
            "Id": ["c1", "c2"],
            "Account_vod__c": "001a",
            "Call_Datetime_vod__c": ["2026-02-01T10:00:00.000Z", "2026-02-08T10:00:00.000Z"],
            "Status_vod__c": ["Submitted_vod", "Refused_at_door__c"],
        }
    ),
}
rules = tables.VEEVA | {
    "calls": tables.VEEVA["calls"].extended(values={"outcome": {"Refused_at_door__c": "declined"}})
}
with warnings.catch_warnings(action="ignore", category=nba.NBAWarning):  # what is missing here is said below
    veeva = tables.from_veeva(export, country="DE", language="de", rules=rules)
for note in veeva.notes:
    print("-", note)
veeva.interactions[["interaction_id", "hcp_id", "ts", "channel", "outcome"]]
