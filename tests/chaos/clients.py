"""Who sends meanwhile: raw HTTP clients that write down what each answer said, and an app with the Python SDK."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

from tests.processes import KEY
from tests.system.senders import HEADERS, batch, event

POISON = '{"a":1e999}'  # properties that are JSON and that ClickHouse refuses: a number beyond a double
_PER_BATCH = 5
_ANSWER_WITHIN_S = 120


class Record:
    """What clients were told, by event id.

    Attributes:
        acknowledged: Answered 200 and accepted.
        poisoned: The part of them that ClickHouse will refuse.
        rejected: Answered 200 and kept as failed.
        unanswered: Of requests that ended any other way: they may be stored or not.
        statuses: Answers by status; 0 stands for a broken connection.
    """

    def __init__(self) -> None:
        self.acknowledged: set[str] = set()
        self.poisoned: set[str] = set()
        self.rejected: set[str] = set()
        self.unanswered: set[str] = set()
        self.statuses: dict[int, int] = {}


class Senders:
    """Connections that send batches of events named `name` until the end of the block.

    Args:
        port: The collector's.
        name: Of all events.
        pause_s: Of each, between two batches.
        connections: How many.
    """

    def __init__(self, port: int, name: str, pause_s: float, connections: int = 3) -> None:
        self.record = Record()
        self.poison = threading.Event()  # while set, some events are such that ClickHouse refuses them
        self._name = name
        self._port = port
        self._pause_s = pause_s
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(connections)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(_ANSWER_WITHIN_S)

    def go_on_for(self, seconds: float) -> None:
        """Let them send for a while."""
        self._over.wait(seconds)

    def _send(self) -> None:
        connection = self._connect()
        number = 0
        while not self._over.wait(self._pause_s):
            number += 1
            events = [event(name=self._name, seq=i) for i in range(_PER_BATCH)]
            if number % 10 == 0:
                events[0]["occurred_at"] = "no time"
            if self.poison.is_set() and number % 4 == 0:
                events[1]["properties"] = "POISON"
            body = batch(*events).replace(b'"POISON"', POISON.encode())
            status, answer = self._ask(connection, body)
            with self._lock:
                self._note(events, status, answer)
            if status != 200:
                connection.close()
                connection = self._connect()
                self._over.wait(0.05)
        connection.close()

    def _note(self, events: list[dict[str, Any]], status: int, answer: bytes) -> None:
        record = self.record
        record.statuses[status] = record.statuses.get(status, 0) + 1
        ids = {event["event_id"] for event in events}
        if status != 200:
            record.unanswered |= ids
            return
        rejected = {one["event_id"] for one in json.loads(answer)["rejected"]}
        record.rejected |= rejected
        record.acknowledged |= ids - rejected
        record.poisoned |= {event["event_id"] for event in events if event.get("properties") == "POISON"}

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=_ANSWER_WITHIN_S)

    def _ask(self, connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes]:
        try:
            connection.request("POST", "/v1/events", body, HEADERS)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""


class SdkApp:
    """The app with the SDK."""

    def __init__(self, url: str, folder: Path) -> None:
        self._errors = folder.with_suffix(".log")
        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("sdk_app.py")), url, KEY, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )

    def deliver(self) -> tuple[int, int]:
        """Have it pause and deliver everything; returns how many events it has tracked, and how many the SDK lost."""
        assert self._process.stdout is not None
        self._say(b"deliver\n")
        line = self._process.stdout.readline()
        assert line, f"the app with the SDK has ended:\n{self._errors.read_text()[-2000:]}"
        answer = json.loads(line)
        assert answer["delivered"], f"the SDK does not get rid of its events: {answer}\n{self.log()}"
        return answer["tracked"], answer["lost"]

    def go_on(self) -> None:
        """Have it track again."""
        self._say(b"go on\n")

    def _say(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def log(self) -> str:
        """What it said on its standard error."""
        return self._errors.read_text()[-2000:]

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
