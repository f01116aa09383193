"""A collector that follows a script: a real HTTP listener on a thread, for what a real collector rarely does.

Each request takes the next step of the script; without one it is accepted. What arrived is kept, decoded.
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Request(NamedTuple):
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    batch: dict[str, Any]
    at: float
    port: int


Step = Callable[["Handler", Request], None]


class Handler(BaseHTTPRequestHandler):
    """Reads a request, keeps it, and does the next step."""

    protocol_version = "HTTP/1.1"
    server: ScriptedCollector

    def do_POST(self) -> None:  # the name is http.server's
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, json.loads(body), time.monotonic(), self.client_address[1])
        step = self.server.next_step(request)
        step(self, request)

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


class ScriptedCollector(ThreadingHTTPServer):
    """The listener; `url` is where it listens."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.released = threading.Event()
        self._changed = threading.Condition()
        self._steps: deque[Step] = deque()
        self.requests: list[Request] = []
        self.accepted: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def script(self, *steps: Step) -> None:
        self._steps.extend(steps)

    def next_step(self, request: Request) -> Step:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
            return self._steps.popleft() if self._steps else accept

    def keep(self, events: list[dict[str, Any]]) -> None:
        with self._changed:
            self.accepted.extend(events)
            self._changed.notify_all()

    def wait_for(self, happened: Callable[[], bool], timeout_s: float = 20.0) -> None:
        with self._changed:
            assert self._changed.wait_for(happened, timeout_s), "it did not happen in time"

    def wait_for_events(self, number: int) -> list[dict[str, Any]]:
        self.wait_for(lambda: len(self.accepted) >= number)
        return self.accepted

    def wait_for_requests(self, number: int) -> list[Request]:
        self.wait_for(lambda: len(self.requests) >= number)
        return self.requests

    def names(self) -> list[str]:
        return [event["name"] for event in self.accepted]

    def stop(self) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        return  # broken connections are part of the script


def accept(handler: Handler, request: Request) -> None:
    events = request.batch["events"]
    handler.server.keep(events)
    handler.answer(200, json.dumps({"accepted": len(events), "rejected": []}).encode())


def status(code: int, **headers: str) -> Step:
    return lambda handler, _request: handler.answer(code, b"" if code == 204 else b"no", **headers)


def body(text: bytes) -> Step:
    return lambda handler, _request: handler.answer(200, text)


def reject(*indexes: int) -> Step:
    def step(handler: Handler, request: Request) -> None:
        events = request.batch["events"]
        handler.server.keep([event for index, event in enumerate(events) if index not in indexes])
        rejected = [
            {
                "index": index,
                "event_id": events[index]["event_id"],
                "reason": "too cold",
                "path": "$.properties.x",
            }
            for index in indexes
        ]
        handler.answer(
            200, json.dumps({"accepted": len(events) - len(indexes), "rejected": rejected}).encode()
        )

    return step


def accept_but_reset(handler: Handler, request: Request) -> None:
    """Keep the events, but let the client never know."""
    handler.server.keep(request.batch["events"])
    reset(handler, request)


def reset(handler: Handler, _request: Request) -> None:
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def stall(handler: Handler, _request: Request) -> None:
    handler.server.released.wait(60)
    handler.close_connection = True


def drip(handler: Handler, _request: Request) -> None:
    """Answer one byte at a time, for ever: each byte would begin a socket's timeout anew."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not handler.server.released.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def half_answer(handler: Handler, _request: Request) -> None:
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")


def accept_and_hang_up(handler: Handler, request: Request) -> None:
    """Answer well, then close the kept connection without a word, as servers do with idle ones."""
    accept(handler, request)
    handler.close_connection = True


def limit_bytes(most: int) -> Step:
    """Find bodies too large, for ever; put it back as the next step."""

    def step(handler: Handler, request: Request) -> None:
        handler.server.script(step)
        if len(json.dumps(request.batch["events"])) > most:
            handler.answer(413, b"too large")
        else:
            accept(handler, request)

    return step
