"""Where the SDKs deliver to: a raw HTTP server that says yes as fast as Python allows, and counts afterwards.

In: batches of any of the clients' protocols. Out: 200 with the body each client takes for success; `GET /count` parses what has arrived
since the last one and tells how many events with different ids that was. Guaranteed: nothing is parsed while a client is
being measured.
"""

from __future__ import annotations

import asyncio
import gzip
import sys
from collections.abc import Iterator
from typing import Any, cast

import msgspec

# By the beginning of the path: the reply that the client takes for success, where its events are and how they are identified.
PROTOCOLS: dict[bytes, tuple[bytes, str, str]] = {
    b"/v1/events": (b'{"accepted":0,"rejected":[]}', "events", "event_id"),  # stitchline
    b"/v1/batch": (b'{"success":true}', "batch", "messageId"),  # segment
    b"/batch": (b'{"status":1}', "batch", "uuid"),  # posthog
    b"/com.snowplowanalytics.snowplow/tp2": (b"ok", "data", "eid"),
}


class Body:
    """One request as it arrived."""

    def __init__(self, path: bytes, data: bytes, *, compressed: bool) -> None:
        self._path = path
        self._data = data
        self._compressed = compressed

    def event_ids(self) -> Iterator[str]:
        """The ids of its events."""
        _, events, event_id = PROTOCOLS[self._path]
        batch: dict[str, Any] = msgspec.json.decode(
            gzip.decompress(self._data) if self._compressed else self._data
        )
        yield from (event[event_id] for event in batch[events])


class Sink(asyncio.Protocol):
    """One connection."""

    received: list[Body] = []  # noqa: RUF012 -- of all connections

    def __init__(self) -> None:
        self._data = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._data[:end])
            length = int(_header(head, b"content-length") or 0)
            if len(self._data) < end + 4 + length:
                return
            body = bytes(self._data[end + 4 : end + 4 + length])
            del self._data[: end + 4 + length]
            self._transport.write(_answer(self._take(head, body)))

    def _take(self, head: bytes, body: bytes) -> bytes:
        target = head.split(b" ", 2)[1].partition(b"?")[0]
        if target == b"/count":
            return self._count()
        for path, (reply, _, _) in PROTOCOLS.items():
            if target.startswith(path):
                self.received.append(
                    Body(path, body, compressed=_header(head, b"content-encoding") == b"gzip")
                )
                return reply
        return b"{}"

    def _count(self) -> bytes:
        different = {event_id for body in self.received for event_id in body.event_ids()}
        self.received.clear()
        return b"%d" % len(different)


def _header(head: bytes, name: bytes) -> bytes:
    return head.lower().partition(b"\r\n" + name + b":")[2].partition(b"\r\n")[0].strip()


def _answer(body: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1])))
