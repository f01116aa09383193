"""What `GET /v1/tail` tells."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING, Any

from tests.stitch.stories import event, load

if TYPE_CHECKING:
    from aiohttp.test_utils import TestClient

    from stitchline_collector.engine import Engine

_seq = itertools.count()


def arriving(name: str, **more: Any) -> dict[str, Any]:
    """An event that arrives now."""
    now = dt.datetime.now(dt.UTC)
    times = {"received_at": now, "occurred_at": now, "device_time": now, "seq": next(_seq)}
    return {**event(0, "P", name=name, **more), **times}


async def test_the_first_look_tells_the_latest_and_the_next_what_came_since(
    client: TestClient[Any, Any], bank: Engine
) -> None:
    load(bank, [arriving("first"), arriving("second", user="42")])
    first = await (await client.get("/v1/tail")).json()
    assert [e["name"] for e in first["events"]][-2:] == ["first", "second"]
    assert first["events"][-1]["identifiers"] == {"user": "42"}
    load(bank, [arriving("third")])
    second = await (await client.get("/v1/tail", params={"cursor": first["cursor"]})).json()
    known = {e["event_id"] for e in first["events"]}
    assert [e["name"] for e in second["events"] if e["event_id"] not in known] == ["third"]


async def test_only_events_of_a_name_can_be_asked_for(client: TestClient[Any, Any], bank: Engine) -> None:
    load(bank, [arriving("one"), arriving("other")])
    answer = await (await client.get("/v1/tail", params={"name": "other"})).json()
    assert [e["name"] for e in answer["events"]] == ["other"]


async def test_a_foreign_cursor_is_400(client: TestClient[Any, Any]) -> None:
    for cursor in ("yesterday", "2026-11-22T10:00:00"):
        answer = await client.get("/v1/tail", params={"cursor": cursor})
        assert answer.status == 400
