import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow  # its cells run in the quick tests too, as the notebook
@pytest.mark.filterwarnings("default::nba.errors.NBAWarning")
def test_the_quickstart_runs_as_it_stands(capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra 'plots')")

    runpy.run_path(str(EXAMPLES / "quickstart.py"))

    printed = capsys.readouterr().out
    assert "the same decision: True" in printed
    assert "loaded and verified: True" in printed


def test_it_needs_no_checkout_on_the_path(tmp_path):
    """The file itself imports nba and numpy alone, and what comes with Python."""
    lines = (EXAMPLES / "quickstart.py").read_text(encoding="utf-8").splitlines()
    imported = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}

    assert imported <= {"nba", "numpy", "tempfile", "pathlib"}
    assert os.path.exists(sys.executable)
    assert (
        subprocess.run([sys.executable, "-m", "py_compile", str(EXAMPLES / "quickstart.py")]).returncode == 0
    )
