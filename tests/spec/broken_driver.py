"""The Python SDK, deliberately broken in one way: `python broken_driver.py NAME`, named after the check that must find it.

Each breach is the smallest patch that makes one; the kit must see it from outside.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from stitchline import _client, _identifiers, _offline, _queue, _retry, _sessions, _speaker, _state, _worker
from stitchline._client import Client
from stitchline._event import Device, Reply, encoded
from stitchline._ids import IdSource, new_id
from stitchline._transport import Answer, Transport
from tests.spec.python_driver import PythonDriver, main

Breach = Callable[[], None]
BREACHES: dict[str, Breach] = {}
_numbers = itertools.count(1)
_post = Transport.post
_say = _speaker.Speaker.say


def breach(make: Breach) -> Breach:
    BREACHES[make.__name__.removeprefix("_")] = make
    return make


def _replace(where: Any, name: str, value: Any) -> None:
    setattr(where, name, value)


def _bodies(change: Callable[[bytes], bytes], **more: Any) -> None:
    """Change what leaves; compression is switched off, so that it can be seen."""

    def post(self: Transport, body: bytes, *, gzipped: bool, timeout_s: float) -> Answer:
        if gzipped:
            import zlib

            body = zlib.decompress(body, 31)
        return _post(self, change(body), gzipped=False, timeout_s=timeout_s, **more)

    _replace(Transport, "post", post)


def _without(field: bytes, body: bytes) -> bytes:
    return re.sub(rb'"%b":("[^"]*"|[0-9]+),' % field, b"", body)


def _with(field: bytes, value: bytes, body: bytes) -> bytes:
    return re.sub(rb'"%b":("[^"]*"|[0-9]+)' % field, b'"%b":%b' % (field, value), body)


# The rules


@breach
def _calls() -> None:
    _replace(Client, "screen", lambda *_, **__: 1 / 0)


@breach
def _key() -> None:
    made = Transport.__init__
    _replace(
        Transport,
        "__init__",
        lambda self, target, headers: made(self, target, {**headers, "Authorization": ""}),
    )


@breach
def _readable() -> None:
    _bodies(lambda body: body[:-1] if b"menu" in body else body)


@breach
def _fields() -> None:
    _bodies(lambda body: body.replace(b'"type":"track"', b'"colour":1,"type":"track"'))


@breach
def _event_id() -> None:
    _replace(IdSource, "next", lambda _self, _ms: "01a203d7-bd7b-7c3e-8d5b-0123456789ab")


@breach
def _same_bytes() -> None:
    _bodies(lambda body: body.replace(b'"name":"one"', b'"stage":"%d","name":"one"' % next(_numbers)))


@breach
def _sent_at() -> None:
    _bodies(lambda body: _with(b"sent_at", b'"2026-11-22T15:20:00.000Z"', body))


@breach
def _occurred_at() -> None:
    _bodies(lambda body: _without(b"occurred_at", body))


@breach
def _device_id() -> None:
    _replace(_client, "own_device", lambda given, *_: Device(id=os.urandom(8).hex(), type=given.type))


@breach
def _seq() -> None:
    _replace(_state.Counter, "next", lambda _self: 1)


@breach
def _hashed() -> None:
    given = Client.__init__
    _replace(Client, "__init__", lambda *a, **k: given(*a, hash_contacts=False, **k))


@breach
def _nobody() -> None:
    _replace(_identifiers, "names_nobody", lambda _text: False)


@breach
def _limits() -> None:
    made = _queue.MemoryQueue.__init__
    _replace(
        _queue.MemoryQueue,
        "__init__",
        lambda self, **k: made(self, **{**k, "max_batch_events": 5000, "max_batch_bytes": 10**8}),
    )


@breach
def _resent() -> None:
    def post(self: Transport, body: bytes, **more: Any) -> Answer:
        _post(self, body, **more)
        return _post(self, body, **more)

    _replace(Transport, "post", post)


# The scenarios


@breach
def _delivered() -> None:
    _replace(
        _speaker.Speaker,
        "say",
        lambda self, kind, name="", *a, **k: True if name == "menu" else _say(self, kind, name, *a, **k),
    )


@breach
def _seq_order() -> None:
    following = _state.Counter.next
    _replace(_state.Counter, "next", lambda self: 2 * following(self))


@breach
def _session() -> None:
    _replace(_sessions.Session, "touch", lambda _self, _ms: os.urandom(8).hex())


@breach
def _logout_session() -> None:
    _replace(_sessions.Session, "end", lambda _self: None)


@breach
def _silence() -> None:
    _replace(_sessions, "SESSION_TIMEOUT_S", 10_000.0)


@breach
def _set_back() -> None:
    touch = _sessions.Session.touch

    def again(self: _sessions.Session, ms: int) -> str:
        if ms < self._last_ms:
            self.end()
        return touch(self, ms)

    _replace(_sessions.Session, "touch", again)


@breach
def _kiosk() -> None:
    _replace(_client, "SHARED_TYPES", frozenset())  # the session ends, the person stays


@breach
def _remembers() -> None:
    def identify(self: _speaker.Speaker, tags: Any, properties: Any) -> bool:
        return self._say_as(self._cleaned(tags), "identify", properties, _speaker._without_who(tags))

    _replace(_speaker.Speaker, "identify", identify)


@breach
def _forgets() -> None:
    def logout(self: _speaker.Speaker, properties: Any, tags: Any) -> bool:
        known, told = self.identifiers, self.tags
        queued = _logout(self, properties, tags)
        self.identifiers, self.tags = known, told
        return queued

    _logout = _speaker.Speaker.logout
    _replace(_speaker.Speaker, "logout", logout)


@breach
def _spelling() -> None:
    _replace(_identifiers, "normal_email", lambda text: text)


@breach
def _identify_nobody() -> None:
    _replace(_speaker.Speaker, "_names_nobody", lambda self, kind, *_: _say(self, kind))


@breach
def _consent() -> None:
    _replace(_speaker.Speaker, "consent", lambda self, _purposes, *_: _say(self, "consent"))


@breach
def _link() -> None:
    _replace(
        _speaker.Speaker,
        "relate",
        lambda self, kind, *_: _say(self, kind, "", None, None, encoded({"user": "43"})),
    )


@breach
def _clock() -> None:
    _replace(PythonDriver, "offset_ms", property(lambda _self: 0, lambda _self, _value: None))


@breach
def _backoff() -> None:
    _replace(_worker, "backoff_s", lambda *_, **__: 0.0)


@breach
def _retry_after() -> None:
    _replace(_worker, "retry_after_s", lambda *_: None)


@breach
def _time_limit() -> None:
    def post(self: Transport, body: bytes, *, gzipped: bool, timeout_s: float) -> Answer:
        return _post(self, body, gzipped=gzipped, timeout_s=timeout_s + 60)

    _replace(Transport, "post", post)


@breach
def _whole_exchange() -> None:
    from stitchline import _transport

    readinto = _transport._DeadlineReader.readinto

    def again(self: Any, buffer: Any) -> int:
        self._deadline = time.monotonic() + 1.0
        return readinto(self, buffer)

    _replace(_transport._DeadlineReader, "readinto", again)


@breach
def _half_answer() -> None:
    def post(self: Transport, body: bytes, **more: Any) -> Answer:
        found = _post(self, body, **more)
        return Answer(200, None, b'{"accepted":1}') if found.body == b'{"accepted":' else found

    _replace(Transport, "post", post)


@breach
def _stranger() -> None:
    _replace(_worker, "_decode_reply", lambda _body: Reply(accepted=1))


@breach
def _redirect() -> None:
    import http.client

    def post(self: Transport, body: bytes, **more: Any) -> Answer:
        found = _post(self, body, **more)
        if found.status == 307:
            connection = http.client.HTTPConnection(self._target.host, self._target.port)
            connection.request("POST", self._path.replace("v1/events", "elsewhere"), body)
            reply = connection.getresponse()
            found = Answer(reply.status, None, reply.read())
            connection.close()
        return found

    _replace(Transport, "post", post)


@breach
def _rejected() -> None:
    read = _worker.Sender._read
    _replace(
        _worker.Sender,
        "_read",
        lambda self, answer, events: (
            ("retry", "", "", None) if b'"index"' in answer.body else read(self, answer, events)
        ),
    )


@breach
def _reported() -> None:
    _replace(_worker._LossReport, "make", lambda *_: None)


@breach
def _halves() -> None:
    verdict = _retry.verdict
    _replace(
        _worker,
        "verdict",
        lambda status, *, keeps: ("drop", "too_large") if status == 413 else verdict(status, keeps=keeps),
    )


def _retries(code: int) -> None:
    verdict = _retry.verdict
    _replace(
        _worker,
        "verdict",
        lambda status, *, keeps: ("retry", "") if status == code else verdict(status, keeps=keeps),
    )


@breach
def _refused() -> None:
    _retries(400)


@breach
def _unauthorized() -> None:
    _retries(401)


@breach
def _kept() -> None:
    verdict = _retry.verdict
    _replace(_worker, "verdict", lambda status, **_: verdict(status, keeps=False))


@breach
def _waiting_calls() -> None:
    track = Client.track

    def waits(self: Client, *given: Any, **more: Any) -> bool:
        queued = track(self, *given, **more)
        self.flush(0.5)
        return queued

    _replace(Client, "track", waits)


@breach
def _event_too_large() -> None:
    _replace(_speaker, "MAX_EVENT_BYTES", 10**9)


@breach
def _accounted() -> None:
    _replace(_queue.MemoryQueue, "_put_at_limit", lambda *_: True)


@breach
def _close() -> None:
    _replace(Client, "close", lambda *_: True)


@breach
def _close_in_time() -> None:
    flush = Client.flush
    _replace(Client, "flush", lambda self, _timeout_s: flush(self, 3.0))


@breach
def _survives_kill() -> None:
    made = PythonDriver.made
    _replace(PythonDriver, "made", lambda self, given: made(self, {**given, "storage": "memory"}))


@breach
def _id_after_kill() -> None:
    read = _offline.OfflineQueue._read

    def anew(self: Any, segment: Any) -> Any:
        batch = read(self, segment)
        if batch is not None:
            batch.events = [_with(b"event_id", b'"%b"' % new_id().encode(), event) for event in batch.events]
        return batch

    _replace(_offline.OfflineQueue, "_read", anew)


@breach
def _one_sender() -> None:
    BREACHES["resent"]()


@breach
def _left_behind() -> None:
    _replace(_offline.OfflineQueue, "_adopt", lambda *_: None)


if __name__ == "__main__":
    BREACHES[sys.argv[1]]()
    main()
