"""The vectors that bind every client and the collector: `sdk/spec/vectors/*.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "sdk" / "spec" / "vectors"


def cases(file: str, **only: str) -> pytest.MarkDecorator:
    """Parametrise a test by `case`: those of a file whose members are as given."""
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{file}.json").read_text(encoding="utf-8"))["cases"]
    chosen = [case for case in found if all(case.get(name) == value for name, value in only.items())]
    assert chosen, f"no case of {file}.json is {only}"
    return pytest.mark.parametrize("case", chosen, ids=[case["name"] for case in chosen])
