"""The Python SDK, and the collector where it decides, against every vector of the protocol."""

from __future__ import annotations

import base64
import datetime as dt
import json
import sys
from typing import Any

import msgspec
import pytest

from stitchline import Client, InvalidEvent, make_link_token, read_link_token, take_link_token
from stitchline._identifiers import Cleaner
from stitchline._ids import IdSource, _renew, utc_text
from stitchline._link_tokens import signed
from stitchline._queue import MemoryQueue
from stitchline._retry import backoff_s
from stitchline._transport import Answer, DeliveryError
from stitchline._worker import Sender
from stitchline.testing import RecordingClient
from stitchline_collector.decode import Limits, decode
from stitchline_collector.enrich import Arrival
from stitchline_collector.enrich.clock import Clocks
from stitchline_collector.enrich.contacts import Contacts
from stitchline_collector.enrich.pipeline import rows_of
from stitchline_collector.enrich.privacy import Privacy
from tests.spec.vectors import FOLDER, cases

Case = dict[str, Any]
contacts = Contacts(b"a secret of thirty-two characters")


def test_every_file_has_the_one_shape() -> None:
    files = sorted(FOLDER.glob("*.json"))
    assert [file.stem for file in files] == sorted(
        "hashing normalisation sessions retry batching clock consent link_tokens".split()
    )
    for file in files:
        vectors = json.loads(file.read_text(encoding="utf-8"))
        assert set(vectors) == {"about", "cases"}
        names = [case["name"] for case in vectors["cases"]]
        assert len(set(names)) == len(names), f"{file.name}: a name stands there twice"
        for case in vectors["cases"]:
            assert (
                {"name", "given", "expected"}
                <= set(case)
                <= {"name", "given", "expected", "by", "do", "needs"}
            )


# Identifiers


def _cleaned(given: Case, *, hashed: bool) -> str | None:
    cleaner = Cleaner(
        hash_contacts=hashed, default_region=given.get("default_region"), refuse=lambda *_: None
    )
    return cleaner.clean(None, None, None, {given["namespace"]: given["value"]}).get(given["namespace"])


