"""Logs of older versions, moved forward when they are opened."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text

from nba.contracts import DO_NOTHING
from nba.errors import LogError, NBAWarning
from nba.store import Log
from nba.store.receipts import fingerprint, to_json

# The tables as version 1 made them.
VERSION_1 = """
CREATE TABLE nba_schema (version INTEGER NOT NULL, PRIMARY KEY (version));
CREATE TABLE nba_decisions (
  decision_id VARCHAR(200) NOT NULL, batch_id VARCHAR(200) NOT NULL, hcp_id VARCHAR(200) NOT NULL,
  decided_at BIGINT NOT NULL, valid_until BIGINT NOT NULL, channel VARCHAR(200) NOT NULL,
  content_id VARCHAR(200) NOT NULL, selection_prob FLOAT NOT NULL, explored BOOLEAN NOT NULL,
  holdout VARCHAR(50) NOT NULL, status VARCHAR(20) NOT NULL, void_reason VARCHAR(200) NOT NULL,
  rechecked BOOLEAN NOT NULL, receipt TEXT NOT NULL, receipt_sha256 VARCHAR(64) NOT NULL,
  PRIMARY KEY (decision_id));
CREATE INDEX nba_decisions_by_hcp ON nba_decisions (hcp_id, decided_at);
CREATE INDEX nba_decisions_by_batch ON nba_decisions (batch_id);
CREATE INDEX nba_decisions_by_validity ON nba_decisions (valid_until);
INSERT INTO nba_schema VALUES (1)
"""


def old_log(url, receipts, *, fates, alter=""):
    """A log as version 1 wrote it."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        for statement in VERSION_1.split(";"):
            connection.execute(text(statement))
        for receipt, (status, reason) in zip(receipts, fates, strict=True):
            written = to_json(receipt)
            row = {
                "a": receipt.decision_id, "b": receipt.batch_id, "c": receipt.hcp_id, "d": receipt.decided_at,
                "e": receipt.valid_until, "f": receipt.action.channel, "g": receipt.action.content,
                "h": receipt.selection_prob, "i": receipt.explored, "j": receipt.holdout, "k": status,
                "l": reason, "m": status == "void", "n": written + alter, "o": fingerprint(written),
            }  # fmt: skip
            connection.execute(
                text("INSERT INTO nba_decisions VALUES (:a,:b,:c,:d,:e,:f,:g,:h,:i,:j,:k,:l,:m,:n,:o)"), row
            )
    engine.dispose()


@pytest.fixture
def made(receipt):
    return [
        receipt("d1"),
        receipt("d2", hcp_id="h2"),
        receipt("d3", hcp_id="h3"),
        receipt("d4", action=DO_NOTHING, selection_prob=1.0),
    ]


FATES = [("committed", ""), ("void", "capped"), ("proposed", ""), ("committed", "")]


@pytest.mark.filterwarnings("ignore:.*private")
def test_a_log_of_version_1_is_brought_forward_aloud_and_nothing_is_lost(database, made):
    old_log(database, made, fates=FATES)

    with pytest.warns(NBAWarning, match="version 1.*4 decisions.*version 2") as caught:
        log = Log(database)

    assert any(it.filename == __file__ for it in caught)
    assert log.receipts() == made
    frame = log.decisions().set_index("decision_id")
    assert frame["status"].to_dict() == {it.decision_id: f for it, (f, _) in zip(made, FATES, strict=True)}
    assert frame["rechecked"].to_dict() == {"d1": False, "d2": True, "d3": False, "d4": False}
    assert log.voids() == {"capped": 1}
    assert log.commit(made) == {"d1": "committed", "d2": "capped", "d3": "committed", "d4": "committed"}
    log.close()
    again = Log(database)  # silent: it is of this version now
    assert len(again) == 4
    again.close()


@pytest.mark.filterwarnings("ignore:.*private")
def test_an_altered_old_log_is_refused_and_left_as_it_was(database, made):
    old_log(database, made, fates=FATES, alter=" ")

    for _ in range(2):
        with pytest.raises(LogError, match=r"4 receipts.*Nothing was migrated"):
            Log(database)
