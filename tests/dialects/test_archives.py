"""`stitchline import --from`: archives of other products, read as their clients' live events are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stitchline_collector.history.foreign import _COLUMNS
from tests.dialects.clients import arrived, failed
from tests.processes import CollectorProcess

MESSAGE: dict[str, Any] = {
    "type": "track",
    "event": "Order Completed",
    "userId": "archive-1",
    "messageId": "ajs-next-1700000000000-x",
    "originalTimestamp": "2024-05-01T09:00:00.000Z",
    "sentAt": "2024-05-01T09:00:01.000Z",
    "timestamp": "2024-05-01T10:00:00.000Z",
    "receivedAt": "2024-05-01T10:00:01.000Z",
    "properties": {"total": 12.5},
    "context": {"library": {"name": "analytics.js", "version": "4"}},
    "projectId": "p-1",
}
ENRICHED = {
    "app_id:aid": "shop",
    "platform:p": "web",
    "collector_tstamp": "2024-05-01 10:00:01.000",
    "dvce_created_tstamp:dtm": "2024-05-01 09:59:59.500",
    "dvce_sent_tstamp:stm": "2024-05-01 10:00:00.900",
    "event:e": "page_view",
    "event_id:eid": "7b0a3a90-95d3-4d7a-8b1c-5a1e5a1e5aff",
    "v_tracker:tv": "js-3.5.0",
    "user_id:uid": "archive-1",
    "domain_userid:duid": "duid-archive",
    "domain_sessionid:sid": "sid-archive",
    "user_ipaddress:ip": "203.0.113.77",
    "geo_country": "DE",
    "page_url:url": "https://shop.example/",
    "dvce_screenwidth": "1920",
    "dvce_screenheight": "1080",
    "contexts:co": json.dumps(
        {"data": [{"schema": "iglu:com.acme/cart/jsonschema/1-0-0", "data": {"sku": "e"}}]}
    ),
}


def run(service: CollectorProcess, file: Path, form: str) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "stitchline_collector",
        "import",
        "--json",
        "--from",
        form,
        "--source",
        "old",
    ]
    done = subprocess.run(
        [*command, "--data", str(service.data), "--clickhouse", service.dsn, str(file)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def imported(service: CollectorProcess, tmp_path_factory: pytest.TempPathFactory) -> CollectorProcess:
    folder = tmp_path_factory.mktemp("archive")
    segment, snowplow = folder / "segment.jsonl", folder / "snowplow.tsv"
    lines = [MESSAGE, {**MESSAGE, "messageId": "m-2", "event": "x" * 300}]
    segment.write_text("".join(json.dumps(line) + "\n" for line in lines))
    snowplow.write_text("\t".join(ENRICHED.get(column, "") for column in _COLUMNS) + "\n")
    service.terminate()  # while it runs, it would be the one that loads, later
    for _ in range(2):
        assert run(service, segment, "segment")["files"][0]["accepted"] == 1
        assert run(service, snowplow, "snowplow")["files"][0]["accepted"] == 1
    service.start()
    return service


def test_a_message_of_segment_s_archive(imported: CollectorProcess) -> None:
    (row,) = arrived(imported, "name = 'Order Completed'", 1)
    assert row["identifiers"] == {"user": "archive-1"}
    assert row["device_time"] == "2024-05-01 09:00:00.000"
    assert row["at"] == "2024-05-01 10:00:00.000"  # the clock was an hour behind
    assert (row["properties"]["total"], row["properties"]["segment"]["projectId"]) == (12.5, "p-1")
    assert row["sdk"]["name"] == "analytics.js"


def test_what_is_rejected_names_file_and_line(imported: CollectorProcess) -> None:
    (kept,) = failed(imported, "source = 'old'", 1)
    assert kept["kind"] == "segment"
    assert "segment.jsonl:2" in kept["path"]


def test_an_enriched_event_of_snowplow(imported: CollectorProcess) -> None:
    (row,) = arrived(imported, "type = 'page' AND source = 'old'", 1)
    assert row["event_id"] == ENRICHED["event_id:eid"]
    assert (row["device"]["id"], row["session_id"]) == ("duid-archive", "sid-archive")
    assert (row["device"]["screen_width"], row["device"]["screen_height"]) == (1920, 1080)
    assert row["device_time"] == "2024-05-01 09:59:59.500"
    rest = row["properties"]["snowplow"]
    assert (rest["geo_country"], rest["ip"]) == ("DE", "203.0.113.0")
    assert rest["contexts_com_acme_cart_1"] == [{"_schema_version": "1-0-0", "sku": "e"}]
