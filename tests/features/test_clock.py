"""The clock on an HCP's wall, summer time and all."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from nba.features.clock import BLOCKS, HOURS, WEEKDAYS, clock_codes

ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "", "no such zone")


@pytest.mark.parametrize("by", ["hour", "hour_block", "weekday"])
def test_every_event_is_read_on_its_hcps_own_clock(by: str) -> None:
    rng = np.random.default_rng(2)
    ids = np.array([f"h{i}" for i in range(len(ZONES))], dtype=object)
    who = np.repeat(ids, 200)
    ts = rng.integers(-(10**8), 2 * 10**9, len(who))
    hcps = {"hcp_id": ids, "timezone": np.array(ZONES, dtype=object)}

    names, code = clock_codes(by, {"ts": ts, "hcp_id": who}, hcps)

    for moment, hcp, c in zip(ts.tolist(), who, code, strict=True):
        zone = ZONES[int(hcp[1:])]
        zone = "UTC" if zone in ("", "no such zone") else zone
        wall = dt.datetime.fromtimestamp(moment, dt.UTC).astimezone(ZoneInfo(zone))
        expected = {
            "hour": HOURS[wall.hour],
            "hour_block": BLOCKS[wall.hour // 4],
            "weekday": WEEKDAYS[wall.weekday()],
        }
        assert names[c] == expected[by]


def test_without_a_table_of_hcps_every_clock_shows_utc() -> None:
    names, code = clock_codes("hour", {"ts": np.array([7 * 3600]), "hcp_id": np.array(["h"], object)}, None)

    assert names[code[0]] == "07"
