"""The import law: a room imports nothing from a later room, and SDK and collector know nothing of each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COLLECTOR = ROOT / "collector" / "stitchline_collector"
SDK = ROOT / "sdk" / "python" / "stitchline"
ROOMS = ("receive", "decode", "enrich", "spool", "load", "stitch", "ask")


def _imported(file: Path, root: Path) -> set[str]:
    """Absolute names of all modules a file imports, relative imports resolved against `root`'s parent."""
    package = list(file.relative_to(root.parent).with_suffix("").parts[:-1])
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


def _room_of(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == COLLECTOR.name and len(parts) > 1 and parts[1] in ROOMS else None


def _breaches(file: Path, root: Path) -> list[str]:
    own = _room_of(".".join(file.relative_to(root.parent).with_suffix("").parts))
    if own is None:
        return []
    rooms = {room for name in _imported(file, root) if (room := _room_of(name))}
    return [f"{own} -> {room}" for room in rooms if ROOMS.index(room) > ROOMS.index(own)]


def _files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


def test_every_room_exists() -> None:
    missing = [
        room
        for room in ROOMS
        if not ((COLLECTOR / room / "__init__.py").exists() or (COLLECTOR / f"{room}.py").exists())
    ]
    assert missing == []


@pytest.mark.parametrize("file", _files(COLLECTOR), ids=lambda file: str(file.relative_to(COLLECTOR)))
def test_a_room_imports_nothing_from_a_later_room(file: Path) -> None:
    assert _breaches(file, COLLECTOR) == []


def test_the_collector_never_imports_the_sdk() -> None:
    guilty = [
        file
        for file in _files(COLLECTOR)
        if any(name.split(".")[0] == SDK.name for name in _imported(file, COLLECTOR))
    ]
    assert guilty == []


def test_the_sdk_never_imports_the_collector_nor_what_only_the_collector_needs() -> None:
    foreign = {COLLECTOR.name, "aiohttp", "chdb", "clickhouse_connect"}
    guilty = [
        file for file in _files(SDK) if any(name.split(".")[0] in foreign for name in _imported(file, SDK))
    ]
    assert guilty == []


@pytest.mark.parametrize(
    "breach",
    [
        "from ..load import Loader",
        "from .. import load",
        "import stitchline_collector.ask",
        "from stitchline_collector.stitch import Stitcher",
        "def late():\n    from ..ask import Asking",
    ],
)
def test_the_law_sees_a_breach_however_it_is_written(tmp_path: Path, breach: str) -> None:
    room = tmp_path / COLLECTOR.name / "spool"
    room.mkdir(parents=True)
    file = room / "writer.py"
    file.write_text(f"{breach}\n")

    assert len(_breaches(file, tmp_path / COLLECTOR.name)) == 1


def test_the_law_lets_a_room_use_an_earlier_one(tmp_path: Path) -> None:
    room = tmp_path / COLLECTOR.name / "spool"
    room.mkdir(parents=True)
    file = room / "writer.py"
    file.write_text("from ..receive import NotDurable\nfrom .frames import frame\nimport os\n")

    assert _breaches(file, tmp_path / COLLECTOR.name) == []
