"""The processes of the demo: one collector, and one for each touchpoint.

Guaranteed: whatever happens, the collector is asked to stop, and killed if it does not within 15 s. An error says what
the process printed last.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

from .stories import Touchpoint, folder

READY_WITHIN_S = 60.0
TOUCHPOINT_WITHIN_S = 30.0
STITCHED_WITHIN_S = 30.0
STOPPED_WITHIN_S = 15.0
KEY = "demo"
_LOG_LINES = 12


class DemoError(RuntimeError):
    """The demo cannot go on; the message says why, with the end of the log."""


def free_port(wanted: int) -> int:
    """The wanted port of the loopback address, or one that is free where it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoError("no free port on 127.0.0.1")


class Collector:
    """A `stitchline serve` on the embedded engine.

    Args:
        data: its folder.
        port: its port on the loopback address.
    """

    def __init__(self, data: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = data / "collector.log"
        self._data = data
        self._port = port

    def __enter__(self) -> Self:
        """Start it and wait until it can acknowledge events.

        Raises:
            DemoError: it ended, or was not ready in time.
        """
        self._data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "stitchline_collector", "serve", "--host", "127.0.0.1"]
        command += ["--port", str(self._port), "--data", str(self._data)]
        command += ["--clickhouse", f"chdb://{self._data.absolute() / 'clickhouse'}"]
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C reaches the demo only, which then stops the collector in good order.
            self._process = subprocess.Popen(  # noqa: S603 -- our own command
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_own(), start_new_session=True
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it; what it has acknowledged is loaded first."""
        self._process.terminate()
        try:
            self._process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Raise when it is gone.

        Raises:
            DemoError: it ended by itself.
        """
        status = self._process.poll()
        if status is not None:
            raise DemoError(f"the collector ended with status {status}\n{self.tail()}")

    def journey(self, who: str, events: int) -> dict[str, Any]:
        """Ask for a person's journey until it holds so many events.

        Args:
            who: an identifier, `namespace:value`.
            events: how many there are to be.

        Raises:
            DemoError: they are not there within 30 s, or it does not answer.
        """
        deadline = time.monotonic() + STITCHED_WITHIN_S
        found: dict[str, Any] | None = None
        while time.monotonic() < deadline:
            found = self._journey(who)
            if found is not None and found["person"]["events"] >= events:
                return found
            time.sleep(0.1)
        known = 0 if found is None else found["person"]["events"]
        raise DemoError(
            f"{who} has {known} of {events} events after {STITCHED_WITHIN_S:.0f} s\n{self._counts()}\n{self.tail()}"
        )

    def tail(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"the end of {self.log}:", *(f"  {line}" for line in lines[-_LOG_LINES:])])

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            self.check()
            try:
                ready = json.loads(self._ask("/health/ready"))
            except (OSError, ValueError):
                ready = {}
            if ready.get("loading") == "ok":  # ready is: it can acknowledge; the demo asks ClickHouse as well
                return
            time.sleep(0.05)
        raise DemoError(f"the collector was not ready within {READY_WITHIN_S:.0f} s\n{self.tail()}")

    def _counts(self) -> str:
        """Where the events are, by its own account."""
        wanted = ("stitchline_events", "stitchline_rows", "stitchline_spool", "stitchline_stitch")
        lines = self._ask("/metrics").decode().splitlines()
        return "\n".join(f"  {line}" for line in lines if line.startswith(wanted))

    def _journey(self, who: str) -> dict[str, Any] | None:
        """The answer of `/v1/journey`; None while nobody is known by that name."""
        namespace, _, value = who.partition(":")
        try:
            return dict(
                json.loads(self._ask(f"/v1/journey/{namespace}/{urllib.parse.quote(value)}?events=50"))
            )
        except urllib.error.HTTPError as error:
            with error:
                if error.code in (404, 503):  # not known yet, or ClickHouse is busy
                    return None
                raise DemoError(f"{who}: {error.code} {error.read().decode(errors='replace')}") from None
        except (OSError, ValueError) as error:
            self.check()
            raise DemoError(f"the collector does not answer: {error}\n{self.tail()}") from None

    def _ask(self, path: str) -> bytes:
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {KEY}"})  # noqa: S310 -- http
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 -- http
            return bytes(answer.read())


def play(touchpoint: Touchpoint, collector: Collector, scratch: Path) -> list[str]:
    """Run a touchpoint's process to its end.

    Args:
        touchpoint: which.
        collector: where it sends to.
        scratch: a folder for what its device keeps on disk.

    Returns:
        The lines it printed.

    Raises:
        DemoError: it failed or did not end in time.
    """
    script = folder() / f"{touchpoint.script}.py"
    state = scratch / touchpoint.script
    environment = _own() | {
        "STITCHLINE_ENDPOINT": collector.url,
        "STITCHLINE_KEY": KEY,
        "XDG_STATE_HOME": str(state),  # each process plays a machine of its own
        "ATM_OFFLINE_DIR": str(state / "journal"),
    }
    try:
        ended = subprocess.run(  # noqa: S603 -- our own command
            [sys.executable, str(script)],
            check=False,
            capture_output=True,
            text=True,
            timeout=TOUCHPOINT_WITHIN_S,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise DemoError(
            f"{script} did not end within {TOUCHPOINT_WITHIN_S:.0f} s\n{collector.tail()}"
        ) from None
    if ended.returncode != 0:
        raise DemoError(f"{script} failed:\n{ended.stdout}{ended.stderr}\n{collector.tail()}")
    return (ended.stdout + ended.stderr).splitlines()  # the SDK warns there about what it could not deliver


def _own() -> dict[str, str]:
    """The environment without settings meant for another collector."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STITCHLINE_")}
