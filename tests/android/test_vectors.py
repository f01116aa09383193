"""The Android client against every vector of the protocol that is for a client."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.spec.vectors import FOLDER

# What the collector decides, and a mode that the protocol leaves open and this client does not have.
_NOT_FOR_IT = {"consent collector", "consent opt_in client", "clock collector"}


@pytest.fixture(scope="module")
def results(classes: Path) -> list[dict[str, str]]:
    """One line for each case of each file."""
    command = ["java", "-cp", str(classes), "stitchline.Vectors", str(FOLDER)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("file", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_the_android_client_holds_the_vectors(file: str, results: list[dict[str, str]]) -> None:
    cases = json.loads((FOLDER / f"{file}.json").read_text(encoding="utf-8"))["cases"]
    here = [result for result in results if result["kind"].split()[0] == file]
    assert [result["name"] for result in here] == [case["name"] for case in cases]
    assert [result for result in here if result["result"] == "not ok"] == []
    assert {result["kind"] for result in here if result["result"] == "skip"} <= _NOT_FOR_IT
    assert "ok" in {result["result"] for result in here}
