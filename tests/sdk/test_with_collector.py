"""The SDK against a real collector process: what is said here is in ClickHouse there, once, by the same names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stitchline import Client, Drop
from tests.processes import KEY, CollectorProcess

ADDRESSES = ["alice@example.org", "  Alice@Example.ORG \n", "JOHN.Doe+News@gmail.com", "MÜLLER@EXAMPLE.DE"]


@pytest.fixture
def real(tmp_path: Path) -> Iterator[CollectorProcess]:
    process = CollectorProcess(tmp_path / "data", f"chdb://{tmp_path / 'clickhouse'}")
    try:
        yield process.start()
    finally:
        process.kill()


@pytest.fixture
def make(real: CollectorProcess, tmp_path: Path) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def client(**settings: Any) -> Client:
        defaults: dict[str, Any] = {
            "state_dir": tmp_path / "state",
            "drain_on_sigterm": False,
            "backoff_s": 0.05,
        }
        made.append(Client(real.url, KEY, **(defaults | settings)))
        return made[-1]

    yield client
    for each in made:
        each.close(1)


def test_every_call_is_accepted_and_is_a_row_with_its_tags(
    real: CollectorProcess, make: Callable[..., Client]
) -> None:
    drops: list[Drop] = []
    client = make(
        channel="app", device={"id": "d1", "type": "phone"}, on_drop=drops.append, consent={"analytics": True}
    )
    client.track("product_viewed", {"price": 19.9}, stage="consideration", campaign={"source": "news"})
    client.page("Home", page={"url": "https://x.example/", "title": "X", "referrer": "https://y.example/"})
    client.screen("Menu")
    client.identify(user="42", email="alice@example.org", properties={"plan": "gold"})
    client.link({"device": "kiosk-7"})
    client.unlink({"user": "43"}, properties={"reason": "wrong"})
    client.consent({"marketing": False})
    client.logout()
    assert client.close(30)
    assert drops == []
    said = ["product_viewed", "Home", "Menu", "identify", "link", "unlink", "consent", "logout"]
    rows = [[name, number, "app", "d1"] for number, name in enumerate(said, start=1)]
    real.sql_until("SELECT name, toUInt32(seq), channel, device.id FROM events ORDER BY seq", rows)
    query = "SELECT toFloat64(properties.price), stage, campaign.source FROM events WHERE seq = 1"
    assert real.sql(query) == [[19.9, "consideration", "news"]]
    query = "SELECT toUInt32(uniqExact(session_id)), toUInt32(countIf(session_id = '')) FROM events"
    assert real.sql(query) == [[1, 0]]


def test_a_collector_that_is_killed_and_comes_back_has_every_event_once(
    real: CollectorProcess, make: Callable[..., Client]
) -> None:
    client = make(flush_interval_s=0.05, max_backoff_s=0.2)
    for number in range(300):
        client.track("n", {"n": number})
    real.restart()
    for number in range(300, 600):
        client.track("n", {"n": number})
    assert client.close(60)
    assert client.losses == {}
    query = "SELECT toUInt32(count()), toUInt32(uniqExact(event_id)) FROM events WHERE name = 'n'"
    real.sql_until(query, [[600, 600]])


def test_what_waited_in_an_offline_folder_arrives_when_the_collector_is_there(
    real: CollectorProcess, make: Callable[..., Client], tmp_path: Path
) -> None:
    real.kill()
    kiosk = make(device={"id": "atm-1", "type": "atm"}, offline_dir=tmp_path / "off")
    for number in range(20):
        kiosk.track("withdrawn", {"n": number})
    assert kiosk.close(0.5) is False
    real.start()
    again = make(device={"id": "atm-1", "type": "atm"}, offline_dir=tmp_path / "off")
    assert again.flush(30)
    real.sql_until(
        "SELECT toUInt32(count()), toUInt32(max(seq)) FROM events WHERE name = 'withdrawn'", [[20, 20]]
    )


def test_an_address_hashed_here_and_one_sent_plain_meet(
    real: CollectorProcess, make: Callable[..., Client]
) -> None:
    hashed, plain = make(), make(hash_contacts=False)
    for address in ADDRESSES:
        hashed.track("hashed", email=address)
        plain.track("plain", email=address)
    assert hashed.close(30)
    assert plain.close(30)
    real.sql_until(
        "SELECT toUInt32(uniqExact(identifiers['email'])) FROM events WHERE name IN ('hashed', 'plain')",
        [[3]],
    )
