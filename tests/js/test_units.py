"""The SDK's own tests, run by Node: vectors, the Node entry over real HTTP, sizes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.chromium import node
from tests.processes import CollectorProcess


@pytest.mark.parametrize("file", ["vectors", "node", "size"])
def test_its_own_tests_pass(built: Path, file: str) -> None:
    command = [node(), "--test", "--test-reporter=tap", f"test/{file}.test.mjs"]
    done = subprocess.run(command, cwd=built, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) > 1


def test_a_node_app_reaches_a_collector(built: Path, service: CollectorProcess) -> None:
    script = f"""
        import {{ init, track, close }} from "{built / "dist" / "node.js"}";
        const client = init("{service.url}", "web-key-1", {{ channel: "api" }});
        client.scope({{ user: "node-1", device_id: "node-device" }}).run(() => track("from_node", {{ n: 1 }}, {{ stage: "use" }}));
        process.exitCode = (await close()) ? 0 : 1;
    """
    subprocess.run([node(), "--input-type=module", "-e", script], check=True, timeout=60)
    rows = service.sql_until(
        "SELECT name, identifiers['user'], device.id, stage, channel, sdk.name FROM events WHERE name = 'from_node'",
        [["from_node", "node-1", "node-device", "use", "api", "stitchline-js"]],
    )
    assert len(rows) == 1
