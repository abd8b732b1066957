"""Write the notebooks anew from the scripts beside them, with their outputs.

python -m examples.notebooks        in the repository, after a script was changed
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NAMES = ("quickstart", "your_own_data")
SECONDS = 900
"""A cell may take so long on a busy machine; on an idle one none takes twenty."""


def cells_of(script: str) -> list[tuple[str, str]]:
    """(kind, text) of every cell of a script in percent form; kind is "markdown" or "code"."""
    found = []
    for part in re.split(r"^# %%", script, flags=re.MULTILINE)[1:]:
        head, _, text = part.partition("\n")
        if "[markdown]" in head:
            found.append(("markdown", re.sub(r"^# ?", "", text.strip(), flags=re.MULTILINE)))
        else:
            found.append(("code", text.strip()))
    return found


def unexecuted(name: str) -> Any:
    """The notebook of a script, without outputs, the same in every bit each time."""
    import nbformat.v4 as v4

    book = v4.new_notebook(
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    make = {"markdown": v4.new_markdown_cell, "code": v4.new_code_cell}
    script = (HERE / f"{name}.py").read_text(encoding="utf-8")
    for number, (kind, text) in enumerate(cells_of(script), start=1):
        cell = make[kind](text)
        cell["id"] = f"cell-{number}"
        book.cells.append(cell)
    return book


def executed(name: str, *, folder: Path) -> Any:
    """The notebook of a script, run from its first cell to its last in a folder of its own."""
    from nbclient import NotebookClient

    if sys.platform == "win32":  # the kernel's sockets need a loop that can watch them
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    book = unexecuted(name)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(
        book, timeout=SECONDS, kernel_name="python3", record_timing=False, resources=resources
    ).execute()
    book.metadata.language_info = {"name": "python"}  # the kernel adds its own version
    return book


def write() -> None:
    """Run every script and write its notebook beside it."""
    import nbformat

    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            book = executed(name, folder=Path(folder))
        nbformat.write(book, HERE / f"{name}.ipynb")
        print(f"{name}.ipynb: {len(book.cells)} cells")


if __name__ == "__main__":
    write()
