"""Real collectors, and the example's receiver as a process of its own."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.clickhouse_server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.processes import CollectorProcess

ROOT = Path(__file__).parents[2]
SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode()
WITHIN_S = 90
JOURNEY = """[[milestones]]
name = "bought"
stage = "purchase"
event = "order_completed"
when = "properties.total >= 100"
"""
YES = {"analytics": True, "marketing": True}
Message = tuple[str, dict[str, Any]]


class Receiver:
    """The example, which can be stopped and started on its port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._database = folder / "messages.sqlite"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, str(ROOT / "examples" / "webhook" / "receiver.py")]
        command += ["--port", str(self.port), "--database", str(self._database)]
        self._process = subprocess.Popen(command, env={**os.environ, "WEBHOOK_SECRET": SECRET})
        until(self._listens, "the receiver listens")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)
            self._process = None

    def messages(self) -> list[Message]:
        """Id and body of each, in the order in which they came."""
        with sqlite3.connect(f"file:{self._database}?mode=ro", uri=True) as database:
            rows = database.execute("SELECT id, body FROM messages ORDER BY rowid").fetchall()
        database.close()
        return [(identifier, json.loads(body)) for identifier, body in rows]

    def until(self, number: int) -> list[dict[str, Any]]:
        """Wait for so many messages; returns what they tell."""
        until(lambda: len(self.messages()) >= number, f"{number} messages")
        return [body["data"] for _, body in self.messages()]

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def _listens(self) -> bool:
        try:
            return self.post(b"", {}) == 401
        except OSError:
            return False


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, f"waited {WITHIN_S} s until: {what}"
        time.sleep(0.1)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    one = Receiver(tmp_path)
    one.start()
    yield one
    one.stop()


@pytest.fixture
def serve(
    collector: Callable[..., CollectorProcess], receiver: Receiver, tmp_path: Path
) -> Callable[..., CollectorProcess]:
    """Start a collector with one webhook."""

    def start(defined: dict[str, str] | None = None, sweep_s: int = 3600, **webhook: Any) -> CollectorProcess:
        folder = tmp_path / "segments"
        folder.mkdir(exist_ok=True)
        for name, text in (defined or {}).items():
            (folder / f"{name}.toml").write_text(text)
        (tmp_path / "journey.toml").write_text(JOURNEY)
        told = {
            "name": "crm",
            "url": f"http://127.0.0.1:{receiver.port}/",
            "secret_env": "CRM_SECRET",
        } | webhook
        return collector(
            env={
                "CRM_SECRET": SECRET,
                "STITCHLINE_JOURNEY": str(tmp_path / "journey.toml"),
                "STITCHLINE_SEGMENTS": str(folder),
                "STITCHLINE_SEGMENT_SWEEP_S": str(sweep_s),
                "STITCHLINE_WEBHOOKS": json.dumps([told]),
            }
        )

    return start


def did(name: str, device: str, *, total: int = 100, days_ago: float = 0, **more: Any) -> dict[str, Any]:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(days=days_ago)
    kind = more.pop("type", "track")
    event = {
        "event_id": str(uuid.uuid4()),
        "type": kind,
        "occurred_at": at.isoformat(),
        "device": {"id": device, "type": "phone"},
        "channel": "app",
        "consent": YES,
        "properties": {"total": total},
    }
    return event | ({"name": name} if name else {}) | more


_sent: Counter[str] = Counter()


def send(collector: CollectorProcess, *events: dict[str, Any]) -> None:
    _sent[collector.url] += len(events)
    collector.send(*events, sent_at=dt.datetime.now(dt.UTC).isoformat())


