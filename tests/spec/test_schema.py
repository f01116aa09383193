"""The JSON Schema, the OpenAPI document and the table of checks stay equal to the collector."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from stitchline_collector.activate.http import WebhookRoutes
from stitchline_collector.ask.http import Asking
from stitchline_collector.corrections import Corrections
from stitchline_collector.erasure.http import ErasureRoutes
from stitchline_collector.observe import Observer
from stitchline_collector.page import PageRoutes
from stitchline_collector.rebuild_request import RebuildRequest
from stitchline_collector.receive import Receiver
from stitchline_collector.replay import Replay
from stitchline_collector.segments import SegmentRoutes

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "sdk" / "spec"


def test_the_files_are_what_the_types_say() -> None:
    files = runpy.run_path(str(ROOT / "tools" / "write_spec.py"))["files"]()
    stale = [path.name for path, text in files.items() if not path.exists() or path.read_text() != text]
    assert stale == [], "run .venv/bin/python tools/write_spec.py"


def test_openapi_knows_every_native_endpoint_and_no_other() -> None:
    rooms: tuple[Any, ...] = (
        Receiver,
        Asking,
        Observer,
        Replay,
        Corrections,
        RebuildRequest,
        ErasureRoutes,
        SegmentRoutes,
        WebhookRoutes,
        PageRoutes,
    )
    served = {
        (route.method.lower(), re.sub(r":[^}]+}", "}", route.path))
        for room in rooms
        for route in room.routes(room.__new__(room))
        if route.method != "OPTIONS" and not route.path.startswith("/page/")  # files, not protocol
    }
    paths = json.loads((SPEC / "openapi.json").read_text())["paths"]
    assert {(method, path) for path, methods in paths.items() for method in methods} == served


@pytest.mark.parametrize("name", ["schema.json", "openapi.json"])
def test_every_reference_leads_somewhere(name: str) -> None:
    document = json.loads((SPEC / name).read_text())
    for reference in set(re.findall(r'"#/([^"]+)"', json.dumps(document))):
        found: Any = document
        for part in reference.split("/"):
            found = found[part]
        assert isinstance(found, dict)


def test_the_schema_refuses_what_the_collector_refuses() -> None:
    event = json.loads((SPEC / "schema.json").read_text())["$defs"]["Event"]
    assert event["additionalProperties"] is False
    assert event["required"] == ["type"]
    assert event["properties"]["properties"]["type"] == "object"
