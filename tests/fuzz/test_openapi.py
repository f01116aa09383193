"""Every route of the OpenAPI document, with requests made from it and against it: each answer is one that the document names."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    response_schema_conformance,
    status_code_conformance,
)

from tests.processes import KEY, CollectorProcess

if TYPE_CHECKING:
    from schemathesis import Case

ROOT = Path(__file__).parents[2]
DOCUMENT = json.loads((ROOT / "sdk" / "spec" / "openapi.json").read_text())
# A stream without an end is asked in tests of its own.
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT).exclude(path="/v1/tail/stream")
WRITE_KEY = "fuzz-key"
WRITING = ("/v1/events", "/v1/pixel.gif")


@pytest.fixture(scope="module")
def collector(folder_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One for all routes: it must outlive them."""
    folder = tmp_path_factory.mktemp("openapi")
    clickhouse = shutil.copytree(folder_template, folder / "clickhouse", symlinks=True)
    keys: list[dict[str, Any]] = [{"key": KEY, "kind": "admin"}, {"key": WRITE_KEY}]
    process = CollectorProcess(
        folder / "data", f"chdb://{clickhouse}", env={"STITCHLINE_KEYS": json.dumps(keys)}
    )
    yield process.start()
    process.kill()


@SCHEMA.parametrize()
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_each_answer_is_one_that_the_document_names(case: Case[Any], collector: CollectorProcess) -> None:
    key = WRITE_KEY if case.path.startswith(WRITING) else KEY
    case.call_and_validate(
        base_url=collector.url,
        headers={"Authorization": f"Bearer {key}"},
        checks=[
            not_a_server_error,
            status_code_conformance,
            response_schema_conformance,
        ],
        timeout=60,
    )
    assert "Traceback" not in collector.log()
