"""Consent rows, and that nobody was contacted against them."""

import pandas as pd

from nba.simulate.catalogue import NEED_CONSENT
from nba.tables import default_channels


def test_all_kinds_of_consent_are_there(year):
    consent = year.engagement.consent

    assert set(consent["opt_type"]) == {"opt_in", "opt_out", "opt_in_pending"}
    assert {"unsubscribed", "consent_capture"} <= set(consent["optout_event"].dropna())
    assert consent["expires_at"].notna().sum() > 20
    known = set(zip(consent["hcp_id"], consent["channel"], strict=True))
    assert len(known) < 0.95 * len(year.engagement.hcps) * len(NEED_CONSENT)


def test_every_channel_that_needs_consent_by_default_has_it_asked_for():
    channels = default_channels().set_index("channel")

    for channel in NEED_CONSENT:
        assert channels.loc[channel, "consent_required"]


def test_nobody_was_contacted_without_consent(year):
    consent = year.engagement.consent
    by_pair = {pair: rows.sort_values("captured_at") for pair, rows in consent.groupby(["hcp_id", "channel"])}
    rows = year.engagement.interactions
    touches = rows[rows["touch"] & rows["channel"].isin(NEED_CONSENT)].sample(800, random_state=0)

    for hcp, channel, ts in zip(touches["hcp_id"], touches["channel"], touches["ts"], strict=True):
        given = by_pair[(hcp, channel)]
        latest = given[given["captured_at"] < ts].iloc[-1]
        assert latest["opt_type"] == "opt_in"
        assert pd.isna(latest["expires_at"]) or ts < latest["expires_at"]


def test_an_unsubscription_is_in_both_tables_at_the_same_moment(year):
    consent = year.engagement.consent
    left = consent[consent["optout_event"] == "unsubscribed"]
    rows = year.engagement.interactions
    seen = rows[rows["outcome"] == "unsubscribed"]

    pairs = set(zip(left["hcp_id"], left["channel"], left["captured_at"], strict=True))
    assert len(pairs) > 10
    assert len(pairs - set(zip(seen["hcp_id"], seen["channel"], seen["ts"], strict=True))) <= 1


def test_pressure_drives_people_away(year):
    rows = year.engagement.interactions
    mail = rows[rows["touch"] & (rows["channel"] == "hq_email")].groupby("hcp_id").size()
    left = rows[(rows["outcome"] == "unsubscribed") & (rows["channel"] == "hq_email")]

    before = [
        (
            (rows["hcp_id"] == hcp)
            & rows["touch"]
            & (rows["channel"] == "hq_email")
            & rows["ts"].between(ts - pd.Timedelta(days=31), ts)
        ).sum()
        for hcp, ts in zip(left["hcp_id"], left["ts"], strict=True)
    ]
    assert sum(before) / len(before) > 1.3 * mail.mean() / 12
