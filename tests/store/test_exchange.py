"""Decision logs from elsewhere, and this one as Parquet."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nba.contracts import DAY
from nba.errors import ArgumentError, LogConflictError, OutcomeError, SelectionError
from nba.store.receipts import from_json
from nba.tables.moments import arrow_of

DATA = Path(__file__).parents[2].parent / "shared" / "data"
BANDIT = {
    "mapping": {
        "decided_at": "timestamp", "content_id": "action", "selection_prob": "propensity", "reward": "reward",
        "batch_id": "campaign",
    },
    "constants": {"channel": "shop"},
}  # fmt: skip
ORALYTICS = {
    "mapping": {
        "hcp_id": "unit_id", "decided_at": "event_time", "channel": "channel", "content_id": "content",
        "selection_prob": "propensity", "reward": "reward",
    },
    "timezone": "UTC",
    "reward_range": (0.0, 1000.0),
}  # fmt: skip


def same_rows(one, other):
    """Whether two frames hold the same rows with the same types, in whatever order."""
    tables = [pa.table({name: arrow_of(frame[name]) for name in frame}) for frame in (one, other)]
    assert tables[0].schema == tables[1].schema
    keys = [(name, "ascending") for name in tables[0].column_names]
    return tables[0].sort_by(keys).equals(tables[1].sort_by(keys))


def comes_in_without_loss(log, frame, how):
    count = log.take_in(frame, origin="public", **how)
    again = log.take_in(frame.sample(frac=0.2, random_state=1), origin="public", **how)

    assert (count, again) == (len(frame), 0)
    assert same_rows(log.imported("public"), frame)
    settled = log.settled("public").rows
    assert len(settled) == len(frame)
    assert sum(it.reward for it in settled) == pytest.approx(frame["reward"].sum(), rel=1e-12)
    assert sorted(it.selection_prob for it in settled) == sorted(frame["propensity"])
    assert set(log.decisions()["status"]) == {"imported"}


def public(path):
    if not (DATA / path).exists():
        pytest.skip(f"{path} does not ship with the code")
    return pd.read_parquet(DATA / path)


def test_a_deployed_bandit_of_prompts_comes_in_without_loss(log):
    comes_in_without_loss(log, public("oralytics_pilot_bandit/logged.parquet"), ORALYTICS)


def test_rows_of_a_shop_come_in_without_loss(log):
    comes_in_without_loss(log, public("open_bandit/bts_men.parquet").head(500), BANDIT)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bts_men", "random_men"])
def test_a_whole_log_of_a_shop_comes_in_without_loss(log, name):
    comes_in_without_loss(log, public(f"open_bandit/{name}.parquet"), BANDIT)


@pytest.fixture
def frame(start):
    return pd.DataFrame({
        "who": ["a", "a", "b"],
        "when": pd.to_datetime([start * 1000 + 1, start * 1000 + 2, start * 1000 + 2], unit="ms", utc=True),
        "what": [1, 2, 2],
        "prob": [0.5, 0.25, 1.0],
        "won": [1.0, np.nan, 0.0],
        "more": pd.array([1, None, 3], dtype="Int8"),
    })  # fmt: skip


MINE = {
    "origin": "shop",
    "mapping": {"hcp_id": "who", "decided_at": "when", "content_id": "what", "selection_prob": "prob"}
    | {"reward": "won"},
    "constants": {"channel": "web"},
}


def test_what_comes_in_holds_no_place_and_teaches_nothing_here(log, receipt, engagement, frame, start):
    log.take_in(frame, **MINE)
    log.commit([receipt()])
    data = engagement([], observed_until=start + 99 * DAY)

    assert log.pending(start)["decision_id"].tolist() == ["d1"]
    assert {it.decision_id for it in log.outcomes(data, at=start + 90 * DAY).rows} == {"d1"}
    assert log.settled().rows == ()
    found = {(it.hcp_id, it.action.content): (it.state, it.reward) for it in log.settled("shop").rows}
    assert found == {("shop:a", "1"): ("rewarded", 1.0), ("shop:b", "2"): ("expired", 0.0)}


def test_rows_that_are_equal_are_as_many_as_they_were(log, frame):
    twice = pd.concat([frame, frame], ignore_index=True)

    assert log.take_in(frame, **MINE) == 3
    assert log.take_in(twice, **MINE) == 3
    assert same_rows(log.imported("shop"), twice)


def test_a_person_of_a_foreign_log_is_forgotten_like_any_other(log, frame):
    log.take_in(frame, **MINE)

    assert log.forget("shop:a") == 2

    assert log.imported("shop")["who"].tolist() == ["b"]
    assert len(log) == 3


@pytest.mark.parametrize(
    ("change", "how", "error"),
    [
        ({}, {"origin": " "}, ArgumentError),
        ({}, {"mapping": {"decided_at": "when"}}, ArgumentError),
        ({}, {"mapping": MINE["mapping"] | {"slot": "more"}}, ArgumentError),
        ({}, {"mapping": MINE["mapping"] | {"reward": "absent"}}, ArgumentError),
        ({"patient_id": "p"}, {}, ArgumentError),
        ({"prob": 0.0}, {}, SelectionError),
        ({"prob": np.nan}, {}, SelectionError),
        ({"won": 2.0}, {}, OutcomeError),
        ({"won": -np.inf}, {}, OutcomeError),
        ({"when": "2026-01-01"}, {}, ArgumentError),
        ({"when": pd.Timestamp("2026-01-01")}, {}, ArgumentError),
        ({"when": pd.NaT}, {}, ArgumentError),
        ({"who": " "}, {}, None),
    ],
)
def test_what_no_log_may_hold_is_refused_and_nothing_is_kept(log, frame, change, how, error):
    if error is None:
        assert log.take_in(frame.assign(**change), **(MINE | how)) == 3
        return
    with pytest.raises(error):
        log.take_in(frame.assign(**change), **(MINE | how))

    assert len(log) == 0


def test_other_columns_under_the_same_origin_are_refused(log, frame):
    log.take_in(frame, **MINE)

    with pytest.raises(LogConflictError, match="other columns"):
        log.take_in(frame.drop(columns="more"), **MINE)
    with pytest.raises(ArgumentError, match="nothing of this origin"):
        log.imported("another")


def test_an_export_holds_every_row_and_every_receipt(log, receipt, frame, start, tmp_path):
    made = [receipt("d1"), receipt("d2", hcp_id="h2"), receipt("d3", hcp_id="h3")]
    log.commit(made, recheck=lambda *_: ["", "capped", ""])
    log.feedback({"decision_id": "d1", "ts": start + 60, "response": "reward", "reward": 1})
    log.take_in(frame, **MINE)
    log.forget("h3")

    counts = log.export(tmp_path / "out")

    assert counts == {"decisions": 6, "feedback": 1, "outcomes": 2}
    table = pq.read_table(tmp_path / "out" / "decisions.parquet").to_pandas().set_index("decision_id")
    assert [from_json(table.loc[name, "receipt"]) for name in ("d1", "d2")] == made[:2]
    assert table.loc["d1", "reward_at"] == pd.Timestamp(start + 60, unit="s", tz="UTC")
    assert table.loc["d2", "void_reason"] == "capped"
    assert table["receipt"].isna().sum() == 1
    for path in (tmp_path / "out").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ArgumentError, match="already"):
        log.export(tmp_path / "out")


def test_an_empty_log_exports_empty_tables(log, tmp_path):
    assert log.export(tmp_path / "out") == {"decisions": 0, "feedback": 0, "outcomes": 0}
