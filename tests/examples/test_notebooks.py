"""The notebooks: run from the first cell to the last, and kept as they ran."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed (make test installs it)")
pytest.importorskip("nbclient", reason="nbclient is not installed (make test installs it)")
pytest.importorskip("ipykernel", reason="there is no Python kernel (make test installs it)")
pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra 'plots')")

from examples import notebooks  # noqa: E402  (after what it needs was looked for)

EXAMPLES = Path(__file__).parents[2] / "examples"
every_notebook = pytest.mark.parametrize("name", notebooks.NAMES)


def committed(name):
    return nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)


def code(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def printed(book):
    outputs = [output for cell in code(book) for output in cell.outputs]
    return "".join(output.get("text", "") for output in outputs)


@pytest.mark.parametrize("name", [pytest.param("quickstart", marks=pytest.mark.slow), "your_own_data"])
def test_a_notebook_runs_from_its_first_cell_to_its_last(name, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    (tmp_path / "work").mkdir()

    book = notebooks.executed(name, folder=tmp_path / "work")

    assert [cell.execution_count for cell in code(book)] == list(range(1, len(code(book)) + 1))
    if name == "quickstart":
        assert "the same decision: True" in printed(book)
        assert "loaded and verified: True" in printed(book)
        assert "learned something: True" in printed(book)
    else:
        assert "faults found" in printed(book)
        assert "'with_selection_prob': 0" in printed(book)
        assert "No consent table: every channel that needs consent is blocked" in printed(book)


@every_notebook
def test_a_notebook_says_what_its_script_says(name):
    expected, book = notebooks.unexecuted(name), committed(name)

    same = [(cell.cell_type, cell.source) for cell in book.cells] == [
        (cell.cell_type, cell.source) for cell in expected.cells
    ]

    assert same, f"examples/{name}.py was changed: python -m examples.notebooks writes the notebook anew"


@every_notebook
def test_its_outputs_are_those_of_one_whole_run_without_a_fault(name):
    cells = code(committed(name))

    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"], "it prints warnings"
    assert all(cell.outputs for cell in cells if cell.source.endswith((".head()", "hcps)", "note)")))


def test_the_quickstart_shows_its_pictures_and_a_card():
    shown = [set(output.get("data", {})) for cell in code(committed("quickstart")) for output in cell.outputs]

    assert sum("image/png" in kinds for kinds in shown) == 3
    assert any(
        "nba-card" in output.data.get("text/html", "")
        for cell in code(committed("quickstart"))
        for output in cell.outputs
        if "data" in output
    )


@every_notebook
def test_it_is_small_and_says_nothing_of_the_machine_it_ran_on(name):
    text = (EXAMPLES / f"{name}.ipynb").read_text(encoding="utf-8")

    assert len(text) < 500_000
    assert not re.search(r"/home/|/root|/work/|/tmp/|/Users/|\\\\Users|0x[0-9a-f]{8}", text)
    assert committed(name).metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert all(set(cell.metadata) <= {"tags"} for cell in committed(name).cells)


def test_cells_of_a_script_are_told_apart():
    script = '"""Left out."""\n\n# %% [markdown]\n# # Title\n#\n# Text\n\n# %%\nx = 1\n\n# %%\nx\n'

    assert notebooks.cells_of(script) == [("markdown", "# Title\n\nText"), ("code", "x = 1"), ("code", "x")]
