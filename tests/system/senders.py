"""Clients of the system tests: connections of their own that send without end and remember what was acknowledged.

In: a collector's port. Out: the ids of the events of each answered and each unanswered request.
Guaranteed: every event is sent once, in one request; a request that was not answered 200 is never repeated.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from typing import Any, Self

from tests.processes import KEY

HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}


def now() -> str:
    """This moment as it stands on the wire."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def event(**fields: Any) -> dict[str, Any]:
    """An event with an id of its own."""
    return {"event_id": str(uuid.uuid4()), "type": "track", "name": "x", "occurred_at": now(), **fields}


def batch(*events: dict[str, Any], **envelope: Any) -> bytes:
    """The body of a request."""
    return json.dumps({"sent_at": now(), "device": {"id": "d"}, **envelope, "events": list(events)}).encode()


class Sender(threading.Thread):
    """One connection that sends batches until it is told to stop, whatever becomes of the collector.

    Attributes:
        acknowledged: ids answered 200.
        unanswered: ids of requests that ended any other way: they may be stored or not.
        statuses: answers by status; 0 stands for a broken connection.
    """

    def __init__(self, port: int, events_per_batch: int = 20, device: str = "d") -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []
        self.unanswered: list[str] = []
        self.statuses: dict[int, int] = {}
        self._port = port
        self._events = events_per_batch
        self._device = device
        self._stop_now = threading.Event()

    def run(self) -> None:
        """Send."""
        connection = self._connect()
        while not self._stop_now.is_set():
            events = [event(seq=i, properties={"n": i, "text": "x" * 50}) for i in range(self._events)]
            status = self._send(connection, batch(*events, device={"id": self._device}))
            ids = [event["event_id"] for event in events]
            (self.acknowledged if status == 200 else self.unanswered).extend(ids)
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if status != 200:
                connection.close()
                connection = self._connect()
                self._stop_now.wait(0.05)
        connection.close()

    def stop(self) -> None:
        """Finish the request under way, and end."""
        self._stop_now.set()
        self.join(60)

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)

    def _send(self, connection: http.client.HTTPConnection, body: bytes) -> int:
        try:
            connection.request("POST", "/v1/events", body, HEADERS)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return 0
        return answer.status


class Crowd:
    """Several senders at once, each of a device of its own."""

    def __init__(self, port: int, connections: int = 4, events_per_batch: int = 20) -> None:
        self._senders = [Sender(port, events_per_batch, f"d-{number}") for number in range(connections)]

    def __enter__(self) -> Self:
        for sender in self._senders:
            sender.start()
        return self

    def __exit__(self, *_: object) -> None:
        for sender in self._senders:
            sender.stop()

    @property
    def acknowledged(self) -> list[str]:
        """Ids of all acknowledged events."""
        return [id_ for sender in self._senders for id_ in list(sender.acknowledged)]

    @property
    def unanswered(self) -> list[str]:
        """Ids of all events whose request was not answered 200."""
        return [id_ for sender in self._senders for id_ in list(sender.unanswered)]

    @property
    def statuses(self) -> dict[int, int]:
        """Answers by status."""
        total: dict[int, int] = {}
        for sender in self._senders:
            for status, count in dict(sender.statuses).items():
                total[status] = total.get(status, 0) + count
        return total
