"""`GET /v1/identity/evidence/...`: the evidence for one person as a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from stitchline_collector.ask import graph as room
from tests.stitch.stories import event, load
from tests.stitch.test_stitcher import stitch

if TYPE_CHECKING:
    from aiohttp.test_utils import TestClient

    from stitchline_collector.engine import Engine


async def ask(client: TestClient[Any, Any], who: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/identity/evidence/{who}")
    assert answer.status == 200, await answer.text()
    return dict(await answer.json())


def ends(edge: dict[str, Any]) -> set[str]:
    return {edge["from"], edge["to"]}


async def test_every_identifier_is_a_node_and_every_piece_of_evidence_an_edge_with_a_sample(
    client: TestClient[Any, Any],
) -> None:
    found = await ask(client, "user/42")
    theirs = {node["identifier"] for node in found["nodes"] if node["theirs"]}
    assert {"user:42", "device:web-1", "device:app-1", "email:hash of ada@example.com"} <= theirs
    (edge,) = (one for one in found["edges"] if ends(one) == {"user:42", "device:web-1"})
    assert (edge["kind"], edge["refused_by"], edge["sessions"]) == ("login", "", 1)
    assert edge["first_seen"] == edge["last_seen"] == edge["event"]["occurred_at"]
    assert edge["event"]["type"] == "identify"
    assert found["is_whole"]


async def test_refused_evidence_leads_to_who_is_somebody_else_and_names_the_rule(
    client: TestClient[Any, Any],
) -> None:
    found = await ask(client, "user/42")
    (edge,) = (one for one in found["edges"] if ends(one) == {"user:42", "device:atm-17"})
    assert edge["refused_by"] == "shared_device"
    assert "shared device" in edge["because"]
    others = {node["identifier"] for node in found["nodes"] if not node["theirs"]}
    assert others == {"device:atm-17"}


async def test_who_was_never_seen_with_another_is_a_node_alone(client: TestClient[Any, Any]) -> None:
    found = await ask(client, "device/lonely")
    assert [node["identifier"] for node in found["nodes"]] == ["device:lonely"]
    assert found["edges"] == []


async def test_who_is_nobody_or_unseen_is_404_with_a_reason(client: TestClient[Any, Any]) -> None:
    for who, reason in (("device/atm-17", "shared device"), ("user/none", "nobody was seen")):
        answer = await client.get(f"/v1/identity/evidence/{who}")
        assert answer.status == 404
        assert reason in (await answer.json())["error"]


async def test_more_edges_than_the_bound_are_left_out_and_that_is_said(
    client: TestClient[Any, Any], bank: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(bank, [event(n, f"D{n}", user="many") for n in range(4)])
    stitch(bank)
    monkeypatch.setattr(room, "MOST_EDGES", 2)
    found = await ask(client, "user/many")
    assert len(found["edges"]) == 2
    assert not found["is_whole"]
