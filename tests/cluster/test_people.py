"""One person whose devices lie on different shards."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from stitchline_collector.engine import Engine
from tests.processes import CollectorProcess


def _ask(collector: CollectorProcess, path: str) -> dict[str, Any]:
    status, _, body = collector.request("GET", path)
    assert status == 200, body
    return dict(json.loads(body))


def devices_of_different_shards(dsn: str, prefix: str = "device") -> tuple[str, str]:
    """Ask the door itself where a device belongs."""
    with Engine.open(dsn) as engine:
        session = engine.session()
        names = [f"{prefix}-{number}" for number in range(20)]
        rows = session.query(
            "SELECT name, sipHash64(name) % 2 FROM (SELECT arrayJoin({names:Array(String)}) AS name)",
            {"names": names},
        )
        session.close()
    by_shard = {shard: name for name, shard in rows}
    return by_shard[0], by_shard[1]


def test_devices_on_different_shards_become_one_person_with_reasons(
    collector: Callable[..., CollectorProcess], dsn: str
) -> None:
    phone, laptop = devices_of_different_shards(dsn)
    running = collector()
    for device, kind in ((phone, "phone"), (laptop, "desktop")):
        running.send(
            {"type": "track", "name": "looked", "channel": "web"},
            {"type": "identify", "name": "", "identifiers": {"user": "ada"}, "channel": "web"},
            device={"id": device, "type": kind},
        )
    running.sql_until("SELECT uniqExact(person_id), count() FROM person_events", [[1, 4]])
    running.sql_until("SELECT count() FROM people WHERE devices = 2", [[1]])

    person = _ask(running, "/v1/people/user/ada")
    assert {one["id"] for one in person["devices"]} == {phone, laptop}
    why = _ask(running, f"/v1/identity/why?a={quote('device:' + phone)}&b={quote('device:' + laptop)}")
    assert why["one_person"] is True, why
    with Engine.open(dsn) as engine:
        for number in range(2):
            session = engine.session(shard=number)
            assert session.query("SELECT uniqExact(device_id) FROM person_events_by_device_local") == [(1,)]
            session.close()


def test_a_rebuild_over_both_shards_finds_the_same_persons(
    collector: Callable[..., CollectorProcess],
) -> None:
    running = collector()
    for number in range(12):
        running.send(
            {"type": "identify", "name": "", "identifiers": {"user": f"u{number % 3}"}},
            device={"id": f"d{number}"},
        )
    before = running.sql_until("SELECT uniqExact(person_id), count() FROM person_events", [[3, 12]])
    status, _, body = running.request("POST", "/v1/identity/rebuild")
    assert status in (200, 202), body
    deadline = time.monotonic() + 60
    while "everybody was decided anew" not in running.log():
        assert time.monotonic() < deadline, running.log()
        time.sleep(0.05)
    assert running.sql("SELECT uniqExact(person_id), count() FROM person_events") == before
