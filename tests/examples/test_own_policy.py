"""The example runs as it is printed."""

import runpy
import sys
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "examples" / "own_policy.py"


def test_a_policy_of_ones_own_passes_the_public_check(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(FILE)])

    runpy.run_path(str(FILE), run_name="__main__")

    assert "BestThree: 20,000 decisions" in capsys.readouterr().out
