"""Who looks at the page, and what the events that are shown may try."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.processes import CollectorProcess

READ_KEY = "reader-1"
PATIENCE_MS = 60_000
HOSTILE = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"


def asked(
    service: CollectorProcess, method: str, path: str, body: bytes | None = None, missing: bytes | None = None
) -> bytes:
    """Ask with the reader's key; `missing` stands for an answer of 404."""
    status, _, answer = service.request(method, path, body, {"Authorization": f"Bearer {READ_KEY}"})
    if status == 404 and missing is not None:
        return missing
    assert status == 200, f"{status}: {answer.decode()}"
    return answer


def sql_until(service: CollectorProcess, query: str, expected: Any) -> None:
    """Ask until the rows equal `expected`."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while (
        rows := json.loads(asked(service, "POST", "/v1/sql?format=JSONCompact", query.encode()))["data"]
    ) != expected:
        assert time.monotonic() < deadline, f"still {rows}, expected {expected}\n{service.log()[-2000:]}"
        time.sleep(0.05)
