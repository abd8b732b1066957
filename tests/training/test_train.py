import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import nba
from nba import simulate

ROOT = Path(__file__).parents[2]


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "training.train", *arguments], cwd=ROOT, capture_output=True, text=True
    )


def test_a_folder_without_tables_is_told_what_was_expected(tmp_path):
    done = command("--data", str(tmp_path), "--out", str(tmp_path / "out"))

    assert done.returncode == 2
    assert "error:" in done.stderr
    assert "interactions" in done.stderr
    assert "Traceback" not in done.stderr


def test_faulty_tables_are_told_all_faults_at_once(tmp_path):
    territory = simulate.territory(seed=1, hcps=20, days=60)
    territory.to_folder(tmp_path / "data")
    path = tmp_path / "data" / "interactions.parquet"
    frame = pd.read_parquet(path)
    frame.loc[3, "outcome"] = "bought"
    frame.loc[5, "hcp_id"] = None
    frame.to_parquet(path)

    done = command("--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"))

    assert done.returncode == 2
    assert "outcome" in done.stderr
    assert "hcp_id" in done.stderr


def test_a_folder_of_other_files_is_not_cleared(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")

    done = command("--out", str(tmp_path), "--hcps", "20")

    assert done.returncode == 2
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.slow
def test_the_whole_job_runs_on_a_folder_as_on_the_simulation(tmp_path):
    done = command("--hcps", "60", "--out", str(tmp_path / "simulated"), "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert "What each guardrail removed" in done.stdout
    assert "gap to the truth" in done.stdout
    assert "%|" not in done.stderr  # no progress bar where there is no terminal

    simulate.territory(seed=3, hcps=60).to_folder(tmp_path / "data")
    again = command("--data", str(tmp_path / "data"), "--out", str(tmp_path / "mine"), "--seed", "3")

    assert again.returncode == 0, again.stderr
    one, two = (json.loads((tmp_path / name / "figures.json").read_text()) for name in ("simulated", "mine"))
    assert one["funnel"] == two["funnel"]
    assert one["window"]["log_loss"] == two["window"]["log_loss"]
    plans = [(tmp_path / name / "receipts.jsonl").read_bytes() for name in ("simulated", "mine")]
    assert plans[0] == plans[1]
    assert len(nba.Log(tmp_path / "mine" / "decisions.db")) == 60
