"""The rooms import one another as docs/architecture.md says, and no other way round."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cvclassic"
LEAVES = ("features", "svm", "neural", "datasets")
FREE = {"errors", "harmless", "images", "lazy"}  # for every room


def table():
    """The rooms and what each may import, from the table of docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/.]+)` \|[^|]*\| ([^|]*) \|$", text, re.MULTILINE)
    return {room.strip("/").removeprefix("cvclassic/").removesuffix(".py"): cells for room, cells in rows}


def room_of(module):
    """The room of a dotted name: `cvclassic.svm.linear` is in `svm`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(path):
    """Dotted names below cvclassic that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "cvclassic")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "cvclassic":
            assert node.level == 0
            deeper = node.module == "cvclassic"
            yield from (f"{node.module}.{alias.name}" if deeper else node.module for alias in node.names)


def files_of(room):
    if room == "pipelines":
        return sorted((ROOT / "pipelines").rglob("*.py"))
    folder = PACKAGE / room
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{room}.py"]


ROOMS = sorted({path.stem for path in PACKAGE.glob("*.py")} - {"__init__"})
ROOMS += sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file())


@pytest.mark.parametrize("room", [*ROOMS, "pipelines"])
def test_a_room_imports_only_what_the_table_says(room):
    cells = table()
    assert room in cells, f"docs/architecture.md has no row for {room}"
    allowed = {name.removesuffix(".py").replace("/", ".") for name in re.findall(r"`([\w/.]+)`", cells[room])}
    for path in files_of(room):
        for module in imports(path):
            below = module.removeprefix("cvclassic.")
            own = room_of(module) in {room, *FREE}
            fine = own or "every" in cells[room] or any(below == a or below.startswith(f"{a}.") for a in allowed)
            assert fine, f"{path.relative_to(ROOT)} imports {module}; {room} may import {cells[room]}"


@pytest.mark.parametrize("room", [*LEAVES, "study", "report", "runs", "images", "errors", "augmentation"])
def test_keras_is_imported_by_the_neural_room_alone(room):
    if room == "neural":
        return
    for path in files_of(room):
        names = re.findall(r"^\s*(?:import|from) (keras|tensorflow|torch|jax)\b", path.read_text(), re.MULTILINE)
        assert not names, f"{path.relative_to(ROOT)} imports {names}"
