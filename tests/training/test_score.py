"""Scoring a folder is recommending, kept as one whole file."""

import json
import os
import stat
from dataclasses import asdict

import pandas as pd
import pytest

import nba
from nba import artifact
from nba.errors import ArgumentError, BundleError
from nba.tables import Engagement
from training import score
from training.settings import make_model

AT = "2026-10-01"


@pytest.fixture(scope="module")
def model(own_tables):
    return make_model().fit(Engagement.from_folder(own_tables), until="2026-09-01")


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "model"
    return path, model.save(path)


def scored(bundle, own_tables, out, *more):
    arguments = ["--model", str(bundle[0]), "--data", str(own_tables), "--at", AT, "--out", str(out)]
    score.run([*arguments, *more])
    return pd.read_parquet(out)


def test_the_file_holds_what_recommend_decides_with_every_receipt(model, bundle, own_tables, tmp_path):
    frame = scored(bundle, own_tables, tmp_path / "d.parquet", "--seed", "5", "--digest", bundle[1])

    plan = model.recommend(Engagement.from_folder(own_tables), at=AT, seed=5)
    pd.testing.assert_frame_equal(frame[plan.to_frame().columns], plan.to_frame(), check_dtype=False)
    receipts = [json.loads(text) for text in frame["receipt"]]
    assert receipts == [json.loads(artifact.canonical_json(asdict(receipt))) for receipt in plan]
    assert b"\n".join(text.encode() for text in frame["receipt"]) + b"\n" == plan.to_bytes()
    assert set(frame["status"]) == {"not logged"}


def test_with_a_log_what_is_in_the_file_was_committed_and_counts_the_next_time(bundle, own_tables, tmp_path):
    log = ("--log", str(tmp_path / "decisions.db"))

    first = scored(bundle, own_tables, tmp_path / "a.parquet", *log)
    second = scored(bundle, own_tables, tmp_path / "b.parquet", *log, "--seed", "8")

    assert set(first["status"]) == {"committed"}
    assert len(nba.Log(tmp_path / "decisions.db")) >= len(first)
    acted = first["content_id"] != ""
    again = second.set_index("hcp_id").loc[first.loc[acted, "hcp_id"]]
    assert acted.any()
    assert (again["content_id"] == "").all()  # minimum_gap: what was decided counts as a touch already


def test_a_file_that_is_there_is_replaced_only_on_request(bundle, own_tables, tmp_path):
    out = tmp_path / "d.parquet"
    out.write_bytes(b"years of work")

    with pytest.raises(ArgumentError, match=r"is there already.*--overwrite"):
        scored(bundle, own_tables, out)
    assert out.read_bytes() == b"years of work"
    frame = scored(bundle, own_tables, out, "--overwrite")

    assert len(frame) == 80
    assert [path.name for path in tmp_path.iterdir()] == ["d.parquet"]


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    out = tmp_path / "d.parquet"
    out.write_bytes(b"somebody was quicker")

    with pytest.raises(ArgumentError, match="is there already"):
        score.write_whole(pd.DataFrame({"a": [1]}), out, overwrite=False)

    assert out.read_bytes() == b"somebody was quicker"
    assert [path.name for path in tmp_path.iterdir()] == ["d.parquet"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    out = tmp_path / "d.parquet"
    pd.DataFrame({"a": [1]}).to_parquet(out)
    before = out.read_bytes()

    with pytest.raises(Exception, match=r"(?i)complex"):  # parquet has no such type
        score.write_whole(pd.DataFrame({"a": [1 + 2j]}), out, overwrite=True)

    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["d.parquet"]


def test_a_moment_the_model_has_already_seen_past_is_refused(bundle, own_tables, tmp_path):
    with pytest.raises(ArgumentError, match=r"--at is 2026-08-01.*learned from what came until 2026-09-01"):
        scored(bundle, own_tables, tmp_path / "d.parquet", "--at", "2026-08-01")
    assert list(tmp_path.iterdir()) == []


def test_another_bundle_than_the_one_named_is_refused(bundle, own_tables, tmp_path):
    with pytest.raises(BundleError):
        scored(bundle, own_tables, tmp_path / "d.parquet", "--digest", "0" * 64)


@pytest.mark.parametrize("name", ["nowhere/model", "nba@champion", "models:/nba/3"])
def test_a_model_that_is_nowhere_is_said_with_what_to_do(name, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    with pytest.raises(ArgumentError, match=rf"{name}.*Expected .*--tracking-uri"):
        score.load(name)


def test_decisions_are_about_people_so_only_their_owner_reads_the_file(bundle, own_tables, tmp_path):
    if os.name != "posix":
        pytest.skip("file modes are of POSIX systems")

    scored(bundle, own_tables, tmp_path / "d.parquet")

    assert stat.S_IMODE((tmp_path / "d.parquet").stat().st_mode) == 0o600


def test_the_lift_over_random_eligible_is_always_told_by_the_model_and_by_the_log(
    bundle, own_tables, tmp_path, capsys
):
    log = ("--log", str(tmp_path / "decisions.db"))

    scored(bundle, own_tables, tmp_path / "a.parquet", *log)
    early = capsys.readouterr().out
    score.run(
        ["--model", str(bundle[0]), "--data", str(own_tables), "--at", "2026-09-05",
         "--out", str(tmp_path / "b.parquet"), "--log", str(tmp_path / "other.db")]
    )  # fmt: skip
    scored(bundle, own_tables, tmp_path / "c.parquet", "--log", str(tmp_path / "other.db"))
    late = capsys.readouterr().out

    assert "as the model expects" in early
    assert "No lift over random eligible can be told from the log yet" in early
    assert "Earlier decisions: lift over random eligible" in late
    assert "logged decisions" in late
