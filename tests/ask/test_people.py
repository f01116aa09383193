"""What `GET /v1/people` and `/v1/journey` tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from yarl import URL

from stitchline_collector.stitch import Stitcher
from tests.stitch.stories import event, load, node

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.test_utils import TestClient

    from stitchline_collector.engine import Engine


async def test_any_identifier_of_a_person_finds_all_of_them(
    client: TestClient[Any, Any], bank: Engine
) -> None:
    session = bank.session()
    for who in ("user/42", "device/web-1", "device/app-1", "email/ Ada@Example.com"):
        answer = await client.get(f"/v1/people/{who}")
        assert answer.status == 200, who
        person = await answer.json()
        assert person["person_id"] == str(node(session, "user", "42"))
        assert person["events"] == 6


@pytest.mark.parametrize(
    "path", ["people/user/a%0Ab", "journey/user/%7Ba%7D", "people/%7Bx%7D/1", "people/user/a%2Fb"]
)
async def test_an_identifier_of_any_characters_can_be_asked_for(
    client: TestClient[Any, Any], path: str
) -> None:
    answer = await client.get(URL(f"/v1/{path}", encoded=True))
    assert answer.status == 404
    assert "error" in await answer.json()


async def test_a_person_has_devices_channels_stage_and_latest_events(client: TestClient[Any, Any]) -> None:
    person = await (await client.get("/v1/people/user/42?events=2")).json()
    assert person["stage"] == "signed"
    assert person["channels"] == ["app", "atm", "branch", "web"]
    assert [(d["id"], d["type"], d["channels"], d["events"]) for d in person["devices"]] == [
        ("web-1", "desktop", ["web"], 2),
        ("app-1", "phone", ["app"], 2),
        ("atm-17", "atm", ["atm"], 1),
    ]
    assert {(i["namespace"], i["value"]) for i in person["identifiers"]} == {
        ("user", "42"),
        ("email", "hash of ada@example.com"),
    }
    assert [e["name"] for e in person["latest"]] == ["contract_signed", "card_inserted"]
    assert person["first_seen"] == "2026-03-02T10:00:00.000Z"
    assert person["last_seen"] == "2026-03-04T12:00:00.000Z"


@pytest.mark.parametrize("last", ["tie-1", "tie-2"])
async def test_of_stages_in_the_same_millisecond_on_two_devices_the_one_with_the_later_seq_counts(
    client: TestClient[Any, Any], bank: Engine, last: str
) -> None:
    tied = [
        event(5, device, stage=device, user="tied") | {"seq": 1 + (device == last)}
        for device in ("tie-1", "tie-2")
    ]
    load(bank, tied)
    stitcher = Stitcher(bank)
    stitcher.round()
    stitcher.close()
    for past in ("", "?as_of=2100-01-01"):
        person = await (await client.get(f"/v1/people/user/tied{past}")).json()
        assert len(person["devices"]) == 2
        assert person["stage"] == last


async def test_a_journey_is_in_the_order_in_which_it_happened_and_says_how_each_event_was_found(
    client: TestClient[Any, Any],
) -> None:
    journey = await (await client.get("/v1/journey/user/42")).json()
    assert [(e["name"], e["found_by"], e["decided_by"]) for e in journey["events"]] == [
        ("page_viewed", "device", "device:web-1"),
        ("", "identifier", "user:42"),
        ("offer_shown", "identifier", "user:42"),
        ("offer_accepted", "identifier", "user:42"),
        ("card_inserted", "identifier", "user:42"),
        ("contract_signed", "identifier", "user:42"),
    ]
    assert "latest" not in journey["person"]


async def test_somebody_known_by_one_identifier_alone_is_found(client: TestClient[Any, Any]) -> None:
    person = await (await client.get("/v1/people/device/lonely")).json()
    assert person["events"] == 1
    assert person["identifiers"] == []
    assert person["devices"][0]["id"] == "lonely"


async def test_an_event_that_arrived_twice_is_told_once(client: TestClient[Any, Any], bank: Engine) -> None:
    twice = event(5000, "app-1", user="42", name="repeated")
    load(bank, [twice])
    load(bank, [twice])
    person = await (await client.get("/v1/people/user/42")).json()
    assert [e["name"] for e in person["latest"]].count("repeated") == 1
    assert person["events"] == 7


async def test_nobody_is_404_with_a_hint(client: TestClient[Any, Any]) -> None:
    answer = await client.get("/v1/people/user/nobody")
    assert answer.status == 404
    assert await answer.json() == {
        "error": "nobody was seen with user:nobody",
        "hint": "check the namespace (user, email, phone, device, anonymous or your own) and the spelling;"
        " a new event takes a second or two to be found",
    }


async def test_what_cannot_be_an_identifier_is_400_with_a_hint(client: TestClient[Any, Any]) -> None:
    answer = await client.get("/v1/people/email/ada")
    assert answer.status == 400
    assert "ada@example.com" in (await answer.json())["hint"]


async def test_a_value_may_hold_a_slash_and_any_letter(client: TestClient[Any, Any], bank: Engine) -> None:
    load(bank, [event(0, "a/b ü", name="odd")])
    person = await (await client.get("/v1/people/device/a%2Fb%20%C3%BC")).json()
    assert person["latest"][0]["name"] == "odd"


async def test_a_wrong_number_of_events_is_400(client: TestClient[Any, Any]) -> None:
    for text in ("-1", "x", "10001", "²"):
        answer = await client.get("/v1/people/user/42", params={"events": text})
        assert answer.status == 400


async def test_without_a_read_key_nothing_is_told(asking: web.Application, aiohttp_client: Any) -> None:
    stranger = await aiohttp_client(asking)
    for path in ("/v1/people/user/42", "/v1/journey/user/42", "/v1/tail"):
        assert (await stranger.get(path)).status == 401
        assert (await stranger.get(path, params={"key": "another"})).status == 401
    answer = await stranger.post("/v1/sql", data="SELECT 1")
    assert answer.status == 401
    assert "read" in (await answer.json())["hint"]
