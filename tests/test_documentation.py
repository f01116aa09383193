"""Pages that are written from the program stay equal to it."""

from __future__ import annotations

import json
import re
import runpy
import textwrap
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import pytest

from stitchline_collector.front import Front
from stitchline_collector.settings import SettingsError, contact_keys, load
from stitchline_collector.spool import Folder

ROOT = Path(__file__).parents[1]


def test_settings_and_decisions_stand_in_their_pages_as_they_are() -> None:
    pages = runpy.run_path(str(ROOT / "tools" / "write_pages.py"))["pages"]()
    stale = [path.name for path, text in pages.items() if path.read_text() != text]
    assert stale == [], "run .venv/bin/python tools/write_pages.py"


def test_every_test_that_a_page_names_is_there() -> None:
    missing = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text()):
            file = ROOT / path
            if not file.exists() or not re.search(
                rf"^\s*(async )?def {name}\(", file.read_text(), re.MULTILINE
            ):
                missing.append(f"{page.name}: {path}::{name}")
    assert missing == []


def test_every_line_of_the_threat_model_names_a_test_that_shows_it() -> None:
    tables = (ROOT / "docs" / "threat-model.md").read_text().split("| shown by |\n|---|---|---|\n")[1:]
    lines = [line for table in tables for line in table.partition("\n\n")[0].splitlines()]
    assert len(lines) > 40
    assert [line for line in lines if not re.search(r"`tests/[\w/]+\.py::test_\w+`", line)] == []


def test_the_proxy_of_the_operations_lets_through_what_sends_and_nothing_else(tmp_path: Path) -> None:
    caddyfile = (
        (ROOT / "docs" / "operations.md").read_text().partition("# Caddyfile\n")[2].partition("```")[0]
    )
    patterns = [
        path for line in re.findall(r"^ +path (.+)$", caddyfile, re.MULTILINE) for path in line.split()
    ]
    front = Front(load(None, {}, {"data": str(tmp_path)}))
    front.open(partial(Folder.create, tmp_path / "spool"), lambda _: None, lambda: 0)
    senders = {route.path.replace("{key}", "k") for route in front.routes() if "{vendor" not in route.path}
    native = json.loads((ROOT / "sdk" / "spec" / "openapi.json").read_text())["paths"]
    others = {"/", "/page/app.js", "/metrics", "/health/ready", *native} - senders

    let_through = {path for path in senders | others if any(fnmatchcase(path, one) for one in patterns)}

    assert len(others) > 10
    assert let_through == senders


def test_the_example_for_kubernetes_does_not_start_with_a_secret_that_was_left_in_it(tmp_path: Path) -> None:
    manifest = (ROOT / "examples" / "kubernetes.yaml").read_text()
    settings = tmp_path / "stitchline.toml"
    text = textwrap.dedent(manifest.partition("stitchline.toml: |\n")[2].partition("---")[0])
    settings.write_text(text)
    with pytest.raises(SettingsError, match="at least 8 characters"):
        load(settings, {})
    settings.write_text(re.sub(r'^key = "(.*)"', r'key = "\1-of-our-own"', text, flags=re.MULTILINE))
    with pytest.raises(SettingsError, match="at least 32 characters"):
        contact_keys(load(settings, {}))
