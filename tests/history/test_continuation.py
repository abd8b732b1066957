"""Whether one engagement leads to another, against looking at every later event."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba import simulate
from nba.contracts import DAY
from nba.history.continuation import continuation_rates, continuations
from nba.history.touches import touch_answered

CHANNELS = {"channel": np.array(["email", "visit"], object), "success": [("clicked",), ("held",)]}
UNTIL = 40 * DAY


def log_of(events):
    """Canonical columns of (hcp, day, channel, content, what, delay in days)."""
    rows = sorted(events, key=lambda e: (e[0], e[1]))
    n = len(rows)
    hcp, day, channel, content, what, delay = (list(c) for c in zip(*rows, strict=True)) if n else [[]] * 6
    texts = {"hcp_id": hcp, "channel": channel, "content_id": content, "outcome": what}
    ts = (np.array(day, float) * DAY).astype(np.int64)
    return {name: np.array(values, dtype=object) for name, values in texts.items()} | {
        "interaction_id": np.array([f"i{i}" for i in range(n)], dtype=object),
        "parent_id": np.full(n, "", object),
        "ts": ts,
        "recorded_at": ts + (np.array(delay, float) * DAY).astype(np.int64),
        "touch": np.array([w in ("sent", "held") for w in what], dtype=bool),
        "machine": np.zeros(n, dtype=bool),
        "engaged": np.array([w in ("opened", "clicked", "held") for w in what], dtype=bool),
    }


def looked_up(log, *, until, within_days):
    """Touch -> whether the HCP engaged again, event by event."""
    found = {}
    answered, wins = touch_answered(log), {("email", "clicked"), ("visit", "held")}
    for p in range(len(log["ts"])):
        touch = int(answered[p])
        hit = (log["channel"][p], log["outcome"][p]) in wins
        if not hit or touch < 0 or touch in found or max(log["ts"][p], log["recorded_at"][p]) >= until:
            continue
        found[touch] = None
        end = log["ts"][p] + within_days * DAY
        if end > until:
            continue
        found[touch] = any(
            log["hcp_id"][q] == log["hcp_id"][p]
            and log["ts"][p] < log["ts"][q] <= end
            and log["engaged"][q]
            and max(log["ts"][q], log["recorded_at"][q]) < until
            and (answered[q] != touch)
            for q in range(len(log["ts"]))
        )
    return {touch: went_on for touch, went_on in found.items() if went_on is not None}


event = st.tuples(
    st.sampled_from("ab"),
    st.integers(0, 45).map(lambda d: d / 1.0),
    st.sampled_from(["email", "visit"]),
    st.sampled_from(["c1", "c2"]),
    st.sampled_from(["sent", "opened", "clicked", "held"]),
    st.sampled_from([0, 0, 0, 6]),
)


@settings(max_examples=300, deadline=None)
@given(events=st.lists(event, max_size=25), within_days=st.sampled_from([1, 7, 14]))
def test_continuations_equal_looking_at_every_later_event(events, within_days):
    log = log_of(events)

    touch, went_on = continuations(log, CHANNELS, until=UNTIL, within_days=within_days)

    assert dict(zip(touch.tolist(), went_on.tolist(), strict=True)) == looked_up(
        log, until=UNTIL, within_days=within_days
    )


def test_the_click_after_an_open_of_the_same_mail_is_no_further_engagement():
    mail = [("a", 1.0, "email", "c1", "sent", 0), ("a", 2.0, "email", "c1", "clicked", 0)]
    again = ("a", 3.0, "email", "c1", "clicked", 0)
    visit = ("a", 9.0, "visit", "", "held", 0)

    for events, went_on in (([*mail, again], False), ([*mail, again, visit], True)):
        found = continuations(log_of(events), CHANNELS, until=UNTIL, within_days=14)
        assert found[1][0] == went_on


def test_rates_are_held_to_their_channels_and_bounded():
    rng = np.random.default_rng(3)
    events = [
        (f"h{i:04d}", 1.0 + k / 10, channel, content, what, 0)
        for i in range(400)
        for k, (channel, content, what) in enumerate(
            [("email", f"c{i % 8}", "sent"), ("email", f"c{i % 8}", "clicked")]
            + [("visit", "", "held")] * bool(rng.random() < (0.7 if i % 8 == 0 else 0.2))
        )
    ]

    rates = continuation_rates(log_of(events), CHANNELS, until=UNTIL)

    assert rates["email"]["c0"] == pytest.approx(0.7, abs=0.15)
    assert rates["email"]["c1"] < rates["email"]["c0"]
    assert rates[""][""] < rates["email"]["c0"]
    assert all(0 < rate < 1 for by_content in rates.values() for rate in by_content.values())
    assert set(rates) == {"", "email", "visit"}


def test_what_is_known_later_changes_no_rate():
    data = simulate.territory(seed=3, hcps=60, days=120, contents=20).engagement
    columns, channels = data.columns("interactions"), data.columns("channels")
    until = int(np.quantile(columns["ts"], 0.6))
    early = np.flatnonzero(np.maximum(columns["ts"], columns["recorded_at"]) < until)

    whole = continuation_rates(columns, channels, until=until)
    cut = continuation_rates({name: c[early] for name, c in columns.items()}, channels, until=until)

    assert whole == cut
