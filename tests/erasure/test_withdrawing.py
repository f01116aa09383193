"""Consent that is taken back erases, where that is set: whose it is depends on the key that says so."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.ask.test_corrections import KEYS
from tests.erasure.town import WITHIN_S, let_lease_run_out, until
from tests.system.ledger import metrics, wait_until_loaded
from tests.system.senders import batch, event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.processes import CollectorProcess

pytestmark = pytest.mark.shards

ON = {"STITCHLINE_ERASE_ON_WITHDRAWAL": "true", "STITCHLINE_KEYS": KEYS}


class Shop:
    """A collector that erases on withdrawal, and two keys.

    Args:
        process: running.
    """

    def __init__(self, process: CollectorProcess) -> None:
        tag = uuid.uuid4().hex[:12]
        self.process = process
        self.ada, self.phone, self.laptop = f"ada-{tag}", f"phone-{tag}", f"laptop-{tag}"
        self.bob, self.bobs = f"bob-{tag}", f"bobs-{tag}"

    def send(self, *events: dict[str, Any], key: str = "write", **envelope: Any) -> None:
        headers = {"Authorization": f"Bearer {key}-key-1"}
        status, _, answer = self.process.request("POST", "/v1/events", batch(*events, **envelope), headers)
        assert (status, json.loads(answer)["accepted"]) == (200, len(events))

    def says(self, device: str, *, yes: bool, key: str = "write", **identifiers: str) -> None:
        said = event(type="consent", consent={"analytics": yes}, identifiers=identifiers)
        self.send(said, key=key, device={"id": device} if device else {})

    def signs_in(self, user: str, device: str, **more: str) -> None:
        self.send(event(type="identify"), identifiers={"user": user, **more}, device={"id": device})

    def settle(self) -> None:
        wait_until_loaded(self.process)
        self.process.sql_until("SELECT count() FROM identity_inbox", [[0]], within_s=WITHIN_S)

    def happens(self) -> None:
        """Ada has two devices, and an e-mail address that only her phone knows; Bob one."""
        self.send(event(name="seen"), event(name="seen"), device={"id": self.phone})
        self.signs_in(self.ada, self.phone)
        self.send(event(), identifiers={"email": f"{self.ada}@example.com"}, device={"id": self.phone})
        self.signs_in(self.ada, self.laptop)
        self.signs_in(self.bob, self.bobs)
        self.settle()

    def heard(self, outcome: str, number: int) -> None:
        """Wait until so many withdrawals came to that."""
        deadline = time.monotonic() + WITHIN_S
        name = f'stitchline_withdrawals_total{{outcome="{outcome}"}}'
        while (found := metrics(self.process).get(name)) != number:
            assert time.monotonic() < deadline, f"{name} is {found}\n{self.process.log()[-4000:]}"
            time.sleep(0.1)

    def events_of(self, device: str) -> list[list[Any]]:
        return self.process.sql(
            f"SELECT toString(type), count() FROM events WHERE device.id = '{device}' GROUP BY type ORDER BY type"
        )

    def persons(self) -> list[list[Any]]:
        return self.process.sql(
            "SELECT node, person_id FROM identity_map WHERE person_id != node ORDER BY node"
        )

    def rebuild(self) -> None:
        before = metrics(self.process)["stitchline_stitch_rebuilds_total"]
        assert self.process.request("POST", "/v1/identity/rebuild", b"")[0] == 202
        deadline = time.monotonic() + WITHIN_S
        while metrics(self.process)["stitchline_stitch_rebuilds_total"] == before:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_device_that_withdraws_is_erased_alone_and_comes_back_with_a_new_consent(
    collector: Callable[..., CollectorProcess],
) -> None:
    shop = Shop(collector(env=ON))
    shop.happens()

    shop.says(shop.phone, yes=False, user=shop.ada)
    shop.heard("erased", 1)

    assert shop.events_of(shop.phone) == [["consent", 1]]  # the record of the withdrawal
    assert [shop.events_of(one) for one in (shop.laptop, shop.bobs)] == [[["identify", 1]]] * 2
    nodes = f"(sipHash64('device', '\\0', '{shop.phone}'))"
    assert shop.process.sql(f"SELECT count() FROM identity_edges WHERE {nodes} IN (node, neighbour)") == [[0]]
    told = shop.persons()
    assert len(told) == 2  # the laptops of both: whose the e-mail address is was known by the phone alone
    shop.rebuild()
    assert shop.persons() == told
    assert len(shop.process.log().split("1 withdrawals")) == 2

    shop.send(event(name="late", consent={"analytics": True}), device={"id": shop.phone})
    assert metrics(shop.process)["stitchline_events_suppressed_total"] == 1
    shop.says(shop.laptop, yes=True, user=shop.ada)  # who else says yes does not speak for the phone
    shop.send(event(name="late", consent={"analytics": True}), device={"id": shop.phone})
    assert metrics(shop.process)["stitchline_events_suppressed_total"] == 2
    time.sleep(1.1)  # `occurred_at` is in whole seconds here
    yes = event(type="consent", consent={"analytics": True})
    shop.send(yes, event(name="back"), device={"id": shop.phone})
    shop.settle()
    assert shop.events_of(shop.phone) == [["consent", 2], ["track", 1]]


def test_nobody_is_erased_by_who_can_name_them_and_nothing_by_a_no_without_a_past(
    collector: Callable[..., CollectorProcess],
) -> None:
    shop = Shop(collector(env=ON))
    shop.happens()
    before = shop.process.sql("SELECT count() FROM events")
    shop.signs_in(shop.ada, "strangers-device")  # whoever has the page's key can say so
    shop.settle()

    shop.says("strangers-device", yes=False, user=shop.ada)
    shop.says("", yes=False, user=shop.ada)
    shop.says("new-visitors-device", yes=False)
    shop.heard("erased", 1)
    shop.heard("nothing_stored", 1)

    assert shop.process.sql("SELECT count() FROM events WHERE type != 'consent'") == before
    assert shop.process.sql("SELECT device.id FROM events WHERE type = 'consent' ORDER BY 1") == [
        [""],
        ["new-visitors-device"],
        ["strangers-device"],
    ]


def test_a_server_withdraws_for_whom_it_names_and_gives_the_consent_back(
    collector: Callable[..., CollectorProcess],
) -> None:
    shop = Shop(collector("--workers", "2", env=ON))
    shop.happens()

    shop.says("", yes=False, key="server", user=shop.ada)
    shop.heard("erased", 1)

    assert [shop.events_of(one) for one in (shop.phone, shop.laptop)] == [[], []]
    assert shop.events_of(shop.bobs) == [["identify", 1]]
    assert shop.process.sql(f"SELECT count() FROM events WHERE identifiers['user'] = '{shop.ada}'") == [[0]]
    time.sleep(1.1)
    shop.says(shop.phone, yes=True, user=shop.ada)
    for _ in range(10):  # on connections of their own, so that both workers hear some
        shop.signs_in(shop.ada, shop.phone)
    assert metrics(shop.process)["stitchline_events_suppressed_total"] == 11

    shop.says("", yes=True, key="server", user=shop.ada)
    for _ in range(10):
        shop.signs_in(shop.ada, shop.phone)
    shop.settle()
    assert shop.events_of(shop.phone) == [["identify", 10]]


def _start_again(process: CollectorProcess) -> None:
    process.kill()
    let_lease_run_out(process)
    process.start()


def test_withdrawals_that_wait_are_erased_in_one_go_also_after_a_kill(
    collector: Callable[..., CollectorProcess],
) -> None:
    shop = Shop(collector(env=ON))
    shop.happens()
    shop.says(shop.phone, yes=False)
    shop.heard("erased", 1)

    shop.says(shop.laptop, yes=False)  # within the pause after the first
    shop.says(shop.bobs, yes=False)
    wait_until_loaded(shop.process)
    _start_again(shop.process)  # a start waits for no pause
    folder = shop.process.data / "erasures"
    until(lambda: any(folder.glob("*.open")), "the next is begun")
    _start_again(shop.process)
    until(lambda: len(list(folder.glob("*.json"))) == 2, "it is finished")

    assert [shop.events_of(one) for one in (shop.laptop, shop.bobs)] == [[["consent", 1]]] * 2
    assert sorted(json.loads(one.read_bytes())["withdrawals"] for one in folder.glob("*.json")) == [1, 2]
    assert not any(word in one.read_text() for one in folder.iterdir() for word in (shop.laptop, shop.bobs))
    shop.send(event(name="late"), device={"id": shop.bobs})
    assert metrics(shop.process)["stitchline_events_suppressed_total"] == 1


def test_a_shared_device_is_not_erased_and_a_consent_given_again_meanwhile_holds(
    collector: Callable[..., CollectorProcess],
) -> None:
    shop = Shop(collector(env=ON))
    shop.happens()
    shop.signs_in(shop.bob, shop.laptop)
    shop.settle()
    earlier = event(type="consent", consent={"analytics": False}, occurred_at="2026-11-01T10:00:00Z")
    shop.says(shop.phone, yes=True)
    shop.settle()

    shop.send(earlier, device={"id": shop.phone})
    shop.says(shop.laptop, yes=False)
    shop.heard("taken_back", 1)
    shop.heard("shared", 1)

    assert shop.events_of(shop.laptop) == [["consent", 1], ["identify", 2]]
    assert len(shop.events_of(shop.phone)) == 3
