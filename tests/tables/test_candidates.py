"""Candidates against a loop over every HCP and every action."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.contracts import DO_NOTHING
from nba.errors import ArgumentError, UnknownActionError, UnknownHCPError
from nba.tables import Engagement, candidates


def allowed_one_by_one(data: Engagement) -> dict[tuple[str, str, str], bool]:
    outbound = set(data.channels.loc[data.channels["direction"] == "outbound", "channel"])
    return {
        (person.hcp_id, channel, document.content_id): (
            (not document.country or person.country in document.country)
            and (pd.isna(person.language) or person.language == document.language)
        )
        for person in data.hcps.itertuples()
        for document in data.content.itertuples()
        for channel in document.channels
        if channel in outbound
    }


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
def test_an_action_is_allowed_where_country_and_language_fit(territory, seed):
    frames = territory(seed=seed)
    frames["hcps"].loc[::4, "language"] = None
    frames["content"].at[1, "channels"] = ["portal", "push"]
    data = Engagement(**frames)

    found = candidates(data, "2026-03-01")

    expected = allowed_one_by_one(data)
    assert found.actions[0] == DO_NOTHING
    assert list(found.actions[1:]) == sorted(found.actions[1:])
    assert found.allowed[:, 0].all()
    assert {
        (hcp, *action): found.allowed[row, k + 1]
        for row, hcp in enumerate(found.hcps)
        for k, action in enumerate(found.actions[1:])
    } == expected
    assert not any(action.channel == "portal" for action in found.actions)


def test_a_chunk_equals_its_rows_of_the_whole(frames):
    data = Engagement(**frames)
    whole = candidates(data, "2026-03-01")

    chunk = candidates(data, "2026-03-01", hcps=["h007", "h002", "h007"])

    assert chunk.hcps.tolist() == ["h002", "h007"]
    np.testing.assert_array_equal(chunk.allowed, whole.allowed[[2, 7]])


def test_a_decision_holds_for_its_days(frames):
    found = candidates(Engagement(**frames), "1970-01-02", valid_days=0.5)

    assert (found.at, found.valid_until) == (86_400, 86_400 + 43_200)


def test_channels_can_be_chosen(frames):
    found = candidates(Engagement(**frames), "2026-03-01", channels=["push"])

    assert {action.channel for action in found.actions[1:]} == {"push"}


def test_what_the_tables_do_not_hold_is_refused_without_naming_people(frames):
    data = Engagement(**frames)

    with pytest.raises(UnknownHCPError, match="1 of 2 HCPs") as caught:
        candidates(data, "2026-03-01", hcps=["h001", "zz-secret"])
    assert "secret" not in str(caught.value)
    with pytest.raises(UnknownActionError, match="telegraph"):
        candidates(data, "2026-03-01", channels=["telegraph"])
    with pytest.raises(ArgumentError, match="valid_days"):
        candidates(data, "2026-03-01", valid_days=0)
    with pytest.raises(ArgumentError, match="one text"):
        candidates(data, "2026-03-01", hcps="h001")


def test_nobody_gives_no_rows(frames):
    assert candidates(Engagement(**frames), "2026-03-01", hcps=[]).allowed.shape[0] == 0


@pytest.mark.slow
def test_a_chunk_costs_its_own_size(territory):
    frames = territory(hcps=200_000, touches=100, contents=100)
    data = Engagement(**frames)
    candidates(data, "2026-03-01", hcps=["h001"])

    start = time.process_time()
    candidates(data, "2026-03-01", hcps=data.columns("hcps")["hcp_id"][:5_000])

    assert time.process_time() - start < 0.5
