"""The channels that ship."""

from __future__ import annotations

import pandas as pd

from nba.tables import TABLES, default_channels
from nba.tables.checks import checked
from nba.tables.columns import OUTCOMES
from nba.tables.defaults import filled_channels


def test_the_shipped_channels_pass_their_own_checks():
    _, findings = checked(default_channels(["fax"]), TABLES["channels"])

    assert (findings.faults, findings.warnings) == ([], [])


def test_every_success_is_an_outcome():
    assert {outcome for success in default_channels()["success"] for outcome in success} <= set(OUTCOMES)


def test_a_channel_nobody_described_needs_consent():
    assert default_channels(["fax"]).set_index("channel").loc["fax", "consent_required"]
    assert filled_channels(pd.DataFrame({"channel": ["fax"]}))["consent_required"].tolist() == [True]


def test_a_given_cell_counts_more_than_the_default():
    given = pd.DataFrame({"channel": ["webinar"], "attribution_days": [7.0], "success": [("registered",)]})

    (row,) = filled_channels(given).to_dict("records")

    assert (row["attribution_days"], row["success"], row["direction"]) == (7.0, ("registered",), "outbound")
