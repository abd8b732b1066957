"""The rule for machines, against a loop over the log."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nba.tables.machine import BURST_CLICKS, MACHINE_SECONDS, machine_rows

ROW = st.tuples(
    st.sampled_from(["opened", "clicked", "completed"]),
    st.integers(0, 5),
    st.integers(0, 3),
    st.integers(0, 1),
)


def by_loop(outcome, ts, known, parent, flagged, sent):
    machine = list(flagged)
    for i in range(len(ts)):
        p = parent[i]
        if p < 0:
            continue
        quick = outcome[i] in ("opened", "clicked", "downloaded")
        if quick and sent[p] and known[p] <= known[i] and ts[i] - ts[p] <= MACHINE_SECONDS:
            machine[i] = True
        burst = [
            j
            for j in range(len(ts))
            if outcome[j] == outcome[i] == "clicked"
            and (parent[j], ts[j]) == (p, ts[i])
            and known[j] <= known[i]
        ]
        if len(burst) >= BURST_CLICKS:
            machine[i] = True
    return machine


@given(st.lists(ROW, max_size=30), st.booleans())
def test_the_rule_equals_a_loop_over_the_log(rows, is_sent):
    outcome = ["sent", "sent", *[row[0] for row in rows]]
    ts = np.array([0, 0, *[row[1] for row in rows]])
    known = ts + np.array([0, 2, *[row[2] for row in rows]])
    parent = np.array([-1, -1, *[row[3] for row in rows]])
    flagged = np.zeros(len(ts), dtype=bool)
    sent = np.array([is_sent, is_sent, *[False] * len(rows)])
    kinds = np.array(outcome)

    machine = machine_rows(
        flagged=flagged,
        quick=np.isin(kinds, ["opened", "clicked", "downloaded"]),
        clicked=kinds == "clicked",
        sent=sent,
        ts=ts,
        known=known,
        parent=parent,
    )

    assert machine.tolist() == by_loop(outcome, ts, known, parent, flagged, sent)
