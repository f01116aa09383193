"""Drives the Python SDK for the conformance kit: `sdk/spec/conformance.md`.

With `opt-in` as its argument the clients have `require_consent`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

from stitchline import Client, __version__

_SETTINGS = (
    "flush_interval_s", "max_batch_events", "max_queue_events", "timeout_s", "backoff_s", "max_backoff_s",
)  # fmt: skip
_CALLS = frozenset({"track", "page", "screen", "identify", "link", "logout", "consent"})
_ENVELOPE = frozenset({"id", "do", "instance"})


class PythonDriver:
    """Instances of the SDK by name, and the one clock that they see."""

    def __init__(self, *, opt_in: bool = False) -> None:
        self.opt_in = opt_in
        self.clients: dict[str, Client] = {}
        self.offset_ms = 0

    def do(self, command: dict[str, Any]) -> dict[str, Any]:
        what, name = command["do"], command.get("instance", "")
        given = {key: value for key, value in command.items() if key not in _ENVELOPE}
        if what == "hello":
            sdk = {"name": "stitchline-python", "version": __version__}
            return {"sdk": sdk, "can": ["memory", "disk", "kill", "clock", "two", "bound"]}
        if what == "init":
            self.offset_ms = 0
            self.clients[name] = self.made(given)
        elif what == "clock":
            self.offset_ms = given["offset_ms"]
        elif what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif what == "burst":
            for number in range(given["count"]):
                self.clients[name].track(f"{given['name']}-{number}")
        elif what == "flush":
            return {"delivered": self.clients[name].flush(given["timeout_s"])}
        elif what == "close":
            client = self.clients.pop(name, None)
            return {"delivered": client is None or client.close(given["timeout_s"])}
        elif what in _CALLS:
            getattr(self.clients[name], what)(**given)
        else:
            raise ValueError(what)
        return {}

    def made(self, given: dict[str, Any]) -> Client:
        hints = {key: value for key, value in given["settings"].items() if key in _SETTINGS}
        return Client(
            given["endpoint"],
            given["write_key"],
            channel=given["channel"],
            device=given["device"],
            state_dir=given["state"],
            offline_dir=f"{given['state']}/offline" if given["storage"] == "disk" else None,
            # Of a person who agreed before: the kit's scenarios begin without a word on consent.
            consent={"analytics": True} if self.opt_in else None,
            require_consent=self.opt_in,
            clock=lambda: time.time_ns() + self.offset_ms * 1_000_000,
            **hints,
        )


def main() -> None:
    """Do what stands in standard input, line by line."""
    driver = PythonDriver(opt_in="opt-in" in sys.argv)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"ok": True, **driver.do(command)}
        except Exception as error:  # noqa: BLE001 - whatever it is, the kit wants to know
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps({"id": command["id"], **answer}), flush=True)


if __name__ == "__main__":
    main()