@pytest.mark.parametrize("package", ["with phonenumbers", "without phonenumbers"])
@cases("normalisation")
def test_identifiers_have_one_spelling(package: str, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = case["expected"]
    if package == "without phonenumbers":
        monkeypatch.setitem(sys.modules, "phonenumbers", None)
        expected = None if case.get("needs") == "phone_regions" else expected
    assert _cleaned(case["given"], hashed=False) == expected


@cases("hashing")
def test_contacts_leave_hashed(case: Case) -> None:
    assert _cleaned(case["given"], hashed=True) == case["expected"]


@cases("hashing")
def test_the_collector_stores_the_same_for_what_was_hashed_and_what_was_not(case: Case) -> None:
    namespace, expected = case["given"]["namespace"], case["expected"]
    meets = "" if expected is None else contacts.stored(namespace, expected)
    assert contacts.stored(namespace, case["given"]["value"]) == meets


@cases("normalisation")
def test_the_collector_agrees_on_the_spelling_of_contacts(case: Case) -> None:
    namespace, expected = case["given"]["namespace"], case["expected"]
    if namespace in {"email", "phone"}:
        here = Contacts(b"a secret of thirty-two characters", case["given"].get("default_region", ""))
        meets = "" if expected is None else here.stored(namespace, expected)
        assert here.stored(namespace, case["given"]["value"]) == meets


# Sessions and consent: what the events of a client say


class _Clock:
    def __init__(self) -> None:
        self.ms = 1_795_360_800_000

    def __call__(self) -> int:
        return self.ms * 1_000_000


def _client(given: Case, clock: _Clock) -> RecordingClient:
    return RecordingClient(device={"type": given["device_type"]}, consent=given.get("consent"), clock=clock)


def _call(client: Client, call: Case) -> None:
    match call["do"]:
        case "identify":
            client.identify(call["user"])
        case "consent":
            client.consent(call["purposes"])
        case "logout":
            client.logout()
        case "page":
            client.page()
        case _:
            client.track("something")


@cases("sessions")
def test_events_belong_to_sessions(case: Case) -> None:
    _renew()  # ids of a process rise, and the last case may have been later
    clock = _Clock()
    client = _client(case["given"], clock)
    begun: dict[str, int] = {}
    said = []
    for call in case["given"]["calls"]:
        clock.ms = call["at_ms"]
        _call(client, call)
        event = client.events[-1]
        if event.session_id is not None and event.session_id not in begun:
            assert int(event.session_id.replace("-", "")[:12], 16) == clock.ms
            begun[event.session_id] = len(begun)
        said.append(
            {
                "session": None if event.session_id is None else begun[event.session_id],
                "user": event.identifiers.get("user"),
            }
        )
    assert said == case["expected"]


@cases("consent", by="client")
def test_events_carry_consent(case: Case) -> None:
    client = _client(case["given"], _Clock())
    for call in case["given"]["calls"]:
        _call(client, call)
    assert [event.consent or None for event in client.events] == case["expected"]


@cases("consent", by="opt_in client")
def test_nothing_is_said_without_consent(case: Case) -> None:
    given = case["given"]
    client = RecordingClient(
        device={"type": given["device_type"]}, consent=given["consent"], require_consent=True
    )
    for call in given["calls"]:
        _call(client, call)
    assert [event.consent or None for event in client.events] == case["expected"]


@cases("consent", by="collector")
def test_the_collector_keeps_identifiers_by_consent(case: Case) -> None:
    event = {
        "type": "track",
        "name": "x",
        "occurred_at": "2026-11-22T15:20:00Z",
        "seq": 7,
        "session_id": "s",
        "identifiers": {"user": "42"},
        "consent": case["given"]["consent"],
    }
    decoded = decode(json.dumps({"device": {"id": "d"}, "events": [event]}).encode(), Limits())
    arrival = Arrival(dt.datetime.now(dt.UTC), "test")
    rows = rows_of(decoded, arrival)
    Privacy(required=case["given"]["require_consent"])(arrival, rows)
    row = rows[0]
    kept = [bool(row.identifiers), bool(row.session_id), bool(row.seq), bool(getattr(row.tail, "id", ""))]
    assert kept == [case["expected"]] * 4


# Time


@cases("clock", by="client")
def test_times_are_the_devices(case: Case) -> None:
    clock = _Clock()
    clock.ms = case["given"]["at_ms"]
    client = RecordingClient(clock=clock)
    client.track("x")
    event = client.events[0]
    expected = case["expected"]
    assert event.occurred_at == expected["occurred_at"]
    assert event.event_id.replace("-", "").startswith(expected["event_id_begins"])
    assert utc_text(case["given"]["sent_at_ms"]) == expected["sent_at"]


@cases("clock", by="client ids")
def test_ids_rise(case: Case) -> None:
    source = IdSource()
    made = [source.next(ms) for ms in case["given"]["at_ms"]]
    assert len(set(made)) == len(made)
    assert (made == sorted(made)) is case["expected"]["rise"]


@cases("clock", by="collector")
def test_the_collector_corrects_what_delay_cannot_explain(case: Case) -> None:
    clocks = Clocks()
    said = []
    for request in case["given"]["requests"]:
        events = [
            {"type": "track", "name": "x", "occurred_at": utc_text(ms)} for ms in request["occurred_at_ms"]
        ]
        body = {"sent_at": utc_text(request["sent_at_ms"]), "device": {"id": "d"}, "events": events}
        decoded = decode(json.dumps(body).encode(), Limits())
        received = dt.datetime.fromtimestamp(request["received_at_ms"] / 1000, dt.UTC)
        arrival = Arrival(received, "test", sent_at=decoded.defaults.sent_at, sender="d")
        rows = rows_of(decoded, arrival)
        clocks(arrival, rows)
        corrected = [round(row.occurred_at.timestamp() * 1000) for row in rows]
        said.append({"offset_ms": arrival.clock.offset_ms, "occurred_at_ms": corrected})
    assert said == case["expected"]


# Delivery


@cases("batching")
def test_events_travel_together(case: Case) -> None:
    given = case["given"]
    queue = MemoryQueue(
        head=b"",
        max_events=1000,
        max_bytes=1_000_000,
        max_batch_events=given["max_batch_events"],
        max_batch_bytes=given["max_batch_bytes"],
    )
    left: list[tuple[list[int], int]] = []
    waiting: list[int] = []  # when each event that has not left came

    def take(now: int, *, partial: bool) -> None:
        while (batch := queue.take(partial=partial)) is not None:
            number = len(batch.events)
            left.append((list(range(taken := sum(len(one) for one, _ in left), taken + number)), now))
            del waiting[:number]
            queue.settle(batch)

    flush_at = given.get("flush_at_ms")
    ticks = [(event["at_ms"], event["bytes"]) for event in given["events"]]
    for at, size in [*ticks, (flush_at if flush_at is not None else 10**9, 0)]:
        if waiting and waiting[0] + given["flush_interval_ms"] <= at:
            take(waiting[0] + given["flush_interval_ms"], partial=True)
        if size:
            waiting.append(at)
            assert queue.put(b"x" * size)
            take(at, partial=False)
        elif flush_at is not None:
            take(at, partial=True)
    assert [events for events, _ in left] == [batch["events"] for batch in case["expected"]]
    for (_, at), batch in zip(left, case["expected"], strict=True):
        assert at <= batch["latest_ms"]


class _Waits(Exception):
    """The attempt of interest is over; the wait that follows it."""

    def __init__(self, least: float, most: float) -> None:
        super().__init__()
        self.range = {"min": least, "max": most}


class _Memory:
    """A store that holds nothing."""

    head = b""

    def __init__(self, *, keeps: bool) -> None:
        self._keeps = keeps

    def keeps(self) -> bool:
        return self._keeps


def _decided(given: Case, monkeypatch: pytest.MonkeyPatch) -> Case:
    """What the sender does after this many failures, and how long it would wait."""
    client = RecordingClient()
    sender = Sender(client._pipeline, _Memory(keeps=given["keeps"]))  # type: ignore[arg-type]

    def post(*_: object, **__: object) -> Answer:
        if given["status"] is None:
            raise DeliveryError("no answer")
        body = b'{"accepted": 5, "rejected": []}' if given["body"] == "reply" else b"<html>welcome</html>"
        return Answer(given["status"], given["retry_after"], body)

    def wait(failures: int, _why: str, asked_s: float | None) -> None:
        if failures == given["attempt"]:
            if asked_s is not None:
                raise _Waits(asked_s, asked_s)
            bounds = []
            for end in (min, max):
                monkeypatch.setattr("stitchline._retry.random.uniform", lambda *ends, end=end: end(ends))
                bounds.append(backoff_s(failures, base_s=0.5, max_s=30.0))
            raise _Waits(*bounds)

    monkeypatch.setattr(sender._transport, "post", post)
    monkeypatch.setattr(sender, "_wait", wait)
    if "now" in given:
        now_s = dt.datetime.fromisoformat(given["now"]).timestamp()
        monkeypatch.setattr("stitchline._retry.time.time", lambda: now_s)
    events = [b'{"event_id":"%d","type":"track"}' % number for number in range(given["events"])]
    try:
        left = sender._bring(events, b"")
    except _Waits as waits:
        return {"decision": "retry", "reason": None, "delay_s": waits.range}
    if left:
        assert sorted(map(len, left)) == [len(events) // 2, len(events) - len(events) // 2]
        return {"decision": "split", "reason": None, "delay_s": None}
    reason = next(iter(client.losses), None)
    return {"decision": "drop" if reason else "delivered", "reason": reason, "delay_s": None}


@cases("retry")
def test_an_answer_decides(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _decided(case["given"], monkeypatch) == case["expected"]


# Links between devices


@cases("link_tokens", do="sign")
def test_tokens_are_signed(case: Case) -> None:
    assert signed(case["given"]["payload"], case["given"]["key"]) == case["expected"]


@cases("link_tokens", do="make")
def test_tokens_are_made(case: Case) -> None:
    given = dict(case["given"])
    linked, key = given.pop("linked"), given.pop("key")
    if case["expected"] is None:
        with pytest.raises(InvalidEvent):
            make_link_token(linked, key, **given)
        return
    token = make_link_token(linked, key, **given)
    payload = token.split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) == case["expected"]
    assert read_link_token(token, key, now_s=given["now_s"]) is not None


@cases("link_tokens", do="check")
def test_tokens_are_checked(case: Case) -> None:
    given = case["given"]
    found = read_link_token(
        given["token"], given["key"], own_device=given["own_device"], now_s=given["now_s"]
    )
    assert (None if found is None else msgspec.to_builtins(found)) == case["expected"]


@cases("link_tokens", do="take")
def test_tokens_are_taken_out_of_addresses(case: Case) -> None:
    token, url = take_link_token(case["given"]["url"])
    assert {"token": token, "url": url} == case["expected"]
