"""Documents in every state of a real library."""

import numpy as np
import pandas as pd
import pytest

from nba.simulate import territory

UNTIL = pd.Timestamp("2026-10-01", tz="UTC")


def test_documents_in_every_state_are_there(year):
    content = year.engagement.content

    assert {"approved", "staged", "withdrawn", "expired"} == set(content["approval_status"])
    assert content["supersedes"].notna().any()
    assert set(content["supersedes"].dropna()) <= set(content["content_id"])
    assert content["family_id"].nunique() == 24
    assert {"promotional", "educational", "medical"} == set(content["purpose"])


def test_new_documents_have_no_history(year):
    content, rows = year.engagement.content, year.engagement.interactions

    new = content[
        (content["approval_status"] == "approved")
        & (content["approved_from"] > UNTIL - pd.Timedelta(days=20))
    ]
    assert len(new) >= 2
    assert not rows["content_id"].isin(new["content_id"]).any()


@pytest.mark.parametrize("contents", [20, 24, 30])
def test_every_hcp_has_at_least_twelve_eligible_documents(contents):
    world = territory(seed=5, hcps=20, days=60, contents=contents)
    content = world.engagement.content
    valid = content[
        (content["approval_status"] == "approved")
        & (content["approved_from"] <= UNTIL)
        & (content["expiry"] > UNTIL)
    ]

    hcps = world.engagement.hcps
    for country, language in set(zip(hcps["country"], hcps["language"], strict=True)):
        there = np.array([country in listed for listed in valid["country"]])
        mine = valid[there & (valid["language"] == language).to_numpy()]
        assert mine["family_id"].nunique() >= 12


def test_a_renewed_document_replaces_the_old_one_in_use(year):
    content, rows = year.engagement.content, year.engagement.interactions
    newer = content[content["supersedes"].notna()]

    for old, since in zip(newer["supersedes"], newer["approved_from"], strict=True):
        touched = rows[rows["touch"] & (rows["content_id"] == old)]
        assert (touched["ts"] <= since).all()


def test_medical_documents_never_go_through_reps(year):
    content = year.engagement.content
    medical = content[content["purpose"] == "medical"]

    assert len(medical) > 0
    assert not any({"rep_visit", "approved_email", "phone"} & set(listed) for listed in medical["channels"])
