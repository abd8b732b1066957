"""The best slot against a plain count, and its silence where nothing stands out."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nba.contracts import DAY
from nba.history.rhythm import best_slot

AT = 1_780_000_000


def log_of(moments):
    ts = np.array(moments, dtype=np.int64)
    return {"ts": ts, "recorded_at": ts.copy(), "engaged": np.ones(len(ts), dtype=bool)}


def local(days, hour, minute=0, zone="UTC"):
    tz = ZoneInfo(zone)
    first = datetime.fromtimestamp(AT, tz).replace(hour=hour, minute=minute, second=0)
    return [int(first.timestamp()) - day * DAY for day in days]


def test_the_slot_holds_the_usual_hour_in_the_hcps_own_time():
    rng = np.random.default_rng(0)
    noise = [AT - int(s) for s in rng.integers(DAY, 90 * DAY, 5)]
    moments = local(range(2, 22), 18, 30, zone="America/New_York") + noise

    found = best_slot(log_of(moments), at=AT, timezone="America/New_York")

    start, end = found.value.split("–")
    assert start <= "18:30" < end
    assert found.n >= 20
    assert found.status == "ok"


def test_a_rhythm_across_midnight_is_one_rhythm():
    moments = local(range(2, 12), 23, 40) + local(range(2, 12), 0, 20)

    found = best_slot(log_of(moments), at=AT, timezone="UTC")

    assert found.value == "23:00–01:00"
    assert found.n == 20


def test_without_a_zone_a_rhythm_or_enough_engagements_nothing_is_told():
    steady = local(range(2, 22), 9)
    spread = [AT - (2 + i) * DAY - i * 3600 for i in range(24)]

    for moments, zone in ((steady, ""), (steady, "Mars/Base"), (spread, "UTC"), (steady[:4], "UTC")):
        found = best_slot(log_of(moments), at=AT, timezone=zone)
        assert (found.value, found.status) == (None, "not_available")


def test_hcps_without_a_rhythm_are_told_one_in_at_most_one_of_twenty():
    rng = np.random.default_rng(4)
    told = [
        best_slot(log_of(AT - rng.integers(DAY, 200 * DAY, 30)), at=AT, timezone="UTC").status == "ok"
        for _ in range(300)
    ]

    assert np.mean(told) <= 0.05


@given(st.integers(0, 2**31))
def test_neither_order_nor_what_is_not_known_yet_matters(seed):
    rng = np.random.default_rng(seed)
    log = log_of(local(range(2, 14), 8) + [AT - int(s) for s in rng.integers(DAY, 60 * DAY, 6)])
    more = {k: np.concatenate([v, v[:5] + 30 * DAY if k == "recorded_at" else v[:5]]) for k, v in log.items()}
    order = rng.permutation(len(more["ts"]))

    shuffled = best_slot({k: v[order] for k, v in more.items()}, at=AT, timezone="UTC")

    assert shuffled == best_slot(log, at=AT, timezone="UTC")
