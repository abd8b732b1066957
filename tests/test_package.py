"""What the package as a whole promises: cheap imports, full names, a clean wheel, and its floors."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from inspect import isclass, isfunction
from pathlib import Path

import pytest

import nba

ROOT = Path(__file__).resolve().parents[1]
in_the_source_tree = pytest.mark.skipif(
    not (ROOT / "nba" / "__init__.py").exists(), reason="the installed package is tested, without its source"
)

# What takes long to load, or belongs behind one door, and the rooms that may load it when they are imported.
HEAVY = (
    "lightgbm",
    "matplotlib",
    "mlflow",
    "numba",
    "optuna",
    "pyspark",
    "scipy",
    "shap",
    "sklearn",
    "sqlalchemy",
)
LIGHT_ROOMS = (
    "errors",
    "kept",
    "contracts",
    "tables",
    "artifact",
    "guardrails",
    "policies",
    "explain",
    "evaluation",
)
COMPILED_ROOMS = ("history", "features", "models")
LOGGING_ROOMS = ("store",)
UPPER_ROOMS = (
    "receipts", "decision", "asking", "taken", "bundled", "why", "ranking", "changes", "messages", "cards",
    "plan", "assess", "intent", "recommender", "transfer", "simulate", "mlflow", "spark", "testing",
)  # fmt: skip
ALLOWED = {
    LIGHT_ROOMS: set(),
    COMPILED_ROOMS: {"numba", "scipy"},
    LOGGING_ROOMS: {"sqlalchemy"},
    UPPER_ROOMS: {"numba", "scipy", "sqlalchemy"},
}

_THIRD_PARTY_AFTER_IMPORT = """
import json, sys
before = set(sys.modules)
import nba
names = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps(sorted(names - sys.stdlib_module_names - {"nba"})))
"""

_HEAVY_AFTER_EACH_ROOM = """
import importlib, json, sys
heavy, rooms = json.loads(sys.argv[1])
loaded = {}
for room in rooms:
    importlib.import_module(f"nba.{room}")
    loaded[room] = [name for name in heavy if name in sys.modules]
print(json.dumps(loaded))
"""


def answer_of(code, *arguments):
    """What a fresh interpreter prints as JSON."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return json.loads(done.stdout)


def rooms_of_the_house():
    folder = Path(nba.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return files | {path.parent.name for path in folder.glob("*/__init__.py")}


def test_importing_nba_loads_no_third_party_module():
    assert answer_of(_THIRD_PARTY_AFTER_IMPORT) == []


@pytest.mark.parametrize("rooms", ALLOWED, ids=lambda rooms: rooms[0])
def test_a_heavy_library_is_loaded_only_by_the_room_that_is_its_door(rooms):
    for room, loaded in answer_of(_HEAVY_AFTER_EACH_ROOM, json.dumps([HEAVY, rooms])).items():
        assert set(loaded) <= ALLOWED[rooms], f"importing nba.{room} loads {loaded}"


def test_every_room_is_held_to_what_it_may_load():
    assert rooms_of_the_house() == {room for rooms in ALLOWED for room in rooms}


@pytest.mark.parametrize("name", nba.__all__)
def test_every_public_name_resolves(name):
    assert getattr(nba, name) is not None


def test_the_names_offered_are_the_public_names():
    assert set(dir(nba)) == set(nba.__all__)
    assert len(nba.__all__) == len(set(nba.__all__))


def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(AttributeError, match=r"no attribute 'Engagment'; it has: .*Engagement"):
        nba.Engagment  # noqa: B018


def test_every_class_and_function_a_room_hands_out_is_documented():
    for room in rooms_of_the_house():
        module = getattr(nba, room)
        for name, thing in vars(module).items():
            if name in vars(module).get("__all__", ()) and (isclass(thing) or isfunction(thing)):
                assert thing.__doc__, f"nba.{room}.{name} has no docstring"


def test_every_module_opens_with_one_plain_sentence():
    folder = Path(nba.__file__).parent

    for path in folder.rglob("*.py"):
        first_line = path.read_text("utf-8").partition("\n")[0]
        assert re.fullmatch(r'"""[^"]{10,90}\.(""")?', first_line), (
            f"{path.relative_to(folder)}: {first_line}"
        )


@in_the_source_tree
def test_the_version_is_the_same_in_code_and_metadata():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert project["version"] == nba.__version__


@in_the_source_tree
def test_the_changelog_tells_of_this_version():
    assert f"## {nba.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


@in_the_source_tree
def test_the_readme_begins_with_the_two_commands():
    first_block = re.search(r"```\w*\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[1]
    commands = [line.split("#")[0].strip() for line in first_block.splitlines()]

    assert [line for line in commands if line] == ["make demo", "make test"]


@in_the_source_tree
def test_the_map_in_contributing_names_every_room():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")

    for room in rooms_of_the_house():
        assert re.search(rf"nba/{room}\b", text), f"CONTRIBUTING.md does not say what nba/{room} is for"


@in_the_source_tree
@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")), ids=lambda p: p.name
)
def test_links_between_our_own_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@in_the_source_tree
def test_a_room_imports_only_what_stands_below():
    checker = Path(sys.executable).with_name("lint-imports")
    if not checker.exists():
        pytest.skip("import-linter is not installed beside this Python (make lint runs it)")

    done = subprocess.run([checker, "--no-cache"], capture_output=True, text=True, cwd=ROOT)

    assert done.returncode == 0, done.stdout


@in_the_source_tree
def test_the_wheel_holds_nba_and_nothing_else(tmp_path):
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed (make test installs it)")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env={**os.environ, "NO_COLOR": "1"})
    (wheel,) = tmp_path.glob("*.whl")
    about = f"nba-{nba.__version__}.dist-info"

    names = set(zipfile.ZipFile(wheel).namelist())

    assert {name.split("/")[0] for name in names} == {"nba", about}
    assert {"nba/py.typed", f"{about}/licenses/LICENSE"} <= names
    ours = {name for name in names if name.startswith("nba/")}
    assert ours == {
        str(path.relative_to(ROOT))
        for path in (ROOT / "nba").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