def metric(collector: CollectorProcess, name: str) -> float:
    text = collector.request("GET", "/metrics")[2].decode()
    lines = [line for line in text.splitlines() if line.startswith(f"stitchline_{name}")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def settled(collector: CollectorProcess) -> None:
    """Wait until all that was sent has been looked at."""
    collector.sql_until("SELECT count() FROM events", [[_sent[collector.url]]], within_s=WITHIN_S)
    until(lambda: metric(collector, "rows_spooled") == 0, "all inserts have ended")
    collector.sql_until("SELECT count() FROM activation_inbox", [[0]], within_s=WITHIN_S)


def test_a_milestone_is_told_once_and_not_again_when_people_merge(
    serve: Callable[..., CollectorProcess], receiver: Receiver
) -> None:
    collector = serve(milestones=["bought"])
    send(collector, did("order_completed", "web-1", total=99))
    send(collector, did("order_completed", "app-1", identifiers={"user": "42"}))
    (told,) = receiver.until(1)
    assert (told["milestone"], told["identifiers"], told["event"]["name"]) == (
        "bought",
        {"user": ["42"]},
        "order_completed",
    )
    # Somebody else, who had not bought: they buy after they have turned out to be user 42.
    send(collector, did("product_viewed", "web-1"))
    settled(collector)
    send(collector, did("", "web-1", type="identify", identifiers={"user": "42"}))
    settled(collector)
    send(collector, did("order_completed", "web-1"), did("order_completed", "app-1"))
    # And two who had both reached it, before they merged: two messages, and no third.
    send(collector, did("order_completed", "web-2"))
    send(collector, did("order_completed", "app-2", identifiers={"user": "43"}))
    receiver.until(3)
    send(collector, did("", "web-2", type="identify", identifiers={"user": "43"}))
    settled(collector)
    send(collector, did("order_completed", "web-2"))
    settled(collector)
    # The last in line: when it is there, all before it was decided.
    send(collector, did("order_completed", "app-9", identifiers={"user": "99"}))
    told_of = [one["identifiers"]["user"] for one in receiver.until(4)]
    assert sorted(told_of) == [[], ["42"], ["43"], ["99"]]
    assert metric(collector, "webhook_delivered_total") == 4


def test_who_signs_in_on_another_device_in_one_batch_is_not_told_of_twice(
    serve: Callable[..., CollectorProcess], receiver: Receiver
) -> None:
    collector = serve(milestones=["bought"])
    send(collector, did("order_completed", "app-1", identifiers={"user": "42"}))
    receiver.until(1)
    # The order is nobody's but the device's until the sign-in beside it has been stitched.
    send(
        collector,
        did("order_completed", "web-1"),
        did("", "web-1", type="identify", identifiers={"user": "42"}),
    )
    settled(collector)
    send(collector, did("order_completed", "app-9", identifiers={"user": "99"}))
    assert [one["identifiers"]["user"] for one in receiver.until(2)] == [["42"], ["99"]]


def test_what_was_decided_survives_an_outage_of_the_receiver_and_kill_9_of_the_collector(
    serve: Callable[..., CollectorProcess], receiver: Receiver
) -> None:
    collector = serve(milestones=["bought"])
    receiver.stop()
    send(collector, *(did("order_completed", f"app-{n}", identifiers={"user": f"u-{n}"}) for n in range(20)))
    until(lambda: metric(collector, "webhook_pending") == 20, "20 messages wait")
    collector.restart()
    assert metric(collector, "webhook_pending") == 20
    send(
        collector,
        did("order_completed", "app-0"),
        did("order_completed", "app-20", identifiers={"user": "u-20"}),
    )
    collector.restart()
    receiver.start()
    receiver.until(21)
    until(lambda: metric(collector, "webhook_pending") == 0, "none waits")
    settled(collector)
    told_of = {one["identifiers"]["user"][0] for one in receiver.until(21)}
    assert told_of == {f"u-{n}" for n in range(21)}
    assert len(receiver.messages()) == 21


def test_consent_and_caps_are_kept(serve: Callable[..., CollectorProcess], receiver: Receiver) -> None:
    collector = serve(
        {"viewers": '[[did]]\nevent = "product_viewed"\n'},
        milestones=["bought"],
        segments=["viewers"],
        most_per_person=1,
    )
    baseline(collector, 1)
    silent, refused = {"analytics": True}, {"analytics": True, "marketing": False}
    send(
        collector,
        did("order_completed", "app-1", consent=silent),
        did("order_completed", "app-2", consent=refused),
    )
    until(lambda: metric(collector, "webhook_withheld_total") == 2, "two are withheld")
    send(collector, did("order_completed", "app-3", identifiers={"user": "3"}))
    receiver.until(1)
    send(collector, did("product_viewed", "app-3"))
    until(lambda: metric(collector, "webhook_capped_total") == 1, "one is capped")
    assert [one["identifiers"]["user"] for one in receiver.until(1)] == [["3"]]


@pytest.mark.parametrize("analytics", [True, False])
def test_consent_that_is_taken_back_while_a_message_waits_is_honoured(
    serve: Callable[..., CollectorProcess], receiver: Receiver, *, analytics: bool
) -> None:
    collector = serve(milestones=["bought"])
    receiver.stop()
    send(collector, did("order_completed", "app-1", identifiers={"user": "1"}))
    until(lambda: metric(collector, "webhook_pending") == 1, "a message waits")
    send(collector, did("", "app-1", type="consent", consent={"analytics": analytics, "marketing": False}))
    until(lambda: metric(collector, "webhook_withdrawn_total") == 1, "it is thrown away")
    receiver.start()
    assert receiver.messages() == []
    assert metric(collector, "webhook_pending") == 0


def baseline(collector: CollectorProcess, segments: int) -> None:
    """Wait until the members of the beginning are written down."""
    collector.sql_until(
        "SELECT count() FROM activation_states WHERE node = 0", [[segments]], within_s=WITHIN_S
    )


def test_entering_a_segment_is_told_at_once_by_events_and_by_stitching(
    serve: Callable[..., CollectorProcess], receiver: Receiver
) -> None:
    collector = serve({"two": "devices.at_least = 2"}, segments=["two"])
    baseline(collector, 1)
    send(collector, did("product_viewed", "web-1"), did("product_viewed", "app-1", identifiers={"user": "1"}))
    settled(collector)
    assert receiver.messages() == []
    send(collector, did("", "web-1", type="identify", identifiers={"user": "1"}))
    (told,) = receiver.until(1)
    assert (told["segment"], told["occurrence"], told["devices"]) == ("two", 1, 2)
    collector.restart()
    # A third device of somebody who is in it, and then somebody else's second: the latter only.
    send(collector, did("", "web-4", type="identify", identifiers={"user": "1"}))
    settled(collector)
    send(collector, did("product_viewed", "w-9"), did("", "a-9", type="identify", identifiers={"user": "9"}))
    send(collector, did("", "w-9", type="identify", identifiers={"user": "9"}))
    assert [one["identifiers"]["user"] for one in receiver.until(2)] == [["1"], ["9"]]


def test_entering_a_segment_by_the_passing_of_time_and_by_sql_is_told_by_the_sweep(
    serve: Callable[..., CollectorProcess], receiver: Receiver
) -> None:
    gone = '[[did]]\nevent = "order_completed"\n[[did_not]]\nevent = "order_completed"\nwithin = "1 minute"\n'
    collector = serve({"gone": gone, "sql": _BY_SQL}, sweep_s=1, segments=["gone", "sql"])
    baseline(collector, 2)
    nearly = 55 / 86400  # they leave the last minute a moment later
    send(collector, did("order_completed", "app-2", days_ago=nearly), did("opened", "app-3", channel="store"))
    assert {one["segment"] for one in receiver.until(2)} == {"gone", "sql"}
    collector.restart()
    send(
        collector, did("opened", "app-3"), did("opened", "app-4", channel="store", identifiers={"user": "4"})
    )
    assert [one["identifiers"]["user"] for one in receiver.until(3)] == [[], [], ["4"]]
    # Who comes back and leaves again enters again.
    send(collector, did("order_completed", "app-2"))
    collector.sql_until(
        "SELECT count() FROM activation_states FINAL WHERE NOT is_in", [[1]], within_s=WITHIN_S
    )
    again = receiver.until(4)[3]
    assert (again["segment"], again["occurrence"]) == ("gone", 2)


_BY_SQL = "sql = \"SELECT person_id FROM person_events WHERE channel = 'store'\""


def test_what_nobody_takes_becomes_a_dead_letter_that_is_shown(
    serve: Callable[..., CollectorProcess], receiver: Receiver
) -> None:
    collector = serve(milestones=["bought"], give_up_after_s=1)
    receiver.stop()
    send(collector, did("order_completed", "app-1", identifiers={"user": "1"}))
    until(lambda: metric(collector, "webhook_dead_total") == 1, "it is dead")
    collector.restart()
    (told,) = json.loads(collector.request("GET", "/v1/webhooks")[2])["webhooks"]
    assert (told["name"], told["pending"], told["dead"]) == ("crm", 0, 1)
    (letter,) = told["dead_letters"]
    assert letter["body"]["data"]["identifiers"] == {"user": ["1"]}
    assert str(receiver.port) in letter["error"]


def test_dead_letters_are_sent_again_on_request_and_only_to_whom_still_agrees(
    serve: Callable[..., CollectorProcess], receiver: Receiver
) -> None:
    collector = serve(milestones=["bought"], give_up_after_s=1)
    receiver.stop()
    send(collector, *(did("order_completed", f"app-{n}", identifiers={"user": str(n)}) for n in range(2)))
    until(lambda: metric(collector, "webhook_dead_total") == 2, "both are dead")
    (before,) = json.loads(cli(collector, "list", "--json"))["webhooks"]
    assert "crm" in (shown := cli(collector, "list"))
    assert "stitchline webhook replay crm" in shown
    send(collector, did("", "app-0", type="consent", consent={"analytics": True, "marketing": False}))
    settled(collector)
    receiver.start()
    assert cli(collector, "replay", "crm") == "2 messages are on their way again\n"
    assert [one["identifiers"]["user"] for one in receiver.until(1)] == [["1"]]
    until(lambda: metric(collector, "webhook_withdrawn_total") == 1, "the other is thrown away")
    (after,) = json.loads(cli(collector, "list", "--json"))["webhooks"]
    assert (after["dead"], after["pending"], after["dead_letters"]) == (0, 0, [])
    assert receiver.messages()[0][0] in {letter["id"] for letter in before["dead_letters"]}
    assert cli(collector, "replay", "crm") == "0 messages are on their way again\n"
    assert collector.request("POST", "/v1/webhooks/erp/replay")[0] == 404


def test_a_read_key_sees_webhooks_and_only_an_admin_key_sends_again(
    collector: Callable[..., CollectorProcess], tmp_path: Path
) -> None:
    (tmp_path / "journey.toml").write_text(JOURNEY)
    webhook = {
        "name": "crm",
        "url": "http://127.0.0.1:9/",
        "secret_env": "CRM_SECRET",
        "milestones": ["bought"],
    }
    guarded = collector(
        env={
            "CRM_SECRET": SECRET,
            "STITCHLINE_JOURNEY": str(tmp_path / "journey.toml"),
            "STITCHLINE_WEBHOOKS": json.dumps([webhook]),
            "STITCHLINE_KEYS": json.dumps(
                [{"key": f"{kind}-key-1", "kind": kind} for kind in ("write", "read", "admin")]
            ),
        }
    )

    def statuses(method: str, path: str) -> list[int]:
        return [
            guarded.request(method, path, headers={"Authorization": f"Bearer {kind}-key-1"})[0]
            for kind in ("none", "write", "read", "admin")
        ]

    assert statuses("GET", "/v1/webhooks") == [401, 401, 200, 200]
    assert statuses("POST", "/v1/webhooks/crm/replay") == [401, 401, 401, 200]


def cli(collector: CollectorProcess, *arguments: str) -> str:
    command = [sys.executable, "-m", "stitchline_collector", "webhook", *arguments, "--url", collector.url]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_history_is_not_told(serve: Callable[..., CollectorProcess], receiver: Receiver) -> None:
    collector = serve(milestones=["bought"])
    send(collector, did("order_completed", "app-1", days_ago=2, identifiers={"user": "1"}))
    settled(collector)
    send(
        collector, did("order_completed", "app-1"), did("order_completed", "app-2", identifiers={"user": "2"})
    )
    assert [one["identifiers"]["user"] for one in receiver.until(1)] == [["2"]]


def test_the_receiver_refuses_what_is_not_signed_with_its_secret(receiver: Receiver) -> None:
    from stitchline_collector.activate.webhooks import signature

    body, now = b'{"type": "x", "data": {}}', int(time.time())
    key = base64.b64decode(SECRET.removeprefix("whsec_"))

    def post(key: bytes, at: int, signed: bytes = body, identifier: str = "msg_1") -> int:
        headers = {"webhook-id": "msg_1", "webhook-timestamp": str(at)}
        return receiver.post(body, headers | {"webhook-signature": signature(key, identifier, at, signed)})

    assert post(key[1:], now) == 401
    assert post(key, now, b"another body") == 401
    assert post(key, now, identifier="msg_2") == 401
    assert post(key, now - 3600) == 401
    assert [post(key, now), post(key, now)] == [204, 204]
    assert len(receiver.messages()) == 1  # the second is the first again
