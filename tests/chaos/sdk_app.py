"""An app with the Python SDK, in a process of its own: it tracks without end, whatever becomes of the collector.

In: url, key and a folder for offline use; on its input, `deliver` has it pause, deliver everything and print how many events it has
tracked so far, how many the SDK counted as lost, and whether everything was delivered; `go on` has it track again.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import stitchline

PAUSE_S = 0.02
DELIVERED_WITHIN_S = 90.0


def main(url: str, key: str, folder: str) -> None:
    """Track and answer until the input ends."""
    client = stitchline.Client(url, key, offline_dir=folder, flush_interval_s=0.2, max_backoff_s=2.0)
    asked, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            (asked if line == "deliver\n" else go_on).set()
        ended.set()
        go_on.set()

    threading.Thread(target=listen, daemon=True).start()
    tracked = 0
    while not ended.is_set():
        if asked.is_set():
            asked.clear()
            delivered = _deliver(client, ended)
            lost = sum(client.losses.values())
            print(json.dumps({"tracked": tracked, "lost": lost, "delivered": delivered}), flush=True)
            go_on.wait()
            go_on.clear()
        elif client.track("sdk", {"n": tracked}):
            tracked += 1
        time.sleep(PAUSE_S)
    client.close()


def _deliver(client: stitchline.Client, ended: threading.Event) -> bool:
    until = time.monotonic() + DELIVERED_WITHIN_S
    while time.monotonic() < until and not ended.is_set():
        if client.flush(1.0):
            return True
    return False


if __name__ == "__main__":
    main(*sys.argv[1:])
